//! What the session asks a venue for, and the bytes an adapter makes of it. Data only.

use core::fmt;

use venuekit_sign::Credentials;
use venuekit_types::UnixNanos;

use crate::{Catalog, Interval, MarketId, Topic};

/// Where in a venue something happens, and the instruments known there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Index into [`crate::Venue::specs`].
    pub product: usize,
    /// Index into that spec's sockets; 0 for REST.
    pub socket: usize,
    /// The product's instruments.
    pub catalog: &'a Catalog,
}

/// What to say on a socket.
#[derive(Clone, Copy, Debug)]
pub enum Say<'a> {
    /// Subscribe to topics under a request id.
    Subscribe {
        /// The request's id.
        id: u64,
        /// What.
        topics: &'a [Topic],
    },
    /// The opposite.
    Unsubscribe {
        /// The request's id.
        id: u64,
        /// What.
        topics: &'a [Topic],
    },
    /// Ask for a challenge.
    AskChallenge,
    /// Log in, with the challenge where there was one.
    Login {
        /// Who.
        credentials: &'a Credentials,
        /// The text to sign.
        challenge: Option<&'a str>,
        /// The venue's time, corrected.
        at: UnixNanos,
    },
    /// A JSON or text ping.
    Ping {
        /// Its id.
        id: u64,
    },
    /// The answer to a server's JSON ping.
    Pong {
        /// The id it came with.
        id: &'a str,
    },
}

/// What to ask by REST.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// The instruments of a product.
    Instruments,
    /// The venue's time.
    Time,
    /// A book snapshot.
    Depth {
        /// Of which market.
        market: MarketId,
        /// Levels a side.
        levels: u32,
    },
    /// Public trades.
    Trades {
        /// Of which market.
        market: MarketId,
        /// From this id upward; the newest when absent.
        from: Option<u64>,
        /// Most rows.
        limit: u32,
    },
    /// Candles, oldest first.
    Candles {
        /// Of which market.
        market: MarketId,
        /// Their span.
        interval: Interval,
        /// Opened at or after.
        from: UnixNanos,
        /// Opened before.
        to: UnixNanos,
    },
    /// The ticker of one market.
    Ticker {
        /// Of which market.
        market: MarketId,
    },
    /// Mark, index and funding of one market.
    Mark {
        /// Of which market.
        market: MarketId,
    },
}

impl Ask {
    /// The market it is about.
    pub fn market(&self) -> Option<MarketId> {
        match self {
            Ask::Instruments | Ask::Time => None,
            Ask::Depth { market, .. }
            | Ask::Trades { market, .. }
            | Ask::Candles { market, .. }
            | Ask::Ticker { market }
            | Ask::Mark { market } => Some(*market),
        }
    }
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Keeps alive.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// A request, ready to send to the REST origin of its product.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The route's template, for logs, budgets and metrics: no ids, no query.
    pub route: &'static str,
    /// Path and query as sent; holds the signature of signed requests.
    pub target: String,
    /// Headers beyond the usual.
    pub headers: Vec<(&'static str, String)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
    /// What it draws from weight budgets.
    pub weight: u32,
}

impl fmt::Debug for HttpRequest {
    /// Prints the template only: target and headers may hold a key or a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRequest({} {})", self.method.as_str(), self.route)
    }
}

/// An answer, borrowed from whoever received it.
#[derive(Clone, Copy, Debug)]
pub struct HttpReply<'a> {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl HttpReply<'_> {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A REST request that wants a signature, for a venue's own `sign_request`.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// In any case.
    pub method: &'a str,
    /// Path and query, encoded as they will be sent.
    pub target: &'a str,
    /// The body to the byte; empty when there is none.
    pub body: &'a str,
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    /// Unix milliseconds until which the request holds; the venue's own rule when absent.
    pub expiration_ms: Option<i64>,
}

/// A signed REST request. It has no `Debug`: headers and target hold a key and a signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The text that the signature covers.
    pub canonical: String,
    /// In lower-case hexadecimal.
    pub signature: String,
    /// Headers to send with it; one of them is the key.
    pub headers: Vec<(String, String)>,
    /// Path and query to send below the venue's REST origin.
    pub target: String,
}

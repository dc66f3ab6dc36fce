//! What the session asks a venue for, and the bytes an adapter makes of it. Data only.

use core::fmt;
use core::time::Duration;
use std::borrow::Cow;

use venuekit_sign::Credentials;
use venuekit_types::UnixNanos;

use crate::ask::{Ask, AskKind, Token};
use crate::{Catalog, Topic};

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
        /// What opens them, where the venue wants it said each time.
        pass: Option<Pass<'a>>,
    },
    /// The opposite.
    Unsubscribe {
        /// The request's id.
        id: u64,
        /// What.
        topics: &'a [Topic],
        /// As in [`Say::Subscribe`].
        pass: Option<Pass<'a>>,
    },
    /// Ask for a challenge.
    AskChallenge {
        /// Who.
        credentials: &'a Credentials,
    },
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

/// What opens private topics inside the message that asks for them.
#[derive(Clone, Copy, Debug)]
pub enum Pass<'a> {
    /// A token that was got by REST.
    Token(&'a Token),
    /// A text of the server's, to sign.
    Challenge {
        /// Who.
        credentials: &'a Credentials,
        /// The text.
        challenge: &'a str,
    },
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

/// Where a request goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The REST origin of its product.
    #[default]
    Rest,
    /// Another one, by its name in [`crate::spec::Hosts::others`].
    Other(&'static str),
}

/// What proves who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// The key by itself.
    Key,
    /// The key and a signature.
    Signed,
}

/// A request: as an adapter writes it, then as [`crate::Venue::sign`] completes it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// What it was made from: decides its lane, and whether it may be sent twice.
    pub kind: AskKind,
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub origin: Origin,
    /// The route's template, for logs, budgets and metrics: no ids, no query.
    pub route: Cow<'static, str>,
    /// Path and query as sent; holds the signature once it is signed.
    pub target: String,
    /// Headers beyond the usual.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
    /// What proves who asks; a request that wants a proof is not sent before [`crate::Venue::sign`] gave it one.
    pub auth: Auth,
    /// What it draws from weight budgets.
    pub weight: u32,
    /// What it draws from order budgets.
    pub orders: u32,
}

impl HttpRequest {
    /// A reading request without proof, of weight one.
    pub fn get(ask: &Ask, route: impl Into<Cow<'static, str>>, target: impl Into<String>) -> HttpRequest {
        HttpRequest {
            kind: ask.kind(),
            method: Method::Get,
            origin: Origin::Rest,
            route: route.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
            auth: Auth::None,
            weight: 1,
            orders: 0,
        }
    }
}

/// A path and its query in the making, every value percent-encoded as it will travel.
#[derive(Clone, Debug)]
pub struct Query {
    target: String,
    joint: char,
}

impl Query {
    /// A path without a query yet.
    pub fn new(path: impl Into<String>) -> Query {
        Query { target: path.into(), joint: '?' }
    }

    /// With one more pair.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Query {
        self.target.push(self.joint);
        self.target.push_str(name);
        self.target.push('=');
        escape(&mut self.target, &value.to_string());
        self.joint = '&';
        self
    }

    /// With one more pair, where there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl fmt::Display>) -> Query {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Path and query as sent.
    pub fn target(self) -> String {
        self.target
    }
}

/// Appends text with everything but the unreserved characters of RFC 3986 percent-encoded.
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The moment and the freshness that a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The venue's time, corrected.
    pub at: UnixNanos,
    /// How long the request holds; the venue's own rule when absent.
    pub window: Option<Duration>,
    /// A number above every one used before with this key, for venues that want one.
    pub nonce: u64,
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
    /// As the venue takes it: hexadecimal in lower case, or base64.
    pub signature: String,
    /// Headers to send with it; one of them is the key.
    pub headers: Vec<(String, String)>,
    /// Path and query to send below the venue's REST origin.
    pub target: String,
    /// The body to send, to the byte.
    pub body: String,
}

//! The seam between a simulated venue and whatever carries its bytes: a server's side of the wire, sans-IO.
//!
//! A [`Front`] is told what clients did and says what to send them. It owns no socket and reads no clock.
//! A driver serves one TCP listener per front, WebSocket upgrades and plain HTTP on the same port; a test hands
//! inputs over by itself. The rules a carrier keeps:
//!
//! - After every [`Front::handle`], take [`Front::poll`] until it is `None`, in order.
//! - Time passes only on [`FrontInput::Tick`]: give one whenever [`Front::next_at`] is due.
//! - A websocket upgrade is `Opened`; exactly one of `Accept` or `Refuse` follows, perhaps later.
//! - Client pings are answered by the carrier, which still reports them. `Ping` asks for one of ours.
//! - `Close` or `Cut` ends a connection: nothing more is said of it, and `Closed` need not be reported.
//! - Connection numbers and request numbers are never used twice.

use std::net::IpAddr;

use bytes::Bytes;
use venuekit_types::{Mono, Now};

/// The header of every answer that names the run, so that rows of two simulated worlds are never mixed.
pub const RUN_HEADER: &str = "X-Venuekit-Run";

/// One venue's server side.
pub trait Front: Send {
    /// Takes in one thing that happened.
    fn handle(&mut self, now: Now, input: FrontInput<'_>);

    /// Gives the next thing to do; `None` until the next [`Front::handle`].
    fn poll(&mut self) -> Option<FrontOutput>;

    /// When the next [`FrontInput::Tick`] is due; already past when there is more to do at once.
    fn next_at(&self) -> Option<Mono>;
}

/// What a carrier reports.
#[derive(Clone, Debug)]
pub enum FrontInput<'a> {
    /// A client asks for a websocket.
    Opened {
        /// The new connection's number.
        conn: u64,
        /// Path and query as asked for.
        path: &'a str,
        /// Where it comes from.
        peer: IpAddr,
    },
    /// A client sent a whole message.
    Frame {
        /// Which connection.
        conn: u64,
        /// The payload.
        data: &'a [u8],
        /// True for a binary message.
        binary: bool,
    },
    /// A client sent a ping, which the carrier answers.
    Ping {
        /// Which connection.
        conn: u64,
    },
    /// A client answered our ping.
    Pong {
        /// Which connection.
        conn: u64,
    },
    /// A connection ended from the other side.
    Closed {
        /// Which connection.
        conn: u64,
    },
    /// A client made an HTTP request.
    Request {
        /// The new request's number.
        id: u64,
        /// The whole request.
        request: Request<'a>,
    },
    /// Time has passed.
    Tick,
}

/// An HTTP request as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Without query, still percent-encoded.
    pub path: &'a str,
    /// The raw text after `?`, empty when there is none.
    pub query: &'a str,
    /// Names in any case, in order, duplicates kept.
    pub headers: &'a [(&'a str, &'a str)],
    /// The raw body.
    pub body: &'a [u8],
    /// Where it comes from.
    pub peer: IpAddr,
}

impl Request<'_> {
    /// The first value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// What a carrier is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontOutput {
    /// Complete the websocket upgrade.
    Accept {
        /// Which connection.
        conn: u64,
    },
    /// Refuse the websocket upgrade with an HTTP status.
    Refuse {
        /// Which connection.
        conn: u64,
        /// The HTTP status.
        status: u16,
    },
    /// Send one text message; always valid UTF-8. A broadcast shares one allocation.
    Send {
        /// Which connection.
        conn: u64,
        /// The payload.
        text: Bytes,
    },
    /// Send a websocket ping.
    Ping {
        /// Which connection.
        conn: u64,
    },
    /// Close in order: a close frame, with a status code or empty.
    Close {
        /// Which connection.
        conn: u64,
        /// The status code, if one is sent.
        code: Option<u16>,
    },
    /// Cut the connection: no close frame, as a dead process or network would.
    Cut {
        /// Which connection.
        conn: u64,
    },
    /// Answer a request.
    Respond {
        /// Which request.
        id: u64,
        /// The whole answer.
        response: Response,
    },
    /// Never answer a request: close its connection without a byte.
    Abandon {
        /// Which request.
        id: u64,
    },
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// In order; `content-type` included, `content-length` left to the carrier.
    pub headers: Vec<(&'static str, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// The first value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

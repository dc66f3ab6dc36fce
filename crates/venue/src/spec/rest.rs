//! Requests: the time they carry, what is signed, which budgets they draw on, how pages follow and numbers travel.

use core::time::Duration;

use crate::AskKind;

/// Where a trustworthy time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// A time route.
    Route,
    /// A time route that tells whole seconds.
    RouteSeconds,
    /// A field in every reply.
    ReplyField,
    /// The `Date` header.
    HttpDate,
    /// Times inside pushes.
    FrameTime,
}

/// What makes a signed request unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// Nothing.
    None,
    /// A number above the last accepted, per key.
    Rising,
    /// As `Rising`, with a little disorder allowed.
    LooseRising,
    /// The time itself.
    ClockWindow,
    /// Random, fresh per request.
    Random,
}

/// The text that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignScheme {
    /// None: no request wants a proof.
    None,
    /// The query sorted by key, encoded as sent.
    SortedQuery,
    /// Query and body as sent.
    QueryBody,
    /// Parameters sorted and not encoded.
    SortedRaw,
    /// Six fields joined by pipes.
    PipeJoined,
    /// Time, key, window, then the payload.
    TimeKeyWindowPayload,
    /// Time, method, path with query, body.
    TimeMethodPathBody,
    /// Key, time, payload.
    KeyTimePayload,
    /// Method, id, key, flattened parameters, nonce.
    FlattenedParams,
    /// Path and the hash of nonce and body.
    PathHashNonceBody,
    /// The hash of data, nonce and path.
    HashBodyNoncePath,
    /// A JSON web token's claims.
    Jwt,
}

/// Whose budget a request draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetKey {
    /// The address we come from.
    Ip,
    /// Every key of a user.
    Account,
    /// One key.
    ApiKey,
    /// The user when signed, else the address.
    AccountElseIp,
    /// Account and symbol.
    Pair,
}

/// How a budget refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Resets on the clock.
    Fixed(Duration),
    /// Any span of that length.
    Rolling(Duration),
    /// A bucket that refills evenly, wholly in that span.
    Bucket(Duration),
}

impl Window {
    /// The span after which a full budget is back.
    pub const fn span(self) -> Duration {
        match self {
            Window::Fixed(span) | Window::Rolling(span) | Window::Bucket(span) => span,
        }
    }
}

/// One request budget.
#[derive(Clone, Debug)]
pub struct Budget {
    /// A word for logs and metrics.
    pub name: String,
    /// Whose it is.
    pub key: BudgetKey,
    /// How it refills.
    pub window: Window,
    /// What it holds.
    pub capacity: u32,
    /// What draws on it.
    pub draws: Draws,
    /// The header that tells what is used, in lower case.
    pub used_header: Option<String>,
    /// The header that tells what it holds, in lower case.
    pub limit_header: Option<String>,
    /// The header that tells what is left, in lower case.
    pub left_header: Option<String>,
}

/// Which requests draw on a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Every request, by its weight.
    Weight,
    /// Order entry only, one each.
    Orders,
    /// Every request to a path that begins so, by its weight.
    Under(&'static str),
    /// Order entry, one each, and each cancel by the age of its order: the spans rise, and the first that the order is
    /// younger than says how much. One of unknown age costs the most.
    AgedOrders(&'static [(Duration, u32)]),
}

/// How one kind of history is paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagingSpec {
    /// What is asked.
    pub ask: AskKind,
    /// The scheme.
    pub paging: Paging,
    /// Most rows a page.
    pub page: u32,
    /// Longest span one request may cover.
    pub span: Option<Duration>,
}

/// A paging scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// From the last id plus one.
    IdUp,
    /// Below the last id.
    IdDown,
    /// An opaque cursor.
    Cursor,
    /// Rows or pages inside a fixed window.
    Offset,
    /// The end moves to the oldest row.
    TimeDown,
}

/// How numbers travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// As read.
    pub read: NumberForm,
    /// As written.
    pub write: NumberForm,
}

/// One form of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberForm {
    /// A string; empty means none.
    Text,
    /// A JSON number kept as its text.
    Token,
    /// Either.
    Either,
}

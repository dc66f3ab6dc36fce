//! The tape: what a session saw and said, as JSON Lines in the layout of cryptofeed's raw recordings.
//!
//! A [`Row`] is one line. [`Redactor`] keeps secrets out of what is written: requests, headers and the messages of
//! logged-in connections pass an allow-list, and each value that does not is replaced by a stable `REDACTED-n`, so
//! that later uses of it still match.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use venuekit_types::{Mono, Now, Scale, UnixNanos, parse_scaled};

/// What a row records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Who recorded what, and how.
    Header,
    /// A connection opened.
    Connect,
    /// A connection ended.
    Close,
    /// We sent a message.
    Send,
    /// A message came.
    Recv,
    /// A request was answered.
    Http,
    /// Anything else that the session was told.
    Command,
}

/// One row of a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it records.
    pub kind: Kind,
    /// The connection or request.
    pub conn: String,
    /// When, on the wall clock.
    pub at: UnixNanos,
    /// When, on the clock that never goes back; only on our own tapes.
    pub mono: Option<Mono>,
    /// Where to: the address of a connection, the URL of a request.
    pub url: Option<String>,
    /// The payload.
    pub data: Vec<u8>,
    /// Method of an `http` row.
    pub method: Option<String>,
    /// Status of an `http` row; 200 when absent.
    pub status: Option<u16>,
    /// Headers of an `http` row, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// Why a line is no row.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// Not JSON, or not of the layout.
    #[error("not a tape row; expected an object with \"t\", \"ts\" and \"data\"")]
    Layout(#[source] serde_json::Error),
    /// The time is no number of seconds.
    #[error("the time {0:?} is no number of Unix seconds")]
    Time(String),
    /// The binary payload is no base64.
    #[error("the payload says base64 and is not")]
    Base64(#[source] base64::DecodeError),
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    t: Kind,
    #[serde(borrow, default)]
    conn: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    ts: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mono: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    addr: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    enc: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Cow<'a, str>,
}

impl Row {
    /// A row without the parts that only some kinds have.
    pub fn new(kind: Kind, conn: impl Into<String>, now: Now, data: impl Into<Vec<u8>>) -> Row {
        Row {
            kind,
            conn: conn.into(),
            at: now.wall,
            mono: Some(now.mono),
            url: None,
            data: data.into(),
            method: None,
            status: None,
            headers: Vec::new(),
        }
    }

    /// The row as one line, without its line feed.
    pub fn to_line(&self) -> String {
        let nanos = self.at.0.rem_euclid(1_000_000_000);
        let seconds = self.at.0.div_euclid(1_000_000_000);
        let ts = RawValue::from_string(format!("{seconds}.{nanos:09}")).ok();
        let text = core::str::from_utf8(&self.data);
        let is_http = self.kind == Kind::Http;
        let url = self.url.as_deref().map(Cow::Borrowed);
        let line = Line {
            t: self.kind,
            conn: Cow::Borrowed(&self.conn),
            ts: ts.as_deref(),
            mono: self.mono.map(|mono| mono.0),
            addr: url.clone().filter(|_| !is_http),
            url: url.filter(|_| is_http),
            method: self.method.as_deref().map(Cow::Borrowed),
            status: self.status,
            headers: self.headers.iter().cloned().collect(),
            enc: text.is_err().then_some(Cow::Borrowed("base64")),
            data: match text {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => Cow::Owned(STANDARD.encode(&self.data)),
            },
        };
        serde_json::to_string(&line).expect("a row of strings and numbers is always JSON")
    }

    /// Reads one line.
    ///
    /// **Errors**: [`TapeError`].
    pub fn parse(text: &str) -> Result<Row, TapeError> {
        let line: Line<'_> = serde_json::from_str(text).map_err(TapeError::Layout)?;
        let data = match line.enc.as_deref() {
            Some("base64") => STANDARD.decode(line.data.as_bytes()).map_err(TapeError::Base64)?,
            _ => line.data.into_owned().into_bytes(),
        };
        Ok(Row {
            kind: line.t,
            conn: line.conn.into_owned(),
            at: line.ts.map_or(Ok(UnixNanos(0)), |raw| seconds(raw.get()))?,
            mono: line.mono.map(Mono),
            url: line.url.or(line.addr).map(Cow::into_owned),
            data,
            method: line.method.map(Cow::into_owned),
            status: line.status,
            headers: line.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect(),
        })
    }
}

/// Seconds with any number of decimal places; what is finer than a nanosecond is cut off.
fn seconds(text: &str) -> Result<UnixNanos, TapeError> {
    let nine = Scale::new(9).expect("9 is within 0..=18");
    let cut = match text.split_once('.') {
        Some((whole, fraction)) if fraction.len() > 9 && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{whole}.{}", &fraction[..9])
        }
        _ => text.to_owned(),
    };
    parse_scaled(cut.as_bytes(), nine).map(UnixNanos).map_err(|_| TapeError::Time(text.to_owned()))
}

/// Replaces what may be secret before it is written.
#[derive(Debug, Default)]
pub struct Redactor {
    known: BTreeMap<String, usize>,
    /// What is kept beyond [`ALLOWED`].
    words: Vec<&'static str>,
}

/// JSON keys, query parameters and headers whose values are no secrets: names of things, numbers of the market, and
/// rows of the account. A value under any other name is replaced, unless its venue knows it for harmless.
const ALLOWED: &[&str] = &[
    // requests and controls
    "type",
    "method",
    "params",
    "id",
    "channels",
    "name",
    "instruments",
    "symbol",
    "instrument",
    "channel",
    "limit",
    "fromid",
    "starttime",
    "endtime",
    "interval",
    "resolution",
    "from",
    "to",
    "start",
    "reverse",
    "recvwindow",
    "timestamp",
    "code",
    "msg",
    "message",
    "error",
    "result",
    "data",
    "sequence",
    "status",
    "e",
    "E",
    "s",
    "w",
    // rows
    "bids",
    "asks",
    "orderid",
    "clientorderid",
    "side",
    "price",
    "size",
    "stopprice",
    "timeinforce",
    "updatetime",
    "fee",
    "leverage",
    "entryprice",
    "markprice",
    "liquidationprice",
    "currency",
    "quantity",
    "available",
    "mm",
    "b",
    "a",
    "f",
    "l",
    "pa",
    "ep",
    "up",
    "origqty",
    "executedqty",
    "avgprice",
    "feeasset",
    "time",
    "qty",
    "quoteqty",
    "realizedpnl",
    "postonly",
    "reduceonly",
    "asset",
    "free",
    "locked",
    // headers
    "content-type",
    "date",
    "retry-after",
];

/// Characters from which on a value is looked for wherever it stands.
const SECRET_LEN: usize = 8;

/// Letters and digits from which on a part of a path is taken for a token.
const TOKEN_LEN: usize = 24;

impl Redactor {
    /// A redactor that knows no secret yet.
    pub fn new() -> Redactor {
        Redactor::default()
    }

    /// Keeps values under these names too: a venue's [`public_words`](venuekit_venue::Venue::public_words).
    pub fn keep(&mut self, words: &[&'static str]) {
        self.words.extend(words);
    }

    fn is_allowed(&self, name: &str) -> bool {
        let known = |name: &str| ALLOWED.contains(&name) || self.words.contains(&name);
        known(name) || known(&name.to_ascii_lowercase())
    }

    /// Whether a value that was replaced once is to be found under harmless names too: amounts and short words are not,
    /// since they stand everywhere and open nothing.
    fn is_secret(&self, text: &str) -> bool {
        let opens = text.len() >= SECRET_LEN && text.parse::<Decimal>().is_err();
        opens && self.known.contains_key(text)
    }

    /// Whether a part of a path was seen as a secret, or looks like one.
    fn is_token(&self, part: &str) -> bool {
        let looks = part.len() >= TOKEN_LEN && part.bytes().all(|b| b.is_ascii_alphanumeric());
        looks || self.known.contains_key(part)
    }

    /// The stable name of a value.
    fn name(&mut self, value: &str) -> String {
        let next = self.known.len() + 1;
        let n = *self.known.entry(value.to_owned()).or_insert(next);
        format!("REDACTED-{n}")
    }

    /// A message of a connection that logged in, or one that we sent. What is no JSON is replaced whole.
    pub fn message(&mut self, bytes: &[u8]) -> Vec<u8> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(mut value) => {
                self.value(&mut value, true);
                value.to_string().into_bytes()
            }
            Err(_) => self.name(&String::from_utf8_lossy(bytes)).into_bytes(),
        }
    }

    /// The target of a request: path kept but for tokens in it, query through the allow-list.
    pub fn url(&mut self, url: &str) -> String {
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let parts: Vec<String> = path
            .split('/')
            .map(|part| if self.is_token(part) { self.name(part) } else { part.to_owned() })
            .collect();
        let path = parts.join("/");
        let Some(query) = query else { return path };
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) if !self.is_allowed(key) => format!("{key}={}", self.name(value)),
                _ => pair.to_owned(),
            })
            .collect();
        format!("{path}?{}", pairs.join("&"))
    }

    /// Headers through the allow-list; the others are left out.
    pub fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers.iter().filter(|(name, _)| self.is_allowed(name)).cloned().collect()
    }

    fn value(&mut self, value: &mut Value, allowed: bool) {
        match value {
            Value::Object(map) => self.object(map),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, allowed)),
            Value::String(text) if !allowed || self.is_secret(text) => {
                *text = self.name(text);
            }
            Value::Number(number) if !allowed => *value = Value::String(self.name(&number.to_string())),
            _ => {}
        }
    }

    fn object(&mut self, map: &mut Map<String, Value>) {
        for (key, value) in map.iter_mut() {
            let allowed = self.is_allowed(key);
            self.value(value, allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_adds_words_of_its_own() {
        let (mut redactor, said) = (Redactor::new(), br#"{"op":"auth","key":"canary"}"#);
        assert!(!String::from_utf8_lossy(&redactor.message(said)).contains("auth"));
        redactor.keep(&["op"]);
        let told = String::from_utf8(redactor.message(br#"{"op":"sub","key":"canary"}"#)).expect("text");
        assert!(told.contains(r#""op":"sub""#) && !told.contains("canary"), "{told}");
    }

    /// An amount that was held back under one name is no secret under another, and a token is one everywhere.
    #[test]
    fn only_what_may_open_something_is_looked_for_elsewhere() {
        let mut redactor = Redactor::new();
        let said = br#"{"unheard":"0.00000000","unit":"USD","token":"canary-token"}"#;
        let first = String::from_utf8(redactor.message(said)).expect("JSON");
        assert_eq!(first.matches("REDACTED-").count(), 3, "{first}");
        let again = redactor.message(br#"{"free":"0.00000000","asset":"USD","id":"canary-token"}"#);
        let again = String::from_utf8(again).expect("JSON");
        assert!(again.contains(r#""free":"0.00000000""#) && again.contains(r#""asset":"USD""#), "{again}");
        assert!(!again.contains("canary"), "{again}");
    }

    #[test]
    fn a_row_survives_its_line() {
        let now = Now { mono: Mono(7), wall: UnixNanos(1_633_998_511_132_921_000) };
        let mut row = Row::new(Kind::Http, "http.3", now, "{\"a\":1}");
        row.url = Some("https://api.example.com/v1/depth?symbol=BTCUSDT".into());
        row.status = Some(429);
        row.headers = vec![("retry-after".into(), "3".into())];
        assert_eq!(Row::parse(&row.to_line()).expect("its own line"), row);
        let binary = Row::new(Kind::Recv, "1", now, vec![0xff, 0x00]);
        assert_eq!(Row::parse(&binary.to_line()).expect("its own line"), binary);
    }

    #[test]
    fn foreign_rows_are_read() {
        let text = r#"{"t":"recv","conn":"ws.1","ts":1633998514.6462898,"data":"{\"x\":1}"}"#;
        let row = Row::parse(text).expect("cryptofeed's layout");
        assert_eq!((row.at, row.mono), (UnixNanos(1_633_998_514_646_289_800), None));
        assert!(Row::parse("{}").is_err());
        assert!(Row::parse(r#"{"t":"recv","ts":"x","data":""}"#).is_err());
    }

    #[test]
    fn secrets_are_replaced_by_stable_names() {
        let mut redactor = Redactor::new();
        let auth = redactor.message(br#"{"type":"auth","key":"canary-key","answer":"canary-answer"}"#);
        let auth = String::from_utf8(auth).expect("JSON");
        assert!(!auth.contains("canary") && auth.contains("\"type\":\"auth\""), "{auth}");
        let listen = redactor.message(br#"{"listenKey":"canary-listen"}"#);
        let url = redactor.url("/ws?listenKey=canary-listen&symbol=BTCUSDT");
        let name = String::from_utf8(listen).expect("JSON");
        let name = name.split('"').nth(3).expect("the value").to_owned();
        assert_eq!(url, format!("/ws?listenKey={name}&symbol=BTCUSDT"));
        assert_eq!(redactor.url("wss://x.test/ws/canary-listen"), format!("wss://x.test/ws/{name}"));
        let unseen = redactor.url("/ws/0123456789abcdefABCDEF0123456789?a=1");
        assert!(!unseen.contains("0123456789abcdef") && redactor.url("/v1/orders/all") == "/v1/orders/all");
        assert!(!String::from_utf8_lossy(&redactor.message(b"canary bare text")).contains("canary"));
        let headers =
            [("x-doex-apikey".to_owned(), "canary".to_owned()), ("date".to_owned(), "now".to_owned())];
        assert_eq!(redactor.headers(&headers), vec![("date".to_owned(), "now".to_owned())]);
    }
}

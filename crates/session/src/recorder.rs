//! Turns what goes in and out of a session into tape rows, secrets redacted: whoever runs a session writes them down.
//!
//! Every input becomes a row, so that [`crate::Replay`] can give the same inputs at the same times.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use venuekit_types::Now;
use venuekit_venue::{Auth, Channel, Interval};

use crate::command::Command;
use crate::config::Want;
use crate::io::{ConnId, Input, Output};
use crate::tape::{Kind, Redactor, Row};

/// What the header row says of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The venue.
    pub venue: String,
    /// The program and its version.
    pub recorder: String,
    /// The session's seed.
    pub seed: u64,
    /// The environment, such as `live` or `sim`.
    pub environment: String,
    /// A digest of the configuration, so that two recordings can be told apart.
    pub config: String,
    /// What was asked for: product (or nothing), symbol, channel.
    pub wants: Vec<(Option<String>, String, String)>,
}

/// A wish as a row spells it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wish {
    product: Option<String>,
    symbol: String,
    channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
}

impl Wish {
    fn of(want: &Want) -> Wish {
        let interval = match want.channel {
            Channel::Candles(interval) => Some(interval.as_str().to_owned()),
            _ => None,
        };
        let channel = want.channel.as_str().to_owned();
        Wish { product: want.product.clone(), symbol: want.symbol.clone(), channel, interval }
    }

    /// The wish; nothing for a channel that this version does not know.
    pub(crate) fn into_want(self) -> Option<Want> {
        let mut channel = Channel::from_word(&self.channel)?;
        if let (Channel::Candles(interval), Some(word)) = (&mut channel, &self.interval) {
            *interval = Interval::from_word(word)?;
        }
        Some(Want { product: self.product, symbol: self.symbol, channel })
    }
}

/// Makes rows of one session's inputs and outputs.
#[derive(Debug, Default)]
pub struct Recorder {
    redactor: Redactor,
    urls: BTreeMap<ConnId, String>,
    /// Connections that sent something the redactor changed: what comes back on them may be private.
    private: BTreeSet<ConnId>,
    /// URL and method of each request under way, and whether its answer may be private.
    requests: BTreeMap<u64, (String, &'static str, bool)>,
}

impl Recorder {
    /// A recorder that has seen nothing.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// Keeps what stands under these names: a venue's [`public_words`](venuekit_venue::Venue::public_words).
    pub fn keep(&mut self, words: &[&'static str]) {
        self.redactor.keep(words);
    }

    /// The first row.
    pub fn header(&self, now: Now, about: &About) -> Row {
        let wants: Vec<_> = about
            .wants
            .iter()
            .map(|(product, symbol, channel)| json!({"product": product, "symbol": symbol, "channel": channel}))
            .collect();
        let data = json!({
            "exact": true, "venue": about.venue, "recorder": about.recorder, "seed": about.seed,
            "environment": about.environment, "config": about.config, "wants": wants,
        });
        Row::new(Kind::Header, "", now, data.to_string())
    }

    /// The row of an input.
    pub fn input(&mut self, now: Now, input: &Input<'_>) -> Row {
        match input {
            Input::Opened { conn } => {
                let mut row = Row::new(Kind::Connect, conn.to_string(), now, "");
                row.url = self.urls.get(conn).cloned();
                row
            }
            Input::Frame { conn, bytes } => {
                let data =
                    if self.private.contains(conn) { self.redactor.message(bytes) } else { bytes.to_vec() };
                Row::new(Kind::Recv, conn.to_string(), now, data)
            }
            Input::Closed { conn, why } => {
                self.private.remove(conn);
                self.urls.remove(conn);
                Row::new(Kind::Close, conn.to_string(), now, *why)
            }
            Input::Response { id, reply } => {
                let mut row = Row::new(Kind::Http, format!("http.{id}"), now, reply.body);
                row.status = Some(reply.status);
                row.headers = self.redactor.headers(reply.headers);
                if let Some((url, method, private)) = self.requests.remove(&id.0) {
                    if private {
                        row.data = self.redactor.message(reply.body);
                    }
                    row.url = Some(url);
                    row.method = Some(method.to_owned());
                }
                row
            }
            Input::Pong { conn } => command(now, conn.to_string(), &json!({"input": "pong"})),
            Input::Shed { conn } => command(now, conn.to_string(), &json!({"input": "shed"})),
            Input::Failed { id, why } => {
                self.requests.remove(&id.0);
                command(now, String::new(), &json!({"input": "failed", "id": id.0, "why": why}))
            }
            Input::Unsent { id, why } => {
                self.requests.remove(&id.0);
                command(now, String::new(), &json!({"input": "unsent", "id": id.0, "why": why}))
            }
            Input::Persisted { id, value } => {
                command(now, String::new(), &json!({"input": "persisted", "id": id.0, "value": value}))
            }
            Input::Command(Command::Resync(stream)) => {
                command(now, String::new(), &json!({"input": "resync", "stream": stream.0}))
            }
            // What is asked names funds and strategy; that it was asked, and what went out, is enough to follow.
            Input::Command(Command::Ask(ask)) => {
                let kind = format!("{:?}", ask.ask.kind());
                command(now, String::new(), &json!({"input": "ask", "id": ask.id.0, "kind": kind}))
            }
            Input::Command(Command::Share(sessions)) => {
                command(now, String::new(), &json!({"input": "share", "value": sessions.get()}))
            }
            Input::Command(Command::Follow(wants)) => {
                let wants: Vec<Wish> = wants.iter().map(Wish::of).collect();
                command(now, String::new(), &json!({"input": "follow", "wants": wants}))
            }
            // That it was changed, and nothing of it.
            Input::Credentials { .. } => command(now, String::new(), &json!({"input": "credentials"})),
            Input::Command(Command::Stop) => command(now, String::new(), &json!({"input": "stop"})),
            Input::Tick => command(now, String::new(), &json!({"input": "tick"})),
        }
    }

    /// The row of an output, for those that leave the machine; the others are noted for the rows that follow them.
    pub fn output(&mut self, now: Now, output: &Output<'_>) -> Option<Row> {
        match output {
            Output::Connect { conn, url, .. } => {
                let url = self.redactor.url(url);
                self.urls.insert(*conn, url);
                None
            }
            Output::Send { conn, bytes } => {
                let data = self.redactor.message(bytes);
                if String::from_utf8_lossy(&data).contains("REDACTED-") {
                    self.private.insert(*conn);
                }
                Some(Row::new(Kind::Send, conn.to_string(), now, data))
            }
            Output::Close { conn, reason } => {
                self.private.remove(conn);
                self.urls.remove(conn);
                Some(command(now, conn.to_string(), &json!({"input": "closing", "why": reason.as_str()})))
            }
            Output::Request { id, origin, request } => {
                let url = format!("{origin}{}", self.redactor.url(&request.target));
                self.requests.insert(id.0, (url, request.method.as_str(), request.auth != Auth::None));
                None
            }
            Output::Ping { .. } | Output::Persist { .. } | Output::Emit(_) | Output::Wait(_) => None,
        }
    }
}

fn command(now: Now, conn: String, data: &serde_json::Value) -> Row {
    Row::new(Kind::Command, conn, now, data.to_string())
}

//! Futures connections: what they listen to, what they may ask, and when they end.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use fastrand::Rng;
use serde_json::Value;
use venuekit_types::{Kind, Mono};

use crate::kraken::futures::{State, public};
use crate::kraken::{Kraken, SECOND, sign};
use crate::text::{Text, quoted};
use crate::venue::Context;
use crate::world::World;

/// What is said of a challenge that is signed wrongly. The venue documents no words for it; these are others'.
const BAD_PROOF: &str = "Invalid signed challenge";

/// The longest message that is read.
const FRAME_MAX: usize = 64 << 10;

/// What a connection can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Feed {
    /// A book, level by level.
    Book(usize),
    /// Trades.
    Trade(usize),
    /// Prices, funding and the day.
    Ticker(usize),
    /// Prices and the day alone.
    TickerLite(usize),
    /// A sign of life.
    Heartbeat,
    /// The account's orders in the book.
    OpenOrders,
    /// The account's fills.
    Fills,
    /// The account's positions.
    OpenPositions,
    /// The account's wallets.
    Balances,
}

impl Feed {
    /// The feed's name, as clients and messages spell it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Feed::Book(_) => "book",
            Feed::Trade(_) => "trade",
            Feed::Ticker(_) => "ticker",
            Feed::TickerLite(_) => "ticker_lite",
            Feed::Heartbeat => "heartbeat",
            Feed::OpenOrders => "open_orders",
            Feed::Fills => "fills",
            Feed::OpenPositions => "open_positions",
            Feed::Balances => "balances",
        }
    }

    fn of_market(word: &str) -> Option<fn(usize) -> Feed> {
        match word {
            "book" => Some(Feed::Book),
            "trade" => Some(Feed::Trade),
            "ticker" => Some(Feed::Ticker),
            "ticker_lite" => Some(Feed::TickerLite),
            _ => None,
        }
    }

    fn of_account(word: &str) -> Option<Feed> {
        [Feed::OpenOrders, Feed::Fills, Feed::OpenPositions, Feed::Balances]
            .into_iter()
            .find(|f| f.word() == word)
    }

    /// The name by which faults strike it: `book:PF_XBTUSD`, `open_orders`; balances are `futures:balances`, since spot
    /// has a channel of that name.
    pub(super) fn name(self, world: &World) -> String {
        match self {
            Feed::Book(market) | Feed::Trade(market) | Feed::Ticker(market) | Feed::TickerLite(market) => {
                format!("{}:{}", self.word(), world.markets()[market].spec.native)
            }
            Feed::Balances => "futures:balances".to_string(),
            feed => feed.word().to_string(),
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    peer: IpAddr,
    pub(super) feeds: BTreeSet<Feed>,
    /// The challenge that it was given.
    challenge: Option<String>,
    /// The key that signed it.
    pub(super) key: Option<String>,
    pub(super) heard_at: Mono,
    /// When the second began in which messages are counted, and how many there were.
    second: (Mono, u32),
}

impl State {
    pub(super) fn leave(&mut self, conn: u64, feed: Feed) {
        let Some(conns) = self.listeners.get_mut(&feed) else { return };
        conns.retain(|&other| other != conn);
        if conns.is_empty() {
            self.listeners.remove(&feed);
        }
    }

    pub(super) fn has(&self, feed: Feed) -> bool {
        self.listeners.contains_key(&feed)
    }
}

/// A random UUID of version 4.
fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl Kraken {
    pub(in crate::kraken) fn futures_opened(&mut self, cx: &mut Context<'_>, conn: u64, peer: IpAddr) {
        let now = cx.now.mono;
        let state = Conn {
            peer,
            feeds: BTreeSet::new(),
            challenge: None,
            key: None,
            heard_at: now,
            second: (now, 0),
        };
        self.futures.conns.insert(conn, state);
        cx.out.accept(cx.now, conn);
        cx.out.send(cx.now, conn, None, Bytes::from_static(br#"{"event":"info","version":1}"#));
    }

    pub(in crate::kraken) fn futures_frame(&mut self, cx: &mut Context<'_>, conn: u64, text: Option<&str>) {
        let Some(state) = self.futures.conns.get_mut(&conn) else { return };
        state.heard_at = cx.now.mono;
        if cx.now.mono.since(state.second.0) >= SECOND {
            state.second = (cx.now.mono, 0);
        }
        state.second.1 += 1;
        if state.second.1 > self.limits.futures_messages {
            return say(cx, conn, "error", "Too many requests");
        }
        let value =
            text.filter(|text| text.len() <= FRAME_MAX).and_then(|text| serde_json::from_str(text).ok());
        let Some(value): Option<Value> = value else { return say(cx, conn, "error", "Json Error") };
        let word = value["feed"].as_str().unwrap_or_default();
        match value["event"].as_str().unwrap_or_default() {
            "ping" => cx.out.send(cx.now, conn, None, Bytes::from_static(br#"{"event":"pong"}"#)),
            "challenge" if value["api_key"].is_string() => {
                let challenge = uuid(cx.rng);
                say(cx, conn, "challenge", &challenge);
                if let Some(state) = self.futures.conns.get_mut(&conn) {
                    state.challenge = Some(challenge);
                }
            }
            event @ ("subscribe" | "unsubscribe") => {
                let on = event == "subscribe";
                if let Some(feed) = Feed::of_market(word) {
                    self.follow_products(cx, conn, &value, feed, on);
                } else if let Some(feed) = Feed::of_account(word) {
                    self.follow_account(cx, conn, &value, feed, on);
                } else if word == "heartbeat" {
                    let text = format!(r#"{{"event":"{event}d","feed":"heartbeat"}}"#);
                    cx.out.send(cx.now, conn, None, Bytes::from(text));
                    self.follow(cx, conn, Feed::Heartbeat, on);
                } else {
                    say(cx, conn, "error", "Invalid feed");
                }
            }
            _ => say(cx, conn, "error", "Json Error"),
        }
    }

    /// One answer for each product, then its snapshot.
    fn follow_products(
        &mut self,
        cx: &mut Context<'_>,
        conn: u64,
        value: &Value,
        feed: fn(usize) -> Feed,
        on: bool,
    ) {
        let products = value["product_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        let markets: Option<Vec<usize>> = products.iter().map(|id| find(cx.world, id.as_str()?)).collect();
        let Some(markets) = markets.filter(|markets| !markets.is_empty()) else {
            return say(cx, conn, "error", "Invalid product id");
        };
        let event = if on { "subscribed" } else { "unsubscribed" };
        for &market in &markets {
            let (word, native) = (feed(market).word(), cx.world.markets()[market].spec.native);
            let text = format!(r#"{{"event":"{event}","feed":"{word}","product_ids":["{native}"]}}"#);
            cx.out.send(cx.now, conn, None, Bytes::from(text));
        }
        for market in markets {
            self.follow(cx, conn, feed(market), on);
        }
    }

    /// The account's feeds want the challenge, signed.
    fn follow_account(&mut self, cx: &mut Context<'_>, conn: u64, value: &Value, feed: Feed, on: bool) {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let key = text("api_key");
        let refused = self.challenge_refusal(cx, conn, value);
        if let Some(refusal) = refused.or((on && cx.out.refuses_login(cx.now, conn)).then_some(BAD_PROOF)) {
            return say(cx, conn, "error", refusal);
        }
        if let Some(state) = self.futures.conns.get_mut(&conn) {
            state.key = Some(key.to_string());
        }
        let mut answer = Text::new();
        answer.s(if on { r#"{"event":"subscribed""# } else { r#"{"event":"unsubscribed""# });
        for name in ["feed", "api_key", "original_challenge", "signed_challenge"] {
            answer.s(",\"").s(name).s("\":").s(&quoted(text(name)));
        }
        answer.s("}");
        cx.out.send(cx.now, conn, None, Bytes::from(answer.0));
        self.follow(cx, conn, feed, on);
    }

    /// What is wrong with a signed challenge, if anything is.
    fn challenge_refusal(&self, cx: &Context<'_>, conn: u64, value: &Value) -> Option<&'static str> {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let state = self.futures.conns.get(&conn)?;
        let key = cx.keys.find(text("api_key"));
        let Some(key) = key.filter(|key| key.permissions.read && key.works_from(state.peer)) else {
            return Some("Invalid API key");
        };
        let Some(challenge) = state.challenge.as_deref().filter(|given| *given == text("original_challenge"))
        else {
            return Some("Invalid challenge");
        };
        let wanted = sign::challenge(&key.credentials.secret, challenge);
        (wanted.as_deref() != Some(text("signed_challenge"))).then_some(BAD_PROOF)
    }

    /// Begins or ends a subscription that was answered; whoever begins one gets its snapshot.
    fn follow(&mut self, cx: &mut Context<'_>, conn: u64, feed: Feed, on: bool) {
        let Some(state) = self.futures.conns.get_mut(&conn) else { return };
        if !on {
            state.feeds.remove(&feed);
            return self.futures.leave(conn, feed);
        }
        if state.feeds.insert(feed) {
            self.futures.listeners.entry(feed).or_default().push(conn);
        }
        match feed {
            Feed::Book(market) => public::book_snapshot(
                &mut self.text,
                &cx.world.markets()[market],
                cx.world.wall_ms(cx.now.mono),
            ),
            Feed::Trade(market) => public::trade_snapshot(&mut self.text, cx.world, market),
            Feed::Ticker(_) | Feed::TickerLite(_) | Feed::Heartbeat => return,
            own => self.own_state(cx, own, true),
        }
        let text = Bytes::from(self.text.take());
        cx.out.send_snapshot(cx.now, conn, &feed.name(cx.world), text);
    }

    /// Sends the text to all who listen to a feed, as one allocation.
    pub(super) fn futures_broadcast(&mut self, cx: &mut Context<'_>, feed: Feed) {
        let text = Bytes::from(self.text.take());
        let name = feed.name(cx.world);
        for &conn in self.futures.listeners.get(&feed).into_iter().flatten() {
            cx.out.send(cx.now, conn, Some(&name), text.clone());
        }
    }

    /// Tells what is told each second, and hangs up on the silent.
    pub(in crate::kraken) fn futures_second(&mut self, cx: &mut Context<'_>) {
        let (now, at_ms) = (cx.now.mono, cx.world.wall_ms(cx.now.mono));
        for market in 0..cx.world.markets().len() {
            for feed in [Feed::Ticker(market), Feed::TickerLite(market)] {
                if self.futures.has(feed) {
                    public::ticker(
                        &mut self.text,
                        &cx.world.markets()[market],
                        at_ms,
                        feed == Feed::Ticker(market),
                    );
                    self.futures_broadcast(cx, feed);
                }
            }
        }
        if self.futures.has(Feed::Heartbeat) {
            self.text.s(r#"{"feed":"heartbeat","time":"#).int(at_ms).s("}");
            self.futures_broadcast(cx, Feed::Heartbeat);
        }
        for feed in [Feed::OpenPositions, Feed::Balances] {
            if self.futures.has(feed) {
                self.own_state(cx, feed, false);
                self.futures_broadcast(cx, feed);
            }
        }
        let silent = |(&conn, state): (&u64, &Conn)| {
            (now.since(state.heard_at) >= self.limits.futures_silent_for).then_some(conn)
        };
        let silent: Vec<u64> = self.futures.conns.iter().filter_map(silent).collect();
        for conn in silent {
            self.futures.drop_conn(conn);
            cx.out.close(conn, None);
        }
    }
}

/// The contract that a client names, in any case.
pub(super) fn find(world: &World, native: &str) -> Option<usize> {
    world
        .markets()
        .iter()
        .position(|market| market.spec.kind != Kind::Spot && market.spec.native.eq_ignore_ascii_case(native))
}

/// An event with a message.
fn say(cx: &mut Context<'_>, conn: u64, event: &str, message: &str) {
    let text = format!(r#"{{"event":"{event}","message":{}}}"#, quoted(message));
    cx.out.send(cx.now, conn, None, Bytes::from(text));
}

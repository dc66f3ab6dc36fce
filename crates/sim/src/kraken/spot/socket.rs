//! Spot connections: what they listen to, what they may ask, and when they end.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use venuekit_types::{Kind, Mono};

use crate::kraken::number::micros;
use crate::kraken::spot::book::{self, DEPTHS, Window};
use crate::kraken::spot::public::INTERVALS;
use crate::kraken::spot::{State, public};
use crate::kraken::{Kraken, SECOND};
use crate::text::{Text, quoted};
use crate::venue::Context;
use crate::world::World;

/// The longest message that is read.
const FRAME_MAX: usize = 64 << 10;

/// What a connection can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// A book to a depth.
    Book(usize, u16),
    /// Trades.
    Trade(usize),
    /// The ticker at each trade, or at each change of the best prices.
    Ticker(usize, bool),
    /// Candles of so many minutes.
    Ohlc(usize, u16),
    /// Assets and pairs.
    Instrument,
    /// The account's orders and fills.
    Executions,
    /// The account's balances.
    Balances,
}

impl Topic {
    /// The channel, as clients name it.
    fn channel(self) -> &'static str {
        match self {
            Topic::Book(..) => "book",
            Topic::Trade(_) => "trade",
            Topic::Ticker(..) => "ticker",
            Topic::Ohlc(..) => "ohlc",
            Topic::Instrument => "instrument",
            Topic::Executions => "executions",
            Topic::Balances => "balances",
        }
    }

    fn market(self) -> Option<usize> {
        match self {
            Topic::Book(market, _)
            | Topic::Trade(market)
            | Topic::Ticker(market, _)
            | Topic::Ohlc(market, _) => Some(market),
            Topic::Instrument | Topic::Executions | Topic::Balances => None,
        }
    }

    /// The name by which faults strike it: `book:BTC/USD`, `executions`.
    pub(super) fn name(self, world: &World) -> String {
        match self.market() {
            Some(market) => format!("{}:{}", self.channel(), world.markets()[market].spec.symbol),
            None => self.channel().to_string(),
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    topics: BTreeSet<Topic>,
    /// The key whose token opened its private channels.
    key: Option<String>,
    /// Since when it has had no subscription.
    idle_since: Mono,
    /// When it was last told anything of a channel.
    told_at: Mono,
    /// When the second began in which messages are counted, and how many there were.
    second: (Mono, u32),
    /// Messages of executions and of balances so far.
    pub(super) sequences: [u64; 2],
}

impl Conn {
    pub(super) fn topics(&self) -> Vec<Topic> {
        self.topics.iter().copied().collect()
    }

    pub(super) fn is_of(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key)
    }
}

/// A request as it came in: its method, its number, and what it is about.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    id: Option<i64>,
    pub(super) params: &'a Value,
}

impl Ask<'_> {
    /// A flag of the parameters.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.params[name].as_bool().unwrap_or(default)
    }
}

impl State {
    pub(super) fn leave(&mut self, conn: u64, topic: Topic) {
        let Some(conns) = self.listeners.get_mut(&topic) else { return };
        conns.retain(|&other| other != conn);
        if conns.is_empty() {
            self.listeners.remove(&topic);
            if let Topic::Book(market, depth) = topic {
                self.windows.remove(&(market, depth));
            }
        }
    }

    /// Who listens to something.
    pub(super) fn listeners(&self, topic: Topic) -> Vec<u64> {
        self.listeners.get(&topic).cloned().unwrap_or_default()
    }

    pub(super) fn has(&self, topic: Topic) -> bool {
        self.listeners.contains_key(&topic)
    }
}

impl Kraken {
    pub(in crate::kraken) fn spot_opened(&mut self, cx: &mut Context<'_>, conn: u64) {
        let now = cx.now.mono;
        let state = Conn {
            topics: BTreeSet::new(),
            key: None,
            idle_since: now,
            told_at: now,
            second: (now, 0),
            sequences: [0; 2],
        };
        self.spot.conns.insert(conn, state);
        cx.out.accept(cx.now, conn);
        let text = format!(
            r#"{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"online","api_version":"v2","connection_id":{}}}]}}"#,
            9_000_000_000 + conn
        );
        cx.out.send(cx.now, conn, None, Bytes::from(text));
    }

    pub(in crate::kraken) fn spot_frame(&mut self, cx: &mut Context<'_>, conn: u64, text: Option<&str>) {
        let Some(state) = self.spot.conns.get_mut(&conn) else { return };
        if cx.now.mono.since(state.second.0) >= SECOND {
            state.second = (cx.now.mono, 0);
        }
        state.second.1 += 1;
        let too_many = state.second.1 > self.limits.spot_messages;
        let value =
            text.filter(|text| text.len() <= FRAME_MAX).and_then(|text| serde_json::from_str(text).ok());
        let value: Value = value.unwrap_or_default();
        let ask = Ask {
            method: value["method"].as_str().unwrap_or_default(),
            id: value["req_id"].as_i64(),
            params: &value["params"],
        };
        if too_many {
            return self.refuse(cx, conn, &ask, None, "Exceeded msg rate");
        }
        match ask.method {
            "ping" => {
                let mut text = Text::new();
                text.s(r#"{"method":"pong""#);
                self.end_ack(cx, conn, &ask, text);
            }
            "subscribe" => self.subscriptions(cx, conn, &ask, Kraken::subscribe),
            "unsubscribe" => self.subscriptions(cx, conn, &ask, Kraken::unsubscribe),
            "" => self.refuse(cx, conn, &ask, None, "Malformed request"),
            _ => self.refuse(cx, conn, &ask, None, "Method not supported"),
        }
    }

    /// Does something for every topic that a request names, and answers for each.
    fn subscriptions(
        &mut self,
        cx: &mut Context<'_>,
        conn: u64,
        ask: &Ask<'_>,
        each: fn(&mut Kraken, &mut Context<'_>, u64, &Ask<'_>, Topic) -> Result<(), &'static str>,
    ) {
        let params = ask.params;
        let private = match params["channel"].as_str().unwrap_or_default() {
            "instrument" => Some(Topic::Instrument),
            "executions" => Some(Topic::Executions),
            "balances" => Some(Topic::Balances),
            "book" | "trade" | "ticker" | "ohlc" => None,
            _ => return self.refuse(cx, conn, ask, None, "Channel not supported"),
        };
        if let Some(topic) = private {
            let done = self.permit(cx, conn, ask, topic).and_then(|()| each(self, cx, conn, ask, topic));
            if let Err(error) = done {
                self.refuse(cx, conn, ask, None, error);
            }
            return;
        }
        let symbols: Vec<&str> =
            params["symbol"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if symbols.is_empty() {
            return self.refuse(cx, conn, ask, None, "Symbol(s) missing");
        }
        for symbol in symbols {
            let found = cx
                .world
                .markets()
                .iter()
                .position(|market| market.spec.kind == Kind::Spot && market.spec.symbol == symbol);
            let done = match found {
                Some(market) => topic_of(params, market).and_then(|topic| each(self, cx, conn, ask, topic)),
                None => Err("Currency pair not supported"),
            };
            if let Err(error) = done {
                let error = if found.is_none() { format!("{error} {symbol}") } else { error.to_string() };
                self.refuse(cx, conn, ask, Some(symbol), &error);
            }
        }
    }

    /// Says whether a connection may have a channel; a token that is right makes it the key's.
    fn permit(
        &mut self,
        cx: &mut Context<'_>,
        conn: u64,
        ask: &Ask<'_>,
        topic: Topic,
    ) -> Result<(), &'static str> {
        if topic == Topic::Instrument {
            return Ok(());
        }
        let token = ask.params["token"].as_str().ok_or("EGeneral:Invalid arguments:token")?;
        let key = self.redeem(cx, conn, token)?;
        if ask.method == "subscribe" && cx.out.refuses_login(cx.now, conn) {
            return Err("ESession:Invalid session");
        }
        if let Some(state) = self.spot.conns.get_mut(&conn) {
            state.key = Some(key);
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        cx: &mut Context<'_>,
        conn: u64,
        ask: &Ask<'_>,
        topic: Topic,
    ) -> Result<(), &'static str> {
        let state = self.spot.conns.get_mut(&conn).ok_or("ESession:Invalid session")?;
        if !state.topics.insert(topic) {
            return Err("Already subscribed");
        }
        self.spot.listeners.entry(topic).or_default().push(conn);
        self.acknowledge(cx, conn, ask, topic);
        self.send_snapshot(cx, conn, ask, topic);
        Ok(())
    }

    fn unsubscribe(
        &mut self,
        cx: &mut Context<'_>,
        conn: u64,
        ask: &Ask<'_>,
        topic: Topic,
    ) -> Result<(), &'static str> {
        let state = self.spot.conns.get_mut(&conn).ok_or("ESession:Invalid session")?;
        if !state.topics.remove(&topic) {
            return Err("Subscription Not Found");
        }
        if state.topics.is_empty() {
            state.idle_since = cx.now.mono;
        }
        self.spot.leave(conn, topic);
        self.acknowledge(cx, conn, ask, topic);
        Ok(())
    }

    fn acknowledge(&mut self, cx: &mut Context<'_>, conn: u64, ask: &Ask<'_>, topic: Topic) {
        let mut text = Text::new();
        text.s(r#"{"method":""#).s(ask.method).s(r#"","result":{"channel":""#).s(topic.channel()).s("\"");
        match topic {
            Topic::Book(_, depth) => {
                text.s(r#","depth":"#).int(depth);
            }
            Topic::Ohlc(_, minutes) => {
                text.s(r#","interval":"#).int(minutes);
            }
            Topic::Ticker(_, at_touch) => {
                text.s(r#","event_trigger":""#).s(if at_touch { "bbo\"" } else { "trades\"" });
            }
            Topic::Executions if ask.method == "subscribe" => {
                let max = self.limits.spot_orders.max_milli / 1000;
                text.s(r#","maxratecount":"#).int(max);
                for name in ["snap_orders", "snap_trades"] {
                    text.s(",\"").s(name).s("\":").s(if ask.flag(name, false) { "true" } else { "false" });
                }
            }
            Topic::Trade(_) | Topic::Instrument | Topic::Balances | Topic::Executions => {}
        }
        if ask.method == "subscribe" && topic != Topic::Executions {
            let snapshot = ask.flag("snapshot", !matches!(topic, Topic::Trade(_)));
            text.s(r#","snapshot":"#).s(if snapshot { "true" } else { "false" });
        }
        if let Some(market) = topic.market() {
            text.s(r#","symbol":""#).s(cx.world.markets()[market].spec.symbol).s("\"");
        }
        text.s(r#"},"success":true"#);
        self.end_ack(cx, conn, ask, text);
    }

    /// Answers that something was not done.
    fn refuse(&mut self, cx: &mut Context<'_>, conn: u64, ask: &Ask<'_>, symbol: Option<&str>, error: &str) {
        let mut text = Text::new();
        text.s("{");
        if !ask.method.is_empty() {
            text.s(r#""method":"#).quoted(ask.method).s(",");
        }
        text.s(r#""error":"#).quoted(error).s(r#","success":false"#);
        if let Some(symbol) = symbol {
            text.s(r#","symbol":"#).s(&quoted(symbol));
        }
        self.end_ack(cx, conn, ask, text);
    }

    /// Ends an answer with its number and its times, and sends it.
    fn end_ack(&mut self, cx: &mut Context<'_>, conn: u64, ask: &Ask<'_>, mut text: Text) {
        if let Some(id) = ask.id {
            text.s(r#","req_id":"#).int(id);
        }
        for name in ["time_in", "time_out"] {
            text.s(",\"").s(name).s("\":");
            micros(&mut text, cx.server_ms());
        }
        text.s("}");
        cx.out.send(cx.now, conn, None, Bytes::from(text.0));
    }

    fn send_snapshot(&mut self, cx: &mut Context<'_>, conn: u64, ask: &Ask<'_>, topic: Topic) {
        if matches!(topic, Topic::Executions) {
            return self.executions_snapshot(cx, conn, ask);
        }
        if !ask.flag("snapshot", !matches!(topic, Topic::Trade(_))) {
            if let Topic::Book(market, depth) = topic {
                self.window(cx, market, depth);
            }
            return;
        }
        let at_ms = cx.world.wall_ms(cx.now.mono);
        match topic {
            Topic::Book(market, depth) => {
                let spec = cx.world.markets()[market].spec;
                let window = self.window(cx, market, depth);
                let (whole, sum) = (window.whole(), window.checksum(spec));
                book::message(&mut self.text, spec, "snapshot", &whole, sum, at_ms);
            }
            Topic::Balances => return self.balances_snapshot(cx, conn),
            Topic::Executions => {}
            public => public::snapshot(&mut self.text, cx.world, public, at_ms),
        }
        let text = Bytes::from(self.text.take());
        self.mark_told(cx, conn);
        cx.out.send_snapshot(cx.now, conn, &topic.name(cx.world), text);
    }

    /// The book as it was told last to those who listen to a depth, taken anew when nobody did.
    fn window(&mut self, cx: &Context<'_>, market: usize, depth: u16) -> &Window {
        let engine = &cx.world.markets()[market].engine;
        self.spot.windows.entry((market, depth)).or_insert_with(|| Window::of(engine, depth))
    }

    pub(super) fn mark_told(&mut self, cx: &Context<'_>, conn: u64) {
        if let Some(state) = self.spot.conns.get_mut(&conn) {
            state.told_at = cx.now.mono;
        }
    }

    /// Sends the text to all who listen to something, as one allocation.
    pub(super) fn broadcast(&mut self, cx: &mut Context<'_>, topic: Topic) {
        let text = Bytes::from(self.text.take());
        let name = topic.name(cx.world);
        for conn in self.spot.listeners(topic) {
            self.mark_told(cx, conn);
            cx.out.send(cx.now, conn, Some(&name), text.clone());
        }
    }

    /// Says that it is alive where nothing else was said, and hangs up on those who want nothing.
    pub(in crate::kraken) fn spot_second(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        let mut ends = Vec::new();
        for (&conn, state) in &self.spot.conns {
            if state.topics.is_empty() {
                if now.since(state.idle_since) >= self.limits.idle_for {
                    ends.push(conn);
                }
            } else if now.since(state.told_at) >= Duration::from_millis(900) {
                cx.out.send(cx.now, conn, None, Bytes::from_static(br#"{"channel":"heartbeat"}"#));
            }
        }
        for conn in ends {
            self.spot.drop_conn(conn);
            cx.out.close(conn, Some(1000));
        }
        self.spot_housekeeping(now);
    }
}

/// What the parameters of a public channel ask for.
fn topic_of(params: &Value, market: usize) -> Result<Topic, &'static str> {
    let number = |name, default: u16| match &params[name] {
        Value::Null => Some(default),
        value => value.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    match params["channel"].as_str().unwrap_or_default() {
        "book" => {
            let depth = number("depth", 10).filter(|depth| DEPTHS.contains(depth));
            depth.map(|depth| Topic::Book(market, depth)).ok_or("Depth not supported")
        }
        "ohlc" => {
            let minutes = number("interval", 1).filter(|minutes| INTERVALS.contains(minutes));
            minutes.map(|minutes| Topic::Ohlc(market, minutes)).ok_or("Interval not supported")
        }
        "ticker" => match params["event_trigger"].as_str() {
            None | Some("trades") => Ok(Topic::Ticker(market, false)),
            Some("bbo") => Ok(Topic::Ticker(market, true)),
            Some(_) => Err("Event trigger not supported"),
        },
        _ => Ok(Topic::Trade(market)),
    }
}

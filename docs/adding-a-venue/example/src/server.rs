//! Kiosk's side in the simulator, written from what the venue promises and not from the adapter.
//!
//! The world, its matching engine, the demo account and every fault are the simulator's: this is the protocol alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value, json};
use venuekit_sign::{Credentials, eq_hex, hmac_sha256_hex};
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::market::{FeeIn, Spec};
use venuekit_sim::outbox::{RestFault, RestKind};
use venuekit_sim::venue::{Context, Protocol, User, VenueConfig};
use venuekit_sim::wallets::{Account, Wallet};
use venuekit_sim::world::{Numbering, Step, Trade, World, WorldConfig};
use venuekit_sim::{FrontInput, Request, Response, VenueSim};
use venuekit_types::{BookSide, Kind, Mono, Now, Scale, Scaled, Side};

use super::wire;

/// The markets there are.
pub static MARKETS: [Spec; 2] = [
    Spec {
        native: "BTC-USDT",
        symbol: "BTC/USDT",
        kind: Kind::Spot,
        base: "BTC",
        quote: "USDT",
        price_scale: places(2),
        qty_scale: places(5),
        tick: 1,
        step: 1,
        max_qty: 900_000_000,
        min_notional: "",
        maker_fee: "0.001",
        taker_fee: "0.001",
        fee_in: FeeIn::Received,
        contract: None,
        open: 6_412_350,
        unit: 50,
        clip: 2_000,
    },
    Spec {
        native: "DOGE-USDT",
        symbol: "DOGE/USDT",
        kind: Kind::Spot,
        base: "DOGE",
        quote: "USDT",
        price_scale: places(5),
        qty_scale: places(0),
        tick: 1,
        step: 1,
        max_qty: 9_000_000,
        min_notional: "",
        maker_fee: "0.001",
        taker_fee: "0.001",
        fee_in: FeeIn::Received,
        contract: None,
        open: 16_233,
        unit: 1,
        clip: 700,
    },
];

const fn places(digits: u8) -> Scale {
    Scale::new(digits).expect("18 places at most")
}

/// Trades in the snapshot of their stream.
const TRADES_MAX: usize = 50;

/// The world of a seed; rate, history and start may be changed before it is opened.
pub fn world(seed: u64, start: Now) -> WorldConfig {
    WorldConfig {
        venue: "kiosk",
        specs: &MARKETS,
        numbering: Numbering::PerMessage,
        funding_hour: 0,
        funding_hours: 8,
        seed,
        start,
        rate: venuekit_sim::RATE,
        history: 0,
        truth_every: 0,
        run: format!("kiosk-{seed}"),
    }
}

/// What opens the demo account of a seed.
pub fn key(seed: u64) -> Credentials {
    Credentials::new(format!("key-of-{seed:016x}"), format!("secret-of-{seed:016x}"))
}

/// One connection.
#[derive(Debug, Default)]
struct Conn {
    challenge: Option<String>,
    key: Option<String>,
    streams: BTreeSet<String>,
}

/// The protocol over a world.
pub struct KioskServer {
    user: User,
    conns: BTreeMap<u64, Conn>,
    /// Messages of trades so far, by market.
    trades_seq: Vec<u64>,
    /// Messages of balances so far, and what they told.
    balances_seq: u64,
    balances: Vec<Value>,
}

impl KioskServer {
    /// Opens the venue, with a demo account that trades by itself.
    pub fn open(world: WorldConfig, faults: FaultPlan) -> VenueSim {
        let mut account = Account::new(1, &MARKETS);
        account.deposit(Wallet::Spot, "USDT", 100_000.into());
        account.deposit(Wallet::Spot, "BTC", 2.into());
        let config = VenueConfig {
            credentials: key(world.seed),
            world,
            faults,
            keys: Vec::new(),
            account,
            script: true,
            lead: None,
        };
        VenueSim::new(config, |world, user, _| {
            Box::new(KioskServer {
                user,
                conns: BTreeMap::new(),
                trades_seq: vec![0; world.markets().len()],
                balances_seq: 0,
                balances: balances(world, user),
            })
        })
    }

    /// Does what a client asks; nothing when that is no request, and the client has to go.
    fn obey(&mut self, cx: &mut Context<'_>, conn: u64, data: &[u8]) -> Option<()> {
        let asked: wire::Request<'_> = serde_json::from_slice(data).ok()?;
        match (asked.op, asked.id) {
            ("hello", _) => {
                let challenge = format!("{:016x}", cx.rng.u64(..));
                say(cx, conn, &json!({ "type": "challenge", "text": challenge }));
                self.conns.get_mut(&conn)?.challenge = Some(challenge);
            }
            ("auth", _) => {
                let challenge = self.conns.get_mut(&conn)?.challenge.take()?;
                let found = cx.keys.find(asked.key?).filter(|key| key.permissions.read);
                let right = found.filter(|key| {
                    let wanted = hmac_sha256_hex(key.credentials.secret.expose(), challenge.as_bytes());
                    eq_hex(asked.answer.as_deref().unwrap_or_default(), &wanted)
                });
                match right {
                    Some(key) if !cx.out.refuses_login(cx.now, conn) => {
                        self.conns.get_mut(&conn)?.key = Some(key.credentials.key.clone());
                        say(cx, conn, &json!({ "type": "welcome" }));
                    }
                    _ => say(cx, conn, &json!({ "type": "refused", "text": "wrong key or answer" })),
                }
            }
            ("subscribe", Some(id)) => {
                let logged_in = self.conns.get(&conn)?.key.is_some();
                let open = |stream: &String| stream != "balances" || logged_in;
                if !asked.streams.iter().all(|name| open(name) && self.state(cx, name).is_some()) {
                    say(cx, conn, &json!({ "type": "refused", "id": id, "text": "no such stream" }));
                    return Some(());
                }
                say(cx, conn, &json!({ "type": "ack", "id": id }));
                for stream in asked.streams {
                    let (seq, data) = self.state(cx, &stream)?;
                    let text = message("snapshot", &stream, (seq, cx.world.wall_ms(cx.now.mono)), &data);
                    cx.out.send_snapshot(cx.now, conn, &stream, text);
                    self.conns.get_mut(&conn)?.streams.insert(stream);
                }
            }
            ("unsubscribe", Some(id)) => {
                self.conns.get_mut(&conn)?.streams.retain(|stream| !asked.streams.contains(stream));
                say(cx, conn, &json!({ "type": "ack", "id": id }));
            }
            _ => return None,
        }
        Some(())
    }

    /// The number and the whole of a stream; nothing when there is none of that name.
    fn state(&self, cx: &Context<'_>, stream: &str) -> Option<(u64, Value)> {
        if stream == "balances" {
            return Some((self.balances_seq, json!(self.balances)));
        }
        let (channel, name) = stream.split_once(':')?;
        let at = cx.world.markets().iter().position(|market| market.spec.native == name)?;
        let market = &cx.world.markets()[at];
        match channel {
            "book" => {
                let (bids, asks) = (market.engine.bids(), market.engine.asks());
                Some((
                    market.seq,
                    json!({ "bids": levels(market.spec, bids), "asks": levels(market.spec, asks) }),
                ))
            }
            "trades" => {
                let latest = market.trades.iter().rev().take(TRADES_MAX).rev();
                Some((self.trades_seq[at], trades(market.spec, latest)))
            }
            _ => None,
        }
    }

    /// Sends an update to all who subscribed to its stream.
    fn tell(&self, cx: &mut Context<'_>, stream: &str, (seq, at_ms): (u64, i64), data: &Value) {
        let text = message("update", stream, (seq, at_ms), data);
        for (&conn, _) in self.conns.iter().filter(|(_, conn)| conn.streams.contains(stream)) {
            cx.out.send(cx.now, conn, Some(stream), text.clone());
        }
    }

    fn answer(cx: &Context<'_>, request: &Request<'_>) -> (u16, Value) {
        if (request.method, request.path) != ("GET", "/markets") {
            return (404, json!("no such route"));
        }
        let markets = cx.world.markets().iter().map(|market| {
            let Spec { native, base, quote, price_scale, qty_scale, tick, step, .. } = market.spec;
            let (tick, step) = (number(*tick, *price_scale), number(*step, *qty_scale));
            json!({ "name": native, "base": base, "quote": quote, "tick": tick, "step": step })
        });
        (200, markets.collect())
    }
}

impl Protocol for KioskServer {
    fn input(&mut self, cx: &mut Context<'_>, input: FrontInput<'_>) {
        match input {
            FrontInput::Opened { conn, path: "/stream", .. } => {
                self.conns.insert(conn, Conn::default());
                cx.out.accept(cx.now, conn);
            }
            FrontInput::Opened { conn, .. } => cx.out.refuse(conn, 404),
            FrontInput::Frame { conn, data, .. } => {
                if self.obey(cx, conn, data).is_none() {
                    self.conns.remove(&conn);
                    cx.out.close(conn, None);
                }
            }
            FrontInput::Request { id, request } => {
                let fault = cx.out.rest_fault(cx.now, RestKind::Other);
                let (status, body) = match fault {
                    RestFault::Status(status) => (status, json!("try again")),
                    _ => KioskServer::answer(cx, &request),
                };
                let headers = vec![("Content-Type", "application/json".to_owned())];
                let response = Response { status, headers, body: Bytes::from(body.to_string()) };
                cx.out.respond(cx.now, id, fault, response);
            }
            FrontInput::Ping { .. }
            | FrontInput::Pong { .. }
            | FrontInput::Closed { .. }
            | FrontInput::Tick => {}
        }
    }

    fn step(&mut self, cx: &mut Context<'_>, step: &Step) {
        let spec = cx.world.markets()[step.market].spec;
        if !step.changes.is_empty() {
            let side = |side: BookSide| {
                let changes = step.changes.iter().filter(move |change| change.side == side);
                levels(spec, changes.map(|change| (change.price, change.now)))
            };
            let data = json!({ "bids": side(BookSide::Bid), "asks": side(BookSide::Ask) });
            self.tell(cx, &format!("book:{}", spec.native), (step.last, step.at_ms), &data);
        }
        if !step.trades.is_empty() {
            self.trades_seq[step.market] += 1;
            let numbered = (self.trades_seq[step.market], step.at_ms);
            self.tell(cx, &format!("trades:{}", spec.native), numbered, &trades(spec, step.trades.iter()));
        }
        let present = balances(cx.world, self.user);
        if present != self.balances {
            let changed: Value = present.iter().filter(|row| !self.balances.contains(row)).cloned().collect();
            self.balances = present;
            self.balances_seq += 1;
            self.tell(cx, "balances", (self.balances_seq, step.at_ms), &changed);
        }
    }

    fn tick(&mut self, _cx: &mut Context<'_>) {}

    fn next_at(&self) -> Option<Mono> {
        None
    }

    fn closed(&mut self, conn: u64) {
        self.conns.remove(&conn);
    }

    fn revoked(&mut self, cx: &mut Context<'_>, key: &str) {
        self.conns.retain(|&conn, state| {
            let stays = state.key.as_deref() != Some(key);
            if !stays {
                cx.out.close(conn, None);
            }
            stays
        });
    }

    fn restarted(&mut self, _cx: &mut Context<'_>) {
        self.conns.clear();
        self.trades_seq.fill(0);
        self.balances_seq = 0;
    }
}

/// Sends what belongs to no stream.
fn say(cx: &mut Context<'_>, conn: u64, frame: &Value) {
    cx.out.send(cx.now, conn, None, Bytes::from(frame.to_string()));
}

fn message(kind: &str, stream: &str, (seq, at_ms): (u64, i64), data: &Value) -> Bytes {
    let frame = json!({ "type": kind, "stream": stream, "seq": seq, "at": at_ms, "data": data });
    Bytes::from(frame.to_string())
}

fn number(count: i64, scale: Scale) -> String {
    Scaled::new(count, scale).padded().to_string()
}

fn levels(spec: &Spec, levels: impl Iterator<Item = (i64, i64)>) -> Value {
    levels.map(|(price, qty)| json!([number(price, spec.price_scale), number(qty, spec.qty_scale)])).collect()
}

fn trades<'a>(spec: &Spec, trades: impl Iterator<Item = &'a Trade>) -> Value {
    let row = |trade: &Trade| {
        let (price, qty) = (number(trade.price, spec.price_scale), number(trade.qty, spec.qty_scale));
        let side = if trade.aggressor == Side::Buy { "buy" } else { "sell" };
        json!({ "id": trade.id, "price": price, "qty": qty, "side": side, "at": trade.at_ms })
    };
    trades.map(row).collect()
}

fn balances(world: &World, user: User) -> Vec<Value> {
    let cash = world.account(user.owner).into_iter().flat_map(Account::cash);
    let spot = cash.filter(|(wallet, ..)| *wallet == Wallet::Spot);
    spot.map(|(_, asset, cash)| {
        json!({ "asset": asset, "free": cash.free().to_string(), "locked": cash.locked.to_string() })
    })
    .collect()
}

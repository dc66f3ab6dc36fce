//! A tiny venue, a front that is a script, and a host that tells what it heard: what the loopback tests share.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use venuekit_book::Linkage;
use venuekit_driver::{ClientTls, Handle, Host, Options, Runner, Server};
use venuekit_session::{Config, Emission, Event as Told, HostOverride, Persist, PersistId, Session, Want};
use venuekit_sign::Credentials;
use venuekit_sim::{Front, FrontInput, FrontOutput, Response};
use venuekit_types::{
    Instrument, Kind, Mono, Now, Price, Qty, Scale, Side, Status, Symbol, UnixNanos, parse_scaled,
};
use venuekit_venue::spec::*;
use venuekit_venue::*;

/// Longest wait for anything; only a broken test comes near it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Stands wherever a secret stands.
pub const CANARY: &str = "CANARY5f1d7c0e9b";

/// A venue with one market, `BTC/USDT`, trades, and orders behind a login.
pub struct Tiny {
    specs: Vec<Spec>,
}

impl Tiny {
    pub fn new() -> Arc<Tiny> {
        Tiny::with_limit(1 << 20)
    }

    pub fn with_limit(max_message: usize) -> Arc<Tiny> {
        let heartbeats =
            vec![Heartbeat::ClientPing { every: Duration::from_secs(20), within: Duration::from_secs(10) }];
        let channel = |channel: Channel, name: &str| ChannelSpec {
            channel,
            name: name.into(),
            linkage: Linkage::Unnumbered,
            snapshot: false,
            resync: Resync::Resubscribe,
            ids: RowIds::Opaque,
            usual_gap: None,
        };
        let limits = SocketLimits { max_message, max_frame: max_message, ..SocketLimits::default() };
        Arc::new(Tiny {
            specs: vec![Spec {
                venue: "tiny".into(),
                product: "spot".into(),
                markets_of: None,
                hosts: Vec::new(),
                sockets: vec![SocketSpec {
                    origin: None,
                    path: "/feed".into(),
                    carries: vec![Channel::Trades, Channel::Orders],
                    login: Login::Challenge { proof: Proof::Frame },
                    codec: FrameCodec::Json,
                    heartbeats,
                    limits,
                }],
                subscribe: SubscribeSpec {
                    batch: 1,
                    one_channel: false,
                    one_at_a_time: true,
                    repeats: true,
                    ack: Ack::PerRequest,
                    refusals: Vec::new(),
                    within: Duration::from_secs(10),
                },
                books: Vec::new(),
                channels: vec![channel(Channel::Trades, "trades"), channel(Channel::Orders, "orders")],
                clock: ClockSource::FrameTime,
                future_limit: Duration::from_secs(1),
                window: Duration::from_secs(5),
                nonce: Nonce::None,
                sign: SignScheme::PipeJoined,
                budgets: Vec::new(),
                orders: None,
                private: PrivateSpec {
                    balances: PrivateModel::None,
                    positions: PrivateModel::None,
                    orders: PrivateModel::Delta,
                    fills: PrivateModel::None,
                },
                paging: Vec::new(),
                wallets: Vec::new(),
                asks: vec![AskKind::Instruments],
                numbers: Numbers { read: NumberForm::Text, write: NumberForm::Text },
            }],
        })
    }
}

fn scale() -> Scale {
    Scale::new(2).unwrap()
}

impl Venue for Tiny {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        let broken = |detail: &str| {
            Event::Broken(Broken { why: BrokenWhy::Shape, detail: detail.to_owned(), topic: None })
        };
        let Ok(message) = serde_json::from_slice::<Value>(frame) else {
            return out.events.push(broken("not JSON"));
        };
        let market = place.catalog.iter().next().map(|(market, _)| market);
        let event = match (message["type"].as_str(), market) {
            (Some("ack"), _) => {
                Event::Control(Control::Ack(AckOf::Request(message["id"].as_u64().unwrap_or(0))))
            }
            (Some("challenge"), _) => {
                let text = out.put_text(message["data"].as_str().unwrap_or_default());
                Event::Control(Control::Challenge(text))
            }
            (Some("auth"), _) => Event::Control(Control::LoggedIn),
            (Some("refused"), _) => Event::Control(Control::LoginRefused(Fault {
                kind: FaultKind::Credentials,
                code: None,
                text: "no such key".into(),
                retry: Retry::Never,
            })),
            (Some("trade"), Some(market)) => {
                let number = message["id"].as_u64();
                let id = out.put_text(&message["id"].to_string());
                let of = |name: &str| {
                    parse_scaled(message[name].as_str().unwrap_or("1").as_bytes(), scale()).unwrap_or(0)
                };
                let trade = Trade {
                    market,
                    id,
                    number,
                    price: Price(of("price")),
                    qty: Qty(of("size")),
                    side: None,
                    at: UnixNanos(1),
                };
                let body = out.put_rows([Row::Trade(trade)]);
                let topic = Topic::of(Channel::Trades, market);
                Event::Data(Data { topic, kind: DataKind::Update, ids: None, at: None, body })
            }
            (Some("order"), Some(market)) => {
                let mut order = OrderPatch::new(market, message["orderId"].to_string());
                order.side = Some(Side::Buy);
                order.qty = Some(1.into());
                order.status = Some(OrderStatus::New);
                let body = out.put_rows([Row::Order(order)]);
                let topic = Topic::account(Channel::Orders);
                Event::Data(Data { topic, kind: DataKind::Update, ids: None, at: None, body })
            }
            _ => broken("another type"),
        };
        out.events.push(event);
    }

    fn say(&self, _place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        let word = |topics: &[Topic]| topics.first().map(|topic| topic.channel.as_str());
        let message = match say {
            Say::Subscribe { id, topics, .. } => json!({"type": "subscribe", "id": id, "name": word(topics)}),
            Say::Unsubscribe { id, topics, .. } => {
                json!({"type": "unsubscribe", "id": id, "name": word(topics)})
            }
            Say::AskChallenge { .. } => json!({"type": "challenge"}),
            Say::Login { credentials, challenge, .. } => json!({
                "type": "auth",
                "key": credentials.key,
                // No venue would take the secret itself, which makes it the hardest case for whoever records it.
                "answer": String::from_utf8_lossy(credentials.secret.expose()),
                "challenge": challenge,
            }),
            Say::Ping { .. } | Say::Pong { .. } => return false,
        };
        out.extend_from_slice(message.to_string().as_bytes());
        true
    }

    fn ask(&self, _place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
        matches!(ask, Ask::Instruments).then(|| HttpRequest {
            headers: vec![
                ("X-Tiny-Key".into(), CANARY.into()),
                ("Content-Type".into(), "application/json".into()),
            ],
            ..HttpRequest::get(ask, "/instruments", format!("/instruments?signature={CANARY}&limit=5"))
        })
    }

    fn sign(
        &self,
        _place: Place<'_>,
        _request: &mut HttpRequest,
        _who: &Credentials,
        _stamp: Stamp,
    ) -> Result<(), Fault> {
        Ok(())
    }

    fn answer(
        &self,
        _place: Place<'_>,
        _ask: &Ask,
        reply: &HttpReply<'_>,
        out: &mut EventBuf,
    ) -> Result<(), Fault> {
        if reply.status != 200 {
            return Err(Fault {
                kind: FaultKind::Unreadable,
                code: None,
                text: format!("HTTP {}", reply.status),
                retry: Retry::After(Duration::from_secs(3_600)),
            });
        }
        out.instruments.push(Instrument {
            venue_symbol: "BTCUSDT".into(),
            aliases: Vec::new(),
            symbol: Symbol::spot("BTC", "USDT").unwrap(),
            kind: Kind::Spot,
            price_scale: scale(),
            qty_scale: scale(),
            tick: Price(1),
            step: Qty(1),
            min_qty: None,
            max_qty: None,
            min_notional: None,
            contract_size: None,
            inverse: false,
            maker_fee: None,
            taker_fee: None,
            status: Status::Trading,
            version: 0,
        });
        Ok(())
    }
}

type Script = Box<dyn FnMut(&FrontInput<'_>, &mut Vec<FrontOutput>) + Send>;

/// A front that does what a closure says, and remembers what clients did.
pub struct Play {
    script: Script,
    out: VecDeque<FrontOutput>,
    pub seen: Vec<String>,
    /// Whether it wants to be told the time at every moment.
    pub always_due: bool,
    watch: UnboundedSender<String>,
}

impl Play {
    /// The front, and the lines of what clients did as they come.
    pub fn new(script: impl FnMut(&FrontInput<'_>, &mut Vec<FrontOutput>) + Send + 'static) -> (Play, Lines) {
        let (watch, lines) = unbounded_channel();
        let script = Box::new(script);
        (Play { script, out: VecDeque::new(), seen: Vec::new(), always_due: false, watch }, Lines(lines))
    }

    /// Does something unasked.
    pub fn act(&mut self, output: FrontOutput) {
        self.out.push_back(output);
    }
}

impl Front for Play {
    fn handle(&mut self, _now: Now, input: FrontInput<'_>) {
        let line = match &input {
            FrontInput::Opened { conn, path, peer } => format!("opened {conn} {path} from {peer}"),
            FrontInput::Frame { conn, data, binary } => {
                format!("frame {conn} {binary} {}", String::from_utf8_lossy(data))
            }
            FrontInput::Ping { conn } => format!("ping {conn}"),
            FrontInput::Pong { conn } => format!("pong {conn}"),
            FrontInput::Closed { conn } => format!("closed {conn}"),
            FrontInput::Request { id, request } => {
                let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
                let headers = headers.collect::<Vec<_>>().join(", ");
                format!("request {id} {} {} ? {} [{headers}]", request.method, request.path, request.query)
            }
            FrontInput::Tick => "tick".into(),
        };
        let _ = self.watch.send(line.clone());
        self.seen.push(line);
        let mut out = Vec::new();
        (self.script)(&input, &mut out);
        self.out.extend(out);
    }

    fn poll(&mut self) -> Option<FrontOutput> {
        self.out.pop_front()
    }

    fn next_at(&self) -> Option<Mono> {
        self.always_due.then_some(Mono(0))
    }
}

pub fn text(conn: u64, message: Value) -> FrontOutput {
    FrontOutput::Send { conn, text: message.to_string().into() }
}

pub fn response(id: u64, status: u16, body: &'static str) -> FrontOutput {
    let headers = vec![("content-type", "application/json".to_owned()), ("X-Secret", CANARY.to_owned())];
    FrontOutput::Respond { id, response: Response { status, headers, body: body.into() } }
}

/// What the tiny venue's server does when all is well: one trade follows each subscription.
pub fn well(input: &FrontInput<'_>, out: &mut Vec<FrontOutput>) {
    match *input {
        FrontInput::Opened { conn, .. } => out.push(FrontOutput::Accept { conn }),
        FrontInput::Request { id, .. } => out.push(response(id, 200, "[]")),
        FrontInput::Frame { conn, data, .. } => {
            let message: Value = serde_json::from_slice(data).unwrap();
            match (message["type"].as_str(), message["name"].as_str()) {
                (Some("subscribe"), Some("trades")) => {
                    out.push(text(conn, json!({"type": "ack", "id": message["id"]})));
                    out.push(text(conn, json!({"type": "trade", "id": 7, "price": "1.5", "size": "2"})));
                }
                (Some("subscribe"), Some("orders")) => {
                    out.push(text(conn, json!({"type": "ack", "id": message["id"]})));
                    let order = json!({"type": "order", "orderId": 9, "listenKey": CANARY, "price": "1.50"});
                    out.push(text(conn, order));
                }
                (Some("challenge"), _) => out.push(text(conn, json!({"type": "challenge", "data": "c"}))),
                (Some("auth"), _) => out.push(text(conn, json!({"type": "auth"}))),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Lines as they come.
pub struct Lines(pub UnboundedReceiver<String>);

impl Lines {
    /// The next line.
    pub async fn next(&mut self) -> String {
        timeout(PATIENCE, self.0.recv()).await.expect("a line in time").expect("more lines")
    }

    /// Waits for a line that holds a text, and gives it.
    pub async fn until(&mut self, part: &str) -> String {
        let mut passed = Vec::new();
        loop {
            match timeout(PATIENCE, self.0.recv()).await {
                Ok(Some(line)) if line.contains(part) => return line,
                Ok(Some(line)) => passed.push(line),
                _ => panic!("no line holds {part:?}; there were {passed:#?}"),
            }
        }
    }
}

/// A host that says every event in a line.
pub struct Teller {
    lines: UnboundedSender<String>,
    epochs: u64,
    pub rounds: u64,
}

impl Teller {
    pub fn new(lines: UnboundedSender<String>) -> Teller {
        Teller { lines, epochs: 0, rounds: 0 }
    }
}

impl Host for Teller {
    fn event(&mut self, _now: Now, emission: Emission<'_>) {
        let line = match emission.event {
            Told::Trade(trade) => format!("Trade {} at {}", emission.text(&trade.id), trade.price.0),
            other => format!("{other:?}"),
        };
        let _ = self.lines.send(line);
    }

    fn persist(&mut self, _id: PersistId, what: Persist) -> Option<u64> {
        let Persist::Epochs { count, .. } = what else { return None };
        self.epochs += u64::from(count);
        Some(self.epochs)
    }

    fn round(&mut self, _now: Now, _session: &Session) {
        self.rounds += 1;
    }
}

pub struct Running {
    pub handle: Handle,
    pub lines: Lines,
    pub done: JoinHandle<(Session, Teller)>,
}

impl Running {
    pub async fn stop(self) -> (Session, Teller, Lines) {
        self.handle.stop().await.unwrap();
        let (session, teller) = timeout(PATIENCE, self.done).await.expect("it stops").unwrap();
        (session, teller, self.lines)
    }
}

/// Follows trades at given origins.
pub fn config(rest: impl Into<String>, stream: impl Into<String>) -> Config {
    Config {
        wants: vec![Want::new("BTC/USDT", Channel::Trades)],
        hosts: vec![HostOverride { product: None, rest: rest.into(), stream: stream.into() }],
        ..Config::default()
    }
}

/// Follows trades, and orders with a login.
pub fn private_config(rest: impl Into<String>, stream: impl Into<String>) -> Config {
    let mut config = config(rest, stream);
    config.wants.push(Want::new("", Channel::Orders));
    config.credentials = Some(Credentials::new(format!("key{CANARY}"), format!("secret{CANARY}")));
    config
}

pub fn run(venue: Arc<Tiny>, config: Config, options: Options) -> Running {
    let session = Session::new(venue, config).unwrap();
    let (lines, receiver) = unbounded_channel();
    let (runner, handle) = Runner::new(session, Teller::new(lines), options).unwrap();
    Running { handle, lines: Lines(receiver), done: tokio::spawn(runner.run()) }
}

/// Runs the tiny venue against a server.
pub fn follow(server: &Server<Play>) -> Running {
    run(Tiny::new(), config(server.rest_origin(), server.stream_origin()), Options::default())
}

pub fn trusting(pem: &str) -> Options {
    Options { tls: ClientTls::with_ca(pem).unwrap(), ..Options::default() }
}

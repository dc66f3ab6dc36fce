//! The adapter: what Kiosk is ([`Spec`]), what is said to it, and what its bytes mean. No socket, clock or state.

use core::time::Duration;

use serde::Deserialize;
use venuekit_book::{Checksum, Early, Ids, Linkage, StaleStep, StepFirst};
use venuekit_sign::{Credentials, hmac_sha256_hex};
use venuekit_types::{Fixed, Instrument, Price, Qty, Side, Symbol, UnixNanos, parse_scaled};
use venuekit_venue::read::{self, Unfit};
use venuekit_venue::spec::{
    Ack, BookSpec, ChannelSpec, ClockSource, FrameCodec, Heartbeat, Hosts, Login, Nonce, NumberForm, Numbers,
    PrivateModel, PrivateSpec, Proof, Refusal, Resync, RowIds, SignScheme, SnapshotSource, SocketLimits,
    SocketSpec, SubscribeSpec,
};
use venuekit_venue::{
    AckOf, Ask, AskKind, BalancePatch, Body, BookBody, BrokenWhy, Channel, Control, Data, DataKind, Event,
    EventBuf, Fault, FaultKind, HttpReply, HttpRequest, Place, Row, Say, Spec, Stamp, Topic, Trade, Venue,
    Wallet,
};

use super::wire;

/// Every message of a stream is one more than the last; one that comes twice is dropped.
const COUNTED: Linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };

/// The venue's words for its channels.
const CHANNELS: [(Channel, &str); 3] =
    [(Channel::Book, "book"), (Channel::Trades, "trades"), (Channel::Balances, "balances")];

/// The venue as its documents describe it.
#[derive(Clone, Debug)]
pub struct Kiosk {
    specs: [Spec; 1],
}

impl Default for Kiosk {
    fn default() -> Kiosk {
        Kiosk { specs: [spec()] }
    }
}

fn spec() -> Spec {
    let counted = |channel, name: &str, usual_gap| ChannelSpec {
        channel,
        name: name.to_owned(),
        linkage: COUNTED,
        snapshot: true,
        resync: Resync::Resubscribe,
        ids: RowIds::Opaque,
        usual_gap,
    };
    Spec {
        venue: "kiosk".to_owned(),
        product: "spot".to_owned(),
        markets_of: None,
        hosts: vec![Hosts {
            environment: "live".to_owned(),
            rest: "https://api.kiosk.example".to_owned(),
            stream: "wss://api.kiosk.example".to_owned(),
            others: Vec::new(),
            streams: Vec::new(),
        }],
        sockets: vec![SocketSpec {
            origin: None,
            path: "/stream".to_owned(),
            carries: CHANNELS.map(|(channel, _)| channel).into(),
            login: Login::Challenge { proof: Proof::Frame },
            codec: FrameCodec::Json,
            heartbeats: vec![Heartbeat::ClientPing {
                every: Duration::from_secs(20),
                within: Duration::from_secs(10),
            }],
            limits: SocketLimits::default(),
        }],
        subscribe: SubscribeSpec {
            batch: 50,
            one_channel: false,
            one_at_a_time: false,
            repeats: true,
            ack: Ack::PerRequest,
            refusals: vec![Refusal::Bound],
            within: Duration::from_secs(10),
        },
        books: vec![BookSpec {
            name: "book".to_owned(),
            linkage: COUNTED,
            checksum: Checksum::None,
            early: Early::Buffer,
            snapshot: SnapshotSource::Stream,
            resync: Resync::Resubscribe,
            depths: Vec::new(),
            trim: None,
            rest_depths: Vec::new(),
            usual_gap: Duration::from_secs(1),
        }],
        // Both may rightly be silent: then they are asked again now and then, and their numbers tell.
        channels: vec![
            counted(Channel::Trades, "trades", None),
            counted(Channel::Balances, "balances", None),
        ],
        clock: ClockSource::FrameTime,
        future_limit: Duration::from_secs(5),
        window: Duration::from_secs(5),
        nonce: Nonce::None,
        sign: SignScheme::None,
        budgets: Vec::new(),
        orders: None,
        private: PrivateSpec {
            balances: PrivateModel::SnapshotDelta { numbered: true },
            positions: PrivateModel::None,
            orders: PrivateModel::None,
            fills: PrivateModel::None,
        },
        wallets: vec![Wallet::Spot],
        asks: vec![AskKind::Instruments],
        paging: Vec::new(),
        numbers: Numbers { read: NumberForm::Text, write: NumberForm::Text },
    }
}

impl Venue for Kiosk {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn terms_of(&self, _place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        let (base, quote) = venue_symbol.split_once('-')?;
        Some(read::bare_terms(venue_symbol, Symbol::spot(base, quote).ok()?, false))
    }

    fn public_words(&self) -> &[&'static str] {
        &["op", "streams", "stream", "seq", "at"]
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        let event = match serde_json::from_slice(frame) {
            Ok(frame) => event(place, &frame, out),
            Err(error) => Unfit::new(BrokenWhy::Syntax, &error.to_string()).broken(None),
        };
        out.events.push(event);
    }

    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        request(place, say).is_some_and(|request| serde_json::to_writer(out, &request).is_ok())
    }

    fn ask(&self, _place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
        matches!(ask, Ask::Instruments).then(|| HttpRequest::get(ask, "/markets", "/markets"))
    }

    fn sign(&self, _: Place<'_>, _: &mut HttpRequest, _: &Credentials, _: Stamp) -> Result<(), Fault> {
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
            return Err(refusal(reply));
        }
        let listed: Vec<wire::Market<'_>> = serde_json::from_slice(reply.body).map_err(Fault::unreadable)?;
        for market in &listed {
            match instrument(market) {
                Ok(instrument) => out.instruments.push(instrument),
                Err(unfit) => out.events.push(unfit.broken(None)),
            }
        }
        Ok(())
    }
}

/// Who must act, by the status alone: Kiosk has no codes.
fn refusal(reply: &HttpReply<'_>) -> Fault {
    let kind = match reply.status {
        429 => FaultKind::RateLimited,
        404 => FaultKind::NotFound,
        500.. => FaultKind::Unavailable,
        _ => FaultKind::BadRequest,
    };
    let retry = kind.retry(reply.retry_after());
    Fault { kind, code: None, text: format!("HTTP {}; {}", reply.status, kind.advice()), retry }
}

/// The increments are the scales: `0.01` is two places.
fn instrument(market: &wire::Market<'_>) -> Result<Instrument, Unfit> {
    let symbol = Symbol::spot(market.base, market.quote).map_err(Unfit::shape)?;
    let (tick, step): (Fixed, Fixed) = (market.tick.parse()?, market.step.parse()?);
    Ok(Instrument {
        price_scale: tick.scale,
        qty_scale: step.scale,
        tick: Price(tick.mantissa),
        step: Qty(step.mantissa),
        ..read::bare_terms(market.name, symbol, false)
    })
}

// ---- what is said ----

fn request<'a>(place: Place<'_>, say: Say<'a>) -> Option<wire::Request<'a>> {
    let none = wire::Request::default();
    let streams = |topics: &[Topic]| topics.iter().map(|topic| stream(place, topic)).collect::<Option<_>>();
    Some(match say {
        Say::Subscribe { id, topics, .. } => {
            wire::Request { op: "subscribe", id: Some(id), streams: streams(topics)?, ..none }
        }
        Say::Unsubscribe { id, topics, .. } => {
            wire::Request { op: "unsubscribe", id: Some(id), streams: streams(topics)?, ..none }
        }
        Say::AskChallenge { .. } => wire::Request { op: "hello", ..none },
        Say::Login { credentials, challenge, .. } => {
            let answer = hmac_sha256_hex(credentials.secret.expose(), challenge?.as_bytes());
            wire::Request { op: "auth", key: Some(&credentials.key), answer: Some(answer), ..none }
        }
        Say::Ping { .. } | Say::Pong { .. } => return None,
    })
}

/// The venue's name of a topic.
fn stream(place: Place<'_>, topic: &Topic) -> Option<String> {
    let (_, word) = CHANNELS.iter().find(|(channel, _)| *channel == topic.channel)?;
    Some(match topic.market {
        None => (*word).to_owned(),
        Some(market) => format!("{word}:{}", place.catalog.get(market)?.venue_symbol),
    })
}

/// The topic of a name.
fn topic(place: Place<'_>, stream: &str) -> Result<Topic, Unfit> {
    let (word, market) = stream.split_once(':').map_or((stream, None), |(word, name)| (word, Some(name)));
    let known = CHANNELS.iter().find(|(_, known)| *known == word);
    let &(channel, _) = known.ok_or_else(|| Unfit::new(BrokenWhy::UnknownKind, stream))?;
    match market {
        None if channel.is_private() => Ok(Topic::account(channel)),
        Some(name) if !channel.is_private() => {
            let (market, _) = place.catalog.find(name).ok_or_else(|| Unfit::market(name))?;
            Ok(Topic::of(channel, market))
        }
        _ => Err(Unfit::shape(format!("stream {}", read::clip(stream)))),
    }
}

// ---- what is heard ----

fn event(place: Place<'_>, frame: &wire::Frame<'_>, out: &mut EventBuf) -> Event {
    Event::Control(match (frame.kind, frame.id, frame.text) {
        ("ack", Some(id), _) => Control::Ack(AckOf::Request(id)),
        ("refused", Some(id), Some(text)) => Control::Refused {
            of: AckOf::Request(id),
            fault: Fault::ours(FaultKind::NotFound, read::clip(text)),
        },
        ("refused", None, Some(text)) => {
            Control::LoginRefused(Fault::ours(FaultKind::Credentials, read::clip(text)))
        }
        ("challenge", _, Some(text)) => Control::Challenge(out.put_text(text)),
        ("welcome", ..) => Control::LoggedIn,
        ("snapshot" | "update", ..) => {
            let topic = match topic(place, frame.stream.unwrap_or_default()) {
                Ok(topic) => topic,
                Err(unfit) => return unfit.broken(None),
            };
            return match data(place, frame, topic, out) {
                Ok(data) => Event::Data(data),
                Err(unfit) => unfit.broken(Some(topic)),
            };
        }
        (kind, ..) => return Unfit::new(BrokenWhy::UnknownKind, kind).broken(None),
    })
}

fn data(place: Place<'_>, frame: &wire::Frame<'_>, topic: Topic, out: &mut EventBuf) -> Result<Data, Unfit> {
    let (Some(seq), Some(at), Some(data)) = (frame.seq, frame.at, frame.data) else {
        return Err(Unfit::shape("a message without number, time or data"));
    };
    let instrument = topic.market.and_then(|market| place.catalog.get(market));
    let body = match (topic.channel, instrument) {
        (Channel::Book, Some(instrument)) => {
            let book: wire::Book<'_> = parse(data.get())?;
            let mut side = |levels: Vec<(&str, &str)>| {
                out.put_levels(levels.into_iter().map(|level| read::level(level, instrument)))
            };
            Body::Book(BookBody { bids: side(book.bids)?, asks: side(book.asks)?, checksum: None })
        }
        (Channel::Trades, Some(instrument)) => {
            let trades: Vec<wire::Trade<'_>> = parse(data.get())?;
            let rows = trades.iter().map(|row| trade(topic, instrument, row, out));
            let rows = rows.collect::<Result<Vec<Row>, Unfit>>()?;
            out.put_rows(rows)
        }
        _ => {
            let balances: Vec<wire::Balance<'_>> = parse(data.get())?;
            let rows = balances.iter().map(balance).collect::<Result<Vec<Row>, Unfit>>()?;
            out.put_rows(rows)
        }
    };
    Ok(Data {
        topic,
        kind: if frame.kind == "snapshot" { DataKind::Snapshot } else { DataKind::Update },
        ids: Some(Ids::single(seq)),
        at: Some(UnixNanos::from_millis(at)),
        body,
    })
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Unfit> {
    serde_json::from_str(json).map_err(Unfit::shape)
}

fn trade(
    topic: Topic,
    instrument: &Instrument,
    row: &wire::Trade<'_>,
    out: &mut EventBuf,
) -> Result<Row, Unfit> {
    let market = topic.market.ok_or_else(|| Unfit::shape("a trade of no market"))?;
    Ok(Row::Trade(Trade {
        market,
        id: out.put_text(&row.id.to_string()),
        number: Some(row.id),
        price: Price(parse_scaled(row.price.as_bytes(), instrument.price_scale)?),
        qty: Qty(parse_scaled(row.qty.as_bytes(), instrument.qty_scale)?),
        side: match row.side {
            "buy" => Some(Side::Buy),
            "sell" => Some(Side::Sell),
            _ => None,
        },
        at: UnixNanos::from_millis(row.at),
    }))
}

fn balance(row: &wire::Balance<'_>) -> Result<Row, Unfit> {
    Ok(Row::Balance(BalancePatch {
        free: Some(read::decimal(row.free)?),
        locked: Some(read::decimal(row.locked)?),
        ..BalancePatch::new(Wallet::Spot.as_str().to_owned(), row.asset.to_owned())
    }))
}

//! What streams there are, what they are called and on which path, who listens, and when each is told.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use venuekit_types::BookSide;

use crate::binance::socket::Door;
use crate::binance::{Binance, Product, events};
use crate::market::Spec;
use crate::text::quoted;
use crate::venue::Context;
use crate::world::Step;

/// Intervals of candles that the world keeps: their names and lengths in milliseconds.
pub(super) const INTERVALS: [(&str, i64); 7] = [
    ("1m", 60_000),
    ("5m", 300_000),
    ("15m", 900_000),
    ("30m", 1_800_000),
    ("1h", 3_600_000),
    ("4h", 14_400_000),
    ("1d", 86_400_000),
];

/// How often a stream is told that is not told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cadence {
    /// 100 ms.
    Tenth,
    /// 250 ms.
    Quarter,
    /// 500 ms.
    Half,
    /// 1000 ms.
    Second,
}

impl Cadence {
    pub(super) const ALL: [Cadence; 4] = [Cadence::Tenth, Cadence::Quarter, Cadence::Half, Cadence::Second];

    pub(super) const fn span(self) -> Duration {
        Duration::from_millis(match self {
            Cadence::Tenth => 100,
            Cadence::Quarter => 250,
            Cadence::Half => 500,
            Cadence::Second => 1_000,
        })
    }

    /// The cadence of a book stream by what follows its name.
    fn of_book(product: Product, suffix: &str) -> Option<Cadence> {
        match (product, suffix) {
            (_, "@100ms") => Some(Cadence::Tenth),
            (Product::Spot, "" | "@1000ms") => Some(Cadence::Second),
            (Product::Usdm, "" | "@250ms") => Some(Cadence::Quarter),
            (Product::Usdm, "@500ms") => Some(Cadence::Half),
            _ => None,
        }
    }
}

/// What a stream tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Trade,
    AggTrade,
    BookTicker,
    Depth(Cadence),
    /// So many levels a side.
    Partial(usize, Cadence),
    /// The index of the interval.
    Kline(usize),
    Ticker,
    MiniTicker,
    AvgPrice,
    /// Every so many seconds.
    Mark(i64),
    /// Liquidations, of which the crowd has none.
    ForceOrder,
}

/// A stream of one market, or of all markets of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stream {
    pub(super) product: Product,
    pub(super) market: Option<usize>,
    pub(super) channel: Channel,
}

impl Stream {
    /// Finds a stream by the name that clients give; nothing for a name that no stream has on this path.
    pub(super) fn parse(
        door: Door,
        name: &str,
        specs: impl Iterator<Item = &'static Spec>,
    ) -> Option<Stream> {
        let product = door.product();
        let (market, what) = match name.strip_prefix('!') {
            Some(what) => (None, what.strip_suffix("@arr").unwrap_or(what)),
            None => {
                let (symbol, what) = name.split_once('@')?;
                let is_meant =
                    |spec: &Spec| Product::of(spec) == product && spec.native.to_ascii_lowercase() == symbol;
                let mut specs = specs.enumerate();
                (Some(specs.find(|(_, spec)| is_meant(spec))?.0), what)
            }
        };
        let (channel, doors): (Channel, &[Door]) = match (what, market) {
            ("trade", Some(_)) => (Channel::Trade, &[Door::Spot, Door::Public]),
            ("aggTrade", Some(_)) => (Channel::AggTrade, &[Door::Spot, Door::Market]),
            ("bookTicker", Some(_)) => (Channel::BookTicker, &[Door::Spot, Door::Public]),
            ("bookTicker", None) if name == "!bookTicker" => (Channel::BookTicker, &[Door::Public]),
            ("ticker", Some(_)) => (Channel::Ticker, &[Door::Spot, Door::Market]),
            ("ticker", None) => (Channel::Ticker, &[Door::Market]),
            ("miniTicker", _) => (Channel::MiniTicker, &[Door::Spot, Door::Market]),
            ("avgPrice", Some(_)) => (Channel::AvgPrice, &[Door::Spot]),
            ("markPrice", _) => (Channel::Mark(3), &[Door::Market]),
            ("markPrice@1s", Some(_)) | ("markPrice@arr@1s", None) => (Channel::Mark(1), &[Door::Market]),
            ("forceOrder", _) => (Channel::ForceOrder, &[Door::Market]),
            (what, Some(_)) => {
                if let Some(interval) = what.strip_prefix("kline_") {
                    let at = INTERVALS.iter().position(|(name, _)| *name == interval)?;
                    (Channel::Kline(at), &[Door::Spot, Door::Market])
                } else {
                    (book_channel(product, what.strip_prefix("depth")?)?, &[Door::Spot, Door::Public])
                }
            }
            _ => return None,
        };
        doors.contains(&door).then_some(Stream { product, market, channel })
    }

    /// How often it is told; nothing for one that is told at once or never.
    pub(super) fn cadence(&self) -> Option<Cadence> {
        match self.channel {
            Channel::Depth(cadence) | Channel::Partial(_, cadence) => Some(cadence),
            Channel::Trade | Channel::AggTrade | Channel::ForceOrder => None,
            Channel::BookTicker if self.market.is_some() => None,
            _ => Some(Cadence::Second),
        }
    }
}

/// A stream of a book by what follows `depth`: levels, then how often.
fn book_channel(product: Product, rest: &str) -> Option<Channel> {
    let (levels, suffix) = rest.split_at(rest.find('@').unwrap_or(rest.len()));
    let cadence = Cadence::of_book(product, suffix)?;
    match levels {
        "" => Some(Channel::Depth(cadence)),
        "5" => Some(Channel::Partial(5, cadence)),
        "10" => Some(Channel::Partial(10, cadence)),
        "20" => Some(Channel::Partial(20, cadence)),
        _ => None,
    }
}

/// What a book has become since it was told last.
#[derive(Clone, Debug, Default)]
pub(super) struct Diff {
    /// The last number that was told.
    pub(super) prev: u64,
    /// The first and the last number since; nothing when nothing has changed.
    pub(super) range: Option<(u64, u64)>,
    pub(super) bids: BTreeMap<i64, i64>,
    pub(super) asks: BTreeMap<i64, i64>,
}

impl Diff {
    fn note(&mut self, step: &Step) {
        if step.changes.is_empty() {
            return;
        }
        self.range = Some((self.range.map_or(step.first, |(first, _)| first), step.last));
        for change in &step.changes {
            let side = if change.side == BookSide::Bid { &mut self.bids } else { &mut self.asks };
            side.insert(change.price, change.now);
        }
    }
}

/// The best levels of both sides, price and quantity.
pub(super) type Best = [Option<(i64, i64)>; 2];

/// A stream that somebody listens to.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// As clients spell it.
    name: String,
    /// The same with the path before it where the product has several, so that a fault strikes one product alone.
    target: String,
    conns: Vec<u64>,
    pub(super) diff: Diff,
    pub(super) best: Best,
    /// When the candle that was told last began.
    pub(super) candle_ms: i64,
}

impl Binance {
    /// Finds a stream by its name on a connection's path.
    pub(super) fn stream(&self, cx: &Context<'_>, door: Door, name: &str) -> Option<Stream> {
        Stream::parse(door, name, cx.world.markets().iter().map(|market| market.spec))
    }

    /// Lets a connection listen to a stream; the first listener begins it at the present.
    pub(super) fn listen(&mut self, cx: &Context<'_>, conn: u64, door: Door, stream: Stream, name: &str) {
        let told = self.streams.entry(stream).or_insert_with(|| {
            let seq = stream.market.map_or(0, |market| cx.world.markets()[market].seq);
            Told {
                name: name.to_string(),
                target: format!("{}{name}", door.prefix()),
                diff: Diff { prev: seq, ..Diff::default() },
                ..Told::default()
            }
        });
        if !told.conns.contains(&conn) {
            told.conns.push(conn);
        }
    }

    /// Ends what a connection heard of a stream; nobody's stream is forgotten.
    pub(super) fn unlisten(&mut self, conn: u64, stream: Stream) {
        if let Some(told) = self.streams.get_mut(&stream) {
            told.conns.retain(|&other| other != conn);
            if told.conns.is_empty() {
                self.streams.remove(&stream);
            }
        }
    }

    /// Keeps what a step did to a book until the streams of that book are due.
    pub(super) fn note_changes(&mut self, step: &Step) {
        for (stream, told) in &mut self.streams {
            if stream.market == Some(step.market)
                && matches!(stream.channel, Channel::Depth(_) | Channel::Partial(..))
            {
                told.diff.note(step);
            }
        }
    }

    /// Tells the streams of a cadence.
    pub(super) fn tell_cadence(&mut self, cx: &mut Context<'_>, cadence: Cadence) {
        let at_ms = cx.world.wall_ms(cx.now.mono);
        if cadence == Cadence::Second {
            cx.world.roll(at_ms);
            self.tell_account(cx);
            self.forget_budgets(cx);
        }
        let due: Vec<Stream> =
            self.streams.keys().filter(|stream| stream.cadence() == Some(cadence)).copied().collect();
        for stream in due {
            let Some(told) = self.streams.get_mut(&stream) else { continue };
            let mut frames = Vec::new();
            events::due(&mut self.text, cx.world, stream, told, at_ms, &mut frames);
            for frame in frames {
                self.broadcast(cx, stream, frame);
            }
        }
    }

    /// Sends a frame to all who listen to a stream, wrapped for those who want it so.
    pub(super) fn broadcast(&self, cx: &mut Context<'_>, stream: Stream, frame: Vec<u8>) {
        let Some(told) = self.streams.get(&stream) else { return };
        let plain = Bytes::from(frame);
        let mut wrapped: Option<Bytes> = None;
        for &conn in &told.conns {
            let combined = self.conns.get(&conn).is_some_and(|state| state.combined);
            let text = if combined {
                wrapped.get_or_insert_with(|| wrap(&told.name, &plain)).clone()
            } else {
                plain.clone()
            };
            cx.out.send(cx.now, conn, Some(&told.target), text);
        }
    }
}

/// A frame as a combined stream tells it.
pub(super) fn wrap(name: &str, plain: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(plain.len() + name.len() + 24);
    text.extend_from_slice(br#"{"stream":"#);
    text.extend_from_slice(quoted(name).as_bytes());
    text.extend_from_slice(br#","data":"#);
    text.extend_from_slice(plain);
    text.push(b'}');
    Bytes::from(text)
}

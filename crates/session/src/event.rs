//! What a session has to say, and the arena that its levels and texts stand in.

use core::ops::Range;
use core::time::Duration;
use std::borrow::Cow;

use venuekit_book::{Gap, State};
use venuekit_types::{Level, Price, Qty, Scale, Side, Symbol, UnixNanos};
use venuekit_venue::{
    Ask, BalancePatch, Broken, Candle, Channel, DataKind, EventBuf, Fault, Fill, MarketId, OrderPatch,
    PositionPatch, Row, TextSpan, TickerPatch, Wallet,
};

use crate::command::{CommandId, Done, Resolution};
use crate::io::{CloseReason, ConnId, StreamId};

/// An event and the arena it points into.
#[derive(Clone, Copy, Debug)]
pub struct Emission<'a> {
    /// What happened.
    pub event: &'a Event,
    pub(crate) arena: &'a Arena,
}

impl<'a> Emission<'a> {
    /// Levels of a book change.
    pub fn levels(&self, span: &Range<usize>) -> &'a [Level] {
        &self.arena.levels[span.clone()]
    }

    /// A text.
    pub fn text(&self, span: &Range<usize>) -> &'a str {
        &self.arena.text[span.clone()]
    }

    /// Rows of an answer. Texts that they point at stand in [`Emission::row_text`].
    pub fn rows(&self, span: &Range<usize>) -> &'a [Row] {
        &self.arena.rows[span.clone()]
    }

    /// A text of an answer's row.
    pub fn row_text(&self, span: TextSpan) -> &'a str {
        self.arena.row_texts.text(span)
    }
}

/// Memory that lives until the outputs of one input were polled.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) levels: Vec<Level>,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: Vec<Row>,
    /// Holds the texts of `rows`.
    pub(crate) row_texts: EventBuf,
}

impl Arena {
    pub(crate) fn clear(&mut self) {
        self.levels.clear();
        self.text.clear();
        self.bytes.clear();
        self.rows.clear();
        self.row_texts.clear();
    }

    /// Keeps the rows of an answer, with the texts they point at.
    pub(crate) fn put_rows(&mut self, buf: &EventBuf) -> Range<usize> {
        let start = self.rows.len();
        for row in &buf.rows {
            let mut row = row.clone();
            if let Row::Trade(trade) = &mut row {
                trade.id = self.row_texts.put_text(buf.text(trade.id));
            }
            self.rows.push(row);
        }
        start..self.rows.len()
    }

    pub(crate) fn put_levels(&mut self, levels: impl IntoIterator<Item = Level>) -> Range<usize> {
        let start = self.levels.len();
        self.levels.extend(levels);
        start..self.levels.len()
    }

    pub(crate) fn put_text(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }
}

/// One thing that a session has to say.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream exists from now on; later events name it by its id.
    Stream(StreamInfo),
    /// An instrument was listed, or its terms changed.
    Instrument {
        /// Index into the venue's specs.
        product: usize,
        /// Which.
        market: MarketId,
    },
    /// A symbol that was asked for is not listed.
    UnknownSymbol {
        /// As asked for.
        symbol: String,
        /// Listed symbols it could have meant: several when it is ambiguous.
        candidates: Vec<Symbol>,
    },
    /// A stream changed its state.
    State {
        /// Which.
        stream: StreamId,
        /// From.
        from: State,
        /// To.
        to: State,
        /// Why, when it is not live.
        gap: Option<Gap>,
    },
    /// A stream that was live lost something.
    GapOpened(GapOpened),
    /// It is whole again.
    GapHealed(GapHealed),
    /// A whole message of a book was applied.
    Book(BookChange),
    /// A public trade.
    Trade(TradeEvent),
    /// A market's ticker, every field known so far.
    Ticker {
        /// Which stream.
        stream: StreamId,
        /// The merged row.
        row: Box<TickerPatch>,
        /// The venue's time.
        at: Option<UnixNanos>,
        /// When it arrived.
        received: UnixNanos,
    },
    /// A candle.
    Candle {
        /// Which stream.
        stream: StreamId,
        /// The row.
        row: Box<Candle>,
        /// When it arrived.
        received: UnixNanos,
    },
    /// An own order, every field known so far.
    Order {
        /// Which stream.
        stream: StreamId,
        /// The merged row.
        row: Box<OrderPatch>,
    },
    /// An own position, every field known so far.
    Position {
        /// Which stream.
        stream: StreamId,
        /// The merged row.
        row: Box<PositionPatch>,
    },
    /// A balance, every field known so far.
    Balance {
        /// Which stream.
        stream: StreamId,
        /// The merged row.
        row: Box<BalancePatch>,
    },
    /// An own fill, seen for the first time.
    Fill {
        /// Which stream.
        stream: StreamId,
        /// The row.
        row: Box<Fill>,
    },
    /// A whole message of a private channel has been told: act now, not between its rows.
    Committed {
        /// Which stream.
        stream: StreamId,
        /// Whether the rows replace what was known.
        kind: DataKind,
        /// The wallet that they are the whole of, where a snapshot comes wallet by wallet.
        wallet: Option<Wallet>,
    },
    /// What a command asked for was answered.
    Answered {
        /// Which command.
        id: CommandId,
        /// Of which product.
        product: usize,
        /// What was asked.
        ask: Box<Ask>,
        /// What was answered, as [`Emission::rows`].
        rows: Range<usize>,
    },
    /// A command ended.
    Done {
        /// Which.
        id: CommandId,
        /// How.
        done: Done,
    },
    /// What became of an order is known at last.
    Resolved {
        /// Which command.
        id: CommandId,
        /// What.
        outcome: Resolution,
    },
    /// The venue's time was measured, and something worth knowing came of it.
    Clock {
        /// Of which product.
        product: usize,
        /// Nanoseconds that the venue is ahead of the local clock.
        offset: i64,
        /// How far the truth may lie from that; nothing when it has no upper bound.
        accuracy: Option<Duration>,
        /// Whether the local clock is further off than it should be.
        alarm: bool,
    },
    /// A book takes numbers that are not on the grid its instrument was told to have.
    OffGrid {
        /// Which stream.
        stream: StreamId,
        /// The first such price, in counts of the instrument's scale.
        price: Price,
    },
    /// A stream was given up: it is not asked for again.
    Stopped {
        /// Which.
        stream: StreamId,
        /// Why.
        fault: Fault,
    },
    /// A stream is not followed any more, as the operator wanted: its id is not used again.
    Left {
        /// Which.
        stream: StreamId,
    },
    /// A connection opened.
    Connected {
        /// Which.
        conn: ConnId,
        /// Of which product.
        product: usize,
    },
    /// A connection ended.
    Disconnected {
        /// Which.
        conn: ConnId,
        /// Of which product.
        product: usize,
        /// Our reason, when we closed it.
        reason: Option<CloseReason>,
        /// The carrier's words.
        why: String,
    },
    /// A frame made no sense.
    Broken {
        /// On which connection.
        conn: ConnId,
        /// Of which product.
        product: usize,
        /// How.
        broken: Broken,
    },
    /// A request was refused, or the venue complained.
    Fault {
        /// Of which product.
        product: usize,
        /// The route's template, or a word for a stream.
        route: Cow<'static, str>,
        /// What.
        fault: Fault,
    },
}

/// What a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its id.
    pub stream: StreamId,
    /// Index into the venue's specs.
    pub product: usize,
    /// The channel.
    pub channel: Channel,
    /// The market, for channels that have one.
    pub market: Option<MarketId>,
    /// The unified symbol, for channels that have one.
    pub symbol: Option<Symbol>,
    /// The venue's spelling.
    pub venue_symbol: String,
    /// Decimal places of prices.
    pub price_scale: Scale,
    /// Decimal places of quantities.
    pub qty_scale: Scale,
}

/// A stream that was live lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapOpened {
    /// Which.
    pub stream: StreamId,
    /// The epoch that ended; 0 for streams without epochs.
    pub epoch: u64,
    /// The first number not seen; 0 without numbers.
    pub from_seq: u64,
    /// What was lost, with the two numbers that did not meet.
    pub gap: Gap,
    /// When it was noticed.
    pub at: UnixNanos,
}

/// A stream is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapHealed {
    /// Which.
    pub stream: StreamId,
    /// As opened.
    pub epoch: u64,
    /// As opened.
    pub from_seq: u64,
    /// The last number that was not seen one by one; below `from_seq` when everything was recovered.
    pub to_seq: Option<u64>,
    /// When.
    pub at: UnixNanos,
}

/// A whole message of a book.
#[derive(Clone, Debug)]
pub struct BookChange {
    /// Which stream.
    pub stream: StreamId,
    /// The book's generation.
    pub epoch: u64,
    /// The first number it adds: within an epoch, always the one after the last message's. A row counter where the
    /// venue sends none.
    pub first_seq: u64,
    /// The last number it covers.
    pub last_seq: u64,
    /// Whether it is the whole book.
    pub is_snapshot: bool,
    /// Bids, absolute quantities.
    pub bids: Range<usize>,
    /// Asks, absolute quantities.
    pub asks: Range<usize>,
    /// The venue's time.
    pub at: Option<UnixNanos>,
    /// When it arrived.
    pub received: UnixNanos,
}

/// A public trade, seen for the first time.
#[derive(Clone, Debug)]
pub struct TradeEvent {
    /// Which stream.
    pub stream: StreamId,
    /// The venue's id.
    pub id: Range<usize>,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub qty: Qty,
    /// The aggressor's side.
    pub side: Option<Side>,
    /// The venue's time.
    pub at: UnixNanos,
    /// When it arrived.
    pub received: UnixNanos,
}

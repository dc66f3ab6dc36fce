//! What a sink stores: one struct per table, cheap to build where messages arrive.
//!
//! Owns the row shapes and their keys. It refuses to format: numbers stay integers with a scale until a sink
//! writes them, on the sink's own thread. Tickers and candles are rare, so they carry decimal text.

use std::borrow::Cow;
use std::sync::Arc;

use venuekit_types::{Instrument, Level, Scale, Scaled, Side, Symbol, UnixNanos};

use crate::{Fill, Movement, OrderState};

/// A symbol at a venue: the first part of every key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Market {
    /// The venue's id, as in `doex`.
    pub venue: Arc<str>,
    /// The unified symbol.
    pub symbol: Symbol,
}

impl Market {
    /// Pairs a venue id with a symbol.
    pub fn new(venue: impl Into<Arc<str>>, symbol: Symbol) -> Market {
        Market { venue: venue.into(), symbol }
    }
}

impl std::fmt::Display for Market {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.venue, self.symbol)
    }
}

/// The terms of an instrument, as seen at `ts_local`.
///
/// **Key**: (venue, symbol, version), where the store counts versions: terms equal to the latest stored ones are
/// a duplicate, others become the next version. The version inside `terms` counts from a session's start and is
/// not stored.
#[derive(Clone, Debug, PartialEq)]
pub struct InstrumentSeen {
    /// The venue; the symbol is the instrument's own.
    pub venue: Arc<str>,
    /// What the venue said.
    pub terms: Instrument,
    /// When it arrived.
    pub ts_local: UnixNanos,
}

/// One public trade.
///
/// **Key**: (venue, symbol, trade_id).
#[derive(Clone, Debug, PartialEq)]
pub struct Trade {
    /// Where.
    pub market: Market,
    /// The venue's id of this trade, unique within the market.
    pub trade_id: String,
    /// At what price.
    pub price: Scaled,
    /// How much.
    pub qty: Scaled,
    /// The aggressor's side; stored as `unknown` where the venue does not say.
    pub side: Option<Side>,
    /// The venue's stamp.
    pub ts_venue: UnixNanos,
    /// When it arrived; not part of the content, since a second delivery arrives later.
    pub ts_local: UnixNanos,
}

/// One message of a book: a snapshot, or the levels that changed.
///
/// **Key**: (venue, symbol, epoch, first_seq). Within an epoch the rows link without a hole: a snapshot has
/// `first_seq == last_seq`, and each change has `first_seq` one past the `last_seq` before it, also where the
/// venue's own range reaches back behind a snapshot or leaves numbers out. A venue without numbers counts its
/// rows, from 0 in each epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct BookChange {
    /// Where.
    pub market: Market,
    /// The book's generation, from [`reserve_epochs`](crate::Sink::reserve_epochs).
    pub epoch: u64,
    /// First sequence number this row covers.
    pub first_seq: u64,
    /// Last sequence number this row covers.
    pub last_seq: u64,
    /// True when the row replaces the whole book.
    pub is_snapshot: bool,
    /// Decimal places of the prices below.
    pub price_scale: Scale,
    /// Decimal places of the quantities below.
    pub qty_scale: Scale,
    /// Absolute quantities; zero removes the level.
    pub bids: Vec<Level>,
    /// Absolute quantities; zero removes the level.
    pub asks: Vec<Level>,
    /// The venue's stamp, where it sends one.
    pub ts_venue: Option<UnixNanos>,
    /// When it arrived; not part of the content.
    pub ts_local: UnixNanos,
}

/// One statement of a venue's statistics, kept as history.
///
/// **Key**: (venue, symbol, epoch, seq): the venue's number where the channel has one, else a count of rows in an
/// epoch reserved for it. Time is no key, since several can carry one millisecond.
///
/// **Units**: plain decimal text; `None` where the venue does not state it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticker {
    /// Where.
    pub market: Market,
    /// The generation that `seq` counts in.
    pub epoch: u64,
    /// Position within the epoch.
    pub seq: u64,
    /// Best bid.
    pub bid: Option<String>,
    /// Quantity at the best bid.
    pub bid_qty: Option<String>,
    /// Best ask.
    pub ask: Option<String>,
    /// Quantity at the best ask.
    pub ask_qty: Option<String>,
    /// Last traded price.
    pub last: Option<String>,
    /// Mark price.
    pub mark: Option<String>,
    /// Index price.
    pub index: Option<String>,
    /// Funding rate of the running period.
    pub funding_rate: Option<String>,
    /// When that period ends.
    pub next_funding_at: Option<UnixNanos>,
    /// Open interest.
    pub open_interest: Option<String>,
    /// Volume of 24 hours, in the base or in contracts.
    pub volume: Option<String>,
    /// Volume of 24 hours, in the quote.
    pub quote_volume: Option<String>,
    /// The venue's stamp, where it sends one.
    pub ts_venue: Option<UnixNanos>,
    /// When it arrived; not part of the content.
    pub ts_local: UnixNanos,
}

/// One closed candle. A candle still forming is no row: it would change under its key.
///
/// **Key**: (venue, symbol, interval, open_at). **Units**: plain decimal text.
#[derive(Clone, Debug, PartialEq)]
pub struct Candle {
    /// Where.
    pub market: Market,
    /// The span, as `1m` or `4h`.
    pub interval: Cow<'static, str>,
    /// When it opened.
    pub open_at: UnixNanos,
    /// First price.
    pub open: String,
    /// Highest price.
    pub high: String,
    /// Lowest price.
    pub low: String,
    /// Last price.
    pub close: String,
    /// Traded quantity.
    pub volume: String,
    /// When it arrived; not part of the content.
    pub ts_local: UnixNanos,
}

/// A stretch that is missing from a stream, written when it is noticed and again when the stream is whole.
///
/// **Key**: (venue, symbol, channel, detected_at). The second writing sets `healed_at` and changes nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// Where.
    pub market: Market,
    /// Which of its streams.
    pub channel: Cow<'static, str>,
    /// The generation that ended, where one had begun.
    pub epoch: Option<u64>,
    /// First missing number, where known.
    pub from_seq: Option<u64>,
    /// Last missing number, where known.
    pub to_seq: Option<u64>,
    /// What happened, for a person.
    pub cause: Cow<'static, str>,
    /// When it was noticed.
    pub detected_at: UnixNanos,
    /// When the stream was whole again.
    pub healed_at: Option<UnixNanos>,
}

/// How far a stream is stored, committed with the rows that got it there. It only moves forward.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// Where.
    pub market: Market,
    /// Which of its streams.
    pub channel: Cow<'static, str>,
    /// The running generation.
    pub epoch: u64,
    /// The last sequence number, or the last row count.
    pub last_seq: u64,
    /// When the last row arrived.
    pub ts_local: UnixNanos,
}

/// A row of any table.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Terms of an instrument.
    Instrument(Box<InstrumentSeen>),
    /// A public trade.
    Trade(Trade),
    /// A book's snapshot or change.
    BookChange(BookChange),
    /// A venue's statistics.
    Ticker(Box<Ticker>),
    /// A closed candle.
    Candle(Box<Candle>),
    /// A gap, noticed or healed.
    Gap(Box<Gap>),
    /// A state of an own order.
    OrderState(Box<OrderState>),
    /// An own fill.
    Fill(Box<Fill>),
    /// Money that came, went or moved.
    Movement(Box<Movement>),
}

impl Row {
    /// The table it belongs to.
    pub const fn table(&self) -> Table {
        match self {
            Row::Instrument(_) => Table::Instrument,
            Row::Trade(_) => Table::Trade,
            Row::BookChange(_) => Table::BookChange,
            Row::Ticker(_) => Table::Ticker,
            Row::Candle(_) => Table::Candle,
            Row::Gap(_) => Table::Gap,
            Row::OrderState(_) => Table::OrderState,
            Row::Fill(_) => Table::Fill,
            Row::Movement(_) => Table::Movement,
        }
    }

    /// Its venue and symbol; an account's own rows have none, whatever they were traded in.
    #[cfg(feature = "postgres")]
    pub(crate) fn market(&self) -> (&str, &str) {
        let market = match self {
            Row::Instrument(row) => return (&row.venue, row.terms.symbol.as_str()),
            Row::Trade(row) => &row.market,
            Row::BookChange(row) => &row.market,
            Row::Ticker(row) => &row.market,
            Row::Candle(row) => &row.market,
            Row::Gap(row) => &row.market,
            Row::OrderState(row) => return (&row.desk.owner.venue, ""),
            Row::Fill(row) => return (&row.desk.owner.venue, ""),
            Row::Movement(row) => return (&row.owner.venue, ""),
        };
        (&market.venue, market.symbol.as_str())
    }

    /// Its key as a person reads it.
    pub(crate) fn key(&self) -> String {
        match self {
            Row::Instrument(row) => format!("{} {} at {}", row.venue, row.terms.symbol, row.ts_local),
            Row::Trade(row) => format!("{} {}", row.market, row.trade_id),
            Row::BookChange(row) => format!("{} epoch {} seq {}", row.market, row.epoch, row.first_seq),
            Row::Ticker(row) => format!("{} epoch {} seq {}", row.market, row.epoch, row.seq),
            Row::Candle(row) => format!("{} {} {}", row.market, row.interval, row.open_at),
            Row::Gap(row) => format!("{} {} at {}", row.market, row.channel, row.detected_at),
            Row::OrderState(row) => {
                format!(
                    "{} {} {} {} at {}",
                    row.desk, row.venue_order_id, row.status, row.cum_qty, row.ts_venue
                )
            }
            Row::Fill(row) => format!("{} {}", row.desk, row.fill_id),
            Row::Movement(row) => format!("{} {} {} {}", row.owner, row.kind, row.movement_id, row.status),
        }
    }
}

/// Rows and cursors that are stored together or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// In the order they happened.
    pub rows: Vec<Row>,
    /// Where their streams then stand.
    pub cursors: Vec<Cursor>,
}

impl Batch {
    /// Empties it for reuse.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.cursors.clear();
    }

    /// True when there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.cursors.is_empty()
    }
}

/// The tables, by the names that a person sees in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Terms of instruments.
    Instrument,
    /// Public trades.
    Trade,
    /// Books as changes.
    BookChange,
    /// Statistics.
    Ticker,
    /// Closed candles.
    Candle,
    /// What is missing.
    Gap,
    /// Own orders, a row a state.
    OrderState,
    /// Own fills.
    Fill,
    /// Money that came, went or moved.
    Movement,
    /// Cursors.
    Stream,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 10] = [
        Table::Instrument,
        Table::Trade,
        Table::BookChange,
        Table::Ticker,
        Table::Candle,
        Table::Gap,
        Table::OrderState,
        Table::Fill,
        Table::Movement,
        Table::Stream,
    ];

    /// The name in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Table::Instrument => "instrument",
            Table::Trade => "trade",
            Table::BookChange => "book_change",
            Table::Ticker => "ticker",
            Table::Candle => "candle",
            Table::Gap => "gap",
            Table::OrderState => "order_state",
            Table::Fill => "fill",
            Table::Movement => "movement",
            Table::Stream => "stream",
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

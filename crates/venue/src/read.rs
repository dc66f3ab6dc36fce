//! What every adapter needs when it reads: exact numbers, and one way to say that something does not read.

use core::fmt;
use core::time::Duration;

use rust_decimal::Decimal;
use venuekit_book::Ids;
use venuekit_types::{
    Instrument, Kind, Level, NumError, Price, Qty, Scale, Status, Symbol, UnixNanos, parse_fixed,
    parse_scaled,
};

use crate::{
    Body, Broken, BrokenWhy, Channel, Data, DataKind, Event, EventBuf, Fault, FaultKind, HttpReply, MarketId,
    Place, Retry, Topic,
};

/// The longest text of a peer that is kept.
const TEXT_BYTES_MAX: usize = 200;

/// A peer's own words, as much of them as a log line wants.
pub fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// Base and quote of a name that joins them, by the longest of the quotes that it ends with.
pub fn split_pair<'a>(name: &'a str, quotes: &[&str]) -> Option<(&'a str, &'a str)> {
    let ends = |quote: &&&str| name.len() > quote.len() && name.ends_with(**quote);
    let quote = quotes.iter().filter(ends).max_by_key(|quote| quote.len())?;
    Some(name.split_at(name.len() - quote.len()))
}

/// An instrument of which nothing is known but its name; all numbers count whole units.
pub fn bare_terms(venue_symbol: &str, symbol: Symbol, inverse: bool) -> Instrument {
    let kind = match symbol.as_str().split_once(':') {
        None => Kind::Spot,
        Some((_, contract)) if contract.contains('-') => Kind::Future,
        Some(_) => Kind::Perpetual,
    };
    Instrument {
        venue_symbol: venue_symbol.to_owned(),
        aliases: Vec::new(),
        symbol,
        kind,
        price_scale: Scale::ZERO,
        qty_scale: Scale::ZERO,
        tick: Price(0),
        step: Qty(0),
        min_qty: None,
        max_qty: None,
        min_notional: None,
        contract_size: None,
        inverse,
        maker_fee: None,
        taker_fee: None,
        status: Status::Trading,
        version: 0,
    }
}

/// Why something does not read: an event where it is one of several, a fault where it was the whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What was wrong.
    pub why: BrokenWhy,
    /// A bounded detail.
    pub detail: String,
}

impl Unfit {
    /// With a detail that is clipped.
    pub fn new(why: BrokenWhy, detail: &str) -> Unfit {
        Unfit { why, detail: clip(detail).to_owned() }
    }

    /// JSON of another shape than was promised.
    pub fn shape(detail: impl fmt::Display) -> Unfit {
        Unfit::new(BrokenWhy::Shape, &detail.to_string())
    }

    /// A market that the catalog does not hold.
    pub fn market(name: &str) -> Unfit {
        Unfit::new(BrokenWhy::UnknownMarket, name)
    }

    /// As a fault: nothing of the answer can be used.
    pub fn fault(self) -> Fault {
        Fault::unreadable(self.detail)
    }

    /// As an event: only this is lost.
    pub fn broken(self, topic: Option<Topic>) -> Event {
        Event::Broken(Broken { why: self.why, detail: self.detail, topic })
    }
}

impl From<NumError> for Unfit {
    fn from(error: NumError) -> Unfit {
        let why = match error {
            NumError::OutOfRange | NumError::TooFine { .. } => BrokenWhy::Number,
            NumError::Empty | NumError::Syntax { .. } => BrokenWhy::Shape,
        };
        Unfit::new(why, &error.to_string())
    }
}

/// Reads an exact decimal of the digits as they came.
///
/// **Errors**: [`NumError`]; nothing is rounded.
pub fn decimal(text: &str) -> Result<Decimal, NumError> {
    match parse_fixed(text.as_bytes()) {
        Ok(fixed) => Ok(fixed.into()),
        // A decimal holds more digits than an integer of 64 bits.
        Err(error @ (NumError::OutOfRange | NumError::TooFine { .. })) => {
            Decimal::from_str_exact(text).map_err(|_| error)
        }
        Err(error) => Err(error),
    }
}

/// Reads one row of a book: the digits of a price and of a quantity.
///
/// **Errors**: [`NumError`]; nothing is rounded.
pub fn level((price, qty): (&str, &str), instrument: &Instrument) -> Result<Level, NumError> {
    Ok(Level {
        price: Price(parse_scaled(price.as_bytes(), instrument.price_scale)?),
        qty: Qty(parse_scaled(qty.as_bytes(), instrument.qty_scale)?),
    })
}

/// What a message of one stream says, before it is known whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whether it is a whole state or a change.
    pub kind: DataKind,
    /// Its numbers, where the channel has any.
    pub ids: Option<Ids>,
    /// The venue's time.
    pub at: Option<UnixNanos>,
    /// What it holds.
    pub body: Body,
}

impl Told {
    /// What adds to what is known.
    pub fn rows(at: impl Into<Option<UnixNanos>>, body: Body) -> Told {
        Told { kind: DataKind::Update, ids: None, at: at.into(), body }
    }

    /// The whole state.
    pub fn whole(at: impl Into<Option<UnixNanos>>, body: Body) -> Told {
        Told { kind: DataKind::Snapshot, ..Told::rows(at, body) }
    }

    /// As an event of a stream.
    pub fn of(self, topic: Topic) -> Event {
        let Told { kind, ids, at, body } = self;
        Event::Data(Data { topic, kind, ids, at, body })
    }
}

/// One event about one market, or what was wrong with it.
pub fn of_market(
    place: Place<'_>,
    channel: Channel,
    symbol: &str,
    out: &mut EventBuf,
    read: impl FnOnce(MarketId, &Instrument, &mut EventBuf) -> Result<Told, Unfit>,
) -> Event {
    let Some((market, instrument)) = place.catalog.find(symbol) else {
        return Unfit::market(symbol).broken(None);
    };
    let topic = Topic::of(channel, market);
    match read(market, instrument, out) {
        Ok(told) => told.of(topic),
        Err(unfit) => unfit.broken(Some(topic)),
    }
}

impl<'a> Place<'a> {
    /// The market of a row, by any of its names; where one was asked for it must be that one.
    ///
    /// **Errors**: [`Unfit`].
    pub fn market(self, asked: Option<MarketId>, symbol: &str) -> Result<MarketId, Unfit> {
        let (market, _) = self.catalog.find(symbol).ok_or_else(|| Unfit::market(symbol))?;
        match asked {
            Some(asked) if asked != market => Err(Unfit::shape(format!("a row of {}", clip(symbol)))),
            _ => Ok(market),
        }
    }

    /// The instrument of a market that was asked about.
    ///
    /// **Errors**: an unreadable answer, where the market is not listed.
    pub fn instrument(self, market: MarketId) -> Result<&'a Instrument, Fault> {
        let known = self.catalog.get(market);
        known.ok_or_else(|| Fault::unreadable("an answer about a market that is not listed"))
    }
}

impl Fault {
    /// An answer that is no JSON we know, or lacks what it must have.
    pub fn unreadable(reason: impl fmt::Display) -> Fault {
        Fault::ours(FaultKind::Unreadable, clip(&reason.to_string()))
    }
}

impl FaultKind {
    /// Whether trying again can help, for a fault of this kind and what the venue said about when.
    pub fn retry(self, after: Option<Duration>) -> Retry {
        match self {
            FaultKind::RateLimited | FaultKind::Banned | FaultKind::Unavailable => {
                Retry::After(after.unwrap_or_default())
            }
            FaultKind::Clock => Retry::Resync,
            _ => Retry::Never,
        }
    }
}

impl HttpReply<'_> {
    /// Whole seconds in `retry-after`; nothing for the form with a date, which no venue here has used.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }
}

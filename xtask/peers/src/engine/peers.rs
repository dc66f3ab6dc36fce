//! Other people's books, each by its own front door.

use barter_data::books::{Level as BarterLevel, OrderBook as BarterBook};
use barter_data::subscription::book::OrderBookEvent;
use hftbacktest::depth::{HashMapMarketDepth, L2MarketDepth, MarketDepth, ROIVectorMarketDepth};
use kraken_book::storage::TreeBook;
use nautilus_model::data::{BookOrder, OrderBookDelta};
use nautilus_model::enums::{BookAction, BookType, OrderSide};
use nautilus_model::identifiers::InstrumentId;
use nautilus_model::orderbook::OrderBook as NautilusBook;
use nautilus_model::types::{Price, Quantity};
use ninjabook::event::Event;
use ninjabook::orderbook::Orderbook as NinjaBook;
use rust_decimal::Decimal;
use venuekit_types::Level;

use crate::{Engine, Session};

fn decimal(level: &Level, session: &Session) -> (Decimal, Decimal) {
    let (price, qty) = session.scales;
    let of = |count: i64, digits: u8| Decimal::new(count, u32::from(digits));
    (of(level.price.0, price.digits()), of(level.qty.0, qty.digits()))
}

fn integers((price, qty): (Decimal, Decimal), session: &Session) -> Level {
    let of = |mut number: Decimal, digits: u8| {
        number.rescale(u32::from(digits));
        i64::try_from(number.mantissa()).expect("it came from an i64")
    };
    Level::new(of(price, session.scales.0.digits()), of(qty, session.scales.1.digits()))
}

fn float(level: &Level, session: &Session) -> (f64, f64) {
    let of = |count: i64, unit: i64| count as f64 / unit as f64;
    (of(level.price.0, session.scales.0.unit()), of(level.qty.0, session.scales.1.unit()))
}

fn round(value: f64, unit: i64) -> i64 {
    (value * unit as f64).round() as i64
}

/// barter-data: sorted vectors of decimals.
pub struct Barter(BarterBook);

impl Engine for Barter {
    type Message<'a> = OrderBookEvent;

    fn new(session: &Session) -> Barter {
        let (bids, asks) = session.snapshot();
        let mut book = BarterBook::default();
        book.update(&Barter::message(session, bids, asks));
        Barter(book)
    }

    fn message<'a>(session: &Session, bids: &'a [Level], asks: &'a [Level]) -> OrderBookEvent {
        let of = |rows: &[Level]| -> Vec<BarterLevel> {
            rows.iter().map(|row| BarterLevel::from(decimal(row, session))).collect()
        };
        OrderBookEvent::Update(BarterBook::new(0, None, of(bids), of(asks)))
    }

    #[inline]
    fn apply(&mut self, _: usize, message: &OrderBookEvent) {
        self.0.update(message);
    }

    fn levels(&self, session: &Session) -> (Vec<Level>, Vec<Level>) {
        let of = |rows: &[BarterLevel]| {
            rows.iter().map(|row| integers((row.price, row.amount), session)).collect()
        };
        (of(self.0.bids().levels()), of(self.0.asks().levels()))
    }
}

/// nautilus-model: an L2 book fed by deltas.
pub struct Nautilus(NautilusBook);

fn nautilus_id() -> InstrumentId {
    InstrumentId::from("BTCUSDT-PERP.BINANCE")
}

impl Engine for Nautilus {
    type Message<'a> = Vec<OrderBookDelta>;

    fn new(session: &Session) -> Nautilus {
        let (bids, asks) = session.snapshot();
        let mut book = Nautilus(NautilusBook::new(nautilus_id(), BookType::L2_MBP));
        book.apply(0, &Nautilus::message(session, bids, asks));
        book
    }

    fn message<'a>(session: &Session, bids: &'a [Level], asks: &'a [Level]) -> Vec<OrderBookDelta> {
        let id = nautilus_id();
        let (price, qty) = (session.scales.0.digits(), session.scales.1.digits());
        let of = |side: OrderSide, row: &Level| {
            let raw = |count: i64, digits: u8| count * 10_i64.pow(u32::from(9 - digits));
            let order = BookOrder::new(
                side,
                Price::from_raw(raw(row.price.0, price), price),
                Quantity::from_raw(raw(row.qty.0, qty).unsigned_abs(), qty),
                row.price.0.unsigned_abs(),
            );
            let action = if row.qty.0 == 0 { BookAction::Delete } else { BookAction::Update };
            OrderBookDelta::new(id, action, order, 0, 0, 0.into(), 0.into())
        };
        let bids = bids.iter().map(|row| of(OrderSide::Buy, row));
        bids.chain(asks.iter().map(|row| of(OrderSide::Sell, row))).collect()
    }

    #[inline]
    fn apply(&mut self, _: usize, message: &Vec<OrderBookDelta>) {
        for delta in message {
            self.0.apply_delta(delta).expect("its own instrument");
        }
    }

    fn levels(&self, session: &Session) -> (Vec<Level>, Vec<Level>) {
        let of = |price: Price, qty: Decimal| integers((price.as_decimal(), qty), session);
        (
            self.0.bids(None).map(|row| of(row.price.value, row.size_decimal())).collect(),
            self.0.asks(None).map(|row| of(row.price.value, row.size_decimal())).collect(),
        )
    }
}

type Floats = (Vec<(f64, f64)>, Vec<(f64, f64)>);

fn floats(session: &Session, bids: &[Level], asks: &[Level]) -> Floats {
    let of = |rows: &[Level]| rows.iter().map(|row| float(row, session)).collect();
    (of(bids), of(asks))
}

/// hftbacktest, by hash map or by a vector over a range that is fixed in advance.
pub struct Hft<D>(D);

fn tick(session: &Session) -> f64 {
    session.grid().2 as f64 / session.scales.0.unit() as f64
}

/// A depth of hftbacktest that can be made for a session.
pub trait Depth: L2MarketDepth + MarketDepth + Sized {
    /// An empty one.
    fn of(session: &Session) -> Self;
}

impl Depth for HashMapMarketDepth {
    fn of(session: &Session) -> Self {
        HashMapMarketDepth::new(tick(session), 1.0 / session.scales.1.unit() as f64)
    }
}

impl Depth for ROIVectorMarketDepth {
    fn of(session: &Session) -> Self {
        let (low, high, _) = session.grid();
        let unit = session.scales.0.unit() as f64;
        ROIVectorMarketDepth::new(
            tick(session),
            1.0 / session.scales.1.unit() as f64,
            low as f64 / unit,
            high as f64 / unit,
        )
    }
}

impl<D: Depth> Engine for Hft<D> {
    type Message<'a> = Floats;

    fn new(session: &Session) -> Hft<D> {
        let (bids, asks) = session.snapshot();
        let mut book = Hft(D::of(session));
        book.apply(0, &floats(session, bids, asks));
        book
    }

    fn message<'a>(session: &Session, bids: &'a [Level], asks: &'a [Level]) -> Floats {
        floats(session, bids, asks)
    }

    #[inline]
    fn apply(&mut self, n: usize, (bids, asks): &Floats) {
        for &(price, qty) in bids {
            self.0.update_bid_depth(price, qty, n as i64);
        }
        for &(price, qty) in asks {
            self.0.update_ask_depth(price, qty, n as i64);
        }
    }

    fn levels(&self, session: &Session) -> (Vec<Level>, Vec<Level>) {
        let (low, high, step) = session.grid();
        let unit = session.scales.1.unit();
        let bid = |tick: i64| Level::new(tick * step, round(self.0.bid_qty_at_tick(tick), unit));
        let ask = |tick: i64| Level::new(tick * step, round(self.0.ask_qty_at_tick(tick), unit));
        let stands = |level: &Level| level.qty.0 != 0;
        let ticks = low / step..=high / step;
        (ticks.clone().rev().map(bid).filter(stands).collect(), ticks.map(ask).filter(stands).collect())
    }
}

/// kraken-book: trees of decimals, without the checksum that only Kraken's own messages carry.
pub struct Kraken(TreeBook);

impl Engine for Kraken {
    type Message<'a> = [Vec<(Decimal, Decimal)>; 2];

    fn new(session: &Session) -> Kraken {
        let (bids, asks) = session.snapshot();
        let mut book = Kraken(TreeBook::new());
        book.apply(0, &Kraken::message(session, bids, asks));
        book
    }

    fn message<'a>(session: &Session, bids: &'a [Level], asks: &'a [Level]) -> Self::Message<'a> {
        [bids, asks].map(|rows| rows.iter().map(|row| decimal(row, session)).collect())
    }

    #[inline]
    fn apply(&mut self, _: usize, [bids, asks]: &Self::Message<'_>) {
        for &(price, qty) in bids {
            self.0.insert_bid(price, qty);
        }
        for &(price, qty) in asks {
            self.0.insert_ask(price, qty);
        }
    }

    fn levels(&self, session: &Session) -> (Vec<Level>, Vec<Level>) {
        let of = |row: &kraken_types::Level| integers((row.price, row.qty), session);
        (self.0.bids().map(of).collect(), self.0.asks().map(of).collect())
    }
}

/// More levels than any session has.
const LEVELS_MAX: usize = 1_000_000;

/// ninjabook: trees of floats by tick.
pub struct Ninja(NinjaBook);

impl Engine for Ninja {
    type Message<'a> = Floats;

    fn new(session: &Session) -> Ninja {
        let (bids, asks) = session.snapshot();
        let mut book = Ninja(NinjaBook::new(tick(session)));
        book.apply(0, &floats(session, bids, asks));
        book
    }

    fn message<'a>(session: &Session, bids: &'a [Level], asks: &'a [Level]) -> Floats {
        floats(session, bids, asks)
    }

    #[inline]
    fn apply(&mut self, n: usize, (bids, asks): &Floats) {
        let event = |is_buy: bool, (price, size): (f64, f64)| Event {
            timestamp: n as u64,
            seq: n as u64,
            is_trade: false,
            is_buy,
            price,
            size,
        };
        for &row in bids {
            self.0.process(event(true, row));
        }
        for &row in asks {
            self.0.process(event(false, row));
        }
    }

    fn levels(&self, session: &Session) -> (Vec<Level>, Vec<Level>) {
        let (price, qty) = (session.scales.0.unit(), session.scales.1.unit());
        let of = |rows: Vec<ninjabook::level::Level>| {
            rows.iter().map(|row| Level::new(round(row.price, price), round(row.size, qty))).collect()
        };
        (of(self.0.top_bids(LEVELS_MAX)), of(self.0.top_asks(LEVELS_MAX)))
    }
}

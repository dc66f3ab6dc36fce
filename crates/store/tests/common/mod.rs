//! Rows for tests, made from few numbers.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;

use venuekit_store::{
    Batch, BookChange, Candle, Cursor, Desk, Fill, Gap, InstrumentSeen, Market, Movement, OpenError,
    OpenMode, OrderState, Owner, Row, Sqlite, Ticker, Trade, World,
};
use venuekit_types::{Fixed, Instrument, Kind, Level, Price, Qty, Scale, Scaled, Side, Status, UnixNanos};

pub(crate) fn sim(run_id: &str) -> World {
    World::Sim { run_id: run_id.into() }
}

pub(crate) fn open(path: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(path, &sim("1"), OpenMode::Resume)
}

pub(crate) fn market(symbol: &str) -> Market {
    Market::new("doex", symbol.parse().expect("a symbol"))
}

pub(crate) fn scale(digits: u8) -> Scale {
    Scale::new(digits).expect("in range")
}

pub(crate) fn trade(symbol: &str, id: u64, price: i64, arrived: i64) -> Trade {
    Trade {
        market: market(symbol),
        trade_id: id.to_string(),
        price: Scaled::new(price, scale(2)),
        qty: Scaled::new(15, scale(1)),
        side: Some(Side::Sell),
        ts_venue: UnixNanos(1_000_000 * price),
        ts_local: UnixNanos(arrived),
    }
}

pub(crate) fn change(symbol: &str, epoch: u64, seq: u64, qty: i64, arrived: i64) -> BookChange {
    BookChange {
        market: market(symbol),
        epoch,
        first_seq: seq,
        last_seq: seq,
        is_snapshot: seq == 0,
        price_scale: scale(2),
        qty_scale: scale(3),
        bids: vec![Level::new(880_450, qty), Level::new(880_400, 0)],
        asks: vec![],
        ts_venue: None,
        ts_local: UnixNanos(arrived),
    }
}

pub(crate) fn ticker(symbol: &str, seq: u64, last: &str) -> Ticker {
    let text = |text: &str| Some(text.to_string());
    Ticker {
        market: market(symbol),
        epoch: 1,
        seq,
        bid: text("1"),
        bid_qty: text("2"),
        ask: text("3"),
        ask_qty: text("4"),
        last: text(last),
        mark: text("6"),
        index: text("7"),
        funding_rate: text("-0.0001"),
        next_funding_at: Some(UnixNanos(8)),
        open_interest: text("9"),
        volume: text("10"),
        quote_volume: None,
        ts_venue: Some(UnixNanos(11)),
        ts_local: UnixNanos(12),
    }
}

pub(crate) fn candle(symbol: &str, open_at: i64, close: &str) -> Candle {
    Candle {
        market: market(symbol),
        interval: "1m".into(),
        open_at: UnixNanos(open_at),
        open: "1".into(),
        high: "4".into(),
        low: "0.5".into(),
        close: close.into(),
        volume: "100".into(),
        ts_local: UnixNanos(5),
    }
}

pub(crate) fn gap(symbol: &str, detected_at: i64, healed_at: Option<i64>) -> Gap {
    Gap {
        market: market(symbol),
        channel: "book".into(),
        epoch: Some(1),
        from_seq: Some(8),
        to_seq: None,
        cause: "sequence jumped".into(),
        detected_at: UnixNanos(detected_at),
        healed_at: healed_at.map(UnixNanos),
    }
}

pub(crate) fn cursor(symbol: &str, epoch: u64, last_seq: u64) -> Cursor {
    Cursor { market: market(symbol), channel: "book".into(), epoch, last_seq, ts_local: UnixNanos(1) }
}

pub(crate) fn instrument(tick: i64, arrived: i64) -> InstrumentSeen {
    InstrumentSeen {
        venue: "doex".into(),
        terms: Instrument {
            venue_symbol: "BTCUSDT".into(),
            aliases: Vec::new(),
            symbol: "BTC/USDT".parse().expect("a symbol"),
            kind: Kind::Spot,
            price_scale: scale(2),
            qty_scale: scale(6),
            tick: Price(tick),
            step: Qty(1),
            min_qty: Some(Qty(10)),
            max_qty: None,
            min_notional: Some(Fixed::whole(5)),
            contract_size: None,
            inverse: false,
            maker_fee: Some(Fixed { mantissa: -25, scale: scale(5) }),
            taker_fee: None,
            status: Status::Trading,
            version: 1,
        },
        ts_local: UnixNanos(arrived),
    }
}

pub(crate) fn owner() -> Owner {
    Owner::new("doex", "main")
}

fn desk(symbol: &str) -> Desk {
    Desk {
        owner: owner(),
        product: "spot".into(),
        wallet: Some("spot".into()),
        symbol: symbol.parse().expect("a symbol"),
    }
}

pub(crate) fn order_state(symbol: &str, id: u64, cum_qty: &str, at: i64) -> OrderState {
    let text = |text: &str| Some(text.to_string());
    OrderState {
        desk: desk(symbol),
        venue_order_id: id.to_string(),
        client_order_id: text("mine"),
        side: Side::Buy,
        order_type: text("limit"),
        time_in_force: text("GTC"),
        price: text("8804.5"),
        stop_price: None,
        qty: "10".into(),
        cum_qty: cum_qty.into(),
        avg_px: text("8804"),
        fee: text("-0.01"),
        fee_asset: text("USDT"),
        status: if cum_qty == "10" { "filled" } else { "partially_filled" }.into(),
        post_only: Some(true),
        reduce_only: None,
        created_at: Some(UnixNanos(1)),
        ts_venue: UnixNanos(at),
        ts_local: UnixNanos(at + 5),
    }
}

pub(crate) fn fill(symbol: &str, id: u64, last_px: &str, arrived: i64) -> Fill {
    Fill {
        desk: desk(symbol),
        fill_id: id.to_string(),
        venue_order_id: "7".into(),
        client_order_id: None,
        side: Side::Sell,
        last_px: last_px.into(),
        last_qty: "2.5".into(),
        fee: "0.02".into(),
        fee_asset: Some("USDT".into()),
        realized_pnl: None,
        maker: Some(true),
        derived: false,
        ts_venue: UnixNanos(3),
        ts_local: UnixNanos(arrived),
    }
}

pub(crate) fn movement(id: u64, status: &'static str, amount: &str, arrived: i64) -> Movement {
    Movement {
        owner: owner(),
        kind: "withdrawal".into(),
        movement_id: id.to_string(),
        status: status.into(),
        asset: "USDT".into(),
        amount: amount.into(),
        fee: Some("1".into()),
        network: Some("TRC20".into()),
        address: Some("T1".into()),
        tx_id: None,
        from_wallet: Some("spot".into()),
        to_wallet: None,
        ts_venue: UnixNanos(4),
        ts_local: UnixNanos(arrived),
    }
}

pub(crate) fn rows(rows: impl IntoIterator<Item = Row>) -> Batch {
    Batch { rows: rows.into_iter().collect(), cursors: vec![] }
}

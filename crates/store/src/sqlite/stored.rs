//! Stored rows as the rows that entered, for whoever hands them on.
//!
//! Owns the way back from columns to rows, and the sum over them. What this crate never writes is damage.

use std::borrow::Cow;

use rusqlite::{Connection, params};
use venuekit_types::{
    Fixed, Instrument, Kind, Level, Price, Qty, Scale, Scaled, Side, Status, Symbol, UnixNanos, parse_scaled,
};

use super::checksum::{self, Log, Part};
use super::read;
use crate::{
    BookChange, Candle, Desk, Fill, Gap, InstrumentSeen, Market, Movement, OrderState, Owner, Row, SinkError,
    Ticker, Trade,
};

/// A part that does not add up.
pub(super) fn unlike(batch: i64, table: &str) -> SinkError {
    SinkError::Corrupt(format!("{table} rows of batch {batch} are not as they were written").into())
}

pub(super) fn number_or_none(number: Option<i64>) -> Result<Option<u64>, SinkError> {
    number.map(u64::try_from).transpose().map_err(read::damaged)
}

/// Rows of batches that follow each other.
pub(super) struct Batches {
    pub(super) rows: Vec<Row>,
    /// The last batch they come from.
    pub(super) upto: i64,
    /// How many batches.
    pub(super) batches: u64,
}

/// The rows that entered with the batches after one, up to about `rows_max` and at least those of one batch, of the
/// tables that are wanted; nothing where no batch follows. What heals a gap comes after it.
///
/// **Errors**: `Corrupt` where a part does not add up.
pub(super) fn batches(
    conn: &Connection,
    after: i64,
    rows_max: usize,
    wants: impl Fn(Log) -> bool,
) -> Result<Option<Batches>, SinkError> {
    let mut parts = conn.prepare_cached(
        "SELECT batch, log, first_id, last_id, rows, checksum FROM batch WHERE batch > ?1 ORDER BY batch",
    )?;
    let mut parts = parts.query([after])?;
    let (mut rows, mut heals) = (Vec::new(), Vec::new());
    let (mut upto, mut batches) = (after, 0);
    while let Some(row) = parts.next()? {
        let (number, table): (i64, String) = (row.get(0)?, row.get(1)?);
        if number != upto {
            if rows.len() + heals.len() >= rows_max {
                break;
            }
            batches += 1;
        }
        upto = number;
        let log = Log::parse(&table).ok_or_else(|| unlike(number, &table))?;
        if !wants(log) {
            continue;
        }
        let rows = if log == Log::Heal { &mut heals } else { &mut rows };
        let found = read_part(conn, log, (row.get(2)?, row.get(3)?), rows)?;
        if found.rows != row.get::<_, i64>(4)?
            || found.sealed(number, &table).cast_signed() != row.get::<_, i64>(5)?
        {
            return Err(unlike(number, &table));
        }
    }
    rows.append(&mut heals);
    Ok((upto != after).then_some(Batches { rows, upto, batches }))
}

/// One row and its checksum; nothing where it is gone.
pub(super) fn one(conn: &Connection, log: Log, id: i64) -> Result<Option<(Row, u64)>, SinkError> {
    let table = log.as_str();
    let mut select = conn.prepare_cached(&format!("SELECT {} WHERE {table}.id = ?1", log.source()))?;
    let columns = select.column_count();
    let mut rows = select.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((read_row(conn, log, row)?, checksum::of_stored(row, columns)?)))
}

/// Reads a part back as the rows that entered, and adds them up.
fn read_part(
    conn: &Connection,
    log: Log,
    (first_id, last_id): (i64, i64),
    rows: &mut Vec<Row>,
) -> Result<Part, SinkError> {
    let table = log.as_str();
    let mut select = conn.prepare_cached(&format!(
        "SELECT {} WHERE {table}.id BETWEEN ?1 AND ?2 ORDER BY {table}.id",
        log.source()
    ))?;
    let columns = select.column_count();
    let mut stored = select.query(params![first_id, last_id])?;
    let mut part = Part { first_id, last_id, ..Part::default() };
    while let Some(row) = stored.next()? {
        part.rows += 1;
        part.sum = part.sum.wrapping_add(checksum::of_stored(row, columns)?);
        rows.push(read_row(conn, log, row)?);
    }
    Ok(part)
}

/// A row from the columns that [`Log::source`] names.
fn read_row(conn: &Connection, log: Log, row: &Stored<'_>) -> Result<Row, SinkError> {
    Ok(match log {
        Log::Instrument => Row::Instrument(Box::new(instrument(row)?)),
        Log::Trade => Row::Trade(trade(row)?),
        Log::BookChange => Row::BookChange(book_change(row)?),
        Log::Ticker => Row::Ticker(Box::new(ticker(row)?)),
        Log::Candle => Row::Candle(Box::new(candle(row)?)),
        Log::Gap => Row::Gap(Box::new(gap(row)?)),
        Log::Heal => Row::Gap(Box::new(healed(conn, row)?)),
        Log::OrderState => Row::OrderState(Box::new(order_state(row)?)),
        Log::Fill => Row::Fill(Box::new(fill(row)?)),
        Log::Movement => Row::Movement(Box::new(movement(row)?)),
    })
}

/// Calls `each` with an account's own rows of one kind, in the order they were stored.
pub(super) fn of_owner<T>(
    conn: &Connection,
    log: Log,
    owner: &Owner,
    read: impl Fn(&Stored<'_>) -> Result<T, SinkError>,
    mut each: impl FnMut(T),
) -> Result<(), SinkError> {
    let sql = format!("SELECT {} WHERE venue = ?1 AND account = ?2 ORDER BY id", log.source());
    let mut select = conn.prepare(&sql)?;
    let mut rows = select.query(params![owner.venue, owner.account])?;
    while let Some(row) = rows.next()? {
        each(read(row)?);
    }
    Ok(())
}

pub(super) type Stored<'a> = rusqlite::Row<'a>;

fn market(row: &Stored<'_>) -> Result<Market, SinkError> {
    let symbol: Symbol = text(row, 1)?.parse().map_err(read::damaged)?;
    Ok(Market::new(text(row, 0)?, symbol))
}

fn text<'r>(row: &'r Stored<'_>, at: usize) -> Result<&'r str, SinkError> {
    row.get_ref(at)?.as_str().map_err(read::damaged)
}

fn time(row: &Stored<'_>, at: usize) -> Result<UnixNanos, SinkError> {
    Ok(UnixNanos(row.get(at)?))
}

fn time_or_none(row: &Stored<'_>, at: usize) -> Result<Option<UnixNanos>, SinkError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(UnixNanos))
}

fn seq(row: &Stored<'_>, at: usize) -> Result<u64, SinkError> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(read::damaged)
}

fn scaled(row: &Stored<'_>, at: usize) -> Result<Scaled, SinkError> {
    let Fixed { mantissa, scale } = text(row, at)?.parse().map_err(read::damaged)?;
    Ok(Scaled::new(mantissa, scale))
}

fn trade(row: &Stored<'_>) -> Result<Trade, SinkError> {
    Ok(Trade {
        market: market(row)?,
        trade_id: row.get(2)?,
        price: scaled(row, 3)?,
        qty: scaled(row, 4)?,
        side: match text(row, 5)? {
            "buy" => Some(Side::Buy),
            "sell" => Some(Side::Sell),
            _ => None,
        },
        ts_venue: time(row, 6)?,
        ts_local: time(row, 7)?,
    })
}

fn book_change(row: &Stored<'_>) -> Result<BookChange, SinkError> {
    type Side<'r> = Vec<(&'r str, &'r str)>;
    let bids: Side<'_> = serde_json::from_str(text(row, 6)?).map_err(read::damaged)?;
    let asks: Side<'_> = serde_json::from_str(text(row, 7)?).map_err(read::damaged)?;
    // Any scale that holds all of them gives the same text again.
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = |most: Option<usize>| {
        let digits = u8::try_from(most.unwrap_or(0)).map_err(read::damaged)?;
        Scale::new(digits).ok_or_else(|| SinkError::Corrupt("a level has too many digits".into()))
    };
    let both = || bids.iter().chain(&asks);
    let price_scale = scale(both().map(|level| digits(level.0)).max())?;
    let qty_scale = scale(both().map(|level| digits(level.1)).max())?;
    let levels = |side: &Side<'_>| {
        let level = |&(price, qty): &(&str, &str)| {
            let price = parse_scaled(price.as_bytes(), price_scale).map_err(read::damaged)?;
            let qty = parse_scaled(qty.as_bytes(), qty_scale).map_err(read::damaged)?;
            Ok(Level::new(price, qty))
        };
        side.iter().map(level).collect::<Result<Vec<_>, SinkError>>()
    };
    Ok(BookChange {
        market: market(row)?,
        epoch: seq(row, 2)?,
        first_seq: seq(row, 3)?,
        last_seq: seq(row, 4)?,
        is_snapshot: row.get(5)?,
        price_scale,
        qty_scale,
        bids: levels(&bids)?,
        asks: levels(&asks)?,
        ts_venue: time_or_none(row, 8)?,
        ts_local: time(row, 9)?,
    })
}

fn ticker(row: &Stored<'_>) -> Result<Ticker, SinkError> {
    Ok(Ticker {
        market: market(row)?,
        epoch: seq(row, 2)?,
        seq: seq(row, 3)?,
        bid: row.get(4)?,
        bid_qty: row.get(5)?,
        ask: row.get(6)?,
        ask_qty: row.get(7)?,
        last: row.get(8)?,
        mark: row.get(9)?,
        index: row.get(10)?,
        funding_rate: row.get(11)?,
        next_funding_at: time_or_none(row, 12)?,
        open_interest: row.get(13)?,
        volume: row.get(14)?,
        quote_volume: row.get(15)?,
        ts_venue: time_or_none(row, 16)?,
        ts_local: time(row, 17)?,
    })
}

fn candle(row: &Stored<'_>) -> Result<Candle, SinkError> {
    Ok(Candle {
        market: market(row)?,
        interval: Cow::Owned(row.get(2)?),
        open_at: time(row, 3)?,
        open: row.get(4)?,
        high: row.get(5)?,
        low: row.get(6)?,
        close: row.get(7)?,
        volume: row.get(8)?,
        ts_local: time(row, 9)?,
    })
}

fn gap(row: &Stored<'_>) -> Result<Gap, SinkError> {
    Ok(Gap {
        market: market(row)?,
        channel: Cow::Owned(row.get(2)?),
        epoch: number_or_none(row.get(3)?)?,
        from_seq: number_or_none(row.get(4)?)?,
        to_seq: number_or_none(row.get(5)?)?,
        cause: Cow::Owned(row.get(6)?),
        detected_at: time(row, 7)?,
        healed_at: time_or_none(row, 8)?,
    })
}

fn healed(conn: &Connection, row: &Stored<'_>) -> Result<Gap, SinkError> {
    let mut select = conn.prepare_cached(&format!("SELECT {} WHERE gap.id = ?1", Log::Gap.source()))?;
    let mut gaps = select.query([row.get::<_, i64>(0)?])?;
    let found = gaps.next()?.ok_or_else(|| SinkError::Corrupt("a gap that healed is not there".into()))?;
    Ok(Gap { healed_at: time_or_none(row, 1)?, ..gap(found)? })
}

fn instrument(row: &Stored<'_>) -> Result<InstrumentSeen, SinkError> {
    let scale = |at| {
        let digits = u8::try_from(row.get::<_, i64>(at)?).map_err(read::damaged)?;
        Scale::new(digits).ok_or_else(|| SinkError::Corrupt("an instrument has too many digits".into()))
    };
    let (price_scale, qty_scale) = (scale(5)?, scale(6)?);
    let counted = |at, scale| parse_scaled(text(row, at)?.as_bytes(), scale).map_err(read::damaged);
    let qty_or_none = |at| {
        let stored: Option<String> = row.get(at)?;
        stored
            .map(|text| parse_scaled(text.as_bytes(), qty_scale).map(Qty))
            .transpose()
            .map_err(read::damaged)
    };
    let fixed_or_none = |at| {
        let stored: Option<String> = row.get(at)?;
        stored.map(|text| text.parse::<Fixed>()).transpose().map_err(read::damaged)
    };
    let unknown = |what: &str| SinkError::Corrupt(format!("{what:?} is no word for an instrument").into());
    let Market { venue, symbol } = market(row)?;
    Ok(InstrumentSeen {
        venue,
        terms: Instrument {
            venue_symbol: row.get(2)?,
            aliases: Vec::new(),
            symbol,
            kind: match text(row, 3)? {
                "spot" => Kind::Spot,
                "perpetual" => Kind::Perpetual,
                "future" => Kind::Future,
                other => return Err(unknown(other)),
            },
            status: match text(row, 4)? {
                "trading" => Status::Trading,
                "halted" => Status::Halted,
                "delisted" => Status::Delisted,
                other => return Err(unknown(other)),
            },
            price_scale,
            qty_scale,
            tick: Price(counted(7, price_scale)?),
            step: Qty(counted(8, qty_scale)?),
            min_qty: qty_or_none(9)?,
            max_qty: qty_or_none(10)?,
            min_notional: fixed_or_none(11)?,
            contract_size: fixed_or_none(12)?,
            inverse: row.get(13)?,
            maker_fee: fixed_or_none(14)?,
            taker_fee: fixed_or_none(15)?,
            // The store counts versions; a session's own are not stored.
            version: 0,
        },
        ts_local: time(row, 16)?,
    })
}

fn owner(row: &Stored<'_>) -> Result<Owner, SinkError> {
    Ok(Owner::new(text(row, 0)?, text(row, 1)?))
}

fn side(row: &Stored<'_>, at: usize) -> Result<Side, SinkError> {
    match text(row, at)? {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        other => Err(SinkError::Corrupt(format!("{other:?} is no side").into())),
    }
}

fn word(row: &Stored<'_>, at: usize) -> Result<Cow<'static, str>, SinkError> {
    Ok(Cow::Owned(row.get(at)?))
}

fn word_or_none(row: &Stored<'_>, at: usize) -> Result<Option<Cow<'static, str>>, SinkError> {
    Ok(row.get::<_, Option<String>>(at)?.map(Cow::Owned))
}

/// Where an account trades: its wallet stands behind the key, at `wallet`.
fn desk(row: &Stored<'_>, wallet: usize) -> Result<Desk, SinkError> {
    Ok(Desk {
        owner: owner(row)?,
        product: word(row, 2)?,
        wallet: word_or_none(row, wallet)?,
        symbol: text(row, 3)?.parse().map_err(read::damaged)?,
    })
}

pub(super) fn order_state(row: &Stored<'_>) -> Result<OrderState, SinkError> {
    Ok(OrderState {
        desk: desk(row, 8)?,
        venue_order_id: row.get(4)?,
        ts_venue: time(row, 5)?,
        status: word(row, 6)?,
        cum_qty: row.get(7)?,
        client_order_id: row.get(9)?,
        side: side(row, 10)?,
        order_type: row.get(11)?,
        time_in_force: row.get(12)?,
        price: row.get(13)?,
        stop_price: row.get(14)?,
        qty: row.get(15)?,
        avg_px: row.get(16)?,
        fee: row.get(17)?,
        fee_asset: row.get(18)?,
        post_only: row.get(19)?,
        reduce_only: row.get(20)?,
        created_at: time_or_none(row, 21)?,
        ts_local: time(row, 22)?,
    })
}

pub(super) fn fill(row: &Stored<'_>) -> Result<Fill, SinkError> {
    Ok(Fill {
        desk: desk(row, 5)?,
        fill_id: row.get(4)?,
        venue_order_id: row.get(6)?,
        client_order_id: row.get(7)?,
        side: side(row, 8)?,
        last_px: row.get(9)?,
        last_qty: row.get(10)?,
        fee: row.get(11)?,
        fee_asset: row.get(12)?,
        realized_pnl: row.get(13)?,
        maker: row.get::<_, Option<String>>(14)?.map(|word| word == "maker"),
        derived: row.get(15)?,
        ts_venue: time(row, 16)?,
        ts_local: time(row, 17)?,
    })
}

pub(super) fn movement(row: &Stored<'_>) -> Result<Movement, SinkError> {
    Ok(Movement {
        owner: owner(row)?,
        kind: word(row, 2)?,
        movement_id: row.get(3)?,
        status: word(row, 4)?,
        asset: row.get(5)?,
        amount: row.get(6)?,
        fee: row.get(7)?,
        network: row.get(8)?,
        address: row.get(9)?,
        tx_id: row.get(10)?,
        from_wallet: word_or_none(row, 11)?,
        to_wallet: word_or_none(row, 12)?,
        ts_venue: time(row, 13)?,
        ts_local: time(row, 14)?,
    })
}

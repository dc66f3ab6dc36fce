//! A batch into its tables: insert, or find out whether the row that holds the key says the same.
//!
//! Owns the SQL that writes rows. It refuses to overwrite: the only update of a row is a gap's `healed_at`.

use rusqlite::{CachedStatement, Params, Transaction, params};
use venuekit_types::{Fixed, Kind, Price, Qty, Scale, Scaled, Status};

use super::text;
use crate::sink::Outcome;
use crate::{Batch, BookChange, Candle, Cursor, Gap, InstrumentSeen, Receipt, Row, Ticker, Trade, Why};

/// The statements, each prepared once a connection and looked up once a batch.
#[derive(Clone, Copy)]
enum Sql {
    Instrument,
    SameInstrument,
    Trade,
    SameTrade,
    BookChange,
    SameBookChange,
    Ticker,
    SameTicker,
    Candle,
    SameCandle,
    Gap,
    HealGap,
    SameGap,
    Cursor,
}

/// In the order of [`Sql`]. Each `Same…` takes the parameters of its insert, and leaves out the arrival time.
const SQL: [&str; 14] = [
    "INSERT INTO instrument (venue, symbol, version, venue_symbol, kind, status, price_scale, qty_scale, tick, step,
       min_qty, max_qty, min_notional, contract_size, inverse, maker_fee, taker_fee, ts_local)
     SELECT ?1, ?2, 1 + coalesce((SELECT max(version) FROM instrument WHERE venue = ?1 AND symbol = ?2), 0),
       ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17
     WHERE NOT EXISTS (SELECT 1 FROM instrument WHERE venue = ?1 AND symbol = ?2
       AND version = (SELECT max(version) FROM instrument WHERE venue = ?1 AND symbol = ?2)
       AND venue_symbol = ?3 AND kind = ?4 AND status = ?5 AND price_scale = ?6 AND qty_scale = ?7 AND tick = ?8
       AND step = ?9 AND min_qty IS ?10 AND max_qty IS ?11 AND min_notional IS ?12 AND contract_size IS ?13
       AND inverse = ?14 AND maker_fee IS ?15 AND taker_fee IS ?16)
     ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM instrument WHERE venue = ?1 AND symbol = ?2
       AND venue_symbol = ?3 AND kind = ?4 AND status = ?5 AND price_scale = ?6 AND qty_scale = ?7 AND tick = ?8
       AND step = ?9 AND min_qty IS ?10 AND max_qty IS ?11 AND min_notional IS ?12 AND contract_size IS ?13
       AND inverse = ?14 AND maker_fee IS ?15 AND taker_fee IS ?16
       AND (ts_local = ?17 OR version = (SELECT max(version) FROM instrument WHERE venue = ?1 AND symbol = ?2)))",
    "INSERT INTO trade (venue, symbol, trade_id, price, qty, side, ts_venue, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM trade WHERE venue = ?1 AND symbol = ?2 AND trade_id = ?3
       AND price = ?4 AND qty = ?5 AND side = ?6 AND ts_venue = ?7 AND ?8 IS NOT NULL)",
    "INSERT INTO book_change (venue, symbol, epoch, first_seq, last_seq, is_snapshot, bids, asks, ts_venue, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM book_change WHERE venue = ?1 AND symbol = ?2 AND epoch = ?3 AND first_seq = ?4
       AND last_seq = ?5 AND is_snapshot = ?6 AND bids = ?7 AND asks = ?8 AND ts_venue IS ?9 AND ?10 IS NOT NULL)",
    "INSERT INTO ticker (venue, symbol, epoch, seq, bid, bid_qty, ask, ask_qty, last, mark, index_price, funding_rate,
       next_funding_at, open_interest, volume, quote_volume, ts_venue, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM ticker WHERE venue = ?1 AND symbol = ?2 AND epoch = ?3 AND seq = ?4
       AND bid IS ?5 AND bid_qty IS ?6 AND ask IS ?7 AND ask_qty IS ?8 AND last IS ?9 AND mark IS ?10
       AND index_price IS ?11 AND funding_rate IS ?12 AND next_funding_at IS ?13 AND open_interest IS ?14
       AND volume IS ?15 AND quote_volume IS ?16 AND ts_venue IS ?17 AND ?18 IS NOT NULL)",
    "INSERT INTO candle (venue, symbol, interval, open_at, open, high, low, close, volume, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM candle WHERE venue = ?1 AND symbol = ?2 AND interval = ?3 AND open_at = ?4
       AND open = ?5 AND high = ?6 AND low = ?7 AND close = ?8 AND volume = ?9 AND ?10 IS NOT NULL)",
    "INSERT INTO gap (venue, symbol, channel, epoch, from_seq, to_seq, cause, detected_at, healed_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    "UPDATE gap SET healed_at = ?9 WHERE venue = ?1 AND symbol = ?2 AND channel = ?3 AND detected_at = ?8
       AND epoch IS ?4 AND from_seq IS ?5 AND to_seq IS ?6 AND cause = ?7
       AND healed_at IS NULL AND ?9 IS NOT NULL",
    "SELECT EXISTS (SELECT 1 FROM gap WHERE venue = ?1 AND symbol = ?2 AND channel = ?3 AND detected_at = ?8
       AND epoch IS ?4 AND from_seq IS ?5 AND to_seq IS ?6 AND cause = ?7
       AND (healed_at = ?9 OR ?9 IS NULL))",
    "INSERT INTO stream (venue, symbol, channel, epoch, last_seq, ts_local) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
     ON CONFLICT (venue, symbol, channel)
     DO UPDATE SET epoch = excluded.epoch, last_seq = excluded.last_seq, ts_local = excluded.ts_local
     WHERE (excluded.epoch, excluded.last_seq) > (stream.epoch, stream.last_seq)",
];

/// How many statements the connection keeps prepared.
pub(super) const STATEMENTS: usize = SQL.len() + 2;

/// Text under way to a column, kept so that a row costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    first: String,
    second: String,
}

/// Writes one batch inside one transaction.
pub(super) struct Writer<'t> {
    tx: &'t Transaction<'t>,
    text: &'t mut Buffers,
    statements: [Option<CachedStatement<'t>>; SQL.len()],
}

impl<'t> Writer<'t> {
    pub(super) fn new(tx: &'t Transaction<'t>, text: &'t mut Buffers) -> Writer<'t> {
        Writer { tx, text, statements: Default::default() }
    }

    pub(super) fn write(mut self, batch: &Batch, receipt: &mut Receipt) -> rusqlite::Result<()> {
        for row in &batch.rows {
            let outcome = match row {
                Row::Instrument(row) => self.instrument(row)?,
                Row::Trade(row) => self.trade(row)?,
                Row::BookChange(row) => self.book_change(row)?,
                Row::Ticker(row) => self.ticker(row)?,
                Row::Candle(row) => self.candle(row)?,
                Row::Gap(row) => self.gap(row)?,
            };
            receipt.note(row.table(), outcome, || key_of(row));
        }
        for cursor in &batch.cursors {
            let outcome = self.cursor(cursor)?;
            receipt.note(crate::Table::Stream, outcome, || format!("{} {}", cursor.market, cursor.channel));
        }
        Ok(())
    }

    fn trade(&mut self, row: &Trade) -> rusqlite::Result<Outcome> {
        let Buffers { first: price, second: qty } = &mut *self.text;
        text::number(price, row.price);
        text::number(qty, row.qty);
        let side = row.side.map_or("unknown", venuekit_types::Side::as_str);
        let params = params![
            row.market.venue,
            row.market.symbol.as_str(),
            row.trade_id,
            price.as_str(),
            qty.as_str(),
            side,
            row.ts_venue.0,
            row.ts_local.0
        ];
        insert(self.tx, &mut self.statements, Sql::Trade, Sql::SameTrade, params)
    }

    fn book_change(&mut self, row: &BookChange) -> rusqlite::Result<Outcome> {
        let (Some(epoch), Some(first_seq), Some(last_seq)) =
            (int(row.epoch), int(row.first_seq), int(row.last_seq))
        else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let Buffers { first: bids, second: asks } = &mut *self.text;
        text::levels(bids, &row.bids, row.price_scale, row.qty_scale);
        text::levels(asks, &row.asks, row.price_scale, row.qty_scale);
        let params = params![
            row.market.venue,
            row.market.symbol.as_str(),
            epoch,
            first_seq,
            last_seq,
            row.is_snapshot,
            bids.as_str(),
            asks.as_str(),
            row.ts_venue.map(|at| at.0),
            row.ts_local.0
        ];
        insert(self.tx, &mut self.statements, Sql::BookChange, Sql::SameBookChange, params)
    }

    fn instrument(&mut self, row: &InstrumentSeen) -> rusqlite::Result<Outcome> {
        let terms = &row.terms;
        let price = |value: Price| Scaled::new(value.0, terms.price_scale).to_string();
        let qty = |value: Qty| Scaled::new(value.0, terms.qty_scale).to_string();
        let fixed = |value: Option<Fixed>| value.map(|value| value.to_string());
        let digits = |scale: Scale| scale.digits();
        let kind = match terms.kind {
            Kind::Spot => "spot",
            Kind::Perpetual => "perpetual",
        };
        let status = match terms.status {
            Status::Trading => "trading",
            Status::Halted => "halted",
            Status::Delisted => "delisted",
        };
        let params = params![
            row.venue,
            terms.symbol.as_str(),
            terms.venue_symbol,
            kind,
            status,
            digits(terms.price_scale),
            digits(terms.qty_scale),
            price(terms.tick),
            qty(terms.step),
            terms.min_qty.map(qty),
            terms.max_qty.map(qty),
            fixed(terms.min_notional),
            fixed(terms.contract_size),
            terms.inverse,
            fixed(terms.maker_fee),
            fixed(terms.taker_fee),
            row.ts_local.0
        ];
        insert(self.tx, &mut self.statements, Sql::Instrument, Sql::SameInstrument, params)
    }

    fn ticker(&mut self, row: &Ticker) -> rusqlite::Result<Outcome> {
        let (Some(epoch), Some(seq)) = (int(row.epoch), int(row.seq)) else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let params = params![
            row.market.venue,
            row.market.symbol.as_str(),
            epoch,
            seq,
            row.bid,
            row.bid_qty,
            row.ask,
            row.ask_qty,
            row.last,
            row.mark,
            row.index,
            row.funding_rate,
            row.next_funding_at.map(|at| at.0),
            row.open_interest,
            row.volume,
            row.quote_volume,
            row.ts_venue.map(|at| at.0),
            row.ts_local.0
        ];
        insert(self.tx, &mut self.statements, Sql::Ticker, Sql::SameTicker, params)
    }

    fn candle(&mut self, row: &Candle) -> rusqlite::Result<Outcome> {
        let params = params![
            row.market.venue,
            row.market.symbol.as_str(),
            row.interval,
            row.open_at.0,
            row.open,
            row.high,
            row.low,
            row.close,
            row.volume,
            row.ts_local.0
        ];
        insert(self.tx, &mut self.statements, Sql::Candle, Sql::SameCandle, params)
    }

    fn gap(&mut self, row: &Gap) -> rusqlite::Result<Outcome> {
        let (Ok(epoch), Ok(from_seq), Ok(to_seq)) =
            (optional(row.epoch), optional(row.from_seq), optional(row.to_seq))
        else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let params = params![
            row.market.venue,
            row.market.symbol.as_str(),
            row.channel,
            epoch,
            from_seq,
            to_seq,
            row.cause,
            row.detected_at.0,
            row.healed_at.map(|at| at.0)
        ];
        let heals = |statements: &mut _| {
            let healed = statement(self.tx, statements, Sql::HealGap)?.execute(params)?;
            Ok::<bool, rusqlite::Error>(healed == 1)
        };
        match insert(self.tx, &mut self.statements, Sql::Gap, Sql::SameGap, params)? {
            // The key is taken: by this gap before it healed, or by another one.
            Outcome::Refused(_) if heals(&mut self.statements)? => Ok(Outcome::Healed),
            outcome => Ok(outcome),
        }
    }

    fn cursor(&mut self, cursor: &Cursor) -> rusqlite::Result<Outcome> {
        let (Some(epoch), Some(last_seq)) = (int(cursor.epoch), int(cursor.last_seq)) else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let moved = statement(self.tx, &mut self.statements, Sql::Cursor)?.execute(params![
            cursor.market.venue,
            cursor.market.symbol.as_str(),
            cursor.channel,
            epoch,
            last_seq,
            cursor.ts_local.0
        ])?;
        Ok(if moved == 1 { Outcome::New } else { Outcome::Dup })
    }
}

type Statements<'t> = [Option<CachedStatement<'t>>; SQL.len()];

/// The statement, from the connection's cache at its first use in a batch.
fn statement<'a, 't>(
    tx: &'t Transaction<'t>,
    statements: &'a mut Statements<'t>,
    which: Sql,
) -> rusqlite::Result<&'a mut CachedStatement<'t>> {
    let at = which as usize;
    let slot = &mut statements[at];
    if slot.is_none() {
        *slot = Some(tx.prepare_cached(SQL[at])?);
    }
    Ok(slot.as_mut().expect("filled above"))
}

/// Inserts a row; where its key is taken, asks whether the stored row has the same content.
fn insert<'t, P: Params + Copy>(
    tx: &'t Transaction<'t>,
    statements: &mut Statements<'t>,
    insert: Sql,
    same: Sql,
    params: P,
) -> rusqlite::Result<Outcome> {
    if statement(tx, statements, insert)?.execute(params)? == 1 {
        return Ok(Outcome::New);
    }
    let same: bool = statement(tx, statements, same)?.query_row(params, |row| row.get(0))?;
    Ok(if same { Outcome::Dup } else { Outcome::Refused(Why::Conflict) })
}

/// SQLite's integers have 63 bits and a sign.
fn int(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

fn optional(value: Option<u64>) -> Result<Option<i64>, std::num::TryFromIntError> {
    value.map(i64::try_from).transpose()
}

/// A row's key as a person reads it.
fn key_of(row: &Row) -> String {
    match row {
        Row::Instrument(row) => format!("{} {} at {}", row.venue, row.terms.symbol, row.ts_local),
        Row::Trade(row) => format!("{} {}", row.market, row.trade_id),
        Row::BookChange(row) => format!("{} epoch {} seq {}", row.market, row.epoch, row.first_seq),
        Row::Ticker(row) => format!("{} epoch {} seq {}", row.market, row.epoch, row.seq),
        Row::Candle(row) => format!("{} {} {}", row.market, row.interval, row.open_at),
        Row::Gap(row) => format!("{} {} at {}", row.market, row.channel, row.detected_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_stands_at_its_place() {
        let starts = |which: Sql, text: &str| {
            let sql = SQL[which as usize];
            assert!(sql.starts_with(text), "{sql}");
        };
        starts(Sql::Trade, "INSERT INTO trade");
        starts(Sql::SameCandle, "SELECT EXISTS (SELECT 1 FROM candle");
        starts(Sql::HealGap, "UPDATE gap");
        starts(Sql::Cursor, "INSERT INTO stream");
        assert_eq!(Sql::Cursor as usize, SQL.len() - 1);
    }
}

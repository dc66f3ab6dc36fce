//! A batch into its tables: insert, or find out whether the row that holds the key says the same.
//!
//! Owns the SQL that writes rows. It refuses to overwrite: the only update of a row is a gap's `healed_at`.

use rusqlite::types::ToSqlOutput;
use rusqlite::types::ValueRef::{self, Integer};
use rusqlite::{CachedStatement, OptionalExtension as _, Transaction, params_from_iter};

use super::checksum::{self, Log, Parts};
use super::fanout;
use crate::private::Cell;
use crate::sink::Outcome;
use crate::text::{self, Terms};
use crate::{
    Batch, BookChange, Candle, Cursor, Gap, InstrumentSeen, Receipt, Row, Table, Ticker, Trade, Why,
};

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
    OrderState,
    SameOrderState,
    Fill,
    SameFill,
    Movement,
    SameMovement,
    Gap,
    HealGap,
    SameGap,
    Heal,
    Cursor,
}

/// In the order of [`Sql`]. Each `Same…` takes the parameters of its insert, and leaves out the arrival time. Of an
/// account's own rows, what only one of the two tells is no contradiction.
const SQL: [&str; 21] = [
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
    "INSERT INTO order_state (venue, account, product, symbol, venue_order_id, ts_venue, status, cum_qty, wallet,
       client_order_id, side, order_type, time_in_force, price, stop_price, qty, avg_px, fee, fee_asset, post_only,
       reduce_only, created_at, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
     ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM order_state WHERE venue = ?1 AND account = ?2 AND product = ?3 AND symbol = ?4
       AND venue_order_id = ?5 AND ts_venue = ?6 AND status = ?7 AND cum_qty = ?8 AND coalesce(wallet = ?9, 1)
       AND coalesce(client_order_id = ?10, 1) AND side = ?11 AND coalesce(order_type = ?12, 1)
       AND coalesce(time_in_force = ?13, 1) AND coalesce(price = ?14, 1) AND coalesce(stop_price = ?15, 1)
       AND qty = ?16 AND coalesce(avg_px = ?17, 1) AND coalesce(fee = ?18, 1) AND coalesce(fee_asset = ?19, 1)
       AND coalesce(post_only = ?20, 1) AND coalesce(reduce_only = ?21, 1) AND coalesce(created_at = ?22, 1)
       AND ?23 IS NOT NULL)",
    "INSERT INTO fill (venue, account, product, symbol, fill_id, wallet, venue_order_id, client_order_id, side, last_px,
       last_qty, fee, fee_asset, realized_pnl, liquidity, derived, ts_venue, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM fill WHERE venue = ?1 AND account = ?2 AND product = ?3 AND symbol = ?4
       AND fill_id = ?5 AND coalesce(wallet = ?6, 1) AND venue_order_id = ?7 AND coalesce(client_order_id = ?8, 1)
       AND side = ?9 AND last_px = ?10 AND last_qty = ?11 AND fee = ?12 AND coalesce(fee_asset = ?13, 1)
       AND coalesce(realized_pnl = ?14, 1) AND coalesce(liquidity = ?15, 1) AND derived = ?16
       AND ?17 IS NOT NULL AND ?18 IS NOT NULL)",
    "INSERT INTO movement (venue, account, kind, movement_id, status, asset, amount, fee, network, address, tx_id,
       from_wallet, to_wallet, ts_venue, ts_local)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING",
    "SELECT EXISTS (SELECT 1 FROM movement WHERE venue = ?1 AND account = ?2 AND kind = ?3 AND movement_id = ?4
       AND status = ?5 AND asset = ?6 AND amount = ?7 AND coalesce(fee = ?8, 1) AND coalesce(network = ?9, 1)
       AND coalesce(address = ?10, 1) AND coalesce(tx_id = ?11, 1) AND coalesce(from_wallet = ?12, 1)
       AND coalesce(to_wallet = ?13, 1) AND ?14 IS NOT NULL AND ?15 IS NOT NULL)",
    "INSERT INTO gap (venue, symbol, channel, epoch, from_seq, to_seq, cause, detected_at, healed_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    "UPDATE gap SET healed_at = ?9 WHERE venue = ?1 AND symbol = ?2 AND channel = ?3 AND detected_at = ?8
       AND epoch IS ?4 AND from_seq IS ?5 AND to_seq IS ?6 AND cause = ?7
       AND healed_at IS NULL AND ?9 IS NOT NULL RETURNING id",
    "SELECT EXISTS (SELECT 1 FROM gap WHERE venue = ?1 AND symbol = ?2 AND channel = ?3 AND detected_at = ?8
       AND epoch IS ?4 AND from_seq IS ?5 AND to_seq IS ?6 AND cause = ?7
       AND (healed_at = ?9 OR ?9 IS NULL))",
    "INSERT INTO heal (gap, healed_at) VALUES (?1, ?2)",
    "INSERT INTO stream (venue, symbol, channel, epoch, last_seq, ts_local, checksum)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (venue, symbol, channel)
     DO UPDATE SET epoch = excluded.epoch, last_seq = excluded.last_seq, ts_local = excluded.ts_local,
       checksum = excluded.checksum
     WHERE (excluded.epoch, excluded.last_seq) > (stream.epoch, stream.last_seq)",
];

/// How many statements the connection keeps prepared.
pub(super) const STATEMENTS: usize = SQL.len() + 4;

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
    parts: Parts,
    /// The buses that are told of an account's own rows, once one came.
    buses: Option<Vec<String>>,
}

impl<'t> Writer<'t> {
    pub(super) fn new(tx: &'t Transaction<'t>, text: &'t mut Buffers) -> Writer<'t> {
        Writer { tx, text, statements: Default::default(), parts: Parts::default(), buses: None }
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
                Row::OrderState(row) => {
                    self.private((Log::OrderState, Sql::OrderState, Sql::SameOrderState), row.cells())?
                }
                Row::Fill(row) => self.private((Log::Fill, Sql::Fill, Sql::SameFill), row.cells())?,
                Row::Movement(row) => {
                    self.private((Log::Movement, Sql::Movement, Sql::SameMovement), row.cells())?
                }
            };
            receipt.note(row.table(), outcome, || row.key());
        }
        for cursor in &batch.cursors {
            let outcome = self.cursor(cursor)?;
            receipt.note(Table::Stream, outcome, || format!("{} {}", cursor.market, cursor.channel));
        }
        self.parts.store(self.tx)
    }

    fn trade(&mut self, row: &Trade) -> rusqlite::Result<Outcome> {
        let Buffers { first: price, second: qty } = std::mem::take(self.text);
        let (mut price, mut qty) = (price, qty);
        text::number(&mut price, row.price);
        text::number(&mut qty, row.qty);
        let outcome = self.insert(
            (Log::Trade, Sql::Trade, Sql::SameTrade),
            &[
                text_of(&row.market.venue),
                text_of(row.market.symbol.as_str()),
                text_of(&row.trade_id),
                text_of(&price),
                text_of(&qty),
                text_of(text::side(row.side)),
                Integer(row.ts_venue.0),
                Integer(row.ts_local.0),
            ],
        );
        *self.text = Buffers { first: price, second: qty };
        outcome
    }

    fn book_change(&mut self, row: &BookChange) -> rusqlite::Result<Outcome> {
        let (Some(epoch), Some(first_seq), Some(last_seq)) =
            (int(row.epoch), int(row.first_seq), int(row.last_seq))
        else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let Buffers { first: mut bids, second: mut asks } = std::mem::take(self.text);
        text::levels(&mut bids, &row.bids, row.price_scale, row.qty_scale);
        text::levels(&mut asks, &row.asks, row.price_scale, row.qty_scale);
        let outcome = self.insert(
            (Log::BookChange, Sql::BookChange, Sql::SameBookChange),
            &[
                text_of(&row.market.venue),
                text_of(row.market.symbol.as_str()),
                Integer(epoch),
                Integer(first_seq),
                Integer(last_seq),
                Integer(i64::from(row.is_snapshot)),
                text_of(&bids),
                text_of(&asks),
                row.ts_venue.map(|at| Integer(at.0)).into(),
                Integer(row.ts_local.0),
            ],
        );
        *self.text = Buffers { first: bids, second: asks };
        outcome
    }

    fn instrument(&mut self, row: &InstrumentSeen) -> rusqlite::Result<Outcome> {
        let terms = Terms::of(&row.terms);
        self.insert(
            (Log::Instrument, Sql::Instrument, Sql::SameInstrument),
            &[
                text_of(&row.venue),
                text_of(row.terms.symbol.as_str()),
                text_of(&row.terms.venue_symbol),
                text_of(terms.kind),
                text_of(terms.status),
                Integer(terms.price_scale),
                Integer(terms.qty_scale),
                text_of(&terms.tick),
                text_of(&terms.step),
                text_or_null(&terms.min_qty),
                text_or_null(&terms.max_qty),
                text_or_null(&terms.min_notional),
                text_or_null(&terms.contract_size),
                Integer(i64::from(row.terms.inverse)),
                text_or_null(&terms.maker_fee),
                text_or_null(&terms.taker_fee),
                Integer(row.ts_local.0),
            ],
        )
    }

    fn ticker(&mut self, row: &Ticker) -> rusqlite::Result<Outcome> {
        let (Some(epoch), Some(seq)) = (int(row.epoch), int(row.seq)) else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        self.insert(
            (Log::Ticker, Sql::Ticker, Sql::SameTicker),
            &[
                text_of(&row.market.venue),
                text_of(row.market.symbol.as_str()),
                Integer(epoch),
                Integer(seq),
                text_or_null(&row.bid),
                text_or_null(&row.bid_qty),
                text_or_null(&row.ask),
                text_or_null(&row.ask_qty),
                text_or_null(&row.last),
                text_or_null(&row.mark),
                text_or_null(&row.index),
                text_or_null(&row.funding_rate),
                row.next_funding_at.map(|at| Integer(at.0)).into(),
                text_or_null(&row.open_interest),
                text_or_null(&row.volume),
                text_or_null(&row.quote_volume),
                row.ts_venue.map(|at| Integer(at.0)).into(),
                Integer(row.ts_local.0),
            ],
        )
    }

    fn candle(&mut self, row: &Candle) -> rusqlite::Result<Outcome> {
        self.insert(
            (Log::Candle, Sql::Candle, Sql::SameCandle),
            &[
                text_of(&row.market.venue),
                text_of(row.market.symbol.as_str()),
                text_of(&row.interval),
                Integer(row.open_at.0),
                text_of(&row.open),
                text_of(&row.high),
                text_of(&row.low),
                text_of(&row.close),
                text_of(&row.volume),
                Integer(row.ts_local.0),
            ],
        )
    }

    /// Writes an account's own row, and what each bus has to be told of it.
    fn private<const N: usize>(
        &mut self,
        (log, insert, same): (Log, Sql, Sql),
        cells: [Cell<'_>; N],
    ) -> rusqlite::Result<Outcome> {
        let values = cells.map(ValueRef::from);
        let outcome = self.insert((log, insert, same), &values)?;
        if let Outcome::New = outcome {
            let debt = (log, self.tx.last_insert_rowid(), checksum::of_row(values));
            fanout::owe(self.tx, &mut self.buses, debt)?;
        }
        Ok(outcome)
    }

    fn gap(&mut self, row: &Gap) -> rusqlite::Result<Outcome> {
        let (Ok(epoch), Ok(from_seq), Ok(to_seq)) =
            (optional(row.epoch), optional(row.from_seq), optional(row.to_seq))
        else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let values = [
            text_of(&row.market.venue),
            text_of(row.market.symbol.as_str()),
            text_of(&row.channel),
            epoch.map(Integer).into(),
            from_seq.map(Integer).into(),
            to_seq.map(Integer).into(),
            text_of(&row.cause),
            Integer(row.detected_at.0),
            row.healed_at.map(|at| Integer(at.0)).into(),
        ];
        let outcome = self.insert((Log::Gap, Sql::Gap, Sql::SameGap), &values)?;
        if !matches!(outcome, Outcome::Refused(_)) {
            return Ok(outcome);
        }
        // The key is taken: by this gap before it healed, or by another one.
        let healed: Option<i64> = self
            .statement(Sql::HealGap)?
            .query_row(params_from_iter(values.iter().copied().map(Bound)), |row| row.get(0))
            .optional()?;
        let Some(gap) = healed else { return Ok(outcome) };
        let values = [Integer(gap), values[8]];
        self.statement(Sql::Heal)?.execute(params_from_iter(values.iter().copied().map(Bound)))?;
        self.parts.add(Log::Heal, self.tx.last_insert_rowid(), checksum::of_row(values));
        Ok(Outcome::Healed)
    }

    fn cursor(&mut self, cursor: &Cursor) -> rusqlite::Result<Outcome> {
        let (Some(epoch), Some(last_seq)) = (int(cursor.epoch), int(cursor.last_seq)) else {
            return Ok(Outcome::Refused(Why::OutOfRange));
        };
        let values = [
            text_of(&cursor.market.venue),
            text_of(cursor.market.symbol.as_str()),
            text_of(&cursor.channel),
            Integer(epoch),
            Integer(last_seq),
            Integer(cursor.ts_local.0),
        ];
        let sealed = values.into_iter().chain([Integer(checksum::of_row(values).cast_signed())]);
        let moved = self.statement(Sql::Cursor)?.execute(params_from_iter(sealed.map(Bound)))?;
        Ok(if moved == 1 { Outcome::New } else { Outcome::Dup })
    }

    /// The statement, from the connection's cache at its first use in a batch.
    fn statement(&mut self, which: Sql) -> rusqlite::Result<&mut CachedStatement<'t>> {
        let at = which as usize;
        let slot = &mut self.statements[at];
        if slot.is_none() {
            *slot = Some(self.tx.prepare_cached(SQL[at])?);
        }
        Ok(slot.as_mut().expect("filled above"))
    }

    /// Inserts a row; where its key is taken, asks whether the stored row has the same content.
    fn insert(
        &mut self,
        (log, insert, same): (Log, Sql, Sql),
        values: &[ValueRef<'_>],
    ) -> rusqlite::Result<Outcome> {
        let params = || params_from_iter(values.iter().copied().map(Bound));
        if self.statement(insert)?.execute(params())? == 1 {
            let id = self.tx.last_insert_rowid();
            self.parts.add(log, id, checksum::of_row(values.iter().copied()));
            return Ok(Outcome::New);
        }
        let same: bool = self.statement(same)?.query_row(params(), |row| row.get(0))?;
        Ok(if same { Outcome::Dup } else { Outcome::Refused(Why::Conflict) })
    }
}

impl<'a> From<Cell<'a>> for ValueRef<'a> {
    fn from(cell: Cell<'a>) -> ValueRef<'a> {
        match cell {
            Cell::Text(text) => text.into(),
            Cell::Int(number) => number.map(Integer).into(),
            Cell::Flag(flag) => flag.map(|flag| Integer(flag.into())).into(),
        }
    }
}

/// A value as it is bound, which is also how it is summed.
struct Bound<'a>(ValueRef<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

fn text_of(text: &str) -> ValueRef<'_> {
    ValueRef::from(text)
}

fn text_or_null(text: &Option<String>) -> ValueRef<'_> {
    text.as_deref().into()
}

/// SQLite's integers have 63 bits and a sign.
fn int(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

fn optional(value: Option<u64>) -> Result<Option<i64>, std::num::TryFromIntError> {
    value.map(i64::try_from).transpose()
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
        starts(Sql::OrderState, "INSERT INTO order_state");
        starts(Sql::SameMovement, "SELECT EXISTS (SELECT 1 FROM movement");
        starts(Sql::HealGap, "UPDATE gap");
        starts(Sql::Cursor, "INSERT INTO stream");
        assert_eq!(Sql::Cursor as usize, SQL.len() - 1);
    }
}

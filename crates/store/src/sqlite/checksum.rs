//! What vouches for stored rows: a sum per batch and table, and one per row where rows are updated in place.
//!
//! Owns the sum and the list of tables that carry it. A single flipped bit always changes it: each step maps the
//! state one to one. It guards against disks that lie, not against a person with an editor.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, params};

/// A table that only grows, whose rows enter in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Instrument,
    Trade,
    BookChange,
    Ticker,
    Candle,
    Gap,
    Heal,
    OrderState,
    Fill,
    Movement,
}

impl Log {
    /// All of them, in the order in which schemas brought them.
    pub(super) const ALL: [Log; 10] = [
        Log::Instrument,
        Log::Trade,
        Log::BookChange,
        Log::Ticker,
        Log::Candle,
        Log::Gap,
        Log::Heal,
        Log::OrderState,
        Log::Fill,
        Log::Movement,
    ];

    /// Those that hold an account's own rows.
    pub(super) const PRIVATE: [Log; 3] = [Log::OrderState, Log::Fill, Log::Movement];

    /// The schema version that brought it, or its checksums.
    const fn since(self) -> u32 {
        match self {
            Log::OrderState | Log::Fill | Log::Movement => 4,
            _ => 2,
        }
    }

    /// Those that a file of this schema version has.
    pub(super) fn of_version(version: u32) -> impl Iterator<Item = Log> {
        Log::ALL.into_iter().filter(move |log| log.since() <= version)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Log::Instrument => "instrument",
            Log::Trade => "trade",
            Log::BookChange => "book_change",
            Log::Ticker => "ticker",
            Log::Candle => "candle",
            Log::Gap => "gap",
            Log::Heal => "heal",
            Log::OrderState => "order_state",
            Log::Fill => "fill",
            Log::Movement => "movement",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Log> {
        Log::ALL.into_iter().find(|log| log.as_str() == name)
    }

    /// What is summed, in the order in which it is written, and where it is read. Neither `id` nor an instrument's
    /// `version` is among it, since the engine gives them: an index holds each a second time.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Log::Instrument => {
                "venue, symbol, venue_symbol, kind, status, price_scale, qty_scale, tick, step, min_qty, max_qty,
                   min_notional, contract_size, inverse, maker_fee, taker_fee, ts_local FROM instrument"
            }
            Log::Trade => "venue, symbol, trade_id, price, qty, side, ts_venue, ts_local FROM trade",
            Log::BookChange => {
                "venue, symbol, epoch, first_seq, last_seq, is_snapshot, bids, asks, ts_venue, ts_local
                 FROM book_change"
            }
            Log::Ticker => {
                "venue, symbol, epoch, seq, bid, bid_qty, ask, ask_qty, last, mark, index_price, funding_rate,
                   next_funding_at, open_interest, volume, quote_volume, ts_venue, ts_local FROM ticker"
            }
            Log::Candle => {
                "venue, symbol, interval, open_at, open, high, low, close, volume, ts_local FROM candle"
            }
            // As it was when it entered: what healed later is undone, and anything else there is no gap of ours.
            Log::Gap => {
                "venue, symbol, channel, epoch, from_seq, to_seq, cause, detected_at,
                   CASE WHEN heal.id IS NULL THEN gap.healed_at WHEN gap.healed_at = heal.healed_at THEN NULL
                     ELSE 'not as healed' END FROM gap LEFT JOIN heal ON heal.gap = gap.id"
            }
            Log::Heal => "gap, healed_at FROM heal",
            Log::OrderState => {
                "venue, account, product, symbol, venue_order_id, ts_venue, status, cum_qty, wallet, client_order_id,
                   side, order_type, time_in_force, price, stop_price, qty, avg_px, fee, fee_asset, post_only,
                   reduce_only, created_at, ts_local FROM order_state"
            }
            Log::Fill => {
                "venue, account, product, symbol, fill_id, wallet, venue_order_id, client_order_id, side, last_px,
                   last_qty, fee, fee_asset, realized_pnl, liquidity, derived, ts_venue, ts_local FROM fill"
            }
            Log::Movement => {
                "venue, account, kind, movement_id, status, asset, amount, fee, network, address, tx_id, from_wallet,
                   to_wallet, ts_venue, ts_local FROM movement"
            }
        }
    }
}

/// A table whose rows are updated in place or come and go.
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) table: &'static str,
    /// What a row's `checksum` covers.
    pub(super) columns: &'static str,
    /// The schema version that brought it, or its checksums.
    since: u32,
}

impl State {
    const ALL: [State; 7] = [
        State { table: "world", columns: "venue, kind, identity", since: 2 },
        State { table: "epoch", columns: "venue, symbol, last", since: 2 },
        State { table: "stream", columns: "venue, symbol, channel, epoch, last_seq, ts_local", since: 2 },
        State { table: "relay", columns: "sink, batch", since: 2 },
        State { table: "fanout", columns: "sink, batch", since: 4 },
        State { table: "outbox", columns: "sink, log, row, sum", since: 4 },
        State { table: "request_limit", columns: "origin, name, amount, at", since: 5 },
    ];

    /// Those that a file of this schema version has.
    pub(super) fn of_version(version: u32) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| state.since <= version)
    }
}

const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

/// The checksum of one row's values.
pub(super) fn of_row<'a>(values: impl IntoIterator<Item = ValueRef<'a>>) -> u64 {
    let mut state = PRIME;
    let mut step = |word: u64| state = (state ^ word).wrapping_mul(PRIME).rotate_left(29);
    let mut bytes = |kind: u64, bytes: &[u8]| {
        step(kind);
        step(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| step(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        step(u64::from_le_bytes(last));
    };
    for value in values {
        match value {
            ValueRef::Null => bytes(0, &[]),
            ValueRef::Integer(value) => bytes(1, &value.to_le_bytes()),
            ValueRef::Real(value) => bytes(2, &value.to_le_bytes()),
            ValueRef::Text(value) => bytes(3, value),
            ValueRef::Blob(value) => bytes(4, value),
        }
    }
    // Rows are added up, so neighbours must not differ by a pattern.
    state = (state ^ (state >> 31)).wrapping_mul(PRIME);
    state ^ (state >> 29)
}

/// The checksum of a row as it stands, from its first `columns` columns.
pub(super) fn of_stored(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<u64> {
    let values: Result<Vec<ValueRef<'_>>, _> = (0..columns).map(|at| row.get_ref(at)).collect();
    Ok(of_row(values?))
}

/// The rows of one table that entered with a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first_id: i64,
    pub(super) last_id: i64,
    pub(super) rows: i64,
    /// Of the rows alone.
    pub(super) sum: u64,
}

impl Part {
    /// The sum that is stored: of the rows and of the part itself.
    pub(super) fn sealed(&self, batch: i64, log: &str) -> u64 {
        let own = [
            ValueRef::Integer(batch),
            ValueRef::from(log),
            ValueRef::Integer(self.first_id),
            ValueRef::Integer(self.last_id),
            ValueRef::Integer(self.rows),
        ];
        self.sum.wrapping_add(of_row(own))
    }

    fn add(&mut self, id: i64, sum: u64) {
        if self.rows == 0 {
            self.first_id = id;
        }
        self.last_id = id;
        self.rows += 1;
        self.sum = self.sum.wrapping_add(sum);
    }
}

/// The parts of a batch under way.
#[derive(Debug, Default)]
pub(super) struct Parts([Part; Log::ALL.len()]);

impl Parts {
    /// Counts a row that has just entered.
    pub(super) fn add(&mut self, log: Log, id: i64, sum: u64) {
        self.0[log as usize].add(id, sum);
    }

    /// Writes them under the next batch number, if anything entered.
    pub(super) fn store(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.0.iter().all(|part| part.rows == 0) {
            return Ok(());
        }
        self.store_as(tx, next_batch(tx)?)
    }

    fn store_as(&self, tx: &Transaction<'_>, batch: i64) -> rusqlite::Result<()> {
        let mut insert = tx.prepare_cached("INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (log, part) in Log::ALL.into_iter().zip(&self.0) {
            if part.rows > 0 {
                let sum = part.sealed(batch, log.as_str()).cast_signed();
                insert.execute(params![batch, log.as_str(), part.first_id, part.last_id, part.rows, sum])?;
            }
        }
        Ok(())
    }
}

/// The number of the next batch: above whatever was handed on or told, also where those batches are gone.
pub(super) fn next_batch(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    let mut next = tx.prepare_cached(
        "SELECT 1 + max(coalesce((SELECT max(batch) FROM batch), 0), coalesce((SELECT max(batch) FROM relay), 0),
                        coalesce((SELECT max(batch) FROM fanout), 0))",
    )?;
    next.query_row([], |row| row.get(0))
}

/// Rows of one part when rows without any are sealed.
const SEAL_ROWS: i64 = 1_000;

/// The schema version that brought checksums.
const SEALED: u32 = 2;

/// Vouches for the rows that an older schema left without checksums, as they are found.
pub(super) fn seal(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut batch = 0;
    for log in Log::of_version(SEALED) {
        let table = log.as_str();
        let mut after = 0;
        loop {
            let mut parts = Parts::default();
            let mut select =
                tx.prepare_cached(&format!("SELECT {source} WHERE {table}.id = ?1", source = log.source()))?;
            let mut ids =
                tx.prepare_cached(&format!("SELECT id FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2"))?;
            let columns = select.column_count();
            let ids: Vec<i64> =
                ids.query_map(params![after, SEAL_ROWS], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let Some(&last) = ids.last() else { break };
            for id in ids {
                parts.add(log, id, select.query_row([id], |row| of_stored(row, columns))?);
            }
            batch += 1;
            parts.store_as(tx, batch)?;
            after = last;
        }
    }
    for State { table, columns, .. } in State::of_version(SEALED) {
        seal_state(tx, table, columns)?;
    }
    Ok(())
}

fn seal_state(tx: &Transaction<'_>, table: &str, columns: &str) -> rusqlite::Result<()> {
    let mut select = tx.prepare(&format!("SELECT {columns} FROM {table}"))?;
    let width = select.column_count();
    let rows: Vec<(Vec<rusqlite::types::Value>, u64)> = select
        .query_map([], |row| {
            let values = (0..width).map(|at| row.get(at)).collect::<Result<_, _>>()?;
            Ok((values, of_stored(row, width)?))
        })?
        .collect::<Result<_, _>>()?;
    let same = columns.split(", ").enumerate().map(|(at, name)| format!("{name} = ?{}", at + 1));
    let same = same.collect::<Vec<_>>().join(" AND ");
    let mut update = tx.prepare(&format!("UPDATE {table} SET checksum = ?{} WHERE {same}", width + 1))?;
    for (mut values, sum) in rows {
        values.push(sum.cast_signed().into());
        update.execute(rusqlite::params_from_iter(values))?;
    }
    Ok(())
}

/// Reads the rows of a part again.
///
/// **Errors**: as the engine gives them; a part that does not add up is `Ok(None)`.
pub(super) fn reread(conn: &Connection, log: Log, first_id: i64, last_id: i64) -> rusqlite::Result<Part> {
    let table = log.as_str();
    let mut select = conn.prepare_cached(&format!(
        "SELECT {source} WHERE {table}.id BETWEEN ?1 AND ?2",
        source = log.source()
    ))?;
    let columns = select.column_count();
    let mut rows = select.query(params![first_id, last_id])?;
    let mut part = Part { first_id, last_id, ..Part::default() };
    while let Some(row) = rows.next()? {
        part.rows += 1;
        part.sum = part.sum.wrapping_add(of_stored(row, columns)?);
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_and_any_other_split_changes_the_sum() {
        let text = "8804.5 and nine";
        let sum = |text: &str| of_row([ValueRef::from(text), ValueRef::Integer(7)]);
        for bit in 0..text.len() * 7 {
            let mut flipped = text.as_bytes().to_vec();
            flipped[bit / 7] ^= 1 << (bit % 7);
            assert_ne!(sum(std::str::from_utf8(&flipped).expect("still ASCII")), sum(text), "bit {bit}");
        }
        let parts = |a, b| of_row([ValueRef::from(a), ValueRef::from(b)]);
        assert_ne!(parts("ab", "c"), parts("a", "bc"));
        assert_ne!(of_row([ValueRef::Null]), of_row([ValueRef::from("")]));
        assert_ne!(of_row([ValueRef::Integer(0)]), of_row([ValueRef::Null]));
    }

    /// The sum is part of the file's format.
    #[test]
    fn the_sum_never_changes() {
        assert_eq!(
            of_row([ValueRef::from("doex"), ValueRef::Integer(1), ValueRef::Null]),
            6_867_089_768_650_312_375
        );
    }
}

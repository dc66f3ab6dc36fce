//! Rows as the arrays that one statement unfolds at the server, and the text of that statement.
//!
//! Owns the shape of each table as it is written: columns, key, and what makes two rows of one key the same.

use std::borrow::Cow;
use std::fmt::Write as _;

use tokio_postgres::types::ToSql;

use crate::private::Cell;
use crate::{Cursor, Gap, InstrumentSeen, Market, Row, Table, text};

/// A table as it is written.
pub(super) struct Shape {
    pub(super) table: Table,
    columns: &'static [&'static str],
    types: &'static [Type],
    key: &'static [&'static str],
    /// What a second delivery repeats; the arrival is not among it.
    content: &'static [&'static str],
    /// What a second delivery repeats where both tell it.
    known: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Type {
    Text,
    Int,
    Bool,
}

impl Type {
    const fn array(self) -> &'static str {
        match self {
            Type::Text => "text[]",
            Type::Int => "bigint[]",
            Type::Bool => "boolean[]",
        }
    }
}

use Type::{Bool as B, Int as I, Text as T};

/// The tables that one statement writes. Instruments are not among them: their versions are counted one by one.
pub(super) const SHAPES: [Shape; 9] = [
    Shape {
        table: Table::Trade,
        columns: &["venue", "symbol", "trade_id", "price", "qty", "side", "ts_venue", "ts_local"],
        types: &[T, T, T, T, T, T, I, I],
        key: &["venue", "symbol", "trade_id", "ts_venue"],
        content: &["price", "qty", "side"],
        known: &[],
    },
    Shape {
        table: Table::BookChange,
        columns: &[
            "venue",
            "symbol",
            "epoch",
            "first_seq",
            "last_seq",
            "is_snapshot",
            "bids",
            "asks",
            "ts_venue",
            "ts_local",
        ],
        types: &[T, T, I, I, I, B, T, T, I, I],
        key: &["venue", "symbol", "epoch", "first_seq", "ts_venue"],
        content: &["last_seq", "is_snapshot", "bids", "asks"],
        known: &[],
    },
    Shape {
        table: Table::Ticker,
        columns: &[
            "venue",
            "symbol",
            "epoch",
            "seq",
            "bid",
            "bid_qty",
            "ask",
            "ask_qty",
            "last",
            "mark",
            "index_price",
            "funding_rate",
            "next_funding_at",
            "open_interest",
            "volume",
            "quote_volume",
            "ts_venue",
            "ts_local",
        ],
        types: &[T, T, I, I, T, T, T, T, T, T, T, T, I, T, T, T, I, I],
        key: &["venue", "symbol", "epoch", "seq", "ts_venue"],
        content: &[
            "bid",
            "bid_qty",
            "ask",
            "ask_qty",
            "last",
            "mark",
            "index_price",
            "funding_rate",
            "next_funding_at",
            "open_interest",
            "volume",
            "quote_volume",
        ],
        known: &[],
    },
    Shape {
        table: Table::Candle,
        columns: &[
            "venue", "symbol", "interval", "open_at", "open", "high", "low", "close", "volume", "ts_local",
        ],
        types: &[T, T, T, I, T, T, T, T, T, I],
        key: &["venue", "symbol", "interval", "open_at"],
        content: &["open", "high", "low", "close", "volume"],
        known: &[],
    },
    Shape {
        table: Table::Gap,
        columns: &[
            "venue",
            "symbol",
            "channel",
            "epoch",
            "from_seq",
            "to_seq",
            "cause",
            "detected_at",
            "healed_at",
        ],
        types: &[T, T, T, I, I, I, T, I, I],
        key: &["venue", "symbol", "channel", "detected_at"],
        content: &["epoch", "from_seq", "to_seq", "cause"],
        known: &[],
    },
    Shape {
        table: Table::OrderState,
        columns: &[
            "venue",
            "account",
            "product",
            "symbol",
            "venue_order_id",
            "ts_venue",
            "status",
            "cum_qty",
            "wallet",
            "client_order_id",
            "side",
            "order_type",
            "time_in_force",
            "price",
            "stop_price",
            "qty",
            "avg_px",
            "fee",
            "fee_asset",
            "post_only",
            "reduce_only",
            "created_at",
            "ts_local",
        ],
        types: &[T, T, T, T, T, I, T, T, T, T, T, T, T, T, T, T, T, T, T, B, B, I, I],
        key: &["venue", "account", "product", "symbol", "venue_order_id", "ts_venue", "status", "cum_qty"],
        content: &["side", "qty"],
        known: &[
            "wallet",
            "client_order_id",
            "order_type",
            "time_in_force",
            "price",
            "stop_price",
            "avg_px",
            "fee",
            "fee_asset",
            "post_only",
            "reduce_only",
            "created_at",
        ],
    },
    Shape {
        table: Table::Fill,
        columns: &[
            "venue",
            "account",
            "product",
            "symbol",
            "fill_id",
            "wallet",
            "venue_order_id",
            "client_order_id",
            "side",
            "last_px",
            "last_qty",
            "fee",
            "fee_asset",
            "realized_pnl",
            "liquidity",
            "derived",
            "ts_venue",
            "ts_local",
        ],
        types: &[T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, B, I, I],
        key: &["venue", "account", "product", "symbol", "fill_id"],
        content: &["venue_order_id", "side", "last_px", "last_qty", "fee", "derived"],
        known: &["wallet", "client_order_id", "fee_asset", "realized_pnl", "liquidity"],
    },
    Shape {
        table: Table::Movement,
        columns: &[
            "venue",
            "account",
            "kind",
            "movement_id",
            "status",
            "asset",
            "amount",
            "fee",
            "network",
            "address",
            "tx_id",
            "from_wallet",
            "to_wallet",
            "ts_venue",
            "ts_local",
        ],
        types: &[T, T, T, T, T, T, T, T, T, T, T, T, T, I, I],
        key: &["venue", "account", "kind", "movement_id", "status"],
        content: &["asset", "amount"],
        known: &["fee", "network", "address", "tx_id", "from_wallet", "to_wallet"],
    },
    Shape {
        table: Table::Stream,
        columns: &["venue", "symbol", "channel", "epoch", "last_seq", "ts_local"],
        types: &[T, T, T, I, I, I],
        key: &["venue", "symbol", "channel"],
        content: &[],
        known: &[],
    },
];

/// Where a table's shape stands.
pub(super) fn place(table: Table) -> Option<usize> {
    SHAPES.iter().position(|shape| shape.table == table)
}

/// Which leases of those that a statement names still stand, as `held(at)`. Taking one over waits for the lock that
/// this takes, and a writer that had to wait looks again: it then sees the new fence, and nothing is held.
pub(super) const HELD: &str = "held AS MATERIALIZED (
    SELECT w.at FROM shard s JOIN unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS w(shard, fence, at)
      ON s.shard = w.shard AND s.fence = w.fence
    WHERE s.owner = $3 AND s.expires > now() FOR KEY SHARE OF s)";

/// How many parameters come before the arrays where rows are fenced.
pub(super) const FENCE_PARAMETERS: usize = 3;

/// The statement that writes all tables at once. It answers with one count a shape, the gaps that healed, and the
/// leases that held.
pub(super) fn insert_sql(is_fenced: bool) -> String {
    let mut sql = String::from("WITH ");
    let mut next = 1;
    if is_fenced {
        sql += HELD;
        sql += ", ";
        next += FENCE_PARAMETERS;
    }
    for (at, shape) in SHAPES.iter().enumerate() {
        let columns = shape.columns.join(", ");
        let (arrays, after) = arrays(shape, next, is_fenced);
        next = after;
        let (lease, join) = if is_fenced { (", lease", " JOIN held ON held.at = u.lease") } else { ("", "") };
        let table = shape.table;
        let end = match table {
            Table::Gap => {
                "ON CONFLICT (venue, symbol, channel, detected_at) DO UPDATE SET healed_at = excluded.healed_at
                 WHERE t.healed_at IS NULL AND excluded.healed_at IS NOT NULL
                   AND (t.epoch, t.from_seq, t.to_seq, t.cause)
                     IS NOT DISTINCT FROM (excluded.epoch, excluded.from_seq, excluded.to_seq, excluded.cause)
                 RETURNING t.xmax = 0 AS is_new"
            }
            Table::Stream => {
                "ON CONFLICT (venue, symbol, channel) DO UPDATE SET epoch = excluded.epoch,
                   last_seq = excluded.last_seq, ts_local = excluded.ts_local
                 WHERE (excluded.epoch, excluded.last_seq) > (t.epoch, t.last_seq) RETURNING true AS is_new"
            }
            _ => "ON CONFLICT DO NOTHING RETURNING true AS is_new",
        };
        let comma = if at == 0 { "" } else { ",\n" };
        write!(
            sql,
            "{comma}{table}_in AS (INSERT INTO {table} AS t ({columns}) SELECT {columns}
             FROM unnest({arrays}) AS u({columns}{lease}){join} {end})"
        )
        .expect("writing to a String cannot fail");
    }
    sql += "\nSELECT ";
    for shape in &SHAPES {
        write!(sql, "(SELECT count(*) FROM {}_in WHERE is_new), ", shape.table)
            .expect("writing to a String cannot fail");
    }
    sql += "(SELECT count(*) FROM gap_in WHERE NOT is_new), ";
    sql += if is_fenced { "ARRAY(SELECT at FROM held)" } else { "ARRAY[]::bigint[]" };
    sql
}

/// The statement that finds which rows of a table meet a stored one with other content; it answers with their places
/// from 1.
pub(super) fn conflict_sql(shape: &Shape) -> String {
    let columns = shape.columns.join(", ");
    let (arrays, _) = arrays(shape, 1, false);
    let same = |names: &[&str], relation: &str| {
        let pairs: Vec<String> = names.iter().map(|name| format!("t.{name} {relation} u.{name}")).collect();
        pairs
    };
    let key = same(shape.key, "=").join(" AND ");
    let mut other = same(shape.content, "IS DISTINCT FROM");
    other.extend(same(shape.known, "<>"));
    if shape.table == Table::Gap {
        other.push("(u.healed_at IS NOT NULL AND t.healed_at IS DISTINCT FROM u.healed_at)".to_owned());
    }
    let other = other.join(" OR ");
    format!(
        "SELECT u.n FROM unnest({arrays}) WITH ORDINALITY AS u({columns}, n) JOIN {} t ON {key} WHERE {other} ORDER BY n",
        shape.table
    )
}

/// `$4::text[], $5::bigint[], …` for a shape, and the number after the last.
fn arrays(shape: &Shape, first: usize, is_fenced: bool) -> (String, usize) {
    let lease = is_fenced.then_some(Type::Int);
    let types = shape.types.iter().copied().chain(lease);
    let text: Vec<String> =
        types.zip(first..).map(|(kind, number)| format!("${number}::{}", kind.array())).collect();
    let next = first + text.len();
    (text.join(", "), next)
}

/// One column of many rows.
pub(super) enum Column<'a> {
    Text(Vec<Option<Cow<'a, str>>>),
    Int(Vec<Option<i64>>),
    Bool(Vec<Option<bool>>),
}

impl Column<'_> {
    pub(super) fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Column::Text(values) => values,
            Column::Int(values) => values,
            Column::Bool(values) => values,
        }
    }
}

/// One value of a row, on its way into a column.
enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Int(Option<i64>),
    Bool(Option<bool>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(text: &'a Option<String>) -> Value<'a> {
        Value::Text(text.as_deref().map(Cow::Borrowed))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Some(Cow::Owned(text)))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Int(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Value::Bool(Some(flag))
    }
}

impl<'a> From<Cell<'a>> for Value<'a> {
    fn from(cell: Cell<'a>) -> Value<'a> {
        match cell {
            Cell::Text(text) => Value::Text(text.map(Cow::Borrowed)),
            Cell::Int(number) => Value::Int(number),
            Cell::Flag(flag) => Value::Bool(flag),
        }
    }
}

/// The rows of one table.
pub(super) struct Columns<'a> {
    pub(super) columns: Vec<Column<'a>>,
    /// The lease of each row, by place from 1; 0 for none.
    pub(super) leases: Column<'a>,
    /// Where each row stands in the batch.
    pub(super) places: Vec<usize>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(shape: &Shape) -> Columns<'a> {
        let empty = |kind: &Type| match kind {
            Type::Text => Column::Text(Vec::new()),
            Type::Int => Column::Int(Vec::new()),
            Type::Bool => Column::Bool(Vec::new()),
        };
        Columns {
            columns: shape.types.iter().map(empty).collect(),
            leases: Column::Int(Vec::new()),
            places: Vec::new(),
        }
    }

    /// The lease of the row at a place.
    pub(super) fn lease_of(&self, at: usize) -> i64 {
        match &self.leases {
            Column::Int(leases) => leases.get(at).copied().flatten().unwrap_or(0),
            _ => 0,
        }
    }

    fn push<const N: usize>(&mut self, place: usize, lease: i64, values: [Value<'a>; N]) {
        debug_assert_eq!(N, self.columns.len(), "one value a column");
        for (column, value) in self.columns.iter_mut().zip(values) {
            match (column, value) {
                (Column::Text(column), Value::Text(value)) => column.push(value),
                (Column::Int(column), Value::Int(value)) => column.push(value),
                (Column::Bool(column), Value::Bool(value)) => column.push(value),
                _ => unreachable!("a value has its column's type, which a test of each table shows"),
            }
        }
        if let Column::Int(leases) = &mut self.leases {
            leases.push(Some(lease));
        }
        self.places.push(place);
    }

    /// Adds a cursor.
    ///
    /// **Errors**: a number of it has more than 63 bits.
    pub(super) fn push_cursor(&mut self, place: usize, lease: i64, row: &'a Cursor) -> Result<(), TooLarge> {
        self.push(
            place,
            lease,
            [
                (&*row.market.venue).into(),
                row.market.symbol.as_str().into(),
                (&*row.channel).into(),
                int(row.epoch)?.into(),
                int(row.last_seq)?.into(),
                row.ts_local.0.into(),
            ],
        );
        Ok(())
    }

    /// Adds a row of this table.
    ///
    /// **Errors**: a number of it has more than 63 bits.
    pub(super) fn push_row(&mut self, place: usize, lease: i64, row: &'a Row) -> Result<(), TooLarge> {
        let market = |market: &'a Market| -> [Value<'a>; 2] {
            [(&*market.venue).into(), market.symbol.as_str().into()]
        };
        match row {
            Row::Trade(row) => {
                let [venue, symbol] = market(&row.market);
                let (price, qty) = (row.price.to_string(), row.qty.to_string());
                let side = text::side(row.side);
                self.push(
                    place,
                    lease,
                    [
                        venue,
                        symbol,
                        row.trade_id.as_str().into(),
                        price.into(),
                        qty.into(),
                        side.into(),
                        row.ts_venue.0.into(),
                        row.ts_local.0.into(),
                    ],
                );
            }
            Row::BookChange(row) => {
                let [venue, symbol] = market(&row.market);
                let levels = |side: &[venuekit_types::Level]| {
                    let mut out = String::new();
                    text::levels(&mut out, side, row.price_scale, row.qty_scale);
                    out
                };
                let stamp = row.ts_venue.map_or(0, |at| at.0);
                let (epoch, first_seq, last_seq) = (int(row.epoch)?, int(row.first_seq)?, int(row.last_seq)?);
                self.push(
                    place,
                    lease,
                    [
                        venue,
                        symbol,
                        epoch.into(),
                        first_seq.into(),
                        last_seq.into(),
                        row.is_snapshot.into(),
                        levels(&row.bids).into(),
                        levels(&row.asks).into(),
                        stamp.into(),
                        row.ts_local.0.into(),
                    ],
                );
            }
            Row::Ticker(row) => {
                let [venue, symbol] = market(&row.market);
                let (epoch, seq) = (int(row.epoch)?, int(row.seq)?);
                self.push(
                    place,
                    lease,
                    [
                        venue,
                        symbol,
                        epoch.into(),
                        seq.into(),
                        (&row.bid).into(),
                        (&row.bid_qty).into(),
                        (&row.ask).into(),
                        (&row.ask_qty).into(),
                        (&row.last).into(),
                        (&row.mark).into(),
                        (&row.index).into(),
                        (&row.funding_rate).into(),
                        row.next_funding_at.map(|at| at.0).into(),
                        (&row.open_interest).into(),
                        (&row.volume).into(),
                        (&row.quote_volume).into(),
                        row.ts_venue.map_or(0, |at| at.0).into(),
                        row.ts_local.0.into(),
                    ],
                );
            }
            Row::Candle(row) => {
                let [venue, symbol] = market(&row.market);
                self.push(
                    place,
                    lease,
                    [
                        venue,
                        symbol,
                        (&*row.interval).into(),
                        row.open_at.0.into(),
                        row.open.as_str().into(),
                        row.high.as_str().into(),
                        row.low.as_str().into(),
                        row.close.as_str().into(),
                        row.volume.as_str().into(),
                        row.ts_local.0.into(),
                    ],
                );
            }
            Row::Gap(row) => self.push_gap(place, lease, row)?,
            Row::OrderState(row) => self.push(place, lease, row.cells().map(Value::from)),
            Row::Fill(row) => self.push(place, lease, row.cells().map(Value::from)),
            Row::Movement(row) => self.push(place, lease, row.cells().map(Value::from)),
            Row::Instrument(_) => unreachable!("instruments are written one by one"),
        }
        Ok(())
    }

    fn push_gap(&mut self, place: usize, lease: i64, row: &'a Gap) -> Result<(), TooLarge> {
        let optional = |number: Option<u64>| number.map(int).transpose();
        let (epoch, from_seq, to_seq) =
            (optional(row.epoch)?, optional(row.from_seq)?, optional(row.to_seq)?);
        self.push(
            place,
            lease,
            [
                (&*row.market.venue).into(),
                row.market.symbol.as_str().into(),
                (&*row.channel).into(),
                epoch.into(),
                from_seq.into(),
                to_seq.into(),
                (&*row.cause).into(),
                row.detected_at.0.into(),
                row.healed_at.map(|at| at.0).into(),
            ],
        );
        Ok(())
    }
}

/// A number has more than 63 bits.
pub(super) struct TooLarge;

fn int(value: u64) -> Result<i64, TooLarge> {
    i64::try_from(value).map_err(|_| TooLarge)
}

/// Where an instrument's terms are compared with those that stand last, or stood at the same instant.
const SAME_TERMS: &str = "venue = $4 AND symbol = $5
    AND (venue_symbol, kind, status, price_scale, qty_scale, tick, step, min_qty, max_qty, min_notional,
         contract_size, inverse, maker_fee, taker_fee)
      IS NOT DISTINCT FROM ($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";

/// The statement that writes one instrument. It answers with whether its lease held, whether it entered, and whether
/// it was there before.
pub(super) fn instrument_sql(is_fenced: bool) -> String {
    // Both forms name the same parameters, so that they are filled alike.
    let held = if is_fenced {
        HELD
    } else {
        "held AS (SELECT 1 AS at WHERE $1::text[] IS NOT NULL AND $2::bigint[] IS NOT NULL AND $3::text IS NOT NULL)"
    };
    let last = "SELECT max(version) FROM instrument WHERE venue = $4 AND symbol = $5";
    format!(
        "WITH {held}, instrument_in AS (
           INSERT INTO instrument SELECT $4::text, $5::text, 1 + coalesce(({last}), 0), $6::text, $7::text, $8::text,
             $9::bigint, $10::bigint, $11::text, $12::text, $13::text, $14::text, $15::text, $16::text, $17::boolean,
             $18::text, $19::text, $20::bigint FROM held
           WHERE NOT EXISTS (SELECT 1 FROM instrument WHERE {SAME_TERMS} AND version = ({last}))
           ON CONFLICT DO NOTHING RETURNING 1)
         SELECT EXISTS (SELECT 1 FROM held), EXISTS (SELECT 1 FROM instrument_in),
           EXISTS (SELECT 1 FROM instrument WHERE {SAME_TERMS} AND (ts_local = $20 OR version = ({last})))"
    )
}

/// What [`instrument_sql`] wants from its fourth parameter on.
pub(super) fn instrument_values(row: &InstrumentSeen) -> Vec<Box<dyn ToSql + Sync>> {
    let terms = text::Terms::of(&row.terms);
    vec![
        Box::new(row.venue.to_string()),
        Box::new(row.terms.symbol.to_string()),
        Box::new(row.terms.venue_symbol.clone()),
        Box::new(terms.kind),
        Box::new(terms.status),
        Box::new(terms.price_scale),
        Box::new(terms.qty_scale),
        Box::new(terms.tick),
        Box::new(terms.step),
        Box::new(terms.min_qty),
        Box::new(terms.max_qty),
        Box::new(terms.min_notional),
        Box::new(terms.contract_size),
        Box::new(row.terms.inverse),
        Box::new(terms.maker_fee),
        Box::new(terms.taker_fee),
        Box::new(row.ts_local.0),
    ]
}

//! Stored rows as CSV in tardis' columns, which the field's tools load as they are.
//!
//! Owns the columns and their order. Prices and quantities are written as they are stored, times in microseconds;
//! `timestamp` is the arrival where the venue sends no stamp, as tardis does.

use std::io::Write;
use std::ops::Range;

use venuekit_types::UnixNanos;

use crate::{Market, Reader, SinkError, Table};

/// A data type of tardis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tardis {
    /// Public trades.
    Trades,
    /// Levels of books, as absolute amounts; 0 removes.
    IncrementalBookL2,
    /// Best bid and ask, as tickers state them.
    Quotes,
    /// Funding, open interest and prices of contracts.
    DerivativeTicker,
}

impl Tardis {
    /// All of them.
    pub const ALL: [Tardis; 4] =
        [Tardis::Trades, Tardis::IncrementalBookL2, Tardis::Quotes, Tardis::DerivativeTicker];

    /// The name in file names and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Tardis::Trades => "trades",
            Tardis::IncrementalBookL2 => "incremental_book_L2",
            Tardis::Quotes => "quotes",
            Tardis::DerivativeTicker => "derivative_ticker",
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Tardis::Trades => "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
            Tardis::IncrementalBookL2 => {
                "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
            }
            Tardis::Quotes => {
                "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"
            }
            Tardis::DerivativeTicker => {
                "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,\
                 open_interest,last_price,index_price,mark_price"
            }
        }
    }

    /// Where it is read, and the columns behind the stamps.
    const fn source(self) -> (&'static str, Table) {
        match self {
            Tardis::Trades => ("ts_venue, ts_local, trade_id, side, price, qty", Table::Trade),
            Tardis::IncrementalBookL2 => ("ts_venue, ts_local, is_snapshot, bids, asks", Table::BookChange),
            Tardis::Quotes => ("ts_venue, ts_local, ask_qty, ask, bid, bid_qty", Table::Ticker),
            Tardis::DerivativeTicker => (
                "ts_venue, ts_local, next_funding_at / 1000, funding_rate, NULL, open_interest, last, index_price, mark",
                Table::Ticker,
            ),
        }
    }
}

/// Why rows were not written out.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The database.
    #[error("the database cannot be read")]
    Database(#[from] SinkError),
    /// Whoever takes the text.
    #[error("the text cannot be written")]
    Output(#[from] std::io::Error),
}

/// Writes the rows of a market that arrived within `span`, by arrival and under a header; tells how many lines
/// follow the header.
///
/// **Errors**: [`CsvError`].
pub fn dump(
    reader: &Reader,
    what: Tardis,
    market: &Market,
    span: &Range<UnixNanos>,
    out: &mut impl Write,
) -> Result<u64, CsvError> {
    writeln!(out, "{}", what.header())?;
    let mut lines = 0;
    let mut text = String::new();
    reader.between::<CsvError>(what.source(), market, span, |row| {
        let read = |error: rusqlite::Error| CsvError::Database(error.into());
        let micros = |at: i64| at.div_euclid(1_000);
        let local: i64 = row.get(1).map_err(read)?;
        let stamp: i64 = row.get::<_, Option<i64>>(0).map_err(read)?.unwrap_or(local);
        let start = format!(
            "{},{},{},{}",
            field(&market.venue),
            field(market.symbol.as_str()),
            micros(stamp),
            micros(local)
        );
        if what == Tardis::IncrementalBookL2 {
            let is_snapshot: bool = row.get(2).map_err(read)?;
            for (column, side) in [(3, "bid"), (4, "ask")] {
                let stored: String = row.get(column).map_err(read)?;
                for (price, amount) in levels(&stored)? {
                    writeln!(out, "{start},{is_snapshot},{side},{price},{amount}")?;
                    lines += 1;
                }
            }
            return Ok(());
        }
        text.clear();
        text += &start;
        for column in 2..row.as_ref().column_count() {
            use rusqlite::types::ValueRef;
            text.push(',');
            match row.get_ref(column).map_err(read)? {
                ValueRef::Integer(number) => text += &number.to_string(),
                ValueRef::Text(bytes) => text += &field(&String::from_utf8_lossy(bytes)),
                _ => {}
            }
        }
        writeln!(out, "{text}")?;
        lines += 1;
        Ok(())
    })?;
    Ok(lines)
}

/// Price and quantity of each level, as stored.
pub(crate) fn levels(stored: &str) -> Result<Vec<(&str, &str)>, SinkError> {
    serde_json::from_str(stored).map_err(|error| SinkError::Corrupt(Box::new(error)))
}

/// A field, in quotes where it would otherwise be several.
fn field(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_a_comma_stays_one() {
        assert_eq!(field("1001"), "1001");
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}

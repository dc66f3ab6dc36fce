//! Closed days as Parquet files, in the layout that DuckDB, pandas and Polars read as one table.
//!
//! Owns the layout and how a file comes to be: written aside, synced, renamed, never changed. It refuses a day that
//! is not over, and a second file beside one that holds other rows of the same day.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder, StringDictionaryBuilder,
    TimestampNanosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rusqlite::types::ValueRef;
use venuekit_types::UnixNanos;

use crate::{Day, Gap, Market, Reader, SinkError, Table, csv};

/// Rows of one row group, and the most that are held in memory.
const GROUP_ROWS: usize = 131_072;

/// Digits of every decimal column, and how many of them stand behind the point.
const DIGITS: (u8, i8) = (38, 18);

/// One file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Where it lies.
    pub path: PathBuf,
    /// How many rows it has; a level of a book is one.
    pub rows: u64,
}

/// Why a day was not archived. Files that were finished stay.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The database.
    #[error("the database cannot be read")]
    Database(#[from] SinkError),
    /// The day still goes on.
    #[error("{day} is not over; archive up to the day before")]
    NotOver {
        /// Which.
        day: Day,
    },
    /// There is a file of the same day with other rows.
    #[error("{} holds other rows of that day; move it away first", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A number has more digits than the columns.
    #[error("{text} of {market} does not fit 20 digits before and 18 behind the point")]
    Digits {
        /// The number.
        text: String,
        /// Whose.
        market: Market,
    },
    /// The operating system refused.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The format's library failed.
    #[error("cannot encode {}", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: ParquetError,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    Time,
    Int,
    Flag,
    /// Of few values.
    Word,
    Text,
    Number,
}

/// A table as it is archived.
struct Shape {
    table: Table,
    /// What is read, in the order of the columns; of a book, levels take the place of the last two.
    select: &'static str,
    columns: &'static [(&'static str, Kind)],
}

use Kind::{Flag as F, Int as I, Number as N, Text as X, Time as T, Word as W};

const SHAPES: [Shape; 4] = [
    Shape {
        table: Table::Trade,
        select: "ts_venue, ts_local, venue, symbol, trade_id, side, price, qty",
        columns: &[
            ("ts_venue", T),
            ("ts_local", T),
            ("venue", W),
            ("symbol", W),
            ("trade_id", X),
            ("side", W),
            ("px", N),
            ("qty", N),
        ],
    },
    Shape {
        table: Table::BookChange,
        select: "ts_venue, ts_local, venue, symbol, epoch, first_seq, last_seq, is_snapshot, bids, asks",
        columns: &[
            ("ts_venue", T),
            ("ts_local", T),
            ("venue", W),
            ("symbol", W),
            ("epoch", I),
            ("first_seq", I),
            ("last_seq", I),
            ("is_snapshot", F),
            ("side", W),
            ("px", N),
            ("qty", N),
        ],
    },
    Shape {
        table: Table::Ticker,
        select: "ts_venue, ts_local, venue, symbol, epoch, seq, bid, bid_qty, ask, ask_qty, last, mark, index_price,
            funding_rate, next_funding_at, open_interest, volume, quote_volume",
        columns: &[
            ("ts_venue", T),
            ("ts_local", T),
            ("venue", W),
            ("symbol", W),
            ("epoch", I),
            ("seq", I),
            ("bid", N),
            ("bid_qty", N),
            ("ask", N),
            ("ask_qty", N),
            ("last", N),
            ("mark", N),
            ("index_price", N),
            ("funding_rate", N),
            ("next_funding_at", T),
            ("open_interest", N),
            ("volume", N),
            ("quote_volume", N),
        ],
    },
    Shape {
        table: Table::Candle,
        select: "open_at, ts_local, venue, symbol, interval, open, high, low, close, volume",
        columns: &[
            ("open_at", T),
            ("ts_local", T),
            ("venue", W),
            ("symbol", W),
            ("interval", W),
            ("open", N),
            ("high", N),
            ("low", N),
            ("close", N),
            ("volume", N),
        ],
    },
];

/// Writes what arrived on one day, which must be over at `now`: a file for each table and market that has rows.
///
/// Done again over the same rows it writes the same files again.
///
/// **Errors**: [`ArchiveError`].
pub fn archive(
    reader: &Reader,
    root: &Path,
    day: Day,
    now: UnixNanos,
) -> Result<Vec<Archived>, ArchiveError> {
    if day.next().start() > now {
        return Err(ArchiveError::NotOver { day });
    }
    let gaps = reader.gaps()?;
    let mut files = Vec::new();
    for market in reader.counts()?.into_iter().map(|counts| counts.market) {
        for shape in &SHAPES {
            let dir = directory(root, shape.table, &market, day);
            files.extend(Part { reader, market: &market, shape, day, dir }.write(&gaps)?);
        }
    }
    Ok(files)
}

fn directory(root: &Path, table: Table, market: &Market, day: Day) -> PathBuf {
    let symbol = market.symbol.as_str().replace(['/', ':'], "_");
    root.join(format!("type={table}"))
        .join(format!("venue={}", market.venue))
        .join(format!("date={day}"))
        .join(format!("symbol={symbol}"))
}

/// A file to be.
struct Part<'a> {
    reader: &'a Reader,
    market: &'a Market,
    shape: &'a Shape,
    day: Day,
    dir: PathBuf,
}

impl Part<'_> {
    fn write(&self, gaps: &[Gap]) -> Result<Option<Archived>, ArchiveError> {
        let span = self.day.start()..self.day.next().start();
        let aside = self.dir.join(".part.tmp");
        let mut open: Option<Open> = None;
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        self.reader.between((self.shape.select, self.shape.table), self.market, &span, |row| {
            let file = match &mut open {
                Some(file) => file,
                None => open.insert(self.begin(&aside, gaps)?),
            };
            let arrived: i64 = row.get(1).map_err(SinkError::from)?;
            (first, last) = (first.min(arrived), last.max(arrived));
            self.push(file, row)?;
            if file.rows.len >= GROUP_ROWS { file.flush(&aside) } else { Ok(()) }
        })?;
        let Some(file) = open else { return Ok(None) };
        let rows = file.finish(&aside)?;
        let path = self.dir.join(format!("part-{first}-{last}.parquet"));
        self.publish(&aside, &path)?;
        Ok(Some(Archived { path, rows }))
    }

    fn begin(&self, aside: &Path, gaps: &[Gap]) -> Result<Open, ArchiveError> {
        let io = |source| ArchiveError::Io { path: self.dir.clone(), source };
        fs::create_dir_all(&self.dir).map_err(io)?;
        let file = File::create(aside).map_err(io)?;
        let span = self.day.start()..self.day.next().start();
        let of_the_day = gaps.iter().filter(|gap| {
            gap.market == *self.market
                && gap.detected_at < span.end
                && gap.healed_at.is_none_or(|at| at >= span.start)
        });
        let gaps: Vec<_> = of_the_day
            .map(|gap| {
                serde_json::json!({
                    "channel": gap.channel, "epoch": gap.epoch, "from_seq": gap.from_seq, "to_seq": gap.to_seq,
                    "cause": gap.cause, "detected_at": gap.detected_at.0, "healed_at": gap.healed_at.map(|at| at.0),
                })
            })
            .collect();
        let note = |key: &str, value: String| KeyValue::new(format!("venuekit.{key}"), value);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level of zstd")))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by(format!("venuekit {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![
                note("schema_version", "1".into()),
                note("version", env!("CARGO_PKG_VERSION").into()),
                note("gaps", serde_json::Value::from(gaps).to_string()),
            ]))
            .build();
        let rows = Rows::new(self.shape.columns);
        let writer = ArrowWriter::try_new(file, Arc::clone(&rows.schema), Some(properties))
            .map_err(|source| ArchiveError::Encoding { path: aside.into(), source })?;
        Ok(Open { writer, rows, written: 0 })
    }

    fn push(&self, file: &mut Open, row: &rusqlite::Row<'_>) -> Result<(), ArchiveError> {
        let read = |at| row.get_ref(at).map_err(SinkError::from);
        let too_long =
            |text: &str| ArchiveError::Digits { text: text.to_owned(), market: self.market.clone() };
        let rows = &mut file.rows;
        if self.shape.table != Table::BookChange {
            for at in 0..self.shape.columns.len() {
                rows.columns[at].push(read(at)?).map_err(too_long)?;
            }
            rows.len += 1;
            return Ok(());
        }
        let common = self.shape.columns.len() - 3;
        let mut push = |side: Option<&str>, price: Option<&str>, qty: Option<&str>| {
            for at in 0..common {
                rows.columns[at].push(read(at)?).map_err(too_long)?;
            }
            for (at, text) in (common..).zip([side, price, qty]) {
                rows.columns[at].push(text.into()).map_err(too_long)?;
            }
            rows.len += 1;
            Ok::<(), ArchiveError>(())
        };
        let mut is_empty = true;
        for (at, side) in [(common, "bid"), (common + 1, "ask")] {
            let stored = read(at)?.as_str().map_err(|error| SinkError::Corrupt(Box::new(error)))?;
            for (price, qty) in csv::levels(stored)? {
                push(Some(side), Some(price), Some(qty))?;
                is_empty = false;
            }
        }
        // A message without levels is a message all the same: it moved the sequence.
        if is_empty { push(None, None, None) } else { Ok(()) }
    }

    /// Gives the finished file its name, so that a reader sees all of it or nothing, also after a power cut.
    fn publish(&self, aside: &Path, path: &Path) -> Result<(), ArchiveError> {
        let io = |source| ArchiveError::Io { path: path.into(), source };
        for entry in fs::read_dir(&self.dir).map_err(io)? {
            let other = entry.map_err(io)?.path();
            if other != path && other.extension().is_some_and(|extension| extension == "parquet") {
                fs::remove_file(aside).map_err(io)?;
                return Err(ArchiveError::Exists { path: other });
            }
        }
        fs::rename(aside, path).map_err(io)?;
        // The name, and the names of the directories on the way to it.
        for dir in self.dir.ancestors().take(5).filter(|dir| !dir.as_os_str().is_empty()) {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)?;
        }
        Ok(())
    }
}

/// A file under way.
struct Open {
    writer: ArrowWriter<File>,
    rows: Rows,
    written: u64,
}

impl Open {
    fn flush(&mut self, path: &Path) -> Result<(), ArchiveError> {
        let fail = |source| ArchiveError::Encoding { path: path.into(), source };
        self.written += self.rows.len as u64;
        let batch = self.rows.take().map_err(|error| fail(error.into()))?;
        self.writer.write(&batch).map_err(fail)
    }

    fn finish(mut self, path: &Path) -> Result<u64, ArchiveError> {
        self.flush(path)?;
        let file = self.writer.into_inner();
        let file = file.map_err(|source| ArchiveError::Encoding { path: path.into(), source })?;
        file.sync_all().map_err(|source| ArchiveError::Io { path: path.into(), source })?;
        Ok(self.written)
    }
}

/// Rows on their way into columns.
struct Rows {
    schema: Arc<Schema>,
    columns: Vec<Column>,
    len: usize,
}

enum Column {
    Time(TimestampNanosecondBuilder),
    Int(Int64Builder),
    Flag(BooleanBuilder),
    Word(StringDictionaryBuilder<Int32Type>),
    Text(StringBuilder),
    Number(Decimal128Builder),
}

impl Rows {
    fn new(columns: &[(&str, Kind)]) -> Rows {
        let fields: Vec<Field> =
            columns.iter().map(|(name, kind)| Field::new(*name, data_type(*kind), true)).collect();
        let column = |(_, kind): &(&str, Kind)| match kind {
            Kind::Time => {
                Column::Time(TimestampNanosecondBuilder::new().with_data_type(data_type(Kind::Time)))
            }
            Kind::Int => Column::Int(Int64Builder::new()),
            Kind::Flag => Column::Flag(BooleanBuilder::new()),
            Kind::Word => Column::Word(StringDictionaryBuilder::new()),
            Kind::Text => Column::Text(StringBuilder::new()),
            Kind::Number => Column::Number(Decimal128Builder::new().with_data_type(data_type(Kind::Number))),
        };
        Rows { schema: Arc::new(Schema::new(fields)), columns: columns.iter().map(column).collect(), len: 0 }
    }

    fn take(&mut self) -> Result<RecordBatch, arrow_schema::ArrowError> {
        self.len = 0;
        let arrays = self.columns.iter_mut().map(Column::take).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Kind::Int => DataType::Int64,
        Kind::Flag => DataType::Boolean,
        Kind::Word => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Kind::Text => DataType::Utf8,
        Kind::Number => DataType::Decimal128(DIGITS.0, DIGITS.1),
    }
}

impl Column {
    /// Adds a stored value; gives back a number that does not fit.
    fn push<'v>(&mut self, value: ValueRef<'v>) -> Result<(), &'v str> {
        let number = value.as_i64_or_null().ok().flatten();
        let text = value.as_str_or_null().ok().flatten();
        match self {
            Column::Time(column) => column.append_option(number),
            Column::Int(column) => column.append_option(number),
            Column::Flag(column) => column.append_option(number.map(|flag| flag != 0)),
            Column::Word(column) => column.append_option(text),
            Column::Text(column) => column.append_option(text),
            Column::Number(column) => {
                column.append_option(text.map(|text| decimal(text).ok_or(text)).transpose()?);
            }
        }
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Column::Time(column) => Arc::new(column.finish()),
            Column::Int(column) => Arc::new(column.finish()),
            Column::Flag(column) => Arc::new(column.finish()),
            Column::Word(column) => Arc::new(column.finish()),
            Column::Text(column) => Arc::new(column.finish()),
            Column::Number(column) => Arc::new(column.finish()),
        }
    }
}

/// A plain decimal as a count of 10^-18; nothing where it does not fit exactly.
fn decimal(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = usize::from(DIGITS.1.unsigned_abs());
    if whole.is_empty() || fraction.len() > places || whole.len() + places > usize::from(DIGITS.0) {
        return None;
    }
    let digits =
        whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', places - fraction.len()));
    let mut value: i128 = 0;
    for digit in digits {
        value = value * 10 + i128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        let one = 1_000_000_000_000_000_000;
        for (text, value) in [
            ("1", Some(one)),
            ("-0.000000000000000001", Some(-1)),
            ("8804.5", Some(8804 * one + one / 2)),
            ("99999999999999999999", Some(99_999_999_999_999_999_999 * one)),
            ("100000000000000000000", None),
            ("0.0000000000000000001", None),
            ("1e5", None),
            ("", None),
            (".5", None),
            ("--1", None),
        ] {
            assert_eq!(decimal(text), value, "{text}");
        }
    }
}

//! Closed days as Parquet files, read back by the format's own reader.
#![cfg(feature = "parquet")]

mod common;

use std::fs::{self, File};
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array as _, RecordBatch};
use common::{candle, change, gap, open, rows, ticker, trade};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use venuekit_store::{ArchiveError, Batch, Day, Reader, Row, Sink, archive};
use venuekit_types::UnixNanos;

const DAY: i64 = 86_400_000_000_000;
const AT: i64 = 20_781 * DAY;

fn fill(path: &Path, batch: &Batch) {
    let _ = open(path).expect("opens").commit(batch).expect("commits");
}

fn read(path: &Path) -> (Vec<RecordBatch>, Vec<(String, String)>) {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("opens")).expect("is Parquet");
    let notes = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let notes = notes.into_iter().map(|note| (note.key, note.value.unwrap_or_default())).collect();
    (builder.build().expect("reads").map(|batch| batch.expect("reads")).collect(), notes)
}

#[test]
fn a_closed_day_is_a_file_a_market_and_a_table() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (path, root) = (dir.path().join("t.db"), dir.path().join("archive"));
    let mut empty = change("BTC/USDT:USDT", 1, 2, 1, AT + 9);
    empty.bids.clear();
    fill(
        &path,
        &rows([
            Row::Trade(trade("BTC/USDT", 2, 880_450, AT + DAY - 1)),
            Row::Trade(trade("BTC/USDT", 1, 1, AT)),
            Row::Trade(trade("BTC/USDT", 3, 1, AT + DAY)),
            Row::Trade(trade("BTC/USDT", 4, 1, AT - 1)),
            Row::BookChange(change("BTC/USDT:USDT", 1, 1, 25, AT + 7)),
            Row::BookChange(empty),
            Row::Ticker(Box::new(ticker("BTC/USDT", 1, "5"))),
            Row::Candle(Box::new(candle("BTC/USDT", 60, "2"))),
            Row::Gap(Box::new(gap("BTC/USDT", AT + 5, None))),
        ]),
    );
    let reader = Reader::open(&path).expect("opens");
    let day: Day = "2026-11-24".parse().expect("a day");
    let early = archive(&reader, &root, day, UnixNanos(AT + DAY - 1)).expect_err("goes on");
    assert!(matches!(early, ArchiveError::NotOver { .. }), "{early}");
    assert!(!root.exists());
    let files = archive(&reader, &root, day, UnixNanos(AT + DAY)).expect("writes");
    let names: Vec<_> = files
        .iter()
        .map(|file| (file.path.strip_prefix(&root).expect("below").display().to_string(), file.rows))
        .collect();
    let part = |first: i64, last: i64| format!("part-{first}-{last}.parquet");
    let trades = format!("type=trade/venue=doex/date=2026-11-24/symbol=BTC_USDT/{}", part(AT, AT + DAY - 1));
    assert_eq!(
        names,
        [
            (trades.clone(), 2),
            (
                format!(
                    "type=book_change/venue=doex/date=2026-11-24/symbol=BTC_USDT_USDT/{}",
                    part(AT + 7, AT + 9)
                ),
                3
            ),
        ]
    );
    let (batches, notes) = read(&root.join(&trades));
    let [batch] = &batches[..] else { panic!("two rows are one batch") };
    let column = |name: &str| batch.column_by_name(name).expect("a column");
    assert_eq!(column("ts_local").as_primitive::<TimestampNanosecondType>().values(), &[AT, AT + DAY - 1]);
    let px = column("px").as_primitive::<Decimal128Type>();
    assert_eq!(
        (px.value_as_string(0), px.value_as_string(1)),
        ("0.010000000000000000".into(), "8804.500000000000000000".into())
    );
    assert_eq!(column("trade_id").as_string::<i32>().value(0), "1");
    let symbol = column("symbol").as_dictionary::<arrow_array::types::Int32Type>();
    assert_eq!(symbol.values().as_string::<i32>().value(0), "BTC/USDT", "the real one is inside");
    let note = |key: &str| notes.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let gaps = note("venuekit.gaps").expect("noted");
    assert!(gaps.contains(r#""cause":"sequence jumped""#) && gaps.contains(r#""from_seq":8"#), "{gaps}");
    assert_eq!(note("venuekit.schema_version").as_deref(), Some("1"));
    // A message without levels keeps its place in the sequence.
    let (batches, _) = read(&files[1].path);
    let book = &batches[0];
    let seqs = book.column_by_name("first_seq").expect("a column").as_primitive::<Int64Type>();
    assert_eq!(seqs.values(), &[1, 1, 2]);
    let px = book.column_by_name("px").expect("a column");
    assert_eq!((0..3).map(|at| px.is_null(at)).collect::<Vec<_>>(), [false, false, true]);

    // Again: the same files, byte for byte, and nothing beside them.
    let before = fs::read(&files[0].path).expect("reads");
    assert_eq!(archive(&reader, &root, day, UnixNanos(AT + DAY)).expect("writes"), files);
    assert_eq!(fs::read(&files[0].path).expect("reads"), before);
    assert_eq!(fs::read_dir(files[0].path.parent().expect("a directory")).expect("lists").count(), 1);
    // A day that changed after it was archived is not counted twice.
    fill(
        &path,
        &rows([
            Row::Trade(trade("BTC/USDT", 9, 1, AT + DAY / 2)),
            Row::Trade(trade("BTC/USDT", 10, 1, AT + DAY - 1)),
        ]),
    );
    assert_eq!(
        archive(&reader, &root, day, UnixNanos(AT + DAY))
            .expect("the same span")
            .first()
            .map(|file| file.rows),
        Some(4)
    );
    fs::rename(&files[0].path, files[0].path.with_file_name("part-1-2.parquet")).expect("renames");
    let error = archive(&reader, &root, day, UnixNanos(AT + DAY)).expect_err("another file of that day");
    assert!(matches!(error, ArchiveError::Exists { .. }), "{error}");
    assert_eq!(fs::read_dir(files[0].path.parent().expect("a directory")).expect("lists").count(), 1);
}

#[test]
fn many_rows_make_several_groups() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (path, root) = (dir.path().join("t.db"), dir.path().join("archive"));
    // 110 levels a message, so that a group's end falls between messages.
    let message = |n: u64| {
        let mut row = change("BTC/USDT", 1, n, 1, AT + i64::try_from(n).expect("small"));
        row.bids = (0..110).map(|at| venuekit_types::Level::new(at, 1)).collect();
        Row::BookChange(row)
    };
    fill(&path, &rows((0..1_300).map(message)));
    let reader = Reader::open(&path).expect("opens");
    let files = archive(&reader, &root, Day::of(UnixNanos(AT)), UnixNanos(AT + DAY)).expect("writes");
    assert_eq!(files.iter().map(|file| file.rows).collect::<Vec<_>>(), [143_000]);
    let file = File::open(&files[0].path).expect("opens");
    let groups =
        ParquetRecordBatchReaderBuilder::try_new(file).expect("is Parquet").metadata().num_row_groups();
    assert_eq!(groups, 2);
    assert_eq!(read(&files[0].path).0.iter().map(RecordBatch::num_rows).sum::<usize>(), 143_000);
}

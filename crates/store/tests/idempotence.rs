//! Exactly once: the same rows twice change nothing, and nothing is overwritten.

mod common;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use common::{
    candle, change, cursor, fill, gap, instrument, movement, open, order_state, owner, rows, ticker, trade,
};
use proptest::prelude::*;
use venuekit_store::{Batch, Counts, Reader, Row, Sink, SinkError, Sqlite, Table, Why};
use venuekit_types::UnixNanos;

fn scratch() -> (tempfile::TempDir, Sqlite) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let sink = open(&dir.path().join("t.db")).expect("opens");
    (dir, sink)
}

/// One row of every table, then the same again later, then each with one field changed.
/// Generations that another sink has are not handed out again.
#[test]
fn epochs_are_raised_and_never_lowered() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut sink = common::open(&dir.path().join("t.db")).expect("opens");
    let market = common::market("BTC/USDT");
    let one = std::num::NonZeroU32::MIN;
    sink.raise_epochs(&market, 40).expect("raises");
    assert_eq!(sink.reserve_epochs(&market, one).expect("reserves"), 41);
    sink.raise_epochs(&market, 7).expect("raises");
    assert_eq!(sink.reserve_epochs(&market, one).expect("reserves"), 42);
    let verdict = venuekit_store::Reader::open(sink.path()).expect("opens").verify().expect("reads");
    assert!(verdict.is_whole(), "{verdict:?}");
}

#[test]
fn each_table_tells_new_from_duplicate_from_conflict() {
    let (_dir, mut sink) = scratch();
    let one_of_each = |arrived: i64| {
        rows([
            Row::Instrument(Box::new(instrument(1, arrived))),
            Row::Trade(trade("BTC/USDT", 7, 880_450, arrived)),
            Row::BookChange(change("BTC/USDT", 1, 3, 25, arrived)),
            Row::Ticker(Box::new(ticker("BTC/USDT", 1, "5"))),
            Row::Candle(Box::new(candle("BTC/USDT", 60, "2"))),
            Row::Gap(Box::new(gap("BTC/USDT", 50, None))),
            Row::OrderState(Box::new(order_state("BTC/USDT", 7, "2.5", 100))),
            Row::Fill(Box::new(fill("BTC/USDT", 9, "8804", arrived))),
            Row::Movement(Box::new(movement(4, "pending", "100", arrived))),
        ])
    };
    let first = sink.commit(&one_of_each(100)).expect("commits");
    let second = sink.commit(&one_of_each(200)).expect("commits");
    for table in Table::ALL.into_iter().filter(|&table| table != Table::Stream) {
        assert_eq!(first.of(table), Counts { new: 1, ..Counts::default() }, "{table}");
        assert_eq!(second.of(table), Counts { dup: 1, ..Counts::default() }, "{table}");
    }

    let mut other_cause = gap("BTC/USDT", 50, None);
    other_cause.cause = "closed".into();
    let mut other_order = order_state("BTC/USDT", 7, "2.5", 100);
    other_order.qty = "11".into();
    let changed = sink
        .commit(&rows([
            Row::Trade(trade("BTC/USDT", 7, 880_451, 100)),
            Row::BookChange(change("BTC/USDT", 1, 3, 26, 100)),
            Row::Ticker(Box::new(ticker("BTC/USDT", 1, "5.1"))),
            Row::Candle(Box::new(candle("BTC/USDT", 60, "2.5"))),
            Row::Gap(Box::new(other_cause)),
            Row::OrderState(Box::new(other_order)),
            Row::Fill(Box::new(fill("BTC/USDT", 9, "8804.1", 100))),
            Row::Movement(Box::new(movement(4, "pending", "99", 100))),
            Row::Trade(trade("BTC/USDT", 8, 1, 100)),
        ]))
        .expect("a conflict is no failure");
    let refused: Vec<String> =
        changed.refused.iter().map(|refused| format!("{} {}", refused.table, refused.key)).collect();
    assert_eq!(
        refused,
        [
            "trade doex BTC/USDT 7",
            "book_change doex BTC/USDT epoch 1 seq 3",
            "ticker doex BTC/USDT epoch 1 seq 1",
            "candle doex BTC/USDT 1m 60",
            "gap doex BTC/USDT book at 50",
            "order_state doex main spot BTC/USDT 7 partially_filled 2.5 at 100",
            "fill doex main spot BTC/USDT 9",
            "movement doex main withdrawal 4 pending",
        ]
    );
    assert!(changed.refused.iter().all(|refused| refused.why == Why::Conflict));
    assert_eq!(
        changed.of(Table::Trade),
        Counts { new: 1, refused: 1, ..Counts::default() },
        "the rest went in"
    );

    let mut stored = Vec::new();
    let reader = Reader::open(sink.path()).expect("reads");
    reader
        .trades(&common::market("BTC/USDT"), |trade| {
            stored.push((trade.trade_id, trade.price, trade.ts_local))
        })
        .expect("reads");
    let expected = [("7", "8804.5", 100), ("8", "0.01", 100)];
    assert_eq!(stored, expected.map(|(id, price, at)| (id.to_string(), price.to_string(), UnixNanos(at))));
}

/// An account's own rows are told twice, by a stream and by an answer: what only one of them tells is no conflict.
#[test]
fn less_detail_is_no_contradiction_and_a_state_is_a_row() {
    let (_dir, mut sink) = scratch();
    let mut write = |all: Vec<Row>| sink.commit(&rows(all)).expect("commits").total();
    let (order, filled) = (order_state("BTC/USDT", 7, "2.5", 100), order_state("BTC/USDT", 7, "10", 130));
    let mut bare = order.clone();
    (bare.avg_px, bare.fee, bare.client_order_id) = (None, None, None);
    (bare.desk.wallet, bare.post_only, bare.created_at) = (None, None, None);
    let fresh = |new| Counts { new, ..Counts::default() };
    let known = |dup| Counts { dup, ..Counts::default() };
    let state = |order: &venuekit_store::OrderState| Row::OrderState(Box::new(order.clone()));
    assert_eq!(write(vec![state(&order)]), fresh(1));
    assert_eq!(write(vec![state(&bare)]), known(1), "it tells less");
    assert_eq!(write(vec![state(&filled), state(&order)]), Counts { new: 1, dup: 1, ..Counts::default() });
    let mut other = bare.clone();
    other.order_type = Some("market".into());
    assert_eq!(write(vec![state(&other)]), Counts { refused: 1, ..Counts::default() });

    let told = fill("BTC/USDT", 9, "8804", 1);
    let mut bare = told.clone();
    (bare.fee_asset, bare.maker, bare.ts_venue) = (None, None, UnixNanos(2));
    assert_eq!(write(vec![Row::Fill(Box::new(bare.clone()))]), fresh(1));
    assert_eq!(write(vec![Row::Fill(Box::new(told))]), known(1), "it tells more");
    let mut other_fee = bare.clone();
    other_fee.fee = "0.03".into();
    assert_eq!(write(vec![Row::Fill(Box::new(other_fee))]), Counts { refused: 1, ..Counts::default() });

    let pending = movement(4, "pending", "100", 1);
    let mut done = movement(4, "completed", "100", 9);
    done.tx_id = Some("0xA".into());
    let moved = |row: &venuekit_store::Movement| Row::Movement(Box::new(row.clone()));
    assert_eq!(write(vec![moved(&pending), moved(&done), moved(&pending)]).new, 2);
    // What a reader gets is what was stored first, field by field.
    let reader = Reader::open(sink.path()).expect("opens");
    let (mut orders, mut fills, mut movements) = (Vec::new(), Vec::new(), Vec::new());
    reader.order_states(&owner(), |row| orders.push(row)).expect("reads");
    reader.fills(&owner(), |row| fills.push(row)).expect("reads");
    reader.movements(&owner(), |row| movements.push(row)).expect("reads");
    assert_eq!((orders, fills, movements), (vec![order, filled], vec![bare], vec![pending, done]));
    let nobody = venuekit_store::Owner::new("doex", "other");
    reader.fills(&nobody, |row| panic!("{row:?} is of another account")).expect("reads");
    assert!(reader.verify().expect("reads").is_whole());
}

#[test]
fn a_gap_heals_once_and_stays_healed() {
    let (_dir, mut sink) = scratch();
    let mut write = |healed_at| {
        let receipt =
            sink.commit(&rows([Row::Gap(Box::new(gap("BTC/USDT", 50, healed_at)))])).expect("commits");
        let Counts { new, dup, healed, refused, .. } = receipt.of(Table::Gap);
        (new, dup, healed, refused)
    };
    assert_eq!(write(None), (1, 0, 0, 0), "noticed");
    assert_eq!(write(Some(60)), (0, 0, 1, 0), "healed");
    assert_eq!(write(Some(60)), (0, 1, 0, 0), "the same again");
    assert_eq!(write(None), (0, 1, 0, 0), "the first writing delivered late");
    assert_eq!(write(Some(61)), (0, 0, 0, 1), "healed at another time");
    let resume = sink.resume().expect("reads");
    assert_eq!(resume.open_gaps, []);
    let stored = Reader::open(sink.path()).map(|reader| reader.gaps().expect("reads")).expect("opens");
    assert_eq!(stored, [gap("BTC/USDT", 50, Some(60))]);
}

#[test]
fn open_gaps_and_cursors_are_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let batch = Batch {
        rows: vec![
            Row::Gap(Box::new(gap("BTC/USDT", 50, None))),
            Row::Gap(Box::new(gap("ETH/USDT", 40, Some(45)))),
        ],
        cursors: vec![cursor("BTC/USDT", 2, 9), cursor("ETH/USDT", 1, 4)],
    };
    let receipt = open(&path).expect("opens").commit(&batch).expect("commits");
    assert_eq!(receipt.of(Table::Stream).new, 2);
    let resume = open(&path).expect("opens again").resume().expect("reads");
    assert_eq!(resume.open_gaps, [gap("BTC/USDT", 50, None)]);
    assert_eq!(resume.cursors, batch.cursors);
}

#[test]
fn a_cursor_never_moves_back() {
    let (_dir, mut sink) = scratch();
    for (epoch, seq) in [(1, 5), (1, 9), (1, 7), (2, 0), (1, 30)] {
        let batch = Batch { rows: vec![], cursors: vec![cursor("BTC/USDT", epoch, seq)] };
        let _ = sink.commit(&batch).expect("commits");
    }
    assert_eq!(sink.resume().expect("reads").cursors, [cursor("BTC/USDT", 2, 0)]);
}

#[test]
fn changed_terms_are_a_new_version_and_a_replay_is_not() {
    let (_dir, mut sink) = scratch();
    let seen = |tick, at| Row::Instrument(Box::new(instrument(tick, at)));
    let history = rows([seen(1, 10), seen(1, 20), seen(5, 30), seen(1, 40)]);
    let first = sink.commit(&history).expect("commits");
    assert_eq!(first.of(Table::Instrument), Counts { new: 3, dup: 1, ..Counts::default() });
    let again = sink.commit(&history).expect("commits");
    assert_eq!(again.of(Table::Instrument), Counts { dup: 4, ..Counts::default() });
    let clash = sink.commit(&rows([seen(7, 30)])).expect("commits");
    assert_eq!(clash.of(Table::Instrument).refused, 1, "two terms cannot arrive at one instant");
}

#[test]
fn epochs_rise_per_market_across_restarts() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut taken = Vec::new();
    for count in [1, 16, 1] {
        let mut sink = open(&path).expect("opens");
        let count = NonZeroU32::new(count).expect("not zero");
        taken.push(sink.reserve_epochs(&common::market("BTC/USDT"), count).expect("reserves"));
        taken.push(sink.reserve_epochs(&common::market("ETH/USDT"), NonZeroU32::MIN).expect("reserves"));
    }
    assert_eq!(taken, [1, 1, 2, 2, 18, 3]);
}

#[test]
fn a_number_beyond_63_bits_costs_its_row_only() {
    let (_dir, mut sink) = scratch();
    let batch = Batch {
        rows: vec![
            Row::BookChange(change("BTC/USDT", 1, u64::MAX, 1, 1)),
            Row::BookChange(change("BTC/USDT", 1, 1, 1, 1)),
        ],
        cursors: vec![cursor("BTC/USDT", 1, u64::MAX)],
    };
    let receipt = sink.commit(&batch).expect("commits");
    assert_eq!(receipt.of(Table::BookChange), Counts { new: 1, refused: 1, ..Counts::default() });
    assert_eq!(receipt.refused.iter().map(|refused| refused.why).collect::<Vec<_>>(), [Why::OutOfRange; 2]);
}

#[test]
fn a_reader_sees_what_was_stored() -> Result<(), SinkError> {
    let (_dir, mut sink) = scratch();
    let snapshot = change("BTC/USDT", 4, 0, 25, 3);
    let _ = sink.commit(&rows([
        Row::BookChange(change("BTC/USDT", 4, 1, 30, 5)),
        Row::BookChange(snapshot),
        Row::BookChange(change("BTC/USDT", 9, 0, 1, 6)),
        Row::Trade(trade("ETH/USDT", 1, 10, 1)),
        Row::Gap(Box::new(gap("ETH/USDT", 1, None))),
    ]))?;
    let reader = Reader::open(sink.path()).expect("opens beside the writer");
    let btc = common::market("BTC/USDT");
    assert_eq!(reader.epochs(&btc)?, [4, 9]);
    let mut seen = Vec::new();
    reader.book_changes(&btc, 4, |row| {
        seen.push((
            row.first_seq,
            row.is_snapshot,
            row.bids[0].1.to_string(),
            row.bids.len(),
            row.asks.len(),
        ));
    })?;
    assert_eq!(seen, [(0, true, "0.025".into(), 2, 0), (1, false, "0.03".into(), 2, 0)]);
    let counts: Vec<_> = reader
        .counts()?
        .into_iter()
        .map(|c| (c.market.symbol.to_string(), c.trades, c.book_changes, c.epochs, c.gaps, c.open_gaps))
        .collect();
    assert_eq!(counts, [("BTC/USDT".into(), 0, 3, 2, 0, 0), ("ETH/USDT".into(), 1, 0, 0, 1, 1)]);
    Ok(())
}

/// What a venue says: trades by id, changes by epoch and sequence. The content follows from the key, so that any
/// delivery of the same key is the same row, but for its arrival.
fn delivered(kind: bool, symbol: usize, id: u64, arrived: i64) -> Row {
    let symbol = ["BTC/USDT", "ETH/USDT"][symbol];
    let content = i64::try_from(id).expect("small") * 7 + 1;
    if kind {
        Row::Trade(trade(symbol, id, content, arrived))
    } else {
        Row::BookChange(change(symbol, 1 + id / 20, id, content, arrived))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(64)))]

    /// I1: whatever the overlap, the store ends with each row once, as first delivered.
    #[test]
    fn overlap_and_replay_leave_each_row_once(
        batches in prop::collection::vec(
            prop::collection::vec((any::<bool>(), 0usize..2, 0u64..60), 0..40), 1..12),
        replays in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        corrupted in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (_dir, mut sink) = scratch();
        let mut oracle = BTreeMap::new();
        let mut order: Vec<usize> = (0..batches.len()).collect();
        order.extend(replays.iter().map(|index| index.index(batches.len())));
        let mut new = 0;
        for (arrived, &at) in (0i64..).zip(&order) {
            let batch = rows(batches[at].iter().map(|&(kind, symbol, id)| delivered(kind, symbol, id, arrived)));
            for &key in &batches[at] {
                oracle.entry(key).or_insert(arrived);
            }
            let receipt = sink.commit(&batch).expect("commits");
            let total = receipt.total();
            prop_assert_eq!(total.refused, 0);
            prop_assert_eq!(total.new + total.dup, batch.rows.len() as u64);
            new += total.new;
        }
        prop_assert_eq!(new, oracle.len() as u64);

        // The same key with other content is reported, and the stored row stays.
        let keys: Vec<_> = oracle.keys().copied().collect();
        if let Some(index) = corrupted.filter(|_| !keys.is_empty()) {
            let (kind, symbol, id) = keys[index.index(keys.len())];
            let row = match delivered(kind, symbol, id, 99) {
                Row::Trade(mut row) => { row.ts_venue = UnixNanos(-1); Row::Trade(row) }
                Row::BookChange(mut row) => { row.asks.push(venuekit_types::Level::new(1, 1)); Row::BookChange(row) }
                other => other,
            };
            let receipt = sink.commit(&rows([row])).expect("commits");
            prop_assert_eq!(receipt.total(), Counts { refused: 1, ..Counts::default() });
        }

        let reader = Reader::open(sink.path()).expect("opens");
        let mut stored = BTreeMap::new();
        for (symbol, name) in ["BTC/USDT", "ETH/USDT"].into_iter().enumerate() {
            let market = common::market(name);
            reader.trades(&market, |row| {
                let id: u64 = row.trade_id.parse().expect("a number");
                assert!(stored.insert((true, symbol, id), row.ts_local.0).is_none(), "twice");
            }).expect("reads");
            for epoch in reader.epochs(&market).expect("reads") {
                reader.book_changes(&market, epoch, |row| {
                    assert!(row.asks.is_empty(), "overwritten");
                    assert!(stored.insert((false, symbol, row.first_seq), row.ts_local.0).is_none(), "twice");
                }).expect("reads");
            }
        }
        prop_assert_eq!(stored, oracle);
    }
}

/// The number of cases, which `cargo xtask prove` raises.
fn cases(default: u32) -> u32 {
    std::env::var("VENUEKIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

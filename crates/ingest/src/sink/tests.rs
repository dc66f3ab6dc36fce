//! The writer against a sink that fails as disks do.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use venuekit_store::{Gap, Refused, Resume, Ticker, Trade};
use venuekit_types::{Scale, Scaled, UnixNanos};

use super::*;
use crate::board::Board;
use crate::metrics::Metrics;
use crate::queue::Reservation;

/// A sink that keeps what it takes, and fails while it is told to.
#[derive(Clone)]
struct Disk {
    inner: Arc<Mutex<Inner>>,
    /// Told of each attempt once its outcome is certain.
    attempts: Sender<usize>,
}

#[derive(Default)]
struct Inner {
    is_full: bool,
    rows: Vec<Row>,
    cursors: Vec<Cursor>,
    epoch: u64,
    refuse: Vec<Refused>,
}

impl Disk {
    fn guard(&self, rows: usize) -> Result<std::sync::MutexGuard<'_, Inner>, SinkError> {
        let inner = self.inner.lock().expect("no panic");
        self.attempts.send(rows).expect("the test listens");
        if inner.is_full { Err(SinkError::Full("no space left on device".into())) } else { Ok(inner) }
    }
}

impl Sink for Disk {
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut inner = self.guard(batch.rows.len())?;
        inner.rows.extend_from_slice(&batch.rows);
        inner.cursors.extend_from_slice(&batch.cursors);
        let mut receipt = Receipt::default();
        receipt.refused.append(&mut inner.refuse);
        Ok(receipt)
    }

    fn reserve_epochs(&mut self, _: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        let mut inner = self.guard(0)?;
        let first = inner.epoch + 1;
        inner.epoch += u64::from(count.get());
        Ok(first)
    }

    fn resume(&mut self) -> Result<Resume, SinkError> {
        Ok(Resume::default())
    }
}

/// A writer at work, and everything around it.
struct Bench {
    disk: Disk,
    attempts: Receiver<usize>,
    queue: Arc<Queue>,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    clock: Clock,
    writer: JoinHandle<Drained>,
}

impl Bench {
    fn start(cursors: Vec<Cursor>) -> Bench {
        let (attempts, told) = channel();
        let disk = Disk { inner: Arc::default(), attempts };
        let queue = Arc::new(Queue::new(100));
        let (board, metrics) = (Arc::new(Board::new(["doex"])), Arc::new(Metrics::new()));
        let clock = Clock::start();
        let writer = Writer::new(
            disk.clone(),
            cursors,
            &SinkConfig { batch_for: Duration::ZERO, ..SinkConfig::default() },
            Arc::clone(&queue),
            Arc::clone(&board.sink),
            metrics.sink(crate::metrics::SQLITE, &["doex".to_owned()]),
            clock,
        );
        let writer = std::thread::spawn(move || writer.run());
        Bench { disk, attempts: told, queue, board, metrics, clock, writer }
    }

    fn full(&self, is_full: bool) {
        self.disk.inner.lock().expect("no panic").is_full = is_full;
    }

    fn attempt(&self) -> usize {
        self.attempts.recv_timeout(Duration::from_secs(30)).expect("the writer tries again")
    }

    fn push(&self, stream: u32, rows: Vec<Row>) -> bool {
        let items = rows.into_iter().map(|row| Item { stream: Some(StreamId(stream)), row }).collect();
        let arrived = self.clock.now().mono;
        self.queue.push(Chunk { venue: 0, session: 0, fence: None, arrived, items }).is_ok()
    }

    fn sink_check(&self) -> (bool, String) {
        let check = self.board.checks(self.clock.now()).swap_remove(0);
        (check.is_ok, check.text)
    }

    fn end(self) -> (Drained, Inner) {
        self.queue.close();
        let drained = self.writer.join().expect("no panic");
        (drained, std::mem::take(&mut *self.disk.inner.lock().expect("no panic")))
    }
}

fn market() -> Market {
    Market::new("doex", "BTC/USDT".parse().expect("a symbol"))
}

fn trade(id: u64) -> Row {
    Row::Trade(Trade {
        market: market(),
        trade_id: id.to_string(),
        price: Scaled::new(1, Scale::ZERO),
        qty: Scaled::new(1, Scale::ZERO),
        side: None,
        ts_venue: UnixNanos(0),
        ts_local: UnixNanos(i64::try_from(id).expect("small")),
    })
}

fn ticker(symbol: &str) -> Row {
    Row::Ticker(Box::new(Ticker {
        market: Market::new("doex", symbol.parse().expect("a symbol")),
        epoch: 0,
        seq: 0,
        bid: None,
        bid_qty: None,
        ask: None,
        ask_qty: None,
        last: None,
        mark: None,
        index: None,
        funding_rate: None,
        next_funding_at: None,
        open_interest: None,
        volume: None,
        quote_volume: None,
        ts_venue: None,
        ts_local: UnixNanos(0),
    }))
}

/// I3: nothing that was taken is lost, nothing is stored twice, the outage has a name, and it ends by itself.
#[test]
fn a_full_disk_turns_readiness_red_and_loses_nothing() {
    let bench = Bench::start(Vec::new());
    bench.full(true);
    assert_eq!(bench.sink_check(), (true, "sink ok rows=0".to_owned()));
    assert!(bench.push(0, vec![trade(1), trade(2)]));
    assert_eq!(bench.attempt(), 2);
    // The failure is published before the next attempt is made, and that is made within a second.
    assert_eq!(bench.attempt(), 2, "the same batch, whole");
    let (is_ok, text) = bench.sink_check();
    assert!(!is_ok && text.starts_with("sink failing for ") && text.contains("no space left"), "{text}");
    assert!(bench.metrics.render().contains("venuekit_sink_up{sink=\"sqlite\"} 0"));
    assert!(bench.push(0, vec![trade(3)]), "there is room in the queue");
    bench.full(false);
    assert_eq!(bench.attempt(), 2, "the batch is not mixed with what came later");
    assert_eq!(bench.attempt(), 1);
    let board = Arc::clone(&bench.board);
    let metrics = Arc::clone(&bench.metrics);
    let (drained, disk) = bench.end();
    assert_eq!(drained, Drained { lost: 0 });
    assert_eq!(disk.rows, [trade(1), trade(2), trade(3)]);
    assert!(board.sink.lock().trouble.is_none());
    assert!(metrics.render().contains("venuekit_sink_up{sink=\"sqlite\"} 1"));
}

#[test]
fn what_is_never_stored_is_counted_at_the_end() {
    let bench = Bench::start(Vec::new());
    bench.full(true);
    assert!(bench.push(0, vec![trade(1), trade(2)]));
    assert_eq!(bench.attempt(), 2);
    assert!(bench.push(0, vec![trade(3)]));
    bench.queue.close();
    assert_eq!(bench.attempt(), 2, "it goes on trying while it may");
    bench.queue.give_up();
    let (drained, disk) = bench.end();
    assert_eq!(drained, Drained { lost: 3 });
    assert_eq!(disk.rows, []);
}

#[test]
fn epochs_are_given_once_the_disk_has_them() {
    let bench = Bench::start(Vec::new());
    bench.full(true);
    let (answer, answered) = channel();
    let reserve = |count: u32| Reservation {
        market: market(),
        count: NonZeroU32::new(count).expect("not zero"),
        answer: Box::new({
            let answer = answer.clone();
            move |first| answer.send(first).expect("the test listens")
        }),
    };
    bench.queue.reserve(reserve(64));
    bench.attempt();
    bench.attempt();
    assert!(answered.try_recv().is_err(), "nothing is durable yet");
    bench.full(false);
    assert_eq!(answered.recv(), Ok(1));
    bench.queue.reserve(reserve(64));
    assert_eq!(answered.recv(), Ok(65));
    assert_eq!(bench.end().0, Drained { lost: 0 });
}

#[test]
fn tickers_count_within_a_generation_of_their_own() {
    let bench = Bench::start(Vec::new());
    assert!(bench.push(0, vec![ticker("BTC/USDT"), ticker("ETH/USDT"), ticker("BTC/USDT")]));
    assert!(bench.push(0, vec![ticker("BTC/USDT")]));
    let (_, disk) = bench.end();
    let keys: Vec<(&str, u64, u64)> = disk
        .rows
        .iter()
        .map(|row| match row {
            Row::Ticker(ticker) => (ticker.market.symbol.as_str(), ticker.epoch, ticker.seq),
            other => panic!("not a ticker: {other:?}"),
        })
        .collect();
    assert_eq!(keys, [("BTC/USDT", 1, 1), ("ETH/USDT", 2, 1), ("BTC/USDT", 1, 2), ("BTC/USDT", 1, 3)]);
}

#[test]
fn cursors_move_forward_only_and_go_on_from_an_earlier_run() {
    let earlier =
        Cursor { market: market(), channel: "trades".into(), epoch: 0, last_seq: 7, ts_local: UnixNanos(7) };
    let bench = Bench::start(vec![earlier]);
    // The second came later, to fill a hole.
    assert!(bench.push(4, vec![trade(9), trade(8)]));
    let gap = Gap {
        market: market(),
        channel: "trades".into(),
        epoch: None,
        from_seq: None,
        to_seq: None,
        cause: "test".into(),
        detected_at: UnixNanos(1),
        healed_at: None,
    };
    assert!(bench.push(5, vec![Row::Gap(Box::new(gap))]), "a gap moves no cursor");
    let (_, disk) = bench.end();
    let moved: Vec<(&str, u64, i64)> =
        disk.cursors.iter().map(|cursor| (&*cursor.channel, cursor.last_seq, cursor.ts_local.0)).collect();
    assert_eq!(moved, [("trades", 9, 9)]);
}

#[test]
fn ids_that_are_no_numbers_are_counted() {
    let earlier =
        Cursor { market: market(), channel: "trades".into(), epoch: 0, last_seq: 7, ts_local: UnixNanos(7) };
    let bench = Bench::start(vec![earlier]);
    let named = |id: &str| match trade(9) {
        Row::Trade(trade) => Row::Trade(Trade { trade_id: id.to_owned(), ..trade }),
        other => other,
    };
    assert!(bench.push(0, vec![named("a-1"), named("a-2")]));
    assert_eq!(bench.end().1.cursors.last().map(|cursor| cursor.last_seq), Some(9));
}

#[test]
fn a_contradiction_is_counted_and_does_not_hold_up_the_rest() {
    let bench = Bench::start(Vec::new());
    let refused = Refused { table: Table::Trade, key: "doex BTC/USDT 1".to_owned(), why: Why::Conflict };
    bench.disk.inner.lock().expect("no panic").refuse = vec![refused];
    assert!(bench.push(0, vec![trade(1), trade(2)]));
    let board = Arc::clone(&bench.board);
    assert_eq!(bench.end().0, Drained { lost: 0 });
    assert_eq!(board.sink.lock().conflicts, 1);
}

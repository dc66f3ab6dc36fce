//! The numbers of a run under their public names, rendered for Prometheus.
//!
//! Owns the names. The recorder belongs to the run, not to the process: two runs in one process never mix.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use venuekit_book::State;
use venuekit_store::{Counts, Published, Receipt, Table};
use venuekit_venue::{BrokenWhy, Channel};

/// Symbols get a label of their own up to this many books.
const SYMBOL_LABELS_MAX: usize = 200;

const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

const HELP: &[(&str, &str)] = &[
    ("venuekit_build_info", "The version that runs, as labels."),
    ("venuekit_events_total", "What sessions told, by channel."),
    ("venuekit_ws_connections", "Open websocket connections."),
    ("venuekit_ws_reconnects_total", "Connections that ended, by reason."),
    ("venuekit_frames_broken_total", "Frames that made no sense, by kind."),
    ("venuekit_book_state", "0 empty, 1 buffering, 2 live, 3 stale."),
    ("venuekit_book_gaps_total", "Times a stream that was live lost something, by channel."),
    ("venuekit_book_resync_seconds", "From a gap to the stream being whole again."),
    ("venuekit_book_checksum_failures_total", "Books whose checksum did not hold."),
    ("venuekit_book_drift_total", "Live books that differed from the venue's at the same number."),
    ("venuekit_ingest_lag_seconds", "From a row's arrival to its being durable."),
    ("venuekit_venue_lag_seconds", "From the venue's stamp to the arrival, by the two clocks."),
    ("venuekit_commit_seconds", "One transaction of the sink."),
    ("venuekit_sink_rows_total", "Rows that the sink took, and what became of them."),
    ("venuekit_sink_queue_depth", "Rows that wait for the sink; for a server, batches in the spool."),
    ("venuekit_spool_bytes", "What the rows in the spool take up."),
    ("venuekit_sink_up", "1 while the sink takes rows."),
    ("venuekit_shard_owned", "1 while this member holds the lease on a shard."),
    ("venuekit_shard_fence", "The fence of the lease on a shard, as this member last saw it."),
    ("venuekit_fence_rejections_total", "Batches with rows of a shard whose lease this member had lost."),
    ("venuekit_fanout_messages_total", "Messages that the bus was told, and what became of them."),
    ("venuekit_fanout_behind_batches", "Batches that the bus has not been told of."),
    ("venuekit_fanout_missed_batches_total", "Batches that went before the bus was told of them."),
    ("venuekit_fanout_errors_total", "Times the bus did not take what it was told."),
    ("venuekit_fanout_up", "1 while the bus takes messages."),
    ("venuekit_shed_rows_total", "Rows that were shed because the queue was full."),
];

/// The run's numbers.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS);
        let recorder = builder.expect("the buckets are not empty").build_recorder();
        let handle = recorder.handle();
        let metrics = Metrics { recorder, handle };
        metrics.with(|| {
            for &(name, help) in HELP {
                metrics::describe_counter!(name, help);
            }
            gauge!("venuekit_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        });
        metrics
    }

    /// The text that a scrape gets.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds samples into their buckets, so that nothing grows while nobody scrapes.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    fn with<T>(&self, act: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.recorder, act)
    }

    /// The handles of one venue.
    pub(crate) fn venue(self: &Arc<Metrics>, venue: &str) -> VenueMetrics {
        let label = || venue.to_owned();
        self.with(|| VenueMetrics {
            venue: label(),
            events: Channel::WORDS
                .map(|channel| counter!("venuekit_events_total", "venue" => label(), "channel" => channel)),
            gaps: Channel::WORDS.map(
                |channel| counter!("venuekit_book_gaps_total", "venue" => label(), "channel" => channel),
            ),
            broken: BROKEN.map(
                |why| counter!("venuekit_frames_broken_total", "venue" => label(), "kind" => why.as_str()),
            ),
            checksum_failures: counter!("venuekit_book_checksum_failures_total", "venue" => label()),
            shed: counter!("venuekit_shed_rows_total", "venue" => label()),
            book_drift: counter!("venuekit_book_drift_total", "venue" => label()),
            drift: counter!("venuekit_account_drift_total", "venue" => label()),
            clock_offset: gauge!("venuekit_clock_offset_seconds", "venue" => label()),
            connections: gauge!("venuekit_ws_connections", "venue" => label(), "state" => "open"),
            resync: histogram!("venuekit_book_resync_seconds", "venue" => label()),
            venue_lag: histogram!("venuekit_venue_lag_seconds", "venue" => label()),
            reconnects: BTreeMap::new(),
            books: BTreeMap::new(),
            metrics: Arc::clone(self),
        })
    }

    /// How much the rows of a spool take up.
    pub(crate) fn spool(&self) -> Gauge {
        self.with(|| gauge!("venuekit_spool_bytes"))
    }

    /// The handles of a shard: whether it is held, and the fence.
    #[cfg(feature = "postgres")]
    pub(crate) fn shard(&self, shard: &str) -> (Gauge, Gauge) {
        self.with(|| {
            (
                gauge!("venuekit_shard_owned", "shard" => shard.to_owned()),
                gauge!("venuekit_shard_fence", "shard" => shard.to_owned()),
            )
        })
    }

    /// Counts batches that a fence turned away.
    #[cfg(feature = "postgres")]
    pub(crate) fn fence_rejections(&self) -> Counter {
        self.with(|| counter!("venuekit_fence_rejections_total"))
    }

    /// The handles of a bus.
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "this build knows no bus"))]
    pub(crate) fn fanout(&self, bus: &'static str) -> FanoutMetrics {
        self.with(|| FanoutMetrics {
            messages: ["new", "dup", "oversize"]
                .map(|result| counter!("venuekit_fanout_messages_total", "bus" => bus, "result" => result)),
            behind: gauge!("venuekit_fanout_behind_batches", "bus" => bus),
            missed: counter!("venuekit_fanout_missed_batches_total", "bus" => bus),
            errors: counter!("venuekit_fanout_errors_total", "bus" => bus),
            up: gauge!("venuekit_fanout_up", "bus" => bus),
        })
    }

    /// The handles of a sink.
    pub(crate) fn sink(&self, sink: &'static str, venues: &[String]) -> SinkMetrics {
        let lag_of = |venue: &String| histogram!("venuekit_ingest_lag_seconds", "venue" => venue.clone());
        self.with(|| SinkMetrics {
            rows: Table::ALL.map(|table| {
                ["new", "dup", "refused", "fenced"].map(|result| {
                    let kind = table.as_str();
                    counter!("venuekit_sink_rows_total", "sink" => sink, "type" => kind, "result" => result)
                })
            }),
            lag: venues.iter().map(lag_of).collect(),
            commit: histogram!("venuekit_commit_seconds", "sink" => sink),
            depth: gauge!("venuekit_sink_queue_depth", "sink" => sink),
            up: gauge!("venuekit_sink_up", "sink" => sink),
        })
    }
}

/// The sink inside the process.
pub(crate) const SQLITE: &str = "sqlite";

/// Every way of making no sense, in the order of [`broken_index`].
pub(crate) const BROKEN: [BrokenWhy; 5] = [
    BrokenWhy::Syntax,
    BrokenWhy::Shape,
    BrokenWhy::Number,
    BrokenWhy::UnknownMarket,
    BrokenWhy::UnknownKind,
];

/// A channel's place in [`Channel::WORDS`].
pub(crate) fn channel_index(channel: Channel) -> usize {
    match channel {
        Channel::Book => 0,
        Channel::Trades => 1,
        Channel::Ticker => 2,
        Channel::Candles(_) => 3,
        Channel::Mark => 4,
        Channel::Orders => 5,
        Channel::Positions => 6,
        Channel::Balances => 7,
        Channel::Fills => 8,
    }
}

/// A kind's place in [`BROKEN`].
pub(crate) fn broken_index(why: BrokenWhy) -> usize {
    match why {
        BrokenWhy::Syntax => 0,
        BrokenWhy::Shape => 1,
        BrokenWhy::Number => 2,
        BrokenWhy::UnknownMarket => 3,
        BrokenWhy::UnknownKind => 4,
    }
}

/// The handles of one venue; what is counted often is counted elsewhere and handed over a few times a second.
pub(crate) struct VenueMetrics {
    venue: String,
    metrics: Arc<Metrics>,
    pub(crate) events: [Counter; Channel::WORDS.len()],
    pub(crate) gaps: [Counter; Channel::WORDS.len()],
    pub(crate) broken: [Counter; BROKEN.len()],
    pub(crate) checksum_failures: Counter,
    pub(crate) shed: Counter,
    pub(crate) drift: Counter,
    pub(crate) book_drift: Counter,
    pub(crate) clock_offset: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) resync: Histogram,
    pub(crate) venue_lag: Histogram,
    reconnects: BTreeMap<&'static str, Counter>,
    books: BTreeMap<String, Gauge>,
}

impl VenueMetrics {
    /// Counts a connection that ended.
    pub(crate) fn ended(&mut self, reason: &'static str) {
        let (venue, metrics) = (&self.venue, &self.metrics);
        let counter = self.reconnects.entry(reason).or_insert_with(|| {
            metrics.with(
                || counter!("venuekit_ws_reconnects_total", "venue" => venue.clone(), "reason" => reason),
            )
        });
        counter.increment(1);
    }

    /// Shows the state of a book.
    pub(crate) fn book(&mut self, symbol: &str, state: State) {
        if !self.books.contains_key(symbol) {
            if self.books.len() >= SYMBOL_LABELS_MAX {
                return;
            }
            let (venue, label) = (self.venue.clone(), symbol.to_owned());
            let new = || gauge!("venuekit_book_state", "venue" => venue, "symbol" => label);
            self.books.insert(symbol.to_owned(), self.metrics.with(new));
        }
        if let Some(gauge) = self.books.get(symbol) {
            gauge.set(match state {
                State::Empty => 0.0,
                State::Buffering => 1.0,
                State::Live => 2.0,
                State::Stale => 3.0,
            });
        }
    }
}

/// The handles of a bus.
pub(crate) struct FanoutMetrics {
    messages: [Counter; 3],
    behind: Gauge,
    missed: Counter,
    errors: Counter,
    up: Gauge,
}

impl FanoutMetrics {
    /// Counts what became of messages, and shows how many batches wait.
    pub(crate) fn told(&self, published: &Published, behind: u64, missed: u64) {
        let [new, dup, oversize] = &self.messages;
        new.increment(published.new);
        dup.increment(published.dup);
        oversize.increment(published.oversize.len() as u64);
        self.missed.increment(missed);
        self.behind.set(f64::from(u32::try_from(behind).unwrap_or(u32::MAX)));
    }

    /// Counts a failure.
    pub(crate) fn failed(&self) {
        self.errors.increment(1);
    }

    /// Shows whether the bus takes messages.
    pub(crate) fn up(&self, up: bool) {
        self.up.set(if up { 1.0 } else { 0.0 });
    }
}

/// The handles of the sink.
pub(crate) struct SinkMetrics {
    rows: [[Counter; 4]; Table::ALL.len()],
    /// By venue.
    lag: Vec<Histogram>,
    commit: Histogram,
    depth: Gauge,
    up: Gauge,
}

impl SinkMetrics {
    /// Counts what became of a batch.
    pub(crate) fn stored_all(&self, receipt: &Receipt) {
        Table::ALL.into_iter().for_each(|table| self.stored(table, receipt.of(table)));
    }

    /// Counts what became of the rows of one table.
    fn stored(&self, table: Table, counts: Counts) {
        let [new, dup, refused, fenced] = &self.rows[table as usize];
        new.increment(counts.new);
        dup.increment(counts.dup);
        refused.increment(counts.refused);
        fenced.increment(counts.fenced);
    }

    /// Records how long a venue's rows were under way.
    pub(crate) fn lag(&self, venue: usize, lag: Duration, rows: usize) {
        if let Some(histogram) = self.lag.get(venue) {
            histogram.record_many(lag.as_secs_f64(), rows);
        }
    }

    /// Records how long a transaction took.
    pub(crate) fn committed(&self, span: Duration) {
        self.commit.record(span.as_secs_f64());
    }

    /// Shows how many rows wait.
    pub(crate) fn depth(&self, rows: usize) {
        self.depth.set(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
    }

    /// Shows whether the sink takes rows.
    pub(crate) fn up(&self, up: bool) {
        self.up.set(if up { 1.0 } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use venuekit_venue::Interval;

    use super::*;

    #[test]
    fn every_channel_and_kind_stands_where_its_index_says() {
        let mut channels: Vec<Channel> =
            Channel::WORDS.iter().filter_map(|w| Channel::from_word(w)).collect();
        channels.push(Channel::Candles(Interval::D1));
        for channel in channels {
            assert_eq!(Channel::WORDS[channel_index(channel)], channel.as_str());
        }
        for why in BROKEN {
            assert_eq!(BROKEN[broken_index(why)], why);
        }
    }

    #[test]
    fn names_and_labels_are_those_that_users_expect() {
        let metrics = Arc::new(Metrics::new());
        let mut doex = metrics.venue("doex");
        doex.events[channel_index(Channel::Book)].increment(3);
        doex.ended("no_pong");
        doex.book("BTC/USDT", State::Live);
        let sink = metrics.sink(SQLITE, &["doex".to_owned()]);
        sink.stored(Table::Trade, Counts { new: 2, dup: 1, ..Counts::default() });
        sink.lag(0, Duration::from_millis(3), 4);
        sink.up(true);
        let text = metrics.render();
        for line in [
            "venuekit_events_total{venue=\"doex\",channel=\"book\"} 3",
            "venuekit_ws_reconnects_total{venue=\"doex\",reason=\"no_pong\"} 1",
            "venuekit_book_state{venue=\"doex\",symbol=\"BTC/USDT\"} 2",
            "venuekit_sink_rows_total{sink=\"sqlite\",type=\"trade\",result=\"new\"} 2",
            "venuekit_ingest_lag_seconds_bucket{venue=\"doex\",le=\"0.0025\"} 0",
            "venuekit_ingest_lag_seconds_bucket{venue=\"doex\",le=\"0.005\"} 4",
            "venuekit_sink_up{sink=\"sqlite\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
        }
    }
}

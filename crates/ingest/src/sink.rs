//! The one writer: takes rows from the queue, stores them batch by batch, and tries again until they are stored.
//!
//! Owns the sink, the cursors and the patience. A batch that was not acknowledged is kept as it is and committed
//! again, so that nothing is lost and nothing doubled. It refuses to drop rows: what the queue cannot hold meanwhile
//! is shed by whoever fills it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use venuekit_driver::Clock;
use venuekit_session::StreamId;
use venuekit_store::{Batch, Cursor, Market, Receipt, Row, Sink, SinkError, Table, Why};
use venuekit_types::Mono;

use crate::board::SinkBoard;
use crate::config::SinkConfig;
use crate::metrics::SinkMetrics;
use crate::queue::{Chunk, Item, Queue};
use crate::sample::Sampler;

/// First wait after a failure; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest wait between two attempts.
const RETRY_LONGEST: Duration = Duration::from_secs(1);

/// A sink, and what is on its way into it.
pub(crate) struct Writer<S> {
    sink: S,
    queue: Arc<Queue>,
    board: Arc<SinkBoard>,
    metrics: SinkMetrics,
    clock: Clock,
    rows_max: usize,
    company: Duration,
    /// By venue and stream, of the venue's latest session.
    cursors: Vec<Places>,
    /// Where streams stood when the sink was opened, by market and channel.
    resumed: HashMap<(Market, Cow<'static, str>), Cursor>,
    /// The generation and the count of each market's tickers.
    tickers: HashMap<Market, (u64, u64)>,
    batch: Batch,
    /// Who moved in this batch, by venue and stream.
    moved: Vec<(usize, StreamId)>,
    /// When the rows of the batch arrived: venue, instant, how many.
    arrivals: Vec<(usize, Mono, usize)>,
    told: Sampler<(&'static str, Option<Table>)>,
}

/// How far the streams of one session are stored.
#[derive(Default)]
struct Places {
    session: u32,
    streams: Vec<Option<Place>>,
}

/// How far a stream is stored.
struct Place {
    cursor: Cursor,
    /// It moved since the last commit.
    moved: bool,
}

/// What became of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Rows that the sink never acknowledged.
    pub(crate) lost: usize,
}

impl<S: Sink> Writer<S> {
    pub(crate) fn new(
        sink: S,
        cursors: Vec<Cursor>,
        settings: &SinkConfig,
        queue: Arc<Queue>,
        board: Arc<SinkBoard>,
        metrics: SinkMetrics,
        clock: Clock,
    ) -> Writer<S> {
        metrics.up(true);
        let by_stream = |cursor: Cursor| ((cursor.market.clone(), cursor.channel.clone()), cursor);
        Writer {
            sink,
            queue,
            board,
            metrics,
            clock,
            rows_max: settings.batch_rows,
            company: settings.batch_for,
            cursors: Vec::new(),
            resumed: cursors.into_iter().map(by_stream).collect(),
            tickers: HashMap::new(),
            batch: Batch::default(),
            moved: Vec::new(),
            arrivals: Vec::new(),
            told: Sampler::default(),
        }
    }

    /// Stores until the queue is closed and empty, or hopeless.
    pub(crate) fn run(mut self) -> Drained {
        loop {
            let work = self.queue.take(self.rows_max, self.company);
            if !work.limits.is_empty() && self.insist(|sink, _| sink.keep_limits(&work.limits)).is_none() {
                return self.abandon(&work.chunks);
            }
            for reservation in work.reservations {
                let (market, count) = (&reservation.market, reservation.count);
                match self.insist(|sink, _| sink.reserve_epochs(market, count)) {
                    Some(first) => (reservation.answer)(first),
                    None => return self.abandon(&work.chunks),
                }
            }
            for at in 0..work.chunks.len() {
                if !self.has_generations(&work.chunks[at]) {
                    return self.abandon(&work.chunks);
                }
            }
            let chunks = work.chunks.len() as u64;
            for chunk in work.chunks {
                self.absorb(chunk);
            }
            if !self.commit() {
                return self.abandon(&[]);
            }
            self.board.lock().chunks += chunks;
            self.metrics.depth(self.queue.depth());
            if work.closed {
                return Drained { lost: 0 };
            }
        }
    }

    /// Gives up: counts what was never acknowledged.
    fn abandon(&self, chunks: &[Chunk]) -> Drained {
        let taken: usize = chunks.iter().map(|chunk| chunk.items.len()).sum();
        Drained { lost: self.batch.rows.len() + taken + self.queue.abandon() }
    }

    /// Reserves a generation for each market whose first ticker stands in a chunk; false when it is hopeless.
    fn has_generations(&mut self, chunk: &Chunk) -> bool {
        for item in &chunk.items {
            let Row::Ticker(ticker) = &item.row else { continue };
            // A lease is as good: nobody ever holds the same again.
            if let Some(fence) = chunk.fence {
                let known = self.tickers.entry(ticker.market.clone()).or_insert((fence, 0));
                if known.0 != fence {
                    *known = (fence, 0);
                }
                continue;
            }
            if self.tickers.contains_key(&ticker.market) {
                continue;
            }
            let first = self.insist(|sink, _| sink.reserve_epochs(&ticker.market, NonZeroU32::MIN));
            let Some(first) = first else { return false };
            self.tickers.insert(ticker.market.clone(), (first, 0));
        }
        true
    }

    /// Puts a chunk into the batch, and moves its streams forward.
    fn absorb(&mut self, chunk: Chunk) {
        if self.cursors.len() <= chunk.venue {
            self.cursors.resize_with(chunk.venue + 1, Places::default);
        }
        if self.cursors[chunk.venue].session != chunk.session {
            // Another session numbers its streams anew. Those of the one before that moved are told first.
            self.note_cursors();
            let new = Places { session: chunk.session, streams: Vec::new() };
            let old = std::mem::replace(&mut self.cursors[chunk.venue], new);
            for Place { cursor, .. } in old.streams.into_iter().flatten() {
                self.resumed.insert((cursor.market.clone(), cursor.channel.clone()), cursor);
            }
        }
        self.arrivals.push((chunk.venue, chunk.arrived, chunk.items.len()));
        for Item { stream, mut row } in chunk.items {
            if let Row::Ticker(ticker) = &mut row
                && let Some((epoch, count)) = self.tickers.get_mut(&ticker.market)
            {
                *count += 1;
                (ticker.epoch, ticker.seq) = (*epoch, *count);
            }
            if let Some(stream) = stream {
                self.advance(chunk.venue, stream, &row);
            }
            self.batch.rows.push(row);
        }
    }

    fn advance(&mut self, venue: usize, stream: StreamId, row: &Row) {
        let Some((market, ts_local)) = moves(row) else { return };
        let (at, of_venue) = (stream.0 as usize, &mut self.cursors[venue].streams);
        if of_venue.len() <= at {
            of_venue.resize_with(at + 1, || None);
        }
        if of_venue[at].is_none() {
            // One that was left and came back goes on where it stood.
            let channel = channel_of(row);
            let same = |place: &&Place| place.cursor.market == *market && place.cursor.channel == channel;
            if let Some(place) = of_venue.iter().flatten().rfind(same) {
                of_venue[at] = Some(Place { cursor: place.cursor.clone(), moved: false });
            }
        }
        let resumed = &self.resumed;
        let place = of_venue[at].get_or_insert_with(|| {
            let channel = channel_of(row);
            let found = resumed.get(&(market.clone(), channel.clone())).cloned();
            let new = Cursor { market: market.clone(), channel, epoch: 0, last_seq: 0, ts_local };
            Place { cursor: found.unwrap_or(new), moved: false }
        });
        let cursor = &mut place.cursor;
        cursor.ts_local = cursor.ts_local.max(ts_local);
        let (epoch, seq) = match row {
            Row::BookChange(change) => (change.epoch, change.last_seq),
            Row::Ticker(ticker) => (ticker.epoch, ticker.seq),
            // Ids that are numbers say where a stream stands; of others, only how many there were.
            Row::Trade(trade) => (0, trade.trade_id.parse().unwrap_or(cursor.last_seq.saturating_add(1))),
            _ => (0, cursor.last_seq.saturating_add(1)),
        };
        // What was fetched later for a hole stands behind, and the cursor stays.
        (cursor.epoch, cursor.last_seq) = (cursor.epoch, cursor.last_seq).max((epoch, seq));
        if !place.moved {
            place.moved = true;
            self.moved.push((venue, stream));
        }
    }

    /// Stores the batch; false when it is hopeless.
    fn commit(&mut self) -> bool {
        if self.batch.rows.is_empty() {
            return true;
        }
        self.note_cursors();
        let began = self.clock.now().mono;
        let Some(receipt) = self.insist(|sink, batch| sink.commit(batch)) else { return false };
        let durable = self.clock.now().mono;
        self.metrics.committed(durable.since(began));
        self.tell(&receipt, durable);
        let mut board = self.board.lock();
        for (venue, arrived, rows) in self.arrivals.drain(..) {
            let lag = durable.since(arrived);
            board.lag.record(lag, rows);
            board.recent.record(lag, rows);
            self.metrics.lag(venue, lag, rows);
        }
        board.commits += 1;
        self.metrics.stored_all(&receipt);
        for table in Table::ALL {
            let counts = receipt.of(table);
            let sum = &mut board.rows[table as usize];
            sum.new += counts.new;
            sum.dup += counts.dup;
            sum.healed += counts.healed;
            sum.refused += counts.refused;
        }
        let is_conflict = |refused: &&venuekit_store::Refused| refused.why == Why::Conflict;
        board.conflicts += receipt.refused.iter().filter(is_conflict).count() as u64;
        drop(board);
        self.batch.clear();
        true
    }

    /// Puts the streams that moved into the batch.
    fn note_cursors(&mut self) {
        for (venue, stream) in self.moved.drain(..) {
            if let Some(Some(place)) = self.cursors[venue].streams.get_mut(stream.0 as usize) {
                place.moved = false;
                self.batch.cursors.push(place.cursor.clone());
            }
        }
    }

    /// Rows that were refused are errors that a person must see, but not by the thousand.
    fn tell(&mut self, receipt: &Receipt, now: Mono) {
        for refused in &receipt.refused {
            if let Some(left_out) = self.told.admit(now, ("refused", Some(refused.table))) {
                tracing::error!(table = %refused.table, left_out, "{refused}");
            }
        }
    }

    /// Does something until it succeeds, with growing waits; nothing when it is hopeless.
    fn insist<T>(&mut self, mut act: impl FnMut(&mut S, &Batch) -> Result<T, SinkError>) -> Option<T> {
        let mut wait = RETRY_FIRST;
        loop {
            let began = self.clock.now().mono;
            self.board.lock().busy_since = Some(began);
            let outcome = act(&mut self.sink, &self.batch);
            let now = self.clock.now().mono;
            let mut board = self.board.lock();
            board.busy_since = None;
            match outcome {
                Ok(value) => {
                    if let Some((since, why)) = board.trouble.take() {
                        drop(board);
                        self.metrics.up(true);
                        let seconds = now.since(since).as_secs();
                        tracing::info!(seconds, was = %why, "the sink takes rows again");
                    }
                    return Some(value);
                }
                Err(error) => {
                    let why: Arc<str> = reason(&error).into();
                    let since = board.trouble.take().map_or(began, |(since, _)| since);
                    board.trouble = Some((since, Arc::clone(&why)));
                    drop(board);
                    self.metrics.up(false);
                    if let Some(left_out) = self.told.admit(now, ("trouble", None)) {
                        tracing::error!(left_out, rows = self.batch.rows.len(), "rows are not stored: {why}");
                    }
                    if !self.queue.pause(wait) {
                        return None;
                    }
                    wait = RETRY_LONGEST.min(wait * 2);
                }
            }
        }
    }
}

/// The market that a row moves forward, and when it arrived; nothing for rows that are about a stream.
fn moves(row: &Row) -> Option<(&Market, venuekit_types::UnixNanos)> {
    match row {
        Row::Trade(row) => Some((&row.market, row.ts_local)),
        Row::BookChange(row) => Some((&row.market, row.ts_local)),
        Row::Ticker(row) => Some((&row.market, row.ts_local)),
        Row::Candle(row) => Some((&row.market, row.ts_local)),
        Row::Instrument(_) | Row::Gap(_) | Row::OrderState(_) | Row::Fill(_) | Row::Movement(_) => None,
    }
}

fn channel_of(row: &Row) -> Cow<'static, str> {
    match row {
        Row::Trade(_) => Cow::Borrowed("trades"),
        Row::Ticker(_) => Cow::Borrowed("ticker"),
        Row::Candle(row) => Cow::Owned(format!("candles:{}", row.interval)),
        // The others move no stream.
        _ => Cow::Borrowed("book"),
    }
}

/// What happened and what the engine said, in one line.
pub(crate) fn reason(error: &SinkError) -> String {
    match error.source() {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;

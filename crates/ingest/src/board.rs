//! What the parts of a run know of themselves, for whoever asks: `/readyz`, the status line, the summary.
//!
//! Each part publishes whole values under a short lock; nobody waits for anybody. It refuses to format: text is made
//! where it is read.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hdrhistogram::Histogram;
use venuekit_book::{Gap, State};
use venuekit_driver::TapeStatus;
use venuekit_store::{Counts, Table};
use venuekit_types::{Mono, Scaled, Symbol, UnixNanos};
use venuekit_venue::Channel;

use crate::fanout::FanoutBoard;
use crate::relay::RelayBoard;

/// One venue's part.
pub(crate) struct VenueBoard {
    pub(crate) venue: Arc<str>,
    /// The part of the venue's markets, where several workers share them.
    pub(crate) shard: Option<ShardBoard>,
    /// What becomes of its tape, when one is recorded.
    pub(crate) tape: OnceLock<TapeStatus>,
    state: Mutex<VenueState>,
}

/// What a venue's session last said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct VenueState {
    pub(crate) streams: Vec<StreamLine>,
    pub(crate) tally: Tally,
    /// What its earlier sessions told, where it had several.
    pub(crate) past: Tally,
    /// Every product that is followed has listed its instruments.
    pub(crate) is_listed: bool,
    /// Open connections.
    pub(crate) connections: u64,
    /// The latest fault, while nothing is followed yet.
    pub(crate) fault: Option<Arc<str>>,
    /// Why the account's channels are not followed, naming the key.
    pub(crate) credentials: Option<Arc<str>>,
}

/// One stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamLine {
    pub(crate) label: Cow<'static, str>,
    pub(crate) symbol: Option<Symbol>,
    pub(crate) state: State,
    pub(crate) seq: Option<u64>,
    /// Zero when it never had any.
    pub(crate) last_data: UnixNanos,
    pub(crate) gap: Option<Gap>,
    pub(crate) stopped: Option<Arc<str>>,
    /// It was found silent, and nothing has come on it since: what it shows was fetched.
    pub(crate) silent: bool,
    /// Rows of it were shed and it is not whole again.
    pub(crate) shed: bool,
    /// Best bid and ask of a live book.
    pub(crate) touch: Option<(Scaled, Scaled)>,
}

impl StreamLine {
    /// Whether it delivers, and what it delivers is stored.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Live && self.stopped.is_none() && !self.silent && !self.shed
    }
}

/// What a session told, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// By channel, in the order of its words.
    pub(crate) events: [u64; Channel::WORDS.len()],
    pub(crate) gaps_by_channel: [u64; Channel::WORDS.len()],
    pub(crate) broken: [u64; super::metrics::BROKEN.len()],
    pub(crate) gaps_opened: u64,
    pub(crate) gaps_healed: u64,
    pub(crate) gaps_open: u64,
    pub(crate) checksum_failures: u64,
    pub(crate) shed_rows: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        let add = |ours: &mut [u64], theirs: &[u64]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        };
        add(&mut self.events, &other.events);
        add(&mut self.gaps_by_channel, &other.gaps_by_channel);
        add(&mut self.broken, &other.broken);
        self.gaps_opened += other.gaps_opened;
        self.gaps_healed += other.gaps_healed;
        self.gaps_open += other.gaps_open;
        self.checksum_failures += other.checksum_failures;
        self.shed_rows += other.shed_rows;
    }
}

impl VenueBoard {
    pub(crate) fn new(venue: &str) -> VenueBoard {
        VenueBoard { venue: venue.into(), shard: None, tape: OnceLock::new(), state: Mutex::default() }
    }

    /// The part of a venue's markets that bears this name.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_shard(venue: &str, name: &str) -> VenueBoard {
        let shard = ShardBoard { name: name.into(), state: Mutex::default() };
        VenueBoard { shard: Some(shard), ..VenueBoard::new(venue) }
    }

    /// A session is over, and another one may follow.
    #[cfg(feature = "postgres")]
    pub(crate) fn end_session(&self) {
        let mut state = self.lock();
        let VenueState { mut past, tally, .. } = std::mem::take(&mut *state);
        past.add(&tally);
        state.past = past;
    }

    /// The state, to publish into or to copy from.
    pub(crate) fn lock(&self) -> MutexGuard<'_, VenueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard's part: who has it, and what this member does about it.
pub(crate) struct ShardBoard {
    pub(crate) name: Arc<str>,
    state: Mutex<ShardState>,
}

/// What a member last said of a shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardState {
    pub(crate) role: Role,
    /// Nothing where nobody holds it.
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) fence: i64,
}

/// What a member does about a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "without a server nothing is shared"))]
pub(crate) enum Role {
    #[default]
    Idle,
    Warming,
    Held,
    Ending,
}

impl Role {
    /// The word for `/readyz`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Idle => "idle",
            Role::Warming => "warming",
            Role::Held => "held",
            Role::Ending => "ending",
        }
    }
}

impl ShardBoard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sink's part.
#[derive(Default)]
pub(crate) struct SinkBoard {
    state: Mutex<SinkState>,
}

/// What the sink last said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct SinkState {
    /// Since when it cannot store, and why.
    pub(crate) trouble: Option<(Mono, Arc<str>)>,
    /// When the transaction under way began.
    pub(crate) busy_since: Option<Mono>,
    /// What became of rows, by table.
    pub(crate) rows: [Counts; Table::ALL.len()],
    pub(crate) conflicts: u64,
    pub(crate) commits: u64,
    /// Chunks that are stored, of all that were put into the queue.
    pub(crate) chunks: u64,
    /// From arrival to durable, of all rows.
    pub(crate) lag: Lag,
    /// The same since the status line last looked.
    pub(crate) recent: Lag,
}

impl SinkBoard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SinkState {
    /// What became of rows of all tables; cursors are no rows.
    pub(crate) fn total(&self) -> Counts {
        let mut sum = Counts::default();
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Stream) {
            let counts = self.rows[table as usize];
            sum.new += counts.new;
            sum.dup += counts.dup;
            sum.healed += counts.healed;
            sum.refused += counts.refused;
        }
        sum
    }
}

/// Spans in microseconds, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Lag(Histogram<u64>);

impl Default for Lag {
    fn default() -> Lag {
        Lag(Histogram::new(3).expect("three digits are within 0 to 5"))
    }
}

impl Lag {
    pub(crate) fn record(&mut self, span: std::time::Duration, rows: usize) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        // It grows as far as it must; only a span of centuries would not fit.
        let _ = self.0.record_n(micros.max(1), rows);
    }

    /// The span that this share of the rows did not exceed; nothing without rows.
    pub(crate) fn quantile(&self, of: f64) -> Option<std::time::Duration> {
        (!self.0.is_empty()).then(|| std::time::Duration::from_micros(self.0.value_at_quantile(of)))
    }

    pub(crate) fn take(&mut self) -> Lag {
        let taken = self.clone();
        self.0.reset();
        taken
    }
}

/// Everything together.
pub(crate) struct Board {
    pub(crate) venues: Vec<Arc<VenueBoard>>,
    pub(crate) sink: Arc<SinkBoard>,
    /// The way to a server, where there is one.
    pub(crate) relay: OnceLock<Arc<RelayBoard>>,
    /// The way to a bus, where there is one.
    pub(crate) fanout: OnceLock<Arc<FanoutBoard>>,
    draining: AtomicBool,
    /// When the runtime last moved, in nanoseconds of the run's clock.
    beat: AtomicU64,
}

impl Board {
    pub(crate) fn new<'a>(venues: impl IntoIterator<Item = &'a str>) -> Board {
        Board {
            venues: venues.into_iter().map(|venue| Arc::new(VenueBoard::new(venue))).collect(),
            sink: Arc::default(),
            relay: OnceLock::new(),
            fanout: OnceLock::new(),
            draining: AtomicBool::new(false),
            beat: AtomicU64::new(0),
        }
    }

    /// Of a member of a cluster: one board a shard.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_shards<'a>(shards: impl IntoIterator<Item = (&'a str, &'a str)>) -> Board {
        let boards = shards.into_iter().map(|(venue, shard)| Arc::new(VenueBoard::of_shard(venue, shard)));
        Board { venues: boards.collect(), ..Board::new([]) }
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn beat(&self, now: Mono) {
        self.beat.store(now.0, Ordering::Relaxed);
    }

    pub(crate) fn last_beat(&self) -> Mono {
        Mono(self.beat.load(Ordering::Relaxed))
    }

    /// What all sessions told.
    pub(crate) fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for venue in &self.venues {
            let state = venue.lock();
            sum.add(&state.past);
            sum.add(&state.tally);
        }
        sum
    }
}

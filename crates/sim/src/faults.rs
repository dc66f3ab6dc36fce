//! Faults, by seed and by command: what a [`FaultPlan`] rates, and the single [`Command`]s that tests give.
//!
//! Owns the words; the outbox applies them. Frame faults never make a frame that parses and lies: a corrupted frame
//! holds a control character, which no JSON may, and a truncated one ends early.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use venuekit_types::Mono;

/// Faults remembered in the log.
const LOG_MAX: usize = 10_000;

/// How often what goes wrong. All zero is no fault at all.
///
/// **Units**: counts without a span are per million frames, logins, snapshots or requests; a `_every` is the mean span
/// between two such faults, per connection, or for skews and restarts per venue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Where the dice begin.
    pub seed: u64,
    /// Frames that never arrive.
    pub drop: u32,
    /// Frames that arrive twice.
    pub duplicate: u32,
    /// Frames that arrive after the one to three that follow.
    pub reorder: u32,
    /// Frames with bytes no JSON may hold.
    pub corrupt: u32,
    /// Frames that end early.
    pub truncate: u32,
    /// A connection's frames all wait, in order.
    pub delay_every: Option<Duration>,
    /// How long at most.
    pub delay_for: Duration,
    /// A connection stays open and answers pings, but its data is lost.
    pub stall_every: Option<Duration>,
    /// How long at most.
    pub stall_for: Duration,
    /// A connection is cut.
    pub close_every: Option<Duration>,
    /// Logins that are refused as if the answer were wrong.
    pub refuse_login: u32,
    /// Stream snapshots that come after updates they already hold.
    pub late_snapshot: u32,
    /// REST snapshots that take long.
    pub slow_snapshot: u32,
    /// How long a late or slow snapshot takes at most.
    pub snapshot_for: Duration,
    /// REST snapshots that are answered with 503 or 429.
    pub refuse_snapshot: u32,
    /// Other REST requests that are answered with 429.
    pub reject: u32,
    /// Changes of orders that are done and never answered: the connection ends.
    pub lose_answer: u32,
    /// Changes of orders that are done, with an answer that ends in the middle.
    pub cut_answer: u32,
    /// Changes of orders that are done, and answered by a gateway with 502 or 504.
    pub fail_answer: u32,
    /// Changes of orders that are done and answered late.
    pub late_answer: u32,
    /// How late at most.
    pub answer_for: Duration,
    /// The venue's clock is set anew.
    pub skew_every: Option<Duration>,
    /// How far at most, to either side, in milliseconds.
    pub skew_ms: u32,
    /// The venue restarts: all connections are cut and sequences begin again.
    pub restart_every: Option<Duration>,
    /// How long it is away at most.
    pub restart_for: Duration,
}

impl FaultPlan {
    /// A plan by name: `none`, `light` or `heavy`; nothing for another name.
    pub fn profile(name: &str, seed: u64) -> Option<FaultPlan> {
        let secs = Duration::from_secs;
        match name {
            "none" => Some(FaultPlan::default()),
            "light" => Some(FaultPlan {
                seed,
                drop: 300,
                duplicate: 300,
                reorder: 300,
                corrupt: 50,
                truncate: 50,
                delay_every: Some(secs(60)),
                delay_for: Duration::from_millis(500),
                stall_every: Some(secs(600)),
                stall_for: secs(20),
                close_every: Some(secs(120)),
                refuse_login: 5_000,
                late_snapshot: 50_000,
                slow_snapshot: 50_000,
                snapshot_for: Duration::from_millis(500),
                refuse_snapshot: 20_000,
                reject: 5_000,
                lose_answer: 5_000,
                cut_answer: 2_000,
                fail_answer: 5_000,
                late_answer: 20_000,
                answer_for: secs(1),
                skew_every: Some(secs(120)),
                skew_ms: 300,
                restart_every: Some(secs(900)),
                restart_for: secs(2),
            }),
            "heavy" => Some(FaultPlan {
                seed,
                drop: 4_000,
                duplicate: 4_000,
                reorder: 4_000,
                corrupt: 500,
                truncate: 500,
                delay_every: Some(secs(10)),
                delay_for: secs(2),
                stall_every: Some(secs(90)),
                stall_for: secs(20),
                close_every: Some(secs(25)),
                refuse_login: 50_000,
                late_snapshot: 300_000,
                slow_snapshot: 200_000,
                snapshot_for: secs(2),
                refuse_snapshot: 100_000,
                reject: 20_000,
                lose_answer: 50_000,
                cut_answer: 20_000,
                fail_answer: 50_000,
                late_answer: 100_000,
                answer_for: secs(3),
                skew_every: Some(secs(30)),
                skew_ms: 2_000,
                restart_every: Some(secs(60)),
                restart_for: secs(3),
            }),
            _ => None,
        }
    }

    /// True when it does nothing.
    pub fn is_none(&self) -> bool {
        *self == FaultPlan { seed: self.seed, ..FaultPlan::default() }
    }
}

/// What a command strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything.
    All,
    /// One connection.
    Conn(u64),
    /// One stream on every connection, as the venue names it: `btcusdt@depth`, `level2:BTCUSD`, `orders`.
    Stream(String),
}

impl Target {
    pub(crate) fn hits(&self, conn: u64, stream: Option<&str>) -> bool {
        match self {
            Target::All => true,
            Target::Conn(number) => *number == conn,
            Target::Stream(name) => stream == Some(name.as_str()),
        }
    }
}

/// One fault, done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Loses the next frame.
    Drop,
    /// Sends the next frame twice.
    Duplicate,
    /// Sends the next frame after the one that follows it.
    Reorder,
    /// Puts bytes into the next frame that no JSON may hold.
    Corrupt,
    /// Ends the next frame early.
    Truncate,
    /// Holds back all frames of a connection, or the next frame of a stream.
    Delay(Duration),
    /// Loses all frames for a while, the connection staying open; without a span for ever.
    Stall(Option<Duration>),
    /// Cuts connections.
    Close,
    /// Refuses the next login as if the answer were wrong.
    RefuseLogin,
    /// Sends the next stream snapshot this much later than the updates.
    LateSnapshot(Duration),
    /// Answers the next REST snapshot this late.
    SlowSnapshot(Duration),
    /// Answers the next REST snapshot with this status.
    RefuseSnapshot(u16),
    /// Answers the next REST request with this status.
    Reject(u16),
    /// Does what the next change of orders asks for, and ends its connection without an answer.
    LoseAnswer,
    /// Does it, and ends the answer in the middle.
    CutAnswer,
    /// Does it, and answers with this status as a gateway would.
    FailAnswer(u16),
    /// Does it, and answers this late; a span beyond all patience is no answer.
    LateAnswer(Duration),
    /// Sets the venue's clock this many milliseconds off; 0 puts it right.
    Skew(i64),
    /// Cuts all connections, takes none for a while, and begins all sequences again.
    Restart(Duration),
}

impl Fault {
    /// The word that logs and counters use.
    pub const fn name(&self) -> &'static str {
        match self {
            Fault::Drop => "drop",
            Fault::Duplicate => "duplicate",
            Fault::Reorder => "reorder",
            Fault::Corrupt => "corrupt",
            Fault::Truncate => "truncate",
            Fault::Delay(_) => "delay",
            Fault::Stall(_) => "stall",
            Fault::Close => "close",
            Fault::RefuseLogin => "refuse_login",
            Fault::LateSnapshot(_) => "late_snapshot",
            Fault::SlowSnapshot(_) => "slow_snapshot",
            Fault::RefuseSnapshot(_) => "refuse_snapshot",
            Fault::Reject(_) => "reject",
            Fault::LoseAnswer => "lose_answer",
            Fault::CutAnswer => "cut_answer",
            Fault::FailAnswer(_) => "fail_answer",
            Fault::LateAnswer(_) => "late_answer",
            Fault::Skew(_) => "skew",
            Fault::Restart(_) => "restart",
        }
    }
}

/// Does exactly one fault at what it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it strikes; logins, snapshots, requests and the whole venue ask for no target.
    pub target: Target,
    /// What it does.
    pub fault: Fault,
}

impl Command {
    /// A fault that asks for no target.
    pub fn all(fault: Fault) -> Command {
        Command { target: Target::All, fault }
    }
}

/// A fault that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// When.
    pub at: Mono,
    /// On which connection, if on one.
    pub conn: Option<u64>,
    /// On which stream, if on one.
    pub stream: Option<String>,
    /// What was done.
    pub fault: Fault,
}

/// The latest faults, and how many there were of each kind.
#[derive(Clone, Debug, Default)]
pub struct FaultLog {
    records: VecDeque<FaultRecord>,
    counts: BTreeMap<&'static str, u64>,
}

impl FaultLog {
    pub(crate) fn push(&mut self, record: FaultRecord) {
        *self.counts.entry(record.fault.name()).or_default() += 1;
        if self.records.len() == LOG_MAX {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// The latest faults, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &FaultRecord> {
        self.records.iter()
    }

    /// How many there were of each kind, from the start.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// How many there were of one kind.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }
}

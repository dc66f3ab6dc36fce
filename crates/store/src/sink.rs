//! The contract of a sink, and what it answers.
//!
//! Owns the words for "stored": new, duplicate, healed, refused. It refuses to say "stored" before it is durable.

use std::num::NonZeroU32;

use venuekit_types::UnixNanos;

use crate::{Batch, Cursor, Gap, Market, Shard, Table};

/// A durable place for rows, with one owner.
///
/// An `Err` means that the sink did not acknowledge the batch: keep it and commit it again, in the same order.
/// Where the fault fell between the write and its acknowledgement, the rows may be there already, and come back
/// as duplicates. The sink stays usable after any error.
pub trait Sink: Send {
    /// Stores a batch in one transaction; what it holds is durable when this returns.
    ///
    /// Each row meets its key: absent, it is new; present with the same content, a duplicate, whenever it arrived;
    /// present with other content, it is refused and the stored row stays as it is. A refused row does not hold up
    /// the rest of the batch. Gap rows are the one exception: a second writing may add `healed_at`.
    ///
    /// **Errors**: [`SinkError`], with nothing of the batch acknowledged.
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError>;

    /// Hands out `count` book generations of a market, of which it returns the first; they are never handed out
    /// again, which is durable when this returns.
    ///
    /// **Errors**: [`SinkError`].
    fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError>;

    /// Keeps what a venue lets through, so that a restart does not begin anew; each replaces what stood under its name.
    /// Where there is no room for it nothing is kept, and a restart knows nothing.
    ///
    /// **Errors**: [`SinkError`].
    fn keep_limits(&mut self, limits: &[Limit]) -> Result<(), SinkError> {
        let _ = limits;
        Ok(())
    }

    /// Tells where the streams stood when the sink was last written, for a start or a restart.
    ///
    /// **Errors**: [`SinkError`].
    fn resume(&mut self) -> Result<Resume, SinkError>;
}

/// Where a previous run left off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resume {
    /// How far each stream is stored, by venue, symbol and channel.
    pub cursors: Vec<Cursor>,
    /// Gaps that nobody has healed, oldest first; whoever brings the stream back writes them again with `healed_at`.
    pub open_gaps: Vec<Gap>,
    /// What venues let through, as it was kept.
    pub limits: Vec<Limit>,
}

/// How far an origin may be spoken to: a ban, or what was drawn from a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The REST origin.
    pub origin: String,
    /// What of it: a word of whoever keeps it.
    pub name: String,
    /// How much; zero where it is about time alone.
    pub amount: u32,
    /// When it ends, or when it was so.
    pub at: UnixNanos,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored by this commit.
    pub new: u64,
    /// Stored before with the same content.
    pub dup: u64,
    /// Gaps that this commit closed.
    pub healed: u64,
    /// Not stored, each with a [`Refused`].
    pub refused: u64,
    /// Not stored, since another worker holds the lease on their shard.
    pub fenced: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.new += other.new;
        self.dup += other.dup;
        self.healed += other.healed;
        self.refused += other.refused;
        self.fenced += other.fenced;
    }
}

/// A row that was not stored; the batch around it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it would have gone.
    pub table: Table,
    /// Its key, for a person.
    pub key: String,
    /// What stood against it.
    pub why: Why,
}

/// Why a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The key is taken by a row with other content, which stays.
    Conflict,
    /// A number of the key or the cursor does not fit 63 bits.
    OutOfRange,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = match self.why {
            Why::Conflict => "is stored with other content, which was kept",
            Why::OutOfRange => "has a sequence number above 63 bits and was not stored",
        };
        write!(f, "{} {} {why}", self.table, self.key)
    }
}

/// What a commit did, per table. It exists only once the batch is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Receipt {
    counts: [Counts; Table::ALL.len()],
    /// Rows that were not stored, in the order of the batch.
    pub refused: Vec<Refused>,
    /// Shards whose rows were not stored, since this worker does not hold their leases any more.
    pub lost: Vec<Shard>,
}

/// What became of one row.
pub(crate) enum Outcome {
    New,
    Dup,
    Healed,
    Refused(Why),
}

impl Receipt {
    /// The counts of one table.
    pub fn of(&self, table: Table) -> Counts {
        self.counts[table as usize]
    }

    /// The counts of all data tables; cursors are not rows.
    pub fn total(&self) -> Counts {
        let mut sum = Counts::default();
        for table in Table::ALL {
            if table != Table::Stream {
                sum.add(self.of(table));
            }
        }
        sum
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn add(&mut self, table: Table, counts: Counts) {
        self.counts[table as usize].add(counts);
    }

    pub(crate) fn note(&mut self, table: Table, outcome: Outcome, key: impl FnOnce() -> String) {
        let counts = &mut self.counts[table as usize];
        match outcome {
            Outcome::New => counts.new += 1,
            Outcome::Dup => counts.dup += 1,
            Outcome::Healed => counts.healed += 1,
            Outcome::Refused(why) => {
                counts.refused += 1;
                self.refused.push(Refused { table, key: key(), why });
            }
        }
    }
}

/// What the operating system or the engine said, kept as the source.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a sink could not do its work. Nothing acknowledged is lost, and the next attempt may succeed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// No room.
    #[error("the disk is full; free space and the next commit goes through")]
    Full(#[source] Cause),
    /// Writing is not allowed.
    #[error("the database is read-only; check the file's mode and how its disk is mounted")]
    ReadOnly(#[source] Cause),
    /// Another process holds the write lock.
    #[error("another process is writing to the database; stop it, or wait")]
    Busy(#[source] Cause),
    /// The server does not answer.
    #[error("the database cannot be reached; rows wait until it can")]
    Unreachable(#[source] Cause),
    /// Whether the rows are ours to write is not known now.
    #[error("the leases are not sure; rows wait until they are")]
    Unleased(#[source] Cause),
    /// The file's content makes no sense.
    #[error("the database is damaged; move the file away and start a new one")]
    Corrupt(#[source] Cause),
    /// Anything else, of which the source tells.
    #[error("the database failed")]
    Other(#[source] Cause),
}

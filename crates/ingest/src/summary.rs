//! What a run did, in one line or one object.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use venuekit_session::Report;
use venuekit_store::Table;

use crate::board::Board;
use crate::error::Exit;

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// `sim`, or `live` and the like: whose data it was, by venue.
    pub environments: BTreeMap<String, String>,
    /// The database.
    pub database: PathBuf,
    /// How long it ran.
    pub seconds: u64,
    /// Frames read.
    pub frames: u64,
    /// Frames that made no sense.
    pub broken: u64,
    /// Rows that are new in the database.
    pub rows_new: u64,
    /// Rows that were there already.
    pub rows_dup: u64,
    /// Rows that contradict stored ones, and were not taken.
    pub conflicts: u64,
    /// Trades among the new rows.
    pub trades: u64,
    /// Book changes among the new rows.
    pub book_changes: u64,
    /// Times a stream that was live lost something.
    pub gaps_opened: u64,
    /// Times it was whole again.
    pub gaps_healed: u64,
    /// Streams that are not whole at the end.
    pub gaps_open: u64,
    /// Rows that were shed because the sink was too slow.
    pub shed: u64,
    /// Milliseconds from arrival to durable that half of the rows did not exceed, with three places.
    pub lag_p50_ms: String,
    /// The same of 99 in 100.
    pub lag_p99_ms: String,
    /// What ended it.
    pub ended: Ended,
    /// What it did as a member of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterSummary>,
    /// What each session made of what it saw.
    #[serde(skip)]
    pub reports: BTreeMap<String, Report>,
}

/// What a member of a cluster did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterSummary {
    /// Its name.
    pub member: String,
    /// Shards that it held at the end, or had not given away yet.
    pub owned: u64,
    /// Shards that it took when nobody held them.
    pub taken: u64,
    /// Shards that were handed to it.
    pub adopted: u64,
    /// Shards that it handed to others.
    pub handed_over: u64,
    /// Shards that others took from it, since its lease had run out.
    pub lost: u64,
    /// Rows that did not enter, since another member held their shard.
    pub rows_fenced: u64,
}

/// What asked a run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The program that runs it.
    Asked,
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Ended {
    /// The exit code it maps to.
    pub const fn exit(self) -> Exit {
        match self {
            Ended::Asked => Exit::Ok,
            Ended::Interrupt => Exit::Interrupted,
            Ended::Terminate => Exit::Terminated,
        }
    }
}

impl Summary {
    pub(crate) fn new(
        environments: BTreeMap<String, String>,
        database: PathBuf,
        ran_for: Duration,
        board: &Board,
        reports: BTreeMap<String, Report>,
        ended: Ended,
    ) -> Summary {
        let tally = board.tally();
        let sink = board.sink.lock();
        let total = sink.total();
        let lag = |share| sink.lag.quantile(share).map_or_else(|| "0.000".to_owned(), millis);
        Summary {
            environments,
            database,
            seconds: ran_for.as_secs(),
            frames: reports.values().map(|report| report.frames).sum(),
            broken: reports.values().map(|report| report.decode_errors).sum(),
            rows_new: total.new,
            rows_dup: total.dup,
            conflicts: sink.conflicts,
            trades: sink.rows[Table::Trade as usize].new,
            book_changes: sink.rows[Table::BookChange as usize].new,
            gaps_opened: tally.gaps_opened,
            gaps_healed: tally.gaps_healed,
            gaps_open: tally.gaps_open,
            shed: tally.shed_rows,
            lag_p50_ms: lag(0.5),
            lag_p99_ms: lag(0.99),
            ended,
            cluster: None,
            reports,
        }
    }

    /// The summary as one JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are always JSON")
    }

    /// What each session made of what it saw, as one JSON object by venue: what a replay of its tape is compared with.
    pub fn reports_json(&self) -> String {
        serde_json::to_string(&self.reports).expect("strings and numbers are always JSON")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (venue, environment) in &self.environments {
            write!(f, "{venue}={environment} ")?;
        }
        write!(
            f,
            "{} s, {} frames ({} broken); rows {} new, {} dup, {} conflicts; {} trades, {} book changes; \
             gaps {} opened, {} healed, {} open; {} shed; lag p50 {} ms, p99 {} ms; {}",
            self.seconds,
            self.frames,
            self.broken,
            self.rows_new,
            self.rows_dup,
            self.conflicts,
            self.trades,
            self.book_changes,
            self.gaps_opened,
            self.gaps_healed,
            self.gaps_open,
            self.shed,
            self.lag_p50_ms,
            self.lag_p99_ms,
            self.database.display()
        )?;
        if let Some(cluster) = &self.cluster {
            write!(
                f,
                "; member {}: shards {} taken, {} taken over, {} handed over, {} lost, {} held; {} rows fenced",
                cluster.member,
                cluster.taken,
                cluster.adopted,
                cluster.handed_over,
                cluster.lost,
                cluster.owned,
                cluster.rows_fenced
            )?;
        }
        Ok(())
    }
}

/// A span in milliseconds with three places.
pub(crate) fn millis(span: Duration) -> String {
    let micros = span.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

//! What every session of a run has in common, and how one is made of it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use venuekit_driver::{ClientTls, Clock, Handle, Options, Runner};
use venuekit_session::Report;
use venuekit_sign::Credentials;
use venuekit_store::Resume;

use super::prepare;
use crate::board::Board;
use crate::config::VenueConfig;
use crate::error::IngestError;
use crate::feed::{Feed, FeedParts, Notice, Wish};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::simulator::Simulator;
use crate::tenure::Tenure;

/// What sessions are made with.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) clock: Clock,
    pub(crate) tls: ClientTls,
    pub(crate) queue: Arc<Queue>,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) notices: mpsc::Sender<Notice>,
    pub(crate) seed: u64,
    /// The directory that takes their tapes.
    pub(crate) tape: Option<PathBuf>,
}

/// What one session is made with besides.
pub(crate) struct Part<'a> {
    /// Its place on the board.
    pub(crate) index: usize,
    pub(crate) venue: &'a VenueConfig,
    pub(crate) account: Option<Credentials>,
    pub(crate) simulator: Option<&'a Simulator>,
    /// What was left of its markets.
    pub(crate) resume: Resume,
    /// Its markets and its lease, where it is one of many.
    pub(crate) tenure: Option<Tenure>,
}

/// A session that can begin: nothing of it has been said to anybody.
pub(crate) struct Prepared {
    venue: String,
    runner: Runner<Feed>,
    handle: Handle,
    wishes: mpsc::Receiver<Wish>,
    clock: Clock,
}

/// One session at work.
pub(crate) struct Running {
    pub(crate) venue: String,
    pub(crate) handle: Handle,
    pub(crate) task: JoinHandle<Report>,
}

impl Crew {
    /// Makes a session.
    pub(crate) fn prepare(&self, part: Part<'_>) -> Result<Prepared, IngestError> {
        let Part { index, venue, account, simulator, resume, tenure } = part;
        let only = tenure.as_ref().map(|tenure| tenure.only.clone());
        // Sessions of one venue jitter each in its own way.
        let seed = if tenure.is_some() { self.seed.wrapping_add(index as u64) } else { self.seed };
        let (session, wants) =
            prepare::session(venue, account.clone(), seed, &resume.limits, simulator, only)?;
        let (wishes, wished) = mpsc::channel(1_024);
        let board = &self.board.venues[index];
        let feed = Feed::new(FeedParts {
            index,
            board: Arc::clone(board),
            queue: Arc::clone(&self.queue),
            metrics: self.metrics.venue(&venue.id),
            wishes,
            notices: self.notices.clone(),
            resume,
            tenure,
            credentials: account,
        });
        let options = Options { tls: self.tls.clone(), clock: self.clock, ..Options::default() };
        let (mut runner, handle) = Runner::new(session, feed, options)?;
        if let Some(directory) = &self.tape {
            let tape = prepare::tape(directory, venue, wants, seed, self.clock)?;
            // Set once: each venue has a board of its own.
            let _ = board.tape.set(tape.status());
            runner.record(tape);
        }
        Ok(Prepared { venue: venue.id.clone(), runner, handle, wishes: wished, clock: self.clock })
    }
}

impl Prepared {
    /// Lets it run, on the runtime that this is called in.
    pub(crate) fn begin(self) -> Running {
        let Prepared { venue, runner, handle, wishes, clock } = self;
        tokio::spawn(prepare::relay(handle.clone(), wishes));
        let task = tokio::spawn(async move {
            let (session, mut feed) = runner.run().await;
            feed.finish(clock.now(), &session);
            session.report()
        });
        Running { venue, handle, task }
    }
}

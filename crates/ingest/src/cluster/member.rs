//! The loop of a member: looks at the server, does what the plan says, and sees to it that what ends ends in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::time::Duration;

use metrics::Gauge;
use tokio::runtime::Handle as Runtime;
use venuekit_book::State;
use venuekit_session::{Command, Only, Report};
use venuekit_store::postgres::{Lease, Leases, Peer, Presence, Standing};
use venuekit_store::{Market, Resume, Shard, SinkError};
use venuekit_types::Mono;
use venuekit_venue::Channel;

use super::plan::{self, Phase, Slot, Step, View};
use super::{Ask, Asked, Held, Outcome};
use crate::board::{Role, ShardState};
use crate::config::{ClusterConfig, VenueConfig};
use crate::queue::Reservation;
use crate::relay::RelayBoard;
use crate::sample::Sampler;
use crate::sink::reason;
use crate::summary::ClusterSummary;
use crate::tenure::{Gate, Tenure};
use crate::worker::crew::{Crew, Part, Running};

/// How long a member that leaves waits for others to take over.
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(20);
/// How long what a session took may take to be stored, when the member ends.
pub(super) const END_WITHIN: Duration = Duration::from_secs(10);
/// How long a session may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at what ends or warms up.
const TICK: Duration = Duration::from_millis(100);
/// Between two attempts at a server that does not answer, and between the first two looks.
const SOON: Duration = Duration::from_secs(1);
/// What is not there by then is not waited for before a shard may be handed over: a book is, always.
const WARM_WITHIN: Duration = Duration::from_secs(10);

/// What a member works with.
pub(crate) struct Works {
    pub(crate) crew: Crew,
    pub(crate) runtime: Runtime,
    pub(crate) venues: Vec<VenueConfig>,
    pub(crate) cluster: ClusterConfig,
    /// In the order of the board.
    pub(crate) shards: Vec<(usize, Shard)>,
    pub(crate) held: Held,
    pub(crate) relay: Arc<RelayBoard>,
    /// Rung for the relay to look.
    pub(crate) bell: SyncSender<()>,
    /// Which process this is.
    pub(crate) process: String,
    /// Where sessions ask for generations.
    pub(crate) asks: std::sync::mpsc::Sender<Ask>,
}

/// A shard's session and its gauges.
struct Desk {
    /// Sessions so far.
    sessions: u32,
    running: Option<(Running, Arc<Gate>, Mono)>,
    ending: Option<Ending>,
    /// How many draw on the venue's budgets here, as the session was told.
    shared_by: u32,
    owned: Gauge,
    fence: Gauge,
}

/// How far an end has come.
struct Ending {
    since: Mono,
    /// Chunks that the sink has to have stored.
    mark: Option<u64>,
    /// When it had, at the latest.
    stored_at: Option<Mono>,
}

/// Runs until it is told to leave and has, or another process goes by its name.
pub(super) fn run(leases: Leases, name: &str, works: Works, asked: &Asked) -> Outcome {
    let slot =
        |(_, shard): &(usize, Shard)| Slot { shard: shard.clone(), phase: Phase::Fresh, was_vacant: false };
    let slots: Vec<Slot> = works.shards.iter().map(slot).collect();
    let desk = |(_, shard): &(usize, Shard)| {
        let (owned, fence) = works.crew.metrics.shard(shard.as_str());
        Desk { sessions: 0, running: None, ending: None, shared_by: 0, owned, fence }
    };
    let desks = works.shards.iter().map(desk).collect();
    let summary = ClusterSummary { member: name.to_owned(), ..ClusterSummary::default() };
    let member = Loop {
        leases,
        name: name.to_owned(),
        works,
        slots,
        desks,
        waiting: Vec::new(),
        peers: Vec::new(),
        looked: None,
        leaving: None,
        summary,
        reports: BTreeMap::new(),
        told: Sampler::default(),
    };
    member.run(asked)
}

struct Loop {
    leases: Leases,
    name: String,
    works: Works,
    slots: Vec<Slot>,
    desks: Vec<Desk>,
    /// Generations that sessions wait for.
    waiting: Vec<Reservation>,
    peers: Vec<Peer>,
    /// When the last look began that succeeded.
    looked: Option<Mono>,
    /// Since when it leaves.
    leaving: Option<Mono>,
    summary: ClusterSummary,
    reports: BTreeMap<String, Report>,
    told: Sampler<&'static str>,
}

/// What ends the loop.
enum Stop {
    Usurped,
    Failed(SinkError),
}

impl From<SinkError> for Stop {
    fn from(error: SinkError) -> Stop {
        Stop::Failed(error)
    }
}

impl Loop {
    fn run(mut self, asked: &Asked) -> Outcome {
        let mut due = self.now();
        loop {
            let now = self.now();
            if now >= due {
                let wait = match self.look() {
                    Ok(wait) => wait,
                    Err(Stop::Usurped) => return self.end(true),
                    Err(Stop::Failed(error)) => {
                        if let Some(left_out) = self.told.admit(now, "look") {
                            tracing::error!(left_out, "leases cannot be looked at: {}", reason(&error));
                        }
                        SOON
                    }
                };
                due = self.now().plus(wait);
            }
            self.answer();
            self.see_ends();
            self.publish();
            if self.has_left() {
                return self.end(false);
            }
            let is_busy = !self.waiting.is_empty()
                || self.slots.iter().any(|slot| matches!(slot.phase, Phase::Ending(_) | Phase::Warming));
            let wait = due.since(self.now()).min(if is_busy { TICK } else { SOON });
            match asked.recv_timeout(wait) {
                Ok(Ask::Epochs(reservation)) => self.waiting.push(reservation),
                Ok(Ask::Look) => due = self.now(),
                Ok(Ask::Leave) => {
                    self.leaving = Some(self.now());
                    if let Err(error) = self.leases.leave() {
                        tracing::warn!("the others learn by the end of the leases: {}", reason(&error));
                    }
                    due = self.now();
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn now(&self) -> Mono {
        self.works.crew.clock.now().mono
    }

    /// Between two looks: three in the length of a lease, and one to spare.
    fn pause(&self) -> Duration {
        self.works.cluster.lease * 3 / 10
    }

    // ---- looking and doing ----

    /// One look at the server, and what follows from it; gives the time until the next.
    fn look(&mut self) -> Result<Duration, Stop> {
        let began = self.now();
        let ttl = self.works.cluster.lease;
        if self.leaving.is_none() {
            let presence = Presence {
                process: self.works.process.clone(),
                address: self.works.cluster.address.clone(),
                sessions: self.sessions().map(str::to_owned).collect(),
            };
            if !self.leases.announce(&presence)? {
                return Err(Stop::Usurped);
            }
        }
        self.peers = self.leases.peers()?;
        let kept = self.leases.renew(&self.held())?;
        let shards: Vec<Shard> = self.slots.iter().map(|slot| slot.shard.clone()).collect();
        let standings = self.leases.standings(&shards)?;
        let standings: BTreeMap<Shard, Standing> =
            standings.into_iter().map(|standing| (standing.lease.shard.clone(), standing)).collect();
        // Whoever looks after a long time, or for the first, gives the others time to do the same.
        let is_steady = self.looked.is_some_and(|looked| began.since(looked) < ttl);
        let peers = self.peers.clone();
        let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
        let view = View {
            me: &self.name,
            peers: &names,
            standings: &standings,
            kept: &kept,
            is_leaving: self.leaving.is_some(),
            may_take: is_steady,
            is_warm: &|at| self.is_warm(at, began),
        };
        let steps = plan::steps(&self.slots, &view);
        for slot in &mut self.slots {
            slot.was_vacant = is_steady && plan::is_vacant(standings.get(&slot.shard));
        }
        let mut failed = None;
        for (at, step) in steps {
            if let Err(error) = self.act(at, step) {
                failed = Some(error);
                break;
            }
        }
        self.share();
        self.show(&standings);
        match failed {
            // What could not be done is found again by the next look; until then nothing is written.
            Some(error) => Err(error.into()),
            None => {
                self.works.held.set(self.held(), began.plus(ttl));
                let is_first = self.looked.replace(began).is_none();
                Ok(if is_first || self.leaving.is_some() { SOON.min(self.pause()) } else { self.pause() })
            }
        }
    }

    /// The leases that this member has.
    fn held(&self) -> Vec<Lease> {
        let lease = |slot: &Slot| match &slot.phase {
            Phase::Held(lease) | Phase::Ending(Some((lease, _))) => Some(lease.clone()),
            _ => None,
        };
        self.slots.iter().filter_map(lease).collect()
    }

    /// The venue of each session.
    fn sessions(&self) -> impl Iterator<Item = &str> {
        let is_running = |(_, desk): &(&Slot, &Desk)| desk.running.is_some();
        self.slots.iter().zip(&self.desks).filter(is_running).map(|(slot, _)| slot.shard.venue())
    }

    fn act(&mut self, at: usize, step: Step) -> Result<(), SinkError> {
        let shard = self.slots[at].shard.clone();
        match step {
            Step::Take => {
                let Some(lease) = self.leases.take(&shard)? else { return Ok(()) };
                self.hold(at, &lease);
                let left = self.left(&shard)?;
                self.summary.taken += 1;
                tracing::info!(%shard, fence = lease.fence, "taken");
                match &self.desks[at].running {
                    Some((running, gate, _)) => {
                        gate.open(lease.fence, Some(left));
                        self.wake(running);
                    }
                    None => self.begin(at, Some(lease.fence), left),
                }
            }
            Step::Retake(old) => match self.leases.take(&shard)? {
                // Nobody had it in between: what was taken under the old one is whole.
                Some(lease) if lease.fence == old.fence + 1 => {
                    tracing::warn!(%shard, fence = lease.fence, "the lease had run out, and is taken again");
                    self.hold(at, &lease);
                    if let Some((_, gate, _)) = &self.desks[at].running {
                        gate.open(lease.fence, None);
                    }
                }
                other => {
                    self.summary.lost += 1;
                    tracing::error!(%shard, fence = old.fence, "lost: the lease ran out and another member took it");
                    self.finish(at, other.map(|lease| (lease, None)));
                }
            },
            Step::Warm => {
                self.begin(at, None, Resume::default());
                self.slots[at].phase = Phase::Warming;
            }
            Step::Offer => self.leases.offer(&shard)?,
            Step::Adopt(lease) => {
                let left = Resume { cursors: Vec::new(), ..self.left(&shard)? };
                self.summary.adopted += 1;
                tracing::info!(%shard, fence = lease.fence, "taken over");
                self.hold(at, &lease);
                if let Some((running, gate, _)) = &self.desks[at].running {
                    gate.open(lease.fence, Some(left));
                    self.wake(running);
                }
            }
            Step::End { heir } => {
                let lease = match std::mem::replace(&mut self.slots[at].phase, Phase::Idle) {
                    Phase::Held(lease) => Some((lease, heir)),
                    _ => None,
                };
                self.finish(at, lease);
            }
            Step::Forget => self.slots[at].phase = Phase::Ending(None),
        }
        Ok(())
    }

    /// Notes that a shard is ours to write.
    fn hold(&mut self, at: usize, lease: &Lease) {
        self.works.held.add(lease);
        self.slots[at].phase = Phase::Held(lease.clone());
    }

    /// What others left of a shard at the server.
    fn left(&mut self, shard: &Shard) -> Result<Resume, SinkError> {
        let buckets = self.works.cluster.buckets;
        let is_its = |market: &Market| Shard::of(market, buckets) == *shard;
        let mut left = self.leases.resume()?;
        left.cursors.retain(|cursor| is_its(&cursor.market));
        left.open_gaps.retain(|gap| is_its(&gap.market));
        Ok(left)
    }

    /// Gives sessions the generations that they wait for; what fails waits on.
    fn answer(&mut self) {
        for reservation in std::mem::take(&mut self.waiting) {
            match self.leases.reserve_epochs(&reservation.market, reservation.count) {
                Ok(first) => (reservation.answer)(first),
                Err(error) => {
                    if let Some(left_out) = self.told.admit(self.now(), "epochs") {
                        tracing::error!(left_out, "no generations are to be had: {}", reason(&error));
                    }
                    self.waiting.push(reservation);
                }
            }
        }
    }

    // ---- sessions ----

    fn begin(&mut self, at: usize, fence: Option<i64>, resume: Resume) {
        let (venue, shard) = &self.works.shards[at];
        let (venue, shard, buckets) = (&self.works.venues[*venue], shard.clone(), self.works.cluster.buckets);
        let desk = &mut self.desks[at];
        desk.sessions += 1;
        let gate = Arc::<Gate>::default();
        if let Some(fence) = fence {
            gate.open(fence, None);
        }
        let id: Arc<str> = venue.id.as_str().into();
        let only = Only::new(move |symbol| {
            Shard::of(&Market { venue: Arc::clone(&id), symbol: symbol.clone() }, buckets) == shard
        });
        let reserve = super::reserve(self.works.asks.clone());
        let tenure = Tenure { session: desk.sessions, only, gate: Arc::clone(&gate), reserve };
        let part = Part { index: at, venue, account: None, simulator: None, resume, tenure: Some(tenure) };
        let _entered = self.works.runtime.enter();
        match self.works.crew.prepare(part) {
            Ok(prepared) => {
                let now = self.works.crew.clock.now().mono;
                desk.running = Some((prepared.begin(), gate, now));
                desk.shared_by = 0;
            }
            // The same was tried when the run began.
            Err(error) => tracing::error!(shard = %self.slots[at].shard, "no session can be made: {error}"),
        }
    }

    /// Stops a shard's session; its lease goes once everything is stored.
    fn finish(&mut self, at: usize, lease: Option<(Lease, Option<String>)>) {
        if let Some((running, ..)) = &self.desks[at].running {
            let handle = running.handle.clone();
            // One that has stopped needs no telling.
            self.works.runtime.spawn(async move { handle.stop().await });
        }
        let since = self.now();
        self.desks[at].ending = Some(Ending { since, mark: None, stored_at: None });
        self.slots[at].phase = Phase::Ending(lease);
    }

    /// Makes a session look at its gate.
    fn wake(&self, running: &Running) {
        let handle = running.handle.clone();
        self.works.runtime.spawn(async move { handle.query(|_, _| ()).await });
    }

    /// Whether all that a session follows has come.
    fn is_warm(&self, at: usize, now: Mono) -> bool {
        let Some((.., since)) = &self.desks[at].running else { return false };
        let waited = now.since(*since) >= WARM_WITHIN;
        let state = self.works.crew.board.venues[at].lock();
        let book = Channel::Book.as_str();
        state.is_listed
            && state.streams.iter().all(|stream| {
                stream.stopped.is_some() || stream.state == State::Live || (waited && stream.label != book)
            })
    }

    /// Tells sessions how many draw on the budgets of this machine's address.
    fn share(&mut self) {
        let mine = self.peers.iter().find(|peer| peer.name == self.name).map(|peer| peer.address.clone());
        let others =
            self.peers.iter().filter(|peer| peer.name != self.name && Some(&peer.address) == mine.as_ref());
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let venues = others.flat_map(|peer| peer.sessions.iter().map(String::as_str));
        for venue in venues.chain(self.sessions()) {
            *counts.entry(venue.to_owned()).or_default() += 1;
        }
        for (slot, desk) in self.slots.iter().zip(&mut self.desks) {
            let Some((running, ..)) = &desk.running else { continue };
            let count = counts.get(slot.shard.venue()).copied().unwrap_or(1);
            if let Some(sessions) = std::num::NonZeroU32::new(count).filter(|_| desk.shared_by != count) {
                desk.shared_by = count;
                let handle = running.handle.clone();
                // One that has stopped draws on nothing.
                self.works.runtime.spawn(async move { handle.command(Command::Share(sessions)).await });
            }
        }
    }

    // ---- ends ----

    /// Brings ends forward: a session that has stopped, rows that are stored, a lease that goes.
    fn see_ends(&mut self) {
        for at in 0..self.slots.len() {
            let is_dead =
                self.desks[at].running.as_ref().is_some_and(|(running, ..)| running.task.is_finished());
            match &self.slots[at].phase {
                Phase::Ending(_) => self.see_end(at),
                Phase::Warming | Phase::Held(_) if is_dead => {
                    tracing::error!(shard = %self.slots[at].shard, "its session died; it begins again");
                    let lease = match &self.slots[at].phase {
                        Phase::Held(lease) => Some((lease.clone(), None)),
                        _ => None,
                    };
                    self.finish(at, lease);
                }
                _ => {}
            }
        }
    }

    fn see_end(&mut self, at: usize) {
        let now = self.now();
        if !self.has_stopped(at, now) {
            return;
        }
        let queue = self.works.crew.queue.put_so_far();
        let stored = self.works.crew.board.sink.lock().chunks;
        let Some(ending) = &mut self.desks[at].ending else { return };
        let mark = *ending.mark.get_or_insert(queue);
        if ending.stored_at.is_none() && stored >= mark {
            ending.stored_at = Some(now);
        }
        let Some(stored_at) = ending.stored_at else { return };
        if self.works.relay.lock().empty_at <= stored_at {
            // It looks anew where it has been told already.
            let _ = self.works.bell.try_send(());
            return;
        }
        self.desks[at].ending = None;
        if let Phase::Ending(Some((lease, heir))) = std::mem::replace(&mut self.slots[at].phase, Phase::Idle)
        {
            self.give(&lease, heir.as_deref());
            self.works.held.forget(&lease);
        }
    }

    /// Whether a shard's session is over, and off the board.
    fn has_stopped(&mut self, at: usize, now: Mono) -> bool {
        let desk = &mut self.desks[at];
        let since = desk.ending.as_ref().map_or(now, |ending| ending.since);
        let Some((running, ..)) = &mut desk.running else { return true };
        if !running.task.is_finished() {
            if now.since(since) < STOP_WITHIN {
                return false;
            }
            tracing::error!(shard = %self.slots[at].shard, "the session did not stop in time");
            running.task.abort();
        }
        if let Some((running, ..)) = desk.running.take()
            && running.task.is_finished()
            && let Ok(report) = self.works.runtime.block_on(running.task)
        {
            self.reports.insert(self.slots[at].shard.to_string(), report);
        }
        self.works.crew.board.venues[at].end_session();
        true
    }

    /// Gives a lease to its heir, or back.
    fn give(&mut self, lease: &Lease, heir: Option<&str>) {
        let handed = match heir {
            Some(heir) => self.leases.hand_over(lease, heir),
            None => Ok(false),
        };
        let given = match handed {
            Ok(true) => {
                self.summary.handed_over += 1;
                tracing::info!(shard = %lease.shard, to = heir, "handed over");
                return;
            }
            Ok(false) => self.leases.release(std::slice::from_ref(lease)),
            Err(error) => Err(error),
        };
        if let Err(error) = given {
            tracing::warn!(shard = %lease.shard, "the lease ends by itself: {}", reason(&error));
        }
    }

    fn has_left(&mut self) -> bool {
        let Some(since) = self.leaving else { return false };
        let span = self.now().since(since);
        if span >= LEAVE_WITHIN {
            for at in 0..self.slots.len() {
                match &self.slots[at].phase {
                    Phase::Held(lease) => {
                        let lease = lease.clone();
                        self.finish(at, Some((lease, None)));
                    }
                    Phase::Warming | Phase::Fresh => self.finish(at, None),
                    Phase::Idle | Phase::Ending(_) => {}
                }
            }
        }
        self.slots.iter().all(|slot| slot.phase == Phase::Idle) || span >= LEAVE_WITHIN + END_WITHIN
    }

    fn end(mut self, is_usurped: bool) -> Outcome {
        for desk in &mut self.desks {
            if let Some((running, ..)) = desk.running.take() {
                running.task.abort();
            }
        }
        self.publish();
        Outcome { summary: self.summary, reports: self.reports, is_usurped }
    }

    // ---- showing ----

    /// Notes who has what.
    fn show(&self, standings: &BTreeMap<Shard, Standing>) {
        for (at, slot) in self.slots.iter().enumerate() {
            let Some(board) = &self.works.crew.board.venues[at].shard else { continue };
            let standing = standings.get(&slot.shard).filter(|standing| !plan::is_vacant(Some(standing)));
            let mut state = board.lock();
            state.owner = standing.map(|standing| standing.owner.as_str().into());
            state.fence = standing.map_or(0, |standing| standing.lease.fence);
        }
    }

    /// Notes what this member does about each.
    fn publish(&mut self) {
        let mut owned = 0;
        for (at, slot) in self.slots.iter().enumerate() {
            let Some(board) = &self.works.crew.board.venues[at].shard else { continue };
            let mut state = board.lock();
            state.role = match &slot.phase {
                Phase::Fresh | Phase::Idle => Role::Idle,
                Phase::Warming => Role::Warming,
                Phase::Held(_) => Role::Held,
                Phase::Ending(_) => Role::Ending,
            };
            if let Phase::Held(lease) | Phase::Ending(Some((lease, _))) = &slot.phase {
                (state.owner, state.fence) = (Some(self.name.as_str().into()), lease.fence);
                owned += 1;
            }
            let ShardState { fence, role, .. } = &*state;
            self.desks[at].owned.set(if *role == Role::Held { 1.0 } else { 0.0 });
            self.desks[at].fence.set(Duration::from_secs(fence.unsigned_abs()));
        }
        self.summary.owned = owned;
    }
}

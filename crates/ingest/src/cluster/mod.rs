//! One member of a cluster: which shards it follows, and when.
//!
//! Owns a thread that speaks with the server about leases and with sessions about their beginning and end; what it
//! decides stands in `plan`. A shard is one session of one venue, begun with the lease or before it, and ended before
//! the lease is given away. It refuses to trust a clock: leases are timed by the server, and the statement that writes
//! looks at them itself.

mod held;
mod member;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use metrics::Counter;
use tokio::sync::oneshot;
use venuekit_driver::Clock;
use venuekit_session::Report;
use venuekit_store::postgres::{Dsn, Leases};
use venuekit_store::{Shard, World};

pub(crate) use self::held::{Fenced, Held};
pub(crate) use self::member::Works;
use crate::config::{ClusterConfig, VenueConfig};
use crate::error::IngestError;
use crate::queue::Reservation;
use crate::summary::ClusterSummary;

/// What a member's thread is asked.
pub(crate) enum Ask {
    /// Generations for a book.
    Epochs(Reservation),
    /// Something happened: look at the leases now.
    Look,
    /// Give everything to others, then end.
    Leave,
}

/// Every shard of the venues, beside the place of its venue.
pub(crate) fn shards(venues: &[VenueConfig], cluster: &ClusterConfig) -> Vec<(usize, Shard)> {
    let of = |(at, venue): (usize, &VenueConfig)| {
        Shard::all(&venue.id, cluster.buckets).map(move |shard| (at, shard)).collect::<Vec<_>>()
    };
    venues.iter().enumerate().flat_map(of).collect()
}

/// A member that knows the server and has not said that it is there.
pub(crate) struct Joining {
    pub(crate) held: Held,
    name: String,
    asks: Sender<Ask>,
    begin: Sender<Works>,
    ended: oneshot::Receiver<Outcome>,
}

/// A member at work.
pub(crate) struct Member {
    name: String,
    asks: Sender<Ask>,
    ended: oneshot::Receiver<Outcome>,
}

/// What became of a member.
pub(crate) struct Outcome {
    pub(crate) summary: ClusterSummary,
    /// What the sessions made of what they saw, by shard.
    pub(crate) reports: BTreeMap<String, Report>,
    /// Another process came and goes by this member's name.
    pub(crate) is_usurped: bool,
}

impl Joining {
    /// Connects, on the thread on which the connection lives and ends.
    ///
    /// **Errors**: as for any server.
    pub(crate) async fn connect(
        dsn: Dsn,
        world: World,
        name: String,
        cluster: &ClusterConfig,
        clock: Clock,
        rejections: Counter,
    ) -> Result<Joining, IngestError> {
        let (asks, asked) = channel();
        let (begin, begun) = channel::<Works>();
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let held = Held::new(&name, cluster.buckets, clock, asks.clone(), rejections);
        let (ttl, owner) = (cluster.lease, name.clone());
        let thread = move || match Leases::connect(&dsn, &world, &owner, ttl) {
            Ok(leases) => {
                // Whoever asked may have been refused for another reason: then nothing begins.
                let _ = tell.send(Ok(()));
                if let Ok(works) = begun.recv() {
                    let _ = end.send(member::run(leases, &owner, works, &asked));
                }
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        std::thread::Builder::new().name("member".to_owned()).spawn(thread).map_err(|_| died())?;
        told.await.map_err(|_| died())??;
        Ok(Joining { held, name, asks, begin, ended })
    }

    /// Where its sessions ask for generations.
    pub(crate) fn asks(&self) -> Sender<Ask> {
        self.asks.clone()
    }

    /// Joins.
    pub(crate) fn begin(self, works: Works) -> Member {
        // A thread that is gone is noticed where its end is waited for.
        let _ = self.begin.send(works);
        Member { name: self.name, asks: self.asks, ended: self.ended }
    }
}

impl Member {
    /// Waits for an end that nobody asked for, and says why.
    pub(crate) async fn ended(&mut self) -> IngestError {
        match (&mut self.ended).await {
            Ok(Outcome { is_usurped: true, .. }) => IngestError::Usurped { member: self.name.clone() },
            _ => died(),
        }
    }

    /// Gives everything to others and ends, within a bound.
    pub(crate) async fn leave(self) -> Option<Outcome> {
        // One that has ended needs no telling.
        let _ = self.asks.send(Ask::Leave);
        let bound = member::LEAVE_WITHIN + member::END_WITHIN + Duration::from_secs(15);
        tokio::time::timeout(bound, self.ended).await.ok()?.ok()
    }
}

fn died() -> IngestError {
    IngestError::Died { part: "the member of the cluster".to_owned() }
}

/// What takes reservations for a member.
pub(crate) fn reserve(asks: Sender<Ask>) -> Arc<dyn Fn(Reservation) + Send + Sync> {
    // A member that is gone has ended its sessions.
    Arc::new(move |reservation| drop(asks.send(Ask::Epochs(reservation))))
}

type Asked = Receiver<Ask>;

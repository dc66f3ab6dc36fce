//! Leases on shards, kept by the server and timed by its clock alone.
//!
//! Owns taking, keeping and giving back. It refuses to judge who may write: the statement that writes looks at the
//! fence itself, so that a worker that slept through its lease writes nothing however sure it is.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use tokio_postgres::{Client, Row};

use super::link::{Link, LinkError};
use super::{ConnectError, Dsn, ready};
use crate::shard::Shard;
use crate::{Market, Resume, SinkError, World};

/// The right to write a shard's rows, as long as the server says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of what.
    pub shard: Shard,
    /// Higher than that of any earlier lease on the shard.
    pub fence: i64,
}

/// What a sink writes under.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Who writes, by the name under which the leases were taken.
    pub owner: String,
    /// Into how many buckets each venue's markets of a kind are cut; the same for all workers.
    pub buckets: NonZeroU16,
    /// The leases held, to the writer's knowledge.
    pub leases: Vec<Lease>,
}

/// One worker's dealings with leases, on a connection of its own so that no batch delays them.
#[derive(Debug)]
pub struct Leases {
    link: Link,
    owner: String,
    /// How long a lease lasts without being renewed, in the server's words.
    ttl: String,
    /// It has said that it is there.
    is_announced: bool,
}

/// What a worker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Which process it is; no other one of its name ever says the same.
    pub process: String,
    /// What stands for the address that its requests come from at the venues; where absent, the address that the
    /// server sees.
    pub address: Option<String>,
    /// The venue of each of its sessions.
    pub sessions: Vec<String>,
}

/// A worker that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// What stands for its address at the venues.
    pub address: String,
    /// The venue of each of its sessions.
    pub sessions: Vec<String>,
}

/// How a shard stands, by the server's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The lease that was given last.
    pub lease: Lease,
    /// To whom; empty where it was given back.
    pub owner: String,
    /// Who offered to take over, since then; empty where nobody did.
    pub heir: String,
    /// Whether it has not run out.
    pub is_held: bool,
}

impl Leases {
    /// Connects as a worker with a name of its own; see [`Postgres::connect`](super::Postgres::connect).
    ///
    /// **Errors**: [`ConnectError`].
    pub fn connect(dsn: &Dsn, world: &World, owner: &str, ttl: Duration) -> Result<Leases, ConnectError> {
        let link = ready(dsn, Some(world))?;
        Ok(Leases {
            link,
            owner: owner.to_owned(),
            ttl: format!("{} milliseconds", ttl.as_millis()),
            is_announced: false,
        })
    }

    /// Says that this worker is there; false where another process has come and goes by its name now.
    ///
    /// **Errors**: [`SinkError`].
    pub fn announce(&mut self, presence: &Presence) -> Result<bool, SinkError> {
        let Leases { link, owner, is_announced, .. } = self;
        let Presence { process, address, sessions } = presence;
        let said = run(link, async |client| {
            // The first word takes the name over from whoever had it; the further ones do not.
            let say = "INSERT INTO worker (worker, seen, process, address, sessions)
                       VALUES ($1, now(), $2, coalesce($3, host(inet_client_addr()), 'local'), $4)
                       ON CONFLICT (worker) DO UPDATE SET seen = now(), process = excluded.process,
                         address = excluded.address, sessions = excluded.sessions
                       WHERE worker.process = excluded.process OR NOT $5";
            client.execute(say, &[owner, process, address, sessions, is_announced]).await
        })?;
        *is_announced = true;
        Ok(said > 0)
    }

    /// Who was there within the length of a lease, by name.
    ///
    /// **Errors**: [`SinkError`].
    pub fn peers(&mut self) -> Result<Vec<Peer>, SinkError> {
        let Leases { link, ttl, .. } = self;
        run(link, async |client| {
            let live = "SELECT worker, address, sessions FROM worker
                        WHERE seen > now() - $1::text::interval ORDER BY worker";
            let peer = |row: &Row| Peer { name: row.get(0), address: row.get(1), sessions: row.get(2) };
            Ok(client.query(live, &[ttl]).await?.iter().map(peer).collect())
        })
    }

    /// Says that this worker goes.
    ///
    /// **Errors**: [`SinkError`].
    pub fn leave(&mut self) -> Result<(), SinkError> {
        let Leases { link, owner, .. } = self;
        run(link, async |client| {
            client.execute("DELETE FROM worker WHERE worker = $1", &[owner]).await?;
            Ok(())
        })
    }

    /// How shards stand; those that nobody ever took are left out.
    ///
    /// **Errors**: [`SinkError`].
    pub fn standings(&mut self, shards: &[Shard]) -> Result<Vec<Standing>, SinkError> {
        let names: Vec<&str> = shards.iter().map(Shard::as_str).collect();
        run(&mut self.link, async |client| {
            let ask = "SELECT shard, owner, fence, heir, expires > now() FROM shard WHERE shard = ANY($1)";
            let standing = |row: &Row| Standing {
                lease: Lease { shard: Shard::from(row.get::<_, String>(0)), fence: row.get(2) },
                owner: row.get(1),
                heir: row.get(3),
                is_held: row.get(4),
            };
            Ok(client.query(ask, &[&names]).await?.iter().map(standing).collect())
        })
    }

    /// Says that this worker follows a shard's markets already, so that whoever holds it may hand it over.
    ///
    /// **Errors**: [`SinkError`].
    pub fn offer(&mut self, shard: &Shard) -> Result<(), SinkError> {
        let Leases { link, owner, .. } = self;
        let name = shard.as_str();
        run(link, async |client| {
            let offer = "UPDATE shard SET heir = $2 WHERE shard = $1 AND owner <> $2";
            client.execute(offer, &[&name, owner]).await?;
            Ok(())
        })
    }

    /// Hands a lease over to the worker that offered itself for it, with no instant between; false where it is not
    /// held any more, or another one has offered itself since.
    ///
    /// **Errors**: [`SinkError`].
    pub fn hand_over(&mut self, lease: &Lease, heir: &str) -> Result<bool, SinkError> {
        let Leases { link, owner, ttl, .. } = self;
        let name = lease.shard.as_str();
        run(link, async |client| {
            let give = "WITH mine AS (
                          SELECT shard FROM shard WHERE shard = $1 AND owner = $2 AND fence = $3 AND heir = $4
                            AND expires > now() FOR UPDATE)
                        UPDATE shard SET owner = heir, heir = '', fence = fence + 1,
                          expires = now() + $5::text::interval
                        FROM mine WHERE shard.shard = mine.shard";
            Ok(client.execute(give, &[&name, owner, &lease.fence, &heir, ttl]).await? > 0)
        })
    }

    /// As [`Sink::reserve_epochs`](crate::Sink::reserve_epochs), of the generations that all workers share.
    ///
    /// **Errors**: [`SinkError`].
    pub fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        super::reserve_epochs(&mut self.link, market, count)
    }

    /// As [`Sink::resume`](crate::Sink::resume).
    ///
    /// **Errors**: [`SinkError`].
    pub fn resume(&mut self) -> Result<Resume, SinkError> {
        super::resume(&mut self.link)
    }

    /// Takes a shard that nobody holds; nothing where somebody does.
    ///
    /// Whoever held it before writes nothing from then on: the lock waits for a batch that is being written, and the
    /// fence turns away the next.
    ///
    /// **Errors**: [`SinkError`].
    pub fn take(&mut self, shard: &Shard) -> Result<Option<Lease>, SinkError> {
        let Leases { link, owner, ttl, .. } = self;
        let name = shard.as_str();
        let fence: Option<i64> = run(link, async |client| {
            // Above every generation of before, so that a fence can stand for one.
            let declare = "INSERT INTO shard (shard, owner, fence, expires)
                           SELECT $1::text, '', coalesce(max(last), 0), '-infinity'::timestamptz FROM epoch
                           ON CONFLICT DO NOTHING";
            client.execute(declare, &[&name]).await?;
            // The lock is the strong one, which an update alone would not take: writers hold the weakest.
            let take = "WITH free AS (
                          SELECT shard FROM shard WHERE shard = $1 AND (expires <= now() OR owner = $2) FOR UPDATE)
                        UPDATE shard SET owner = $2, heir = '', fence = fence + 1, expires = now() + $3::text::interval
                        FROM free WHERE shard.shard = free.shard RETURNING fence";
            Ok(client.query_opt(take, &[&name, owner, ttl]).await?.map(|row| row.get(0)))
        })?;
        Ok(fence.map(|fence| Lease { shard: shard.clone(), fence }))
    }

    /// Prolongs leases; gives back those that still stand. One that ran out does not come back, also where nobody
    /// took it meanwhile.
    ///
    /// **Errors**: [`SinkError`].
    pub fn renew(&mut self, leases: &[Lease]) -> Result<Vec<Lease>, SinkError> {
        let Leases { link, owner, ttl, .. } = self;
        let (shards, fences) = unzip(leases);
        run(link, async |client| {
            let renew = "UPDATE shard SET expires = now() + $4::text::interval
                         FROM unnest($1::text[], $2::bigint[]) AS w(shard, fence)
                         WHERE shard.shard = w.shard AND shard.fence = w.fence AND owner = $3 AND expires > now()
                         RETURNING shard.shard, shard.fence";
            let rows = client.query(renew, &[&shards, &fences, owner, ttl]).await?;
            let lease = |row: &Row| Lease { shard: Shard::from(row.get::<_, String>(0)), fence: row.get(1) };
            Ok(rows.iter().map(lease).collect())
        })
    }

    /// Gives leases back, so that others need not wait for their end.
    ///
    /// **Errors**: [`SinkError`].
    pub fn release(&mut self, leases: &[Lease]) -> Result<(), SinkError> {
        let Leases { link, owner, .. } = self;
        let (shards, fences) = unzip(leases);
        run(link, async |client| {
            let release = "UPDATE shard SET owner = '', expires = '-infinity'
                           FROM unnest($1::text[], $2::bigint[]) AS w(shard, fence)
                           WHERE shard.shard = w.shard AND shard.fence = w.fence AND owner = $3";
            client.execute(release, &[&shards, &fences, owner]).await?;
            Ok(())
        })
    }
}

fn unzip(leases: &[Lease]) -> (Vec<&str>, Vec<i64>) {
    leases.iter().map(|lease| (lease.shard.as_str(), lease.fence)).unzip()
}

fn run<T>(
    link: &mut Link,
    act: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T, SinkError> {
    link.run(async |client, _| act(client).await).map_err(LinkError::into_sink)
}

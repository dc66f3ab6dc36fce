//! Leases on shards, kept by the server and timed by its clock alone.
//!
//! Owns taking, keeping and giving back. It refuses to judge who may write: the statement that writes looks at the
//! fence itself, so that a worker that slept through its lease writes nothing however sure it is.

use std::num::NonZeroU16;
use std::time::Duration;

use tokio_postgres::Client;

use super::link::{Link, LinkError};
use super::{ConnectError, Dsn, ready};
use crate::shard::Shard;
use crate::{SinkError, World};

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
}

impl Leases {
    /// Connects as a worker with a name of its own; see [`Postgres::connect`](super::Postgres::connect).
    ///
    /// **Errors**: [`ConnectError`].
    pub fn connect(dsn: &Dsn, world: &World, owner: &str, ttl: Duration) -> Result<Leases, ConnectError> {
        let link = ready(dsn, world)?;
        Ok(Leases { link, owner: owner.to_owned(), ttl: format!("{} milliseconds", ttl.as_millis()) })
    }

    /// Says that this worker is there, and learns who else was within the length of a lease, by name.
    ///
    /// **Errors**: [`SinkError`].
    pub fn workers(&mut self) -> Result<Vec<String>, SinkError> {
        let Leases { link, owner, ttl } = self;
        run(link, async |client| {
            let seen =
                "INSERT INTO worker VALUES ($1, now()) ON CONFLICT (worker) DO UPDATE SET seen = now()";
            client.execute(seen, &[owner]).await?;
            let live = "SELECT worker FROM worker WHERE seen > now() - $1::text::interval ORDER BY worker";
            Ok(client.query(live, &[ttl]).await?.iter().map(|row| row.get(0)).collect())
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

    /// Takes a shard that nobody holds; nothing where somebody does.
    ///
    /// Whoever held it before writes nothing from then on: the lock waits for a batch that is being written, and the
    /// fence turns away the next.
    ///
    /// **Errors**: [`SinkError`].
    pub fn take(&mut self, shard: &Shard) -> Result<Option<Lease>, SinkError> {
        let Leases { link, owner, ttl } = self;
        let name = shard.as_str();
        let fence: Option<i64> = run(link, async |client| {
            let declare = "INSERT INTO shard VALUES ($1, '', 0, '-infinity') ON CONFLICT DO NOTHING";
            client.execute(declare, &[&name]).await?;
            // The lock is the strong one, which an update alone would not take: writers hold the weakest.
            let take = "WITH free AS (
                          SELECT shard FROM shard WHERE shard = $1 AND (expires <= now() OR owner = $2) FOR UPDATE)
                        UPDATE shard SET owner = $2, fence = fence + 1, expires = now() + $3::text::interval
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
        let Leases { link, owner, ttl } = self;
        let (shards, fences) = unzip(leases);
        run(link, async |client| {
            let renew = "UPDATE shard SET expires = now() + $4::text::interval
                         FROM unnest($1::text[], $2::bigint[]) AS w(shard, fence)
                         WHERE shard.shard = w.shard AND shard.fence = w.fence AND owner = $3 AND expires > now()
                         RETURNING shard.shard, shard.fence";
            let rows = client.query(renew, &[&shards, &fences, owner, ttl]).await?;
            let lease = |row: &tokio_postgres::Row| Lease {
                shard: Shard::from(row.get::<_, String>(0)),
                fence: row.get(1),
            };
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

//! A Postgres server as the sink: one statement a batch, which checks the fences of its leases as it writes.
//!
//! Owns the way from a batch to that statement and its answer. The tables and stable ids are those of the embedded
//! sink; only what partitions are cut by, the venue's stamp, belongs to the keys here too. It refuses to overwrite,
//! and trusts no clock but the server's.
//!
//! A call blocks its thread until the server has answered, so it belongs on a thread of its own and not into an
//! asynchronous task.

mod columns;
mod dsn;
mod lease;
mod link;
mod retain;
mod schema;
mod switch;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use venuekit_types::UnixNanos;

pub use dsn::{Dsn, DsnError};
pub use lease::{Fence, Lease, Leases, Peer, Presence, Standing};
pub use link::ConnectError;
pub use retain::ServerRetainer;
pub use switch::SwitchLink;

use self::link::{Link, LinkError};
use self::schema::{Partitions, Unready};
use self::write::Prepared;
use crate::{Batch, Cursor, Gap, Market, Receipt, Resume, Sink, SinkError, World};

/// A Postgres database that takes rows, alone or under the fences of a cluster.
#[derive(Debug)]
pub struct Postgres {
    link: Link,
    partitions: Partitions,
    prepared: Option<Prepared>,
    fence: Option<Fence>,
    /// The last generation of each market that the server knows to be taken.
    epochs: BTreeMap<Market, u64>,
}

impl Postgres {
    /// Connects, migrates an older schema under a lock, and records the world.
    ///
    /// **Errors**: [`ConnectError`], after at most a few seconds a host.
    pub fn connect(dsn: &Dsn, world: &World) -> Result<Postgres, ConnectError> {
        let mut link = ready(dsn, Some(world))?;
        link.run(async |_, _| Ok::<(), tokio_postgres::Error>(()))
            .map_err(|error| error.into_connect(dsn))?;
        Ok(Postgres {
            link,
            partitions: Partitions::default(),
            prepared: None,
            fence: None,
            epochs: BTreeMap::new(),
        })
    }

    /// The last generation of each market that somebody reserved here or wrote rows of.
    ///
    /// **Errors**: [`SinkError`].
    pub fn epochs(&mut self) -> Result<Vec<(Market, u64)>, SinkError> {
        let act = async |client: &mut tokio_postgres::Client, _| {
            client.query("SELECT venue, symbol, last FROM epoch ORDER BY 1, 2", &[]).await
        };
        let rows = self.link.run(act).map_err(LinkError::into_sink)?;
        rows.iter().map(|row| Ok((market(row)?, number(row, 2)?))).collect()
    }

    /// Writes under leases from now on: rows of a shard whose lease is not held any more do not enter, and the
    /// receipt counts them as fenced and names the shard.
    pub fn write_under(&mut self, fence: Fence) {
        self.fence = Some(fence);
    }
}

/// A link whose server has our schema, and our world where one is to be added to.
fn ready(dsn: &Dsn, world: Option<&World>) -> Result<Link, ConnectError> {
    let mut link = Link::new(dsn.clone())?;
    match link.run(async |client, _| schema::prepare(client, dsn, world).await) {
        Ok(()) => Ok(link),
        Err(LinkError::Act(Unready::Refused(error))) => Err(error),
        Err(LinkError::Act(Unready::Failed(error))) => Err(LinkError::Act(error).into_connect(dsn)),
        Err(LinkError::Connect(error)) => Err(LinkError::Connect(error).into_connect(dsn)),
        Err(LinkError::Late) => Err(LinkError::Late.into_connect(dsn)),
    }
}

impl Sink for Postgres {
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        if batch.is_empty() {
            return Ok(Receipt::default());
        }
        let Postgres { link, partitions, prepared, fence, epochs } = self;
        let higher = write::higher_epochs(batch, epochs);
        let act = async |client: &mut tokio_postgres::Client, generation: u64| {
            // Before the rows, and for good: a number that is taken too early is only left out.
            if !higher.is_empty() {
                write::raise_epochs(client, &higher).await?;
                epochs.extend(higher);
            }
            partitions.make(client, write::wanted_partitions(batch, partitions)).await?;
            let prepared = Prepared::on(prepared, client, generation, fence.is_some()).await?;
            write::commit(client, prepared, batch, fence.as_ref()).await
        };
        link.run(act).map_err(LinkError::into_sink)
    }

    fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        reserve_epochs(&mut self.link, market, count)
    }

    fn resume(&mut self) -> Result<Resume, SinkError> {
        resume(&mut self.link)
    }
}

fn reserve_epochs(link: &mut Link, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
    let (venue, symbol, count) = (&*market.venue, market.symbol.as_str(), i64::from(count.get()));
    let act = async |client: &mut tokio_postgres::Client, _| {
        let sql = "INSERT INTO epoch VALUES ($1, $2, $3) ON CONFLICT (venue, symbol)
                   DO UPDATE SET last = epoch.last + excluded.last RETURNING last";
        client.query_one(sql, &[&venue, &symbol, &count]).await
    };
    let last: i64 = link.run(act).map_err(LinkError::into_sink)?.get(0);
    Ok(last.saturating_sub(count).saturating_add(1).unsigned_abs())
}

fn resume(link: &mut Link) -> Result<Resume, SinkError> {
    let act = async |client: &mut tokio_postgres::Client, _| {
        let cursors = "SELECT venue, symbol, channel, epoch, last_seq, ts_local FROM stream ORDER BY 1, 2, 3";
        let gaps = "SELECT venue, symbol, channel, epoch, from_seq, to_seq, cause, detected_at FROM gap
                    WHERE healed_at IS NULL ORDER BY detected_at, venue, symbol, channel";
        Ok((client.query(cursors, &[]).await?, client.query(gaps, &[]).await?))
    };
    let (cursors, gaps) = link.run(act).map_err(LinkError::into_sink)?;
    Ok(Resume {
        cursors: cursors.iter().map(cursor).collect::<Result<_, _>>()?,
        open_gaps: gaps.iter().map(open_gap).collect::<Result<_, _>>()?,
        // Whoever spools before it keeps them.
        limits: Vec::new(),
    })
}

type PgRow = tokio_postgres::Row;

fn cursor(row: &PgRow) -> Result<Cursor, SinkError> {
    Ok(Cursor {
        market: market(row)?,
        channel: row.get::<_, String>(2).into(),
        epoch: number(row, 3)?,
        last_seq: number(row, 4)?,
        ts_local: UnixNanos(row.get(5)),
    })
}

fn open_gap(row: &PgRow) -> Result<Gap, SinkError> {
    let optional = |at| row.get::<_, Option<i64>>(at).map(u64::try_from).transpose().map_err(damaged);
    Ok(Gap {
        market: market(row)?,
        channel: row.get::<_, String>(2).into(),
        epoch: optional(3)?,
        from_seq: optional(4)?,
        to_seq: optional(5)?,
        cause: row.get::<_, String>(6).into(),
        detected_at: UnixNanos(row.get(7)),
        healed_at: None,
    })
}

fn market(row: &PgRow) -> Result<Market, SinkError> {
    Ok(Market::new(row.get::<_, String>(0), row.get::<_, &str>(1).parse().map_err(damaged)?))
}

fn number(row: &PgRow, at: usize) -> Result<u64, SinkError> {
    u64::try_from(row.get::<_, i64>(at)).map_err(damaged)
}

/// Content that this crate never writes.
fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> SinkError {
    SinkError::Corrupt(Box::new(error))
}

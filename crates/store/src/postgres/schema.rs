//! The schema `venuekit`: numbered migrations under a lock, the world it holds, and partitions by day.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};
use venuekit_types::UnixNanos;

use super::Dsn;
use super::link::ConnectError;
use crate::day::Day;
use crate::{SinkError, Table, World};

/// Every schema step since the first release. Released steps never change; a new step is a new file.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001.sql"),
    include_str!("../../migrations/postgres/0002.sql"),
    include_str!("../../migrations/postgres/0003.sql"),
    include_str!("../../migrations/postgres/0004.sql"),
];

/// What all of us lock while the schema changes; the number is arbitrary and must not change.
const LOCK: i64 = 0x564B_4954;

/// How far a stamp may lie from its row's arrival to have a partition of its own. A venue that stamps at random
/// makes no more of them than this.
const WINDOW_NS: i64 = 7 * 86_400_000_000_000;

/// Why a schema was not made ready.
pub(super) enum Unready {
    Refused(ConnectError),
    Failed(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Unready {
    fn from(error: tokio_postgres::Error) -> Unready {
        Unready::Failed(error)
    }
}

/// Migrates, and records the world of whoever adds to it; several workers may start at once.
pub(super) async fn prepare(client: &mut Client, dsn: &Dsn, world: Option<&World>) -> Result<(), Unready> {
    let at = || dsn.to_string();
    let tx = client.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let exists = |name: &'static str| {
        let tx = &tx;
        async move {
            let row = tx.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await?;
            Ok::<bool, tokio_postgres::Error>(row.get(0))
        }
    };
    let has_schema: bool = tx.query_one("SELECT to_regnamespace('venuekit') IS NOT NULL", &[]).await?.get(0);
    if !has_schema {
        tx.batch_execute("CREATE SCHEMA venuekit").await?;
    }
    if !exists("venuekit.schema_version").await? {
        if exists("venuekit.trade").await? || exists("venuekit.world").await? {
            return Err(Unready::Refused(ConnectError::Foreign { at: at() }));
        }
        tx.batch_execute("CREATE TABLE venuekit.schema_version (version bigint NOT NULL PRIMARY KEY)")
            .await?;
    }
    let found: i64 =
        tx.query_one("SELECT coalesce(max(version), 0) FROM venuekit.schema_version", &[]).await?.get(0);
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    let known = u32::try_from(MIGRATIONS.len()).expect("migrations are counted in tens");
    if found > known {
        return Err(Unready::Refused(ConnectError::NewerSchema { at: at(), found, known }));
    }
    for (number, step) in (1i64..).zip(MIGRATIONS).skip(found as usize) {
        tx.batch_execute(step).await?;
        tx.execute("INSERT INTO schema_version VALUES ($1)", &[&number]).await?;
    }
    if let (Some(world), Some(recorded)) = (world, recorded_world(&tx).await?)
        && !recorded.admits(world)
    {
        let wanted = world.clone();
        return Err(Unready::Refused(ConnectError::OtherWorld { at: at(), recorded, wanted }));
    }
    for (venue, kind, identity) in world.map(World::rows).unwrap_or_default() {
        tx.execute(
            "INSERT INTO world VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&venue, &kind, &identity],
        )
        .await?;
    }
    Ok(tx.commit().await?)
}

async fn recorded_world(tx: &Transaction<'_>) -> Result<Option<World>, tokio_postgres::Error> {
    let rows = tx.query("SELECT venue, kind, identity FROM world", &[]).await?;
    Ok(World::of_rows(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()))
}

/// The partitions that this connection knows to exist, or to be of no use.
#[derive(Debug, Default)]
pub(super) struct Partitions(BTreeSet<(Table, Day)>);

impl Partitions {
    /// Those that a row needs and that are not known yet.
    pub(super) fn wants(&self, table: Table, stamp: UnixNanos, arrived: UnixNanos) -> Option<(Table, Day)> {
        let day = Day::of(stamp);
        let is_near = stamp.0.abs_diff(arrived.0) <= WINDOW_NS.unsigned_abs();
        let is_own = is_near && day != Day::of(UnixNanos(0));
        (is_own && !self.0.contains(&(table, day))).then_some((table, day))
    }

    /// Makes them.
    pub(super) async fn make(
        &mut self,
        client: &mut Client,
        wanted: BTreeSet<(Table, Day)>,
    ) -> Result<(), tokio_postgres::Error> {
        for (table, day) in wanted {
            let tx = client.transaction().await?;
            tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            let name = format!("{table}_{}", day.to_string().replace('-', ""));
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ({}) TO ({})",
                day.start().0,
                day.next().start().0
            );
            match tx.batch_execute(&sql).await {
                Ok(()) => tx.commit().await?,
                // Rows of that day stand among the others already, and the day's further rows join them.
                Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => {}
                Err(error) => return Err(error),
            }
            self.0.insert((table, day));
        }
        Ok(())
    }
}

impl From<Unready> for SinkError {
    fn from(error: Unready) -> SinkError {
        match error {
            Unready::Refused(error) => SinkError::Other(Box::new(error)),
            Unready::Failed(error) => error.into(),
        }
    }
}

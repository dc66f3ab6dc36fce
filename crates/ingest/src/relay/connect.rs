//! A Postgres server as the other end.

use venuekit_store::postgres::{Dsn, Postgres};
use venuekit_store::{Sink as _, World};

use super::{Connected, Known};
use crate::cluster::{Fenced, Held};
use crate::error::IngestError;

/// Connects, or says why not after a bounded time.
pub(crate) async fn connect(dsn: Dsn, world: World) -> Result<Connected, IngestError> {
    Connected::make(move || {
        let mut server = Postgres::connect(&dsn, &world)?;
        let known = Known { epochs: server.epochs()?, resume: server.resume()? };
        Ok((Box::new(server), known))
    })
    .await
}

/// As [`connect`], for rows that enter under leases. What the server knows is read with each lease, not now.
pub(crate) async fn connect_fenced(dsn: Dsn, world: World, held: Held) -> Result<Connected, IngestError> {
    Connected::make(move || {
        let server = Postgres::connect(&dsn, &world)?;
        Ok((Box::new(Fenced::new(server, held)), Known::default()))
    })
    .await
}

//! A Postgres server as the other end.

use venuekit_store::postgres::{Dsn, Postgres};
use venuekit_store::{Sink as _, World};

use super::{Connected, Known};
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

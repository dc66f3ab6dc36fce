//! The way to a kill switch on a server; what its row means is [`SwitchRow`](crate::SwitchRow)'s.

use super::Dsn;
use super::link::{ConnectError, Link, LinkError};
use crate::SinkError;

/// A connection that reads the row, and is made again when it breaks.
#[derive(Debug)]
pub struct SwitchLink(Link);

impl SwitchLink {
    /// A way to a server, over which nothing has gone yet.
    ///
    /// **Errors**: [`ConnectError`], when this machine cannot even try.
    pub fn new(dsn: &Dsn) -> Result<SwitchLink, ConnectError> {
        Link::new(dsn.clone()).map(SwitchLink)
    }

    /// The row, where there is one: its `halt` and its reason.
    pub(crate) fn read(&mut self) -> Result<Option<(i64, String)>, SinkError> {
        let read = self.0.run(async |client, _| {
            let row = "SELECT halt::bigint, reason FROM public.venuekit_switch WHERE id = 1";
            let row = client.query_opt(row, &[]).await?;
            row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
        });
        read.map_err(LinkError::<tokio_postgres::Error>::into_sink)
    }
}

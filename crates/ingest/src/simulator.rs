//! The simulator inside this process: each venue's server side on a loopback port of its own.

use std::path::PathBuf;
use std::time::Duration;

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use venuekit_driver::{ClientTls, Clock, Remote, ServeOptions, Server, ServerTls, serve};
use venuekit_session::HostOverride;
use venuekit_sign::Credentials;
use venuekit_sim::venue::VenueSim;
use venuekit_sim::{Keys, Sim, SimConfig};

use crate::config::SimSettings;
use crate::error::IngestError;

/// How often the truth is taken from the venues and written.
const TRUTH_EVERY: Duration = Duration::from_millis(200);

/// A simulator that is being served.
pub(crate) struct Simulator {
    run: String,
    keys: Keys,
    servers: Vec<(&'static str, Server<VenueSim>)>,
    tls: Option<ServerTls>,
    truth: Option<Truth>,
}

/// The task that writes the truth.
struct Truth {
    path: PathBuf,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Simulator {
    /// Serves the venues that are asked for.
    pub(crate) async fn start(
        settings: &SimSettings,
        venues: &[&str],
        clock: Clock,
    ) -> Result<Simulator, IngestError> {
        let mut config = SimConfig::new(settings.seed, clock.now());
        config.rate = settings.rate;
        config.truth_every = if settings.truth.is_some() { settings.truth_every } else { 0 };
        let config = config.with_faults(&settings.faults.plan(settings.seed)).only(venues);
        let keys = config.keys.clone();
        let sim = Sim::new(config);
        let run = sim.run().to_owned();
        let tls = if settings.tls { Some(ServerTls::fresh()?) } else { None };
        let mut servers = Vec::new();
        for venue in sim.into_venues() {
            let options = ServeOptions { tls: tls.clone(), clock, ..ServeOptions::default() };
            servers.push((venue.name(), serve(venue, options).await?));
        }
        let truth = match &settings.truth {
            None => None,
            Some(path) => {
                let file = create_private(path).await;
                let file = file.map_err(|source| IngestError::File { path: path.clone(), source })?;
                let remotes = servers.iter().map(|(_, server)| server.remote()).collect();
                let (stop, stopped) = oneshot::channel();
                let task = tokio::spawn(write_truth(file, remotes, stopped));
                Some(Truth { path: path.clone(), stop, task })
            }
        };
        Ok(Simulator { run, keys, servers, tls, truth })
    }

    /// What names this run.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Where a venue is served; nothing when it is not simulated.
    pub(crate) fn hosts(&self, venue: &str) -> Option<HostOverride> {
        let (_, server) = self.servers.iter().find(|(name, _)| *name == venue)?;
        Some(HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() })
    }

    /// The demo account of a venue.
    pub(crate) fn demo(&self, venue: &str) -> Option<Credentials> {
        self.keys.of(venue).cloned()
    }

    /// Whom a client trusts that speaks to it.
    pub(crate) fn trust(&self) -> Result<ClientTls, IngestError> {
        match &self.tls {
            Some(tls) => Ok(ClientTls::with_ca(tls.ca_pem())?),
            None => Ok(ClientTls::new()),
        }
    }

    /// Writes the rest of the truth, and stops serving.
    pub(crate) async fn stop(self) -> Result<(), IngestError> {
        if let Some(Truth { path, stop, task }) = self.truth {
            // A task that has ended by itself has an error to tell.
            let _ = stop.send(());
            let written = task.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            written.map_err(|source| IngestError::File { path, source })?;
        }
        for (_, server) in self.servers {
            // What is left of a front that broke is of no use.
            let _ = server.stop().await;
        }
        Ok(())
    }
}

async fn write_truth(
    mut file: File,
    venues: Vec<Remote<VenueSim>>,
    mut stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let mut tick = tokio::time::interval(TRUTH_EVERY);
    loop {
        let last = tokio::select! {
            _ = tick.tick() => false,
            _ = &mut stopped => true,
        };
        for venue in &venues {
            let take = move |venue: &mut VenueSim, _| {
                if last {
                    venue.write_accounts();
                }
                venue.take_truth()
            };
            let lines = venue.with(take).await;
            file.write_all(&lines.unwrap_or_default()).await?;
        }
        if last {
            return file.flush().await;
        }
    }
}

/// A fresh file for its owner alone.
pub(crate) async fn create_private(path: &std::path::Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await
}

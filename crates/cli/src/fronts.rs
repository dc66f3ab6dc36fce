//! The simulator's venues, served on loopback: for `sim` by itself, and inside `watch`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use venuekit_driver::{Clock, Remote, ServeOptions, Server, ServerTls, serve};
use venuekit_session::HostOverride;
use venuekit_sim::{Sim, SimConfig, VenueSim};
use venuekit_types::Now;

use crate::exit::{Exit, Failure, OrExit};

/// How the simulator is served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// Where the first venue listens; the next one takes the next port. Port 0 picks a free one for each.
    pub(crate) listen: SocketAddr,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
}

impl Default for Serving {
    fn default() -> Serving {
        Serving { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), tls: false }
    }
}

/// The venues of one simulation, being served. Dropping it stops them.
pub(crate) struct Fronts {
    /// What names the run.
    pub(crate) run: String,
    /// The authority that clients have to trust, where TLS is spoken.
    pub(crate) tls: Option<ServerTls>,
    servers: Vec<(&'static str, Server<VenueSim>)>,
}

impl Fronts {
    /// Makes a simulation that starts now, and serves it.
    pub(crate) async fn serve(
        config: impl FnOnce(Now) -> SimConfig,
        serving: &Serving,
    ) -> Result<Fronts, Failure> {
        let clock = Clock::start();
        let sim = Sim::new(config(clock.now()));
        let tls = if serving.tls { Some(ServerTls::fresh().or_exit(Exit::Unexpected)?) } else { None };
        let (run, mut listen) = (sim.run().to_owned(), serving.listen);
        let mut servers = Vec::new();
        for venue in sim.into_venues() {
            let options = ServeOptions { listen, tls: tls.clone(), clock, ..ServeOptions::default() };
            servers.push((venue.name(), serve(venue, options).await.or_exit(Exit::Config)?));
            if listen.port() != 0 {
                let next = listen.port().checked_add(1);
                let next = next.ok_or_else(|| {
                    Failure::say(Exit::Usage, "each venue takes a port of its own; choose one below 65535")
                })?;
                listen.set_port(next);
            }
        }
        Ok(Fronts { run, tls, servers })
    }

    /// Each venue and where it is, for a session.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&'static str, HostOverride)> {
        self.servers.iter().map(|(venue, server)| {
            let (rest, stream) = (server.rest_origin(), server.stream_origin());
            (*venue, HostOverride { product: None, rest, stream })
        })
    }

    /// A way to reach each venue while it is served.
    pub(crate) fn remotes(&self) -> Vec<Remote<VenueSim>> {
        self.servers.iter().map(|(_, server)| server.remote()).collect()
    }

    /// Says goodbye to every client, and gives the venues back.
    pub(crate) async fn stop(self) -> Vec<VenueSim> {
        let mut venues = Vec::new();
        for (_, server) in self.servers {
            // A front that panicked has said so on standard error, and has nothing to give.
            venues.extend(server.stop().await.ok());
        }
        venues
    }
}

//! What every example here needs: a simulated venue on this machine, and the key of its demo account.

use std::error::Error;
use std::sync::Arc;

use venuekit_doex::Doex;
use venuekit_driver::{Clock, ServeOptions, Server, serve};
use venuekit_session::{Config, HostOverride};
use venuekit_sim::{Keys, Sim, SimConfig, VenueSim};
use venuekit_venue::Venue;

/// A venue, and how to reach its demo account.
pub(crate) struct Simulated {
    pub(crate) venue: Arc<dyn Venue>,
    pub(crate) config: Config,
    /// Serves it as long as it is kept.
    pub(crate) server: Server<VenueSim>,
}

impl Simulated {
    /// Doex, simulated.
    pub(crate) async fn doex() -> Result<Simulated, Box<dyn Error>> {
        let clock = Clock::start();
        let venues = Sim::new(SimConfig::new(7, clock.now())).into_venues();
        let doex = venues.into_iter().find(|venue| venue.name() == "doex").ok_or("the simulator has it")?;
        let server = serve(doex, ServeOptions { clock, ..ServeOptions::default() }).await?;
        let (rest, stream) = (server.rest_origin(), server.stream_origin());
        // Against the real venue: no hosts, and a key from wherever secrets are kept.
        let config = Config {
            products: vec!["spot".into(), "futures".into()],
            hosts: vec![HostOverride { product: None, rest, stream }],
            credentials: Some(Keys::from_seed(7).doex),
            ..Config::default()
        };
        Ok(Simulated { venue: Arc::new(Doex::default()), config, server })
    }
}

//! One answer of the simulator, asked for without a socket.

use std::net::{IpAddr, Ipv4Addr};

use venuekit_sim::{Front, FrontInput, FrontOutput, Request};
use venuekit_sim::{Sim, SimConfig};
use venuekit_types::Now;
use venuekit_venue::{Ask, Catalog, Place, Venue};

use crate::exit::{Exit, Failure};

/// The body that the simulated venue answers a public request with.
pub(super) fn answer(venue: &dyn Venue, ask: &Ask, now: Now) -> Result<Vec<u8>, Failure> {
    let name = &venue.specs()[0].venue;
    let none = || Failure::say(Exit::Unexpected, format!("the simulator has no answer of {name}"));
    let catalog = Catalog::new();
    let request = venue.ask(Place { product: 0, socket: 0, catalog: &catalog }, ask).ok_or_else(none)?;
    let mut sim = Sim::new(SimConfig::new(1, now));
    let front = sim.venue_mut(name).ok_or_else(none)?;
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request { method: request.method.as_str(), path, query, headers: &[], body: &[], peer };
    front.handle(now, FrontInput::Request { id: 1, request });
    while let Some(output) = front.poll() {
        if let FrontOutput::Respond { id: 1, response } = output {
            return Ok(response.body.to_vec());
        }
    }
    Err(none())
}

//! Which venues are watched, and where each of them is.

use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use venuekit_driver::{ClientTls, check_address};
use venuekit_session::HostOverride;
use venuekit_sim::SimConfig;
use venuekit_venue::Venue;

use super::Args;
use crate::exit::{Exit, Failure, OrExit};
use crate::fronts::{Fronts, Serving};

/// The environment that means the simulator inside this process.
const SIM: &str = "sim";

/// One venue to watch.
pub(super) struct Target {
    pub(super) id: &'static str,
    pub(super) venue: Arc<dyn Venue>,
    pub(super) environment: String,
    pub(super) hosts: Vec<HostOverride>,
    /// Where it is, for messages.
    pub(super) origins: Origins,
}

/// The origins of a venue's products, each once.
pub(super) struct Origins(Vec<String>);

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Every venue to watch, and what they need.
pub(super) struct Targets {
    pub(super) list: Vec<Target>,
    pub(super) tls: ClientTls,
    /// The simulator inside this process, as long as it is needed.
    _fronts: Option<Fronts>,
}

impl Targets {
    /// Reads the flags, and starts the simulator where it is wanted.
    pub(super) async fn of(args: &Args) -> Result<Targets, Failure> {
        let tls = match &args.ca {
            Some(path) => {
                let pem = std::fs::read_to_string(path);
                let pem =
                    pem.with_context(|| format!("cannot read {}", path.display())).or_exit(Exit::Config)?;
                ClientTls::with_ca(&pem).or_exit(Exit::Config)?
            }
            None => ClientTls::new(),
        };
        let mut list = match &args.config {
            Some(path) => {
                let config = venuekit_ingest::Config::load(path).or_exit(Exit::Config)?;
                let ids: Vec<_> = config.venues.iter().map(|venue| venue.id.as_str()).collect();
                if let Some(absent) = args.venues.iter().find(|id| !ids.contains(*id)) {
                    let message =
                        format!("{} has no venue {absent}; it has {}", path.display(), ids.join(", "));
                    return Err(Failure::say(Exit::Config, message));
                }
                let wanted = |id: &str| args.venues.is_empty() || args.venues.contains(&id);
                let venues = config.venues.into_iter().filter(|venue| wanted(&venue.id));
                venues
                    .map(|venue| {
                        let id = super::words::venue(&venue.id).or_exit(Exit::Config)?;
                        Ok(Target::new(id, venue.venue, venue.environment, venue.hosts))
                    })
                    .collect::<Result<Vec<_>, Failure>>()?
            }
            None => from_flags(args)?,
        };
        let is_embedded = |target: &Target| target.environment == SIM && target.hosts.is_empty();
        let mut fronts = None;
        if list.iter().any(is_embedded) {
            let config = |now| SimConfig { rate: args.rate, ..SimConfig::new(args.seed, now) };
            let served = Fronts::serve(config, &Serving::default()).await?;
            for (id, hosts) in served.hosts() {
                for target in list.iter_mut().filter(|target| target.id == id && is_embedded(target)) {
                    target.place(vec![hosts.clone()]);
                }
            }
            fronts = Some(served);
        }
        Ok(Targets { list, tls, _fronts: fronts })
    }
}

fn from_flags(args: &Args) -> Result<Vec<Target>, Failure> {
    let mut ids = args.venues.clone();
    if ids.is_empty() {
        ids.extend(venuekit_registry::ids());
    }
    ids.dedup();
    let hosts = match (&args.rest, &args.stream) {
        (Some(_), _) if ids.len() != 1 => {
            return Err(Failure::say(Exit::Usage, "--rest and --stream are one venue's; name it with -v"));
        }
        (Some(rest), Some(stream)) => {
            check_address(rest).context("--rest").or_exit(Exit::Usage)?;
            check_address(stream).context("--stream").or_exit(Exit::Usage)?;
            vec![HostOverride { product: None, rest: rest.clone(), stream: stream.clone() }]
        }
        _ => Vec::new(),
    };
    ids.into_iter()
        .map(|id| {
            let venue = venuekit_registry::venue(id).or_exit(Exit::Usage)?;
            Ok(Target::new(id, venue, args.env.clone(), hosts.clone()))
        })
        .collect()
}

impl Target {
    fn new(id: &'static str, venue: Arc<dyn Venue>, environment: String, hosts: Vec<HostOverride>) -> Target {
        let mut target = Target { id, venue, environment, hosts: Vec::new(), origins: Origins(Vec::new()) };
        target.place(hosts);
        target
    }

    /// Says where it is: at these hosts, else at those of its environment.
    fn place(&mut self, hosts: Vec<HostOverride>) {
        self.hosts = hosts;
        let replaced = self.hosts.iter().map(|hosts| (&hosts.rest, &hosts.stream));
        let known = self.venue.specs().iter().flat_map(|spec| &spec.hosts);
        let known = known.filter(|hosts| self.hosts.is_empty() && hosts.environment == self.environment);
        let mut origins: Vec<String> = replaced
            .chain(known.map(|hosts| (&hosts.rest, &hosts.stream)))
            .flat_map(|(rest, stream)| [rest.clone(), stream.clone()])
            .collect();
        origins.sort();
        origins.dedup();
        self.origins = Origins(origins);
    }
}

//! Which venues a command speaks to, where each of them is, and who we are there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use venuekit_driver::{ClientTls, check_address};
use venuekit_session::HostOverride;
use venuekit_sign::Credentials;
use venuekit_sim::{Keys, SimConfig};
use venuekit_venue::Venue;

use super::words;
use crate::exit::{Exit, Failure, OrExit};
use crate::fronts::{Fronts, Serving};

/// The environment that means the simulator inside this process.
pub(crate) const SIM: &str = "sim";

/// Where a command's venues are.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Where {
    /// A venue; may be repeated. All of them when absent.
    #[arg(short = 'v', long = "venue", value_name = "VENUE", value_delimiter = ',', value_parser = words::venue)]
    pub(crate) venues: Vec<&'static str>,
    /// `sim` for the simulator inside this process, else an environment of the venue such as `live`.
    #[arg(long, value_name = "ENV")]
    pub(crate) env: Option<String>,
    /// Take environment and hosts of each venue from an `ingest` config.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["env", "rest", "stream"])]
    pub(crate) config: Option<PathBuf>,
    /// The origin of the venue's requests; needs exactly one venue.
    #[arg(long, value_name = "URL", requires = "stream")]
    pub(crate) rest: Option<String>,
    /// The origin of the venue's streams.
    #[arg(long, value_name = "URL", requires = "rest")]
    pub(crate) stream: Option<String>,
    /// A certificate to trust besides the machine's own, in PEM: that of `sim --tls`.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The seed of the simulator inside this process.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Its book messages a second and venue.
    #[arg(long, value_name = "N", default_value_t = venuekit_sim::RATE)]
    pub(crate) rate: u32,
}

/// One venue to speak to.
pub(crate) struct Target {
    pub(crate) id: &'static str,
    pub(crate) venue: Arc<dyn Venue>,
    pub(crate) environment: String,
    pub(crate) hosts: Vec<HostOverride>,
    /// Where it is, for messages.
    pub(crate) origins: Origins,
    /// Who we are in the simulator inside this process.
    pub(crate) demo: Option<Credentials>,
}

/// The origins of a venue's products, each once.
pub(crate) struct Origins(Vec<String>);

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Every venue to speak to, and what they need.
pub(crate) struct Targets {
    pub(crate) list: Vec<Target>,
    pub(crate) tls: ClientTls,
    /// The simulator inside this process, as long as it is needed.
    _fronts: Option<Fronts>,
}

impl Targets {
    /// Reads the flags, and starts the simulator where it is wanted.
    ///
    /// `environment` holds where the flags name none.
    pub(crate) async fn of(args: &Where, environment: &str) -> Result<Targets, Failure> {
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
                        let id = words::venue(&venue.id).or_exit(Exit::Config)?;
                        Ok(Target::new(id, venue.venue, venue.environment, venue.hosts))
                    })
                    .collect::<Result<Vec<_>, Failure>>()?
            }
            None => from_flags(args, environment)?,
        };
        let is_embedded = |target: &Target| target.environment == SIM && target.hosts.is_empty();
        let mut fronts = None;
        if list.iter().any(is_embedded) {
            let ids: Vec<_> =
                list.iter().filter(|target| is_embedded(target)).map(|target| target.id).collect();
            let config = |now| SimConfig { rate: args.rate, ..SimConfig::new(args.seed, now) }.only(&ids);
            let keys = Keys::from_seed(args.seed);
            let served = Fronts::serve(config, &Serving::default()).await?;
            for (id, hosts) in served.hosts() {
                for target in list.iter_mut().filter(|target| target.id == id && is_embedded(target)) {
                    target.place(vec![hosts.clone()]);
                    target.demo = keys.of(id).cloned();
                }
            }
            fronts = Some(served);
        }
        Ok(Targets { list, tls, _fronts: fronts })
    }
}

fn from_flags(args: &Where, environment: &str) -> Result<Vec<Target>, Failure> {
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
            let environment = args.env.as_deref().unwrap_or(environment).to_owned();
            Ok(Target::new(id, venue, environment, hosts.clone()))
        })
        .collect()
}

impl Target {
    fn new(id: &'static str, venue: Arc<dyn Venue>, environment: String, hosts: Vec<HostOverride>) -> Target {
        let mut target =
            Target { id, venue, environment, hosts: Vec::new(), origins: Origins(Vec::new()), demo: None };
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

//! `sim`: the simulator alone, on loopback, until it is told to end.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use venuekit_driver::Remote;
use venuekit_sign::Credentials;
use venuekit_sim::{FaultPlan, Keys, SimConfig, VENUES, VenueSim};

use super::words;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::fronts::{Fronts, Serving};
use crate::out;
use crate::signals::Signals;

/// How often the truth so far is written down.
const TRUTH_EVERY: Duration = Duration::from_millis(50);

/// How much wider a budget can be.
const WIDE: u32 = 100;

/// Run the simulator alone: its venues on loopback, speaking their own protocols.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit sim
  venuekit sim --listen 127.0.0.1:9001 --rate 5000 --ndjson
  venuekit sim --sim-faults heavy --seed 7 --sim-truth truth.ndjson
  venuekit sim --tls --ca ca.pem --credentials demo.env

Prints one line for each venue: its name, the origins of its requests and streams, and the run's id.
Ends on SIGINT (exit code 130) or SIGTERM (143).")]
pub(crate) struct Args {
    /// Where the first venue listens; the next takes the next port. Port 0 picks free ones.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The seed of its markets and of its faults.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Book messages a second and venue.
    #[arg(long, value_name = "N", default_value_t = venuekit_sim::RATE)]
    rate: u32,
    /// What goes wrong: none, light or heavy.
    #[arg(long, value_name = "PROFILE", default_value = "none", value_parser = words::FAULTS)]
    sim_faults: String,
    /// Write every trade, and the digest of every book at every number, as NDJSON.
    #[arg(long, value_name = "FILE")]
    sim_truth: Option<PathBuf>,
    /// Speak TLS, under an authority made for this run.
    #[arg(long, requires = "ca")]
    tls: bool,
    /// Write the certificate of that authority, which clients have to trust.
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca: Option<PathBuf>,
    /// Write the keys of the demo accounts as environment lines, readable by you alone.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Widen the budgets of an address a hundredfold, for clients that are started again and again.
    #[arg(long)]
    wide: bool,
    /// Print JSON objects, one a line, instead of text.
    #[arg(long)]
    ndjson: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(serve(args))
}

/// One venue, as printed.
#[derive(Serialize)]
struct Shown<'a> {
    venue: &'a str,
    rest: &'a str,
    stream: &'a str,
    run: &'a str,
}

async fn serve(args: Args) -> Outcome {
    let mut signals = Signals::listen()?;
    let plan = FaultPlan::profile(&args.sim_faults, args.seed).expect("clap has checked the name");
    let truth = args.sim_truth.as_deref().map(|path| create(path, "truth file")).transpose()?;
    let keys = Keys::from_seed(args.seed);
    let config = |now| {
        let mut config = SimConfig {
            rate: args.rate,
            keys: keys.clone(),
            truth_every: u32::from(truth.is_some()),
            ..SimConfig::new(args.seed, now).with_faults(&plan)
        };
        if args.wide {
            config.doex_limits.weight_per_minute *= WIDE;
            config.duedex_limits.quota_ip *= WIDE;
        }
        config
    };
    let serving = Serving { listen: args.listen, tls: args.tls };
    let fronts = Fronts::serve(config, &serving).await?;
    if let (Some(path), Some(tls)) = (&args.ca, &fronts.tls) {
        write(path, "CA certificate", tls.ca_pem().as_bytes())?;
    }
    if let Some(path) = &args.credentials {
        let of = |venue: &&'static str| keys.of(venue).map(|keys| env_lines(venue, keys));
        let lines: String = VENUES.iter().filter_map(of).collect();
        write(path, "credentials", lines.as_bytes())?;
        eprintln!("the keys of the demo accounts are in {}", path.display());
    }
    for (venue, hosts) in fronts.hosts() {
        let shown = Shown { venue, rest: &hosts.rest, stream: &hosts.stream, run: &fronts.run };
        let Shown { rest, stream, run, .. } = shown;
        // Whether anybody reads it makes no difference to those who connect.
        let _ = if args.ndjson {
            out::json(&shown)?
        } else {
            out::text(&format!("{venue:<8} rest {rest}  stream {stream}  run {run}\n"))?
        };
    }
    let Some(mut truth) = truth else {
        let exit = signals.ended().await;
        fronts.stop().await;
        return Ok(exit);
    };
    let exit = tokio::select! {
        exit = signals.ended() => exit,
        failure = keep_truth(fronts.remotes(), &mut truth) => return Err(failure),
    };
    for mut venue in fronts.stop().await {
        venue.write_accounts();
        truth
            .write_all(&venue.take_truth())
            .context("cannot write the truth file")
            .or_exit(Exit::Unexpected)?;
    }
    Ok(exit)
}

/// Writes the truth down as it comes; gives back only what stops it.
async fn keep_truth(venues: Vec<Remote<VenueSim>>, file: &mut File) -> Failure {
    let mut ticks = tokio::time::interval(TRUTH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for venue in &venues {
            let written = match venue.with(|venue, _| venue.take_truth()).await {
                Ok(lines) => file.write_all(&lines).context("cannot write the truth file"),
                Err(stopped) => Err(stopped.into()),
            };
            if let Err(error) = written {
                return Failure::new(Exit::Unexpected, error);
            }
        }
    }
}

/// The lines that put a demo account's keys into an environment.
fn env_lines(venue: &str, keys: &Credentials) -> String {
    let (venue, secret) = (venue.to_ascii_uppercase(), String::from_utf8_lossy(keys.secret.expose()));
    format!("VENUEKIT_{venue}_API_KEY={}\nVENUEKIT_{venue}_API_SECRET={secret}\n", keys.key)
}

/// Makes a file for its owner alone, whoever could read it before.
fn create(path: &Path, what: &str) -> Result<File, Failure> {
    let open = || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok::<File, std::io::Error>(file)
    };
    open().with_context(|| format!("cannot write the {what} {}", path.display())).or_exit(Exit::Config)
}

fn write(path: &Path, what: &str, bytes: &[u8]) -> Result<(), Failure> {
    let written = create(path, what)?.write_all(bytes);
    written.with_context(|| format!("cannot write the {what} {}", path.display())).or_exit(Exit::Config)
}

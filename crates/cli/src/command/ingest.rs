//! `ingest`: the worker, from the command line.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use venuekit_ingest::{Config, Console, Ended, Faults, IngestError, Overrides, RunOptions, Screen};

use super::reload::Sources;
use super::words;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::notify::Notify;
use crate::signals::Signals;

/// Keep every book in sequence and store trades and book changes exactly once.
///
/// With no config: the simulator with both venues inside this process, into ./venuekit.db.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit ingest
  venuekit ingest --config venuekit.toml
  venuekit ingest --sim-faults heavy --seed 7 --sim-truth truth.ndjson
  venuekit ingest --for 30 --json | jq .gaps_healed
  venuekit ingest --for 60 --tape tapes --report report.json
  venuekit ingest --cluster --member rack-7 --config venuekit.toml

On SIGHUP it reads config and keys again, and keys also when one of their files changes: streams stay up.
Ends in good order on SIGINT (exit code 130) or SIGTERM (143): drains, commits, prints one summary.
Other exit codes: 3 credentials, 4 configuration, 5 no venue or no server can be reached.")]
pub(crate) struct Args {
    /// The config, TOML.
    #[arg(long, value_name = "FILE", env = "VENUEKIT_CONFIG")]
    config: Option<PathBuf>,
    /// The SQLite database.
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Record what each session sees and says, one tape a venue, into this directory.
    #[arg(long, value_name = "DIR")]
    tape: Option<PathBuf>,
    /// Write what each session made of what it saw, as JSON: what a replay of its tape gives too.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Share the markets with every other worker that is given this and the same server: each takes its part, and
    /// takes over what another leaves or loses. The server is named by VENUEKIT_CLUSTER_DSN_FILE, or by PGHOST and its
    /// companions.
    #[cfg(feature = "postgres")]
    #[arg(long)]
    cluster: bool,
    /// The name of this worker among the others: the same after each start, and nobody else's [default: the machine's]
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "NAME", requires = "cluster")]
    member: Option<String>,
    /// Where health and metrics are served.
    #[arg(long, value_name = "ADDR")]
    health: Option<SocketAddr>,
    /// End after that long.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// The seed of the embedded simulator, its faults, and every jitter.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Book messages a second and venue of the embedded simulator.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// What goes wrong in it: none, light or heavy.
    #[arg(long, value_name = "PROFILE", value_parser = words::FAULTS)]
    sim_faults: Option<String>,
    /// Where it writes every trade and the digest of every book, as NDJSON.
    #[arg(long, value_name = "FILE")]
    sim_truth: Option<PathBuf>,
    /// Whether it speaks TLS.
    #[arg(long)]
    sim_tls: bool,
    /// Print the summary as one JSON object, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
    /// No line for each book that goes live.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: Args, screen: Option<Screen>) -> Outcome {
    super::block_on(work(args, screen))
}

async fn work(args: Args, screen: Option<Screen>) -> Outcome {
    let mut signals = Signals::listen()?;
    let hangup = signal(SignalKind::hangup()).or_exit(Exit::Unexpected)?;
    if args.db.as_ref().is_some_and(|path| path.to_string_lossy().contains("://")) {
        // Not repeated, since it may hold a password.
        let message = "--db names a file; a server is named by VENUEKIT_CLUSTER_DSN_FILE, or PGHOST and its \
                       companions, never on a command line";
        return Err(Failure::say(Exit::Usage, message));
    }
    let config = match &args.config {
        Some(path) => Config::load(path).or_exit(Exit::Config)?,
        None => Config::default_sim(),
    };
    let overrides = Overrides {
        database: args.db,
        health: args.health,
        tape: args.tape,
        sim_truth: args.sim_truth,
        sim_faults: args.sim_faults.as_deref().and_then(Faults::from_word),
        sim_rate: args.rate,
        seed: args.seed,
        sim_tls: args.sim_tls.then_some(true),
    };
    let config = config.with(overrides.clone());
    let venues: Vec<String> = config.venues.iter().map(|venue| venue.id.clone()).collect();
    let accounts =
        venuekit_ingest::accounts(venues.iter().map(String::as_str), &|name| std::env::var_os(name));
    let (reloads, reload) = mpsc::channel(1);
    let options = RunOptions {
        accounts: accounts.or_exit(Exit::Credentials)?,
        report: args.report,
        reload: Some(reload),
        ..RunOptions::default()
    };
    let reading = Sources { config: args.config, overrides, venues }.keep_reading(hangup, reloads);
    #[cfg(feature = "postgres")]
    let options = {
        let member = args.cluster.then(|| args.member.map_or_else(machine, Ok)).transpose()?;
        let is_wanted = member.is_some() || config.sink.kind == venuekit_ingest::SinkKind::Postgres;
        RunOptions { server: is_wanted.then(server).transpose()?, member, ..options }
    };
    let console = Console { data: Box::new(io::stdout()), screen, json: args.json, quiet: args.quiet };
    let shutdown = async move {
        let span = args.seconds.map(Duration::from_secs);
        let is_over = async {
            match span {
                Some(span) => tokio::time::sleep(span).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = signals.ended() => match exit {
                Exit::Terminated => Ended::Terminate,
                _ => Ended::Interrupt,
            },
            () = is_over => Ended::Asked,
        }
    };
    let notify = Notify::from_environment().map(Arc::new);
    let told = notify.clone();
    let options = RunOptions {
        on_start: Some(Box::new(move |_| {
            if let Some(notify) = told {
                notify.say("READY=1");
            }
        })),
        ..options
    };
    let ending = notify.clone();
    let shutdown = async move {
        let ended = shutdown.await;
        if let Some(notify) = ending {
            notify.say("STOPPING=1");
        }
        ended
    };
    let watchdog = async {
        match &notify {
            Some(notify) => notify.keep_saying().await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        outcome = venuekit_ingest::run(config, options, console, shutdown) => outcome,
        never = watchdog => match never {},
        never = reading => match never {},
    };
    match outcome {
        Ok(summary) => Ok(summary.ended.exit().into()),
        Err(error) => Err(failure(error)),
    }
}

/// The server that takes the rows; where it is and with which password stands in the environment.
#[cfg(feature = "postgres")]
pub(crate) fn server() -> Result<venuekit_ingest::Dsn, Failure> {
    let dsn = venuekit_ingest::Dsn::from_variables(|name| std::env::var(name).ok());
    dsn.map_err(|error| failure(IngestError::from(error)))
}

/// The machine's own name.
#[cfg(feature = "postgres")]
fn machine() -> Result<String, Failure> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let message = "this machine has no name; give the worker one with --member";
    if name.is_empty() { Err(Failure::say(Exit::Usage, message)) } else { Ok(name) }
}

pub(crate) fn failure(error: IngestError) -> Failure {
    Failure::new(error.exit().into(), error)
}

impl From<venuekit_ingest::Exit> for Exit {
    fn from(exit: venuekit_ingest::Exit) -> Exit {
        use venuekit_ingest::Exit as Ingest;
        match exit {
            Ingest::Ok => Exit::Ok,
            Ingest::Unexpected => Exit::Unexpected,
            Ingest::Credentials => Exit::Credentials,
            Ingest::Config => Exit::Config,
            Ingest::Unreachable => Exit::Unreachable,
            Ingest::Interrupted => Exit::Interrupted,
            Ingest::Terminated => Exit::Terminated,
        }
    }
}

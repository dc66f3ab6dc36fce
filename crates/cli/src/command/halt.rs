//! `halt`: stops everything, through the running gateway, or by itself when none runs.

use std::time::Duration;

use serde_json::json;
use venuekit_driver::gateway::{
    Answer, Gateway, GatewayClient, GatewayError, HaltReport, Talk, TalkError, halt_file,
};

use super::gateway::{environment, setup};
use super::home::{self, Home, speaker, unexpected};
use super::target::{Targets, Where};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;

/// Stop everything: no order leaves any more, every open one is cancelled, and what is left is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit halt
  venuekit halt --env live --json

With no gateway running it writes the halt file, cancels everything itself, and needs the keys for that.
Exit codes: 0 when halted and every venue was read twice without an open order, 10 when halted and that is not
confirmed, 5 when the gateway cannot be spoken to.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    home: Home,
    /// How long to wait until the cancels are confirmed.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(halt(args))
}

async fn halt(args: Args) -> Outcome {
    let environment = environment(&args.place)?;
    let dir = args.home.dir(&environment)?;
    let patience = Duration::from_secs(args.timeout);
    let (report, by_gateway) = match GatewayClient::connect(&dir).await {
        Ok(client) => (through(client, patience).await?, true),
        Err(TalkError::NotRunning { .. }) => match halt_file(&dir) {
            // The directory is free: what is done now, a gateway that starts later finds.
            Ok(lock) => {
                drop(lock);
                (alone(&args, &environment, dir.clone(), patience).await?, false)
            }
            Err(GatewayError::Running { .. }) => {
                let client = GatewayClient::connect(&dir).await.map_err(home::broken)?;
                (through(client, patience).await?, true)
            }
            Err(error) => return Err(error).or_exit(Exit::Config),
        },
        Err(error) => return Err(home::broken(error)),
    };
    let exit = if report.halted && report.flat { Exit::Ok } else { Exit::Unhealthy };
    // Whether anybody reads it makes no difference here.
    let _ = if args.json {
        out::json(&json!({"environment": environment, "through_gateway": by_gateway, "report": report}))?
    } else {
        out::text(&told(&environment, &report))?
    };
    if !by_gateway {
        eprintln!(
            "no gateway ran; the next one stays halted until {} is removed",
            dir.join("halt").display()
        );
    }
    Ok(exit)
}

async fn through(mut client: GatewayClient, patience: Duration) -> Result<HaltReport, Failure> {
    let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let talk = Talk::Halt { by: speaker(), patience_ms };
    match client.ask(&talk).await.map_err(home::broken)? {
        Answer::Halted => eprintln!("halted: no order leaves any more; cancelling everything"),
        other => return Err(unexpected(&other)),
    }
    match client.next().await.map_err(home::broken)? {
        Answer::Report(report) => Ok(report),
        other => Err(unexpected(&other)),
    }
}

/// Cancels everything from this process, by the same code.
async fn alone(
    args: &Args,
    environment: &str,
    dir: std::path::PathBuf,
    patience: Duration,
) -> Result<HaltReport, Failure> {
    eprintln!("halted: the halt file is written; no gateway runs, so this command cancels everything itself");
    let targets = super::reader::keyed(&args.place, Targets::of(&args.place, environment).await?)?;
    let setup = setup(&targets.list, targets.tls.clone(), dir, environment, args.place.seed, None)?;
    let gateway = home::config(Gateway::start(setup).await)?;
    let handle = gateway.handle();
    handle.halt(&speaker());
    let report = handle.until_flat(patience).await;
    gateway.stop().await;
    Ok(report)
}

fn told(environment: &str, report: &HaltReport) -> String {
    let flat = if report.flat { "no order is open" } else { "NOT CONFIRMED that no order is open" };
    let mut text = format!("{environment} is halted; {flat}\n");
    for product in &report.products {
        let open = product.open.map_or("unknown".to_owned(), |open| open.to_string());
        let line = format!(
            "  {} {}: open {open}; dead man's switch: {}\n",
            product.venue, product.product, product.dead_man
        );
        text.push_str(&line);
        if let Some(fault) = &product.fault {
            text.push_str(&format!("    it could not be read: {}: {}\n", fault.kind, fault.text));
        }
    }
    if report.in_flight > 0 {
        text.push_str(&format!("  {} orders whose outcome the venue has not told\n", report.in_flight));
    }
    text
}

//! `doctor`: whether an account can be used from here, line by line, each with what mends it.

use std::path::PathBuf;

use venuekit_venue::spec::DeadMan;
use venuekit_venue::{FaultKind, Spec};

use super::checks::{self, Checks, Line};
use super::reader::{self, Reader, Readers};
use super::target::Where;
use super::words;
use crate::exit::{Exit, Failure, Outcome};

/// Check a venue's account: host, clock, key, permissions, and what is known of the venue.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit doctor doex --env live
  venuekit doctor duedex --env sim --json

Each line is ok, warn or fail, with what to do about it. Nothing is changed at the venue.
Exit codes: 0 without a fail, else the code of the first: 3 for the key, 5 for the host.")]
pub(crate) struct Args {
    /// The venue.
    #[arg(value_parser = words::venue)]
    venue: &'static str,
    #[command(flatten)]
    place: Where,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(mut args: Args) -> Outcome {
    args.place.venues = vec![args.venue];
    super::block_on(examine(args))
}

async fn examine(args: Args) -> Outcome {
    let mut lines = vec![files(args.venue)];
    let environment = match Readers::open(&args.place).await {
        Ok(readers) => {
            for reader in &readers.list {
                lines.push(Line::ok("host", format!("{} answers", reader.id)));
                account(reader, &mut lines).await;
            }
            let environment = readers.environment().to_owned();
            readers.close().await;
            environment
        }
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => {
            let fix = match failure.exit {
                Exit::Credentials => "create a key as docs/onboarding.md describes, and set both variables",
                _ => "check the address, the network and the venue's own status page",
            };
            let what = if failure.exit == Exit::Credentials { "key" } else { "host" };
            lines.push(Line::fail(what, failure.to_string(), fix, failure.exit));
            args.place.env.clone().unwrap_or_else(|| super::target::SIM.to_owned())
        }
    };
    let venue = venuekit_registry::venue(args.venue).map_err(|error| Failure::new(Exit::Usage, error))?;
    for spec in venue.specs() {
        lines.push(dead_man(spec));
    }
    lines.extend(facts(args.venue));
    checks::show(&Checks { env: &environment, venue: args.venue, lines: &lines }, args.json)?;
    Ok(checks::exit(&lines))
}

/// Everything that only a key can tell.
async fn account(reader: &Reader, lines: &mut Vec<Line>) {
    let Ok(account) = reader::account(reader) else {
        lines.push(Line::warn("account", "no accounts can be read here", "use this venue for market data"));
        return;
    };
    let wallets = account.wallets();
    match account.balances(wallets[0]).await {
        Ok(_) => lines.push(Line::ok("key", format!("reads the {} wallet", wallets[0].as_str()))),
        Err(error) => {
            let kind = error.fault().map(|fault| fault.kind);
            let fix = match kind {
                Some(FaultKind::Credentials) => {
                    "check key and secret, that the key may read, and that this address is on its list"
                }
                Some(FaultKind::Clock) => "set this machine's clock by NTP",
                _ => "try again; the venue's words say why",
            };
            let failure = reader::failure(reader.id, error);
            lines.push(Line::fail("key", failure.to_string(), fix, failure.exit));
        }
    }
    lines.push(checks::clock(reader).await);
    let Some(able) = reader.client.permissions() else {
        let fix = "look at the key on the venue's site: it should read, trade if you mean it to, and never withdraw";
        lines.push(Line::warn("permissions", "this venue does not tell them", fix));
        return;
    };
    match able.permissions().await {
        Ok(told) => {
            let has = |what: Option<bool>| what.unwrap_or(false);
            let words = [("read", told.read), ("trade", told.trade), ("withdraw", told.withdraw)];
            let may: Vec<&str> = words.iter().filter(|(_, may)| has(*may)).map(|(word, _)| *word).collect();
            lines.push(Line::ok("permissions", format!("the key may {}", may.join(", "))));
            if has(told.withdraw) {
                let fix = "make a key that cannot withdraw; nothing here needs that";
                lines.push(Line::warn("withdraw", "the key can move money out", fix));
            }
            lines.push(if has(told.ip_restricted) {
                Line::ok("addresses", "the key works from listed addresses only")
            } else {
                Line::warn(
                    "addresses",
                    "the key works from anywhere",
                    "give it a list of addresses at the venue",
                )
            });
        }
        Err(error) => {
            let failure = reader::failure(reader.id, error);
            lines.push(Line::fail(
                "permissions",
                failure.to_string(),
                "see the line of the key",
                failure.exit,
            ));
        }
    }
}

/// Whether files that hold the secret are for their owner alone.
fn files(venue: &str) -> Line {
    use std::os::unix::fs::PermissionsExt as _;
    let name = venue.to_ascii_uppercase();
    let variables = [
        format!("VENUEKIT_{name}_API_KEY_FILE"),
        format!("VENUEKIT_{name}_API_SECRET_FILE"),
        format!("{name}_KEY_FILE"),
        format!("{name}_SECRET_FILE"),
    ];
    let named = variables.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let mut open = Vec::new();
    let mut count = 0;
    for path in named {
        count += 1;
        let mode = std::fs::metadata(&path).map(|meta| meta.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            open.push(path.display().to_string());
        }
    }
    match (open.as_slice(), count) {
        ([], 0) => Line::ok("files", "no secret stands in a file"),
        ([], _) => Line::ok("files", format!("{count} files of secrets are for their owner alone")),
        (open, _) => {
            let files = open.join(" ");
            Line::fail(
                "files",
                format!("others can read {files}"),
                format!("chmod 600 {files}"),
                Exit::Credentials,
            )
        }
    }
}

fn dead_man(spec: &Spec) -> Line {
    let product = &spec.product;
    match spec.orders.as_ref().map(|orders| orders.dead_man) {
        None => Line::ok("dead man", format!("{product} takes no orders")),
        Some(DeadMan::None) => Line::warn(
            "dead man",
            format!("{product}: this venue cancels nothing when we vanish"),
            "keep the gateway alive, and cancel on the venue's site when it cannot be",
        ),
        Some(DeadMan::Countdown) => Line::ok(
            "dead man",
            format!("{product}: a countdown cancels every order unless the gateway renews it"),
        ),
        Some(DeadMan::OnDisconnect | DeadMan::OnDisconnectAfter(_)) => {
            Line::ok("dead man", format!("{product}: orders die with their connection"))
        }
    }
}

/// What is assumed of a venue without a reference, and not seen on a real account yet.
fn facts(venue: &str) -> Option<Line> {
    let facts = venuekit_registry::facts(venue)?;
    let confirmed = facts.iter().filter(|fact| fact.confirmed).count();
    let found = format!("{confirmed} of {} assumed facts were seen on a real account", facts.len());
    if confirmed == facts.len() {
        return Some(Line::ok("profile", found));
    }
    let open: Vec<&str> =
        facts.iter().filter(|fact| !fact.confirmed).map(|fact| fact.name.as_str()).take(3).collect();
    let fix = format!(
        "as you see them hold, add their names to `confirmed` in a copy of the profile: {}, …",
        open.join(", ")
    );
    Some(Line::warn("profile", found, fix))
}

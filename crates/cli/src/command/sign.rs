//! `sign`: the canonical string and the signature of one request, for debugging. Sends nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use venuekit_registry::{SignError, Unsigned};
use venuekit_sign::Credentials;
use venuekit_venue::Spec;

use super::words;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;

/// Show the canonical string and signature of a request or a login challenge; nothing is sent.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  DUEDEX_SECRET=… venuekit sign --venue duedex challenge fd14408d-1740-447d-b335-c019f9201b6e
  venuekit sign --venue duedex request GET '/v1/order?instrument=BTCUSD&orderId=42' --timestamp 1600000000000
  venuekit sign --venue duedex request DELETE /v1/order --body '{\"instrument\":\"BTCUSD\"}' --timestamp 1600000000000
  venuekit sign --venue doex request GET '/v1/account/balances?asset=BTC' --timestamp 1700000000000

Key and secret come from VENUEKIT_<VENUE>_API_KEY and VENUEKIT_<VENUE>_API_SECRET, or <VENUE>_KEY and <VENUE>_SECRET;
each may name a file instead, with _FILE appended. A challenge needs the secret only.")]
pub(crate) struct Args {
    /// The venue whose scheme signs.
    #[arg(long, short, value_parser = words::venue)]
    venue: &'static str,
    /// A file that replaces the venue's built-in profile.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Print one JSON object; there is no other format.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Answer a login challenge.
    #[command(
        after_help = "Examples:\n  venuekit sign --venue duedex challenge fd14408d-1740-447d-b335-c019f9201b6e"
    )]
    Challenge {
        /// The challenge, as the venue sent it.
        text: String,
    },
    /// Sign a REST request.
    #[command(
        after_help = "Examples:\n  venuekit sign --venue doex request GET /v1/account/balances --timestamp 1700000000000"
    )]
    Request {
        /// GET, POST, PUT, PATCH or DELETE.
        #[arg(value_parser = method)]
        method: &'static str,
        /// Path and query below the venue's REST origin, encoded as they will be sent.
        #[arg(value_name = "PATH[?QUERY]", value_parser = target)]
        target: String,
        /// The body to the byte.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        body: String,
        /// The time of the request in Unix milliseconds.
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
        timestamp: i64,
        /// Until when the request holds, in Unix milliseconds; the venue's own rule when absent.
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
        expiration: Option<i64>,
    },
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

fn method(text: &str) -> Result<&'static str, String> {
    let found = METHODS.into_iter().find(|method| method.eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("there are {}", METHODS.join(", ")))
}

fn target(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path begins with `/` and has no host, as in /v1/order?instrument=BTCUSD".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a path travels percent-encoded: no spaces, and ASCII only".into());
    }
    Ok(text.to_owned())
}

/// What a signature needs of an account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Both,
    /// A challenge is answered without the key.
    Secret,
}

/// The credentials of a venue, from the environment.
fn keys(venue: &str, need: Need) -> Result<Credentials, Failure> {
    let upper = venue.to_ascii_uppercase();
    let key = format!("VENUEKIT_{upper}_API_KEY");
    let names = [key.clone(), format!("{key}_FILE"), format!("{upper}_KEY"), format!("{upper}_KEY_FILE")];
    let has_key = names.iter().any(|name| std::env::var_os(name).is_some());
    let lookup = |name: &str| match std::env::var_os(name) {
        None if need == Need::Secret && !has_key && name == key => Some("none".into()),
        value => value,
    };
    venuekit_ingest::credentials(venue, &lookup).or_exit(Exit::Credentials)?.ok_or_else(|| {
        let message = format!(
            "no key and secret of {venue}; set {key} and VENUEKIT_{upper}_API_SECRET (or {upper}_KEY and {upper}_SECRET), \
             or name files that hold them with _FILE appended"
        );
        Failure::say(Exit::Credentials, message)
    })
}

/// What is printed.
#[derive(Serialize)]
struct Shown {
    canonical: String,
    signature: String,
    headers: BTreeMap<String, String>,
    url: String,
}

pub(crate) fn run(args: Args) -> Outcome {
    let words::Opened { venue, profile } = words::open(args.venue, args.profile.as_deref())?;
    let shown = match args.what {
        What::Challenge { text } => {
            let signature =
                venuekit_registry::answer_challenge(args.venue, &keys(args.venue, Need::Secret)?, &text)
                    .map_err(failure)?;
            Shown { canonical: text, signature, headers: BTreeMap::new(), url: stream_url(venue.specs()) }
        }
        What::Request { method, target, body, timestamp, expiration } => {
            let request = Unsigned {
                method,
                target: &target,
                body: &body,
                timestamp_ms: timestamp,
                expiration_ms: expiration,
            };
            let signed = venuekit_registry::sign_request(
                args.venue,
                profile.as_deref(),
                &keys(args.venue, Need::Both)?,
                &request,
            )
            .map_err(failure)?;
            let origin = live(venue.specs()).map_or("", |hosts| hosts.rest.trim_end_matches('/'));
            Shown {
                url: format!("{origin}{}", signed.target),
                canonical: signed.canonical,
                signature: signed.signature,
                headers: signed.headers.into_iter().collect(),
            }
        }
    };
    // Whether anybody reads it makes no difference here.
    let _ = out::json(&shown)?;
    Ok(Exit::Ok)
}

/// The hosts of a venue's first product; an account signs alike for all of them.
fn live(specs: &[Spec]) -> Option<&venuekit_venue::spec::Hosts> {
    specs.first()?.hosts.iter().find(|hosts| hosts.environment == "live")
}

/// Where a challenge is answered.
fn stream_url(specs: &[Spec]) -> String {
    let path = specs.first().and_then(|spec| spec.sockets.first()).map_or("", |socket| &socket.path);
    live(specs).map_or(String::new(), |hosts| format!("{}{path}", hosts.stream.trim_end_matches('/')))
}

fn failure(error: SignError) -> Failure {
    let exit = match &error {
        SignError::Venue(_) => Exit::Config,
        SignError::Secret(_) => Exit::Credentials,
        SignError::Request(_) | SignError::NoChallenge { .. } => Exit::Usage,
    };
    Failure::new(exit, error)
}

//! `arm`: lets orders leave for a span. The only way there is.

use std::time::Duration;

use serde_json::json;
use venuekit_driver::gateway::{Answer, Talk};

use super::home::{Home, Line, speaker, unexpected};
use crate::exit::{Exit, Outcome};
use crate::out;

/// Let orders leave through the running gateway, for a span.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit arm --for 8h
  venuekit arm --env live --for 30m --reducing

After the span the gateway halts by itself. Exit codes: 5 when no gateway runs, 9 when it refuses and says why.")]
pub(crate) struct Args {
    /// For how long: 30s, 15m, 8h; at most 24h.
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    span: Duration,
    /// Only orders that make a position smaller.
    #[arg(long)]
    reducing: bool,
    /// Even though cancels are outstanding and orders may be open.
    #[arg(long)]
    force: bool,
    /// The environment of the gateway.
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    #[command(flatten)]
    home: Home,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write a span like 30s, 15m or 8h, of at most 24h".to_owned();
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = count.checked_mul(unit).filter(|seconds| (1..=86_400).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(arm(args))
}

async fn arm(args: Args) -> Outcome {
    let mut line = Line::open(&args.home, args.env.as_deref()).await?;
    let talk =
        Talk::Arm { seconds: args.span.as_secs(), reducing: args.reducing, force: args.force, by: speaker() };
    match line.ask(&talk).await? {
        Answer::Status(status) => {
            // Whether anybody reads it makes no difference here.
            let _ = if args.json {
                out::json(&json!({"environment": line.environment, "status": status}))?
            } else {
                let left = status.armed_for_s.unwrap_or(0);
                out::text(&format!("{} is {} for {left} s\n", line.environment, status.mode))?
            };
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_is_a_count_and_a_unit_within_a_day() {
        let seconds = |text| span(text).map(|span| span.as_secs()).ok();
        for (text, expected) in [
            ("30s", Some(30)),
            ("15m", Some(900)),
            ("8h", Some(28_800)),
            ("24h", Some(86_400)),
            ("25h", None),
            ("0s", None),
            ("8", None),
            ("h", None),
            ("-1h", None),
            ("18446744073709551615h", None),
            ("8h30m", None),
            ("", None),
            ("8ü", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}

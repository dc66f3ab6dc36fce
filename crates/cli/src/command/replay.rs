//! `replay`: a tape through the same code that runs live, and what it made of it.

mod header;
mod table;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use venuekit_book::Cause;
use venuekit_session::tape::Kind;
use venuekit_session::{Config, Event, Replay, Session, StreamId, Survey};
use venuekit_types::Now;

use self::header::Header;
use super::words;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;
use crate::tape::Tape;

/// Run a tape through the same code that runs live, and print what it made of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit replay --venue doex doex.jsonl.zst
  venuekit replay --venue doex --product spot --json doex.jsonl.gz | jq '.books[\"BTC/USDT\"].sha256'
  venuekit replay --venue duedex --at-error stop duedex.jsonl || echo 'it lost its sequence'
  zcat doex.jsonl.gz | venuekit replay --venue doex -

A tape that says what it recorded replays that; any other is read once before, and what its frames are about is followed.
Exit codes: 8 when --at-error found something, 4 when the tape cannot be read.")]
pub(crate) struct Args {
    /// The venue that was recorded.
    #[arg(long, short, value_parser = words::venue)]
    venue: &'static str,
    /// One product of it, where it has several.
    #[arg(long)]
    product: Option<String>,
    /// A file that replaces the venue's built-in profile.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// What to do at the first gap or checksum failure.
    #[arg(long, value_name = "WHAT")]
    at_error: Option<AtError>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// JSON Lines, plain or compressed with gzip or zstd; `-` for standard input.
    #[arg(value_name = "TAPE")]
    tape: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AtError {
    /// End there, and name the row.
    Stop,
}

pub(crate) fn run(args: Args) -> Outcome {
    let venue = words::open(args.venue, args.profile.as_deref())?.venue;
    if let Some(product) = &args.product {
        words::product(venue.as_ref(), product)?;
    }
    let name = || args.tape.display().to_string();
    let mut tape = Tape::open(&args.tape).with_context(name).or_exit(Exit::Config)?;
    let mut next = tape.next().with_context(name).or_exit(Exit::Config)?;
    let header = match &next {
        Some((_, row)) if row.kind == Kind::Header => Header::parse(row),
        _ => Header::default(),
    };
    header.check(args.venue)?;
    let mut kept = VecDeque::new();
    let surveyed = match header.says_what() {
        true => Config::default(),
        false => {
            let mut survey = Survey::new(Arc::clone(&venue), args.product.as_deref());
            if args.tape.as_os_str() == "-" {
                // Standard input is read once, so its rows are kept.
                while let Some(row) = next {
                    kept.push_back(row);
                    next = tape.next().with_context(name).or_exit(Exit::Config)?;
                }
                kept.iter().for_each(|(_, row)| survey.row(row));
                next = kept.pop_front();
            } else {
                let mut again = Tape::open(&args.tape).with_context(name).or_exit(Exit::Config)?.quiet();
                while let Some((_, row)) = again.next().with_context(name).or_exit(Exit::Config)? {
                    survey.row(&row);
                }
            }
            survey.config()
        }
    };
    let config = header.config(venue.as_ref(), args.product.as_deref(), surveyed);
    let mut replay = Replay::new(Session::new(venue, config).or_exit(Exit::Config)?);
    let mut first = None;
    while let Some((line, row)) = next {
        if let Some(lost) = Header::lost_before(&row) {
            eprintln!(
                "warning: line {line}: the recorder lost {lost} rows here; what follows may differ from what it saw"
            );
        }
        let mut loss = None;
        replay.row(&row, &mut |_: Now, emission| {
            if loss.is_none() {
                loss = Loss::of(emission.event);
            }
        });
        if let Some(loss) = loss.filter(|_| args.at_error == Some(AtError::Stop)) {
            first = Some(format!("line {line}: {}", loss.describe(replay.session())));
            break;
        }
        next = match kept.pop_front() {
            Some(row) => Some(row),
            None => tape.next().with_context(name).or_exit(Exit::Config)?,
        };
    }
    let report = replay.session().report();
    if replay.session().streams().next().is_none() {
        eprintln!(
            "warning: no frame on the tape is about a market of {}, so nothing of it could be followed",
            args.venue
        );
    }
    if tape.unreadable() > 0 {
        eprintln!("warning: {} rows of the tape could not be read", tape.unreadable());
    }
    // Whether anybody reads it makes no difference here.
    let _ = if args.json { out::json(&report)? } else { out::text(&table::of(&report))? };
    match first {
        Some(what) => Err(Failure::say(Exit::Differences, what)),
        None => Ok(Exit::Ok),
    }
}

/// What `--at-error` stops at.
#[derive(Clone, Copy)]
struct Loss {
    stream: StreamId,
    gap: venuekit_book::Gap,
}

impl Loss {
    fn of(event: &Event) -> Option<Loss> {
        match event {
            Event::GapOpened(opened) => Some(Loss { stream: opened.stream, gap: opened.gap }),
            // A snapshot that fails its own checksum was never live, and is told by its state alone.
            Event::State { stream, gap: Some(gap), .. } if gap.cause == Cause::Checksum => {
                Some(Loss { stream: *stream, gap: *gap })
            }
            _ => None,
        }
    }

    fn describe(self, session: &Session) -> String {
        let stream = session.streams().find(|status| status.info.stream == self.stream);
        let name = stream.map(|status| {
            let symbol = status.info.symbol.as_ref().map_or("", |symbol| symbol.as_str());
            format!("{symbol} {}", status.info.channel)
        });
        format!("{}: {}", name.unwrap_or_default(), self.gap)
    }
}

//! `verify`: whether a database still holds what was written to it.

use std::path::PathBuf;

use serde::Serialize;
use venuekit_store::Reader;

use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;

/// Compare a database with the checksums that were stored with each batch.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit verify
  venuekit verify --db backup.db --json

It reads, also beside a worker that writes, and sees whole batches. Exit codes: 4 for a database that cannot be used,
8 for one that is damaged.")]
pub(crate) struct Args {
    /// The database.
    #[arg(long, value_name = "PATH", default_value = "venuekit.db")]
    db: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found, as printed.
#[derive(Serialize)]
struct Shown {
    /// Rows that were added up; a gap that healed counts twice.
    rows: u64,
    parts: u64,
    damaged: u64,
    /// The first hundred places.
    damage: Vec<String>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let verdict = Reader::open(&args.db).or_exit(Exit::Config)?.verify().or_exit(Exit::Unexpected)?;
    let damage: Vec<String> = verdict.damage.iter().map(ToString::to_string).collect();
    let shown = Shown { rows: verdict.rows, parts: verdict.parts, damaged: verdict.damaged, damage };
    // Whether anybody reads it makes no difference to the verdict.
    let _ = match args.json {
        true => out::json(&shown)?,
        false => out::text(&format!(
            "{}: {} rows in {} parts, {} places damaged\n",
            args.db.display(),
            shown.rows,
            shown.parts,
            shown.damaged
        ))?,
    };
    match shown.damage.first() {
        None => Ok(Exit::Ok),
        Some(first) => {
            let message = format_args!(
                "{} is damaged in {} places; the first: {first}",
                args.db.display(),
                shown.damaged
            );
            Err(Failure::say(Exit::Differences, message))
        }
    }
}

//! `retain`: what goes by the rules of a config, now or only told.

use std::path::PathBuf;

use serde::Serialize;
use venuekit_ingest::Config;
use venuekit_store::{Removal, Retainer};

use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;

/// Take away rows that are older than the config keeps them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit retain --config venuekit.toml --dry-run
  venuekit retain --config venuekit.toml --db venuekit.db
  venuekit retain --config venuekit.toml --log --json

A worker does the same by itself, a little every minute; this does all of it at once, also beside one. Rows that a
server has not taken yet stay. A line for each table and venue: rows, and when the first and the last of them arrived.
Exit codes: 4 for a config without [retain] or a database that cannot be used, 8 for one that is damaged.")]
pub(crate) struct Args {
    /// The config, whose `[retain]` says how long rows are kept.
    #[arg(long, value_name = "FILE", env = "VENUEKIT_CONFIG")]
    config: PathBuf,
    /// The database, where it is not the config's.
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Only say what would go.
    #[arg(long, conflicts_with = "log")]
    dry_run: bool,
    /// Only say what went so far, by the day on which it went.
    #[arg(long)]
    log: bool,
    /// Print JSON objects, one a line.
    #[arg(long)]
    json: bool,
}

/// Rows of one transaction, about.
const ROWS_MAX: u64 = 4_000;

/// One line.
#[derive(Serialize)]
struct Shown {
    /// When it went; absent for what has not gone before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    table: &'static str,
    venue: String,
    rows: u64,
    oldest: String,
    newest: String,
}

impl Shown {
    fn new(day: Option<String>, removal: Removal) -> Shown {
        let Removal { table, venue, rows, oldest, newest } = removal;
        let time = |at: venuekit_types::UnixNanos| {
            jiff::Timestamp::from_nanosecond(at.0.into())
                .map_or_else(|_| at.0.to_string(), |time| time.to_string())
        };
        Shown { day, table: table.as_str(), venue, rows, oldest: time(oldest), newest: time(newest) }
    }
}

pub(crate) fn run(args: Args) -> Outcome {
    let config = Config::load(&args.config).or_exit(Exit::Config)?;
    if config.retention.is_empty() {
        let message = format_args!("{} has no [retain], so everything is kept", args.config.display());
        return Err(Failure::say(Exit::Config, message));
    }
    let path = args.db.as_ref().unwrap_or(&config.sink.path);
    let now = venuekit_driver::Clock::start().now().wall;
    let mut retainer = Retainer::open(path, config.retention).or_exit(Exit::Config)?;
    let shown: Vec<Shown> = if args.log {
        let log = retainer.log().or_exit(Exit::Unexpected)?;
        log.into_iter().map(|(day, removal)| Shown::new(Some(day.to_string()), removal)).collect()
    } else if args.dry_run {
        let due = retainer.due(now).or_exit(Exit::Unexpected)?;
        due.into_iter().map(|removal| Shown::new(None, removal)).collect()
    } else {
        let mut gone: Vec<Removal> = Vec::new();
        loop {
            let removed = retainer.step(now, ROWS_MAX).map_err(|error| {
                let is_damage = matches!(error, venuekit_store::SinkError::Corrupt(_));
                Failure::new(if is_damage { Exit::Differences } else { Exit::Unexpected }, error)
            })?;
            if removed.is_empty() {
                break;
            }
            for removal in removed {
                let same =
                    |known: &&mut Removal| (known.table, &known.venue) == (removal.table, &removal.venue);
                match gone.iter_mut().find(same) {
                    Some(known) => {
                        known.rows += removal.rows;
                        known.oldest = known.oldest.min(removal.oldest);
                        known.newest = known.newest.max(removal.newest);
                    }
                    None => gone.push(removal),
                }
            }
        }
        gone.into_iter().map(|removal| Shown::new(None, removal)).collect()
    };
    for line in &shown {
        let Shown { day, table, venue, rows, oldest, newest } = line;
        let told = if args.json {
            out::json(line)?
        } else {
            let day = day.as_deref().map(|day| format!("{day} ")).unwrap_or_default();
            out::text(&format!("{day}{table} {venue} {rows} rows from {oldest} to {newest}\n"))?
        };
        if told.is_break() {
            break;
        }
    }
    Ok(Exit::Ok)
}

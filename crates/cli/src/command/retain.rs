//! `retain`: what goes by the rules of a config, now or only told.

use std::path::{Path, PathBuf};

use serde::Serialize;
use venuekit_ingest::Config;
use venuekit_store::{Day, Removal, Retainer, SinkError};
use venuekit_types::UnixNanos;

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
server has not taken yet stay. With a server behind the database, it goes there too, unless --db names a file. A line
for each table and venue: rows, and when the first and the last of them arrived.
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
    /// Where it is, or was.
    sink: &'static str,
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
    fn new(sink: &'static str, day: Option<String>, removal: Removal) -> Shown {
        let Removal { table, venue, rows, oldest, newest } = removal;
        let time = |at: venuekit_types::UnixNanos| {
            jiff::Timestamp::from_nanosecond(at.0.into())
                .map_or_else(|_| at.0.to_string(), |time| time.to_string())
        };
        Shown { sink, day, table: table.as_str(), venue, rows, oldest: time(oldest), newest: time(newest) }
    }
}

/// A place that old rows are taken away from.
trait Place {
    fn name(&self) -> &'static str;
    fn due(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError>;
    fn step(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError>;
    fn log(&mut self) -> Result<Vec<(Day, Removal)>, SinkError>;
}

impl Place for Retainer {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn due(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError> {
        Retainer::due(self, now)
    }

    fn step(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError> {
        Retainer::step(self, now, ROWS_MAX)
    }

    fn log(&mut self) -> Result<Vec<(Day, Removal)>, SinkError> {
        Retainer::log(self)
    }
}

#[cfg(feature = "postgres")]
impl Place for venuekit_store::postgres::ServerRetainer {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn due(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError> {
        self.due(now)
    }

    fn step(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError> {
        self.step(now, ROWS_MAX)
    }

    fn log(&mut self) -> Result<Vec<(Day, Removal)>, SinkError> {
        self.log()
    }
}

/// The database, and the server behind it where the config has one.
fn places(config: &Config, db: Option<&Path>) -> Result<Vec<Box<dyn Place>>, Failure> {
    let path = db.unwrap_or(&config.sink.path);
    let embedded = Retainer::open(path, config.retention.clone()).or_exit(Exit::Config)?;
    let places: Vec<Box<dyn Place>> = vec![Box::new(embedded)];
    #[cfg(feature = "postgres")]
    let places = {
        let mut places = places;
        if db.is_none() && config.sink.kind == venuekit_ingest::SinkKind::Postgres {
            let dsn = super::ingest::server()?;
            let server = venuekit_store::postgres::ServerRetainer::connect(&dsn, config.retention.clone());
            places.push(Box::new(server.map_err(|error| super::ingest::failure(error.into()))?));
        }
        places
    };
    Ok(places)
}

/// Takes everything away that is old enough.
fn take_away(place: &mut dyn Place, now: UnixNanos) -> Result<Vec<Removal>, Failure> {
    let mut gone: Vec<Removal> = Vec::new();
    loop {
        let removed = place.step(now).map_err(|error| {
            let is_damage = matches!(error, SinkError::Corrupt(_));
            Failure::new(if is_damage { Exit::Differences } else { Exit::Unexpected }, error)
        })?;
        if removed.is_empty() {
            return Ok(gone);
        }
        for removal in removed {
            let same = |known: &&mut Removal| (known.table, &known.venue) == (removal.table, &removal.venue);
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
}

pub(crate) fn run(args: Args) -> Outcome {
    let config = Config::load(&args.config).or_exit(Exit::Config)?;
    if config.retention.is_empty() {
        let message = format_args!("{} has no [retain], so everything is kept", args.config.display());
        return Err(Failure::say(Exit::Config, message));
    }
    let now = venuekit_driver::Clock::start().now().wall;
    for mut place in places(&config, args.db.as_deref())? {
        let name = place.name();
        let shown: Vec<Shown> = if args.log {
            let log = place.log().or_exit(Exit::Unexpected)?;
            log.into_iter().map(|(day, removal)| Shown::new(name, Some(day.to_string()), removal)).collect()
        } else {
            let removals = if args.dry_run {
                place.due(now).or_exit(Exit::Unexpected)?
            } else {
                take_away(&mut *place, now)?
            };
            removals.into_iter().map(|removal| Shown::new(name, None, removal)).collect()
        };
        for line in &shown {
            let Shown { sink, day, table, venue, rows, oldest, newest } = line;
            let told = if args.json {
                out::json(line)?
            } else {
                let day = day.as_deref().map(|day| format!("{day} ")).unwrap_or_default();
                out::text(&format!("{day}{sink} {table} {venue} {rows} rows from {oldest} to {newest}\n"))?
            };
            if told.is_break() {
                return Ok(Exit::Ok);
            }
        }
    }
    Ok(Exit::Ok)
}

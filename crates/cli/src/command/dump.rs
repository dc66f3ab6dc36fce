//! `dump`: stored market data as CSV in tardis' columns.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use flate2::Compression;
use flate2::write::GzEncoder;
use venuekit_store::{CsvError, Day, Market, Reader, Tardis, dump};
use venuekit_types::{Symbol, UnixNanos};

use crate::exit::{Exit, Failure, OrExit, Outcome};

/// Write stored market data as CSV.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit dump --format tardis-csv --what trades --venue doex --symbol BTC/USDT
  venuekit dump --format tardis-csv --what incremental_book_L2 --from 2026-11-23 --to 2026-11-24 --out csv

On standard output: the rows of one market, plain. With --out DIR: a gzipped file for each market and day, named
{exchange}_{type}_{YYYY-MM-DD}_{SYMBOL}.csv.gz as tardis does. Times are microseconds, days are those of UTC and of
the arrival. Exit codes: 2 for a market that the database does not have, 4 for a database that cannot be used.")]
pub(crate) struct Args {
    /// The database.
    #[arg(long, value_name = "PATH", default_value = "venuekit.db")]
    db: PathBuf,
    /// In which format.
    #[arg(long, value_enum, default_value = "tardis-csv")]
    format: Format,
    /// Which data.
    #[arg(long, value_name = "TYPE", value_parser = what)]
    what: Tardis,
    /// Of this venue alone.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,
    /// Of this symbol alone, as in BTC/USDT.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<Symbol>,
    /// The first day.
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// The day after the last.
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,
    /// Write files into this directory.
    #[arg(long, value_name = "DIR", requires_all = ["from", "to"])]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The columns of tardis.
    TardisCsv,
}

fn what(text: &str) -> Result<Tardis, String> {
    let known = Tardis::ALL.into_iter().find(|what| what.as_str().eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("one of {}", Tardis::ALL.map(Tardis::as_str).join(", ")))
}

pub(crate) fn run(args: Args) -> Outcome {
    let Format::TardisCsv = args.format;
    let reader = Reader::open(&args.db).or_exit(Exit::Config)?;
    let markets: Vec<Market> = reader
        .counts()
        .or_exit(Exit::Config)?
        .into_iter()
        .map(|counts| counts.market)
        .filter(|market| args.venue.as_ref().is_none_or(|venue| **venue == *market.venue))
        .filter(|market| args.symbol.as_ref().is_none_or(|symbol| *symbol == market.symbol))
        .collect();
    match (&args.out, &markets[..]) {
        (_, []) => {
            let message =
                format_args!("{} has no such market; leave out --venue or --symbol", args.db.display());
            Err(Failure::say(Exit::Usage, message))
        }
        (Some(dir), markets) => files(&reader, &args, dir, markets),
        (None, [market]) => {
            let span = span(&args);
            let mut out = BufWriter::new(io::stdout().lock());
            let written = dump(&reader, args.what, market, &span, &mut out);
            match written.and_then(|lines| Ok(out.flush().map(|()| lines)?)) {
                Err(CsvError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
                other => other.map(|_| Exit::Ok).or_exit(Exit::Unexpected),
            }
        }
        (None, several) => {
            let names: Vec<String> = several.iter().map(Market::to_string).collect();
            let message = format_args!("several markets fit, name one or --out: {}", names.join(", "));
            Err(Failure::say(Exit::Usage, message))
        }
    }
}

fn span(args: &Args) -> std::ops::Range<UnixNanos> {
    let end = args.to.map_or(UnixNanos(i64::MAX), Day::start);
    args.from.map_or(UnixNanos(i64::MIN), Day::start)..end
}

/// A file for each market and day that has rows.
fn files(reader: &Reader, args: &Args, dir: &Path, markets: &[Market]) -> Outcome {
    let (Some(from), Some(to)) = (args.from, args.to) else {
        return Err(Failure::say(Exit::Usage, "--out needs --from and --to"));
    };
    std::fs::create_dir_all(dir).or_exit(Exit::Config)?;
    for market in markets {
        let symbol = market.symbol.as_str().replace(['/', ':'], "_");
        let days = std::iter::successors(Some(from), |day| Some(day.next())).take_while(|day| *day < to);
        for day in days {
            let name = format!("{}_{}_{day}_{symbol}.csv.gz", market.venue, args.what.as_str());
            let (path, aside) = (dir.join(&name), dir.join(format!(".{name}.tmp")));
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(&aside);
            let mut out = GzEncoder::new(BufWriter::new(file.or_exit(Exit::Config)?), Compression::default());
            let span = day.start()..day.next().start();
            let lines = dump(reader, args.what, market, &span, &mut out).or_exit(Exit::Unexpected)?;
            let file = out.finish().and_then(|buffered| buffered.into_inner().map_err(|e| e.into_error()));
            file.and_then(|file| file.sync_all()).or_exit(Exit::Unexpected)?;
            if lines == 0 {
                std::fs::remove_file(&aside).or_exit(Exit::Unexpected)?;
                continue;
            }
            std::fs::rename(&aside, &path).or_exit(Exit::Unexpected)?;
            if crate::out::text(&format!("{}\n", path.display()))?.is_break() {
                return Ok(Exit::Ok);
            }
        }
    }
    Ok(Exit::Ok)
}

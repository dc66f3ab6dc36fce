//! `archive`: closed days of a database as Parquet files.

use std::path::PathBuf;

use venuekit_store::Day;

use crate::exit::{Exit, Failure, Outcome};

/// Write closed days as Parquet files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit archive --from 2026-11-23 --to 2026-11-24
  venuekit archive --db venuekit.db --from 2026-11-01 --to 2026-12-01 --out archive --json

Layout: {out}/type=trade/venue=doex/date=2026-11-23/symbol=BTC_USDT/part-{first}-{last}.parquet, with days of UTC by
arrival. Before anything is written the database is compared with its checksums. A run over the same days writes the
same files. Exit codes: 2 for a day that is not over, 4 for a database that cannot be used, 8 for one that is damaged.")]
#[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "this build only says what it lacks"))]
pub(crate) struct Args {
    /// The database.
    #[arg(long, value_name = "PATH", default_value = "venuekit.db")]
    db: PathBuf,
    /// The first day.
    #[arg(long, value_name = "DAY")]
    from: Day,
    /// The day after the last.
    #[arg(long, value_name = "DAY")]
    to: Day,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "archive")]
    out: PathBuf,
    /// Print one JSON object instead of a line for each file.
    #[arg(long)]
    json: bool,
}

#[cfg(not(feature = "parquet"))]
pub(crate) fn run(_: Args) -> Outcome {
    let message = "this build has no Parquet; build it with --features parquet";
    Err(Failure::say(Exit::Usage, message))
}

#[cfg(feature = "parquet")]
pub(crate) fn run(args: Args) -> Outcome {
    use venuekit_store::{ArchiveError, Reader, archive};

    use crate::exit::OrExit;

    let reader = Reader::open(&args.db).or_exit(Exit::Config)?;
    let verdict = reader.verify().or_exit(Exit::Config)?;
    if let Some(damage) = verdict.damage.first() {
        let (count, db) = (verdict.damaged, args.db.display());
        let message =
            format_args!("{db} is damaged in {count} places and is not archived; the first: {damage}");
        return Err(Failure::say(Exit::Differences, message));
    }
    let now = venuekit_driver::Clock::start().now().wall;
    let days =
        std::iter::successors(Some(args.from), |day| Some(day.next())).take_while(|day| *day < args.to);
    let (mut files, mut rows) = (0_u64, 0_u64);
    for day in days {
        let written = archive(&reader, &args.out, day, now).map_err(|error| {
            let exit = match error {
                ArchiveError::NotOver { .. } => Exit::Usage,
                ArchiveError::Exists { .. } | ArchiveError::Io { .. } => Exit::Config,
                _ => Exit::Unexpected,
            };
            Failure::new(exit, error)
        })?;
        for file in written {
            files += 1;
            rows += file.rows;
            if !args.json && crate::out::text(&format!("{} {}\n", file.path.display(), file.rows))?.is_break()
            {
                return Ok(Exit::Ok);
            }
        }
    }
    if args.json {
        // A reader that went away is no error.
        let _ = crate::out::json(&serde_json::json!({ "files": files, "rows": rows }))?;
    }
    Ok(Exit::Ok)
}

//! `positions`: every open position of every venue.

use serde_json::{Value, json};

use super::reader::{self, Readers};
use super::target::Where;
use super::{rows, table};
use crate::exit::Outcome;

/// List the open positions of every venue.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit positions
  venuekit positions --env live -v duedex --json
  venuekit positions --copied

Quantities are as the instrument counts them, negative for short. A venue that cannot be read ends the command: a
position that is not listed is flat, not unknown.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    /// List flat ones as well.
    #[arg(long)]
    all: bool,
    /// List the positions that copy a lead trader, with whom they copy.
    #[arg(long, conflicts_with = "all")]
    copied: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(show(args))
}

async fn show(args: Args) -> Outcome {
    let readers = Readers::open(&args.place).await?;
    let mut found: Vec<Value> = Vec::new();
    for reader in &readers.list {
        let failed = |error| reader::failure(reader.id, error);
        if args.copied {
            // A venue without copy trading has nothing to list.
            let Some(copies) = reader.client.copy_trading() else { continue };
            let copied = copies.copy_positions().await.map_err(failed)?;
            found.extend(copied.iter().map(|(symbol, row)| of(reader.id, rows::copy_position(symbol, row))));
        } else {
            let positions = reader::account(reader)?.positions().await.map_err(failed)?;
            let open = positions
                .iter()
                .filter(|(_, row)| args.all || row.qty.is_none_or(|qty| !qty.is_zero()))
                .map(|(symbol, row)| of(reader.id, rows::position(symbol, row)));
            found.extend(open);
        }
    }
    let environment = readers.environment().to_owned();
    readers.close().await;
    let columns: &[&str] = if args.copied {
        &["venue", "symbol", "qty", "lead_name", "mirror_ratio", "entry_price", "unrealized_pnl"]
    } else {
        &[
            "venue",
            "symbol",
            "qty",
            "entry_price",
            "mark_price",
            "liquidation_price",
            "leverage",
            "unrealized_pnl",
        ]
    };
    table::show(&json!({ "env": environment, "positions": found }), "positions", columns, args.json)
}

/// A row with its venue.
pub(super) fn of(venue: &str, mut row: Value) -> Value {
    row["venue"] = venue.into();
    row
}

//! `orders`: what is open, or one page of what was.

use serde_json::{Value, json};
use venuekit_types::Symbol;

use super::positions::of;
use super::reader::{self, Readers};
use super::span::Span;
use super::target::Where;
use super::{rows, table};
use crate::exit::{Exit, Failure, Outcome};

/// List the open orders of every venue, or the order history of a symbol.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit orders
  venuekit orders --env live -v doex --json
  venuekit orders -v doex --symbol BTC/USDT --from 2026-11-01 --limit 100

With --symbol it is one page of the symbol's orders, open or not, oldest first where the venue lets that be chosen.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    /// One page of the orders of this symbol, open or not.
    #[arg(long)]
    symbol: Option<Symbol>,
    #[command(flatten)]
    span: Span,
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
        match &args.symbol {
            None => {
                let open = reader::account(reader)?.open_orders().await.map_err(failed)?;
                found.extend(open.iter().map(|(symbol, row)| of(reader.id, rows::order(symbol, row))));
            }
            Some(symbol) => {
                let history = reader.client.order_history().ok_or_else(|| {
                    Failure::say(
                        Exit::Usage,
                        format!("{} has no order history; leave --symbol out", reader.id),
                    )
                })?;
                let page = history.orders(symbol, args.span.page()).await.map_err(failed)?;
                found.extend(page.iter().map(|row| of(reader.id, rows::order(symbol, row))));
            }
        }
    }
    let environment = readers.environment().to_owned();
    readers.close().await;
    let columns =
        ["venue", "symbol", "venue_order_id", "side", "order_type", "price", "qty", "cum_qty", "status"];
    table::show(&json!({ "env": environment, "orders": found }), "orders", &columns, args.json)
}

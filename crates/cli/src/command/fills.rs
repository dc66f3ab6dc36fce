//! `fills`: one page of the fills of a symbol; where the venue lists none, what its orders say was filled.

use serde_json::{Value, json};
use venuekit_account::{Accounts, Feed, Limits, Owner, Part, Row};
use venuekit_types::Symbol;
use venuekit_venue::DataKind;

use super::positions::of;
use super::reader::{self, Reader, Readers};
use super::span::Span;
use super::target::Where;
use super::{rows, table};
use crate::exit::{Exit, Failure, OrExit, Outcome};

/// List the fills of a symbol.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit fills BTC/USDT -v doex
  venuekit fills BTC/USD:BTC -v duedex --env live --json | jq '.fills[] | select(.derived)'
  venuekit fills BTC/USDT:USDT -v doex --copied

DueDEX lists no fills by REST. Its are inferred from the orders of the page and are marked `derived`: one row stands
for everything that an order filled, at its average price, with the order's fees.")]
pub(crate) struct Args {
    /// The symbol.
    symbol: Symbol,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    span: Span,
    /// List the fills of copied positions instead, with whom they copy.
    #[arg(long)]
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
    let mut unknown: Option<Failure> = None;
    for reader in &readers.list {
        let page = if args.copied { copied(reader, &args).await } else { page(reader, &args).await };
        match page {
            Ok(page) => found.extend(page.into_iter().map(|row| of(reader.id, row))),
            // Another venue may list the symbol.
            Err(why) if why.exit == Exit::Usage && readers.list.len() > 1 => unknown = Some(why),
            Err(why) => return Err(why),
        }
    }
    if let Some(why) = unknown.filter(|_| found.is_empty()) {
        return Err(why);
    }
    let environment = readers.environment().to_owned();
    readers.close().await;
    let columns =
        ["venue", "at", "symbol", "side", "last_px", "last_qty", "fee", "fee_asset", "fill_id", "derived"];
    table::show(&json!({ "env": environment, "fills": found }), "fills", &columns, args.json)
}

async fn copied(reader: &Reader, args: &Args) -> Result<Vec<Value>, Failure> {
    let Some(copies) = reader.client.copy_trading() else { return Ok(Vec::new()) };
    let trades = copies.copy_trades(args.span.page()).await;
    let trades = trades.map_err(|error| reader::failure(reader.id, error))?;
    let ours = trades.iter().filter(|(symbol, _)| *symbol == args.symbol);
    Ok(ours.map(|(symbol, row)| rows::copy_trade(symbol, row)).collect())
}

async fn page(reader: &Reader, args: &Args) -> Result<Vec<Value>, Failure> {
    let failed = |error| reader::failure(reader.id, error);
    let symbol = &args.symbol;
    if let Some(history) = reader.client.fill_history() {
        let fills = history.fills(symbol, args.span.page()).await.map_err(failed)?;
        return Ok(fills.iter().map(|fill| rows::fill(symbol, fill, false)).collect());
    }
    let history = reader.client.order_history().ok_or_else(|| {
        Failure::say(Exit::Usage, format!("{} lists neither fills nor orders of the past", reader.id))
    })?;
    let orders = history.orders(symbol, args.span.page()).await.map_err(failed)?;
    let owner = Owner::new(reader.id, "main");
    let mut accounts = Accounts::new(Limits::default());
    let rows = orders.into_iter().map(|order| Row::Order(symbol.clone(), Box::new(order))).collect();
    let feed = Feed::new(&owner, Part::Orders, "history");
    // Every order of the page was told just now: none is left out.
    let _ = accounts.apply(&feed, DataKind::Snapshot, rows).or_exit(Exit::Unexpected)?;
    let (derived, cannot) = accounts.derive_fills(&owner);
    for (key, why) in cannot {
        eprintln!("warning: the fills of order {} cannot be inferred: {why}", key.order_id);
    }
    Ok(derived.iter().map(|own| rows::fill(symbol, &own.fill, own.derived)).collect())
}

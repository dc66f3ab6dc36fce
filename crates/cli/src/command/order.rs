//! `order`: places, cancels and looks up orders, through the running gateway alone.

use std::io::{BufRead, IsTerminal};

use clap::Subcommand;
use serde_json::json;
use venuekit_driver::gateway::{Answer, OrderName, OrderText, OrderView, Outcome as Placed, Status, Talk};

use super::home::{Home, Line, exit_of, unexpected};
use super::words;
use crate::exit::{Exit, Failure, Outcome};
use crate::out;

/// Place, cancel and look up orders, through the running gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit order place --venue doex --symbol BTC/USDT --side buy --type limit --qty 0.01 --price 27000
  venuekit order cancel --venue doex --symbol BTC/USDT --id 42
  venuekit order open --env live --json

Exit codes: 2 for an order that makes no sense, 3 for a key that may not trade, 5 when no gateway runs or the outcome is
unknown, 6 over a budget, 7 when the venue says no, 9 when halted, 10 when no live book says where the market is.")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Place an order.
    #[command(
        after_help = "Examples:\n  venuekit order place --venue doex --symbol BTC/USDT --side buy --type limit --qty 0.01 --price 27000 --yes"
    )]
    Place(Place),
    /// Cancel an order; this works while halted.
    #[command(
        after_help = "Examples:\n  venuekit order cancel --venue duedex --symbol BTC/USD:BTC --client-id my-order-1"
    )]
    Cancel(Name),
    /// Show an order, open or not.
    #[command(after_help = "Examples:\n  venuekit order status --venue doex --symbol BTC/USDT --id 42")]
    Status(Name),
    /// Show what is open.
    #[command(after_help = "Examples:\n  venuekit order open\n  venuekit order open --venue doex --json")]
    Open(Open),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The environment of the gateway.
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    #[command(flatten)]
    home: Home,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The venue.
    #[arg(long, short, value_parser = words::venue)]
    venue: &'static str,
    /// The symbol: unified, or the venue's own spelling.
    #[arg(long)]
    symbol: String,
    /// The product, where the symbol alone does not say it.
    #[arg(long)]
    product: Option<String>,
    /// buy or sell.
    #[arg(long, value_parser = ["buy", "sell"])]
    side: String,
    /// limit, market, stop_market, stop_limit, take_profit_market or take_profit_limit.
    #[arg(long = "type", value_name = "TYPE")]
    order_type: String,
    /// How much, exactly.
    #[arg(long)]
    qty: String,
    /// The limit, exactly.
    #[arg(long)]
    price: Option<String>,
    /// The trigger, exactly.
    #[arg(long)]
    stop_price: Option<String>,
    /// GTC, IOC or FOK.
    #[arg(long, value_name = "TIF")]
    time_in_force: Option<String>,
    /// Refused rather than filled at once.
    #[arg(long)]
    post_only: bool,
    /// May only make a position smaller.
    #[arg(long)]
    reduce_only: bool,
    /// Our id of it; one is made when absent.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Place it without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "client_id"])))]
struct Name {
    /// The venue.
    #[arg(long, short, value_parser = words::venue)]
    venue: &'static str,
    /// The symbol.
    #[arg(long)]
    symbol: String,
    /// The product, where the symbol alone does not say it.
    #[arg(long)]
    product: Option<String>,
    /// The venue's id of it.
    #[arg(long)]
    id: Option<String>,
    /// Our id of it.
    #[arg(long)]
    client_id: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Open {
    /// One venue.
    #[arg(long, short, value_parser = words::venue)]
    venue: Option<&'static str>,
    #[command(flatten)]
    common: Common,
}

impl Common {
    async fn line(&self) -> Result<Line, Failure> {
        Line::open(&self.home, self.env.as_deref()).await
    }
}

impl Name {
    fn order(&self) -> OrderName {
        let is_client_id = self.client_id.is_some();
        OrderName {
            venue: self.venue.to_owned(),
            symbol: self.symbol.clone(),
            product: self.product.clone(),
            id: self.client_id.clone().or_else(|| self.id.clone()).unwrap_or_default(),
            is_client_id,
        }
    }
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(async {
        match args.what {
            What::Place(args) => place(args).await,
            What::Cancel(args) => cancel(args).await,
            What::Status(args) => status(args).await,
            What::Open(args) => open(args).await,
        }
    })
}

async fn place(args: Place) -> Outcome {
    let mut line = args.common.line().await?;
    let state = match line.ask(&Talk::Status).await? {
        Answer::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    let order = OrderText {
        venue: args.venue.to_owned(),
        symbol: args.symbol,
        product: args.product,
        side: args.side,
        order_type: args.order_type,
        qty: args.qty,
        price: args.price,
        stop_price: args.stop_price,
        time_in_force: args.time_in_force,
        post_only: args.post_only,
        reduce_only: args.reduce_only,
        client_order_id: args.client_id,
    };
    eprintln!("{}: {}", line.environment, meant(&order));
    // Numbers and words are checked here too, before anybody is asked.
    order.clone().wish().map_err(|error| Failure::say(exit_of(error.exit), error.text))?;
    may_go(&state)?;
    if !args.yes {
        confirm()?;
    }
    let placed = match line.ask(&Talk::Place(Box::new(order))).await? {
        Answer::Placed(placed) => placed,
        other => return Err(unexpected(&other)),
    };
    // Whether anybody reads it makes no difference to the order.
    let _ = if args.common.json {
        out::json(&json!({"environment": line.environment, "placed": placed}))?
    } else {
        out::text(&told(&line.environment, &placed))?
    };
    Ok(match (placed.outcome.as_str(), &placed.fault) {
        ("accepted" | "found", _) => Exit::Ok,
        ("unknown", _) => Exit::Unreachable,
        (_, Some(fault)) => exit_of(fault.exit),
        _ => Exit::Rejected,
    })
}

/// Says at once what the gateway would say later.
fn may_go(state: &Status) -> Result<(), Failure> {
    if state.mode != "halted" {
        return Ok(());
    }
    let why = state.why.as_deref().unwrap_or("no reason was given");
    Err(Failure::say(
        Exit::Halted,
        format_args!("halted: {why}; see the cause, then `venuekit arm --for SPAN`"),
    ))
}

fn meant(order: &OrderText) -> String {
    let mut text =
        format!("{} {} {} at {}, {}", order.side, order.qty, order.symbol, order.venue, order.order_type);
    let parts = [
        order.price.as_ref().map(|price| format!(" at {price}")),
        order.stop_price.as_ref().map(|stop| format!(", triggered at {stop}")),
        order.time_in_force.as_ref().map(|tif| format!(", {tif}")),
        order.post_only.then(|| ", post only".to_owned()),
        order.reduce_only.then(|| ", reduce only".to_owned()),
    ];
    text.extend(parts.into_iter().flatten());
    text
}

/// Asks on a terminal; elsewhere nobody could answer.
fn confirm() -> Result<(), Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::say(Exit::Usage, "nobody can be asked here; add --yes to place this order"));
    }
    eprint!("place it? [y/N] ");
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    match read.map(|_| answer.trim().to_ascii_lowercase()) {
        Ok(yes) if yes == "y" || yes == "yes" => Ok(()),
        _ => Err(Failure::say(Exit::Usage, "not placed")),
    }
}

fn told(environment: &str, placed: &Placed) -> String {
    let mut text = format!("{environment}: {} {}\n", placed.client_order_id, placed.outcome);
    if let Some(order) = &placed.order {
        text.push_str(&row(order));
    }
    if let Some(fault) = &placed.fault {
        let code = fault.code.map_or(String::new(), |code| format!(" (code {code})"));
        text.push_str(&format!("  {}: {}{code}\n", fault.kind, fault.text));
    }
    text
}

fn row(order: &OrderView) -> String {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    format!(
        "  {} {} {} {} {} of {} filled, at {}, {} (id {}, ours {})\n",
        order.venue,
        order.symbol,
        word(&order.side),
        word(&order.order_type),
        word(&order.cum_qty),
        word(&order.qty),
        word(&order.price),
        word(&order.status),
        order.order_id,
        order.client_order_id.as_deref().unwrap_or("none"),
    )
}

async fn cancel(args: Name) -> Outcome {
    let mut line = args.common.line().await?;
    match line.ask(&Talk::Cancel(args.order())).await? {
        Answer::Canceled => {}
        other => return Err(unexpected(&other)),
    }
    // Whether anybody reads it makes no difference to the order.
    let _ = if args.common.json {
        out::json(&json!({"environment": line.environment, "canceled": args.order().id}))?
    } else {
        out::text(&format!("{}: canceled {}\n", line.environment, args.order().id))?
    };
    Ok(Exit::Ok)
}

async fn status(args: Name) -> Outcome {
    let mut line = args.common.line().await?;
    let order = match line.ask(&Talk::Order(args.order())).await? {
        Answer::Order(order) => order,
        other => return Err(unexpected(&other)),
    };
    // Whether anybody reads it makes no difference here.
    let _ = if args.common.json {
        out::json(&json!({"environment": line.environment, "order": order}))?
    } else {
        out::text(&format!("{}:\n{}", line.environment, row(&order)))?
    };
    Ok(Exit::Ok)
}

async fn open(args: Open) -> Outcome {
    let mut line = args.common.line().await?;
    let orders = match line.ask(&Talk::Open { venue: args.venue.map(str::to_owned) }).await? {
        Answer::Open(orders) => orders,
        other => return Err(unexpected(&other)),
    };
    // Whether anybody reads it makes no difference here.
    let _ = if args.common.json {
        out::json(&json!({"environment": line.environment, "orders": orders}))?
    } else {
        let rows: String = orders.iter().map(row).collect();
        out::text(&format!("{}: {} open\n{rows}", line.environment, orders.len()))?
    };
    Ok(Exit::Ok)
}

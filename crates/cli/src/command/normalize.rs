//! `normalize`: a venue's JSON in, one spelling for every venue out. No network, no key.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};
use venuekit_types::{Now, Symbol};
use venuekit_venue::{
    Ask, Catalog, Event, EventBuf, HttpReply, Interval, MarketId, OrderRef, Page, Place, Row, Venue, Wallet,
};

use super::{reader, rows, words};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;

/// Largest answer taken.
const ANSWER_MAX: u64 = 64 << 20;

/// Turn an answer of a venue into the one spelling used here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit normalize --venue doex --what balances answer.json
  curl -s … | venuekit normalize --venue duedex --what positions - | jq '.rows[] | {symbol, qty}'
  venuekit normalize --venue doex --what fills --symbol BTC/USDT:USDT --instruments instruments.json fills.json

Instruments are those that the simulator lists, unless --instruments names the venue's own answer. Rows that make no
sense are named on standard error, and end the command with exit code 8; a refusal of the venue ends it with the code
of that refusal.")]
pub(crate) struct Args {
    /// The venue that wrote it.
    #[arg(long, short, value_parser = words::venue)]
    venue: &'static str,
    /// What it is an answer to.
    #[arg(long, value_parser = WHAT)]
    what: String,
    /// One product, where the venue has several: of balances, positions and open orders.
    #[arg(long)]
    product: Option<String>,
    /// The wallet that balances are of.
    #[arg(long, value_parser = ["spot", "margin", "futures"])]
    wallet: Option<String>,
    /// The symbol that was asked for, where the route wants one.
    #[arg(long)]
    symbol: Option<Symbol>,
    /// The HTTP status it came with.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// The venue's list of instruments.
    #[arg(long, value_name = "FILE")]
    instruments: Option<PathBuf>,
    /// The answer; `-` for standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

const WHAT: [&str; 14] = [
    "balances",
    "positions",
    "open-orders",
    "orders",
    "order",
    "fills",
    "deposits",
    "withdrawals",
    "transfers",
    "copy-positions",
    "copy-trades",
    "fees",
    "permissions",
    "candles",
];

pub(crate) fn run(args: Args) -> Outcome {
    let venue = venuekit_registry::venue(args.venue).or_exit(Exit::Usage)?;
    let catalogs = catalogs(venue.as_ref(), &args)?;
    let (product, ask) = ask(venue.as_ref(), &catalogs, &args)?;
    let body = read(&args.file)?;
    let place = Place { product, socket: 0, catalog: &catalogs[product] };
    let mut out = EventBuf::new();
    let reply = HttpReply { status: args.status, headers: &[], body: &body };
    venue
        .answer(place, &ask, &reply, &mut out)
        .map_err(|fault| Failure::new(reader::exit_of(&fault), fault))?;
    let rows: Vec<Value> = out.rows.iter().filter_map(|row| object(&catalogs[product], row)).collect();
    let broken: Vec<String> = out
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Broken(broken) => Some(format!("{}: {}", broken.why.as_str(), broken.detail)),
            _ => None,
        })
        .collect();
    let spec = &venue.specs()[product];
    // Whether anybody reads it makes no difference here.
    let _ =
        out::json(&json!({ "venue": args.venue, "product": spec.product, "what": args.what, "rows": rows }))?;
    for why in &broken {
        eprintln!("warning: a row was left out: {why}");
    }
    Ok(if broken.is_empty() { Exit::Ok } else { Exit::Differences })
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().take(ANSWER_MAX).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(ANSWER_MAX).read_to_end(&mut body))
    };
    read.with_context(|| format!("cannot read {}", path.display())).or_exit(Exit::Config)?;
    Ok(body)
}

/// The instruments of each product: the venue's own answer, or what the simulator lists.
fn catalogs(venue: &dyn Venue, args: &Args) -> Result<Vec<Catalog>, Failure> {
    let listed = match &args.instruments {
        Some(path) => read(path)?,
        None => super::simulated::answer(venue, &Ask::Instruments, Now::default())?,
    };
    let mut catalogs = Vec::new();
    for product in 0..venue.specs().len() {
        let mut catalog = Catalog::new();
        let mut out = EventBuf::new();
        let place = Place { product, socket: 0, catalog: &catalog };
        let reply = HttpReply { status: 200, headers: &[], body: &listed };
        venue
            .answer(place, &Ask::Instruments, &reply, &mut out)
            .context("the list of instruments")
            .or_exit(Exit::Config)?;
        for instrument in out.instruments.drain(..) {
            catalog.put(instrument);
        }
        catalogs.push(catalog);
    }
    Ok(catalogs)
}

/// The request that the answer belongs to, as far as reading it needs one.
fn ask(venue: &dyn Venue, catalogs: &[Catalog], args: &Args) -> Result<(usize, Ask), Failure> {
    let product_of = |name: &Option<String>| -> Result<usize, Failure> {
        let Some(name) = name else { return Ok(0) };
        words::product(venue, name)?;
        Ok(venue.specs().iter().position(|spec| spec.product == *name).unwrap_or_default())
    };
    let market = || -> Result<(usize, MarketId), Failure> {
        let symbol = args.symbol.as_ref().ok_or_else(|| {
            Failure::say(Exit::Usage, format!("--what {} needs the --symbol that was asked for", args.what))
        })?;
        let found = catalogs
            .iter()
            .enumerate()
            .find_map(|(product, catalog)| catalog.find_symbol(symbol).map(|(market, _)| (product, market)));
        found.ok_or_else(|| {
            let names = catalogs.iter().flat_map(|catalog| catalog.iter().map(|(_, of)| of.symbol.as_str()));
            let near = words::nearest(symbol.as_str(), names).join(", ");
            Failure::say(Exit::Usage, format!("no instrument {symbol}; near it are: {near}"))
        })
    };
    let page = Page::default;
    let of = |ask: Ask| -> Result<(usize, Ask), Failure> {
        // The first product that has such a route, unless one is named.
        let product = match &args.product {
            Some(_) => product_of(&args.product)?,
            None => venue.specs().iter().position(|spec| spec.can(ask.kind())).unwrap_or_default(),
        };
        Ok((product, ask))
    };
    let with = |make: &dyn Fn(MarketId) -> Ask| market().map(|(product, market)| (product, make(market)));
    let (product, ask) = match args.what.as_str() {
        "balances" => {
            let product = product_of(&args.product)?;
            let named = args.wallet.as_deref().and_then(Wallet::from_word);
            let specs = venue.specs();
            let wallet = named.or(specs[product].wallets.first().copied()).unwrap_or(Wallet::Spot);
            let owner = specs.iter().position(|spec| spec.wallets.contains(&wallet));
            let owner = owner.ok_or_else(|| {
                let has = specs.iter().flat_map(|spec| spec.wallets.iter().map(|wallet| wallet.as_str()));
                let has = has.collect::<Vec<_>>().join(", ");
                Failure::say(
                    Exit::Usage,
                    format!("{} has no {} wallet; it has {has}", args.venue, wallet.as_str()),
                )
            })?;
            (owner, Ask::Balances { wallet })
        }
        "positions" => of(Ask::Positions { market: market().ok().map(|(_, market)| market) })?,
        "open-orders" => of(Ask::OpenOrders { market: None })?,
        "orders" => with(&|market| Ask::OrderHistory { market, page: page() })?,
        "order" => with(&|market| Ask::Order { market, order: OrderRef::Client(String::new()) })?,
        "fills" => with(&|market| Ask::Fills { market, page: page() })?,
        "deposits" => of(Ask::Deposits { page: page() })?,
        "withdrawals" => of(Ask::Withdrawals { page: page() })?,
        "transfers" => of(Ask::Transfers { page: page() })?,
        "copy-positions" => of(Ask::CopyPositions)?,
        "copy-trades" => of(Ask::CopyTrades { page: page() })?,
        "fees" => of(Ask::Fees)?,
        "permissions" => of(Ask::Permissions)?,
        "candles" => {
            let (from, to) = (venuekit_types::UnixNanos(0), venuekit_types::UnixNanos(i64::MAX));
            with(&|market| Ask::Candles { market, interval: Interval::M1, from, to })?
        }
        _ => unreachable!("clap has checked the word"),
    };
    if !venue.specs()[product].can(ask.kind()) {
        let message =
            format!("{} {} has no route for {}", args.venue, venue.specs()[product].product, args.what);
        return Err(Failure::say(Exit::Usage, message));
    }
    Ok((product, ask))
}

/// A row as an object.
fn object(catalog: &Catalog, row: &Row) -> Option<Value> {
    let symbol = |market: MarketId| catalog.get(market).map(|instrument| &instrument.symbol);
    Some(match row {
        Row::Balance(row) => rows::balance(row),
        Row::Position(row) => rows::position(symbol(row.market)?, row),
        Row::Order(row) => rows::order(symbol(row.market)?, row),
        Row::Fill(row) => rows::fill(symbol(row.market)?, row, false),
        Row::Movement(row) => rows::movement(row),
        Row::CopyPosition(row) => rows::copy_position(symbol(row.market)?, row),
        Row::CopyTrade(row) => rows::copy_trade(symbol(row.market)?, row),
        Row::Candle(row) => rows::candle(symbol(row.market)?, row),
        Row::Permissions(row) => rows::permissions(*row),
        Row::Fees(row) => {
            let symbols: Vec<Symbol> =
                row.pairs.iter().filter_map(|pair| symbol(pair.market).cloned()).collect();
            rows::fees(row, &symbols)
        }
        Row::Trade(_) | Row::Ticker(_) | Row::OrderChange(_) => return None,
    })
}

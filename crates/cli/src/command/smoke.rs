//! `smoke`: the whole signed loop against a real account: clock, key, wallets, histories, streams, and on request one
//! order that is placed far from the market and taken back.

mod trade;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use venuekit_book::State;
use venuekit_driver::{CallError, Client, Instruments as _, MarketData as _, MarketEvent, Options};
use venuekit_session::{Config, StreamId, Want};
use venuekit_types::{Fixed, Instrument, Kind, Status, Symbol};
use venuekit_venue::{Channel, Page, Permissions, Venue};

use super::checks::{self, Checks, Line};
use super::reader::{self, Reader, Readers};
use super::target::Where;
use crate::exit::{Exit, Failure, OrExit, Outcome};

/// Try an account end to end: clock, permissions, balances, histories, streams; with --trade an order as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit smoke --venue duedex --env live
  venuekit smoke --venue doex --env sim --for 5 --json
  venuekit smoke --venue doex --env live --trade --symbol BTC/USDT

Nothing is changed at the venue unless --trade is given: then one post-only order of the least size is placed a tenth
below the best bid, looked up, and cancelled. A venue that lacks something says so and does not fail.
Exit codes: 0 when nothing failed, else the code of the first failure; 10 for a stream that was not live at the end.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    /// The symbol whose history is read, whose streams are followed and which --trade trades; one of each kind when
    /// absent.
    #[arg(long)]
    symbol: Option<Symbol>,
    /// How long streams are followed, in seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Place an order far from the market, and cancel it.
    #[arg(long)]
    trade: bool,
    /// Print one JSON object a venue.
    #[arg(long)]
    json: bool,
}

/// Rows of a page that is read only to see whether it can be.
const PAGE_ROWS: u32 = 10;
/// How long past its minute a stream may take to become live: what a first snapshot may take.
const LIVE_WITHIN: Duration = Duration::from_secs(15);

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(all(args))
}

async fn all(args: Args) -> Outcome {
    let readers = Readers::open(&args.place).await?;
    let environment = readers.environment().to_owned();
    let mut exit = Exit::Ok;
    for reader in &readers.list {
        let mut lines = Vec::new();
        examine(&readers, reader, &args, &mut lines).await;
        checks::show(&Checks { env: &environment, venue: reader.id, lines: &lines }, args.json)?;
        if exit == Exit::Ok {
            exit = checks::exit(&lines);
        }
    }
    readers.close().await;
    Ok(exit)
}

async fn examine(readers: &Readers, reader: &Reader, args: &Args, lines: &mut Vec<Line>) {
    let listed = match reader.client.instruments().await {
        Ok(listed) => listed,
        Err(error) => {
            return lines.push(Line::fail("instruments", error.to_string(), "", Exit::Unexpected));
        }
    };
    let symbols = symbols(&listed, args.symbol.as_ref());
    lines.push(if symbols.is_empty() {
        let wish = args.symbol.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        Line::fail("instruments", format!("{wish} trades here"), "name one with --symbol", Exit::Usage)
    } else {
        let words: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        Line::ok("instruments", format!("{} listed; taking {}", listed.len(), words.join(" and ")))
    });
    // The first signed request makes a venue without a time route tell its time.
    balances(reader, lines).await;
    lines.push(checks::clock(reader).await);
    permissions(reader, lines).await;
    for symbol in &symbols {
        histories(reader, symbol, lines).await;
    }
    movements(reader, lines).await;
    let bids = match streams(readers, reader, &symbols, args, lines).await {
        Ok(bids) => bids,
        Err(failure) => return lines.push(Line::failed("streams", &failure)),
    };
    if !args.trade {
        return;
    }
    for terms in listed.iter().filter(|instrument| symbols.contains(&instrument.symbol)) {
        let symbol = terms.symbol.as_str();
        lines.push(match bids.get(symbol) {
            Some(bid) => trade::place_and_cancel(readers, reader, terms, *bid, args.place.seed).await,
            None => Line::fail(
                "trade",
                format!("{symbol}: no live book says where the market is"),
                "",
                Exit::Unhealthy,
            ),
        });
    }
}

/// The wish, else one trading symbol of each kind: that of bitcoin where there is one.
fn symbols(listed: &[Instrument], wish: Option<&Symbol>) -> Vec<Symbol> {
    let trading = || listed.iter().filter(|instrument| instrument.status == Status::Trading);
    if let Some(wish) = wish {
        return trading()
            .filter(|instrument| instrument.symbol == *wish)
            .map(|i| i.symbol.clone())
            .take(1)
            .collect();
    }
    let of = |kind: Kind| {
        let one = trading().filter(|instrument| instrument.kind == kind);
        one.min_by_key(|instrument| instrument.symbol.base() != "BTC").map(|i| i.symbol.clone())
    };
    [Kind::Spot, Kind::Perpetual].into_iter().filter_map(of).collect()
}

/// The line of a call that lists rows.
fn rows<T>(reader: &Reader, what: &'static str, of: &str, listed: Result<Vec<T>, CallError>) -> Line {
    match listed {
        Ok(rows) => Line::ok(what, format!("{of}: {} rows", rows.len())),
        Err(error) => Line::failed(what, &reader::failure(reader.id, error)),
    }
}

fn lacks(what: &'static str) -> Line {
    Line::ok(what, "this venue has none")
}

async fn balances(reader: &Reader, lines: &mut Vec<Line>) {
    let Some(account) = reader.client.account() else { return lines.push(lacks("balances")) };
    for wallet in account.wallets() {
        lines.push(rows(reader, "balances", wallet.as_str(), account.balances(wallet).await));
    }
    lines.push(rows(reader, "positions", "all", account.positions().await));
    lines.push(rows(reader, "open orders", "all", account.open_orders().await));
}

async fn permissions(reader: &Reader, lines: &mut Vec<Line>) {
    lines.push(match reader.client.permissions() {
        None => lacks("permissions"),
        Some(able) => told_permissions(reader, able.permissions().await),
    });
    if let Some(able) = reader.client.fees() {
        lines.push(rows(reader, "fees", "schedules", able.fees().await));
    }
}

fn told_permissions(reader: &Reader, told: Result<Permissions, CallError>) -> Line {
    match told {
        Ok(told) => {
            let word = |name: &str, may: Option<bool>| match may {
                Some(may) => format!("{name} {}", if may { "yes" } else { "no" }),
                None => format!("{name} untold"),
            };
            let words = [word("read", told.read), word("trade", told.trade), word("withdraw", told.withdraw)];
            Line::ok("permissions", words.join(", "))
        }
        Err(error) => Line::failed("permissions", &reader::failure(reader.id, error)),
    }
}

fn page() -> Page {
    Page { limit: Some(PAGE_ROWS), ..Page::default() }
}

async fn histories(reader: &Reader, symbol: &Symbol, lines: &mut Vec<Line>) {
    match reader.client.order_history() {
        Some(able) => {
            lines.push(rows(reader, "order history", symbol.as_str(), able.orders(symbol, page()).await));
        }
        None => lines.push(lacks("order history")),
    }
    match reader.client.fill_history() {
        Some(able) => {
            lines.push(rows(reader, "fill history", symbol.as_str(), able.fills(symbol, page()).await));
        }
        None => lines.push(lacks("fill history")),
    }
}

async fn movements(reader: &Reader, lines: &mut Vec<Line>) {
    let Some(able) = reader.client.movements() else { return lines.push(lacks("movements")) };
    lines.push(rows(reader, "movements", "deposits", able.deposits(page()).await));
    lines.push(rows(reader, "movements", "withdrawals", able.withdrawals(page()).await));
    lines.push(rows(reader, "movements", "transfers", able.transfers(page()).await));
}

/// Follows every channel of the symbols, and the account's, on connections of their own; gives the best bids.
async fn streams(
    readers: &Readers,
    reader: &Reader,
    symbols: &[Symbol],
    args: &Args,
    lines: &mut Vec<Line>,
) -> Result<BTreeMap<String, Fixed>, Failure> {
    let target = readers.target(reader.id);
    let config = Config {
        wants: wants(target.venue.as_ref(), symbols),
        hosts: target.hosts.clone(),
        environment: target.environment.clone(),
        credentials: Some(reader::credentials_of(target)?),
        seed: args.place.seed,
        ..Config::default()
    };
    let options = Options { tls: readers.tls(), ..Options::default() };
    let client = Client::connect(Arc::clone(&target.venue), config, options).await.or_exit(Exit::Config)?;
    let mut heard: BTreeMap<StreamId, u64> = BTreeMap::new();
    let mut missed = 0;
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let patience = until + LIVE_WITHIN;
    loop {
        let all_live = Instant::now() >= until
            && client
                .streams()
                .await
                .or_exit(Exit::Unexpected)?
                .iter()
                .all(|stream| stream.state == State::Live);
        let end = if Instant::now() < until { until } else { patience };
        if all_live || Instant::now() >= patience {
            break;
        }
        // Woken once a second at least, to see whether what was late is live now.
        let end = end.min(Instant::now() + Duration::from_secs(1));
        match tokio::time::timeout_at(end, client.next()).await {
            Ok(Some(MarketEvent::Book(book))) => *heard.entry(book.stream).or_default() += 1,
            Ok(Some(MarketEvent::Trade(trade))) => *heard.entry(trade.stream).or_default() += 1,
            Ok(Some(MarketEvent::Lagged { missed: more })) => missed += more,
            Ok(Some(MarketEvent::Other(_))) | Err(_) => {}
            Ok(None) => break,
        }
    }
    for stream in client.streams().await.or_exit(Exit::Unexpected)? {
        let product = &target.venue.specs()[stream.info.product].product;
        let of = stream.info.symbol.as_ref().map_or(product.as_str(), Symbol::as_str);
        let name = format!("{of} {}", stream.info.channel);
        let count = heard.get(&stream.info.stream).map(|n| format!(", {n} messages")).unwrap_or_default();
        lines.push(match (stream.state, stream.stopped) {
            (_, Some(fault)) => {
                Line::fail("streams", format!("{name}: {fault}"), "", reader::exit_of(&fault))
            }
            (State::Live, None) => Line::ok("streams", format!("{name} is live{count}")),
            (state, None) => {
                let why = stream.gap.map(|gap| format!(", {gap}")).unwrap_or_default();
                let fix = "follow it for longer with --for, and see `venuekit doctor`";
                Line::fail(
                    "streams",
                    format!("{name} is {}{why}{count}", state.as_str()),
                    fix,
                    Exit::Unhealthy,
                )
            }
        });
    }
    if missed > 0 {
        let fix = "nothing: the streams are whole, this command read too slowly to count";
        lines.push(Line::warn("streams", format!("{missed} messages were not counted"), fix));
    }
    let mut bids = BTreeMap::new();
    for symbol in symbols {
        if let Ok(book) = client.book(symbol, 1).await
            && let Some(best) = book.bids.first()
        {
            bids.insert(symbol.to_string(), Fixed { mantissa: best.price.0, scale: book.price_scale });
        }
    }
    client.close().await;
    Ok(bids)
}

fn wants(venue: &dyn Venue, symbols: &[Symbol]) -> Vec<Want> {
    const PUBLIC: [Channel; 4] = [Channel::Book, Channel::Trades, Channel::Ticker, Channel::Mark];
    const ACCOUNT: [Channel; 4] = [Channel::Orders, Channel::Positions, Channel::Balances, Channel::Fills];
    let specs = venue.specs();
    let any = |channel: Channel| specs.iter().any(|spec| spec.offers(channel));
    let public = PUBLIC.into_iter().filter(|channel| any(*channel));
    let mut wants: Vec<Want> = public
        .flat_map(|channel| symbols.iter().map(move |symbol| Want::new(symbol.as_str(), channel)))
        .collect();
    for spec in specs.iter().filter(|spec| spec.markets_of.is_none()) {
        let offered = ACCOUNT.into_iter().filter(|channel| spec.offers(*channel));
        wants.extend(offered.map(|channel| Want {
            product: Some(spec.product.clone()),
            symbol: String::new(),
            channel,
        }));
    }
    wants
}

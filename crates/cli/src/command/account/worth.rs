//! What ledgers are worth in one currency, through the middle of live books. What no live book prices has no worth, and
//! the sum says so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use venuekit_account::{Figure, Ledger, Marks, Name, Reported, Sight, Yardstick, value};
use venuekit_driver::{Client, Instruments as _, MarketData as _, Options};
use venuekit_session::{Config, Want};
use venuekit_types::{Fixed, Instrument, Kind, Mono, Status, Symbol};
use venuekit_venue::Channel;

use super::super::reader::Readers;
use super::super::rows::number;
use crate::exit::{Exit, Failure, OrExit};

/// How long a book may take to be live, and how old a price may be.
const WITHIN: Duration = Duration::from_secs(15);
/// Decimal places of a worth.
const PLACES: u32 = 8;

/// Values ledgers: each by itself, and their sum.
pub(super) async fn of(readers: &Readers, ledgers: &[Ledger], quote: &str) -> Result<Value, Failure> {
    let started = Instant::now();
    let marks = marks(readers, ledgers, quote, started).await?;
    let quote = Name::from(quote);
    let yardstick =
        Yardstick { quote: &quote, places: PLACES, marks: &marks, now: since(started, Duration::ZERO) };
    let worth = value(ledgers, &[], &yardstick).or_exit(Exit::Unexpected)?;
    let each = worth.ledgers.iter().map(|line| {
        let (value, why) = match &line.value {
            Sight::Seen(value) => (number(*value), Value::Null),
            Sight::Blind(causes) => (Value::Null, causes.first().map(ToString::to_string).into()),
        };
        let place = &line.of.place;
        json!({"venue": &*place.venue, "wallet": &*place.wallet, "asset": &*place.asset, "value": value, "why": why})
    });
    let (sum, without) = match &worth.balance {
        Figure::Whole(sum) => (*sum, Vec::new()),
        Figure::Partial { known, without } => (*known, without.iter().map(ToString::to_string).collect()),
    };
    Ok(json!({
        "in": &*quote,
        "balance": number(sum),
        "complete": without.is_empty(),
        "without": without,
        "cells": each.collect::<Vec<_>>(),
    }))
}

/// An instant of a clock that began with this command, some time ago.
fn since(started: Instant, ago: Duration) -> Mono {
    // An hour ahead, so that what was seen before the command began has an instant too.
    Mono(0).plus(Duration::from_secs(3_600)).plus(started.elapsed().saturating_sub(ago))
}

/// The middle of every live book between two of the assets, at every venue.
async fn marks(
    readers: &Readers,
    ledgers: &[Ledger],
    quote: &str,
    started: Instant,
) -> Result<Marks, Failure> {
    let is_held = |ledger: &&Ledger| matches!(ledger.amounts, Reported::Known(_));
    let mut assets: BTreeSet<&str> =
        ledgers.iter().filter(is_held).map(|ledger| &*ledger.place.asset).collect();
    assets.insert(quote);
    let mut marks = Marks::new(WITHIN);
    for reader in &readers.list {
        let listed = reader.client.instruments().await.or_exit(Exit::Unexpected)?;
        let pairs = pairs(&listed, &assets);
        if pairs.is_empty() {
            continue;
        }
        let target = readers.target(reader.id);
        let config = Config {
            wants: pairs.iter().map(|symbol| Want::new(symbol.as_str(), Channel::Book)).collect(),
            hosts: target.hosts.clone(),
            environment: target.environment.clone(),
            ..Config::default()
        };
        let options = Options { tls: readers.tls(), ..Options::default() };
        let client =
            Client::connect(Arc::clone(&target.venue), config, options).await.or_exit(Exit::Config)?;
        let until = Instant::now() + WITHIN;
        for symbol in &pairs {
            // A book that does not become live prices nothing.
            let Ok(Ok(book)) = timeout_at(until, client.live_book(symbol, 1)).await else { continue };
            let (Some(bid), Some(ask)) = (book.bids.first(), book.asks.first()) else { continue };
            let price = |mantissa| Decimal::from(Fixed { mantissa, scale: book.price_scale });
            let middle = (price(bid.price.0) + price(ask.price.0)) / Decimal::TWO;
            let (base, quote) = (Name::from(symbol.base()), Name::from(symbol.quote()));
            marks.put_rate(&base, &quote, middle, since(started, book.age));
        }
        client.close().await;
    }
    Ok(marks)
}

/// The markets between two of the assets: of each pair the spot market, or where there is none a contract on it.
fn pairs(listed: &[Instrument], assets: &BTreeSet<&str>) -> Vec<Symbol> {
    let mut found: Vec<&Instrument> = Vec::new();
    let between = |instrument: &&Instrument| {
        let symbol = &instrument.symbol;
        instrument.status == Status::Trading
            && assets.contains(symbol.base())
            && assets.contains(symbol.quote())
    };
    for instrument in listed.iter().filter(between) {
        let same = |other: &&mut &Instrument| {
            (other.symbol.base(), other.symbol.quote())
                == (instrument.symbol.base(), instrument.symbol.quote())
        };
        match found.iter_mut().find(same) {
            Some(known) if instrument.kind == Kind::Spot => *known = instrument,
            Some(_) => {}
            None => found.push(instrument),
        }
    }
    found.into_iter().map(|instrument| instrument.symbol.clone()).collect()
}

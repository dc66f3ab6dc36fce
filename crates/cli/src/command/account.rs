//! `account`: one view of every wallet, that can be opened into where each unit sits.

mod worth;

use serde_json::{Value, json};
use venuekit_account::{
    Accounts, Amounts, Feed, Figure, Ledger, Limits, Owner, Part, Policy, Reported, Row, Standing, project,
};
use venuekit_venue::DataKind;

use super::reader::{self, Readers};
use super::rows::number;
use super::target::Where;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;

/// Show what every wallet of every venue holds, as one view.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit account
  venuekit account --env live -v doex --by wallet
  venuekit account --in USDT
  venuekit account --env sim --json | jq '.lines[] | {asset, total: .sum.total, cells}'

Each line is the exact sum of its cells, and --json lists them: venue, account, wallet, asset. A position's profit is
no balance and is not in it. --in values each cell in one currency, at the middle of live books; what no live book
prices has no worth, and the sum says that it is partial. What a venue did not tell is listed as unreported, and the sum says that it is partial.
Exit codes: 2 for credentials without --env, 3 for a key that is missing or refused, 5 for an unreachable venue.")]
pub(crate) struct Args {
    /// What the lines keep apart, besides the asset: asset (nothing else), wallet or venue.
    #[arg(long, value_name = "WHAT", default_value = "asset", value_parser = ["asset", "wallet", "venue"])]
    by: String,
    /// Say what it is worth in this currency.
    #[arg(long = "in", value_name = "ASSET")]
    currency: Option<String>,
    #[command(flatten)]
    place: Where,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(show(args))
}

/// A wallet that was not told.
struct Missing {
    venue: &'static str,
    wallet: &'static str,
    why: Failure,
}

async fn show(args: Args) -> Outcome {
    let readers = Readers::open(&args.place).await?;
    let mut accounts = Accounts::new(Limits::default());
    let mut missing = Vec::new();
    for reader in &readers.list {
        let owner = Owner::new(reader.id, "main");
        let account = reader::account(reader)?;
        for wallet in account.wallets() {
            let feed = Feed::new(&owner, Part::Balances, wallet.as_str());
            let told = match account.balances(wallet).await {
                Ok(rows) => {
                    let rows = rows.into_iter().map(|row| Row::Balance(Box::new(row))).collect();
                    accounts.apply(&feed, DataKind::Snapshot, rows).or_exit(Exit::Unexpected).map(|_| ())
                }
                Err(error) => Err(reader::failure(reader.id, error)),
            };
            if let Err(why) = told {
                missing.push(Missing { venue: reader.id, wallet: wallet.as_str(), why });
            }
        }
    }
    let environment = readers.environment().to_owned();
    let ledgers = accounts.ledgers();
    let worth = match &args.currency {
        Some(currency) => Some(worth::of(&readers, &ledgers, &currency.to_ascii_uppercase()).await?),
        None => None,
    };
    readers.close().await;
    let policy = Policy::from_word(&args.by).expect("clap has checked the word");
    let view = project(&ledgers, policy).or_exit(Exit::Unexpected)?;
    let lines: Vec<Value> = view
        .lines
        .iter()
        .map(|line| {
            let (sum, whole) = match &line.sum {
                Figure::Whole(sum) => (sum, true),
                Figure::Partial { known, .. } => (known, false),
            };
            Ok(json!({
                "group": line.group.map(|name| name.to_string()),
                "asset": &**line.asset,
                "sum": amounts(sum)?,
                "complete": whole,
                "cells": line.cells.iter().map(|cell| self::cell(cell)).collect::<Result<Vec<_>, Failure>>()?,
            }))
        })
        .collect::<Result<_, Failure>>()?;
    let mut shown = json!({
        "env": environment,
        "by": policy.as_str(),
        "lines": lines,
        "unreported": missing.iter().map(|wallet| json!({
            "venue": wallet.venue, "wallet": wallet.wallet, "why": wallet.why.to_string(),
        })).collect::<Vec<_>>(),
    });
    if let Some(worth) = worth {
        shown["worth"] = worth;
    }
    // Whether anybody reads it makes no difference here.
    let _ = if args.json { out::json(&shown)? } else { out::text(&table(&shown))? };
    match missing.into_iter().next() {
        Some(first) => Err(first.why),
        None => Ok(Exit::Ok),
    }
}

fn amounts(of: &Amounts) -> Result<Value, Failure> {
    Ok(json!({
        "free": number(of.free),
        "locked": number(of.locked),
        "borrowed": number(of.borrowed),
        "interest": number(of.interest),
        "total": number(of.total().or_exit(Exit::Unexpected)?),
        "net": number(of.net().or_exit(Exit::Unexpected)?),
    }))
}

fn cell(ledger: &Ledger) -> Result<Value, Failure> {
    let place = &ledger.place;
    let mut cell = json!({
        "venue": &*place.venue,
        "account": &*place.account,
        "wallet": &*place.wallet,
        "asset": &*place.asset,
        "amounts": match &ledger.amounts {
            Reported::Known(of) => amounts(of)?,
            Reported::Unreported => Value::Null,
        },
    });
    let Standing { wallet_balance, margin_level } = ledger.standing;
    for (name, told) in [("wallet_balance", wallet_balance), ("margin_level", margin_level)] {
        if let Some(told) = told {
            cell[name] = number(told);
        }
    }
    Ok(cell)
}

/// The view for people: each line, then its cells.
fn table(shown: &Value) -> String {
    use std::fmt::Write as _;
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut table = format!("env {}, by {}\n", text(&shown["env"]), text(&shown["by"]));
    let _ = writeln!(table, "{:<28} {:>20} {:>20} {:>20}", "", "free", "locked", "net");
    let mut row = |name: String, of: &Value| {
        let column = |name: &str| text(&of[name]);
        let _ = writeln!(
            table,
            "{name:<28} {:>20} {:>20} {:>20}",
            column("free"),
            column("locked"),
            column("net")
        );
    };
    for line in shown["lines"].as_array().into_iter().flatten() {
        let group = line["group"].as_str().map(|group| format!("{group} ")).unwrap_or_default();
        let partial = if line["complete"] == true { "" } else { " (partial)" };
        row(format!("{group}{}{partial}", text(&line["asset"])), &line["sum"]);
        for cell in line["cells"].as_array().into_iter().flatten() {
            row(format!("  {}/{}", text(&cell["venue"]), text(&cell["wallet"])), &cell["amounts"]);
        }
    }
    for wallet in shown["unreported"].as_array().into_iter().flatten() {
        let _ = writeln!(table, "unreported: {}/{}", text(&wallet["venue"]), text(&wallet["wallet"]));
    }
    if let Some(worth) = shown.get("worth") {
        let partial = if worth["complete"] == true { "" } else { " (partial)" };
        let _ = writeln!(table, "worth {} {}{partial}", text(&worth["balance"]), text(&worth["in"]));
        for why in worth["without"].as_array().into_iter().flatten() {
            let _ = writeln!(table, "  without: {}", text(why));
        }
    }
    table
}

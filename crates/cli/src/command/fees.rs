//! `fees`: the rates of the account, by pair and tier; where the venue has no such route, those of its instruments.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use venuekit_driver::Instruments as _;

use super::positions::of;
use super::reader::{self, Readers};
use super::rows::number;
use super::target::Where;
use super::{rows, table};
use crate::exit::{Exit, OrExit, Outcome};

/// List fee rates by pair, and by tier where the venue has tiers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit fees
  venuekit fees -v doex --json | jq '.schedules[].tiers'

Rates are shares of the value; a negative one is a rebate. `source` says whether the rates are the account's own or
those that the venue lists for everybody.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(show(args))
}

async fn show(args: Args) -> Outcome {
    let readers = Readers::open(&args.place).await?;
    let (mut fees, mut schedules): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for reader in &readers.list {
        let Some(own) = reader.client.fees() else {
            let listed = reader.client.instruments().await.or_exit(Exit::Unexpected)?;
            fees.extend(listed.iter().filter_map(|instrument| {
                let (maker, taker) = (instrument.maker_fee?, instrument.taker_fee?);
                let (maker, taker) = (number(Decimal::from(maker)), number(Decimal::from(taker)));
                let symbol = instrument.symbol.as_str();
                let row = json!({ "symbol": symbol, "maker": maker, "taker": taker, "source": "listed" });
                Some(of(reader.id, row))
            }));
            continue;
        };
        for sheet in own.fees().await.map_err(|error| reader::failure(reader.id, error))? {
            let mut schedule = rows::fees(&sheet.schedule, &sheet.symbols);
            for pair in schedule["pairs"].as_array().into_iter().flatten() {
                let mut pair = pair.clone();
                pair["source"] = "account".into();
                fees.push(of(reader.id, pair));
            }
            schedule["product"] = sheet.product.into();
            schedules.push(of(reader.id, schedule));
        }
    }
    let environment = readers.environment().to_owned();
    readers.close().await;
    let columns = ["venue", "symbol", "maker", "taker", "source"];
    let shown = json!({ "env": environment, "fees": fees, "schedules": schedules });
    table::show(&shown, "fees", &columns, args.json)
}

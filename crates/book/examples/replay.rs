//! Replays a tape of one Binance socket into books and says what it made of each.
//!
//! `cargo run -p venuekit-book --example replay -- TAPE.jsonl[.gz]`; without a tape, over three rows of its own.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read as _;

use serde_json::Value;
use venuekit_book::{Book, ChainFirst, Ids, Linkage, Outcome, Rules, Update};
use venuekit_types::{Level, Now, Scale, Scaled, parse_scaled};

const OWN: &str = r#"{"t":"recv","data":"{\"data\":{\"e\":\"depthUpdate\",\"s\":\"ETHUSDT\",\"U\":5,\"u\":9,\"pu\":4,\"b\":[[\"2676.24\",\"1.5\"]],\"a\":[]}}"}
{"t":"http","url":"/fapi/v1/depth?symbol=ETHUSDT","data":"{\"lastUpdateId\":7,\"bids\":[[\"2676.24\",\"1\"]],\"asks\":[[\"2676.25\",\"2\"]]}"}
{"t":"recv","data":"{\"data\":{\"e\":\"depthUpdate\",\"s\":\"ETHUSDT\",\"U\":10,\"u\":12,\"pu\":9,\"b\":[],\"a\":[[\"2676.25\",\"0\"],[\"2676.26\",\"3\"]]}}"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let tape = match std::env::args().nth(1) {
        None => OWN.to_owned(),
        Some(path) if path.ends_with(".gz") => {
            let mut text = String::new();
            flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
            text
        }
        Some(path) => std::fs::read_to_string(path)?,
    };
    replay(&tape)?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// One line for each loss, then one for each book.
fn replay(tape: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut said_of = Vec::new();
    let scale = Scale::new(8).ok_or("8 is a scale")?;
    let rows = |side: &Value| -> Result<Vec<Level>, Box<dyn Error>> {
        let number = |text: &Value| parse_scaled(text.as_str().unwrap_or_default().as_bytes(), scale);
        let row = |row: &Value| Ok(Level::new(number(&row[0])?, number(&row[1])?));
        side.as_array().into_iter().flatten().map(row).collect()
    };

    let mut books: BTreeMap<String, (Book, u64)> = BTreeMap::new();
    let start = || {
        // The rule of Binance USD-M, as data.
        let mut book = Book::new(Rules::new(Linkage::Chain { first: ChainFirst::Straddle }));
        book.expect_snapshot();
        (book, 0)
    };
    for line in tape.lines() {
        let row: Value = serde_json::from_str(line)?;
        let Ok(said) = serde_json::from_str::<Value>(row["data"].as_str().unwrap_or_default()) else {
            continue;
        };
        let url = row["url"].as_str().unwrap_or_default();
        let outcome = if let (Some(last), Some((_, symbol))) =
            (said["lastUpdateId"].as_u64(), url.split_once("symbol="))
        {
            let symbol = symbol.split('&').next().unwrap_or_default();
            let (book, epoch) = books.entry(symbol.to_owned()).or_insert_with(start);
            *epoch += 1;
            let (bids, asks) = (rows(&said["bids"])?, rows(&said["asks"])?);
            let snapshot =
                Update { ids: Some(Ids::single(last)), bids: &bids, asks: &asks, ..Update::default() };
            book.snapshot(Now::default(), *epoch, &snapshot)
        } else {
            let diff = &said["data"];
            let (Some("depthUpdate"), Some(symbol)) = (diff["e"].as_str(), diff["s"].as_str()) else {
                continue;
            };
            let (Some(first), Some(last)) = (diff["U"].as_u64(), diff["u"].as_u64()) else { continue };
            let (bids, asks) = (rows(&diff["b"])?, rows(&diff["a"])?);
            let ids = Ids { first, last, prev: diff["pu"].as_u64() };
            let update = Update { ids: Some(ids), bids: &bids, asks: &asks, ..Update::default() };
            books.entry(symbol.to_owned()).or_insert_with(start).0.apply(Now::default(), &update)
        };
        if let Outcome::Desync(gap) = outcome {
            said_of.push(format!("lost: {gap}"));
        }
    }
    for (symbol, (book, _)) in &books {
        let shown = |level: Option<Level>| level.map(|row| Scaled::new(row.price.0, scale).to_string());
        said_of.push(match book.view(Now::default()) {
            Ok(view) => {
                let (bid, ask) = (shown(view.best_bid()), shown(view.best_ask()));
                format!("{symbol}: {} | {}", bid.unwrap_or_default(), ask.unwrap_or_default())
            }
            Err(not_live) => format!("{symbol}: {not_live}"),
        });
    }
    Ok(said_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_rows_make_a_book_and_a_lost_one_does_not() {
        assert_eq!(replay(OWN).expect("it reads"), ["ETHUSDT: 2676.24 | 2676.26"]);
        let torn = OWN.replace(r#"\"pu\":9"#, r#"\"pu\":8"#);
        let lost = "sequence, expected 9, got 8";
        let expected =
            [format!("lost: {lost}"), format!("ETHUSDT: the book is stale ({lost}), wait for a snapshot")];
        assert_eq!(replay(&torn).expect("it reads"), expected);
    }
}

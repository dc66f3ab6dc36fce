//! Stored rows as CSV in tardis' columns.

mod common;

use common::{change, open, rows, ticker, trade};
use venuekit_store::{Reader, Row, Sink, Tardis, dump};
use venuekit_types::{Level, UnixNanos};

#[test]
fn the_columns_are_those_of_tardis() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut early = trade("BTC/USDT", 7, 880_450, 2_000_999);
    early.trade_id = "a,7".into();
    let mut snapshot = change("BTC/USDT", 1, 0, 25, 3_000_000);
    snapshot.asks = vec![Level::new(880_500, 1)];
    snapshot.ts_venue = Some(UnixNanos(-1));
    let batch = rows([
        Row::Trade(trade("BTC/USDT", 8, 1, 5_000_000)),
        Row::Trade(early),
        Row::Trade(trade("ETH/USDT", 9, 1, 2_000_000)),
        Row::BookChange(snapshot),
        Row::BookChange(change("BTC/USDT", 1, 1, 30, 4_000_000)),
        Row::Ticker(Box::new(ticker("BTC/USDT", 1, "5"))),
    ]);
    let _ = open(&path).expect("opens").commit(&batch).expect("commits");
    let reader = Reader::open(&path).expect("opens");
    let csv = |what, upto| {
        let mut out = Vec::new();
        let span = UnixNanos(0)..UnixNanos(upto);
        let lines = dump(&reader, what, &common::market("BTC/USDT"), &span, &mut out).expect("writes");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(lines, text.lines().count() as u64 - 1);
        text
    };
    // By arrival, within the span, of one market; microseconds.
    assert_eq!(
        csv(Tardis::Trades, 5_000_000),
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n\
         doex,BTC/USDT,880450000,2000,\"a,7\",sell,8804.5,1.5\n"
    );
    assert_eq!(csv(Tardis::Trades, 5_000_001).lines().count(), 3);
    assert_eq!(
        csv(Tardis::IncrementalBookL2, i64::MAX),
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n\
         doex,BTC/USDT,-1,3000,true,bid,8804.5,0.025\n\
         doex,BTC/USDT,-1,3000,true,bid,8804,0\n\
         doex,BTC/USDT,-1,3000,true,ask,8805,0.001\n\
         doex,BTC/USDT,4000,4000,false,bid,8804.5,0.03\n\
         doex,BTC/USDT,4000,4000,false,bid,8804,0\n"
    );
    assert_eq!(
        csv(Tardis::Quotes, i64::MAX),
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
         doex,BTC/USDT,0,0,4,3,1,2\n"
    );
    assert_eq!(
        csv(Tardis::DerivativeTicker, i64::MAX),
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,open_interest,\
         last_price,index_price,mark_price\ndoex,BTC/USDT,0,0,0,-0.0001,,9,5,7,6\n"
    );
}

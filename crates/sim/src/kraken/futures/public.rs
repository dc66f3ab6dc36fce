//! The public feeds: books level by level, trades, tickers.

use rust_decimal::Decimal;
use venuekit_types::{BookSide, Scale};

use crate::engine::Change;
use crate::kraken::futures::socket::Feed;
use crate::kraken::names::{Uid, uid};
use crate::kraken::number::float;
use crate::kraken::spot::{change_pct, volume_quote};
use crate::kraken::{Kraken, spot::side};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::world::{Market, Step, Trade, World};

/// Trades of a snapshot.
const TRADES: usize = 100;

/// A float of so many counts.
pub(super) fn counted(text: &mut Text, value: i64, scale: Scale) {
    float(text, Decimal::new(value, u32::from(scale.digits())));
}

/// A field that holds a float, with the comma before it.
pub(super) fn field(text: &mut Text, name: &str, value: Decimal) {
    text.s(",\"").s(name).s("\":");
    float(text, value);
}

fn levels(text: &mut Text, spec: &Spec, levels: impl Iterator<Item = (i64, i64)>) {
    text.s("[");
    for (at, (price, qty)) in levels.enumerate() {
        text.s(if at == 0 { r#"{"price":"# } else { r#",{"price":"# });
        counted(text, price, spec.price_scale);
        text.s(r#","qty":"#);
        counted(text, qty, spec.qty_scale);
        text.s("}");
    }
    text.s("]");
}

pub(super) fn book_snapshot(text: &mut Text, market: &Market, at_ms: i64) {
    let spec = market.spec;
    text.s(r#"{"feed":"book_snapshot","product_id":""#).s(spec.native).s(r#"","timestamp":"#).int(at_ms);
    text.s(r#","seq":"#).int(market.seq).s(r#","tickSize":null,"bids":"#);
    levels(text, spec, market.engine.bids());
    text.s(r#","asks":"#);
    levels(text, spec, market.engine.asks());
    text.s("}");
}

/// One level of a book.
fn level(text: &mut Text, spec: &Spec, change: &Change, seq: u64, at_ms: i64) {
    text.s(r#"{"feed":"book","product_id":""#).s(spec.native).s(r#"","side":""#);
    text.s(if change.side == BookSide::Bid { "buy" } else { "sell" }).s(r#"","seq":"#).int(seq);
    text.s(r#","price":"#);
    counted(text, change.price, spec.price_scale);
    text.s(r#","qty":"#);
    counted(text, change.now, spec.qty_scale);
    text.s(r#","timestamp":"#).int(at_ms).s("}");
}

fn trade(text: &mut Text, spec: &Spec, market: usize, trade: &Trade) {
    text.s(r#"{"feed":"trade","product_id":""#).s(spec.native).s(r#"","uid":""#);
    text.s(&uid(Uid::Trade, market, trade.id)).s(r#"","side":""#).s(side(trade.aggressor));
    text.s(r#"","type":"fill","seq":"#).int(trade.id).s(r#","time":"#).int(trade.at_ms).s(r#","qty":"#);
    counted(text, trade.qty, spec.qty_scale);
    text.s(r#","price":"#);
    counted(text, trade.price, spec.price_scale);
    text.s("}");
}

/// The latest trades, the newest first.
pub(super) fn trade_snapshot(text: &mut Text, world: &World, market: usize) {
    let state = &world.markets()[market];
    text.s(r#"{"feed":"trade_snapshot","product_id":""#).s(state.spec.native).s(r#"","trades":["#);
    for (at, one) in state.trades.iter().rev().take(TRADES).enumerate() {
        text.s(if at == 0 { "" } else { "," });
        trade(text, state.spec, market, one);
    }
    text.s("]}");
}

/// The funding rate as the venue tells it, absolute and relative: per contract unit in the quote, or for inverse
/// contracts in the base.
pub(super) fn funding(market: &Market) -> (Decimal, Decimal) {
    let relative = Decimal::new(market.reference.rate_e6, 6);
    let index = market.spec.price(market.reference.index);
    let inverse = market.spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    let absolute = if inverse { relative.checked_div(index).unwrap_or_default() } else { relative * index };
    (absolute.round_dp(18), relative)
}

/// The pair of a contract in the venue's words, `XBT:USD`.
pub(super) fn pair(spec: &Spec) -> String {
    format!("{}:{}", if spec.base == "BTC" { "XBT" } else { spec.base }, spec.quote)
}

/// The day's volume in contracts and in the quote.
pub(super) fn volumes(market: &Market) -> (Decimal, Decimal) {
    let contracts = market.spec.qty(market.candles.day().volume);
    let inverse = market.spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    (contracts, if inverse { contracts } else { volume_quote(market) })
}

/// A ticker, whole or without what few need.
pub(super) fn ticker(text: &mut Text, market: &Market, at_ms: i64, whole: bool) {
    let (spec, day, reference) = (market.spec, market.candles.day(), market.reference);
    let best = |side| market.engine.best(side).unwrap_or_default();
    let ((bid, bid_size), (ask, ask_size)) = (best(BookSide::Bid), best(BookSide::Ask));
    let last = market.last_price();
    let ((volume, volume_quote), (absolute, relative)) = (volumes(market), funding(market));
    text.s(r#"{"feed":""#).s(if whole { "ticker" } else { "ticker_lite" });
    text.s(r#"","product_id":""#).s(spec.native).s("\"");
    field(text, "bid", spec.price(bid));
    field(text, "ask", spec.price(ask));
    field(text, "change", change_pct(last, day.open));
    field(text, "premium", change_pct(reference.mark, reference.index));
    field(text, "volume", volume);
    field(text, "volumeQuote", volume_quote);
    text.s(r#","tag":"perpetual","pair":""#).s(&pair(spec)).s(r#"","dtm":0,"maturityTime":0"#);
    if whole {
        text.s(r#","time":"#).int(at_ms);
        field(text, "bid_size", spec.qty(bid_size));
        field(text, "ask_size", spec.qty(ask_size));
        field(text, "last", spec.price(last));
        field(text, "index", spec.price(reference.index));
        field(text, "markPrice", spec.price(reference.mark));
        field(text, "open", spec.price(day.open));
        field(text, "high", spec.price(day.high));
        field(text, "low", spec.price(day.low));
        field(text, "openInterest", spec.qty(market.open_interest));
        field(text, "funding_rate", absolute);
        field(text, "funding_rate_prediction", absolute);
        field(text, "relative_funding_rate", relative);
        field(text, "relative_funding_rate_prediction", relative);
        text.s(r#","next_funding_rate_time":"#).int(reference.next_ms);
        text.s(r#","leverage":"50x","suspended":false,"post_only":false"#);
    }
    text.s("}");
}

impl Kraken {
    pub(in crate::kraken) fn futures_step(&mut self, cx: &mut Context<'_>, step: &Step) {
        let (at, spec) = (step.market, cx.world.markets()[step.market].spec);
        if self.futures.has(Feed::Book(at)) {
            for (seq, change) in (step.first..).zip(&step.changes) {
                level(&mut self.text, spec, change, seq, step.at_ms);
                self.futures_broadcast(cx, Feed::Book(at));
            }
        }
        if self.futures.has(Feed::Trade(at)) {
            for one in &step.trades {
                trade(&mut self.text, spec, at, one);
                self.futures_broadcast(cx, Feed::Trade(at));
            }
        }
    }
}

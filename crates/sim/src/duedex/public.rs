//! The public channels: `level2`, `ticker`, `matches`.

use bytes::Bytes;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use venuekit_types::{BookSide, Scale, Side};

use crate::duedex::Duedex;
use crate::duedex::feed::{LEVEL2, MATCHES, TICKER, public};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::world::{Market, Step, TickDirection, Trade};

/// Matches that a snapshot holds.
pub(super) const MATCHES_MAX: usize = 50;

/// How a ticker's field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A string with the price's places.
    Price,
    /// A string with six places.
    Rate,
    /// A string with two places.
    Usd,
    /// A bare integer.
    Count,
    /// An instant.
    Time,
}

/// The fields after `instrument`, in order.
const FIELDS: [(&str, Form); 14] = [
    ("bestBid", Form::Price),
    ("bestAsk", Form::Price),
    ("lastPrice", Form::Price),
    ("indexPrice", Form::Price),
    ("markPrice", Form::Price),
    ("fundingRate", Form::Rate),
    ("nextFundingTime", Form::Time),
    ("open", Form::Price),
    ("high", Form::Price),
    ("low", Form::Price),
    ("close", Form::Price),
    ("volume", Form::Count),
    ("openInterest", Form::Count),
    ("volumeUsd", Form::Usd),
];

/// A market's ticker as told last.
#[derive(Clone, Debug)]
pub(super) struct Ticker {
    /// The number of the update that told it.
    pub(super) seq: u64,
    told: [i64; FIELDS.len()],
    /// The 24 h figures as of the last refresh.
    day: [i64; 6],
}

impl Ticker {
    /// The opening ticker: it stands behind one update.
    pub(super) fn new(market: &Market) -> Ticker {
        let mut ticker = Ticker { seq: 1, told: [0; FIELDS.len()], day: [0; 6] };
        ticker.refresh_day(market);
        ticker.told = ticker.present(market);
        ticker
    }

    /// Takes the 24 h figures anew; the next update tells them.
    pub(super) fn refresh_day(&mut self, market: &Market) {
        let day = market.candles.day();
        self.day = [day.open, day.high, day.low, day.close, day.volume, volume_usd(market)];
    }

    fn present(&self, market: &Market) -> [i64; FIELDS.len()] {
        let best = |side| market.engine.best(side).map_or(0, |(price, _)| price);
        let reference = market.reference;
        let [open, high, low, close, volume, usd] = self.day;
        [
            best(BookSide::Bid),
            best(BookSide::Ask),
            market.last_price(),
            reference.index,
            reference.mark,
            reference.rate_e6,
            reference.next_ms,
            open,
            high,
            low,
            close,
            volume,
            market.open_interest,
            usd,
        ]
    }

    /// Writes all fields as told last.
    pub(super) fn write(&self, text: &mut Text, spec: &Spec) {
        write_fields(text, spec, &self.told, |_| true);
    }
}

fn write_fields(text: &mut Text, spec: &Spec, values: &[i64], tell: impl Fn(usize) -> bool) {
    let places = |digits| Scale::new(digits).expect("a small constant");
    text.s(r#"{"instrument":""#).s(spec.native).s("\"");
    for (at, (&(name, form), &value)) in FIELDS.iter().zip(values).enumerate() {
        if !tell(at) {
            continue;
        }
        text.s(",\"").s(name).s("\":");
        match form {
            Form::Count => text.int(value),
            Form::Price => text.s("\"").padded(value, spec.price_scale).s("\""),
            Form::Rate => text.s("\"").padded(value, places(6)).s("\""),
            Form::Usd => text.s("\"").padded(value, places(2)).s("\""),
            Form::Time => text.s("\"").iso(value).s("\""),
        };
    }
    text.s("}");
}

/// The day's volume in dollars and hundredths.
fn volume_usd(market: &Market) -> i64 {
    let day = market.candles.day();
    let Some(contract) = &market.spec.contract else { return 0 };
    let units = if contract.inverse {
        Decimal::from(day.volume)
    } else {
        let places = u32::from(market.spec.price_scale.digits());
        Decimal::try_from_i128_with_scale(day.notional, places).unwrap_or_default()
    };
    let usd = (units * contract.multiplier()).round_dp_with_strategy(2, RoundingStrategy::ToZero);
    (usd * Decimal::ONE_HUNDRED).to_i64().unwrap_or(i64::MAX)
}

/// The start of a channel message, up to its data.
pub(super) fn head(text: &mut Text, kind: &str, channel: &str, instrument: Option<&str>, seq: u64) {
    text.s(r#"{"type":""#).s(kind).s(r#"","channel":""#).s(channel).s("\"");
    if let Some(instrument) = instrument {
        text.s(r#","instrument":""#).s(instrument).s("\"");
    }
    text.s(r#","sequence":"#).int(seq).s(r#","data":"#);
}

/// The end of a channel message, after its data.
pub(super) fn tail(text: &mut Text, at_ms: i64) {
    text.s(r#","timestamp":""#).iso(at_ms).s("\"}");
}

/// Both sides, each an array of `["price",size]`, best first.
pub(super) fn book(
    text: &mut Text,
    spec: &Spec,
    bids: impl Iterator<Item = (i64, i64)>,
    asks: impl Iterator<Item = (i64, i64)>,
) {
    text.s(r#"{"bids":"#);
    levels(text, spec, bids);
    text.s(r#","asks":"#);
    levels(text, spec, asks);
    text.s("}");
}

fn levels(text: &mut Text, spec: &Spec, levels: impl Iterator<Item = (i64, i64)>) {
    text.s("[");
    for (at, (price, size)) in levels.enumerate() {
        text.s(if at == 0 { "[\"" } else { ",[\"" })
            .padded(price, spec.price_scale)
            .s("\",")
            .int(size)
            .s("]");
    }
    text.s("]");
}

/// The word of an order's side.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "long",
        Side::Sell => "short",
    }
}

/// An array of matches.
pub(super) fn matches<'a>(text: &mut Text, spec: &Spec, trades: impl Iterator<Item = &'a Trade>) {
    text.s("[");
    for (at, trade) in trades.enumerate() {
        text.s(if at == 0 { "{" } else { ",{" }).s(r#""instrument":""#).s(spec.native);
        text.s(r#"","matchId":"#).int(trade.id).s(r#","price":""#).padded(trade.price, spec.price_scale);
        text.s(r#"","size":"#).int(trade.qty).s(r#","side":""#).s(side(trade.aggressor));
        text.s(r#"","tickDirection":""#).s(match trade.direction {
            TickDirection::Minus => "minusTick",
            TickDirection::ZeroMinus => "zeroMinusTick",
            TickDirection::ZeroPlus => "zeroPlusTick",
            TickDirection::Plus => "plusTick",
        });
        text.s(r#"","timestamp":""#).iso(trade.at_ms).s("\"}");
    }
    text.s("]");
}

impl Duedex {
    pub(super) fn tell_level2(&mut self, cx: &mut Context<'_>, step: &Step) {
        let stream = public(step.market, LEVEL2);
        if step.changes.is_empty() || self.streams[stream].conns.is_empty() {
            return;
        }
        let spec = cx.world.markets()[step.market].spec;
        let of = |side| {
            step.changes
                .iter()
                .filter(move |change| change.side == side)
                .map(|change| (change.price, change.now))
        };
        head(&mut self.text, "update", "level2", Some(spec.native), step.last);
        book(&mut self.text, spec, of(BookSide::Bid), of(BookSide::Ask));
        tail(&mut self.text, step.at_ms);
        self.broadcast(cx, stream);
    }

    pub(super) fn tell_matches(&mut self, cx: &mut Context<'_>, step: &Step) {
        if step.trades.is_empty() {
            return;
        }
        self.matches_seq[step.market] += 1;
        let stream = public(step.market, MATCHES);
        if self.streams[stream].conns.is_empty() {
            return;
        }
        let spec = cx.world.markets()[step.market].spec;
        head(&mut self.text, "update", "matches", Some(spec.native), self.matches_seq[step.market]);
        matches(&mut self.text, spec, step.trades.iter());
        tail(&mut self.text, step.at_ms);
        self.broadcast(cx, stream);
    }

    /// Tells the fields of a ticker that changed, if any did.
    pub(super) fn tell_ticker(&mut self, cx: &mut Context<'_>, market: usize, at_ms: i64) {
        let state = &cx.world.markets()[market];
        let ticker = &mut self.tickers[market];
        let present = ticker.present(state);
        let before = std::mem::replace(&mut ticker.told, present);
        if before == present {
            return;
        }
        ticker.seq += 1;
        let stream = public(market, TICKER);
        if self.streams[stream].conns.is_empty() {
            return;
        }
        head(&mut self.text, "update", "ticker", Some(state.spec.native), ticker.seq);
        write_fields(&mut self.text, state.spec, &present, |at| before[at] != present[at]);
        tail(&mut self.text, at_ms);
        self.broadcast(cx, stream);
    }

    /// Sends the text to all who listen to a stream, as one allocation.
    pub(super) fn broadcast(&mut self, cx: &mut Context<'_>, stream: usize) {
        let text = Bytes::from(self.text.take());
        let stream = &self.streams[stream];
        for &conn in &stream.conns {
            cx.out.send(cx.now, conn, Some(&stream.name), text.clone());
        }
    }
}

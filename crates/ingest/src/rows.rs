//! From what a session tells to what the store keeps: one function per kind, no decisions.

use std::borrow::Cow;

use venuekit_book::{Cause, Gap as Lost};
use venuekit_session::{BookChange, Emission, GapOpened, TradeEvent};
use venuekit_store::{self as store, Desk, Market, Owner};
use venuekit_types::{Scale, Scaled, UnixNanos};
use venuekit_venue::{Candle, Channel, Fill, Interval, Movement, OrderPatch, TickerPatch};

/// A channel's name in rows and in `/readyz`: the word, and the interval of candles.
pub(crate) fn label(channel: Channel) -> Cow<'static, str> {
    match channel {
        Channel::Candles(interval) => Cow::Borrowed(match interval {
            Interval::M1 => "candles:1m",
            Interval::M5 => "candles:5m",
            Interval::M15 => "candles:15m",
            Interval::H1 => "candles:1h",
            Interval::H4 => "candles:4h",
            Interval::D1 => "candles:1d",
        }),
        other => Cow::Borrowed(other.as_str()),
    }
}

/// A book's message.
pub(crate) fn book(
    emission: Emission<'_>,
    change: &BookChange,
    market: &Market,
    scales: (Scale, Scale),
) -> store::BookChange {
    store::BookChange {
        market: market.clone(),
        epoch: change.epoch,
        first_seq: change.first_seq,
        last_seq: change.last_seq,
        is_snapshot: change.is_snapshot,
        price_scale: scales.0,
        qty_scale: scales.1,
        bids: emission.levels(&change.bids).to_vec(),
        asks: emission.levels(&change.asks).to_vec(),
        ts_venue: change.at,
        ts_local: change.received,
    }
}

/// A public trade.
pub(crate) fn trade(
    emission: Emission<'_>,
    trade: &TradeEvent,
    market: &Market,
    scales: (Scale, Scale),
) -> store::Trade {
    store::Trade {
        market: market.clone(),
        trade_id: emission.text(&trade.id).to_owned(),
        price: Scaled::new(trade.price.0, scales.0),
        qty: Scaled::new(trade.qty.0, scales.1),
        side: trade.side,
        ts_venue: trade.at,
        ts_local: trade.received,
    }
}

/// A ticker. Its generation and count are the sink's to give.
pub(crate) fn ticker(
    row: &TickerPatch,
    market: &Market,
    at: Option<UnixNanos>,
    received: UnixNanos,
) -> store::Ticker {
    let text = |value: Option<rust_decimal::Decimal>| value.map(text);
    store::Ticker {
        market: market.clone(),
        epoch: 0,
        seq: 0,
        bid: text(row.bid),
        bid_qty: text(row.bid_qty),
        ask: text(row.ask),
        ask_qty: text(row.ask_qty),
        last: text(row.last),
        mark: text(row.mark),
        index: text(row.index),
        funding_rate: text(row.funding_rate),
        next_funding_at: row.next_funding,
        open_interest: text(row.open_interest),
        volume: text(row.volume),
        quote_volume: text(row.quote_volume),
        ts_venue: at,
        ts_local: received,
    }
}

/// A candle that will not change any more.
pub(crate) fn candle(row: &Candle, market: &Market, received: UnixNanos) -> store::Candle {
    store::Candle {
        market: market.clone(),
        interval: Cow::Borrowed(row.interval.as_str()),
        open_at: row.open_at,
        open: text(row.open),
        high: text(row.high),
        low: text(row.low),
        close: text(row.close),
        volume: text(row.volume),
        ts_local: received,
    }
}

/// A number as rows hold it.
fn text(value: rust_decimal::Decimal) -> String {
    value.normalize().to_string()
}

/// How an own order stands; nothing where that lacks what every order has, which no session tells.
pub(crate) fn order_state(row: OrderPatch, desk: Desk, received: UnixNanos) -> Option<store::OrderState> {
    Some(store::OrderState {
        desk,
        venue_order_id: row.order_id,
        client_order_id: row.client_order_id,
        side: row.side?,
        order_type: row.order_type,
        time_in_force: row.time_in_force,
        price: row.price.map(text),
        stop_price: row.stop_price.map(text),
        qty: text(row.qty?),
        cum_qty: text(row.cum_qty.unwrap_or_default()),
        avg_px: row.avg_px.map(text),
        fee: row.fee.map(text),
        fee_asset: row.fee_asset,
        status: Cow::Borrowed(row.status?.as_str()),
        post_only: row.post_only,
        reduce_only: row.reduce_only,
        created_at: row.created_at,
        ts_venue: row.updated_at.or(row.created_at).unwrap_or(UnixNanos(0)),
        ts_local: received,
    })
}

/// An own fill that a venue told.
pub(crate) fn fill(row: Fill, desk: Desk, received: UnixNanos) -> store::Fill {
    store::Fill {
        desk,
        fill_id: row.fill_id,
        venue_order_id: row.order_id,
        client_order_id: row.client_order_id,
        side: row.side,
        last_px: text(row.price),
        last_qty: text(row.qty),
        fee: text(row.fee),
        fee_asset: row.fee_asset,
        realized_pnl: row.realized_pnl.map(text),
        maker: Some(row.maker),
        derived: false,
        ts_venue: row.at,
        ts_local: received,
    }
}

/// Money that came, went or moved.
pub(crate) fn movement(row: &Movement, owner: Owner, received: UnixNanos) -> store::Movement {
    let wallet = |wallet: Option<venuekit_venue::Wallet>| wallet.map(|wallet| Cow::Borrowed(wallet.as_str()));
    store::Movement {
        owner,
        kind: Cow::Borrowed(row.kind.as_str()),
        movement_id: row.id.clone(),
        status: Cow::Borrowed(row.status.as_str()),
        asset: row.asset.clone(),
        amount: text(row.amount),
        fee: row.fee.map(text),
        network: row.network.clone(),
        address: row.address.clone(),
        tx_id: row.tx_id.clone(),
        from_wallet: wallet(row.from),
        to_wallet: wallet(row.to),
        ts_venue: row.at,
        ts_local: received,
    }
}

/// A gap as it is noticed; the same row with `healed_at` closes it.
pub(crate) fn gap(opened: &GapOpened, market: &Market, channel: Cow<'static, str>) -> store::Gap {
    let some = |number: u64| (number > 0).then_some(number);
    let from_seq = some(opened.from_seq);
    store::Gap {
        market: market.clone(),
        channel,
        epoch: some(opened.epoch),
        from_seq,
        to_seq: from_seq.and_then(|from| last_missing(&opened.gap, from)),
        cause: Cow::Borrowed(opened.gap.cause.as_str()),
        detected_at: opened.at,
        healed_at: None,
    }
}

/// The time since an earlier run, in which nobody listened.
pub(crate) fn not_running_gap(cursor: &store::Cursor, now: UnixNanos) -> store::Gap {
    let has_epoch = cursor.epoch > 0;
    store::Gap {
        market: cursor.market.clone(),
        channel: cursor.channel.clone(),
        epoch: has_epoch.then_some(cursor.epoch),
        from_seq: has_epoch.then(|| cursor.last_seq.saturating_add(1)),
        to_seq: None,
        cause: Cow::Borrowed("not_running"),
        detected_at: now,
        healed_at: None,
    }
}

/// The time in which a stream is not followed, since the config was changed.
pub(crate) fn left_gap(market: &Market, channel: Cow<'static, str>, at: UnixNanos) -> store::Gap {
    store::Gap {
        market: market.clone(),
        channel,
        epoch: None,
        from_seq: None,
        to_seq: None,
        cause: Cow::Borrowed("not_followed"),
        detected_at: at,
        healed_at: None,
    }
}

/// The last number before the one that came instead, where it came too far ahead.
fn last_missing(lost: &Lost, from: u64) -> Option<u64> {
    let got = lost.got.filter(|_| lost.cause == Cause::Sequence)?;
    got.checked_sub(1).filter(|last| *last >= from)
}

/// Rows that the queue had no room for, from the first of them on.
pub(crate) fn shed_gap(
    market: &Market,
    channel: Cow<'static, str>,
    epoch: Option<u64>,
    from_seq: Option<u64>,
    at: UnixNanos,
) -> store::Gap {
    store::Gap {
        market: market.clone(),
        channel,
        epoch,
        from_seq,
        to_seq: None,
        cause: Cow::Borrowed("shed"),
        detected_at: at,
        healed_at: None,
    }
}

#[cfg(test)]
mod tests {
    use venuekit_session::StreamId;

    use super::*;

    #[test]
    fn a_gap_names_the_numbers_it_knows() {
        let market = Market::new("doex", "BTC/USDT".parse().expect("a symbol"));
        let check = |gap: Lost, from_seq: u64, expected: (Option<u64>, Option<u64>)| {
            let opened = GapOpened { stream: StreamId(0), epoch: 3, from_seq, gap, at: UnixNanos(5) };
            let row = super::gap(&opened, &market, label(Channel::Book));
            assert_eq!((row.from_seq, row.to_seq), expected, "{gap}");
        };
        check(Lost::between(Cause::Sequence, 7, 10), 7, (Some(7), Some(9)));
        check(Lost::between(Cause::Sequence, 7, 7), 7, (Some(7), None));
        check(Lost::between(Cause::Sequence, 7, 3), 7, (Some(7), None));
        check(Lost::between(Cause::Checksum, 7, 10), 7, (Some(7), None));
        check(Lost::of(Cause::Closed), 0, (None, None));
    }
}

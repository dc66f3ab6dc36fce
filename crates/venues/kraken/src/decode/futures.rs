//! Frames of the v1 feeds.

use venuekit_book::Ids;
use venuekit_types::{Price, Qty};
use venuekit_venue::read::{Told, Unfit, clip};
use venuekit_venue::{
    AckOf, Body, BrokenWhy, Channel, Control, Data, DataKind, Event, EventBuf, FaultKind, Fill, OrderChange,
    OrderPatch, OrderStatus, Place, PositionPatch, Row, TickerPatch, Topic, Trade,
};
use venuekit_wire::kraken::Level;
use venuekit_wire::kraken::futures::{self, ServerFrame};
use venuekit_wire::{Text, WireError, parse};

use super::rows::{decimal, estimate, optional, order_type, positive, side, some};
use super::spot::changed;
use super::{book, of_market};
use crate::spec::FEEDS;
use crate::{fault, symbol};

/// The channel of a feed, its snapshot counted in.
pub(super) fn channel_of(feed: &str) -> Option<Channel> {
    let name = feed.strip_suffix("_snapshot").unwrap_or(feed);
    let name = if name == "ticker_lite" { "ticker" } else { name };
    FEEDS.iter().find(|(_, word)| *word == name).map(|(channel, _)| *channel)
}

/// Reads one frame.
pub(super) fn decode(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<(), WireError> {
    match ServerFrame::parse(frame)? {
        ServerFrame::Event(event) => {
            let told = control(place, &event, out);
            out.events.push(told);
        }
        ServerFrame::Data { feed, json } => data(place, &feed, json.as_bytes(), out)?,
    }
    Ok(())
}

fn control(place: Place<'_>, event: &futures::Event<'_>, out: &mut EventBuf) -> Event {
    let message = event.message.as_deref().unwrap_or_default();
    Event::Control(match event.event.as_str() {
        "info" => Control::Beat,
        "pong" => Control::Pong,
        "challenge" => Control::Challenge(out.put_text(message)),
        "subscribed" | "unsubscribed" => Control::Ack(AckOf::Topics(topics(place, event))),
        "subscribed_failed" | "unsubscribed_failed" => Control::Refused {
            of: AckOf::Topics(topics(place, event)),
            fault: fault::of_futures(message, FaultKind::BadRequest),
        },
        "alert" => Control::Notice(fault::of_futures(message, FaultKind::BadRequest)),
        "error" => {
            let fault = fault::of_futures(message, FaultKind::BadRequest);
            match fault.kind {
                FaultKind::Credentials => Control::LoginRefused(fault),
                _ => Control::Refused { of: AckOf::Any, fault },
            }
        }
        other => return Unfit::new(BrokenWhy::UnknownKind, other).broken(None),
    })
}

fn topics(place: Place<'_>, event: &futures::Event<'_>) -> Vec<Topic> {
    let Some(channel) = event.feed.as_deref().and_then(channel_of) else { return Vec::new() };
    if channel.is_private() {
        return vec![Topic::account(channel)];
    }
    let markets = event.product_ids.iter().filter_map(|name| place.catalog.find(name));
    markets.map(|(market, _)| Topic::of(channel, market)).collect()
}

fn data(place: Place<'_>, feed: &str, json: &[u8], out: &mut EventBuf) -> Result<(), WireError> {
    match feed {
        "heartbeat" => out.events.push(Event::Control(Control::Beat)),
        "book_snapshot" => {
            let told: futures::BookSnapshot<'_> = parse(json)?;
            let at = Some(told.timestamp.0);
            levels(place, &told.product_id, DataKind::Snapshot, told.seq, at, (&told.bids, &told.asks), out);
        }
        "book" => {
            let told: futures::BookChange<'_> = parse(json)?;
            let row = [Level { price: told.price, qty: told.qty }];
            let sides = if told.side == "buy" { (&row[..], &row[..0]) } else { (&row[..0], &row[..]) };
            let at = told.timestamp.map(|time| time.0);
            levels(place, &told.product_id, DataKind::Update, told.seq, at, sides, out);
        }
        "trade" => {
            let told: futures::Trade<'_> = parse(json)?;
            of_market(place, Channel::Trades, &told.product_id, out, |market, instrument, out| {
                let row = Row::Trade(Trade {
                    market,
                    id: out.put_text(&told.uid),
                    number: told.seq,
                    price: Price(told.price.parse_scaled(instrument.price_scale)?),
                    qty: Qty(told.qty.parse_scaled(instrument.qty_scale)?),
                    side: Some(side(&told.side)?),
                    at: told.time.0,
                });
                Ok(Told::rows(Some(told.time.0), out.put_rows([row])))
            });
        }
        // Trades of before the subscription: that they came is what counts.
        "trade_snapshot" => {
            let told: futures::TradeSnapshot<'_> = parse(json)?;
            let nothing = |_, _: &_, _: &mut _| Ok(Told::rows(None, Body::Rows(0..0)));
            of_market(place, Channel::Trades, &told.product_id, out, nothing);
        }
        "ticker" | "ticker_lite" => {
            let told: futures::Ticker<'_> = parse(json)?;
            of_market(place, Channel::Ticker, &told.symbol, out, |market, _, out| {
                let patch = ticker(TickerPatch::new(market), &told)?;
                Ok(Told::rows(told.time.map(|time| time.0), out.put_rows([Row::Ticker(patch)])))
            });
        }
        "open_orders_snapshot" => {
            let told: futures::OrderSnapshot<'_> = parse(json)?;
            account(Channel::Orders, true, told.orders, out, |row| order(place, &row, None).map(Some));
        }
        "open_orders" => {
            let told: futures::OrderChange<'_> = parse(json)?;
            account(Channel::Orders, false, [told], out, |told| order_change(place, &told));
            out.events.push(changed(Channel::Balances));
        }
        "fills_snapshot" | "fills" => {
            let told: futures::Fills<'_> = parse(json)?;
            account(Channel::Fills, false, told.fills, out, |row| fill(place, &row).map(Some));
        }
        "open_positions" => {
            let told: futures::Positions<'_> = parse(json)?;
            account(Channel::Positions, true, told.positions, out, |row| position(place, &row).map(Some));
        }
        // Accounts are spelt in three ways here, each with other holds: REST tells them whole.
        "balances_snapshot" | "balances" => out.events.push(changed(Channel::Balances)),
        other => out.events.push(Unfit::new(BrokenWhy::UnknownKind, other).broken(None)),
    }
    Ok(())
}

fn levels(
    place: Place<'_>,
    product: &Text<'_>,
    kind: DataKind,
    seq: u64,
    at: Option<venuekit_types::UnixNanos>,
    (bids, asks): (&[Level<'_>], &[Level<'_>]),
    out: &mut EventBuf,
) {
    of_market(place, Channel::Book, product, out, |_, instrument, out| {
        let body = book(texts(bids), texts(asks), None, instrument, out)?;
        Ok(Told { kind, ids: Some(Ids::single(seq)), at, body: Body::Book(body) })
    });
}

fn texts<'t>(
    levels: &'t [Level<'_>],
) -> impl Iterator<Item = Result<(&'t str, &'t str), Unfit>> + Clone + use<'t> {
    levels.iter().map(|level| Ok((level.price.as_str(), level.qty.as_str())))
}

/// Rows of an account: all of a message, or none.
fn account<T>(
    channel: Channel,
    is_whole: bool,
    items: impl IntoIterator<Item = T>,
    out: &mut EventBuf,
    read: impl FnMut(T) -> Result<Option<Row>, Unfit>,
) {
    let topic = Topic::account(channel);
    let rows: Result<Vec<Option<Row>>, Unfit> = items.into_iter().map(read).collect();
    let event = match rows {
        Ok(rows) => {
            let kind = if is_whole { DataKind::Snapshot } else { DataKind::Update };
            let body = out.put_rows(rows.into_iter().flatten());
            Event::Data(Data { topic, kind, ids: None, at: None, body })
        }
        Err(unfit) => unfit.broken(Some(topic)),
    };
    out.events.push(event);
}

pub(super) fn ticker(mut patch: TickerPatch, told: &futures::Ticker<'_>) -> Result<TickerPatch, Unfit> {
    patch.last = optional(told.last.as_ref())?;
    patch.bid = optional(told.bid.as_ref())?;
    patch.bid_qty = optional(told.bid_size.as_ref())?;
    patch.ask = optional(told.ask.as_ref())?;
    patch.ask_qty = optional(told.ask_size.as_ref())?;
    patch.open = optional(told.open.as_ref())?;
    patch.high = optional(told.high.as_ref())?;
    patch.low = optional(told.low.as_ref())?;
    patch.volume = optional(told.volume.as_ref())?;
    patch.quote_volume = optional(told.volume_quote.as_ref())?;
    patch.mark = estimate(told.mark_price.as_ref());
    patch.index = estimate(told.index.as_ref());
    patch.funding_rate = estimate(told.relative_funding_rate.as_ref());
    patch.next_funding = told.next_funding_rate_time.map(|time| time.0).filter(|at| at.0 > 0);
    patch.open_interest = optional(told.open_interest.as_ref())?;
    Ok(patch)
}

/// What `reason` makes of an order that left the book.
fn ended(reason: Option<&Text<'_>>) -> OrderStatus {
    match reason.map_or("", |reason| reason.as_str()) {
        "full_fill" => OrderStatus::Filled,
        "contract_expired" => OrderStatus::Expired,
        reason if reason.starts_with("post_order_failed") => OrderStatus::Rejected,
        _ => OrderStatus::Canceled,
    }
}

fn order_change(place: Place<'_>, told: &futures::OrderChange<'_>) -> Result<Option<Row>, Unfit> {
    let status = told.is_cancel.then(|| ended(told.reason.as_ref()));
    match (&told.order, &told.order_id) {
        (Some(row), _) => order(place, row, status).map(Some),
        (None, Some(id)) => {
            let change =
                OrderChange { order_id: id.to_string(), status, cum_qty: None, avg_px: None, at: None };
            Ok(Some(Row::OrderChange(Box::new(change))))
        }
        (None, None) => Err(Unfit::shape("a change of no order")),
    }
}

fn order(place: Place<'_>, row: &futures::Order<'_>, status: Option<OrderStatus>) -> Result<Row, Unfit> {
    let (market, _) = place.catalog.find(&row.instrument).ok_or_else(|| Unfit::market(&row.instrument))?;
    let filled = decimal(&row.filled)?;
    let open = if filled.is_zero() { OrderStatus::New } else { OrderStatus::PartiallyFilled };
    let total = decimal(&row.qty)?.checked_add(filled);
    Ok(Row::Order(OrderPatch {
        client_order_id: some(row.cli_ord_id.as_ref()),
        side: Some(side(if row.direction == 0 { "buy" } else { "sell" })?),
        order_type: Some(order_type(&row.r#type)),
        price: positive(row.limit_price.as_ref())?,
        stop_price: positive(row.stop_price.as_ref())?,
        qty: total,
        cum_qty: Some(filled),
        status: Some(status.unwrap_or(open)),
        reduce_only: Some(row.reduce_only),
        created_at: row.time.map(|time| time.0),
        updated_at: row.last_update_time.map(|time| time.0),
        ..OrderPatch::new(market, row.order_id.to_string())
    }))
}

fn fill(place: Place<'_>, row: &futures::Fill<'_>) -> Result<Row, Unfit> {
    let (market, _) = place.catalog.find(&row.instrument).ok_or_else(|| Unfit::market(&row.instrument))?;
    Ok(Row::Fill(Fill {
        market,
        fill_id: row.fill_id.to_string(),
        order_id: row.order_id.to_string(),
        client_order_id: some(row.cli_ord_id.as_ref()),
        side: side(if row.buy { "buy" } else { "sell" })?,
        price: decimal(&row.price)?,
        qty: decimal(&row.qty)?,
        fee: optional(row.fee_paid.as_ref())?.unwrap_or_default(),
        fee_rate: None,
        fee_asset: row.fee_currency.as_ref().map(|asset| symbol::asset(asset)),
        realized_pnl: None,
        maker: row.fill_type == "maker",
        at: row.time.0,
    }))
}

fn position(place: Place<'_>, row: &futures::FeedPosition<'_>) -> Result<Row, Unfit> {
    let found = place.catalog.find(&row.instrument);
    let (market, _) = found.ok_or_else(|| Unfit::market(clip(&row.instrument)))?;
    Ok(Row::Position(PositionPatch {
        qty: Some(decimal(&row.balance)?),
        entry_price: estimate(row.entry_price.as_ref()),
        mark_price: estimate(row.mark_price.as_ref()),
        liquidation_price: estimate(row.liquidation_threshold.as_ref()).filter(|price| !price.is_zero()),
        unrealized_pnl: estimate(row.pnl.as_ref()),
        ..PositionPatch::new(market)
    }))
}

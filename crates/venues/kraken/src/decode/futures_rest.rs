//! Answers of futures' REST.

use rust_decimal::Decimal;
use venuekit_types::{Price, Qty};
use venuekit_venue::read::Unfit;
use venuekit_venue::{
    Ask, BalancePatch, Body, Candle, Channel, Control, Data, DataKind, Event, EventBuf, Fault, FaultKind,
    FeeSchedule, FeeTier, Fill, MarginMode, MarketId, Movement, MovementKind, MovementStatus, NewOrder,
    OrderPatch, OrderRef, OrderStatus, Place, PositionPatch, Row, TickerPatch, Topic, Trade, Wallet,
};
use venuekit_wire::kraken::Named;
use venuekit_wire::kraken::futures::{self, Answer};
use venuekit_wire::{RawValue, scan};

use super::answer::{only, parse, placed, tell_order, typed};
use super::rows::{decimal, estimate, optional, order_type, positive, side, some};
use super::{book, futures as feeds};
use crate::{fault, symbol};

/// A list that an answer must hold.
fn list<T: Clone>(rows: &Option<Vec<T>>, name: &'static str) -> Result<Vec<T>, Fault> {
    rows.clone().ok_or_else(|| Fault::unreadable(format!("an answer without `{name}`")))
}

/// Reads an answer out of its envelope.
pub(super) fn answer(
    place: Place<'_>,
    ask: &Ask,
    told: &Answer<'_>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let account = Topic::account;
    match ask {
        Ask::Instruments => {
            for terms in list(&told.instruments, "instruments")? {
                match parse(terms).and_then(|terms| symbol::product(&terms)) {
                    Ok(instrument) => out.instruments.extend(instrument),
                    Err(unfit) => out.events.push(unfit.broken(None)),
                }
            }
        }
        Ask::Time => {
            let time = told.server_time.ok_or_else(|| Fault::unreadable("an answer without a time"))?;
            out.events.push(Event::Control(Control::Time(time.0)));
        }
        Ask::Depth { market, .. } => {
            let sides = told.order_book.ok_or_else(|| Fault::unreadable("an answer without a book"))?;
            let rows = |side: &'_ RawValue| side.get().to_owned();
            let (bids, asks) = (rows(sides.bids), rows(sides.asks));
            let rows = |text| scan::levels(text).map(|row| row.map_err(Unfit::shape));
            let body = book(rows(&bids), rows(&asks), None, place.instrument(*market)?, out)
                .map_err(Unfit::fault)?;
            let (topic, kind) = (Topic::of(Channel::Book, *market), DataKind::Snapshot);
            out.events.push(Event::Data(Data { topic, kind, ids: None, at: None, body: Body::Book(body) }));
        }
        Ask::Trades { market, .. } => {
            let instrument = place.instrument(*market)?;
            let rows: Result<Vec<futures::RestTrade<'_>>, Unfit> =
                list(&told.history, "history")?.into_iter().map(parse).collect();
            let mut rows = rows.map_err(Unfit::fault)?;
            rows.sort_by_key(|row| row.time);
            let start = out.rows.len();
            for row in &rows {
                let number = |text: Result<i64, _>| text.map_err(|error| Unfit::from(error).fault());
                let row = Row::Trade(Trade {
                    market: *market,
                    id: out.put_text(row.uid.as_deref().unwrap_or_default()),
                    number: None,
                    price: Price(number(row.price.parse_scaled(instrument.price_scale))?),
                    qty: Qty(number(row.size.parse_scaled(instrument.qty_scale))?),
                    side: Some(side(&row.side).map_err(Unfit::fault)?),
                    at: row.time.0,
                });
                out.rows.push(row);
            }
            let (topic, body) = (Topic::of(Channel::Trades, *market), Body::Rows(start..out.rows.len()));
            out.events.push(Event::Data(Data { topic, kind: DataKind::Update, ids: None, at: None, body }));
        }
        Ask::Candles { market, interval, from, to } => {
            let bars = list(&told.candles, "candles")?;
            let running = bars.iter().map(|bar| bar.time).max().unwrap_or_default();
            let wanted = bars.into_iter().filter(|bar| (*from..*to).contains(&bar.time.0));
            out.tell_list(Topic::of(Channel::Candles(*interval), *market), false, wanted, |bar| {
                Ok(Some(Row::Candle(Candle {
                    market: *market,
                    interval: *interval,
                    open_at: bar.time.0,
                    open: decimal(&bar.open)?,
                    high: decimal(&bar.high)?,
                    low: decimal(&bar.low)?,
                    close: decimal(&bar.close)?,
                    volume: decimal(&bar.volume)?,
                    trades: None,
                    closed: bar.time < running,
                })))
            });
        }
        Ask::Ticker { market } => {
            let json = told.ticker.ok_or_else(|| Fault::unreadable("an answer without a ticker"))?;
            let ticker: futures::Ticker<'_> = typed(json)?;
            if place.market(None, &ticker.symbol).ok() != Some(*market) {
                return Err(Fault::unreadable("the ticker of another product"));
            }
            let patch = feeds::ticker(TickerPatch::new(*market), &ticker).map_err(Unfit::fault)?;
            let topic = Topic::of(Channel::Ticker, *market);
            out.tell_list(topic, true, [Row::Ticker(patch)], |row| Ok(Some(row)));
        }
        Ask::Fees => fees(&list(&told.fee_schedules, "feeSchedules")?, out),
        Ask::Balances { wallet } => {
            let accounts = told.accounts.as_ref();
            let accounts = accounts.ok_or_else(|| Fault::unreadable("an answer without accounts"))?;
            balances(*wallet, &accounts.0, out);
        }
        Ask::Positions { market } => {
            let topic = Topic { channel: Channel::Positions, market: *market };
            out.tell_list(topic, true, list(&told.open_positions, "openPositions")?, |row| {
                Ok(only(*market, position(place, &parse(row)?)?))
            });
        }
        Ask::OpenOrders { market } => {
            let topic = Topic { channel: Channel::Orders, market: *market };
            out.tell_list(topic, true, list(&told.open_orders, "openOrders")?, |row| {
                Ok(only(*market, order(place, &parse(row)?, None)?))
            });
        }
        Ask::Order { market, order: named } => {
            let states: Result<Vec<futures::OrderState<'_>>, Fault> =
                list(&told.orders, "orders")?.into_iter().map(typed).collect();
            let states = states?;
            let is_it = |state: &&futures::OrderState<'_>| match named {
                OrderRef::Venue(id) => state.order.order_id.as_str() == id,
                OrderRef::Client(id) => state.order.cli_ord_id.as_deref() == Some(id),
            };
            let found = states.iter().find(is_it);
            let text = "no such order is listed; it may be gone already";
            let state = found.ok_or_else(|| Fault::ours(FaultKind::NotFound, text))?;
            let status = Some(state_of(&state.status));
            let (_, row) = order(place, &state.order, status).map_err(Unfit::fault)?;
            if place.market(None, &state.order.symbol).ok() != Some(*market) {
                return Err(Fault::unreadable("an order of another product"));
            }
            tell_order(row, out);
        }
        Ask::OrderHistory { market, .. } => {
            out.tell_list(
                Topic::of(Channel::Orders, *market),
                false,
                list(&told.elements, "elements")?,
                |row| Ok(history(place, row)?.and_then(|row| only(Some(*market), row))),
            );
        }
        Ask::Fills { market, .. } => {
            // Newest first, as they are listed; a session wants the oldest first.
            let rows = list(&told.fills, "fills")?.into_iter().rev();
            out.tell_list(account(Channel::Fills), false, rows, |row| {
                Ok(only(Some(*market), fill(place, &parse(row)?)?))
            });
        }
        Ask::Transfers { .. } => {
            let rows = list(&told.transfers, "transfers")?;
            out.tell_list(account(Channel::Balances), false, rows, |row| transfer(&parse(row)?).map(Some));
        }
        Ask::Place(order) => place_order(order, told, out)?,
        Ask::Cancel { .. } => {
            let done: futures::Done<'_> = typed(status_of(told.cancel_status)?)?;
            if done.status != "cancelled" {
                return Err(fault::of_futures(&done.status, FaultKind::NotFound));
            }
        }
        // That it is an answer is what counts: `noOrdersToCancel` is what was wanted too.
        Ask::CancelAll { .. } | Ask::Countdown { .. } | Ask::SetLeverage { .. } => {}
        _ => return Err(Fault::unreadable("an answer to what was never asked")),
    }
    Ok(())
}

fn status_of(status: Option<&RawValue>) -> Result<&RawValue, Fault> {
    status.ok_or_else(|| Fault::unreadable("an answer that does not say what became of it"))
}

/// The envelope says `success` of an order that was refused as well.
fn place_order(order: &NewOrder, told: &Answer<'_>, out: &mut EventBuf) -> Result<(), Fault> {
    let done: futures::Done<'_> = typed(status_of(told.send_status)?)?;
    if done.status != "placed" {
        return Err(fault::of_futures(&done.status, FaultKind::Rejected));
    }
    if let Some(id) = done.order_id {
        tell_order(placed(order, id.to_string()), out);
    }
    Ok(())
}

fn fees(rows: &[&RawValue], out: &mut EventBuf) {
    let topic = Topic::account(Channel::Balances);
    let mut schedule = FeeSchedule::default();
    for row in rows {
        let read = || -> Result<Vec<FeeTier>, Unfit> {
            let told: futures::FeeSchedule<'_> = parse(row)?;
            let tier = |tier: &futures::FeeTier<'_>| {
                Ok(FeeTier {
                    tier: told.name.to_string(),
                    min_volume_30d: decimal(&tier.usd_volume)?,
                    maker: symbol::share(&tier.maker_fee)?.into(),
                    taker: symbol::share(&tier.taker_fee)?.into(),
                })
            };
            told.tiers.iter().map(tier).collect()
        };
        match read() {
            Ok(tiers) => schedule.tiers.extend(tiers),
            Err(unfit) => out.events.push(unfit.broken(Some(topic))),
        }
    }
    out.tell_list(topic, false, [Row::Fees(Box::new(schedule))], |row| Ok(Some(row)));
}

/// One route tells of every account: cash, the one that backs all products, and those that back one product each.
fn balances(wallet: Wallet, accounts: &[(venuekit_wire::Text<'_>, &RawValue)], out: &mut EventBuf) {
    let topic = Topic::account(Channel::Balances);
    let mut rows: Vec<BalancePatch> = Vec::new();
    let mut broken = Vec::new();
    for (_, json) in accounts {
        match parse(json).and_then(|told| account(wallet, &told)) {
            Ok(told) => {
                for patch in told {
                    // Accounts of several products may hold the same asset: they are one wallet here.
                    match rows.iter_mut().find(|known| known.asset == patch.asset) {
                        Some(known) => add(known, &patch),
                        None => rows.push(patch),
                    }
                }
            }
            Err(unfit) => broken.push(unfit.broken(Some(topic))),
        }
    }
    let is_whole = broken.is_empty();
    out.events.extend(broken);
    out.tell_list(topic, is_whole, rows, |row| Ok(Some(Row::Balance(row))));
}

fn add(known: &mut BalancePatch, more: &BalancePatch) {
    let sum = |a: Option<Decimal>, b: Option<Decimal>| match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    };
    known.free = sum(known.free, more.free);
    known.locked = sum(known.locked, more.locked);
    known.unrealized_pnl = sum(known.unrealized_pnl, more.unrealized_pnl);
}

fn account(wallet: Wallet, told: &futures::Account<'_>) -> Result<Vec<BalancePatch>, Unfit> {
    let patch = |asset: &str, total: Decimal, free: Decimal| BalancePatch {
        free: Some(free),
        locked: Some(total.saturating_sub(free)),
        ..BalancePatch::new(wallet.as_str().to_owned(), symbol::asset(asset))
    };
    let assets = told.balances.as_ref().map_or(&[][..], |Named(rows)| rows);
    match (wallet, told.r#type.as_str()) {
        (Wallet::Funding, "cashAccount") => {
            assets.iter().map(|(asset, num)| decimal(num).map(|total| patch(asset, total, total))).collect()
        }
        (Wallet::Futures, "multiCollateralMarginAccount") => {
            let Some(Named(rows)) = &told.currencies else { return Ok(Vec::new()) };
            let row = |(asset, row): &(venuekit_wire::Text<'_>, futures::FlexAsset<'_>)| {
                let total = decimal(&row.quantity)?;
                Ok(patch(asset, total, optional(row.available.as_ref())?.unwrap_or(total).min(total)))
            };
            rows.iter().map(row).collect()
        }
        (Wallet::Isolated, "marginAccount") => {
            let Some(currency) = &told.currency else { return Ok(Vec::new()) };
            let own = assets.iter().find(|(asset, _)| asset.eq_ignore_ascii_case(currency));
            let Some((asset, num)) = own else { return Ok(Vec::new()) };
            let total = decimal(num)?;
            let worth = told.auxiliary.as_ref();
            let free = worth.and_then(|worth| estimate(Some(&worth.af))).unwrap_or(total);
            let pnl = worth.and_then(|worth| estimate(Some(&worth.pnl)));
            let free = free.clamp(Decimal::ZERO, total.max(Decimal::ZERO));
            Ok(vec![BalancePatch { unrealized_pnl: pnl, ..patch(asset, total, free) }])
        }
        _ => Ok(Vec::new()),
    }
}

fn position(place: Place<'_>, row: &futures::Position<'_>) -> Result<(MarketId, Row), Unfit> {
    let market = place.market(None, &row.symbol)?;
    let size = decimal(&row.size)?;
    let leverage = optional(row.max_fixed_leverage.as_ref())?;
    let patch = PositionPatch {
        qty: Some(match row.side.as_str() {
            "long" => size,
            "short" => -size,
            other => return Err(Unfit::shape(format!("side {other:?}"))),
        }),
        entry_price: estimate(Some(&row.price)),
        leverage: Some(leverage.unwrap_or_default()),
        // Only an isolated position has a leverage of its own.
        margin_mode: Some(if leverage.is_some() { MarginMode::Isolated } else { MarginMode::Cross }),
        ..PositionPatch::new(market)
    };
    Ok((market, Row::Position(patch)))
}

/// Where `orders/status` says that an order stands.
fn state_of(word: &str) -> OrderStatus {
    match word {
        "ENTERED_BOOK" | "TRIGGER_PLACED" => OrderStatus::New,
        "FULLY_EXECUTED" => OrderStatus::Filled,
        "REJECTED" | "TRIGGER_ACTIVATION_FAILURE" => OrderStatus::Rejected,
        "CANCELLED" => OrderStatus::Canceled,
        _ => OrderStatus::Unknown,
    }
}

fn order(
    place: Place<'_>,
    row: &futures::RestOrder<'_>,
    status: Option<OrderStatus>,
) -> Result<(MarketId, Row), Unfit> {
    let market = place.market(None, &row.symbol)?;
    let filled = optional(row.filled.as_ref())?.unwrap_or_default();
    let left = optional(row.unfilled_size.as_ref())?.map(|left| left.saturating_add(filled));
    let qty = optional(row.quantity.as_ref())?.or(left);
    let open = match status {
        Some(OrderStatus::New) | None if !filled.is_zero() => OrderStatus::PartiallyFilled,
        Some(status) => status,
        None => OrderStatus::New,
    };
    let patch = OrderPatch {
        client_order_id: some(row.cli_ord_id.as_ref()),
        side: Some(side(&row.side)?),
        order_type: Some(order_type(&row.r#type)),
        price: positive(row.limit_price.as_ref())?,
        stop_price: positive(row.stop_price.as_ref())?,
        qty,
        cum_qty: Some(filled),
        status: Some(open),
        reduce_only: row.reduce_only,
        created_at: row.timestamp.map(|time| time.0),
        updated_at: row.last_update_time.map(|time| time.0),
        ..OrderPatch::new(market, row.order_id.to_string())
    };
    Ok((market, Row::Order(patch)))
}

/// One event of an order's life; nothing for what is no event of one.
fn history(place: Place<'_>, json: &RawValue) -> Result<Option<(MarketId, Row)>, Unfit> {
    #[derive(serde::Deserialize)]
    struct Element<'a> {
        #[serde(borrow)]
        event: Named<'a, &'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Told<'a> {
        #[serde(borrow, alias = "newOrder")]
        order: &'a RawValue,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Past<'a> {
        #[serde(borrow)]
        uid: venuekit_wire::Text<'a>,
        client_id: Option<venuekit_wire::Text<'a>>,
        tradeable: venuekit_wire::Text<'a>,
        direction: venuekit_wire::Text<'a>,
        order_type: venuekit_wire::Text<'a>,
        quantity: venuekit_wire::Num<'a>,
        filled: venuekit_wire::Num<'a>,
        limit_price: Option<venuekit_wire::Num<'a>>,
        timestamp: Option<venuekit_wire::Millis>,
        last_update_timestamp: Option<venuekit_wire::Millis>,
        reduce_only: Option<bool>,
    }
    let Element { event: Named(events) } = parse(json)?;
    let Some((name, told)) = events.first() else { return Ok(None) };
    let status = match name.as_str() {
        "OrderPlaced" | "OrderUpdated" | "OrderEdited" => None,
        "OrderCancelled" => Some(OrderStatus::Canceled),
        "OrderRejected" => Some(OrderStatus::Rejected),
        _ => return Ok(None),
    };
    let row: Past<'_> = parse(parse::<Told<'_>>(told)?.order)?;
    let market = place.market(None, &row.tradeable)?;
    let (left, filled) = (decimal(&row.quantity)?, decimal(&row.filled)?);
    let open = match (left.is_zero(), filled.is_zero()) {
        (true, false) => OrderStatus::Filled,
        (_, true) => OrderStatus::New,
        (false, false) => OrderStatus::PartiallyFilled,
    };
    let patch = OrderPatch {
        client_order_id: some(row.client_id.as_ref()),
        side: Some(side(&row.direction.to_ascii_lowercase())?),
        order_type: Some(order_type(&row.order_type.to_ascii_lowercase())),
        price: positive(row.limit_price.as_ref())?,
        qty: Some(left.saturating_add(filled)),
        cum_qty: Some(filled),
        status: Some(status.unwrap_or(open)),
        reduce_only: row.reduce_only,
        created_at: row.timestamp.map(|time| time.0),
        updated_at: row.last_update_timestamp.map(|time| time.0),
        ..OrderPatch::new(market, row.uid.to_string())
    };
    Ok(Some((market, Row::Order(patch))))
}

fn fill(place: Place<'_>, row: &futures::RestFill<'_>) -> Result<(MarketId, Row), Unfit> {
    let market = place.market(None, &row.symbol)?;
    Ok((
        market,
        Row::Fill(Fill {
            market,
            fill_id: row.fill_id.to_string(),
            order_id: row.order_id.to_string(),
            client_order_id: some(row.cli_ord_id.as_ref()),
            side: side(&row.side)?,
            price: decimal(&row.price)?,
            qty: decimal(&row.size)?,
            fee: optional(row.fee_paid.as_ref())?.unwrap_or_default(),
            fee_rate: None,
            fee_asset: row.fee_currency.as_ref().map(|asset| symbol::asset(asset)),
            realized_pnl: None,
            maker: row.fill_type == "maker",
            at: row.fill_time.0,
        }),
    ))
}

fn transfer(row: &futures::Transfer<'_>) -> Result<Row, Unfit> {
    let (spot, cash) = (Some(Wallet::Spot), Some(Wallet::Funding));
    let (from, to) = if row.transfer_type == "deposit" { (spot, cash) } else { (cash, spot) };
    let at = row.received_time.ok_or_else(|| Unfit::shape("a transfer without a time"))?;
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Transfer,
        id: row.transfer_id.to_string(),
        asset: symbol::asset(&row.currency),
        amount: decimal(&row.amount)?,
        fee: None,
        network: None,
        address: None,
        tx_id: None,
        from,
        to,
        status: match row.status.as_deref() {
            Some("pending") => MovementStatus::Pending,
            Some("failed") => MovementStatus::Failed,
            None | Some("processed" | "completed") => MovementStatus::Completed,
            Some(_) => MovementStatus::Unknown,
        },
        at: at.0,
    })))
}

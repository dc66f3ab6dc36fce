//! One row of each channel, from the venue's words to ours.

use rust_decimal::Decimal;
use venuekit_types::{Instrument, NumError, Price, Qty, Side};
use venuekit_venue::read::{self, Unfit};
use venuekit_venue::{
    BalancePatch, EventBuf, Fill, MarginMode, MarketId, OrderPatch, OrderStatus, PositionPatch, Row,
    TickerPatch, Trade, TriggerBy,
};
use venuekit_wire::Num;
use venuekit_wire::duedex;

/// An exact decimal of the digits as they came.
pub(super) fn decimal(num: &Num<'_>) -> Result<Decimal, Unfit> {
    Ok(read::decimal(num.as_str())?)
}

fn optional(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    num.map(decimal).transpose()
}

/// A number for which the venue writes zero when there is none.
fn nonzero(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    Ok(optional(num)?.filter(|value| !value.is_zero()))
}

fn side(side: &duedex::OrderSide<'_>) -> Option<Side> {
    match side {
        duedex::OrderSide::Long => Some(Side::Buy),
        duedex::OrderSide::Short => Some(Side::Sell),
        duedex::OrderSide::Other(_) => None,
    }
}

/// In a snapshot a price of zero is a price that does not exist. In an update it stays zero, since the patch has
/// to undo the price before it.
pub(super) fn ticker(
    market: MarketId,
    instrument: &Instrument,
    ticker: &duedex::Ticker<'_>,
    whole: bool,
) -> Result<Row, Unfit> {
    let price = |num: &Option<Num<'_>>| if whole { nonzero(num.as_ref()) } else { optional(num.as_ref()) };
    let mut patch = TickerPatch::new(market);
    patch.bid = price(&ticker.best_bid)?;
    patch.ask = price(&ticker.best_ask)?;
    patch.last = price(&ticker.last_price)?;
    patch.index = price(&ticker.index_price)?;
    patch.mark = price(&ticker.mark_price)?;
    patch.open = price(&ticker.open)?;
    patch.high = price(&ticker.high)?;
    patch.low = price(&ticker.low)?;
    patch.close = price(&ticker.close)?;
    patch.funding_rate = optional(ticker.funding_rate.as_ref())?;
    patch.next_funding = ticker.next_funding_time.map(|time| time.0);
    patch.volume = ticker.volume.map(Decimal::from);
    patch.open_interest = ticker.open_interest.map(Decimal::from);
    // Dollars are not tethers.
    let volume_usd = ticker.volume_usd.as_ref().filter(|_| instrument.symbol.quote() == "USD");
    patch.quote_volume = optional(volume_usd)?;
    Ok(Row::Ticker(patch))
}

pub(super) fn trade(
    market: MarketId,
    instrument: &Instrument,
    trade: &duedex::Match<'_>,
    out: &mut EventBuf,
) -> Result<Row, Unfit> {
    Ok(Row::Trade(Trade {
        market,
        id: out.put_text(&trade.match_id.to_string()),
        number: Some(trade.match_id),
        price: Price(trade.price.parse_scaled(instrument.price_scale)?),
        qty: Qty(trade.size.checked_mul(instrument.qty_scale.unit()).ok_or(NumError::OutOfRange)?),
        side: side(&trade.side),
        at: trade.timestamp.0,
    }))
}

/// Fees are in the settlement currency, named with the first of them.
pub(super) fn order(
    market: MarketId,
    instrument: &Instrument,
    order: &duedex::Order<'_>,
) -> Result<Row, Unfit> {
    let mut patch = OrderPatch::new(market, order.order_id.to_string());
    let client_order_id = order.client_order_id.as_ref().filter(|id| !id.is_empty());
    patch.client_order_id = client_order_id.map(ToString::to_string);
    patch.side = order.side.as_ref().and_then(side);
    patch.order_type = order.r#type.as_ref().map(|word| order_type(word).to_owned());
    patch.time_in_force = order.time_in_force.as_ref().map(|word| word.as_str().to_ascii_uppercase());
    patch.price = optional(order.price.as_ref())?;
    patch.stop_price = optional(order.stop_price.as_ref())?;
    patch.trigger_by = order.trigger_type.as_ref().and_then(trigger_by);
    patch.qty = order.size.map(Decimal::from);
    patch.cum_qty = order.filled_size.map(Decimal::from);
    patch.avg_px = nonzero(order.fill_price.as_ref())?;
    patch.fee = optional(order.accumulated_fees.as_ref())?;
    patch.fee_asset = patch.fee.and(instrument.symbol.settle()).map(str::to_owned);
    patch.status = order.status.as_ref().map(status);
    patch.reduce_only = order.is_close_order;
    patch.created_at = order.create_time.map(|time| time.0);
    patch.updated_at = order.update_time.map(|time| time.0);
    Ok(Row::Order(patch))
}

fn order_type<'a>(word: &'a duedex::OrderType<'_>) -> &'a str {
    match word {
        duedex::OrderType::StopMarket => "stop_market",
        duedex::OrderType::StopLimit => "stop_limit",
        duedex::OrderType::TakeProfitMarket => "take_profit_market",
        duedex::OrderType::TakeProfitLimit => "take_profit_limit",
        duedex::OrderType::Limit | duedex::OrderType::Market | duedex::OrderType::Other(_) => word.as_str(),
    }
}

/// A price that we do not know is not told, and never taken for one of the three.
fn trigger_by(word: &duedex::StopTriggerType<'_>) -> Option<TriggerBy> {
    match word {
        duedex::StopTriggerType::LastPrice => Some(TriggerBy::Last),
        duedex::StopTriggerType::IndexPrice => Some(TriggerBy::Index),
        duedex::StopTriggerType::MarkPrice => Some(TriggerBy::Mark),
        duedex::StopTriggerType::Other(_) => None,
    }
}

/// An order that waits for its trigger is as new as one that rests.
fn status(word: &duedex::OrderStatus<'_>) -> OrderStatus {
    match word {
        duedex::OrderStatus::New | duedex::OrderStatus::Untriggered => OrderStatus::New,
        duedex::OrderStatus::PartiallyFilled => OrderStatus::PartiallyFilled,
        duedex::OrderStatus::Filled => OrderStatus::Filled,
        duedex::OrderStatus::Cancelled => OrderStatus::Canceled,
        duedex::OrderStatus::Other(_) => OrderStatus::Unknown,
    }
}

pub(super) fn position(market: MarketId, position: &duedex::Position<'_>) -> Result<Row, Unfit> {
    let mut patch = PositionPatch::new(market);
    patch.qty = position.quantity.map(Decimal::from);
    patch.entry_price = optional(position.entry_price.as_ref())?;
    patch.mark_price = optional(position.mark_price.as_ref())?;
    patch.liquidation_price = optional(position.liquidation_price.as_ref())?;
    patch.leverage = optional(position.leverage.as_ref())?;
    // The venue has one word for both: a leverage of zero is cross.
    patch.margin_mode = patch
        .leverage
        .map(|leverage| if leverage.is_zero() { MarginMode::Cross } else { MarginMode::Isolated });
    patch.margin = optional(position.position_margin.as_ref())?;
    patch.unrealized_pnl = optional(position.unrealised_pnl.as_ref())?;
    patch.realized_pnl = optional(position.realised_pnl.as_ref())?;
    Ok(Row::Position(patch))
}

/// All money here is margin of futures, which is the only wallet there is.
pub(super) fn balance(margin: &duedex::Margin<'_>) -> Result<Row, Unfit> {
    let mut patch = BalancePatch::new("futures".to_owned(), margin.currency.as_str().to_owned());
    patch.free = optional(margin.available.as_ref())?;
    patch.order_margin = optional(margin.order_margin.as_ref())?;
    patch.position_margin = optional(margin.position_margin.as_ref())?;
    patch.realized_pnl = optional(margin.realised_pnl.as_ref())?;
    patch.unrealized_pnl = optional(margin.unrealised_pnl.as_ref())?;
    Ok(Row::Balance(patch))
}

/// A fill's fee is in the settlement currency.
pub(super) fn fill(
    market: MarketId,
    instrument: &Instrument,
    fill: &duedex::Execution<'_>,
) -> Result<Row, Unfit> {
    let Some(side) = side(&fill.order_side) else {
        return Err(Unfit::shape(format!("side {:?}", fill.order_side.as_str())));
    };
    Ok(Row::Fill(Fill {
        market,
        fill_id: fill.execution_id.to_string(),
        order_id: fill.order_id.to_string(),
        client_order_id: fill.client_order_id.as_ref().filter(|id| !id.is_empty()).map(ToString::to_string),
        side,
        price: decimal(&fill.execution_price)?,
        qty: Decimal::from(fill.execution_size),
        fee: decimal(&fill.fee)?,
        fee_rate: Some(decimal(&fill.fee_rate)?),
        fee_asset: instrument.symbol.settle().map(str::to_owned),
        realized_pnl: None,
        maker: fill.is_maker,
        at: fill.timestamp.0,
    }))
}

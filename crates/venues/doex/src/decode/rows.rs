//! One row of each channel, from the venue's words to ours.

use rust_decimal::Decimal;
use venuekit_types::{Instrument, Price, Qty, Side};
use venuekit_venue::read::{self, Unfit};
use venuekit_venue::{
    BalancePatch, Candle, EventBuf, Fill, Interval, MarginMode, MarketId, OrderPatch, OrderStatus,
    PositionPatch, Row, TickerPatch, Trade,
};
use venuekit_wire::Num;
use venuekit_wire::doex;

/// An exact decimal of the digits as they came.
pub(super) fn decimal(num: &Num<'_>) -> Result<Decimal, Unfit> {
    Ok(read::decimal(num.as_str())?)
}

pub(super) fn optional(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    num.map(decimal).transpose()
}

/// The aggressor sold when the buyer's order was in the book.
pub(super) fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}

pub(super) fn side(side: &doex::Side<'_>) -> Result<Side, Unfit> {
    match side {
        doex::Side::Buy => Ok(Side::Buy),
        doex::Side::Sell => Ok(Side::Sell),
        doex::Side::Other(word) => Err(Unfit::shape(format!("side {word:?}"))),
    }
}

/// The brief names no trade id. Without one, a trade is known by its time, price and quantity, and two that agree
/// in all three are one.
pub(super) fn trade(
    market: MarketId,
    instrument: &Instrument,
    trade: &doex::Trade<'_>,
    out: &mut EventBuf,
) -> Result<Row, Unfit> {
    let price = Price(trade.price.parse_scaled(instrument.price_scale)?);
    let qty = Qty(trade.qty.parse_scaled(instrument.qty_scale)?);
    let id = match trade.trade_id {
        Some(id) => out.put_text(&id.to_string()),
        None => out.put_text(&format!("{}-{}-{}", trade.time.0.millis(), price.0, qty.0)),
    };
    let side = trade.buyer_is_maker.map(aggressor);
    Ok(Row::Trade(Trade { market, id, number: trade.trade_id, price, qty, side, at: trade.time.0 }))
}

pub(super) fn kline(market: MarketId, interval: Interval, kline: &doex::Kline<'_>) -> Result<Row, Unfit> {
    Ok(Row::Candle(Candle {
        market,
        interval,
        open_at: kline.open_time.0,
        open: decimal(&kline.open)?,
        high: decimal(&kline.high)?,
        low: decimal(&kline.low)?,
        close: decimal(&kline.close)?,
        volume: decimal(&kline.volume)?,
        trades: Some(kline.trades),
        closed: kline.closed,
    }))
}

pub(super) fn ticker(market: MarketId, ticker: &doex::Ticker<'_>) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.last = optional(ticker.last.as_ref())?;
    patch.bid = optional(ticker.bid.as_ref())?;
    patch.bid_qty = optional(ticker.bid_qty.as_ref())?;
    patch.ask = optional(ticker.ask.as_ref())?;
    patch.ask_qty = optional(ticker.ask_qty.as_ref())?;
    patch.open = optional(ticker.open.as_ref())?;
    patch.high = optional(ticker.high.as_ref())?;
    patch.low = optional(ticker.low.as_ref())?;
    patch.volume = Some(decimal(&ticker.volume)?);
    patch.quote_volume = Some(decimal(&ticker.quote_volume)?);
    Ok(Row::Ticker(patch))
}

pub(super) fn mark(market: MarketId, mark: &doex::Mark<'_>) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.mark = Some(decimal(&mark.mark)?);
    patch.index = optional(mark.index.as_ref())?;
    patch.funding_rate = optional(mark.funding_rate.as_ref())?;
    patch.next_funding = mark.next_funding_time.map(|time| time.0);
    Ok(Row::Ticker(patch))
}

pub(super) fn order(market: MarketId, order: &doex::Order<'_>) -> Result<Row, Unfit> {
    let mut patch = OrderPatch::new(market, order.order_id.to_string());
    patch.client_order_id = Some(order.client_order_id.to_string()).filter(|id| !id.is_empty());
    patch.side = Some(side(&order.side)?);
    patch.order_type = Some(order.r#type.as_str().to_ascii_lowercase());
    patch.time_in_force = order.time_in_force.as_ref().map(|word| word.as_str().to_owned());
    patch.price = optional(order.price.as_ref())?;
    patch.stop_price = optional(order.stop_price.as_ref())?;
    patch.qty = Some(decimal(&order.orig_qty)?);
    patch.cum_qty = Some(decimal(&order.executed_qty)?);
    patch.avg_px = optional(order.avg_price.as_ref())?.filter(|price| !price.is_zero());
    patch.fee = optional(order.fee.as_ref())?;
    patch.fee_asset = order.fee_asset.as_ref().filter(|asset| !asset.is_empty()).map(ToString::to_string);
    patch.status = Some(status(&order.status));
    patch.post_only = order.post_only;
    patch.reduce_only = order.reduce_only;
    patch.created_at = order.time.map(|time| time.0);
    patch.updated_at = order.update_time.map(|time| time.0);
    Ok(Row::Order(patch))
}

fn status(word: &doex::OrderStatus<'_>) -> OrderStatus {
    match word {
        doex::OrderStatus::New => OrderStatus::New,
        doex::OrderStatus::PartiallyFilled => OrderStatus::PartiallyFilled,
        doex::OrderStatus::Filled => OrderStatus::Filled,
        doex::OrderStatus::Canceled => OrderStatus::Canceled,
        doex::OrderStatus::Rejected => OrderStatus::Rejected,
        doex::OrderStatus::Expired => OrderStatus::Expired,
        doex::OrderStatus::Other(_) => OrderStatus::Unknown,
    }
}

pub(super) fn fill(market: MarketId, fill: &doex::Fill<'_>) -> Result<Row, Unfit> {
    Ok(Row::Fill(Fill {
        market,
        fill_id: fill.id.to_string(),
        order_id: fill.order_id.to_string(),
        client_order_id: fill.client_order_id.as_ref().filter(|id| !id.is_empty()).map(ToString::to_string),
        side: side(&fill.side)?,
        price: decimal(&fill.price)?,
        qty: decimal(&fill.qty)?,
        fee: decimal(&fill.fee)?,
        fee_rate: None,
        fee_asset: fill.fee_asset.as_ref().filter(|asset| !asset.is_empty()).map(ToString::to_string),
        realized_pnl: optional(fill.realized_pnl.as_ref())?,
        maker: fill.is_maker,
        at: fill.time.0,
    }))
}

pub(super) fn position(market: MarketId, position: &doex::PositionEvent<'_>) -> Result<Row, Unfit> {
    let mut patch = PositionPatch::new(market);
    patch.qty = Some(decimal(&position.position_amt)?);
    patch.entry_price = optional(position.entry_price.as_ref())?;
    patch.mark_price = optional(position.mark_price.as_ref())?;
    patch.liquidation_price = optional(position.liquidation_price.as_ref())?;
    patch.leverage = optional(position.leverage.as_ref())?;
    patch.margin_mode = position.margin_mode.as_ref().and_then(margin_mode);
    patch.unrealized_pnl = optional(position.unrealized_pnl.as_ref())?;
    patch.updated_at = Some(position.event_time.0);
    Ok(Row::Position(patch))
}

/// A mode that we do not know is not told, and never taken for one of the two.
pub(super) fn margin_mode(word: &doex::MarginMode<'_>) -> Option<MarginMode> {
    match word {
        doex::MarginMode::Cross => Some(MarginMode::Cross),
        doex::MarginMode::Isolated => Some(MarginMode::Isolated),
        doex::MarginMode::Other(_) => None,
    }
}

/// The wallet is named in every row: spot, margin and futures are separate ledgers.
pub(super) fn balance(wallet: &doex::Wallet<'_>, change: &doex::BalanceChange<'_>) -> Result<Row, Unfit> {
    let mut patch = BalancePatch::new(wallet.as_str().to_owned(), change.asset.to_string());
    patch.free = Some(decimal(&change.free)?);
    patch.locked = Some(decimal(&change.locked)?);
    if *wallet == doex::Wallet::Futures {
        // REST tells apart what holds it and the stream does not, so here it stands in one place and nowhere else.
        patch.order_margin = Some(Decimal::ZERO);
        patch.position_margin = Some(Decimal::ZERO);
    }
    Ok(Row::Balance(patch))
}

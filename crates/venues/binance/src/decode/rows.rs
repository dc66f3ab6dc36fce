//! One row of each channel, from the venue's words to ours.

use rust_decimal::Decimal;
use venuekit_types::{Instrument, Price, Qty, Side};
use venuekit_venue::read::{self, Unfit};
use venuekit_venue::{
    BalancePatch, Candle, EventBuf, Fill, Interval, MarginMode, MarketId, OrderPatch, OrderStatus,
    PositionPatch, Row, TickerPatch, Trade, Wallet,
};
use venuekit_wire::{Millis, Num, Text, binance};

use crate::spec::{USDM, is_usdm};

/// An exact decimal of the digits as they came.
pub(super) fn decimal(num: &Num<'_>) -> Result<Decimal, Unfit> {
    Ok(read::decimal(num.as_str())?)
}

pub(super) fn optional(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    num.map(decimal).transpose()
}

/// A number of which zero says that there is none.
pub(super) fn some(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    Ok(optional(num)?.filter(|number| !number.is_zero()))
}

/// Text that is there and not empty.
pub(super) fn text(text: Option<&Text<'_>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToString::to_string)
}

/// The aggressor sold when the buyer's order was in the book.
fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}

pub(super) fn side(side: &binance::Side<'_>) -> Result<Side, Unfit> {
    match side {
        binance::Side::Buy => Ok(Side::Buy),
        binance::Side::Sell => Ok(Side::Sell),
        binance::Side::Other(word) => Err(Unfit::shape(format!("side {word:?}"))),
    }
}

/// A public trade, or several of one aggressor that the venue tells as one.
pub(super) struct Traded<'a> {
    pub(super) id: u64,
    pub(super) price: &'a Num<'a>,
    pub(super) qty: &'a Num<'a>,
    pub(super) time: Millis,
    pub(super) buyer_is_maker: bool,
}

pub(super) fn trade(
    market: MarketId,
    instrument: &Instrument,
    told: &Traded<'_>,
    out: &mut EventBuf,
) -> Result<Row, Unfit> {
    Ok(Row::Trade(Trade {
        market,
        price: Price(told.price.parse_scaled(instrument.price_scale)?),
        qty: Qty(told.qty.parse_scaled(instrument.qty_scale)?),
        id: out.put_text(&told.id.to_string()),
        number: Some(told.id),
        side: Some(aggressor(told.buyer_is_maker)),
        at: told.time.0,
    }))
}

pub(super) fn kline(market: MarketId, interval: Interval, kline: &binance::Kline<'_>) -> Result<Row, Unfit> {
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

pub(super) fn ticker(market: MarketId, ticker: &binance::Ticker<'_>) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.last = Some(decimal(&ticker.last)?);
    patch.bid = optional(ticker.bid.as_ref())?;
    patch.bid_qty = optional(ticker.bid_qty.as_ref())?;
    patch.ask = optional(ticker.ask.as_ref())?;
    patch.ask_qty = optional(ticker.ask_qty.as_ref())?;
    patch.open = Some(decimal(&ticker.open)?);
    patch.high = Some(decimal(&ticker.high)?);
    patch.low = Some(decimal(&ticker.low)?);
    patch.volume = Some(decimal(&ticker.volume)?);
    patch.quote_volume = Some(decimal(&ticker.quote_volume)?);
    Ok(Row::Ticker(patch))
}

pub(super) fn day(market: MarketId, day: &binance::Day<'_>) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.last = Some(decimal(&day.last_price)?);
    patch.bid = optional(day.bid_price.as_ref())?;
    patch.bid_qty = optional(day.bid_qty.as_ref())?;
    patch.ask = optional(day.ask_price.as_ref())?;
    patch.ask_qty = optional(day.ask_qty.as_ref())?;
    patch.open = Some(decimal(&day.open_price)?);
    patch.high = Some(decimal(&day.high_price)?);
    patch.low = Some(decimal(&day.low_price)?);
    patch.volume = Some(decimal(&day.volume)?);
    patch.quote_volume = Some(decimal(&day.quote_volume)?);
    Ok(Row::Ticker(patch))
}

pub(super) fn best(market: MarketId, best: &binance::BookTicker<'_>) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.bid = Some(decimal(&best.bid)?);
    patch.bid_qty = Some(decimal(&best.bid_qty)?);
    patch.ask = Some(decimal(&best.ask)?);
    patch.ask_qty = Some(decimal(&best.ask_qty)?);
    Ok(Row::Ticker(patch))
}

/// Mark, index, funding rate and its next payment, of the stream or of REST.
pub(super) fn mark(
    market: MarketId,
    mark: &Num<'_>,
    index: Option<&Num<'_>>,
    rate: Option<&Num<'_>>,
    next: Option<Millis>,
) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.mark = Some(decimal(mark)?);
    patch.index = optional(index)?;
    patch.funding_rate = optional(rate)?;
    patch.next_funding = next.map(|time| time.0).filter(|time| time.0 != 0);
    Ok(Row::Ticker(patch))
}

/// The venue-neutral word of a type. `TAKE_PROFIT` and `STOP` are of one product each, or mean two things.
fn order_type(product: usize, kind: &binance::OrderType<'_>) -> String {
    use binance::OrderType::{
        Limit, LimitMaker, Market, Other, Stop, StopLoss, StopLossLimit, StopMarket, TakeProfit,
        TakeProfitLimit, TakeProfitMarket, TrailingStopMarket,
    };
    let word = match kind {
        Limit | LimitMaker => "limit",
        Market => "market",
        StopLoss | StopMarket => "stop_market",
        StopLossLimit | Stop => "stop_limit",
        TakeProfit if is_usdm(product) => "take_profit_limit",
        TakeProfit | TakeProfitMarket => "take_profit_market",
        TakeProfitLimit => "take_profit_limit",
        TrailingStopMarket => "trailing_stop",
        Other(word) => return word.to_ascii_lowercase(),
    };
    word.to_owned()
}

/// A time in force, and whether it also says that the order must not fill at once.
fn time_in_force(word: &binance::TimeInForce<'_>) -> (String, bool) {
    let post_only = *word == binance::TimeInForce::Gtx;
    (if post_only { "GTC".to_owned() } else { word.as_str().to_owned() }, post_only)
}

/// The venue's own orders, made to liquidate, have words of their own and are what their fills say.
fn status(word: &binance::OrderStatus<'_>, qty: Decimal, cum_qty: Decimal) -> OrderStatus {
    use binance::OrderStatus as Word;
    match word {
        Word::New | Word::PendingNew => OrderStatus::New,
        Word::PartiallyFilled => OrderStatus::PartiallyFilled,
        Word::Filled => OrderStatus::Filled,
        Word::Canceled => OrderStatus::Canceled,
        Word::PendingCancel => OrderStatus::PendingCancel,
        Word::Rejected => OrderStatus::Rejected,
        Word::Expired | Word::ExpiredInMatch => OrderStatus::Expired,
        Word::Other(word) => match word.as_str() {
            "NEW_INSURANCE" | "NEW_ADL" if cum_qty >= qty => OrderStatus::Filled,
            "NEW_INSURANCE" | "NEW_ADL" if cum_qty.is_zero() => OrderStatus::New,
            "NEW_INSURANCE" | "NEW_ADL" => OrderStatus::PartiallyFilled,
            _ => OrderStatus::Unknown,
        },
    }
}

/// What a sum in the quote comes to by unit, as long as anything was filled. Below zero the venue does not know it.
fn average(quote: Option<Decimal>, qty: Decimal) -> Option<Decimal> {
    quote.filter(|quote| quote.is_sign_positive()).and_then(|quote| quote.checked_div(qty))
}

/// An order over REST. A cancellation has an id of its own, and then the order's stands beside it.
pub(super) fn order(product: usize, market: MarketId, order: &binance::Order<'_>) -> Result<Row, Unfit> {
    let mut patch = OrderPatch::new(market, order.order_id.to_string());
    let id = text(order.orig_client_order_id.as_ref());
    patch.client_order_id = id.or_else(|| text(Some(&order.client_order_id)));
    patch.side = order.side.as_ref().map(side).transpose()?;
    patch.order_type = order.kind.as_ref().map(|kind| order_type(product, kind));
    if let Some((word, post_only)) = order.time_in_force.as_ref().map(time_in_force) {
        patch.time_in_force = Some(word);
        patch.post_only = Some(post_only || order.kind == Some(binance::OrderType::LimitMaker));
    }
    patch.price = some(order.price.as_ref())?;
    patch.stop_price = some(order.stop_price.as_ref())?;
    patch.qty = optional(order.orig_qty.as_ref())?;
    patch.cum_qty = optional(order.executed_qty.as_ref())?;
    let (qty, cum_qty) = (patch.qty.unwrap_or_default(), patch.cum_qty.unwrap_or_default());
    let quote = optional(order.cummulative_quote_qty.as_ref().or(order.cum_quote.as_ref()))?;
    patch.avg_px = some(order.avg_price.as_ref())?.or_else(|| average(quote, cum_qty));
    patch.status = order.status.as_ref().map(|word| status(word, qty, cum_qty));
    patch.reduce_only = order.reduce_only;
    patch.created_at = order.time.map(|time| time.0);
    patch.updated_at = order.update_time.or(order.transact_time).map(|time| time.0);
    Ok(Row::Order(patch))
}

/// An order of spot as its stream tells it.
pub(super) fn execution(market: MarketId, told: &binance::ExecutionReport<'_>) -> Result<Row, Unfit> {
    let (qty, cum_qty) = (decimal(&told.qty)?, decimal(&told.cum_qty)?);
    let (word, post_only) = time_in_force(&told.time_in_force);
    let mut patch = OrderPatch::new(market, told.order_id.to_string());
    patch.client_order_id = client_id(told);
    patch.side = Some(side(&told.side)?);
    patch.order_type = Some(order_type(crate::SPOT, &told.kind));
    patch.time_in_force = Some(word);
    patch.post_only = Some(post_only || told.kind == binance::OrderType::LimitMaker);
    patch.price = some(Some(&told.price))?;
    patch.stop_price = some(Some(&told.stop_price))?;
    patch.qty = Some(qty);
    patch.cum_qty = Some(cum_qty);
    patch.avg_px = average(optional(told.cum_quote.as_ref())?, cum_qty);
    patch.status = Some(status(&told.status, qty, cum_qty));
    patch.created_at = told.created_at.map(|time| time.0);
    patch.updated_at = Some(told.time.0);
    Ok(Row::Order(patch))
}

fn client_id(told: &binance::ExecutionReport<'_>) -> Option<String> {
    text(told.orig_client_order_id.as_ref()).or_else(|| text(Some(&told.client_order_id)))
}

/// The fill that an event of spot tells of, where it does.
pub(super) fn executed(market: MarketId, told: &binance::ExecutionReport<'_>) -> Result<Option<Row>, Unfit> {
    if told.execution != binance::ExecutionType::Trade || told.trade_id < 0 {
        return Ok(None);
    }
    Ok(Some(Row::Fill(Fill {
        market,
        fill_id: told.trade_id.to_string(),
        order_id: told.order_id.to_string(),
        client_order_id: client_id(told),
        side: side(&told.side)?,
        price: decimal(&told.last_price)?,
        qty: decimal(&told.last_qty)?,
        fee: optional(told.fee.as_ref())?.unwrap_or_default(),
        fee_rate: None,
        fee_asset: text(told.fee_asset.as_ref()),
        realized_pnl: None,
        maker: told.is_maker,
        at: told.time.0,
    })))
}

/// An order of USD-M as its stream tells it.
pub(super) fn futures_order(market: MarketId, told: &binance::FuturesOrder<'_>) -> Result<Row, Unfit> {
    let (qty, cum_qty) = (decimal(&told.qty)?, decimal(&told.cum_qty)?);
    let (word, post_only) = time_in_force(&told.time_in_force);
    let mut patch = OrderPatch::new(market, told.order_id.to_string());
    patch.client_order_id = text(Some(&told.client_order_id));
    patch.side = Some(side(&told.side)?);
    patch.order_type = Some(order_type(USDM, &told.kind));
    patch.time_in_force = Some(word);
    patch.post_only = Some(post_only);
    patch.price = some(Some(&told.price))?;
    patch.stop_price = some(told.stop_price.as_ref())?;
    patch.qty = Some(qty);
    patch.cum_qty = Some(cum_qty);
    patch.avg_px = some(Some(&told.avg_price))?;
    patch.status = Some(status(&told.status, qty, cum_qty));
    patch.reduce_only = Some(told.reduce_only);
    patch.updated_at = Some(told.time.0);
    Ok(Row::Order(patch))
}

/// The fill that an event of USD-M tells of, where it does.
pub(super) fn futures_executed(
    market: MarketId,
    told: &binance::FuturesOrder<'_>,
) -> Result<Option<Row>, Unfit> {
    use binance::ExecutionType::{Calculated, Trade};
    if !matches!(told.execution, Trade | Calculated) || told.trade_id <= 0 {
        return Ok(None);
    }
    Ok(Some(Row::Fill(Fill {
        market,
        fill_id: told.trade_id.to_string(),
        order_id: told.order_id.to_string(),
        client_order_id: text(Some(&told.client_order_id)),
        side: side(&told.side)?,
        price: decimal(&told.last_price)?,
        qty: decimal(&told.last_qty)?,
        fee: optional(told.fee.as_ref())?.unwrap_or_default(),
        fee_rate: None,
        fee_asset: text(told.fee_asset.as_ref()),
        realized_pnl: optional(told.realized_pnl.as_ref())?,
        maker: told.is_maker,
        at: told.time.0,
    })))
}

/// An order that waits for a trigger, over REST. Once it went off, what became of it is told by the order that it made.
pub(super) fn algo(market: MarketId, told: &binance::AlgoOrder<'_>) -> Result<Row, Unfit> {
    let mut patch = OrderPatch::new(market, told.algo_id.to_string());
    patch.client_order_id = text(Some(&told.client_algo_id));
    patch.side = Some(side(&told.side)?);
    patch.order_type = Some(order_type(USDM, &told.kind));
    let (word, post_only) = time_in_force(&told.time_in_force);
    (patch.time_in_force, patch.post_only) = (Some(word), Some(post_only));
    patch.price = some(told.price.as_ref())?;
    patch.stop_price = some(told.trigger_price.as_ref())?;
    patch.qty = optional(told.quantity.as_ref())?;
    patch.cum_qty = Some(optional(told.actual_qty.as_ref())?.unwrap_or_default());
    patch.avg_px = some(told.actual_price.as_ref())?;
    patch.status = Some(algo_status(&told.algo_status));
    patch.reduce_only = Some(told.reduce_only);
    patch.created_at = Some(told.create_time.0);
    patch.updated_at = Some(told.update_time.0);
    Ok(Row::Order(patch))
}

/// The same as its stream tells it.
pub(super) fn algo_event(market: MarketId, event: &binance::AlgoUpdate<'_>) -> Result<Row, Unfit> {
    let told = &event.order;
    let mut patch = OrderPatch::new(market, told.algo_id.to_string());
    patch.client_order_id = text(Some(&told.client_algo_id));
    patch.side = Some(side(&told.side)?);
    patch.order_type = Some(order_type(USDM, &told.kind));
    let (word, post_only) = time_in_force(&told.time_in_force);
    (patch.time_in_force, patch.post_only) = (Some(word), Some(post_only));
    patch.price = some(Some(&told.price))?;
    patch.stop_price = some(Some(&told.trigger_price))?;
    patch.qty = Some(decimal(&told.qty)?);
    patch.status = Some(algo_status(&told.status));
    patch.reduce_only = Some(told.reduce_only);
    patch.updated_at = Some(event.time.0);
    Ok(Row::Order(patch))
}

/// Where it is in its life. One that went off has done what it was for.
fn algo_status(word: &Text<'_>) -> OrderStatus {
    match word.as_str() {
        "NEW" | "TRIGGERING" => OrderStatus::New,
        "TRIGGERED" | "FINISHED" => OrderStatus::Filled,
        "CANCELED" => OrderStatus::Canceled,
        "REJECTED" => OrderStatus::Rejected,
        "EXPIRED" => OrderStatus::Expired,
        _ => OrderStatus::Unknown,
    }
}

/// An own fill over REST; the two products tell side and maker by two names each.
pub(super) fn fill(market: MarketId, told: &binance::Fill<'_>) -> Result<Row, Unfit> {
    let side = match (&told.side, told.is_buyer) {
        (Some(word), _) => side(word)?,
        (None, Some(is_buyer)) => aggressor(!is_buyer),
        (None, None) => return Err(Unfit::shape("a fill without a side")),
    };
    let maker = told.maker.or(told.is_maker).ok_or_else(|| Unfit::shape("a fill without `isMaker`"))?;
    Ok(Row::Fill(Fill {
        market,
        fill_id: told.id.to_string(),
        order_id: told.order_id.to_string(),
        client_order_id: None,
        side,
        price: decimal(&told.price)?,
        qty: decimal(&told.qty)?,
        fee: decimal(&told.commission)?,
        fee_rate: None,
        fee_asset: text(Some(&told.commission_asset)),
        realized_pnl: optional(told.realized_pnl.as_ref())?,
        maker,
        at: told.time.0,
    }))
}

/// A balance of the spot wallet or of the margin wallet as its stream tells it.
pub(super) fn balance(wallet: Wallet, change: &binance::BalanceChange<'_>) -> Result<Row, Unfit> {
    let mut patch = BalancePatch::new(wallet.as_str().to_owned(), change.asset.to_string());
    patch.free = Some(decimal(&change.free)?);
    patch.locked = Some(decimal(&change.locked)?);
    Ok(Row::Balance(patch))
}

/// A balance of the futures wallet. Its stream does not tell what margins hold, so here nothing does: the two sources
/// must say the same.
pub(super) fn wallet(asset: &Text<'_>, balance: &Num<'_>) -> Result<BalancePatch, Unfit> {
    let mut patch = BalancePatch::new(Wallet::Futures.as_str().to_owned(), asset.to_string());
    patch.free = Some(decimal(balance)?);
    Ok(patch)
}

/// A market of an account in hedge mode has two positions, and only one has a place here.
pub(super) fn one_way(side: &binance::PositionSide<'_>, amount: Decimal) -> Result<bool, Unfit> {
    match side {
        binance::PositionSide::Both => Ok(true),
        _ if amount.is_zero() => Ok(false),
        side => {
            let text = format!("a {} position in hedge mode; set the account to one-way mode", side.as_str());
            Err(Unfit::shape(text))
        }
    }
}

/// A position as its stream tells it.
pub(super) fn changed_position(
    market: MarketId,
    told: &binance::PositionChange<'_>,
) -> Result<Option<Row>, Unfit> {
    let qty = decimal(&told.amount)?;
    if !one_way(&told.side, qty)? {
        return Ok(None);
    }
    let mut patch = PositionPatch::new(market);
    patch.qty = Some(qty);
    patch.entry_price = Some(decimal(&told.entry_price)?);
    patch.unrealized_pnl = Some(decimal(&told.unrealized_pnl)?);
    patch.margin_mode = match told.margin_type {
        binance::MarginType::Cross => Some(MarginMode::Cross),
        binance::MarginType::Isolated => Some(MarginMode::Isolated),
        binance::MarginType::Other(_) => None,
    };
    patch.margin = optional(told.isolated_wallet.as_ref())?;
    Ok(Some(Row::Position(patch)))
}

/// A position over REST.
pub(super) fn position(market: MarketId, told: &binance::Position<'_>) -> Result<Option<Row>, Unfit> {
    let qty = decimal(&told.position_amt)?;
    if !one_way(&told.position_side, qty)? {
        return Ok(None);
    }
    let mut patch = PositionPatch::new(market);
    patch.qty = Some(qty);
    patch.entry_price = Some(decimal(&told.entry_price)?);
    patch.mark_price = some(Some(&told.mark_price))?;
    patch.liquidation_price = some(Some(&told.liquidation_price))?;
    patch.margin = Some(decimal(&told.isolated_margin)?);
    patch.margin_mode =
        Some(if patch.margin == Some(Decimal::ZERO) { MarginMode::Cross } else { MarginMode::Isolated });
    patch.unrealized_pnl = Some(decimal(&told.unrealized_profit)?);
    Ok(Some(Row::Position(patch)))
}

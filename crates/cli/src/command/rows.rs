//! Rows of accounts as JSON: one spelling for every command and venue. Decimals are text, times RFC 3339.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use venuekit_types::{Symbol, UnixNanos};
use venuekit_venue::{
    BalancePatch, Candle, CopyPosition, CopyTrade, FeeSchedule, Fill, MarginMode, Movement, OrderPatch,
    Permissions, PositionPatch,
};

/// An instant as text.
pub(crate) fn time(at: UnixNanos) -> Value {
    // Every count of 64 bits lies within the years that a timestamp can hold.
    Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default().to_string().into()
}

/// A decimal as text, without trailing zeros.
pub(crate) fn number(value: Decimal) -> Value {
    value.normalize().to_string().into()
}

/// An object that leaves out what is not known.
struct Object(Map<String, Value>);

impl Object {
    fn new() -> Object {
        Object(Map::new())
    }

    fn put(mut self, name: &str, value: impl Into<Value>) -> Object {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn known(self, name: &str, value: Option<impl Into<Value>>) -> Object {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    fn decimal(self, name: &str, value: Option<Decimal>) -> Object {
        self.known(name, value.map(number))
    }

    fn time(self, name: &str, value: Option<UnixNanos>) -> Object {
        self.known(name, value.map(time))
    }

    fn end(self) -> Value {
        Value::Object(self.0)
    }
}

pub(crate) fn balance(row: &BalancePatch) -> Value {
    Object::new()
        .put("wallet", row.wallet.as_str())
        .put("asset", row.asset.as_str())
        .decimal("free", row.free)
        .decimal("locked", row.locked)
        .decimal("order_margin", row.order_margin)
        .decimal("position_margin", row.position_margin)
        .decimal("borrowed", row.borrowed)
        .decimal("interest", row.interest)
        .decimal("realized_pnl", row.realized_pnl)
        .decimal("unrealized_pnl", row.unrealized_pnl)
        .decimal("wallet_balance", row.wallet_balance)
        .decimal("margin_level", row.margin_level)
        .end()
}

pub(crate) fn margin_mode(mode: MarginMode) -> &'static str {
    match mode {
        MarginMode::Cross => "cross",
        MarginMode::Isolated => "isolated",
    }
}

pub(crate) fn position(symbol: &Symbol, row: &PositionPatch) -> Value {
    Object::new()
        .put("symbol", symbol.as_str())
        .decimal("qty", row.qty)
        .decimal("entry_price", row.entry_price)
        .decimal("mark_price", row.mark_price)
        .decimal("liquidation_price", row.liquidation_price)
        .decimal("leverage", row.leverage)
        .known("margin_mode", row.margin_mode.map(margin_mode))
        .decimal("margin", row.margin)
        .decimal("maintenance_rate", row.maintenance_rate)
        .decimal("unrealized_pnl", row.unrealized_pnl)
        .decimal("realized_pnl", row.realized_pnl)
        .time("updated_at", row.updated_at)
        .end()
}

pub(crate) fn order(symbol: &Symbol, row: &OrderPatch) -> Value {
    Object::new()
        .put("symbol", symbol.as_str())
        .put("venue_order_id", row.order_id.as_str())
        .known("client_order_id", row.client_order_id.as_deref())
        .known("side", row.side.map(|side| side.as_str()))
        .known("order_type", row.order_type.as_deref())
        .known("time_in_force", row.time_in_force.as_deref())
        .decimal("price", row.price)
        .decimal("stop_price", row.stop_price)
        .known("trigger_by", row.trigger_by.map(|price| price.as_str()))
        .decimal("qty", row.qty)
        .decimal("cum_qty", row.cum_qty)
        .decimal("avg_px", row.avg_px)
        .decimal("fee", row.fee)
        .known("fee_asset", row.fee_asset.as_deref())
        .known("status", row.status.map(|status| status.as_str()))
        .known("post_only", row.post_only)
        .known("reduce_only", row.reduce_only)
        .time("created_at", row.created_at)
        .time("updated_at", row.updated_at)
        .end()
}

pub(crate) fn fill(symbol: &Symbol, row: &Fill, derived: bool) -> Value {
    Object::new()
        .put("symbol", symbol.as_str())
        .put("fill_id", row.fill_id.as_str())
        .put("venue_order_id", row.order_id.as_str())
        .known("client_order_id", row.client_order_id.as_deref())
        .put("side", row.side.as_str())
        .put("last_px", number(row.price))
        .put("last_qty", number(row.qty))
        .put("fee", number(row.fee))
        .decimal("fee_rate", row.fee_rate)
        .known("fee_asset", row.fee_asset.as_deref())
        .decimal("realized_pnl", row.realized_pnl)
        // What is inferred from an order does not say how it was made.
        .known("liquidity", (!derived).then_some(if row.maker { "maker" } else { "taker" }))
        .put("derived", derived)
        .put("at", time(row.at))
        .end()
}

pub(crate) fn movement(row: &Movement) -> Value {
    Object::new()
        .put("kind", row.kind.as_str())
        .put("id", row.id.as_str())
        .put("asset", row.asset.as_str())
        .put("amount", number(row.amount))
        .decimal("fee", row.fee)
        .known("network", row.network.as_deref())
        .known("address", row.address.as_deref())
        .known("tx_id", row.tx_id.as_deref())
        .known("from", row.from.map(|wallet| wallet.as_str()))
        .known("to", row.to.map(|wallet| wallet.as_str()))
        .put("status", row.status.as_str())
        .put("at", time(row.at))
        .end()
}

pub(crate) fn copy_position(symbol: &Symbol, row: &CopyPosition) -> Value {
    Object::new()
        .put("symbol", symbol.as_str())
        .put("copy_id", row.copy_id.as_str())
        .put("lead_id", row.lead_id.as_str())
        .known("lead_name", row.lead_name.as_deref())
        .put("mirror_ratio", number(row.mirror_ratio))
        .put("qty", number(row.qty))
        .decimal("entry_price", row.entry_price)
        .decimal("mark_price", row.mark_price)
        .decimal("unrealized_pnl", row.unrealized_pnl)
        .put("opened_at", time(row.opened_at))
        .end()
}

pub(crate) fn copy_trade(symbol: &Symbol, row: &CopyTrade) -> Value {
    Object::new()
        .put("symbol", symbol.as_str())
        .put("copy_id", row.copy_id.as_str())
        .put("lead_id", row.lead_id.as_str())
        .put("lead_order_id", row.lead_order_id.as_str())
        .put("venue_order_id", row.order_id.as_str())
        .put("fill_id", row.fill_id.as_str())
        .put("side", row.side.as_str())
        .put("last_px", number(row.price))
        .put("last_qty", number(row.qty))
        .put("profit_share", number(row.profit_share))
        .put("at", time(row.at))
        .end()
}

pub(crate) fn fees(schedule: &FeeSchedule, symbols: &[Symbol]) -> Value {
    let pairs = schedule.pairs.iter().zip(symbols).map(|(pair, symbol)| {
        json!({ "symbol": symbol.as_str(), "maker": number(pair.maker), "taker": number(pair.taker) })
    });
    let tiers = schedule.tiers.iter().map(|tier| {
        json!({
            "tier": tier.tier,
            "min_volume_30d": number(tier.min_volume_30d),
            "maker": number(tier.maker),
            "taker": number(tier.taker),
        })
    });
    Object::new()
        .known("tier", schedule.tier.as_deref())
        .decimal("volume_30d", schedule.volume_30d)
        .put("pairs", pairs.collect::<Vec<_>>())
        .put("tiers", tiers.collect::<Vec<_>>())
        .end()
}

pub(crate) fn permissions(row: Permissions) -> Value {
    Object::new()
        .known("read", row.read)
        .known("trade", row.trade)
        .known("withdraw", row.withdraw)
        .known("ip_restricted", row.ip_restricted)
        .end()
}

pub(crate) fn candle(symbol: &Symbol, row: &Candle) -> Value {
    Object::new()
        .put("symbol", symbol.as_str())
        .put("interval", row.interval.as_str())
        .put("open_at", time(row.open_at))
        .put("open", number(row.open))
        .put("high", number(row.high))
        .put("low", number(row.low))
        .put("close", number(row.close))
        .put("volume", number(row.volume))
        .known("trades", row.trades)
        .put("closed", row.closed)
        .end()
}

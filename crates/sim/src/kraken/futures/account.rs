//! What an account reads of its futures over REST: wallets, positions, orders, fills.

use rust_decimal::Decimal;
use venuekit_types::Kind;

use crate::kraken::Kraken;
use crate::kraken::futures::events::{self, kind_word, order_id, signal};
use crate::kraken::futures::orders::by_client_id;
use crate::kraken::futures::public::field;
use crate::kraken::futures::rest::{Refusal, contracts, refusal};
use crate::kraken::markets;
use crate::kraken::names::{Uid, parse_order_uid, spot_id, uid};
use crate::kraken::number::millis;
use crate::kraken::params::Params;
use crate::kraken::spot::side;
use crate::text::{Text, parse_instant};
use crate::venue::Context;
use crate::wallets::{Account, Margin, Order, OwnFill, Status, Transfer, Wallet};
use crate::world::World;

/// Fills of an answer.
const FILLS_MAX: usize = 100;

/// What the contracts of one settlement asset hold together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Everything, before open profit.
    pub(super) total: Decimal,
    pub(super) margin: Margin,
    /// What positions need to stay.
    pub(super) maintenance: Decimal,
}

impl Standing {
    pub(super) fn of(world: &World, account: &Account, asset: &'static str) -> Standing {
        let marks = world.marks();
        let of_asset = contracts(world).filter(|(_, market)| market.spec.money() == asset);
        let maintenance = of_asset.map(|(at, _)| account.position(at).entry_value * account.rates(at).1);
        Standing {
            total: account.cash_of(Wallet::Futures, asset).total,
            margin: account.margin(asset, &marks),
            maintenance: maintenance.sum(),
        }
    }

    pub(super) fn equity(&self) -> Decimal {
        self.total + self.margin.unrealised
    }
}

/// A row with a comma before all but the first.
pub(super) fn rows<T>(text: &mut Text, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Text, T)) {
    text.s("[");
    for (at, item) in items.enumerate() {
        text.s(if at == 0 { "" } else { "," });
        write(text, item);
    }
    text.s("]");
}

impl Kraken {
    pub(super) fn futures_account(
        &mut self,
        cx: &mut Context<'_>,
        route: &str,
        params: &Params,
    ) -> Result<Text, Refusal> {
        let account = self.futures_own(cx)?;
        let world = &*cx.world;
        let is_contract = |market: usize| world.markets()[market].spec.kind != Kind::Spot;
        let mut text = Text::new();
        match route {
            "accounts" => accounts(&mut text, world, account),
            "openpositions" => {
                text.s(r#""openPositions":"#);
                let held = contracts(world).filter(|(at, _)| account.position(*at).qty != 0);
                rows(&mut text, held, |text, (at, market)| {
                    let position = account.position(at);
                    text.s(r#"{"side":""#).s(if position.qty > 0 { "long" } else { "short" });
                    text.s(r#"","symbol":""#).s(market.spec.native).s("\"");
                    field(text, "price", position.entry_price(market.spec));
                    text.s(r#","fillTime":"#);
                    millis(text, position.updated_ms);
                    field(text, "size", market.spec.qty(position.qty.abs()));
                    field(text, "unrealizedFunding", Decimal::ZERO);
                    if position.is_isolated() {
                        field(text, "maxFixedLeverage", position.leverage);
                    }
                    text.s("}");
                });
            }
            "openorders" => {
                text.s(r#""openOrders":"#);
                let open = account.open_orders().filter(|order| is_contract(order.market));
                rows(&mut text, open, |text, order| open_order(text, world, order));
            }
            "fills" => {
                let before = match params.get("lastFillTime") {
                    None => i64::MAX,
                    Some(at) => parse_instant(at).ok_or_else(|| refusal("invalidArgument: lastFillTime"))?,
                };
                let fills = account.fills().rev();
                let fills =
                    fills.filter(|fill| is_contract(fill.market) && fill.at_ms < before).take(FILLS_MAX);
                text.s(r#""fills":"#);
                rows(&mut text, fills, |text, own| fill(text, world, own));
            }
            "transfers" => {
                text.s(r#""transfers":"#);
                let own = account
                    .transfers()
                    .filter(|transfer| transfer.from == Wallet::Futures || transfer.to == Wallet::Futures);
                rows(&mut text, own, transfer);
            }
            "leveragepreferences" => {
                text.s(r#""leveragePreferences":"#);
                let set = contracts(world).filter(|(at, _)| account.position(*at).is_isolated());
                rows(&mut text, set, |text, (at, market)| {
                    text.s(r#"{"symbol":""#).s(market.spec.native).s("\"");
                    field(text, "maxLeverage", account.position(at).leverage);
                    text.s("}");
                });
            }
            _ => {
                let named = |name: &str| -> Vec<&str> {
                    let lists = ["", "[]", "[0]"].map(|end| params.all(&format!("{name}{end}")));
                    lists
                        .into_iter()
                        .flatten()
                        .flat_map(|list| list.split(','))
                        .filter(|id| !id.is_empty())
                        .collect()
                };
                let by_id = named("orderIds").into_iter().filter_map(parse_order_uid);
                let by_id = by_id.filter_map(|(market, id)| account.order(market, id));
                let own = named("cliOrdIds");
                let by_own = own.iter().filter_map(|id| by_client_id(world, account, id));
                let found: Vec<&Order> =
                    by_id.chain(by_own).filter(|order| is_contract(order.market)).collect();
                text.s(r#""orders":"#);
                rows(&mut text, found.into_iter(), |text, order| status(text, world, order));
            }
        }
        Ok(text)
    }
}

fn accounts(text: &mut Text, world: &World, account: &Account) {
    let usd = Standing::of(world, account, "USD");
    text.s(r#""accounts":{"cash":{"type":"cashAccount","balances":{}},"flex":{"type":"multiCollateralMarginAccount","#);
    text.s(r#""currencies":{"USD":{"quantity":"#);
    crate::kraken::number::float(text, usd.total);
    field(text, "value", usd.total);
    field(text, "collateral", usd.total);
    field(text, "collateralValue", usd.total);
    field(text, "available", usd.margin.available);
    text.s("}}");
    for (name, value) in [
        ("initialMargin", usd.margin.position),
        ("initialMarginWithOrders", usd.margin.position + usd.margin.order),
        ("maintenanceMargin", usd.maintenance),
        ("balanceValue", usd.total),
        ("portfolioValue", usd.equity()),
        ("collateralValue", usd.total),
        ("pnl", usd.margin.unrealised),
        ("unrealizedFunding", Decimal::ZERO),
        ("totalUnrealized", usd.margin.unrealised),
        ("totalUnrealizedAsMargin", usd.margin.unrealised),
        ("marginEquity", usd.equity()),
        ("availableMargin", usd.margin.available),
    ] {
        field(text, name, value);
    }
    text.s(r#"},"fi_xbtusd":{"type":"marginAccount","currency":"xbt","balances":{"xbt":"#);
    let btc = Standing::of(world, account, "BTC");
    crate::kraken::number::float(text, btc.total);
    for (at, market) in contracts(world).filter(|(_, market)| market.spec.money() == "BTC") {
        field(text, market.spec.native, market.spec.qty(account.position(at).qty));
    }
    text.s(r#"},"auxiliary":{"usd":0"#);
    field(text, "pv", btc.equity());
    field(text, "pnl", btc.margin.unrealised);
    field(text, "af", btc.margin.available);
    field(text, "funding", Decimal::ZERO);
    text.s(r#"},"marginRequirements":{"im":"#);
    crate::kraken::number::float(text, btc.margin.position + btc.margin.order);
    field(text, "mm", btc.maintenance);
    field(text, "lt", btc.maintenance);
    field(text, "tt", btc.maintenance);
    text.s(r#"},"triggerEstimates":{"im":0,"mm":0,"lt":0,"tt":0}}}"#);
}

fn open_order(text: &mut Text, world: &World, order: &Order) {
    let spec = world.markets()[order.market].spec;
    text.s(r#"{"order_id":""#).s(&order_id(order)).s("\"");
    if !order.client_id.is_empty() {
        text.s(r#","cliOrdId":"#).quoted(&order.client_id);
    }
    text.s(r#","symbol":""#).s(spec.native).s(r#"","side":""#).s(side(order.side));
    let kind = match kind_word(order) {
        "stp" => "stop",
        "take_profit" => "take_profit",
        _ => "lmt",
    };
    text.s(r#"","orderType":""#).s(kind).s("\"");
    if let Some(price) = order.price {
        field(text, "limitPrice", spec.price(price));
    }
    if let Some(stop) = order.stop {
        field(text, "stopPrice", spec.price(stop.price));
        text.s(r#","triggerSignal":""#).s(signal(stop.trigger)).s("\"");
    }
    field(text, "unfilledSize", spec.qty(order.left()));
    field(text, "filledSize", spec.qty(order.filled));
    text.s(r#","receivedTime":"#);
    millis(text, order.created_ms);
    text.s(r#","lastUpdateTime":"#);
    millis(text, order.updated_ms);
    text.s(r#","status":""#).s(if order.filled > 0 { "partiallyFilled" } else { "untouched" });
    text.s(r#"","reduceOnly":"#).s(if order.reduce_only { "true}" } else { "false}" });
}

fn fill(text: &mut Text, world: &World, fill: &OwnFill) {
    let spec = world.markets()[fill.market].spec;
    text.s(r#"{"fill_id":""#).s(&uid(Uid::Fill, fill.market, fill.id)).s(r#"","symbol":""#).s(spec.native);
    text.s(r#"","side":""#).s(side(fill.order.side)).s(r#"","order_id":""#).s(&order_id(&fill.order));
    text.s("\"");
    if !fill.order.client_id.is_empty() {
        text.s(r#","cliOrdId":"#).quoted(&fill.order.client_id);
    }
    text.s(r#","fillTime":"#);
    millis(text, fill.at_ms);
    field(text, "size", spec.qty(fill.qty));
    field(text, "price", spec.price(fill.price));
    text.s(if fill.maker { r#","fillType":"maker""# } else { r#","fillType":"taker""# });
    field(text, "fee_paid", fill.fee);
    text.s(r#","fee_currency":""#).s(spec.money()).s("\"}");
}

/// Money between here and the spot wallet.
fn transfer(text: &mut Text, transfer: &Transfer) {
    let way = if transfer.to == Wallet::Futures { "deposit" } else { "withdrawal" };
    text.s(r#"{"transferId":""#).s(&spot_id('B', 0, transfer.id)).s(r#"","transferType":""#).s(way);
    text.s(r#"","currency":""#)
        .s(&markets::asset(transfer.asset).alt.to_lowercase())
        .s(r#"","status":"processed""#);
    field(text, "amount", transfer.amount);
    text.s(r#","receivedTime":"#);
    millis(text, transfer.at_ms);
    text.s("}");
}

/// An order and where it stands.
fn status(text: &mut Text, world: &World, order: &Order) {
    text.s(r#"{"order":"#);
    events::object(text, world.markets()[order.market].spec, order, order.filled);
    text.s(r#","status":""#).s(match order.status {
        Status::Untriggered => "TRIGGER_PLACED",
        Status::New | Status::PartiallyFilled => "ENTERED_BOOK",
        Status::Filled => "FULLY_EXECUTED",
        Status::Cancelled | Status::Expired => "CANCELLED",
    });
    let reason = match order.status {
        Status::Cancelled => "\"CANCELLED_BY_USER\"",
        Status::PartiallyFilled => "\"PARTIAL_FILL\"",
        _ => "null",
    };
    text.s(r#"","updateReason":"#).s(reason).s(r#","error":null}"#);
}

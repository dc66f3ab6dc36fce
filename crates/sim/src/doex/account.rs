//! What an account reads of itself over REST, orders and fills apart.

use rust_decimal::Decimal;
use venuekit_types::Kind;

use crate::doex::answers::rows;
use crate::doex::params::{NO_ROUTE, Params, Refusal};
use crate::doex::{Doex, user};
use crate::engine::Owner;
use crate::keys::ApiKey;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Account, MovementStatus, Wallet, Way};
use crate::world::{Market, World};

impl Doex {
    pub(super) fn account_answer(
        &self,
        cx: &Context<'_>,
        (method, path, kind): (&str, &str, Kind),
        params: Params<'_>,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        if method != "GET" {
            return Err(NO_ROUTE);
        }
        let account = self.account(cx)?;
        let (markets, marks) = (cx.world.markets(), cx.world.marks());
        match (path, kind) {
            ("account/balances", Kind::Spot) => {
                text.s("{");
                balances(text, account, Wallet::Spot);
            }
            ("margin/account", Kind::Spot) => {
                let level =
                    margin_level(account, markets).map_or("999".to_string(), |level| level.to_string());
                text.s(r#"{"marginLevel":""#).s(&level).s("\",");
                balances(text, account, Wallet::Margin);
            }
            ("balances", Kind::Perpetual) => futures_balances(text, account, &marks),
            ("positions", Kind::Perpetual) => positions(text, account, markets, &marks),
            ("account/fees", Kind::Spot) => fees(text, account, markets, cx.world.wall_ms(cx.now.mono)),
            ("wallet/deposits", Kind::Spot) => movements(text, account, Way::Deposit, params)?,
            ("wallet/withdrawals", Kind::Spot) => movements(text, account, Way::Withdrawal, params)?,
            ("wallet/transfers", Kind::Spot) => transfers(text, account, params)?,
            ("copy/positions", Kind::Spot) => copy_positions(text, cx.world, self.user.owner),
            ("copy/trades", Kind::Spot) => copy_trades(text, cx.world, self.user.owner, params)?,
            _ => return Err(NO_ROUTE),
        }
        Ok(())
    }
}

/// What a key may do.
pub(super) fn permissions(text: &mut Text, key: &ApiKey) {
    let word = |yes| if yes { "true" } else { "false" };
    text.s(r#"{"read":"#).s(word(key.permissions.read));
    text.s(r#","trade":"#).s(word(key.permissions.trade));
    text.s(r#","withdraw":"#).s(word(key.permissions.withdraw));
    text.s(r#","ipRestricted":"#).s(word(!key.addresses.is_empty())).s("}");
}

/// A field that holds an amount, with the comma before it.
fn amount(text: &mut Text, name: &str, value: Decimal) {
    text.s(",\"").s(name).s("\":\"").s(&value.normalize().to_string()).s("\"");
}

fn balances(text: &mut Text, account: &Account, wallet: Wallet) {
    text.s(r#""assets":"#);
    let cells: Vec<_> = account.cash().filter(|cell| cell.0 == wallet).collect();
    rows(text, &cells, |text, (_, asset, cash)| {
        text.s(r#"{"asset":""#).s(asset).s("\"");
        amount(text, "free", cash.free());
        amount(text, "locked", cash.locked);
        if wallet == Wallet::Margin {
            amount(text, "borrowed", cash.borrowed);
            amount(text, "interest", cash.interest);
        }
        text.s("}");
    });
    text.s("}");
}

fn futures_balances(text: &mut Text, account: &Account, marks: &[i64]) {
    text.s(r#"{"assets":"#);
    let cells: Vec<_> = account.cash().filter(|cell| cell.0 == Wallet::Futures).collect();
    rows(text, &cells, |text, (_, asset, cash)| {
        let margin = account.margin(asset, marks);
        text.s(r#"{"asset":""#).s(asset).s("\"");
        amount(text, "walletBalance", cash.total);
        amount(text, "availableBalance", margin.available);
        amount(text, "unrealizedPnl", margin.unrealised);
        amount(text, "orderMargin", margin.order);
        amount(text, "positionMargin", margin.position);
        text.s("}");
    });
    text.s("}");
}

fn positions(text: &mut Text, account: &Account, markets: &[Market], marks: &[i64]) {
    let contracts: Vec<_> = markets.iter().enumerate().filter(|(_, m)| m.spec.contract.is_some()).collect();
    rows(text, &contracts, |text, (at, market)| {
        let (spec, held, mark) = (market.spec, account.position(*at), market.reference.mark);
        text.s(r#"{"symbol":""#)
            .s(spec.native)
            .s(r#"","positionAmt":""#)
            .padded(held.qty, spec.qty_scale)
            .s("\"");
        amount(text, "entryPrice", held.entry_price(spec));
        text.s(r#","markPrice":""#).padded(mark, spec.price_scale).s("\"");
        amount(text, "liquidationPrice", account.liquidation_price(*at, marks));
        let (init, maint) = account.rates(*at);
        let isolated = if held.is_isolated() { account.position_margin(*at) } else { Decimal::ZERO };
        amount(text, "leverage", (Decimal::ONE / init).round_dp(2));
        text.s(r#","marginMode":""#).s(if held.is_isolated() { "isolated\"" } else { "cross\"" });
        amount(text, "isolatedMargin", isolated);
        amount(text, "unrealizedPnl", held.unrealised(spec, mark));
        amount(text, "maintMarginRate", maint);
        text.s(r#","updateTime":"#).int(held.updated_ms).s("}");
    });
}

/// What the margin wallet holds over what it owes, by the last prices; nothing when nothing is owed.
fn margin_level(account: &Account, markets: &[Market]) -> Option<Decimal> {
    let price = |asset: &str| {
        let market = markets.iter().find(|m| m.spec.kind == Kind::Spot && m.spec.base == asset);
        market.map_or(Decimal::ONE, |market| market.spec.price(market.last_price()))
    };
    let (mut held, mut owed) = (Decimal::ZERO, Decimal::ZERO);
    for (_, asset, cash) in account.cash().filter(|cell| cell.0 == Wallet::Margin) {
        held += cash.total * price(asset);
        owed += (cash.borrowed + cash.interest) * price(asset);
    }
    held.checked_div(owed).map(|level| level.round_dp(4).normalize())
}

/// Traded on spot in the last 30 days, as far as fills are kept.
fn volume(account: &Account, markets: &[Market], at_ms: i64) -> Decimal {
    let since = at_ms - 30 * 86_400_000;
    let fills = account.fills().filter(|fill| fill.at_ms >= since);
    let spot = fills.filter(|fill| markets[fill.market].spec.kind == Kind::Spot);
    spot.map(|fill| markets[fill.market].spec.value(fill.price, fill.qty)).sum()
}

fn fees(text: &mut Text, account: &Account, markets: &[Market], at_ms: i64) {
    let volume = volume(account, markets, at_ms).normalize().to_string();
    text.s(r#"{"tier":0,"volume30d":""#).s(&volume).s(r#"","pairs":"#);
    let spot: Vec<_> = markets.iter().filter(|market| market.spec.kind == Kind::Spot).collect();
    rows(text, &spot, |text, market| {
        text.s(r#"{"symbol":""#).s(market.spec.native).s(r#"","maker":""#).s(market.spec.maker_fee);
        text.s(r#"","taker":""#).s(market.spec.taker_fee).s("\"}");
    });
    text.s(r#","tiers":[{"tier":0,"minVolume30d":"0","maker":"0.001","taker":"0.001"}]}"#);
}

fn movements(text: &mut Text, account: &Account, way: Way, params: Params<'_>) -> Result<(), Refusal> {
    let own = account.movements().filter(|movement| movement.way == way);
    let page = params.page()?.pick(own, |movement| (movement.id, movement.at_ms));
    rows(text, &page, |text, movement| {
        text.s(r#"{"id":"#).int(movement.id).s(r#","asset":""#).s(movement.asset).s("\"");
        amount(text, "amount", movement.amount);
        amount(text, "fee", movement.fee);
        text.s(r#","network":""#).s(movement.network).s(r#"","address":""#).s(&movement.address);
        let on_chain =
            movement.status != MovementStatus::Pending && movement.status != MovementStatus::Cancelled;
        text.s(r#"","txId":""#).s(if on_chain { &movement.tx_id } else { "" });
        text.s(r#"","status":""#).s(movement.status.as_str()).s(r#"","time":"#).int(movement.at_ms).s("}");
    });
    Ok(())
}

fn transfers(text: &mut Text, account: &Account, params: Params<'_>) -> Result<(), Refusal> {
    let page = params.page()?.pick(account.transfers(), |transfer| (transfer.id, transfer.at_ms));
    rows(text, &page, |text, transfer| {
        text.s(r#"{"id":"#).int(transfer.id).s(r#","asset":""#).s(transfer.asset).s("\"");
        amount(text, "amount", transfer.amount);
        text.s(r#","from":""#).s(transfer.from.as_str()).s(r#"","to":""#).s(transfer.to.as_str());
        text.s(r#"","time":"#).int(transfer.at_ms).s("}");
    });
    Ok(())
}

fn copy_positions(text: &mut Text, world: &World, owner: Owner) {
    let own = world.copyings().iter().filter(|copying| copying.follower == owner);
    let all = own.flat_map(|copying| (0..world.markets().len()).map(move |market| (copying, market)));
    let held: Vec<_> = all.filter(|(copying, market)| copying.position(*market).0.qty != 0).collect();
    rows(text, &held, |text, (copying, market)| {
        let (state, (held, opened_ms)) = (&world.markets()[*market], copying.position(*market));
        let (spec, mark) = (state.spec, state.reference.mark);
        text.s(r#"{"copyId":"#).int(copying.id).s(r#","leadTraderId":"#).int(copying.lead_id);
        text.s(r#","leadTraderName":"#).quoted(copying.lead_name);
        amount(text, "mirrorRatio", copying.ratio);
        text.s(r#","symbol":""#).s(spec.native);
        text.s(r#"","positionAmt":""#).padded(held.qty, spec.qty_scale).s("\"");
        amount(text, "entryPrice", held.entry_price(spec));
        text.s(r#","markPrice":""#).padded(mark, spec.price_scale).s("\"");
        amount(text, "unrealizedPnl", held.unrealised(spec, mark));
        text.s(r#","openTime":"#).int(opened_ms).s("}");
    });
}

fn copy_trades(text: &mut Text, world: &World, owner: Owner, params: Params<'_>) -> Result<(), Refusal> {
    let own = world.copyings().iter().filter(|copying| copying.follower == owner);
    let trades = own.flat_map(|copying| copying.trades().map(move |trade| (copying, trade)));
    let page = params.page()?.pick(trades, |(_, trade)| (trade.fill, trade.at_ms));
    rows(text, &page, |text, (copying, trade)| {
        let spec = world.markets()[trade.market].spec;
        text.s(r#"{"copyId":"#).int(copying.id).s(r#","leadTraderId":"#).int(copying.lead_id);
        text.s(r#","leadOrderId":"#).int(trade.lead_order).s(r#","orderId":"#).int(trade.order);
        text.s(r#","fillId":"#).int(trade.fill).s(r#","symbol":""#).s(spec.native);
        text.s(r#"","side":""#).s(user::side(trade.side));
        text.s(r#"","price":""#).padded(trade.price, spec.price_scale);
        text.s(r#"","qty":""#).padded(trade.qty, spec.qty_scale).s("\"");
        amount(text, "profitShare", trade.share);
        text.s(r#","time":"#).int(trade.at_ms).s("}");
    });
    Ok(())
}

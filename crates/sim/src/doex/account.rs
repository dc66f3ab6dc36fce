//! What an account reads of itself over REST, orders and fills apart.

use rust_decimal::Decimal;
use venuekit_types::Kind;

use crate::doex::Doex;
use crate::doex::answers::rows;
use crate::doex::params::{NO_ROUTE, Params, Refusal};
use crate::keys::ApiKey;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Account, Wallet};
use crate::world::Market;

impl Doex {
    pub(super) fn account_answer(
        &self,
        cx: &Context<'_>,
        (method, path, kind): (&str, &str, Kind),
        _: Params<'_>,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        if method != "GET" {
            return Err(NO_ROUTE);
        }
        let account = self.account(cx)?;
        let (markets, marks) = (cx.world.markets(), cx.world.marks());
        match (path, kind) {
            ("account/balances", Kind::Spot) => balances(text, account, Wallet::Spot),
            ("margin/account", Kind::Spot) => balances(text, account, Wallet::Margin),
            ("balances", Kind::Perpetual) => futures_balances(text, account, &marks),
            ("positions", Kind::Perpetual) => positions(text, account, markets, &marks),
            ("account/fees", Kind::Spot) => fees(text, markets),
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
    text.s(if wallet == Wallet::Margin { r#"{"marginLevel":"999","assets":"# } else { r#"{"assets":"# });
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

fn fees(text: &mut Text, markets: &[Market]) {
    text.s(r#"{"tier":0,"volume30d":"0","pairs":"#);
    let spot: Vec<_> = markets.iter().filter(|market| market.spec.kind == Kind::Spot).collect();
    rows(text, &spot, |text, market| {
        text.s(r#"{"symbol":""#).s(market.spec.native).s(r#"","maker":""#).s(market.spec.maker_fee);
        text.s(r#"","taker":""#).s(market.spec.taker_fee).s("\"}");
    });
    text.s(r#","tiers":[{"tier":0,"minVolume30d":"0","maker":"0.001","taker":"0.001"}]}"#);
}

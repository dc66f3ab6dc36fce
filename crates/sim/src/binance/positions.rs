//! Positions, balances and margins of USD-M futures: one-way mode, all assets apart.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Side;

use crate::binance::answers::rows;
use crate::binance::events::{self, amount, field};
use crate::binance::futures::places;
use crate::binance::orders::qty_field;
use crate::binance::params::{Params, Refusal};
use crate::binance::{Binance, Product};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Account, Wallet};
use crate::world::{Market, World};

const WEEK_MS: i64 = 7 * 86_400_000;

/// Further apart than fills of one market are ever numbered.
const FILLS_APART: u64 = 1_000_000_000_000;

/// A balance that changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) asset: &'static str,
    /// What it is now.
    pub(super) total: Decimal,
    /// The part of the change that no trade, fee or funding made.
    pub(super) outside: Decimal,
}

/// What isolated positions of an asset keep for themselves.
fn isolated(world: &World, account: &Account, asset: &str) -> Decimal {
    let contracts = contracts(world).filter(|(_, market)| market.spec.money() == asset);
    contracts
        .filter(|(at, _)| account.position(*at).is_isolated())
        .map(|(at, _)| account.position_margin(at))
        .sum()
}

pub(super) fn contracts(world: &World) -> impl Iterator<Item = (usize, &Market)> {
    world.markets().iter().enumerate().filter(|(_, market)| market.spec.contract.is_some())
}

pub(super) fn account_update(
    text: &mut Text,
    world: &World,
    account: &Account,
    reason: &str,
    moved: &[Moved],
    positions: &BTreeSet<usize>,
    at_ms: i64,
) {
    text.s(r#"{"e":"ACCOUNT_UPDATE","E":"#).int(at_ms).s(r#","T":"#).int(at_ms).s(r#","a":{"m":""#).s(reason);
    text.s(r#"","B":"#);
    rows(text, moved, |text, moved| {
        text.s(r#"{"a":""#).s(moved.asset).s("\"");
        field(text, "wb", &amount(moved.total));
        field(text, "cw", &amount(moved.total - isolated(world, account, moved.asset)));
        field(text, "bc", &amount(moved.outside));
        text.s("}");
    });
    text.s(r#","P":"#);
    rows(text, positions, |text, &at| {
        let (market, held) = (&world.markets()[at], account.position(at));
        let spec = market.spec;
        text.s(r#"{"s":""#).s(spec.native).s("\"");
        qty_field(text, "pa", spec, held.qty);
        field(text, "ep", &places(held.entry_price(spec), 1));
        field(text, "bep", &places(held.entry_price(spec), 1));
        field(text, "cr", &amount(held.realised));
        field(text, "up", &amount(held.unrealised(spec, market.reference.mark)));
        field(text, "mt", if held.is_isolated() { "isolated" } else { "cross" });
        field(text, "iw", &amount(own_margin(account, at)));
        field(text, "ps", "BOTH");
        text.s("}");
    });
    text.s("}}");
}

/// What an isolated position keeps for itself; zero for a cross one.
fn own_margin(account: &Account, at: usize) -> Decimal {
    if account.position(at).is_isolated() { account.position_margin(at) } else { Decimal::ZERO }
}

/// Positions that are held or have orders open.
fn bearing<'a>(world: &'a World, account: &Account) -> Vec<(usize, &'a Market)> {
    let has_orders = |at: usize| account.open_orders().any(|order| order.market == at);
    contracts(world).filter(|(at, _)| account.position(*at).qty != 0 || has_orders(*at)).collect()
}

/// The margins of one position: initial of the position, initial of its orders, maintenance.
fn margins(account: &Account, at: usize) -> [Decimal; 3] {
    let orders = account.order_margin(at, Side::Buy) + account.order_margin(at, Side::Sell);
    let maintenance = account.position(at).entry_value * account.rates(at).1;
    [account.position_margin(at), orders, maintenance]
}

fn position_risk(text: &mut Text, world: &World, account: &Account, at: usize) {
    let (market, held) = (&world.markets()[at], account.position(at));
    let (spec, mark) = (market.spec, market.reference.mark);
    let [position, orders, maintenance] = margins(account, at);
    let value = spec.value(mark, held.qty.abs());
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","positionSide":"BOTH""#);
    qty_field(text, "positionAmt", spec, held.qty);
    field(text, "entryPrice", &places(held.entry_price(spec), 1));
    field(text, "breakEvenPrice", &places(held.entry_price(spec), 1));
    text.s(r#","markPrice":""#);
    events::reference(text, spec, mark);
    text.s("\"");
    field(text, "unRealizedProfit", &amount(held.unrealised(spec, mark)));
    field(text, "liquidationPrice", &account.liquidation_price(at, &world.marks()).normalize().to_string());
    field(text, "isolatedMargin", &amount(own_margin(account, at)));
    field(text, "notional", &amount(if held.qty < 0 { -value } else { value }));
    field(text, "marginAsset", spec.money());
    field(text, "isolatedWallet", &amount(own_margin(account, at)));
    field(text, "initialMargin", &amount(position + orders));
    field(text, "maintMargin", &amount(maintenance));
    field(text, "positionInitialMargin", &amount(position));
    field(text, "openOrderInitialMargin", &amount(orders));
    text.s(r#","adl":0,"bidNotional":"0","askNotional":"0","updateTime":"#).int(held.updated_ms).s("}");
}

fn balances(text: &mut Text, world: &World, account: &Account) {
    let marks = world.marks();
    let cells = account.cash().filter(|cell| cell.0 == Wallet::Futures);
    rows(text, cells, |text, (_, asset, cash)| {
        let margin = account.margin(asset, &marks);
        text.s(r#"{"accountAlias":"SgsR","asset":""#).s(asset).s("\"");
        field(text, "balance", &amount(cash.total));
        field(text, "crossWalletBalance", &amount(cash.total - isolated(world, account, asset)));
        field(text, "crossUnPnl", &amount(margin.unrealised));
        field(text, "availableBalance", &amount(margin.available));
        field(text, "maxWithdrawAmount", &amount(margin.available));
        text.s(r#","marginAvailable":true,"updateTime":"#).int(newest(account)).s("}");
    });
}

/// When a position of the account changed last.
fn newest(account: &Account) -> i64 {
    account.fills().next_back().map_or(0, |fill| fill.at_ms)
}

fn totals(text: &mut Text, world: &World, account: &Account) {
    let marks = world.marks();
    let cells: Vec<_> = account.cash().filter(|cell| cell.0 == Wallet::Futures).collect();
    let all: Vec<(usize, &Market)> = contracts(world).collect();
    let maintenance = |asset: &str| -> Decimal {
        let own = all.iter().filter(|(_, market)| market.spec.money() == asset);
        own.map(|(at, _)| margins(account, *at)[2]).sum()
    };
    let asset_rows: Vec<(&str, [Decimal; 9])> = cells
        .iter()
        .map(|&(_, asset, cash)| {
            let margin = account.margin(asset, &marks);
            let cross = cash.total - isolated(world, account, asset);
            let initial = margin.position + margin.order;
            let worth = cash.total + margin.unrealised;
            let maint = maintenance(asset);
            (
                asset,
                [
                    cash.total,
                    margin.unrealised,
                    worth,
                    maint,
                    initial,
                    margin.position,
                    margin.order,
                    cross,
                    margin.available,
                ],
            )
        })
        .collect();
    // Every asset here is a dollar, so that the sums need no rate.
    let sum = |at: usize| asset_rows.iter().map(|(_, row)| row[at]).sum::<Decimal>();
    text.s(r#"{"totalInitialMargin":""#).s(&amount(sum(4))).s("\"");
    for (name, at) in [
        ("totalMaintMargin", 3),
        ("totalWalletBalance", 0),
        ("totalUnrealizedProfit", 1),
        ("totalMarginBalance", 2),
        ("totalPositionInitialMargin", 5),
        ("totalOpenOrderInitialMargin", 6),
        ("totalCrossWalletBalance", 7),
        ("totalCrossUnPnl", 1),
        ("availableBalance", 8),
        ("maxWithdrawAmount", 8),
    ] {
        field(text, name, &amount(sum(at)));
    }
    text.s(r#","assets":"#);
    rows(text, &asset_rows, |text, (asset, row)| {
        text.s(r#"{"asset":""#).s(asset).s("\"");
        for (name, at) in [
            ("walletBalance", 0),
            ("unrealizedProfit", 1),
            ("marginBalance", 2),
            ("maintMargin", 3),
            ("initialMargin", 4),
            ("positionInitialMargin", 5),
            ("openOrderInitialMargin", 6),
            ("crossWalletBalance", 7),
            ("crossUnPnl", 1),
            ("availableBalance", 8),
            ("maxWithdrawAmount", 8),
        ] {
            field(text, name, &amount(row[at]));
        }
        text.s(r#","updateTime":"#).int(newest(account)).s("}");
    });
    text.s(r#","positions":"#);
    rows(text, bearing(world, account), |text, (at, market)| {
        let (spec, held) = (market.spec, account.position(at));
        let [position, orders, maintenance] = margins(account, at);
        let value = spec.value(market.reference.mark, held.qty.abs());
        text.s(r#"{"symbol":""#).s(spec.native).s(r#"","positionSide":"BOTH""#);
        qty_field(text, "positionAmt", spec, held.qty);
        field(text, "unrealizedProfit", &amount(held.unrealised(spec, market.reference.mark)));
        field(text, "isolatedMargin", &amount(own_margin(account, at)));
        field(text, "notional", &amount(if held.qty < 0 { -value } else { value }));
        field(text, "isolatedWallet", &amount(own_margin(account, at)));
        field(text, "initialMargin", &amount(position + orders));
        field(text, "maintMargin", &amount(maintenance));
        text.s(r#","updateTime":"#).int(held.updated_ms).s("}");
    });
    text.s("}");
}

/// The largest leverage that a rate allows.
fn leverage(rate: Decimal) -> i128 {
    let most = Decimal::ONE.checked_div(rate).unwrap_or(Decimal::ONE).floor();
    i128::from(most.to_i64().unwrap_or(1))
}

fn symbol_config(text: &mut Text, account: &Account, at: usize, spec: &Spec) {
    let held = account.position(at);
    text.s(r#"{"symbol":""#).s(spec.native).s("\"");
    field(text, "marginType", if held.is_isolated() { "ISOLATED" } else { "CROSSED" });
    text.s(r#","isAutoAddMargin":false,"leverage":"#).int(leverage(account.rates(at).0));
    field(text, "maxNotionalValue", &account.risk_limit(at).normalize().to_string());
    text.s("}");
}

/// The steps of a contract's risk limit, each with its leverage and maintenance rate.
fn brackets(text: &mut Text, spec: &Spec) {
    let Some(contract) = &spec.contract else { return };
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","notionalCoef":1.0,"brackets":"#);
    let most = contract.risk_limit(u32::MAX);
    let steps = (0u32..).take_while(|&step| step == 0 || contract.risk_limit(step - 1) < most);
    let mut floor = Decimal::ZERO;
    rows(text, steps, |text, step| {
        let (cap, more) = (contract.risk_limit(step), contract.maint_rate() * Decimal::from(step));
        text.s(r#"{"bracket":"#).int(step + 1);
        text.s(r#","initialLeverage":"#).int(leverage(contract.init_rate() + more));
        text.s(r#","notionalCap":"#).s(&cap.to_string()).s(r#","notionalFloor":"#).s(&floor.to_string());
        text.s(r#","maintMarginRatio":"#).s(&(contract.maint_rate() + more).to_string()).s(r#","cum":0.0}"#);
        floor = cap;
    });
    text.s("}");
}

/// Something that the futures wallet got or paid.
#[derive(Clone, Copy, Debug)]
struct Income {
    kind: &'static str,
    market: Option<usize>,
    asset: &'static str,
    amount: Decimal,
    at_ms: i64,
    /// Unique among those of its kind.
    id: u64,
    trade: Option<u64>,
}

/// All that the futures wallet got and paid, as far as it is kept, oldest first.
fn incomes(world: &World, account: &Account) -> Vec<Income> {
    let money = |market: usize| world.markets()[market].spec.money();
    let transfers = account.transfers().filter_map(|one| {
        let amount = match (one.from, one.to) {
            (Wallet::Futures, _) => -one.amount,
            (_, Wallet::Futures) => one.amount,
            _ => return None,
        };
        let (asset, at_ms, id) = (one.asset, one.at_ms, one.id);
        Some(Income { kind: "TRANSFER", market: None, asset, amount, at_ms, id, trade: None })
    });
    let fundings = account.fundings().map(|one| Income {
        kind: "FUNDING_FEE",
        market: Some(one.market),
        asset: money(one.market),
        amount: one.amount,
        at_ms: one.at_ms,
        id: one.id,
        trade: None,
    });
    let fills = account.fills().filter(|fill| world.markets()[fill.market].spec.contract.is_some());
    let fills = fills.flat_map(|fill| {
        // Fills are numbered by market, and so far apart that no two of them share a number.
        let id = fill.market as u64 * FILLS_APART + fill.id;
        let of = |kind, amount| Income {
            kind,
            market: Some(fill.market),
            asset: money(fill.market),
            amount,
            at_ms: fill.at_ms,
            id,
            trade: Some(fill.id),
        };
        let rows = [of("REALIZED_PNL", fill.realised), of("COMMISSION", -fill.fee)];
        rows.into_iter().filter(|row| !row.amount.is_zero())
    });
    let mut all: Vec<Income> = transfers.chain(fundings).chain(fills).collect();
    all.sort_by_key(|one| one.at_ms);
    all
}

/// A page of what the futures wallet got and paid, oldest first; unasked of the last week.
fn income(
    text: &mut Text,
    world: &World,
    account: &Account,
    only: Option<usize>,
    params: &Params,
) -> Result<(), Refusal> {
    let span = params.span(i64::MAX)?;
    let all = incomes(world, account);
    let newest_ms = all.last().map_or(0, |one| one.at_ms).min(span.to_ms);
    let from_ms = if span.from_ms == i64::MIN { newest_ms.saturating_sub(WEEK_MS) } else { span.from_ms };
    let kind = params.text("incomeType");
    let mut chosen = all;
    chosen.retain(|one| {
        let is_meant = kind.is_none_or(|kind| kind == one.kind) && (only.is_none() || one.market == only);
        is_meant && (from_ms..=span.to_ms).contains(&one.at_ms)
    });
    rows(text, params.numbered(chosen, "limit", 100, 1_000)?, |text, one| {
        let symbol = one.market.map_or("", |market| world.markets()[market].spec.native);
        text.s(r#"{"symbol":""#).s(symbol).s("\"");
        field(text, "incomeType", one.kind);
        field(text, "income", &amount(one.amount));
        field(text, "asset", one.asset);
        field(text, "info", one.kind);
        text.s(r#","time":"#).int(one.at_ms).s(r#","tranId":"#).int(one.id);
        field(text, "tradeId", &one.trade.map(|id| id.to_string()).unwrap_or_default());
        text.s("}");
    });
    Ok(())
}

impl Binance {
    /// What a futures account reads of itself, orders and fills apart; false for a route that is none of these.
    pub(super) fn futures_account_answer(
        &self,
        cx: &Context<'_>,
        path: &str,
        params: &Params,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        let (account, world) = (self.account(cx)?, &*cx.world);
        let one = || -> Result<Option<usize>, Refusal> {
            let named = params.text("symbol").map(|_| self.market(cx, Product::Usdm, params)).transpose()?;
            Ok(named.map(|(at, _)| at))
        };
        match path {
            "balance" => balances(text, world, account),
            "account" => totals(text, world, account),
            "positionRisk" => {
                let only = one()?;
                let held =
                    bearing(world, account).into_iter().filter(|(at, _)| only.is_none_or(|only| only == *at));
                rows(text, held, |text, (at, _)| position_risk(text, world, account, at));
            }
            "symbolConfig" => {
                let only = one()?;
                let all = contracts(world).filter(|(at, _)| only.is_none_or(|only| only == *at));
                rows(text, all, |text, (at, market)| symbol_config(text, account, at, market.spec));
            }
            "leverageBracket" => {
                let only = one()?;
                let all = contracts(world).filter(|(at, _)| only.is_none_or(|only| only == *at));
                rows(text, all, |text, (_, market)| brackets(text, market.spec));
            }
            "income" => income(text, world, account, one()?, params)?,
            "commissionRate" => {
                let spec = self.market(cx, Product::Usdm, params)?.1.spec;
                text.s(r#"{"symbol":""#).s(spec.native).s("\"");
                field(text, "makerCommissionRate", spec.maker_fee);
                field(text, "takerCommissionRate", spec.taker_fee);
                text.s("}");
            }
            "accountConfig" => {
                text.s(r#"{"feeTier":0,"canTrade":true,"canDeposit":true,"canWithdraw":true,"dualSidePosition":false"#);
                text.s(r#","updateTime":0,"multiAssetsMargin":false,"tradeGroupId":-1}"#);
            }
            "positionSide/dual" => {
                text.s(r#"{"dualSidePosition":false}"#);
            }
            "multiAssetsMargin" => {
                text.s(r#"{"multiAssetsMargin":false}"#);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

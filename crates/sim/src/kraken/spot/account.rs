//! What an account reads of itself over REST: balances, orders, fills, ledger, money under way, fees.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Kind;

use crate::kraken::Kraken;
use crate::kraken::markets::{self, altname};
use crate::kraken::names::{parse_spot_id, spot_id};
use crate::kraken::number::{places, seconds};
use crate::kraken::params::Params;
use crate::kraken::spot::answers::{find_pair, percent};
use crate::kraken::spot::ledger::{Row, movement_id};
use crate::kraken::spot::orders::{describe, kind_word};
use crate::kraken::spot::public::side;
use crate::kraken::spot::rest::{BAD_ARGUMENTS, NO_PAIR, Refusal};
use crate::market::{Spec, scale};
use crate::text::{Text, quoted};
use crate::venue::Context;
use crate::wallets::{Account, Movement, MovementStatus, Order, OwnFill, Status, Wallet, Way};
use crate::world::World;

/// Rows of a page of orders, fills or the ledger.
const PAGE: usize = 50;
/// Orders that one query may name.
const QUERY_MAX: usize = 50;
/// Rows of deposits or withdrawals when the request does not say, and at most.
const MOVES: (usize, usize) = (25, 500);
/// Places of costs and fees.
const COST_PLACES: u8 = 5;

/// A page of rows, the newest first, and how many there are in all.
struct Page<'a, T> {
    rows: Vec<&'a T>,
    count: usize,
}

/// The rows between `start` (not included) and `end` (included), each a time in seconds or a row's own id.
fn page<'a, T>(
    params: &Params,
    newest_first: Vec<&'a T>,
    time: impl Fn(&T) -> i64,
    id: impl Fn(&T) -> String,
) -> Result<Page<'a, T>, Refusal> {
    let edge = |name| match params.get(name) {
        None => Ok(None),
        Some(text) => match text.parse::<Decimal>() {
            Ok(at) => {
                let ms =
                    at.checked_mul(Decimal::ONE_THOUSAND).and_then(|at| at.to_i64()).ok_or(BAD_ARGUMENTS)?;
                Ok(Some(newest_first.iter().position(|row| time(row) <= ms).unwrap_or(newest_first.len())))
            }
            Err(_) => {
                let found = newest_first.iter().position(|row| id(row) == text);
                found.map(Some).ok_or("EQuery:Unknown transaction")
            }
        },
    };
    let (oldest, newest) = (edge("start")?.unwrap_or(newest_first.len()), edge("end")?.unwrap_or(0));
    let within: Vec<&T> = newest_first.into_iter().take(oldest).skip(newest).collect();
    let skip = params.get("ofs").map_or(Ok(0), |text| text.parse().map_err(|_| BAD_ARGUMENTS))?;
    let count = within.len();
    Ok(Page { rows: within.into_iter().skip(skip).take(PAGE).collect(), count })
}

/// An object with one entry for each row.
fn entries<T>(text: &mut Text, rows: &[&T], mut write: impl FnMut(&mut Text, &T)) {
    text.s("{");
    for (at, row) in rows.iter().enumerate() {
        text.s(if at == 0 { "" } else { "," });
        write(text, row);
    }
    text.s("}");
}

fn order_entry(text: &mut Text, spec: &Spec, order: &Order) {
    let (kind, stop) = (order.kind, order.stop.map(|stop| stop.price));
    let price = |text: &mut Text, value: Option<i64>| {
        text.s("\"");
        match value {
            Some(value) => text.padded(value, spec.price_scale),
            None => text.s("0"),
        };
        text.s("\"");
    };
    text.s("\"").s(&spot_id('O', order.market, order.id)).s(r#"":{"refid":null,"userref":0"#);
    if !order.client_id.is_empty() {
        text.s(r#","cl_ord_id":"#).quoted(&order.client_id);
    }
    text.s(r#","status":""#).s(match order.status {
        Status::Untriggered | Status::New | Status::PartiallyFilled => "open",
        Status::Filled => "closed",
        Status::Cancelled | Status::Expired => "canceled",
    });
    text.s(r#"","opentm":"#);
    seconds(text, order.created_ms);
    text.s(r#","starttm":0,"expiretm":0,"descr":{"pair":""#).s(&altname(spec));
    text.s(r#"","aclass":"forex","type":""#).s(side(order.side));
    text.s(r#"","ordertype":""#).s(kind_word(kind)).s(r#"","price":"#);
    price(text, if kind.waits() { stop } else { order.price });
    text.s(r#","price2":"#);
    price(text, order.price.filter(|_| kind.waits()));
    text.s(r#","leverage":"none","order":""#);
    describe(text, spec, (order.side, order.qty), (kind, order.price, stop));
    text.s(r#"","close":""},"vol":""#).padded(order.qty, spec.qty_scale);
    text.s(r#"","vol_exec":""#).padded(order.filled, spec.qty_scale);
    text.s(r#"","cost":""#).s(&places(order.value, COST_PLACES));
    text.s(r#"","fee":""#).s(&places(order.fee, COST_PLACES));
    text.s(r#"","price":""#).s(&places(order.average(spec), spec.price_scale.digits().max(5)));
    text.s(r#"","stopprice":""#).s(&places(stop.map_or(Decimal::ZERO, |stop| spec.price(stop)), 5));
    text.s(r#"","limitprice":"0.00000","misc":"","oflags":""#);
    text.s(if order.post_only { "fciq,post\"" } else { "fciq\"" });
    if !order.status.is_open() {
        let reason = if order.status == Status::Cancelled { "\"User requested\"" } else { "null" };
        text.s(r#","reason":"#).s(reason).s(r#","closetm":"#);
        seconds(text, order.updated_ms);
    }
    text.s("}");
}

fn fill_entry(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    let order = &fill.order;
    text.s("\"").s(&fill_id(fill)).s(r#"":{"ordertxid":""#).s(&spot_id('O', fill.market, order.id));
    text.s(r#"","postxid":"TKH2SE-M7IF5-CFI7LT","pair":""#).s(spec.native).s(r#"","aclass":"forex","time":"#);
    seconds(text, fill.at_ms);
    text.s(r#","type":""#).s(side(order.side)).s(r#"","ordertype":""#).s(kind_word(order.kind));
    text.s(r#"","price":""#).s(&places(spec.price(fill.price), spec.price_scale.digits().max(5)));
    text.s(r#"","cost":""#).s(&places(spec.value(fill.price, fill.qty), COST_PLACES));
    text.s(r#"","fee":""#).s(&places(fill.fee, COST_PLACES));
    text.s(r#"","vol":""#).padded(fill.qty, spec.qty_scale);
    text.s(r#"","margin":"0.00000","leverage":"0","misc":"","trade_id":"#).int(fill.id);
    text.s(r#","maker":"#).s(if fill.maker { "true" } else { "false" });
    text.s("}");
}

fn fill_id(fill: &OwnFill) -> String {
    spot_id('T', fill.market, fill.id)
}

fn ledger_entry(text: &mut Text, row: &Row) {
    let asset = markets::asset(row.asset);
    text.s("\"").s(&row.name()).s(r#"":{"refid":"#).quoted(&row.refid).s(r#","time":"#);
    seconds(text, row.at_ms);
    text.s(r#","type":""#).s(row.kind).s(r#"","subtype":"","aclass":"currency","asset":""#).s(asset.internal);
    for (name, value) in [("amount", row.amount), ("fee", row.fee), ("balance", row.balance)] {
        text.s(r#"",""#).s(name).s(r#"":""#).s(&places(value, 10));
    }
    text.s("\"}");
}

/// How money of an asset travels.
fn method_of(asset: &str) -> &'static str {
    match asset {
        "BTC" => "Bitcoin",
        "ETH" => "Ether (Hex)",
        "USD" => "Bank Frick (SWIFT)",
        "USDT" => "Tether USD (TRC20)",
        _ => "Shiba Inu (ERC20)",
    }
}

fn movement_row(text: &mut Text, movement: &Movement) {
    let asset = markets::asset(movement.asset);
    text.s(r#"{"method":""#).s(method_of(movement.asset)).s(r#"","aclass":"currency","asset":""#);
    text.s(asset.internal).s(r#"","refid":""#).s(&movement_id(movement));
    let on_chain = !matches!(movement.status, MovementStatus::Pending | MovementStatus::Cancelled);
    text.s(r#"","txid":"#).s(&if on_chain { quoted(&movement.tx_id) } else { "null".into() });
    text.s(r#","info":""#).s(&movement.address);
    text.s(r#"","amount":""#).s(&places(movement.amount, asset.places.0));
    text.s(r#"","fee":""#).s(&places(movement.fee, asset.places.0));
    text.s(r#"","time":"#).int(movement.at_ms / 1000).s(r#","status":""#).s(match movement.status {
        MovementStatus::Pending => "Initial",
        MovementStatus::Confirming => "Pending",
        MovementStatus::Completed => "Success",
        MovementStatus::Failed | MovementStatus::Cancelled => "Failure",
    });
    text.s("\"");
    if movement.status == MovementStatus::Cancelled {
        text.s(r#","status-prop":"canceled""#);
    }
    text.s("}");
}

/// What a coin is worth in dollars by the last prices.
fn in_usd(world: &World, asset: &str) -> Decimal {
    let pair = world.markets().iter().find(|market| {
        market.spec.kind == Kind::Spot && market.spec.base == asset && market.spec.quote == "USD"
    });
    pair.map_or(Decimal::ONE, |market| market.spec.price(market.last_price()))
}

impl Kraken {
    pub(super) fn private_answer(
        &mut self,
        cx: &mut Context<'_>,
        method: &str,
        params: &Params,
    ) -> Result<Text, Refusal> {
        if matches!(method, "AddOrder" | "CancelOrder" | "CancelAll" | "CancelAllOrdersAfter") {
            return self.order_answer(cx, method, params);
        }
        // What is told of the ledger has to be in it.
        self.tell_account(cx);
        let world = &*cx.world;
        let account = world.account(self.user.owner).ok_or("EGeneral:Permission denied")?;
        let spec_of = |market: usize| world.markets()[market].spec;
        let is_spot = |market: usize| spec_of(market).kind == Kind::Spot;
        let mut text = Text::new();
        match method {
            "Balance" | "BalanceEx" => balances(&mut text, account, method == "BalanceEx"),
            "TradeBalance" => trade_balance(&mut text, world, account),
            "OpenOrders" | "ClosedOrders" | "QueryOrders" => {
                let mut orders: Vec<&Order> =
                    account.orders().filter(|order| is_spot(order.market)).collect();
                if let Some(own) = params.get("cl_ord_id") {
                    orders.retain(|order| order.client_id == own);
                }
                let entry = |text: &mut Text, order: &Order| order_entry(text, spec_of(order.market), order);
                match method {
                    "OpenOrders" => {
                        orders.retain(|order| order.status.is_open());
                        text.s(r#"{"open":"#);
                        entries(&mut text, &orders, entry);
                        text.s("}");
                    }
                    "ClosedOrders" => {
                        orders.retain(|order| !order.status.is_open());
                        let by_open = params.get("closetime") == Some("open");
                        let time = |order: &Order| if by_open { order.created_ms } else { order.updated_ms };
                        orders.sort_by_key(|order| std::cmp::Reverse((time(order), order.id)));
                        let page = page(params, orders, time, |order| spot_id('O', order.market, order.id))?;
                        text.s(r#"{"closed":"#);
                        entries(&mut text, &page.rows, entry);
                        counted(&mut text, params, page.count);
                    }
                    _ => {
                        let ids: Vec<&str> = params.get("txid").unwrap_or_default().split(',').collect();
                        if ids.len() > QUERY_MAX {
                            return Err(BAD_ARGUMENTS);
                        }
                        let wanted: Option<Vec<_>> = ids.iter().map(|id| parse_spot_id('O', id)).collect();
                        let wanted = wanted.ok_or("EOrder:Invalid order")?;
                        orders.retain(|order| wanted.contains(&(order.market, order.id)));
                        entries(&mut text, &orders, entry);
                    }
                }
            }
            "TradesHistory" => {
                let fills = account.fills().rev().filter(|fill| is_spot(fill.market)).collect();
                let page = page(params, fills, |fill: &OwnFill| fill.at_ms, fill_id)?;
                text.s(r#"{"trades":"#);
                entries(&mut text, &page.rows, |text, fill| fill_entry(text, spec_of(fill.market), fill));
                counted(&mut text, params, page.count);
            }
            "Ledgers" => {
                let asset = match params.get("asset").filter(|asset| *asset != "all") {
                    None => None,
                    Some(name) => Some(markets::find_asset(name).ok_or("EQuery:Unknown asset")?.code),
                };
                let kind = params.get("type").filter(|kind| *kind != "all");
                let meant = |row: &&Row| {
                    asset.is_none_or(|asset| row.asset == asset) && kind.is_none_or(|kind| row.kind == kind)
                };
                let rows = self.spot.ledger.rows().rev().filter(meant).collect();
                let page = page(params, rows, |row: &Row| row.at_ms, Row::name)?;
                text.s(r#"{"ledger":"#);
                entries(&mut text, &page.rows, ledger_entry);
                counted(&mut text, params, page.count);
            }
            "DepositStatus" => movements(&mut text, account, Way::Deposit, params)?,
            "WithdrawStatus" => movements(&mut text, account, Way::Withdrawal, params)?,
            "TradeVolume" => trade_volume(&mut text, world, account, params)?,
            // Nobody trades on margin here.
            "OpenPositions" => {
                text.s("{}");
            }
            _ => return Err("EGeneral:Unknown method"),
        }
        Ok(text)
    }
}

/// Ends a page with how many rows there are, unless that is not wanted.
fn counted(text: &mut Text, params: &Params, count: usize) {
    if !params.flag("without_count") {
        text.s(r#","count":"#).s(&count.to_string());
    }
    text.s("}");
}

fn balances(text: &mut Text, account: &Account, extended: bool) {
    let spot = account.cash().filter(|(wallet, ..)| *wallet == Wallet::Spot);
    for (at, (_, asset, cash)) in spot.enumerate() {
        let names = markets::asset(asset);
        text.s(if at == 0 { "{\"" } else { ",\"" }).s(names.internal).s("\":");
        let amount = |value| places(value, names.places.0.max(8));
        if extended {
            text.s(r#"{"balance":""#).s(&amount(cash.total));
            text.s(r#"","hold_trade":""#).s(&amount(cash.locked)).s("\"}");
        } else {
            text.s("\"").s(&amount(cash.total)).s("\"");
        }
    }
    text.s("}");
}

fn trade_balance(text: &mut Text, world: &World, account: &Account) {
    let spot = account.cash().filter(|(wallet, ..)| *wallet == Wallet::Spot);
    let (mut all, mut free) = (Decimal::ZERO, Decimal::ZERO);
    for (_, asset, cash) in spot {
        all += cash.total * in_usd(world, asset);
        free += cash.free() * in_usd(world, asset);
    }
    for (at, (name, value)) in [
        ("eb", all),
        ("tb", all),
        ("m", Decimal::ZERO),
        ("n", Decimal::ZERO),
        ("c", Decimal::ZERO),
        ("v", Decimal::ZERO),
        ("e", all),
        ("mf", free),
        ("uv", Decimal::ZERO),
    ]
    .into_iter()
    .enumerate()
    {
        text.s(if at == 0 { "{\"" } else { ",\"" }).s(name).s("\":\"").s(&places(value, 4)).s("\"");
    }
    text.s("}");
}

/// Deposits or withdrawals, the newest first: a list, or pages of one that a cursor joins.
fn movements(text: &mut Text, account: &Account, way: Way, params: &Params) -> Result<(), Refusal> {
    let asset = match params.get("asset") {
        None => None,
        Some(name) => Some(markets::find_asset(name).ok_or("EQuery:Unknown asset")?.code),
    };
    let edge = |name| params.get(name).map(|text| text.parse::<i64>().map_err(|_| BAD_ARGUMENTS)).transpose();
    let (start, end) = (edge("start")?, edge("end")?);
    let limit = params.get("limit").map_or(Ok(MOVES.0), |text| text.parse().map_err(|_| BAD_ARGUMENTS))?;
    if !(1..=MOVES.1).contains(&limit) {
        return Err(BAD_ARGUMENTS);
    }
    let paged = params.get("cursor").filter(|cursor| *cursor != "false");
    let before = match paged {
        None | Some("true") => None,
        Some(id) => Some(parse_spot_id('F', id).ok_or(BAD_ARGUMENTS)?.1),
    };
    let mut rows: Vec<&Movement> = account
        .movements()
        .filter(|movement| {
            let at = movement.at_ms / 1000;
            movement.way == way
                && asset.is_none_or(|asset| movement.asset == asset)
                && start.is_none_or(|start| at >= start)
                && end.is_none_or(|end| at <= end)
                && before.is_none_or(|before| movement.id < before)
        })
        .collect();
    rows.reverse();
    let more = rows.len() > limit;
    rows.truncate(limit);
    if paged.is_some() {
        text.s(if way == Way::Deposit { r#"{"deposits":"# } else { r#"{"withdrawals":"# });
    }
    text.s("[");
    for (at, movement) in rows.iter().enumerate() {
        text.s(if at == 0 { "" } else { "," });
        movement_row(text, movement);
    }
    text.s("]");
    if paged.is_some() {
        let next = rows.last().filter(|_| more).map(|movement| quoted(&movement_id(movement)));
        text.s(r#","next_cursor":"#).s(next.as_deref().unwrap_or("null")).s("}");
    }
    Ok(())
}

fn trade_volume(text: &mut Text, world: &World, account: &Account, params: &Params) -> Result<(), Refusal> {
    let pairs: Vec<usize> = match params.get("pair") {
        None => Vec::new(),
        Some(list) => list.split(',').map(|name| find_pair(world, name)).collect::<Result<_, _>>()?,
    };
    let usd = |fill: &OwnFill| {
        let spec = world.markets()[fill.market].spec;
        if spec.kind == Kind::Spot { spec.value(fill.price, fill.qty) } else { Decimal::ZERO }
    };
    let volume: Decimal = account.fills().map(usd).sum();
    text.s(r#"{"currency":"ZUSD","volume":""#).s(&places(volume, 4)).s("\"");
    for (name, maker) in [("fees", false), ("fees_maker", true)] {
        if pairs.is_empty() {
            break;
        }
        text.s(",\"").s(name).s("\":{");
        for (at, &pair) in pairs.iter().enumerate() {
            let spec = world.markets().get(pair).ok_or(NO_PAIR)?.spec;
            let fee: Decimal = percent(spec.fee_rate(maker)).parse().expect("it was just written");
            text.s(if at == 0 { "\"" } else { ",\"" }).s(spec.native).s(r#"":{"fee":""#).s(&places(fee, 4));
            text.s(r#"","minfee":"0.0000","maxfee":""#).s(&places(fee, 4));
            text.s(r#"","nextfee":null,"nextvolume":null,"tiervolume":""#).padded(0, scale(4)).s("\"}");
        }
        text.s("}");
    }
    text.s("}");
    Ok(())
}

//! The account's feeds: orders in the book, fills, positions, wallets.

use rust_decimal::Decimal;
use venuekit_types::{Kind, Side};

use crate::engine::Tif;
use crate::kraken::Kraken;
use crate::kraken::futures::account::{Standing, rows};
use crate::kraken::futures::events::{kind_word, order_id, signal};
use crate::kraken::futures::public::field;
use crate::kraken::futures::rest::contracts;
use crate::kraken::futures::socket::Feed;
use crate::kraken::names::{Uid, uid};
use crate::kraken::number::float;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Account, News, Order, OrderKind, OwnFill, Status};
use crate::world::World;

/// Fills of a snapshot.
const FILLS_MAX: usize = 100;

/// An order in the book, as the feed tells it: the quantity is what is left.
fn order(text: &mut Text, spec: &Spec, order: &Order) {
    text.s(r#"{"instrument":""#).s(spec.native).s(r#"","time":"#).int(order.created_ms);
    text.s(r#","last_update_time":"#).int(order.updated_ms);
    field(text, "qty", spec.qty(order.left()));
    field(text, "filled", spec.qty(order.filled));
    field(text, "limit_price", order.price.map_or(Decimal::ZERO, |price| spec.price(price)));
    field(text, "stop_price", order.stop.map_or(Decimal::ZERO, |stop| spec.price(stop.price)));
    let kind = match kind_word(order) {
        "stp" => "stop",
        "take_profit" => "take_profit",
        _ => "limit",
    };
    text.s(r#","type":""#).s(kind).s(r#"","order_id":""#).s(&order_id(order)).s("\"");
    if !order.client_id.is_empty() {
        text.s(r#","cli_ord_id":"#).quoted(&order.client_id);
    }
    text.s(r#","direction":"#).s(if order.side == Side::Buy { "0" } else { "1" });
    text.s(r#","reduce_only":"#).s(if order.reduce_only { "true" } else { "false" });
    if let Some(stop) = order.stop {
        text.s(r#","triggerSignal":""#).s(signal(stop.trigger)).s("\"");
    }
    text.s("}");
}

fn fill(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    text.s(r#"{"instrument":""#).s(spec.native).s(r#"","time":"#).int(fill.at_ms);
    field(text, "price", spec.price(fill.price));
    text.s(r#","seq":"#).int(fill.id);
    text.s(r#","buy":"#).s(if fill.order.side == Side::Buy { "true" } else { "false" });
    field(text, "qty", spec.qty(fill.qty));
    field(text, "remaining_order_qty", spec.qty(fill.order.left()));
    text.s(r#","order_id":""#).s(&order_id(&fill.order)).s("\"");
    if !fill.order.client_id.is_empty() {
        text.s(r#","cli_ord_id":"#).quoted(&fill.order.client_id);
    }
    text.s(r#","fill_id":""#).s(&uid(Uid::Fill, fill.market, fill.id)).s(r#"","fill_type":""#);
    text.s(if fill.maker { "maker\"" } else { "taker\"" });
    field(text, "fee_paid", fill.fee);
    text.s(r#","fee_currency":""#).s(spec.money()).s(r#"","order_type":""#);
    text.s(if fill.order.kind == OrderKind::Market { "market\"}" } else { "limit\"}" });
}

/// The reason that the feed gives for news of an order; nothing for orders that never stand in the book.
fn reason(order: &Order) -> Option<&'static str> {
    let stands = order.tif == Tif::Gtc || order.kind.waits();
    stands.then_some(match order.status {
        Status::Untriggered | Status::New if order.created_ms == order.updated_ms => {
            "new_placed_order_by_user"
        }
        Status::New if order.stop.is_some() => "stop_order_triggered",
        Status::Untriggered | Status::New => "edited_by_user",
        Status::PartiallyFilled => "partial_fill",
        Status::Filled => "full_fill",
        Status::Cancelled => "cancelled_by_user",
        Status::Expired => "not_enough_margin",
    })
}

fn positions(text: &mut Text, world: &World, account: &Account) {
    let marks = world.marks();
    let held = contracts(world).filter(|(at, _)| account.position(*at).qty != 0);
    rows(text, held, |text, (at, market)| {
        let (spec, position) = (market.spec, account.position(at));
        let margin = account.position_margin(at);
        let pnl = position.unrealised(spec, market.reference.mark);
        text.s(r#"{"instrument":""#).s(spec.native).s("\"");
        field(text, "balance", spec.qty(position.qty));
        field(text, "pnl", pnl);
        field(text, "entry_price", position.entry_price(spec));
        field(text, "mark_price", spec.price(market.reference.mark));
        field(text, "index_price", spec.price(market.reference.index));
        field(text, "liquidation_threshold", account.liquidation_price(at, &marks));
        field(text, "return_on_equity", pnl.checked_div(margin).unwrap_or_default().round_dp(6));
        field(text, "unrealized_funding", Decimal::ZERO);
        field(text, "initial_margin", margin);
        let orders = account.order_margin(at, Side::Buy) + account.order_margin(at, Side::Sell);
        field(text, "initial_margin_with_orders", margin + orders);
        field(text, "maintenance_margin", position.entry_value * account.rates(at).1);
        text.s(r#","pnl_currency":""#).s(spec.money()).s("\"}");
    });
}

fn balances(text: &mut Text, world: &World, account: &Account) {
    let (usd, btc) = (Standing::of(world, account, "USD"), Standing::of(world, account, "BTC"));
    text.s(r#""holding":{},"futures":{"F-XBT:USD":{"name":"F-XBT:USD","pair":"XBT/USD","unit":"XBT""#);
    for (name, value) in [
        ("portfolio_value", btc.equity()),
        ("balance", btc.total),
        ("maintenance_margin", btc.maintenance),
        ("initial_margin", btc.margin.position + btc.margin.order),
        ("available", btc.margin.available),
        ("unrealized_funding", Decimal::ZERO),
        ("pnl", btc.margin.unrealised),
    ] {
        field(text, name, value);
    }
    text.s(r#"}},"flex_futures":{"currencies":{"USD":{"quantity":"#);
    float(text, usd.total);
    field(text, "value", usd.total);
    field(text, "collateral_value", usd.total);
    field(text, "available", usd.margin.available);
    text.s(r#","haircut":0.0,"conversion_spread":0.0}}"#);
    for (name, value) in [
        ("balance_value", usd.total),
        ("portfolio_value", usd.equity()),
        ("collateral_value", usd.total),
        ("initial_margin", usd.margin.position + usd.margin.order),
        ("initial_margin_without_orders", usd.margin.position),
        ("maintenance_margin", usd.maintenance),
        ("pnl", usd.margin.unrealised),
        ("unrealized_funding", Decimal::ZERO),
        ("total_unrealized", usd.margin.unrealised),
        ("total_unrealized_as_margin", usd.margin.unrealised),
        ("margin_equity", usd.equity()),
        ("available_margin", usd.margin.available),
    ] {
        field(text, name, value);
    }
    text.s("}");
}

impl Kraken {
    /// Writes the whole state of a feed of the account; `first` says that it answers a subscription.
    pub(super) fn own_state(&mut self, cx: &Context<'_>, feed: Feed, first: bool) {
        let Some(account) = cx.world.account(self.user.owner) else { return };
        let (world, text) = (&*cx.world, &mut self.text);
        let whole = first && feed != Feed::OpenPositions;
        text.s(r#"{"feed":""#).s(feed.word()).s(if whole { "_snapshot" } else { "" });
        text.s(r#"","account":""#).s(&account.user.to_string()).s("\",");
        let is_contract = |market: usize| world.markets()[market].spec.kind != Kind::Spot;
        match feed {
            Feed::OpenOrders => {
                text.s(r#""orders":"#);
                let open = account.open_orders().filter(|order| is_contract(order.market));
                rows(text, open, |text, one| order(text, world.markets()[one.market].spec, one));
            }
            Feed::Fills => {
                text.s(r#""fills":"#);
                let fills = account.fills().rev().filter(|fill| is_contract(fill.market)).take(FILLS_MAX);
                rows(text, fills, |text, own| fill(text, world.markets()[own.market].spec, own));
            }
            Feed::OpenPositions => {
                text.s(r#""positions":"#);
                positions(text, world, account);
                text.s(r#","timestamp":"#).int(world.wall_ms(cx.now.mono));
            }
            _ => {
                balances(text, world, account);
                text.s(r#","timestamp":"#).int(world.wall_ms(cx.now.mono));
            }
        }
        text.s("}");
    }

    /// Tells the news that concern contracts.
    pub(in crate::kraken) fn futures_news(&mut self, cx: &mut Context<'_>, news: &[News]) {
        let mut filled = false;
        for one in news {
            let (change, own) = match one {
                News::Order(order) => (order, None),
                News::Fill(fill) => (&fill.order, Some(fill)),
                News::Cash => continue,
            };
            let spec = cx.world.markets()[change.market].spec;
            if spec.kind == Kind::Spot {
                continue;
            }
            filled |= own.is_some();
            if let Some(own) = own.filter(|_| self.futures.has(Feed::Fills)) {
                self.text.s(r#"{"feed":"fills","username":"demo","fills":["#);
                fill(&mut self.text, spec, own);
                self.text.s("]}");
                self.futures_broadcast(cx, Feed::Fills);
            }
            let Some(reason) = reason(change).filter(|_| self.futures.has(Feed::OpenOrders)) else {
                continue;
            };
            let gone = !change.status.is_open();
            self.text.s(r#"{"feed":"open_orders","#);
            if gone && change.status != Status::Filled {
                self.text.s(r#""order_id":""#).s(&order_id(change)).s("\"");
                if !change.client_id.is_empty() {
                    self.text.s(r#","cli_ord_id":"#).quoted(&change.client_id);
                }
            } else {
                self.text.s(r#""order":"#);
                order(&mut self.text, spec, change);
            }
            self.text.s(r#","is_cancel":"#).s(if gone { "true" } else { "false" });
            self.text.s(r#","reason":""#).s(reason).s("\"}");
            self.futures_broadcast(cx, Feed::OpenOrders);
        }
        for feed in [Feed::OpenPositions, Feed::Balances] {
            if filled && self.futures.has(feed) {
                self.own_state(cx, feed, false);
                self.futures_broadcast(cx, feed);
            }
        }
    }
}

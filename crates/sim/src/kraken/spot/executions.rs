//! The account's own channels: orders and fills as they happen, and the rows of its ledger.
//!
//! Each message of a channel has the next number of its connection.

use std::collections::BTreeSet;

use bytes::Bytes;
use rust_decimal::Decimal;
use venuekit_types::Kind;

use crate::engine::Tif;
use crate::kraken::Kraken;
use crate::kraken::markets;
use crate::kraken::names::spot_id;
use crate::kraken::number::{float, micros, padded};
use crate::kraken::spot::ledger::Row;
use crate::kraken::spot::orders::kind_word;
use crate::kraken::spot::public::side;
use crate::kraken::spot::socket::{Ask, Topic};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{News, Order, OwnFill, Status, Trigger, Wallet};
use crate::world::World;

/// Fills of a snapshot.
const TRADES: usize = 50;

/// A field that holds a float, with the comma before it.
fn amount(text: &mut Text, name: &str, value: Decimal) {
    text.s(",\"").s(name).s("\":");
    float(text, value);
}

/// What all events of an order begin with.
fn head(text: &mut Text, spec: &Spec, order: &Order, exec: &str, status: &str, at_ms: i64) {
    text.s(r#"{"order_id":""#).s(&spot_id('O', order.market, order.id)).s("\"");
    if !order.client_id.is_empty() {
        text.s(r#","cl_ord_id":"#).quoted(&order.client_id);
    }
    text.s(r#","symbol":""#).s(spec.symbol).s(r#"","side":""#).s(side(order.side));
    text.s(r#"","order_type":""#).s(kind_word(order.kind)).s(r#"","order_userref":0,"exec_type":""#).s(exec);
    text.s(r#"","order_status":""#).s(status).s(r#"","timestamp":"#);
    micros(text, at_ms);
}

/// What was filled of an order so far.
fn so_far(text: &mut Text, spec: &Spec, order: &Order) {
    text.s(r#","cum_qty":"#);
    padded(text, order.filled, spec.qty_scale);
    amount(text, "cum_cost", order.value);
    amount(text, "avg_price", order.average(spec));
}

/// An order with its terms.
fn terms(text: &mut Text, spec: &Spec, order: &Order, exec: &str, status: &str, at_ms: i64) {
    head(text, spec, order, exec, status, at_ms);
    text.s(r#","order_qty":"#);
    padded(text, order.qty, spec.qty_scale);
    if let Some(price) = order.price {
        text.s(r#","limit_price":"#);
        padded(text, price, spec.price_scale);
    }
    if let Some(stop) = order.stop {
        let reference = if stop.trigger == Trigger::Index { "index" } else { "last" };
        text.s(r#","triggers":{"reference":""#).s(reference).s(r#"","price":"#);
        padded(text, stop.price, spec.price_scale);
        text.s(r#","price_type":"static","status":""#);
        text.s(if order.status == Status::Untriggered { "untriggered\"}" } else { "triggered\"}" });
    }
    text.s(r#","time_in_force":""#).s(match order.tif {
        Tif::Gtc => "GTC",
        Tif::Ioc => "IOC",
        Tif::Fok => "FOK",
    });
    text.s(r#"","post_only":"#).s(if order.post_only { "true" } else { "false" });
    text.s(r#","reduce_only":false,"fee_ccy_pref":"fciq""#);
    so_far(text, spec, order);
    text.s("}");
}

fn fill(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    head(text, spec, &fill.order, "trade", "partially_filled", fill.at_ms);
    text.s(r#","exec_id":""#).s(&spot_id('T', fill.market, fill.id)).s(r#"","trade_id":"#).int(fill.id);
    text.s(r#","last_qty":"#);
    padded(text, fill.qty, spec.qty_scale);
    text.s(r#","last_price":"#);
    padded(text, fill.price, spec.price_scale);
    amount(text, "cost", spec.value(fill.price, fill.qty));
    text.s(if fill.maker { r#","liquidity_ind":"m""# } else { r#","liquidity_ind":"t""# });
    text.s(r#","fees":[{"asset":""#).s(fill.order.fee_asset(spec)).s(r#"","qty":"#);
    float(text, fill.fee);
    text.s("}]");
    amount(text, "fee_usd_equiv", fill.fee);
    so_far(text, spec, &fill.order);
    text.s("}");
}

/// Where an order stands, in the words of the channel.
fn status_word(order: &Order) -> &'static str {
    match order.status {
        Status::Untriggered | Status::New => "new",
        Status::PartiallyFilled => "partially_filled",
        Status::Filled => "filled",
        Status::Cancelled | Status::Expired => "canceled",
    }
}

/// The events that an order's news are: one that is taken in is pending before it is new.
fn events(data: &mut Vec<String>, spec: &Spec, order: &Order, seen: &mut BTreeSet<(usize, u64)>) {
    let mut add = |write: &dyn Fn(&mut Text)| {
        let mut text = Text::new();
        write(&mut text);
        data.push(text.into_string());
    };
    let at_ms = order.updated_ms;
    match order.status {
        Status::New | Status::Untriggered
            if order.created_ms == at_ms && seen.insert((order.market, order.id)) =>
        {
            add(&|text| terms(text, spec, order, "pending_new", "pending_new", at_ms));
            add(&|text| terms(text, spec, order, "new", "new", at_ms));
        }
        Status::Cancelled | Status::Expired => add(&|text| {
            head(text, spec, order, "canceled", "canceled", at_ms);
            let reason =
                if order.status == Status::Cancelled { "User requested" } else { "Not filled at once" };
            text.s(r#","reason":""#).s(reason).s("\"");
            so_far(text, spec, order);
            text.s("}");
        }),
        _ => add(&|text| terms(text, spec, order, "restated", status_word(order), at_ms)),
    }
}

fn balance_rows(data: &mut Vec<String>, rows: &[Row]) {
    for row in rows {
        let mut text = Text::new();
        text.s(r#"{"ledger_id":""#).s(&row.name()).s(r#"","ref_id":""#).s(&row.refid).s(r#"","timestamp":"#);
        micros(&mut text, row.at_ms);
        text.s(r#","type":""#).s(row.kind).s(r#"","subtype":"","category":""#).s(row.kind);
        text.s(r#"","asset":""#)
            .s(row.asset)
            .s(r#"","asset_class":"currency","wallet_type":"spot","wallet_id":"main""#);
        amount(&mut text, "amount", row.amount);
        amount(&mut text, "fee", row.fee);
        amount(&mut text, "balance", row.balance);
        text.s("}");
        data.push(text.into_string());
    }
}

impl Kraken {
    pub(super) fn executions_snapshot(&mut self, cx: &mut Context<'_>, conn: u64, ask: &Ask<'_>) {
        let (orders, trades) = (ask.flag("snap_orders", false), ask.flag("snap_trades", false));
        let Some(account) = cx.world.account(self.user.owner) else { return };
        let spec_of = |world: &World, market: usize| world.markets()[market].spec;
        let mut data = Vec::new();
        if orders {
            let open =
                account.open_orders().filter(|order| spec_of(cx.world, order.market).kind == Kind::Spot);
            for order in open {
                let mut text = Text::new();
                let status = status_word(order);
                terms(&mut text, spec_of(cx.world, order.market), order, "new", status, order.updated_ms);
                data.push(text.into_string());
            }
        }
        if trades {
            let fills =
                account.fills().rev().filter(|fill| spec_of(cx.world, fill.market).kind == Kind::Spot);
            for one in fills.take(TRADES) {
                let mut text = Text::new();
                fill(&mut text, spec_of(cx.world, one.market), one);
                data.push(text.into_string());
            }
        }
        if orders || trades {
            self.send_own(cx, conn, Topic::Executions, "snapshot", &data);
        }
    }

    pub(super) fn balances_snapshot(&mut self, cx: &mut Context<'_>, conn: u64) {
        let Some(account) = cx.world.account(self.user.owner) else { return };
        let spot = account.cash().filter(|(wallet, ..)| *wallet == Wallet::Spot);
        let rows = spot.map(|(_, asset, cash)| {
            let mut text = Text::new();
            text.s(r#"{"asset":""#).s(markets::asset(asset).code).s(r#"","asset_class":"currency""#);
            amount(&mut text, "balance", cash.total);
            text.s(r#","wallets":[{"type":"spot","id":"main""#);
            amount(&mut text, "balance", cash.total);
            text.s("}]}");
            text.into_string()
        });
        let data: Vec<String> = rows.collect();
        self.send_own(cx, conn, Topic::Balances, "snapshot", &data);
    }

    /// Sends a message of a private channel, with the connection's next number.
    fn send_own(&mut self, cx: &mut Context<'_>, conn: u64, topic: Topic, kind: &str, data: &[String]) {
        let Some(state) = self.spot.conns.get_mut(&conn) else { return };
        let sequence = &mut state.sequences[usize::from(topic == Topic::Balances)];
        *sequence += 1;
        let sequence = *sequence;
        let name = topic.name(cx.world);
        let text = format!(
            r#"{{"channel":"{name}","type":"{kind}","data":[{}],"sequence":{sequence}}}"#,
            data.join(",")
        );
        self.mark_told(cx, conn);
        if kind == "snapshot" {
            cx.out.send_snapshot(cx.now, conn, &name, Bytes::from(text));
        } else {
            cx.out.send(cx.now, conn, Some(&name), Bytes::from(text));
        }
    }

    fn tell_own(&mut self, cx: &mut Context<'_>, topic: Topic, data: &[String]) {
        if data.is_empty() {
            return;
        }
        for conn in self.spot.listeners(topic) {
            self.send_own(cx, conn, topic, "update", data);
        }
    }

    /// Books the account's news and tells those that concern spot.
    pub(in crate::kraken) fn spot_news(&mut self, cx: &mut Context<'_>, news: &[News]) {
        let markets = cx.world.markets();
        let Some(account) = cx.world.account(self.user.owner) else { return };
        let at_ms = cx.world.wall_ms(cx.now.mono);
        let added = self.spot.ledger.sync(account, markets, news, at_ms);
        let mut data = Vec::new();
        let mut seen = BTreeSet::new();
        for one in news {
            match one {
                News::Order(order) if markets[order.market].spec.kind == Kind::Spot => {
                    events(&mut data, markets[order.market].spec, order, &mut seen);
                }
                News::Fill(own) if markets[own.market].spec.kind == Kind::Spot => {
                    let spec = markets[own.market].spec;
                    let mut text = Text::new();
                    fill(&mut text, spec, own);
                    data.push(text.into_string());
                    if own.order.status == Status::Filled {
                        let mut text = Text::new();
                        head(&mut text, spec, &own.order, "filled", "filled", own.at_ms);
                        so_far(&mut text, spec, &own.order);
                        text.s("}");
                        data.push(text.into_string());
                    }
                }
                News::Order(_) | News::Fill(_) | News::Cash => {}
            }
        }
        self.tell_own(cx, Topic::Executions, &data);
        let rows: Vec<Row> = self.spot.ledger.rows().rev().take(added).cloned().collect();
        let mut data = Vec::new();
        balance_rows(&mut data, &rows.into_iter().rev().collect::<Vec<_>>());
        self.tell_own(cx, Topic::Balances, &data);
    }
}

//! The account's own streams: orders and fills as they happen, balances and positions after them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rust_decimal::Decimal;
use venuekit_types::Mono;

use crate::binance::answers::rows;
use crate::binance::events::{amount, field, flag};
use crate::binance::orders::{client_id, kind, price_field, qty_field, side, status, time_in_force};
use crate::binance::params::Refusal;
use crate::binance::wsapi::terminated;
use crate::binance::{Binance, Product, futures, positions, streams};
use crate::engine::Owner;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::{Context, User};
use crate::wallets::{Account, DONE_MAX, News, Order, OwnFill, Status, Wallet};
use crate::world::World;

/// Cancels whose ids wait to be told.
const CANCELS_MAX: usize = 2_000;

/// A cell of cash as it was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    total: Decimal,
    locked: Decimal,
    realised: Decimal,
}

/// What was told of the account, and what opens its futures stream.
#[derive(Clone, Debug)]
pub(super) struct UserState {
    owner: Owner,
    pub(super) listen_key: Option<ListenKey>,
    /// Tokens that open the margin streams: the API key that made each, its wallet, and when it expires.
    pub(super) tokens: BTreeMap<String, (String, Wallet, Mono)>,
    told: BTreeMap<(Wallet, &'static str), Cell>,
    cancels: BTreeMap<(usize, u64), String>,
    /// The futures order that was changed and not told yet.
    amended: Option<(usize, u64)>,
    /// Conditional futures orders that went off, the latest.
    pub(super) triggered: BTreeSet<(usize, u64)>,
    news: Vec<News>,
    /// Counts what is told of spot orders.
    executions: u64,
}

/// What opens the futures stream to whoever has it.
#[derive(Clone, Debug)]
pub(super) struct ListenKey {
    text: String,
    /// The API key that made it.
    maker: String,
    /// When it expires.
    until: Mono,
}

impl UserState {
    pub(super) fn new(world: &World, user: &User) -> UserState {
        let told = world.account(user.owner).map(cells).unwrap_or_default();
        UserState {
            owner: user.owner,
            listen_key: None,
            tokens: BTreeMap::new(),
            told,
            cancels: BTreeMap::new(),
            amended: None,
            triggered: BTreeSet::new(),
            news: Vec::new(),
            executions: 0,
        }
    }

    pub(super) fn listens(&self, key: &str) -> bool {
        self.listen_key.as_ref().is_some_and(|listen| listen.text == key)
    }

    /// Keeps the id that a cancel was sent under until its order's end is told.
    pub(super) fn note_cancel(&mut self, key: (usize, u64), cancel_id: &str) {
        if self.cancels.len() == CANCELS_MAX {
            self.cancels.pop_first();
        }
        self.cancels.insert(key, cancel_id.to_string());
    }

    /// Keeps that an order was changed until its new state is told.
    pub(super) fn note_amended(&mut self, key: (usize, u64)) {
        self.amended = Some(key);
    }

    /// Remembers that a conditional order has become an order like others.
    fn note_triggered(&mut self, key: (usize, u64)) {
        if self.triggered.len() == DONE_MAX {
            self.triggered.pop_first();
        }
        self.triggered.insert(key);
    }
}

fn cells(account: &Account) -> BTreeMap<(Wallet, &'static str), Cell> {
    let cell = |(wallet, asset, cash): (Wallet, &'static str, crate::wallets::Cash)| {
        let cell = Cell { total: cash.total, locked: cash.locked, realised: cash.realised };
        ((wallet, asset), cell)
    };
    account.cash().map(cell).collect()
}

/// What happened to an order, as a word, and the fill if there was one.
fn execution(order: &Order, fill: Option<&OwnFill>) -> &'static str {
    match (fill, order.status) {
        (Some(_), _) => "TRADE",
        (None, Status::Cancelled) => "CANCELED",
        (None, Status::Expired) => "EXPIRED",
        (None, _) => "NEW",
    }
}

/// A spot order's event. On a cancel `c` is the cancel's id, and `C` the order's own.
pub(super) fn execution_report(
    text: &mut Text,
    spec: &Spec,
    order: &Order,
    fill: Option<&OwnFill>,
    (cancel_id, number, at_ms): (Option<&str>, u64, i64),
) {
    let own = client_id(order);
    text.s(r#"{"e":"executionReport","E":"#).int(at_ms);
    field(text, "s", spec.native);
    text.s(r#","c":"#).quoted(cancel_id.unwrap_or(&own));
    field(text, "S", side(order.side));
    field(text, "o", kind(order, Product::Spot));
    field(text, "f", time_in_force(order, Product::Spot));
    qty_field(text, "q", spec, order.qty);
    price_field(text, "p", spec, order.price);
    price_field(text, "P", spec, order.stop.map(|stop| stop.price));
    field(text, "F", "0.00000000");
    text.s(r#","g":-1,"C":"#).quoted(if cancel_id.is_some() { &own } else { "" });
    let what = execution(order, fill);
    field(text, "x", what);
    field(text, "X", status(order.status));
    field(text, "r", "NONE");
    text.s(r#","i":"#).int(order.id);
    qty_field(text, "l", spec, fill.map_or(0, |fill| fill.qty));
    qty_field(text, "z", spec, order.filled);
    price_field(text, "L", spec, fill.map(|fill| fill.price));
    match fill {
        Some(fill) => {
            field(text, "n", &amount(fill.fee));
            field(text, "N", order.fee_asset(spec));
        }
        None => {
            text.s(r#","n":"0","N":null"#);
        }
    }
    text.s(r#","T":"#).int(order.updated_ms).s(r#","t":"#).int(fill.map_or(-1, |fill| i128::from(fill.id)));
    text.s(r#","v":0,"I":"#).int(number);
    let rests = matches!(order.status, Status::New | Status::PartiallyFilled);
    text.s(r#","w":"#).s(flag(rests));
    text.s(r#","m":"#).s(flag(fill.is_some_and(|fill| fill.maker)));
    text.s(r#","M":"#).s(flag(fill.is_some()));
    text.s(r#","O":"#).int(order.created_ms);
    field(text, "Z", &amount(order.value));
    field(text, "Y", &amount(fill.map_or(Decimal::ZERO, |fill| spec.value(fill.price, fill.qty))));
    field(text, "Q", "0.00000000");
    text.s(r#","W":"#).int(order.created_ms);
    field(text, "V", "NONE");
    if what == "EXPIRED" {
        field(text, "eR", "INSUFFICIENT_LIQUIDITY");
    }
    text.s("}");
}

impl Binance {
    /// Tells what happened to the account since the last step.
    pub(super) fn tell_account(&mut self, cx: &mut Context<'_>) {
        let mut news = std::mem::take(&mut self.state.news);
        if let Some(account) = cx.world.account_mut(self.state.owner) {
            account.drain_news(&mut news);
        }
        if !news.is_empty() {
            let (mut traded, mut positions) = (BTreeSet::new(), BTreeSet::new());
            for one in &news {
                match one {
                    News::Order(order) => self.tell_order(cx, order, None),
                    News::Fill(fill) => {
                        self.tell_order(cx, &fill.order, Some(fill));
                        if Product::of(cx.world.markets()[fill.market].spec) == Product::Usdm {
                            traded.insert(Wallet::Futures);
                            positions.insert(fill.market);
                        } else {
                            traded.insert(fill.order.wallet);
                        }
                    }
                    News::Cash => {}
                }
            }
            self.tell_balances(cx, &traded, &positions);
            news.clear();
        }
        self.state.news = news;
    }

    /// Tells an order, with its fill if there was one.
    fn tell_order(&mut self, cx: &mut Context<'_>, order: &Order, fill: Option<&OwnFill>) {
        let (spec, at_ms) = (cx.world.markets()[order.market].spec, order.updated_ms);
        let key = (order.market, order.id);
        let cancel_id = match order.status {
            Status::Cancelled if fill.is_none() => self.state.cancels.remove(&key),
            _ => None,
        };
        if Product::of(spec) == Product::Usdm {
            return self.tell_futures_order(cx, spec, order, fill);
        }
        if order.status == Status::Filled {
            self.order_counts.release(Product::Spot, cx.world.wall_ms(cx.now.mono));
        }
        self.state.executions += 1;
        // What the venue cancelled by itself has an id of the venue's own.
        let cancel_id = match (cancel_id, execution(order, fill)) {
            (None, "CANCELED") => Some(format!("web_cancel_{}", order.id)),
            (id, _) => id,
        };
        let about = (cancel_id.as_deref(), self.state.executions, at_ms);
        execution_report(&mut self.text, spec, order, fill, about);
        self.tell_subscribers(cx, order.wallet, "executionReport");
    }

    fn tell_futures_order(
        &mut self,
        cx: &mut Context<'_>,
        spec: &Spec,
        order: &Order,
        fill: Option<&OwnFill>,
    ) {
        if let Some(fill) = fill {
            futures::trade_lite(&mut self.text, spec, fill);
            self.tell_listeners(cx, "TRADE_LITE");
        }
        let goes_off = order.kind.waits() && fill.is_none() && order.status == Status::New;
        if goes_off {
            self.state.note_triggered((order.market, order.id));
        }
        if goes_off || (self.is_algo(order) && fill.is_none()) {
            futures::algo_update(&mut self.text, spec, order, goes_off);
            self.tell_listeners(cx, "ALGO_UPDATE");
        }
        if !self.is_algo(order) {
            let is_amended = |key: &mut (usize, u64)| *key == (order.market, order.id) && fill.is_none();
            let what = match self.state.amended.take_if(is_amended) {
                Some(_) if order.status.is_open() => "AMENDMENT",
                _ => execution(order, fill),
            };
            futures::order_update(&mut self.text, spec, order, fill, what);
            self.tell_listeners(cx, "ORDER_TRADE_UPDATE");
        }
    }

    /// Tells the balances that changed, and with those of futures the positions that were traded.
    fn tell_balances(
        &mut self,
        cx: &mut Context<'_>,
        traded: &BTreeSet<Wallet>,
        positions: &BTreeSet<usize>,
    ) {
        let Some(account) = cx.world.account(self.state.owner) else { return };
        let (cells, at_ms) = (cells(account), cx.world.wall_ms(cx.now.mono));
        let told = std::mem::take(&mut self.state.told);
        let changed: Vec<(Wallet, &'static str, Cell, Cell)> = cells
            .iter()
            .map(|(key, cell)| (key.0, key.1, told.get(key).copied().unwrap_or_default(), *cell))
            .filter(|(_, _, was, is)| was != is)
            .collect();
        self.state.told = cells;
        let wallets: BTreeSet<Wallet> = changed.iter().map(|(wallet, ..)| *wallet).collect();
        for wallet in wallets.into_iter().filter(|wallet| *wallet != Wallet::Futures) {
            let own: Vec<_> = changed.iter().filter(|cell| cell.0 == wallet).collect();
            for (_, asset, was, is) in &own {
                // What a trade moved is told with it; what came or went is told by itself.
                if was.total != is.total && !traded.contains(&wallet) {
                    self.text.s(r#"{"e":"balanceUpdate","E":"#).int(at_ms);
                    field(&mut self.text, "a", asset);
                    field(&mut self.text, "d", &amount(is.total - was.total));
                    self.text.s(r#","T":"#).int(at_ms).s("}");
                    self.tell_subscribers(cx, wallet, "balanceUpdate");
                }
            }
            self.text.s(r#"{"e":"outboundAccountPosition","E":"#).int(at_ms).s(r#","u":"#).int(at_ms);
            self.text.s(r#","B":"#);
            rows(&mut self.text, own, |text, (_, asset, _, is)| {
                text.s(r#"{"a":""#).s(asset).s("\"");
                field(text, "f", &amount(is.total - is.locked));
                field(text, "l", &amount(is.locked));
                text.s("}");
            });
            self.text.s("}");
            self.tell_subscribers(cx, wallet, "outboundAccountPosition");
        }
        let own = changed.iter().filter(|cell| cell.0 == Wallet::Futures);
        let own: Vec<positions::Moved> = own
            .map(|&(_, asset, was, is)| positions::Moved {
                asset,
                total: is.total,
                outside: (is.total - was.total) - (is.realised - was.realised),
            })
            .collect();
        if own.is_empty() && positions.is_empty() {
            return;
        }
        let reason = match own.iter().map(|moved| moved.outside).sum::<Decimal>() {
            _ if traded.contains(&Wallet::Futures) => "ORDER",
            outside if outside.is_zero() => "FUNDING_FEE",
            outside if outside > Decimal::ZERO => "DEPOSIT",
            _ => "WITHDRAW",
        };
        let Some(account) = cx.world.account(self.state.owner) else { return };
        positions::account_update(&mut self.text, cx.world, account, reason, &own, positions, at_ms);
        self.tell_listeners(cx, "ACCOUNT_UPDATE");
    }

    /// Sends the text to all subscriptions of a wallet over the WebSocket API.
    fn tell_subscribers(&mut self, cx: &mut Context<'_>, wallet: Wallet, event: &str) {
        let event_text = self.text.take();
        for (&conn, state) in &self.conns {
            for id in state.api.subscriptions(wallet) {
                let mut text = format!(r#"{{"subscriptionId":{id},"event":"#).into_bytes();
                text.extend_from_slice(&event_text);
                text.push(b'}');
                cx.out.send(cx.now, conn, Some(event), Bytes::from(text));
            }
        }
    }

    /// Sends the text to all futures connections that want the event.
    fn tell_listeners(&mut self, cx: &mut Context<'_>, event: &str) {
        match self.state.listen_key.clone() {
            Some(key) => self.send_to_listeners(cx, &key.text, event),
            None => self.text.0.clear(),
        }
    }

    fn send_to_listeners(&mut self, cx: &mut Context<'_>, key: &str, event: &str) {
        let plain = Bytes::from(self.text.take());
        for (&conn, state) in &self.conns {
            let wants = state.listen_keys.iter().any(|(held, events)| {
                held == key && (events.is_empty() || events.iter().any(|wanted| wanted == event))
            });
            if wants {
                let text = if state.combined { streams::wrap(key, &plain) } else { plain.clone() };
                cx.out.send(cx.now, conn, Some(event), text);
            }
        }
    }

    /// POST makes or renews the futures key, PUT renews it, DELETE ends it.
    pub(super) fn listen_key(
        &mut self,
        cx: &mut Context<'_>,
        method: &str,
        maker: &str,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let until = cx.now.mono.plus(self.limits.listen_key_for);
        match method {
            "POST" => {
                let made = || ListenKey {
                    text: (0..64).map(|_| cx.rng.alphanumeric()).collect(),
                    maker: maker.to_string(),
                    until,
                };
                let listen = self.state.listen_key.get_or_insert_with(made);
                listen.until = until;
                // It is the account's, and ends with the API key that keeps it alive.
                maker.clone_into(&mut listen.maker);
                text.s(r#"{"listenKey":""#).s(&listen.text).s("\"}");
            }
            "PUT" => {
                let gone = || Refusal::new(-1125, "This listenKey does not exist.");
                let listen = self.state.listen_key.as_mut().ok_or_else(gone)?;
                listen.until = until;
                maker.clone_into(&mut listen.maker);
                text.s(r#"{"listenKey":""#).s(&listen.text).s("\"}");
            }
            "DELETE" => {
                self.end_listen_key(cx);
                text.s("{}");
            }
            _ => return Err(Refusal::route()),
        }
        Ok(())
    }

    /// Ends the key that nobody renewed.
    pub(super) fn expire_listen_key(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        self.state.tokens.retain(|_, (_, _, until)| *until > now);
        if let Some(ListenKey { text: key, .. }) = self.state.listen_key.take_if(|listen| listen.until <= now)
        {
            let at_ms = cx.world.wall_ms(now);
            self.text.s(r#"{"e":"listenKeyExpired","E":"#).int(at_ms).s(r#","listenKey":""#).s(&key).s("\"}");
            self.send_to_listeners(cx, &key, "listenKeyExpired");
            for conn in self.conns.values_mut() {
                conn.listen_keys.retain(|(held, _)| *held != key);
            }
        }
    }

    /// Ends the key and the connections that it opened.
    fn end_listen_key(&mut self, cx: &mut Context<'_>) {
        let Some(ended) = self.state.listen_key.take() else { return };
        let listens = |(&conn, state): (&u64, &super::Conn)| {
            state.listen_keys.iter().any(|(held, _)| *held == ended.text).then_some(conn)
        };
        let conns: Vec<u64> = self.conns.iter().filter_map(listens).collect();
        for conn in conns {
            self.close(cx, conn, Some(1000));
        }
    }

    /// Ends what an API key opened.
    pub(super) fn end_key(&mut self, cx: &mut Context<'_>, key: &str) {
        if self.state.listen_key.as_ref().is_some_and(|listen| listen.maker == key) {
            self.end_listen_key(cx);
        }
        self.state.tokens.retain(|_, (maker, ..)| maker != key);
        let at_ms = cx.world.wall_ms(cx.now.mono);
        let mut ended = Vec::new();
        for (&conn, state) in &mut self.conns {
            ended.extend(state.api.end_of(key).into_iter().map(|id| (conn, id)));
        }
        for (conn, id) in ended {
            self.say(cx, conn, &terminated(id, at_ms));
        }
    }
}

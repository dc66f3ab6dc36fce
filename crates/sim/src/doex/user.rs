//! The account's own stream: orders and fills as they happen, balances and positions after them.

use std::collections::BTreeMap;

use bytes::Bytes;
use fastrand::Rng;
use rust_decimal::Decimal;
use venuekit_types::{Kind, Mono, Side};

use crate::doex::Doex;
use crate::engine::{Owner, Tif};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::{Context, User};
use crate::wallets::{Account, News, Order, OrderKind, OwnFill, Status, Wallet};
use crate::world::World;

/// What was told of the account, and the key to its stream.
#[derive(Clone, Debug)]
pub(super) struct UserState {
    owner: Owner,
    pub(super) listen_key: Option<ListenKey>,
    /// Free and locked as told last.
    told: BTreeMap<(Wallet, &'static str), (Decimal, Decimal)>,
    news: Vec<News>,
}

/// What opens the account's stream to whoever has it.
#[derive(Clone, Debug)]
pub(super) struct ListenKey {
    pub(super) text: String,
    /// The API key that asked for it last: it is the account's, and ends with the key that keeps it alive.
    pub(super) maker: String,
    /// When it expires.
    until: Mono,
}

impl UserState {
    pub(super) fn new(world: &World, user: &User) -> UserState {
        let told = world.account(user.owner).map(|account| cells(account, &world.marks()));
        let told = told.unwrap_or_default();
        UserState { owner: user.owner, listen_key: None, told, news: Vec::new() }
    }

    pub(super) fn listens(&self, key: &str) -> bool {
        self.listen_key.as_ref().is_some_and(|listen| listen.text == key)
    }

    /// The key to hand out, made anew when there is none.
    pub(super) fn issue(&mut self, rng: &mut Rng, maker: &str, until: Mono) -> String {
        let listen = self.listen_key.get_or_insert_with(|| ListenKey {
            text: (0..64).map(|_| rng.alphanumeric()).collect(),
            maker: maker.to_string(),
            until,
        });
        listen.until = until;
        maker.clone_into(&mut listen.maker);
        listen.text.clone()
    }
}

/// Free and locked of every cell: locked by orders on spot, by margins in the futures wallet.
fn cells(account: &Account, marks: &[i64]) -> BTreeMap<(Wallet, &'static str), (Decimal, Decimal)> {
    let split = |(wallet, asset, cash): (Wallet, &'static str, crate::wallets::Cash)| {
        let (free, locked) = match wallet {
            Wallet::Futures => {
                let margin = account.margin(asset, marks);
                (margin.available, margin.order + margin.position)
            }
            _ => (cash.free(), cash.locked),
        };
        ((wallet, asset), (free.normalize(), locked.normalize()))
    };
    account.cash().map(split).collect()
}

/// The wire's word for a side.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The fields of an order, without braces.
pub(super) fn order(text: &mut Text, spec: &Spec, order: &Order) {
    text.s(r#""symbol":""#).s(spec.native).s(r#"","orderId":"#).int(order.id);
    text.s(r#","clientOrderId":"#).quoted(&order.client_id).s(r#","side":""#).s(side(order.side));
    text.s(r#"","type":""#).s(match order.kind {
        OrderKind::Market => "MARKET",
        OrderKind::Limit => "LIMIT",
        OrderKind::StopMarket | OrderKind::TakeProfitMarket => "STOP_MARKET",
        OrderKind::StopLimit | OrderKind::TakeProfitLimit => "STOP_LIMIT",
    });
    text.s(r#"","timeInForce":""#).s(match order.tif {
        Tif::Gtc => "GTC",
        Tif::Ioc => "IOC",
        Tif::Fok => "FOK",
    });
    text.s(r#"","postOnly":"#).s(if order.post_only { "true" } else { "false" });
    text.s(r#","reduceOnly":"#).s(if order.reduce_only { "true" } else { "false" });
    if let Some(price) = order.price {
        text.s(r#","price":""#).padded(price, spec.price_scale).s("\"");
    }
    if let Some(stop) = order.stop {
        text.s(r#","stopPrice":""#).padded(stop.price, spec.price_scale).s("\"");
    }
    text.s(r#","origQty":""#).padded(order.qty, spec.qty_scale);
    text.s(r#"","executedQty":""#).padded(order.filled, spec.qty_scale);
    text.s(r#"","avgPrice":""#).s(&order.average(spec).normalize().to_string());
    text.s(r#"","status":""#).s(match order.status {
        Status::New | Status::Untriggered => "NEW",
        Status::PartiallyFilled => "PARTIALLY_FILLED",
        Status::Filled => "FILLED",
        Status::Cancelled => "CANCELED",
        Status::Expired => "EXPIRED",
    });
    text.s(r#"","fee":""#).s(&order.fee.normalize().to_string());
    text.s(r#"","feeAsset":""#).s(order.fee_asset(spec));
    text.s(r#"","time":"#).int(order.created_ms).s(r#","updateTime":"#).int(order.updated_ms);
}

/// A fill.
pub(super) fn fill(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    let order = &fill.order;
    text.s(r#"{"id":"#).int(fill.id).s(r#","orderId":"#).int(order.id);
    text.s(r#","clientOrderId":"#).quoted(&order.client_id).s(r#","symbol":""#).s(spec.native);
    text.s(r#"","side":""#).s(side(order.side)).s(r#"","price":""#).padded(fill.price, spec.price_scale);
    text.s(r#"","qty":""#).padded(fill.qty, spec.qty_scale);
    text.s(r#"","quoteQty":""#).s(&spec.value(fill.price, fill.qty).normalize().to_string());
    text.s(r#"","fee":""#)
        .s(&fill.fee.normalize().to_string())
        .s(r#"","feeAsset":""#)
        .s(order.fee_asset(spec));
    text.s(r#"","isMaker":"#).s(if fill.maker { "true" } else { "false" });
    if spec.contract.is_some() {
        text.s(r#","realizedPnl":""#).s(&fill.realised.normalize().to_string()).s("\"");
    }
    text.s(r#","time":"#).int(fill.at_ms).s("}");
}

/// The largest leverage of a contract, which cross positions use.
pub(super) fn leverage(spec: &Spec) -> String {
    let rate = spec.contract.as_ref().map_or(Decimal::ONE, |contract| contract.init_rate());
    (Decimal::ONE / rate).normalize().to_string()
}

fn position(text: &mut Text, world: &World, account: &Account, market: usize, at_ms: i64) {
    let state = &world.markets()[market];
    let (spec, held, mark) = (state.spec, account.position(market), state.reference.mark);
    text.s(r#"{"e":"position","E":"#).int(at_ms).s(r#","s":""#).s(spec.native);
    text.s(r#"","pa":""#).padded(held.qty, spec.qty_scale);
    text.s(r#"","ep":""#).s(&held.entry_price(spec).normalize().to_string());
    text.s(r#"","mp":""#).padded(mark, spec.price_scale);
    text.s(r#"","lp":""#).s(&account.liquidation_price(market, &world.marks()).normalize().to_string());
    text.s(r#"","lev":""#).s(&(Decimal::ONE / account.rates(market).0).round_dp(2).normalize().to_string());
    text.s(if held.is_isolated() { r#"","mm":"isolated","up":""# } else { r#"","mm":"cross","up":""# });
    text.s(&held.unrealised(spec, mark).normalize().to_string()).s("\"}");
}

impl Doex {
    /// Tells what happened to the account since the last step.
    pub(super) fn tell_account(&mut self, cx: &mut Context<'_>) {
        let mut news = std::mem::take(&mut self.state.news);
        if let Some(account) = cx.world.account_mut(self.state.owner) {
            account.drain_news(&mut news);
        }
        if !news.is_empty() {
            let mut positions = Vec::new();
            for one in &news {
                match one {
                    News::Order(order) => self.tell_order(cx, order, None),
                    News::Fill(fill) => {
                        self.tell_order(cx, &fill.order, Some(fill));
                        if !positions.contains(&fill.market) {
                            positions.push(fill.market);
                        }
                    }
                    News::Cash => {}
                }
            }
            self.tell_balances(cx);
            for market in positions {
                self.tell_position(cx, market);
            }
            news.clear();
        }
        self.state.news = news;
    }

    /// Tells open positions, whose mark moves by itself.
    pub(super) fn tell_positions(&mut self, cx: &mut Context<'_>) {
        for market in 0..cx.world.markets().len() {
            let held = cx.world.account(self.state.owner).map_or(0, |account| account.position(market).qty);
            if held != 0 {
                self.tell_position(cx, market);
            }
        }
    }

    /// Ends the key that nobody renewed.
    pub(super) fn expire_listen_key(&mut self, cx: &mut Context<'_>) {
        if let Some(ListenKey { text: key, .. }) =
            self.state.listen_key.take_if(|listen| listen.until <= cx.now.mono)
        {
            let at_ms = cx.world.wall_ms(cx.now.mono);
            self.text.s(r#"{"e":"listenKeyExpired","E":"#).int(at_ms).s(r#","listenKey":""#).s(&key).s("\"}");
            self.send_to_listeners(cx, &key, "listenKeyExpired");
            for conn in self.conns.values_mut() {
                conn.listen_key.take_if(|held| *held == key);
            }
        }
    }

    /// Ends the key and the connections that it opened.
    pub(super) fn end_listen_key(&mut self, cx: &mut Context<'_>) {
        let Some(ended) = self.state.listen_key.take() else { return };
        let listens = |(&conn, state): (&u64, &super::Conn)| {
            (state.listen_key.as_ref() == Some(&ended.text)).then_some(conn)
        };
        let conns: Vec<u64> = self.conns.iter().filter_map(listens).collect();
        for conn in conns {
            self.close(cx, conn, Some(1000));
        }
    }

    /// Tells an order, with its fill if there was one.
    fn tell_order(&mut self, cx: &mut Context<'_>, change: &Order, filled: Option<&OwnFill>) {
        let spec = cx.world.markets()[change.market].spec;
        let wallet = if spec.kind == Kind::Spot { Wallet::Spot } else { Wallet::Futures };
        self.text.s(r#"{"e":"order","E":"#).int(change.updated_ms);
        self.text.s(r#","w":""#).s(wallet.as_str()).s("\",");
        order(&mut self.text, spec, change);
        self.text.s(r#","fill":"#);
        match filled {
            Some(filled) => fill(&mut self.text, spec, filled),
            None => {
                self.text.s("null");
            }
        }
        self.text.s("}");
        self.tell_listeners(cx, "order");
    }

    fn tell_balances(&mut self, cx: &mut Context<'_>) {
        let Some(account) = cx.world.account(self.state.owner) else { return };
        let cells = cells(account, &cx.world.marks());
        let at_ms = cx.world.wall_ms(cx.now.mono);
        for wallet in [Wallet::Spot, Wallet::Margin, Wallet::Futures] {
            let told = &self.state.told;
            let changed =
                cells.iter().filter(|(cell, value)| cell.0 == wallet && told.get(cell) != Some(value));
            let mut count = 0;
            for (at, ((_, asset), (free, locked))) in changed.enumerate() {
                if at == 0 {
                    self.text.s(r#"{"e":"balance","E":"#).int(at_ms).s(r#","w":""#).s(wallet.as_str());
                    self.text.s(r#"","B":["#);
                }
                self.text.s(if at == 0 { r#"{"a":""# } else { r#",{"a":""# }).s(asset);
                self.text
                    .s(r#"","f":""#)
                    .s(&free.to_string())
                    .s(r#"","l":""#)
                    .s(&locked.to_string())
                    .s("\"}");
                count += 1;
            }
            if count > 0 {
                self.text.s("]}");
                self.tell_listeners(cx, "balance");
            }
        }
        self.state.told = cells;
    }

    fn tell_position(&mut self, cx: &mut Context<'_>, market: usize) {
        let Some(account) = cx.world.account(self.state.owner) else { return };
        if cx.world.markets()[market].spec.contract.is_none() {
            return;
        }
        let at_ms = cx.world.wall_ms(cx.now.mono);
        position(&mut self.text, cx.world, account, market, at_ms);
        self.tell_listeners(cx, "position");
    }

    /// Sends the text to all connections that hold the current key.
    fn tell_listeners(&mut self, cx: &mut Context<'_>, stream: &str) {
        match self.state.listen_key.clone() {
            Some(key) => self.send_to_listeners(cx, &key.text, stream),
            None => self.text.0.clear(),
        }
    }

    fn send_to_listeners(&mut self, cx: &mut Context<'_>, key: &str, stream: &str) {
        let text = Bytes::from(self.text.take());
        for (&conn, state) in &self.conns {
            if state.listen_key.as_deref() == Some(key) {
                cx.out.send(cx.now, conn, Some(stream), text.clone());
            }
        }
    }
}

//! The private channels: `orders`, `positions`, `margins`, `executions`, as keyed rows.

use rust_decimal::Decimal;
use venuekit_types::Side;

use crate::duedex::Duedex;
use crate::duedex::feed::{PRIVATE, public};
use crate::duedex::orders::status;
use crate::duedex::public::{head, side, tail};
use crate::duedex::table::{Row, Table};
use crate::engine::{Owner, Tif};
use crate::market::Spec;
use crate::text::{Text, quoted, quoted_iso, quoted_padded};
use crate::venue::Context;
use crate::wallets::{Account, News, Order, OrderKind, OwnFill, Trigger};
use crate::world::World;

/// Executions that a snapshot holds.
const EXECUTIONS_MAX: usize = 50;

/// The account's channels as told last.
#[derive(Clone, Debug)]
pub(super) struct Private {
    owner: Owner,
    orders: Table<(usize, u64)>,
    positions: Table<usize>,
    margins: Table<&'static str>,
    executions_seq: u64,
    /// The latest executions, oldest first.
    executions: Vec<Row>,
    news: Vec<News>,
}

/// A JSON string of an amount with a fixed number of places.
fn padded(amount: Decimal, places: u8) -> String {
    format!("\"{:.*}\"", usize::from(places), amount)
}

/// The places of a contract's amounts; the venue lists nothing else.
fn settle_places(spec: &Spec) -> u8 {
    spec.contract.as_ref().map_or(0, |contract| contract.settle.places)
}

/// An order as the venue tells it.
pub(super) fn order_row(spec: &Spec, order: &Order) -> Row {
    let price_places = spec.price_scale.digits();
    let mut row = Row::default()
        .always("instrument", quoted(spec.native))
        .always("orderId", order.id.to_string())
        .always("clientOrderId", quoted(&order.client_id))
        .changed("type", quoted(kind(order.kind)))
        .changed("isCloseOrder", order.reduce_only.to_string())
        .changed("side", quoted(side(order.side)));
    if let Some(price) = order.price {
        row = row.changed("price", quoted_padded(price, spec.price_scale));
    }
    row = row.changed("size", order.qty.to_string());
    if let Some(stop) = order.stop {
        let trigger = match stop.trigger {
            Trigger::Last => "lastPrice",
            Trigger::Index => "indexPrice",
            Trigger::Mark => "markPrice",
        };
        row = row.changed("stopPrice", quoted_padded(stop.price, spec.price_scale));
        row = row.changed("triggerType", quoted(trigger));
    }
    let tif = match order.tif {
        Tif::Gtc => "gtc",
        Tif::Ioc => "ioc",
        Tif::Fok => "fok",
    };
    let price = order.price.or(order.stop.map(|stop| stop.price));
    let value = price.map_or(order.value, |price| spec.value(price, order.qty));
    row.changed("timeInForce", quoted(tif))
        .changed("notionalValue", padded(value, settle_places(spec)))
        .together("status", quoted(status(order.status)))
        .together("fillPrice", padded(order.average(spec), price_places))
        .together("filledSize", order.filled.to_string())
        .together("accumulatedFees", padded(order.fee, settle_places(spec)))
        .changed("createTime", quoted_iso(order.created_ms))
        .together("updateTime", quoted_iso(order.updated_ms))
}

/// The wire's word for what an order does.
fn kind(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Market => "market",
        OrderKind::Limit => "limit",
        OrderKind::StopMarket => "stopMarket",
        OrderKind::StopLimit => "stopLimit",
        OrderKind::TakeProfitMarket => "takeProfitMarket",
        OrderKind::TakeProfitLimit => "takeProfitLimit",
    }
}

fn execution_row(spec: &Spec, fill: &OwnFill) -> Row {
    let order = &fill.order;
    let mut row = Row::default()
        .always("instrument", quoted(spec.native))
        .always("executionId", fill.id.to_string())
        .always("orderId", order.id.to_string())
        .always("clientOrderId", quoted(&order.client_id))
        .always("orderType", quoted(kind(order.kind)))
        .always("orderSide", quoted(side(order.side)));
    if let Some(price) = order.price {
        row = row.always("orderPrice", quoted_padded(price, spec.price_scale));
    }
    row.always("orderSize", order.qty.to_string())
        .always("executionPrice", quoted_padded(fill.price, spec.price_scale))
        .always("executionSize", fill.qty.to_string())
        .always("isMaker", fill.maker.to_string())
        .always("feeRate", padded(fill.rate, 6))
        .always("fee", padded(fill.fee, settle_places(spec)))
        .always("orderSizeLeft", order.left().to_string())
        .always("timestamp", quoted_iso(fill.at_ms))
}

/// A position as the venue tells it, flat ones too.
pub(super) fn position_row(world: &World, account: &Account, market: usize) -> Row {
    let state = &world.markets()[market];
    let (spec, held, mark) = (state.spec, account.position(market), state.reference.mark);
    let flat = held.qty == 0;
    let (places, price_places) = (settle_places(spec), spec.price_scale.digits());
    let value = spec.value(mark, held.qty.abs());
    Row::default()
        .always("instrument", quoted(spec.native))
        .changed("quantity", held.qty.to_string())
        .changed("leverage", padded(held.leverage, 2))
        .changed("entryValue", padded(held.entry_value, places))
        .changed("entryPrice", padded(held.entry_price(spec), price_places))
        .changed("markPrice", quoted_padded(if flat { 0 } else { mark }, spec.price_scale))
        .changed("liquidationPrice", padded(account.liquidation_price(market, &world.marks()), price_places))
        .changed("positionMargin", padded(account.position_margin(market), places))
        .changed("buyOrderMargin", padded(account.order_margin(market, Side::Buy), places))
        .changed("sellOrderMargin", padded(account.order_margin(market, Side::Sell), places))
        .changed("unrealisedPnl", padded(held.unrealised(spec, mark), places))
        .changed("realisedPnl", padded(held.realised, places))
        .changed("riskValue", padded(value, places))
        .changed("riskLimit", padded(account.risk_limit(market), places))
}

/// The settlement assets of a world's contracts, with their places.
pub(super) fn currencies(world: &World) -> Vec<(&'static str, u8)> {
    let contracts = world.markets().iter().filter_map(|market| market.spec.contract.as_ref());
    let mut all: Vec<_> = contracts.map(|contract| (contract.settle.code, contract.settle.places)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The margins of a currency as the venue tells them.
pub(super) fn margin_row(world: &World, account: &Account, currency: &'static str, places: u8) -> Row {
    let margin = account.margin(currency, &world.marks());
    Row::default()
        .always("currency", quoted(currency))
        .changed("available", padded(margin.available, places))
        .changed("orderMargin", padded(margin.order, places))
        .changed("positionMargin", padded(margin.position, places))
        .changed("realisedPnl", padded(margin.realised, places))
        .changed("unrealisedPnl", padded(margin.unrealised, places))
        .changed("bonusLeft", padded(Decimal::ZERO, places))
}

impl Private {
    pub(super) fn new(world: &World, owner: Owner) -> Private {
        let account = world.account(owner);
        let of_account = |account| {
            let markets = world.markets().iter();
            let positions =
                (0..markets.len()).map(move |market| (market, position_row(world, account, market)));
            let margins = currencies(world);
            let margins =
                margins.into_iter().map(move |(c, places)| (c, margin_row(world, account, c, places)));
            (positions.collect::<Vec<_>>(), margins.collect::<Vec<_>>())
        };
        let (positions, margins) = account.map(of_account).unwrap_or_default();
        Private {
            owner,
            orders: Table::new([]),
            positions: Table::new(positions),
            margins: Table::new(margins),
            executions_seq: 0,
            executions: Vec::new(),
            news: Vec::new(),
        }
    }

    /// Begins all numbers again.
    pub(super) fn restart(&mut self) {
        self.orders.restart();
        self.positions.restart();
        self.margins.restart();
        self.executions_seq = u64::from(!self.executions.is_empty());
    }

    /// Writes a private channel's snapshot up to its data.
    pub(super) fn write_snapshot(&self, text: &mut Text, channel: usize) {
        let (seq, write): (u64, &dyn Fn(&mut Text)) = match PRIVATE[channel] {
            "orders" => (self.orders.seq, &|text| self.orders.write(text)),
            "positions" => (self.positions.seq, &|text| self.positions.write(text)),
            "margins" => (self.margins.seq, &|text| self.margins.write(text)),
            _ => (self.executions_seq, &|text| write_rows(text, &self.executions)),
        };
        head(text, "snapshot", PRIVATE[channel], None, seq);
        write(text);
    }
}

fn write_rows(text: &mut Text, rows: &[Row]) {
    text.s("[");
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            text.s(",");
        }
        row.write(text);
    }
    text.s("]");
}

impl Duedex {
    /// Tells what happened to the account since the last step.
    pub(super) fn tell_account(&mut self, cx: &mut Context<'_>, at_ms: i64) {
        let mut news = std::mem::take(&mut self.private.news);
        if let Some(account) = cx.world.account_mut(self.private.owner) {
            account.drain_news(&mut news);
        }
        if !news.is_empty() {
            self.tell_orders(cx, &news, at_ms);
            self.tell_executions(cx, &news, at_ms);
            self.tell_marks(cx, at_ms);
            news.clear();
        }
        self.private.news = news;
    }

    /// Tells positions and margins as they stand at the marks.
    pub(super) fn tell_marks(&mut self, cx: &mut Context<'_>, at_ms: i64) {
        let world = &*cx.world;
        let Some(account) = world.account(self.private.owner) else { return };
        let positions = (0..world.markets().len()).map(|m| (m, position_row(world, account, m), false));
        let positions: Vec<_> = positions.collect();
        let margins = currencies(world)
            .into_iter()
            .map(|(c, places)| (c, margin_row(world, account, c, places), false));
        let margins: Vec<_> = margins.collect();
        self.tell(cx, 1, at_ms, |private, data| {
            (private.positions.update(positions, data), private.positions.seq)
        });
        self.tell(cx, 2, at_ms, |private, data| (private.margins.update(margins, data), private.margins.seq));
    }

    fn tell_orders(&mut self, cx: &mut Context<'_>, news: &[News], at_ms: i64) {
        // Only how an order stands at the end of the step is told, in the order that orders first came up.
        let mut last: Vec<&Order> = Vec::new();
        for one in news {
            let order = match one {
                News::Order(order) => order,
                News::Fill(fill) => &fill.order,
                News::Cash => continue,
            };
            match last.iter_mut().find(|other| (other.market, other.id) == (order.market, order.id)) {
                Some(slot) => *slot = order,
                None => last.push(order),
            }
        }
        let rows: Vec<_> = last
            .into_iter()
            .map(|order| {
                let ends = !order.status.is_open();
                let row = order_row(cx.world.markets()[order.market].spec, order);
                ((order.market, order.id), row, ends)
            })
            .collect();
        self.tell(cx, 0, at_ms, |private, data| (private.orders.update(rows, data), private.orders.seq));
    }

    fn tell_executions(&mut self, cx: &mut Context<'_>, news: &[News], at_ms: i64) {
        let fills = news.iter().filter_map(|one| match one {
            News::Fill(fill) => Some(execution_row(cx.world.markets()[fill.market].spec, fill)),
            News::Order(_) | News::Cash => None,
        });
        let rows: Vec<Row> = fills.collect();
        if rows.is_empty() {
            return;
        }
        self.tell(cx, 3, at_ms, |private, data| {
            write_rows(data, &rows);
            private.executions.extend(rows);
            let old = private.executions.len().saturating_sub(EXECUTIONS_MAX);
            private.executions.drain(..old);
            private.executions_seq += 1;
            (true, private.executions_seq)
        });
    }

    /// Sends an update of a private channel, if there is anything to tell.
    fn tell(
        &mut self,
        cx: &mut Context<'_>,
        channel: usize,
        at_ms: i64,
        write: impl FnOnce(&mut Private, &mut Text) -> (bool, u64),
    ) {
        let mut data = Text::default();
        let (told, seq) = write(&mut self.private, &mut data);
        let stream = public(cx.world.markets().len(), channel);
        if !told || self.streams[stream].conns.is_empty() {
            return;
        }
        head(&mut self.text, "update", PRIVATE[channel], None, seq);
        self.text.0.append(&mut data.0);
        tail(&mut self.text, at_ms);
        self.broadcast(cx, stream);
    }
}

//! Answers of spot's REST.

use rust_decimal::Decimal;
use venuekit_types::{Price, Qty, UnixNanos};
use venuekit_venue::read::{self, Unfit};
use venuekit_venue::{
    Ask, BalancePatch, Body, Candle, Channel, Control, Data, DataKind, Event, EventBuf, Fault, FaultKind,
    FeeSchedule, Fill, MarketId, Movement, MovementKind, MovementStatus, OrderPatch, OrderRef, OrderStatus,
    PairFee, Place, PositionPatch, Row, TickerPatch, Token, Topic, Trade, Wallet,
};
use venuekit_wire::kraken::{Named, Sides, spot};
use venuekit_wire::{Num, RawValue, Text, scan};

use super::answer::{only, parse, placed, tell_order, typed};
use super::book;
use super::rows::{decimal, optional, order_type, positive, seconds, side, some, spot_status};
use crate::symbol;

/// Reads the result of an answer.
pub(super) fn answer(place: Place<'_>, ask: &Ask, json: &RawValue, out: &mut EventBuf) -> Result<(), Fault> {
    let account = Topic::account;
    match ask {
        Ask::Instruments => instruments(json, out)?,
        Ask::Time => {
            let spot::ServerTime { unixtime } = typed(json)?;
            let nanos = unixtime.checked_mul(1_000_000_000);
            let nanos = nanos.ok_or_else(|| Fault::unreadable("a time beyond the calendar"))?;
            out.events.push(Event::Control(Control::Time(UnixNanos(nanos))));
        }
        Ask::Depth { market, .. } => {
            let sides: Sides<'_> = one(json)?;
            let side = |raw: &'_ RawValue| raw.get().to_owned();
            let (bids, asks) = (side(sides.bids), side(sides.asks));
            let rows = |text| scan::levels(text).map(|row| row.map_err(Unfit::shape));
            let body = book(rows(&bids), rows(&asks), None, place.instrument(*market)?, out)
                .map_err(Unfit::fault)?;
            let (topic, kind) = (Topic::of(Channel::Book, *market), DataKind::Snapshot);
            out.events.push(Event::Data(Data { topic, kind, ids: None, at: None, body: Body::Book(body) }));
        }
        Ask::Trades { market, .. } => {
            let instrument = place.instrument(*market)?;
            let rows: Vec<RestTrade<'_>> = one(json)?;
            let mut trades = Vec::new();
            for (price, qty, time, taker, _, _, number) in rows {
                trades.push((price, qty, time, taker, number));
            }
            let start = out.rows.len();
            for (price, qty, time, taker, number) in &trades {
                let row = Row::Trade(Trade {
                    market: *market,
                    id: out.put_text(&number.to_string()),
                    number: Some(*number),
                    price: Price(
                        price.parse_scaled(instrument.price_scale).map_err(|e| Unfit::from(e).fault())?,
                    ),
                    qty: Qty(qty.parse_scaled(instrument.qty_scale).map_err(|e| Unfit::from(e).fault())?),
                    side: Some(side(taker).map_err(Unfit::fault)?),
                    at: seconds(time).map_err(Unfit::fault)?,
                });
                out.rows.push(row);
            }
            let (topic, body) = (Topic::of(Channel::Trades, *market), Body::Rows(start..out.rows.len()));
            out.events.push(Event::Data(Data { topic, kind: DataKind::Update, ids: None, at: None, body }));
        }
        Ask::Candles { market, interval, from, to } => {
            let rows: Vec<Bar<'_>> = one(json)?;
            // The last row is the bar that is still running.
            let running = rows.iter().map(|row| row.0).max().unwrap_or_default();
            let bars = rows.into_iter().filter_map(|(time, open, high, low, close, _, volume, count)| {
                let open_at = UnixNanos(time.checked_mul(1_000_000_000)?);
                let bar = (open_at, open, high, low, close, volume, count, time < running);
                (*from..*to).contains(&open_at).then_some(bar)
            });
            let topic = Topic::of(Channel::Candles(*interval), *market);
            out.tell_list(topic, false, bars, |(open_at, open, high, low, close, volume, count, closed)| {
                Ok(Some(Row::Candle(Candle {
                    market: *market,
                    interval: *interval,
                    open_at,
                    open: decimal(&open)?,
                    high: decimal(&high)?,
                    low: decimal(&low)?,
                    close: decimal(&close)?,
                    volume: decimal(&volume)?,
                    trades: Some(count),
                    closed,
                })))
            });
        }
        Ask::Ticker { market } => {
            let row = ticker(*market, &one(json)?).map_err(Unfit::fault)?;
            out.tell_list(Topic::of(Channel::Ticker, *market), true, [row], |row| Ok(Some(row)));
        }
        Ask::Fees => fees(place, &typed(json)?, out),
        Ask::Balances { wallet: Wallet::Spot } => {
            let Named(rows): Named<'_, &RawValue> = typed(json)?;
            out.tell_list(account(Channel::Balances), true, rows, |(asset, row)| {
                balance(&asset, &parse(row)?).map(Some)
            });
        }
        Ask::Balances { .. } => {
            let told: spot::TradeBalance<'_> = typed(json)?;
            out.tell_list(account(Channel::Balances), true, [told], |told| margin(&told).map(Some));
        }
        Ask::Positions { market } => positions(place, *market, json, out)?,
        Ask::OpenOrders { market } => {
            let spot::Orders { orders: Named(rows) } = typed(json)?;
            let topic = Topic { channel: Channel::Orders, market: *market };
            out.tell_list(topic, true, rows, |(id, row)| Ok(only(*market, order(place, &id, &parse(row)?)?)));
        }
        Ask::OrderHistory { market, .. } => {
            let spot::Orders { orders: Named(rows) } = typed(json)?;
            out.tell_list(Topic::of(Channel::Orders, *market), false, rows, |(id, row)| {
                Ok(only(Some(*market), order(place, &id, &parse(row)?)?))
            });
        }
        Ask::ClosedOrders { .. } => {
            let spot::Orders { orders: Named(rows) } = typed(json)?;
            out.tell_list(account(Channel::Orders), false, rows, |(id, row)| {
                Ok(only(None, order(place, &id, &parse(row)?)?))
            });
        }
        Ask::Order { market, order: named } | Ask::ClosedOrder { market, order: named } => {
            one_order(place, *market, named, json, out)?
        }
        Ask::Fills { market, .. } => {
            let spot::Fills { trades: Named(rows) } = typed(json)?;
            out.tell_list(account(Channel::Fills), false, rows, |(id, row)| {
                Ok(only(Some(*market), fill(place, &id, &parse(row)?)?))
            });
        }
        Ask::Deposits { .. } => movements(MovementKind::Deposit, json, out)?,
        Ask::Withdrawals { .. } => movements(MovementKind::Withdrawal, json, out)?,
        Ask::Transfers { .. } => {
            let spot::Ledger { ledger: Named(rows) } = typed(json)?;
            out.tell_list(account(Channel::Balances), false, rows, |(id, row)| {
                transfer(&id, &parse(row)?).map(Some)
            });
        }
        Ask::OpenToken => {
            let spot::SocketToken { token } = typed(json)?;
            out.events.push(Event::Control(Control::Token(Token(token.0.to_string()))));
        }
        Ask::Place(order) => {
            let spot::Placed { txid } = typed(json)?;
            let id = txid.first().ok_or_else(|| Fault::unreadable("a new order without an id"))?;
            tell_order(placed(order, id.to_string()), out);
        }
        Ask::Cancel { .. } => {
            #[derive(serde::Deserialize)]
            struct Canceled {
                count: u64,
            }
            if typed::<Canceled>(json)?.count == 0 {
                let text = "nothing was cancelled; take the order as gone, and confirm by a query";
                return Err(Fault::ours(FaultKind::NotFound, text));
            }
        }
        Ask::CancelAll { .. } | Ask::Countdown { .. } => {}
        _ => return Err(Fault::unreadable("an answer to what was never asked")),
    }
    Ok(())
}

/// `[price, quantity, seconds, taker, type, misc, id]`.
type RestTrade<'a> = (Num<'a>, Num<'a>, Num<'a>, Text<'a>, Text<'a>, Text<'a>, u64);

/// `[seconds, open, high, low, close, vwap, volume, count]`.
type Bar<'a> = (i64, Num<'a>, Num<'a>, Num<'a>, Num<'a>, Num<'a>, Num<'a>, u64);

/// The one entry of a result that is keyed by pair; beside it may stand a cursor named `last`. What the pair is called
/// there is not what was asked for.
fn one<'a, T: serde::Deserialize<'a>>(json: &'a RawValue) -> Result<T, Fault> {
    let Named(rows): Named<'a, &'a RawValue> = typed(json)?;
    let row = rows.into_iter().find(|(name, _)| *name != "last");
    typed(row.ok_or_else(|| Fault::unreadable("a result of nothing"))?.1)
}

/// One instrument that does not read costs itself alone.
fn instruments(json: &RawValue, out: &mut EventBuf) -> Result<(), Fault> {
    let Named(rows): Named<'_, &RawValue> = typed(json)?;
    for (key, terms) in rows {
        match parse(terms).and_then(|terms| symbol::pair(&key, &terms)) {
            Ok(instrument) => out.instruments.extend(instrument),
            Err(unfit) => out.events.push(unfit.broken(None)),
        }
    }
    Ok(())
}

fn ticker(market: MarketId, told: &spot::RestTicker<'_>) -> Result<Row, Unfit> {
    let at = |row: &[Num<'_>], index: usize| optional(row.get(index));
    let mut patch = TickerPatch::new(market);
    patch.ask = at(&told.a, 0)?;
    patch.ask_qty = at(&told.a, 2)?;
    patch.bid = at(&told.b, 0)?;
    patch.bid_qty = at(&told.b, 2)?;
    patch.last = at(&told.c, 0)?;
    patch.volume = at(&told.v, 1)?;
    patch.low = at(&told.l, 1)?;
    patch.high = at(&told.h, 1)?;
    Ok(Row::Ticker(patch))
}

/// Percentages become shares. A pair that is not listed is passed over.
fn fees(place: Place<'_>, told: &spot::Fees<'_>, out: &mut EventBuf) {
    let topic = Topic::account(Channel::Balances);
    let mut schedule = FeeSchedule { volume_30d: decimal(&told.volume).ok(), ..FeeSchedule::default() };
    let makers = told.fees_maker.as_ref().map_or(&[][..], |named| &named.0);
    for (name, taker) in told.fees.iter().flat_map(|named| &named.0) {
        let Some((market, _)) = place.catalog.find(name) else { continue };
        let maker = makers.iter().find(|(of, _)| of == name).map_or(taker, |(_, maker)| maker);
        let share = |fee: &spot::PairFee<'_>| symbol::share(&fee.fee).map(Decimal::from);
        match (share(maker), share(taker)) {
            (Ok(maker), Ok(taker)) => schedule.pairs.push(PairFee { market, maker, taker }),
            (Err(unfit), _) | (_, Err(unfit)) => out.events.push(unfit.broken(Some(topic))),
        }
    }
    out.tell_list(topic, false, [Row::Fees(Box::new(schedule))], |row| Ok(Some(row)));
}

/// What is free is what is there and not held; a credit line adds what of it is unused.
fn balance(asset: &str, row: &spot::Balance<'_>) -> Result<Row, Unfit> {
    let held = decimal(&row.hold_trade)?;
    let credit = optional(row.credit.as_ref())?.unwrap_or_default();
    let used = optional(row.credit_used.as_ref())?.unwrap_or_default();
    let free =
        [credit, -used, -held].iter().try_fold(decimal(&row.balance)?, |sum, part| sum.checked_add(*part));
    Ok(Row::Balance(BalancePatch {
        free: Some(free.ok_or_else(|| Unfit::shape("a balance beyond 28 digits"))?),
        locked: Some(held),
        borrowed: Some(used).filter(|used| !used.is_zero()),
        ..BalancePatch::new(Wallet::Spot.as_str().to_owned(), symbol::asset(asset))
    }))
}

/// Margin has no money of its own: positions are backed by the spot wallet. What it adds is their profit.
fn margin(told: &spot::TradeBalance<'_>) -> Result<Row, Unfit> {
    Ok(Row::Balance(BalancePatch {
        free: Some(Decimal::ZERO),
        locked: Some(Decimal::ZERO),
        unrealized_pnl: Some(decimal(&told.n)?),
        ..BalancePatch::new(Wallet::Margin.as_str().to_owned(), "USD".to_owned())
    }))
}

/// Lots of one pair are one position: their sum, at the average of what they cost.
fn positions(
    place: Place<'_>,
    asked: Option<MarketId>,
    json: &RawValue,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let Named(rows): Named<'_, &RawValue> = typed(json)?;
    let topic = Topic { channel: Channel::Positions, market: asked };
    let mut sums: Vec<(MarketId, [Decimal; 4])> = Vec::new();
    let mut broken = Vec::new();
    for (_, row) in &rows {
        let read = || -> Result<(MarketId, [Decimal; 4]), Unfit> {
            let lot: spot::Position<'_> = parse(row)?;
            let market = place.market(None, &lot.pair)?;
            let sign = match side(&lot.r#type)? {
                venuekit_types::Side::Buy => Decimal::ONE,
                venuekit_types::Side::Sell => -Decimal::ONE,
            };
            let (vol, closed) = (decimal(&lot.vol)?, decimal(&lot.vol_closed)?);
            let qty = sign * vol.checked_sub(closed).ok_or_else(|| Unfit::shape("a lot beyond 28 digits"))?;
            let net = optional(lot.net.as_ref())?.unwrap_or_default();
            Ok((market, [qty, sign * decimal(&lot.cost)?, decimal(&lot.margin)?, net]))
        };
        match read() {
            Ok((market, _)) if asked.is_some_and(|asked| asked != market) => {}
            Ok((market, parts)) => match sums.iter_mut().find(|(known, _)| *known == market) {
                Some((_, sum)) => {
                    for (sum, part) in sum.iter_mut().zip(parts) {
                        *sum = sum.saturating_add(part);
                    }
                }
                None => sums.push((market, parts)),
            },
            Err(unfit) => broken.push(unfit.broken(Some(topic))),
        }
    }
    let is_whole = broken.is_empty();
    out.events.extend(broken);
    out.tell_list(topic, is_whole, sums, |(market, [qty, cost, margin, net])| {
        Ok(Some(Row::Position(PositionPatch {
            qty: Some(qty),
            entry_price: cost.checked_div(qty),
            margin: Some(margin),
            unrealized_pnl: Some(net),
            ..PositionPatch::new(market)
        })))
    });
    Ok(())
}

/// The order among those of a list; each is keyed by its id.
fn one_order(
    place: Place<'_>,
    market: MarketId,
    named: &OrderRef,
    json: &RawValue,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let Named(rows) = match named {
        OrderRef::Venue(_) => typed(json)?,
        OrderRef::Client(_) => typed::<spot::Orders<'_>>(json)?.orders,
    };
    for (id, row) in rows {
        let told: spot::Order<'_> = typed(row)?;
        let is_it = match named {
            OrderRef::Venue(wanted) => id.as_str() == wanted,
            OrderRef::Client(wanted) => told.cl_ord_id.as_deref() == Some(wanted),
        };
        let (of, row) = order(place, &id, &told).map_err(Unfit::fault)?;
        if is_it && of == market {
            tell_order(row, out);
            return Ok(());
        }
    }
    Err(Fault::ours(FaultKind::NotFound, "no such order is listed; it may be gone already"))
}

fn order(place: Place<'_>, id: &str, row: &spot::Order<'_>) -> Result<(MarketId, Row), Unfit> {
    let market = place.market(None, &row.descr.pair)?;
    let kind = order_type(&row.descr.ordertype);
    let is_tripped = kind.starts_with("stop") || kind.starts_with("take") || kind.starts_with("trailing");
    let (price, stop_price) = if is_tripped {
        // What trips it may be a distance, which is no price.
        let stop = positive(row.stopprice.as_ref())?.or(positive(Some(&row.descr.price)).unwrap_or_default());
        (positive(row.descr.price2.as_ref()).unwrap_or_default(), stop)
    } else {
        (positive(Some(&row.descr.price))?, None)
    };
    let cum_qty = decimal(&row.vol_exec)?;
    let qty = decimal(&row.vol)?;
    let status = match spot_status(&row.status, cum_qty) {
        // It is closed by its last fill, or with a rest that nobody took.
        OrderStatus::Filled if cum_qty < qty => OrderStatus::Canceled,
        status => status,
    };
    let opened = row.opentm.as_ref().map(seconds).transpose()?;
    let closed = row.closetm.as_ref().map(seconds).transpose()?;
    let flag =
        |word: &str| row.oflags.as_ref().is_some_and(|flags| flags.split(',').any(|flag| flag == word));
    let patch = OrderPatch {
        client_order_id: some(row.cl_ord_id.as_ref()),
        side: Some(side(&row.descr.r#type)?),
        order_type: Some(kind),
        time_in_force: row.timeinforce.as_ref().map(|word| word.to_ascii_uppercase()),
        price,
        stop_price,
        qty: Some(qty),
        cum_qty: Some(cum_qty),
        avg_px: positive(row.price.as_ref())?.filter(|_| !cum_qty.is_zero()),
        fee: Some(decimal(&row.fee)?),
        status: Some(status),
        post_only: Some(flag("post")),
        reduce_only: row.reduce_only,
        created_at: opened,
        updated_at: closed.or(opened),
        ..OrderPatch::new(market, id.to_owned())
    };
    Ok((market, Row::Order(patch)))
}

/// Fees are in the quote, whatever the flag of the order asked for: the venue converts them here.
fn fill(place: Place<'_>, id: &str, row: &spot::Fill<'_>) -> Result<(MarketId, Row), Unfit> {
    let market = place.market(None, &row.pair)?;
    let quote = place.catalog.get(market).map(|instrument| instrument.symbol.quote().to_owned());
    Ok((
        market,
        Row::Fill(Fill {
            market,
            fill_id: id.to_owned(),
            order_id: row.ordertxid.to_string(),
            client_order_id: None,
            side: side(&row.r#type)?,
            price: decimal(&row.price)?,
            qty: decimal(&row.vol)?,
            fee: decimal(&row.fee)?,
            fee_rate: None,
            fee_asset: quote,
            realized_pnl: None,
            maker: row.maker == Some(true),
            at: seconds(&row.time)?,
        }),
    ))
}

fn movements(kind: MovementKind, json: &RawValue, out: &mut EventBuf) -> Result<(), Fault> {
    let rows: Vec<&RawValue> = typed(json)?;
    out.tell_list(Topic::account(Channel::Balances), false, rows, |row| {
        let row: spot::Movement<'_> = parse(row)?;
        let status = match (row.status.as_str(), row.status_prop.as_deref()) {
            (_, Some("canceled")) => MovementStatus::Cancelled,
            ("Initial" | "Pending", _) => MovementStatus::Pending,
            ("Settled", _) => MovementStatus::Confirming,
            ("Success", _) => MovementStatus::Completed,
            ("Failure", _) => MovementStatus::Failed,
            _ => MovementStatus::Unknown,
        };
        Ok(Some(Row::Movement(Box::new(Movement {
            kind,
            id: row.refid.to_string(),
            asset: symbol::asset(&row.asset),
            amount: decimal(&row.amount)?,
            fee: optional(row.fee.as_ref())?,
            network: some(row.method.as_ref()),
            address: some(row.info.as_ref()),
            tx_id: some(row.txid.as_ref()),
            from: None,
            to: None,
            status,
            at: seconds(&row.time)?,
        }))))
    });
    Ok(())
}

/// A row of the ledger says which way money moved by the sign, and where to by a word.
fn transfer(id: &str, row: &spot::Entry<'_>) -> Result<Row, Unfit> {
    let amount = read::decimal(row.amount.as_str())?;
    let subtype = row.subtype.as_deref().unwrap_or_default();
    let other = if subtype.contains("futures") { Some(Wallet::Futures) } else { None };
    let (from, to) =
        if amount.is_sign_negative() { (Some(Wallet::Spot), other) } else { (other, Some(Wallet::Spot)) };
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Transfer,
        id: id.to_owned(),
        asset: symbol::asset(&row.asset),
        amount: amount.abs(),
        fee: optional(row.fee.as_ref())?,
        network: None,
        address: None,
        tx_id: None,
        from,
        to,
        status: MovementStatus::Completed,
        at: seconds(&row.time)?,
    })))
}

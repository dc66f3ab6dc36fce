//! Frames of WebSocket v2.

use venuekit_book::Ids;
use venuekit_types::{Price, Qty, UnixNanos};
use venuekit_venue::read::{Told, Unfit};
use venuekit_venue::{
    AckOf, Body, BrokenWhy, Candle, Channel, Control, Data, DataKind, Event, EventBuf, Fault, FaultKind,
    Fill, Interval, MarketId, OrderChange, OrderPatch, Place, Row, TickerPatch, Topic, Trade,
};
use venuekit_wire::kraken::Level;
use venuekit_wire::kraken::spot::{self, Execution, Message, Reply, ServerFrame};
use venuekit_wire::{RawValue, WireError};

use super::rows::{decimal, optional, order_type, positive, side, some, spot_status};
use super::{book, of_market};
use crate::spec::INTERVALS;
use crate::{fault, symbol};

/// What a channel of the venue's is to us; one of an account tells of orders and of fills.
pub(super) fn channels(name: &str) -> &'static [Channel] {
    match name {
        "book" => &[Channel::Book],
        "trade" => &[Channel::Trades],
        "ticker" => &[Channel::Ticker],
        "ohlc" => &[Channel::Candles(Interval::M1)],
        "executions" => &[Channel::Orders, Channel::Fills],
        "balances" => &[Channel::Balances],
        _ => &[],
    }
}

/// Reads one frame.
pub(super) fn decode(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<(), WireError> {
    match ServerFrame::parse(frame)? {
        ServerFrame::Heartbeat => out.events.push(Event::Control(Control::Beat)),
        ServerFrame::Retired { event } => out.events.push(match event.as_str() {
            "heartbeat" | "pong" | "systemStatus" | "subscriptionStatus" => Event::Control(Control::Beat),
            other => Unfit::new(BrokenWhy::UnknownKind, other).broken(None),
        }),
        ServerFrame::Reply(reply) => out.events.push(replied(place, &reply)),
        ServerFrame::Data(message) => data(place, &message, out)?,
    }
    Ok(())
}

/// The answer to a request of ours.
fn replied(place: Place<'_>, reply: &Reply<'_>) -> Event {
    match reply.method.as_str() {
        "pong" => return Event::Control(Control::Pong),
        "subscribe" | "unsubscribe" => {}
        other => return Unfit::new(BrokenWhy::UnknownKind, other).broken(None),
    }
    let told: Option<spot::Subscribed<'_>> =
        reply.result.and_then(|json| venuekit_wire::parse(json.get().as_bytes()).ok());
    let symbol = reply.symbol.as_ref().or(told.as_ref().and_then(|told| told.symbol.as_ref()));
    let market = symbol.and_then(|symbol| place.catalog.find(symbol)).map(|(market, _)| market);
    let of = match (reply.req_id, market) {
        (Some(id), Some(market)) => AckOf::OneOf(id, market),
        (Some(id), None) => AckOf::Request(id),
        (None, _) => {
            let name = told.as_ref().and_then(|told| told.channel.as_deref()).unwrap_or_default();
            AckOf::Topics(channels(name).iter().map(|&channel| Topic { channel, market }).collect())
        }
    };
    let words = reply.error.as_deref().unwrap_or_default();
    // What we asked for is so already.
    let is_so = words.starts_with("Already subscribed") || words.starts_with("Subscription Not Found");
    if reply.success == Some(true) || is_so {
        return Event::Control(Control::Ack(of));
    }
    if ["ESession:", "EAPI:Invalid token"].iter().any(|prefix| words.starts_with(prefix)) {
        return Event::Control(Control::KeyExpired);
    }
    Event::Control(Control::Refused { of, fault: fault::of_spot(words) })
}

fn data(place: Place<'_>, message: &Message<'_>, out: &mut EventBuf) -> Result<(), WireError> {
    match message.channel.as_str() {
        "book" => {
            for told in message.rows::<spot::Book<'_>>()? {
                of_market(place, Channel::Book, &told.symbol, out, |_, instrument, out| {
                    let (bids, asks) = (texts(&told.bids), texts(&told.asks));
                    let body = book(bids, asks, Some(told.checksum), instrument, out)?;
                    let kind = if message.is_snapshot { DataKind::Snapshot } else { DataKind::Update };
                    let at = told.timestamp.map(|time| time.0);
                    Ok(Told { kind, ids: None, at, body: Body::Book(body) })
                });
            }
        }
        "trade" => {
            let trades = message.rows::<spot::Trade<'_>>()?;
            for trades in trades.chunk_by(|a, b| a.symbol == b.symbol) {
                self::trades(place, trades, out);
            }
        }
        "ticker" => {
            for told in message.rows::<spot::Ticker<'_>>()? {
                of_market(place, Channel::Ticker, &told.symbol, out, |market, _, out| {
                    let row = Row::Ticker(ticker(market, &told)?);
                    Ok(Told::rows(told.timestamp.map(|time| time.0), out.put_rows([row])))
                });
            }
        }
        "ohlc" => {
            let bars = message.rows::<spot::Ohlc<'_>>()?;
            for bars in bars.chunk_by(|a, b| a.symbol == b.symbol && a.interval == b.interval) {
                self::bars(place, bars, out);
            }
        }
        "executions" => executions(place, message, out)?,
        // They tell no more than a total, of which orders hold a part: the state is asked for again.
        "balances" => out.events.push(changed(Channel::Balances)),
        "instrument" => {
            let listed: spot::Instruments<'_> = venuekit_wire::parse(message.data.get().as_bytes())?;
            for pair in listed.pairs {
                instrument(pair, out);
            }
        }
        "status" => out.events.push(status(message.data)),
        other => out.events.push(Unfit::new(BrokenWhy::UnknownKind, other).broken(None)),
    }
    Ok(())
}

fn texts<'t>(
    levels: &'t [Level<'_>],
) -> impl Iterator<Item = Result<(&'t str, &'t str), Unfit>> + Clone + use<'t> {
    levels.iter().map(|level| Ok((level.price.as_str(), level.qty.as_str())))
}

/// An event without rows: the state of a channel changed, and only REST tells it whole.
pub(super) fn changed(channel: Channel) -> Event {
    let (topic, body) = (Topic::account(channel), Body::Rows(0..0));
    Event::Data(Data { topic, kind: DataKind::Update, ids: None, at: None, body })
}

fn trades(place: Place<'_>, trades: &[spot::Trade<'_>], out: &mut EventBuf) {
    let Some(last) = trades.last() else { return };
    of_market(place, Channel::Trades, &last.symbol, out, |market, instrument, out| {
        let start = out.rows.len();
        for trade in trades {
            let id = out.put_text(&trade.trade_id.to_string());
            out.rows.push(Row::Trade(Trade {
                market,
                id,
                number: Some(trade.trade_id),
                price: Price(trade.price.parse_scaled(instrument.price_scale)?),
                qty: Qty(trade.qty.parse_scaled(instrument.qty_scale)?),
                side: Some(side(&trade.side)?),
                at: trade.timestamp.0,
            }));
        }
        Ok(Told::rows(Some(last.timestamp.0), Body::Rows(start..out.rows.len())))
    });
}

fn ticker(market: MarketId, told: &spot::Ticker<'_>) -> Result<TickerPatch, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.last = optional(told.last.as_ref())?;
    patch.bid = optional(told.bid.as_ref())?;
    patch.bid_qty = optional(told.bid_qty.as_ref())?;
    patch.ask = optional(told.ask.as_ref())?;
    patch.ask_qty = optional(told.ask_qty.as_ref())?;
    patch.open = match (patch.last, optional(told.change.as_ref())?) {
        (Some(last), Some(change)) => last.checked_sub(change),
        _ => None,
    };
    patch.high = optional(told.high.as_ref())?;
    patch.low = optional(told.low.as_ref())?;
    patch.volume = optional(told.volume.as_ref())?;
    Ok(patch)
}

/// Bars of one pair, oldest first. No bar says that it is closed: the next one does, where both are told together.
fn bars(place: Place<'_>, bars: &[spot::Ohlc<'_>], out: &mut EventBuf) {
    let Some(last) = bars.last() else { return };
    let known = INTERVALS.iter().find(|(_, minutes, _)| *minutes == last.interval);
    let Some(&(interval, ..)) = known else {
        let unfit = Unfit::new(BrokenWhy::UnknownKind, &format!("bars of {} minutes", last.interval));
        return out.events.push(unfit.broken(None));
    };
    of_market(place, Channel::Candles(interval), &last.symbol, out, |market, _, out| {
        let start = out.rows.len();
        for bar in bars {
            out.rows.push(Row::Candle(Candle {
                market,
                interval,
                open_at: bar.interval_begin.0,
                open: decimal(&bar.open)?,
                high: decimal(&bar.high)?,
                low: decimal(&bar.low)?,
                close: decimal(&bar.close)?,
                volume: decimal(&bar.volume)?,
                trades: Some(bar.trades),
                closed: bar.interval_begin < last.interval_begin,
            }));
        }
        Ok(Told::rows(None, Body::Rows(start..out.rows.len())))
    });
}

fn instrument(json: &RawValue, out: &mut EventBuf) {
    let read = venuekit_wire::parse(json.get().as_bytes()).map_err(Unfit::shape);
    match read.and_then(|pair: spot::Pair<'_>| symbol::listed(&pair)) {
        Ok(instrument) => out.instruments.push(instrument),
        Err(unfit) => out.events.push(unfit.broken(None)),
    }
}

/// The engine's state, told at every connection.
fn status(json: &RawValue) -> Event {
    #[derive(serde::Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        system: venuekit_wire::Text<'a>,
    }
    let rows: Result<Vec<Status<'_>>, _> = venuekit_wire::parse(json.get().as_bytes());
    match rows.ok().and_then(|rows| rows.into_iter().next()) {
        Some(status) if status.system == "online" => Event::Control(Control::Beat),
        Some(status) => {
            let text = format!("the engine is in {} mode", venuekit_venue::read::clip(&status.system));
            Event::Control(Control::Notice(Fault::ours(FaultKind::Unavailable, text)))
        }
        None => Unfit::shape("a status without `system`").broken(None),
    }
}

/// One message is a transaction of two of our channels; each takes its number, whatever it has for it.
fn executions(place: Place<'_>, message: &Message<'_>, out: &mut EventBuf) -> Result<(), WireError> {
    let reports = message.rows::<Execution<'_>>()?;
    let kind = if message.is_snapshot { DataKind::Snapshot } else { DataKind::Update };
    let at = reports.iter().filter_map(|report| report.timestamp).map(|time| time.0).max();
    for (channel, read) in [(Channel::Orders, order as ReadReport), (Channel::Fills, fill)] {
        let topic = Topic::account(channel);
        let start = out.rows.len();
        // The last trades of a snapshot say nothing of what is open.
        let is_of = |report: &&Execution<'_>| {
            channel == Channel::Fills || !message.is_snapshot || report.exec_type != "trade"
        };
        let rows: Result<Vec<Option<Row>>, Unfit> =
            reports.iter().filter(is_of).map(|report| read(place, report)).collect();
        let ids = message.sequence.map(Ids::single);
        match rows {
            Ok(rows) => {
                out.rows.extend(rows.into_iter().flatten());
                let body = Body::Rows(start..out.rows.len());
                out.events.push(Event::Data(Data { topic, kind, ids, at, body }));
            }
            Err(unfit) => out.events.push(unfit.broken(Some(topic))),
        }
    }
    // Whatever became of an order changed what is held for it.
    out.events.push(changed(Channel::Balances));
    Ok(())
}

type ReadReport = fn(Place<'_>, &Execution<'_>) -> Result<Option<Row>, Unfit>;

fn order(place: Place<'_>, report: &Execution<'_>) -> Result<Option<Row>, Unfit> {
    let order_id = report.order_id.to_string();
    let cum_qty = optional(report.cum_qty.as_ref())?;
    let status = report.order_status.as_ref().map(|word| spot_status(word, cum_qty.unwrap_or_default()));
    let avg_px = positive(report.avg_price.as_ref())?;
    let at: Option<UnixNanos> = report.timestamp.map(|time| time.0);
    let Some(symbol) = &report.symbol else {
        let change = OrderChange { order_id, status, cum_qty, avg_px, at };
        return Ok(Some(Row::OrderChange(Box::new(change))));
    };
    let (market, _) = place.catalog.find(symbol).ok_or_else(|| Unfit::market(symbol))?;
    let stop_price = report.triggers.as_ref().and_then(|trigger| trigger.price.as_ref());
    Ok(Some(Row::Order(OrderPatch {
        client_order_id: some(report.cl_ord_id.as_ref()),
        side: report.side.as_ref().map(|word| side(word)).transpose()?,
        order_type: report.order_type.as_ref().map(|word| order_type(word)),
        time_in_force: report.time_in_force.as_ref().map(|word| word.to_ascii_uppercase()),
        price: positive(report.limit_price.as_ref())?,
        stop_price: positive(stop_price)?,
        qty: optional(report.order_qty.as_ref())?,
        cum_qty,
        avg_px,
        status,
        post_only: report.post_only,
        reduce_only: report.reduce_only,
        created_at: at.filter(|_| report.exec_type == "pending_new"),
        updated_at: at,
        ..OrderPatch::new(market, order_id)
    })))
}

fn fill(place: Place<'_>, report: &Execution<'_>) -> Result<Option<Row>, Unfit> {
    if report.exec_type != "trade" {
        return Ok(None);
    }
    fn told<'t, T>(value: &'t Option<T>, name: &str) -> Result<&'t T, Unfit> {
        value.as_ref().ok_or_else(|| Unfit::shape(format!("a trade without `{name}`")))
    }
    let symbol = told(&report.symbol, "symbol")?;
    let (market, _) = place.catalog.find(symbol).ok_or_else(|| Unfit::market(symbol))?;
    let fee = report.fees.as_ref().and_then(|fees| fees.first());
    Ok(Some(Row::Fill(Fill {
        market,
        fill_id: told(&report.exec_id, "exec_id")?.to_string(),
        order_id: report.order_id.to_string(),
        client_order_id: some(report.cl_ord_id.as_ref()),
        side: side(told(&report.side, "side")?)?,
        price: decimal(told(&report.last_price, "last_price")?)?,
        qty: decimal(told(&report.last_qty, "last_qty")?)?,
        fee: optional(fee.map(|fee| &fee.qty))?.unwrap_or_default(),
        fee_rate: None,
        fee_asset: fee.map(|fee| symbol::asset(&fee.asset)),
        realized_pnl: None,
        maker: report.liquidity_ind.as_ref().is_some_and(|word| *word == "m"),
        at: told(&report.timestamp, "timestamp")?.0,
    })))
}

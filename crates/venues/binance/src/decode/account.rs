//! Answers about an account: money, positions, orders, fills. A row that does not read costs itself alone.

use venuekit_types::UnixNanos;
use venuekit_venue::read::{Unfit, clip};
use venuekit_venue::{
    Ask, BalancePatch, Channel, Control, Event, EventBuf, Fault, FaultKind, FeeSchedule, Fill, MarketId,
    Movement, MovementKind, MovementStatus, OrderRef, PairFee, Permissions, Place, Row, Token, Topic, Wallet,
};
use venuekit_wire::{RawValue, Text, Time, binance};

use super::answer::typed;
use super::rows::{self, decimal, optional, text};
use crate::fault::NO_SUCH_WALLET;
use crate::spec::{ALGO, is_usdm};

/// Reads the answer to what was asked about an account.
pub(super) fn answer(place: Place<'_>, ask: &Ask, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    let usdm = is_usdm(place.product);
    let money = Topic::account(Channel::Balances);
    match ask {
        Ask::Permissions => {
            let row = Row::Permissions(if usdm { futures_rights(body)? } else { rights(body)? });
            out.tell_list(money, false, [row], |row| Ok(Some(row)));
        }
        Ask::Fees if usdm => {
            let config: binance::AccountConfig = typed(body)?;
            let tier = Some(config.fee_tier.to_string());
            let row = Row::Fees(Box::new(FeeSchedule { tier, ..FeeSchedule::default() }));
            out.tell_list(money, false, [row], |row| Ok(Some(row)));
        }
        Ask::Fees => fees(place, body, out)?,
        Ask::Balances { wallet } => balances(*wallet, body, out)?,
        Ask::Positions { market } => {
            let topic = Topic { channel: Channel::Positions, market: *market };
            out.tell_list(topic, true, list(body)?, |row| {
                let row: binance::Position<'_> = parse(row)?;
                rows::position(place.market(*market, &row.symbol)?, &row)
            });
        }
        Ask::OpenOrders { market } if place.product == ALGO => algos(place, *market, true, list(body)?, out),
        Ask::OrderHistory { market, .. } if place.product == ALGO => {
            algos(place, Some(*market), false, list(body)?, out);
        }
        Ask::Order { market, order } if place.product == ALGO => {
            one_algo(place, *market, order, &typed(body)?, out)?;
        }
        Ask::Place(order) if place.product == ALGO => {
            let named = OrderRef::Client(order.client_order_id.clone());
            one_algo(place, order.market, &named, &typed(body)?, out)?;
        }
        // It names the order and says no more of it.
        Ask::Cancel { order, .. } if place.product == ALGO => {
            let told: binance::AlgoCancelled<'_> = typed(body)?;
            is_named(order, told.algo_id, &told.client_algo_id)?;
        }
        Ask::OpenOrders { market } => orders(place, *market, true, list(body)?, out),
        Ask::OrderHistory { market, .. } => orders(place, Some(*market), false, list(body)?, out),
        // Spot lists the orders that it cancelled, lists of orders among them; USD-M says that it did.
        Ask::CancelAll { market } if !usdm => {
            let mut plain = list(body)?;
            plain.retain(|row| venuekit_wire::parse::<binance::Order<'_>>(row.get().as_bytes()).is_ok());
            orders(place, *market, false, plain, out);
        }
        Ask::Order { market, order } | Ask::Cancel { market, order } => {
            one_order(place, *market, order, body, out)?;
        }
        Ask::Place(order) => {
            one_order(place, order.market, &OrderRef::Client(order.client_order_id.clone()), body, out)?;
        }
        Ask::Fills { market, .. } => {
            out.tell_list(Topic::account(Channel::Fills), false, list(body)?, |row| {
                let row: binance::Fill<'_> = parse(row)?;
                rows::fill(place.market(Some(*market), &row.symbol)?, &row).map(Some)
            });
        }
        Ask::Deposits { .. } => out.tell_list(money, false, list(body)?, |row| deposit(row).map(Some)),
        Ask::Withdrawals { .. } => out.tell_list(money, false, list(body)?, |row| withdrawal(row).map(Some)),
        Ask::Transfers { .. } if usdm => {
            out.tell_list(money, false, list(body)?, |row| futures_transfer(row).map(Some));
        }
        Ask::Transfers { .. } => {
            let binance::MarginTransfers { rows } = typed(body)?;
            out.tell_list(money, false, rows, |row| margin_transfer(row).map(Some));
        }
        Ask::OpenToken if !usdm => {
            let binance::ListenToken { token, .. } = typed(body)?;
            out.events.push(Event::Control(Control::Token(Token(token.0.to_string()))));
        }
        Ask::OpenToken => {
            let binance::ListenKey { listen_key } = typed(body)?;
            out.events.push(Event::Control(Control::Token(Token(listen_key.0.to_string()))));
        }
        // Nothing in these answers is promised; that they are answers is what counts.
        Ask::RenewToken { .. } | Ask::Countdown { .. } | Ask::CancelAll { .. } => {
            typed::<&RawValue>(body)?;
        }
        _ => return Err(Fault::unreadable("an answer to what was never asked")),
    }
    Ok(())
}

/// What a refusal says that is no fault: a wallet that was never opened is empty, and where nothing is open nothing is
/// left to cancel.
pub(super) fn without(ask: &Ask, fault: Fault, out: &mut EventBuf) -> Result<(), Fault> {
    let absent = fault.code.map_or(fault.kind == FaultKind::NotFound, |code| NO_SUCH_WALLET.contains(&code));
    match ask {
        Ask::Balances { wallet: Wallet::Margin | Wallet::Isolated | Wallet::Funding } if absent => {
            out.tell_list(Topic::account(Channel::Balances), true, [], |row: Row| Ok(Some(row)));
            Ok(())
        }
        _ => Err(fault),
    }
}

fn list(body: &[u8]) -> Result<Vec<&RawValue>, Fault> {
    typed(body)
}

fn parse<'a, T: serde::Deserialize<'a>>(row: &'a RawValue) -> Result<T, Unfit> {
    venuekit_wire::parse(row.get().as_bytes()).map_err(Unfit::shape)
}

fn rights(body: &[u8]) -> Result<Permissions, Fault> {
    let told: binance::ApiRestrictions = typed(body)?;
    Ok(Permissions {
        read: Some(told.enable_reading),
        trade: Some(told.enable_spot_and_margin_trading),
        withdraw: Some(told.enable_withdrawals),
        ip_restricted: Some(told.ip_restrict),
    })
}

/// That it answers says that it may be read.
fn futures_rights(body: &[u8]) -> Result<Permissions, Fault> {
    let told: binance::AccountConfig = typed(body)?;
    Ok(Permissions { read: Some(true), trade: Some(told.can_trade), ..Permissions::default() })
}

/// A pair that is not listed is passed over.
fn fees(place: Place<'_>, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    let topic = Topic::account(Channel::Balances);
    let mut schedule = FeeSchedule::default();
    let pair = |row| -> Result<Option<PairFee>, Unfit> {
        let row: binance::TradeFee<'_> = parse(row)?;
        let Some((market, _)) = place.catalog.find(&row.symbol) else { return Ok(None) };
        let (maker, taker) = (decimal(&row.maker_commission)?, decimal(&row.taker_commission)?);
        Ok(Some(PairFee { market, maker, taker }))
    };
    for row in list(body)? {
        match pair(row) {
            Ok(pair) => schedule.pairs.extend(pair),
            Err(unfit) => out.events.push(unfit.broken(Some(topic))),
        }
    }
    out.tell_list(topic, false, [Row::Fees(Box::new(schedule))], |row| Ok(Some(row)));
    Ok(())
}

fn balances(wallet: Wallet, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    let topic = Topic::account(Channel::Balances);
    match wallet {
        Wallet::Spot => {
            let binance::SpotAccount { balances, .. } = typed(body)?;
            out.tell_list(topic, true, balances, |row| {
                let row: binance::SpotBalance<'_> = parse(row)?;
                let mut patch = BalancePatch::new(wallet.as_str().to_owned(), row.asset.to_string());
                patch.free = Some(decimal(&row.free)?);
                patch.locked = Some(decimal(&row.locked)?);
                Ok(Some(Row::Balance(patch)))
            });
        }
        Wallet::Margin => {
            let binance::MarginAccount { user_assets } = typed(body)?;
            out.tell_list(topic, true, user_assets, |row| {
                margin(wallet.as_str().to_owned(), &parse(row)?).map(Some)
            });
        }
        Wallet::Isolated => isolated(body, out)?,
        Wallet::Funding => out.tell_list(topic, true, list(body)?, |row| {
            let row: binance::FundingAsset<'_> = parse(row)?;
            let mut patch = BalancePatch::new(wallet.as_str().to_owned(), row.asset.to_string());
            patch.free = Some(decimal(&row.free)?);
            let held = [&row.locked, &row.freeze, &row.withdrawing];
            let mut locked = rust_decimal::Decimal::ZERO;
            for part in held {
                let sum = locked.checked_add(decimal(part)?);
                locked = sum.ok_or_else(|| Unfit::shape("more is held than can be counted"))?;
            }
            patch.locked = Some(locked);
            Ok(Some(Row::Balance(patch)))
        }),
        Wallet::Futures => {
            let binance::FuturesAccount { assets } = typed(body)?;
            out.tell_list(topic, true, assets, |row| {
                let row: binance::FuturesAsset<'_> = parse(row)?;
                let mut patch = rows::wallet(&row.asset, &row.wallet_balance)?;
                patch.unrealized_pnl = Some(decimal(&row.unrealized_profit)?);
                Ok(Some(Row::Balance(patch)))
            });
        }
    }
    Ok(())
}

fn margin(wallet: String, row: &binance::MarginAsset<'_>) -> Result<Row, Unfit> {
    let mut patch = BalancePatch::new(wallet, row.asset.to_string());
    patch.free = Some(decimal(&row.free)?);
    patch.locked = Some(decimal(&row.locked)?);
    patch.borrowed = Some(decimal(&row.borrowed)?);
    patch.interest = Some(decimal(&row.interest)?);
    Ok(Row::Balance(patch))
}

/// Each pair has a wallet of its own, named in every row.
fn isolated(body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    let binance::IsolatedAccount { assets } = typed(body)?;
    let mut rows = Vec::new();
    for pair in assets {
        let both = parse(pair).and_then(|pair: binance::IsolatedPair<'_>| {
            let wallet = || Wallet::Isolated.of_pair(&pair.symbol);
            Ok([margin(wallet(), &pair.base_asset)?, margin(wallet(), &pair.quote_asset)?])
        });
        match both {
            Ok(both) => rows.extend(both.map(Ok)),
            Err(unfit) => rows.push(Err(unfit)),
        }
    }
    out.tell_list(Topic::account(Channel::Balances), true, rows, |row| row.map(Some));
    Ok(())
}

fn orders(
    place: Place<'_>,
    market: Option<MarketId>,
    is_whole: bool,
    rows: Vec<&RawValue>,
    out: &mut EventBuf,
) {
    let topic = Topic { channel: Channel::Orders, market };
    out.tell_list(topic, is_whole, rows, |row| {
        let row: binance::Order<'_> = parse(row)?;
        rows::order(place.product, place.market(market, &row.symbol)?, &row).map(Some)
    });
}

fn algos(
    place: Place<'_>,
    market: Option<MarketId>,
    is_whole: bool,
    rows: Vec<&RawValue>,
    out: &mut EventBuf,
) {
    let topic = Topic { channel: Channel::Orders, market };
    out.tell_list(topic, is_whole, rows, |row| {
        let row: binance::AlgoOrder<'_> = parse(row)?;
        rows::algo(place.market(market, &row.symbol)?, &row).map(Some)
    });
}

/// As [`one_order`], of those that wait for a trigger.
fn one_algo(
    place: Place<'_>,
    market: MarketId,
    named: &OrderRef,
    told: &binance::AlgoOrder<'_>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    is_named(named, told.algo_id, &told.client_algo_id)?;
    if told.symbol != place.instrument(market)?.venue_symbol.as_str() {
        return Err(Fault::unreadable(format!(
            "an order of {}, which was not asked for",
            clip(&told.symbol)
        )));
    }
    let row = rows::algo(market, told).map_err(Unfit::fault)?;
    out.tell_list(Topic::account(Channel::Orders), false, [row], |row| Ok(Some(row)));
    Ok(())
}

/// An answer must be about the order that was asked for.
fn is_named(named: &OrderRef, id: u64, client_id: &str) -> Result<(), Fault> {
    let is_it = match named {
        OrderRef::Venue(named) => id.to_string() == *named,
        OrderRef::Client(named) => client_id == named,
    };
    if is_it { Ok(()) } else { Err(Fault::unreadable(format!("order {id}, which was not asked for"))) }
}

/// The answer must be the order that was asked for: of that market, and by that name. One that filled at once brings
/// its fills.
fn one_order(
    place: Place<'_>,
    market: MarketId,
    named: &OrderRef,
    body: &[u8],
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let instrument = place.instrument(market)?;
    let order: binance::Order<'_> = typed(body)?;
    let client_id = text(order.orig_client_order_id.as_ref());
    let client_id = client_id.as_deref().unwrap_or(order.client_order_id.as_str());
    is_named(named, order.order_id, client_id)?;
    if order.symbol != instrument.venue_symbol.as_str() {
        let text = format!("order {} of {}, which was not asked for", order.order_id, clip(&order.symbol));
        return Err(Fault::unreadable(text));
    }
    let row = rows::order(place.product, market, &order).map_err(Unfit::fault)?;
    out.tell_list(Topic::account(Channel::Orders), false, [row], |row| Ok(Some(row)));
    if let (Some(fills), Some(side), Some(at)) = (&order.fills, &order.side, order.transact_time)
        && !fills.is_empty()
    {
        let side = rows::side(side).map_err(Unfit::fault)?;
        out.tell_list(Topic::account(Channel::Fills), false, fills, |fill| {
            // One without an id is told by its stream or its history alone.
            let Some(id) = fill.trade_id else { return Ok(None) };
            Ok(Some(Row::Fill(Fill {
                market,
                fill_id: id.to_string(),
                order_id: order.order_id.to_string(),
                client_order_id: Some(client_id.to_owned()).filter(|id| !id.is_empty()),
                side,
                price: decimal(&fill.price)?,
                qty: decimal(&fill.qty)?,
                fee: decimal(&fill.commission)?,
                fee_rate: None,
                fee_asset: text(Some(&fill.commission_asset)),
                realized_pnl: None,
                maker: false,
                at: at.0,
            })))
        });
    }
    Ok(())
}

fn deposit(row: &RawValue) -> Result<Row, Unfit> {
    let row: binance::Deposit<'_> = parse(row)?;
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Deposit,
        id: row.id.to_string(),
        asset: row.coin.to_string(),
        amount: decimal(&row.amount)?,
        fee: None,
        network: text(row.network.as_ref()),
        address: text(row.address.as_ref()),
        tx_id: text(row.tx_id.as_ref()),
        from: None,
        to: None,
        status: match row.status {
            0 | 8 => MovementStatus::Pending,
            6 => MovementStatus::Confirming,
            1 => MovementStatus::Completed,
            2 | 7 => MovementStatus::Failed,
            _ => MovementStatus::Unknown,
        },
        at: row.insert_time.0,
    })))
}

fn withdrawal(row: &RawValue) -> Result<Row, Unfit> {
    let row: binance::Withdrawal<'_> = parse(row)?;
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Withdrawal,
        id: row.id.to_string(),
        asset: row.coin.to_string(),
        amount: decimal(&row.amount)?,
        fee: optional(row.transaction_fee.as_ref())?,
        network: text(row.network.as_ref()),
        address: text(row.address.as_ref()),
        tx_id: text(row.tx_id.as_ref()),
        from: None,
        to: None,
        status: match row.status {
            0 | 2 => MovementStatus::Pending,
            4 => MovementStatus::Confirming,
            6 => MovementStatus::Completed,
            1 => MovementStatus::Cancelled,
            3 | 5 => MovementStatus::Failed,
            _ => MovementStatus::Unknown,
        },
        at: instant(&row.apply_time)?,
    })))
}

/// The one route of the venue that writes instants as text: `2019-10-12 11:12:02`, in UTC.
fn instant(text: &Text<'_>) -> Result<UnixNanos, Unfit> {
    let iso = format!("{}Z", text.as_str().replacen(' ', "T", 1));
    iso.parse().map(|Time(at)| at).map_err(Unfit::shape)
}

/// A transfer into or out of a margin wallet. Without names it is the cross wallet's, as it was before there were others.
fn margin_transfer(row: &RawValue) -> Result<Row, Unfit> {
    let row: binance::MarginTransfer<'_> = parse(row)?;
    let (from, to) = match (&row.trans_from, &row.trans_to) {
        (Some(from), Some(to)) => (wallet(from), wallet(to)),
        _ if row.kind == "ROLL_IN" => (Some(Wallet::Spot), Some(Wallet::Margin)),
        _ => (Some(Wallet::Margin), Some(Wallet::Spot)),
    };
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Transfer,
        id: row.tx_id.to_string(),
        asset: row.asset.to_string(),
        amount: decimal(&row.amount)?,
        fee: None,
        network: None,
        address: None,
        tx_id: None,
        from,
        to,
        status: match row.status.as_str() {
            "CONFIRMED" => MovementStatus::Completed,
            "PENDING" => MovementStatus::Pending,
            "FAILED" => MovementStatus::Failed,
            _ => MovementStatus::Unknown,
        },
        at: row.timestamp.0,
    })))
}

/// A wallet that we do not know is not told.
fn wallet(word: &Text<'_>) -> Option<Wallet> {
    Some(match word.as_str() {
        "SPOT" => Wallet::Spot,
        "CROSS_MARGIN" => Wallet::Margin,
        "ISOLATED_MARGIN" => Wallet::Isolated,
        "FUTURES" => Wallet::Futures,
        _ => return None,
    })
}

/// A transfer as the futures wallet saw it: the sign says which way. Where the money was before is not told.
fn futures_transfer(row: &RawValue) -> Result<Row, Unfit> {
    let row: binance::Income<'_> = parse(row)?;
    let amount = decimal(&row.income)?;
    let came = amount.is_sign_positive();
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Transfer,
        id: row.tran_id.to_string(),
        asset: row.asset.to_string(),
        amount: amount.abs(),
        fee: None,
        network: None,
        address: None,
        tx_id: None,
        from: (!came).then_some(Wallet::Futures),
        to: came.then_some(Wallet::Futures),
        status: MovementStatus::Completed,
        at: row.time.0,
    })))
}

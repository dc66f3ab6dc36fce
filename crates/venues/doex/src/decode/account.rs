//! Answers about an account: money, positions, orders, fills. A row that does not read costs itself alone.

use rust_decimal::Decimal;
use venuekit_venue::read::{Unfit, clip};
use venuekit_venue::{
    Ask, BalancePatch, Channel, Control, CopyPosition, CopyTrade, Event, EventBuf, Fault, FeeSchedule,
    FeeTier, MarketId, Movement, MovementKind, MovementStatus, OrderRef, PairFee, Permissions, Place,
    PositionPatch, Row, Token, Topic, Wallet,
};
use venuekit_wire::{RawValue, Text, doex};

use super::answer::typed;
use super::rows::{self, decimal, margin_mode, optional};

/// Reads the answer to what was asked about an account.
pub(super) fn answer(place: Place<'_>, ask: &Ask, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    let account = Topic::account;
    match ask {
        Ask::Permissions => {
            let told: doex::Permissions = typed(body)?;
            let doex::Permissions { read, trade, withdraw, ip_restricted } = told;
            let row = Row::Permissions(Permissions { read, trade, withdraw, ip_restricted });
            out.tell_list(account(Channel::Balances), false, [row], |row| Ok(Some(row)));
        }
        Ask::Fees => fees(place, body, out)?,
        Ask::Balances { wallet } => {
            let doex::Assets { assets } = typed(body)?;
            let level = margin_level(*wallet, body).unwrap_or_else(|unfit| {
                out.events.push(unfit.broken(Some(account(Channel::Balances))));
                None
            });
            out.tell_list(account(Channel::Balances), true, assets, |row| {
                balance(*wallet, level, row).map(Some)
            });
        }
        Ask::Positions { market } => {
            let topic = Topic { channel: Channel::Positions, market: *market };
            out.tell_list(topic, true, list(body)?, |row| {
                let row: doex::Position<'_> = parse(row)?;
                position(place.market(*market, &row.symbol)?, &row).map(Some)
            });
        }
        Ask::OpenOrders { market } => orders(place, *market, true, body, out)?,
        Ask::OrderHistory { market, .. } => orders(place, Some(*market), false, body, out)?,
        Ask::CancelAll { market } => orders(place, *market, false, body, out)?,
        Ask::Order { market, order } | Ask::Cancel { market, order } => {
            one_order(place, *market, order, body, out)?;
        }
        Ask::Place(order) => {
            one_order(place, order.market, &OrderRef::Client(order.client_order_id.clone()), body, out)?;
        }
        Ask::Fills { market, .. } => {
            out.tell_list(account(Channel::Fills), false, list(body)?, |row| {
                let row: doex::Fill<'_> = parse(row)?;
                rows::fill(place.market(Some(*market), &row.symbol)?, &row).map(Some)
            });
        }
        Ask::Deposits { .. } => movements(MovementKind::Deposit, body, out)?,
        Ask::Withdrawals { .. } => movements(MovementKind::Withdrawal, body, out)?,
        Ask::Transfers { .. } => {
            out.tell_list(account(Channel::Balances), false, list(body)?, |row| transfer(row).map(Some));
        }
        Ask::CopyPositions => {
            out.tell_list(account(Channel::Positions), false, list(body)?, |row| {
                copy_position(place, row).map(Some)
            });
        }
        Ask::CopyTrades { .. } => {
            out.tell_list(account(Channel::Fills), false, list(body)?, |row| {
                copy_trade(place, row).map(Some)
            });
        }
        Ask::OpenToken => {
            let doex::ListenKey { listen_key } = typed(body)?;
            out.events.push(Event::Control(Control::Token(Token(listen_key.0.to_string()))));
        }
        // Nothing in these answers is promised; that they are answers is what counts.
        Ask::RenewToken { .. } | Ask::DropToken { .. } | Ask::Countdown { .. } => {
            if !body.is_empty() {
                typed::<&RawValue>(body)?;
            }
        }
        _ => return Err(Fault::unreadable("an answer to what was never asked")),
    }
    Ok(())
}

fn list(body: &[u8]) -> Result<Vec<&RawValue>, Fault> {
    typed(body)
}

fn parse<'a, T: serde::Deserialize<'a>>(row: &'a RawValue) -> Result<T, Unfit> {
    venuekit_wire::parse(row.get().as_bytes()).map_err(Unfit::shape)
}

/// Text that is there and not empty.
fn some(text: Option<&Text<'_>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToString::to_string)
}

fn orders(
    place: Place<'_>,
    market: Option<MarketId>,
    is_whole: bool,
    body: &[u8],
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let topic = Topic { channel: Channel::Orders, market };
    out.tell_list(topic, is_whole, list(body)?, |row| {
        let row: doex::Order<'_> = parse(row)?;
        rows::order(place.market(market, &row.symbol)?, &row).map(Some)
    });
    Ok(())
}

/// The answer must be the order that was asked for: of that market, and by that name.
fn one_order(
    place: Place<'_>,
    market: MarketId,
    named: &OrderRef,
    body: &[u8],
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let instrument = place.instrument(market)?;
    let order: doex::Order<'_> = typed(body)?;
    let is_it = match named {
        OrderRef::Venue(id) => order.order_id.to_string() == *id,
        OrderRef::Client(id) => order.client_order_id.as_str() == id,
    };
    if !is_it || order.symbol != instrument.venue_symbol.as_str() {
        let text = format!("order {} of {}, which was not asked for", order.order_id, clip(&order.symbol));
        return Err(Fault::unreadable(text));
    }
    let row = rows::order(market, &order).map_err(Unfit::fault)?;
    out.tell_list(Topic::account(Channel::Orders), false, [row], |row| Ok(Some(row)));
    Ok(())
}

/// One that does not read costs the rows of its wallet nothing.
fn margin_level(wallet: Wallet, body: &[u8]) -> Result<Option<Decimal>, Unfit> {
    if wallet != Wallet::Margin {
        return Ok(None);
    }
    let told: doex::MarginLevel<'_> = venuekit_wire::parse(body).map_err(Unfit::shape)?;
    optional(told.margin_level.as_ref())
}

/// What holds money of futures is told apart, so nothing of it is locked for a reason unknown.
fn balance(wallet: Wallet, margin_level: Option<Decimal>, row: &RawValue) -> Result<Row, Unfit> {
    let patch = |asset: &Text<'_>| BalancePatch::new(wallet.as_str().to_owned(), asset.to_string());
    Ok(Row::Balance(match wallet {
        Wallet::Margin => {
            let row: doex::MarginAsset<'_> = parse(row)?;
            BalancePatch {
                free: Some(decimal(&row.free)?),
                locked: Some(decimal(&row.locked)?),
                borrowed: optional(row.borrowed.as_ref())?,
                interest: optional(row.interest.as_ref())?,
                margin_level,
                ..patch(&row.asset)
            }
        }
        Wallet::Futures => {
            let row: doex::FuturesAsset<'_> = parse(row)?;
            BalancePatch {
                free: Some(decimal(&row.available_balance)?),
                order_margin: optional(row.order_margin.as_ref())?,
                position_margin: optional(row.position_margin.as_ref())?,
                locked: Some(Decimal::ZERO),
                unrealized_pnl: optional(row.unrealized_pnl.as_ref())?,
                wallet_balance: optional(row.wallet_balance.as_ref())?,
                ..patch(&row.asset)
            }
        }
        _ => {
            let row: doex::Asset<'_> = parse(row)?;
            BalancePatch {
                free: Some(decimal(&row.free)?),
                locked: Some(decimal(&row.locked)?),
                ..patch(&row.asset)
            }
        }
    }))
}

fn position(market: MarketId, row: &doex::Position<'_>) -> Result<Row, Unfit> {
    Ok(Row::Position(PositionPatch {
        qty: Some(decimal(&row.position_amt)?),
        entry_price: optional(row.entry_price.as_ref())?,
        mark_price: optional(row.mark_price.as_ref())?,
        liquidation_price: optional(row.liquidation_price.as_ref())?,
        leverage: optional(row.leverage.as_ref())?,
        margin_mode: row.margin_mode.as_ref().and_then(margin_mode),
        maintenance_rate: optional(row.maint_margin_rate.as_ref())?,
        margin: optional(row.isolated_margin.as_ref())?,
        unrealized_pnl: optional(row.unrealized_pnl.as_ref())?,
        updated_at: row.update_time.map(|time| time.0),
        ..PositionPatch::new(market)
    }))
}

fn movements(kind: MovementKind, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    out.tell_list(Topic::account(Channel::Balances), false, list(body)?, |row| movement(kind, row).map(Some));
    Ok(())
}

fn movement(kind: MovementKind, row: &RawValue) -> Result<Row, Unfit> {
    let row: doex::Movement<'_> = parse(row)?;
    Ok(Row::Movement(Box::new(Movement {
        kind,
        id: row.id.to_string(),
        asset: row.asset.to_string(),
        amount: decimal(&row.amount)?,
        fee: optional(row.fee.as_ref())?,
        network: some(row.network.as_ref()),
        address: some(row.address.as_ref()),
        tx_id: some(row.tx_id.as_ref()),
        from: None,
        to: None,
        status: match row.status {
            doex::MovementStatus::Pending => MovementStatus::Pending,
            doex::MovementStatus::Confirming => MovementStatus::Confirming,
            doex::MovementStatus::Completed => MovementStatus::Completed,
            doex::MovementStatus::Failed => MovementStatus::Failed,
            doex::MovementStatus::Cancelled => MovementStatus::Cancelled,
            doex::MovementStatus::Other(_) => MovementStatus::Unknown,
        },
        at: row.time.0,
    })))
}

/// The venue lists transfers that are done. A wallet that we do not know is not told.
fn transfer(row: &RawValue) -> Result<Row, Unfit> {
    let row: doex::Transfer<'_> = parse(row)?;
    Ok(Row::Movement(Box::new(Movement {
        kind: MovementKind::Transfer,
        id: row.id.to_string(),
        asset: row.asset.to_string(),
        amount: decimal(&row.amount)?,
        fee: None,
        network: None,
        address: None,
        tx_id: None,
        from: Wallet::from_word(row.from.as_str()),
        to: Wallet::from_word(row.to.as_str()),
        status: MovementStatus::Completed,
        at: row.time.0,
    })))
}

fn copy_position(place: Place<'_>, row: &RawValue) -> Result<Row, Unfit> {
    let row: doex::CopyPosition<'_> = parse(row)?;
    Ok(Row::CopyPosition(Box::new(CopyPosition {
        market: place.market(None, &row.symbol)?,
        copy_id: row.copy_id.to_string(),
        lead_id: row.lead_trader_id.to_string(),
        lead_name: some(row.lead_trader_name.as_ref()),
        mirror_ratio: decimal(&row.mirror_ratio)?,
        qty: decimal(&row.position_amt)?,
        entry_price: optional(row.entry_price.as_ref())?,
        mark_price: optional(row.mark_price.as_ref())?,
        unrealized_pnl: optional(row.unrealized_pnl.as_ref())?,
        opened_at: row.open_time.0,
    })))
}

fn copy_trade(place: Place<'_>, row: &RawValue) -> Result<Row, Unfit> {
    let row: doex::CopyTrade<'_> = parse(row)?;
    Ok(Row::CopyTrade(Box::new(CopyTrade {
        market: place.market(None, &row.symbol)?,
        copy_id: row.copy_id.to_string(),
        lead_id: row.lead_trader_id.to_string(),
        lead_order_id: row.lead_order_id.to_string(),
        order_id: row.order_id.to_string(),
        fill_id: row.fill_id.to_string(),
        side: rows::side(&row.side)?,
        price: decimal(&row.price)?,
        qty: decimal(&row.qty)?,
        profit_share: decimal(&row.profit_share)?,
        at: row.time.0,
    })))
}

/// One row for all. A pair that is not listed here is the other product's and is passed over.
fn fees(place: Place<'_>, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    let told: doex::RawFees<'_> = typed(body)?;
    let topic = Topic::account(Channel::Balances);
    let mut schedule = FeeSchedule {
        tier: told.tier.map(|tier| tier.as_str().to_owned()),
        volume_30d: optional(told.volume_30d.as_ref()).map_err(Unfit::fault)?,
        ..FeeSchedule::default()
    };
    let pair = |row| -> Result<Option<PairFee>, Unfit> {
        let row: doex::PairFee<'_> = parse(row)?;
        let Some((market, _)) = place.catalog.find(&row.symbol) else { return Ok(None) };
        Ok(Some(PairFee { market, maker: decimal(&row.maker)?, taker: decimal(&row.taker)? }))
    };
    let tier = |row| -> Result<FeeTier, Unfit> {
        let row: doex::FeeTier<'_> = parse(row)?;
        Ok(FeeTier {
            tier: row.tier.as_str().to_owned(),
            min_volume_30d: decimal(&row.min_volume_30d)?,
            maker: decimal(&row.maker)?,
            taker: decimal(&row.taker)?,
        })
    };
    for row in told.pairs {
        match pair(row) {
            Ok(pair) => schedule.pairs.extend(pair),
            Err(unfit) => out.events.push(unfit.broken(Some(topic))),
        }
    }
    for row in told.tiers {
        match tier(row) {
            Ok(tier) => schedule.tiers.push(tier),
            Err(unfit) => out.events.push(unfit.broken(Some(topic))),
        }
    }
    out.tell_list(topic, false, [Row::Fees(Box::new(schedule))], |row| Ok(Some(row)));
    Ok(())
}

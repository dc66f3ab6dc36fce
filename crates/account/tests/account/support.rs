//! Short ways to write what venues say.

use rust_decimal::Decimal;
use venuekit_account::{Accounts, Feed, Limits, Owner, Part, Place, Row};
use venuekit_types::{Side, Symbol, UnixNanos};
use venuekit_venue::{BalancePatch, Fill, MarketId, OrderPatch, OrderStatus, PositionPatch};

pub(crate) const BTC: &str = "BTC/USDT:USDT";
pub(crate) const ETH: &str = "ETH/USDT:USDT";

pub(crate) fn d(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

pub(crate) fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

pub(crate) fn owner() -> Owner {
    Owner::new("doex", "main")
}

pub(crate) fn accounts() -> Accounts {
    Accounts::new(Limits::default())
}

pub(crate) fn feed(part: Part, scope: &str) -> Feed {
    Feed::new(&owner(), part, scope)
}

pub(crate) fn place(wallet: &str, asset: &str) -> Place {
    let Owner { venue, account } = owner();
    Place { venue, account, wallet: wallet.into(), asset: asset.into() }
}

pub(crate) fn balance(wallet: &str, asset: &str, change: impl FnOnce(&mut BalancePatch)) -> Row {
    let mut row = BalancePatch::new(wallet.into(), asset.into());
    change(&mut row);
    Row::Balance(Box::new(row))
}

pub(crate) fn free(wallet: &str, asset: &str, amount: &str) -> Row {
    balance(wallet, asset, |row| row.free = Some(d(amount)))
}

pub(crate) fn position(of: &str, change: impl FnOnce(&mut PositionPatch)) -> Row {
    let mut row = PositionPatch::new(MarketId(0));
    change(&mut row);
    Row::Position(symbol(of), Box::new(row))
}

pub(crate) fn held(of: &str, qty: &str) -> Row {
    position(of, |row| row.qty = Some(d(qty)))
}

pub(crate) fn patch(id: &str, change: impl FnOnce(&mut OrderPatch)) -> OrderPatch {
    let mut patch = OrderPatch::new(MarketId(0), id.into());
    change(&mut patch);
    patch
}

pub(crate) fn order(of: &str, id: &str, change: impl FnOnce(&mut OrderPatch)) -> Row {
    Row::Order(symbol(of), Box::new(patch(id, change)))
}

/// A whole order of ten to buy.
pub(crate) fn whole(of: &str, id: &str, status: OrderStatus, cum: &str, at: i64) -> Row {
    order(of, id, |row| {
        row.side = Some(Side::Buy);
        row.qty = Some(d("10"));
        row.status = Some(status);
        row.cum_qty = Some(d(cum));
        row.created_at = Some(UnixNanos(1));
        row.updated_at = Some(UnixNanos(at));
    })
}

pub(crate) fn fill(id: &str, order: &str, price: &str, qty: &str, at: i64) -> Fill {
    Fill {
        market: MarketId(0),
        fill_id: id.into(),
        order_id: order.into(),
        client_order_id: None,
        side: Side::Buy,
        price: d(price),
        qty: d(qty),
        fee: d("0.1"),
        fee_rate: None,
        fee_asset: Some("USDT".into()),
        realized_pnl: None,
        maker: true,
        at: UnixNanos(at),
    }
}

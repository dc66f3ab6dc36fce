//! One order of the least size, far from the market, placed through a gateway of its own and taken back.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use rust_decimal::Decimal;
use tokio::time::Instant;
use venuekit_driver::Trading;
use venuekit_driver::gateway::{Gateway, GatewayHandle, OrderWish, Outcome};
use venuekit_session::gate::{Arm, Caps, Notional};
use venuekit_types::{Fixed, Instrument, Side, Symbol};
use venuekit_venue::grid::{self, OffGrid, Toward};
use venuekit_venue::spec::{Draws, OrderSpec};
use venuekit_venue::{MarketId, NewOrder, OrderRef, OrderType, TimeInForce};

use super::super::checks::Line;
use super::super::gateway;
use super::super::reader::{Reader, Readers};
use crate::exit::{Exit, Failure, OrExit};

/// How long arming and the first live book may take.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A budget that one look at an account can use up.
const SMALL_BUDGET: u32 = 60;
/// How long the cancel, and the look at what became of it, may take.
const CANCEL_WITHIN: Duration = Duration::from_secs(90);
/// How often it is tried.
const RETRY: Duration = Duration::from_millis(200);
/// The pause after which a budget is asked again.
const PAUSE: Duration = Duration::from_secs(3);
/// Prices that must be put on the grid, and sizes that must grow, before an order is given up.
const FITS: usize = 8;

pub(super) async fn place_and_cancel(
    readers: &Readers,
    reader: &Reader,
    terms: &Instrument,
    bid: Fixed,
    seed: u64,
) -> Line {
    match round(readers, reader, terms, bid, seed).await {
        Ok(done) => Line::ok("trade", done),
        Err(failure) => Line::failed("trade", &failure),
    }
}

async fn round(
    readers: &Readers,
    reader: &Reader,
    terms: &Instrument,
    bid: Fixed,
    seed: u64,
) -> Result<String, Failure> {
    let target = readers.target(reader.id);
    let rules = target.venue.specs().iter().find_map(|spec| spec.orders.as_ref());
    let rules = rules.ok_or_else(|| Failure::say(Exit::Usage, "this venue takes no orders"))?;
    let wish = fit(bid, terms, rules).or_exit(Exit::Rejected)?;
    let wish = OrderWish { venue: reader.id.to_owned(), symbol: terms.symbol.to_string(), ..wish };
    // The gateway does not know what was read before it began: a small budget comes back first.
    let budgets = target.venue.specs().iter().flat_map(|spec| &spec.budgets);
    let small = budgets.filter(|budget| budget.draws == Draws::Weight && budget.capacity < SMALL_BUDGET);
    tokio::time::sleep(small.map(|budget| budget.window.span()).max().unwrap_or_default()).await;
    let folder = tempfile::tempdir().or_exit(Exit::Unexpected)?;
    let dir = folder.path().join("gateway");
    let mut setup = gateway::setup([target], readers.tls(), dir, &reader.environment, seed, None)?;
    // What is placed here is as small as the venue takes; the cap is for what nobody meant.
    let most = Notional { order: Decimal::from(1_000), day: Decimal::from(10_000) };
    setup.caps = Caps {
        collar: Decimal::new(5, 1),
        notional: BTreeMap::from(
            [terms.symbol.quote(), terms.symbol.base()].map(|asset| (asset.to_owned(), most)),
        ),
        ..Caps::default()
    };
    let gateway = Gateway::start(setup).await.or_exit(Exit::Unexpected)?;
    let desk = gateway.handle();
    let end = order(&desk, wish).await;
    gateway.stop().await;
    end
}

/// Arms, places as soon as the gateway's own book says where the market is, and takes the order back.
async fn order(desk: &GatewayHandle, wish: OrderWish) -> Result<String, Failure> {
    let (venue, symbol) = (wish.venue.clone(), wish.symbol.parse::<Symbol>().or_exit(Exit::Unexpected)?);
    let say = |why: &dyn Display| Failure::say(Exit::Rejected, format_args!("{symbol}: {why}"));
    let until = Instant::now() + READY_WITHIN;
    let arm = Arm { span: Duration::from_secs(60), reducing: false, force: false, by: "smoke".into() };
    while let Err(why) = desk.arm(arm.clone()).await {
        if Instant::now() >= until {
            return Err(say(&why));
        }
        tokio::time::sleep(RETRY).await;
    }
    let placed = loop {
        match desk.place(wish.clone()).await {
            // What was read before may have spent the key's budget: nothing was placed, and it comes back.
            Ok(placed) if is_over_budget(&placed) && Instant::now() < until => {
                tokio::time::sleep(PAUSE).await
            }
            Ok(placed) => break placed,
            Err(why) if why.exit != Exit::Unhealthy as u8 || Instant::now() >= until => {
                return Err(say(&why));
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    };
    if let Some(fault) = &placed.fault {
        return Err(say(&format_args!("{}: {}", placed.outcome, fault.text)));
    }
    let id = OrderRef::Client(placed.client_order_id.clone());
    // The order is there: its cancel is tried again for as long as its turn may take at a venue with a small budget.
    let until = Instant::now() + CANCEL_WITHIN;
    while let Err(why) = Trading::cancel(desk, &venue, &symbol, id.clone()).await {
        if Instant::now() >= until {
            let ours = &placed.client_order_id;
            return Err(say(&format_args!("{why}; order {ours} may be open: cancel it at the venue")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let after = loop {
        match Trading::order(desk, &venue, &symbol, id.clone()).await {
            Ok(after) => break after,
            Err(why) if Instant::now() >= until => return Err(say(&why)),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    match after.status.as_deref() {
        Some("canceled") => Ok(format!("{symbol}: {} was placed, and cancelled", placed.client_order_id)),
        other => Err(say(&format_args!("the order is {} after its cancel", other.unwrap_or("untold")))),
    }
}

/// Whether an order came to nothing for a budget alone.
fn is_over_budget(placed: &Outcome) -> bool {
    let limited = placed.fault.as_ref().is_some_and(|fault| fault.exit == Exit::Limited as u8);
    placed.outcome == "not_sent" || (placed.outcome == "rejected" && limited)
}

/// An order to buy the least that the venue takes, a tenth below the best bid.
fn fit(bid: Fixed, terms: &Instrument, rules: &OrderSpec) -> Result<OrderWish, OffGrid> {
    let far = Fixed { mantissa: bid.mantissa - bid.mantissa / 10, scale: bid.scale };
    let step = Fixed { mantissa: terms.step.0.max(1), scale: terms.qty_scale };
    let least = terms
        .min_qty
        .map_or(step, |qty| Fixed { mantissa: qty.0.max(step.mantissa), scale: terms.qty_scale });
    let mut order = NewOrder {
        market: MarketId(0),
        client_order_id: "smoke".to_owned(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: Some(TimeInForce::Gtc),
        qty: least,
        price: Some(grid::round_price(far, terms, Toward::Down).unwrap_or(far)),
        stop_price: None,
        trigger_by: None,
        post_only: true,
        reduce_only: false,
    };
    for _ in 0..FITS {
        match grid::check(&order, terms, rules) {
            Ok(()) => break,
            Err(OffGrid::TooSmall { least, .. }) => order.qty = least,
            Err(OffGrid::Notional { qty, .. }) => order.qty = qty,
            Err(other) => return Err(other),
        }
    }
    grid::check(&order, terms, rules)?;
    Ok(OrderWish {
        venue: String::new(),
        symbol: String::new(),
        product: None,
        side: order.side,
        order_type: order.order_type,
        qty: order.qty,
        price: order.price,
        stop_price: None,
        trigger_by: None,
        time_in_force: order.time_in_force,
        post_only: true,
        reduce_only: false,
        client_order_id: None,
    })
}

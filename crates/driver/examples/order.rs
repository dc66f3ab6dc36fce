//! Places an order far from the market, looks at it, and cancels it: through a gateway, which alone can.

mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use common::Simulated;
use rust_decimal::Decimal;
use venuekit_driver::Trading;
use venuekit_driver::gateway::{Gateway, OrderWish, Setup};
use venuekit_session::gate::{Arm, Caps, Notional};
use venuekit_types::{Side, Symbol};
use venuekit_venue::{OrderRef, OrderType, TimeInForce};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let Simulated { venue, config, server } = Simulated::doex().await?;
    let folder = tempfile::tempdir()?;
    let mut setup = Setup::new(folder.path().join("gateway"), "sim");
    setup.venues = vec![(venue, config)];
    // Nothing leaves that no cap measures. Here: 1,000 USDT an order, 5,000 a day, any price.
    let most = Notional { order: Decimal::from(1_000), day: Decimal::from(5_000) };
    setup.caps =
        Caps { collar: Decimal::ONE, notional: BTreeMap::from([("USDT".into(), most)]), ..Caps::default() };
    let gateway = Gateway::start(setup).await?;
    let desk = gateway.handle();

    // It starts halted. Arming is an act of its own, and ends by itself.
    let arm = Arm { span: Duration::from_secs(60), reducing: false, force: false, by: "example".into() };
    while let Err(why) = desk.arm(arm.clone()).await {
        println!("not yet: {why}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let symbol: Symbol = "BTC/USDT".parse()?;
    let wish = OrderWish {
        venue: "doex".into(),
        symbol: symbol.as_str().into(),
        product: Some("spot".into()),
        side: Side::Buy,
        order_type: OrderType::Limit,
        qty: "0.01".parse()?,
        price: Some("30000.00".parse()?),
        stop_price: None,
        trigger_by: None,
        time_in_force: Some(TimeInForce::Gtc),
        post_only: true,
        reduce_only: false,
        client_order_id: None,
    };
    let placed = loop {
        match desk.place(wish.clone()).await {
            Ok(placed) => break placed,
            // Until the book is live nothing says where the market is.
            Err(why) if why.exit == 10 => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(why) => return Err(why.into()),
        }
    };
    println!("{}: {}", placed.client_order_id, placed.outcome);
    let ours = OrderRef::Client(placed.client_order_id.clone());
    Trading::cancel(&desk, "doex", &symbol, ours.clone()).await?;
    let after = Trading::order(&desk, "doex", &symbol, ours).await?;
    println!("{}: {}", placed.client_order_id, after.status.as_deref().unwrap_or("?"));

    gateway.stop().await;
    server.stop().await?;
    if after.status.as_deref() == Some("canceled") { Ok(()) } else { Err("it was not cancelled".into()) }
}

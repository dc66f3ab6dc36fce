//! Follows the account's own fills: each exactly once, by stream and by REST together.

mod common;

use std::error::Error;

use common::Simulated;
use venuekit_driver::{Client, MarketData, MarketEvent, Options};
use venuekit_session::{Event, Want};
use venuekit_venue::Channel;

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let Simulated { venue, mut config, server } = Simulated::doex().await?;
    config.wants =
        vec![Want { product: Some("spot".into()), symbol: String::new(), channel: Channel::Fills }];
    let client = Client::connect(venue, config, Options::default()).await?;

    let mut seen = 0;
    while let Some(event) = client.next().await {
        match event {
            MarketEvent::Other(Event::Fill { row, .. }) => {
                println!("{} {} {} at {}, fee {}", row.fill_id, row.side, row.qty, row.price, row.fee);
                seen += 1;
            }
            // Events that were missed are said, never hidden: read the history from the last fill on.
            MarketEvent::Lagged { missed } => println!("{missed} events missed"),
            _ => {}
        }
        if seen == 3 {
            break;
        }
    }

    client.close().await;
    server.stop().await?;
    if seen == 3 { Ok(()) } else { Err("the account traded too little".into()) }
}

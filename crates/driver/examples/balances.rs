//! Reads the balances of every wallet, and what the key may do.

mod common;

use std::error::Error;

use common::Simulated;
use venuekit_driver::{Client, Options};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let Simulated { venue, config, server } = Simulated::doex().await?;
    let client = Client::connect(venue, config, Options::default()).await?;

    // What a venue lacks is an absent object: there is nothing to call.
    let account = client.account().ok_or("no key, or a venue without accounts")?;
    for wallet in account.wallets() {
        for row in account.balances(wallet).await? {
            let free = row.free.ok_or("every balance has a free part")?;
            println!("{:<8} {:<5} {free}", wallet.as_str(), row.asset);
        }
    }
    if let Some(able) = client.permissions() {
        let may = able.permissions().await?;
        println!("trade: {:?}, withdraw: {:?}", may.trade, may.withdraw);
    }

    client.close().await;
    server.stop().await?;
    Ok(())
}

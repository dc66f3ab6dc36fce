//! Runs sessions and serves simulator fronts on tokio: sockets, TLS, clocks, and the async client API.
//!
//! Who would take this crate: a program that wants a venue's books and trades, and none of the work of staying
//! connected. A [`Client`] is that; [`Runner`] and [`Host`] are for a program that takes events within the loop itself,
//! and [`serve`] puts a simulated venue on a port of this machine.
//!
//! ```
//! # use venuekit_driver::{Clock, ServeOptions, serve};
//! # use venuekit_session::HostOverride;
//! # use venuekit_sim::{Sim, SimConfig};
//! use std::sync::Arc;
//! use venuekit_driver::{Client, MarketData, Options};
//! use venuekit_duedex::DueDex;
//! use venuekit_session::{Config, Want};
//! use venuekit_venue::Channel;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clock = Clock::start();
//! # let mut venues = Sim::new(SimConfig::new(7, clock.now())).into_venues().into_iter();
//! # let sim = venues.find(|venue| venue.name() == "duedex").ok_or("the simulator has it")?;
//! # let server = serve(sim, ServeOptions { clock, ..ServeOptions::default() }).await?;
//! # let hosts = vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }];
//! let symbol = "BTC/USDT:USDT".parse()?;
//! let wants = vec![Want::new("BTC/USDT:USDT", Channel::Book)];
//! let config = Config { wants, ..Config::default() };
//! # let config = Config { hosts, ..config };
//! let client = Client::connect(Arc::new(DueDex::new()), config, Options::default()).await?;
//! let book = client.live_book(&symbol, 5).await?;
//! assert!(book.bids[0].price < book.asks[0].price);
//! println!("{} at {:?}, {} old", book.symbol, book.seq, book.age.as_millis());
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! It refuses: rules of any venue, retries of its own, and to speak unencrypted to another machine.

mod address;
mod client;
mod clock;
mod error;
pub mod gateway;
mod http;
mod net;
mod run;
mod serve;
mod socket;
mod tape;
mod tls;

pub use address::{AddressError, check_address};
pub use client::{
    AccountReads, BookCopy, BookError, BookUpdate, CallError, Client, ConnectError, CopyTrading, FeeSheet,
    Fees, FillHistory, Instruments, KeyPermissions, MarketData, MarketEvent, MovementHistory, OrderHistory,
    StreamState, TradePrint, Trading,
};
pub use clock::Clock;
pub use error::{StartError, Stopped};
pub use http::HttpError;
pub use run::{Handle, Host, Options, Runner};
pub use serve::{Remote, ServeError, ServeOptions, Server, serve};
pub use tape::{Tape, TapeFileError, TapeStatus};
pub use tls::{ClientTls, ServerTls, TlsError};

/// The examples of the workspace's README, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

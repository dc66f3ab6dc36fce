//! A wire-level simulator: matching engine, wallets, faults, and the server side of each venue, sans-IO.
//!
//! Who would take this crate alone: anyone who tests a client of these venues and wants an exchange that answers,
//! misbehaves on demand, and afterwards says what was true.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use std::time::Duration;
//! use venuekit_sim::{Front, FrontInput, FrontOutput, Sim, SimConfig};
//! use venuekit_types::{Now, UnixNanos};
//!
//! let start = Now { wall: UnixNanos::from_millis(1_700_000_000_000), ..Now::default() };
//! let mut sim = Sim::new(SimConfig::new(7, start));
//! let doex = sim.venue_mut("doex").expect("a venue");
//! let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
//! doex.handle(start, FrontInput::Opened { conn: 1, path: "/ws/btcusdt@depth", peer });
//! assert_eq!(doex.poll(), Some(FrontOutput::Accept { conn: 1 }));
//! doex.handle(start.plus(Duration::from_millis(100)), FrontInput::Tick);
//! let frames = std::iter::from_fn(|| doex.poll()).count();
//! assert!(frames > 0);
//! ```
//!
//! It refuses: sockets, clocks, threads, and anything of the code that it judges: no book, no session, no adapter.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod binance;
pub mod candles;
mod doex;
mod duedex;
pub mod engine;
pub mod faults;
mod front;
mod keys;
mod kraken;
pub mod market;
pub mod outbox;
mod query;
mod script;
mod sim;
mod text;
pub mod traders;
pub mod truth;
pub mod venue;
pub mod wallets;
pub mod world;

pub use binance::{Binance, BinanceLimits, ProductLimits};
pub use doex::{Doex, DoexLimits};
pub use duedex::{Duedex, DuedexLimits};
pub use faults::{Command, Fault, FaultLog, FaultPlan, FaultRecord, Target};
pub use front::{Front, FrontInput, FrontOutput, RUN_HEADER, Request, Response};
pub use keys::{ApiKey, KeyRing, Permissions};
pub use kraken::{Kraken, KrakenLimits, Rate};
pub use sim::{Keys, RATE, Sim, SimConfig, VENUES};
pub use truth::TrueBook;
pub use venue::VenueSim;

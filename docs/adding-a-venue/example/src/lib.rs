//! Kiosk: a made-up venue, and all that a venue outside the workspace has to bring.
//!
//! - [`wire`]: what travels, spelt as the venue's documents would spell it.
//! - [`adapter`]: [`Kiosk`], tables and pure codecs. This is the part that a real venue needs.
//! - [`server`]: [`KioskServer`], the venue's side in the simulator, so that the adapter can be put to the test.
//!
//! `tests/conformance.rs` is that test. What runs a venue for real is `venuekit-driver`: its `Runner` takes a session over
//! any adapter, and its `serve` any simulated side.
//!
//! It trades two spot pairs. It lists them by REST, streams books, trades and an account's balances over one socket,
//! and counts the messages of every stream. It takes no orders.

pub mod adapter;
pub mod server;
pub mod wire;

pub use adapter::Kiosk;
pub use server::KioskServer;

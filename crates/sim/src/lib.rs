//! A wire-level simulator: matching engine, wallets, faults, and the server side of each venue, sans-IO.

pub mod candles;
mod doex;
pub mod engine;
pub mod faults;
mod front;
pub mod market;
pub mod outbox;
mod script;
mod text;
pub mod traders;
pub mod truth;
mod venue;
pub mod wallets;
pub mod world;

pub use front::{Front, FrontInput, FrontOutput, RUN_HEADER, Request, Response};

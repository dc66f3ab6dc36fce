//! A wire-level simulator: matching engine, wallets, faults, and the server side of each venue, sans-IO.

pub mod engine;
mod front;
mod text;

pub use front::{Front, FrontInput, FrontOutput, Request, Response};

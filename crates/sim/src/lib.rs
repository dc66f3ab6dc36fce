//! A wire-level simulator: matching engine, wallets, faults, and the server side of each venue, sans-IO.

mod front;

pub use front::{Front, FrontInput, FrontOutput, Request, Response};

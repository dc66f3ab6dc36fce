//! The account crate through its public face: tables for the named cases, properties, and the oracle.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod fills;
mod merge;
mod oracle;
mod properties;
mod reckon;
mod reconcile;
mod support;
mod torrent;
mod value;

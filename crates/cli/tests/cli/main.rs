//! The binary as its users run it: every command, on loopback, in an environment that holds nothing.

mod account;
mod child;
mod gateway;
mod ingest;
mod operations;
mod recordings;
mod reload;
mod replay;
mod secret;
mod sign;
mod smoke;
mod usage;
mod watch;

//! Conformance suite, virtual clock and a faulty link, for every adapter in the workspace and outside it.
//!
//! Who would take this crate alone: someone who writes an adapter of their own and wants to know whether it holds.
//!
//! A [`Rig`] runs one session against one simulated venue in virtual time; a [`Judge`] compares everything the session
//! says with what the simulator knows to be true; [`scenario`] repeats that under seeded faults.
//!
//! It refuses: sockets, sleeps, threads and wall clocks.

mod account;
pub mod codec;
pub mod conformance;
pub mod endure;
mod oracle;
pub mod orders;
mod overhear;
pub mod requests;
mod rig;
pub mod scenario;
pub mod sweep;
mod tweak;

pub use oracle::{Judge, digest};
pub use rig::{Rig, Sent, Watch, Weather};
pub use tweak::Tweaked;

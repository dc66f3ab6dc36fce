//! Sans-IO machines over any venue: connections, login, subscribe, resync, heartbeat, budget.
//!
//! Who would take this crate alone: someone with a runtime of their own, who wants to bring sockets and a clock and
//! get books that are provably in sequence.
//!
//! One [`Session`] follows one venue. Tell it what happened with [`Session::handle`], then do what
//! [`Session::poll`] says until it says [`Output::Wait`]. Time and seed are arguments, so the same inputs give the
//! same outputs, and a tape of the inputs replays exactly.
//!
//! It refuses: sockets, clocks, threads, randomness of its own, logs, and any rule that belongs to one venue only.

mod backoff;
mod config;
mod conn;
mod event;
pub mod gate;
mod io;
mod machine;
mod pace;
mod private;
mod recorder;
mod replay;
mod rest;
mod stats;
mod stream;
pub mod tape;
mod timers;
mod trades;

pub use config::{Config, ConfigError, HostOverride, Limits, Origins, Want};
pub use event::{BookChange, Emission, Event, GapHealed, GapOpened, StreamInfo, TradeEvent};
pub use io::{
    CloseReason, Command, ConnId, Input, LineId, Output, Persist, PersistId, RequestId, StreamId, Timer,
};
pub use machine::{Report, Session, StreamStatus};
pub use recorder::{About, Recorder};
pub use replay::Replay;
pub use stats::{BookReport, TradeReport};

//! Sans-IO machines over any venue: connections, login, subscribe, resync, heartbeat, budgets,
//! clock, order outcomes.
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
mod clock;
mod command;
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
mod survey;
pub mod tape;
mod timers;
mod trades;

pub use clock::ClockReading;
pub use command::{AskCommand, Ban, Command, CommandId, Done, Intent, Persist, Resolution, Used};
pub use config::{Config, ConfigError, HostOverride, Limits, Listed, Only, Origins, Want};
pub use event::{BookChange, Emission, Event, GapHealed, GapOpened, StreamInfo, TradeEvent};
pub use io::{CloseReason, ConnId, Input, LineId, Output, PersistId, RequestId, StreamId, Timer};
pub use machine::{Report, Session, StreamStatus};
pub use recorder::{About, Recorder};
pub use replay::Replay;
pub use stats::{BookReport, TradeReport};
pub use survey::Survey;

//! Protocol types exactly as each venue spells them, borrowed from the frame, and the shared scanner of levels.
//!
//! Who would take this crate alone: anyone who reads or writes one of these protocols, on either side of the
//! wire. One module and one feature per venue.
//!
//! ```
//! # #[cfg(feature = "duedex")] {
//! use venuekit_wire::{duedex, scan};
//! let frame = br#"{"type":"update","channel":"level2","instrument":"BTCUSD","sequence":101,
//!     "data":{"bids":[["8804.00",0]],"asks":[]},"timestamp":"2019-05-30T00:00:00.000Z"}"#;
//! let duedex::ServerFrame::Data(message) = duedex::ServerFrame::parse(frame)? else { unreachable!() };
//! assert_eq!((message.channel.as_str(), message.sequence), ("level2", 101));
//! let duedex::Payload::Level2(book) = message.payload()? else { unreachable!() };
//! let bids: Result<Vec<_>, _> = scan::levels(book.bids.get()).collect();
//! assert_eq!(bids?, [("8804.00", "0")]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How a frame is read: first its envelope, with what it carries left as raw text, then the payload by channel.
//! Numbers keep the text they came in ([`Num`]), text is borrowed unless it was escaped ([`Text`]), a word the
//! venue has since invented is kept as `Other`, and an unknown field is passed over.
//!
//! It refuses: logic (nothing here knows what a sequence number is for), floats, and serde's `tag`, `untagged`
//! and `flatten`, which send numbers through floats and cannot lend raw text.

#[macro_use]
mod shape;

#[cfg(feature = "binance")]
pub mod binance;
mod bulk;
#[cfg(feature = "doex")]
pub mod doex;
#[cfg(feature = "duedex")]
pub mod duedex;
mod error;
mod int;
#[cfg(feature = "kraken")]
pub mod kraken;
mod num;
pub mod scan;
mod text;
mod time;
pub mod usual;

pub use error::{WireError, parse};
pub use num::{AsText, Num};
pub use text::{Hidden, Text};
pub use time::{Millis, Time, TimeError};

/// Text that is valid JSON and has not been looked into yet.
pub use serde_json::value::RawValue;

//! The vocabulary every other crate speaks: prices, quantities, sides, symbols, instruments and time.
//!
//! Who would take this crate alone: anyone who needs exact fixed-point numbers read from exchange text
//! without a float and without an allocation.
//!
//! ```
//! use venuekit_types::{Scale, Scaled, parse_scaled};
//! let scale = Scale::new(2).expect("2 is within 0..=18");
//! let ticks = parse_scaled(b"8804.50", scale)?;
//! assert_eq!(ticks, 880_450);
//! assert_eq!(Scaled::new(ticks, scale).to_string(), "8804.5");
//! assert_eq!(Scaled::new(ticks, scale).padded().to_string(), "8804.50");
//! # Ok::<(), venuekit_types::NumError>(())
//! ```
//!
//! It refuses: clocks, IO, floats, and rounding that nobody asked for.
#![no_std]
extern crate alloc;

mod instrument;
mod level;
mod num;
mod symbol;
mod time;

pub use instrument::{Instrument, Kind, Status};
pub use level::{BookSide, Level, Price, Qty, Side};
pub use num::{Fixed, NumError, Padded, Scale, Scaled, parse_fixed, parse_scaled, plain_prefix};
pub use symbol::{Symbol, SymbolError};
pub use time::{Mono, Now, UnixNanos};

//! A level-2 order book that cannot be read while it is out of sequence.
//!
//! Who would take this crate alone: anyone who follows an exchange's book and wants the rules of snapshot, diff,
//! gap and checksum to be data that is tested once, and a stale book to be a type error instead of a wrong price.
//!
//! ```
//! use venuekit_book::{Book, Ids, Linkage, Outcome, Rules, Update};
//! use venuekit_types::{Level, Now};
//!
//! let mut book = Book::new(Rules::new(Linkage::Range { overlap: true })); // Binance spot
//! book.expect_snapshot();
//! let snapshot = Update { ids: Some(Ids::single(100)), bids: &[Level::new(9_000, 5)], ..Update::default() };
//! assert_eq!(book.snapshot(Now::default(), 1, &snapshot), Outcome::Applied);
//! assert_eq!(book.view(Now::default())?.best_bid(), Some(Level::new(9_000, 5)));
//!
//! let after_a_hole = Update { ids: Some(Ids::range(103, 104)), ..Update::default() };
//! let Outcome::Desync(gap) = book.apply(Now::default(), &after_a_hole) else { panic!("a hole was missed") };
//! assert_eq!((gap.expected, gap.got), (Some(101), Some(103)));
//! assert!(book.view(Now::default()).is_err());
//! # Ok::<(), venuekit_book::NotLive>(())
//! ```
//!
//! It refuses: IO, clocks, floats, decimals, rounding, and to guess what a venue meant.
#![no_std]
extern crate alloc;

mod book;
mod buffer;
mod crc;
mod gap;
mod grid;
mod ladder;
mod link;
mod publish;
mod rules;
mod side;
mod socket;
mod update;
mod view;
mod window;

pub use book::Book;
pub use gap::{Cause, Gap, NotLive, Outcome, State};
pub use publish::{Publisher, Reader, Top, TopView, publication};
pub use rules::{ChainFirst, Checksum, Early, Limits, Linkage, Rules, StaleStep, StepFirst};
pub use socket::{SocketCounter, SocketSeq};
pub use update::{Digits, Ids, Places, Update};
pub use view::{Assurance, Depth, Fill, Unvouched, View};

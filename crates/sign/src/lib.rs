//! Every signing scheme with its vectors, and a secret that never prints.
//!
//! Who would take this crate alone: anyone who signs requests to one of these venues, or checks such a
//! signature as a server does.
//!
//! ```
//! use venuekit_sign::{Secret, duedex};
//! let secret = Secret::from("2W2eSP3e0dp+lYMuY1MBUTqF2+8VbNRxDZ88zA7MliU=");
//! let answer = duedex::answer(&secret, "fd14408d-1740-447d-b335-c019f9201b6e")?;
//! assert_eq!(answer, "b418edd4669b82ab37a5b6d5446b9def386658e8f3ef03165935ff6b72fea710");
//! assert_eq!(format!("{secret:?}"), "Secret(..)");
//! # Ok::<(), venuekit_sign::SecretError>(())
//! ```
//!
//! It refuses: clocks (a timestamp is an argument), IO, sending anything, and schemes that a venue has retired.
#![no_std]
extern crate alloc;

pub mod binance;
pub mod doex;
pub mod duedex;
mod hmac;
pub mod kraken;
mod secret;
pub mod webhook;

pub use hmac::{eq_hex, hmac_sha256_hex};
pub use secret::{Credentials, Secret, SecretError};

//! One view of many accounts: what venues say is merged into ledgers, positions, orders and fills, and reckoned with
//! in exact decimals.
//!
//! Who would take this crate alone: anyone who holds balances at several venues and wants sums that can be opened
//! into where each unit sits, or a liquidation price that says when it is blind.
//!
//! ```
//! use venuekit_account::*;
//! use venuekit_venue::{BalancePatch, DataKind};
//! let owner = Owner::new("doex", "main");
//! let mut accounts = Accounts::new(Limits::default());
//! for (wallet, hundredths) in [("spot", 150), ("futures", 25)] {
//!     let mut patch = BalancePatch::new(wallet.into(), "BTC".into());
//!     patch.free = Some(rust_decimal::Decimal::new(hundredths, 2));
//!     let feed = Feed::new(&owner, Part::Balances, wallet);
//!     let _ = accounts.apply(&feed, DataKind::Snapshot, vec![Row::Balance(Box::new(patch))])?;
//! }
//! let ledgers = accounts.ledgers();
//! let view = project(&ledgers, Policy::Asset)?;
//! assert_eq!(view.lines[0].cells.len(), 2);
//! assert!(matches!(view.lines[0].sum, Figure::Whole(sum) if sum.free.to_string() == "1.75"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It refuses: clocks, IO, a silent rounding, a position counted as a balance, and a number that hides what it lacks.

mod accounts;
mod contract;
mod derive;
pub mod exact;
mod fills;
mod ledger;
mod liquidation;
mod marks;
mod order;
mod place;
mod pool;
mod position;
mod project;
pub mod reconcile;
mod sight;
mod tiers;
mod value;

pub use accounts::{Accounts, Applied, Limits, Refused, Row};
pub use contract::Contract;
pub use derive::Underivable;
pub use exact::Arithmetic;
pub use fills::{FillNews, OwnFill};
pub use ledger::{Amounts, Ledger, Standing};
pub use liquidation::{Distance, Liquidation, RATIO_PLACES, Terms};
pub use marks::Marks;
pub use order::{Order, OrderKey};
pub use place::{Feed, Name, Owner, Part, Place};
pub use pool::{Outlook, Stake, outlooks, stakes};
pub use position::{Holding, Position};
pub use project::{Line, Policy, Unprojectable, View, project};
pub use sight::{Cause, Figure, Reported, Sight};
pub use tiers::{BadTiers, Basis, Maintenance, Tier};
pub use value::{Valuation, Valued, Yardstick, value};
pub use venuekit_venue::MarginMode;

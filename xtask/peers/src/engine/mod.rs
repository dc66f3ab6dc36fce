//! The engines.

mod ours;
mod peers;

pub use hftbacktest::depth::{HashMapMarketDepth, ROIVectorMarketDepth};
pub use ours::{BTree, Ours};
pub use peers::{Barter, Depth, Hft, Kraken, Nautilus, Ninja};

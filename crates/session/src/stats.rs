//! What became of a stream's messages: the numbers that `replay` and summaries print.

use rust_decimal::Decimal;
use serde::Serialize;

/// Counters of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) updates: u64,
    pub(crate) gaps: u64,
    pub(crate) first_gap_at_update: Option<u64>,
    pub(crate) stale_dropped: u64,
    pub(crate) resyncs: u64,
    pub(crate) checksums_ok: u64,
    pub(crate) checksums_bad: u64,
    pub(crate) first_checksum_bad_at_update: Option<u64>,
    pub(crate) trades: u64,
    pub(crate) qty_sum: Decimal,
    pub(crate) notional_sum: Decimal,
}

/// What a session made of one book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BookReport {
    /// The venue's spelling.
    pub venue_symbol: String,
    /// `empty`, `buffering`, `live` or `stale`.
    pub state: &'static str,
    /// Diffs applied to a live book, buffered ones included.
    pub updates: u64,
    /// Times it lost its sequence or its proof.
    pub gaps: u64,
    /// The 1-based position among the updates of the first that did not fit.
    pub first_gap_at_update: Option<u64>,
    /// Messages it was already past.
    pub stale_dropped: u64,
    /// Times it was healed.
    pub resyncs: u64,
    /// Checksums that held.
    pub checksums_ok: u64,
    /// Checksums that did not.
    pub checksums_bad: u64,
    /// The 1-based position among the updates of the first bad checksum.
    pub first_checksum_bad_at_update: Option<u64>,
    /// The number it stands at.
    pub last_seq: Option<u64>,
    /// Bid levels.
    pub bid_levels: usize,
    /// Ask levels.
    pub ask_levels: usize,
    /// Best ten bids, price and quantity.
    pub top_bids: Vec<(String, String)>,
    /// Best ten asks, price and quantity.
    pub top_asks: Vec<(String, String)>,
    /// Digest of the whole book in its canonical text.
    pub sha256: String,
}

/// What a session made of one trade stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TradeReport {
    /// The venue's spelling.
    pub venue_symbol: String,
    /// Trades told.
    pub count: u64,
    /// Sum of their quantities.
    pub qty_sum: String,
    /// Sum of price times quantity.
    pub notional_sum: String,
}

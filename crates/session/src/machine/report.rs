//! What a session made of everything so far, as `replay --json` prints it.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use venuekit_book::State;
use venuekit_types::{BookSide, Level, Scale, Scaled};
use venuekit_venue::Channel;

use super::Session;
use crate::stats::{BookReport, TradeReport};

/// What a session made of everything so far.
///
/// **Shape**: `design.md` calls it the object of `replay --json`; symbols are unified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Frames read.
    pub frames: u64,
    /// Events told, by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Frames that made no sense.
    pub decode_errors: u64,
    /// Books by unified symbol.
    pub books: BTreeMap<String, BookReport>,
    /// Trade streams by unified symbol.
    pub trades: BTreeMap<String, TradeReport>,
}

impl Session {
    /// What it made of everything so far. The books of the report are shown whatever their state, which stands
    /// beside them: a report is for people and comparisons, not for trading.
    pub fn report(&self) -> Report {
        let mut books = BTreeMap::new();
        let mut trades = BTreeMap::new();
        for s in &self.streams {
            let name = s.info.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
            match s.topic.channel {
                Channel::Book => {
                    books.insert(name, book_report(s));
                }
                Channel::Trades => {
                    let report = TradeReport {
                        venue_symbol: s.info.venue_symbol.clone(),
                        count: s.stats.trades,
                        qty_sum: s.stats.qty_sum.normalize().to_string(),
                        notional_sum: s.stats.notional_sum.normalize().to_string(),
                    };
                    trades.insert(name, report);
                }
                _ => {}
            }
        }
        Report {
            frames: self.frames,
            events: self.event_counts.clone(),
            decode_errors: self.decode_errors,
            books,
            trades,
        }
    }
}

fn book_report(s: &crate::stream::Stream) -> BookReport {
    let (price_scale, qty_scale) = (s.info.price_scale, s.info.qty_scale);
    let mut hasher = Sha256::new();
    let mut report = BookReport {
        venue_symbol: s.info.venue_symbol.clone(),
        state: s.state().as_str(),
        updates: s.stats.updates,
        gaps: s.stats.gaps,
        first_gap_at_update: s.stats.first_gap_at_update,
        stale_dropped: s.stats.stale_dropped,
        resyncs: s.stats.resyncs,
        checksums_ok: s.stats.checksums_ok,
        checksums_bad: s.stats.checksums_bad,
        first_checksum_bad_at_update: s.stats.first_checksum_bad_at_update,
        last_seq: None,
        bid_levels: 0,
        ask_levels: 0,
        top_bids: Vec::new(),
        top_asks: Vec::new(),
        sha256: String::new(),
    };
    if let Some(feed) = &s.primary {
        let book = feed.book.last_known_unvouched();
        let top = |side| -> Vec<(String, String)> {
            book.levels(side).take(10).map(|level| texts(level, price_scale, qty_scale)).collect()
        };
        report.last_seq = feed.book.last_id().filter(|_| feed.book.state() != State::Empty);
        report.bid_levels = book.level_count(BookSide::Bid);
        report.ask_levels = book.level_count(BookSide::Ask);
        report.top_bids = top(BookSide::Bid);
        report.top_asks = top(BookSide::Ask);
        book.digest_into(price_scale, qty_scale, &mut |text| hasher.update(text));
    }
    report.sha256 = hex::encode(hasher.finalize());
    report
}

fn texts(level: Level, price_scale: Scale, qty_scale: Scale) -> (String, String) {
    (Scaled::new(level.price.0, price_scale).to_string(), Scaled::new(level.qty.0, qty_scale).to_string())
}

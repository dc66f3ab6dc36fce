//! Candles of every interval the venues offer, and the sliding day.
//!
//! Candles follow each other without a hole: an interval without trades repeats the last close.

use std::collections::VecDeque;

use venuekit_types::Side;

use crate::world::Trade;

/// The intervals kept, in milliseconds, ascending.
pub const INTERVALS_MS: [i64; 7] = [60_000, 300_000, 900_000, 1_800_000, 3_600_000, 14_400_000, 86_400_000];

/// One-minute candles kept: a day and a little.
const MINUTES_MAX: usize = 1500;
/// Candles kept of each longer interval.
const CANDLES_MAX: usize = 500;

/// Open, high, low, close and what traded, in counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// When it began, Unix milliseconds.
    pub open_ms: i64,
    /// First price, or the close before it.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Quantity.
    pub volume: i64,
    /// Sum of price times quantity, in counts of both scales together.
    pub notional: i128,
    /// Number of trades.
    pub trades: u64,
    /// The part of the quantity whose taker bought.
    pub bought: i64,
    /// The part of the notional whose taker bought.
    pub bought_notional: i128,
    /// The id of the last trade up to its end; 0 before the first.
    pub last_id: u64,
}

impl Candle {
    fn flat(open_ms: i64, price: i64, last_id: u64) -> Candle {
        Candle {
            open_ms,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0,
            notional: 0,
            trades: 0,
            bought: 0,
            bought_notional: 0,
            last_id,
        }
    }

    /// The ids of its first and its last trade; nothing when there was none.
    pub fn ids(&self) -> Option<(u64, u64)> {
        (self.trades > 0).then(|| (self.last_id + 1 - self.trades, self.last_id))
    }

    fn add(&mut self, trade: &Trade) {
        let Trade { price, qty, .. } = *trade;
        if self.trades == 0 && self.volume == 0 {
            (self.open, self.high, self.low) = (price, price, price);
        }
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.volume = self.volume.saturating_add(qty);
        let notional = i128::from(price) * i128::from(qty);
        self.notional = self.notional.saturating_add(notional);
        self.trades += 1;
        self.last_id = trade.id;
        if trade.aggressor == Side::Buy {
            self.bought = self.bought.saturating_add(qty);
            self.bought_notional = self.bought_notional.saturating_add(notional);
        }
    }
}

/// The candles of one market.
#[derive(Clone, Debug)]
pub struct Candles {
    series: [VecDeque<Candle>; INTERVALS_MS.len()],
}

impl Candles {
    /// Begins at an instant and a price.
    pub fn new(at_ms: i64, price: i64) -> Candles {
        let series = INTERVALS_MS
            .map(|interval| VecDeque::from([Candle::flat(at_ms - at_ms.rem_euclid(interval), price, 0)]));
        Candles { series }
    }

    /// Closes what has ended by an instant.
    pub fn roll(&mut self, at_ms: i64) {
        for (series, interval) in self.series.iter_mut().zip(INTERVALS_MS) {
            let keep = if interval == INTERVALS_MS[0] { MINUTES_MAX } else { CANDLES_MAX };
            let last = *series.back().expect("a series is never empty");
            let current = at_ms - at_ms.rem_euclid(interval);
            // After a jump longer than what is kept, the candles before it would be dropped at once.
            let span = i64::try_from(keep).expect("a small constant") * interval;
            let mut open_ms = (last.open_ms + interval).max(current - span);
            while open_ms <= current {
                series.push_back(Candle::flat(open_ms, last.close, last.last_id));
                open_ms += interval;
            }
            while series.len() > keep {
                series.pop_front();
            }
        }
    }

    /// Counts a trade in.
    pub fn trade(&mut self, trade: &Trade) {
        self.roll(trade.at_ms);
        for series in &mut self.series {
            series.back_mut().expect("a series is never empty").add(trade);
        }
    }

    /// Candles of an interval, oldest first, the open one last; none for an interval that is not kept.
    pub fn of(&self, interval_ms: i64) -> Option<&VecDeque<Candle>> {
        INTERVALS_MS.iter().position(|&interval| interval == interval_ms).map(|at| &self.series[at])
    }

    /// The last 24 hours as one candle, to the minute.
    pub fn day(&self) -> Candle {
        let minutes = &self.series[0];
        let last = minutes.back().expect("a series is never empty");
        let from = last.open_ms - 86_400_000;
        let mut day = Candle::flat(from, last.close, last.last_id);
        let mut seen = false;
        for minute in minutes.iter().filter(|minute| minute.open_ms > from) {
            if !seen {
                (day.open_ms, day.open, day.high, day.low) =
                    (minute.open_ms, minute.open, minute.high, minute.low);
                seen = true;
            }
            day.high = day.high.max(minute.high);
            day.low = day.low.min(minute.low);
            day.volume = day.volume.saturating_add(minute.volume);
            day.notional = day.notional.saturating_add(minute.notional);
            day.trades += minute.trades;
            day.bought = day.bought.saturating_add(minute.bought);
            day.bought_notional = day.bought_notional.saturating_add(minute.bought_notional);
        }
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::TickDirection;

    /// A trade whose quantity is its id too.
    fn trade(at_ms: i64, price: i64, qty: i64) -> Trade {
        let id = qty.unsigned_abs();
        Trade { id, price, qty, aggressor: Side::Buy, direction: TickDirection::Plus, at_ms }
    }

    #[test]
    fn candles_follow_each_other() {
        let mut candles = Candles::new(60_500, 100);
        candles.trade(&trade(61_000, 103, 2));
        candles.trade(&trade(62_000, 99, 1));
        candles.trade(&trade(185_000, 120, 5));
        let minutes: Vec<Candle> = candles.of(60_000).expect("kept").iter().copied().collect();
        let shape: Vec<_> =
            minutes.iter().map(|c| (c.open_ms, c.open, c.high, c.low, c.close, c.volume)).collect();
        assert_eq!(
            shape,
            [(60_000, 103, 103, 99, 99, 3), (120_000, 99, 99, 99, 99, 0), (180_000, 120, 120, 120, 120, 5)]
        );
        assert_eq!(minutes[0].notional, 103 * 2 + 99);
        let day = candles.day();
        assert_eq!(
            (day.open, day.high, day.low, day.close, day.volume, day.trades),
            (103, 120, 99, 120, 8, 3)
        );
        assert!(candles.of(61_000).is_none());
    }

    #[test]
    fn the_day_slides_and_a_jump_costs_no_more_than_what_is_kept() {
        let mut candles = Candles::new(0, 100);
        candles.trade(&trade(1000, 500, 1));
        candles.trade(&trade(2000, 100, 1));
        candles.roll(86_399_999);
        assert_eq!((candles.day().high, candles.day().volume), (500, 2));
        candles.roll(86_400_000);
        assert_eq!(
            (candles.day().high, candles.day().volume),
            (100, 0),
            "1440 minutes, the open one included"
        );
        candles.roll(1_000_000 * 86_400_000);
        let minutes = candles.of(60_000).expect("kept");
        assert_eq!(minutes.len(), MINUTES_MAX);
        assert!(minutes.iter().zip(minutes.iter().skip(1)).all(|(a, b)| b.open_ms - a.open_ms == 60_000));
    }
}

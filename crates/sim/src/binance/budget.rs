//! What addresses and the account may ask for in a window of the clock, and the ban for those who do not listen.

use std::time::Duration;

use venuekit_types::Mono;

use crate::binance::{BinanceLimits, Product};

/// The longest ban.
const BAN_MAX: Duration = Duration::from_secs(3 * 86_400);

/// What a weight is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    /// `/api` and the WebSocket API.
    Api,
    /// `/fapi`.
    Fapi,
    /// One `/sapi` route, by address.
    SapiIp(&'static str),
    /// One `/sapi` route, by account.
    SapiUid(&'static str),
    /// Connections to spot.
    Connections,
}

impl Bucket {
    fn span_ms(self) -> i64 {
        if self == Bucket::Connections { 300_000 } else { 60_000 }
    }

    pub(super) fn max(self, limits: &BinanceLimits) -> u32 {
        match self {
            Bucket::Api => limits.spot.weight_per_minute,
            Bucket::Fapi => limits.usdm.weight_per_minute,
            Bucket::SapiIp(_) => limits.sapi_per_minute.0,
            Bucket::SapiUid(_) => limits.sapi_per_minute.1,
            Bucket::Connections => limits.connections_per_5m,
        }
    }
}

/// What was used of a bucket in the window of the clock that is open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    window: i64,
    used: u32,
    /// Requests that came although the window was used up.
    ignored: u32,
    banned_until: Option<Mono>,
    bans: u32,
}

/// How a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may pass.
    Pass,
    /// 429: wait for so long.
    Limited(Duration),
    /// 418: banned for so long.
    Banned(Duration),
}

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant {
    pub(super) mono: Mono,
    pub(super) ms: i64,
}

impl Instant {
    /// Until the end of the window that is open.
    pub(super) fn until_next(self, span_ms: i64) -> Duration {
        Duration::from_millis((span_ms - self.ms.rem_euclid(span_ms)).unsigned_abs())
    }
}

impl Budget {
    /// Takes a request's weight, or says why not.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        bucket: Bucket,
        weight: u32,
        limits: &BinanceLimits,
    ) -> Admission {
        let window = now.ms.div_euclid(bucket.span_ms());
        if window != self.window {
            (self.window, self.used, self.ignored) = (window, 0, 0);
        }
        if let Some(until) = self.banned_until.filter(|&until| now.mono < until) {
            return Admission::Banned(until.since(now.mono));
        }
        self.banned_until = None;
        if self.used.saturating_add(weight) <= bucket.max(limits) {
            self.used += weight;
            return Admission::Pass;
        }
        self.ignored += 1;
        if self.ignored <= limits.ignored_429_max {
            return Admission::Limited(now.until_next(bucket.span_ms()));
        }
        let span = (limits.ban_for * 2u32.pow(self.bans.min(12))).min(BAN_MAX);
        self.bans += 1;
        self.banned_until = Some(now.mono.plus(span));
        Admission::Banned(span)
    }

    /// Gives back what a request had taken that turned out to cost nothing.
    pub(super) fn refund(&mut self, weight: u32) {
        self.used = self.used.saturating_sub(weight);
    }

    /// The weight used in this window.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// False once it could be forgotten without a difference for an hour.
    pub(super) fn matters(&self, now: Instant) -> bool {
        let bans = self.banned_until.is_some_and(|until| now.mono < until.plus(Duration::from_secs(3_600)));
        bans || now.ms.div_euclid(60_000) - self.window <= 60
    }
}

/// New orders of the account, by product, in both windows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OrderCounts([[(i64, u32); 2]; 2]);

impl OrderCounts {
    /// The lengths of the windows, in milliseconds.
    const fn spans_ms(product: Product) -> [i64; 2] {
        [10_000, if matches!(product, Product::Spot) { 86_400_000 } else { 60_000 }]
    }

    fn of(&mut self, product: Product, at_ms: i64) -> &mut [(i64, u32); 2] {
        let windows = &mut self.0[usize::from(product == Product::Usdm)];
        for (window, span_ms) in windows.iter_mut().zip(OrderCounts::spans_ms(product)) {
            let index = at_ms.div_euclid(span_ms);
            if window.0 != index {
                *window = (index, 0);
            }
        }
        windows
    }

    /// Counts an order, or gives the limit that it would exceed, and its window in words.
    pub(super) fn admit(
        &mut self,
        product: Product,
        at_ms: i64,
        limits: &BinanceLimits,
    ) -> Result<(), (u32, &'static str)> {
        let limits = limits.of(product);
        let words = ["10 SECOND", if product == Product::Spot { "1 DAY" } else { "1 MINUTE" }];
        let windows = self.of(product, at_ms);
        for ((window, max), words) in
            windows.iter().zip([limits.orders_per_10s, limits.orders_per_span]).zip(words)
        {
            if window.1 >= max {
                return Err((max, words));
            }
        }
        windows.iter_mut().for_each(|window| window.1 += 1);
        Ok(())
    }

    /// Takes an order off the count again, as spot does with one that has filled.
    pub(super) fn release(&mut self, product: Product, at_ms: i64) {
        self.of(product, at_ms).iter_mut().for_each(|window| window.1 = window.1.saturating_sub(1));
    }

    /// The counts of both windows.
    pub(super) fn used(&mut self, product: Product, at_ms: i64) -> [u32; 2] {
        self.of(product, at_ms).map(|window| window.1)
    }
}

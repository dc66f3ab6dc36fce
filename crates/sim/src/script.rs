//! The demo account's hand: a few resting orders, a trade now and then, never a large position.
//!
//! It exists so that private streams move. It trades through the world as any account does and knows no protocol.

use fastrand::Rng;
use venuekit_types::{BookSide, Side};

use crate::engine::{Owner, Tif};
use crate::wallets::Ticket;
use crate::world::World;

/// The least time between two acts, so that a fast market does not make it frantic.
const EVERY_MS: i64 = 50;

/// Orders it leaves open per market.
const OPEN_MAX: usize = 4;

/// One account's scripted trader.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    owner: Owner,
    rng: Rng,
    placed: u64,
    /// When it may act again.
    next_ms: i64,
}

impl Script {
    /// A trader for an account.
    pub(crate) fn new(owner: Owner, seed: u64) -> Script {
        Script { owner, rng: Rng::with_seed(seed), placed: 0, next_ms: i64::MIN }
    }

    /// Perhaps does one thing in a market: about one step in ten.
    pub(crate) fn act(&mut self, world: &mut World, market: usize, at_ms: i64) {
        if at_ms < self.next_ms || self.rng.u8(..) >= 26 {
            return;
        }
        self.next_ms = at_ms + EVERY_MS;
        let Some(account) = world.account(self.owner) else { return };
        let mine = account.open_orders().filter(|order| order.market == market);
        let (count, oldest) = mine.fold((0, None), |(n, first), order| (n + 1, first.or(Some(order.id))));
        let held = account.position(market).qty;
        if let Some(id) = oldest.filter(|_| count >= OPEN_MAX || self.rng.u8(..) < 64) {
            world.cancel(self.owner, market, id);
            return;
        }
        let state = &world.markets()[market];
        let (spec, engine) = (state.spec, &state.engine);
        let enough = spec.clip * spec.step * 4;
        let side = match held {
            held if held > enough => Side::Sell,
            held if held < -enough => Side::Buy,
            _ if self.rng.bool() => Side::Buy,
            _ => Side::Sell,
        };
        let (Some((bid, _)), Some((ask, _))) = (engine.best(BookSide::Bid), engine.best(BookSide::Ask))
        else {
            return;
        };
        let take = self.rng.u8(..) < 52;
        let back = self.rng.i64(0..4) * spec.unit * spec.tick;
        let price = match (side, take) {
            (Side::Buy, true) => ask,
            (Side::Sell, true) => bid,
            (Side::Buy, false) => bid - back,
            (Side::Sell, false) => ask + back,
        };
        let clip = spec.clip.max(8);
        let qty = self.rng.i64(clip / 8..=clip / 2) * spec.step;
        let mut ticket = Ticket::new(self.owner, market, side, qty, Some(spec.on_tick(price, side)));
        ticket.tif = if take { Tif::Ioc } else { Tif::Gtc };
        ticket.must_fill = take;
        ticket.post_only = !take && self.rng.bool();
        self.placed += 1;
        if self.rng.u8(..) >= 64 {
            ticket.client_id = format!("demo-{}", self.placed);
        }
        // What the venue denies, for want of funds or for crossing, is simply not done.
        let _ = world.submit(ticket, at_ms);
    }
}

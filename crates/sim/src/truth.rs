//! What was true: the whole book behind each sequence number, and every trade, from the engine's own maps.
//!
//! Lines are NDJSON, one object each:
//! `{"t":"book","run","venue","symbol","generation","seq","sha256"}`,
//! `{"t":"trade","run","venue","symbol","generation","id","price","qty","side","ts"}`,
//! `{"t":"fill","run","venue","symbol","generation","account","id","order","client_id","side","price","qty","maker",
//! "fee","fee_asset","realised","ts"}` for each fill of an account, and
//! `{"t":"order","run","venue","symbol","generation","account","id","client_id","side","qty","filled","status","ts"}`
//! for each order of an account when it can no longer fill, with the time of its last change.
//!
//! When asked, and at the end, [`crate::VenueSim::write_accounts`] adds how accounts stand: `order` lines of the open
//! orders, `{"t":"ledger","run","venue","account","wallet","asset","total","locked","borrowed","interest","ts"}` and
//! `{"t":"position","run","venue","symbol","generation","account","qty","entry_value","realised","ts"}`. The wallet of an
//! isolated margin account is `isolated:` and its market.
//!
//! `seq` is the number on the wire (Doex `u`, DueDEX `sequence`, Binance `u`, Kraken's futures `seq`), and begins again when
//! `generation` rises; where messages tell one level each, `first` is the number of the first of them, and the digest
//! that of the book after the last. It is null where books have no numbers (Kraken's spot), whose lines stand in the
//! order of their messages. Trades are those that the followed stream tells, and `id` is theirs. `side` is the
//! aggressor's; `ts` is Unix nanoseconds. The digest is that of the book's canonical text.

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use venuekit_types::{BookSide, Level, Scale};

use crate::engine::{Change, Engine};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::ToldTrade;
use crate::wallets::{Account, Order, OwnFill, Wallet};

/// Bytes of lines that wait to be taken before further ones are lost.
const LINES_MAX: usize = 64 << 20;

/// A whole book at a sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrueBook {
    /// How often sequences have begun again.
    pub generation: u32,
    /// The number on the wire.
    pub seq: u64,
    /// Best first.
    pub bids: Vec<Level>,
    /// Best first.
    pub asks: Vec<Level>,
    /// Decimal places of prices.
    pub price_scale: Scale,
    /// Decimal places of quantities.
    pub qty_scale: Scale,
}

impl TrueBook {
    pub(crate) fn now(spec: &Spec, engine: &Engine, generation: u32, seq: u64) -> TrueBook {
        let level = |(price, qty)| Level::new(price, qty);
        TrueBook {
            generation,
            seq,
            bids: engine.bids().map(level).collect(),
            asks: engine.asks().map(level).collect(),
            price_scale: spec.price_scale,
            qty_scale: spec.qty_scale,
        }
    }

    /// The canonical text: a line `b,<price>,<qty>` for each bid, then `a,<price>,<qty>` for each ask, best first,
    /// plain decimals without trailing zeros.
    pub fn canonical(&self) -> String {
        let mut text = Text::new();
        let counts = |level: &Level| (level.price.0, level.qty.0);
        write_side(&mut text, "b,", self.bids.iter().map(counts), (self.price_scale, self.qty_scale));
        write_side(&mut text, "a,", self.asks.iter().map(counts), (self.price_scale, self.qty_scale));
        text.into_string()
    }

    /// The digest of the canonical text, lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.canonical().as_bytes()))
    }

    /// Whether its best levels to a depth are these.
    fn begins_with(&self, depth: usize, bids: &[Level], asks: &[Level]) -> bool {
        let top = |levels: &[Level], told: &[Level]| levels.iter().take(depth).eq(told.iter().take(depth));
        top(&self.bids, bids) && top(&self.asks, asks)
    }

    /// Takes back what a message did, so that the book is that of the number before it.
    fn undo(&mut self, changes: &[Change]) {
        for &Change { side, price, was, .. } in changes {
            // `sign` makes both sides rise.
            let (levels, sign) = match side {
                BookSide::Bid => (&mut self.bids, -1),
                BookSide::Ask => (&mut self.asks, 1),
            };
            match levels.binary_search_by_key(&(sign * price), |level| sign * level.price.0) {
                Ok(at) if was == 0 => {
                    levels.remove(at);
                }
                Ok(at) => levels[at] = Level::new(price, was),
                Err(at) if was != 0 => levels.insert(at, Level::new(price, was)),
                Err(_) => {}
            }
        }
    }
}

/// One side's lines of the canonical text.
fn write_side(text: &mut Text, mark: &str, levels: impl Iterator<Item = (i64, i64)>, scales: (Scale, Scale)) {
    for (price, qty) in levels {
        text.s(mark).plain(price, scales.0).s(",").plain(qty, scales.1).s("\n");
    }
}

/// A field that holds an amount, with the comma before it.
fn amount(text: &mut Text, name: &str, value: Decimal) {
    text.s(",\"").s(name).s("\":\"").s(&value.normalize().to_string()).s("\"");
}

/// The last messages of a market, so that the book at a number a little while ago can be asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    keep: usize,
    /// The number after each message, and what it did; a new generation stands as a message that did nothing.
    past: std::collections::VecDeque<(u32, u64, Vec<Change>)>,
}

impl History {
    pub(crate) fn new(keep: usize) -> History {
        History { keep, past: std::collections::VecDeque::new() }
    }

    pub(crate) fn push(&mut self, generation: u32, seq: u64, changes: &[Change]) {
        if self.keep > 0 {
            if self.past.len() == self.keep {
                self.past.pop_front();
            }
            self.past.push_back((generation, seq, changes.to_vec()));
        }
    }

    /// Walks a book of the present back to a number; nothing when that is no message's number, or is forgotten.
    pub(crate) fn walk_back(&self, mut book: TrueBook, generation: u32, seq: u64) -> Option<TrueBook> {
        let mut past = self.past.iter().rev().peekable();
        while (book.generation, book.seq) != (generation, seq) {
            let (_, _, changes) = past.next()?;
            let (before_generation, before_seq, _) = past.peek()?;
            book.undo(changes);
            (book.generation, book.seq) = (*before_generation, *before_seq);
        }
        Some(book)
    }

    /// Walks a book of the present back to the latest past that begins with these levels; nothing when none does, or
    /// it is forgotten.
    pub(crate) fn walk_back_to(
        &self,
        mut book: TrueBook,
        depth: usize,
        (bids, asks): (&[Level], &[Level]),
    ) -> Option<TrueBook> {
        let mut past = self.past.iter().rev().peekable();
        while !book.begins_with(depth, bids, asks) {
            let (_, _, changes) = past.next()?;
            let (generation, seq, _) = past.peek()?;
            book.undo(changes);
            (book.generation, book.seq) = (*generation, *seq);
        }
        Some(book)
    }
}

/// How the message that made a book was numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbered {
    /// Not at all.
    Not,
    /// With the number after it.
    Once(u64),
    /// As several messages, of which these are the first and the last.
    Each(u64, u64),
}

/// The writer of truth lines.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    venue: &'static str,
    run: String,
    every: u32,
    messages: u32,
    lines: Text,
    lost: u64,
    /// The canonical text of a book, kept for its allocation.
    canonical: Text,
}

impl Truth {
    /// `every` 0 writes nothing; 1 writes each book message's digest, n every n-th and all trades.
    pub(crate) fn new(venue: &'static str, run: String, every: u32) -> Truth {
        Truth { venue, run, every, messages: 0, lines: Text::default(), lost: 0, canonical: Text::default() }
    }

    /// `seq` is how the book's last message was numbered.
    pub(crate) fn book(&mut self, spec: &Spec, engine: &Engine, generation: u32, seq: Numbered) {
        if self.every == 0 {
            return;
        }
        self.messages = (self.messages + 1) % self.every;
        if self.messages == 0 && self.head("book", Some((spec.symbol, generation))) {
            let (text, scales) = (&mut self.canonical, (spec.price_scale, spec.qty_scale));
            text.0.clear();
            write_side(text, "b,", engine.bids(), scales);
            write_side(text, "a,", engine.asks(), scales);
            let digest = hex::encode(Sha256::digest(&text.0));
            match seq {
                Numbered::Not => self.lines.s(r#","seq":null"#),
                Numbered::Once(seq) => self.lines.s(r#","seq":"#).int(seq),
                Numbered::Each(first, seq) => {
                    self.lines.s(r#","first":"#).int(first).s(r#","seq":"#).int(seq)
                }
            };
            self.lines.s(r#","sha256":""#).s(&digest).s("\"}\n");
        }
    }

    /// The id is JSON, the time Unix nanoseconds.
    pub(crate) fn trade(
        &mut self,
        spec: &Spec,
        generation: u32,
        (id, at_ns): (String, i64),
        trade: &ToldTrade,
    ) {
        if self.every == 0 || !self.head("trade", Some((spec.symbol, generation))) {
            return;
        }
        self.lines.s(r#","id":"#).s(&id).s(r#","price":""#).plain(trade.price, spec.price_scale);
        self.lines.s(r#"","qty":""#).plain(trade.qty, spec.qty_scale).s(r#"","side":""#);
        self.lines.s(trade.aggressor.as_str()).s("\"");
        self.end_at(i128::from(at_ns));
    }

    pub(crate) fn fill(&mut self, spec: &Spec, generation: u32, account: u32, fill: &OwnFill) {
        if self.every == 0 || !self.head("fill", Some((spec.symbol, generation))) {
            return;
        }
        let order = &fill.order;
        let text = self.lines.s(r#","account":"#).int(account).s(r#","id":"#).int(fill.id);
        text.s(r#","order":"#).int(order.id).s(r#","client_id":"#).quoted(&order.client_id);
        text.s(r#","side":""#).s(order.side.as_str());
        text.s(r#"","price":""#).plain(fill.price, spec.price_scale);
        text.s(r#"","qty":""#).plain(fill.qty, spec.qty_scale);
        text.s(r#"","maker":"#).s(if fill.maker { "true" } else { "false" });
        amount(text, "fee", fill.fee);
        text.s(r#","fee_asset":""#).s(order.fee_asset(spec)).s("\"");
        amount(text, "realised", fill.realised);
        self.end(fill.at_ms);
    }

    pub(crate) fn order(&mut self, spec: &Spec, generation: u32, account: u32, order: &Order) {
        if self.every == 0 || !self.head("order", Some((spec.symbol, generation))) {
            return;
        }
        let text = self.lines.s(r#","account":"#).int(account).s(r#","id":"#).int(order.id);
        text.s(r#","client_id":"#).quoted(&order.client_id).s(r#","side":""#).s(order.side.as_str());
        text.s(r#"","qty":""#).plain(order.qty, spec.qty_scale);
        text.s(r#"","filled":""#).plain(order.filled, spec.qty_scale);
        text.s(r#"","status":""#).s(order.status.as_str()).s("\"");
        self.end(order.updated_ms);
    }

    /// How an account stands: open orders, ledgers, positions.
    pub(crate) fn account(&mut self, specs: &[Spec], generation: u32, account: &Account, at_ms: i64) {
        if self.every == 0 {
            return;
        }
        for order in account.open_orders() {
            self.order(&specs[order.market], generation, account.user, order);
        }
        for (wallet, asset, cash) in account.cash() {
            if self.head("ledger", None) {
                let text = self.lines.s(r#","account":"#).int(account.user);
                text.s(r#","wallet":""#).s(wallet.as_str());
                if let Wallet::Isolated(market) = wallet {
                    text.s(":").s(market);
                }
                text.s(r#"","asset":""#).s(asset).s("\"");
                let amounts = [cash.total, cash.locked, cash.borrowed, cash.interest];
                for (name, value) in ["total", "locked", "borrowed", "interest"].into_iter().zip(amounts) {
                    amount(text, name, value);
                }
                self.end(at_ms);
            }
        }
        for (market, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.contract.is_some()) {
            if self.head("position", Some((spec.symbol, generation))) {
                let position = account.position(market);
                let text = self.lines.s(r#","account":"#).int(account.user);
                text.s(r#","qty":""#).plain(position.qty, spec.qty_scale).s("\"");
                amount(text, "entry_value", position.entry_value);
                amount(text, "realised", position.realised);
                self.end(at_ms);
            }
        }
    }

    /// Begins a line, unless too many wait.
    fn head(&mut self, what: &str, market: Option<(&str, u32)>) -> bool {
        if self.lines.0.len() > LINES_MAX {
            self.lost += 1;
            return false;
        }
        self.lines.s(r#"{"t":""#).s(what).s(r#"","run":""#).s(&self.run).s(r#"","venue":""#).s(self.venue);
        self.lines.s("\"");
        if let Some((symbol, generation)) = market {
            self.lines.s(r#","symbol":""#).s(symbol).s(r#"","generation":"#).int(generation);
        }
        true
    }

    /// Ends a line with its time.
    fn end(&mut self, at_ms: i64) {
        self.end_at(i128::from(at_ms) * 1_000_000);
    }

    fn end_at(&mut self, at_ns: i128) {
        self.lines.s(r#","ts":"#).int(at_ns).s("}\n");
    }

    /// Takes the lines so far, each with its line feed.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines.0)
    }

    /// Lines that were lost because nobody took them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(seq: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> TrueBook {
        let levels = |side: &[(i64, i64)]| side.iter().map(|&(p, q)| Level::new(p, q)).collect();
        let scale = |digits| Scale::new(digits).expect("in range");
        TrueBook {
            generation: 0,
            seq,
            bids: levels(bids),
            asks: levels(asks),
            price_scale: scale(2),
            qty_scale: scale(3),
        }
    }

    #[test]
    fn the_canonical_text_has_no_trailing_zeros() {
        let book = book(1, &[(880_450, 1000), (880_400, 5)], &[(880_500, 120)]);
        assert_eq!(book.canonical(), "b,8804.5,1\nb,8804,0.005\na,8805,0.12\n");
        // printf 'b,8804.5,1\nb,8804,0.005\na,8805,0.12\n' | sha256sum
        assert_eq!(book.sha256(), "c1f05054fbc036c3e21a70f75b05b530072a4bb214d4e37dbadc776b2fd0f0e0");
    }

    #[test]
    fn history_walks_back_and_says_when_it_forgot() {
        let (side, price) = (BookSide::Bid, 100);
        let mut history = History::new(3);
        history.push(0, 1, &[Change { side, price, was: 0, now: 5 }]);
        history.push(
            0,
            4,
            &[Change { side, price, was: 5, now: 7 }, Change { side, price: 99, was: 0, now: 1 }],
        );
        history.push(1, 1, &[]);
        history.push(1, 2, &[Change { side, price, was: 7, now: 0 }]);
        let present = TrueBook { generation: 1, ..book(2, &[(99, 1)], &[]) };
        let at = |generation, seq| history.walk_back(present.clone(), generation, seq).map(|book| book.bids);
        assert_eq!(at(1, 2), Some(vec![Level::new(99, 1)]));
        assert_eq!(at(1, 1), Some(vec![Level::new(100, 7), Level::new(99, 1)]));
        assert_eq!(at(0, 4), at(1, 1));
        assert_eq!(at(0, 2), None, "no message ended at 2");
        assert_eq!(at(0, 1), None, "forgotten");
    }
}

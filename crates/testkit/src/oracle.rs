//! The judge: compares everything a session says with what the simulator knows to be true.
//!
//! A live book must be the true book at its number, level for level, after every message. The changes that were told
//! must rebuild the same book, so that what is stored is as good as what is held. Each trade is told once, as it was.
//! At rest, what was told of the account is what the simulator's books of it say.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use venuekit_book::{Checksum, Linkage, State};
use venuekit_session::{BookChange, Emission, Event, Session, StreamId, StreamInfo, TradeEvent};
use venuekit_sim::venue::VenueSim;
use venuekit_types::{BookSide, Level, Mono, Now, Scale, Scaled, Side};
use venuekit_venue::Channel;
use venuekit_venue::spec::BookSpec;

use crate::account::Told;
use crate::rig::Watch;

/// A book rebuilt from what was told, by a data structure of its own.
#[derive(Clone, Debug, Default)]
struct Rebuilt {
    epoch: u64,
    seq: u64,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Rebuilt {
    fn write(&mut self, side: BookSide, levels: &[Level]) {
        let map = match side {
            BookSide::Bid => &mut self.bids,
            BookSide::Ask => &mut self.asks,
        };
        for level in levels {
            if level.qty.0 == 0 {
                map.remove(&level.price.0);
            } else {
                map.insert(level.price.0, level.qty.0);
            }
        }
    }
}

/// Compares a session with the simulator behind it, and collects every difference.
#[derive(Debug, Default)]
pub struct Judge {
    streams: BTreeMap<StreamId, StreamInfo>,
    rebuilt: BTreeMap<StreamId, Rebuilt>,
    dirty: BTreeSet<StreamId>,
    trades: BTreeMap<StreamId, BTreeSet<String>>,
    open_gaps: BTreeSet<(StreamId, u64, u64)>,
    account: Told,
    /// Differences found, in words; the run fails when there is any.
    pub divergences: Vec<String>,
    /// Books compared with the truth.
    pub compared: u64,
    /// Books and trades that the simulator had forgotten, so that nothing could be compared.
    pub forgotten: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Gaps healed.
    pub healed: u64,
    /// Trades told.
    pub trade_count: u64,
    /// Streams given up.
    pub stopped: u64,
    /// Rows of the account compared with the simulator's own books.
    pub account_rows: u64,
    /// Every event in words, when kept.
    pub log: Option<Vec<String>>,
}

/// Differences described before the rest is only counted.
const DESCRIBED: usize = 20;

impl Judge {
    /// A judge that has seen nothing.
    pub fn new() -> Judge {
        Judge::default()
    }

    fn complain(&mut self, text: String) {
        if self.divergences.len() < DESCRIBED {
            self.divergences.push(text);
        }
    }

    /// Whether the whole account was told since, and every private stream is live: whatever it says now is how it stands.
    pub fn knows_account_since(&self, session: &Session, since: Mono) -> bool {
        self.account.is_whole_since(session, since)
    }

    /// Compares what was told of the account with the simulator's own books, which must be at rest.
    pub fn compare_account(&mut self, session: &Session, sim: &VenueSim) {
        let (found, compared) = self.account.differences(session, sim);
        self.account_rows += compared;
        found.into_iter().for_each(|text| self.complain(format!("account: {text}")));
    }

    /// Gaps that are not healed.
    pub fn open_gaps(&self) -> usize {
        self.open_gaps.len()
    }

    /// The streams told so far.
    pub fn streams(&self) -> impl Iterator<Item = &StreamInfo> {
        self.streams.values()
    }

    /// Fails when a trade between the first and the last told one of a market was not told.
    pub fn assert_no_trade_missing(&self, sim: &VenueSim) {
        for (stream, told) in &self.trades {
            let name = self.name(*stream);
            let numbers: BTreeSet<u64> = told.iter().filter_map(|id| number(id)).collect();
            let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { continue };
            let Some(market) = sim.market(&name) else { continue };
            for trade in sim.told_trades(market) {
                let between = (first..=last).contains(&&trade.id);
                assert!(!between || numbers.contains(&trade.id), "{name}: trade {} was not told", trade.id);
            }
        }
    }

    fn on_book(&mut self, change: &BookChange, emission: &Emission<'_>) {
        let book = self.rebuilt.entry(change.stream).or_default();
        let mut complaint = None;
        if change.is_snapshot {
            if change.epoch <= book.epoch {
                complaint = Some(format!("epoch {} after {}", change.epoch, book.epoch));
            }
            *book = Rebuilt { epoch: change.epoch, seq: change.last_seq, ..Rebuilt::default() };
        } else if change.epoch != book.epoch {
            complaint = Some(format!("a change of epoch {} in epoch {}", change.epoch, book.epoch));
        } else if change.first_seq != book.seq + 1 || change.last_seq < change.first_seq {
            complaint = Some(format!("{}..{} told after {}", change.first_seq, change.last_seq, book.seq));
        }
        book.seq = change.last_seq;
        book.write(BookSide::Bid, emission.levels(&change.bids));
        book.write(BookSide::Ask, emission.levels(&change.asks));
        self.dirty.insert(change.stream);
        if let Some(complaint) = complaint {
            let name = self.name(change.stream);
            self.complain(format!("{name}: {complaint}"));
        }
    }

    fn on_trade(&mut self, trade: &TradeEvent, emission: &Emission<'_>, sim: &VenueSim) {
        let id = emission.text(&trade.id).to_owned();
        let name = self.name(trade.stream);
        self.trade_count += 1;
        if !self.trades.entry(trade.stream).or_default().insert(id.clone()) {
            self.complain(format!("{name}: trade {id} told twice"));
        }
        let Some(market) = sim.market(&name) else { return };
        let number = number(&id);
        let truth = sim.told_trades(market).find(|t| Some(t.id) == number);
        let oldest = sim.told_trades(market).next();
        match truth {
            // It was on its way while the simulator forgot it, as it does the oldest.
            None if oldest.is_some_and(|t| number.is_some_and(|number| number < t.id)) => {
                self.forgotten += 1;
            }
            None => self.complain(format!("{name}: trade {id} never happened")),
            Some(truth) => {
                let side = trade.side.unwrap_or(Side::Buy);
                let level = Level { price: trade.price, qty: trade.qty };
                let told = self.recounting(trade.stream, sim)(level);
                let told = (told.price.0, told.qty.0, side, trade.at.millis());
                let real = (truth.price, truth.qty, truth.aggressor, truth.at_ms);
                if told != real {
                    self.complain(format!("{name}: trade {id} told as {told:?}, was {real:?}"));
                }
            }
        }
    }

    /// What puts a level into the counts of the simulated market, which an adapter may count finer.
    fn recounting(&self, stream: StreamId, sim: &VenueSim) -> impl Fn(Level) -> Level + use<> {
        let told = self.streams.get(&stream).map(|info| (info.price_scale, info.qty_scale));
        let market = sim.market(&self.name(stream)).map(|market| sim.world().markets()[market].spec);
        let scales = told.zip(market.map(|spec| (spec.price_scale, spec.qty_scale)));
        let scales = scales.filter(|(told, own)| told != own);
        move |level| match scales {
            Some((told, own)) => {
                Level::new(recount(level.price.0, told.0, own.0), recount(level.qty.0, told.1, own.1))
            }
            None => level,
        }
    }

    fn name(&self, stream: StreamId) -> String {
        self.streams
            .get(&stream)
            .and_then(|info| info.symbol.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Compares one book with the truth at its number.
    fn compare(&mut self, now: Now, id: StreamId, session: &Session, sim: &VenueSim) {
        let Ok(view) = session.book(id, now) else { return };
        let name = self.name(id);
        let seq = view.seq().unwrap_or_default();
        let generation = sim.book(&name).map_or(0, |book| book.generation);
        let held: (Vec<Level>, Vec<Level>) = (view.bids().collect(), view.asks().collect());
        let spec = self.streams.get(&id).and_then(|info| session.venue().specs().get(info.product));
        let summed = spec.and_then(|spec| spec.books.first()).and_then(summed);
        if let Some(rebuilt) = self.rebuilt.get(&id) {
            let bids: Vec<Level> = rebuilt.bids.iter().rev().map(|(p, q)| Level::new(*p, *q)).collect();
            let asks: Vec<Level> = rebuilt.asks.iter().map(|(p, q)| Level::new(*p, *q)).collect();
            let told = if summed.is_some() { seq } else { rebuilt.seq };
            if (told, rebuilt.epoch) != (seq, view.epoch()) || (bids, asks) != held {
                self.complain(format!("{name} at {seq}: what was told does not rebuild the book"));
            }
        }
        let recount = self.recounting(id, sim);
        let count = |levels: &[Level]| levels.iter().map(|level| recount(*level)).collect();
        let counted: (Vec<Level>, Vec<Level>) = (count(&held.0), count(&held.1));
        if let Some(levels) = summed {
            // Without a number, what the checksum vouches for has to have been.
            if sim.book_like(&name, levels, (&counted.0, &counted.1)).is_some() {
                self.compared += 1;
            } else {
                self.complain(format!("{name}: a live book never was"));
            }
            return;
        }
        // Frames of an earlier count may still be on their way when the venue has begun again.
        let mut known = 0;
        for generation in [Some(generation), generation.checked_sub(1)].into_iter().flatten() {
            if let Some(truth) = sim.book_at(&name, generation, seq) {
                known += 1;
                if (&truth.bids, &truth.asks) == (&counted.0, &counted.1) {
                    self.compared += 1;
                    return;
                }
            }
        }
        if known == 0 {
            self.forgotten += 1;
        } else {
            self.complain(format!("{name} at {seq}: a live book differs from the true one"));
        }
    }
}

/// The levels of a side that a checksum vouches for, where messages have no numbers.
fn summed(book: &BookSpec) -> Option<usize> {
    match (book.linkage, book.checksum) {
        (Linkage::Unnumbered, Checksum::Crc32Fixed { levels }) => Some(usize::from(levels)),
        _ => None,
    }
}

impl Watch<VenueSim> for Judge {
    fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
        if let Some(log) = &mut self.log {
            log.push(format!("{} {:?}", now.mono.0, emission.event));
        }
        self.account.hear(now, emission.event);
        match emission.event {
            Event::Stream(info) => {
                self.streams.insert(info.stream, info.clone());
            }
            Event::Book(change) => self.on_book(change, &emission),
            Event::Trade(trade) => self.on_trade(trade, &emission, sim),
            Event::GapOpened(gap) => {
                self.gaps += 1;
                self.open_gaps.insert((gap.stream, gap.epoch, gap.from_seq));
            }
            Event::GapHealed(gap) => {
                self.healed += 1;
                if !self.open_gaps.remove(&(gap.stream, gap.epoch, gap.from_seq)) {
                    let name = self.name(gap.stream);
                    self.complain(format!("{name}: a gap healed that was never opened"));
                }
            }
            Event::State { stream, to: State::Live, .. } => {
                self.dirty.insert(*stream);
            }
            Event::Stopped { .. } => self.stopped += 1,
            _ => {}
        }
    }

    fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
        for id in std::mem::take(&mut self.dirty) {
            if self.streams.get(&id).is_some_and(|info| info.channel == Channel::Book) {
                self.compare(now, id, session, sim);
            }
        }
    }
}

/// A trade's number: its id, or what the UUID that it is ends in.
fn number(id: &str) -> Option<u64> {
    match id.rsplit_once('-') {
        Some((_, hex)) => u64::from_str_radix(hex, 16).ok(),
        None => id.parse().ok(),
    }
}

/// A count at another scale; what has no count there becomes one that no market has.
fn recount(value: i64, from: Scale, to: Scale) -> i64 {
    let factor = |digits: u8| 10_i64.checked_pow(u32::from(digits)).unwrap_or(i64::MAX);
    match from.digits().checked_sub(to.digits()) {
        Some(finer) if value % factor(finer) == 0 => value / factor(finer),
        Some(_) => i64::MIN,
        None => value.checked_mul(factor(to.digits() - from.digits())).unwrap_or(i64::MIN),
    }
}

/// The digest of a live book in its canonical text.
pub fn digest(session: &Session, id: StreamId, info: &StreamInfo, now: Now) -> Option<String> {
    let view = session.book(id, now).ok()?;
    let mut text = String::new();
    for (mark, side) in [("b", BookSide::Bid), ("a", BookSide::Ask)] {
        for level in view.levels(side) {
            let price = Scaled::new(level.price.0, info.price_scale);
            let qty = Scaled::new(level.qty.0, info.qty_scale);
            writeln!(text, "{mark},{price},{qty}").expect("a String takes everything");
        }
    }
    Some(hex::encode(Sha256::digest(text.as_bytes())))
}

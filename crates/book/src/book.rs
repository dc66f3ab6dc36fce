//! The book: state, sequence and levels under one owner, fed message by message.
//!
//! Owns the transitions between [`State`]s. It refuses clocks and IO, and to be read while it is not live.

use core::hint::select_unpredictable;

use venuekit_types::{Now, Price, Qty};

use crate::buffer::Buffer;
use crate::ladder::{self, Ladder};
use crate::link::{Cursor, Usual, Verdict};
use crate::side::{Side, Slot};
use crate::{
    Assurance, Cause, Checksum, Early, Gap, Linkage, NotLive, Outcome, Rules, State, Unvouched, Update, View,
};

/// A level-2 order book that can be read only while it is in sequence.
///
/// The caller hands in every message of the stream, in order of arrival, and answers each
/// [`Outcome::Desync`] with a new snapshot: [`Book::expect_snapshot`] when it subscribes again,
/// [`Book::expect_refetch`] when the stream stays up and the snapshot is fetched beside it. A loss that only
/// the caller can see (a close, silence, an unreadable frame) comes in through [`Book::desync`].
///
/// A message is a transaction: a [`View`] never shows half of one.
#[derive(Clone, Debug)]
pub struct Book {
    rules: Rules,
    state: State,
    /// How the next message is known while nothing else needs a look: the book is live and linked, holds nothing,
    /// lies on its grid, and has nothing to do after the rows of a message. Whoever changes any of this says
    /// [`Usual::Unknown`], and the next message that takes the long way finds out.
    usual: Usual,
    gap: Option<Gap>,
    epoch: u64,
    cursor: Cursor,
    updated: Now,
    /// Whether the last message carried a checksum that held.
    checksummed: bool,
    ladder: Ladder,
    buffer: Buffer,
    /// How many messages went the short way, modulo 256.
    short: u8,
}

impl Book {
    /// An empty book of a stream with these rules.
    pub fn new(rules: Rules) -> Book {
        Book {
            rules,
            state: State::Empty,
            usual: Usual::Unknown,
            gap: None,
            epoch: 0,
            cursor: Cursor::default(),
            updated: Now::default(),
            checksummed: false,
            ladder: Ladder::new(),
            buffer: Buffer::default(),
            short: 0,
        }
    }

    /// Names the price step of the instrument, at first or when the venue changes it; zero when it names none.
    ///
    /// The book works without: it finds the widest step that divides all prices by itself. What it gains is
    /// [`Book::off_grid`].
    ///
    /// **Units**: a count of 10^-price_scale, as prices.
    pub fn set_tick(&mut self, tick: Price) {
        self.usual = Usual::Unknown;
        self.ladder.set_tick(tick);
    }

    /// The first price of the last message that lies between two ticks, where [`Book::set_tick`] named the tick.
    ///
    /// The book holds it like any other: orders from before a venue widened its tick rest where they were. Whoever
    /// follows the stream knows the instrument, and should read its terms again.
    pub fn off_grid(&self) -> Option<Price> {
        self.ladder.off_grid()
    }

    /// Says that a new stream was asked for: updates are held from here on, and those of an earlier stream
    /// are forgotten.
    pub fn expect_snapshot(&mut self) {
        self.buffer.clear();
        self.usual = Usual::Unknown;
        self.state = State::Buffering;
    }

    /// Says that another snapshot was asked for while the stream stayed up: updates held so far are kept.
    ///
    /// The update that did not fit may be handed in once more after this, so that it is held too.
    pub fn expect_refetch(&mut self) {
        if self.state != State::Buffering {
            self.expect_snapshot();
        }
    }

    /// Takes a snapshot, whichever state the book is in, and applies the held updates that continue it;
    /// [`Book::replayed`] shows them. A snapshot with a lower id than the book's is as good as any.
    ///
    /// The caller gives the epoch, the book's generation.
    ///
    /// **Errors**: [`Outcome::Desync`]. When the held updates do not continue the snapshot
    /// ([`Cause::SnapshotTooOld`], or [`Cause::Sequence`] for a hole between them), the book stays
    /// [`State::Buffering`] and keeps them, since a newer snapshot may reach them; after anything else it is
    /// [`State::Stale`].
    pub fn snapshot(&mut self, now: Now, epoch: u64, snapshot: &Update<'_>) -> Outcome {
        self.usual = Usual::Unknown;
        if self.state != State::Buffering {
            self.buffer.clear();
        }
        let linkage = self.rules.linkage;
        if linkage.is_numbered() && snapshot.ids.is_none() {
            return self.fail(Gap::of(Cause::Sequence));
        }
        if let Err(gap) = ladder::check_numbers(snapshot) {
            return self.fail(gap);
        }
        let start = Cursor::at_snapshot(snapshot.ids);
        if let Err(gap) = self.buffer.link(linkage, start) {
            self.gap = Some(gap);
            return Outcome::Desync(gap);
        }
        self.epoch = epoch;
        self.cursor = start;
        if let Err(gap) = self.rebuild(snapshot) {
            return self.fail(gap);
        }
        self.updated = now;
        self.state = State::Live;
        self.gap = None;
        Outcome::Applied
    }

    /// Writes a snapshot and the held updates that were found to continue it.
    fn rebuild(&mut self, snapshot: &Update<'_>) -> Result<(), Gap> {
        self.checksummed = self.ladder.load(&self.rules, snapshot)?;
        for update in self.buffer.iter() {
            self.cursor = self.cursor.after(update.ids);
            self.checksummed = self.ladder.write(&self.rules, &update)?;
        }
        Ok(())
    }

    /// Takes an update.
    ///
    /// A live book applies it, finds it old, or loses its sequence; a buffering one holds it. An
    /// [`State::Empty`] or [`State::Stale`] book has no use for it: [`Outcome::Old`].
    ///
    /// **Errors**: [`Outcome::Desync`], after which the book is [`State::Stale`].
    #[inline]
    pub fn apply(&mut self, now: Now, update: &Update<'_>) -> Outcome {
        // Many venues send one level a message, on either side by chance. The next one goes a short way on which
        // nothing has to be guessed; the update itself goes by value and stays in registers.
        if self.apply_row(now, update, Side::slot_in_whole, Side::set_at) {
            return Outcome::Applied;
        }
        self.apply_any(now, *update)
    }

    /// Applies a message of one row that is surely the next and finds its slot; false when it does nothing.
    #[inline(always)]
    fn apply_row(
        &mut self,
        now: Now,
        update: &Update<'_>,
        find: fn(&Side, Price) -> Option<Slot>,
        set: fn(&mut Side, Slot, Qty),
    ) -> bool {
        if update.bids.len() + update.asks.len() != 1 {
            return false;
        }
        let (Some(last), Some(ids)) = (&mut self.cursor.last, update.ids) else { return false };
        if !self.usual.is_next(*last, ids) {
            return false;
        }
        let is_bid = update.asks.is_empty();
        let level = select_unpredictable(is_bid, update.bids, update.asks)[0];
        let side = self.ladder.side_of_row(is_bid);
        let Some(slot) =
            find(side, level.price).filter(|_| (level.qty.0 | level.price.0.wrapping_sub(1)) >= 0)
        else {
            return false;
        };
        *last = ids.last;
        self.updated = now;
        set(side, slot, level.qty);
        self.short = self.short.wrapping_add(1);
        if self.short == 0 {
            self.ladder.find_best();
        }
        true
    }

    #[inline(never)]
    fn apply_any(&mut self, now: Now, update: Update<'_>) -> Outcome {
        if self.apply_row(now, &update, Side::slot, Side::set_at_last) {
            return Outcome::Applied;
        }
        if self.state != State::Live {
            return self.apply_early(update);
        }
        self.buffer.clear();
        match self.rules.linkage.judge(self.cursor, update.ids) {
            Verdict::Next => {}
            Verdict::Old => return Outcome::Old,
            Verdict::Broken(gap) => return self.fail(gap),
        }
        let written = match self.rules.linkage {
            Linkage::Replace => self.replace(update),
            _ => self.ladder.write(&self.rules, &update),
        };
        match written {
            Ok(checksummed) => self.checksummed = checksummed,
            Err(gap) => return self.fail(gap),
        }
        self.cursor = self.cursor.after(update.ids);
        self.updated = now;
        let Rules { linkage, depth, checksum, limits, .. } = self.rules;
        let is_plain =
            depth.is_none() && checksum == Checksum::None && self.ladder.is_plain(limits.levels_per_side);
        self.usual = if is_plain { linkage.usual() } else { Usual::Unknown };
        Outcome::Applied
    }

    #[cold]
    #[inline(never)]
    fn apply_early(&mut self, update: Update<'_>) -> Outcome {
        match self.state {
            State::Buffering => self.hold(&update),
            State::Empty | State::Live | State::Stale => Outcome::Old,
        }
    }

    #[inline(never)]
    fn replace(&mut self, update: Update<'_>) -> Result<bool, Gap> {
        ladder::check_numbers(&update)?;
        self.ladder.load(&self.rules, &update)
    }

    fn hold(&mut self, update: &Update<'_>) -> Outcome {
        let linkage = self.rules.linkage;
        if !linkage.is_numbered() || self.rules.early == Early::Discard {
            return Outcome::Old;
        }
        if update.ids.is_none() {
            return self.fail(Gap::of(Cause::Sequence));
        }
        if let Err(gap) = ladder::check_numbers(update) {
            return self.fail(gap);
        }
        if linkage.is_restart(update.ids) {
            // What was held belongs to a count that no snapshot will speak of again.
            self.buffer.clear();
        }
        match self.buffer.push(&self.rules.limits, update) {
            Ok(()) => Outcome::Buffered,
            Err((bound, came)) => {
                self.fail(Gap::between(Cause::BufferFull, ladder::count(bound), ladder::count(came)))
            }
        }
    }

    /// The held updates that the last [`Book::snapshot`] applied, in order, so that a recorder can store the
    /// snapshot and each update apart. Empty again after the next update.
    pub fn replayed(&self) -> impl Iterator<Item = Update<'_>> {
        let live = self.state == State::Live;
        self.buffer.iter().filter(move |_| live)
    }

    /// The number of updates held; right after [`Book::snapshot`], of those it applied. The difference is
    /// what the snapshot had overtaken.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Reports a loss that the numbers of this book cannot show. The first reason stays until the book heals;
    /// an [`State::Empty`] book has nothing to lose.
    pub fn desync(&mut self, gap: Gap) {
        if matches!(self.state, State::Live | State::Buffering) {
            let _ = self.fail(gap);
        }
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, gap: Gap) -> Outcome {
        self.buffer.clear();
        self.usual = Usual::Unknown;
        self.state = State::Stale;
        self.gap = Some(gap);
        Outcome::Desync(gap)
    }

    /// The book, if it is live.
    ///
    /// **Errors**: [`NotLive`] says what it is instead, and why.
    #[inline]
    pub fn view(&self, now: Now) -> Result<View<'_>, NotLive> {
        if self.state != State::Live {
            return Err(self.not_live());
        }
        Ok(View::new(self, &self.ladder, now))
    }

    #[cold]
    fn not_live(&self) -> NotLive {
        NotLive { state: self.state, gap: self.gap }
    }

    /// The levels as they last stood, **vouched for by nothing**: they may be wrong, half of a message whose
    /// checksum failed, or years old. For replay tools and post-mortems; whoever trades reads [`Book::view`].
    pub fn last_known_unvouched(&self) -> Unvouched<'_> {
        Unvouched::new(&self.ladder)
    }

    /// What the book is worth right now.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the book lost last; nothing while it is live.
    pub fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// The generation given with the last snapshot.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The id of the snapshot or of the last update applied to it; nothing without numbers.
    pub fn last_id(&self) -> Option<u64> {
        self.cursor.last
    }

    /// The rules it was made with.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// When the last message was applied.
    pub(crate) fn updated(&self) -> Now {
        self.updated
    }

    pub(crate) fn assurance(&self) -> Assurance {
        if self.rules.linkage.sees_holes() {
            Assurance::Sequenced
        } else if self.checksummed {
            Assurance::Checksummed
        } else {
            Assurance::Transport
        }
    }
}

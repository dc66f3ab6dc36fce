//! The dense part of a side: quantities by rank, where better prices have lower ranks.
//!
//! ```text
//! ranks        touch ...................................................... far
//! directory    [ 3 | 0 | 0 | 1 | 0 | 0 | 0 | 2 | 5 | 4 | 0 ]     one entry for 64 ranks; 0 has no place
//!                │           │               │
//! leaves       live 0100..   live 1000..    live 1101..          ranks that hold a quantity
//!              used 0110..   used 1000..    used 1111..          ranks that have a place in the block
//!                │           │               │
//! blocks       [q 0]         [q]            [q q 0 q … ]         1, 2, 4, 8, 16 or 64 quantities, by rank
//! ```
//!
//! A place stays when its quantity goes, so that the level that comes back (they do) costs one store; places
//! without quantity are swept out when they outnumber the others. A block of more than 16 places has all 64: then
//! the count of places below a rank is the rank itself, and the leaf is a plain array without a second case.
//!
//! It owns memory in proportion to its levels. It refuses to know prices, sides and what lies outside its range.

use alloc::vec::Vec;

/// Ranks in a leaf.
const LEAF: u64 = 64;
/// The longest directory: 4 million ranks. As many leaves have a name in 16 bits.
const DIRECTORY_MAX: usize = u16::MAX as usize;
/// The size of the largest block that holds less than a whole leaf, a binary logarithm.
const PACKED_MAX: u8 = 4;
/// The size of a whole leaf, a binary logarithm.
const WHOLE: u8 = 6;
/// The size of a leaf's first block, a binary logarithm: most leaves need more than one place.
const FIRST: u8 = 2;
/// Ends a list of free blocks.
const NONE: i64 = -1;

#[derive(Clone, Copy, Debug)]
struct Leaf {
    live: u64,
    used: u64,
    /// Where its block starts.
    block: u32,
    /// Its place in the directory.
    at: u16,
    /// The binary logarithm of its block's size.
    class: u8,
}

impl Leaf {
    const EMPTY: Leaf = Leaf { live: 0, used: 0, block: 0, at: 0, class: 0 };

    #[inline]
    fn place(&self, bit: u32) -> usize {
        // Most updates are near the touch, where most leaves have all places.
        let below = if self.used == u64::MAX { bit } else { (self.used & ((1 << bit) - 1)).count_ones() };
        index(self.block) + index(below)
    }
}

/// 32 bits fit where this runs.
#[inline]
fn index(n: u32) -> usize {
    n as usize
}

/// Where a rank's quantity stands, until the next insertion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The leaf.
    id: u16,
    /// The rank in it.
    bit: u32,
    /// The place in the blocks.
    at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The rank of the first entry's first tick; a multiple of a leaf.
    base: u64,
    directory: Vec<u16>,
    /// The first is empty and stays so.
    leaves: Vec<Leaf>,
    blocks: Vec<i64>,
    /// The first free block of each size; each holds where the next one starts.
    free: [i64; WHOLE as usize + 1],
    /// The first leaf without an entry; each holds the next one as its place. 0 ends the list.
    free_leaf: u16,
    /// A bit for each entry with a leaf, and one for each word of these with a bit. A leaf may have no quantity
    /// left: whoever comes by with the right to write takes its entry away.
    some: Vec<u64>,
    some_words: [u64; DIRECTORY_MAX.div_ceil(64 * 64)],
    len: usize,
}

impl Window {
    pub(crate) fn new() -> Window {
        Window {
            base: 0,
            directory: Vec::new(),
            leaves: Vec::from([Leaf::EMPTY]),
            blocks: Vec::new(),
            free: [NONE; _],
            free_leaf: 0,
            some: Vec::new(),
            some_words: [0; _],
            len: 0,
        }
    }

    /// Forgets every level and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.directory.clear();
        self.leaves.clear();
        self.leaves.push(Leaf::EMPTY);
        self.blocks.clear();
        self.free = [NONE; _];
        self.free_leaf = 0;
        self.some.clear();
        self.some_words = [0; _];
        self.len = 0;
    }

    /// Starts over with a range from the leaf of one rank to that of another, as far up as `leaves` reach.
    pub(crate) fn start(&mut self, low: u64, high: u64, leaves: usize) {
        self.clear();
        let wanted = (high / LEAF - low / LEAF).saturating_add(1);
        let count = usize::try_from(wanted).unwrap_or(usize::MAX).min(leaves).clamp(1, DIRECTORY_MAX);
        self.base = low / LEAF * LEAF;
        self.directory.resize(count, 0);
        self.some.resize(count.div_ceil(64), 0);
    }

    /// Widens the range so that a rank lies in it, if `leaves` suffice; true when it does then.
    pub(crate) fn reach(&mut self, rank: u64, leaves: usize) -> bool {
        let leaves = leaves.min(DIRECTORY_MAX);
        let count = self.directory.len();
        if count == 0 {
            self.start(rank, rank, 1);
            return true;
        }
        // Some more than needed, so that widening is rare.
        let spare = count / 8 + 1;
        let fits = |beyond: u64| usize::try_from(beyond).ok().filter(|beyond| count + beyond <= leaves);
        if rank < self.base {
            let Some(needed) = fits(self.base / LEAF - rank / LEAF) else { return false };
            let below = usize::try_from(self.base / LEAF).unwrap_or(usize::MAX);
            let more = (needed + spare).min(leaves - count).min(below);
            self.directory.splice(0..0, core::iter::repeat_n(0, more));
            self.base -= to_u64(more) * LEAF;
            self.renumber();
        } else {
            let top = self.base / LEAF + to_u64(count);
            let Some(needed) = fits((rank / LEAF + 1).saturating_sub(top)) else { return false };
            if needed > 0 {
                let more = (needed + spare).min(leaves - count);
                self.directory.resize(count + more, 0);
                self.some.resize((count + more).div_ceil(64), 0);
            }
        }
        true
    }

    /// Writes the leaves' places and the summary anew, after the directory moved.
    fn renumber(&mut self) {
        self.some.clear();
        self.some.resize(self.directory.len().div_ceil(64), 0);
        self.some_words = [0; _];
        for at in 0..self.directory.len() {
            let id = self.directory[at];
            if id != 0 {
                let leaf = &mut self.leaves[usize::from(id)];
                leaf.at = u16::try_from(at).expect("a directory is shorter than 2^16");
                self.mark(at, true);
            }
        }
    }

    /// The directory entry of a rank, or nothing out of range.
    #[inline]
    fn entry(&self, rank: u64) -> Option<usize> {
        let at = usize::try_from(rank.wrapping_sub(self.base) / LEAF).ok()?;
        (at < self.directory.len()).then_some(at)
    }

    /// True where the range has the rank.
    pub(crate) fn covers(&self, rank: u64) -> bool {
        self.entry(rank).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Places with a quantity or without.
    pub(crate) fn places(&self) -> usize {
        self.blocks.len()
    }

    /// The place of a rank, if it has one.
    #[inline]
    pub(crate) fn place(&self, rank: u64) -> Option<Place> {
        let id = self.directory[self.entry(rank)?];
        let (leaf, bit) = (&self.leaves[usize::from(id)], bit_of(rank));
        (leaf.used >> bit & 1 != 0).then(|| Place { id, bit, at: leaf.place(bit) })
    }

    /// The place of a rank, if its leaf has all.
    #[inline]
    pub(crate) fn place_in_whole(&self, rank: u64) -> Option<Place> {
        let id = self.directory[self.entry(rank)?];
        let (leaf, bit) = (&self.leaves[usize::from(id)], bit_of(rank));
        (leaf.used == u64::MAX).then(|| Place { id, bit, at: index(leaf.block) + index(bit) })
    }

    /// Sets the quantity at a place, zero for none.
    #[inline]
    pub(crate) fn set(&mut self, Place { id, bit, at }: Place, qty: i64) {
        let leaf = &mut self.leaves[usize::from(id)];
        let was = leaf.live >> bit & 1;
        leaf.live = leaf.live & !(1 << bit) | u64::from(qty != 0) << bit;
        self.blocks[at] = qty;
        self.len = self.len + usize::from(qty != 0) - usize::from(was != 0);
    }

    /// Notes whether an entry has a leaf.
    fn mark(&mut self, at: usize, has_leaf: bool) {
        let word = &mut self.some[at / 64];
        *word = *word & !(1 << (at % 64)) | u64::from(has_leaf) << (at % 64);
        let any = *word != 0;
        let at = at / 64;
        let words = &mut self.some_words[at / 64];
        *words = *words & !(1 << (at % 64)) | u64::from(any) << (at % 64);
    }

    /// Gives a rank in range its place, and the place a quantity.
    pub(crate) fn insert(&mut self, rank: u64, qty: i64) {
        let at = self.entry(rank).expect("the caller has widened the range");
        let bit = bit_of(rank);
        if self.directory[at] == 0 {
            self.add_leaf(at);
        }
        let id = usize::from(self.directory[at]);
        if self.leaves[id].used.count_ones() == 1 << self.leaves[id].class {
            self.make_room(id);
        }
        let leaf = &mut self.leaves[id];
        if leaf.used >> bit & 1 == 0 {
            let (start, end) = (leaf.place(bit), index(leaf.block) + index(leaf.used.count_ones()));
            leaf.used |= 1 << bit;
            self.blocks.copy_within(start..end, start + 1);
        }
        let place = self.place(rank).expect("it has one now");
        self.set(place, qty);
    }

    fn add_leaf(&mut self, at: usize) {
        let block = self.take(FIRST);
        let leaf = Leaf {
            at: u16::try_from(at).expect("a directory is shorter than 2^16"),
            block,
            class: FIRST,
            ..Leaf::EMPTY
        };
        let mut id = self.free_leaf;
        if id != 0 {
            self.free_leaf = self.leaves[usize::from(id)].at;
            self.leaves[usize::from(id)] = leaf;
        } else {
            if self.leaves.len() == self.leaves.capacity() {
                self.leaves.reserve_exact(self.leaves.len() / 2 + 64);
            }
            id = u16::try_from(self.leaves.len()).expect("there are no more leaves than entries");
            self.leaves.push(leaf);
        }
        self.directory[at] = id;
        self.mark(at, true);
    }

    /// Takes the entry of a leaf without quantities away.
    fn remove_leaf(&mut self, at: usize) {
        let id = core::mem::take(&mut self.directory[at]);
        self.mark(at, false);
        let Leaf { block, class, .. } = self.leaves[usize::from(id)];
        self.give(block, class);
        self.leaves[usize::from(id)] = Leaf { at: self.free_leaf, ..Leaf::EMPTY };
        self.free_leaf = id;
    }

    /// Makes room for one more place in a leaf whose block is full: by sweeping, else in the next larger block.
    fn make_room(&mut self, id: usize) {
        let Leaf { live, class, .. } = self.leaves[id];
        if live.count_ones() <= 1 << class >> 1 {
            self.sweep(id);
            return;
        }
        self.grow(id, if class < PACKED_MAX { class + 1 } else { WHOLE });
    }

    /// Moves a leaf into a larger block.
    fn grow(&mut self, id: usize, next: u8) {
        let Leaf { used, block, class, .. } = self.leaves[id];
        let larger = self.take(next);
        let (from, to) = (index(block), index(larger));
        self.blocks.copy_within(from..from + (1 << class), to);
        self.give(block, class);
        let leaf = &mut self.leaves[id];
        (leaf.block, leaf.class) = (larger, next);
        if next == WHOLE {
            // From here on every rank has its place: the quantities move there from the last to the first.
            let mut from = to + index(used.count_ones());
            for bit in (0..64).rev() {
                let qty = if used >> bit & 1 == 0 {
                    0
                } else {
                    from -= 1;
                    self.blocks[from]
                };
                self.blocks[to + bit] = qty;
            }
            leaf.used = u64::MAX;
        }
    }

    /// Gives all places to a leaf that is written row by row, while that leaves room for levels to come.
    pub(crate) fn make_whole(&mut self, Place { id, .. }: Place) {
        let id = usize::from(id);
        if (FIRST + 1..WHOLE).contains(&self.leaves[id].class) && self.blocks.len() < 2 * self.len + 512 {
            self.grow(id, WHOLE);
        }
    }

    /// Takes the places without quantity out of a block.
    fn sweep(&mut self, id: usize) {
        let leaf = &mut self.leaves[id];
        let (mut to, mut from) = (index(leaf.block), index(leaf.block));
        let mut used = leaf.used;
        while used != 0 {
            if leaf.live >> used.trailing_zeros() & 1 != 0 {
                self.blocks[to] = self.blocks[from];
                to += 1;
            }
            from += 1;
            used &= used - 1;
        }
        leaf.used = leaf.live;
    }

    /// A block of a size: a free one, or a new one at the end.
    fn take(&mut self, class: u8) -> u32 {
        let free = &mut self.free[usize::from(class)];
        if let Ok(block) = u32::try_from(*free) {
            *free = self.blocks[index(block)];
            return block;
        }
        let (start, size) = (self.blocks.len(), 1 << class);
        if self.blocks.capacity() < start + size {
            // Less than the doubling that a vector does by itself: memory is what this structure saves.
            self.blocks.reserve_exact(start / 2 + 256);
        }
        self.blocks.resize(start + size, 0);
        u32::try_from(start).expect("65,535 leaves of 64 quantities are less than 2^32")
    }

    /// Takes a block back.
    fn give(&mut self, block: u32, class: u8) {
        let free = &mut self.free[usize::from(class)];
        self.blocks[index(block)] = *free;
        *free = i64::from(block);
    }

    /// True when too much of the memory holds no level. Right after [`Window::compact`] it is not: a whole leaf has
    /// 17 levels at least.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.blocks.len() > 4 * self.len + 1_024 || self.leaves.len() > self.len + 512
    }

    /// Moves all blocks to the front in their smallest sizes and forgets leaves without quantities. Allocates
    /// nothing.
    pub(crate) fn compact(&mut self) {
        self.directory.fill(0);
        self.leaves.retain(|leaf| leaf.live != 0);
        self.leaves.sort_unstable_by_key(|leaf| leaf.block);
        self.leaves.insert(0, Leaf::EMPTY);
        self.free = [NONE; _];
        self.free_leaf = 0;
        let mut end = 0;
        for id in 1..self.leaves.len() {
            let live = self.leaves[id].live.count_ones();
            if live <= 1 << PACKED_MAX {
                self.sweep(id);
                let class = live.next_power_of_two().trailing_zeros();
                self.leaves[id].class = u8::try_from(class).expect("at most that of a packed block");
            }
            let leaf = &mut self.leaves[id];
            let (from, size) = (index(leaf.block), 1 << leaf.class);
            self.blocks.copy_within(from..from + size, end);
            leaf.block = u32::try_from(end).expect("it moved to the front");
            self.directory[usize::from(leaf.at)] = u16::try_from(id).expect("there are fewer leaves now");
            end += size;
        }
        self.blocks.truncate(end);
        self.renumber();
    }

    /// The quantity at a rank.
    #[inline]
    pub(crate) fn qty(&self, rank: u64) -> Option<i64> {
        let leaf = &self.leaves[usize::from(self.directory[self.entry(rank)?])];
        let bit = bit_of(rank);
        (leaf.live >> bit & 1 != 0).then(|| self.blocks[leaf.place(bit)])
    }

    /// The highest rank with a quantity.
    pub(crate) fn highest(&mut self) -> Option<u64> {
        let mut end = self.directory.len();
        loop {
            end = self.below(end)?;
            match self.leaf(end).live {
                0 => self.remove_leaf(end),
                live => return Some(self.rank(end, last_bit(live))),
            }
        }
    }

    /// The lowest rank with a quantity, where none stands below `rank`.
    pub(crate) fn lowest(&self, rank: u64) -> Option<u64> {
        let Cursor { rank, leaf, .. } = self.leaf_from(self.start_at(rank));
        (leaf.live != 0).then(|| rank + to_u64(first_bit(leaf.live)))
    }

    /// Takes the entries of leaves without quantities away, from that of a rank on to the first that has some.
    pub(crate) fn prune(&mut self, rank: u64) {
        let start = self.start_at(rank);
        while let Some(at) = self.from(start).filter(|at| self.leaf(*at).live == 0) {
            self.remove_leaf(at);
        }
    }

    /// The entry of a rank, or of the first rank that is in range.
    fn start_at(&self, rank: u64) -> usize {
        usize::try_from(rank.saturating_sub(self.base) / LEAF).unwrap_or(usize::MAX)
    }

    #[inline]
    fn leaf(&self, at: usize) -> Leaf {
        self.leaves[usize::from(self.directory[at])]
    }

    #[inline]
    fn rank(&self, at: usize, bit: usize) -> u64 {
        self.base + to_u64(at) * LEAF + to_u64(bit)
    }

    /// The last entry before `end` with a leaf.
    fn below(&self, end: usize) -> Option<usize> {
        let word = end / 64;
        let near = self.some.get(word).map_or(0, |bits| bits & !(u64::MAX << (end % 64)));
        if near != 0 {
            return Some(word * 64 + last_bit(near));
        }
        let mut mask = !(u64::MAX << (word % 64));
        for at in (0..=word / 64).rev() {
            let words = self.some_words[at] & mask;
            if words != 0 {
                let word = at * 64 + last_bit(words);
                return Some(word * 64 + last_bit(self.some[word]));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The first entry from `start` on with a leaf.
    fn from(&self, start: usize) -> Option<usize> {
        let word = start / 64;
        let near = self.some.get(word)? & u64::MAX << (start % 64);
        if near != 0 {
            return Some(word * 64 + first_bit(near));
        }
        let mut mask = u64::MAX << (word % 64) << 1;
        for at in word / 64..self.some_words.len() {
            let words = self.some_words[at] & mask;
            if words != 0 {
                let word = at * 64 + first_bit(words);
                return Some(word * 64 + first_bit(self.some[word]));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The last leaf before `end` that has a quantity, else one that has none. By value, so that the state of a walk
    /// stays in registers.
    #[inline(never)]
    fn leaf_below(&self, mut end: usize) -> Cursor {
        while let Some(at) = self.below(end) {
            let leaf = self.leaf(at);
            if leaf.live != 0 {
                return Cursor { at, rank: self.rank(at, 0), leaf };
            }
            end = at;
        }
        Cursor { at: 0, rank: 0, leaf: Leaf::EMPTY }
    }

    /// The first leaf from `start` on that has a quantity, else one that has none.
    #[inline(never)]
    fn leaf_from(&self, mut start: usize) -> Cursor {
        while let Some(at) = self.from(start) {
            let leaf = self.leaf(at);
            if leaf.live != 0 {
                return Cursor { at: at + 1, rank: self.rank(at, 0), leaf };
            }
            start = at + 1;
        }
        Cursor { at: self.directory.len(), rank: 0, leaf: Leaf::EMPTY }
    }

    /// Writes what stands at the lowest ranks, where none stands below `rank`, as many as there is room for; gives how
    /// many. Goes through a leaf at a time, which is quicker than [`Window::walk`].
    #[inline]
    pub(crate) fn lowest_into<T>(&self, rank: u64, out: &mut [T], row: impl Fn(u64, i64) -> T) -> usize {
        let (mut done, mut at) = (0, self.start_at(rank));
        while done < out.len() {
            // Most often the next leaf is next door.
            let next_door = self.directory.get(at).map(|&id| self.leaves[usize::from(id)]);
            let Cursor { at: next, rank, leaf } = match next_door.filter(|leaf| leaf.live != 0) {
                Some(leaf) => Cursor { at: at + 1, rank: self.rank(at, 0), leaf },
                None => self.leaf_from(at),
            };
            if leaf.live == 0 {
                break;
            }
            at = next;
            let room = &mut out[done..];
            let count = room.len().min(index(leaf.live.count_ones()));
            let block = &self.blocks[index(leaf.block)..][..1 << leaf.class];
            if let Ok(whole) = <&[i64; 64]>::try_from(block) {
                let mut live = leaf.live;
                for place in &mut room[..count] {
                    let bit = first_bit(live) % 64;
                    live &= live.wrapping_sub(1);
                    *place = row(rank + to_u64(bit), whole[bit]);
                }
            } else {
                let levels = bits(leaf.used).zip(block).filter(|(_, qty)| **qty != 0);
                for ((bit, qty), place) in levels.zip(&mut room[..count]) {
                    *place = row(rank + to_u64(bit), *qty);
                }
            }
            done += count;
        }
        done
    }

    /// All quantities with their ranks, from the highest down or from the lowest up.
    #[inline]
    pub(crate) fn walk(&self) -> Walk<'_> {
        let cursor = |at| Cursor { at, rank: 0, leaf: Leaf::EMPTY };
        Walk { window: self, high: cursor(self.directory.len()), low: cursor(0) }
    }
}

/// Walks a window from both ends; who calls counts, so that the ends do not pass each other.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    window: &'a Window,
    high: Cursor,
    low: Cursor,
}

/// A leaf under way: `live` holds what is still to come.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// Where the next leaf is looked for.
    at: usize,
    /// Of the leaf's first tick.
    rank: u64,
    leaf: Leaf,
}

impl Cursor {
    #[inline]
    fn take(&mut self, window: &Window, bit: u32) -> i64 {
        self.leaf.live &= !(1 << bit);
        window.blocks[self.leaf.place(bit)]
    }
}

impl Walk<'_> {
    /// The next rank from above, which stays the next.
    #[inline]
    pub(crate) fn peek_high(&mut self) -> Option<u64> {
        if self.high.leaf.live == 0 {
            self.high = self.window.leaf_below(self.high.at);
            if self.high.leaf.live == 0 {
                return None;
            }
        }
        Some(self.high.rank + to_u64(last_bit(self.high.leaf.live)))
    }

    /// The quantity at that rank, which is done with.
    #[inline]
    pub(crate) fn take_high(&mut self, rank: u64) -> i64 {
        self.high.take(self.window, bit_of(rank))
    }

    /// The next rank from below, which stays the next.
    #[inline]
    pub(crate) fn peek_low(&mut self) -> Option<u64> {
        if self.low.leaf.live == 0 {
            self.low = self.window.leaf_from(self.low.at);
            if self.low.leaf.live == 0 {
                return None;
            }
        }
        Some(self.low.rank + to_u64(first_bit(self.low.leaf.live)))
    }

    /// The quantity at that rank, which is done with.
    #[inline]
    pub(crate) fn take_low(&mut self, rank: u64) -> i64 {
        self.low.take(self.window, bit_of(rank))
    }
}

/// The place of a rank in its leaf.
#[inline]
fn bit_of(rank: u64) -> u32 {
    (rank % LEAF) as u32
}

/// The places of the bits that are set, from the lowest up.
#[inline]
fn bits(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = bits.trailing_zeros();
        bits &= bits.checked_sub(1)?;
        Some(index(bit))
    })
}

/// Of bits that are not all zero.
#[inline]
fn last_bit(bits: u64) -> usize {
    index(63 - bits.leading_zeros())
}

/// Of bits that are not all zero.
#[inline]
fn first_bit(bits: u64) -> usize {
    index(bits.trailing_zeros())
}

#[inline]
fn to_u64(n: usize) -> u64 {
    n as u64
}

//! The instruments of one product, found by the venue's own spelling or by the unified one.

use std::collections::BTreeMap;

use venuekit_types::{Instrument, Symbol};

/// The place of an instrument in its product's [`Catalog`]; stable for the life of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarketId(pub u32);

/// The instruments of one product. Entries are replaced by newer versions and never removed, so ids stay true.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    instruments: Vec<Instrument>,
    by_venue_symbol: BTreeMap<String, MarketId>,
    by_alias: BTreeMap<String, MarketId>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// Takes an instrument as the venue lists it now; gives its id, and whether its terms changed.
    pub fn put(&mut self, mut instrument: Instrument) -> (MarketId, bool) {
        if let Some(&id) = self.by_venue_symbol.get(&instrument.venue_symbol) {
            let known = &mut self.instruments[id.0 as usize];
            instrument.version = known.version;
            if *known == instrument {
                return (id, false);
            }
            instrument.version += 1;
            *known = instrument;
            self.index_aliases(id);
            return (id, true);
        }
        let id = MarketId(
            u32::try_from(self.instruments.len()).expect("a venue lists fewer than 2^32 instruments"),
        );
        instrument.version = 1;
        self.by_venue_symbol.insert(instrument.venue_symbol.clone(), id);
        self.instruments.push(instrument);
        self.index_aliases(id);
        (id, true)
    }

    /// A name of an instrument's own goes before another's alias, and the first alias before a later one.
    fn index_aliases(&mut self, id: MarketId) {
        for alias in &self.instruments[id.0 as usize].aliases {
            self.by_alias.entry(alias.clone()).or_insert(id);
        }
    }

    /// An instrument by any of the venue's names for it.
    pub fn find(&self, name: &str) -> Option<(MarketId, &Instrument)> {
        let id = *self.by_venue_symbol.get(name).or_else(|| self.by_alias.get(name))?;
        Some((id, &self.instruments[id.0 as usize]))
    }

    /// An instrument by its unified symbol.
    pub fn find_symbol(&self, symbol: &Symbol) -> Option<(MarketId, &Instrument)> {
        self.iter().find(|(_, instrument)| instrument.symbol == *symbol)
    }

    /// An instrument by id.
    pub fn get(&self, id: MarketId) -> Option<&Instrument> {
        self.instruments.get(id.0 as usize)
    }

    /// All instruments, in the order they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (MarketId, &Instrument)> {
        (0u32..).map(MarketId).zip(&self.instruments)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.instruments.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty()
    }
}

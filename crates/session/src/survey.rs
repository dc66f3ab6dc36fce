//! What a tape that says nothing of itself holds: which channels of which instruments, at which scales.
//!
//! A tape of ours names its wishes and holds every list of instruments. One of somebody else may hold frames alone:
//! it is read once before it is replayed, and what its frames turn out to be about is what the replay follows. Where no
//! list of instruments is on it, the venue says what it can of a name, and the finest number seen sets the scale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use venuekit_types::Scale;
use venuekit_venue::{Ask, BrokenWhy, Catalog, Channel, Event, EventBuf, HttpReply, MarketId, Place, Venue};

use crate::config::{Config, Listed, Want};
use crate::tape::{Kind, Row};

/// The scale that an instrument without terms begins with.
const SCALE: u8 = 8;
/// The finest scale tried: ten to this power is most of what 64 bits hold.
const SCALE_MAX: u8 = 15;

/// A tape's rows, read for what they are about.
pub struct Survey {
    venue: Arc<dyn Venue>,
    products: Vec<Product>,
    /// Where the frames of a connection made sense last, by its name on the tape.
    places: BTreeMap<String, (usize, usize)>,
    buf: EventBuf,
}

struct Product {
    /// Whether the caller wants it.
    wanted: bool,
    /// Whether its instruments are on the tape, so that no name is guessed at.
    listed: bool,
    catalog: Catalog,
    seen: BTreeSet<(MarketId, Channel)>,
}

impl Product {
    /// Counts an instrument without terms in smaller units; false when there are none.
    fn refine(&mut self, market: MarketId) -> bool {
        let Some(mut terms) = self.catalog.get(market).filter(|_| !self.listed).cloned() else {
            return false;
        };
        let finer = terms.price_scale.digits() + 1;
        if finer > SCALE_MAX {
            return false;
        }
        (terms.price_scale, terms.qty_scale) = (scale(finer), scale(finer));
        let _ = self.catalog.put(terms);
        true
    }
}

impl Survey {
    /// A survey that has read nothing, of one product of a venue or of all.
    pub fn new(venue: Arc<dyn Venue>, product: Option<&str>) -> Survey {
        let products = venue.specs().iter().map(|spec| Product {
            wanted: product.is_none_or(|named| named == spec.product),
            listed: false,
            catalog: Catalog::new(),
            seen: BTreeSet::new(),
        });
        let products = products.collect();
        Survey { venue, products, places: BTreeMap::new(), buf: EventBuf::new() }
    }

    /// Reads one row.
    pub fn row(&mut self, row: &Row) {
        match row.kind {
            Kind::Http => self.answer(row),
            Kind::Recv => self.frame(row),
            _ => {}
        }
    }

    /// What to follow so that all of it is replayed.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        for (product, spec) in self.products.iter().zip(self.venue.specs()) {
            let symbol_of =
                |market| product.catalog.get(market).map(|instrument| instrument.symbol.to_string());
            config.wants.extend(product.seen.iter().filter_map(|(market, channel)| {
                Some(Want {
                    product: Some(spec.product.clone()),
                    symbol: symbol_of(*market)?,
                    channel: *channel,
                })
            }));
            let instruments = product.catalog.iter().map(|(_, instrument)| instrument.clone()).collect();
            config.listed.push(Listed { product: spec.product.clone(), instruments });
        }
        config
    }

    /// Takes the instruments of an answer that lists them.
    fn answer(&mut self, row: &Row) {
        let url = row.url.as_deref().unwrap_or_default();
        for index in 0..self.products.len() {
            let product = &self.products[index];
            let place = Place { product: index, socket: 0, catalog: &product.catalog };
            let lists = self.venue.ask(place, &Ask::Instruments);
            if !product.wanted || !lists.is_some_and(|ask| crate::replay::same_request(&ask.target, url)) {
                continue;
            }
            let reply =
                HttpReply { status: row.status.unwrap_or(200), headers: &row.headers, body: &row.data };
            self.buf.clear();
            // A refusal lists nothing.
            let _ = self.venue.answer(place, &Ask::Instruments, &reply, &mut self.buf);
            self.take_instruments(index);
        }
    }

    fn take_instruments(&mut self, product: usize) {
        let product = &mut self.products[product];
        product.listed |= !self.buf.instruments.is_empty();
        for instrument in self.buf.instruments.drain(..) {
            let _ = product.catalog.put(instrument);
        }
    }

    /// Finds out what a frame is about, at the place where that connection's frames made sense before, or at any.
    fn frame(&mut self, row: &Row) {
        let known = self.places.get(&row.conn).copied();
        if known.is_some_and(|(product, socket)| self.try_at(product, socket, &row.data)) {
            return;
        }
        let any_listed = self.products.iter().any(|product| product.listed);
        for product in 0..self.products.len() {
            let Product { wanted, listed, .. } = self.products[product];
            for socket in 0..self.venue.specs()[product].sockets.len() {
                if wanted && listed == any_listed && self.try_at(product, socket, &row.data) {
                    self.places.insert(row.conn.clone(), (product, socket));
                    return;
                }
            }
        }
    }

    /// Whether a frame tells of a market there. What stands in the way and can be mended, a name without terms or a
    /// number finer than its scale, is.
    fn try_at(&mut self, product: usize, socket: usize, frame: &[u8]) -> bool {
        // A name that its terms do not make known is not tried for ever.
        let mut named = BTreeSet::new();
        loop {
            self.buf.clear();
            let place = Place { product, socket, catalog: &self.products[product].catalog };
            self.venue.decode(place, frame, &mut self.buf);
            let mut told = !self.buf.instruments.is_empty();
            self.take_instruments(product);
            let mut mended = false;
            let seen = &mut self.products[product];
            for event in &self.buf.events {
                match event {
                    Event::Data(data) if !data.topic.channel.is_private() => {
                        let Some(market) = data.topic.market else { continue };
                        seen.seen.insert((market, data.topic.channel));
                        told = true;
                    }
                    Event::Broken(broken) if broken.why == BrokenWhy::UnknownMarket && !seen.listed => {
                        let place = Place { product, socket, catalog: &seen.catalog };
                        let Some(mut terms) = self.venue.terms_of(place, &broken.detail) else { continue };
                        (terms.price_scale, terms.qty_scale) = (scale(SCALE), scale(SCALE));
                        let _ = seen.catalog.put(terms);
                        mended |= named.insert(broken.detail.clone());
                    }
                    Event::Broken(broken) if broken.why == BrokenWhy::Number => {
                        let market = broken.topic.and_then(|topic| topic.market);
                        mended |= market.is_some_and(|market| seen.refine(market));
                    }
                    _ => {}
                }
            }
            if !mended {
                return told;
            }
        }
    }
}

fn scale(places: u8) -> Scale {
    Scale::new(places).expect("a scale of at most 15 is one")
}

//! Wishes: which streams they mean, and which connection carries them.

use std::sync::Arc;

use venuekit_types::{Instrument, Now, Status, Symbol};
use venuekit_venue::{Channel, MarketId, Spec, Topic};

use super::{Session, lines};
use crate::backoff::Backoff;
use crate::config::{Config, ConfigError, Want};
use crate::conn::{Key, Line};
use crate::event::{Event, StreamInfo};
use crate::io::{LineId, StreamId, Timer};
use crate::stream::{Rule, Stream};

impl Session {
    /// Makes streams of the wishes that can be understood now.
    pub(super) fn resolve_wants(&mut self, now: Now) {
        let all_loaded = self.products.iter().all(|product| !product.enabled || product.loaded);
        let wants = core::mem::take(&mut self.unresolved);
        let mut opened = Vec::new();
        let known = self.streams.len();
        for want in wants {
            let found = self.candidates(&want);
            let is_star = want.symbol == "*";
            let is_account = want.channel.is_private();
            match found.as_slice() {
                [] if all_loaded => {
                    self.emit(Event::UnknownSymbol { symbol: want.symbol, candidates: Vec::new() })
                }
                _ if is_star || is_account => {
                    for (product, market) in &found {
                        self.add_stream(*product, *market, want.channel, &mut opened);
                    }
                    if !all_loaded {
                        self.unresolved.push(want);
                    }
                }
                [] => self.unresolved.push(want),
                [(product, market)] if all_loaded || self.is_exact(*product, *market, &want.symbol) => {
                    self.add_stream(*product, *market, want.channel, &mut opened);
                }
                [_] => self.unresolved.push(want),
                several => {
                    let candidates = several
                        .iter()
                        .filter_map(|(product, market)| {
                            Some(self.products[*product].catalog.get((*market)?)?.symbol.clone())
                        })
                        .collect();
                    self.emit(Event::UnknownSymbol { symbol: want.symbol, candidates });
                }
            }
        }
        for line in opened {
            self.timers.set_earlier(Timer::Retry(line), now.mono);
        }
        for at in known..self.streams.len() {
            self.join(now, self.streams[at].info.stream);
        }
    }

    /// The markets a wish could mean, among the products that are loaded.
    pub(super) fn candidates(&self, want: &Want) -> Vec<(usize, Option<MarketId>)> {
        let mut found = Vec::new();
        for (index, product) in self.products.iter().enumerate() {
            let spec = &self.venue.specs()[index];
            if !product.loaded || !concerns(spec, want) {
                continue;
            }
            if want.channel.is_private() {
                found.push((index, None));
                continue;
            }
            for (market, instrument) in product.catalog.iter() {
                let wanted = if want.symbol == "*" {
                    instrument.status == Status::Trading
                } else {
                    spells(&want.symbol, instrument)
                };
                if wanted {
                    found.push((index, Some(market)));
                }
            }
        }
        // The unified spelling means what it says, even where a shorter one is shared.
        if found.len() > 1 && want.symbol != "*" && !want.channel.is_private() {
            let exact: Vec<_> = found
                .iter()
                .copied()
                .filter(|(product, market)| self.is_exact(*product, *market, &want.symbol))
                .collect();
            if exact.len() == 1 {
                return exact;
            }
        }
        found
    }

    fn is_exact(&self, product: usize, market: Option<MarketId>, text: &str) -> bool {
        market
            .and_then(|market| self.products[product].catalog.get(market))
            .is_some_and(|instrument| instrument.symbol.as_str().eq_ignore_ascii_case(text))
    }

    fn add_stream(
        &mut self,
        product: usize,
        market: Option<MarketId>,
        channel: Channel,
        opened: &mut Vec<LineId>,
    ) {
        let topic = Topic { channel, market };
        let instrument = market.and_then(|market| self.products[product].catalog.get(market));
        if let (Some(only), Some(instrument)) = (&self.config.only, instrument)
            && !only.holds(&instrument.symbol)
        {
            return;
        }
        if self.products[product].by_topic.contains_key(&topic) {
            return;
        }
        let venue = Arc::clone(&self.venue);
        let spec = &venue.specs()[product];
        let (Some(rule), Some(socket)) =
            (Rule::of(spec, channel, self.limits.book), spec.socket_for(channel))
        else {
            return;
        };
        let id = StreamId(u32::try_from(self.streams.len()).expect("fewer than 2^32 streams"));
        let tick = instrument.map(|i| i.tick).unwrap_or_default();
        let info = StreamInfo {
            stream: id,
            product,
            channel,
            market,
            symbol: instrument.map(|instrument| instrument.symbol.clone()),
            venue_symbol: instrument.map(|i| i.venue_symbol.clone()).unwrap_or_default(),
            price_scale: instrument.map(|i| i.price_scale).unwrap_or_default(),
            qty_scale: instrument.map(|i| i.qty_scale).unwrap_or_default(),
        };
        let private = channel.is_private();
        let room = spec.sockets[socket].limits.max_streams;
        let line = self.line_with_room(product, socket, private, room);
        self.lines[line.0 as usize].streams.push(id);
        self.streams.push(Stream { tick, ..Stream::new(info.clone(), line, rule, &self.limits) });
        self.products[product].by_topic.insert(topic, id);
        self.emit(Event::Stream(info));
        self.top_up_epochs(id);
        opened.push(line);
    }

    fn line_with_room(&mut self, product: usize, socket: usize, private: bool, room: usize) -> LineId {
        let fits = |line: &Line| {
            line.product == product
                && line.socket == socket
                && line.private == private
                && line.streams.len() < room
        };
        let found = self.lines.iter().position(fits).unwrap_or_else(|| {
            self.lines.push(Line {
                product,
                socket,
                private,
                streams: Vec::new(),
                backoff: Backoff::new(self.limits.backoff_base, self.limits.backoff_cap),
                current: None,
                next: None,
                held: false,
                login_strikes: 0,
                isolate: false,
                stopped: None,
                key: Key::None,
                wants_another: false,
            });
            self.lines.len() - 1
        });
        LineId(u32::try_from(found).expect("fewer lines than streams"))
    }
}

/// Whether a product could satisfy a wish. One that trades the markets of another has to be named.
pub(super) fn concerns(spec: &Spec, want: &Want) -> bool {
    let is_meant = match &want.product {
        Some(product) => *product == spec.product,
        None => spec.markets_of.is_none(),
    };
    is_meant && spec.offers(want.channel)
}

/// Whether a text, in any case, is one of the spellings of an instrument.
fn spells(text: &str, instrument: &Instrument) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()
    };
    let symbol: &Symbol = &instrument.symbol;
    let pair = || format!("{}{}", symbol.base(), symbol.quote());
    text.eq_ignore_ascii_case(symbol.as_str())
        || text.eq_ignore_ascii_case(&instrument.venue_symbol)
        || instrument.aliases.iter().any(|alias| text.eq_ignore_ascii_case(alias))
        || (!text.contains('/') && plain(text) == plain(&pair()))
}

/// Refuses a product that the venue does not have.
pub(super) fn check_product(specs: &[Spec], product: &str) -> Result<(), ConfigError> {
    if specs.iter().any(|spec| spec.product == product) {
        return Ok(());
    }
    let venue = specs.first().map(|spec| spec.venue.clone()).unwrap_or_default();
    let known = specs.iter().map(|spec| spec.product.clone()).collect();
    Err(ConfigError::UnknownProduct { venue, product: product.to_owned(), known })
}

pub(super) fn check_want(specs: &[Spec], want: &Want, config: &Config) -> Result<(), ConfigError> {
    let venue = || specs.first().map(|spec| spec.venue.clone()).unwrap_or_default();
    if let Some(product) = &want.product {
        check_product(specs, product)?;
    }
    if !specs.iter().any(|spec| concerns(spec, want)) {
        let mut known: Vec<String> = specs
            .iter()
            .filter(|spec| want.product.as_ref().is_none_or(|product| *product == spec.product))
            .flat_map(|spec| spec.sockets.iter().flat_map(|socket| &socket.carries))
            .map(|channel| channel.as_str().to_owned())
            .collect();
        known.dedup();
        return Err(ConfigError::UnknownChannel {
            venue: venue(),
            product: want.product.clone(),
            channel: want.channel.as_str(),
            known,
        });
    }
    if want.channel.is_private() {
        let channel = want.channel.as_str();
        if config.credentials.is_none() {
            return Err(ConfigError::NoCredentials { venue: venue(), channel });
        }
        for spec in specs.iter().filter(|spec| concerns(spec, want)) {
            let login = spec.socket_for(want.channel).map(|at| spec.sockets[at].login);
            if let Some(login) = login.and_then(lines::unsupported) {
                return Err(ConfigError::UnsupportedLogin { venue: venue(), channel, login });
            }
        }
    }
    Ok(())
}

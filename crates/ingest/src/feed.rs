//! One session's host: events become rows, rows go to the queue, and what the queue cannot hold is shed by name.
//!
//! The overflow policy: when there is no room, the newest rows go. Each stream that lost one is marked, and from then
//! on gives no rows that would hang in the air. When there is room again, a gap row with cause `shed` is stored and the
//! session is told to break and heal the stream; a book's next snapshot, or the stream being live again, closes the gap.
//!
//! It runs on the network's thread: it never blocks, and it formats nothing that comes often.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use venuekit_book::{Cause, State};
use venuekit_driver::Host;
use venuekit_session::{
    Command, Emission, Event, GapHealed, GapOpened, Persist, PersistId, Session, StreamId, StreamInfo,
};
use venuekit_sign::Credentials;
use venuekit_store::{Gap, InstrumentSeen, Market, Resume, Row};
use venuekit_types::{Mono, Now, Scale, Scaled, Symbol, UnixNanos};
use venuekit_venue::{Broken, Channel, Fault, FaultKind, MarketId};

use crate::board::{StreamLine, Tally, VenueBoard};
use crate::config::nearest;
use crate::metrics::{VenueMetrics, broken_index, channel_index};
use crate::queue::{Chunk, Item, Queue, Reservation};
use crate::rows;
use crate::sample::Sampler;

/// How often the board and the metrics are brought up to date, at most.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// What a feed or the sink wants of the session, carried by a task that holds its handle.
#[derive(Debug)]
pub(crate) enum Wish {
    /// A durable step is done.
    Persisted(PersistId, u64),
    /// For the session.
    Command(Command),
}

/// What a feed has to say to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A book is live for the first time.
    Book { venue: Arc<str>, symbol: Symbol, bid: Option<Scaled>, ask: Option<Scaled>, seq: Option<u64> },
    /// A symbol of the config means nothing, or too much.
    UnknownSymbol { venue: Arc<str>, symbol: String, candidates: Vec<String> },
}

/// What a feed is made from.
pub(crate) struct FeedParts {
    pub(crate) index: usize,
    pub(crate) board: Arc<VenueBoard>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: VenueMetrics,
    pub(crate) wishes: mpsc::Sender<Wish>,
    pub(crate) notices: mpsc::Sender<Notice>,
    /// Where an earlier run left off.
    pub(crate) resume: Resume,
    /// For naming the key, and for keeping it out of what the venue says.
    pub(crate) credentials: Option<Credentials>,
}

/// One session's host.
pub(crate) struct Feed {
    parts: FeedParts,
    venue: Arc<str>,
    streams: Vec<Stream>,
    items: Vec<Item>,
    instruments: Vec<(usize, MarketId)>,
    /// Books that have not been told of yet, first time live.
    unannounced: Vec<StreamId>,
    unknown: Vec<(String, Vec<Symbol>)>,
    tally: Tally,
    connections: u64,
    fault: Option<Arc<str>>,
    credentials_fault: Option<Arc<str>>,
    /// Streams that wait for room.
    shed: usize,
    publish_at: Mono,
    /// Something changed that a person waits for.
    urgent: bool,
    told: Sampler<Told>,
}

/// What is logged, sampled by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Told {
    Broken(&'static str),
    Gap(StreamId, Cause),
    Healed(StreamId),
    Shed(StreamId),
    Fault(&'static str, FaultKind),
    Ended(&'static str),
}

/// What a feed knows of a stream.
struct Stream {
    channel: Channel,
    label: Cow<'static, str>,
    /// Nothing for the account's own channels, of which no rows are kept.
    market: Option<Market>,
    scales: (Scale, Scale),
    /// The gap that was written and has not healed.
    open: Option<Gap>,
    /// Gaps of an earlier run.
    earlier: Vec<Gap>,
    /// When it was last found silent.
    silent_at: Option<UnixNanos>,
    keep: Keep,
}

/// Whether rows of a stream hang together with those before them.
enum Keep {
    /// They do.
    Whole,
    /// The queue had no room: none are kept until it has.
    Shed(Box<Gap>),
    /// The gap is written; the stream is being healed.
    Healing(Box<Gap>),
}

impl Stream {
    fn symbol(&self) -> &str {
        self.market.as_ref().map_or("", |market| market.symbol.as_str())
    }
}

impl Feed {
    pub(crate) fn new(parts: FeedParts) -> Feed {
        Feed {
            venue: Arc::clone(&parts.board.venue),
            parts,
            streams: Vec::new(),
            items: Vec::new(),
            instruments: Vec::new(),
            unannounced: Vec::new(),
            unknown: Vec::new(),
            tally: Tally::default(),
            connections: 0,
            fault: None,
            credentials_fault: None,
            shed: 0,
            publish_at: Mono(0),
            urgent: true,
            told: Sampler::default(),
        }
    }

    /// The session has ended: what is left goes out, whether there is room or not.
    pub(crate) fn finish(&mut self, now: Now, session: &Session) {
        self.round(now, session);
        for at in 0..self.streams.len() {
            if let Keep::Shed(gap) = &self.streams[at].keep {
                let row = Row::Gap(gap.clone());
                self.items.push(Item { stream: None, row });
            }
        }
        let chunk = self.chunk(now);
        self.parts.queue.force(chunk);
        self.publish(now, session);
    }

    // ---- rows ----

    fn put(&mut self, id: StreamId, row: Row) {
        self.items.push(Item { stream: Some(id), row });
    }

    fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.get_mut(id.0 as usize)
    }

    /// Counts an event; gives its stream when rows of it are kept.
    fn following(&mut self, id: StreamId) -> Option<(&mut Stream, Market)> {
        let stream = self.streams.get_mut(id.0 as usize)?;
        self.tally.events[channel_index(stream.channel)] += 1;
        let market = stream.market.clone()?;
        if matches!(stream.keep, Keep::Shed(_)) {
            self.tally.shed_rows += 1;
            return None;
        }
        Some((stream, market))
    }

    fn on_stream(&mut self, now: Now, info: &StreamInfo) {
        let at = info.stream.0 as usize;
        let scales = (info.price_scale, info.qty_scale);
        if let Some(known) = self.streams.get_mut(at) {
            known.scales = scales;
            return;
        }
        debug_assert_eq!(at, self.streams.len(), "streams are numbered as they come");
        let market = info.symbol.clone().map(|symbol| Market { venue: Arc::clone(&self.venue), symbol });
        let label = rows::label(info.channel);
        let earlier = self.earlier_gaps(now, info.stream, market.as_ref(), &label);
        self.streams.push(Stream {
            channel: info.channel,
            label,
            market,
            scales,
            open: None,
            earlier,
            silent_at: None,
            keep: Keep::Whole,
        });
        if info.channel == Channel::Book {
            self.unannounced.push(info.stream);
        }
        self.urgent = true;
    }

    /// What an earlier run left open, and the time in which none ran: both end when the stream is live.
    fn earlier_gaps(&mut self, now: Now, id: StreamId, market: Option<&Market>, channel: &str) -> Vec<Gap> {
        let is_ours = |of: &Market, name: &str| Some(of) == market && name == channel;
        let open_gaps = std::mem::take(&mut self.parts.resume.open_gaps).into_iter();
        let (mut ours, others): (Vec<Gap>, _) = open_gaps.partition(|gap| is_ours(&gap.market, &gap.channel));
        self.parts.resume.open_gaps = others;
        let cursors = &self.parts.resume.cursors;
        if let Some(cursor) = cursors.iter().find(|cursor| is_ours(&cursor.market, &cursor.channel)) {
            let gap = rows::not_running_gap(cursor, now.wall);
            self.put(id, Row::Gap(Box::new(gap.clone())));
            ours.push(gap);
        }
        self.tally.gaps_opened += u64::try_from(ours.len()).unwrap_or(u64::MAX);
        ours
    }

    fn on_book(&mut self, emission: Emission<'_>, change: &venuekit_session::BookChange) {
        let id = change.stream;
        let Some((stream, market)) = self.following(id) else { return };
        if !change.is_snapshot && matches!(stream.keep, Keep::Healing(_)) {
            // It continues rows that were shed.
            self.tally.shed_rows += 1;
            return;
        }
        let row = rows::book(emission, change, &market, stream.scales);
        if change.is_snapshot {
            self.end_shedding(id, change.received);
        }
        self.put(id, Row::BookChange(row));
    }

    fn on_trade(&mut self, emission: Emission<'_>, trade: &venuekit_session::TradeEvent) {
        let Some((stream, market)) = self.following(trade.stream) else { return };
        let row = rows::trade(emission, trade, &market, stream.scales);
        if let Ok(behind) = u64::try_from(trade.received.since(trade.at)) {
            self.parts.metrics.venue_lag.record(Duration::from_nanos(behind).as_secs_f64());
        }
        self.put(trade.stream, Row::Trade(row));
    }

    // ---- gaps ----

    fn on_gap_opened(&mut self, now: Now, opened: &GapOpened) {
        self.urgent = true;
        let Some(stream) = self.streams.get_mut(opened.stream.0 as usize) else { return };
        if opened.gap.cause == Cause::Checksum {
            self.tally.checksum_failures += 1;
        }
        if let Some(left_out) = self.told.admit(now.mono, Told::Gap(opened.stream, opened.gap.cause)) {
            tracing::warn!(venue = %self.venue, symbol = stream.symbol(), channel = %stream.label,
                epoch = opened.epoch, from_seq = opened.from_seq, left_out, "gap: {}", opened.gap);
        }
        if opened.gap.cause == Cause::Silent {
            stream.silent_at = Some(opened.at);
        }
        // While rows are being shed, the gap that says so covers this one.
        if !matches!(stream.keep, Keep::Whole) {
            return;
        }
        self.tally.gaps_opened += 1;
        self.tally.gaps_by_channel[channel_index(stream.channel)] += 1;
        if let Some(market) = &stream.market {
            let gap = rows::gap(opened, market, stream.label.clone());
            stream.open = Some(gap.clone());
            self.put(opened.stream, Row::Gap(Box::new(gap)));
        }
    }

    fn on_gap_healed(&mut self, now: Now, healed: &GapHealed) {
        self.urgent = true;
        let Some(stream) = self.streams.get_mut(healed.stream.0 as usize) else { return };
        if let Some(left_out) = self.told.admit(now.mono, Told::Healed(healed.stream)) {
            tracing::info!(venue = %self.venue, symbol = stream.symbol(), channel = %stream.label, left_out,
                "healed");
        }
        let gap = stream.open.take();
        if gap.is_some() || stream.market.is_none() {
            self.tally.gaps_healed += 1;
        }
        if let Some(mut gap) = gap {
            gap.healed_at = Some(healed.at);
            if let Ok(nanos) = u64::try_from(healed.at.since(gap.detected_at)) {
                self.parts.metrics.resync.record(Duration::from_nanos(nanos).as_secs_f64());
            }
            self.put(healed.stream, Row::Gap(Box::new(gap)));
        }
    }

    fn on_state(&mut self, now: Now, id: StreamId, to: State) {
        self.urgent = true;
        let Some(stream) = self.stream(id) else { return };
        if to != State::Live {
            return;
        }
        let channel = stream.channel;
        for mut gap in std::mem::take(&mut stream.earlier) {
            self.tally.gaps_healed += 1;
            gap.healed_at = Some(now.wall);
            self.put(id, Row::Gap(Box::new(gap)));
        }
        // The rows of a book are whole again with a snapshot, which it tells; those of other channels from here on.
        if channel != Channel::Book {
            self.end_shedding(id, now.wall);
        }
        if channel.is_private() {
            self.credentials_fault = None;
        }
    }

    // ---- shedding ----

    /// Rows of this round that found no room.
    fn shed(&mut self, now: Now, chunk: Chunk) {
        let mut kept = Vec::new();
        for item in chunk.items {
            match (&item.row, item.stream) {
                (Row::Gap(gap), Some(id)) if gap.healed_at.is_none() => {
                    self.begin_shedding(now, id, &item.row)
                }
                // They close what is written already, or come once: there cannot be many.
                (Row::Gap(_) | Row::Instrument(_), _) | (_, None) => kept.push(item),
                (_, Some(id)) => {
                    self.tally.shed_rows += 1;
                    self.begin_shedding(now, id, &item.row);
                }
            }
        }
        if !kept.is_empty() {
            self.parts.queue.force(Chunk { items: kept, ..chunk });
        }
    }

    fn begin_shedding(&mut self, now: Now, id: StreamId, row: &Row) {
        let Some(stream) = self.streams.get_mut(id.0 as usize) else { return };
        let Some(market) = &stream.market else { return };
        let (epoch, from_seq, at) = match row {
            Row::BookChange(row) => (Some(row.epoch), Some(row.first_seq), row.ts_local),
            Row::Trade(row) => (None, row.trade_id.parse().ok(), row.ts_local),
            Row::Gap(gap) => (gap.epoch, gap.from_seq, gap.detected_at),
            _ => (None, None, now.wall),
        };
        match std::mem::replace(&mut stream.keep, Keep::Whole) {
            // What was being healed is not whole yet, so its gap goes on.
            Keep::Shed(gap) => {
                stream.keep = Keep::Shed(gap);
                return;
            }
            Keep::Healing(gap) => stream.keep = Keep::Shed(gap),
            Keep::Whole => {
                // A gap that was not written is covered by this one; one that was stays open beside it.
                if matches!(row, Row::Gap(_)) {
                    stream.open = None;
                } else {
                    self.tally.gaps_opened += 1;
                    self.tally.gaps_by_channel[channel_index(stream.channel)] += 1;
                }
                let gap = rows::shed_gap(market, stream.label.clone(), epoch, from_seq, at);
                stream.keep = Keep::Shed(Box::new(gap));
            }
        }
        self.shed += 1;
        self.urgent = true;
        if let Some(left_out) = self.told.admit(now.mono, Told::Shed(id)) {
            tracing::warn!(venue = %self.venue, symbol = %market.symbol, channel = %stream.label, left_out,
                "the sink is too slow: rows are shed until there is room");
        }
    }

    /// There is room again: the gaps are written, and the streams are healed.
    fn resume(&mut self) {
        if self.shed == 0 || !self.parts.queue.has_room() {
            return;
        }
        for at in 0..self.streams.len() {
            let Keep::Shed(gap) = &self.streams[at].keep else { continue };
            let id = StreamId(u32::try_from(at).expect("a session numbers its streams in 32 bits"));
            let Ok(permit) = self.parts.wishes.try_reserve() else { return };
            permit.send(Wish::Command(Command::Resync(id)));
            let gap = gap.clone();
            self.put(id, Row::Gap(gap.clone()));
            self.streams[at].keep = Keep::Healing(gap);
            self.shed -= 1;
        }
    }

    fn end_shedding(&mut self, id: StreamId, at: UnixNanos) {
        let Some(stream) = self.stream(id) else { return };
        match std::mem::replace(&mut stream.keep, Keep::Whole) {
            Keep::Healing(mut gap) => {
                self.tally.gaps_healed += 1;
                gap.healed_at = Some(at);
                self.put(id, Row::Gap(gap));
            }
            other => stream.keep = other,
        }
    }

    // ---- what a person should know ----

    fn on_fault(&mut self, now: Now, route: &'static str, fault: &Fault) {
        let text: Arc<str> = self.clean(&fault.to_string()).into();
        if fault.kind == FaultKind::Credentials {
            self.on_credentials(&text);
        }
        if let Some(left_out) = self.told.admit(now.mono, Told::Fault(route, fault.kind)) {
            tracing::warn!(venue = %self.venue, route, left_out, "{text}");
        }
        self.fault = Some(text);
        self.urgent = true;
    }

    fn on_credentials(&mut self, text: &str) {
        let key = self.parts.credentials.as_ref().map(Credentials::key_id).unwrap_or_default();
        self.credentials_fault = Some(format!("{key} {text}").into());
    }

    fn on_stopped(&mut self, id: StreamId, fault: &Fault) {
        let text = self.clean(&fault.to_string());
        if fault.kind == FaultKind::Credentials {
            self.on_credentials(&text);
        }
        let Some(stream) = self.stream(id) else { return };
        let (label, symbol) = (stream.label.clone(), stream.symbol().to_owned());
        tracing::error!(venue = %self.venue, symbol, channel = %label, "given up: {text}");
        self.urgent = true;
    }

    fn on_broken(&mut self, now: Now, broken: &Broken) {
        self.tally.broken[broken_index(broken.why)] += 1;
        let kind = broken.why.as_str();
        if let Some(left_out) = self.told.admit(now.mono, Told::Broken(kind)) {
            let detail = self.clean(&broken.detail);
            tracing::warn!(venue = %self.venue, kind, left_out, "a frame made no sense: {detail}");
        }
    }

    fn on_ended(&mut self, now: Now, reason: &'static str, why: &str) {
        self.connections = self.connections.saturating_sub(1);
        self.parts.metrics.ended(reason);
        if let Some(left_out) = self.told.admit(now.mono, Told::Ended(reason)) {
            let why = self.clean(why);
            tracing::info!(venue = %self.venue, reason, left_out, "a connection ended: {why}");
        }
        self.fault = Some(self.clean(why).into());
        self.urgent = true;
    }

    /// A peer's words without our key and secret, should it repeat them.
    fn clean(&self, words: &str) -> String {
        let Some(credentials) = &self.parts.credentials else { return words.to_owned() };
        let mut words = words.to_owned();
        let secret = String::from_utf8_lossy(credentials.secret.expose());
        for part in [secret.as_ref(), credentials.key.as_str()] {
            if !part.is_empty() && words.contains(part) {
                words = words.replace(part, "REDACTED");
            }
        }
        words
    }

    /// Tells of books that are live for the first time, and of symbols nobody knows.
    fn announce(&mut self, now: Now, session: &Session) {
        let mut waiting = std::mem::take(&mut self.unannounced);
        waiting.retain(|&id| {
            let (Ok(view), Some(stream)) = (session.book(id, now), self.streams.get(id.0 as usize)) else {
                return true;
            };
            let Some(market) = &stream.market else { return false };
            let notice = Notice::Book {
                venue: Arc::clone(&self.venue),
                symbol: market.symbol.clone(),
                bid: view.best_bid().map(|level| Scaled::new(level.price.0, stream.scales.0)),
                ask: view.best_ask().map(|level| Scaled::new(level.price.0, stream.scales.0)),
                seq: view.seq(),
            };
            self.parts.notices.try_send(notice).is_err()
        });
        self.unannounced = waiting;
        let mut unknown = std::mem::take(&mut self.unknown);
        unknown.retain(|(symbol, candidates)| {
            let candidates = if candidates.is_empty() {
                near(session, symbol)
            } else {
                candidates.iter().map(ToString::to_string).collect()
            };
            let (venue, symbol) = (Arc::clone(&self.venue), symbol.clone());
            self.parts.notices.try_send(Notice::UnknownSymbol { venue, symbol, candidates }).is_err()
        });
        self.unknown = unknown;
    }

    fn list_instruments(&mut self, now: Now, session: &Session) {
        for (product, market) in std::mem::take(&mut self.instruments) {
            let Some(terms) = session.catalog(product).get(market) else { continue };
            let seen =
                InstrumentSeen { venue: Arc::clone(&self.venue), terms: terms.clone(), ts_local: now.wall };
            self.items.push(Item { stream: None, row: Row::Instrument(Box::new(seen)) });
        }
    }

    fn chunk(&mut self, now: Now) -> Chunk {
        Chunk { venue: self.parts.index, arrived: now.mono, items: std::mem::take(&mut self.items) }
    }

    fn publish(&mut self, now: Now, session: &Session) {
        self.urgent = false;
        self.publish_at = now.mono.plus(PUBLISH_EVERY);
        self.tally.gaps_open = self.tally.gaps_opened.saturating_sub(self.tally.gaps_healed);
        let mut board = self.parts.board.lock();
        board.streams.clear();
        for status in session.streams() {
            let Some(stream) = self.streams.get(status.info.stream.0 as usize) else { continue };
            let shed = !matches!(stream.keep, Keep::Whole);
            let touch = (stream.channel == Channel::Book && status.state == State::Live)
                .then(|| session.book(status.info.stream, now).ok())
                .flatten()
                .and_then(|view| {
                    let price = |level: venuekit_types::Level| Scaled::new(level.price.0, stream.scales.0);
                    Some((price(view.best_bid()?), price(view.best_ask()?)))
                });
            let stopped = status.stopped.map(|fault| Arc::from(self.clean(&fault.to_string())));
            if let (Channel::Book, Some(market)) = (stream.channel, &stream.market) {
                self.parts.metrics.book(market.symbol.as_str(), status.state);
            }
            board.streams.push(StreamLine {
                label: stream.label.clone(),
                symbol: status.info.symbol.clone(),
                state: status.state,
                seq: status.seq,
                last_data: status.last_data,
                gap: status.gap,
                stopped,
                silent: stream.silent_at.is_some_and(|at| status.last_data <= at),
                shed,
                touch,
            });
        }
        board.tally = self.tally.clone();
        board.connections = self.connections;
        board.fault.clone_from(&self.fault);
        board.credentials.clone_from(&self.credentials_fault);
        drop(board);
        let (tally, metrics) = (&self.tally, &self.parts.metrics);
        let counters = metrics.events.iter().chain(&metrics.gaps).chain(&metrics.broken);
        let counts = tally.events.iter().chain(&tally.gaps_by_channel).chain(&tally.broken);
        counters.zip(counts).for_each(|(counter, count)| counter.absolute(*count));
        metrics.checksum_failures.absolute(tally.checksum_failures);
        metrics.shed.absolute(tally.shed_rows);
        metrics.connections.set(f64::from(u32::try_from(self.connections).unwrap_or(u32::MAX)));
    }
}

/// Listed symbols that a mistyped one may have meant.
fn near(session: &Session, symbol: &str) -> Vec<String> {
    let products = 0..session.venue().specs().len();
    let listed: Vec<&venuekit_types::Instrument> =
        products.flat_map(|product| session.catalog(product).iter().map(|(_, one)| one)).collect();
    let mut found = nearest(symbol, listed.iter().map(|one| one.symbol.as_str()));
    if found.is_empty() {
        // None is near, so all are shown, up to a handful.
        found = listed.iter().map(|one| one.symbol.as_str()).take(10).collect();
    }
    found.into_iter().map(ToOwned::to_owned).collect()
}

impl Host for Feed {
    fn event(&mut self, now: Now, emission: Emission<'_>) {
        match emission.event {
            Event::Book(change) => self.on_book(emission, change),
            Event::Trade(trade) => self.on_trade(emission, trade),
            Event::Ticker { stream, row, at, received } => {
                if let Some((_, market)) = self.following(*stream) {
                    let row = rows::ticker(row, &market, *at, *received);
                    self.put(*stream, Row::Ticker(Box::new(row)));
                }
            }
            Event::Candle { stream, row, received } => {
                if let Some((_, market)) = self.following(*stream).filter(|_| row.closed) {
                    let row = rows::candle(row, &market, *received);
                    self.put(*stream, Row::Candle(Box::new(row)));
                }
            }
            Event::Order { stream, .. }
            | Event::Position { stream, .. }
            | Event::Balance { stream, .. }
            | Event::Fill { stream, .. } => {
                // No rows yet: they are counted, and their streams watched.
                let _ = self.following(*stream);
            }
            Event::Committed { .. } => {}
            Event::Stream(info) => self.on_stream(now, info),
            Event::Instrument { product, market } => self.instruments.push((*product, *market)),
            Event::UnknownSymbol { symbol, candidates } => {
                self.unknown.push((symbol.clone(), candidates.clone()));
                self.urgent = true;
            }
            Event::State { stream, to, .. } => self.on_state(now, *stream, *to),
            Event::GapOpened(opened) => self.on_gap_opened(now, opened),
            Event::GapHealed(healed) => self.on_gap_healed(now, healed),
            Event::Stopped { stream, fault } => self.on_stopped(*stream, fault),
            Event::Connected { .. } => {
                self.connections += 1;
                self.urgent = true;
            }
            Event::Disconnected { reason, why, .. } => {
                let word = reason.map_or("closed", venuekit_session::CloseReason::as_str);
                self.on_ended(now, word, why);
            }
            Event::Broken { broken, .. } => self.on_broken(now, broken),
            Event::Fault { route, fault, .. } => self.on_fault(now, route, fault),
        }
    }

    fn persist(&mut self, id: PersistId, what: Persist) -> Option<u64> {
        let Persist::Epochs { stream, count } = what;
        let market = self.stream(stream).and_then(|stream| stream.market.clone())?;
        let count = NonZeroU32::new(count)?;
        let wishes = self.parts.wishes.clone();
        // The relay is gone only when the session is, and then nobody waits for epochs.
        let answer = Box::new(move |first| drop(wishes.blocking_send(Wish::Persisted(id, first))));
        self.parts.queue.reserve(Reservation { market, count, answer });
        None
    }

    fn round(&mut self, now: Now, session: &Session) {
        if !self.instruments.is_empty() {
            self.list_instruments(now, session);
        }
        self.resume();
        if !self.items.is_empty() {
            let chunk = self.chunk(now);
            if let Err(chunk) = self.parts.queue.push(chunk) {
                self.shed(now, chunk);
            }
        }
        if self.urgent || now.mono >= self.publish_at {
            if !(self.unannounced.is_empty() && self.unknown.is_empty()) {
                self.announce(now, session);
            }
            self.publish(now, session);
        }
    }
}

#[cfg(test)]
mod tests;

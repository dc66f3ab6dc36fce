//! One session's host: events become rows, rows go to the queue, and what the queue cannot hold is shed by name.
//!
//! The overflow policy: when there is no room, the newest rows go. Each stream that lost one is marked, and from then
//! on gives no rows that would hang in the air. When there is room again, a gap row with cause `shed` is stored and the
//! session is told to break and heal the stream; a book's next snapshot, or the stream being live again, closes the gap.
//!
//! It runs on the network's thread: it never blocks, and it formats nothing that comes often.

mod private;
mod shared;
mod shed;
mod tell;

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
use venuekit_types::{Mono, Now, Price, Scale, Scaled, Symbol, UnixNanos};
use venuekit_venue::{Channel, FaultKind, MarketId};

use crate::board::{Tally, VenueBoard};
use crate::ledgers::Ledgers;
use crate::limits;
use crate::metrics::{VenueMetrics, channel_index};
use crate::queue::{Chunk, Item, Queue, Reservation};
use crate::rows;
use crate::sample::Sampler;
use crate::tenure::Tenure;

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
    /// What it shares its markets by, where it is one of many.
    pub(crate) tenure: Option<Tenure>,
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
    /// What of it the metrics have.
    counted: Tally,
    connections: u64,
    /// Under which lease rows leave.
    fence: Option<u64>,
    /// Rows were given up before there was a lease.
    overfull: bool,
    is_listed: bool,
    fault: Option<Arc<str>>,
    credentials_fault: Option<Arc<str>>,
    /// Streams that wait for room.
    shed: usize,
    publish_at: Mono,
    /// Something changed that a person waits for.
    urgent: bool,
    told: Sampler<Told>,
    ledgers: Ledgers,
    /// An account's own rows of this round.
    own: Vec<private::Own>,
    /// When to ask for movements; nothing until the account's balances are live.
    movements_at: Option<Mono>,
    /// The number of the last command.
    asked: u64,
}

/// What is logged, sampled by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Told {
    Broken(&'static str),
    Gap(StreamId, Cause),
    Healed(StreamId),
    Shed(StreamId),
    Drift(StreamId),
    OffGrid(StreamId),
    Clock,
    Fault(Cow<'static, str>, FaultKind),
    Ended(&'static str),
}

/// What a feed knows of a stream.
struct Stream {
    channel: Channel,
    label: Cow<'static, str>,
    /// Nothing for the account's own channels, whose rows each name theirs.
    market: Option<Market>,
    /// Index into the venue's specs.
    product: usize,
    scales: (Scale, Scale),
    /// The gap that was written and has not healed.
    open: Option<Gap>,
    /// When it began.
    since: UnixNanos,
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
        let ledgers = Ledgers::new(&parts.board.venue);
        Feed {
            venue: Arc::clone(&parts.board.venue),
            parts,
            streams: Vec::new(),
            items: Vec::new(),
            instruments: Vec::new(),
            unannounced: Vec::new(),
            unknown: Vec::new(),
            tally: Tally::default(),
            counted: Tally::default(),
            connections: 0,
            fence: None,
            overfull: false,
            is_listed: false,
            fault: None,
            credentials_fault: None,
            shed: 0,
            publish_at: Mono(0),
            urgent: true,
            told: Sampler::default(),
            ledgers,
            own: Vec::new(),
            movements_at: None,
            asked: 0,
        }
    }

    /// The session has ended: what is left goes out, whether there is room or not.
    pub(crate) fn finish(&mut self, now: Now, session: &Session) {
        self.round(now, session);
        // Without a lease nothing of it was ever stored.
        if !self.may_leave(now, session) {
            self.items.clear();
        }
        for at in 0..self.streams.len() {
            if let Keep::Shed(gap) = &self.streams[at].keep {
                let row = Row::Gap(gap.clone());
                self.items.push(Item { stream: None, row });
            }
        }
        // An empty chunk wakes nobody, and whoever waits for what was put would wait for it.
        if !self.items.is_empty() {
            let chunk = self.chunk(now);
            self.parts.queue.force(chunk);
        }
        self.connections = 0;
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
        let earlier = self.earlier_gaps(now.wall, info.stream, market.as_ref(), &label);
        self.streams.push(Stream {
            channel: info.channel,
            label,
            market,
            product: info.product,
            scales,
            open: None,
            since: now.wall,
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
    fn earlier_gaps(
        &mut self,
        since: UnixNanos,
        id: StreamId,
        market: Option<&Market>,
        channel: &str,
    ) -> Vec<Gap> {
        let is_ours = |of: &Market, name: &str| Some(of) == market && name == channel;
        let open_gaps = std::mem::take(&mut self.parts.resume.open_gaps).into_iter();
        let (mut ours, others): (Vec<Gap>, _) = open_gaps.partition(|gap| is_ours(&gap.market, &gap.channel));
        self.parts.resume.open_gaps = others;
        let cursors = &mut self.parts.resume.cursors;
        if let Some(at) = cursors.iter().position(|cursor| is_ours(&cursor.market, &cursor.channel)) {
            // Once: a stream that is left and comes back was not followed for another reason.
            let gap = rows::not_running_gap(&cursors.swap_remove(at), since);
            self.put(id, Row::Gap(Box::new(gap.clone())));
            ours.push(gap);
        }
        self.tally.gaps_opened += u64::try_from(ours.len()).unwrap_or(u64::MAX);
        ours
    }

    /// A stream is not followed any more: what it lacks from here on is a gap that ends when it comes back, in this run
    /// or in a later one.
    fn on_left(&mut self, now: Now, id: StreamId) {
        self.urgent = true;
        self.unannounced.retain(|waiting| *waiting != id);
        let Some(stream) = self.streams.get_mut(id.0 as usize) else { return };
        let mut open: Vec<Gap> = std::mem::take(&mut stream.earlier);
        open.extend(stream.open.take());
        let mut fresh = Vec::new();
        match std::mem::replace(&mut stream.keep, Keep::Whole) {
            Keep::Whole => {}
            Keep::Healing(gap) => open.push(*gap),
            Keep::Shed(gap) => {
                self.shed -= 1;
                fresh.push(*gap);
            }
        }
        // They are counted anew when the stream comes back.
        let counted = open.len() + fresh.len();
        self.tally.gaps_healed += u64::try_from(counted).unwrap_or(u64::MAX);
        if let Some(market) = stream.market.clone() {
            if stream.channel == Channel::Book {
                self.parts.metrics.book(market.symbol.as_str(), State::Empty);
            }
            fresh.push(rows::left_gap(&market, stream.label.clone(), now.wall));
        }
        for gap in &fresh {
            self.put(id, Row::Gap(Box::new(gap.clone())));
        }
        self.parts.resume.open_gaps.extend(open.into_iter().chain(fresh));
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
        match opened.gap.cause {
            Cause::Checksum => self.tally.checksum_failures += 1,
            Cause::Drift => self.parts.metrics.book_drift.increment(1),
            _ => {}
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
        let channel = stream.channel;
        if to != State::Live {
            if channel.is_private() {
                self.ledgers.lost(id);
            }
            return;
        }
        for mut gap in std::mem::take(&mut stream.earlier) {
            self.tally.gaps_healed += 1;
            gap.healed_at = Some(now.wall);
            self.put(id, Row::Gap(Box::new(gap)));
        }
        // The rows of a book are whole again with a snapshot, which it tells; those of other channels from here on.
        if channel != Channel::Book {
            self.end_shedding(id, now.wall);
        }
        if channel == Channel::Balances {
            self.movements_at = Some(now.mono);
        }
        if channel.is_private() {
            self.credentials_fault = None;
        }
    }

    /// Where the venue's own answer differs from what its streams told, the answer counts, and the stream is asked for
    /// again.
    fn settle_account(&mut self, now: Now, session: &Session) {
        let differences = self.ledgers.settle(now.mono, session);
        for (stream, what) in &differences {
            self.parts.metrics.drift.increment(1);
            if let Some(left_out) = self.told.admit(now.mono, Told::Drift(*stream)) {
                tracing::warn!(venue = %self.venue, left_out, "the stream and the venue's answer differ: {what}");
            }
        }
        let mut streams: Vec<StreamId> = differences.into_iter().map(|(stream, _)| stream).collect();
        streams.dedup();
        for stream in streams {
            // With a full queue, the next comparison finds it again.
            let _ = self.parts.wishes.try_send(Wish::Command(Command::Resync(stream)));
        }
    }

    fn on_clock(&mut self, now: Now, offset: i64, alarm: bool) {
        let gauge = &self.parts.metrics.clock_offset;
        let seconds = Duration::from_nanos(offset.unsigned_abs()).as_secs_f64();
        gauge.set(0.0);
        if offset < 0 {
            gauge.decrement(seconds)
        } else {
            gauge.increment(seconds)
        }
        if alarm && let Some(left_out) = self.told.admit(now.mono, Told::Clock) {
            let ms = offset / 1_000_000;
            tracing::warn!(venue = %self.venue, left_out, "the venue's clock is {ms} ms ahead of this machine's; set it by NTP");
        }
    }

    fn on_off_grid(&mut self, now: Now, id: StreamId, price: Price) {
        let Some(stream) = self.streams.get(id.0 as usize) else { return };
        let price = Scaled::new(price.0, stream.scales.0);
        if let Some(left_out) = self.told.admit(now.mono, Told::OffGrid(id)) {
            tracing::warn!(venue = %self.venue, symbol = stream.symbol(), left_out,
                "{price} is not on the grid that its instrument was listed with");
        }
    }

    fn list_instruments(&mut self, now: Now, session: &Session) {
        for (product, market) in std::mem::take(&mut self.instruments) {
            let Some(terms) = session.catalog(product).get(market) else { continue };
            if !self.is_ours(&terms.symbol) {
                continue;
            }
            let seen =
                InstrumentSeen { venue: Arc::clone(&self.venue), terms: terms.clone(), ts_local: now.wall };
            self.items.push(Item { stream: None, row: Row::Instrument(Box::new(seen)) });
        }
    }

    fn chunk(&mut self, now: Now) -> Chunk {
        Chunk {
            venue: self.parts.index,
            session: self.parts.tenure.as_ref().map_or(0, |tenure| tenure.session),
            fence: self.fence,
            arrived: now.mono,
            items: std::mem::take(&mut self.items),
        }
    }
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
                let _ = self.following(*stream);
                self.keep_own(now, emission.event);
                self.ledgers.hear(emission.event);
            }
            Event::Committed { .. } => self.ledgers.hear(emission.event),
            Event::Clock { offset, alarm, .. } => self.on_clock(now, *offset, *alarm),
            Event::OffGrid { stream, price } => self.on_off_grid(now, *stream, *price),
            Event::Answered { rows, .. } => self.on_answered(now, emission, rows),
            Event::Done { .. } | Event::Resolved { .. } => {}
            Event::Stream(info) => self.on_stream(now, info),
            Event::Instrument { product, market } => self.instruments.push((*product, *market)),
            Event::UnknownSymbol { symbol, candidates } => {
                self.unknown.push((symbol.clone(), candidates.clone()));
                self.urgent = true;
            }
            Event::State { stream, to, .. } => self.on_state(now, *stream, *to),
            Event::GapOpened(opened) => self.on_gap_opened(now, opened),
            Event::GapHealed(healed) => self.on_gap_healed(now, healed),
            Event::Left { stream } => self.on_left(now, *stream),
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
            Event::Fault { route, fault, .. } => self.on_fault(now, route.clone(), fault),
        }
    }

    fn persist(&mut self, id: PersistId, what: Persist) -> Option<u64> {
        let (stream, count) = match what {
            Persist::Epochs { stream, count } => (stream, count),
            Persist::Ban(ban) => {
                self.parts.queue.keep([limits::of_ban(ban)]);
                return None;
            }
            Persist::Used(used) => {
                self.parts.queue.keep(used.into_iter().map(limits::of_used));
                return None;
            }
            // No orders are placed from here: without a word from a store none leaves.
            Persist::Intent { .. } | Persist::Settled { .. } => return None,
        };
        let market = self.stream(stream).and_then(|stream| stream.market.clone())?;
        let count = NonZeroU32::new(count)?;
        let wishes = self.parts.wishes.clone();
        // The relay is gone only when the session is, and then nobody waits for epochs.
        let answer = Box::new(move |first| drop(wishes.blocking_send(Wish::Persisted(id, first))));
        let reservation = Reservation { market, count, answer };
        match &self.parts.tenure {
            None => self.parts.queue.reserve(reservation),
            Some(tenure) => (tenure.reserve)(reservation),
        }
        None
    }

    fn credentials(&mut self, credentials: &Credentials) {
        self.parts.credentials = Some(credentials.clone());
        self.credentials_fault = None;
        self.urgent = true;
    }

    fn round(&mut self, now: Now, session: &Session) {
        if !self.instruments.is_empty() {
            self.list_instruments(now, session);
        }
        if !self.own.is_empty() {
            self.put_own(session);
        }
        self.ask_movements(now, session);
        self.settle_account(now, session);
        if self.may_leave(now, session) {
            self.resume();
            if !self.items.is_empty() {
                let chunk = self.chunk(now);
                if let Err(chunk) = self.parts.queue.push(chunk) {
                    self.shed(now, chunk);
                }
            }
        }
        // A session whose part holds no market has nothing more to say than that.
        self.urgent |= session.is_listed() != std::mem::replace(&mut self.is_listed, session.is_listed());
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

//! What an adapter makes of bytes: events over arenas that the session owns and reuses.
//!
//! One frame or answer is decoded into one [`EventBuf`]. Levels and texts stand in shared arenas, so the steady
//! state allocates nothing.

use core::ops::Range;

use venuekit_book::{Digits, Ids, Places, Update};
use venuekit_types::{Instrument, Level, Scale, UnixNanos};

use crate::read::Unfit;
use crate::{Fault, MarketId, Row, Token, Topic};

/// The events of one frame or answer, and the arenas they point into.
#[derive(Debug, Default)]
pub struct EventBuf {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Rows that [`Body::Rows`] points into.
    pub rows: Vec<Row>,
    /// Instruments that an answer listed.
    pub instruments: Vec<Instrument>,
    levels: Vec<Level>,
    places: Vec<Places>,
    scales: Option<(Scale, Scale)>,
    text: String,
}

/// A text in the arena of its [`EventBuf`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextSpan {
    start: u32,
    end: u32,
}

/// A run of levels in the arena of its [`EventBuf`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelSpan {
    start: u32,
    end: u32,
}

/// Rows of one list that are complained about: the next ones would say the same.
const BROKEN_MAX: usize = 16;

fn at(index: usize) -> u32 {
    u32::try_from(index).expect("frames are limited to a few megabytes")
}

impl EventBuf {
    /// An empty buffer.
    pub fn new() -> EventBuf {
        EventBuf::default()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.rows.clear();
        self.instruments.clear();
        self.levels.clear();
        self.places.clear();
        self.scales = None;
        self.text.clear();
    }

    /// Keeps a text.
    pub fn put_text(&mut self, text: &str) -> TextSpan {
        let start = at(self.text.len());
        self.text.push_str(text);
        TextSpan { start, end: at(self.text.len()) }
    }

    /// A kept text.
    pub fn text(&self, span: TextSpan) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// Keeps levels, stopping at the first that `levels` could not read.
    ///
    /// **Errors**: what the iterator gave.
    pub fn put_levels<E>(
        &mut self,
        levels: impl IntoIterator<Item = Result<Level, E>>,
    ) -> Result<LevelSpan, E> {
        let start = at(self.levels.len());
        for level in levels {
            self.levels.push(level?);
        }
        Ok(LevelSpan { start, end: at(self.levels.len()) })
    }

    /// Keeps levels with the spelling of their numbers, for venues whose checksum covers the text.
    ///
    /// **Errors**: what the iterator gave.
    pub fn put_spelt_levels<E>(
        &mut self,
        scales: (Scale, Scale),
        levels: impl IntoIterator<Item = Result<(Level, Places), E>>,
    ) -> Result<LevelSpan, E> {
        self.scales = Some(scales);
        let start = at(self.levels.len());
        for item in levels {
            let (level, places) = item?;
            self.places.resize(self.levels.len(), Places::default());
            self.levels.push(level);
            self.places.push(places);
        }
        Ok(LevelSpan { start, end: at(self.levels.len()) })
    }

    /// Kept levels.
    pub fn levels(&self, span: LevelSpan) -> &[Level] {
        &self.levels[span.start as usize..span.end as usize]
    }

    fn places(&self, span: LevelSpan) -> &[Places] {
        self.places.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// A book message as the book takes it.
    pub fn update(&self, ids: Option<Ids>, body: &BookBody) -> Update<'_> {
        Update {
            ids,
            bids: self.levels(body.bids),
            asks: self.levels(body.asks),
            checksum: body.checksum,
            digits: self.scales.map(|(price_scale, qty_scale)| Digits {
                price_scale,
                qty_scale,
                bids: self.places(body.bids),
                asks: self.places(body.asks),
            }),
        }
    }

    /// Tells of a list, row by row. One that does not read becomes [`Event::Broken`] and costs itself alone; nothing
    /// is told of one that gives no row, and of the first sixteen only. The event is a snapshot when
    /// `is_whole` and every row read.
    pub fn tell_list<T>(
        &mut self,
        topic: Topic,
        is_whole: bool,
        items: impl IntoIterator<Item = T>,
        mut read: impl FnMut(T) -> Result<Option<Row>, Unfit>,
    ) {
        let start = self.rows.len();
        let mut broken = 0;
        for item in items {
            match read(item) {
                Ok(row) => self.rows.extend(row),
                Err(unfit) => {
                    broken += 1;
                    if broken <= BROKEN_MAX {
                        self.events.push(unfit.broken(Some(topic)));
                    }
                }
            }
        }
        let kind = if is_whole && broken == 0 { DataKind::Snapshot } else { DataKind::Update };
        let body = Body::Rows(start..self.rows.len());
        self.events.push(Event::Data(Data { topic, kind, ids: None, at: None, body }));
    }

    /// Keeps rows and gives the body that points at them.
    pub fn put_rows(&mut self, rows: impl IntoIterator<Item = Row>) -> Body {
        let start = self.rows.len();
        self.rows.extend(rows);
        Body::Rows(start..self.rows.len())
    }
}

/// One thing that a frame or an answer said.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message of a stream.
    Data(Data),
    /// A message about the connection.
    Control(Control),
    /// Bytes that made no sense.
    Broken(Broken),
}

/// One whole message of one stream: a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The stream.
    pub topic: Topic,
    /// Whether it is a whole state or a change.
    pub kind: DataKind,
    /// Its numbers, where the channel has any.
    pub ids: Option<Ids>,
    /// The venue's time.
    pub at: Option<UnixNanos>,
    /// What it holds.
    pub body: Body,
}

/// Whether a message is a whole state or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Replaces what was known.
    Snapshot,
    /// Changes it.
    Update,
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Levels of a book.
    Book(BookBody),
    /// Rows, as a range of [`EventBuf::rows`].
    Rows(Range<usize>),
}

/// The levels of a book message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookBody {
    /// Bids, absolute quantities.
    pub bids: LevelSpan,
    /// Asks, absolute quantities.
    pub asks: LevelSpan,
    /// The venue's checksum after this message.
    pub checksum: Option<u32>,
}

/// A message about the connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// A text to sign.
    Challenge(TextSpan),
    /// The login was accepted.
    LoggedIn,
    /// The login was refused.
    LoginRefused(Fault),
    /// A subscribe or unsubscribe was accepted.
    Ack(AckOf),
    /// A subscribe or unsubscribe was refused.
    Refused {
        /// What it answers.
        of: AckOf,
        /// Why.
        fault: Fault,
    },
    /// The answer to a client's JSON or text ping.
    Pong,
    /// The server's beat, or any proof of life that is no data.
    Beat,
    /// The server's JSON ping, with the id to answer with.
    ServerPing(TextSpan),
    /// The venue will close this connection soon: another one is to take over.
    Leaving,
    /// The token of this connection is gone.
    KeyExpired,
    /// A token that was asked for.
    Token(Token),
    /// The venue's time.
    Time(UnixNanos),
    /// A fault tied to no request of ours.
    Notice(Fault),
}

/// What an acknowledgement answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckOf {
    /// The request with this id.
    Request(u64),
    /// What the request with this id asked of this market.
    OneOf(u64, MarketId),
    /// These topics.
    Topics(Vec<Topic>),
    /// Some request, it does not say which.
    Any,
}

/// Bytes that made no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What was wrong, for the log; never quotes secrets.
    pub why: BrokenWhy,
    /// A detail: the parser's own words, an unknown name.
    pub detail: String,
    /// The stream it belonged to, where that could still be read.
    pub topic: Option<Topic>,
}

/// How bytes made no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokenWhy {
    /// Not JSON, or cut short, or too deep.
    Syntax,
    /// JSON of another shape than the channel's.
    Shape,
    /// A number that does not fit: too large, or finer than the instrument's scale.
    Number,
    /// An instrument we do not know.
    UnknownMarket,
    /// A message type or channel we do not know; nothing we follow was lost.
    UnknownKind,
}

impl BrokenWhy {
    /// The word used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            BrokenWhy::Syntax => "syntax",
            BrokenWhy::Shape => "shape",
            BrokenWhy::Number => "number",
            BrokenWhy::UnknownMarket => "unknown_market",
            BrokenWhy::UnknownKind => "unknown_kind",
        }
    }
}

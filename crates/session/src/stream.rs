//! One stream: what rule it follows, where its data comes from now, and what was told of it.

use core::time::Duration;
use std::collections::VecDeque;

use venuekit_book::{Book, Gap, Limits as BookLimits, Linkage, Rules, State};
use venuekit_types::{Mono, Price, UnixNanos};
use venuekit_venue::spec::{PrivateModel, Resync, RowIds, SnapshotSource};
use venuekit_venue::{Ask, Channel, Fault, Spec, TickerPatch, Topic};

use crate::backoff::Backoff;
use crate::config::Limits;
use crate::event::StreamInfo;
use crate::io::{ConnId, LineId, RequestId};
use crate::machine::audit::Band;
use crate::private::Rows;
use crate::stats::Stats;
use crate::trades::Trades;

/// How a stream reaches its first state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The stream sends it.
    Snapshot,
    /// It is fetched and linked by number.
    Fetch,
    /// What was missed is fetched by id.
    Backfill,
    /// It is fetched, and changed by events without numbers.
    State,
    /// The first message is as good as any.
    FirstData,
}

/// The rule of a stream, drawn from its venue's spec.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) rules: Rules,
    pub(crate) start: Start,
    pub(crate) resync: Resync,
    /// The usual gap between messages as the venue's tables tell it; nothing when it may rightly stay silent.
    pub(crate) usual_gap: Option<Duration>,
    /// Levels a side that a snapshot can be asked for, cheapest first.
    pub(crate) rest_depths: Vec<u32>,
    pub(crate) ids: RowIds,
}

impl Rule {
    /// The rule of a channel, or nothing when the product has no such channel.
    pub(crate) fn of(spec: &Spec, channel: Channel, limits: BookLimits) -> Option<Rule> {
        if channel == Channel::Book {
            let book = spec.books.first()?;
            let rules = Rules {
                linkage: book.linkage,
                checksum: book.checksum,
                depth: book.trim,
                early: book.early,
                limits,
            };
            let start = match book.snapshot {
                SnapshotSource::Rest => Start::Fetch,
                SnapshotSource::Stream | SnapshotSource::Either | SnapshotSource::EachFrame => {
                    Start::Snapshot
                }
            };
            let rest_depths = book.rest_depths.clone();
            return Some(Rule {
                rules,
                start,
                resync: book.resync,
                usual_gap: Some(book.usual_gap),
                rest_depths,
                ids: RowIds::Opaque,
            });
        }
        let model = match channel {
            Channel::Orders => spec.private.orders,
            Channel::Positions => spec.private.positions,
            Channel::Balances => spec.private.balances,
            Channel::Fills => spec.private.fills,
            _ => PrivateModel::None,
        };
        let channel = spec.channel(channel)?;
        let start = match (channel.snapshot, channel.ids) {
            (true, _) => Start::Snapshot,
            (false, _) if model == PrivateModel::Delta => Start::State,
            (false, RowIds::Contiguous) => Start::Backfill,
            (false, RowIds::Opaque) => Start::FirstData,
        };
        Some(Rule {
            rules: Rules { limits, ..Rules::new(channel.linkage) },
            start,
            resync: channel.resync,
            usual_gap: channel.usual_gap,
            rest_depths: Vec::new(),
            ids: channel.ids,
        })
    }

    /// Whether messages carry numbers that link them.
    pub(crate) fn is_numbered(&self) -> bool {
        !matches!(self.rules.linkage, Linkage::Unnumbered | Linkage::Replace)
    }

    /// Whether a lost message shows at the next one, so that nobody has to be told.
    pub(crate) fn notices_loss(&self) -> bool {
        self.rules.linkage.sees_holes() || self.ids == RowIds::Contiguous
    }
}

/// The depth to ask a snapshot for: the first that leaves room for a book that had so many levels to have grown by a
/// quarter.
pub(crate) fn snapshot_depth(depths: &[u32], levels: u32) -> u32 {
    let most = depths.last().copied().unwrap_or_default();
    let room = levels.saturating_add(levels / 4).saturating_add(1);
    depths.iter().copied().find(|depth| *depth > room).unwrap_or(most)
}

/// Where a subscription stands on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sub {
    /// Waiting for its turn.
    Wanted,
    /// Asked for.
    Asked,
    /// Acknowledged, or proven by its data.
    On,
    /// Being given up, to be asked for again: what still comes is discarded.
    Leaving,
}

/// A stream's data on one connection.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) conn: ConnId,
    pub(crate) sub: Sub,
    /// Sequence and, for a book, levels. Other channels use it as their sequence alone.
    pub(crate) book: Book,
    /// Frames held until the snapshot, for numbered channels that are no book.
    pub(crate) early: VecDeque<(u64, Box<[u8]>)>,
    pub(crate) early_bytes: usize,
    /// The snapshot, backfill or part of a state under way.
    pub(crate) fetch: Option<RequestId>,
    /// Parts of a state still to be fetched, the next one last.
    pub(crate) parts: Vec<Ask>,
    /// Attempts since it was last live.
    pub(crate) tries: u32,
}

impl Feed {
    pub(crate) fn new(conn: ConnId, book: Book) -> Feed {
        Feed {
            conn,
            sub: Sub::Wanted,
            book,
            early: VecDeque::new(),
            early_bytes: 0,
            fetch: None,
            parts: Vec::new(),
            tries: 0,
        }
    }

    /// Whether data on it counts.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.sub, Sub::Asked | Sub::On)
    }

    pub(crate) fn is_live(&self) -> bool {
        self.book.state() == State::Live
    }

    /// Holds a frame until the snapshot; false when there is no room.
    pub(crate) fn hold(&mut self, id: u64, frame: &[u8], limits: &Limits) -> bool {
        if self.early.len() >= limits.early_frames || self.early_bytes + frame.len() > limits.early_bytes {
            return false;
        }
        self.early_bytes += frame.len();
        self.early.push_back((id, frame.into()));
        true
    }

    pub(crate) fn take_early(&mut self) -> VecDeque<(u64, Box<[u8]>)> {
        self.early_bytes = 0;
        core::mem::take(&mut self.early)
    }
}

/// Which of a stream's feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that is told.
    Primary,
    /// The one that will take over.
    Shadow,
}

/// Epochs reserved for a book.
#[derive(Debug, Default)]
pub(crate) struct EpochPool {
    next: u64,
    end: u64,
    pub(crate) asked: bool,
    /// A snapshot found none.
    pub(crate) missed: bool,
}

impl EpochPool {
    pub(crate) fn take(&mut self) -> Option<u64> {
        (self.next < self.end).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    pub(crate) fn left(&self) -> u64 {
        self.end - self.next
    }

    /// Takes a fresh block; what was left of an older one is skipped.
    pub(crate) fn refill(&mut self, first: u64, count: u32) {
        self.asked = false;
        self.next = first.max(self.end);
        self.end = first.saturating_add(u64::from(count)).max(self.next);
    }
}

/// A gap that has not healed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenGap {
    pub(crate) epoch: u64,
    pub(crate) from_seq: u64,
    /// The last number that will never be seen one by one.
    pub(crate) lost_to: Option<u64>,
}

/// What a probe of a quiet stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The answer, to this request or to a subscription.
    Asked(Option<RequestId>),
    /// The stream itself, which the venue says has passed this number.
    Behind(u64),
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) info: StreamInfo,
    pub(crate) topic: Topic,
    pub(crate) line: LineId,
    pub(crate) rule: Rule,
    /// The price step of its instrument; zero where it names none.
    pub(crate) tick: Price,
    /// Whether it was told that its book leaves that step.
    pub(crate) off_grid_told: bool,
    pub(crate) primary: Option<Feed>,
    pub(crate) shadow: Option<Feed>,
    /// The state as last told.
    pub(crate) told: State,
    pub(crate) gap: Option<Gap>,
    pub(crate) open_gap: Option<OpenGap>,
    pub(crate) epochs: EpochPool,
    /// The number of the last book message told.
    pub(crate) told_seq: u64,
    /// Rows told, for venues without numbers.
    pub(crate) row_counter: u64,
    pub(crate) stopped: Option<Fault>,
    /// Nobody follows it any more.
    pub(crate) left: bool,
    /// Closes in answer to its subscription.
    pub(crate) strikes: u8,
    pub(crate) last_data: Mono,
    pub(crate) last_data_wall: UnixNanos,
    /// The running mean of the gaps between its messages, in nanoseconds: it begins as the tables say.
    pub(crate) mean_gap: u64,
    pub(crate) live_since: Option<Mono>,
    pub(crate) probe: Option<Probe>,
    /// Times it was found silent without any data since.
    pub(crate) silences: u32,
    pub(crate) resync_backoff: Backoff,
    pub(crate) resyncs_since_health: u32,
    /// Levels of the longer side of the last snapshot; zero before the first.
    pub(crate) levels: u32,
    /// Where that snapshot was cut.
    pub(crate) band: Band,
    /// When it was last its turn to be held against the venue's book.
    pub(crate) audited_at: Mono,
    /// The generation that was asked for once more, to be compared.
    pub(crate) audited: Option<u64>,
    pub(crate) trades: Trades,
    pub(crate) pages: u32,
    pub(crate) ticker: Option<TickerPatch>,
    pub(crate) rows: Rows,
    pub(crate) stats: Stats,
}

impl Stream {
    pub(crate) fn new(info: StreamInfo, line: LineId, rule: Rule, limits: &Limits) -> Stream {
        let topic = Topic { channel: info.channel, market: info.market };
        let trades = Trades::new(rule.ids, limits.trade_holes);
        let mean_gap = rule.usual_gap.map_or(0, |gap| u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX));
        Stream {
            info,
            topic,
            line,
            rule,
            tick: Price(0),
            off_grid_told: false,
            primary: None,
            shadow: None,
            told: State::Empty,
            levels: 0,
            band: Band::default(),
            audited_at: Mono(0),
            audited: None,
            gap: None,
            open_gap: None,
            epochs: EpochPool::default(),
            told_seq: 0,
            row_counter: 0,
            stopped: None,
            left: false,
            strikes: 0,
            last_data: Mono(0),
            last_data_wall: UnixNanos(0),
            mean_gap,
            live_since: None,
            probe: None,
            silences: 0,
            resync_backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
            resyncs_since_health: 0,
            trades,
            pages: 0,
            ticker: None,
            rows: Rows::default(),
            stats: Stats::default(),
        }
    }

    /// Its data came, or the venue says that there was none.
    pub(crate) fn heard(&mut self, now: Mono) {
        let gap = now.0.saturating_sub(self.last_data.0);
        self.mean_gap = self.mean_gap - self.mean_gap / 8 + gap / 8;
        self.last_data = now;
    }

    /// Silence after which it is probed: 20 of its gaps, within 10 to 30 seconds; a minute where silence is right and
    /// the ids of what was missed can be asked for; nothing where silence is right and nobody could tell. A quiet
    /// market is left in peace, or hundreds of them would spend the budget on questions.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match (self.rule.usual_gap, self.rule.start) {
            (Some(_), _) => {
                let span = Duration::from_nanos(self.mean_gap.saturating_mul(20));
                Some(span.clamp(Duration::from_secs(10), Duration::from_secs(30)))
            }
            (None, Start::Backfill) => Some(Duration::from_secs(60)),
            (None, _) => None,
        }
    }

    pub(crate) fn is_book(&self) -> bool {
        self.topic.channel == Channel::Book
    }

    pub(crate) fn which(&self, conn: ConnId) -> Option<Which> {
        if self.primary.as_ref().is_some_and(|feed| feed.conn == conn) {
            Some(Which::Primary)
        } else if self.shadow.as_ref().is_some_and(|feed| feed.conn == conn) {
            Some(Which::Shadow)
        } else {
            None
        }
    }

    pub(crate) fn feed(&mut self, which: Which) -> Option<&mut Feed> {
        match which {
            Which::Primary => self.primary.as_mut(),
            Which::Shadow => self.shadow.as_mut(),
        }
    }

    /// The state it is in, whatever was told.
    pub(crate) fn state(&self) -> State {
        self.primary.as_ref().map_or(State::Empty, |feed| feed.book.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_asked_for_as_deep_as_the_book_may_be_and_no_deeper() {
        let depths = [100, 500, 1_000];
        let asked = |levels| snapshot_depth(&depths, levels);
        assert_eq!([asked(0), asked(79), asked(80)], [100, 100, 500]);
        // One that came full is asked for at the next depth, and the last is the last.
        assert_eq!([asked(100), asked(500), asked(1_000)], [500, 1_000, 1_000]);
        assert_eq!(snapshot_depth(&[], 7), 0);
    }
}

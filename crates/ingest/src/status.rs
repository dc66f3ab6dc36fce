//! One line that says how a run is doing: redrawn on a terminal, a log line now and then elsewhere.

use std::fmt::Write as _;
use std::time::Duration;

use venuekit_book::State;
use venuekit_types::Mono;

use crate::board::Board;
use crate::summary::millis;

/// Log lines of it, where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Remembers what the last line said, for rates and turns.
#[derive(Debug, Default)]
pub(crate) struct Status {
    last: Option<(Mono, u64)>,
    logged: Option<Mono>,
    turn: usize,
}

/// How a run is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    live: usize,
    stale: usize,
    per_second: u64,
    gaps_healed: u64,
    gaps_open: u64,
    rows: u64,
    shed: u64,
    p50: Option<Duration>,
    p99: Option<Duration>,
    /// One book, another one each time.
    book: Option<String>,
    trouble: Option<String>,
}

impl Status {
    /// Looks at the board.
    pub(crate) fn look(&mut self, now: Mono, board: &Board) -> Line {
        let mut line = Line::default();
        let mut books = Vec::new();
        for venue in &board.venues {
            let state = venue.lock();
            line.live += state.streams.iter().filter(|stream| stream.state == State::Live).count();
            line.stale += state.streams.iter().filter(|stream| stream.state != State::Live).count();
            for stream in &state.streams {
                if let (Some((bid, ask)), Some(symbol)) = (stream.touch, &stream.symbol) {
                    books.push((venue.venue.clone(), symbol.clone(), bid, ask));
                }
            }
        }
        if let Some((venue, symbol, bid, ask)) = books.get(self.turn % books.len().max(1)) {
            line.book = Some(format!("{venue} {symbol} {bid} / {ask}"));
        }
        self.turn = self.turn.wrapping_add(1);
        let tally = board.tally();
        let events = tally.events.iter().sum();
        if let Some((at, before)) = self.last.replace((now, events)) {
            let millis = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX).max(1);
            line.per_second = events.saturating_sub(before).saturating_mul(1000) / millis;
        }
        (line.gaps_healed, line.gaps_open, line.shed) = (tally.gaps_healed, tally.gaps_open, tally.shed_rows);
        let mut sink = board.sink.lock();
        line.rows = sink.total().new;
        line.trouble = sink.trouble.as_ref().map(|(_, why)| why.to_string());
        let recent = sink.recent.take();
        drop(sink);
        (line.p50, line.p99) = (recent.quantile(0.5), recent.quantile(0.99));
        line
    }

    /// Whether a log line is due.
    pub(crate) fn is_due(&mut self, now: Mono) -> bool {
        let is_due = self.logged.is_none_or(|at| now.since(at) >= LOG_EVERY);
        if is_due {
            self.logged = Some(now);
        }
        is_due
    }
}

impl Line {
    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} live", self.live);
        // Writing to a string cannot fail.
        if self.stale > 0 {
            let _ = write!(text, ", {} stale", self.stale);
        }
        let _ = write!(text, " | {}/s | {} healed", self.per_second, self.gaps_healed);
        if self.gaps_open > 0 {
            let _ = write!(text, ", {} open", self.gaps_open);
        }
        let _ = write!(text, " | {} rows", self.rows);
        if self.shed > 0 {
            let _ = write!(text, ", {} shed", self.shed);
        }
        if let (Some(p50), Some(p99)) = (self.p50, self.p99) {
            let _ = write!(text, " | lag {}/{} ms", p50.as_millis(), p99.as_millis());
        }
        match (&self.trouble, &self.book) {
            (Some(why), _) => text.push_str(&format!(" | NOT STORED: {why}")),
            (None, Some(book)) => text.push_str(&format!(" | {book}")),
            (None, None) => {}
        }
        text
    }

    /// For the log.
    pub(crate) fn log(&self) {
        let lag = |span: Option<Duration>| span.map(millis);
        tracing::info!(
            live = self.live,
            stale = self.stale,
            per_second = self.per_second,
            gaps_healed = self.gaps_healed,
            gaps_open = self.gaps_open,
            rows = self.rows,
            shed = self.shed,
            lag_p50_ms = lag(self.p50),
            lag_p99_ms = lag(self.p99),
            "status"
        );
    }
}

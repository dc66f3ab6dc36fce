//! The ladder on a terminal: the best levels of each book, drawn anew ten times a second.
//!
//! A book that is not live shows why, and no price.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use venuekit_book::{NotLive, View};
use venuekit_driver::Handle;
use venuekit_session::{Session, StreamStatus};
use venuekit_types::{Level, Now, Scaled};

use crate::command::target::Target;
use crate::exit::Failure;
use crate::{log, out};

/// The span between two drawings.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// Lines of a book beside its levels: title, spread, and the empty one below.
const BESIDES: usize = 3;

/// The terminal while a ladder is on it; dropping it gives the terminal back.
pub(super) struct Screen {
    depth: Option<usize>,
    colour: bool,
}

impl Screen {
    /// Takes the terminal: another screen, and no cursor.
    pub(super) fn enter(depth: Option<usize>) -> Screen {
        // A terminal that cannot be written to shows itself at the first drawing.
        let _ = out::text("\x1b[?1049h\x1b[?25l");
        Screen { depth, colour: log::use_colour() }
    }

    /// Looks at every session and draws what it finds; breaks when the terminal is gone.
    pub(super) async fn draw(
        &mut self,
        targets: &[Target],
        handles: &[Handle],
    ) -> Result<ControlFlow<()>, Failure> {
        let (columns, lines) = size();
        let room = (lines / handles.len().max(1)).saturating_sub(BESIDES) / 2;
        let depth = self.depth.map_or(room, |depth| depth.min(room)).max(1);
        let mut frame = String::from("\x1b[H");
        for (target, handle) in targets.iter().zip(handles) {
            let (id, colour) = (target.id, self.colour);
            let drawn = handle.query(move |session, now| books(id, session, now, depth, colour)).await;
            for line in drawn.unwrap_or_else(|stopped| vec![format!("{id}: {stopped}")]) {
                let _ = writeln!(frame, "{}\x1b[0m\x1b[K", clip(&line, columns));
            }
        }
        frame.push_str("\x1b[J");
        out::text(&frame)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = out::text("\x1b[?25h\x1b[?1049l");
    }
}

/// Columns and lines of the terminal.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

/// The lines of every book of a session.
fn books(id: &str, session: &Session, now: Now, depth: usize, colour: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for status in session.streams() {
        match session.book(status.info.stream, now) {
            Ok(view) => live(id, &status, &view, depth, colour, &mut lines),
            Err(not_live) => lines.push(title(id, &status, &describe(not_live), colour, "33")),
        }
        lines.push(String::new());
    }
    if lines.is_empty() {
        let what = if session.is_listed() { "lists no such symbol" } else { "connecting" };
        lines.push(format!("{id}: {what}"));
    }
    lines
}

fn describe(not_live: NotLive) -> String {
    match not_live.gap {
        Some(gap) => format!("{} ({gap})", not_live.state),
        None => not_live.state.to_string(),
    }
}

fn title(id: &str, status: &StreamStatus<'_>, what: &str, colour: bool, code: &str) -> String {
    let symbol = status.info.symbol.as_ref().map_or("", |symbol| symbol.as_str());
    format!("{id} {symbol}  {}", paint(what, code, colour))
}

fn live(
    id: &str,
    status: &StreamStatus<'_>,
    view: &View<'_>,
    depth: usize,
    colour: bool,
    lines: &mut Vec<String>,
) {
    let info = status.info;
    let seq = view.seq().map_or("-".to_owned(), |seq| seq.to_string());
    let what = format!(
        "live  seq {seq}  epoch {}  {} ms old  {}",
        view.epoch(),
        view.age().as_millis(),
        view.assurance()
    );
    lines.push(title(id, status, &what, colour, "32"));
    let text = |level: Level| {
        let price = Scaled::new(level.price.0, info.price_scale).padded().to_string();
        format!("{price:>14}  {:>18}", Scaled::new(level.qty.0, info.qty_scale).padded().to_string())
    };
    let mut asks: Vec<_> = view.asks().take(depth).collect();
    asks.reverse();
    lines.extend(asks.into_iter().map(|level| paint(&text(level), "31", colour)));
    let spread =
        view.best_ask().zip(view.best_bid()).and_then(|(ask, bid)| ask.price.0.checked_sub(bid.price.0));
    let spread = spread.map_or(String::new(), |ticks| Scaled::new(ticks, info.price_scale).to_string());
    lines.push(format!("{:>14}  spread", spread));
    lines.extend(view.bids().take(depth).map(|level| paint(&text(level), "32", colour)));
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The part of a line that fits, its colours not counted.
fn clip(line: &str, columns: usize) -> String {
    let (mut clipped, mut width, mut is_code) = (String::new(), 0, false);
    for character in line.chars() {
        is_code |= character == '\x1b';
        if !is_code {
            width += 1;
            if width > columns {
                break;
            }
        }
        clipped.push(character);
        is_code &= character != 'm';
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_clipped_to_what_is_seen() {
        assert_eq!(clip("abcdef", 4), "abcd");
        assert_eq!(clip("\x1b[31mabc\x1b[0mdef", 4), "\x1b[31mabc\x1b[0md");
        assert_eq!(clip("ab", 4), "ab");
        assert_eq!(paint("x", "31", false), "x");
    }
}

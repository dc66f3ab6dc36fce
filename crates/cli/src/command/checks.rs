//! What was looked at, line by line, each with what mends it: the form of `doctor` and `smoke`.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::reader::Reader;
use crate::exit::{Exit, Failure};
use crate::out;

/// A clock further off than this is worth mending.
const CLOCK_MAX: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    what: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; empty when nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
    #[serde(skip)]
    exit: Option<Exit>,
}

impl Line {
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Line {
        Line { what, verdict: Verdict::Ok, found: found.into(), fix: String::new(), exit: None }
    }

    pub(super) fn warn(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Line {
        Line { what, verdict: Verdict::Warn, found: found.into(), fix: fix.into(), exit: None }
    }

    pub(super) fn fail(
        what: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
        exit: Exit,
    ) -> Line {
        Line { what, verdict: Verdict::Fail, found: found.into(), fix: fix.into(), exit: Some(exit) }
    }

    /// A failed call: its own words say what to do.
    pub(super) fn failed(what: &'static str, failure: &Failure) -> Line {
        Line::fail(what, failure.to_string(), "", failure.exit)
    }
}

/// Everything that was looked at of one venue.
#[derive(Serialize)]
pub(super) struct Checks<'a> {
    pub(super) env: &'a str,
    pub(super) venue: &'a str,
    pub(super) lines: &'a [Line],
}

/// Prints the lines, as one JSON object or for people.
pub(super) fn show(checks: &Checks<'_>, as_json: bool) -> Result<(), Failure> {
    // Whether anybody reads it makes no difference here.
    let _ = if as_json { out::json(checks)? } else { out::text(&text(checks))? };
    Ok(())
}

/// The exit code of the first that failed.
pub(super) fn exit(lines: &[Line]) -> Exit {
    lines.iter().find_map(|line| line.exit).unwrap_or(Exit::Ok)
}

/// How far this machine's clock is off, as far as the venue tells.
pub(super) async fn clock(reader: &Reader) -> Line {
    let Ok(Some(clock)) = reader.client.clock().await else {
        return Line::warn("clock", "the venue told no time yet", "nothing; this venue has no time route");
    };
    let off = Duration::from_nanos(clock.offset.unsigned_abs());
    let within = clock.accuracy.map(|span| format!(" within {} ms", span.as_millis()));
    let (ms, within) = (clock.offset / 1_000_000, within.unwrap_or_default());
    let found = format!("the venue is {ms} ms ahead of this machine{within}");
    if off > CLOCK_MAX {
        let fix = "set this machine's clock by NTP; signed requests are corrected meanwhile";
        return Line::warn("clock", found, fix);
    }
    Line::ok("clock", found)
}

fn text(checks: &Checks<'_>) -> String {
    let mut text = format!("env {}, {}\n", checks.env, checks.venue);
    for line in checks.lines {
        let mark = match line.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark} {:<16} {}", line.what, line.found);
        if !line.fix.is_empty() {
            let _ = writeln!(text, "     {:<16} -> {}", "", line.fix);
        }
    }
    text
}

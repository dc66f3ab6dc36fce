//! Logs on standard error: JSON lines for machines, text for people, and never what travels on the wire.

use std::fmt;
use std::io::{self, IsTerminal};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use venuekit_ingest::Screen;

/// The variable that lets the wire's own libraries log, secrets and all.
const UNSAFE: &str = "VENUEKIT_UNSAFE_WIRE_LOG";

/// Libraries whose debug lines hold headers and payloads.
const WIRE: [&str; 7] =
    ["tungstenite", "tokio_tungstenite", "h2", "hyper", "rustls", "reqwest", "async_nats"];

/// Whether a line may be written. What carries bytes says warnings and errors only, unless told otherwise.
fn may_pass(metadata: &Metadata<'_>, is_unsafe: bool) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    is_unsafe || *metadata.level() <= Level::WARN || !WIRE.contains(&root)
}

/// Starts logging. `VENUEKIT_LOG` holds directives such as `debug` or `venuekit_session=trace`.
///
/// Gives standard error where it is a terminal; what else is written there goes through it, so that no line cuts
/// through another.
pub(crate) fn init(quiet: bool) -> Option<Screen> {
    let is_unsafe = std::env::var_os(UNSAFE).is_some_and(|value| value == "1");
    if is_unsafe {
        eprintln!("\x1b[41;97m {UNSAFE}=1: KEYS, SIGNATURES AND TOKENS ARE WRITTEN TO THIS LOG \x1b[0m");
    }
    let default = if quiet { "warn" } else { "info" };
    let directives = std::env::var("VENUEKIT_LOG").unwrap_or_else(|_| default.to_owned());
    let wire = filter_fn(move |metadata| may_pass(metadata, is_unsafe));
    let base = tracing_subscriber::registry().with(EnvFilter::new(directives)).with(wire);
    let layer = tracing_subscriber::fmt::layer();
    let screen = io::stderr().is_terminal().then(|| Screen::new(Box::new(io::stderr())));
    // A second logger would be a fault of ours alone, and the first goes on.
    let _ = match screen.clone() {
        Some(screen) => {
            base.with(layer.with_ansi(use_colour()).with_writer(move || screen.clone())).try_init()
        }
        None => base.with(layer.event_format(JsonLines).with_writer(io::stderr)).try_init(),
    };
    screen
}

/// Whether a terminal may be painted.
///
/// **Source**: no-color.org, read 2026-11.
pub(crate) fn use_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && can_draw()
}

/// Whether a terminal understands more than text.
pub(crate) fn can_draw() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// One line.
#[derive(Serialize)]
struct Line {
    ts: String,
    level: String,
    target: Value,
    msg: Value,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// One flat object a line: `ts`, `level`, `target`, `msg`, then the event's own fields.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut ts = String::new();
        SystemTime.format_time(&mut Writer::new(&mut ts))?;
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let mut fields = fields.0;
        let metadata = event.metadata();
        // What came through `log` brings its own target as a field.
        let target = fields.remove("log.target").unwrap_or_else(|| metadata.target().into());
        fields.retain(|name, _| !name.starts_with("log."));
        let msg = fields.remove("message").unwrap_or_default();
        let level = metadata.level().as_str().to_ascii_lowercase();
        let line = serde_json::to_string(&Line { ts, level, target, msg, fields });
        writeln!(out, "{}", line.map_err(|_| fmt::Error)?)
    }
}

/// Collects an event's fields as JSON.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().into(), value.to_string().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(is_unsafe: bool, act: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer =
            tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).event_format(JsonLines);
        let wire = filter_fn(move |metadata| may_pass(metadata, is_unsafe));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(wire).with(layer), act);
        let bytes = kept.0.lock().expect("one thread").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let lines = logged(false, || {
            tracing::info!(target: "venuekit_ingest", venue = "doex", seq = 7u64, ok = true, "stream \"live\"");
        });
        let line = &lines[0];
        assert_eq!(line["level"], "info");
        assert_eq!(line["target"], "venuekit_ingest");
        assert_eq!(line["msg"], "stream \"live\"");
        assert_eq!((&line["venue"], &line["seq"], &line["ok"]), (&"doex".into(), &7.into(), &true.into()));
        let ts = line["ts"].as_str().expect("text");
        assert!(ts.ends_with('Z') && ts.len() == "2026-11-24T06:42:39.123456Z".len(), "{ts}");
    }

    #[test]
    fn the_wire_is_silent_below_warnings() {
        let act = || {
            tracing::info!(target: "tungstenite::protocol", "canary");
            tracing::trace!(target: "hyper", "canary");
            tracing::debug!(target: "h2::codec", "canary");
            tracing::warn!(target: "rustls::conn", "a warning");
            tracing::info!(target: "hypernova", "another crate");
        };
        let said: Vec<_> = logged(false, act).iter().map(|line| line["msg"].clone()).collect();
        assert_eq!(said, ["a warning", "another crate"]);
        assert_eq!(logged(true, act).len(), 5);
    }
}

//! The facts of Doex as an editable file. Owns reading it, and saying where it is wrong; refuses a file that lacks
//! a fact or brings one that nobody asked for.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;
use venuekit_venue::{FaultKind, Interval};

/// The profile that is compiled in.
pub(crate) const DEFAULT: &str = include_str!("../../profile.toml");

/// Why a profile was not taken, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("profile line {line}, column {column}: {what}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct ProfileError {
    /// Counted from one.
    pub line: usize,
    /// Counted from one, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// One fact of the profile, and whether somebody has seen it on a real account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The key with its tables in front: `book.rest_depth`.
    pub name: String,
    /// Whether the file's `confirmed` list names it.
    pub confirmed: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Profile {
    confirmed: Vec<Spanned<String>>,
    pub(crate) hosts: BTreeMap<String, Hosts>,
    pub(crate) headers: Headers,
    pub(crate) params: Params,
    pub(crate) signing: Signing,
    pub(crate) budgets: Budgets,
    routes: BTreeMap<String, BTreeMap<String, Route>>,
    pub(crate) orders: Orders,
    pub(crate) history: History,
    pub(crate) streams: Streams,
    intervals: BTreeMap<String, String>,
    pub(crate) socket: Socket,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) book: Book,
    pub(crate) channels: Channels,
    errors: Errors,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hosts {
    pub(crate) rest: String,
    pub(crate) stream: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Headers {
    pub(crate) key: String,
    pub(crate) used_weight: String,
    pub(crate) order_count: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Params {
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) recv_window: String,
    pub(crate) symbol: String,
    pub(crate) interval: String,
    pub(crate) from_id: String,
    pub(crate) start_time: String,
    pub(crate) end_time: String,
    pub(crate) limit: String,
    pub(crate) side: String,
    pub(crate) r#type: String,
    pub(crate) time_in_force: String,
    pub(crate) quantity: String,
    pub(crate) price: String,
    pub(crate) stop_price: String,
    pub(crate) post_only: String,
    pub(crate) reduce_only: String,
    pub(crate) order_id: String,
    pub(crate) client_order_id: String,
    pub(crate) countdown_ms: String,
    pub(crate) listen_key: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Signing {
    pub(crate) recv_window_ms: u32,
    pub(crate) recv_window_ms_max: u32,
    pub(crate) future_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Budgets {
    pub(crate) weight_per_minute: NonZeroU32,
    pub(crate) orders_per_10s: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Route {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) weight: u32,
    /// Of what changes something, where the path serves reads too.
    pub(crate) change_weight: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Orders {
    pub(crate) client_id_max: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct History {
    pub(crate) page: NonZeroU32,
    pub(crate) span_days: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Streams {
    pub(crate) prefix: BTreeMap<String, String>,
    pub(crate) trade: String,
    pub(crate) depth: String,
    pub(crate) kline: String,
    pub(crate) ticker: String,
    pub(crate) mark: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Socket {
    pub(crate) public_path: String,
    pub(crate) user_path: String,
    pub(crate) max_age_hours: NonZeroU32,
    pub(crate) max_streams: NonZeroU32,
    pub(crate) client_messages_per_second: NonZeroU32,
    pub(crate) ack_within_s: NonZeroU32,
    pub(crate) listen_key_minutes: NonZeroU32,
    pub(crate) listen_key_renew_minutes: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Heartbeat {
    pub(crate) client_ping_s: NonZeroU32,
    pub(crate) client_pong_within_s: NonZeroU32,
    pub(crate) server_ping_s: NonZeroU32,
    pub(crate) server_ping_missed: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Book {
    pub(crate) rest_depth: NonZeroU32,
    weights: Vec<(u32, u32)>,
    pub(crate) usual_gap_ms: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Channels {
    pub(crate) trade_ids_contiguous: bool,
    pub(crate) ticker_usual_gap_ms: NonZeroU32,
    pub(crate) mark_usual_gap_ms: NonZeroU32,
    pub(crate) kline_usual_gap_ms: NonZeroU32,
}

#[derive(Clone, Debug, Deserialize)]
struct Errors {
    codes: Vec<Codes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Codes {
    from: i64,
    to: i64,
    kind: Kind,
    advice: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Credentials,
    Clock,
    BadRequest,
    Rejected,
    NotFound,
    RateLimited,
    Banned,
    Unavailable,
}

impl From<Kind> for FaultKind {
    fn from(kind: Kind) -> FaultKind {
        match kind {
            Kind::Credentials => FaultKind::Credentials,
            Kind::Clock => FaultKind::Clock,
            Kind::BadRequest => FaultKind::BadRequest,
            Kind::Rejected => FaultKind::Rejected,
            Kind::NotFound => FaultKind::NotFound,
            Kind::RateLimited => FaultKind::RateLimited,
            Kind::Banned => FaultKind::Banned,
            Kind::Unavailable => FaultKind::Unavailable,
        }
    }
}

impl Profile {
    pub(crate) fn parse(text: &str) -> Result<Profile, ProfileError> {
        let known = keys(DEFAULT)?;
        let given = keys(text)?;
        for (name, place) in &given {
            if !known.contains_key(name) {
                let what = format!("unknown key `{name}`");
                return Err(wrong(text, &place.span, what, nearest(name, known.keys())));
            }
        }
        if let Some(name) = known.keys().find(|name| !given.contains_key(*name)) {
            let what = format!("missing key `{name}`");
            let hint = "a profile has every key of the default one; copy it from there".to_owned();
            return Err(wrong(text, &nearest_table(name, &given), what, Some(hint)));
        }
        let profile: Profile = toml::from_str(text).map_err(|error| from_toml(text, &error))?;
        for fact in &profile.confirmed {
            if !known.get(fact.get_ref()).is_some_and(|place| place.is_fact) {
                let what = format!("`confirmed` names `{}`, which is no fact of a profile", fact.get_ref());
                let facts = known.iter().filter(|(_, place)| place.is_fact).map(|(name, _)| name);
                return Err(wrong(text, &fact.span(), what, nearest(fact.get_ref(), facts)));
            }
        }
        if let Some((name, path)) = profile.paths().find(|(_, path)| !path.starts_with('/')) {
            let place = given.get(&name).map_or(0..0, |place| place.span.clone());
            return Err(wrong(
                text,
                &place,
                format!("path {path:?} of `{name}` does not start with /"),
                None,
            ));
        }
        let weights = &profile.book.weights;
        if weights.is_empty() || !weights.is_sorted_by(|a, b| a.0 < b.0) {
            let place = given.get("book.weights").map_or(0..0, |place| place.span.clone());
            let what = "`book.weights` has to rise by its first column and have a row".to_owned();
            return Err(wrong(text, &place, what, None));
        }
        Ok(profile)
    }

    fn paths(&self) -> impl Iterator<Item = (String, &str)> {
        let routes = self.routes.iter().flat_map(|(group, routes)| {
            routes
                .iter()
                .map(move |(name, route)| (format!("routes.{group}.{name}.path"), route.path.as_str()))
        });
        routes.chain([
            ("socket.public_path".to_owned(), self.socket.public_path.as_str()),
            ("socket.user_path".to_owned(), self.socket.user_path.as_str()),
        ])
    }

    /// Every fact, by name.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        keys(DEFAULT)
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, place)| place.is_fact)
            .map(|(name, _)| Fact { confirmed: self.confirmed.iter().any(|c| *c.get_ref() == name), name })
            .collect()
    }

    /// A route by its group (`spot`, `futures`, `shared`) and name; nothing where the group has no such route.
    pub(crate) fn route(&self, group: &str, name: &str) -> Option<&Route> {
        self.routes.get(group)?.get(name)
    }

    /// The spelling of an interval.
    pub(crate) fn interval(&self, interval: Interval) -> &str {
        self.intervals.get(interval.as_str()).map_or(interval.as_str(), String::as_str)
    }

    /// An interval by its spelling.
    pub(crate) fn interval_of(&self, word: &str) -> Option<Interval> {
        Interval::ALL.into_iter().find(|&interval| self.interval(interval) == word)
    }

    /// The depths at which a snapshot gets dearer, up to the one that holds a whole book.
    pub(crate) fn rest_depths(&self) -> Vec<u32> {
        let most = self.book.rest_depth.get();
        let limits = self.book.weights.iter().map(|(limit, _)| *limit);
        limits.filter(|limit| *limit < most).chain([most]).collect()
    }

    /// The levels the venue would give, at most as many as asked for, and what that weighs.
    pub(crate) fn depth(&self, levels: u32) -> (u32, u32) {
        let weights = &self.book.weights;
        match weights.iter().find(|(limit, _)| levels <= *limit).or(weights.last()) {
            Some(&(limit, weight)) => (levels.min(limit), weight),
            None => (levels, 0),
        }
    }

    /// What an error code means, and what to do about it.
    pub(crate) fn meaning(&self, code: i64) -> Option<(FaultKind, &str)> {
        let found = self.errors.codes.iter().find(|codes| (codes.from..=codes.to).contains(&code))?;
        Some((found.kind.into(), &found.advice))
    }
}

/// Where a key stands, and whether it is a fact or a table of them.
struct Place {
    span: Range<usize>,
    is_fact: bool,
}

/// All keys of a text, with their tables in front.
fn keys(text: &str) -> Result<BTreeMap<String, Place>, ProfileError> {
    fn walk(table: &DeTable<'_>, prefix: &str, out: &mut BTreeMap<String, Place>) {
        for (key, value) in table {
            let name =
                if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            let inner = value.get_ref().as_table();
            let is_fact = inner.is_none() && name != "confirmed";
            if let Some(inner) = inner {
                walk(inner, &name, out);
            }
            out.insert(name, Place { span: key.span(), is_fact });
        }
    }
    let table = DeTable::parse(text).map_err(|error| from_toml(text, &error))?;
    let mut out = BTreeMap::new();
    walk(table.get_ref(), "", &mut out);
    Ok(out)
}

/// The place of the innermost table that a missing key should stand in.
fn nearest_table(name: &str, given: &BTreeMap<String, Place>) -> Range<usize> {
    let mut name = name;
    while let Some((table, _)) = name.rsplit_once('.') {
        if let Some(place) = given.get(table) {
            return place.span.clone();
        }
        name = table;
    }
    0..0
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let (distance, best) = known.map(|known| (strsim::levenshtein(name, known), known)).min()?;
    (distance <= name.len() / 2).then(|| format!("did you mean `{best}`?"))
}

fn from_toml(text: &str, error: &toml::de::Error) -> ProfileError {
    wrong(text, &error.span().unwrap_or_default(), error.message().to_owned(), None)
}

fn wrong(text: &str, span: &Range<usize>, what: String, hint: Option<String>) -> ProfileError {
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ProfileError { line, column, what, hint }
}

//! The one place that lists every venue.
//!
//! Who would take this crate alone: a program that is told by name which venues to speak.
//!
//! ```
//! let venue = venuekit_registry::venue("duedex")?;
//! assert_eq!(venue.specs()[0].product, "derivatives");
//! let error = venuekit_registry::venue("duedx").err().expect("misspelt");
//! assert_eq!(error.to_string(), "unknown venue \"duedx\"; did you mean duedex? There are doex, duedex, binance, kraken");
//! # Ok::<(), venuekit_registry::UnknownVenue>(())
//! ```
//!
//! It refuses: everything but names. What a venue does stands in its own crate.

mod sign;

use std::fmt;
use std::sync::Arc;

use venuekit_binance::Binance;
use venuekit_doex::{Doex, ProfileError};
use venuekit_duedex::DueDex;
use venuekit_kraken::Kraken;
use venuekit_venue::Venue;

pub use sign::{SignError, answer_challenge, sign_request};
pub use venuekit_doex::Fact;
pub use venuekit_venue::{Signed, Unsigned};

/// The venues there are, by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Doex,
    DueDex,
    Binance,
    Kraken,
}

const KNOWN: [(&str, Known); 4] = [
    ("doex", Known::Doex),
    ("duedex", Known::DueDex),
    ("binance", Known::Binance),
    ("kraken", Known::Kraken),
];

impl Known {
    fn id(self) -> &'static str {
        KNOWN.iter().find(|(_, known)| *known == self).map_or("", |(id, _)| id)
    }
}

/// The id of every venue, as CCXT would spell it.
pub fn ids() -> impl ExactSizeIterator<Item = &'static str> + Clone {
    KNOWN.iter().map(|(id, _)| *id)
}

/// A venue by its id, in any case.
///
/// **Errors**: [`UnknownVenue`], which names the nearest.
pub fn venue(id: &str) -> Result<Arc<dyn Venue>, UnknownVenue> {
    Ok(match known(id)? {
        Known::Doex => Arc::new(Doex::default()),
        Known::DueDex => Arc::new(DueDex::new()),
        Known::Binance => Arc::new(Binance::new()),
        Known::Kraken => Arc::new(Kraken::new()),
    })
}

/// A venue by its id, as the text of a profile describes it.
///
/// **Errors**: [`WithProfileError`].
pub fn with_profile(id: &str, profile: &str) -> Result<Arc<dyn Venue>, WithProfileError> {
    match known(id)? {
        Known::Doex => Ok(Arc::new(Doex::from_profile(profile)?)),
        other => Err(WithProfileError::NoProfile { venue: other.id() }),
    }
}

/// The profile that is compiled in, for venues which have one.
///
/// **Errors**: [`UnknownVenue`], which names the nearest.
pub fn default_profile(id: &str) -> Result<Option<&'static str>, UnknownVenue> {
    Ok(match known(id)? {
        Known::Doex => Some(Doex::DEFAULT_PROFILE),
        Known::DueDex | Known::Binance | Known::Kraken => None,
    })
}

/// What is assumed of a venue that publishes no reference, and whether it was seen; nothing for the others.
pub fn facts(id: &str) -> Option<Vec<Fact>> {
    match known(id).ok()? {
        Known::Doex => Some(Doex::default().facts()),
        Known::DueDex | Known::Binance | Known::Kraken => None,
    }
}

fn known(id: &str) -> Result<Known, UnknownVenue> {
    let found = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(id));
    found.map(|&(_, known)| known).ok_or_else(|| UnknownVenue::new(id))
}

/// No venue goes by that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVenue {
    /// What was given.
    pub given: String,
    /// The ids that may have been meant, nearest first; empty when none is near.
    pub nearest: Vec<&'static str>,
}

impl UnknownVenue {
    fn new(given: &str) -> UnknownVenue {
        let lower = given.to_ascii_lowercase();
        let mut near: Vec<_> = ids()
            .map(|id| (strsim::damerau_levenshtein(&lower, id), id))
            .filter(|(distance, id)| *distance <= id.len() / 3)
            .collect();
        near.sort();
        UnknownVenue { given: given.to_owned(), nearest: near.into_iter().map(|(_, id)| id).collect() }
    }
}

impl std::error::Error for UnknownVenue {}

impl fmt::Display for UnknownVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown venue {:?}", self.given)?;
        if !self.nearest.is_empty() {
            write!(f, "; did you mean {}?", self.nearest.join(" or "))?;
        }
        let joint = if self.nearest.is_empty() { "; there are" } else { " There are" };
        write!(f, "{joint} {}", ids().collect::<Vec<_>>().join(", "))
    }
}

/// Why a venue cannot be had with that profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WithProfileError {
    /// There is no such venue.
    #[error(transparent)]
    Unknown(#[from] UnknownVenue),
    /// All that is known of the venue is documented.
    #[error("{venue} has no profile to replace; leave the profile out")]
    NoProfile {
        /// Which one.
        venue: &'static str,
    },
    /// The profile is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

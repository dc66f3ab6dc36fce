//! Numbers that cannot hide what they lack: the type has to be opened before the number can be read.

use std::time::Duration;

use venuekit_types::Symbol;

use crate::{Name, Place};

/// What a venue said, as long as its word still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported<T> {
    /// Told by a feed that is live.
    Known(T),
    /// Never told, left out of the last snapshot, or told by a feed that is not live.
    Unreported,
}

impl<T> Reported<T> {
    /// The value, where there is one.
    pub fn known(self) -> Option<T> {
        match self {
            Reported::Known(value) => Some(value),
            Reported::Unreported => None,
        }
    }
}

/// A number that needs everything it is made of, or cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight<T> {
    /// The number.
    Seen(T),
    /// Why there is none; never empty.
    Blind(Vec<Cause>),
}

impl<T> Sight<T> {
    pub(crate) fn blind(cause: Cause) -> Sight<T> {
        Sight::Blind(vec![cause])
    }

    /// The number, where there is one.
    pub fn seen(self) -> Option<T> {
        match self {
            Sight::Seen(value) => Some(value),
            Sight::Blind(_) => None,
        }
    }
}

/// A total, which says so when parts of it are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure<T> {
    /// Every part is in it.
    Whole(T),
    /// Some parts are not.
    Partial {
        /// The sum of the parts that are known.
        known: T,
        /// Why the others are left out; never empty.
        without: Vec<Cause>,
    },
}

impl<T> Figure<T> {
    pub(crate) fn of(known: T, without: Vec<Cause>) -> Figure<T> {
        if without.is_empty() { Figure::Whole(known) } else { Figure::Partial { known, without } }
    }

    /// The total, only where nothing is missing.
    pub fn whole(self) -> Option<T> {
        match self {
            Figure::Whole(value) => Some(value),
            Figure::Partial { .. } => None,
        }
    }
}

/// Why a number is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A ledger is not reported.
    #[error("the balance at {0} is not reported; wait for its resync")]
    Ledger(Place),
    /// A position is not reported.
    #[error("the position in {symbol} at {venue} is not reported; wait for its resync")]
    Position {
        /// The venue.
        venue: Name,
        /// The instrument.
        symbol: Symbol,
    },
    /// No mark was ever seen.
    #[error("there is no mark for {0}; subscribe to it")]
    NoMark(String),
    /// The mark is too old.
    #[error("the mark for {of} is {} ms old; wait for a fresh one", age.as_millis())]
    StaleMark {
        /// Of what.
        of: String,
        /// How old it is.
        age: Duration,
    },
    /// The contract's terms are not known.
    #[error("the terms of {0} are not known; load the instruments")]
    NoTerms(Symbol),
    /// The venue does not say what the position needs for this.
    #[error("the venue does not tell the {field} of the position in {symbol}; ask for positions again")]
    NoField {
        /// The instrument.
        symbol: Symbol,
        /// What is missing.
        field: &'static str,
    },
}

//! Kraken: spot (REST and WebSocket v2) and futures (REST and v1 feeds), two engines with nothing in common but a name.
//!
//! **Source**: docs.kraken.com, pages of the exchange and futures APIs, read 2026-10.
//!
//! Numbers are JSON numbers as often as strings, with trailing zeros and exponents (`5.1e-05`); both keep their
//! text. Spot spells its fields with underscores; futures mixes both ways even within one answer.

pub mod futures;
pub mod spot;
pub mod v1;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::{Num, RawValue, Text};

/// An object whose keys are names of the venue's, in the order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a, T>(pub Vec<(Text<'a>, T)>);

impl<T: serde::Serialize> serde::Serialize for Named<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, row)| (name, row)))
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Named<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<'a, T>, D::Error> {
        struct NamedVisitor<'a, T>(PhantomData<(&'a (), T)>);
        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<'a, T> {
            type Value = Named<'a, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<'a, T>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = map.next_entry()? {
                    rows.push(row);
                }
                Ok(Named(rows))
            }
        }
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

shapes! {
    /// One level of a book, as both engines write it.
    Level {
        /// The price.
        price: Num<'a>,
        /// The quantity that stands there now; zero for none.
        qty: Num<'a>,
    }
}

/// Levels in an array of arrays, not looked into yet.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub struct Sides<'a> {
    /// Asks.
    #[serde(borrow)]
    pub asks: &'a RawValue,
    /// Bids.
    pub bids: &'a RawValue,
}

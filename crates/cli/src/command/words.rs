//! Names on the command line, and the nearest valid ones.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use venuekit_venue::Venue;

use crate::exit::{Exit, Failure, OrExit};

/// The fault profiles of the simulator.
pub(crate) const FAULTS: [&str; 3] = ["none", "light", "heavy"];

/// The most suggestions worth reading.
const SUGGESTIONS: usize = 5;

/// Reads a venue's name, for clap.
pub(crate) fn venue(text: &str) -> Result<&'static str, venuekit_registry::UnknownVenue> {
    venuekit_registry::venue(text)?;
    Ok(venuekit_registry::ids().find(|id| id.eq_ignore_ascii_case(text)).expect("the registry just found it"))
}

/// The names nearest to a text, nearest first: those that hold it or are held by it count as near.
pub(crate) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let bare = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
    };
    let wanted = bare(text);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| {
            let bare = bare(name);
            let holds = !wanted.is_empty() && (bare.contains(&wanted) || wanted.contains(&bare));
            (if holds { 0 } else { strsim::damerau_levenshtein(&wanted, &bare) }, name)
        })
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(SUGGESTIONS).collect()
}

/// A venue, and the text of the profile that replaces its own.
pub(crate) struct Opened {
    pub(crate) venue: Arc<dyn Venue>,
    pub(crate) profile: Option<String>,
}

/// Opens a venue, with the profile of a file where one is given.
pub(crate) fn open(id: &str, profile: Option<&Path>) -> Result<Opened, Failure> {
    let Some(path) = profile else {
        let venue = venuekit_registry::venue(id).or_exit(Exit::Usage)?;
        return Ok(Opened { venue, profile: None });
    };
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the profile {name}"));
    let text = text.or_exit(Exit::Config)?;
    let venue = venuekit_registry::with_profile(id, &text).with_context(|| name.to_string());
    Ok(Opened { venue: venue.or_exit(Exit::Config)?, profile: Some(text) })
}

/// Checks the name of a product.
pub(crate) fn product(venue: &dyn Venue, name: &str) -> Result<(), Failure> {
    let products = || venue.specs().iter().map(|spec| spec.product.as_str());
    if products().any(|product| product == name) {
        return Ok(());
    }
    let near = match nearest(name, products()).first() {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    let (venue, all) = (&venue.specs()[0].venue, products().collect::<Vec<_>>().join(", "));
    Err(Failure::say(Exit::Usage, format_args!("{venue} has no product {name:?}{near} It has {all}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_named_nearest_first() {
        let names = ["BTC/USDT", "ETH/USDT", "DOGE/USDT", "BTC/USDT:USDT", "LINK/USDT:USDT"];
        let check = |text, expected: &[&str]| assert_eq!(nearest(text, names), expected, "{text}");
        check("btc-usd", &["BTC/USDT", "BTC/USDT:USDT"]);
        check("BCT/USDT", &["BTC/USDT", "BTC/USDT:USDT"]);
        check("doge", &["DOGE/USDT"]);
        check("", &[]);
        check("a-name-that-nothing-here-comes-near-to", &[]);
    }
}

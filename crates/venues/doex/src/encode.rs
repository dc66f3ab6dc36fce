//! What is said to Doex: frames that subscribe, and requests. Every name comes from the profile.

mod ask;

pub(crate) use ask::ask;

use venuekit_venue::{Channel, Place, Say, Topic};
use venuekit_wire::Text;
use venuekit_wire::doex::{self, Request};

use crate::spec::{FUTURES, PRODUCTS, Profile};

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(profile: &Profile, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let (method, id, topics) = match say {
        Say::Subscribe { id, topics, .. } => (doex::Method::Subscribe, id, topics),
        Say::Unsubscribe { id, topics, .. } => (doex::Method::Unsubscribe, id, topics),
        Say::AskChallenge { .. } | Say::Login { .. } | Say::Ping { .. } | Say::Pong { .. } => return false,
    };
    let streams = topics.iter().map(|&topic| stream(profile, place, topic).map(Text::from));
    match streams.collect::<Option<Vec<_>>>() {
        Some(params) if !params.is_empty() => {
            serde_json::to_writer(out, &Request { method, params, id }).is_ok()
        }
        _ => false,
    }
}

/// The name of a stream. Private ones have none: the URL subscribes to them all.
fn stream(profile: &Profile, place: Place<'_>, topic: Topic) -> Option<String> {
    let names = &profile.streams;
    let (template, interval) = match topic.channel {
        Channel::Book => (&names.depth, None),
        Channel::Trades => (&names.trade, None),
        Channel::Ticker => (&names.ticker, None),
        Channel::Candles(interval) => (&names.kline, Some(profile.interval(interval))),
        Channel::Mark if place.product == FUTURES => (&names.mark, None),
        Channel::Mark | Channel::Orders | Channel::Positions | Channel::Balances | Channel::Fills => {
            return None;
        }
    };
    let symbol = place.catalog.get(topic.market?)?.venue_symbol.to_ascii_lowercase();
    let prefix = names.prefix.get(*PRODUCTS.get(place.product)?)?;
    let name = template.replace("{symbol}", &symbol).replace("{interval}", interval.unwrap_or_default());
    Some(format!("{prefix}{name}"))
}

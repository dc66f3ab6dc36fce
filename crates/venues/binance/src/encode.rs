//! What is said to Binance: frames that subscribe, the one that opens a user stream, and requests.

mod ask;

pub(crate) use ask::ask;

use venuekit_venue::{Channel, Place, Say, Topic};
use venuekit_wire::Text;
use venuekit_wire::binance::{Method, Request};

use crate::auth;
use crate::spec::USDM;

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let (method, id, topics) = match say {
        Say::Subscribe { id, topics, .. } => (Method::Subscribe, id, topics),
        Say::Unsubscribe { id, topics, .. } => (Method::Unsubscribe, id, topics),
        Say::Login { credentials, challenge: None, at } if place.product != USDM => {
            return auth::login(credentials, at)
                .is_ok_and(|frame| serde_json::to_writer(out, &frame).is_ok());
        }
        Say::AskChallenge { .. } | Say::Login { .. } | Say::Ping { .. } | Say::Pong { .. } => return false,
    };
    let streams = topics.iter().map(|&topic| stream(place, topic).map(Text::from));
    match streams.collect::<Option<Vec<_>>>() {
        Some(params) if !params.is_empty() => {
            serde_json::to_writer(out, &Request { method, params, id }).is_ok()
        }
        _ => false,
    }
}

/// The name of a stream. Private ones have none: they start with the connection.
fn stream(place: Place<'_>, topic: Topic) -> Option<String> {
    let usdm = place.product == USDM;
    let symbol = place.catalog.get(topic.market?)?.venue_symbol.to_lowercase();
    Some(match topic.channel {
        Channel::Book => format!("{symbol}@depth@100ms"),
        Channel::Trades if usdm => format!("{symbol}@aggTrade"),
        Channel::Trades => format!("{symbol}@trade"),
        Channel::Ticker => format!("{symbol}@ticker"),
        Channel::Candles(interval) => format!("{symbol}@kline_{}", interval.as_str()),
        Channel::Mark if usdm => format!("{symbol}@markPrice@1s"),
        Channel::Mark | Channel::Orders | Channel::Positions | Channel::Balances | Channel::Fills => {
            return None;
        }
    })
}

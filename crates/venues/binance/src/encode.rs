//! What is said to Binance: frames that subscribe, the one that opens a user stream, and requests.

mod ask;

pub(crate) use ask::ask;

use serde::Serialize;
use venuekit_venue::{Channel, Pass, Place, Say, Topic};
use venuekit_wire::binance::{ApiRequest, Method, Request};
use venuekit_wire::{Hidden, Text};

use crate::auth;
use crate::spec::{MARGIN, is_usdm};

/// What opens the stream of a margin wallet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByToken<'a> {
    listen_token: Hidden<'a>,
}

/// What a request without parameters takes.
#[derive(Serialize)]
struct Nothing {}

/// What is said of the stream of a margin wallet, which has no topics: all of it or nothing.
fn margin(say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let request = |id: u64, method| (Text::from(id.to_string()), method);
    let written = match say {
        Say::Subscribe { id, pass: Some(Pass::Token(token)), .. } => {
            let (id, method) = request(id, "userDataStream.subscribe.listenToken".into());
            let params = ByToken { listen_token: Hidden(Text::from(token.0.as_str())) };
            serde_json::to_writer(out, &ApiRequest { id, method, params })
        }
        Say::Unsubscribe { id, .. } => {
            let (id, method) = request(id, "userDataStream.unsubscribe".into());
            serde_json::to_writer(out, &ApiRequest { id, method, params: Nothing {} })
        }
        _ => return false,
    };
    written.is_ok()
}

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    if place.product == MARGIN {
        return margin(say, out);
    }
    let (method, id, topics) = match say {
        Say::Subscribe { id, topics, .. } => (Method::Subscribe, id, topics),
        Say::Unsubscribe { id, topics, .. } => (Method::Unsubscribe, id, topics),
        Say::Login { credentials, challenge: None, at } if !is_usdm(place.product) => {
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
    let usdm = is_usdm(place.product);
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

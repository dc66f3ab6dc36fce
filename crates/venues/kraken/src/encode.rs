//! What is said to Kraken: frames of both kinds of stream, and requests.

mod futures;
mod spot;

use serde_json::{Value, json};
use venuekit_sign::kraken::challenge;
use venuekit_venue::{Ask, Channel, HttpRequest, Pass, Place, Say, Topic};

use crate::spec::{DEPTH, FEEDS, SPOT, minutes};

/// Writes one request; nothing when the venue has no such route, or when it cannot be said of what the catalog holds.
pub(crate) fn ask(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    if place.product == SPOT { spot::ask(place, ask) } else { futures::ask(place, ask) }
}

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let frame = if place.product == SPOT { spot_frame(place, say) } else { futures_frame(place, say) };
    frame.is_some_and(|frame| serde_json::to_writer(out, &frame).is_ok())
}

/// The channel that all topics are of, and the names of their markets; nothing when they do not go together.
fn topics<'a>(
    place: Place<'a>,
    topics: &[Topic],
    name: impl Fn(Channel) -> Option<&'static str>,
) -> Option<(&'static str, Channel, Vec<&'a str>)> {
    let first = topics.first()?.channel;
    let word = name(first)?;
    let mut symbols = Vec::new();
    for topic in topics {
        match topic.market {
            _ if name(topic.channel) != Some(word) => return None,
            Some(market) if topic.channel == first && !first.is_private() => {
                symbols.push(place.catalog.get(market)?.venue_symbol.as_str());
            }
            None if topic.channel.is_private() => {}
            _ => return None,
        }
    }
    Some((word, first, symbols))
}

fn spot_frame(place: Place<'_>, say: Say<'_>) -> Option<Value> {
    let (method, id, wanted, pass) = match say {
        Say::Subscribe { id, topics, pass } => ("subscribe", id, topics, pass),
        Say::Unsubscribe { id, topics, pass } => ("unsubscribe", id, topics, pass),
        Say::Ping { id } => return Some(json!({"method": "ping", "req_id": id})),
        Say::AskChallenge { .. } | Say::Login { .. } | Say::Pong { .. } => return None,
    };
    let name = |channel| match channel {
        Channel::Book => Some("book"),
        Channel::Trades => Some("trade"),
        Channel::Ticker => Some("ticker"),
        Channel::Candles(_) => Some("ohlc"),
        Channel::Orders | Channel::Fills => Some("executions"),
        Channel::Balances => Some("balances"),
        Channel::Mark | Channel::Positions => None,
    };
    let (word, channel, symbols) = topics(place, wanted, name)?;
    let mut params = json!({"channel": word});
    if !channel.is_private() {
        params["symbol"] = json!(symbols);
    }
    // What tells one subscription from another is said when it is left, too.
    match channel {
        Channel::Book => params["depth"] = json!(DEPTH),
        Channel::Candles(interval) => params["interval"] = json!(minutes(interval)),
        Channel::Ticker if method == "subscribe" => params["event_trigger"] = json!("bbo"),
        _ => {}
    }
    if method == "subscribe" && word == "executions" {
        params["snap_orders"] = json!(true);
        params["snap_trades"] = json!(true);
    }
    match (channel.is_private(), pass) {
        (true, Some(Pass::Token(token))) => params["token"] = json!(token.0),
        (true, _) => return None,
        (false, _) => {}
    }
    Some(json!({"method": method, "params": params, "req_id": id}))
}

fn futures_frame(place: Place<'_>, say: Say<'_>) -> Option<Value> {
    let (event, wanted, pass) = match say {
        Say::Subscribe { topics, pass, .. } => ("subscribe", topics, pass),
        Say::Unsubscribe { topics, pass, .. } => ("unsubscribe", topics, pass),
        Say::AskChallenge { credentials } => {
            return Some(json!({"event": "challenge", "api_key": credentials.key}));
        }
        Say::Ping { .. } => return Some(json!({"event": "ping"})),
        Say::Login { .. } | Say::Pong { .. } => return None,
    };
    let name = |channel| FEEDS.iter().find(|(known, _)| *known == channel).map(|(_, word)| *word);
    let (feed, channel, products) = topics(place, wanted, name)?;
    let mut frame = json!({"event": event, "feed": feed});
    match (channel.is_private(), pass) {
        (true, Some(Pass::Challenge { credentials, challenge: text })) => {
            frame["api_key"] = json!(credentials.key);
            frame["original_challenge"] = json!(text);
            frame["signed_challenge"] = json!(challenge(&credentials.secret, text).ok()?);
        }
        (true, _) => return None,
        (false, _) => frame["product_ids"] = json!(products),
    }
    Some(frame)
}

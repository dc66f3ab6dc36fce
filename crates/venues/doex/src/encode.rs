//! What is said to Doex: frames that subscribe, and requests. Every name comes from the profile.

use venuekit_types::UnixNanos;
use venuekit_venue::{Ask, Channel, HttpRequest, MarketId, Place, Say, Topic};
use venuekit_wire::Text;
use venuekit_wire::doex::{self, Request};

use crate::spec::{FUTURES, PRODUCTS, Profile};

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(profile: &Profile, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let (method, id, topics) = match say {
        Say::Subscribe { id, topics } => (doex::Method::Subscribe, id, topics),
        Say::Unsubscribe { id, topics } => (doex::Method::Unsubscribe, id, topics),
        Say::AskChallenge | Say::Login { .. } | Say::Ping { .. } | Say::Pong { .. } => return false,
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

/// Writes one request; nothing when the venue has no such route.
pub(crate) fn ask(profile: &Profile, place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let names = &profile.params;
    let page = profile.history.page.get();
    let symbol = |market: MarketId| {
        let instrument = place.catalog.get(market)?;
        Some((names.symbol.as_str(), instrument.venue_symbol.clone()))
    };
    let mut weight = None;
    let (group, name, params) = match ask {
        Ask::Instruments => ("shared", "instruments", vec![]),
        Ask::Time => ("shared", "time", vec![]),
        Ask::Depth { market, levels } => {
            let (limit, weighs) = profile.depth(*levels);
            weight = Some(weighs);
            ("", "depth", vec![symbol(*market)?, (&names.limit, limit.to_string())])
        }
        Ask::Trades { market, from, limit } => {
            let mut params = vec![symbol(*market)?, (&names.limit, page.min(*limit).to_string())];
            params.extend(from.map(|id| (names.from_id.as_str(), id.to_string())));
            ("", "trades", params)
        }
        Ask::Candles { market, interval, from, to } => {
            let params = vec![
                symbol(*market)?,
                (&names.interval, profile.interval(*interval).to_owned()),
                (&names.start_time, millis_from(*from).to_string()),
                // The venue's last millisecond counts in, ours does not.
                (&names.end_time, (millis_from(*to) - 1).to_string()),
                (&names.limit, page.to_string()),
            ];
            ("", "klines", params)
        }
        Ask::Mark { market } => ("", "mark", vec![symbol(*market)?]),
        _ => return None,
    };
    let group = if group.is_empty() { PRODUCTS.get(place.product)? } else { group };
    let route = profile.route(group, name)?;
    let query: Vec<String> = params.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{}", route.path, query.join("&"));
    Some(HttpRequest { weight: weight.unwrap_or(route.weight), ..HttpRequest::get(ask, name, target) })
}

/// The first whole millisecond at or after an instant.
fn millis_from(at: UnixNanos) -> i64 {
    at.millis() + i64::from(UnixNanos::from_millis(at.millis()) != at)
}

//! What is said to DueDEX: frames of the feed, and requests.

use venuekit_types::UnixNanos;
use venuekit_venue::{Ask, HttpRequest, Interval, Origin, Place, Say, Topic};
use venuekit_wire::Text;
use venuekit_wire::duedex::{self, ClientFrame, Subscription};

use crate::auth;
use crate::spec::{CHANNELS, SITE};

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let Some(frame) = frame(place, say) else { return false };
    serde_json::to_writer(out, &frame).is_ok()
}

fn frame<'a>(place: Place<'a>, say: Say<'a>) -> Option<ClientFrame<'a>> {
    Some(match say {
        Say::Subscribe { topics, .. } => ClientFrame::Subscribe { channels: channels(place, topics)? },
        Say::Unsubscribe { topics, .. } => ClientFrame::Unsubscribe { channels: channels(place, topics)? },
        Say::AskChallenge => ClientFrame::Challenge,
        Say::Login { credentials, challenge, .. } => auth::login(credentials, challenge?).ok()?,
        Say::Ping { .. } | Say::Pong { .. } => return None,
    })
}

/// One entry for each channel, with all of its instruments, in the order they were asked for.
fn channels<'a>(place: Place<'a>, topics: &[Topic]) -> Option<Vec<Subscription<'a>>> {
    let mut channels: Vec<Subscription<'a>> = Vec::new();
    for topic in topics {
        let &(_, word) = CHANNELS.iter().find(|(channel, _)| *channel == topic.channel)?;
        let name = duedex::Channel::from(Text::from(word));
        let known = channels.iter().position(|channel| channel.name == name);
        let at = known.unwrap_or_else(|| {
            channels.push(Subscription { name, instruments: Vec::new() });
            channels.len() - 1
        });
        match topic.market {
            Some(market) if !topic.channel.is_private() => {
                let instrument = place.catalog.get(market)?;
                channels[at].instruments.push(Text::from(instrument.venue_symbol.as_str()));
            }
            None if topic.channel.is_private() => {}
            _ => return None,
        }
    }
    (!channels.is_empty()).then_some(channels)
}

/// Writes one request; nothing when the venue has no such route.
pub(crate) fn ask(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let symbol = |market| place.catalog.get(market).map(|instrument| instrument.venue_symbol.as_str());
    let (route, target) = match ask {
        Ask::Instruments => ("/v1/instrument", "/v1/instrument".to_owned()),
        Ask::Ticker { market } => ("/v1/ticker/{instrument}", format!("/v1/ticker/{}", symbol(*market)?)),
        Ask::Candles { market, interval, from, to } => {
            // Both ends are whole seconds and the last one counts in.
            let (from, to) = (seconds_from(*from), seconds_from(*to) - 1);
            let (symbol, resolution) = (symbol(*market)?, resolution(*interval)?);
            (BARS, format!("{BARS}?symbol={symbol}&resolution={resolution}&from={from}&to={to}"))
        }
        _ => return None,
    };
    let origin = if route == BARS { Origin::Other(SITE) } else { Origin::Rest };
    Some(HttpRequest { origin, ..HttpRequest::get(ask, route, target) })
}

/// Candles live on the website's host and not on that of the API.
const BARS: &str = "/bars/v1/tradingView/history";

/// The resolutions that clients have used; others are not known to exist.
fn resolution(interval: Interval) -> Option<&'static str> {
    match interval {
        Interval::M1 => Some("1"),
        Interval::H1 => Some("60"),
        Interval::D1 => Some("D"),
        Interval::M5 | Interval::M15 | Interval::H4 => None,
    }
}

/// The first whole second at or after an instant.
fn seconds_from(at: UnixNanos) -> i64 {
    at.0.div_euclid(1_000_000_000) + i64::from(at.0.rem_euclid(1_000_000_000) != 0)
}

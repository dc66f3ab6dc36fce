//! What is said to DueDEX: frames of the feed, and requests.

mod ask;

pub(crate) use ask::ask;

use venuekit_venue::{Place, Say, Topic};
use venuekit_wire::Text;
use venuekit_wire::duedex::{self, ClientFrame, Subscription};

use crate::auth;
use crate::spec::CHANNELS;

/// Writes one message; false when there is none, or when it cannot be said of what the catalog holds.
pub(crate) fn say(place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
    let Some(frame) = frame(place, say) else { return false };
    serde_json::to_writer(out, &frame).is_ok()
}

fn frame<'a>(place: Place<'a>, say: Say<'a>) -> Option<ClientFrame<'a>> {
    Some(match say {
        Say::Subscribe { topics, .. } => ClientFrame::Subscribe { channels: channels(place, topics)? },
        Say::Unsubscribe { topics, .. } => ClientFrame::Unsubscribe { channels: channels(place, topics)? },
        Say::AskChallenge { .. } => ClientFrame::Challenge,
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

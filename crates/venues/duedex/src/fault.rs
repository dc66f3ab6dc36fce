//! The venue's refusals as faults: who must act, and whether trying again can help.
//!
//! **Source**: ccxt's exception map for DueDEX, the only table of codes there is; codes 10056 and 10117 were seen
//! live. The venue's own document names success alone.

use serde_json::value::RawValue;
use venuekit_venue::read::clip;
use venuekit_venue::{Fault, FaultKind, HttpReply};
use venuekit_wire::{WireError, duedex};

/// No orders to cancel.
pub(crate) const NO_ORDERS: i64 = 10118;

/// Takes the data out of an answer's envelope; nothing where the route has nothing to say.
pub(crate) fn data<'a>(reply: &HttpReply<'a>) -> Result<Option<&'a RawValue>, Fault> {
    let answer: Result<duedex::Answer<'a>, WireError> = venuekit_wire::parse(reply.body);
    match &answer {
        Ok(answer) if answer.code == Some(0) && is_success(reply.status) => Ok(answer.data),
        _ => Err(of(reply, answer)),
    }
}

/// Takes an answer that comes without an envelope.
pub(crate) fn body<'a>(reply: &HttpReply<'a>) -> Result<&'a [u8], Fault> {
    if is_success(reply.status) {
        return Ok(reply.body);
    }
    Err(of(reply, venuekit_wire::parse(reply.body)))
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn of(reply: &HttpReply<'_>, answer: Result<duedex::Answer<'_>, WireError>) -> Fault {
    let code = answer.as_ref().ok().and_then(|answer| answer.code).filter(|&code| code != 0);
    let words = match &answer {
        Ok(answer) => match answer.message.as_ref().or(answer.title.as_ref()) {
            Some(words) => clip(words).to_owned(),
            None => format!("HTTP {} without a message", reply.status),
        },
        // What a proxy wrote may repeat our request, so it is not quoted.
        Err(_) => format!("HTTP {} with {} bytes that are no answer", reply.status, reply.body.len()),
    };
    let by_code = code.map(meaning);
    let kind_of_code = by_code.map(|(kind, _)| kind);
    let kind = match reply.status {
        429 => FaultKind::RateLimited,
        // A ban comes as 403, and so may a key that lacks a permission.
        403 => kind_of_code.filter(|&kind| kind == FaultKind::Credentials).unwrap_or(FaultKind::Banned),
        500..600 => FaultKind::Unavailable,
        status => kind_of_code.unwrap_or(match status {
            401 => FaultKind::Credentials,
            404 => FaultKind::NotFound,
            400..500 => FaultKind::BadRequest,
            _ => FaultKind::Unreadable,
        }),
    };
    // Where the status overrules the code, so does its advice.
    let advice = by_code.filter(|(of_code, _)| *of_code == kind).map_or(kind.advice(), |(_, advice)| advice);
    Fault { kind, code, text: format!("{words}; {advice}"), retry: kind.retry(reply.retry_after()) }
}

/// What a code means and what to do about it; an unknown one is the caller's, since that is what most of them are.
fn meaning(code: i64) -> (FaultKind, &'static str) {
    match CODES.iter().find(|(known, ..)| *known == code) {
        Some(&(_, kind, advice)) => (kind, if advice.is_empty() { kind.advice() } else { advice }),
        None => (FaultKind::BadRequest, FaultKind::BadRequest.advice()),
    }
}

use FaultKind::{BadRequest, Clock, Credentials, NotFound, RateLimited, Rejected, Unavailable};

/// Every code that is known; an empty text leaves the advice to the kind.
const CODES: [(i64, FaultKind, &str); 57] = [
    (-1, Unavailable, ""),
    (100, Unavailable, ""),
    (1000, BadRequest, "correct the argument that is named"),
    (5000, NotFound, "check the path of the request"),
    (5001, BadRequest, "send key, timestamp and signature together"),
    (5002, Credentials, "use a key that exists; it may have been deleted"),
    (5003, Clock, "measure the venue's time again: the timestamp runs ahead of it"),
    (5004, Clock, "measure the venue's time again, or let requests hold for longer"),
    (5005, Credentials, "check the secret: it is base64 and belongs to this key"),
    (5006, BadRequest, "send each parameter once"),
    (5007, BadRequest, "send the body as UTF-8"),
    (5008, BadRequest, "send a smaller request"),
    (5009, BadRequest, "send the body as application/json"),
    (5010, RateLimited, ""),
    (5011, Credentials, "give the key the permission that this takes: view to read, trade to order"),
    (5012, Credentials, "add this address to the key's allow-list"),
    (10028, Rejected, "add margin, or order less: the balance does not suffice"),
    (10035, BadRequest, "use a leverage between zero (cross) and the instrument's highest"),
    (10036, Rejected, "wait until the instrument is open"),
    (10037, Rejected, "read the order again: its state does not allow this"),
    (10038, Rejected, "use a price on a tick"),
    (10039, BadRequest, "use a risk limit on the instrument's steps"),
    (10040, Rejected, "use a size on a lot"),
    (10050, NotFound, "use an instrument of the venue's list"),
    (10052, BadRequest, "use less leverage"),
    (10056, NotFound, "take the order as gone, and confirm by a query"),
    (10061, Rejected, "use a price before the liquidation price"),
    (10065, Rejected, "order less, or raise the risk limit"),
    (10066, BadRequest, "nothing: the risk limit is that already"),
    (10070, NotFound, "use a token of the venue"),
    (10075, Credentials, "check that the key belongs to this account"),
    (10082, Credentials, "use a key that exists; it may have been deleted"),
    (10090, Credentials, "give the key a permission; it has none"),
    (10091, Rejected, "use a price that crosses: nothing could fill at once"),
    (10092, Rejected, "use a price before the liquidation price"),
    (10093, Rejected, "look the order up by its client id: it was placed before"),
    (10094, Rejected, "nothing: there is no position to close"),
    (10095, BadRequest, "use an amount other than zero"),
    (10098, NotFound, "check the instrument: there is no position in it"),
    (10099, Rejected, "cancel orders first: there are as many as may be"),
    (10100, Rejected, "order less, or another price: it could not fill whole"),
    (10101, BadRequest, "nothing: the order margin mode is that already"),
    (10102, BadRequest, "nothing: the risk value mode is that already"),
    (10103, Rejected, "use a lower price"),
    (10104, Rejected, "use a higher price"),
    (10106, Rejected, "cancel the close order that exists first"),
    (10107, Rejected, "use a time in force that the type allows"),
    (10117, Rejected, "use a price that does not cross, or leave post-only out"),
    (NO_ORDERS, NotFound, "nothing: there are no orders to cancel"),
    (10119, Rejected, "read the target order again: it was refused"),
    (10120, Rejected, "use a price above zero and within the instrument's highest"),
    (10121, Rejected, "use a size above zero and within the instrument's largest"),
    // The table has 10028 at the place of this one, and either may be what is sent.
    (10128, Rejected, "add margin, or order less: the balance does not suffice"),
    (10148, Rejected, "use a type of order that the venue has"),
    (10187, BadRequest, "unlock the leverage before going to cross"),
    (10188, BadRequest, "use more leverage, or unlock it"),
    (10189, BadRequest, "use less leverage, or unlock it"),
];

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
    let text = match &answer {
        Ok(answer) => match answer.message.as_ref().or(answer.title.as_ref()) {
            Some(words) => clip(words).to_owned(),
            None => format!("HTTP {} without a message", reply.status),
        },
        // What a proxy wrote may repeat our request, so it is not quoted.
        Err(_) => format!("HTTP {} with {} bytes that are no answer", reply.status, reply.body.len()),
    };
    let by_code = code.map(kind_of);
    let kind = match reply.status {
        429 => FaultKind::RateLimited,
        // A ban comes as 403, and so may a key that lacks a permission.
        403 => by_code.filter(|&kind| kind == FaultKind::Credentials).unwrap_or(FaultKind::Banned),
        500..600 => FaultKind::Unavailable,
        status => by_code.unwrap_or(match status {
            401 => FaultKind::Credentials,
            404 => FaultKind::NotFound,
            400..500 => FaultKind::BadRequest,
            _ => FaultKind::Unreadable,
        }),
    };
    Fault { kind, code, text, retry: kind.retry(reply.retry_after()) }
}

/// What a code means; an unknown one is the caller's, since that is what most of them are.
fn kind_of(code: i64) -> FaultKind {
    match code {
        // Internal error, service unavailable.
        -1 | 100 => FaultKind::Unavailable,
        // No such route, instrument, token, order or position; no orders to cancel.
        5000 | 10050 | 10056 | 10070 | 10098 | 10118 => FaultKind::NotFound,
        // Invalid timestamp, invalid expiration.
        5003 | 5004 => FaultKind::Clock,
        // Key, signature, permission, address.
        5002 | 5005 | 5011 | 5012 | 10075 | 10082 | 10090 => FaultKind::Credentials,
        5010 => FaultKind::RateLimited,
        // Status of instrument or order, price and size, liquidation price, risk limit, counts, balance (spelt
        // both ways), time in force, what could not fill, post-only, duplicate client id.
        10036..=10038
        | 10040
        | 10061
        | 10065
        | 10091..=10094
        | 10099
        | 10100
        | 10103
        | 10104
        | 10106
        | 10107
        | 10117
        | 10119..=10121
        | 10028
        | 10128
        | 10148 => FaultKind::Rejected,
        // Arguments, headers, charset, size, leverage and risk settings, and whatever is new.
        _ => FaultKind::BadRequest,
    }
}

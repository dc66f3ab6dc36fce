//! The venue's refusals as faults: who must act, and whether trying again can help. Spot has sentences that begin alike,
//! futures have words.
//!
//! **Source**: docs.kraken.com, "Error messages" of both engines, read 2026-10; words that only third parties name are
//! mapped by their prefix.

use core::time::Duration;

use FaultKind::{
    BadRequest, Banned, Clock, Credentials, NotFound, RateLimited, Rejected, Unavailable, Unreadable,
};
use serde_json::value::RawValue;
use venuekit_venue::read::clip;
use venuekit_venue::{Fault, FaultKind, HttpReply};
use venuekit_wire::kraken::{futures, spot};

/// How long a locked-out key must not be used.
const LOCKOUT: Duration = Duration::from_secs(15 * 60);

/// The longest prefix that a sentence of spot begins with decides.
const SPOT: [(&str, FaultKind); 44] = [
    ("EAPI:Invalid key", Credentials),
    ("EAPI:Invalid signature", Credentials),
    ("EAPI:Invalid token", Credentials),
    ("EAPI:Invalid nonce", Clock),
    ("EAPI:Rate limit exceeded", RateLimited),
    ("EAPI:", BadRequest),
    ("EAuth:Rate limit exceeded", RateLimited),
    ("EAuth:Too many requests", RateLimited),
    ("EAuth:", Credentials),
    ("ESession:", Credentials),
    ("EGeneral:Permission denied", Credentials),
    ("EGeneral:Temporary lockout", Banned),
    ("EGeneral:Too many requests", RateLimited),
    ("EGeneral:Internal error", Unavailable),
    ("EGeneral:Unknown method", NotFound),
    ("EGeneral:", BadRequest),
    ("EService:Market in", Rejected),
    ("EService:Throttled", RateLimited),
    ("EService:", Unavailable),
    ("EOrder:Rate limit exceeded", RateLimited),
    ("EOrder:Domain rate limit exceeded", RateLimited),
    ("EOrder:Unknown order", NotFound),
    ("EOrder:Unknown position", NotFound),
    ("EOrder:Invalid order", NotFound),
    ("EOrder:", Rejected),
    ("EQuery:Unknown asset pair", NotFound),
    ("EQuery:Unknown asset", NotFound),
    ("EQuery:Unknown", NotFound),
    ("EQuery:", BadRequest),
    ("ETrade:User Locked", Credentials),
    ("ETrade:Locked", Credentials),
    ("ETrade:", Rejected),
    ("EFunding:", BadRequest),
    ("EBM:limit exceeded", RateLimited),
    ("E", BadRequest),
    // What the streams say has no prefix.
    ("Exceeded msg rate", RateLimited),
    ("Currency pair not supported", NotFound),
    ("Currency pair not in ISO 4217-A3 format", NotFound),
    ("Symbol", NotFound),
    ("Unsupported", BadRequest),
    ("Malformed", BadRequest),
    ("Internal error", Unavailable),
    ("Market data unavailable", Unavailable),
    ("", BadRequest),
];

/// The words of futures: those of the envelope, and where an order or a cancel stands.
const FUTURES: [(&str, FaultKind); 44] = [
    ("authenticationError", Credentials),
    ("insufficientPrivileges", Credentials),
    ("accountInactive", Credentials),
    ("apiLimitExceeded", RateLimited),
    ("nonceBelowThreshold", Clock),
    ("nonceDuplicate", Clock),
    ("invalidArgument", BadRequest),
    ("requiredArgumentMissing", BadRequest),
    ("invalidUnit", BadRequest),
    ("invalidAccount", BadRequest),
    ("invalidAmount", BadRequest),
    ("notFound", NotFound),
    ("marketUnavailable", Rejected),
    ("unavailable", Unavailable),
    ("Unavailable", Unavailable),
    ("Server Error", Unavailable),
    // What the feeds say instead.
    ("Invalid product", NotFound),
    ("Invalid feed", NotFound),
    ("Invalid API key", Credentials),
    ("Invalid api key", Credentials),
    ("Invalid challenge", Credentials),
    ("Invalid signed challenge", Credentials),
    ("contractNotFound", NotFound),
    ("contractNotFlexFutures", BadRequest),
    ("insufficientFunds", Rejected),
    // Where an order stands.
    ("invalidOrderType", Rejected),
    ("invalidSide", Rejected),
    ("invalidSize", Rejected),
    ("invalidPrice", Rejected),
    ("insufficientAvailableFunds", Rejected),
    ("selfFill", Rejected),
    ("tooManySmallOrders", Rejected),
    ("maxPositionViolation", Rejected),
    ("marketSuspended", Rejected),
    ("marketInactive", Rejected),
    ("clientOrderIdAlreadyExist", Rejected),
    ("clientOrderIdTooLong", Rejected),
    ("outsidePriceCollar", Rejected),
    ("postWouldExecute", Rejected),
    ("iocWouldNotExecute", Rejected),
    ("wouldNotReducePosition", Rejected),
    ("wouldCauseLiquidation", Rejected),
    // It left the book before the cancel came.
    ("filled", NotFound),
    ("orderForEditNotFound", NotFound),
];

/// A sentence of spot, from an answer or a stream.
pub(crate) fn of_spot(words: &str) -> Fault {
    let known = SPOT.iter().filter(|(prefix, _)| words.starts_with(prefix));
    let kind = known.max_by_key(|(prefix, _)| prefix.len()).map_or(BadRequest, |(_, kind)| *kind);
    made(kind, words, (kind == Banned).then_some(LOCKOUT))
}

/// A word of futures. An order that is refused for a reason we do not know is refused all the same.
pub(crate) fn of_futures(words: &str, unknown: FaultKind) -> Fault {
    let known = FUTURES.iter().filter(|(word, _)| words.starts_with(word));
    let kind = known.max_by_key(|(word, _)| word.len()).map_or(unknown, |(_, kind)| *kind);
    made(kind, words, None)
}

fn made(kind: FaultKind, words: &str, after: Option<Duration>) -> Fault {
    let text = format!("{}; {}", clip(words), kind.advice());
    Fault { kind, code: None, text, retry: kind.retry(after) }
}

/// Takes the result out of an answer of spot.
pub(crate) fn spot_result<'a>(reply: &HttpReply<'a>) -> Result<&'a RawValue, Fault> {
    let Ok(answer) = venuekit_wire::parse::<spot::Answer<'a>>(reply.body) else {
        return Err(of_status(reply));
    };
    // Words that begin with `W` are warnings.
    if let Some(error) = answer.error.iter().find(|word| !word.starts_with('W')) {
        return Err(of_spot(error));
    }
    match answer.result {
        Some(result) if is_success(reply.status) => Ok(result),
        _ => Err(of_status(reply)),
    }
}

/// Takes an answer of futures out of its envelope.
pub(crate) fn futures_answer<'a>(reply: &HttpReply<'a>) -> Result<futures::Answer<'a>, Fault> {
    let Ok(answer) = venuekit_wire::parse::<futures::Answer<'a>>(reply.body) else {
        return Err(of_status(reply));
    };
    let refused = answer.result.as_ref().is_some_and(|word| *word == "error");
    match (&answer.error, answer.errors) {
        (Some(error), _) => Err(of_futures(error, BadRequest)),
        (None, errors) if refused => Err(of_futures(errors.map_or("", RawValue::get), BadRequest)),
        _ if is_success(reply.status) => Ok(answer),
        _ => Err(of_status(reply)),
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// An answer that is none of the venue's own: what stands before it wrote it. It may repeat our request, so it is not
/// quoted.
fn of_status(reply: &HttpReply<'_>) -> Fault {
    let kind = match reply.status {
        429 => RateLimited,
        403 => Banned,
        401 => Credentials,
        404 => NotFound,
        500.. => Unavailable,
        400..500 => BadRequest,
        _ => Unreadable,
    };
    let words = format!("HTTP {} with {} bytes that are no answer", reply.status, reply.body.len());
    made(kind, &words, reply.retry_after())
}

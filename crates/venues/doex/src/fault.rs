//! The venue's refusals as faults: who must act, and whether trying again can help. The codes stand in the profile.

use venuekit_venue::read::clip;
use venuekit_venue::{Fault, FaultKind, HttpReply};
use venuekit_wire::doex::ApiError;

use crate::spec::Profile;

/// Takes the body of an answer; a status that is no success is a refusal.
pub(crate) fn body<'a>(profile: &Profile, reply: &HttpReply<'a>) -> Result<&'a [u8], Fault> {
    match reply.status {
        200..300 => Ok(reply.body),
        _ => Err(of_reply(profile, reply)),
    }
}

/// A refusal on a stream.
pub(crate) fn of_stream(profile: &Profile, error: &ApiError<'_>) -> Fault {
    let kind = profile.kind_of(error.code).unwrap_or(FaultKind::BadRequest);
    Fault { kind, code: Some(error.code), text: clip(&error.msg).to_owned(), retry: kind.retry(None) }
}

fn of_reply(profile: &Profile, reply: &HttpReply<'_>) -> Fault {
    let error: Option<ApiError<'_>> = venuekit_wire::parse(reply.body).ok();
    let code = error.as_ref().map(|error| error.code);
    let text = match &error {
        Some(error) => clip(&error.msg).to_owned(),
        // What a proxy wrote may repeat our request, so it is not quoted.
        None => format!("HTTP {} with {} bytes that name no error", reply.status, reply.body.len()),
    };
    let by_code = code.and_then(|code| profile.kind_of(code));
    let kind = match reply.status {
        429 => FaultKind::RateLimited,
        418 => FaultKind::Banned,
        500..600 => FaultKind::Unavailable,
        status => by_code.unwrap_or(match status {
            401 => FaultKind::Credentials,
            // Not of the venue, whose refusals have codes: a firewall.
            403 if code.is_none() => FaultKind::Banned,
            404 => FaultKind::NotFound,
            400..500 => FaultKind::BadRequest,
            _ => FaultKind::Unreadable,
        }),
    };
    Fault { kind, code, text, retry: kind.retry(reply.retry_after()) }
}

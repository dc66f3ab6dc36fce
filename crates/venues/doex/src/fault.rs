//! The venue's refusals as faults: who must act, and whether trying again can help. The codes stand in the profile.

use core::time::Duration;

use venuekit_venue::{Fault, FaultKind, HttpReply, Retry};
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
    Fault { kind, code: Some(error.code), text: clip(&error.msg).to_owned(), retry: retry(kind, None) }
}

/// An answer that is no JSON we know, or lacks what it must have.
pub(crate) fn unreadable(reason: impl core::fmt::Display) -> Fault {
    Fault { kind: FaultKind::Unreadable, code: None, text: reason.to_string(), retry: Retry::Never }
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
    Fault { kind, code, text, retry: retry(kind, retry_after(reply)) }
}

fn retry(kind: FaultKind, after: Option<Duration>) -> Retry {
    match kind {
        FaultKind::RateLimited | FaultKind::Banned | FaultKind::Unavailable => {
            Retry::After(after.unwrap_or_default())
        }
        FaultKind::Clock => Retry::Resync,
        _ => Retry::Never,
    }
}

fn retry_after(reply: &HttpReply<'_>) -> Option<Duration> {
    reply.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

/// The venue's own words, as much of them as a log line wants.
pub(crate) fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

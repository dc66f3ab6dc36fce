//! The venue's refusals as faults: who must act, and whether trying again can help. The codes stand in the profile.

use venuekit_venue::read::clip;
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
    let meaning = profile.meaning(error.code);
    let kind = meaning.map_or(FaultKind::BadRequest, |(kind, _)| kind);
    fault(kind, meaning, Some(error.code), clip(&error.msg), kind.retry(None))
}

fn of_reply(profile: &Profile, reply: &HttpReply<'_>) -> Fault {
    let error: Option<ApiError<'_>> = venuekit_wire::parse(reply.body).ok();
    let code = error.as_ref().map(|error| error.code);
    let words = match &error {
        Some(error) => clip(&error.msg).to_owned(),
        // What a proxy wrote may repeat our request, so it is not quoted.
        None => format!("HTTP {} with {} bytes that name no error", reply.status, reply.body.len()),
    };
    let meaning = code.and_then(|code| profile.meaning(code));
    let kind = match reply.status {
        429 => FaultKind::RateLimited,
        418 => FaultKind::Banned,
        500..600 => FaultKind::Unavailable,
        status => meaning.map(|(kind, _)| kind).unwrap_or(match status {
            401 => FaultKind::Credentials,
            // Not of the venue, whose refusals have codes: a firewall.
            403 if code.is_none() => FaultKind::Banned,
            404 => FaultKind::NotFound,
            400..500 => FaultKind::BadRequest,
            _ => FaultKind::Unreadable,
        }),
    };
    fault(kind, meaning, code, &words, kind.retry(reply.retry_after()))
}

/// Where the status overrules the code, so does its advice.
fn fault(
    kind: FaultKind,
    meaning: Option<(FaultKind, &str)>,
    code: Option<i64>,
    words: &str,
    retry: Retry,
) -> Fault {
    let advice = meaning.filter(|(of_code, _)| *of_code == kind).map_or(kind.advice(), |(_, advice)| advice);
    Fault { kind, code, text: format!("{words}; {advice}"), retry }
}

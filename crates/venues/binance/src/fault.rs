//! The venue's refusals as faults: who must act, and whether trying again can help.
//!
//! **Source**: errors.md of binance-spot-api-docs as of 2026-07-21, the error codes of USD-M as indexed in 2026-08.
//! The two products use some numbers for two things.

use venuekit_venue::read::clip;
use venuekit_venue::{Fault, FaultKind, HttpReply};
use venuekit_wire::binance::ApiError;

use crate::spec::is_usdm;

/// Takes the body of an answer; a status that is no success is a refusal.
pub(crate) fn body<'a>(product: usize, reply: &HttpReply<'a>) -> Result<&'a [u8], Fault> {
    match reply.status {
        200..300 => Ok(reply.body),
        _ => Err(of_reply(product, reply)),
    }
}

/// A refusal on a stream connection, whose codes are its own.
pub(crate) fn of_stream(error: &ApiError<'_>) -> Fault {
    let kind = FaultKind::BadRequest;
    fault(kind, None, Some(error.code), clip(&error.msg), None)
}

/// A refusal of the WebSocket API, which has a status as REST has.
pub(crate) fn of_api(product: usize, status: u16, error: &ApiError<'_>) -> Fault {
    of_status(product, status, Some(error), clip(&error.msg), None)
}

fn of_reply(product: usize, reply: &HttpReply<'_>) -> Fault {
    let error: Option<ApiError<'_>> = venuekit_wire::parse(reply.body).ok();
    let words = match &error {
        Some(error) => clip(&error.msg).to_owned(),
        // What a proxy wrote may repeat our request, so it is not quoted.
        None => format!("HTTP {} with {} bytes that name no error", reply.status, reply.body.len()),
    };
    of_status(product, reply.status, error.as_ref(), &words, reply.retry_after())
}

fn of_status(
    product: usize,
    status: u16,
    error: Option<&ApiError<'_>>,
    words: &str,
    after: Option<core::time::Duration>,
) -> Fault {
    let code = error.map(|error| error.code);
    let meaning = code.and_then(|code| meaning(product, code, words));
    let kind = match status {
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
    fault(kind, meaning, code, words, after)
}

/// Where the status overrules the code, so does its advice.
fn fault(
    kind: FaultKind,
    meaning: Option<(FaultKind, &str)>,
    code: Option<i64>,
    words: &str,
    after: Option<core::time::Duration>,
) -> Fault {
    let advice = meaning.filter(|(of_code, advice)| *of_code == kind && !advice.is_empty());
    let advice = advice.map_or(kind.advice(), |(_, advice)| advice);
    Fault { kind, code, text: format!("{words}; {advice}"), retry: kind.retry(after) }
}

/// What a code means and what to do about it.
fn meaning(product: usize, code: i64, words: &str) -> Option<(FaultKind, &'static str)> {
    // A cancel is refused by one number for many reasons, and an unknown order is the usual one.
    if code == CANCEL_REJECTED && !words.starts_with("Unknown order") {
        return Some((Rejected, ""));
    }
    let own: &[Meaning] = if is_usdm(product) { &USDM_CODES } else { &SPOT_CODES };
    let found = own.iter().chain(&CODES).find(|(known, ..)| *known == code);
    match found {
        Some(&(_, kind, advice)) => Some((kind, advice)),
        None if (-1130..=-1100).contains(&code) => Some((BadRequest, "correct the parameter that is named")),
        None => None,
    }
}

use FaultKind::{BadRequest, Clock, Credentials, NotFound, RateLimited, Rejected, Unavailable};

/// A margin wallet that the account never opened.
pub(crate) const NO_SUCH_WALLET: [i64; 2] = [-3003, -11001];
/// The code of a user stream that is open already.
pub(crate) const SUBSCRIBED: i64 = -2035;
/// The code of a token that opens no user stream.
pub(crate) const NO_TOKEN: i64 = -1209;

const CANCEL_REJECTED: i64 = -2011;

/// A code, its kind, and what to do; an empty text leaves that to the kind.
type Meaning = (i64, FaultKind, &'static str);

/// Codes that mean the same at both products.
const CODES: [Meaning; 33] = [
    (-1000, Unavailable, ""),
    (-1001, Unavailable, ""),
    (-1002, Credentials, "give the key the permission that this takes"),
    (-1003, RateLimited, ""),
    (-1006, Unavailable, ""),
    (-1007, Unavailable, ""),
    (-1008, Unavailable, ""),
    (-1010, Rejected, ""),
    (-1013, Rejected, "change price or quantity: a filter of the market refuses them"),
    (-1014, BadRequest, "use a type of order that the market has"),
    (-1015, RateLimited, "place fewer orders: as many as may be were placed"),
    (-1016, Unavailable, "the service is no more"),
    (-1020, BadRequest, "the operation is not offered"),
    (-1021, Clock, "measure the venue's time again"),
    (-1022, Credentials, "check the secret: it does not belong to this key"),
    (-1099, NotFound, ""),
    (-1111, Rejected, "use fewer digits: price or quantity is finer than the market's"),
    (-1116, BadRequest, "use a type of order that the market has"),
    (-1121, NotFound, "use a market of the venue's list"),
    (-1125, NotFound, "open a new user stream: its key is gone"),
    (-2010, Rejected, ""),
    (CANCEL_REJECTED, NotFound, "take the order as gone, and confirm by a query"),
    (-2013, NotFound, "check the id: there is no such order"),
    (-2014, Credentials, "check the key: it is not of the venue's form"),
    (-2015, Credentials, "check the key, its permissions and its address list"),
    (-2016, Rejected, "wait until the market is open"),
    (-2018, Rejected, "add money, or order less: the balance does not suffice"),
    (-3003, NotFound, "open the margin account first"),
    (-3022, Credentials, "the account may not trade on margin"),
    (-11001, NotFound, "open the isolated account of this pair first"),
    (-1128, BadRequest, "leave out one of the parameters: together they mean nothing"),
    (-1131, BadRequest, "let requests hold for 60 s at most"),
    (-1209, NotFound, "open a new user stream: its token is gone"),
];

/// Codes of spot and margin.
const SPOT_CODES: [Meaning; 5] = [
    (-2021, Rejected, "read both orders again: one of the two was refused"),
    (-2022, Rejected, "read both orders again: the two were refused"),
    (-2026, NotFound, "the order is archived: it ended more than 90 days ago without a fill"),
    (-2035, BadRequest, "nothing: the user stream of this account is open on this connection already"),
    (-2038, Rejected, "change the amendment: it was refused"),
];

/// Codes of USD-M.
const USDM_CODES: [Meaning; 34] = [
    (-1109, Credentials, "use the key of an account that has futures"),
    (-2017, Credentials, "the key is locked on this account: unlock it at the venue"),
    (-2019, Rejected, "add margin, or order less: the margin does not suffice"),
    (-2020, Rejected, "order less, or at another price: it could not be filled"),
    (-2021, Rejected, "use a trigger that is not met at once"),
    (-2022, Rejected, "order less than the position, or leave reduce-only out"),
    (-2023, Rejected, "wait: the account is being liquidated"),
    (-2024, Rejected, "order less: the position is smaller"),
    (-2025, Rejected, "cancel orders first: there are as many as may be"),
    (-2026, Rejected, "leave reduce-only out: this type of order does not take it"),
    (-2027, Rejected, "order less, or lower the leverage: the position would be larger than it allows"),
    (-2028, Rejected, "use more leverage, or add margin"),
    (-4003, Rejected, "use a quantity above zero"),
    (-4005, Rejected, "order less: the quantity is above the market's largest"),
    (-4013, Rejected, "use a higher price: it is below the market's lowest"),
    (-4014, Rejected, "use a price on a tick"),
    (-4015, BadRequest, "use a client order id of at most 36 letters, digits and . : / _ -"),
    (-4016, Rejected, "use a lower price: it is too far above the mark"),
    (-4024, Rejected, "use a higher price: it is too far below the mark"),
    (-4061, Rejected, "set the account to one position per market"),
    (-4067, Rejected, "cancel open orders before changing the mode of positions"),
    (-4068, Rejected, "close positions before changing their mode"),
    (-4116, Rejected, "look the order up by its client id: one with this id is open"),
    (-4118, Rejected, "cancel or close what opposes it: reduce-only does not fit"),
    (-4120, BadRequest, "orders with a trigger go by the venue's algo route, which is not spoken here"),
    (-4131, Rejected, "use a limit: the best price is too far from the mark"),
    (-4164, Rejected, "order more: the value is below the market's least"),
    (-4192, Rejected, "wait: the venue bars new orders for a while"),
    (-4400, Rejected, "only orders that reduce a position are taken now"),
    (-4401, Rejected, "only orders that reduce a position are taken now"),
    (-5021, Rejected, "order less, or at another price: it could not fill whole"),
    (-5022, Rejected, "use a price that does not cross, or leave post-only out"),
    (-5027, Rejected, "nothing: the order is that already"),
    (-5028, Clock, "let requests hold for longer: the engine took it too late"),
];

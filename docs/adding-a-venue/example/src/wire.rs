//! What travels between Kiosk and its clients. Numbers stay the text they came in.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A market, as `GET /markets` lists it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Market<'a> {
    /// `BTC-USDT`.
    pub name: &'a str,
    /// What is traded.
    pub base: &'a str,
    /// What prices are counted in.
    pub quote: &'a str,
    /// The price increment.
    pub tick: &'a str,
    /// The quantity increment.
    pub step: &'a str,
}

/// What a client says on the socket.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Request<'a> {
    /// `subscribe`, `unsubscribe`, `hello` or `auth`.
    pub op: &'a str,
    /// Comes back in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// `book:BTC-USDT`, `trades:BTC-USDT`, `balances`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
    /// Who logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    /// HMAC-SHA256 of the challenge that `hello` was answered with, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// What the venue says on the socket.
#[derive(Debug, Deserialize)]
pub struct Frame<'a> {
    /// `ack`, `refused`, `challenge`, `welcome`, `snapshot` or `update`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Of the request that this answers.
    pub id: Option<u64>,
    /// The challenge, or why something was refused.
    pub text: Option<&'a str>,
    /// Of a snapshot or an update: the stream.
    pub stream: Option<&'a str>,
    /// The message's number: an update's is one more than that of the message before.
    pub seq: Option<u64>,
    /// Unix milliseconds.
    pub at: Option<i64>,
    /// A [`Book`], or a list of [`Trade`] or [`Balance`].
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// Levels as price and quantity; a quantity of zero takes the level away.
#[derive(Debug, Deserialize)]
pub struct Book<'a> {
    /// Buyers.
    #[serde(borrow)]
    pub bids: Vec<(&'a str, &'a str)>,
    /// Sellers.
    pub asks: Vec<(&'a str, &'a str)>,
}

/// A trade.
#[derive(Debug, Deserialize)]
pub struct Trade<'a> {
    /// Rises with every trade of the market.
    pub id: u64,
    /// At which price.
    pub price: &'a str,
    /// How much.
    pub qty: &'a str,
    /// `buy` or `sell`: what the incoming order did.
    pub side: &'a str,
    /// Unix milliseconds.
    pub at: i64,
}

/// One asset of the account.
#[derive(Debug, Deserialize)]
pub struct Balance<'a> {
    /// Which.
    pub asset: &'a str,
    /// Free to use.
    pub free: &'a str,
    /// Held by orders.
    pub locked: &'a str,
}

//! Binance's account as a client sees it: keys, orders, wallets, and the streams that tell of them.

#[path = "../common/mod.rs"]
mod common;
mod futures;
mod keys;
mod margin;
mod odd;
mod spot;
mod streams;
mod wallets;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use common::trade::{best, binance_query, code, keys, quiet};
use common::{End, PEER, Rig, json, start, text};
use rust_decimal::Decimal;
use serde_json::{Value, json as value};
use venuekit_sign::{Credentials, hmac_sha256_hex};
use venuekit_sim::wallets::Wallet;
use venuekit_sim::{
    ApiKey, BinanceLimits, Command, Fault, FrontInput, Keys, Permissions, ProductLimits, Request, Response,
    SimConfig,
};

const VENUE: &str = "binance";
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));
const NOW_MS: i64 = 1_700_000_000_000;

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).parse().expect("a decimal")
}

/// A request with a query and a body as they are.
fn raw(rig: &mut Rig, method: &str, target: &str, body: &str, key: Option<&str>) -> Response {
    let headers: Vec<(&str, &str)> = key.into_iter().map(|key| ("x-mbx-apikey", key)).collect();
    let id = rig.ask(VENUE, method, target, &headers, body);
    rig.responses.remove(&id).flatten().expect("answered at once")
}

/// Signs and sends over the WebSocket API; gives the answer.
fn api(rig: &mut Rig, conn: u64, method: &str, params: &[(&str, Value)]) -> Value {
    let keys = keys(VENUE);
    let mut all: Vec<(String, Value)> =
        params.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    all.push(("apiKey".to_string(), keys.key.clone().into()));
    all.push(("timestamp".to_string(), rig.now.wall.millis().into()));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let payload: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let signature = hmac_sha256_hex(keys.secret.expose(), payload.join("&").as_bytes());
    all.push(("signature".to_string(), signature.into()));
    let params: serde_json::Map<String, Value> = all.into_iter().collect();
    rig.take(conn);
    rig.send(VENUE, conn, &value!({"id": "a-1", "method": method, "params": params}).to_string());
    let frames = rig.take_json(conn);
    frames.into_iter().find(|frame| frame["id"] == "a-1").expect("an answer")
}

//! Signed requests of the venues, by any key and from any address.

use std::net::IpAddr;

use serde_json::Value;
use venuekit_sign::{Credentials, doex, duedex};
use venuekit_sim::{FrontInput, Request, Response, Sim, SimConfig};

use super::{PEER, Rig, json, start};

/// A quiet simulation: nothing moves but what a test does.
pub(crate) fn quiet() -> SimConfig {
    SimConfig { rate: 0, script: false, ..SimConfig::new(1, start()) }
}

pub(crate) fn keys(venue: &str) -> Credentials {
    SimConfig::new(1, start()).keys.of(venue).expect("a venue").clone()
}

impl Rig {
    /// Makes a request and gives its number.
    pub(crate) fn request(&mut self, venue: &str, request: Request<'_>) -> u64 {
        self.next += 1;
        let id = self.next;
        self.input(venue, FrontInput::Request { id, request });
        id
    }

    /// A signed request to Doex; gives its number.
    pub(crate) fn doex_ask(
        &mut self,
        (method, path): (&str, &str),
        params: &[(&str, &str)],
        keys: &Credentials,
        peer: IpAddr,
    ) -> u64 {
        let stamp = self.now.wall.millis().to_string();
        let mut params = params.to_vec();
        params.push(("timestamp", &stamp));
        let signed = doex::sign(keys, &params);
        let headers = [("X-DOEX-APIKEY", keys.key.as_str())];
        self.request(
            "doex",
            Request { method, path, query: &signed.query, headers: &headers, body: b"", peer },
        )
    }

    /// A signed request to Doex by the demo key, answered at once.
    pub(crate) fn doex(&mut self, method: &str, path: &str, params: &[(&str, &str)]) -> Response {
        let id = self.doex_ask((method, path), params, &keys("doex"), PEER);
        self.responses.remove(&id).flatten().expect("answered at once")
    }

    /// A signed request to DueDEX; gives its number.
    pub(crate) fn duedex_ask(
        &mut self,
        (method, target): (&str, &str),
        body: &str,
        keys: &Credentials,
        peer: IpAddr,
    ) -> u64 {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let stamp = self.now.wall.millis().to_string();
        let signed = duedex::Request { method, path, timestamp: &stamp, expiration: None, query, body };
        let signed = signed.sign(keys).expect("base64");
        let mut headers: Vec<(&str, &str)> = signed.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        headers.push(("Content-Type", "application/json"));
        let request = Request { method, path, query, headers: &headers, body: body.as_bytes(), peer };
        self.request("duedex", request)
    }

    /// A signed request to DueDEX by the demo key, answered at once.
    pub(crate) fn duedex(&mut self, method: &str, target: &str, body: &str) -> Response {
        let id = self.duedex_ask((method, target), body, &keys("duedex"), PEER);
        self.responses.remove(&id).flatten().expect("answered at once")
    }

    /// The data of a DueDEX answer that has to be right.
    pub(crate) fn duedex_data(&mut self, method: &str, target: &str, body: &str) -> Value {
        let response = self.duedex(method, target, body);
        let answer = json(&response);
        assert_eq!((response.status, &answer["code"]), (200, &Value::from(0)), "{target} {body} {answer}");
        answer["data"].clone()
    }

    pub(crate) fn quiet() -> Rig {
        Rig::with(quiet())
    }

    pub(crate) fn doex_account(&self) -> &venuekit_sim::wallets::Account {
        self.sim.venue("doex").expect("a venue").account()
    }
}

/// The status and the code of a refusal; (200, 0) for an answer.
pub(crate) fn code(response: &Response) -> (u16, i64) {
    let code = json(response)["code"].as_i64();
    (response.status, code.unwrap_or(0))
}

/// The best prices of a market, as text with all its places.
pub(crate) fn best(sim: &Sim, venue: &str, symbol: &str) -> (String, String) {
    let book = sim.venue(venue).and_then(|v| v.book(symbol)).expect("a market");
    let text = |level: venuekit_types::Level| {
        venuekit_types::Scaled::new(level.price.0, book.price_scale).padded().to_string()
    };
    (text(book.bids[0]), text(book.asks[0]))
}

/// A query of Binance with its timestamp, signed; the text of each value is encoded already.
pub(crate) fn binance_query(params: &[(&str, &str)], stamp: i64, secret: &[u8]) -> String {
    let stamp = stamp.to_string();
    let all = params.iter().copied().chain([("timestamp", stamp.as_str())]);
    let query: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    format!("{query}&signature={}", venuekit_sign::hmac_sha256_hex(secret, query.as_bytes()))
}

impl Rig {
    /// A signed request to Binance; gives its number.
    pub(crate) fn binance_ask(
        &mut self,
        (method, path): (&str, &str),
        params: &[(&str, &str)],
        keys: &Credentials,
        peer: IpAddr,
    ) -> u64 {
        let query = binance_query(params, self.now.wall.millis(), keys.secret.expose());
        let headers = [("X-MBX-APIKEY", keys.key.as_str())];
        self.request("binance", Request { method, path, query: &query, headers: &headers, body: b"", peer })
    }

    /// A signed request to Binance by the demo key, answered at once.
    pub(crate) fn binance(&mut self, method: &str, path: &str, params: &[(&str, &str)]) -> Response {
        let id = self.binance_ask((method, path), params, &keys("binance"), PEER);
        self.responses.remove(&id).flatten().expect("answered at once")
    }

    /// What Binance answers to a signed request that has to be right.
    pub(crate) fn binance_json(&mut self, method: &str, path: &str, params: &[(&str, &str)]) -> Value {
        let response = self.binance(method, path, params);
        assert_eq!(response.status, 200, "{method} {path} {params:?}: {:?}", json(&response));
        json(&response)
    }

    pub(crate) fn binance_account(&self) -> &venuekit_sim::wallets::Account {
        self.sim.venue("binance").expect("a venue").account()
    }
}

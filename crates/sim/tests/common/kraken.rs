//! Kraken's clients: signed by themselves, with nonces that rise, and a book that knows nothing but the protocol.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};
use venuekit_sign::Credentials;
use venuekit_sim::{KrakenLimits, Rate, Request, Response, SimConfig};

use super::{PEER, Rig, json, start};

/// Nothing moves but what a test does, and no limit is near.
pub(crate) fn quiet() -> SimConfig {
    SimConfig { rate: 0, script: false, kraken_limits: roomy(), ..SimConfig::new(1, start()) }
        .only(&["kraken"])
}

/// A lively market without the hand of the demo account.
pub(crate) fn lively() -> SimConfig {
    SimConfig { rate: 200, history: 20_000, ..quiet() }
}

/// Limits that no test meets by accident.
pub(crate) fn roomy() -> KrakenLimits {
    let wide = Rate { max_milli: 1_000_000_000, decay_milli: 1_000 };
    KrakenLimits {
        spot_public: wide,
        spot_private: wide,
        spot_orders: wide,
        futures: wide,
        futures_history: wide,
        ..KrakenLimits::default()
    }
}

pub(crate) fn keys() -> Credentials {
    SimConfig::new(1, start()).keys.kraken
}

fn mac(keys: &Credentials, parts: &[&[u8]]) -> String {
    let secret = STANDARD.decode(keys.secret.expose()).expect("base64");
    let mut mac = Hmac::<Sha512>::new_from_slice(&secret).expect("any length");
    parts.iter().for_each(|part| mac.update(part));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// `API-Sign` of a spot request.
pub(crate) fn spot_sign(keys: &Credentials, path: &str, nonce: &str, body: &str) -> String {
    let hash = Sha256::digest([nonce.as_bytes(), body.as_bytes()].concat());
    mac(keys, &[path.as_bytes(), &hash])
}

/// `Authent` of a futures request, or of a challenge.
pub(crate) fn futures_sign(keys: &Credentials, data: &str, nonce: &str, endpoint: &str) -> String {
    mac(keys, &[&Sha256::digest([data.as_bytes(), nonce.as_bytes(), endpoint.as_bytes()].concat())])
}

impl Rig {
    /// A private spot request with a nonce that has risen; gives its number.
    pub(crate) fn spot_ask(&mut self, keys: &Credentials, method: &str, params: &str) -> u64 {
        let nonce = (1_700_000_000_000_u64 + self.next).to_string();
        self.spot_ask_with(keys, method, &nonce, params)
    }

    pub(crate) fn spot_ask_with(
        &mut self,
        keys: &Credentials,
        method: &str,
        nonce: &str,
        params: &str,
    ) -> u64 {
        let path = format!("/0/private/{method}");
        let amp = if params.is_empty() { "" } else { "&" };
        let body = format!("nonce={nonce}{amp}{params}");
        let sign = spot_sign(keys, &path, nonce, &body);
        let headers = [
            ("API-Key", keys.key.as_str()),
            ("API-Sign", &sign),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let (path, body) = (path.as_str(), body.as_bytes());
        self.request(
            "kraken",
            Request { method: "POST", path, query: "", headers: &headers, body, peer: PEER },
        )
    }

    fn answered(&mut self, id: u64) -> Response {
        self.responses.remove(&id).flatten().expect("answered at once")
    }

    /// What a private spot request answers, errors and all.
    pub(crate) fn spot_raw(&mut self, method: &str, params: &str) -> Value {
        let id = self.spot_ask(&keys(), method, params);
        json(&self.answered(id))
    }

    /// The result of a private spot request that has to be right.
    pub(crate) fn spot(&mut self, method: &str, params: &str) -> Value {
        let answer = self.spot_raw(method, params);
        assert_eq!(answer["error"], Value::Array(Vec::new()), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// The error of a private spot request that has to be refused.
    pub(crate) fn spot_error(&mut self, method: &str, params: &str) -> String {
        let answer = self.spot_raw(method, params);
        assert!(answer.get("result").is_none(), "{method} {params}: {answer}");
        answer["error"][0].as_str().expect("an error").to_string()
    }

    /// The result of a public spot request.
    pub(crate) fn spot_public(&mut self, target: &str) -> Value {
        let answer = self.get_json("kraken", &format!("/0/public/{target}"));
        assert_eq!(answer["error"], Value::Array(Vec::new()), "{target}: {answer}");
        answer["result"].clone()
    }

    /// A private futures request by the demo key: parameters in the query of a GET, in the body of a POST.
    pub(crate) fn futures(&mut self, method: &str, path: &str, params: &str) -> Value {
        let nonce = (1_700_000_000_000_u64 + self.next).to_string();
        self.futures_with(&keys(), (method, path, params), &nonce)
    }

    pub(crate) fn futures_with(
        &mut self,
        keys: &Credentials,
        (method, path, params): (&str, &str, &str),
        nonce: &str,
    ) -> Value {
        let endpoint = path.strip_prefix("/derivatives").unwrap_or(path);
        let authent = futures_sign(keys, params, nonce, endpoint);
        let headers = [("APIKey", keys.key.as_str()), ("Nonce", nonce), ("Authent", &authent)];
        let headers = &headers[..];
        let (query, body) = if method == "GET" { (params, "") } else { ("", params) };
        let request = Request { method, path, query, headers, body: body.as_bytes(), peer: PEER };
        let id = self.request("kraken", request);
        json(&self.answered(id))
    }

    /// Opens a spot connection and takes its first message away.
    pub(crate) fn spot_conn(&mut self) -> u64 {
        let conn = self.open("kraken", "/v2");
        assert_eq!(self.take_json(conn)[0]["channel"], "status");
        conn
    }

    /// A fresh token for private channels.
    pub(crate) fn token(&mut self) -> String {
        self.spot("GetWebSocketsToken", "")["token"].as_str().expect("a token").to_string()
    }

    /// Opens a futures connection, and signs its challenge: what each private subscription carries.
    pub(crate) fn futures_conn(&mut self) -> (u64, String) {
        let conn = self.open("kraken", "/ws/v1");
        self.take(conn);
        let keys = keys();
        self.send("kraken", conn, &format!(r#"{{"event":"challenge","api_key":"{}"}}"#, keys.key));
        let challenge = self.take_json(conn)[0]["message"].as_str().expect("a challenge").to_string();
        let signed = futures_sign(&keys, &challenge, "", "");
        let carried = format!(
            r#""api_key":"{}","original_challenge":"{challenge}","signed_challenge":"{signed}""#,
            keys.key
        );
        (conn, carried)
    }
}

/// A side of a book: levels by price, with their texts on the wire.
type Side = BTreeMap<Decimal, Decimal>;

/// A spot book as a subscriber keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpotBook {
    pub(crate) bids: Side,
    pub(crate) asks: Side,
}

/// A number that may be scientific.
pub(crate) fn number(text: &str) -> Decimal {
    text.parse().or_else(|_| Decimal::from_scientific(text)).expect(text)
}

/// The raw text of a number's field: a parser may not keep it.
fn raw_levels(frame: &str, side: &str) -> Vec<(Decimal, Decimal)> {
    let from = frame.find(&format!("\"{side}\":[")).expect("a side") + side.len() + 4;
    let list = &frame[from..from + frame[from..].find(']').expect("an end")];
    let level = |text: &str| {
        let (price, qty) = text.trim_matches(['{', '}']).split_once(",\"qty\":").expect("two fields");
        (number(price.trim_start_matches("\"price\":")), number(qty))
    };
    list.split("},{").filter(|text| !text.is_empty()).map(level).collect()
}

impl SpotBook {
    /// Applies a message that has to be sound.
    pub(crate) fn apply(&mut self, frame: &str, depth: usize, places: (u32, u32)) {
        self.check(frame, depth, places).expect("a sound message");
    }

    /// Applies a message, truncates, and verifies the checksum with the pair's places.
    pub(crate) fn check(&mut self, frame: &str, depth: usize, places: (u32, u32)) -> Result<(), String> {
        let value: Value = serde_json::from_str(frame).expect("JSON");
        if value["type"] == "snapshot" {
            *self = SpotBook::default();
        }
        for (side, name) in [(&mut self.bids, "bids"), (&mut self.asks, "asks")] {
            for (price, qty) in raw_levels(frame, name) {
                if qty.is_zero() {
                    side.remove(&price)
                        .ok_or_else(|| format!("deletes a level that was never told: {frame}"))?;
                } else {
                    side.insert(price, qty);
                }
            }
        }
        while self.bids.len() > depth {
            self.bids.pop_first();
        }
        while self.asks.len() > depth {
            self.asks.pop_last();
        }
        let sum = value["data"][0]["checksum"].as_u64().expect("a number");
        let found = u64::from(crc32fast::hash(self.text(places).as_bytes()));
        if found == sum { Ok(()) } else { Err(format!("sums to {found}: {frame}")) }
    }

    /// What the checksum is taken of.
    fn text(&self, places: (u32, u32)) -> String {
        let asks = self.asks.iter().take(10);
        let bids = self.bids.iter().rev().take(10);
        let digits = |value: &Decimal, places: u32| {
            let text = format!("{value:.0$}", usize::try_from(places).expect("few")).replace('.', "");
            text.trim_start_matches('0').to_string()
        };
        asks.chain(bids).map(|(price, qty)| digits(price, places.0) + &digits(qty, places.1)).collect()
    }

    /// Its best levels, as the oracle writes a book.
    pub(crate) fn canonical(&self) -> String {
        let line = |mark: &str, (price, qty): (&Decimal, &Decimal)| {
            format!("{mark},{},{}\n", price.normalize(), qty.normalize())
        };
        let bids = self.bids.iter().rev().map(|level| line("b", level));
        bids.chain(self.asks.iter().map(|level| line("a", level))).collect()
    }
}

/// The oracle's book to a depth, in the same form.
pub(crate) fn truth(rig: &Rig, symbol: &str, depth: usize) -> String {
    let book = rig.sim.venue("kraken").and_then(|venue| venue.book(symbol)).expect("a market");
    let mut text = String::new();
    for (mark, levels) in [("b", &book.bids), ("a", &book.asks)] {
        for level in levels.iter().take(depth) {
            let price = venuekit_types::Scaled::new(level.price.0, book.price_scale);
            let qty = venuekit_types::Scaled::new(level.qty.0, book.qty_scale);
            text.push_str(&format!("{mark},{price},{qty}\n"));
        }
    }
    text
}

//! DueDEX: REST headers over six fields joined with pipes, and the answer to a login challenge.
//!
//! **Source**: DueDEX/API-Documentation, REST_API.MD and WEBSOCKET_API.MD as of 2020-11-12. The scheme with five
//! fields and sorted parameters, retired in July 2019, is left out on purpose.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::{Credentials, Secret, SecretError, eq_hex, hmac_sha256_hex};

/// The header that carries the time of the request.
pub const TIMESTAMP_HEADER: &str = "Ddx-Timestamp";
/// The header that carries the key.
pub const KEY_HEADER: &str = "Ddx-Key";
/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Ddx-Signature";
/// The header that says until when the request holds; without it the venue takes the timestamp plus 5 s.
pub const EXPIRATION_HEADER: &str = "Ddx-Expiration";

/// A request as it travels, each part as exact text.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Upper case.
    pub method: &'a str,
    /// From `/v1` on, without host and query.
    pub path: &'a str,
    /// Unix milliseconds, the same text as in the header.
    pub timestamp: &'a str,
    /// Unix milliseconds, the same text as in the header, or absent like it.
    pub expiration: Option<&'a str>,
    /// The raw text after `?`, still encoded; empty when there is none.
    pub query: &'a str,
    /// The body to the byte; empty when there is none.
    pub body: &'a str,
}

/// A signed request. Prints without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The text that the signature covers.
    pub canonical: String,
    /// 64 lower-case hexadecimal digits.
    pub signature: String,
    /// Headers to send with it.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("canonical", &self.canonical).finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// The text that is signed: `METHOD|PATH|TIMESTAMP|EXPIRATION|QUERY|BODY`.
    pub fn canonical(&self) -> String {
        let expiration = self.expiration.unwrap_or_default();
        [self.method, self.path, self.timestamp, expiration, self.query, self.body].join("|")
    }

    /// Signs the request.
    ///
    /// **Errors**: [`SecretError`] when the secret is not base64.
    pub fn sign(&self, credentials: &Credentials) -> Result<Signed, SecretError> {
        let canonical = self.canonical();
        let signature = answer(&credentials.secret, &canonical)?;
        let mut headers = alloc::vec![
            (TIMESTAMP_HEADER, self.timestamp.to_string()),
            (KEY_HEADER, credentials.key.clone()),
            (SIGNATURE_HEADER, signature.clone()),
        ];
        if let Some(expiration) = self.expiration {
            headers.push((EXPIRATION_HEADER, expiration.to_string()));
        }
        Ok(Signed { canonical, signature, headers })
    }

    /// Checks a signature as a server does; either case of hexadecimal is right.
    ///
    /// **Errors**: [`SecretError`] when the secret is not base64.
    pub fn verify(&self, secret: &Secret, signature: &str) -> Result<bool, SecretError> {
        Ok(eq_hex(signature, &answer(secret, &self.canonical())?))
    }
}

/// Signs a text with the decoded secret: the answer to a login challenge, taken as the plain text it came in.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub fn answer(secret: &Secret, challenge: &str) -> Result<String, SecretError> {
    Ok(hmac_sha256_hex(secret.decode_base64()?.expose(), challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "2W2eSP3e0dp+lYMuY1MBUTqF2+8VbNRxDZ88zA7MliU=";
    const KEY: &str = "13f1ab93-771d-4d59-bb6a-fe96f6b609ea";
    const ORDER: &str =
        r#"{"instrument":"BTCUSD","type":"limit","side":"long","price":8000,"size":10,"timeInForce":"ioc"}"#;

    fn request<'a>(method: &'a str, path: &'a str) -> Request<'a> {
        let expiration = Some("1600000030000");
        Request { method, path, timestamp: "1600000000000", expiration, query: "", body: "" }
    }

    fn check(request: Request<'_>, canonical: &str, signature: &str) {
        let credentials = Credentials::new(KEY, SECRET);
        let signed = request.sign(&credentials).expect("base64");
        assert_eq!(signed.canonical, canonical);
        assert_eq!(signed.signature, signature, "{canonical}");
        let mut headers = alloc::vec![
            ("Ddx-Timestamp", request.timestamp.into()),
            ("Ddx-Key", KEY.into()),
            ("Ddx-Signature", signature.into()),
        ];
        headers.extend(request.expiration.map(|text| ("Ddx-Expiration", text.into())));
        assert_eq!(signed.headers, headers);
        assert_eq!(request.verify(&credentials.secret, &signature.to_uppercase()), Ok(true));
        let forged = signature.replace(&signature[..1], "z");
        assert_eq!(request.verify(&credentials.secret, &forged), Ok(false));
    }

    #[test]
    fn v1_and_the_decoration_of_the_flow_chapter() {
        let secret = Secret::from(SECRET);
        assert_eq!(
            answer(&secret, "fd14408d-1740-447d-b335-c019f9201b6e").as_deref(),
            Ok("b418edd4669b82ab37a5b6d5446b9def386658e8f3ef03165935ff6b72fea710")
        );
        assert_eq!(
            answer(&secret, "1f94d8db-a9ca-4cf4-82ee-9692f937032e").as_deref(),
            Ok("0273c0819c4719902271ebd8d519f7abf9142fc994b3623a9793b2773076040f")
        );
    }

    #[test]
    fn v2() {
        let order = Request {
            timestamp: "1559211656342",
            expiration: None,
            body: ORDER,
            ..request("POST", "/v1/order")
        };
        check(
            order,
            &alloc::format!("POST|/v1/order|1559211656342|||{ORDER}"),
            "ca3cd5f535f35f17a5bf76e8c88fc3c568db4831decb85cfba52508a40fce5f1",
        );
    }

    /// V3 is the retired scheme: its text and its signature must be out of reach for the very same order.
    #[test]
    fn the_legacy_scheme_does_not_exist() {
        let legacy = "79eae3770f3431a2bf1a07bc2c2485025ccc42d7faadfa4ca56d0414cc6068e4";
        let params = "instrument=BTCUSD&price=8000&side=long&size=10&timeInForce=ioc&type=limit";
        let text = alloc::format!("POST|/v1/order|1559211656342||{params}");
        let secret = Secret::from(SECRET);
        // The vector itself is sound, so what follows is not true for want of the right key.
        assert_eq!(answer(&secret, &text).as_deref(), Ok(legacy));
        for (query, body) in [("", ORDER), (params, ""), ("", params), (params, ORDER)] {
            let order = Request {
                timestamp: "1559211656342",
                expiration: None,
                query,
                body,
                ..request("POST", "/v1/order")
            };
            assert_ne!(order.canonical(), text);
            assert_eq!(order.verify(&secret, legacy), Ok(false));
        }
    }

    #[test]
    fn v4_to_v8() {
        check(
            Request {
                expiration: Some("1600000005000"),
                query: "instrument=BTCUSD&orderId=42",
                ..request("GET", "/v1/order")
            },
            "GET|/v1/order|1600000000000|1600000005000|instrument=BTCUSD&orderId=42|",
            "0f0bd7d9572171016f60f9300f3d50ffaf5904b250d7e3986a859bb5e48a514f",
        );
        check(
            Request { expiration: None, ..request("GET", "/v1/order/active") },
            "GET|/v1/order/active|1600000000000|||",
            "602ed8379255af8f72d984b82ddf748ee365bb7e4366645f850fd3e4a4a7902b",
        );
        check(
            request("GET", "/v1/margin"),
            "GET|/v1/margin|1600000000000|1600000030000||",
            "39766e2dd6b9e7add5fb18e740b3f85fe7eb9536b582beb6512f43905fb37da7",
        );
        check(
            Request { body: r#"{"instrument":"BTCUSD","orderId":42}"#, ..request("DELETE", "/v1/order") },
            r#"DELETE|/v1/order|1600000000000|1600000030000||{"instrument":"BTCUSD","orderId":42}"#,
            "e1b55ea3753a0e8cbf46ebecf40d706b8103e4be8a6835cc27265432a590a978",
        );
        check(
            Request {
                body: r#"{"instrument":"BTCUSD","orderId":42,"price":8000.5}"#,
                ..request("PATCH", "/v1/order")
            },
            r#"PATCH|/v1/order|1600000000000|1600000030000||{"instrument":"BTCUSD","orderId":42,"price":8000.5}"#,
            "bc2aa1c0f0c7ca487572a339f4f91393842c1bbd3ad2c76bafa7cf1667b442f6",
        );
    }

    #[test]
    fn always_five_pipes() {
        for expiration in [None, Some("2")] {
            for (query, body) in [("", ""), ("a=1", ""), ("", "{}"), ("a=1", "{}")] {
                let request = Request { expiration, query, body, ..request("GET", "/v1/order") };
                assert_eq!(request.canonical().matches('|').count(), 5);
            }
        }
    }

    #[test]
    fn a_secret_that_is_not_base64_is_an_error_and_not_a_wrong_signature() {
        let credentials = Credentials::new(KEY, "doex-test-secret");
        let error = request("GET", "/v1/margin").sign(&credentials).expect_err("dashes");
        assert_eq!(error, SecretError::NotBase64 { chars: 16 });
    }
}

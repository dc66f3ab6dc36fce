//! Requests of a session, on connections of their own: no retries, no redirects, no proxies from the environment.
//!
//! What is retried, and after which wait, only the session knows. No error here holds a URL, where a signature stands.
//! What brings risk to the market goes by [`EntryWire`], through the gate.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, redirect, retry};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use venuekit_session::RequestId;
use venuekit_venue::{HttpRequest, Method};

use crate::address::Address;
use crate::error::chain;
use crate::gateway::GateCell;
use crate::gateway::wire::{EntryWire, Failure};
use crate::net::{Happened, Reply, USER_AGENT};
use crate::tls::{self, ClientTls, TlsError};

/// Largest answer taken.
pub(crate) const BODY_MAX: usize = 8 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Longest silence within an answer.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Longest a request may live; the session has given up on it long before.
const LIVE_WITHIN: Duration = Duration::from_secs(60);

/// Why requests cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// TLS cannot be set up.
    #[error("requests cannot be encrypted")]
    Tls(#[from] TlsError),
    /// The HTTP library refused the set-up.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
}

/// The requests of one session.
pub(crate) struct Http {
    tls: ClientTls,
    plain: Client,
    secure: Option<Client>,
    entries: Arc<EntryWire>,
    happened: mpsc::Sender<Happened>,
    tasks: JoinSet<()>,
}

impl Http {
    pub(crate) fn new(
        tls: ClientTls,
        gate: GateCell,
        happened: mpsc::Sender<Happened>,
    ) -> Result<Http, HttpError> {
        let plain = builder(tls::trusting_nobody()?).http1_only().build().map_err(HttpError::Setup)?;
        let entries = Arc::new(EntryWire::new(tls.clone(), gate));
        Ok(Http { tls, plain, secure: None, entries, happened, tasks: JoinSet::new() })
    }

    /// Sends a request; `Answered`, `Failed` or `Unsent` follows.
    ///
    /// **Errors**: when it cannot be sent at all, and why.
    pub(crate) fn send(&mut self, id: RequestId, origin: &str, request: &HttpRequest) -> Result<(), String> {
        while self.tasks.try_join_next().is_some() {}
        if request.kind.is_entry() {
            self.send_entry(id, origin, request);
            return Ok(());
        }
        let url = format!("{origin}{}", request.target);
        let address = Address::parse(&url).map_err(|error| error.to_string())?;
        let client = if address.secure { self.secure().map_err(|error| chain(&error))? } else { &self.plain };
        let prepared = client
            .request(method(request.method), url)
            .headers(headers(request)?)
            .body(request.body.clone())
            .build()
            .map_err(describe)?;
        let (client, happened) = (client.clone(), self.happened.clone());
        self.tasks.spawn(async move {
            let outcome = match fetch(&client, prepared, &address).await {
                Ok(reply) => Happened::Answered { id, reply },
                Err(why) => Happened::Failed { id, why },
            };
            // Nobody listens any more when the session has ended.
            let _ = happened.send(outcome).await;
        });
        Ok(())
    }

    fn send_entry(&mut self, id: RequestId, origin: &str, request: &HttpRequest) {
        let (entries, happened) = (Arc::clone(&self.entries), self.happened.clone());
        let (origin, request) = (origin.to_owned(), request.clone());
        self.tasks.spawn(async move {
            let outcome = match entries.send(&origin, &request).await {
                Ok(reply) => Happened::Answered { id, reply },
                Err(Failure::Lost(why)) => Happened::Failed { id, why },
                Err(Failure::Unsent(why)) => Happened::Unsent { id, why },
            };
            // Nobody listens any more when the session has ended.
            let _ = happened.send(outcome).await;
        });
    }

    /// The client that speaks TLS, made when it is first needed.
    fn secure(&mut self) -> Result<&Client, HttpError> {
        let client = match self.secure.take() {
            Some(client) => client,
            None => {
                let mut config = rustls::ClientConfig::clone(&*self.tls.config()?);
                config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                builder(config).https_only(true).build().map_err(HttpError::Setup)?
            }
        };
        Ok(self.secure.insert(client))
    }
}

fn builder(tls: rustls::ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .retry(retry::never())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(USER_AGENT)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(READ_WITHIN)
        .timeout(LIVE_WITHIN)
}

pub(crate) fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// The headers of a request; all but the body's type may hold a key or a signature, and print as such.
pub(crate) fn headers(request: &HttpRequest) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        let known = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(mut value)) = (known, HeaderValue::from_str(value)) else {
            return Err(format!("the header {name} cannot be sent: look for line breaks in the API key"));
        };
        value.set_sensitive(name != reqwest::header::CONTENT_TYPE);
        headers.append(name, value);
    }
    Ok(headers)
}

async fn fetch(client: &Client, request: reqwest::Request, address: &Address) -> Result<Reply, String> {
    let mut response = client.execute(request).await.map_err(describe)?;
    if response.remote_addr().is_some_and(|peer| !address.allows(peer.ip())) {
        return Err("the plain connection led to another machine".to_owned());
    }
    let status = response.status().as_u16();
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = response.headers().iter().filter_map(text).collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(describe)? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(format!("the answer is over the limit of {BODY_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body })
}

/// What went wrong, without the URL.
fn describe(error: reqwest::Error) -> String {
    let words = if error.is_connect() && error.is_timeout() {
        "no connection in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the request failed"
    };
    format!("{words}: {}", chain(&error.without_url()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_venue::Ask;

    fn request(headers: Vec<(&'static str, String)>) -> HttpRequest {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        HttpRequest { headers, ..HttpRequest::get(&Ask::Instruments, "/v1/x", "/v1/x?signature=canary") }
    }

    #[test]
    fn headers_print_as_sensitive_and_broken_ones_are_named_without_their_value() {
        let good = request(vec![("X-Key", "canary".into()), ("Content-Type", "application/json".into())]);
        let headers = headers(&good).expect("legal headers");
        assert!(!format!("{headers:?}").contains("canary"), "{headers:?}");
        assert_eq!(headers.len(), 2);
        let bad = request(vec![("X-Key", "canary\n".into())]);
        let error = super::headers(&bad).expect_err("a line break");
        assert!(error.contains("x-key") || error.contains("X-Key"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }

    #[tokio::test]
    async fn no_failure_quotes_the_url() {
        let (sender, mut happened) = mpsc::channel(1);
        let gate = GateCell::shut(crate::clock::Clock::start());
        let mut http = Http::new(ClientTls::new(), gate, sender).expect("a client");
        let refused = http.send(RequestId(1), "http://example.com", &request(Vec::new()));
        assert!(refused.as_ref().is_err_and(|why| why.contains("https://")), "{refused:?}");
        // Port 1 of loopback: nothing listens there.
        http.send(RequestId(2), "http://127.0.0.1:1", &request(Vec::new())).expect("sent");
        let Some(Happened::Failed { id: RequestId(2), why }) = happened.recv().await else {
            panic!("a request to a closed port was answered")
        };
        assert!(why.starts_with("no connection: "), "{why}");
        assert!(!why.contains("canary") && !why.contains("/v1/x"), "{why}");
    }
}

//! Halting by HTTP: one route, on loopback, for whoever has the token. It can halt and nothing else.
//!
//! It refuses a browser: anything that carries an `Origin`, and any `Host` but its own address. The token is compared
//! in constant time.

use std::convert::Infallible;
use std::fs::Metadata;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::GatewayHandle;

/// Shortest token: 128 bits in hexadecimal.
const TOKEN_MIN: usize = 32;
const TOKEN_MAX: usize = 4_096;
/// Connections at once.
const CALLERS: usize = 16;
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Why halting by HTTP cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum HaltHttpError {
    /// The token cannot be used.
    #[error("the token file {path} cannot be used: {why}")]
    Token {
        /// The file.
        path: String,
        /// What is wrong, and what to do; never what it holds.
        why: String,
    },
    /// The address is not of this machine.
    #[error("{0} is not a loopback address; listen on 127.0.0.1, and let a proxy that you trust reach it")]
    Foreign(SocketAddr),
    /// The port cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The token that lets a program halt. It never prints.
#[derive(Clone)]
pub struct HaltToken(Arc<[u8]>);

impl HaltToken {
    /// Reads a token file, which must be its owner's alone.
    ///
    /// **Errors**: [`HaltHttpError::Token`].
    pub fn read(path: &Path) -> Result<HaltToken, HaltHttpError> {
        let wrong = |why: String| HaltHttpError::Token { path: path.display().to_string(), why };
        let about: Metadata = std::fs::symlink_metadata(path).map_err(|error| wrong(error.to_string()))?;
        if !about.is_file() || about.mode() & 0o077 != 0 {
            return Err(wrong("others can read it; chmod 600 it, and make a new token".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        HaltToken::of(text.trim()).map_err(wrong)
    }

    fn of(text: &str) -> Result<HaltToken, String> {
        let kinds = text.bytes().collect::<std::collections::BTreeSet<_>>().len();
        if !(TOKEN_MIN..=TOKEN_MAX).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a token holds at least 128 bits: `openssl rand -hex 32` makes one".to_owned());
        }
        // No random token looks like this; a typed one does.
        if kinds < 8 {
            return Err("this token can be guessed: `openssl rand -hex 32` makes one".to_owned());
        }
        Ok(HaltToken(text.as_bytes().into()))
    }

    fn matches(&self, said: &[u8]) -> bool {
        bool::from(self.0.ct_eq(said))
    }
}

impl std::fmt::Debug for HaltToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HaltToken(..)")
    }
}

/// Takes the port, and gives what serves it.
pub(super) async fn bind(
    listen: SocketAddr,
    token: HaltToken,
    handle: GatewayHandle,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static), HaltHttpError> {
    if !listen.ip().is_loopback() {
        return Err(HaltHttpError::Foreign(listen));
    }
    let failed = |source| HaltHttpError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((address, serve(listener, address, token, handle)))
}

async fn serve(listener: TcpListener, address: SocketAddr, token: HaltToken, handle: GatewayHandle) {
    let seats = Arc::new(Semaphore::new(CALLERS));
    let mut callers = JoinSet::new();
    loop {
        while callers.try_join_next().is_some() {}
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let (token, handle) = (token.clone(), handle.clone());
        callers.spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = answer(&request, address, &token, &handle);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(CALL_WITHIN)
                .max_buf_size(16 << 10)
                .keep_alive(false);
            // One that breaks off has been answered, or never asked.
            let _ = timeout(CALL_WITHIN, http.serve_connection(TokioIo::new(tcp), service)).await;
            drop(seat);
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    address: SocketAddr,
    token: &HaltToken,
    handle: &GatewayHandle,
) -> Response<Full<Bytes>> {
    match refused(request, address, token) {
        Some((status, why)) => respond(status, &format!("{{\"error\":\"{why}\"}}\n")),
        None => {
            handle.halt("http");
            respond(StatusCode::OK, "{\"halted\":true}\n")
        }
    }
}

/// Why a request is not answered, if it is not.
fn refused<B>(
    request: &Request<B>,
    address: SocketAddr,
    token: &HaltToken,
) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        return Some((StatusCode::FORBIDDEN, "browsers are not answered"));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let own = [address.to_string(), format!("localhost:{}", address.port())];
    let host = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() || !host.is_some_and(|host| own.iter().any(|own| own == host)) {
        return Some((StatusCode::MISDIRECTED_REQUEST, "this host is not served here"));
    }
    let mut said = headers.get_all(AUTHORIZATION).iter();
    let bearer = said.next().and_then(|said| said.as_bytes().strip_prefix(b"Bearer "));
    if said.next().is_some() || !bearer.is_some_and(|bearer| token.matches(bearer)) {
        return Some((StatusCode::UNAUTHORIZED, "the token of the token file is needed"));
    }
    if request.uri().path() != "/halt" {
        return Some((StatusCode::NOT_FOUND, "there is /halt alone"));
    }
    if request.method() != Method::POST {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "halting is a POST"));
    }
    None
}

fn respond(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_a_program_with_the_token_halts() {
        let address: SocketAddr = "127.0.0.1:9000".parse().expect("an address");
        let token = HaltToken::of(TOKEN).expect("long enough");
        let bearer = format!("Bearer {TOKEN}");
        let (host, auth) = (("host", "127.0.0.1:9000"), ("authorization", bearer.as_str()));
        let check = |method: &str, path: &str, headers: &[(&str, &str)], expected: Option<u16>| {
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).expect("legal");
            let status = refused(&request, address, &token).map(|(status, _)| status.as_u16());
            assert_eq!(status, expected, "{method} {path} {headers:?}");
        };
        check("POST", "/halt", &[host, auth], None);
        check("POST", "/halt", &[("host", "localhost:9000"), auth], None);
        check("POST", "/halt", &[host, auth, ("origin", "http://127.0.0.1:9000")], Some(403));
        check("POST", "/halt", &[host, auth, ("origin", "null")], Some(403));
        for foreign in ["evil.example", "evil.example:9000", "127.0.0.1", "127.0.0.1:9001", "localhost"] {
            check("POST", "/halt", &[("host", foreign), auth], Some(421));
        }
        check("POST", "/halt", &[auth], Some(421));
        check("POST", "/halt", &[host, host, auth], Some(421));
        check("POST", "/halt", &[host], Some(401));
        check("POST", "/halt", &[host, auth, auth], Some(401));
        for wrong in ["Bearer ", "Bearer x", TOKEN, &bearer[..bearer.len() - 1], &format!("{bearer}0")] {
            check("POST", "/halt", &[host, ("authorization", wrong)], Some(401));
        }
        check("GET", "/halt", &[host, auth], Some(405));
        for path in ["/arm", "/", "/halt/", "/order"] {
            check("POST", path, &[host, auth], Some(404));
        }
    }

    #[test]
    fn a_token_is_long_random_and_ours_alone() {
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        let read = |text: &str, mode: u32| {
            std::fs::write(file.path(), text).expect("writes");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), mode).expect("ours");
            HaltToken::read(file.path()).map(|token| token.matches(TOKEN.as_bytes()))
        };
        assert!(read(&format!("{TOKEN}\n"), 0o600).expect("usable"));
        assert!(!read(&TOKEN.replace('a', "b"), 0o600).expect("another"));
        for (text, mode) in [
            (TOKEN, 0o640),
            (TOKEN, 0o604),
            (&TOKEN[1..], 0o600),
            ("", 0o600),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0o600),
            ("0123456789abcdef 0123456789abcdef", 0o600),
        ] {
            let error = read(text, mode).expect_err("unusable").to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert!(HaltToken::read(Path::new("/nowhere/at/all")).is_err());
        assert_eq!(format!("{:?}", HaltToken::of(TOKEN)), "Ok(HaltToken(..))");
    }
}

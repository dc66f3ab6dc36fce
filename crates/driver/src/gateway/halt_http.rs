//! Halting by HTTP, on loopback: `POST /halt` for whoever has the token, `POST /webhook` for whoever signs with the
//! secret. It can halt and nothing else.
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
use http_body_util::{BodyExt, Full, Limited};
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
use super::halt_hook::{BODY_MAX, Hook, HookSecret};

/// Shortest token: 128 bits in hexadecimal.
const TOKEN_MIN: usize = 32;
const TOKEN_MAX: usize = 4_096;
/// Largest file of a token or a secret.
const FILE_MAX: u64 = 16 << 10;
/// Connections at once.
const CALLERS: usize = 16;
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Why halting by HTTP cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum HaltHttpError {
    /// The token, or the secret of a webhook, cannot be used.
    #[error("the file {path} cannot be used: {why}")]
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
        HaltToken::of(private_text(path)?.trim()).map_err(wrong)
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

/// Reads a small file that must be its owner's alone.
pub(super) fn private_text(path: &Path) -> Result<String, HaltHttpError> {
    let wrong = |why: String| HaltHttpError::Token { path: path.display().to_string(), why };
    let about: Metadata = std::fs::symlink_metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !about.is_file() || about.mode() & 0o077 != 0 {
        return Err(wrong("others can read it; chmod 600 it, and put a new one in".to_owned()));
    }
    if about.len() > FILE_MAX {
        return Err(wrong("it is too large to be one".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

/// Who may halt by HTTP; at least one of them.
#[derive(Clone, Debug, Default)]
pub struct HaltBy {
    /// Whoever has this token, at `/halt`.
    pub token: Option<HaltToken>,
    /// Whoever signs with this secret, at `/webhook`.
    pub webhook: Option<HookSecret>,
}

/// What is served, and to whom.
struct Door {
    address: SocketAddr,
    token: Option<HaltToken>,
    hook: Option<Hook>,
    handle: GatewayHandle,
}

/// Takes the port, and gives what serves it.
pub(super) async fn bind(
    listen: SocketAddr,
    by: HaltBy,
    handle: GatewayHandle,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static), HaltHttpError> {
    if !listen.ip().is_loopback() {
        return Err(HaltHttpError::Foreign(listen));
    }
    let failed = |source| HaltHttpError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let door = Door { address, token: by.token, hook: by.webhook.map(Hook::new), handle };
    Ok((address, serve(listener, Arc::new(door))))
}

async fn serve(listener: TcpListener, door: Arc<Door>) {
    let seats = Arc::new(Semaphore::new(CALLERS));
    let mut callers = JoinSet::new();
    loop {
        while callers.try_join_next().is_some() {}
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let door = Arc::clone(&door);
        callers.spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let door = Arc::clone(&door);
                async move { Ok::<_, Infallible>(door.answer(request).await) }
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

impl Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.halts(request).await {
            Ok(by) => {
                self.handle.halt(&by);
                respond(StatusCode::OK, "{\"halted\":true}\n")
            }
            Err((status, why)) => respond(status, &format!("{{\"error\":\"{why}\"}}\n")),
        }
    }

    /// Who halts by a request.
    ///
    /// **Errors**: why it halts nothing.
    async fn halts(&self, request: Request<Incoming>) -> Result<String, (StatusCode, &'static str)> {
        let Some(hook) = self.hook.as_ref().filter(|_| request.uri().path() == "/webhook") else {
            return refused(&request, self.address, self.token.as_ref()).map_or(Ok("http".to_owned()), Err);
        };
        foreign(&request, self.address).map_or(Ok(()), Err)?;
        is_post(&request).map_or(Ok(()), Err)?;
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await;
        let body =
            body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "the message is too large, or broke off"))?;
        let now = self.handle.desk.shared.clock.now().wall.0.div_euclid(1_000_000_000);
        let id = hook.take(&parts.headers, &body.to_bytes(), now)?;
        Ok(format!("webhook {id}"))
    }
}

/// Why a request is not answered, if it is not.
fn refused<B>(
    request: &Request<B>,
    address: SocketAddr,
    token: Option<&HaltToken>,
) -> Option<(StatusCode, &'static str)> {
    if let Some(refusal) = foreign(request, address) {
        return Some(refusal);
    }
    let mut said = request.headers().get_all(AUTHORIZATION).iter();
    let bearer = said.next().and_then(|said| said.as_bytes().strip_prefix(b"Bearer "));
    let known = |bearer| token.is_some_and(|token| token.matches(bearer));
    if said.next().is_some() || !bearer.is_some_and(known) {
        return Some((StatusCode::UNAUTHORIZED, "the token of the token file is needed"));
    }
    if request.uri().path() != "/halt" {
        return Some((StatusCode::NOT_FOUND, "there is /halt alone"));
    }
    is_post(request)
}

/// Refuses whatever a browser could be made to send.
fn foreign<B>(request: &Request<B>, address: SocketAddr) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        return Some((StatusCode::FORBIDDEN, "browsers are not answered"));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let own = [address.to_string(), format!("localhost:{}", address.port())];
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_own = hosts.next().is_none() && host.is_some_and(|host| own.iter().any(|own| own == host));
    (!is_own).then_some((StatusCode::MISDIRECTED_REQUEST, "this host is not served here"))
}

fn is_post<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    (request.method() != Method::POST).then_some((StatusCode::METHOD_NOT_ALLOWED, "halting is a POST"))
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
            let status = refused(&request, address, Some(&token)).map(|(status, _)| status.as_u16());
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
        for path in ["/arm", "/", "/halt/", "/order", "/webhook"] {
            check("POST", path, &[host, auth], Some(404));
        }
        let request = Request::builder().method("POST").uri("/halt").header("host", "127.0.0.1:9000");
        let request = request.header("authorization", bearer.as_str()).body(()).expect("legal");
        assert!(refused(&request, address, None).is_some(), "with no token there is no such way");
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

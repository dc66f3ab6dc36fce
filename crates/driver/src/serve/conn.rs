//! One client's connection: TLS, requests, and the websocket that it may become.

use std::future::pending;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::socket::{End, Heard, Inlet, Pump};

/// How long a client may take over its TLS handshake, and over the head of each request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Largest request body, and largest message of a client.
const BODY_MAX: usize = 1 << 20;
/// Bytes written at once, where more than one message waits.
const WRITE_AT_ONCE: usize = 64 << 10;

/// What clients did.
pub(super) enum Arrived {
    /// One asks for a websocket.
    Knock { path: String, peer: IpAddr, verdict: oneshot::Sender<Verdict> },
    /// One said something.
    Heard { conn: u64, batch: Vec<Heard> },
    /// One went away.
    Closed { conn: u64 },
    /// One made a request.
    Asked(Box<Asked>),
}

/// A request.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) peer: IpAddr,
    /// Dropped when no answer will come.
    pub(super) answer: oneshot::Sender<venuekit_sim::Response>,
}

/// What the front thinks of a client that asks for a websocket.
pub(super) enum Verdict {
    Accept { conn: u64, inlet: Inlet, killed: oneshot::Receiver<()> },
    Refuse { status: u16 },
}

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) arrived: mpsc::Sender<Arrived>,
    pub(super) tls: Option<TlsAcceptor>,
    /// Changes, or goes away, when the server stops.
    pub(super) stop: watch::Receiver<()>,
}

/// The front will never answer: the connection closes without a byte.
#[derive(Debug, thiserror::Error)]
#[error("the request was abandoned")]
struct Abandoned;

/// Serves one client until it goes away or is told to.
pub(super) async fn greet(gate: Gate, tcp: TcpStream, peer: IpAddr) {
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    match gate.tls.clone() {
        None => attend(gate, tcp, peer).await,
        Some(acceptor) => {
            if let Ok(Ok(tls)) = timeout(HEAD_WITHIN, acceptor.accept(tcp)).await {
                attend(gate, tls, peer).await;
            }
        }
    }
}

/// A connection about to become a websocket.
struct Upgrading {
    conn: u64,
    inlet: Inlet,
    killed: oneshot::Receiver<()>,
    upgrade: OnUpgrade,
}

async fn attend<S>(gate: Gate, stream: S, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let upgrading: Arc<Mutex<Option<Upgrading>>> = Arc::default();
    let service = service_fn(|request| {
        let (gate, upgrading) = (gate.clone(), Arc::clone(&upgrading));
        async move {
            if request.headers().contains_key(UPGRADE) {
                Ok(knock(&gate, request, peer, &upgrading).await)
            } else {
                ask(&gate, request, peer).await
            }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let mut stop = gate.stop.clone();
    let served = tokio::select! {
        served = served.as_mut() => served,
        _ = stop.changed() => {
            // An idle connection ends at once, one in the middle of a request after it.
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    let upgrading = upgrading.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Upgrading { conn, inlet, killed, upgrade }) = upgrading else { return };
    if served.is_ok()
        && let Ok(upgraded) = upgrade.await
        && let Ok(parts) = upgraded.downcast::<TokioIo<S>>()
    {
        let config = WebSocketConfig::default()
            .max_message_size(Some(BODY_MAX))
            .max_frame_size(Some(BODY_MAX))
            .read_buffer_size(4 << 10)
            .write_buffer_size(WRITE_AT_ONCE)
            // One message of any size is taken beyond that: what waits is bounded by the outlet.
            .max_write_buffer_size(usize::MAX);
        let (io, read) = (parts.io.into_inner(), parts.read_buf.to_vec());
        let ws = WebSocketStream::from_partially_read(io, read, Role::Server, Some(config)).await;
        converse(&gate, conn, Pump::new(ws, inlet), killed).await;
    }
    let _ = gate.arrived.send(Arrived::Closed { conn }).await;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    gate: &Gate,
    conn: u64,
    mut pump: Pump<S>,
    killed: oneshot::Receiver<()>,
) {
    let killed = async {
        if killed.await.is_err() {
            // Let go in order: what waits is still to be written.
            pending::<()>().await;
        }
    };
    tokio::pin!(killed);
    let end = loop {
        let mut batch = Vec::new();
        let end = tokio::select! {
            biased;
            () = &mut killed => return,
            end = pump.turn(&mut batch) => end,
        };
        if !batch.is_empty() && gate.arrived.send(Arrived::Heard { conn, batch }).await.is_err() {
            return;
        }
        if let Some(end) = end {
            break end;
        }
    };
    if let End::Lost { .. } = end {
        let _ = gate.arrived.send(Arrived::Closed { conn }).await;
    }
    pump.finish(&end).await;
}

/// Asks the front to let a client in.
async fn knock(
    gate: &Gate,
    mut request: Request<Incoming>,
    peer: IpAddr,
    upgrading: &Mutex<Option<Upgrading>>,
) -> Response<Full<Bytes>> {
    let upgrade = hyper::upgrade::on(&mut request);
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let Ok(welcome) = create_response(&request.map(|_| ())) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let (verdict, decided) = oneshot::channel();
    if gate.arrived.send(Arrived::Knock { path, peer, verdict }).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE);
    }
    match decided.await {
        Ok(Verdict::Accept { conn, inlet, killed }) => {
            let slot = Some(Upgrading { conn, inlet, killed, upgrade });
            *upgrading.lock().unwrap_or_else(PoisonError::into_inner) = slot;
            welcome.map(|()| Full::default())
        }
        Ok(Verdict::Refuse { status }) => {
            plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// Asks the front for an answer.
async fn ask(
    gate: &Gate,
    request: Request<Incoming>,
    peer: IpAddr,
) -> Result<Response<Full<Bytes>>, Abandoned> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
    };
    let (answer, answered) = oneshot::channel();
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body, peer, answer };
    gate.arrived.send(Arrived::Asked(Box::new(asked))).await.map_err(|_| Abandoned)?;
    let response = answered.await.map_err(|_| Abandoned)?;
    Ok(carry(response))
}

fn carry(response: venuekit_sim::Response) -> Response<Full<Bytes>> {
    let mut carried = Response::new(Full::new(response.body));
    *carried.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        // A front that writes an illegal header is our own mistake, which the client will notice by its absence.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        {
            carried.headers_mut().append(name, value);
        }
    }
    carried
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

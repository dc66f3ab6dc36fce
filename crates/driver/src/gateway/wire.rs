//! Requests that bring risk, on connections of their own, whose every write asks the gate.
//!
//! It owns those connections and nothing else: one request at a time on each, no retries, no redirects, no proxies. It
//! refuses to begin late, and says of a request that it stopped whether a byte of it had left.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT as AGENT};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use venuekit_venue::HttpRequest;

use super::GateCell;
use crate::address::Address;
use crate::error::chain;
use crate::http::{BODY_MAX, headers, method};
use crate::net::{Reply, USER_AGENT};
use crate::tls::ClientTls;

/// Longest from being handed a request to its first byte; nothing of it leaves after that.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Longest a request may live after that.
const LIVE_WITHIN: Duration = Duration::from_secs(60);
/// Connections kept for each origin.
const IDLE_MAX: usize = 4;

/// Why an entry was not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No byte of it left.
    Unsent(String),
    /// Some of it may have left.
    Lost(String),
}

type Sender = SendRequest<Full<Bytes>>;

/// A connection on which nothing is under way.
struct Idle {
    sender: Sender,
    guard: Arc<Guard>,
}

/// The connections that entries leave by.
pub(crate) struct EntryWire {
    tls: ClientTls,
    cell: GateCell,
    idle: Mutex<BTreeMap<String, Vec<Idle>>>,
}

impl EntryWire {
    pub(crate) fn new(tls: ClientTls, cell: GateCell) -> EntryWire {
        EntryWire { tls, cell, idle: Mutex::default() }
    }

    /// Sends an entry and waits for its answer.
    ///
    /// **Errors**: [`Failure`], without the URL.
    pub(crate) async fn send(&self, origin: &str, request: &HttpRequest) -> Result<Reply, Failure> {
        let unsent = |why: String| Failure::Unsent(why);
        // Asked first, so that a shut gate costs the venue no connection.
        if !self.cell.is_open() {
            return Err(unsent(SHUT.to_owned()));
        }
        let address = Address::parse(origin).map_err(|error| unsent(error.to_string()))?;
        let prepared = prepare(request, &address).map_err(unsent)?;
        let connected = timeout(LEAVE_WITHIN, self.connection(origin, &address)).await;
        let Idle { mut sender, guard } =
            connected.map_err(|_| unsent("no connection in time".to_owned()))?.map_err(unsent)?;
        guard.begin();
        let lost = |guard: &Guard, why: String| match guard.written() {
            0 => Failure::Unsent(if guard.was_stopped() { SHUT.to_owned() } else { why }),
            _ => Failure::Lost(why),
        };
        let answered = timeout(LIVE_WITHIN, async {
            let response = sender.send_request(prepared).await.map_err(|error| chain(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, BODY_MAX).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            let text = |(name, value): (&hyper::header::HeaderName, &HeaderValue)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            };
            let headers = parts.headers.iter().filter_map(text).collect();
            Ok::<Reply, String>(Reply { status: parts.status.as_u16(), headers, body: body.to_vec() })
        });
        let reply = match answered.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(why)) => return Err(lost(&guard, format!("the request failed: {why}"))),
            Err(_) => return Err(lost(&guard, "no answer in time".to_owned())),
        };
        self.keep(origin, Idle { sender, guard });
        Ok(reply)
    }

    fn keep(&self, origin: &str, idle: Idle) {
        let mut pool = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pool.entry(origin.to_owned()).or_default();
        if kept.len() < IDLE_MAX {
            kept.push(idle);
        }
    }

    /// A connection that waits, or a new one.
    async fn connection(&self, origin: &str, address: &Address) -> Result<Idle, String> {
        while let Some(mut idle) = self.take(origin) {
            // One that the venue has closed gives an error here; the next may still live.
            if idle.sender.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        self.dial(address).await
    }

    fn take(&self, origin: &str) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(origin)?.pop()
    }

    async fn dial(&self, address: &Address) -> Result<Idle, String> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(|error| format!("no connection: {error}"))?;
        let peer = tcp.peer_addr().map_err(|error| error.to_string())?;
        if !address.allows(peer.ip()) {
            return Err("the plain connection led to another machine".to_owned());
        }
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let guard = Arc::new(Guard::default());
        let gated = Gated { inner: tcp, cell: self.cell.clone(), guard: Arc::clone(&guard) };
        let sender = if address.secure {
            let mut config = rustls::ClientConfig::clone(&*self.tls.config().map_err(|e| chain(&e))?);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let name = ServerName::try_from(address.host.clone())
                .map_err(|_| format!("{} is no name that a certificate could hold", address.host))?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, gated).await;
            greet(stream.map_err(|error| format!("the TLS handshake failed: {error}"))?).await?
        } else {
            greet(gated).await?
        };
        Ok(Idle { sender, guard })
    }
}

const SHUT: &str = "the gate is shut";

/// Gives a connection to HTTP. Its task ends with the last sender.
async fn greet<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<Sender, String> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
    tokio::spawn(async move {
        // Whoever waits for an answer on it is told by the sender.
        let _ = connection.await;
    });
    Ok(sender)
}

fn prepare(request: &HttpRequest, address: &Address) -> Result<hyper::Request<Full<Bytes>>, String> {
    let body = Full::new(Bytes::copy_from_slice(&request.body));
    let mut prepared = hyper::Request::new(body);
    *prepared.method_mut() = method(request.method);
    *prepared.uri_mut() =
        request.target.parse().map_err(|_| format!("the target of {} cannot be sent", request.route))?;
    *prepared.headers_mut() = headers(request)?;
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    let usual = if address.secure { 443 } else { 80 };
    let host = if address.port == usual { host } else { format!("{host}:{}", address.port) };
    let host = HeaderValue::from_str(&host).map_err(|_| "the host cannot be sent".to_owned())?;
    prepared.headers_mut().insert(HOST, host);
    prepared.headers_mut().insert(AGENT, HeaderValue::from_static(USER_AGENT));
    Ok(prepared)
}

/// What a connection knows of the request that is under way on it.
#[derive(Default)]
struct Guard {
    /// Whether a request has begun: what a handshake writes is no order.
    begun: AtomicBool,
    stopped: AtomicBool,
    written: AtomicUsize,
}

impl Guard {
    fn begin(&self) {
        self.written.store(0, Ordering::SeqCst);
        self.begun.store(true, Ordering::SeqCst);
    }

    fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    fn was_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// A socket that writes nothing of a request while the gate is shut. It stands below TLS, so that no byte waits
/// between it and the system.
struct Gated<S> {
    inner: S,
    cell: GateCell,
    guard: Arc<Guard>,
}

impl<S: AsyncWrite + Unpin> Gated<S> {
    fn gate(
        &mut self,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if !self.guard.begun.load(Ordering::SeqCst) {
            return write(Pin::new(&mut self.inner));
        }
        let (inner, guard) = (Pin::new(&mut self.inner), &self.guard);
        let written = self.cell.within(|| {
            let outcome = write(inner);
            if let Poll::Ready(Ok(written)) = &outcome {
                guard.written.fetch_add(*written, Ordering::SeqCst);
            }
            outcome
        });
        written.unwrap_or_else(|| {
            guard.stopped.store(true, Ordering::SeqCst);
            Poll::Ready(Err(io::Error::new(io::ErrorKind::PermissionDenied, SHUT)))
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.gate(|inner| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.gate(|inner| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests;

//! Websocket connections of a session: one task each, which reads into a bounded channel.
//!
//! A session that is slow fills the channel, then the task stops reading, then TCP tells the venue: nothing between
//! the two grows. It refuses to decide anything: why a connection opens or closes is the session's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use venuekit_session::{ConnId, RequestId};

use crate::address::Address;
use crate::error::chain;
use crate::socket::{End, Heard, Inlet, Outlet, Pump, Said, describe, outlet};
use crate::tls::ClientTls;

/// Bytes read and not yet handled, over all connections of a session; one batch may exceed it.
const READ_AHEAD: usize = 16 << 20;
/// Bytes that wait to be written to one connection.
const WRITE_QUEUE: usize = 1 << 20;
/// Names the program to the venue.
pub(crate) const USER_AGENT: &str = concat!("venuekit/", env!("CARGO_PKG_VERSION"));

/// What happened outside, on its way to the session.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A connection opened.
    Opened { conn: ConnId },
    /// Messages came.
    Heard { conn: ConnId, batch: Vec<Heard>, _room: OwnedSemaphorePermit },
    /// A connection failed to open, or ended.
    Closed { conn: ConnId, why: String },
    /// A request was answered.
    Answered { id: RequestId, reply: Reply },
    /// A request was not answered.
    Failed { id: RequestId, why: String },
    /// A request was stopped before a byte of it left.
    Unsent { id: RequestId, why: String },
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

struct Open {
    outlet: Outlet,
    task: AbortHandle,
}

/// The connections of one session.
pub(crate) struct Net {
    tls: ClientTls,
    happened: mpsc::Sender<Happened>,
    room: Arc<Semaphore>,
    open: BTreeMap<ConnId, Open>,
    tasks: JoinSet<()>,
}

impl Net {
    pub(crate) fn new(tls: ClientTls, happened: mpsc::Sender<Happened>) -> Net {
        let room = Arc::new(Semaphore::new(READ_AHEAD));
        Net { tls, happened, room, open: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Begins to open a connection; `Opened` or `Closed` follows.
    pub(crate) fn connect(&mut self, conn: ConnId, url: &str, max_message: usize, max_frame: usize) {
        while self.tasks.try_join_next().is_some() {}
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_frame))
            .read_buffer_size(32 << 10)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_QUEUE);
        let (outlet, inlet) = outlet(WRITE_QUEUE, WRITE_QUEUE, Arc::new(Notify::new()));
        let happened = self.happened.clone();
        let line = Line { conn, happened, room: Arc::clone(&self.room), inlet };
        let task = self.tasks.spawn(line.run(url.to_owned(), config, self.tls.clone()));
        self.open.insert(conn, Open { outlet, task });
    }

    /// Says something on a connection.
    ///
    /// **Errors**: when the connection takes no more; it is gone then, and this is why.
    pub(crate) fn say(&mut self, conn: ConnId, said: Said) -> Result<(), String> {
        // What is said to a connection that just ended goes nowhere; its `Closed` is on its way.
        let Some(open) = self.open.get(&conn) else { return Ok(()) };
        if open.outlet.push(said).is_ok() {
            return Ok(());
        }
        open.task.abort();
        self.open.remove(&conn);
        Err(format!("the peer reads nothing: {} KiB wait to be written", WRITE_QUEUE >> 10))
    }

    /// Says goodbye; no `Closed` follows.
    pub(crate) fn close(&mut self, conn: ConnId) {
        let Some(open) = self.open.remove(&conn) else { return };
        if open.outlet.push(Said::Close(Some(1000))).is_err() {
            open.task.abort();
        }
    }

    /// Whether anything that a connection says still counts.
    pub(crate) fn is_open(&self, conn: ConnId) -> bool {
        self.open.contains_key(&conn)
    }

    /// Forgets a connection whose `Closed` was taken.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.open.remove(&conn);
    }

    /// Waits until every goodbye is over; each has a bound of its own.
    pub(crate) async fn settled(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The task of one connection.
struct Line {
    conn: ConnId,
    happened: mpsc::Sender<Happened>,
    room: Arc<Semaphore>,
    inlet: Inlet,
}

impl Line {
    async fn run(mut self, url: String, config: WebSocketConfig, tls: ClientTls) {
        let tcp = tokio::select! {
            tcp = dial(&url, &tls) => tcp,
            // Nothing but a goodbye is ever said to a connection that is not open.
            _ = self.inlet.next() => return,
        };
        match tcp {
            Err(why) => self.tell(Happened::Closed { conn: self.conn, why }).await,
            Ok((tcp, None)) => self.upgrade(&url, config, tcp).await,
            Ok((tcp, Some((connector, name)))) => {
                let secure = tokio::select! {
                    secure = connector.connect(name, tcp) => secure,
                    _ = self.inlet.next() => return,
                };
                match secure {
                    Ok(secure) => self.upgrade(&url, config, secure).await,
                    Err(error) => {
                        let why = format!("the TLS handshake failed: {error}");
                        self.tell(Happened::Closed { conn: self.conn, why }).await;
                    }
                }
            }
        }
    }

    async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        url: &str,
        config: WebSocketConfig,
        stream: S,
    ) {
        let conn = self.conn;
        let request = url.into_client_request().map(|mut request| {
            request.headers_mut().insert("user-agent", HeaderValue::from_static(USER_AGENT));
            request
        });
        let upgraded = match request {
            Ok(request) => tokio::select! {
                upgraded = client_async_with_config(request, stream, Some(config)) => upgraded,
                _ = self.inlet.next() => return,
            },
            Err(error) => Err(error),
        };
        match upgraded {
            Ok((ws, _)) => {
                self.tell(Happened::Opened { conn }).await;
                self.converse(ws).await;
            }
            Err(error) => self.tell(Happened::Closed { conn, why: describe(&error) }).await,
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(self, ws: WebSocketStream<S>) {
        let Line { conn, happened, room, inlet } = self;
        let mut pump = Pump::new(ws, inlet);
        let end = loop {
            let mut batch = Vec::new();
            let end = pump.turn(&mut batch).await;
            if !batch.is_empty() {
                let bytes = batch.iter().map(size).sum::<usize>().min(READ_AHEAD);
                let permits = u32::try_from(bytes).expect("the bound is below 2^32");
                let Ok(_room) = Arc::clone(&room).acquire_many_owned(permits).await else { return };
                if happened.send(Happened::Heard { conn, batch, _room }).await.is_err() {
                    return;
                }
            }
            if let Some(end) = end {
                break end;
            }
        };
        if let End::Lost { why, .. } = &end {
            let _ = happened.send(Happened::Closed { conn, why: why.clone() }).await;
        }
        pump.finish(&end).await;
    }

    async fn tell(&self, what: Happened) {
        // Nobody listens any more when the session has ended.
        let _ = self.happened.send(what).await;
    }
}

fn size(heard: &Heard) -> usize {
    match heard {
        Heard::Message { data, .. } => data.len(),
        Heard::Ping | Heard::Pong => 0,
    }
}

type Tls = Option<(TlsConnector, ServerName<'static>)>;

/// Opens TCP to where a URL leads, and finds what TLS needs.
async fn dial(url: &str, tls: &ClientTls) -> Result<(TcpStream, Tls), String> {
    let address = Address::parse(url).map_err(|error| error.to_string())?;
    let connector = if address.secure {
        let config = tls.config().map_err(|error| chain(&error))?;
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| format!("{} is no name that a certificate could hold", address.host))?;
        Some((TlsConnector::from(config), name))
    } else {
        None
    };
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| format!("{}:{} was not reached: {error}", address.host, address.port))?;
    let peer = tcp.peer_addr().map_err(|error| error.to_string())?;
    if !address.allows(peer.ip()) {
        return Err(format!("the plain connection led to {}, which is not this machine", peer.ip()));
    }
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok((tcp, connector))
}

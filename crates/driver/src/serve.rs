//! Serves a [`Front`] on one loopback listener: websocket upgrades and plain requests on the same port.
//!
//! One task owns the front and hands it whatever clients do; one task a connection carries bytes. A client that reads
//! slowly slows the front's time down, one that reads nothing is cut, and what waits for a client is bounded.
//! It refuses to listen anywhere but on this machine.

mod conn;
mod front;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use venuekit_sim::Front;
use venuekit_types::Now;

use crate::address::is_loopback;
use crate::clock::Clock;
use crate::error::Stopped;
use crate::serve::front::{Call, Keeper};
use crate::tls::ServerTls;

/// How a front is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// TLS, for clients that trust its authority.
    pub tls: Option<ServerTls>,
    /// The clock the front lives by.
    pub clock: Clock,
    /// Bytes that may wait for one client; one message may exceed it. A client that would get more is cut.
    pub client_bytes: usize,
    /// How long a client with much waiting may read nothing before it is cut.
    pub stall: Duration,
}

impl Default for ServeOptions {
    /// Plain, on a free port of 127.0.0.1.
    fn default() -> ServeOptions {
        ServeOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            clock: Clock::start(),
            client_bytes: 16 << 20,
            stall: Duration::from_secs(5),
        }
    }
}

/// Why a front is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others could reach it.
    #[error("{0} can be reached from other machines; listen on an address within 127.0.0.0/8 or on [::1]")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("{listen} cannot be listened on; choose another port, or port 0 for a free one")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// A front being served. Dropping it stops it.
pub struct Server<F> {
    address: SocketAddr,
    secure: bool,
    remote: Remote<F>,
    keeper: JoinHandle<F>,
}

/// Reaches a front while it is being served.
pub struct Remote<F> {
    calls: mpsc::Sender<Call<F>>,
}

/// Serves a front until it is stopped.
///
/// **Errors**: [`ServeError`].
pub async fn serve<F: Front + 'static>(front: F, options: ServeOptions) -> Result<Server<F>, ServeError> {
    let listen = options.listen;
    if !is_loopback(listen.ip()) {
        return Err(ServeError::NotLoopback(listen));
    }
    let bind = |source| ServeError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let secure = options.tls.is_some();
    let (calls, receiver) = mpsc::channel(64);
    let keeper = tokio::spawn(Keeper::new(front, listener, receiver, options).run());
    Ok(Server { address, secure, remote: Remote { calls }, keeper })
}

impl<F: Front + 'static> Server<F> {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of its requests, such as `http://127.0.0.1:8080`.
    pub fn rest_origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.address)
    }

    /// The origin of its streams, such as `ws://127.0.0.1:8080`.
    pub fn stream_origin(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.address)
    }

    /// A way to reach the front that outlives no server.
    pub fn remote(&self) -> Remote<F> {
        self.remote.clone()
    }

    /// Acts on the front between two inputs; what it then wants done is done.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn with<R, A>(&self, act: A) -> Result<R, Stopped>
    where
        R: Send + 'static,
        A: FnOnce(&mut F, Now) -> R + Send + 'static,
    {
        self.remote.with(act).await
    }

    /// Says goodbye to every client, and gives the front back.
    ///
    /// **Errors**: [`Stopped`] when the front panicked.
    pub async fn stop(self) -> Result<F, Stopped> {
        // A keeper that is gone already is found out below.
        let _ = self.remote.calls.send(Call::Stop).await;
        self.keeper.await.map_err(|_| Stopped)
    }
}

impl<F: Front + 'static> Remote<F> {
    /// Acts on the front between two inputs; what it then wants done is done.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn with<R, A>(&self, act: A) -> Result<R, Stopped>
    where
        R: Send + 'static,
        A: FnOnce(&mut F, Now) -> R + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let act = Box::new(move |front: &mut F, now: Now| {
            // Whoever asked may have gone away.
            let _ = answer.send(act(front, now));
        });
        self.calls.send(Call::Act(act)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}

impl<F> Clone for Remote<F> {
    fn clone(&self) -> Remote<F> {
        Remote { calls: self.calls.clone() }
    }
}

impl<F> fmt::Debug for Remote<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote(..)")
    }
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

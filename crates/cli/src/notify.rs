//! What a service manager is told, in systemd's way: that the run has begun, that it goes on, that it ends.
//!
//! It refuses to fail: where nobody listens, nothing is said.

use std::convert::Infallible;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The way to the service manager.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    every: Option<Duration>,
}

impl Notify {
    /// The one that the environment names; nothing where it names none.
    pub(crate) fn from_environment() -> Option<Notify> {
        let address = std::env::var_os("NOTIFY_SOCKET")?;
        let socket = UnixDatagram::unbound().ok()?;
        connect(&socket, address.as_encoded_bytes()).ok()?;
        let is_ours = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let within = std::env::var("WATCHDOG_USEC").ok().filter(|_| is_ours);
        let within: Option<u64> = within.and_then(|micros| micros.parse().ok());
        // Twice as often as it has to be said.
        Some(Notify { socket, every: within.map(|micros| Duration::from_micros(micros / 2)) })
    }

    /// Says something, such as `READY=1`.
    pub(crate) fn say(&self, what: &str) {
        // A manager that does not listen any more acts by itself.
        let _ = self.socket.send(what.as_bytes());
    }

    /// Says that the event loop moves, for as long as it does.
    pub(crate) async fn keep_saying(&self) -> Infallible {
        let Some(every) = self.every.filter(|every| !every.is_zero()) else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            self.say("WATCHDOG=1");
        }
    }
}

/// A path, or with `@` in front a name that stands in no directory.
fn connect(socket: &UnixDatagram, address: &[u8]) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.connect_addr(&address);
    }
    socket.connect(std::ffi::OsStr::from_bytes(address))
}

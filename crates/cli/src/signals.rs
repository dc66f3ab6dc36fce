//! The signals that end a process in good order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure, OrExit};

/// Listens from its making on, so that no signal is lost between two waits.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen; the default actions no longer happen.
    pub(crate) fn listen() -> Result<Signals, Failure> {
        let listen = |kind| signal(kind).or_exit(Exit::Unexpected);
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for one, and gives the code to end with.
    pub(crate) async fn ended(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}

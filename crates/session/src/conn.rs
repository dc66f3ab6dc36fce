//! One attempt at a connection, and the logical line that it serves.

use core::time::Duration;
use std::collections::VecDeque;

use venuekit_types::Mono;
use venuekit_venue::spec::{Heartbeat, SocketSpec};
use venuekit_venue::{Fault, Token};

use crate::backoff::Backoff;
use crate::io::{CloseReason, ConnId, LineId, StreamId};
use crate::pace::Pace;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being opened.
    Opening,
    /// It is open and must not be spoken on yet.
    Quiet,
    /// The login is under way; true once the proof was sent.
    LoggingIn {
        /// Whether the proof was sent.
        proven: bool,
    },
    /// It can be subscribed on.
    Ready,
}

/// A message to send when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Subscribe(StreamId),
    Unsubscribe(StreamId),
}

impl Task {
    pub(crate) fn stream(self) -> StreamId {
        match self {
            Task::Subscribe(stream) | Task::Unsubscribe(stream) => stream,
        }
    }
}

/// A request that was sent on the socket and not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Outstanding {
    pub(crate) id: u64,
    pub(crate) subscribe: bool,
    pub(crate) streams: Vec<StreamId>,
    pub(crate) resent: bool,
    pub(crate) due: Mono,
}

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) line: LineId,
    pub(crate) product: usize,
    pub(crate) socket: usize,
    pub(crate) phase: Phase,
    pub(crate) queue: VecDeque<Task>,
    pub(crate) outstanding: VecDeque<Outstanding>,
    pub(crate) next_request: u64,
    pub(crate) pace: Option<Pace>,
    pub(crate) subscribe_pace: Option<Pace>,
    /// Set when we close it ourselves.
    pub(crate) closing: Option<CloseReason>,
    pub(crate) last_frame: Mono,
    /// The server's text, for the proof inside each private subscribe.
    pub(crate) challenge: Option<String>,
}

impl Conn {
    pub(crate) fn new(line: LineId, product: usize, socket: usize, spec: &SocketSpec) -> Conn {
        Conn {
            line,
            product,
            socket,
            phase: Phase::Opening,
            queue: VecDeque::new(),
            outstanding: VecDeque::new(),
            next_request: 1,
            pace: spec.limits.client_messages.map(Pace::new),
            subscribe_pace: spec.limits.subscribes.map(Pace::new),
            closing: None,
            last_frame: Mono(0),
            challenge: None,
        }
    }

    /// Queues a task unless the same one waits already.
    pub(crate) fn enqueue(&mut self, task: Task) {
        if !self.queue.contains(&task) {
            self.queue.push_back(task);
        }
    }
}

/// The ping rule of a socket, where we are the ones who ping by control frame.
pub(crate) fn client_ping(spec: &SocketSpec) -> Option<(Duration, Duration)> {
    spec.heartbeats.iter().find_map(|heartbeat| match heartbeat {
        Heartbeat::ClientPing { every, within } => Some((*every, *within)),
        _ => None,
    })
}

/// Silence after which a socket counts as dead, where its server beats unasked.
pub(crate) fn beat(spec: &SocketSpec) -> Option<Duration> {
    spec.heartbeats.iter().find_map(|heartbeat| match heartbeat {
        Heartbeat::Beat { stale, subscribe: false, .. } => Some(*stale),
        _ => None,
    })
}

/// The token that a line is opened with, where it needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// There is none.
    None,
    /// It was asked for.
    Asked,
    /// This one.
    Known(Token),
}

/// A set of streams that share a socket, across reconnects.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) product: usize,
    pub(crate) socket: usize,
    pub(crate) private: bool,
    pub(crate) streams: Vec<StreamId>,
    pub(crate) backoff: Backoff,
    pub(crate) current: Option<ConnId>,
    /// The one that will take over.
    pub(crate) next: Option<ConnId>,
    /// Waits for another line to get in.
    pub(crate) held: bool,
    /// Closes right after the proof of a login.
    pub(crate) login_strikes: u8,
    /// One stream at a time, since a subscription was answered by a close.
    pub(crate) isolate: bool,
    pub(crate) stopped: Option<Fault>,
    pub(crate) key: Key,
    /// Its connection is to be replaced, and the replacement is not opened yet.
    pub(crate) wants_another: bool,
}

//! One websocket conversation, of either side: writes what waits, reads what came, knows why it ended.
//!
//! Every buffer is bounded: what waits to be written by [`Outlet`], what is read at once by [`Pump::turn`], a single
//! message by the limits that the websocket was made with.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long a goodbye may take.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Messages handed over at once, so that a busy connection costs one hand-over for many.
const BATCH: usize = 128;
/// Bytes handed over at once; one message may exceed it.
const BATCH_BYTES: usize = 256 << 10;
/// What a waiting message costs besides its bytes.
const OVERHEAD: usize = 64;

/// What is said.
#[derive(Debug)]
pub(crate) enum Said {
    /// A text message; valid UTF-8.
    Text(Bytes),
    /// A ping.
    Ping,
    /// Goodbye, with a status code or without one.
    Close(Option<u16>),
    /// Nothing more, not even a goodbye.
    Cut,
}

impl Said {
    fn cost(&self) -> usize {
        match self {
            Said::Text(text) => text.len() + OVERHEAD,
            Said::Ping | Said::Close(_) | Said::Cut => OVERHEAD,
        }
    }
}

/// What is heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A whole message.
    Message {
        /// The payload.
        data: Bytes,
        /// Whether it is a binary one.
        binary: bool,
    },
    /// A ping, which is answered already.
    Ping,
    /// The answer to one of ours.
    Pong,
}

/// Why a conversation is over.
#[derive(Debug)]
pub(crate) enum End {
    /// We said goodbye.
    Left,
    /// We cut it.
    Cut,
    /// The other side ended it, or it broke.
    Lost {
        /// How, in words that hold no payload.
        why: String,
        /// The status code to say on the way out.
        code: Option<CloseCode>,
    },
}

/// What waits to be written is more than the bound.
#[derive(Debug)]
pub(crate) struct Full;

/// How much waits, told to both ends.
#[derive(Debug)]
struct Waiting {
    cost: AtomicUsize,
    /// Everything written so far, to see whether the other side reads at all.
    taken: AtomicUsize,
    /// Told when no more than `crowd` waits again.
    relief: Arc<Notify>,
    crowd: usize,
    cost_max: usize,
}

/// Where to say things. Dropping it cuts the connection.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: mpsc::Sender<Said>,
    waiting: Arc<Waiting>,
}

/// The other end of an [`Outlet`].
#[derive(Debug)]
pub(crate) struct Inlet {
    queue: mpsc::Receiver<Said>,
    waiting: Arc<Waiting>,
}

/// A queue of things to say, bounded by their bytes, and crowded above half of that or `crowd`, whichever is less.
pub(crate) fn outlet(bytes_max: usize, crowd: usize, relief: Arc<Notify>) -> (Outlet, Inlet) {
    // Each message costs at least `OVERHEAD`, so that the number of messages is bounded by the bytes.
    let (sender, queue) = mpsc::channel((bytes_max / OVERHEAD).max(1) + 1);
    let (cost, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let crowd = crowd.min(bytes_max / 2);
    let waiting = Arc::new(Waiting { cost, taken, relief, crowd, cost_max: bytes_max });
    (Outlet { queue: sender, waiting: Arc::clone(&waiting) }, Inlet { queue, waiting })
}

impl Outlet {
    /// Says something as soon as the other side reads. A single message of any size fits an empty queue.
    pub(crate) fn push(&self, said: Said) -> Result<(), Full> {
        let cost = said.cost();
        let before = self.waiting.cost.fetch_add(cost, Ordering::Relaxed);
        let over = before > 0 && before + cost > self.waiting.cost_max;
        if over || self.queue.try_send(said).is_err() {
            self.waiting.cost.fetch_sub(cost, Ordering::Relaxed);
            // A conversation that is over takes nothing, and says so by itself.
            return if self.queue.is_closed() { Ok(()) } else { Err(Full) };
        }
        Ok(())
    }

    /// Whether so much waits that whoever speaks had better pause.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.cost.load(Ordering::Relaxed) > self.waiting.crowd
    }

    /// How much was taken off the queue so far, wrapping.
    pub(crate) fn taken(&self) -> usize {
        self.waiting.taken.load(Ordering::Relaxed)
    }
}

impl Inlet {
    /// Waits for the next thing to say; nothing once the outlet is gone.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        let said = self.queue.poll_recv(cx);
        if let Poll::Ready(Some(said)) = &said {
            let (cost, crowd) = (said.cost(), self.waiting.crowd);
            self.waiting.taken.fetch_add(cost, Ordering::Relaxed);
            let before = self.waiting.cost.fetch_sub(cost, Ordering::Relaxed);
            if before > crowd && before - cost <= crowd {
                self.waiting.relief.notify_one();
            }
        }
        said
    }
}

/// A websocket and what waits to be written to it.
pub(crate) struct Pump<S> {
    ws: WebSocketStream<S>,
    inlet: Inlet,
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pump<S> {
    pub(crate) fn new(ws: WebSocketStream<S>, inlet: Inlet) -> Pump<S> {
        Pump { ws, inlet, unflushed: false }
    }

    /// Writes until something was heard, then reads what else is there, up to a bound. Gives the end, when it came;
    /// what was heard before it stands in `heard` all the same.
    pub(crate) async fn turn(&mut self, heard: &mut Vec<Heard>) -> Option<End> {
        poll_fn(|cx| self.poll_turn(cx, heard)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, heard: &mut Vec<Heard>) -> Poll<Option<End>> {
        if let Some(end) = self.poll_say(cx) {
            return Poll::Ready(Some(end));
        }
        let mut bytes = 0;
        while heard.len() < BATCH && bytes < BATCH_BYTES {
            let message = match self.ws.poll_next_unpin(cx) {
                Poll::Pending if heard.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(lost(&error))),
                Poll::Ready(None) => return Poll::Ready(Some(lost(&Error::ConnectionClosed))),
            };
            let (data, binary) = match message {
                Message::Text(text) => (Bytes::from(text), false),
                Message::Binary(data) => (data, true),
                Message::Ping(_) => {
                    // The answer is queued inside; the next read or flush writes it.
                    self.unflushed = true;
                    heard.push(Heard::Ping);
                    continue;
                }
                Message::Pong(_) => {
                    heard.push(Heard::Pong);
                    continue;
                }
                Message::Close(frame) => return Poll::Ready(Some(closed_by_peer(frame))),
                // Never read, only written.
                Message::Frame(_) => continue,
            };
            bytes += data.len();
            heard.push(Heard::Message { data, binary });
        }
        Poll::Ready(None)
    }

    fn poll_say(&mut self, cx: &mut Context<'_>) -> Option<End> {
        while let Poll::Ready(ready) = self.ws.poll_ready_unpin(cx) {
            if let Err(error) = ready {
                return Some(lost(&error));
            }
            let Poll::Ready(said) = self.inlet.poll_next(cx) else { break };
            let (message, end) = match said {
                None | Some(Said::Cut) => return Some(End::Cut),
                Some(Said::Text(text)) => {
                    (Message::Frame(Frame::message(text, OpCode::Data(Data::Text), true)), None)
                }
                Some(Said::Ping) => (Message::Ping(Bytes::new()), None),
                Some(Said::Close(code)) => (Message::Close(code.map(goodbye)), Some(End::Left)),
            };
            self.unflushed = true;
            if let Err(error) = self.ws.start_send_unpin(message) {
                return Some(lost(&error));
            }
            if end.is_some() {
                return end;
            }
        }
        if self.unflushed
            && let Poll::Ready(flushed) = self.ws.poll_flush_unpin(cx)
        {
            self.unflushed = false;
            return flushed.err().map(|error| lost(&error));
        }
        None
    }

    /// Ends the conversation in the way that its end calls for, within [`CLOSE_WITHIN`].
    pub(crate) async fn finish(mut self, end: &End) {
        let farewell = async {
            match end {
                End::Cut => {
                    let _ = self.ws.flush().await;
                }
                End::Left => {
                    let _ = self.ws.flush().await;
                    while let Some(Ok(_)) = self.ws.next().await {}
                }
                End::Lost { code: Some(code), .. } => {
                    let _ = self.ws.close(Some(CloseFrame { code: *code, reason: "".into() })).await;
                }
                End::Lost { code: None, .. } => {
                    let _ = self.ws.flush().await;
                }
            }
        };
        let _ = timeout(CLOSE_WITHIN, farewell).await;
    }
}

fn goodbye(code: u16) -> CloseFrame {
    CloseFrame { code: code.into(), reason: "".into() }
}

fn closed_by_peer(frame: Option<CloseFrame>) -> End {
    let why = match frame {
        Some(frame) if frame.reason.is_empty() => format!("closed by the peer with {}", frame.code),
        Some(frame) => format!("closed by the peer with {}: {}", frame.code, frame.reason),
        None => "closed by the peer without a code".to_owned(),
    };
    End::Lost { why, code: None }
}

fn lost(error: &Error) -> End {
    let code = match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    };
    End::Lost { why: describe(error), code }
}

/// What went wrong, without a byte of any payload.
pub(crate) fn describe(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection ended".to_owned(),
        Error::Io(error) => error.to_string(),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            format!("a message of {size} bytes is over the limit of {max_size}")
        }
        Error::Capacity(CapacityError::TooManyHeaders) => {
            "the upgrade answer has too many headers".to_owned()
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            "the connection was cut without a close".to_owned()
        }
        Error::Protocol(error) => format!("not websocket: {error}"),
        Error::Utf8(_) => "a text message is not UTF-8".to_owned(),
        Error::AttackAttempt => "the upgrade answer is too long".to_owned(),
        Error::Http(answer) => format!("the upgrade was refused with HTTP {}", answer.status().as_u16()),
        _ => "the websocket failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> Said {
        Said::Text(vec![b'x'; bytes].into())
    }

    #[tokio::test]
    async fn what_waits_is_bounded_by_its_bytes() {
        let relief = Arc::new(Notify::new());
        let (outlet, mut inlet) = outlet(1_000, 1_000, Arc::clone(&relief));
        outlet.push(text(5_000)).expect("one message of any size fits an empty queue");
        assert!(outlet.push(Said::Ping).is_err());
        assert!(outlet.is_crowded());
        assert!(inlet.next().await.is_some());
        relief.notified().await;
        assert!(!outlet.is_crowded());
        assert_eq!(outlet.taken(), 5_064);
        for _ in 0..1_000 / OVERHEAD {
            outlet.push(Said::Ping).expect("within the bound");
        }
        assert!(outlet.push(Said::Ping).is_err());
        drop(inlet);
        outlet.push(text(5_000)).expect("a conversation that is over takes anything and drops it");
    }

    #[test]
    fn no_error_prints_a_payload() {
        let full = Error::WriteBufferFull(Box::new(Message::text("canary")));
        assert_eq!(describe(&full), "the websocket failed");
        let long = Error::Capacity(CapacityError::MessageTooLong { size: 9, max_size: 8 });
        assert_eq!(describe(&long), "a message of 9 bytes is over the limit of 8");
    }
}

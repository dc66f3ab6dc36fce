//! The gateway's socket: JSON, one object a line, for programs of the same user.
//!
//! It owns the words and their bounds. Each line names the version of the words. It refuses other users, long lines
//! and too many speakers; a halt is acknowledged as soon as it holds, before its cancels are over.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use venuekit_session::gate::Arm;
use venuekit_types::Side;
use venuekit_venue::{OrderRef, OrderType, TimeInForce};

use super::GatewayHandle;
use super::keeper::Paths;
use super::report::{DeskError, HaltReport, OrderView, OrderWish, Outcome, Status};

/// The version of the words.
const VERSION: u32 = 1;
/// Longest line.
const LINE_MAX: u64 = 1 << 20;
/// Who may speak at once.
const SPEAKERS: usize = 64;
/// Longest silence of a speaker, and longest wait for it to read.
const QUIET_MAX: Duration = Duration::from_secs(600);
const READ_WITHIN: Duration = Duration::from_secs(10);

/// What can be asked of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Talk {
    /// What it is doing.
    Status,
    /// Place an order.
    Place(Box<OrderText>),
    /// Cancel an order.
    Cancel(OrderName),
    /// Look an order up.
    Order(OrderName),
    /// Read what is open.
    Open {
        /// At one venue, or at all.
        venue: Option<String>,
    },
    /// Stop everything: answered by [`Answer::Halted`] once that holds, then by [`Answer::Report`].
    Halt {
        /// Who says so.
        by: String,
        /// How long the report may wait for the cancels to be confirmed.
        patience_ms: u64,
    },
    /// Let orders leave.
    Arm {
        /// For how many seconds.
        seconds: u64,
        /// Only those that reduce.
        reducing: bool,
        /// Even though cancels are outstanding.
        force: bool,
        /// Who says so.
        by: String,
    },
}

/// An order to place, as text: the words of [`OrderWish`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the field of `OrderWish` with the same name")]
pub struct OrderText {
    pub venue: String,
    pub symbol: String,
    pub product: Option<String>,
    pub side: String,
    pub order_type: String,
    pub qty: String,
    pub price: Option<String>,
    pub stop_price: Option<String>,
    pub time_in_force: Option<String>,
    #[serde(default)]
    pub post_only: bool,
    #[serde(default)]
    pub reduce_only: bool,
    pub client_order_id: Option<String>,
}

impl OrderText {
    /// Reads the numbers and words.
    ///
    /// **Errors**: the first that does not read.
    pub fn wish(self) -> Result<OrderWish, DeskError> {
        let wrong = |what: &str, text: &str, there: &str| {
            DeskError::new(2, format!("{text:?} is no {what}; write {there}"))
        };
        let number = |what: &str, text: &str| {
            text.parse().map_err(|_| wrong(what, text, "a plain decimal number, such as 0.25"))
        };
        let some =
            |what: &str, text: &Option<String>| text.as_deref().map(|text| number(what, text)).transpose();
        let side = match self.side.to_ascii_lowercase().as_str() {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            _ => return Err(wrong("side", &self.side, "buy or sell")),
        };
        let types = || OrderType::ALL.map(OrderType::as_str).join(", ");
        let order_type = OrderType::from_word(&self.order_type)
            .ok_or_else(|| wrong("order type", &self.order_type, &types()))?;
        let time_in_force = match &self.time_in_force {
            Some(text) => Some(
                TimeInForce::from_word(text)
                    .ok_or_else(|| wrong("time in force", text, "GTC, IOC or FOK"))?,
            ),
            None => None,
        };
        Ok(OrderWish {
            qty: number("quantity", &self.qty)?,
            price: some("price", &self.price)?,
            stop_price: some("stop price", &self.stop_price)?,
            trigger_by: None,
            venue: self.venue,
            symbol: self.symbol,
            product: self.product,
            side,
            order_type,
            time_in_force,
            post_only: self.post_only,
            reduce_only: self.reduce_only,
            client_order_id: self.client_order_id,
        })
    }
}

/// Which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderName {
    /// The venue.
    pub venue: String,
    /// The symbol.
    pub symbol: String,
    /// The product, where the symbol alone does not say it.
    pub product: Option<String>,
    /// The venue's id, or ours.
    pub id: String,
    /// Whether it is ours.
    pub is_client_id: bool,
}

impl OrderName {
    fn order(&self) -> OrderRef {
        let id = self.id.clone();
        if self.is_client_id { OrderRef::Client(id) } else { OrderRef::Venue(id) }
    }
}

/// What a gateway answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What it is doing.
    Status(Box<Status>),
    /// What became of an order.
    Placed(Box<Outcome>),
    /// The venue took the cancel.
    Canceled,
    /// An order.
    Order(Box<OrderView>),
    /// What is open.
    Open(Vec<OrderView>),
    /// No byte of an order leaves any more.
    Halted,
    /// What a halt came to.
    Report(HaltReport),
    /// It did not do what was wanted.
    Error(DeskError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<T> {
    v: u32,
    #[serde(rename = "say")]
    words: T,
}

fn line<T: Serialize>(words: &T) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Line { v: VERSION, words })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a line within its bound: nothing at the end.
async fn heard(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = (&mut *reader).take(LINE_MAX + 1).read_until(b'\n', &mut bytes).await?;
    match read {
        0 => Ok(None),
        _ if bytes.last() == Some(&b'\n') => Ok(Some(bytes)),
        _ => Err(io::Error::other("the line is too long, or was cut off")),
    }
}

/// Makes the socket, for its own user alone. One that a dead gateway left is taken over: the directory is locked.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // The directory lets nobody else in, so that no moment is too early.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: UnixListener, handle: GatewayHandle) {
    let seats = Arc::new(Semaphore::new(SPEAKERS));
    let own = listener.local_addr().ok().and_then(|address| {
        let path = address.as_pathname()?.parent()?;
        std::fs::metadata(path).ok().map(|about| about.uid())
    });
    let mut speakers = JoinSet::new();
    loop {
        while speakers.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let peer = stream.peer_cred().ok().map(|peer| peer.uid());
        // Whoever cannot be told apart from others is another.
        if peer.is_none() || peer != own {
            continue;
        }
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let handle = handle.clone();
        speakers.spawn(async move {
            // One that hangs up has heard enough.
            let _ = attend(stream, handle).await;
            drop(seat);
        });
    }
}

async fn attend(stream: UnixStream, handle: GatewayHandle) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let Ok(heard) = timeout(QUIET_MAX, heard(&mut reader)).await else { return Ok(()) };
        let Some(bytes) = heard? else { return Ok(()) };
        let talk = match serde_json::from_slice::<Line<Talk>>(&bytes) {
            Ok(Line { v: VERSION, words }) => words,
            Ok(Line { v, .. }) => {
                let text = format!("version {v} is not spoken here; this gateway speaks {VERSION}");
                tell(&mut writer, &Answer::Error(DeskError::new(4, text))).await?;
                continue;
            }
            // What was said is not quoted: it could hold anything.
            Err(error) => {
                let text = format!("not a line that this gateway understands, at column {}", error.column());
                tell(&mut writer, &Answer::Error(DeskError::new(2, text))).await?;
                continue;
            }
        };
        if let Talk::Halt { by, patience_ms } = talk {
            handle.halt(&by);
            tell(&mut writer, &Answer::Halted).await?;
            let report = handle.until_flat(Duration::from_millis(patience_ms)).await;
            tell(&mut writer, &Answer::Report(report)).await?;
            continue;
        }
        let answer = answer(&handle, talk).await.unwrap_or_else(Answer::Error);
        tell(&mut writer, &answer).await?;
    }
}

async fn tell(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let bytes = line(answer)?;
    timeout(READ_WITHIN, writer.write_all(&bytes)).await.map_err(io::Error::other)?
}

async fn answer(handle: &GatewayHandle, talk: Talk) -> Result<Answer, DeskError> {
    Ok(match talk {
        Talk::Status => Answer::Status(Box::new(handle.status())),
        Talk::Place(order) => Answer::Placed(Box::new(handle.place(order.wish()?).await?)),
        Talk::Cancel(name) => {
            let order = name.order();
            handle.cancel(&name.venue, &name.symbol, name.product.as_deref(), order).await?;
            Answer::Canceled
        }
        Talk::Order(name) => {
            let order = name.order();
            let view = handle.order(&name.venue, &name.symbol, name.product.as_deref(), order).await?;
            Answer::Order(Box::new(view))
        }
        Talk::Open { venue } => Answer::Open(handle.open_orders(venue.as_deref()).await?),
        Talk::Arm { seconds, reducing, force, by } => {
            let span = Duration::from_secs(seconds);
            Answer::Status(Box::new(handle.arm(Arm { span, reducing, force, by }).await?))
        }
        Talk::Halt { .. } => Answer::Halted,
    })
}

/// Why a gateway could not be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// None runs there.
    #[error("no gateway runs in {dir}; start one with `venuekit gateway`")]
    NotRunning {
        /// The directory.
        dir: String,
    },
    /// The line broke.
    #[error("the gateway hung up")]
    Broken(#[source] io::Error),
    /// The answer is none that is known here.
    #[error("the gateway speaks other words; use the same version of the program for both")]
    Words(#[source] serde_json::Error),
}

/// Speaks to a gateway in another process.
pub struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Client {
    /// Calls the gateway of a directory.
    ///
    /// **Errors**: [`TalkError::NotRunning`] when there is none.
    pub async fn connect(dir: &Path) -> Result<Client, TalkError> {
        let path = Paths::new(dir).socket();
        let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                TalkError::NotRunning { dir: dir.display().to_string() }
            }
            _ => TalkError::Broken(error),
        })?;
        let (reader, writer) = stream.into_split();
        Ok(Client { reader: BufReader::new(reader), writer })
    }

    /// Asks something, and waits for the first answer.
    ///
    /// **Errors**: [`TalkError`].
    pub async fn ask(&mut self, talk: &Talk) -> Result<Answer, TalkError> {
        let bytes = line(talk).map_err(TalkError::Broken)?;
        self.writer.write_all(&bytes).await.map_err(TalkError::Broken)?;
        self.next().await
    }

    /// Waits for the next answer: the report after [`Answer::Halted`].
    ///
    /// **Errors**: [`TalkError`].
    pub async fn next(&mut self) -> Result<Answer, TalkError> {
        let bytes = heard(&mut self.reader).await.map_err(TalkError::Broken)?;
        let bytes = bytes.ok_or_else(|| TalkError::Broken(io::ErrorKind::UnexpectedEof.into()))?;
        let line: Line<Answer> = serde_json::from_slice(&bytes).map_err(TalkError::Words)?;
        Ok(line.words)
    }
}

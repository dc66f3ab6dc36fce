//! The async API for programs: one object that follows a venue, gives books on request and events as they come.
//!
//! It owns the task that a session runs in. It refuses to hand out a book that is not live, and to lose an event in
//! silence: a program that reads too slowly is told how many it missed.

mod calls;
mod capabilities;
mod host;

pub use calls::CallError;
pub use capabilities::{
    AccountReads, CopyTrading, FeeSheet, Fees, FillHistory, Instruments, KeyPermissions, MovementHistory,
    OrderHistory, Trading,
};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use venuekit_book::{Assurance, Gap, NotLive, State};
use venuekit_session::{
    ClockReading, Config, ConfigError, Event, Session, StreamId, StreamInfo, StreamStatus,
};
use venuekit_types::{Instrument, Level, Now, Price, Qty, Scale, Side, Symbol, UnixNanos};
use venuekit_venue::{AskKind, Channel, Fault, Venue};

use crate::client::calls::{Calls, Pending};
use crate::client::capabilities::Account;
use crate::client::host::{ClientHost, Queued, Shared};
use crate::error::{StartError, Stopped};
use crate::run::{Handle, Options, Runner};

/// Market data of one venue, from whoever provides it.
///
/// It is object-safe, so that a program can take `Arc<dyn MarketData>` and be tested without a network.
#[async_trait]
pub trait MarketData: Send + Sync {
    /// Every stream with its state.
    ///
    /// **Errors**: [`Stopped`].
    async fn streams(&self) -> Result<Vec<StreamState>, Stopped>;

    /// A stamped copy of a live book, `depth` levels a side.
    ///
    /// **Errors**: [`BookError`], which says what the book is instead, and why.
    async fn book(&self, symbol: &Symbol, depth: usize) -> Result<BookCopy, BookError>;

    /// As [`MarketData::book`], waiting until it is live for as long as that takes.
    ///
    /// **Errors**: [`BookError::NotFollowed`] once the venue is known not to list the symbol, and
    /// [`BookError::Stopped`].
    async fn live_book(&self, symbol: &Symbol, depth: usize) -> Result<BookCopy, BookError>;

    /// The next event; nothing once everything has stopped. Several callers share the events among them.
    async fn next(&self) -> Option<MarketEvent>;
}

/// What happened.
#[derive(Clone, Debug)]
pub enum MarketEvent {
    /// A whole message of a book was applied.
    Book(BookUpdate),
    /// A public trade, seen for the first time.
    Trade(TradePrint),
    /// Anything else, as the session tells it; never one of the kinds above.
    Other(Event),
    /// This many events came while the program read too slowly, and are gone. A book that it kept by itself is
    /// wrong from here on: ask for a copy.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// A whole message of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookUpdate {
    /// Which stream.
    pub stream: StreamId,
    /// The book's generation, within this client.
    pub epoch: u64,
    /// The first number it covers.
    pub first_seq: u64,
    /// The last number it covers.
    pub last_seq: u64,
    /// Whether it is the whole book.
    pub is_snapshot: bool,
    /// Bids, absolute quantities; zero removes a level.
    pub bids: Vec<Level>,
    /// Asks, absolute quantities; zero removes a level.
    pub asks: Vec<Level>,
    /// The venue's time.
    pub at: Option<UnixNanos>,
    /// When it arrived.
    pub received: UnixNanos,
}

/// A public trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradePrint {
    /// Which stream.
    pub stream: StreamId,
    /// The venue's id.
    pub id: String,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub qty: Qty,
    /// The aggressor's side.
    pub side: Option<Side>,
    /// The venue's time.
    pub at: UnixNanos,
    /// When it arrived.
    pub received: UnixNanos,
}

/// A stream and its state.
#[derive(Clone, Debug)]
pub struct StreamState {
    /// What it is.
    pub info: StreamInfo,
    /// Its state.
    pub state: State,
    /// Why it is not live, or what it lost last.
    pub gap: Option<Gap>,
    /// The number it stands at.
    pub seq: Option<u64>,
    /// When it last had data; zero when never.
    pub last_data: UnixNanos,
    /// Why it was given up.
    pub stopped: Option<Fault>,
}

/// A book that was live at one instant.
///
/// **Units**: levels count 10^-`price_scale` and 10^-`qty_scale`; [`venuekit_types::Scaled`] prints them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookCopy {
    /// The market.
    pub symbol: Symbol,
    /// Its stream.
    pub stream: StreamId,
    /// The book's generation, within this client.
    pub epoch: u64,
    /// The number of the last message in it.
    pub seq: Option<u64>,
    /// When it was copied.
    pub at: Now,
    /// The span since the last message in it, when it was copied.
    pub age: Duration,
    /// Levels a side beyond which nothing is known; nothing for a whole book.
    pub horizon: Option<u32>,
    /// What vouches for it.
    pub assurance: Assurance,
    /// Decimal places of prices.
    pub price_scale: Scale,
    /// Decimal places of quantities.
    pub qty_scale: Scale,
    /// Bids, best first.
    pub bids: Vec<Level>,
    /// Asks, best first.
    pub asks: Vec<Level>,
}

/// Why there is no copy of a book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// Nobody follows it.
    #[error("no book of {symbol} is followed{}", there_are(.followed))]
    NotFollowed {
        /// What was asked for.
        symbol: Symbol,
        /// What there is.
        followed: Vec<Symbol>,
    },
    /// It is not live.
    #[error("the book of {symbol} cannot be read now; wait for it with live_book")]
    NotLive {
        /// Which.
        symbol: Symbol,
        /// What it is instead, and why.
        #[source]
        why: NotLive,
    },
    /// The client has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn there_are(symbols: &[Symbol]) -> String {
    if symbols.is_empty() {
        return "; no instrument list has been read yet".to_owned();
    }
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    format!("; there are {}", names.join(", "))
}

/// Why a client cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The wishes do not fit the venue.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The session cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A client of one venue. Dropping it stops everything; [`Client::close`] waits for that.
#[derive(Debug)]
pub struct Client {
    handle: Handle,
    events: Mutex<mpsc::Receiver<Queued>>,
    shared: Arc<Shared>,
    account: Account,
    has_key: bool,
    task: JoinHandle<()>,
}

impl Client {
    /// Follows a venue: connects, stays connected, and heals what breaks, until it is closed.
    ///
    /// It returns at once; [`MarketData::live_book`] waits for the first data.
    ///
    /// **Errors**: [`ConnectError`].
    pub async fn connect(
        venue: Arc<dyn Venue>,
        config: Config,
        options: Options,
    ) -> Result<Client, ConnectError> {
        let mut specs = venue.specs().to_vec();
        let has_key = config.credentials.is_some();
        let session = Session::new(venue, config)?;
        // What is not served can be asked for nothing.
        for (_, spec) in specs.iter_mut().enumerate().filter(|(product, _)| !session.serves(*product)) {
            spec.asks.clear();
            spec.wallets.clear();
        }
        // Numbers of commands are never used twice, over restarts too.
        let first = u64::try_from(options.clock.now().wall.0).unwrap_or_default();
        let pending = Arc::new(Pending::new(first));
        let (host, events) = ClientHost::new(Arc::clone(&pending));
        let shared = host.shared();
        let (runner, handle) = Runner::new(session, host, options)?;
        let task = tokio::spawn(async move {
            runner.run().await;
        });
        let account = Account { calls: Calls { handle: handle.clone(), pending }, specs };
        Ok(Client { handle, events: Mutex::new(events), shared, account, has_key, task })
    }

    /// Speaks to the session itself.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until every product that is served has listed its instruments.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn listed(&self) -> Result<(), Stopped> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            if self.handle.query(|session, _| session.is_listed()).await? {
                return Ok(());
            }
            changed.await;
        }
    }

    /// How the venue's clock stands to ours; nothing while it was not measured.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn clock(&self) -> Result<Option<ClockReading>, Stopped> {
        self.handle.query(|session, now| session.clock(now)).await
    }

    /// The account; nothing without a key, or at a venue without accounts.
    pub fn account(&self) -> Option<Arc<dyn AccountReads>> {
        self.capability(&[AskKind::Balances, AskKind::OpenOrders]).map(|able| able as _)
    }

    /// Orders of the past; nothing where the venue keeps none.
    pub fn order_history(&self) -> Option<Arc<dyn OrderHistory>> {
        self.capability(&[AskKind::OrderHistory]).map(|able| able as _)
    }

    /// Fills of the past; nothing where the venue lists none.
    pub fn fill_history(&self) -> Option<Arc<dyn FillHistory>> {
        self.capability(&[AskKind::Fills]).map(|able| able as _)
    }

    /// Deposits, withdrawals and transfers; nothing where the venue lists none.
    pub fn movements(&self) -> Option<Arc<dyn MovementHistory>> {
        self.capability(&[AskKind::Deposits, AskKind::Withdrawals, AskKind::Transfers]).map(|able| able as _)
    }

    /// Copied positions and fills; nothing where there is no copy trading.
    pub fn copy_trading(&self) -> Option<Arc<dyn CopyTrading>> {
        self.capability(&[AskKind::CopyPositions, AskKind::CopyTrades]).map(|able| able as _)
    }

    /// Fee rates of the account; nothing where the venue tells only those of its instruments.
    pub fn fees(&self) -> Option<Arc<dyn Fees>> {
        self.capability(&[AskKind::Fees]).map(|able| able as _)
    }

    /// What the key may do; nothing where the venue does not say.
    pub fn permissions(&self) -> Option<Arc<dyn KeyPermissions>> {
        self.capability(&[AskKind::Permissions]).map(|able| able as _)
    }

    fn capability(&self, kinds: &[AskKind]) -> Option<Arc<Account>> {
        (self.has_key && self.account.can(kinds)).then(|| Arc::new(self.account.clone()))
    }

    /// Says goodbye on every connection, and waits for that within a bound.
    pub async fn close(self) {
        // One that has stopped already has nothing left to say.
        let _ = self.handle.stop().await;
        let _ = self.task.await;
    }
}

#[async_trait]
impl MarketData for Client {
    async fn streams(&self) -> Result<Vec<StreamState>, Stopped> {
        self.handle.query(|session, _| session.streams().map(StreamState::of).collect()).await
    }

    async fn book(&self, symbol: &Symbol, depth: usize) -> Result<BookCopy, BookError> {
        let symbol = symbol.clone();
        self.handle.query(move |session, now| copy(session, now, &symbol, depth)).await?
    }

    async fn live_book(&self, symbol: &Symbol, depth: usize) -> Result<BookCopy, BookError> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            match self.book(symbol, depth).await {
                Err(BookError::NotLive { .. }) => {}
                Err(BookError::NotFollowed { .. }) if !self.shared.is_unknown(symbol) => {}
                settled => return settled,
            }
            changed.await;
        }
    }

    async fn next(&self) -> Option<MarketEvent> {
        let mut events = self.events.lock().await;
        match events.recv().await {
            Some(queued) => Some(self.shared.take(queued)),
            None => self.shared.missed_at_the_end(),
        }
    }
}

#[async_trait]
impl Instruments for Client {
    async fn instruments(&self) -> Result<Vec<Instrument>, Stopped> {
        let look = |session: &Session, _| {
            let products = 0..session.venue().specs().len();
            let instruments = products.flat_map(|product| session.catalog(product).iter());
            instruments.map(|(_, instrument)| instrument.clone()).collect()
        };
        self.handle.query(look).await
    }
}

impl StreamState {
    fn of(status: StreamStatus<'_>) -> StreamState {
        StreamState {
            info: status.info.clone(),
            state: status.state,
            gap: status.gap,
            seq: status.seq,
            last_data: status.last_data,
            stopped: status.stopped.cloned(),
        }
    }
}

/// Copies the top of a book out of a session.
fn copy(session: &Session, now: Now, symbol: &Symbol, depth: usize) -> Result<BookCopy, BookError> {
    let books = || session.streams().map(|status| status.info).filter(|info| info.channel == Channel::Book);
    let Some(info) = books().find(|info| info.symbol.as_ref() == Some(symbol)) else {
        let followed = books().filter_map(|info| info.symbol.clone()).collect();
        return Err(BookError::NotFollowed { symbol: symbol.clone(), followed });
    };
    let view =
        session.book(info.stream, now).map_err(|why| BookError::NotLive { symbol: symbol.clone(), why })?;
    Ok(BookCopy {
        symbol: symbol.clone(),
        stream: info.stream,
        epoch: view.epoch(),
        seq: view.seq(),
        at: now,
        age: view.age(),
        horizon: view.horizon(),
        assurance: view.assurance(),
        price_scale: info.price_scale,
        qty_scale: info.qty_scale,
        bids: view.bids().take(depth).collect(),
        asks: view.asks().take(depth).collect(),
    })
}

//! The account of one venue as its session tells it: whole messages in, ledgers kept, and a look at where the streams
//! and the venue's own answers disagree.
//!
//! It holds no rule of money: merging and comparing are `account`'s.

use core::time::Duration;
use std::collections::BTreeMap;

use venuekit_account::reconcile::{Difference, Tolerance, reconcile};
use venuekit_account::{Accounts, Feed, Limits, Owner, Part, Row};
use venuekit_session::{Event, Session, StreamId, StreamInfo};
use venuekit_types::{Mono, Symbol};
use venuekit_venue::{Channel, DataKind, Fill, MarketId, OrderPatch, PositionPatch, Spec, Wallet};

/// The one account of a venue that a worker has a key of.
pub(crate) const ACCOUNT: &str = "main";

/// How long a stream may take to tell what the venue's answer knew already: an answer may overtake it.
const GRACE: Duration = Duration::from_secs(5);

/// An answer that differed from what the streams had told.
#[derive(Debug)]
struct Suspect {
    due: Mono,
    stream: StreamId,
    venue: Accounts,
    differences: Vec<Difference>,
}

/// What a session told and was not taken yet. Symbols are looked up when the session is at hand.
#[derive(Debug)]
enum Told {
    Balance(StreamId, Box<venuekit_venue::BalancePatch>),
    Position(StreamId, Box<PositionPatch>),
    Order(StreamId, Box<OrderPatch>),
    Fill(StreamId, Box<Fill>),
    Committed(StreamId, DataKind, Option<Wallet>),
    Lost(StreamId),
}

/// Rows of a message that has not been committed yet.
#[derive(Debug, Default)]
struct Message {
    rows: Vec<Row>,
}

/// One account, kept.
#[derive(Debug)]
pub(crate) struct Ledgers {
    owner: Owner,
    accounts: Accounts,
    told: Vec<Told>,
    open: BTreeMap<StreamId, Message>,
    suspects: Vec<Suspect>,
}

impl Ledgers {
    pub(crate) fn new(venue: &str) -> Ledgers {
        Ledgers {
            owner: Owner::new(venue, ACCOUNT),
            accounts: Accounts::new(Limits::default()),
            told: Vec::new(),
            open: BTreeMap::new(),
            suspects: Vec::new(),
        }
    }

    /// Takes note of an event of a private stream.
    pub(crate) fn hear(&mut self, event: &Event) {
        let told = match event {
            Event::Balance { stream, row } => Told::Balance(*stream, row.clone()),
            Event::Position { stream, row } => Told::Position(*stream, row.clone()),
            Event::Order { stream, row } => Told::Order(*stream, row.clone()),
            Event::Fill { stream, row } => Told::Fill(*stream, row.clone()),
            Event::Committed { stream, kind, wallet } => Told::Committed(*stream, *kind, *wallet),
            _ => return,
        };
        self.told.push(told);
    }

    /// A private stream is not live any more.
    pub(crate) fn lost(&mut self, stream: StreamId) {
        self.told.push(Told::Lost(stream));
    }

    /// Takes everything that was told, and gives what the streams and the venue's answers disagree about, by stream.
    pub(crate) fn settle(&mut self, now: Mono, session: &Session) -> Vec<(StreamId, Difference)> {
        if !self.told.is_empty() {
            self.take_all(now, session);
        }
        let mut found = Vec::new();
        while let Some(at) = self.suspects.iter().position(|suspect| suspect.due <= now) {
            let suspect = self.suspects.swap_remove(at);
            let still = reconcile(&self.accounts, &suspect.venue, &self.owner, &Tolerance::default());
            // What changed meanwhile was told by the stream after all; only what stands as it stood was left out.
            let same =
                still.unwrap_or_default().into_iter().filter(|what| suspect.differences.contains(what));
            found.extend(same.map(|what| (suspect.stream, what)));
        }
        found
    }

    fn take_all(&mut self, now: Mono, session: &Session) {
        let infos: BTreeMap<StreamId, &StreamInfo> =
            session.streams().map(|status| (status.info.stream, status.info)).collect();
        for told in std::mem::take(&mut self.told) {
            self.take(now, session, &infos, told);
        }
    }

    fn take(&mut self, now: Mono, session: &Session, infos: &BTreeMap<StreamId, &StreamInfo>, told: Told) {
        let symbol = |stream: &StreamId, market: MarketId| -> Option<Symbol> {
            Some(session.catalog(infos.get(stream)?.product).get(market)?.symbol.clone())
        };
        let (stream, row) = match told {
            Told::Balance(stream, row) => (stream, Some(Row::Balance(row))),
            Told::Position(stream, row) => {
                (stream, symbol(&stream, row.market).map(|symbol| Row::Position(symbol, row)))
            }
            Told::Order(stream, row) => {
                (stream, symbol(&stream, row.market).map(|symbol| Row::Order(symbol, row)))
            }
            Told::Fill(stream, fill) => {
                if let Some(symbol) = symbol(&stream, fill.market) {
                    // Whether it is new, the session has said already.
                    let _ = self.accounts.fill(&self.owner, &symbol, *fill);
                }
                return;
            }
            Told::Committed(stream, kind, wallet) => {
                let message = self.open.remove(&stream).unwrap_or_default();
                if let Some(info) = infos.get(&stream) {
                    let spec = &session.venue().specs()[info.product];
                    self.commit(now, spec, info, kind, wallet, message);
                }
                return;
            }
            Told::Lost(stream) => {
                if let Some(info) = infos.get(&stream) {
                    let spec = &session.venue().specs()[info.product];
                    self.open.remove(&stream);
                    self.suspects.retain(|suspect| suspect.stream != stream);
                    scopes(spec, info.channel).into_iter().for_each(|(part, scope)| {
                        self.accounts.lost(&Feed::new(&self.owner, part, scope));
                    });
                }
                return;
            }
        };
        if let Some(row) = row {
            self.open.entry(stream).or_default().rows.push(row);
        }
    }

    /// Applies one whole message. A snapshot of a feed that is live is only held against it: where it differs, the
    /// stream has a while to say so too.
    fn commit(
        &mut self,
        now: Mono,
        spec: &Spec,
        info: &StreamInfo,
        kind: DataKind,
        wallet: Option<Wallet>,
        message: Message,
    ) {
        let mut by_scope: BTreeMap<(Part, String), Vec<Row>> = BTreeMap::new();
        if kind == DataKind::Snapshot {
            // A snapshot without rows says that there is nothing.
            let whole = scopes(spec, info.channel);
            let told =
                whole.into_iter().filter(|(_, scope)| wallet.is_none_or(|wallet| wallet.as_str() == scope));
            by_scope.extend(told.map(|scope| (scope, Vec::new())));
        }
        for row in message.rows {
            let scope = match &row {
                // A wallet of one pair is told together with those of the others.
                Row::Balance(patch) => {
                    (Part::Balances, patch.wallet.split(':').next().unwrap_or_default().to_owned())
                }
                Row::Position(..) => (Part::Positions, spec.product.clone()),
                Row::Order(..) => (Part::Orders, spec.product.clone()),
            };
            by_scope.entry(scope).or_default().push(row);
        }
        for ((part, scope), rows) in by_scope {
            let feed = Feed::new(&self.owner, part, scope.as_str());
            if kind == DataKind::Snapshot && self.accounts.is_live(&feed) {
                let mut venue = Accounts::new(Limits::default());
                // What does not fit cannot be compared, and is refused below.
                if venue.apply(&feed, kind, rows.clone()).is_ok() {
                    let differences = reconcile(&self.accounts, &venue, &self.owner, &Tolerance::default());
                    let differences = differences.unwrap_or_default();
                    if !differences.is_empty() {
                        let due = now.plus(GRACE);
                        self.suspects.retain(|suspect| suspect.stream != info.stream);
                        self.suspects.push(Suspect { due, stream: info.stream, venue, differences });
                        continue;
                    }
                }
            }
            if let Err(why) = self.accounts.apply(&feed, kind, rows) {
                tracing::warn!(venue = %self.owner.venue, part = ?part, %scope, "account: {why}");
            }
        }
    }

    /// The account as it is known now.
    #[cfg(test)]
    pub(crate) fn accounts(&self) -> (&Owner, &Accounts) {
        (&self.owner, &self.accounts)
    }
}

/// The feeds of a private channel: one a wallet for balances, one a product for the rest. Fills have none.
fn scopes(spec: &Spec, channel: Channel) -> Vec<(Part, String)> {
    match channel {
        Channel::Balances => {
            spec.wallets.iter().map(|wallet| (Part::Balances, wallet.as_str().to_owned())).collect()
        }
        Channel::Positions => vec![(Part::Positions, spec.product.clone())],
        Channel::Orders => vec![(Part::Orders, spec.product.clone())],
        _ => Vec::new(),
    }
}

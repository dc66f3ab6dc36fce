//! What a session asks a venue for by REST: reads, and the few things that change something.
//!
//! It owns the vocabulary. It refuses to know routes, and to hold a number that is not exact.

use core::fmt;
use core::time::Duration;

use rust_decimal::Decimal;
use venuekit_types::{Fixed, UnixNanos};

use crate::{Interval, MarketId, NewOrder, OrderRef};

/// One of an account's separate ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wallet {
    /// What spot orders trade with.
    Spot,
    /// Collateral and loans, shared by all pairs.
    Margin,
    /// Collateral and loans of one pair.
    Isolated,
    /// What contracts settle in.
    Futures,
    /// Where deposits arrive, at venues that keep them apart.
    Funding,
}

impl Wallet {
    /// Every wallet.
    pub const ALL: [Wallet; 5] =
        [Wallet::Spot, Wallet::Margin, Wallet::Isolated, Wallet::Futures, Wallet::Funding];

    /// The word used in rows, ledgers and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Wallet::Spot => "spot",
            Wallet::Margin => "margin",
            Wallet::Isolated => "isolated",
            Wallet::Futures => "futures",
            Wallet::Funding => "funding",
        }
    }

    /// The word of the part of it that belongs to one pair, where each has its own.
    pub fn of_pair(self, venue_symbol: &str) -> String {
        format!("{}:{venue_symbol}", self.as_str())
    }

    /// Whether a word of a row names it, or the part of it that belongs to one pair.
    pub fn is_named(self, word: &str) -> bool {
        word.strip_prefix(self.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }

    /// A wallet by its word.
    pub fn from_word(word: &str) -> Option<Wallet> {
        Wallet::ALL.into_iter().find(|wallet| wallet.as_str() == word)
    }
}

/// One page of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page {
    /// At or after.
    pub from: Option<UnixNanos>,
    /// Before.
    pub to: Option<UnixNanos>,
    /// Where the page before ended, in the venue's way: an id, an offset, a cursor.
    pub after: Option<String>,
    /// Most rows; the venue's most when absent.
    pub limit: Option<u32>,
}

/// A text that opens a door: a listen key, a session token. It never prints.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What to ask by REST.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The instruments of a product.
    Instruments,
    /// The venue's time.
    Time,
    /// A book snapshot.
    Depth {
        /// Of which market.
        market: MarketId,
        /// Levels a side.
        levels: u32,
    },
    /// Public trades.
    Trades {
        /// Of which market.
        market: MarketId,
        /// From this id upward; the newest when absent.
        from: Option<u64>,
        /// Most rows.
        limit: u32,
    },
    /// Candles, oldest first.
    Candles {
        /// Of which market.
        market: MarketId,
        /// Their span.
        interval: Interval,
        /// Opened at or after.
        from: UnixNanos,
        /// Opened before.
        to: UnixNanos,
    },
    /// The ticker of one market.
    Ticker {
        /// Of which market.
        market: MarketId,
    },
    /// Mark, index and funding of one market.
    Mark {
        /// Of which market.
        market: MarketId,
    },
    /// What the key may do.
    Permissions,
    /// Fee rates of the account, by pair and tier.
    Fees,
    /// Balances of one wallet.
    Balances {
        /// Which; one of the product's [`crate::Spec::wallets`].
        wallet: Wallet,
    },
    /// Positions.
    Positions {
        /// Of one market; of every one when absent.
        market: Option<MarketId>,
    },
    /// Orders that are open.
    OpenOrders {
        /// Of one market; of every one when absent.
        market: Option<MarketId>,
    },
    /// One order, open or not.
    Order {
        /// Of which market.
        market: MarketId,
        /// Which.
        order: OrderRef,
    },
    /// One order that is over, where [`Ask::Order`] by our id tells of open ones alone.
    ClosedOrder {
        /// Of which market.
        market: MarketId,
        /// Which.
        order: OrderRef,
    },
    /// The latest orders of every market that are over: at most a page of [`AskKind::ClosedOrders`].
    ClosedOrders {
        /// Those that ended at or after.
        from: UnixNanos,
    },
    /// Orders, open or not.
    OrderHistory {
        /// Of which market.
        market: MarketId,
        /// Which page.
        page: Page,
    },
    /// Own fills.
    Fills {
        /// Of which market.
        market: MarketId,
        /// Which page.
        page: Page,
    },
    /// Money that came.
    Deposits {
        /// Which page.
        page: Page,
    },
    /// Money that went.
    Withdrawals {
        /// Which page.
        page: Page,
    },
    /// Money that moved between wallets.
    Transfers {
        /// Which page.
        page: Page,
    },
    /// Positions that copy a lead trader.
    CopyPositions,
    /// Fills of copied positions, with whom they copy.
    CopyTrades {
        /// Which page.
        page: Page,
    },
    /// A token for a private stream.
    OpenToken,
    /// That token lives on.
    RenewToken {
        /// Which.
        token: Token,
    },
    /// That token ends.
    DropToken {
        /// Which.
        token: Token,
    },
    /// A new order.
    Place(Box<NewOrder>),
    /// Another price for an open order.
    Amend {
        /// Of which market.
        market: MarketId,
        /// Which.
        order: OrderRef,
        /// The new limit.
        price: Fixed,
    },
    /// One order off.
    Cancel {
        /// Of which market.
        market: MarketId,
        /// Which.
        order: OrderRef,
    },
    /// Every open order off.
    CancelAll {
        /// Of one market; of every one of the product when absent, where the venue can do that at once.
        market: Option<MarketId>,
    },
    /// Every open order off unless this is said again in time.
    Countdown {
        /// Of one market; of every one of the product when absent, where the venue can do that at once.
        market: Option<MarketId>,
        /// In which time; the switch is off when absent.
        within: Option<Duration>,
    },
    /// Another leverage.
    SetLeverage {
        /// Of which market.
        market: MarketId,
        /// The leverage; zero is cross.
        leverage: Decimal,
    },
    /// Another risk limit.
    SetRiskLimit {
        /// Of which market.
        market: MarketId,
        /// The limit, in the settlement asset.
        limit: Decimal,
    },
    /// Margin into a position, or out of it.
    MoveMargin {
        /// Of which market.
        market: MarketId,
        /// How much, in the settlement asset; negative takes it out.
        amount: Decimal,
    },
}

/// What kind of thing is asked, without its particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the variant of `Ask` with the same name")]
pub enum AskKind {
    Instruments,
    Time,
    Depth,
    Trades,
    Candles,
    Ticker,
    Mark,
    Permissions,
    Fees,
    Balances,
    Positions,
    OpenOrders,
    Order,
    ClosedOrder,
    ClosedOrders,
    OrderHistory,
    Fills,
    Deposits,
    Withdrawals,
    Transfers,
    CopyPositions,
    CopyTrades,
    OpenToken,
    RenewToken,
    DropToken,
    Place,
    Amend,
    Cancel,
    CancelAll,
    Countdown,
    SetLeverage,
    SetRiskLimit,
    MoveMargin,
}

/// How urgent a request is, most urgent first, and what may stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Cancels and the kill switch: nothing but a ban stops them.
    Cancel,
    /// Order entry: stopped by the gate.
    Order,
    /// Reads and resyncs that must happen.
    Must,
    /// Polls that can wait.
    Poll,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Lane; 4] = [Lane::Cancel, Lane::Order, Lane::Must, Lane::Poll];

    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::Cancel => "cancel",
            Lane::Order => "order",
            Lane::Must => "must",
            Lane::Poll => "poll",
        }
    }
}

impl Ask {
    /// Its kind.
    pub const fn kind(&self) -> AskKind {
        match self {
            Ask::Instruments => AskKind::Instruments,
            Ask::Time => AskKind::Time,
            Ask::Depth { .. } => AskKind::Depth,
            Ask::Trades { .. } => AskKind::Trades,
            Ask::Candles { .. } => AskKind::Candles,
            Ask::Ticker { .. } => AskKind::Ticker,
            Ask::Mark { .. } => AskKind::Mark,
            Ask::Permissions => AskKind::Permissions,
            Ask::Fees => AskKind::Fees,
            Ask::Balances { .. } => AskKind::Balances,
            Ask::Positions { .. } => AskKind::Positions,
            Ask::OpenOrders { .. } => AskKind::OpenOrders,
            Ask::Order { .. } => AskKind::Order,
            Ask::ClosedOrder { .. } => AskKind::ClosedOrder,
            Ask::ClosedOrders { .. } => AskKind::ClosedOrders,
            Ask::OrderHistory { .. } => AskKind::OrderHistory,
            Ask::Fills { .. } => AskKind::Fills,
            Ask::Deposits { .. } => AskKind::Deposits,
            Ask::Withdrawals { .. } => AskKind::Withdrawals,
            Ask::Transfers { .. } => AskKind::Transfers,
            Ask::CopyPositions => AskKind::CopyPositions,
            Ask::CopyTrades { .. } => AskKind::CopyTrades,
            Ask::OpenToken => AskKind::OpenToken,
            Ask::RenewToken { .. } => AskKind::RenewToken,
            Ask::DropToken { .. } => AskKind::DropToken,
            Ask::Place(_) => AskKind::Place,
            Ask::Amend { .. } => AskKind::Amend,
            Ask::Cancel { .. } => AskKind::Cancel,
            Ask::CancelAll { .. } => AskKind::CancelAll,
            Ask::Countdown { .. } => AskKind::Countdown,
            Ask::SetLeverage { .. } => AskKind::SetLeverage,
            Ask::SetRiskLimit { .. } => AskKind::SetRiskLimit,
            Ask::MoveMargin { .. } => AskKind::MoveMargin,
        }
    }

    /// The market it is about.
    pub fn market(&self) -> Option<MarketId> {
        match self {
            Ask::Depth { market, .. }
            | Ask::Trades { market, .. }
            | Ask::Candles { market, .. }
            | Ask::Ticker { market }
            | Ask::Mark { market }
            | Ask::Order { market, .. }
            | Ask::ClosedOrder { market, .. }
            | Ask::OrderHistory { market, .. }
            | Ask::Fills { market, .. }
            | Ask::Amend { market, .. }
            | Ask::Cancel { market, .. }
            | Ask::SetLeverage { market, .. }
            | Ask::SetRiskLimit { market, .. }
            | Ask::MoveMargin { market, .. } => Some(*market),
            Ask::Place(order) => Some(order.market),
            Ask::Positions { market }
            | Ask::OpenOrders { market }
            | Ask::CancelAll { market }
            | Ask::Countdown { market, .. } => *market,
            Ask::Instruments
            | Ask::Time
            | Ask::Permissions
            | Ask::Fees
            | Ask::Balances { .. }
            | Ask::Deposits { .. }
            | Ask::Withdrawals { .. }
            | Ask::Transfers { .. }
            | Ask::CopyPositions
            | Ask::CopyTrades { .. }
            | Ask::OpenToken
            | Ask::RenewToken { .. }
            | Ask::DropToken { .. }
            | Ask::ClosedOrders { .. } => None,
        }
    }
}

impl AskKind {
    /// Every kind, in the order of [`Ask`].
    pub const ALL: [AskKind; 33] = [
        AskKind::Instruments,
        AskKind::Time,
        AskKind::Depth,
        AskKind::Trades,
        AskKind::Candles,
        AskKind::Ticker,
        AskKind::Mark,
        AskKind::Permissions,
        AskKind::Fees,
        AskKind::Balances,
        AskKind::Positions,
        AskKind::OpenOrders,
        AskKind::Order,
        AskKind::ClosedOrder,
        AskKind::ClosedOrders,
        AskKind::OrderHistory,
        AskKind::Fills,
        AskKind::Deposits,
        AskKind::Withdrawals,
        AskKind::Transfers,
        AskKind::CopyPositions,
        AskKind::CopyTrades,
        AskKind::OpenToken,
        AskKind::RenewToken,
        AskKind::DropToken,
        AskKind::Place,
        AskKind::Amend,
        AskKind::Cancel,
        AskKind::CancelAll,
        AskKind::Countdown,
        AskKind::SetLeverage,
        AskKind::SetRiskLimit,
        AskKind::MoveMargin,
    ];

    /// Whether it brings new risk to the market: what the gate stops.
    pub const fn is_entry(self) -> bool {
        matches!(self, AskKind::Place | AskKind::Amend)
    }

    /// Whether it takes orders off, or arms what would: what the gate lets through.
    pub const fn is_cancel(self) -> bool {
        matches!(self, AskKind::Cancel | AskKind::CancelAll | AskKind::Countdown)
    }

    /// Whether it changes anything at the venue. What changes something is never sent twice by itself.
    pub const fn is_change(self) -> bool {
        self.is_entry()
            || self.is_cancel()
            || matches!(self, AskKind::SetLeverage | AskKind::SetRiskLimit | AskKind::MoveMargin)
    }

    /// The lane it takes unless someone knows better.
    pub const fn lane(self) -> Lane {
        match self {
            _ if self.is_cancel() => Lane::Cancel,
            _ if self.is_change() => Lane::Order,
            AskKind::Time
            | AskKind::Depth
            | AskKind::Trades
            | AskKind::Order
            | AskKind::ClosedOrder
            | AskKind::ClosedOrders
            | AskKind::OpenOrders
            | AskKind::OpenToken
            | AskKind::RenewToken
            | AskKind::DropToken => Lane::Must,
            _ => Lane::Poll,
        }
    }
}

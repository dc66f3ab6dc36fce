//! What a program can ask of an account, split by what venues can do: a capability that a venue lacks is an absent
//! object and not an error at run time.
//!
//! Every trait is object-safe, so that a program can take `Arc<dyn AccountReads>` and be tested without a network.
//! Prices, quantities and money are exact decimals; times are Unix nanoseconds in UTC. Orders are placed through the
//! gateway, which alone holds trade keys.

use async_trait::async_trait;
use venuekit_types::{Instrument, Symbol};
use venuekit_venue::{
    Ask, AskKind, BalancePatch, CopyPosition, CopyTrade, Fault, FaultKind, FeeSchedule, Fill, Movement,
    OrderPatch, OrderRef, Page, Permissions, PositionPatch, Row, Spec, Wallet,
};

use super::calls::{CallError, Calls};
use crate::error::Stopped;
use crate::gateway::{DeskError, GatewayHandle, OrderView, OrderWish, Outcome};

/// What can be traded.
#[async_trait]
pub trait Instruments: Send + Sync {
    /// Every instrument that the venue lists, as far as they were read.
    ///
    /// **Shape**: one entry a market, in the order they were first seen; terms are the newest version.
    /// **Errors**: [`Stopped`].
    async fn instruments(&self) -> Result<Vec<Instrument>, Stopped>;
}

/// An account, read by REST.
#[async_trait]
pub trait AccountReads: Send + Sync {
    /// The wallets that the venue keeps apart.
    fn wallets(&self) -> Vec<Wallet>;

    /// The balances of one wallet.
    ///
    /// **Shape**: one row an asset that the venue tells of; an asset left out is unknown, not zero.
    /// **Units**: whole units of the asset.
    /// **Errors**: [`CallError`].
    async fn balances(&self, wallet: Wallet) -> Result<Vec<BalancePatch>, CallError>;

    /// Every position.
    ///
    /// **Units**: quantities as the instrument counts them, negative for short; prices in the quote.
    /// **Errors**: [`CallError`].
    async fn positions(&self) -> Result<Vec<(Symbol, PositionPatch)>, CallError>;

    /// Every open order.
    ///
    /// **Errors**: [`CallError`].
    async fn open_orders(&self) -> Result<Vec<(Symbol, OrderPatch)>, CallError>;

    /// One order, open or not.
    ///
    /// **Errors**: [`CallError::Refused`] with a `NotFound` fault when the venue knows none such.
    async fn order(&self, symbol: &Symbol, order: OrderRef) -> Result<OrderPatch, CallError>;
}

/// Orders of the past.
#[async_trait]
pub trait OrderHistory: Send + Sync {
    /// One page of the orders of a symbol, open or not.
    ///
    /// **Errors**: [`CallError`].
    async fn orders(&self, symbol: &Symbol, page: Page) -> Result<Vec<OrderPatch>, CallError>;
}

/// Fills of the past.
#[async_trait]
pub trait FillHistory: Send + Sync {
    /// One page of the fills of a symbol.
    ///
    /// **Errors**: [`CallError`].
    async fn fills(&self, symbol: &Symbol, page: Page) -> Result<Vec<Fill>, CallError>;
}

/// Money that came, went, or moved between wallets.
#[async_trait]
pub trait MovementHistory: Send + Sync {
    /// One page of deposits.
    ///
    /// **Errors**: [`CallError`].
    async fn deposits(&self, page: Page) -> Result<Vec<Movement>, CallError>;

    /// One page of withdrawals.
    ///
    /// **Errors**: [`CallError`].
    async fn withdrawals(&self, page: Page) -> Result<Vec<Movement>, CallError>;

    /// One page of transfers between wallets.
    ///
    /// **Errors**: [`CallError`].
    async fn transfers(&self, page: Page) -> Result<Vec<Movement>, CallError>;
}

/// Positions and fills that copy a lead trader.
#[async_trait]
pub trait CopyTrading: Send + Sync {
    /// Every copied position.
    ///
    /// **Errors**: [`CallError`].
    async fn copy_positions(&self) -> Result<Vec<(Symbol, CopyPosition)>, CallError>;

    /// One page of copied fills, each with whom it copies.
    ///
    /// **Errors**: [`CallError`].
    async fn copy_trades(&self, page: Page) -> Result<Vec<(Symbol, CopyTrade)>, CallError>;
}

/// Fee rates of the account.
#[async_trait]
pub trait Fees: Send + Sync {
    /// The schedule of each product that has one, with the symbols of its pairs.
    ///
    /// **Units**: shares of the value; negative is a rebate.
    /// **Errors**: [`CallError`].
    async fn fees(&self) -> Result<Vec<FeeSheet>, CallError>;
}

/// A fee schedule, and the symbols its pairs stand for, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeSheet {
    /// The product.
    pub product: String,
    /// The rates.
    pub schedule: FeeSchedule,
    /// The symbol of each of `schedule.pairs`.
    pub symbols: Vec<Symbol>,
}

/// What the key may do.
#[async_trait]
pub trait KeyPermissions: Send + Sync {
    /// What the venue says of the key.
    ///
    /// **Errors**: [`CallError`].
    async fn permissions(&self) -> Result<Permissions, CallError>;
}

/// Orders. Only a gateway can trade, since it alone holds trade keys: its handle is the one that is there.
#[async_trait]
pub trait Trading: Send + Sync {
    /// Places an order, if the gate lets it out, and waits for what becomes of it.
    ///
    /// **Shape**: an [`Outcome`] for whatever left, the venue's refusal included.
    /// **Units**: as [`OrderWish`].
    /// **Errors**: [`DeskError`] when it was not let out.
    async fn place(&self, wish: OrderWish) -> Result<Outcome, DeskError>;

    /// Cancels an order, halted or not.
    ///
    /// **Errors**: [`DeskError`], with the venue's words.
    async fn cancel(&self, venue: &str, symbol: &Symbol, order: OrderRef) -> Result<(), DeskError>;

    /// Looks an order up at its venue.
    ///
    /// **Errors**: [`DeskError`], with the venue's words.
    async fn order(&self, venue: &str, symbol: &Symbol, order: OrderRef) -> Result<OrderView, DeskError>;

    /// Reads what is open, at one venue or at all.
    ///
    /// **Errors**: [`DeskError`] when a venue cannot be read.
    async fn open_orders(&self, venue: Option<&str>) -> Result<Vec<OrderView>, DeskError>;
}

#[async_trait]
impl Trading for GatewayHandle {
    async fn place(&self, wish: OrderWish) -> Result<Outcome, DeskError> {
        GatewayHandle::place(self, wish).await
    }

    async fn cancel(&self, venue: &str, symbol: &Symbol, order: OrderRef) -> Result<(), DeskError> {
        GatewayHandle::cancel(self, venue, symbol.as_str(), None, order).await
    }

    async fn order(&self, venue: &str, symbol: &Symbol, order: OrderRef) -> Result<OrderView, DeskError> {
        GatewayHandle::order(self, venue, symbol.as_str(), None, order).await
    }

    async fn open_orders(&self, venue: Option<&str>) -> Result<Vec<OrderView>, DeskError> {
        GatewayHandle::open_orders(self, venue).await
    }
}

/// The capabilities of one venue, over its session.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) calls: Calls,
    pub(super) specs: Vec<Spec>,
}

impl Account {
    /// Whether any product can be asked for all of these.
    pub(super) fn can(&self, kinds: &[AskKind]) -> bool {
        self.specs.iter().any(|spec| kinds.iter().all(|kind| spec.can(*kind)))
    }

    /// The first product that can be asked for something; capabilities exist only where there is one.
    fn product(&self, kind: AskKind) -> usize {
        self.specs.iter().position(|spec| spec.can(kind)).unwrap_or_default()
    }

    async fn movements(&self, kind: AskKind, ask: Ask) -> Result<Vec<Movement>, CallError> {
        let rows = self.calls.ask(self.product(kind), ask).await?;
        Ok(pick(rows, |row| match row {
            Row::Movement(movement) => Some(*movement),
            _ => None,
        }))
    }
}

fn pick<T>(rows: Vec<Row>, take: impl Fn(Row) -> Option<T>) -> Vec<T> {
    rows.into_iter().filter_map(take).collect()
}

fn order_row(row: Row) -> Option<OrderPatch> {
    match row {
        Row::Order(order) => Some(order),
        _ => None,
    }
}

#[async_trait]
impl AccountReads for Account {
    fn wallets(&self) -> Vec<Wallet> {
        self.specs.iter().flat_map(|spec| spec.wallets.iter().copied()).collect()
    }

    async fn balances(&self, wallet: Wallet) -> Result<Vec<BalancePatch>, CallError> {
        let owner = self.specs.iter().position(|spec| spec.wallets.contains(&wallet));
        let Some(product) = owner else { return Ok(Vec::new()) };
        let rows = self.calls.ask(product, Ask::Balances { wallet }).await?;
        Ok(pick(rows, |row| match row {
            Row::Balance(balance) => Some(balance),
            _ => None,
        }))
    }

    async fn positions(&self) -> Result<Vec<(Symbol, PositionPatch)>, CallError> {
        let mut found = Vec::new();
        for product in self.calls.products(AskKind::Positions).await? {
            for rows in self.calls.ask_every(product, |market| Ask::Positions { market }).await? {
                found.extend(pick(rows, |row| match row {
                    Row::Position(patch) => Some((product, patch.market, patch)),
                    _ => None,
                }));
            }
        }
        Ok(self.calls.named(found).await?)
    }

    async fn open_orders(&self) -> Result<Vec<(Symbol, OrderPatch)>, CallError> {
        let mut found = Vec::new();
        for product in self.calls.products(AskKind::OpenOrders).await? {
            for rows in self.calls.ask_every(product, |market| Ask::OpenOrders { market }).await? {
                found.extend(pick(rows, order_row).into_iter().map(|patch| (product, patch.market, patch)));
            }
        }
        Ok(self.calls.named(found).await?)
    }

    async fn order(&self, symbol: &Symbol, order: OrderRef) -> Result<OrderPatch, CallError> {
        let (product, market) = self.calls.market(symbol, AskKind::Order, "orders").await?;
        let rows = self.calls.ask(product, Ask::Order { market, order }).await?;
        let fault = || Fault::ours(FaultKind::Unreadable, "the answer holds no order");
        pick(rows, order_row).pop().ok_or_else(|| CallError::Unknown(fault()))
    }
}

#[async_trait]
impl OrderHistory for Account {
    async fn orders(&self, symbol: &Symbol, page: Page) -> Result<Vec<OrderPatch>, CallError> {
        let (product, market) = self.calls.market(symbol, AskKind::OrderHistory, "an order history").await?;
        Ok(pick(self.calls.ask(product, Ask::OrderHistory { market, page }).await?, order_row))
    }
}

#[async_trait]
impl FillHistory for Account {
    async fn fills(&self, symbol: &Symbol, page: Page) -> Result<Vec<Fill>, CallError> {
        let (product, market) = self.calls.market(symbol, AskKind::Fills, "a fill history").await?;
        let rows = self.calls.ask(product, Ask::Fills { market, page }).await?;
        Ok(pick(rows, |row| match row {
            Row::Fill(fill) => Some(fill),
            _ => None,
        }))
    }
}

#[async_trait]
impl MovementHistory for Account {
    async fn deposits(&self, page: Page) -> Result<Vec<Movement>, CallError> {
        self.movements(AskKind::Deposits, Ask::Deposits { page }).await
    }

    async fn withdrawals(&self, page: Page) -> Result<Vec<Movement>, CallError> {
        self.movements(AskKind::Withdrawals, Ask::Withdrawals { page }).await
    }

    async fn transfers(&self, page: Page) -> Result<Vec<Movement>, CallError> {
        self.movements(AskKind::Transfers, Ask::Transfers { page }).await
    }
}

#[async_trait]
impl CopyTrading for Account {
    async fn copy_positions(&self) -> Result<Vec<(Symbol, CopyPosition)>, CallError> {
        let mut found = Vec::new();
        for (product, rows) in self.calls.ask_all(AskKind::CopyPositions, |_| Ask::CopyPositions).await? {
            found.extend(pick(rows, |row| match row {
                Row::CopyPosition(copy) => Some((product, copy.market, *copy)),
                _ => None,
            }));
        }
        Ok(self.calls.named(found).await?)
    }

    async fn copy_trades(&self, page: Page) -> Result<Vec<(Symbol, CopyTrade)>, CallError> {
        let mut found = Vec::new();
        let ask = |_| Ask::CopyTrades { page: page.clone() };
        for (product, rows) in self.calls.ask_all(AskKind::CopyTrades, ask).await? {
            found.extend(pick(rows, |row| match row {
                Row::CopyTrade(copy) => Some((product, copy.market, *copy)),
                _ => None,
            }));
        }
        Ok(self.calls.named(found).await?)
    }
}

#[async_trait]
impl Fees for Account {
    async fn fees(&self) -> Result<Vec<FeeSheet>, CallError> {
        let mut sheets = Vec::new();
        for (product, rows) in self.calls.ask_all(AskKind::Fees, |_| Ask::Fees).await? {
            for row in rows {
                let Row::Fees(mut schedule) = row else { continue };
                let pairs = schedule.pairs.drain(..).map(|pair| (product, pair.market, pair)).collect();
                let (symbols, pairs) = self.calls.named(pairs).await?.into_iter().unzip();
                schedule.pairs = pairs;
                let product = self.specs[product].product.clone();
                sheets.push(FeeSheet { product, schedule: *schedule, symbols });
            }
        }
        Ok(sheets)
    }
}

#[async_trait]
impl KeyPermissions for Account {
    async fn permissions(&self) -> Result<Permissions, CallError> {
        let rows = self.calls.ask(self.product(AskKind::Permissions), Ask::Permissions).await?;
        let fault = || Fault::ours(FaultKind::Unreadable, "the answer holds no permissions");
        let told = rows.into_iter().find_map(|row| match row {
            Row::Permissions(told) => Some(told),
            _ => None,
        });
        told.ok_or_else(|| CallError::Unknown(fault()))
    }
}

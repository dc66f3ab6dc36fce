//! Money across the venue's edge and between wallets: deposits, withdrawals, transfers, loans and their interest.
//!
//! The venues give no times: here a movement is on the chain after half a minute and done after two, every sixteenth
//! fails, and loans cost a hundred-thousandth an hour, at each full hour after they began to run.

use rust_decimal::{Decimal, RoundingStrategy};

use super::World;
use crate::engine::Owner;
use crate::wallets::{Insufficient, Movement, MovementStatus, News, Transfer, Wallet, Way};

/// Until a movement is on the chain, in milliseconds.
const CHAIN_MS: i64 = 30_000;
/// From then until it is done, in milliseconds.
const CONFIRM_MS: i64 = 90_000;
const HOUR_MS: i64 = 3_600_000;
/// What a loan costs an hour, in hundred-thousandths.
const HOURLY: Decimal = Decimal::from_parts(1, 0, 0, false, 5);
/// Decimal places of interest.
const PLACES: u32 = 8;

/// Why money stays where it is; nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveDenied {
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The amount is not positive.
    #[error("the amount is not positive")]
    BadAmount,
    /// There is no such movement that could still be taken back.
    #[error("there is no such withdrawal that is still pending")]
    NotPending,
    /// The wallet does not hold so much that is free.
    #[error(transparent)]
    Insufficient(#[from] Insufficient),
}

/// The chain of an asset, and what a withdrawal costs.
fn network(asset: &str) -> (&'static str, Decimal) {
    match asset {
        "BTC" => ("BTC", Decimal::new(2, 4)),
        "DOGE" => ("DOGE", Decimal::from(4)),
        "ETH" => ("ETH", Decimal::new(1, 3)),
        _ => ("TRX", Decimal::ONE),
    }
}

impl World {
    /// Announces a deposit, which is credited once it is confirmed; gives its id.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn deposit(
        &mut self,
        owner: Owner,
        asset: &'static str,
        amount: Decimal,
        at_ms: i64,
    ) -> Result<u64, MoveDenied> {
        self.begin(owner, Way::Deposit, (asset, amount, Decimal::ZERO), at_ms)
    }

    /// Takes a withdrawal and its fee out of the wallet, and sends it on its way; gives its id.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn withdraw(
        &mut self,
        owner: Owner,
        asset: &'static str,
        amount: Decimal,
        at_ms: i64,
    ) -> Result<u64, MoveDenied> {
        let (wallet, fee) = (self.edge, network(asset).1);
        let cost = amount.checked_add(fee).ok_or(MoveDenied::BadAmount)?;
        if amount <= Decimal::ZERO {
            return Err(MoveDenied::BadAmount);
        }
        self.has_free(owner, wallet, asset, cost)?;
        let id = self.begin(owner, Way::Withdrawal, (asset, amount, fee), at_ms)?;
        self.cross(owner, asset, -amount, -fee);
        Ok(id)
    }

    /// Takes a withdrawal back that is not on the chain yet.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn cancel_withdrawal(&mut self, owner: Owner, id: u64) -> Result<(), MoveDenied> {
        let account = self.account_mut(owner).ok_or(MoveDenied::NoAccount)?;
        let pending = |movement: &&mut Movement| {
            (movement.way, movement.status) == (Way::Withdrawal, MovementStatus::Pending)
        };
        let mut own = account.movements_mut().filter(pending);
        let movement = own.find(|movement| movement.id == id).ok_or(MoveDenied::NotPending)?;
        movement.status = MovementStatus::Cancelled;
        let (asset, amount, fee) = (movement.asset, movement.amount, movement.fee);
        drop(own);
        self.cross(owner, asset, amount, fee);
        Ok(())
    }

    /// Moves free money between wallets; gives the transfer's id.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn transfer(
        &mut self,
        owner: Owner,
        (asset, amount): (&'static str, Decimal),
        from: Wallet,
        to: Wallet,
        at_ms: i64,
    ) -> Result<u64, MoveDenied> {
        if amount <= Decimal::ZERO || from == to {
            return Err(MoveDenied::BadAmount);
        }
        self.has_free(owner, from, asset, amount)?;
        let account = self.account_mut(owner).ok_or(MoveDenied::NoAccount)?;
        account.cell(from, asset).total -= amount;
        account.cell(to, asset).total += amount;
        account.tell(News::Cash);
        Ok(account.keep_transfer(Transfer { id: 0, asset, amount, from, to, at_ms }))
    }

    /// Lends to the margin wallet.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn borrow(&mut self, owner: Owner, asset: &'static str, amount: Decimal) -> Result<(), MoveDenied> {
        self.lend(owner, Wallet::Margin, asset, amount)
    }

    /// Lends to a wallet.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn lend(
        &mut self,
        owner: Owner,
        wallet: Wallet,
        asset: &'static str,
        amount: Decimal,
    ) -> Result<(), MoveDenied> {
        if amount <= Decimal::ZERO {
            return Err(MoveDenied::BadAmount);
        }
        let account = self.account_mut(owner).ok_or(MoveDenied::NoAccount)?;
        let cash = account.cell(wallet, asset);
        cash.total += amount;
        cash.borrowed += amount;
        account.tell(News::Cash);
        Ok(())
    }

    /// Pays back to what was lent, interest first; what is more than owed stays.
    ///
    /// **Errors**: [`MoveDenied`]; then nothing changed.
    pub fn repay(&mut self, owner: Owner, asset: &'static str, amount: Decimal) -> Result<(), MoveDenied> {
        if amount <= Decimal::ZERO {
            return Err(MoveDenied::BadAmount);
        }
        self.has_free(owner, Wallet::Margin, asset, amount)?;
        let account = self.account_mut(owner).ok_or(MoveDenied::NoAccount)?;
        let cash = account.cell(Wallet::Margin, asset);
        let interest = cash.interest.min(amount);
        let principal = cash.borrowed.min(amount - interest);
        cash.total -= interest + principal;
        cash.interest -= interest;
        cash.borrowed -= principal;
        account.tell(News::Cash);
        *self.fees.entry(asset).or_default() += interest;
        Ok(())
    }

    /// What came in from outside since the world opened, less what went out.
    pub fn outside(&self, asset: &str) -> Decimal {
        self.outside.get(asset).copied().unwrap_or_default()
    }

    /// Lets time pass for what needs no market: movements go on, loans cost interest.
    pub fn pass(&mut self, at_ms: i64) {
        let hours = (at_ms - self.interest_ms).div_euclid(HOUR_MS).max(0);
        self.interest_ms += hours * HOUR_MS;
        for owner in (1..).map(Owner).take(self.accounts.len()) {
            if hours > 0 {
                self.charge(owner, hours);
            }
            while let Some((movement, done)) = self.account_mut(owner).and_then(|a| a.move_on(at_ms)) {
                self.finish(owner, &movement, done);
            }
        }
    }

    fn charge(&mut self, owner: Owner, hours: i64) {
        let Some(account) = self.account_mut(owner) else { return };
        let mut charged = false;
        for cash in account.cells_mut().filter(|cash| !cash.borrowed.is_zero()) {
            let hourly = (cash.borrowed * HOURLY).round_dp_with_strategy(PLACES, RoundingStrategy::ToZero);
            cash.interest += hourly * Decimal::from(hours);
            charged = true;
        }
        if charged {
            account.tell(News::Cash);
        }
    }

    /// Books what a movement that is over means.
    fn finish(&mut self, owner: Owner, movement: &Movement, done: MovementStatus) {
        let Movement { asset, amount, fee, .. } = *movement;
        match (movement.way, done) {
            (Way::Deposit, MovementStatus::Completed) => self.cross(owner, asset, amount, Decimal::ZERO),
            (Way::Withdrawal, MovementStatus::Failed) => self.cross(owner, asset, amount, fee),
            _ => {}
        }
    }

    /// Moves an amount across the edge, and a fee between the account and the venue; negative leaves the account.
    fn cross(&mut self, owner: Owner, asset: &'static str, amount: Decimal, fee: Decimal) {
        let wallet = self.edge;
        if let Some(account) = self.account_mut(owner) {
            account.cell(wallet, asset).total += amount + fee;
            account.tell(News::Cash);
            *self.outside.entry(asset).or_default() += amount;
            *self.fees.entry(asset).or_default() -= fee;
        }
    }

    fn begin(
        &mut self,
        owner: Owner,
        way: Way,
        (asset, amount, fee): (&'static str, Decimal, Decimal),
        at_ms: i64,
    ) -> Result<u64, MoveDenied> {
        if amount <= Decimal::ZERO {
            return Err(MoveDenied::BadAmount);
        }
        let mut hex =
            |len: usize| -> String { (0..len).map(|_| format!("{:x}", self.chain.u8(..16))).collect() };
        let (address, tx_id) = (hex(40), hex(64));
        let account = self.account_mut(owner).ok_or(MoveDenied::NoAccount)?;
        Ok(account.keep_movement(Movement {
            id: 0,
            way,
            asset,
            amount,
            fee,
            network: network(asset).0,
            address,
            tx_id,
            status: MovementStatus::Pending,
            at_ms,
            next_ms: at_ms + CHAIN_MS,
        }))
    }

    fn has_free(
        &self,
        owner: Owner,
        wallet: Wallet,
        asset: &'static str,
        amount: Decimal,
    ) -> Result<(), MoveDenied> {
        let account = self.account(owner).ok_or(MoveDenied::NoAccount)?;
        let free = match wallet {
            Wallet::Futures => account.margin(asset, &self.marks()).available,
            _ => account.cash_of(wallet, asset).free(),
        };
        if free >= amount { Ok(()) } else { Err(Insufficient.into()) }
    }
}

impl Movement {
    /// Moves on if it is time; gives the status that it ended in.
    pub(crate) fn move_on(&mut self, at_ms: i64) -> Option<MovementStatus> {
        if !self.status.is_under_way() || at_ms < self.next_ms {
            return None;
        }
        self.status = match self.status {
            MovementStatus::Pending => MovementStatus::Confirming,
            _ if self.id.is_multiple_of(16) => MovementStatus::Failed,
            _ => MovementStatus::Completed,
        };
        if self.status.is_under_way() {
            self.next_ms += CONFIRM_MS;
        }
        Some(self.status)
    }
}

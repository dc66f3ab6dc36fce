//! How a contract's position is held: leverage, risk limit, and margin moved into it or out of it.

use rust_decimal::Decimal;
use venuekit_types::Side;

use super::World;
use crate::engine::Owner;
use crate::wallets::{Insufficient, News, Position};

/// Why a position is held as it was; nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarginDenied {
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The market is no contract.
    #[error("the market is no contract")]
    NotAContract,
    /// The leverage is neither 0, which is cross, nor at least 1.
    #[error("the leverage is out of range; give 0 for cross, or at least 1")]
    BadLeverage,
    /// The leverage is above what the initial margin allows.
    #[error("the leverage is above the largest one")]
    LeverageTooHigh,
    /// The risk limit stands on no step.
    #[error("the risk limit is on no step")]
    OffRiskStep,
    /// The risk limit is what it was.
    #[error("the risk limit is not changed")]
    SameRiskLimit,
    /// The position is worth more than the limit.
    #[error("the position is worth more than the limit; reduce it first")]
    OverRiskLimit,
    /// There is no position.
    #[error("there is no position")]
    NoPosition,
    /// A cross position has no margin of its own.
    #[error("a cross position has no margin of its own; set a leverage first")]
    CrossMargin,
    /// Nothing would move.
    #[error("the amount is zero")]
    Zero,
    /// The position of this side would be taken over at once.
    #[error("the position would be taken over at once")]
    Liquidates(Side),
    /// The available margin does not cover it.
    #[error(transparent)]
    Insufficient(#[from] Insufficient),
}

impl World {
    /// Sets a market's leverage; 0 is cross.
    ///
    /// **Errors**: [`MarginDenied`]; then nothing changed.
    pub fn set_leverage(
        &mut self,
        owner: Owner,
        market: usize,
        leverage: Decimal,
    ) -> Result<(), MarginDenied> {
        let contract = self.markets[market].spec.contract.as_ref().ok_or(MarginDenied::NotAContract)?;
        let account = self.account(owner).ok_or(MarginDenied::NoAccount)?;
        if !leverage.is_zero() && leverage < Decimal::ONE {
            return Err(MarginDenied::BadLeverage);
        }
        let steps = Decimal::from(account.position(market).risk_steps);
        let least = contract.init_rate() + contract.maint_rate() * steps;
        if leverage.checked_mul(least).is_none_or(|rate| rate > Decimal::ONE) {
            return Err(MarginDenied::LeverageTooHigh);
        }
        self.hold(owner, market, |position| {
            position.leverage = leverage;
            position.added = if leverage.is_zero() { Decimal::ZERO } else { position.added };
        })
    }

    /// Sets a market's risk limit, which moves both margin rates.
    ///
    /// **Errors**: [`MarginDenied`]; then nothing changed.
    pub fn set_risk_limit(
        &mut self,
        owner: Owner,
        market: usize,
        limit: Decimal,
    ) -> Result<(), MarginDenied> {
        let state = &self.markets[market];
        let contract = state.spec.contract.as_ref().ok_or(MarginDenied::NotAContract)?;
        let steps = contract.risk_steps(limit).ok_or(MarginDenied::OffRiskStep)?;
        let position = self.account(owner).ok_or(MarginDenied::NoAccount)?.position(market);
        if steps == position.risk_steps {
            return Err(MarginDenied::SameRiskLimit);
        }
        if state.spec.value(state.reference.mark, position.qty.abs()) > limit {
            return Err(MarginDenied::OverRiskLimit);
        }
        self.hold(owner, market, |position| position.risk_steps = steps)
    }

    /// Moves margin into an isolated position, or with a negative amount out of it.
    ///
    /// **Errors**: [`MarginDenied`]; then nothing changed.
    pub fn move_margin(&mut self, owner: Owner, market: usize, amount: Decimal) -> Result<(), MarginDenied> {
        let position = self.account(owner).ok_or(MarginDenied::NoAccount)?.position(market);
        if amount.is_zero() {
            return Err(MarginDenied::Zero);
        }
        if position.qty == 0 {
            return Err(MarginDenied::NoPosition);
        }
        if !position.is_isolated() {
            return Err(MarginDenied::CrossMargin);
        }
        let added = position.added.checked_add(amount).ok_or(Insufficient)?;
        if added < Decimal::ZERO {
            return Err(Insufficient.into());
        }
        self.hold(owner, market, |position| position.added = added)
    }

    /// Changes how a position is held, unless its margin or its account's would not bear it.
    fn hold(
        &mut self,
        owner: Owner,
        market: usize,
        change: impl FnOnce(&mut Position),
    ) -> Result<(), MarginDenied> {
        let marks = self.marks();
        let money = self.markets[market].spec.money();
        let account = self.account_mut(owner).ok_or(MarginDenied::NoAccount)?;
        let (before, had) = (account.position(market), account.margin(money, &marks).available);
        change(account.position_mut(market));
        let has = account.margin(money, &marks).available;
        let refused = if account.must_be_liquidated(market, &marks) {
            let side = if before.qty > 0 { Side::Buy } else { Side::Sell };
            Err(MarginDenied::Liquidates(side))
        } else if has < Decimal::ZERO && has < had {
            Err(Insufficient.into())
        } else {
            account.tell(News::Cash);
            Ok(())
        };
        if refused.is_err() {
            *account.position_mut(market) = before;
        }
        refused
    }
}

//! The account's ledger: every movement of spot money as a row, with what stood there after it.
//!
//! It is kept from the account's news and held against its balances each time: what no news explains is a row of its
//! own, so that the last balance of an asset is always the true one.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;
use venuekit_types::{Kind, Side};

use crate::kraken::names::spot_id;
use crate::wallets::{Account, Movement, MovementStatus, News, OwnFill, Wallet, Way};
use crate::world::Market;

/// Rows that are kept, the latest.
const ROWS_MAX: usize = 50_000;

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: u64,
    /// What it belongs to: a trade, a deposit, a withdrawal.
    pub(super) refid: String,
    pub(super) at_ms: i64,
    pub(super) kind: &'static str,
    pub(super) asset: &'static str,
    pub(super) amount: Decimal,
    pub(super) fee: Decimal,
    /// What the wallet holds after it.
    pub(super) balance: Decimal,
}

impl Row {
    /// The row's id as the venue spells it.
    pub(super) fn name(&self) -> String {
        spot_id('L', 0, self.id)
    }
}

/// How a deposit or withdrawal is named everywhere.
pub(super) fn movement_id(movement: &Movement) -> String {
    spot_id('F', 0, movement.id)
}

/// All rows that are kept, oldest first, and what they have accounted for.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    rows: VecDeque<Row>,
    last: u64,
    balances: BTreeMap<&'static str, Decimal>,
    /// Deposits and withdrawals that have a row, and whether the money went back.
    moved: BTreeMap<u64, bool>,
    transfers: u64,
}

impl Ledger {
    /// The ledger of an account that may have a past.
    pub(super) fn new(account: &Account, markets: &[Market], at_ms: i64) -> Ledger {
        let mut ledger = Ledger::default();
        let mut past = Ledger::default();
        past.follow_moves(account);
        let opening = past.missing(account);
        let begun_ms = past.rows.front().map_or(at_ms, |row| row.at_ms);
        for (asset, amount) in opening {
            ledger.add("adjustment", String::new(), begun_ms, asset, (amount, Decimal::ZERO));
        }
        ledger.sync(account, markets, &[News::Cash], at_ms);
        ledger
    }

    /// Takes the account's news in; gives how many rows it added.
    pub(super) fn sync(&mut self, account: &Account, markets: &[Market], news: &[News], at_ms: i64) -> usize {
        let before = self.last;
        for one in news {
            match one {
                News::Fill(fill) if markets[fill.market].spec.kind == Kind::Spot => self.trade(markets, fill),
                News::Cash => self.follow_moves(account),
                News::Fill(_) | News::Order(_) => {}
            }
        }
        for (asset, amount) in self.missing(account) {
            self.add("adjustment", String::new(), at_ms, asset, (amount, Decimal::ZERO));
        }
        usize::try_from(self.last - before).expect("few rows at a time")
    }

    /// All rows, oldest first.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.iter()
    }

    fn trade(&mut self, markets: &[Market], fill: &OwnFill) {
        let spec = markets[fill.market].spec;
        let (qty, value) = (spec.qty(fill.qty), spec.value(fill.price, fill.qty));
        let (base, quote) = if fill.order.side == Side::Buy { (qty, -value) } else { (-qty, value) };
        let in_base = fill.order.fee_asset(spec) == spec.base;
        let fee = |here: bool| if here { fill.fee } else { Decimal::ZERO };
        let refid = spot_id('T', fill.market, fill.id);
        self.add("trade", refid.clone(), fill.at_ms, spec.base, (base, fee(in_base)));
        self.add("trade", refid, fill.at_ms, spec.quote, (quote, fee(!in_base)));
    }

    fn follow_moves(&mut self, account: &Account) {
        for movement in account.movements() {
            let (booked, returned) = match self.moved.get(&movement.id) {
                None => (false, false),
                Some(&returned) => (true, returned),
            };
            let (amount, fee, asset) = (movement.amount, movement.fee, movement.asset);
            let failed = matches!(movement.status, MovementStatus::Failed | MovementStatus::Cancelled);
            match movement.way {
                Way::Deposit if !booked && movement.status == MovementStatus::Completed => {
                    self.moved.insert(movement.id, false);
                    self.add("deposit", movement_id(movement), movement.at_ms, asset, (amount, fee));
                }
                Way::Withdrawal if !booked => {
                    self.moved.insert(movement.id, false);
                    self.add("withdrawal", movement_id(movement), movement.at_ms, asset, (-amount, fee));
                }
                Way::Withdrawal if failed && !returned => {
                    self.moved.insert(movement.id, true);
                    self.add("withdrawal", movement_id(movement), movement.at_ms, asset, (amount, -fee));
                }
                Way::Deposit | Way::Withdrawal => {}
            }
        }
        for transfer in
            account.transfers().filter(|transfer| transfer.id > self.transfers).cloned().collect::<Vec<_>>()
        {
            self.transfers = transfer.id;
            let amount = match (transfer.from, transfer.to) {
                (Wallet::Spot, _) => -transfer.amount,
                (_, Wallet::Spot) => transfer.amount,
                _ => continue,
            };
            let refid = spot_id('B', 0, transfer.id);
            self.add("transfer", refid, transfer.at_ms, transfer.asset, (amount, Decimal::ZERO));
        }
    }

    /// What each asset holds beyond what the rows say.
    fn missing(&self, account: &Account) -> Vec<(&'static str, Decimal)> {
        let spot = account.cash().filter(|(wallet, ..)| *wallet == Wallet::Spot);
        let known = |asset| self.balances.get(asset).copied().unwrap_or_default();
        let all = spot.map(|(_, asset, cash)| (asset, cash.total - known(asset)));
        all.filter(|(_, amount)| !amount.is_zero()).collect()
    }

    fn add(
        &mut self,
        kind: &'static str,
        refid: String,
        at_ms: i64,
        asset: &'static str,
        (amount, fee): (Decimal, Decimal),
    ) {
        let balance = self.balances.entry(asset).or_default();
        *balance += amount - fee;
        self.last += 1;
        if self.rows.len() == ROWS_MAX {
            self.rows.pop_front();
        }
        let (id, balance) = (self.last, *balance);
        self.rows.push_back(Row { id, refid, at_ms, kind, asset, amount, fee, balance });
    }
}

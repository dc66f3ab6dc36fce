//! Answers about an account. Lists stand as raw rows, so that one which does not read costs itself alone.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::PositionSide;
use crate::{Hidden, Millis, Num, Text};

/// Answer of `GET /api/v3/account`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpotAccount<'a> {
    /// Whether it may trade.
    pub can_trade: bool,
    /// One object of [`SpotBalance`] each.
    #[serde(borrow)]
    pub balances: Vec<&'a RawValue>,
}

/// Answer of `GET /sapi/v1/margin/account`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarginAccount<'a> {
    /// One object of [`MarginAsset`] each.
    #[serde(borrow)]
    pub user_assets: Vec<&'a RawValue>,
}

/// Answer of `GET /sapi/v1/margin/isolated/account`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IsolatedAccount<'a> {
    /// One object of [`IsolatedPair`] each.
    #[serde(borrow)]
    pub assets: Vec<&'a RawValue>,
}

/// Answer of `GET /fapi/v3/account`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FuturesAccount<'a> {
    /// One object of [`FuturesAsset`] each.
    #[serde(borrow)]
    pub assets: Vec<&'a RawValue>,
}

/// Answer of `GET /sapi/v1/margin/transfer`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MarginTransfers<'a> {
    /// One object of [`MarginTransfer`] each.
    #[serde(borrow)]
    pub rows: Vec<&'a RawValue>,
}

/// What the key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiRestrictions {
    /// Only from listed addresses.
    pub ip_restrict: bool,
    /// See the account.
    pub enable_reading: bool,
    /// Trade spot and margin.
    pub enable_spot_and_margin_trading: bool,
    /// Move money out.
    pub enable_withdrawals: bool,
}

/// What a USD-M account may do, and its tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountConfig {
    /// The tier of fees.
    pub fee_tier: u64,
    /// Whether it may trade.
    pub can_trade: bool,
}

shapes! {
    /// A balance of the spot wallet.
    SpotBalance {
        /// Of what.
        asset: Text<'a>,
        /// Free to use.
        free: Num<'a>,
        /// Held by orders.
        locked: Num<'a>,
    }

    /// A balance of the funding wallet.
    FundingAsset {
        /// Of what.
        asset: Text<'a>,
        /// Free to use.
        free: Num<'a>,
        /// Held.
        locked: Num<'a>,
        /// Held by the venue.
        freeze: Num<'a>,
        /// On its way out.
        withdrawing: Num<'a>,
    }

    /// A balance of a margin wallet.
    MarginAsset {
        /// Of what.
        asset: Text<'a>,
        /// Owed.
        borrowed: Num<'a>,
        /// Free to use.
        free: Num<'a>,
        /// Interest owed.
        interest: Num<'a>,
        /// Held by orders.
        locked: Num<'a>,
        /// Free and held, less what is owed.
        net_asset?: Num<'a>,
    }

    /// The isolated wallet of a pair.
    IsolatedPair {
        /// Which pair.
        symbol: Text<'a>,
        /// What is bought.
        base_asset: MarginAsset<'a>,
        /// What it is priced in.
        quote_asset: MarginAsset<'a>,
    }

    /// A balance of the futures wallet.
    FuturesAsset {
        /// Of what.
        asset: Text<'a>,
        /// All of it, without unrealised profit.
        wallet_balance: Num<'a>,
        /// At the mark.
        unrealized_profit: Num<'a>,
        /// Held by positions.
        position_initial_margin: Num<'a>,
        /// Held by orders.
        open_order_initial_margin: Num<'a>,
        /// What a new order could use.
        available_balance?: Num<'a>,
    }

    /// A position.
    Position {
        /// Where.
        symbol: Text<'a>,
        /// Which of the market's.
        position_side: PositionSide<'a>,
        /// Negative is short.
        position_amt: Num<'a>,
        /// Average price of entry; zero for none.
        entry_price: Num<'a>,
        /// The mark price.
        mark_price: Num<'a>,
        /// At the mark; the capital letter is this route's own.
        #[serde(rename = "unRealizedProfit")]
        unrealized_profit: Num<'a>,
        /// Where it is liquidated; zero for none.
        liquidation_price: Num<'a>,
        /// What is set aside for it; zero when the whole wallet stands behind it.
        isolated_margin: Num<'a>,
        /// What it is worth at the mark.
        notional?: Num<'a>,
        /// What profit is paid in.
        margin_asset?: Text<'a>,
        /// The least margin it takes.
        maint_margin?: Num<'a>,
        /// When it last changed.
        update_time: Millis,
    }

    /// Money that came.
    Deposit {
        /// Unique.
        id: Text<'a>,
        /// How much.
        amount: Num<'a>,
        /// Of what.
        coin: Text<'a>,
        /// On which chain.
        network?: Text<'a>,
        /// 0 pending, 6 credited and locked, 7 wrong, 8 waits for the user, 1 done, 2 refused.
        status: i64,
        /// Where it came to.
        address?: Text<'a>,
        /// The chain's id.
        tx_id?: Text<'a>,
        /// When.
        insert_time: Millis,
        /// When it was done.
        complete_time?: Millis,
    }

    /// Money that went.
    Withdrawal {
        /// Unique.
        id: Text<'a>,
        /// How much arrives.
        amount: Num<'a>,
        /// What it costs on top.
        transaction_fee?: Num<'a>,
        /// Of what.
        coin: Text<'a>,
        /// 0 mail sent, 2 waits for approval, 3 refused, 4 under way, 6 done.
        status: i64,
        /// Where it went.
        address?: Text<'a>,
        /// The chain's id.
        tx_id?: Text<'a>,
        /// When, as `2019-10-12 11:12:02` in UTC.
        apply_time: Text<'a>,
        /// On which chain.
        network?: Text<'a>,
    }

    /// Money that moved into a margin wallet or out of it.
    MarginTransfer {
        /// How much.
        amount: Num<'a>,
        /// Of what.
        asset: Text<'a>,
        /// `CONFIRMED` when it is done.
        status: Text<'a>,
        /// When.
        timestamp: Millis,
        /// Unique.
        tx_id: u64,
        /// `ROLL_IN` or `ROLL_OUT`.
        #[serde(rename = "type")]
        kind: Text<'a>,
        /// As in `SPOT`.
        trans_from?: Text<'a>,
        /// As in `ISOLATED_MARGIN`.
        trans_to?: Text<'a>,
    }

    /// What changed a futures wallet.
    Income {
        /// In which market; empty for transfers.
        symbol?: Text<'a>,
        /// As in `TRANSFER`.
        income_type: Text<'a>,
        /// By how much; negative went out.
        income: Num<'a>,
        /// Of what.
        asset: Text<'a>,
        /// When.
        time: Millis,
        /// Unique per type.
        tran_id: Text<'a>,
    }

    /// Fee rates of a pair.
    TradeFee {
        /// Which pair.
        symbol: Text<'a>,
        /// For orders that rested.
        maker_commission: Num<'a>,
        /// For orders that took.
        taker_commission: Num<'a>,
    }

    /// What opens the user stream of a margin wallet.
    ListenToken {
        /// What is shown to open it.
        token: Hidden<'a>,
        /// When it opens nothing more, and what it opened ends.
        expiration_time: Millis,
    }

    /// What opens a user stream of USD-M.
    ListenKey {
        /// The last segment of its path.
        listen_key: Hidden<'a>,
    }
}

//! What an account reads of itself over REST.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{MarginMode, MovementStatus, Side, Wallet};
use crate::text::null_as_empty;
use crate::{Hidden, Millis, Num, Text};

/// The answer of a wallet's route with its rows left raw, so that one that does not read costs itself alone.
#[derive(Clone, Debug, Deserialize)]
pub struct Assets<'a> {
    /// One row per asset: [`Asset`], [`MarginAsset`] or [`FuturesAsset`].
    #[serde(borrow)]
    pub assets: Vec<&'a RawValue>,
}

/// [`Fees`] with its rows left raw.
#[derive(Clone, Debug, Deserialize)]
pub struct RawFees<'a> {
    /// The account's tier.
    #[serde(borrow, default, deserialize_with = "Num::optional")]
    pub tier: Option<Num<'a>>,
    /// What it traded in 30 days.
    #[serde(rename = "volume30d", default, deserialize_with = "Num::optional")]
    pub volume_30d: Option<Num<'a>>,
    /// Rows of [`PairFee`].
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    pub pairs: Vec<&'a RawValue>,
    /// Rows of [`FeeTier`].
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    pub tiers: Vec<&'a RawValue>,
}

/// Answer of `GET /v1/account/permissions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// Whether the key may read.
    pub read: Option<bool>,
    /// Whether the key may order and cancel.
    pub trade: Option<bool>,
    /// Whether the key may take money out.
    pub withdraw: Option<bool>,
    /// Whether the key works from known addresses only.
    pub ip_restricted: Option<bool>,
}

shapes! {
    /// Answer of `POST /v1/user-stream`.
    ListenKey {
        /// Opens the user stream to whoever has it.
        listen_key: Hidden<'a>,
    }

    /// The spot wallet.
    SpotBalances {
        /// One row per asset.
        assets: Vec<Asset<'a>>,
    }

    /// An asset of the spot wallet.
    Asset {
        /// Which one.
        asset: Text<'a>,
        /// Free to use.
        free: Num<'a>,
        /// Held by orders.
        locked: Num<'a>,
    }

    /// The margin wallet.
    MarginAccount {
        /// What is owned over what is owed; absent when nothing is owed.
        margin_level?: Num<'a>,
        /// One row per asset.
        assets: Vec<MarginAsset<'a>>,
    }

    /// [`MarginAccount`] without its rows.
    MarginLevel {
        /// What is owned over what is owed; absent when nothing is owed.
        margin_level?: Num<'a>,
    }

    /// An asset of the margin wallet.
    MarginAsset {
        /// Which one.
        asset: Text<'a>,
        /// Free to use.
        free: Num<'a>,
        /// Held by orders.
        locked: Num<'a>,
        /// Owed, without interest.
        borrowed?: Num<'a>,
        /// Owed on top.
        interest?: Num<'a>,
    }

    /// The futures wallet.
    FuturesBalances {
        /// One row per asset.
        assets: Vec<FuturesAsset<'a>>,
    }

    /// An asset of the futures wallet.
    FuturesAsset {
        /// Which one.
        asset: Text<'a>,
        /// Without unrealised profit.
        wallet_balance?: Num<'a>,
        /// Free to use.
        available_balance: Num<'a>,
        /// At the mark.
        unrealized_pnl?: Num<'a>,
        /// Held by open orders.
        order_margin?: Num<'a>,
        /// Held by positions.
        position_margin?: Num<'a>,
    }

    /// A futures position.
    Position {
        /// Where.
        symbol: Text<'a>,
        /// Negative is short.
        position_amt: Num<'a>,
        /// Average price of entry.
        entry_price?: Num<'a>,
        /// The mark price.
        mark_price?: Num<'a>,
        /// Where it is liquidated; absent when nowhere.
        liquidation_price?: Num<'a>,
        /// Value over margin.
        leverage?: Num<'a>,
        /// What stands behind it.
        margin_mode?: MarginMode<'a>,
        /// Of isolated positions.
        isolated_margin?: Num<'a>,
        /// At the mark.
        unrealized_pnl?: Num<'a>,
        /// Of the value.
        maint_margin_rate?: Num<'a>,
        /// When it last changed.
        update_time?: Millis,
    }

    /// A position that mirrors another trader's.
    CopyPosition {
        /// Of the copying.
        copy_id: u64,
        /// Who is copied.
        lead_trader_id: u64,
        /// Who is copied, for display.
        lead_trader_name?: Text<'a>,
        /// Own size over theirs.
        mirror_ratio: Num<'a>,
        /// Where.
        symbol: Text<'a>,
        /// Negative is short.
        position_amt: Num<'a>,
        /// Average price of entry.
        entry_price?: Num<'a>,
        /// The mark price.
        mark_price?: Num<'a>,
        /// At the mark.
        unrealized_pnl?: Num<'a>,
        /// When it was opened.
        open_time: Millis,
    }

    /// A fill that mirrors another trader's order.
    CopyTrade {
        /// Of the copying.
        copy_id: u64,
        /// Who is copied.
        lead_trader_id: u64,
        /// Their order.
        lead_order_id: u64,
        /// Our order.
        order_id: u64,
        /// Our fill.
        fill_id: u64,
        /// Where.
        symbol: Text<'a>,
        /// Which way.
        side: Side<'a>,
        /// At which price.
        price: Num<'a>,
        /// How much of the base.
        qty: Num<'a>,
        /// What the copied trader takes of the profit.
        profit_share: Num<'a>,
        /// When.
        time: Millis,
    }

    /// A deposit or withdrawal.
    Movement {
        /// The venue's id.
        id: u64,
        /// What was moved.
        asset: Text<'a>,
        /// How much, without the fee.
        amount: Num<'a>,
        /// What it cost.
        fee?: Num<'a>,
        /// On which chain.
        network?: Text<'a>,
        /// Where to or from.
        address?: Text<'a>,
        /// On the chain, once it is there.
        tx_id?: Text<'a>,
        /// Where it is.
        status: MovementStatus<'a>,
        /// When it was asked for.
        time: Millis,
    }

    /// Money moved between wallets.
    Transfer {
        /// The venue's id.
        id: u64,
        /// What was moved.
        asset: Text<'a>,
        /// How much.
        amount: Num<'a>,
        /// Out of which wallet.
        from: Wallet<'a>,
        /// Into which wallet.
        to: Wallet<'a>,
        /// When.
        time: Millis,
    }

    /// Answer of `GET /v1/account/fees`.
    Fees {
        /// The account's tier, a number or a word.
        tier: Num<'a>,
        /// What it traded in 30 days.
        #[serde(rename = "volume30d")]
        volume_30d: Num<'a>,
        /// What it pays, by pair.
        pairs: Vec<PairFee<'a>>,
        /// What every tier pays.
        tiers: Vec<FeeTier<'a>>,
    }

    /// What a pair costs.
    PairFee {
        /// Which one.
        symbol: Text<'a>,
        /// Negative is a rebate.
        maker: Num<'a>,
        /// Of the value.
        taker: Num<'a>,
    }

    /// What a tier pays.
    FeeTier {
        /// Which one.
        tier: Num<'a>,
        /// From which volume on.
        #[serde(rename = "minVolume30d")]
        min_volume_30d: Num<'a>,
        /// Negative is a rebate.
        maker: Num<'a>,
        /// Of the value.
        taker: Num<'a>,
    }
}

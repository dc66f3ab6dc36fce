//! The events of user streams.

use super::{ExecutionType, MarginType, OrderStatus, OrderType, PositionSide, Side, TimeInForce};
use crate::{Millis, Num, Text};

tags! {
    /// `executionReport`.
    ExecutionReportTag = "executionReport",
    /// `outboundAccountPosition`.
    AccountPositionTag = "outboundAccountPosition",
    /// `ORDER_TRADE_UPDATE`.
    OrderTradeUpdateTag = "ORDER_TRADE_UPDATE",
    /// `ACCOUNT_UPDATE`.
    AccountUpdateTag = "ACCOUNT_UPDATE",
    /// `ALGO_UPDATE`.
    AlgoUpdateTag = "ALGO_UPDATE",
}

shapes! {
    /// An order of spot or margin that changed, and the fill that changed it.
    ExecutionReport {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: ExecutionReportTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// The client's id, of the order or of what cancelled it.
        #[serde(rename = "c")]
        client_order_id: Text<'a>,
        /// Which way.
        #[serde(rename = "S")]
        side: Side<'a>,
        /// What it is.
        #[serde(rename = "o")]
        kind: OrderType<'a>,
        /// How long it stands.
        #[serde(rename = "f")]
        time_in_force: TimeInForce<'a>,
        /// How much was ordered.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// Limit; zero for none.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// Trigger; zero for none.
        #[serde(rename = "P")]
        stop_price: Num<'a>,
        /// The list it belongs to; -1 for none.
        #[serde(rename = "g")]
        list_id?: i64,
        /// The client's id when it was placed, where the other one is the cancellation's.
        #[serde(rename = "C")]
        orig_client_order_id?: Text<'a>,
        /// What happened.
        #[serde(rename = "x")]
        execution: ExecutionType<'a>,
        /// Where it is in its life.
        #[serde(rename = "X")]
        status: OrderStatus<'a>,
        /// Why it was refused; `NONE` when it was not.
        #[serde(rename = "r")]
        reject_reason: Text<'a>,
        /// The venue's id.
        #[serde(rename = "i")]
        order_id: u64,
        /// How much was filled just now.
        #[serde(rename = "l")]
        last_qty: Num<'a>,
        /// How much was filled in all.
        #[serde(rename = "z")]
        cum_qty: Num<'a>,
        /// At which price just now.
        #[serde(rename = "L")]
        last_price: Num<'a>,
        /// The fee.
        #[serde(rename = "n")]
        fee?: Num<'a>,
        /// What the fee is paid in.
        #[serde(rename = "N")]
        fee_asset?: Text<'a>,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// The fill's id; -1 for none.
        #[serde(rename = "t")]
        trade_id: i64,
        /// Rises with what happens.
        #[serde(rename = "I")]
        execution_id?: u64,
        /// Whether it is in the book.
        #[serde(rename = "w")]
        on_book?: bool,
        /// Whether it rested.
        #[serde(rename = "m")]
        is_maker: bool,
        /// When it was placed.
        #[serde(rename = "O")]
        created_at?: Millis,
        /// For how much of the quote in all.
        #[serde(rename = "Z")]
        cum_quote?: Num<'a>,
        /// For how much of the quote just now.
        #[serde(rename = "Y")]
        last_quote?: Num<'a>,
    }

    /// Balances of spot or margin that changed.
    AccountPosition {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: AccountPositionTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// When they last changed.
        #[serde(rename = "u")]
        time: Millis,
        /// The new balances.
        #[serde(rename = "B")]
        balances: Vec<BalanceChange<'a>>,
    }

    /// The new balance of an asset.
    BalanceChange {
        /// Which one.
        #[serde(rename = "a")]
        asset: Text<'a>,
        /// Free to use.
        #[serde(rename = "f")]
        free: Num<'a>,
        /// Held by orders.
        #[serde(rename = "l")]
        locked: Num<'a>,
    }

    /// An order of USD-M that changed, and the fill that changed it.
    OrderTradeUpdate {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: OrderTradeUpdateTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// The order.
        #[serde(rename = "o")]
        order: FuturesOrder<'a>,
    }

    /// An order of USD-M as it is now.
    FuturesOrder {
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// The client's id; the venue's own begin with `autoclose-`, `adl_autoclose` or `settlement_autoclose-`.
        #[serde(rename = "c")]
        client_order_id: Text<'a>,
        /// Which way.
        #[serde(rename = "S")]
        side: Side<'a>,
        /// What it is.
        #[serde(rename = "o")]
        kind: OrderType<'a>,
        /// How long it stands.
        #[serde(rename = "f")]
        time_in_force: TimeInForce<'a>,
        /// How much was ordered.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// Limit; zero for none.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// Average price of the fills.
        #[serde(rename = "ap")]
        avg_price: Num<'a>,
        /// Trigger; zero for none.
        #[serde(rename = "sp")]
        stop_price?: Num<'a>,
        /// What happened.
        #[serde(rename = "x")]
        execution: ExecutionType<'a>,
        /// Where it is in its life.
        #[serde(rename = "X")]
        status: OrderStatus<'a>,
        /// The venue's id.
        #[serde(rename = "i")]
        order_id: u64,
        /// How much was filled just now.
        #[serde(rename = "l")]
        last_qty: Num<'a>,
        /// How much was filled in all.
        #[serde(rename = "z")]
        cum_qty: Num<'a>,
        /// At which price just now.
        #[serde(rename = "L")]
        last_price: Num<'a>,
        /// What the fee is paid in.
        #[serde(rename = "N")]
        fee_asset?: Text<'a>,
        /// The fee.
        #[serde(rename = "n")]
        fee?: Num<'a>,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// The fill's id; zero for none.
        #[serde(rename = "t")]
        trade_id: i64,
        /// Whether it rested.
        #[serde(rename = "m")]
        is_maker: bool,
        /// Whether it may only reduce a position.
        #[serde(rename = "R")]
        reduce_only: bool,
        /// Of which position.
        #[serde(rename = "ps")]
        position_side: PositionSide<'a>,
        /// Profit realised just now.
        #[serde(rename = "rp")]
        realized_pnl?: Num<'a>,
    }

    /// An order of USD-M that waits for a trigger changed.
    AlgoUpdate {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: AlgoUpdateTag,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// The order.
        #[serde(rename = "o")]
        order: AlgoChange<'a>,
    }

    /// An order that waits for a trigger, as it is now.
    AlgoChange {
        /// The client's id.
        #[serde(rename = "caid")]
        client_algo_id: Text<'a>,
        /// The venue's id, which is none of an ordinary order.
        #[serde(rename = "aid")]
        algo_id: u64,
        /// What it becomes.
        #[serde(rename = "o")]
        kind: OrderType<'a>,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Which way.
        #[serde(rename = "S")]
        side: Side<'a>,
        /// Of which position.
        #[serde(rename = "ps")]
        position_side: PositionSide<'a>,
        /// How long it stands once it went off.
        #[serde(rename = "f")]
        time_in_force: TimeInForce<'a>,
        /// How much was ordered.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// Where it is in its life: `NEW`, `TRIGGERED`, `CANCELED` and others.
        #[serde(rename = "X")]
        status: Text<'a>,
        /// The ordinary order that it became; empty until then.
        #[serde(rename = "ai")]
        order_id?: Text<'a>,
        /// What trips it.
        #[serde(rename = "tp")]
        trigger_price: Num<'a>,
        /// Limit; zero for none.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// Which price trips it.
        #[serde(rename = "wt")]
        working_type: Text<'a>,
        /// Whether it may only reduce a position.
        #[serde(rename = "R")]
        reduce_only: bool,
    }

    /// Balances and positions of USD-M that changed.
    AccountUpdate {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: AccountUpdateTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// What changed.
        #[serde(rename = "a")]
        changes: AccountChanges<'a>,
    }

    /// What changed in the futures wallet.
    AccountChanges {
        /// Why: `ORDER`, `FUNDING_FEE`, `DEPOSIT` and others.
        #[serde(rename = "m")]
        reason: Text<'a>,
        /// Balances that changed.
        #[serde(rename = "B", default)]
        balances: Vec<WalletChange<'a>>,
        /// Positions that changed.
        #[serde(rename = "P", default)]
        positions: Vec<PositionChange<'a>>,
    }

    /// The new balance of an asset of the futures wallet, which margins do not diminish.
    WalletChange {
        /// Which one.
        #[serde(rename = "a")]
        asset: Text<'a>,
        /// All of it, without unrealised profit.
        #[serde(rename = "wb")]
        wallet_balance: Num<'a>,
        /// The same less what is set aside for isolated positions.
        #[serde(rename = "cw")]
        cross_wallet: Num<'a>,
        /// By how much it changed, other than by profit and fee.
        #[serde(rename = "bc")]
        change?: Num<'a>,
    }

    /// A position as it is now.
    PositionChange {
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Negative is short.
        #[serde(rename = "pa")]
        amount: Num<'a>,
        /// Average price of entry; zero for none.
        #[serde(rename = "ep")]
        entry_price: Num<'a>,
        /// The price at which it comes out even; zero for none.
        #[serde(rename = "bep")]
        break_even_price?: Num<'a>,
        /// Profit realised since it was opened, before fees.
        #[serde(rename = "cr")]
        realized_pnl?: Num<'a>,
        /// At the mark.
        #[serde(rename = "up")]
        unrealized_pnl: Num<'a>,
        /// What stands behind it.
        #[serde(rename = "mt")]
        margin_type: MarginType<'a>,
        /// What is set aside for it.
        #[serde(rename = "iw")]
        isolated_wallet?: Num<'a>,
        /// Which of the market's.
        #[serde(rename = "ps")]
        side: PositionSide<'a>,
    }
}

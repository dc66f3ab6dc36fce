//! Orders and own fills, over REST. Spot, margin and USD-M spell them alike.

use super::{OrderStatus, OrderType, PositionSide, Side, TimeInForce};
use crate::{Millis, Num, Text};

shapes! {
    /// An order. What is taken, cancelled or asked for is answered with one, of fewer fields or more.
    Order {
        /// Where.
        symbol: Text<'a>,
        /// The id that the order had when it was placed, where the other one is the cancellation's; spot alone.
        orig_client_order_id?: Text<'a>,
        /// The venue's id, unique per symbol.
        order_id: u64,
        /// The client's id.
        client_order_id: Text<'a>,
        /// Limit; zero for none.
        price?: Num<'a>,
        /// How much was ordered.
        orig_qty?: Num<'a>,
        /// How much was filled.
        executed_qty?: Num<'a>,
        /// For how much of the quote; the spelling is the venue's. Below zero where it is not known; spot alone.
        cummulative_quote_qty?: Num<'a>,
        /// For how much of the quote; USD-M alone.
        cum_quote?: Num<'a>,
        /// Average price of the fills; USD-M alone.
        avg_price?: Num<'a>,
        /// Where it is in its life.
        status?: OrderStatus<'a>,
        /// How long it stands.
        time_in_force?: TimeInForce<'a>,
        /// What it is.
        #[serde(rename = "type")]
        kind?: OrderType<'a>,
        /// Which way.
        side?: Side<'a>,
        /// Trigger; zero for none.
        stop_price?: Num<'a>,
        /// Whether it may only reduce a position; USD-M alone.
        reduce_only?: bool,
        /// Of which position; USD-M alone.
        position_side?: PositionSide<'a>,
        /// Whether it trades in the isolated wallet of its pair; margin alone.
        is_isolated?: bool,
        /// When it was placed.
        time?: Millis,
        /// When it last changed.
        update_time?: Millis,
        /// When what was asked was done; spot alone.
        transact_time?: Millis,
        /// What it traded at once, where that was asked for; spot alone.
        fills?: Vec<OrderFill<'a>>,
    }

    /// What an order traded at once.
    OrderFill {
        /// At which price.
        price: Num<'a>,
        /// How much.
        qty: Num<'a>,
        /// The fee.
        commission: Num<'a>,
        /// What the fee is paid in.
        commission_asset: Text<'a>,
        /// Unique per symbol; orders on margin are answered without.
        trade_id?: i64,
    }

    /// An order of USD-M that waits for a trigger.
    AlgoOrder {
        /// The venue's id, which is none of an ordinary order.
        algo_id: u64,
        /// The client's id.
        client_algo_id: Text<'a>,
        /// What it becomes.
        #[serde(rename = "orderType")]
        kind: OrderType<'a>,
        /// Where.
        symbol: Text<'a>,
        /// Which way.
        side: Side<'a>,
        /// Of which position.
        position_side: PositionSide<'a>,
        /// How long it stands once it went off.
        time_in_force: TimeInForce<'a>,
        /// How much was ordered.
        quantity?: Num<'a>,
        /// Where it is in its life: `NEW`, `TRIGGERED`, `FINISHED`, `CANCELED` and others.
        algo_status: Text<'a>,
        /// The ordinary order that it became.
        actual_order_id?: Text<'a>,
        /// At which average price that traded.
        actual_price?: Num<'a>,
        /// How much that traded.
        actual_qty?: Num<'a>,
        /// What trips it.
        trigger_price?: Num<'a>,
        /// Limit; zero for none.
        price?: Num<'a>,
        /// Which price trips it.
        working_type?: Text<'a>,
        /// Whether it may only reduce a position.
        reduce_only: bool,
        /// When it was placed.
        create_time: Millis,
        /// When it last changed.
        update_time: Millis,
    }

    /// What the cancellation of an order that waits for a trigger is answered with.
    AlgoCancelled {
        /// The venue's id.
        algo_id: u64,
        /// The client's id.
        client_algo_id: Text<'a>,
    }

    /// An own fill. Spot tells the side and the maker by two names, USD-M by two others.
    Fill {
        /// Where.
        symbol: Text<'a>,
        /// Rises per symbol.
        id: u64,
        /// Of which order.
        order_id: u64,
        /// At which price.
        price: Num<'a>,
        /// How much.
        qty: Num<'a>,
        /// Worth how much.
        quote_qty?: Num<'a>,
        /// The fee.
        commission: Num<'a>,
        /// What the fee is paid in.
        commission_asset: Text<'a>,
        /// When.
        time: Millis,
        /// Whether it bought; spot.
        is_buyer?: bool,
        /// Whether it rested; spot.
        is_maker?: bool,
        /// Which way; USD-M.
        side?: Side<'a>,
        /// Whether it rested; USD-M.
        maker?: bool,
        /// Profit realised by it; USD-M.
        realized_pnl?: Num<'a>,
        /// Of which position; USD-M.
        position_side?: PositionSide<'a>,
    }
}

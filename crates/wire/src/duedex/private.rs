//! What an account sees of itself: orders, executions, positions, margins. Patches and whole objects alike.

use super::{OrderSide, OrderStatus, OrderType, StopTriggerType, TimeInForce};
use crate::{Num, Text, Time};

shapes! {
    /// An order, or what changed of it.
    Order {
        /// Primary key, with the id.
        instrument: Text<'a>,
        /// Primary key, with the instrument.
        order_id: u64,
        /// The client's own id; `""` when it gave none.
        client_order_id?: Text<'a>,
        /// What it is.
        r#type?: OrderType<'a>,
        /// Whether it may only reduce the position.
        is_close_order?: bool,
        /// Which way.
        side?: OrderSide<'a>,
        /// Of orders with a limit.
        price?: Num<'a>,
        /// Contracts asked for.
        size?: i64,
        /// Of orders with a trigger.
        stop_price?: Num<'a>,
        /// Of orders with a trigger.
        trigger_type?: StopTriggerType<'a>,
        /// How long it stands.
        time_in_force?: TimeInForce<'a>,
        /// Value in settlement currency.
        notional_value?: Num<'a>,
        /// Where it is in its life.
        status?: OrderStatus<'a>,
        /// Average of its fills, zero when there are none.
        fill_price?: Num<'a>,
        /// Contracts filled.
        filled_size?: i64,
        /// In settlement currency; negative is a rebate.
        accumulated_fees?: Num<'a>,
        /// When it was accepted.
        create_time?: Time,
        /// When it last changed.
        update_time?: Time,
    }

    /// A fill. Never changed, so always whole.
    Execution {
        /// Where.
        instrument: Text<'a>,
        /// Unique per instrument.
        execution_id: u64,
        /// Of which order.
        order_id: u64,
        /// The client's own id of the order; `""` when it gave none.
        client_order_id?: Text<'a>,
        /// What the order is.
        order_type: OrderType<'a>,
        /// Which way.
        order_side: OrderSide<'a>,
        /// Of orders with a limit.
        order_price?: Num<'a>,
        /// Contracts the order asked for.
        order_size: i64,
        /// At which price.
        execution_price: Num<'a>,
        /// Contracts filled here.
        execution_size: i64,
        /// Whether the order was in the book.
        is_maker: bool,
        /// Of the value; negative is a rebate.
        fee_rate: Num<'a>,
        /// In settlement currency; negative is a rebate.
        fee: Num<'a>,
        /// Contracts of the order left.
        order_size_left: i64,
        /// When.
        timestamp: Time,
    }

    /// A position, or what changed of it. Flat ones stay, with a quantity of zero.
    Position {
        /// Primary key.
        instrument: Text<'a>,
        /// Contracts; negative is short.
        quantity?: i64,
        /// Zero is cross margin.
        leverage?: Num<'a>,
        /// In settlement currency.
        entry_value?: Num<'a>,
        /// Zero when flat.
        entry_price?: Num<'a>,
        /// Zero when flat.
        mark_price?: Num<'a>,
        /// Zero when flat.
        liquidation_price?: Num<'a>,
        /// In settlement currency.
        position_margin?: Num<'a>,
        /// Held by open buys.
        buy_order_margin?: Num<'a>,
        /// Held by open sells.
        sell_order_margin?: Num<'a>,
        /// At the mark.
        unrealised_pnl?: Num<'a>,
        /// Of the position as it is.
        realised_pnl?: Num<'a>,
        /// In settlement currency.
        risk_value?: Num<'a>,
        /// In settlement currency.
        risk_limit?: Num<'a>,
    }

    /// The money of one currency, or what changed of it.
    ///
    /// Available, order margin and position margin add up to deposits and realised profit.
    Margin {
        /// Primary key.
        currency: Text<'a>,
        /// Free to use.
        available?: Num<'a>,
        /// Held by open orders.
        order_margin?: Num<'a>,
        /// Held by positions.
        position_margin?: Num<'a>,
        /// Of all time.
        realised_pnl?: Num<'a>,
        /// At the mark, in none of the sums above.
        unrealised_pnl?: Num<'a>,
        /// Sent in 2020 and never documented.
        bonus_left?: Num<'a>,
    }
}

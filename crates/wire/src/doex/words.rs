//! The words of Doex. Owns their spelling and nothing else.

words! {
    /// What a client asks of a stream connection.
    Method {
        /// For more streams.
        Subscribe = "SUBSCRIBE",
        /// For fewer.
        Unsubscribe = "UNSUBSCRIBE",
    }

    /// One of the three ledgers.
    Wallet {
        /// Of spot orders.
        Spot = "spot",
        /// Of margin loans.
        Margin = "margin",
        /// Of contracts.
        Futures = "futures",
    }

    /// The kind of an instrument.
    InstrumentKind {
        /// Delivery of the asset.
        Spot = "spot",
        /// A contract without an end.
        Perpetual = "perpetual",
    }

    /// Whether an instrument trades.
    InstrumentStatus {
        /// It does.
        Trading = "trading",
        /// Not now.
        Halted = "halted",
        /// Never again.
        Delisted = "delisted",
    }

    /// Which way an order goes.
    Side {
        /// Buys.
        Buy = "BUY",
        /// Sells.
        Sell = "SELL",
    }

    /// What an order is.
    OrderType {
        /// At a price or better.
        Limit = "LIMIT",
        /// At any price.
        Market = "MARKET",
        /// A limit order once the stop price is passed.
        StopLimit = "STOP_LIMIT",
        /// A market order once the stop price is passed.
        StopMarket = "STOP_MARKET",
    }

    /// How long an order stands.
    TimeInForce {
        /// Until cancelled.
        Gtc = "GTC",
        /// What does not fill at once is cancelled.
        Ioc = "IOC",
        /// Fills whole at once or not at all.
        Fok = "FOK",
    }

    /// Where an order is in its life.
    OrderStatus {
        /// In the book, unfilled.
        New = "NEW",
        /// In the book, filled in part.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// Filled whole.
        Filled = "FILLED",
        /// Cancelled, perhaps filled in part.
        Canceled = "CANCELED",
        /// Never stood.
        Rejected = "REJECTED",
        /// Ended by its own terms.
        Expired = "EXPIRED",
    }

    /// What stands behind a position.
    MarginMode {
        /// The whole futures wallet.
        Cross = "cross",
        /// Its own margin.
        Isolated = "isolated",
    }

    /// Where a deposit or withdrawal is.
    MovementStatus {
        /// Asked for.
        Pending = "pending",
        /// On the chain.
        Confirming = "confirming",
        /// Done.
        Completed = "completed",
        /// It will not happen.
        Failed = "failed",
        /// Taken back.
        Cancelled = "cancelled",
    }
}

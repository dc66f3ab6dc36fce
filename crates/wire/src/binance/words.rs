//! The words of Binance, of spot and USD-M alike. Owns their spelling and nothing else.

words! {
    /// What a client asks of a stream connection.
    Method {
        /// For more streams.
        Subscribe = "SUBSCRIBE",
        /// For fewer.
        Unsubscribe = "UNSUBSCRIBE",
        /// For a list of them.
        ListSubscriptions = "LIST_SUBSCRIPTIONS",
    }

    /// Which way an order goes.
    Side {
        /// Buys.
        Buy = "BUY",
        /// Sells.
        Sell = "SELL",
    }

    /// What an order is. Spot and USD-M mean two things by `TAKE_PROFIT`: a market order there, a limit order here.
    OrderType {
        /// At a price or better.
        Limit = "LIMIT",
        /// At a price or better, and never at once; spot alone.
        LimitMaker = "LIMIT_MAKER",
        /// At any price.
        Market = "MARKET",
        /// A market order once the price moved against it; spot alone.
        StopLoss = "STOP_LOSS",
        /// A limit order once the price moved against it; spot alone.
        StopLossLimit = "STOP_LOSS_LIMIT",
        /// Once the price moved for it.
        TakeProfit = "TAKE_PROFIT",
        /// A limit order once the price moved for it; spot alone.
        TakeProfitLimit = "TAKE_PROFIT_LIMIT",
        /// A limit order once the price moved against it; USD-M alone.
        Stop = "STOP",
        /// A market order once the price moved against it; USD-M alone.
        StopMarket = "STOP_MARKET",
        /// A market order once the price moved for it; USD-M alone.
        TakeProfitMarket = "TAKE_PROFIT_MARKET",
        /// A market order at a distance that follows the price; USD-M alone.
        TrailingStopMarket = "TRAILING_STOP_MARKET",
    }

    /// How long an order stands.
    TimeInForce {
        /// Until cancelled.
        Gtc = "GTC",
        /// What does not fill at once is cancelled.
        Ioc = "IOC",
        /// Fills whole at once or not at all.
        Fok = "FOK",
        /// Until cancelled, and never filled at once; USD-M alone.
        Gtx = "GTX",
        /// Until a date; USD-M alone.
        Gtd = "GTD",
    }

    /// Where an order is in its life.
    OrderStatus {
        /// In the book, unfilled.
        New = "NEW",
        /// Waits for another order of its list.
        PendingNew = "PENDING_NEW",
        /// In the book, filled in part.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// Filled whole.
        Filled = "FILLED",
        /// Cancelled, perhaps filled in part.
        Canceled = "CANCELED",
        /// Being cancelled.
        PendingCancel = "PENDING_CANCEL",
        /// Never stood.
        Rejected = "REJECTED",
        /// Ended by its own terms.
        Expired = "EXPIRED",
        /// Ended rather than trade with its own account.
        ExpiredInMatch = "EXPIRED_IN_MATCH",
    }

    /// What happened to an order.
    ExecutionType {
        /// It was taken.
        New = "NEW",
        /// It was cancelled.
        Canceled = "CANCELED",
        /// It was replaced.
        Replaced = "REPLACED",
        /// It was refused.
        Rejected = "REJECTED",
        /// It filled, wholly or in part.
        Trade = "TRADE",
        /// It ended by its own terms.
        Expired = "EXPIRED",
        /// It did not trade with its own account.
        TradePrevention = "TRADE_PREVENTION",
        /// It is a liquidation.
        Calculated = "CALCULATED",
        /// It was amended.
        Amendment = "AMENDMENT",
    }

    /// Whether a market trades.
    SymbolStatus {
        /// It does.
        Trading = "TRADING",
        /// Orders can be cancelled and not placed.
        CancelOnly = "CANCEL_ONLY",
        /// Not now.
        Halt = "HALT",
        /// Not now, and perhaps never again.
        Break = "BREAK",
        /// The day is over.
        EndOfDay = "END_OF_DAY",
        /// Listed and not open yet; USD-M alone.
        PendingTrading = "PENDING_TRADING",
        /// Settling for good; USD-M alone.
        Settling = "SETTLING",
        /// Closed; USD-M alone.
        Close = "CLOSE",
    }

    /// The kind of a contract.
    ContractType {
        /// Without an end.
        Perpetual = "PERPETUAL",
        /// Without an end, on what is no coin.
        TradifiPerpetual = "TRADIFI_PERPETUAL",
        /// Ends this quarter.
        CurrentQuarter = "CURRENT_QUARTER",
        /// Ends next quarter.
        NextQuarter = "NEXT_QUARTER",
    }

    /// What stands behind a position.
    MarginType {
        /// The whole wallet.
        Cross = "cross" | "CROSSED" | "crossed",
        /// Its own margin.
        Isolated = "isolated" | "ISOLATED",
    }

    /// Which of the two positions of a market a row is of.
    PositionSide {
        /// The only one.
        Both = "BOTH",
        /// The long one, in hedge mode.
        Long = "LONG",
        /// The short one, in hedge mode.
        Short = "SHORT",
    }
}

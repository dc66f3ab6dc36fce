//! The words of DueDEX. Owns their spelling and nothing else.

words! {
    /// A channel of the feed.
    Channel {
        /// The order book of an instrument.
        Level2 = "level2",
        /// Best prices, funding and 24 h figures of an instrument.
        Ticker = "ticker",
        /// Recent trades of an instrument.
        Matches = "matches",
        /// Open orders of the account.
        Orders = "orders",
        /// Positions of the account, flat ones included.
        Positions = "positions",
        /// Margins of the account, by currency.
        Margins = "margins",
        /// Fills of the account.
        Executions = "executions",
    }

    /// What an order is.
    OrderType {
        /// At a price or better.
        Limit = "limit",
        /// At any price.
        Market = "market",
        /// A market order once the trigger is passed against the position.
        StopMarket = "stopMarket",
        /// A limit order once the trigger is passed against the position.
        StopLimit = "stopLimit",
        /// A market order once the trigger is passed in favour of the position.
        TakeProfitMarket = "takeProfitMarket",
        /// A limit order once the trigger is passed in favour of the position.
        TakeProfitLimit = "takeProfitLimit",
    }

    /// The side of an order, or of the aggressor in a match.
    OrderSide {
        /// Buys.
        Long = "long",
        /// Sells.
        Short = "short",
    }

    /// How long an order stands.
    TimeInForce {
        /// Until cancelled.
        Gtc = "gtc",
        /// What does not fill at once is cancelled.
        Ioc = "ioc",
        /// Fills whole at once or not at all.
        Fok = "fok",
    }

    /// Where an order is in its life.
    OrderStatus {
        /// In the book, unfilled.
        New = "new",
        /// In the book, filled in part.
        PartiallyFilled = "partiallyFilled",
        /// Filled whole.
        Filled = "filled",
        /// Gone, perhaps filled in part.
        Cancelled = "cancelled",
        /// Waits for its trigger.
        Untriggered = "untriggered",
    }

    /// The price that a trigger watches.
    StopTriggerType {
        /// Of the last match.
        LastPrice = "lastPrice",
        /// Of the index.
        IndexPrice = "indexPrice",
        /// The fair price.
        MarkPrice = "markPrice",
    }

    /// Whether an instrument trades.
    MarketStatus {
        /// Not yet.
        Created = "created",
        /// It does.
        Open = "open",
        /// Not now.
        Suspended = "suspended",
        /// Never again.
        Delisted = "delisted",
    }

    /// When a contract ends.
    ExpirationType {
        /// Never.
        Perpetual = "perpetual",
    }

    /// How a contract is marked.
    MarkMethod {
        /// By its last match.
        LastPrice = "lastPrice",
        /// By the index and the funding basis.
        FairPrice = "fairPrice",
    }

    /// A match's price beside the one before it. The document misspells one of the words.
    TickDirection {
        /// Lower.
        MinusTick = "minusTick",
        /// Equal, after a fall.
        ZeroMinusTick = "zeroMinusTick" | "zeroMiusTick",
        /// Equal, after a rise.
        ZeroPlusTick = "zeroPlusTick",
        /// Higher.
        PlusTick = "plusTick",
    }
}

//! Public data: order books, tickers, matches, instruments.

use serde::{Deserialize, Serialize};

use super::{ExpirationType, MarkMethod, MarketStatus, OrderSide, TickDirection};
use crate::{Num, Text, Time};

/// Both sides of a book, best first in snapshots. `L` is the raw rows when read, and anything that serialises as
/// `[["8804.00",100]]` when written.
///
/// A row is a price and the absolute size there, zero removing it; [`crate::scan`] reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orderbook<L> {
    /// Buyers.
    pub bids: L,
    /// Sellers.
    pub asks: L,
}

shapes! {
    /// The state of a market.
    Ticker {
        /// Primary key.
        instrument: Text<'a>,
        /// Highest bid.
        best_bid?: Num<'a>,
        /// Lowest ask.
        best_ask?: Num<'a>,
        /// Of the last match.
        last_price?: Num<'a>,
        /// Of the index.
        index_price?: Num<'a>,
        /// The fair price.
        mark_price?: Num<'a>,
        /// For the current period; positive is paid by longs.
        funding_rate?: Num<'a>,
        /// End of the current period.
        next_funding_time?: Time,
        /// First price of the last 24 h.
        open?: Num<'a>,
        /// Highest price of the last 24 h.
        high?: Num<'a>,
        /// Lowest price of the last 24 h.
        low?: Num<'a>,
        /// Last price as of the last refresh, up to 5 s behind `last_price`.
        close?: Num<'a>,
        /// Contracts traded in the last 24 h.
        volume?: i64,
        /// Contracts open.
        open_interest?: i64,
        /// US dollars traded in the last 24 h; sent since 2020-11.
        volume_usd?: Num<'a>,
    }

    /// A trade. Never changed, so always whole.
    Match {
        /// Where.
        instrument: Text<'a>,
        /// Unique per instrument.
        match_id: u64,
        /// At which price.
        price: Num<'a>,
        /// Contracts.
        size: i64,
        /// Of the aggressor.
        side: OrderSide<'a>,
        /// Beside the match before.
        tick_direction?: TickDirection<'a>,
        /// When.
        timestamp: Time,
    }

    /// A currency and how it is shown.
    CurrencyInfo {
        /// Its code.
        symbol: Text<'a>,
        /// Its name.
        name: Text<'a>,
        /// Decimal places.
        precision: u8,
    }

    /// The terms of a contract.
    Instrument {
        /// Primary key.
        instrument_id: Text<'a>,
        /// Whether it trades.
        status: MarketStatus<'a>,
        /// For display.
        base_currency_symbol: Text<'a>,
        /// For display.
        quote_currency_symbol: Text<'a>,
        /// What a contract is counted in.
        position_currency: CurrencyInfo<'a>,
        /// What profit is paid in.
        settlement_currency: CurrencyInfo<'a>,
        /// When it ends.
        expiration_type: ExpirationType<'a>,
        /// How it is marked.
        mark_method: MarkMethod<'a>,
        /// Units of the position currency in one contract.
        multiplier: Num<'a>,
        /// Settlement currency per unit of value, for quanto contracts.
        quanto_exchange_rate: Num<'a>,
        /// True when profit is paid in what is priced.
        is_inverse: bool,
        /// True when profit is paid in a third currency.
        is_quanto: bool,
        /// Whether positions may be closed to cover others' losses.
        adl_enabled: bool,
        /// Negative is a rebate.
        maker_fee: Num<'a>,
        /// Of the value.
        taker_fee: Num<'a>,
        /// Sizes are multiples of it.
        lot_size: i64,
        /// Largest order.
        max_size: i64,
        /// Decimal places of prices.
        price_precision: u8,
        /// Prices are multiples of it.
        tick_size: Num<'a>,
        /// Highest price.
        max_price: Num<'a>,
        /// Least initial margin, of the value.
        min_init_margin: Num<'a>,
        /// Maintenance margin, of the value.
        maint_margin: Num<'a>,
        /// Position value at the first tier, in settlement currency.
        base_risk_limit: Num<'a>,
        /// From one tier to the next.
        risk_step: Num<'a>,
        /// The last tier.
        max_risk_limit: Num<'a>,
    }
}

//! The terms of every market the simulator lists.
//!
//! **Source**: DueDEX, the instrument list that its users recorded in September 2020; its texts stand here digit for
//! digit, as the venue spelled them. Doex publishes none: ticks, lots, fees and limits are assumed, in the form of
//! the field's largest venue.

use rust_decimal::{Decimal, RoundingStrategy};
use venuekit_types::{Kind, Scale, Side};

pub use crate::binance::MARKETS as BINANCE;
pub use crate::kraken::markets::KRAKEN;

/// The terms of one market.
#[derive(Debug)]
pub struct Spec {
    /// The venue's own spelling.
    pub native: &'static str,
    /// The unified spelling.
    pub symbol: &'static str,
    /// Spot or perpetual.
    pub kind: Kind,
    /// The asset that is traded.
    pub base: &'static str,
    /// The asset that prices are counted in.
    pub quote: &'static str,
    /// Decimal places of prices.
    pub price_scale: Scale,
    /// Decimal places of quantities.
    pub qty_scale: Scale,
    /// Smallest price increment, in counts.
    pub tick: i64,
    /// Smallest quantity increment, in counts.
    pub step: i64,
    /// Largest order, in counts.
    pub max_qty: i64,
    /// Smallest order value in the quote, as text; only Doex knows one.
    pub min_notional: &'static str,
    /// Fee rate for resting orders; negative is a rebate.
    pub maker_fee: &'static str,
    /// Fee rate for incoming orders.
    pub taker_fee: &'static str,
    /// What a spot fee comes off.
    pub fee_in: FeeIn,
    /// How the contract is reckoned; none on spot markets.
    pub contract: Option<Contract>,
    /// The price the market opens at and is drawn back to, in counts.
    pub open: i64,
    /// The width that simulated traders think in, in ticks.
    pub unit: i64,
    /// A common order size, in steps.
    pub clip: i64,
}

/// What the fee of a spot trade comes off; contracts pay in what they settle in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeIn {
    /// What the order receives.
    Received,
    /// The quote, on both sides.
    Quote,
}

/// How a contract is reckoned.
#[derive(Debug)]
pub struct Contract {
    /// Units of the position asset in one contract, as text.
    pub multiplier: &'static str,
    /// True when profit is paid in the base.
    pub inverse: bool,
    /// Largest price, in counts.
    pub max_price: i64,
    /// The asset that positions are counted in.
    pub position: Asset,
    /// The asset that profit is paid in.
    pub settle: Asset,
    /// Smallest initial margin rate, as text.
    pub min_init_margin: &'static str,
    /// Maintenance margin rate, as text.
    pub maint_margin: &'static str,
    /// Base risk limit, its step and its maximum, as texts in the settlement asset.
    pub risk: [&'static str; 3],
}

/// An asset as a venue lists it.
#[derive(Debug)]
pub struct Asset {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Decimal places of its amounts.
    pub places: u8,
}

const USD: Asset = Asset { code: "USD", name: "US Dollar", places: 4 };
const BTC: Asset = Asset { code: "BTC", name: "Bitcoin", places: 8 };
const ETH: Asset = Asset { code: "ETH", name: "Ether", places: 6 };
const LINK: Asset = Asset { code: "LINK", name: "ChainLink Token", places: 4 };
const USDT: Asset = Asset { code: "USDT", name: "Tether USD", places: 4 };

/// A number of decimal places that is known to be right.
pub(crate) const fn scale(digits: u8) -> Scale {
    match Scale::new(digits) {
        Some(scale) => scale,
        None => panic!("a scale of the tables is at most 18"),
    }
}

/// A pair that more than one venue lists alike, but for its price.
pub(crate) const BTC_USDT: Spec = Spec {
    native: "BTCUSDT",
    symbol: "BTC/USDT",
    kind: Kind::Spot,
    base: "BTC",
    quote: "USDT",
    price_scale: scale(2),
    qty_scale: scale(5),
    tick: 1,
    step: 1,
    max_qty: 900_000_000,
    min_notional: "5",
    maker_fee: "0.001",
    taker_fee: "0.001",
    fee_in: FeeIn::Received,
    contract: None,
    open: 6_412_350,
    unit: 50,
    clip: 2_000,
};

/// As [`BTC_USDT`].
pub(crate) const ETH_USDT: Spec = Spec {
    native: "ETHUSDT",
    symbol: "ETH/USDT",
    kind: Kind::Spot,
    base: "ETH",
    quote: "USDT",
    price_scale: scale(2),
    qty_scale: scale(4),
    tick: 1,
    step: 1,
    max_qty: 90_000_000,
    min_notional: "5",
    maker_fee: "0.001",
    taker_fee: "0.001",
    fee_in: FeeIn::Received,
    contract: None,
    open: 341_927,
    unit: 4,
    clip: 4_000,
};

/// The markets of Doex: three spot pairs, two linear perpetuals.
pub static DOEX: [Spec; 5] = [
    BTC_USDT,
    ETH_USDT,
    Spec {
        native: "DOGEUSDT",
        symbol: "DOGE/USDT",
        kind: Kind::Spot,
        base: "DOGE",
        quote: "USDT",
        price_scale: scale(5),
        qty_scale: scale(0),
        tick: 1,
        step: 1,
        max_qty: 9_000_000,
        min_notional: "1",
        maker_fee: "0.001",
        taker_fee: "0.001",
        fee_in: FeeIn::Received,
        contract: None,
        open: 16_233,
        unit: 1,
        clip: 700,
    },
    Spec {
        native: "BTCUSDT",
        symbol: "BTC/USDT:USDT",
        kind: Kind::Perpetual,
        base: "BTC",
        quote: "USDT",
        price_scale: scale(1),
        qty_scale: scale(3),
        tick: 1,
        step: 1,
        max_qty: 1_000_000,
        min_notional: "5",
        maker_fee: "0.0002",
        taker_fee: "0.0005",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "1",
            inverse: false,
            max_price: 10_000_000,
            position: BTC,
            settle: Asset { places: 8, ..USDT },
            min_init_margin: "0.008",
            maint_margin: "0.004",
            risk: ["1000000", "500000", "6000000"],
        }),
        open: 641_180,
        unit: 5,
        clip: 30,
    },
    Spec {
        native: "ETHUSDT",
        symbol: "ETH/USDT:USDT",
        kind: Kind::Perpetual,
        base: "ETH",
        quote: "USDT",
        price_scale: scale(2),
        qty_scale: scale(3),
        tick: 1,
        step: 1,
        max_qty: 10_000_000,
        min_notional: "5",
        maker_fee: "0.0002",
        taker_fee: "0.0005",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "1",
            inverse: false,
            max_price: 10_000_000,
            position: ETH,
            settle: Asset { places: 8, ..USDT },
            min_init_margin: "0.01",
            maint_margin: "0.005",
            risk: ["1000000", "500000", "6000000"],
        }),
        open: 341_871,
        unit: 4,
        clip: 500,
    },
];

/// The markets of DueDEX: one inverse perpetual, three linear ones.
pub static DUEDEX: [Spec; 4] = [
    Spec {
        native: "BTCUSD",
        symbol: "BTC/USD:BTC",
        kind: Kind::Perpetual,
        base: "BTC",
        quote: "USD",
        price_scale: scale(2),
        qty_scale: scale(0),
        tick: 50,
        step: 1,
        max_qty: 10_000_000,
        min_notional: "",
        maker_fee: "-0.000250",
        taker_fee: "0.000750",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "1",
            inverse: true,
            max_price: 10_000_000,
            position: USD,
            settle: BTC,
            min_init_margin: "0.0100",
            maint_margin: "0.0050",
            risk: ["100.00000000", "50.00000000", "600.00000000"],
        }),
        open: 1_039_950,
        unit: 1,
        clip: 400,
    },
    Spec {
        native: "BTCUSDT",
        symbol: "BTC/USDT:USDT",
        kind: Kind::Perpetual,
        base: "BTC",
        quote: "USDT",
        price_scale: scale(2),
        qty_scale: scale(0),
        tick: 50,
        step: 1,
        max_qty: 10_000_000,
        min_notional: "",
        maker_fee: "-0.000250",
        taker_fee: "0.000750",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "0.0001",
            inverse: false,
            max_price: 10_000_000,
            position: BTC,
            settle: USDT,
            min_init_margin: "0.0100",
            maint_margin: "0.0050",
            risk: ["1000000.0000", "500000.0000", "6000000.0000"],
        }),
        open: 1_040_500,
        unit: 1,
        clip: 900,
    },
    Spec {
        native: "ETHUSDT",
        symbol: "ETH/USDT:USDT",
        kind: Kind::Perpetual,
        base: "ETH",
        quote: "USDT",
        price_scale: scale(2),
        qty_scale: scale(0),
        tick: 5,
        step: 1,
        max_qty: 10_000_000,
        min_notional: "",
        maker_fee: "-0.000250",
        taker_fee: "0.000750",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "0.01",
            inverse: false,
            max_price: 500_000,
            position: ETH,
            settle: USDT,
            min_init_margin: "0.0200",
            maint_margin: "0.0100",
            risk: ["1000000.0000", "500000.0000", "6000000.0000"],
        }),
        open: 36_215,
        unit: 1,
        clip: 300,
    },
    Spec {
        native: "LINKUSDT",
        symbol: "LINK/USDT:USDT",
        kind: Kind::Perpetual,
        base: "LINK",
        quote: "USDT",
        price_scale: scale(3),
        qty_scale: scale(0),
        tick: 1,
        step: 1,
        max_qty: 10_000_000,
        min_notional: "",
        maker_fee: "0.000000",
        taker_fee: "0.000000",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "0.1",
            inverse: false,
            max_price: 500_000,
            position: LINK,
            settle: USDT,
            min_init_margin: "0.0200",
            maint_margin: "0.0100",
            risk: ["1000000.0000", "500000.0000", "6000000.0000"],
        }),
        open: 12_347,
        unit: 1,
        clip: 250,
    },
];

/// A number of the tables.
fn table_decimal(text: &str) -> Decimal {
    text.parse().expect("the tables hold decimals")
}

impl Spec {
    /// The fee rate for a resting or an incoming order.
    pub fn fee_rate(&self, maker: bool) -> Decimal {
        table_decimal(if maker { self.maker_fee } else { self.taker_fee })
    }

    /// A price in the quote asset.
    pub fn price(&self, counts: i64) -> Decimal {
        Decimal::new(counts, u32::from(self.price_scale.digits()))
    }

    /// A quantity in the base asset, or in contracts.
    pub fn qty(&self, counts: i64) -> Decimal {
        Decimal::new(counts, u32::from(self.qty_scale.digits()))
    }

    /// What the quote pays on top of a purchase at most, as a share of it.
    pub fn quote_fee_rate(&self) -> Decimal {
        match self.fee_in {
            FeeIn::Quote => self.fee_rate(false),
            FeeIn::Received => Decimal::ZERO,
        }
    }

    /// The value of a trade: in the quote asset on spot, in the settlement asset for contracts, cut to its places.
    pub fn value(&self, price: i64, qty: i64) -> Decimal {
        let (price, qty) = (self.price(price), self.qty(qty));
        match &self.contract {
            None => price * qty,
            Some(contract) => {
                let units = qty * contract.multiplier();
                let value = if contract.inverse { units / price } else { units * price };
                contract.cut(value)
            }
        }
    }

    /// The least value of an order; zero where the venue knows none.
    pub fn least_value(&self) -> Decimal {
        if self.min_notional.is_empty() { Decimal::ZERO } else { table_decimal(self.min_notional) }
    }

    /// The asset that money changes hands in: the quote on spot, the settlement asset for contracts.
    pub fn money(&self) -> &'static str {
        self.contract.as_ref().map_or(self.quote, |contract| contract.settle.code)
    }

    /// Rounds a price down to the tick for buyers, up for sellers.
    pub fn on_tick(&self, price: i64, side: Side) -> i64 {
        let down = price - price.rem_euclid(self.tick);
        if side == Side::Buy || down == price { down } else { down + self.tick }
    }
}

impl Contract {
    /// Units of the position asset in one contract.
    pub fn multiplier(&self) -> Decimal {
        table_decimal(self.multiplier)
    }

    /// The smallest initial margin rate.
    pub fn init_rate(&self) -> Decimal {
        table_decimal(self.min_init_margin)
    }

    /// The maintenance margin rate.
    pub fn maint_rate(&self) -> Decimal {
        table_decimal(self.maint_margin)
    }

    /// The largest value of a position so many steps above the base limit, at most the largest of all.
    pub fn risk_limit(&self, steps: u32) -> Decimal {
        let [base, step, max] = self.risk.map(table_decimal);
        (base + step * Decimal::from(steps)).min(max)
    }

    /// How many steps above the base a risk limit stands; nothing when it is on no step.
    pub fn risk_steps(&self, limit: Decimal) -> Option<u32> {
        let [base, step, max] = self.risk.map(table_decimal);
        let on_step = limit >= base && limit <= max && ((limit - base) % step).is_zero();
        on_step.then(|| u32::try_from((limit - base) / step).ok()).flatten()
    }

    /// Cuts an amount to the places of the settlement asset, toward zero, as the venue does.
    pub fn cut(&self, amount: Decimal) -> Decimal {
        amount.round_dp_with_strategy(u32::from(self.settle.places), RoundingStrategy::ToZero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_as_recorded_orders_show() {
        let value = |spec: &Spec, price, qty| spec.value(price, qty).to_string();
        // 1 at 8600: half-even would give ...28.
        assert_eq!(value(&DUEDEX[0], 860_000, 1), "0.00011627");
        assert_eq!(value(&DUEDEX[1], 1_049_400, 3), "3.1482");
        assert_eq!(value(&DOEX[0], 2_712_345, 500), "135.6172500");
    }

    #[test]
    fn every_table_number_is_one_and_every_open_is_on_the_grid() {
        for spec in DOEX.iter().chain(&DUEDEX) {
            spec.fee_rate(true);
            spec.fee_rate(false);
            assert_eq!(spec.open % spec.tick, 0, "{}", spec.symbol);
            assert!(spec.symbol.parse::<venuekit_types::Symbol>().is_ok());
            if let Some(contract) = &spec.contract {
                assert!(contract.maint_rate() < contract.init_rate());
                assert!(spec.open < contract.max_price);
                contract.multiplier();
                assert!(table_decimal(contract.risk[0]) <= table_decimal(contract.risk[2]));
            }
        }
    }

    #[test]
    fn off_grid_prices_move_away_from_the_other_side() {
        assert_eq!(DUEDEX[0].on_tick(1_039_999, Side::Buy), 1_039_950);
        assert_eq!(DUEDEX[0].on_tick(1_039_951, Side::Sell), 1_040_000);
        assert_eq!(DUEDEX[0].on_tick(1_040_000, Side::Sell), 1_040_000);
    }
}

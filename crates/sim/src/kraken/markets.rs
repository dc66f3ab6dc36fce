//! The markets that the simulated Kraken lists, and every name that an asset or a pair goes by.
//!
//! **Source**: the venue card, sections S8 and F6, and public lists of pairs: ticks, places and names are the
//! venue's; fees are those of the lowest tier, prices are of no particular day.

use rust_decimal::Decimal;
use venuekit_types::{Kind, Now};

use crate::engine::Owner;
use crate::market::{Asset, Contract, FeeIn, Spec, scale};
use crate::wallets::{Account, Wallet};
use crate::world::{MoveDenied, World};

const BTC: Asset = Asset { code: "BTC", name: "Bitcoin", places: 8 };
const ETH: Asset = Asset { code: "ETH", name: "Ether", places: 8 };
const USD: Asset = Asset { code: "USD", name: "US Dollar", places: 8 };

/// The terms of Kraken's linear and inverse perpetuals, their settlement apart.
const fn contract(inverse: bool, position: Asset, settle: Asset, risk: [&'static str; 3]) -> Contract {
    Contract {
        multiplier: "1",
        inverse,
        max_price: 100_000_000,
        position,
        settle,
        min_init_margin: "0.02",
        maint_margin: "0.01",
        risk,
    }
}

const USD_RISK: [&str; 3] = ["1000000", "1000000", "10000000"];

/// What all spot pairs share; each names the rest.
pub(super) const PAIR: Spec = Spec {
    native: "",
    symbol: "",
    kind: Kind::Spot,
    base: "",
    quote: "USD",
    price_scale: scale(1),
    qty_scale: scale(8),
    tick: 1,
    step: 1,
    max_qty: 1_000_000_000_000,
    min_notional: "0.5",
    maker_fee: "0.0025",
    taker_fee: "0.0040",
    fee_in: FeeIn::Quote,
    contract: None,
    open: 0,
    unit: 1,
    clip: 0,
};

/// What all perpetuals share; each names the rest.
const PERPETUAL: Spec = Spec {
    kind: Kind::Perpetual,
    price_scale: scale(0),
    qty_scale: scale(4),
    max_qty: 1_000_000_000,
    min_notional: "",
    maker_fee: "0.0002",
    taker_fee: "0.0005",
    fee_in: FeeIn::Received,
    ..PAIR
};

/// The markets of Kraken: four pairs of different places, two linear perpetuals and an inverse one.
pub static KRAKEN: [Spec; 7] = [
    Spec {
        native: "XXBTZUSD",
        symbol: "BTC/USD",
        base: "BTC",
        open: 641_235,
        unit: 5,
        clip: 2_000_000,
        ..PAIR
    },
    Spec {
        native: "XETHZUSD",
        symbol: "ETH/USD",
        base: "ETH",
        price_scale: scale(2),
        open: 341_927,
        unit: 4,
        clip: 40_000_000,
        ..PAIR
    },
    Spec {
        native: "XBTUSDT",
        symbol: "BTC/USDT",
        base: "BTC",
        quote: "USDT",
        open: 641_410,
        unit: 5,
        clip: 1_500_000,
        ..PAIR
    },
    Spec {
        native: "SHIBUSD",
        symbol: "SHIB/USD",
        base: "SHIB",
        price_scale: scale(8),
        qty_scale: scale(5),
        open: 2_507,
        unit: 1,
        clip: 30_000_000_000,
        ..PAIR
    },
    Spec {
        native: "PF_XBTUSD",
        symbol: "BTC/USD:USD",
        base: "BTC",
        contract: Some(contract(false, BTC, USD, USD_RISK)),
        open: 64_118,
        unit: 1,
        clip: 300,
        ..PERPETUAL
    },
    Spec {
        native: "PF_ETHUSD",
        symbol: "ETH/USD:USD",
        base: "ETH",
        price_scale: scale(1),
        qty_scale: scale(3),
        contract: Some(contract(false, ETH, USD, USD_RISK)),
        open: 34_187,
        unit: 1,
        clip: 500,
        ..PERPETUAL
    },
    Spec {
        native: "PI_XBTUSD",
        symbol: "BTC/USD:BTC",
        base: "BTC",
        price_scale: scale(1),
        qty_scale: scale(0),
        tick: 5,
        max_qty: 10_000_000,
        contract: Some(contract(true, USD, BTC, ["100", "50", "600"])),
        open: 640_950,
        unit: 1,
        clip: 4_000,
        ..PERPETUAL
    },
];

/// An asset's names: in the unified vocabulary, over REST, short, and its places.
#[derive(Clone, Copy, Debug)]
pub(super) struct AssetName {
    /// `BTC`: also what the second version of the streams says.
    pub(super) code: &'static str,
    /// `XXBT`: keys of balances and pairs.
    pub(super) internal: &'static str,
    /// `XBT`.
    pub(super) alt: &'static str,
    /// Decimal places of amounts, and those shown.
    pub(super) places: (u8, u8),
}

/// The spot assets.
pub(super) const ASSETS: [AssetName; 5] = [
    AssetName { code: "BTC", internal: "XXBT", alt: "XBT", places: (10, 5) },
    AssetName { code: "ETH", internal: "XETH", alt: "ETH", places: (10, 5) },
    AssetName { code: "SHIB", internal: "SHIB", alt: "SHIB", places: (5, 2) },
    AssetName { code: "USD", internal: "ZUSD", alt: "USD", places: (4, 2) },
    AssetName { code: "USDT", internal: "USDT", alt: "USDT", places: (8, 4) },
];

/// The names of an asset of the tables.
pub(super) fn asset(code: &str) -> &'static AssetName {
    ASSETS.iter().find(|asset| asset.code == code).expect("every asset of the tables has its names")
}

/// The asset that a client names over REST, by its long or short name.
pub(super) fn find_asset(name: &str) -> Option<&'static AssetName> {
    ASSETS.iter().find(|asset| asset.internal == name || asset.alt == name)
}

/// A pair's short name, `XBTUSD`.
pub(super) fn altname(spec: &Spec) -> String {
    format!("{}{}", asset(spec.base).alt, asset(spec.quote).alt)
}

/// A pair's name in the first version of the streams, `XBT/USD`, which the second refuses.
pub(super) fn wsname(spec: &Spec) -> String {
    format!("{}/{}", asset(spec.base).alt, asset(spec.quote).alt)
}

/// The smallest order of a pair, in counts.
pub(super) fn order_min(spec: &Spec) -> i64 {
    match spec.base {
        "BTC" => 5_000,
        "ETH" => 100_000,
        _ => 5_000_000_000,
    }
}

/// The demo account, funded for both products.
pub(crate) fn demo_account() -> Account {
    let mut account = Account::new(1001, &KRAKEN);
    let funds = [
        (Wallet::Spot, "USD", 250_000),
        (Wallet::Spot, "USDT", 100_000),
        (Wallet::Spot, "BTC", 3),
        (Wallet::Spot, "ETH", 60),
        (Wallet::Spot, "SHIB", 50_000_000),
        (Wallet::Futures, "USD", 100_000),
        (Wallet::Futures, "BTC", 5),
    ];
    for (wallet, asset, amount) in funds {
        account.deposit(wallet, asset, Decimal::from(amount));
    }
    account
}

/// Movements of the last days, so that nobody reads an empty history: some that are done, and one under way.
pub(crate) fn give_a_past(world: &mut World, owner: Owner, start: Now) -> Result<(), MoveDenied> {
    let (day_ms, now_ms) = (86_400_000, start.wall.millis());
    world.deposit(owner, "USD", Decimal::from(1_000), now_ms - 5 * day_ms)?;
    world.withdraw(owner, "USD", Decimal::from(250), now_ms - 2 * day_ms)?;
    world.pass(now_ms);
    world.deposit(owner, "BTC", Decimal::new(25, 2), now_ms)?;
    let transfer = ("USD", Decimal::from(1_000));
    world.transfer(owner, transfer, Wallet::Spot, Wallet::Futures, now_ms - day_ms)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::traders::Trader;
    use venuekit_types::BookSide;

    #[test]
    fn every_market_is_on_its_grid_and_its_crowd_keeps_a_book() {
        for spec in &KRAKEN {
            assert!(spec.symbol.parse::<venuekit_types::Symbol>().is_ok());
            assert_eq!(spec.open % spec.tick, 0, "{}", spec.symbol);
            let _ = (spec.fee_rate(true), spec.fee_rate(false), spec.least_value());
            if let Some(contract) = &spec.contract {
                assert!(contract.maint_rate() < contract.init_rate() && spec.open < contract.max_price);
            } else {
                assert!(spec.value(spec.open, spec.clip * spec.step) > spec.least_value(), "{}", spec.symbol);
                assert!(order_min(spec) <= spec.clip * spec.step);
                let _ = (altname(spec), wsname(spec));
            }
            let mut engine = Engine::new();
            let mut trader = Trader::new(1, spec);
            trader.open(&mut engine, spec);
            for step in 0..1000 {
                trader.step(&mut engine, spec);
                for side in [BookSide::Bid, BookSide::Ask] {
                    assert!(engine.depth(side) > 100, "{} step {step}", spec.symbol);
                }
            }
        }
    }

    #[test]
    fn names_are_looked_up_and_never_guessed() {
        assert_eq!(altname(&KRAKEN[0]), "XBTUSD");
        assert_eq!((altname(&KRAKEN[2]), wsname(&KRAKEN[2])), ("XBTUSDT".into(), "XBT/USDT".into()));
        assert_eq!(find_asset("XXBT").map(|asset| asset.code), Some("BTC"));
        assert_eq!(find_asset("XBT").map(|asset| asset.code), Some("BTC"));
        assert!(find_asset("BTC").is_none());
    }
}

//! What Binance lists here, and the demo account there.
//!
//! **Source**: tick and lot sizes, fees and minimums as the venue's `exchangeInfo` shows them for these markets; prices
//! and margin rates are of the usual size and nobody's quote.

use rust_decimal::Decimal;
use venuekit_types::{Kind, Now};

use crate::engine::Owner;
use crate::market::{Asset, BTC_USDT, Contract, ETH_USDT, FeeIn, Spec, scale};
use crate::wallets::{Account, Wallet};
use crate::world::{MoveDenied, World};

const BTC: Asset = Asset { code: "BTC", name: "Bitcoin", places: 8 };
const ETH: Asset = Asset { code: "ETH", name: "Ether", places: 8 };
const USDT: Asset = Asset { code: "USDT", name: "TetherUS", places: 8 };

/// Two spot pairs and their perpetuals, which the venue spells alike.
pub static MARKETS: [Spec; 4] = [
    Spec { open: 6_498_720, ..BTC_USDT },
    Spec { open: 338_614, ..ETH_USDT },
    Spec {
        native: "BTCUSDT",
        symbol: "BTC/USDT:USDT",
        kind: Kind::Perpetual,
        base: "BTC",
        quote: "USDT",
        price_scale: scale(2),
        qty_scale: scale(3),
        tick: 10,
        step: 1,
        max_qty: 1_000_000,
        min_notional: "50",
        maker_fee: "0.0002",
        taker_fee: "0.0005",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "1",
            inverse: false,
            max_price: 452_476_500,
            position: BTC,
            settle: USDT,
            min_init_margin: "0.008",
            maint_margin: "0.004",
            risk: ["1000000", "500000", "6000000"],
        }),
        open: 6_495_840,
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
        min_notional: "20",
        maker_fee: "0.0002",
        taker_fee: "0.0005",
        fee_in: FeeIn::Received,
        contract: Some(Contract {
            multiplier: "1",
            inverse: false,
            max_price: 30_647_700,
            position: ETH,
            settle: USDT,
            min_init_margin: "0.01",
            maint_margin: "0.005",
            risk: ["1000000", "500000", "6000000"],
        }),
        open: 338_455,
        unit: 4,
        clip: 500,
    },
];

/// The demo account, with something in every wallet.
pub(crate) fn demo_account() -> Account {
    let mut account = Account::new(354_937_868, &MARKETS);
    let funds = [
        (Wallet::Spot, "USDT", 250_000),
        (Wallet::Spot, "BTC", 3),
        (Wallet::Spot, "ETH", 60),
        (Wallet::Margin, "USDT", 5_000),
        (Wallet::Margin, "BTC", 1),
        (Wallet::Isolated("BTCUSDT"), "USDT", 4_000),
        (Wallet::Isolated("BTCUSDT"), "BTC", 0),
        (Wallet::Futures, "USDT", 100_000),
        (Wallet::Funding, "USDT", 750),
    ];
    for (wallet, asset, amount) in funds {
        account.deposit(wallet, asset, Decimal::from(amount));
    }
    account
}

/// Movements of the last days, so that nobody reads an empty history: some that are done, and one under way.
pub(crate) fn give_a_past(world: &mut World, owner: Owner, start: Now) -> Result<(), MoveDenied> {
    let (day_ms, now_ms) = (86_400_000, start.wall.millis());
    world.deposit(owner, "USDT", Decimal::from(1_000), now_ms - 5 * day_ms)?;
    world.withdraw(owner, "USDT", Decimal::from(250), now_ms - 2 * day_ms)?;
    world.pass(now_ms);
    world.deposit(owner, "BTC", Decimal::new(25, 2), now_ms)?;
    for (amount, from, to, days) in [
        (1_000, Wallet::Spot, Wallet::Futures, 4),
        (300, Wallet::Futures, Wallet::Spot, 3),
        (150, Wallet::Spot, Wallet::Funding, 2),
        (200, Wallet::Margin, Wallet::Isolated("BTCUSDT"), 1),
    ] {
        world.transfer(owner, ("USDT", Decimal::from(amount)), from, to, now_ms - days * day_ms)?;
    }
    world.borrow(owner, "USDT", Decimal::from(2_000))?;
    world.lend(owner, Wallet::Isolated("BTCUSDT"), "USDT", Decimal::from(500))
}

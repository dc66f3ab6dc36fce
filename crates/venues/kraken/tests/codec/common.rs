//! What the tests over recordings share: where they are, and a list of instruments that knows every name in them.

use std::path::{Path, PathBuf};

use venuekit_kraken::{FUTURES, Kraken, SPOT};
use venuekit_types::{Instrument, Price, Qty, Scale, Symbol};
use venuekit_venue::{Catalog, Place, Venue, read::bare_terms};

/// The folder of recordings, or nothing, said in one line; required in CI.
pub(crate) fn recordings() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/recordings");
    let folder = std::env::var_os("VENUEKIT_RECORDINGS").map_or_else(|| default.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_some_and(|value| value == "1");
    assert!(!required, "no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    println!("skipped: no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    None
}

/// Every file below a folder whose name ends so, sorted.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("as recorded") {
        let path = entry.expect("as recorded").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Pairs of spot by our symbol, with the venue's other names, the key of its list first.
const PAIRS: [(&str, [&str; 3]); 16] = [
    ("BTC/USD", ["XXBTZUSD", "XBTUSD", "XBT/USD"]),
    ("BTC/EUR", ["XXBTZEUR", "XBTEUR", "XBT/EUR"]),
    ("BTC/USDT", ["XBTUSDT", "", "XBT/USDT"]),
    ("ETH/USD", ["XETHZUSD", "ETHUSD", ""]),
    ("ETH/USDT", ["ETHUSDT", "", ""]),
    ("ETH/BTC", ["XETHXXBT", "ETHXBT", "ETH/XBT"]),
    ("XRP/BTC", ["XXRPXXBT", "XRPXBT", "XRP/XBT"]),
    ("LTC/EUR", ["XLTCZEUR", "LTCEUR", ""]),
    ("ICN/BTC", ["XICNXXBT", "ICNXBT", "ICN/XBT"]),
    ("SUI/USD", ["SUIUSD", "", ""]),
    ("EUR/USD", ["ZEURZUSD", "EURUSD", ""]),
    ("XMR/USD", ["XXMRZUSD", "XMRUSD", ""]),
    ("BCH/USD", ["BCHUSD", "", ""]),
    ("BCH/EUR", ["BCHEUR", "", ""]),
    ("ADA/CAD", ["ADACAD", "", ""]),
    ("AAPLx/USD", ["AAPLxUSD", "", ""]),
];

const CONTRACTS: [&str; 15] = [
    "PF_XBTUSD",
    "PF_ETHUSD",
    "PF_DEFIUSD",
    "PF_SUIUSD",
    "PI_XBTUSD",
    "PI_ETHUSD",
    "PI_XRPUSD",
    "PI_LTCUSD",
    "FI_XBTUSD_201225",
    "FI_XBTUSD_220624",
    "FI_LTCUSD_190426",
    "FI_LTCUSD_190628",
    "FI_ETHUSD_190426",
    "FI_XBTUSD_211231",
    "FI_XBTUSD_171215",
];

/// One list for each product.
pub(crate) fn catalogs(venue: &Kraken) -> [Catalog; 2] {
    let ten = Scale::new(10).expect("10 is a scale");
    let terms = |terms: Instrument| Instrument {
        price_scale: ten,
        qty_scale: ten,
        tick: Price(1),
        step: Qty(1),
        ..terms
    };
    let mut catalogs = [Catalog::new(), Catalog::new()];
    for (name, aliases) in PAIRS {
        let symbol: Symbol = name.parse().expect("a symbol");
        let aliases = aliases.into_iter().filter(|alias| !alias.is_empty()).map(str::to_owned).collect();
        catalogs[SPOT].put(Instrument { aliases, ..terms(bare_terms(name, symbol, false)) });
    }
    let empty = Catalog::new();
    for name in CONTRACTS {
        let place = Place { product: FUTURES, socket: 0, catalog: &empty };
        let bare = venue.terms_of(place, name).expect(name);
        let aliases = vec![name.to_ascii_lowercase()];
        catalogs[FUTURES].put(Instrument { aliases, ..terms(bare) });
    }
    catalogs
}

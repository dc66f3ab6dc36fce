//! The venues of this workspace as subjects of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use venuekit_sim::market::{self, Contract, Spec};
use venuekit_sim::venue::VenueConfig;
use venuekit_sim::wallets::Account;
use venuekit_sim::world::{Numbering, WorldConfig};
use venuekit_sim::{Doex, DoexLimits, Duedex, DuedexLimits, Keys, Sim, SimConfig, VenueSim};
use venuekit_testkit::scenario::{SimSeed, Subject};

/// Every subject, by venue.
#[allow(dead_code, reason = "not every test runs every subject")]
pub(crate) fn subjects() -> Vec<(&'static str, Subject)> {
    vec![("doex", doex()), ("duedex", duedex()), ("binance", binance()), ("kraken", kraken())]
}

/// The same with two hundred markets a venue.
#[allow(dead_code, reason = "not every test runs a crowd")]
pub(crate) fn crowds() -> Vec<(&'static str, Subject)> {
    let doex = Subject { sim: |seed| crowd("doex", CROWD, busy(seed)), ..doex() };
    let duedex = Subject { sim: |seed| crowd("duedex", CROWD, busy(seed)), ..duedex() };
    vec![("doex", doex), ("duedex", duedex)]
}

/// How many markets make a crowd.
const CROWD: usize = 200;

/// While the faults last, each market of a crowd moves about as often as one of few; afterwards most are quiet.
fn busy(seed: SimSeed) -> SimSeed {
    SimSeed { rate: seed.rate * 20, ..seed }
}

pub(crate) fn doex() -> Subject {
    Subject {
        venue: Arc::new(venuekit_doex::Doex::default()),
        sim: |seed| simulate("doex", seed),
        credentials: Some(|seed| Keys::from_seed(seed).doex),
        book_stream: |info| {
            let name = format!("{}@depth", info.venue_symbol.to_lowercase());
            let is_spot = info.symbol.as_ref().is_some_and(|symbol| symbol.settle().is_none());
            if is_spot { name } else { format!("futures:{name}") }
        },
    }
}

/// The two products live at paths of their own and share their names of streams.
#[allow(dead_code, reason = "not every test runs every subject")]
pub(crate) fn binance() -> Subject {
    Subject {
        venue: Arc::new(venuekit_binance::Binance::new()),
        sim: |seed| simulate("binance", seed),
        credentials: Some(|seed| Keys::from_seed(seed).binance),
        book_stream: |info| format!("{}@depth@100ms", info.venue_symbol.to_lowercase()),
    }
}

pub(crate) fn duedex() -> Subject {
    Subject {
        venue: Arc::new(venuekit_duedex::DueDex::new()),
        sim: |seed| simulate("duedex", seed),
        credentials: Some(|seed| Keys::from_seed(seed).duedex),
        book_stream: |info| format!("level2:{}", info.venue_symbol),
    }
}

#[allow(dead_code, reason = "not every test runs every subject")]
pub(crate) fn kraken() -> Subject {
    Subject {
        venue: Arc::new(venuekit_kraken::Kraken::new()),
        sim: |seed| simulate("kraken", seed),
        credentials: Some(|seed| Keys::from_seed(seed).kraken),
        book_stream: |info| format!("book:{}", info.venue_symbol),
    }
}

fn simulate(name: &'static str, seed: SimSeed) -> VenueSim {
    let config =
        SimConfig { rate: seed.rate, history: seed.history, ..SimConfig::new(seed.seed, seed.start) }
            .with_faults(&seed.faults)
            .only(&[name]);
    Sim::new(config).into_venues().pop().expect("it is one of the simulator's")
}

/// A venue of so many markets, all of one kind.
#[allow(dead_code, reason = "not every test runs a crowd")]
pub(crate) fn crowd(venue: &'static str, markets: usize, seed: SimSeed) -> VenueSim {
    let keys = Keys::from_seed(seed.seed);
    let (like, numbering, credentials) = match venue {
        "doex" => (&market::DOEX[2], Numbering::PerChange, keys.doex),
        _ => (&market::DUEDEX[1], Numbering::PerMessage, keys.duedex),
    };
    let specs = many_like(like, markets);
    let world = WorldConfig {
        venue,
        specs,
        numbering,
        funding_hour: 0,
        funding_hours: 8,
        seed: seed.seed,
        start: seed.start,
        rate: seed.rate,
        history: seed.history,
        truth_every: 0,
        run: "crowd".into(),
    };
    let config = VenueConfig {
        world,
        faults: seed.faults,
        credentials,
        keys: Vec::new(),
        account: Account::new(1, specs),
        script: true,
        lead: None,
    };
    VenueSim::new(config, |world, user, start| match venue {
        "doex" => Box::new(Doex::new(world, user, start, DoexLimits::default(), "crowd".into())),
        _ => Box::new(Duedex::new(world, user, start, DuedexLimits::default(), "crowd".into())),
    })
}

/// Markets like `like` under other names; made once for the whole process, since a world wants them for ever.
fn many_like(like: &'static Spec, markets: usize) -> &'static [Spec] {
    static MADE: Mutex<BTreeMap<(&str, usize), &'static [Spec]>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((like.symbol, markets)).or_insert_with(|| {
        Box::leak((0..markets).map(|number| another(like, number)).collect::<Vec<_>>().into_boxed_slice())
    })
}

/// A market like `like` under another name.
fn another(like: &Spec, number: usize) -> Spec {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let base = leak(format!("T{number:03}"));
    let spot = like.contract.is_none();
    Spec {
        native: leak(format!("{base}{}", like.quote)),
        symbol: leak(if spot {
            format!("{base}/{}", like.quote)
        } else {
            format!("{base}/{0}:{0}", like.quote)
        }),
        base,
        contract: like.contract.as_ref().map(|c| Contract {
            position: market::Asset { code: base, name: base, places: c.position.places },
            settle: market::Asset { code: c.settle.code, name: c.settle.name, places: c.settle.places },
            ..*c
        }),
        ..*like
    }
}

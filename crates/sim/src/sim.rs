//! The venues together: what a seed, a start and a rate become.

use fastrand::Rng;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use venuekit_sign::Credentials;
use venuekit_types::{Mono, Now};

use crate::binance::{self, Binance, BinanceLimits};
use crate::doex::{Doex, DoexLimits};
use crate::duedex::{Duedex, DuedexLimits};
use crate::engine::Owner;
use crate::faults::FaultPlan;
use crate::front::{Front, FrontInput, FrontOutput};
use crate::keys::{ApiKey, KeyRing};
use crate::kraken::{self, Kraken, KrakenLimits};
use crate::market;
use crate::venue::{VenueConfig, VenueSim};
use crate::wallets::{Account, Wallet};
use crate::world::{MoveDenied, Numbering, World, WorldConfig};

/// The venues that there are, in the order in which they open.
pub const VENUES: [&str; 4] = ["doex", "duedex", "binance", "kraken"];

/// Book messages a second and venue when nobody says otherwise.
pub const RATE: u32 = 200;

/// The demo accounts' keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// For Doex.
    pub doex: Credentials,
    /// For DueDEX, its secret in base64.
    pub duedex: Credentials,
    /// For Binance.
    pub binance: Credentials,
    /// For Kraken, spot and futures alike, its secret in base64.
    pub kraken: Credentials,
}

impl Keys {
    /// The key of a venue; nothing when there is none of that name.
    pub fn of(&self, venue: &str) -> Option<&Credentials> {
        match venue {
            "doex" => Some(&self.doex),
            "duedex" => Some(&self.duedex),
            "binance" => Some(&self.binance),
            "kraken" => Some(&self.kraken),
            _ => None,
        }
    }

    /// Keys of the venues' shapes made from a seed; anyone who knows the seed knows them.
    pub fn from_seed(seed: u64) -> Keys {
        let mut rng = Rng::with_seed(seed);
        let mut text = |len: usize| -> String { (0..len).map(|_| rng.alphanumeric()).collect() };
        let doex = Credentials::new(format!("sim{}", text(61)), text(64));
        let hex: String = (0..32).map(|_| format!("{:x}", rng.u8(..16))).collect();
        let key = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        // 43 characters of the alphabet and one pad are 32 bytes; the last must end in two zero bits.
        let last = ["A", "E", "I", "M", "Q", "U", "Y", "c"][rng.usize(..8)];
        let body: String = (0..42).map(|_| rng.alphanumeric()).collect();
        let duedex = Credentials::new(key, format!("{body}{last}="));
        let mut text = |len: usize| -> String { (0..len).map(|_| rng.alphanumeric()).collect() };
        let binance = Credentials::new(text(64), text(64));
        // 85 characters, then one that ends in four zero bits, and two pads are 64 bytes.
        let kraken = Credentials::new(text(56), format!("{}Q==", text(85)));
        Keys { doex, duedex, binance, kraken }
    }
}

/// What a simulation is made from.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// The seed of everything but faults, which have their own.
    pub seed: u64,
    /// When it begins.
    pub start: Now,
    /// Which venues open; what happens at one does not depend on the others.
    pub venues: Vec<&'static str>,
    /// Book messages a second and venue over all its markets; 0 stands still.
    pub rate: u32,
    /// What goes wrong at Doex.
    pub doex_faults: FaultPlan,
    /// What goes wrong at DueDEX.
    pub duedex_faults: FaultPlan,
    /// What goes wrong at Binance.
    pub binance_faults: FaultPlan,
    /// What goes wrong at Kraken.
    pub kraken_faults: FaultPlan,
    /// What opens the demo accounts, to read and to trade.
    pub keys: Keys,
    /// Further keys of the demo accounts, each with its venue.
    pub more_keys: Vec<(&'static str, ApiKey)>,
    /// Whether the demo accounts trade by themselves, so that private streams move.
    pub script: bool,
    /// Messages that each market's past is kept for, for [`VenueSim::book_at`]; 0 keeps none.
    pub history: usize,
    /// Digest of every n-th book message in the truth lines, and all trades; 0 writes none.
    pub truth_every: u32,
    /// Doex's limits.
    pub doex_limits: DoexLimits,
    /// DueDEX's limits.
    pub duedex_limits: DuedexLimits,
    /// Binance's limits.
    pub binance_limits: BinanceLimits,
    /// Kraken's limits.
    pub kraken_limits: KrakenLimits,
}

impl SimConfig {
    /// The usual simulation of a seed: lively, without faults, keys from the seed, nothing kept.
    pub fn new(seed: u64, start: Now) -> SimConfig {
        SimConfig {
            seed,
            start,
            venues: VENUES.to_vec(),
            rate: RATE,
            doex_faults: FaultPlan::default(),
            duedex_faults: FaultPlan::default(),
            binance_faults: FaultPlan::default(),
            kraken_faults: FaultPlan::default(),
            keys: Keys::from_seed(seed),
            more_keys: Vec::new(),
            script: true,
            history: 0,
            truth_every: 0,
            doex_limits: DoexLimits::default(),
            duedex_limits: DuedexLimits::default(),
            binance_limits: BinanceLimits::default(),
            kraken_limits: KrakenLimits::default(),
        }
    }

    /// The same plan for all venues, each with dice of its own.
    pub fn with_faults(mut self, plan: &FaultPlan) -> SimConfig {
        self.doex_faults = plan.clone();
        self.duedex_faults = FaultPlan { seed: plan.seed ^ 0xd0e, ..plan.clone() };
        self.binance_faults = FaultPlan { seed: plan.seed ^ 0xb1a, ..plan.clone() };
        self.kraken_faults = FaultPlan { seed: plan.seed ^ 0x7e4, ..plan.clone() };
        self
    }

    /// These venues and no others.
    pub fn only(mut self, venues: &[&str]) -> SimConfig {
        self.venues.retain(|venue| venues.contains(venue));
        self
    }

    /// A further key of a venue's demo account.
    pub fn with_key(mut self, venue: &'static str, key: ApiKey) -> SimConfig {
        self.more_keys.push((venue, key));
        self
    }

    fn keys_of(&self, venue: &str) -> Vec<ApiKey> {
        self.more_keys.iter().filter(|(of, _)| *of == venue).map(|(_, key)| key.clone()).collect()
    }

    /// What names this run in truth lines and answers: the same seed and start give the same run.
    pub fn run(&self) -> String {
        let text = format!("{}|{}", self.seed, self.start.wall);
        hex::encode(&Sha256::digest(text.as_bytes())[..8])
    }

    fn world(&self, venue: &'static str, specs: &'static [market::Spec], seed: u64) -> WorldConfig {
        WorldConfig {
            venue,
            specs,
            numbering: match venue {
                "doex" => Numbering::PerChange,
                "binance" => Numbering::Shared,
                "kraken" => Numbering::PerLevel,
                _ => Numbering::PerMessage,
            },
            funding_hour: if venue == "duedex" { 4 } else { 0 },
            funding_hours: if venue == "kraken" { 1 } else { 8 },
            seed,
            start: self.start,
            rate: self.rate,
            history: self.history,
            truth_every: self.truth_every,
            run: self.run(),
        }
    }
}

/// The simulator: its venues, driven together or taken apart.
///
/// ```
/// use std::time::Duration;
/// use venuekit_sim::{Sim, SimConfig};
/// use venuekit_types::{Now, UnixNanos};
/// let start = Now { wall: UnixNanos::from_millis(1_700_000_000_000), ..Now::default() };
/// let mut sim = Sim::new(SimConfig::new(7, start));
/// sim.tick(start.plus(Duration::from_secs(1)));
/// let book = sim.venue("doex").and_then(|doex| doex.book("BTC/USDT")).expect("a market");
/// assert!(book.bids[0].price < book.asks[0].price);
/// ```
pub struct Sim {
    run: String,
    venues: Vec<VenueSim>,
    /// Where polling goes on.
    polled: usize,
}

impl Sim {
    /// Opens the venues that the configuration names.
    pub fn new(config: SimConfig) -> Sim {
        let run = config.run();
        let mut rng = Rng::with_seed(config.seed);
        let [doex_seed, duedex_seed, binance_seed, kraken_seed] = [(); 4].map(|()| rng.u64(..));
        let doex = VenueConfig {
            world: config.world("doex", &market::DOEX, doex_seed),
            faults: config.doex_faults.clone(),
            credentials: config.keys.doex.clone(),
            keys: config.keys_of("doex"),
            account: doex_account(),
            script: config.script,
            lead: config.script.then(lead_account),
        };
        let duedex = VenueConfig {
            world: config.world("duedex", &market::DUEDEX, duedex_seed),
            faults: config.duedex_faults.clone(),
            credentials: config.keys.duedex.clone(),
            keys: config.keys_of("duedex"),
            account: duedex_account(),
            script: config.script,
            lead: None,
        };
        let binance = VenueConfig {
            world: config.world("binance", &binance::MARKETS, binance_seed),
            faults: config.binance_faults.clone(),
            credentials: config.keys.binance.clone(),
            keys: config.keys_of("binance"),
            account: binance::demo_account(),
            script: config.script,
            lead: None,
        };
        let kraken = VenueConfig {
            world: config.world("kraken", &market::KRAKEN, kraken_seed),
            faults: config.kraken_faults.clone(),
            credentials: config.keys.kraken.clone(),
            keys: config.keys_of("kraken"),
            account: kraken::demo_account(),
            script: config.script,
            lead: None,
        };
        let funded = "the demo account is funded for its past";
        let opens = |name| config.venues.contains(&name);
        let mut venues = Vec::new();
        if opens("doex") {
            // DueDEX tells nothing of deposits over its interface, so its account has had none.
            venues.push(VenueSim::new(doex, |world, user, start| {
                give_a_past(world, user.owner, start).expect(funded);
                Box::new(Doex::new(world, user, start, config.doex_limits, run.clone()))
            }));
        }
        if opens("duedex") {
            venues.push(VenueSim::new(duedex, |world, user, start| {
                Box::new(Duedex::new(world, user, start, config.duedex_limits, run.clone()))
            }));
        }
        if opens("binance") {
            venues.push(VenueSim::new(binance, |world, user, start| {
                binance::give_a_past(world, user.owner, start).expect(funded);
                Box::new(Binance::new(world, user, start, config.binance_limits, run.clone()))
            }));
        }
        if opens("kraken") {
            venues.push(VenueSim::new(kraken, |world, user, start| {
                kraken::give_a_past(world, user.owner, start).expect(funded);
                Box::new(Kraken::new(world, user, start, config.kraken_limits, run.clone()))
            }));
        }
        Sim { run, venues, polled: 0 }
    }

    /// What names this run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The venues, in a fixed order.
    pub fn venues(&self) -> &[VenueSim] {
        &self.venues
    }

    /// A venue by name.
    pub fn venue(&self, name: &str) -> Option<&VenueSim> {
        self.venues.iter().find(|venue| venue.name() == name)
    }

    /// A venue by name, to serve or to strike.
    pub fn venue_mut(&mut self, name: &str) -> Option<&mut VenueSim> {
        self.venues.iter_mut().find(|venue| venue.name() == name)
    }

    /// What opens the demo account of a venue; nothing when there is none of that name.
    pub fn keys(&self, venue: &str) -> Option<&KeyRing> {
        self.venue(venue).map(VenueSim::keys)
    }

    /// Takes the venues apart, so that each is served by a task of its own.
    pub fn into_venues(self) -> Vec<VenueSim> {
        self.venues
    }

    /// Hands an input to a venue; false when there is none of that name.
    pub fn handle(&mut self, now: Now, venue: &str, input: FrontInput<'_>) -> bool {
        self.venue_mut(venue).map(|venue| venue.handle(now, input)).is_some()
    }

    /// Lets time pass at all venues.
    pub fn tick(&mut self, now: Now) {
        for venue in &mut self.venues {
            venue.handle(now, FrontInput::Tick);
        }
    }

    /// The next thing to do, and for which venue.
    pub fn poll(&mut self) -> Option<(&'static str, FrontOutput)> {
        for _ in 0..self.venues.len() {
            let at = self.polled % self.venues.len();
            if let Some(output) = self.venues[at].poll() {
                return Some((self.venues[at].name(), output));
            }
            self.polled = at + 1;
        }
        None
    }

    /// When the next tick is due.
    pub fn next_at(&self) -> Option<Mono> {
        self.venues.iter().filter_map(Front::next_at).min()
    }

    /// Takes the truth lines of all venues so far.
    pub fn take_truth(&mut self) -> Vec<u8> {
        self.venues.iter_mut().flat_map(VenueSim::take_truth).collect()
    }
}

fn doex_account() -> Account {
    let mut account = Account::new(1001, &market::DOEX);
    let funds = [
        (Wallet::Spot, "USDT", 250_000),
        (Wallet::Spot, "BTC", 3),
        (Wallet::Spot, "ETH", 60),
        (Wallet::Spot, "DOGE", 400_000),
        (Wallet::Margin, "USDT", 5_000),
        (Wallet::Margin, "BTC", 1),
        (Wallet::Futures, "USDT", 100_000),
    ];
    for (wallet, asset, amount) in funds {
        account.deposit(wallet, asset, Decimal::from(amount));
    }
    account
}

/// Movements of the last days, so that nobody reads an empty history: some that are done, and one under way.
fn give_a_past(world: &mut World, owner: Owner, start: Now) -> Result<(), MoveDenied> {
    let (day_ms, now_ms) = (86_400_000, start.wall.millis());
    world.deposit(owner, "USDT", Decimal::from(1_000), now_ms - 5 * day_ms)?;
    world.withdraw(owner, "USDT", Decimal::from(250), now_ms - 2 * day_ms)?;
    world.pass(now_ms);
    world.deposit(owner, "BTC", Decimal::new(25, 2), now_ms)?;
    let transfer = ("USDT", Decimal::from(1_000));
    world.transfer(owner, transfer, Wallet::Spot, Wallet::Futures, now_ms - day_ms)?;
    world.borrow(owner, "USDT", Decimal::from(2_000))
}

/// Whom the demo account copies.
fn lead_account() -> Account {
    let mut account = Account::new(2002, &market::DOEX);
    account.deposit(Wallet::Futures, "USDT", Decimal::from(1_000_000));
    account
}

fn duedex_account() -> Account {
    let mut account = Account::new(1001, &market::DUEDEX);
    for (asset, amount) in [("BTC", 10), ("USDT", 50_000)] {
        account.deposit(Wallet::Futures, asset, Decimal::from(amount));
    }
    account
}

//! A session against the simulator in virtual time, its events made into rows and stored.

use std::collections::BTreeMap;

use venuekit_session::{Config as SessionConfig, Input, Only, Want};
use venuekit_sim::faults::{Command as Strike, Fault as Harm, FaultPlan, Target};
use venuekit_sim::{Keys, Sim, SimConfig, VenueSim};
use venuekit_store::{Batch, BookChange, OpenMode, Reader, Sink as _, Sqlite, World};
use venuekit_testkit::{Rig, Watch};

use super::*;
use crate::board::Board;
use crate::metrics::Metrics;
use crate::tenure::Gate;

/// A feed as a watch of a rig. It answers no epochs: the rig does.
struct Kept {
    feed: Feed,
}

impl Watch<VenueSim> for Kept {
    fn event(&mut self, now: Now, emission: Emission<'_>, _: &VenueSim) {
        self.feed.event(now, emission);
    }

    fn round(&mut self, now: Now, session: &Session, _: &VenueSim) {
        self.feed.round(now, session);
    }
}

struct Bench {
    rig: Rig<VenueSim>,
    kept: Kept,
    queue: Arc<Queue>,
    all: Board,
    board: Arc<VenueBoard>,
    wishes: mpsc::Receiver<Wish>,
    notices: mpsc::Receiver<Notice>,
    metrics: Arc<Metrics>,
    rows: Vec<Row>,
}

impl Bench {
    fn new(venue: &str, wants: Vec<Want>, queue_rows: usize, faults: &FaultPlan, resume: Resume) -> Bench {
        Bench::shared(venue, wants, queue_rows, faults, resume, None)
    }

    fn shared(
        venue: &str,
        wants: Vec<Want>,
        queue_rows: usize,
        faults: &FaultPlan,
        resume: Resume,
        tenure: Option<Tenure>,
    ) -> Bench {
        let start = Rig::<VenueSim>::epoch();
        let sim = SimConfig { rate: 40, history: 10_000, ..SimConfig::new(7, start) }.with_faults(faults);
        let keys = Keys::from_seed(7);
        let credentials = Some(if venue == "duedex" { keys.duedex } else { keys.doex });
        let front = Sim::new(sim).into_venues().into_iter().find(|front| front.name() == venue);
        let only = tenure.as_ref().map(|tenure| tenure.only.clone());
        let credentials_too = credentials.clone();
        let config =
            SessionConfig { wants, only, seed: 7, credentials: credentials_too, ..SessionConfig::default() };
        let adapter = venuekit_registry::venue(venue).expect("known");
        let session = Session::new(adapter, config).expect("fits");
        let queue = Arc::new(Queue::new(queue_rows));
        let all = Board::new([venue]);
        let board = Arc::clone(&all.venues[0]);
        let (wish, wishes) = mpsc::channel(64);
        let (notify, notices) = mpsc::channel(64);
        let metrics = Arc::new(Metrics::new());
        let feed = Feed::new(FeedParts {
            index: 0,
            board: Arc::clone(&board),
            queue: Arc::clone(&queue),
            metrics: metrics.venue(venue),
            wishes: wish,
            notices: notify,
            resume,
            tenure,
            credentials,
        });
        let rig = Rig::new(session, front.expect("simulated"), start, 7);
        Bench { rig, kept: Kept { feed }, queue, all, board, wishes, notices, metrics, rows: Vec::new() }
    }

    fn public(venue: &str) -> Vec<Want> {
        let config = crate::Config::default_sim();
        config.venues.into_iter().find(|config| config.id == venue).expect("known").wants
    }

    /// Lets time pass, and hands on what the feed wishes; takes rows every `slice` when `takes`.
    fn run(&mut self, slices: u32, slice: Duration, takes: bool) {
        for _ in 0..slices {
            self.rig.run_for(slice, &mut self.kept);
            while let Ok(wish) = self.wishes.try_recv() {
                match wish {
                    Wish::Command(command) => self.rig.tell(Input::Command(command), &mut self.kept),
                    Wish::Persisted(..) => panic!("the rig answers epochs"),
                }
            }
            if takes {
                self.take();
            }
        }
    }

    fn take(&mut self) {
        while self.queue.depth() > 0 {
            let work = self.queue.take(usize::MAX, Duration::ZERO);
            let items = work.chunks.into_iter().flat_map(|chunk| chunk.items);
            self.rows.extend(items.map(|item| item.row));
        }
    }

    fn finish(&mut self) {
        let now = self.rig.now();
        self.kept.feed.finish(now, &self.rig.session);
        self.take();
    }

    fn tally(&self) -> Tally {
        self.board.lock().tally.clone()
    }
}

/// Book rows by market and epoch, in the order they were told.
fn epochs(rows: &[Row]) -> BTreeMap<(Market, u64), Vec<&BookChange>> {
    let mut epochs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows {
        if let Row::BookChange(change) = row {
            epochs.entry((change.market.clone(), change.epoch)).or_default().push(change);
        }
    }
    epochs
}

/// The rows of each epoch begin with a snapshot, link without a hole, and rebuild to the true book where they end.
/// Gives how many books were compared.
fn check_books(rows: &[Row], front: &VenueSim) -> usize {
    let mut compared = 0;
    for ((market, epoch), rows) in epochs(rows) {
        let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
        let mut last = None;
        for change in &rows {
            assert_eq!(change.is_snapshot, last.is_none(), "{market} {epoch}: a snapshot, once, first");
            if change.is_snapshot {
                assert_eq!(change.first_seq, change.last_seq);
            } else {
                assert_eq!(Some(change.first_seq), last.map(|last: u64| last + 1), "{market} {epoch}");
            }
            last = Some(change.last_seq);
            for (side, levels) in [(&mut bids, &change.bids), (&mut asks, &change.asks)] {
                for level in levels {
                    side.insert(level.price, level.qty);
                }
                side.retain(|_, qty| qty.0 != 0);
            }
        }
        // A truth that is forgotten, or of an earlier generation, cannot be compared.
        let seq = last.expect("at least the snapshot");
        let truth = (0..50).rev().find_map(|at| front.book_at(market.symbol.as_str(), at, seq));
        let Some(truth) = truth else { continue };
        let ours = |side: &BTreeMap<_, _>| side.iter().map(|(p, q)| (*p, *q)).collect::<Vec<_>>();
        let theirs = |levels: &[venuekit_types::Level]| {
            let mut pairs: Vec<_> = levels.iter().map(|level| (level.price, level.qty)).collect();
            pairs.sort();
            pairs
        };
        if ours(&bids) == theirs(&truth.bids) && ours(&asks) == theirs(&truth.asks) {
            compared += 1;
        } else {
            // The same number was used again in a later generation of the simulator.
            assert!(truth.generation > 0, "{market} {epoch} at {seq} differs from the truth");
        }
    }
    compared
}

/// Gap rows by key, with whether they are healed at the end.
fn gaps(rows: &[Row]) -> BTreeMap<(Market, String, UnixNanos), (String, bool)> {
    let mut gaps = BTreeMap::new();
    for row in rows {
        if let Row::Gap(gap) = row {
            let key = (gap.market.clone(), gap.channel.to_string(), gap.detected_at);
            let is_new = gaps.insert(key, (gap.cause.to_string(), gap.healed_at.is_some())).is_none();
            assert!(is_new || gap.healed_at.is_some(), "a gap is written twice only to heal it: {gap:?}");
        }
    }
    gaps
}

#[test]
fn under_faults_the_rows_still_rebuild_to_the_truth_and_every_gap_heals() {
    for venue in ["doex", "duedex"] {
        let faults = FaultPlan { restart_every: None, ..FaultPlan::profile("heavy", 7).expect("known") };
        let mut bench = Bench::new(venue, Bench::public(venue), 1_000_000, &faults, Resume::default());
        bench.run(20, Duration::from_secs(1), true);
        let now = bench.rig.now();
        bench.rig.front.set_faults(now, FaultPlan::default());
        bench.rig.front.set_rate(now, 10);
        bench.run(60, Duration::from_secs(1), true);
        bench.finish();
        let compared = check_books(&bench.rows, &bench.rig.front);
        let gaps = gaps(&bench.rows);
        assert!(compared >= 4 && gaps.len() >= 10, "{venue}: {compared} books, {} gaps", gaps.len());
        let open: Vec<_> = gaps.iter().filter(|(_, (_, is_healed))| !is_healed).collect();
        assert!(open.is_empty(), "{venue}: {open:?}");
        let tally = bench.tally();
        assert_eq!((tally.gaps_opened, tally.gaps_open), (gaps.len() as u64, 0), "{venue}");
        assert_eq!(tally.gaps_healed, tally.gaps_opened, "{venue}");
        assert_eq!(tally.shed_rows, 0, "{venue}");

        // Exactly once: the same rows again change nothing.
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("t.db");
        let world = World::Sim { run_id: "7".to_owned() };
        let mut sink = Sqlite::open(&path, &world, OpenMode::Resume).expect("opens");
        let rows = bench.rows.iter().filter(|row| !matches!(row, Row::Ticker(_))).cloned().collect();
        let batch = Batch { rows, cursors: Vec::new() };
        let first = sink.commit(&batch).expect("stores").total();
        assert_eq!((first.refused, first.dup), (0, 0), "{venue}");
        let again = sink.commit(&batch).expect("stores").total();
        assert_eq!((again.new, again.refused, again.healed), (0, 0, 0), "{venue}: {again:?}");
        let markets = Reader::open(&path).expect("opens").counts().expect("counts");
        assert_eq!(markets.len(), if venue == "doex" { 5 } else { 4 });
        assert!(
            markets.iter().all(|m| m.trades > 0 && m.book_changes > 0 && m.open_gaps == 0),
            "{markets:?}"
        );
    }
}

/// S5: a sink that stands still costs rows, by name, and neither memory nor the session's time.
#[test]
fn a_sink_that_stands_still_sheds_by_name_and_the_streams_heal() {
    for venue in ["doex", "duedex"] {
        let mut bench =
            Bench::new(venue, Bench::public(venue), 400, &FaultPlan::default(), Resume::default());
        bench.run(5, Duration::from_millis(200), true);
        assert_eq!(bench.tally().shed_rows, 0, "{venue}: it keeps up");
        bench.run(300, Duration::from_millis(200), false);
        let depth = bench.queue.depth();
        // Whole, but for one round's rows and gaps that close what is written.
        assert!(depth <= 500, "{venue}: {depth} rows wait");
        let lost = bench.tally().shed_rows;
        assert!(lost > 1_000, "{venue}: {lost} rows shed in a minute");
        {
            let state = bench.board.lock();
            let shed: Vec<_> = state.streams.iter().filter(|stream| stream.shed).collect();
            assert!(shed.len() >= 5 && shed.iter().all(|stream| !stream.is_ready()), "{venue}: {shed:?}");
        }
        bench.take();
        bench.run(100, Duration::from_millis(200), true);
        bench.finish();
        let after = bench.tally();
        assert!(bench.board.lock().streams.iter().all(|stream| !stream.shed), "{venue}");
        let gaps = gaps(&bench.rows);
        let shed: Vec<_> = gaps.values().filter(|(cause, _)| cause == "shed").collect();
        assert!(!shed.is_empty() && shed.iter().all(|(_, is_healed)| *is_healed), "{venue}: {gaps:?}");
        assert!(gaps.values().all(|(_, is_healed)| *is_healed), "{venue}: {gaps:?}");
        assert_eq!(after.gaps_opened, gaps.len() as u64, "{venue}");
        assert_eq!(after.gaps_open, 0, "{venue}");
        // Each book begins again with an epoch after the gap, and no row hangs in the air.
        let markets = if venue == "doex" { 5 } else { 4 };
        assert!(epochs(&bench.rows).len() >= 2 * markets, "{venue}");
        assert!(check_books(&bench.rows, &bench.rig.front) >= markets, "{venue}");
    }
}

/// S1: a stream that dies on a socket which stays open and answers pings is named within its deadline and a second.
#[test]
fn readiness_names_a_stalled_stream_in_time() {
    for (venue, stream, name) in [
        ("duedex", "level2:BTCUSD", "duedex/BTC/USD:BTC book"),
        ("doex", "btcusdt@depth", "doex/BTC/USDT book"),
    ] {
        let mut bench =
            Bench::new(venue, Bench::public(venue), 1_000_000, &FaultPlan::default(), Resume::default());
        bench.run(20, Duration::from_millis(500), true);
        let line = |bench: &Bench| {
            let checks = bench.all.checks(bench.rig.now());
            checks.into_iter().find(|check| check.text.starts_with(name)).expect("it is followed")
        };
        assert!(line(&bench).is_ok, "{:?}", line(&bench));
        let now = bench.rig.now();
        let target = Target::Stream(stream.to_owned());
        bench.rig.front.inject(now, Strike { target, fault: Harm::Stall(None) });
        let usual = bench.rig.session.venue().specs()[0].books[0].usual_gap;
        let deadline = (usual * 20).clamp(Duration::from_secs(10), Duration::from_secs(30));
        let mut waited = Duration::ZERO;
        while line(&bench).is_ok && waited < Duration::from_secs(60) {
            bench.run(1, Duration::from_millis(100), true);
            waited += Duration::from_millis(100);
        }
        let named = line(&bench);
        // One that spoke more often than its table says is found out sooner, but not before ten seconds.
        let in_time = Duration::from_secs(9)..=deadline + Duration::from_secs(1);
        assert!(in_time.contains(&waited), "{venue}: {named:?} after {waited:?}, deadline {deadline:?}");
        assert!(named.text.contains(": silent"), "{named:?}");
        let others = bench.all.checks(bench.rig.now());
        assert!(others.iter().filter(|check| !check.is_ok).count() <= 2, "only what stalled: {others:?}");
    }
}

#[test]
fn books_are_announced_once_with_their_touch() {
    let mut bench =
        Bench::new("duedex", Bench::public("duedex"), 100_000, &FaultPlan::default(), Resume::default());
    bench.run(10, Duration::from_millis(200), true);
    let mut told = Vec::new();
    while let Ok(notice) = bench.notices.try_recv() {
        let Notice::Book { venue, symbol, bid: Some(bid), ask: Some(ask), seq: Some(_) } = notice else {
            panic!("not a whole book: {notice:?}")
        };
        assert_eq!(&*venue, "duedex");
        let number = |price: Scaled| price.to_string().parse::<rust_decimal::Decimal>().expect("a number");
        assert!(number(bid) < number(ask), "{symbol}: {bid} / {ask}");
        told.push(symbol.to_string());
    }
    told.sort();
    assert_eq!(told, ["BTC/USD:BTC", "BTC/USDT:USDT", "ETH/USDT:USDT", "LINK/USDT:USDT"]);
}

#[test]
fn an_unknown_symbol_is_told_with_its_nearest() {
    let wants = vec![Want::new("BTC/USDT:USTD", Channel::Book), Want::new("ETHUSDT", Channel::Book)];
    let mut bench = Bench::new("doex", wants, 1_000, &FaultPlan::default(), Resume::default());
    bench.run(5, Duration::from_millis(200), true);
    let mut told = BTreeMap::new();
    while let Ok(notice) = bench.notices.try_recv() {
        if let Notice::UnknownSymbol { symbol, candidates, .. } = notice {
            told.insert(symbol, candidates);
        }
    }
    assert_eq!(told["BTC/USDT:USTD"][0], "BTC/USDT:USDT", "{told:?}");
    assert_eq!(told["ETHUSDT"], ["ETH/USDT", "ETH/USDT:USDT"], "ambiguous between spot and futures");
}

#[test]
fn the_time_between_two_runs_is_a_gap_that_ends_with_the_stream_live() {
    let market = Market::new("duedex", "BTC/USD:BTC".parse().expect("a symbol"));
    let start = Rig::<VenueSim>::epoch();
    let cursor = venuekit_store::Cursor {
        market: market.clone(),
        channel: "book".into(),
        epoch: 3,
        last_seq: 40,
        ts_local: UnixNanos(5),
    };
    let earlier = Gap {
        market: market.clone(),
        channel: "trades".into(),
        epoch: None,
        from_seq: None,
        to_seq: None,
        cause: "closed".into(),
        detected_at: UnixNanos(4),
        healed_at: None,
    };
    let resume = Resume { cursors: vec![cursor], open_gaps: vec![earlier.clone()], limits: Vec::new() };
    let mut bench = Bench::new("duedex", Bench::public("duedex"), 100_000, &FaultPlan::default(), resume);
    bench.run(10, Duration::from_millis(200), true);
    bench.finish();
    let found = gaps(&bench.rows);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.values().all(|(_, is_healed)| *is_healed), "{found:?}");
    let written: Vec<&Gap> = bench
        .rows
        .iter()
        .filter_map(|row| match row {
            Row::Gap(gap) if gap.cause == "not_running" => Some(&**gap),
            _ => None,
        })
        .collect();
    assert_eq!(written.len(), 2, "opened and healed");
    assert_eq!((written[0].epoch, written[0].from_seq), (Some(3), Some(41)));
    assert!(written[0].detected_at >= start.wall && written[0].healed_at.is_none());
    let healed = Gap { healed_at: written[1].healed_at, ..written[0].clone() };
    assert_eq!(written[1], &healed);
}

#[test]
fn what_a_peer_says_passes_without_our_key_and_secret() {
    let bench = Bench::new("duedex", Bench::public("duedex"), 10, &FaultPlan::default(), Resume::default());
    let account = bench.kept.feed.parts.credentials.clone().expect("given");
    let secret = String::from_utf8(account.secret.expose().to_vec()).expect("text");
    let words = bench.kept.feed.clean(&format!("no key {} with {secret}!", account.key));
    assert_eq!(words, "no key REDACTED with REDACTED!");
}

/// Every private channel of a venue.
fn private(venue: &str) -> Vec<Want> {
    let channels = [Channel::Balances, Channel::Positions, Channel::Orders, Channel::Fills];
    let adapter = venuekit_registry::venue(venue).expect("known");
    let products = adapter.specs().iter().map(|spec| (spec.product.clone(), spec.clone()));
    products
        .flat_map(|(product, spec)| {
            channels.into_iter().filter(move |channel| spec.offers(*channel)).map(move |channel| Want {
                product: Some(product.clone()),
                symbol: String::new(),
                channel,
            })
        })
        .collect()
}

/// The cash of the simulated account against what the worker keeps, wallet by wallet and asset by asset.
fn assert_same_ledgers(bench: &Bench) {
    let (owner, accounts) = bench.kept.feed.ledgers.accounts();
    let mut seen = 0;
    for (wallet, asset, cash) in bench.rig.front.account().cash() {
        let place = venuekit_account::Place {
            venue: owner.venue.clone(),
            account: owner.account.clone(),
            wallet: wallet.as_str().into(),
            asset: asset.into(),
        };
        let kept = accounts.ledger(&place).amounts.known();
        let total = kept.map(|amounts| amounts.total().expect("small").normalize());
        if cash.total.is_zero() && total.is_none() {
            continue;
        }
        seen += 1;
        assert_eq!(total, Some(cash.total.normalize()), "SEED=7: {} {asset}", wallet.as_str());
    }
    assert!(seen > 1, "SEED=7: hardly a ledger");
}

#[test]
fn an_account_is_kept_to_the_last_digit_and_nothing_is_called_a_difference_in_peace() {
    for venue in ["doex", "duedex"] {
        let mut bench = Bench::new(venue, private(venue), 10_000, &FaultPlan::default(), Resume::default());
        bench.run(600, Duration::from_secs(1), true);
        let text = bench.metrics.render();
        assert!(
            text.contains(&format!("venuekit_account_drift_total{{venue=\"{venue}\"}} 0")),
            "{venue}: {text}"
        );
        // Whatever is on its way arrives.
        let now = bench.rig.now();
        bench.rig.front.set_rate(now, 0);
        bench.run(5, Duration::from_secs(1), true);
        assert_same_ledgers(&bench);
    }
}

#[test]
fn a_message_that_was_left_out_in_silence_is_found_by_comparing() {
    let mut bench = Bench::new("doex", private("doex"), 10_000, &FaultPlan::default(), Resume::default());
    bench.run(30, Duration::from_secs(1), true);
    let now = bench.rig.now();
    // As many as there are in a minute and a half: what one leaves out, the next would mend.
    for _ in 0..400 {
        bench.rig.front.inject(now, Strike { target: Target::Stream("balance".into()), fault: Harm::Drop });
    }
    bench.run(240, Duration::from_secs(1), true);
    let text = bench.metrics.render();
    let drift = text.lines().find(|line| line.starts_with("venuekit_account_drift_total")).expect("counted");
    assert!(!drift.ends_with(" 0"), "SEED=7: {drift}");
    let now = bench.rig.now();
    bench.rig.front.set_rate(now, 0);
    bench.run(130, Duration::from_secs(1), true);
    assert_same_ledgers(&bench);
}

/// Every order, fill and movement of the simulated account is a row, each once, with the venue's own numbers.
#[test]
fn an_accounts_own_rows_are_those_of_the_venue() {
    for venue in ["doex", "duedex"] {
        let mut bench = Bench::new(venue, private(venue), 10_000, &FaultPlan::default(), Resume::default());
        bench.run(300, Duration::from_secs(1), true);
        let now = bench.rig.now();
        bench.rig.front.set_rate(now, 0);
        bench.run(5, Duration::from_secs(1), true);
        let (_, owned) = store(&bench.rows);
        let account = bench.rig.front.account();
        let told: usize = account.fills().count();
        assert!(told > 3, "SEED=7: {venue} filled {told} times");
        assert_eq!(owned.fills.len(), told, "SEED=7: {venue}");
        let sum = |all: &mut dyn Iterator<Item = rust_decimal::Decimal>| {
            all.sum::<rust_decimal::Decimal>().normalize()
        };
        let decimal = |text: &String| text.parse::<rust_decimal::Decimal>().expect("a number");
        assert_eq!(
            sum(&mut owned.fills.iter().map(|fill| decimal(&fill.fee))),
            sum(&mut account.fills().map(|fill| fill.fee)),
            "SEED=7: the fees of {venue}"
        );
        // Whatever was filled is an order that came to stand so.
        let filled = |fill: &venuekit_store::Fill, state: &venuekit_store::OrderState| {
            state.venue_order_id == fill.venue_order_id && decimal(&state.cum_qty) >= decimal(&fill.last_qty)
        };
        for fill in &owned.fills {
            let state = owned.orders.iter().any(|state| filled(fill, state));
            assert!(state, "SEED=7: {venue}: {fill:?} fills no order");
        }
        if venue == "doex" {
            let movements: BTreeMap<&str, usize> =
                owned.movements.iter().fold(BTreeMap::new(), |mut all, row| {
                    *all.entry(&*row.kind).or_default() += 1;
                    all
                });
            assert!(movements.values().sum::<usize>() > 0, "SEED=7: {movements:?}");
        }
    }
}

/// What a store keeps of an account.
struct Owned {
    orders: Vec<venuekit_store::OrderState>,
    fills: Vec<venuekit_store::Fill>,
    movements: Vec<venuekit_store::Movement>,
}

/// Stores rows twice, as after a crash before the acknowledgement, and reads an account's own back.
fn store(rows: &[Row]) -> (tempfile::TempDir, Owned) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let world = World::Sim { run_id: "7".into() };
    let mut sink = Sqlite::open(&path, &world, OpenMode::Resume).expect("opens");
    let own = |row: &&Row| matches!(row, Row::OrderState(_) | Row::Fill(_) | Row::Movement(_));
    let batch = Batch { rows: rows.iter().filter(own).cloned().collect(), cursors: Vec::new() };
    let first = sink.commit(&batch).expect("commits");
    assert_eq!(first.refused, [], "SEED=7: a row contradicts another");
    assert_eq!(sink.commit(&batch).expect("commits").total().new, 0);
    let reader = Reader::open(&path).expect("opens");
    let owner = venuekit_store::Owner::new(rows_venue(&batch.rows), crate::ledgers::ACCOUNT);
    let mut owned = Owned { orders: Vec::new(), fills: Vec::new(), movements: Vec::new() };
    reader.order_states(&owner, |row| owned.orders.push(row)).expect("reads");
    reader.fills(&owner, |row| owned.fills.push(row)).expect("reads");
    reader.movements(&owner, |row| owned.movements.push(row)).expect("reads");
    (dir, owned)
}

fn rows_venue(rows: &[Row]) -> Arc<str> {
    let of = rows.iter().find_map(|row| match row {
        Row::OrderState(row) => Some(Arc::clone(&row.desk.owner.venue)),
        _ => None,
    });
    of.expect("an order")
}

/// I5: when the queue is full, market data is shed and what an account did is not.
#[test]
fn an_accounts_own_rows_pass_a_full_queue() {
    let wants = [Bench::public("doex"), private("doex")].concat();
    let mut bench = Bench::new("doex", wants, 50, &FaultPlan::default(), Resume::default());
    // Nobody takes: what has no room is shed.
    bench.run(120, Duration::from_secs(1), false);
    assert!(bench.tally().shed_rows > 0, "SEED=7: nothing was shed");
    bench.take();
    let fills = bench.rows.iter().filter(|row| matches!(row, Row::Fill(_))).count();
    let told = bench.rig.front.account().fills().count();
    assert!(told > 0 && fills >= told - 1, "SEED=7: {fills} of {told} fills were kept");
}

/// A session of one market, and its gate.
fn warm(queue_rows: usize) -> (Bench, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let tenure = Tenure {
        session: 1,
        only: Only::new(|symbol| symbol.as_str() == "BTC/USDT"),
        gate: Arc::clone(&gate),
        reserve: Arc::new(|_| panic!("the rig answers epochs")),
    };
    let (wants, calm) = (Bench::public("doex"), FaultPlan::default());
    let bench = Bench::shared("doex", wants, queue_rows, &calm, Resume::default(), Some(tenure));
    (bench, gate)
}

#[test]
fn a_session_keeps_its_rows_until_it_has_a_lease_and_closes_what_was_left() {
    let (mut bench, gate) = warm(1_000_000);
    bench.run(10, Duration::from_secs(1), true);
    assert_eq!(bench.rows.len(), 0, "nobody may store them yet");
    let market = Market::new("doex", "BTC/USDT".parse().expect("a symbol"));
    let left = Gap {
        market: market.clone(),
        channel: Cow::Borrowed("trades"),
        epoch: None,
        from_seq: None,
        to_seq: None,
        cause: Cow::Borrowed("closed"),
        detected_at: UnixNanos(5),
        healed_at: None,
    };
    let cursor = venuekit_store::Cursor {
        market: market.clone(),
        channel: Cow::Borrowed("book"),
        epoch: 3,
        last_seq: 40,
        ts_local: UnixNanos(6),
    };
    gate.open(7, Some(Resume { cursors: vec![cursor], open_gaps: vec![left], ..Resume::default() }));
    let opened_at = bench.rig.now().wall;
    bench.rig.run_for(Duration::from_secs(1), &mut bench.kept);
    let work = bench.queue.take(usize::MAX, Duration::ZERO);
    assert!(work.chunks.iter().all(|chunk| (chunk.fence, chunk.session) == (Some(7), 1)));
    bench.rows.extend(work.chunks.into_iter().flat_map(|chunk| chunk.items).map(|item| item.row));
    let is_its = |row: &Row| match row {
        Row::Instrument(row) => row.terms.symbol == market.symbol,
        Row::Trade(row) => row.market == market,
        Row::BookChange(row) => row.market == market,
        Row::Ticker(row) => row.market == market,
        Row::Candle(row) => row.market == market,
        Row::Gap(row) => row.market == market,
        _ => false,
    };
    assert!(bench.rows.iter().all(is_its), "its own market alone");
    // What came before the lease is there, from the snapshot on.
    let is_early = |row: &&Row| matches!(row, Row::BookChange(change) if change.ts_local < opened_at);
    assert!(bench.rows.iter().filter(is_early).count() > 20);
    assert_eq!(check_books(&bench.rows, &bench.rig.front), 1);
    // The gap of the one before, and the time from its last row to our first.
    let gaps: Vec<_> = gaps(&bench.rows).into_iter().collect();
    let found: Vec<_> =
        gaps.iter().map(|((_, channel, _), (cause, healed))| (&**channel, &**cause, *healed)).collect();
    assert_eq!(found, [("book", "not_running", true), ("trades", "closed", true)]);
    let first = bench.rows.iter().find_map(|row| match row {
        Row::BookChange(change) => Some(change.ts_local),
        _ => None,
    });
    assert!(gaps[0].0.2 <= first.expect("a book"), "it was noticed when the session began");
    assert_eq!(bench.tally().gaps_open, 0);
}

#[test]
fn what_a_session_cannot_keep_is_given_up_by_name() {
    let (mut bench, gate) = warm(1_000_000);
    bench.run(5, Duration::from_secs(1), true);
    // As if the one that holds the shard did not hand it over for long.
    let row = Row::Gap(Box::new(rows::shed_gap(
        &Market::new("doex", "BTC/USDT".parse().expect("a symbol")),
        Cow::Borrowed("book"),
        None,
        None,
        UnixNanos(1),
    )));
    let filler = || Item { stream: None, row: row.clone() };
    bench.kept.feed.items.extend(std::iter::repeat_with(filler).take(shared::WARM_ROWS_MAX + 1));
    bench.run(5, Duration::from_secs(1), true);
    let kept = bench.kept.feed.items.len();
    assert!(kept < 20, "{kept} rows are kept");
    gate.open(7, None);
    bench.run(30, Duration::from_secs(1), true);
    bench.finish();
    let gaps = gaps(&bench.rows);
    assert!(gaps.len() >= 3 && gaps.values().all(|(cause, healed)| cause == "shed" && *healed), "{gaps:?}");
    assert_eq!(check_books(&bench.rows, &bench.rig.front), 1);
    assert_eq!(bench.tally().gaps_open, 0);
}

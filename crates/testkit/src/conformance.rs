//! The suite that every adapter passes: one function per promise, run by the [`conformance!`](crate::conformance!)
//! macro over a [`Subject`].

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use venuekit_book::{Cause, Checksum, Linkage, State};
use venuekit_session::tape::{Kind, Row};
use venuekit_session::{
    About, CloseReason, Config, Emission, Event, Input, Replay, Report, Session, StreamId, Survey, Want,
};
use venuekit_sign::Credentials;
use venuekit_sim::faults::{Command, Fault, FaultPlan, Target};
use venuekit_sim::venue::VenueSim;
use venuekit_sim::{ApiKey, Permissions};
use venuekit_types::{Instrument, Mono, Now};
use venuekit_venue::spec::{Login, Proof, Resync, RowIds, SnapshotSource};
use venuekit_venue::{
    Ask, AskKind, Body, BookBody, Broken, BrokenWhy, Catalog, Channel, Data, DataKind, Event as Decoded,
    EventBuf, MarketId, Pass, Place, Row as Told, Say, Token, Topic, Venue,
};

use crate::account::Told as Account;
use crate::oracle::Judge;
use crate::overhear::Overhear;
use crate::rig::{Rig, Watch};
use crate::scenario::{SimSeed, Subject, unhealed, wants};
use crate::tweak::Tweaked;

/// Writes one test per promise. The argument makes the subject.
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance!(@each $subject;
            capabilities_match_what_is_implemented
            a_lost_message_is_noticed_at_the_next_and_healed
            a_closed_connection_is_opened_again_and_everything_subscribed
            a_refused_login_stops_and_public_streams_go_on
            a_changed_key_costs_no_message
            a_key_that_is_changed_for_a_wrong_one_stops_the_account_alone
            a_message_is_one_transaction
            broken_input_is_an_event
            a_stalled_stream_is_found_out_while_its_socket_answers
            a_planned_reconnect_loses_nothing
            a_server_that_is_down_is_not_hammered
            no_secret_is_told
            a_recorded_tape_replays_to_the_same_books
            a_tape_of_frames_alone_is_followed_by_what_they_name
            a_seed_gives_one_trace
            a_snapshot_that_outlives_its_connection_revives_nothing
            a_first_state_that_breaks_in_its_own_rows_is_healed_and_not_told_as_live
        );
    };
    (@each $subject:expr; $($name:ident)+) => {
        $(#[test]
        fn $name() {
            $crate::conformance::$name(&$subject);
        })+
    };
}

const SEED: u64 = 11;

/// A quiet simulation under a session that follows everything.
fn rig_of(subject: &Subject, venue: Arc<dyn Venue>, credentials: Option<Credentials>) -> Rig<VenueSim> {
    let start = Rig::<VenueSim>::epoch();
    let sim =
        (subject.sim)(SimSeed { seed: SEED, start, rate: 100, history: 4_096, faults: FaultPlan::default() });
    let config = Config {
        wants: wants(venue.as_ref(), credentials.is_some()),
        credentials,
        seed: SEED,
        ..Config::default()
    };
    let session = Session::new(venue, config).expect("every channel can be asked for");
    Rig::new(session, sim, start, SEED)
}

fn rig(subject: &Subject) -> Rig<VenueSim> {
    rig_of(subject, Arc::clone(&subject.venue), subject.credentials.map(|make| make(SEED)))
}

/// Runs until everything is live.
fn settle(rig: &mut Rig<VenueSim>, judge: &mut Judge) {
    let healed = rig.run_until(Duration::from_secs(90), judge, |rig| unhealed(rig).is_empty());
    assert!(healed, "SEED={SEED}: never wholly live: {:?}", unhealed(rig));
}

fn assert_clean(judge: &Judge) {
    assert!(judge.divergences.is_empty(), "SEED={SEED}: {:#?}", judge.divergences);
    assert!(judge.compared > 0, "no book was compared with the truth");
}

/// A book stream, and the name by which the simulator strikes it.
fn a_book(rig: &Rig<VenueSim>, subject: &Subject) -> (StreamId, String) {
    let status = rig.session.streams().find(|s| s.info.channel == Channel::Book).expect("a book is followed");
    (status.info.stream, (subject.book_stream)(status.info))
}

fn strike(rig: &mut Rig<VenueSim>, stream: &str, fault: Fault) {
    let now = rig.now();
    rig.front.inject(now, Command { target: Target::Stream(stream.to_owned()), fault });
}

/// Every channel that a spec offers has a rule, a subscription, and the requests that its rule needs.
pub fn capabilities_match_what_is_implemented(subject: &Subject) {
    let venue = &subject.venue;
    let mut catalog = Catalog::new();
    let rig = {
        let mut rig = rig(subject);
        settle(&mut rig, &mut Judge::new());
        rig
    };
    for (product, spec) in venue.specs().iter().enumerate() {
        for (_, instrument) in rig.session.catalog(product).iter() {
            catalog.put(Instrument::clone(instrument));
        }
        // What trades another product's markets need not have streams.
        let has_sockets = !spec.sockets.is_empty() || spec.markets_of.is_some();
        assert!(!spec.hosts.is_empty() && has_sockets, "{}: no host or socket", spec.product);
        let ask = |ask: Ask| venue.ask(Place { product, socket: 0, catalog: &catalog }, &ask);
        assert!(ask(Ask::Instruments).is_some(), "{}: no list of instruments", spec.product);
        let market = MarketId(0);
        for (socket, rules) in spec.sockets.iter().enumerate() {
            for &channel in &rules.carries {
                let ruled = if channel == Channel::Book {
                    !spec.books.is_empty()
                } else {
                    spec.channel(channel).is_some()
                };
                assert!(ruled, "{} {channel}: offered without a rule", spec.product);
                if matches!(rules.login, Login::ListenKey { .. } | Login::SignedFrame { auto_topics: true }) {
                    continue;
                }
                let topic = Topic { channel, market: (!channel.is_private()).then_some(market) };
                let token = Token("a-token".to_owned());
                let credentials =
                    subject.credentials.map(|make| make(SEED)).unwrap_or_else(|| Credentials::new("key", ""));
                let credentials = &credentials;
                let pass = match rules.login {
                    _ if !channel.is_private() => None,
                    Login::RestToken { .. } => Some(Pass::Token(&token)),
                    Login::Challenge { proof: Proof::EachSubscribe } => {
                        Some(Pass::Challenge { credentials, challenge: "a-text" })
                    }
                    _ => None,
                };
                for say in [
                    Say::Subscribe { id: 1, topics: &[topic], pass },
                    Say::Unsubscribe { id: 2, topics: &[topic], pass },
                ] {
                    let mut bytes = Vec::new();
                    let place = Place { product, socket, catalog: &catalog };
                    assert!(venue.say(place, say, &mut bytes), "{} {channel}: {say:?}", spec.product);
                    assert!(!bytes.is_empty(), "{} {channel}: says nothing", spec.product);
                }
            }
        }
        for book in &spec.books {
            if book.snapshot == SnapshotSource::Rest || book.resync == Resync::Refetch {
                let depth =
                    ask(Ask::Depth { market, levels: book.rest_depths.last().copied().unwrap_or_default() });
                assert!(depth.is_some(), "{}: needs a REST book and has none", spec.product);
            }
        }
        for channel in spec.channels.iter().filter(|c| c.ids == RowIds::Contiguous && !c.snapshot) {
            let trades = ask(Ask::Trades { market, from: Some(1), limit: 10 });
            assert!(trades.is_some(), "{}: {} cannot be filled", spec.product, channel.name);
        }
    }
}

/// B2: one lost message, and the very next one makes the book unreadable; then it heals and is true again.
pub fn a_lost_message_is_noticed_at_the_next_and_healed(subject: &Subject) {
    let (mut rig, mut judge) = (rig(subject), Judge::new());
    settle(&mut rig, &mut judge);
    let (book, name) = a_book(&rig, subject);
    let before = rig.session.report();
    strike(&mut rig, &name, Fault::Drop);
    let lost =
        rig.run_until(Duration::from_secs(20), &mut judge, |rig| rig.session.book(book, rig.now()).is_err());
    assert!(lost, "SEED={SEED}: the loss was never noticed");
    let gap = rig.session.streams().find(|s| s.info.stream == book).and_then(|s| s.gap).expect("a reason");
    // Where messages have no numbers, it is their checksum that shows it.
    let is_summed = subject.venue.specs().iter().flat_map(|spec| &spec.books).any(|book| {
        book.linkage == Linkage::Unnumbered && gap.cause == Cause::Checksum && book.checksum != Checksum::None
    });
    assert!(gap.cause == Cause::Sequence || is_summed, "{gap}");
    assert!(gap.expected.is_some() && gap.got.is_some(), "the reason holds the two numbers: {gap}");
    settle(&mut rig, &mut judge);
    rig.run_for(Duration::from_secs(5), &mut judge);
    assert_clean(&judge);
    let after = rig.session.report();
    let gaps = |report: &venuekit_session::Report| report.books.values().map(|b| b.gaps).sum::<u64>();
    assert_eq!(gaps(&after), gaps(&before) + 1, "one loss is one gap");
    assert_eq!((judge.open_gaps(), judge.gaps), (0, judge.healed));
}

/// A cut connection is opened again, and every stream comes back without anyone asking.
pub fn a_closed_connection_is_opened_again_and_everything_subscribed(subject: &Subject) {
    let (mut rig, mut judge) = (rig(subject), Judge::new());
    settle(&mut rig, &mut judge);
    let streams = rig.session.streams().count();
    for _ in 0..3 {
        let now = rig.now();
        rig.front.inject(now, Command::all(Fault::Close));
        let noticed = rig.run_until(Duration::from_secs(5), &mut judge, |rig| !unhealed(rig).is_empty());
        assert!(noticed, "SEED={SEED}: the close was not noticed");
        settle(&mut rig, &mut judge);
    }
    assert_eq!(rig.session.streams().count(), streams);
    assert_clean(&judge);
    assert_eq!(judge.open_gaps(), 0);
}

/// A wrong secret means two attempts and no third; public streams never notice.
pub fn a_refused_login_stops_and_public_streams_go_on(subject: &Subject) {
    let Some(make) = subject.credentials else { return };
    let mut credentials = make(SEED);
    credentials.secret = make(SEED + 1).secret;
    let heard = Overhear::new(Arc::clone(&subject.venue));
    let mut rig = rig_of(subject, Arc::clone(&heard) as Arc<dyn Venue>, Some(credentials));
    let mut judge = Judge::new();
    rig.run_for(Duration::from_secs(60), &mut judge);
    // Where a token opens the stream, the wrong secret shows at the first read that is signed.
    let asked = rig.requests().iter().filter(|sent| sent.kind == AskKind::OpenToken).count();
    let logins = heard.logins() + asked;
    assert!((1..=2).contains(&logins), "SEED={SEED}: {logins} login attempts in 60 s");
    let refused: u64 = rig.statuses().iter().filter(|(status, _)| **status >= 400).map(|(_, n)| n).sum();
    assert!(refused <= 8, "SEED={SEED}: {refused} refusals in 60 s");
    for status in rig.session.streams() {
        let (info, private) = (status.info, status.info.channel.is_private());
        assert_eq!(status.stopped.is_some(), private, "{} {}", info.venue_symbol, info.channel);
        assert_eq!(status.state == State::Live, !private, "{} {}", info.venue_symbol, info.channel);
    }
    let gaps_of_public = judge.gaps;
    assert_eq!(gaps_of_public, 0, "a bad key disturbed a public stream");
    assert_clean(&judge);
}

/// What happens to connections and streams after a change of key.
#[derive(Default)]
struct Change {
    judge: Judge,
    /// Why connections ended.
    ended: Vec<&'static str>,
    gaps: Vec<StreamId>,
    /// Books that began anew.
    snapshots: u32,
    refused: Vec<String>,
}

impl Watch<VenueSim> for Change {
    fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
        match emission.event {
            Event::Disconnected { reason, .. } => {
                self.ended.push(reason.map_or("closed by the venue", CloseReason::as_str))
            }
            Event::GapOpened(gap) => self.gaps.push(gap.stream),
            Event::Book(change) if change.is_snapshot => self.snapshots += 1,
            Event::Fault { route, fault, .. } => self.refused.push(format!("{route}: {fault}")),
            _ => {}
        }
        self.judge.event(now, emission, sim);
    }

    fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
        self.judge.round(now, session, sim);
    }
}

/// A run in which everything is live, and another key of the account it follows.
fn rig_with_two_keys(subject: &Subject) -> Option<(Rig<VenueSim>, Change, Credentials, Credentials)> {
    let make = subject.credentials?;
    let (old, new) = (make(SEED), make(SEED + 1));
    assert_ne!(old.key, new.key, "two keys have two names");
    let (mut rig, mut change) = (rig(subject), Change::default());
    rig.front.add_key(ApiKey::new(new.clone(), Permissions::TRADE));
    settle(&mut rig, &mut change.judge);
    Some((rig, change, old, new))
}

fn private_live(rig: &Rig<VenueSim>) -> bool {
    rig.session.streams().filter(|s| s.info.channel.is_private()).all(|s| s.state == State::Live)
}

/// C2: the key is changed while everything runs. Nobody misses a message, public or private; soon the old key opens
/// nothing any more and may be taken away.
pub fn a_changed_key_costs_no_message(subject: &Subject) {
    let Some((mut rig, mut change, old, new)) = rig_with_two_keys(subject) else { return };
    rig.tell(Input::Credentials { credentials: &new }, &mut change);
    rig.run_for(Duration::from_secs(5), &mut change);
    assert!(!change.ended.is_empty(), "SEED={SEED}: no connection was replaced");
    assert!(private_live(&rig), "SEED={SEED}: {:?}", unhealed(&rig));
    let now = rig.now();
    assert!(rig.front.revoke_key(now, &old.key), "the old key was known");
    // Long enough for every state to be compared by REST, and every token to be used.
    rig.run_for(Duration::from_secs(200), &mut change);
    assert!(unhealed(&rig).is_empty(), "SEED={SEED}: {:?}", unhealed(&rig));
    assert!(change.ended.iter().all(|why| *why == "rotated"), "SEED={SEED}: {:?}", change.ended);
    assert_eq!((&change.gaps, change.snapshots), (&Vec::new(), 0), "SEED={SEED}: something began anew");
    let is_refused = |text: &String| text.contains("credentials");
    assert!(!change.refused.iter().any(is_refused), "SEED={SEED}: {:?}", change.refused);
    assert_clean(&change.judge);
    change.judge.assert_no_trade_missing(&rig.front);
}

/// C2: a key that does not open the account is tried, named, and not tried again; the right one heals it all.
pub fn a_key_that_is_changed_for_a_wrong_one_stops_the_account_alone(subject: &Subject) {
    let Some((mut rig, mut change, old, new)) = rig_with_two_keys(subject) else { return };
    let wrong = Credentials { secret: old.secret.clone(), ..new.clone() };
    let asked = |rig: &Rig<VenueSim>| rig.requests().len();
    rig.tell(Input::Credentials { credentials: &wrong }, &mut change);
    rig.run_for(Duration::from_secs(60), &mut change);
    for status in rig.session.streams() {
        let (info, private) = (status.info, status.info.channel.is_private());
        assert_eq!(status.stopped.is_some(), private, "{} {}", info.venue_symbol, info.channel);
        assert_eq!(status.state == State::Live, !private, "{} {}", info.venue_symbol, info.channel);
    }
    let signed = |rig: &Rig<VenueSim>| {
        let kinds = [AskKind::OpenToken, AskKind::Balances, AskKind::OpenOrders, AskKind::Positions];
        rig.requests().iter().filter(|sent| kinds.contains(&sent.kind)).count()
    };
    let (connects, reads) = (rig.connects().len(), signed(&rig));
    rig.run_for(Duration::from_secs(120), &mut change);
    assert_eq!((rig.connects().len(), signed(&rig)), (connects, reads), "SEED={SEED}: it goes on trying");
    assert!(
        asked(&rig) > 0 && change.gaps.is_empty() && change.snapshots == 0,
        "SEED={SEED}: a public stream moved"
    );
    assert!(change.refused.iter().any(|text| text.contains("credentials")), "{:?}", change.refused);
    rig.tell(Input::Credentials { credentials: &new }, &mut change);
    assert!(
        rig.run_until(Duration::from_secs(5), &mut change, private_live),
        "SEED={SEED}: {:?}",
        unhealed(&rig)
    );
    assert!(unhealed(&rig).is_empty(), "SEED={SEED}: {:?}", unhealed(&rig));
    assert_clean(&change.judge);
}

/// B5: nobody sees a book between the levels of one message: every state seen is that of a whole message.
pub fn a_message_is_one_transaction(subject: &Subject) {
    // The judge compares after every message and fails on any state that is no message's.
    let (mut rig, mut judge) = (rig(subject), Judge::new());
    settle(&mut rig, &mut judge);
    rig.run_for(Duration::from_secs(20), &mut judge);
    assert_clean(&judge);
    assert_eq!(judge.forgotten, 0, "a state that belongs to no message was seen");
}

/// S4: whatever arrives is read to an event, and the streams that were live are so again soon after.
pub fn broken_input_is_an_event(subject: &Subject) {
    struct Count(u64);
    impl Watch<VenueSim> for Count {
        fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
            if let Event::Broken { broken: Broken { .. }, .. } = emission.event {
                self.0 += 1;
            }
        }
    }
    let mut rig = rig(subject);
    settle(&mut rig, &mut Judge::new());
    let deep = "[".repeat(100_000);
    let wide = format!("[{}1]", "1,".repeat(200_000));
    let inputs: [&[u8]; 12] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{\"type\":\"update\"}",
        b"{\"e\":\"depthUpdate\"}",
        b"{\"type\":\"nonsense\",\"channel\":\"level2\"}",
        b"{\"e\":\"nonsense\"}",
        b"NaN",
        deep.as_bytes(),
        wide.as_bytes(),
    ];
    let mut count = Count(0);
    for input in inputs {
        let before = count.0;
        let conn = rig.session_conn().expect("a connection is open");
        rig.tell(Input::Frame { conn, bytes: input }, &mut count);
        assert_eq!(count.0, before + 1, "{} bytes were read to nothing", input.len());
    }
    let mut judge = Judge::new();
    settle(&mut rig, &mut judge);
    // Cut at every byte, a real frame is broken or whole, and never a panic.
    let mut out = EventBuf::new();
    let frames: Vec<String> = rig.received().iter().take(50).cloned().collect();
    for frame in frames {
        for end in 0..frame.len() {
            if frame.is_char_boundary(end) {
                out.clear();
                let place = Place { product: 0, socket: 0, catalog: rig.session.catalog(0) };
                subject.venue.decode(place, &frame.as_bytes()[..end], &mut out);
                assert!(!out.events.is_empty(), "cut at {end}, a frame was read to nothing");
            }
        }
    }
}

/// S1: data stops, the socket stays open and answers pings: found out within the deadline and a second.
pub fn a_stalled_stream_is_found_out_while_its_socket_answers(subject: &Subject) {
    let (mut rig, mut judge) = (rig(subject), Judge::new());
    settle(&mut rig, &mut judge);
    let (book, _) = a_book(&rig, subject);
    let deadline = subject.venue.specs()[0].books[0].usual_gap.saturating_mul(20);
    let deadline = deadline.clamp(Duration::from_secs(10), Duration::from_secs(30));
    let now = rig.now();
    rig.front.inject(now, Command::all(Fault::Stall(None)));
    let stalled_at = rig.now().mono;
    let found =
        rig.run_until(Duration::from_secs(60), &mut judge, |rig| rig.session.book(book, rig.now()).is_err());
    let took = rig.now().mono.since(stalled_at);
    assert!(found && took <= deadline + Duration::from_secs(1), "SEED={SEED}: found out after {took:?}");
    let gap = rig.session.streams().find(|s| s.info.stream == book).and_then(|s| s.gap).expect("a reason");
    assert!(matches!(gap.cause, Cause::Silent | Cause::Closed), "{gap}");
    let healed = rig.run_until(Duration::from_secs(60), &mut judge, |rig| unhealed(rig).is_empty());
    assert!(healed, "SEED={SEED}: {:?}", unhealed(&rig));
    assert_clean(&judge);
}

/// S2: the connection is changed before the venue's age limit, two of them overlap, and no message is lost.
pub fn a_planned_reconnect_loses_nothing(subject: &Subject) {
    struct Rotations(u32);
    impl Watch<VenueSim> for Rotations {
        fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
            if let Event::Disconnected { reason: Some(CloseReason::Rotated), .. } = emission.event {
                self.0 += 1;
            }
        }
    }
    struct Both<'a>(&'a mut Judge, &'a mut Rotations);
    impl Watch<VenueSim> for Both<'_> {
        fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
            self.0.event(now, emission, sim);
            self.1.event(now, emission, sim);
        }
        fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
            self.0.round(now, session, sim);
        }
    }
    let young: Arc<dyn Venue> = Arc::new(Tweaked::new(Arc::clone(&subject.venue), |spec| {
        for socket in &mut spec.sockets {
            socket.limits.max_age = Some(Duration::from_secs(60));
        }
    }));
    let mut rig = rig_of(subject, young, subject.credentials.map(|make| make(SEED)));
    let (mut judge, mut rotations) = (Judge::new(), Rotations(0));
    judge.log = Some(Vec::new());
    settle(&mut rig, &mut judge);
    rig.run_for(Duration::from_secs(200), &mut Both(&mut judge, &mut rotations));
    assert!(rotations.0 >= 3, "SEED={SEED}: {} rotations in 200 s", rotations.0);
    assert_clean(&judge);
    let log = judge.log.take().unwrap_or_default();
    let gaps: Vec<&String> = log.iter().filter(|line| line.contains("GapOpened")).collect();
    assert!(gaps.is_empty(), "SEED={SEED}: a planned reconnect opened a gap: {gaps:#?}");
    let left: Vec<&String> =
        log.iter().filter(|line| line.contains("State") && line.contains("from: Live")).collect();
    assert!(left.is_empty(), "SEED={SEED}: a planned reconnect took a stream from live: {left:#?}");
    judge.assert_no_trade_missing(&rig.front);
}

/// S2: ten minutes without a server mean few attempts in the first minute, and all is up soon after it returns.
pub fn a_server_that_is_down_is_not_hammered(subject: &Subject) {
    let (mut rig, mut judge) = (rig(subject), Judge::new());
    settle(&mut rig, &mut judge);
    let down_at = rig.now().mono;
    let back_at = down_at.plus(Duration::from_secs(600));
    rig.weather.down_until = Some(back_at);
    let now = rig.now();
    rig.front.inject(now, Command::all(Fault::Close));
    rig.run_for(Duration::from_secs(600), &mut judge);
    let within = |from: Mono, span: Duration| {
        rig.connects().iter().filter(|at| **at >= from && at.since(from) < span).count()
    };
    let first_minute = within(down_at, Duration::from_secs(60));
    assert!(first_minute <= 20, "SEED={SEED}: {first_minute} attempts in the first minute");
    assert!(within(down_at, Duration::from_secs(600)) >= 10, "it gave up");
    let up = rig.run_until(Duration::from_secs(35), &mut judge, |rig| {
        rig.session.streams().filter(|s| s.info.channel == Channel::Book).all(|s| s.state == State::Live)
    });
    assert!(up, "SEED={SEED}: not up 35 s after the server returned: {:?}", unhealed(&rig));
    assert_clean(&judge);
}

/// X1: neither key nor secret appears in anything a session says, or on its tape.
pub fn no_secret_is_told(subject: &Subject) {
    let Some(make) = subject.credentials else { return };
    let credentials = make(SEED);
    let heard = Overhear::new(Arc::clone(&subject.venue));
    let mut rig = rig_of(subject, Arc::clone(&heard) as Arc<dyn Venue>, Some(credentials.clone()));
    rig.record(&About { venue: "x".into(), ..About::default() });
    let mut judge = Judge::new();
    judge.log = Some(Vec::new());
    settle(&mut rig, &mut judge);
    rig.run_for(Duration::from_secs(5), &mut judge);
    let mut said: String = judge.log.take().unwrap_or_default().join("\n");
    for row in rig.tape() {
        said.push_str(&row.to_line());
    }
    said.push_str(&format!("{:?} {credentials:?}", rig.session.report()));
    let secret = String::from_utf8_lossy(credentials.secret.expose()).into_owned();
    // A token that opens a stream stands at the end of the path.
    let fixed: Vec<&str> = subject.venue.specs().iter().flat_map(|s| &s.sockets).map(|s| &*s.path).collect();
    let paths = rig.paths().iter().filter(|path| !fixed.contains(&path.as_str()));
    let tokens = paths.filter_map(|path| path.rsplit('/').next()).filter(|name| name.len() > 8);
    let proofs = heard.proofs();
    let answers: Vec<&str> = proofs.iter().map(String::as_str).chain(tokens).collect();
    assert!(!answers.is_empty(), "no login was made, so nothing was shown");
    for canary in
        [secret.as_str(), credentials.key.as_str(), &hex::encode(&secret)].into_iter().chain(answers)
    {
        assert!(!said.contains(canary), "a secret was told");
    }
}

/// What a tape recorded is what it replays to: the same books, counts and events.
pub fn a_recorded_tape_replays_to_the_same_books(subject: &Subject) {
    let start = Rig::<VenueSim>::epoch();
    let faults = FaultPlan::profile("heavy", SEED).expect("it exists");
    let sim = (subject.sim)(SimSeed { seed: SEED, start, rate: 60, history: 4_096, faults });
    let wants: Vec<Want> = wants(subject.venue.as_ref(), false);
    let config = Config { wants, seed: SEED, ..Config::default() };
    let fresh = || Session::new(Arc::clone(&subject.venue), config.clone()).expect("a valid config");
    let mut rig = Rig::new(fresh(), sim, start, SEED);
    rig.record(&About { venue: "x".into(), seed: SEED, ..About::default() });
    let mut judge = Judge::new();
    rig.run_for(Duration::from_secs(40), &mut judge);
    assert_clean(&judge);
    let mut replay = Replay::new(fresh());
    for row in rig.tape() {
        let line = row.to_line();
        let row = venuekit_session::tape::Row::parse(&line).expect("its own line");
        replay.row(&row, &mut |_, _| {});
    }
    let (live, again) = (rig.session.report(), replay.session().report());
    assert!(live.frames > 100 && live.books.values().any(|book| book.updates > 0));
    assert_eq!(live, again, "SEED={SEED}");
}

/// Redacted as it is, a tape of an account holds every figure of it: it replays to the same cash, positions, orders and
/// fills. No part of the suite: a venue may tell more of an account than its [`Venue::public_words`] let a tape keep.
pub fn a_recorded_tape_replays_to_the_same_account(subject: &Subject) {
    let Some(make) = subject.credentials else { return };
    let wants = wants(subject.venue.as_ref(), true);
    let config = Config { wants, credentials: Some(make(SEED)), seed: SEED, ..Config::default() };
    let fresh = || Session::new(Arc::clone(&subject.venue), config.clone()).expect("a valid config");
    let start = Rig::<VenueSim>::epoch();
    let faults = FaultPlan::default();
    let sim = (subject.sim)(SimSeed { seed: SEED, start, rate: 60, history: 0, faults });
    let mut rig = Rig::new(fresh(), sim, start, SEED);
    rig.record(&About { venue: "x".into(), seed: SEED, ..About::default() });
    let (mut live, mut again) = (Account::default(), Account::default());
    rig.run_for(Duration::from_secs(30), &mut live);
    let mut replay = Replay::new(fresh());
    let mut broken = BTreeSet::new();
    for row in rig.tape() {
        replay.row(row, &mut |now, emission| {
            again.hear(now, emission.event);
            if let Event::Broken { broken: what, .. } = emission.event {
                broken.insert(what.detail.clone());
            }
        });
    }
    assert_eq!(broken, BTreeSet::new(), "SEED={SEED}: a word is held back that the venue's frames need");
    assert!(live.rows() > 5, "SEED={SEED}: too little was told");
    assert_eq!(
        live.differences_from(&rig.session, &again, replay.session()),
        Vec::<String>::new(),
        "SEED={SEED}"
    );
}

/// A tape that holds frames and snapshots, but no header, no clock and no list of instruments, ends with the same books.
pub fn a_tape_of_frames_alone_is_followed_by_what_they_name(subject: &Subject) {
    let (mut rig, mut judge) = (rig_of(subject, Arc::clone(&subject.venue), None), Judge::new());
    rig.record(&About::default());
    settle(&mut rig, &mut judge);
    rig.run_for(Duration::from_secs(5), &mut judge);
    let (mut lists, mut survey) = (0, Survey::new(Arc::clone(&subject.venue), None));
    let mut rows = Vec::new();
    for row in rig.tape() {
        let is_list = row.kind == Kind::Http && is_list(subject.venue.as_ref(), row);
        lists += usize::from(is_list);
        if !is_list && matches!(row.kind, Kind::Connect | Kind::Recv | Kind::Close | Kind::Http) {
            rows.push(Row { mono: None, ..row.clone() });
        }
    }
    assert!(lists > 0, "no list of instruments was asked for, so none is missed");
    rows.iter().for_each(|row| survey.row(row));
    let session = Session::new(Arc::clone(&subject.venue), survey.config()).expect("what was seen is there");
    let mut replay = Replay::new(session);
    rows.iter().for_each(|row| replay.row(row, &mut |_, _| {}));
    let (live, again) = (rig.session.report(), replay.session().report());
    let digests = |report: &Report| -> Vec<(String, &str, String)> {
        report.books.iter().map(|(name, book)| (name.clone(), book.state, book.sha256.clone())).collect()
    };
    assert!(live.books.len() > 1, "SEED={SEED}: too few books to tell");
    assert_eq!(digests(&live), digests(&again), "SEED={SEED}");
}

fn is_list(venue: &dyn Venue, row: &Row) -> bool {
    let url = row.url.as_deref().unwrap_or_default();
    let catalog = Catalog::new();
    (0..venue.specs().len()).any(|product| {
        let place = Place { product, socket: 0, catalog: &catalog };
        venue.ask(place, &Ask::Instruments).is_some_and(|request| url.ends_with(&request.target))
    })
}

/// One seed, one trace: nothing depends on anything but the arguments.
pub fn a_seed_gives_one_trace(subject: &Subject) {
    let run = |seed| crate::scenario::run(subject, seed, false).trace;
    assert_eq!(run(SEED), run(SEED));
    assert_ne!(run(SEED), run(SEED + 1));
}

/// A fetched snapshot that arrives after its connection was cut must not make the book live: nothing follows it.
pub fn a_snapshot_that_outlives_its_connection_revives_nothing(subject: &Subject) {
    let (mut rig, mut judge) = (rig(subject), Judge::new());
    settle(&mut rig, &mut judge);
    let (book, name) = a_book(&rig, subject);
    let now = rig.now();
    rig.front.inject(now, Command::all(Fault::SlowSnapshot(Duration::from_secs(2))));
    strike(&mut rig, &name, Fault::Drop);
    let lost =
        rig.run_until(Duration::from_secs(20), &mut judge, |rig| rig.session.book(book, rig.now()).is_err());
    assert!(lost, "SEED={SEED}: the loss was never noticed");
    rig.run_for(Duration::from_millis(200), &mut judge);
    rig.weather.down_until = Some(rig.now().mono.plus(Duration::from_secs(8)));
    let now = rig.now();
    rig.front.inject(now, Command::all(Fault::Close));
    rig.run_for(Duration::from_secs(1), &mut judge);
    let revived =
        rig.run_until(Duration::from_secs(6), &mut judge, |rig| rig.session.book(book, rig.now()).is_ok());
    assert!(!revived, "SEED={SEED}: a book went live without a connection");
    settle(&mut rig, &mut judge);
    assert_clean(&judge);
}

/// The first states of each stream that are spoilt: by their own rows, then by what does not read at all.
const SPOILT: u32 = 2;

/// First states on their way to a session: how many of a stream were spoilt, and whether one has come whole.
type FirstStates = Arc<Mutex<BTreeMap<(usize, Topic), (u32, bool)>>>;

/// A first state whose own rows break it (a checksum that is wrong at once, a row that lacks what a new one needs, a
/// number off the scale) leaves its stream as dead as it was: it is asked for again, and live is told on a whole one.
pub fn a_first_state_that_breaks_in_its_own_rows_is_healed_and_not_told_as_live(subject: &Subject) {
    struct Early<'a>(Judge, &'a FirstStates, Vec<String>);
    impl Watch<VenueSim> for Early<'_> {
        fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
            self.0.event(now, emission, sim);
            let (stream, what) = match emission.event {
                Event::State { stream, to: State::Live, .. } => (*stream, "live"),
                Event::GapHealed(gap) => (gap.stream, "healed"),
                _ => return,
            };
            let Some(info) = self.0.streams().find(|info| info.stream == stream) else { return };
            let key = (info.product, Topic { channel: info.channel, market: info.market });
            if self.1.lock().expect("one thread").get(&key).is_some_and(|(_, whole)| !whole) {
                self.2.push(format!("{} {} was told as {what}", info.venue_symbol, info.channel));
            }
        }
        fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
            self.0.round(now, session, sim);
        }
    }
    let states = FirstStates::default();
    let spoiler = Tweaked::new(Arc::clone(&subject.venue), |_| {}).reading({
        let states = Arc::clone(&states);
        move |place, _, out| {
            let mut states = states.lock().expect("one thread");
            for at in 0..out.events.len() {
                let topic = match &out.events[at] {
                    Decoded::Data(Data { topic, kind: DataKind::Snapshot, .. }) => *topic,
                    _ => continue,
                };
                let (spoilt, whole) = states.entry((place.product, topic)).or_default();
                *whole = *spoilt == SPOILT;
                if !*whole {
                    *spoilt += 1;
                    spoil(out, at, *spoilt == SPOILT);
                }
            }
        }
    });
    let mut rig = rig_of(subject, Arc::new(spoiler), subject.credentials.map(|make| make(SEED)));
    let mut early = Early(Judge::new(), &states, Vec::new());
    // The first states there are, then those that heal what a closed connection broke.
    for round in ["at first", "after a close"] {
        let healed = rig.run_until(Duration::from_secs(120), &mut early, |rig| unhealed(rig).is_empty());
        assert!(healed, "SEED={SEED}: never healed {round}: {:?}", unhealed(&rig));
        rig.run_for(Duration::from_secs(5), &mut early);
        assert_eq!(early.2, Vec::<String>::new(), "SEED={SEED}: {round}");
        assert_clean(&early.0);
        let states = std::mem::take(&mut *states.lock().expect("one thread"));
        assert!(states.len() > 1, "SEED={SEED}: {states:?}");
        assert!(states.values().all(|state| *state == (SPOILT, true)), "SEED={SEED}: {round}: {states:?}");
        let now = rig.now();
        rig.front.inject(now, Command::all(Fault::Close));
        let noticed = rig.run_until(Duration::from_secs(30), &mut early, |rig| !unhealed(rig).is_empty());
        assert!(noticed, "SEED={SEED}: the close was not noticed");
    }
}

/// Makes an event that holds a whole state one that breaks: by its checksum or its rows where they can do so, else, or
/// with `wholly`, by a number that does not read.
fn spoil(out: &mut EventBuf, at: usize, wholly: bool) {
    let Decoded::Data(data) = &mut out.events[at] else { return };
    let topic = Some(data.topic);
    let mut broken = false;
    match &mut data.body {
        _ if wholly => {}
        Body::Book(BookBody { checksum: Some(checksum), .. }) => {
            *checksum ^= 1;
            broken = true;
        }
        Body::Rows(range) => {
            for row in &mut out.rows[range.clone()] {
                match row {
                    Told::Balance(patch) => patch.free = None,
                    Told::Position(patch) => patch.qty = None,
                    Told::Order(patch) => patch.status = None,
                    _ => continue,
                }
                broken = true;
            }
        }
        Body::Book(_) => {}
    }
    if !broken {
        let detail = "a number off its scale".to_owned();
        out.events[at] = Decoded::Broken(Broken { why: BrokenWhy::Number, detail, topic });
    }
}

//! Binance passes the suite, and takes every kind of key that it should.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use venuekit_session::{Config, Session, Want};
use venuekit_sign::Credentials;
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::venue::VenueSim;
use venuekit_sim::{ApiKey, Permissions};
use venuekit_testkit::scenario::{SimSeed, unhealed, wants};
use venuekit_testkit::{Judge, Rig};

venuekit_testkit::conformance!(common::binance());

const SEED: u64 = 5;

/// Both products with their private streams, opened by a key of which the venue knows the same secret.
fn rig(secret: &str) -> Rig<VenueSim> {
    let (subject, start) = (common::binance(), Rig::<VenueSim>::epoch());
    let keys = Credentials::new("a-key-of-its-own", secret);
    let faults = FaultPlan::default();
    let mut sim = (subject.sim)(SimSeed { seed: SEED, start, rate: 20, history: 1_024, faults });
    sim.add_key(ApiKey::new(keys.clone(), Permissions::TRADE));
    let private = |want: &Want| want.channel.is_private();
    let wants = wants(subject.venue.as_ref(), true).into_iter().filter(private).collect();
    let config = Config { wants, credentials: Some(keys), seed: SEED, ..Config::default() };
    Rig::new(Session::new(Arc::clone(&subject.venue), config).expect("valid wishes"), sim, start, SEED)
}

#[test]
fn an_ed25519_key_opens_every_private_stream() {
    let secret = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let mut rig = rig(secret);
    let live = rig.run_until(Duration::from_secs(30), &mut Judge::new(), |rig| {
        rig.session.streams().count() == 7 && unhealed(rig).is_empty()
    });
    assert!(live, "SEED={SEED}: {:?}", unhealed(&rig));
}

#[test]
fn an_rsa_key_stops_them_and_the_reason_names_ed25519() {
    let mut rig = rig("-----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQ==\n-----END RSA PRIVATE KEY-----\n");
    rig.run_for(Duration::from_secs(30), &mut Judge::new());
    let why: Vec<String> = rig
        .session
        .streams()
        .map(|stream| stream.stopped.map(ToString::to_string).unwrap_or_default())
        .collect();
    assert!(why.len() == 7 && why.iter().all(|why| why.contains("Ed25519")), "SEED={SEED}: {why:#?}");
}

//! What the spec says, where the venue's document says it too.

use core::time::Duration;

use venuekit_book::{Early, Linkage, StaleStep, StepFirst};
use venuekit_duedex::DueDex;
use venuekit_venue::spec::{Ack, Heartbeat, Login, Proof, Refusal, Resync, SnapshotSource};
use venuekit_venue::{Channel, Interval, Venue};

#[test]
fn one_socket_for_everything() {
    let venue = DueDex::new();
    let [spec] = venue.specs() else { panic!("one product") };
    assert_eq!((spec.venue.as_str(), spec.product.as_str()), ("duedex", "derivatives"));
    let hosts = |name: &str| spec.hosts.iter().find(|hosts| hosts.environment == name).expect("known");
    assert_eq!(hosts("live").rest, "https://api.duedex.com");
    assert_eq!(hosts("live").stream, "wss://feed.duedex.com");
    assert_eq!(hosts("testnet").rest, "https://api.testnet.duedex.com");
    assert_eq!(hosts("testnet").stream, "wss://feed.testnet.duedex.com");
    let [socket] = &spec.sockets[..] else { panic!("one socket") };
    assert_eq!((socket.path.as_str(), socket.carries.len()), ("/v1/feed", 7));
    assert_eq!(socket.login, Login::Challenge { proof: Proof::Frame });
    let (every, within) = (Duration::from_secs(30), Duration::from_secs(10));
    assert_eq!(socket.heartbeats, [Heartbeat::ClientPing { every, within }]);
    assert!(!spec.offers(Channel::Mark) && !spec.offers(Channel::Candles(Interval::M1)));
}

#[test]
fn a_refusal_closes_and_requests_wait_for_each_other() {
    let venue = DueDex::new();
    let subscribe = &venue.specs()[0].subscribe;
    assert_eq!((subscribe.ack, &subscribe.refusals[..]), (Ack::Listing, &[Refusal::Close][..]));
    assert!(subscribe.one_at_a_time);
}

/// "Does not equal the last sequence plus one": older ones included.
#[test]
fn every_channel_is_counted() {
    let venue = DueDex::new();
    let spec = &venue.specs()[0];
    let step = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Desync };
    let [book] = &spec.books[..] else { panic!("one book channel") };
    assert_eq!((book.linkage, book.early), (step, Early::Buffer));
    assert_eq!((book.snapshot, book.resync), (SnapshotSource::Stream, Resync::Resubscribe));
    for channel in &spec.sockets[0].carries[1..] {
        let rule = spec.channel(*channel).expect("a rule for each channel");
        assert_eq!(
            (rule.linkage, rule.snapshot, rule.resync),
            (step, true, Resync::Resubscribe),
            "{channel}"
        );
    }
}

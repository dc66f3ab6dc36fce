//! What leaves, and what is cut.

use super::*;

#[test]
fn a_connection_that_waits_too_long_is_cut_and_hears_no_more() {
    let mut outbox = Outbox::new(FaultPlan::default(), Mono::default());
    let now = Now::default();
    outbox.accept(now, 1);
    let fault = Fault::Delay(Duration::from_secs(3600));
    outbox.command(now, Command { target: Target::Conn(1), fault });
    let text = Bytes::from_static(b"{}");
    for _ in 0..=WAITING_MAX + 5 {
        outbox.send(now, 1, None, text.clone());
    }
    let left: Vec<FrontOutput> = std::iter::from_fn(|| outbox.poll()).collect();
    assert_eq!(left, [FrontOutput::Accept { conn: 1 }, FrontOutput::Cut { conn: 1 }]);
    assert_eq!(outbox.poll_happened(), Some(Happened::Cut(1)));
    assert_eq!(outbox.poll_happened(), None);
}

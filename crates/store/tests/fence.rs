//! Several workers on one database: only the holder of a lease writes, by the server's clock and nobody else's.
#![cfg(all(unix, feature = "postgres"))]

mod common;
#[path = "common/server.rs"]
mod server;

use std::num::NonZeroU16;
use std::time::Duration;

use common::{change, cursor, fill, gap, instrument, market, movement, order_state, rows, sim, trade};
use server::Server;
use venuekit_store::postgres::{Fence, Lease, Leases, Peer, Postgres, Presence, Standing};
use venuekit_store::{Batch, Counts, Row, Shard, Sink, Table};

const BUCKETS: NonZeroU16 = NonZeroU16::new(4).expect("not zero");

fn shard(symbol: &str) -> Shard {
    Shard::of(&market(symbol), BUCKETS)
}

fn leases(server: &Server, owner: &str, ttl: Duration) -> Leases {
    Leases::connect(&server.dsn(), &sim("1"), owner, ttl).expect("connects")
}

fn sink(server: &Server, owner: &str, leases: Vec<Lease>) -> Postgres {
    let mut sink = Postgres::connect(&server.dsn(), &sim("1")).expect("connects");
    sink.write_under(Fence { owner: owner.to_owned(), buckets: BUCKETS, leases });
    sink
}

/// Makes every lease run out, as time would.
fn expire(server: &Server) {
    server.sql("UPDATE shard SET expires = now() - interval '1 second'");
}

const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn only_the_holder_writes() {
    let Some(server) = Server::start() else { return };
    a_lease_has_one_holder_and_its_fence_grows(&server);
    a_stale_fence_writes_nothing_of_any_table(&server);
    what_is_held_enters_beside_what_is_lost(&server);
    an_accounts_own_rows_have_a_lease_of_their_own(&server);
    a_take_over_waits_for_a_batch_under_way(&server);
    the_dead_leave_the_list(&server);
    a_lease_is_handed_over(&server);
}

fn a_lease_has_one_holder_and_its_fence_grows(server: &Server) {
    let (mut a, mut b) = (leases(server, "a", LONG), leases(server, "b", LONG));
    let btc = shard("BTC/USDT");
    let first = a.take(&btc).expect("asks").expect("is free");
    assert_eq!(b.take(&btc).expect("asks"), None, "held by another");
    assert_eq!(a.renew(std::slice::from_ref(&first)).expect("asks"), std::slice::from_ref(&first));
    expire(server);
    assert_eq!(a.renew(std::slice::from_ref(&first)).expect("asks"), [], "what ran out does not come back");
    let second = b.take(&btc).expect("asks").expect("ran out");
    assert!(second.fence > first.fence);
    a.release(std::slice::from_ref(&first)).expect("asks");
    assert_eq!(a.take(&btc).expect("asks"), None, "an old lease gives back nothing");
    b.release(std::slice::from_ref(&second)).expect("asks");
    let third = a.take(&btc).expect("asks").expect("was given back");
    assert!(third.fence > second.fence);
    a.release(&[third]).expect("asks");
}

/// D1: a worker that slept through its lease, or was cut off, writes nothing. No client's clock is asked: this one
/// believes in its lease without an end.
fn a_stale_fence_writes_nothing_of_any_table(server: &Server) {
    let (mut a, mut b) = (leases(server, "a", LONG), leases(server, "b", LONG));
    let btc = shard("BTC/USDT");
    let held = a.take(&btc).expect("asks").expect("is free");
    let mut zombie = sink(server, "a", vec![held]);
    let batch = |n: u64| Batch {
        rows: vec![
            Row::Instrument(Box::new(instrument(
                i64::try_from(n).expect("small") + 1,
                10 + i64::try_from(n).expect("small"),
            ))),
            Row::Trade(trade("BTC/USDT", n, 1, 1)),
            Row::BookChange(change("BTC/USDT", 1, n, 1, 1)),
            Row::Gap(Box::new(gap("BTC/USDT", i64::try_from(n).expect("small"), None))),
        ],
        cursors: vec![cursor("BTC/USDT", 1, n)],
    };
    let stored = |n: u64| {
        server.sql(&format!(
            "SELECT (SELECT count(*) FROM trade WHERE trade_id = '{n}'), (SELECT count(*) FROM book_change WHERE first_seq = {n}),
               (SELECT count(*) FROM gap WHERE detected_at = {n}), (SELECT count(*) FROM instrument WHERE ts_local = 10 + {n}),
               (SELECT last_seq FROM stream)"
        ))
    };
    let receipt = zombie.commit(&batch(1)).expect("commits");
    assert_eq!((receipt.total().new, receipt.total().fenced, &receipt.lost[..]), (4, 0, &[][..]));
    assert_eq!(stored(1), ["1|1|1|1|1"]);
    // Run out, though nobody took it.
    expire(server);
    let receipt = zombie.commit(&batch(2)).expect("is answered");
    assert_eq!(
        (receipt.total(), &receipt.lost),
        (Counts { fenced: 4, ..Counts::default() }, &vec![btc.clone()])
    );
    // Taken by another, who holds it now.
    let taken = b.take(&btc).expect("asks").expect("ran out");
    let receipt = zombie.commit(&batch(2)).expect("is answered");
    assert_eq!(receipt.total(), Counts { fenced: 4, ..Counts::default() });
    assert_eq!(receipt.of(Table::Stream).fenced, 1);
    assert_eq!(stored(2), ["0|0|0|0|1"]);
    let mut heir = sink(server, "b", vec![taken.clone()]);
    assert_eq!(heir.commit(&batch(2)).expect("commits").total().new, 4);
    assert_eq!(stored(2), ["1|1|1|1|2"]);
    // The right fence under a wrong name is no lease either.
    let receipt = sink(server, "a", vec![taken.clone()]).commit(&batch(3)).expect("is answered");
    assert_eq!(receipt.total().fenced, 4);
    // The same name once more, as after a restart: what ran before it is another.
    let again = b.take(&btc).expect("asks").expect("its own");
    assert_eq!(heir.commit(&batch(3)).expect("is answered").total().fenced, 4);
    assert_eq!(stored(3), ["0|0|0|0|2"]);
    b.release(&[again]).expect("asks");
}

/// Who follows an account is one worker, whoever follows the markets that it trades in.
fn an_accounts_own_rows_have_a_lease_of_their_own(server: &Server) {
    let mut a = leases(server, "a", LONG);
    let account = Shard::of_account("doex");
    let of_market = a.take(&shard("BTC/USDT")).expect("asks").expect("is free");
    let batch = rows([
        Row::Trade(trade("BTC/USDT", 700, 1, 1)),
        Row::OrderState(Box::new(order_state("BTC/USDT", 700, "2.5", 1))),
        Row::Fill(Box::new(fill("BTC/USDT", 700, "1", 1))),
        Row::Movement(Box::new(movement(700, "completed", "1", 1))),
    ]);
    let receipt = sink(server, "a", vec![of_market.clone()]).commit(&batch).expect("is answered");
    assert_eq!(receipt.total(), Counts { new: 1, fenced: 3, ..Counts::default() });
    assert_eq!(receipt.lost.as_slice(), std::slice::from_ref(&account));
    let of_account = a.take(&account).expect("asks").expect("is free");
    let receipt = sink(server, "a", vec![of_account.clone()]).commit(&batch).expect("is answered");
    assert_eq!(receipt.total(), Counts { new: 3, fenced: 1, ..Counts::default() });
    a.release(&[of_market, of_account]).expect("asks");
}

fn what_is_held_enters_beside_what_is_lost(server: &Server) {
    let names =
        ["BTC/USDT", "ETH/USDT", "DOGE/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "LTC/USDT", "DOT/USDT"];
    let kept = shard(names[0]);
    let other = names.into_iter().find(|name| shard(name) != kept).expect("eight names reach two buckets");
    let mut a = leases(server, "a", LONG);
    let lease = a.take(&kept).expect("asks").expect("is free");
    let mut sink = sink(server, "a", vec![lease.clone()]);
    let receipt = sink
        .commit(&rows([
            Row::Trade(trade(names[0], 500, 1, 1)),
            Row::Trade(trade(other, 500, 1, 1)),
            Row::Trade(trade(names[0], 500, 1, 1)),
        ]))
        .expect("commits");
    assert_eq!(receipt.of(Table::Trade), Counts { new: 1, dup: 1, fenced: 1, ..Counts::default() });
    assert_eq!(receipt.lost, [shard(other)]);
    a.release(&[lease]).expect("asks");
}

/// A batch that has begun under a lease ends before the lease changes hands, however long it takes.
fn a_take_over_waits_for_a_batch_under_way(server: &Server) {
    let mut a = leases(server, "a", LONG);
    let mut b = leases(server, "b", LONG);
    let btc = shard("BTC/USDT");
    let lease = a.take(&btc).expect("asks").expect("is free");
    let mut writer = sink(server, "a", vec![lease]);
    // Holds up the batch after it has looked at its lease: the same key, not yet committed.
    let psql = |sql: &str| server.sql(sql);
    std::thread::scope(|scope| {
        let blocker = scope.spawn(move || {
            psql(
                "BEGIN; INSERT INTO trade VALUES ('doex', 'BTC/USDT', '900', '0.01', '1.5', 'sell', 1000000, 1);
                 SELECT pg_sleep(1.5); ROLLBACK",
            )
        });
        wait_until(
            server,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN%' AND wait_event = 'PgSleep'",
            "1",
        );
        let batch = scope.spawn(move || {
            writer.commit(&rows([Row::Trade(trade("BTC/USDT", 900, 1, 1))])).expect("commits")
        });
        wait_until(
            server,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'WITH held%' AND wait_event_type = 'Lock'",
            "1",
        );
        expire(server);
        let taken = b.take(&btc).expect("waits").expect("ran out");
        let stored = server.sql("SELECT count(*) FROM trade WHERE trade_id = '900'");
        assert_eq!(stored, ["1"], "the take-over came before the end of a batch that had begun");
        assert_eq!(batch.join().expect("no panic").of(Table::Trade).new, 1, "it had begun in time");
        blocker.join().expect("no panic");
        b.release(&[taken]).expect("asks");
    });
}

/// Asks the server until it answers so.
fn wait_until(server: &Server, sql: &str, answer: &str) {
    for _ in 0..200 {
        if server.sql(sql) == [answer] {
            return;
        }
    }
    panic!("never {answer}: {sql}");
}

fn the_dead_leave_the_list(server: &Server) {
    let (mut a, mut b) = (leases(server, "a", LONG), leases(server, "b", LONG));
    let presence = |process: &str| Presence { process: process.to_owned(), ..Presence::default() };
    let names = |leases: &mut Leases, process: &str| -> Option<Vec<String>> {
        let is_there = leases.announce(&presence(process)).expect("asks");
        is_there.then(|| leases.peers().expect("asks").into_iter().map(|peer| peer.name).collect())
    };
    let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(&mut a, "1"), some(&["a"]));
    assert_eq!(names(&mut b, "2"), some(&["a", "b"]));
    server.sql("UPDATE worker SET seen = seen - interval '2 hours' WHERE worker = 'a'");
    assert_eq!(names(&mut b, "2"), some(&["b"]));
    names(&mut a, "1");
    b.leave().expect("asks");
    assert_eq!(names(&mut a, "1"), some(&["a"]));
    // Who comes later under the same name has it; the earlier one learns that, however often it asks.
    let mut twin = leases(server, "a", LONG);
    assert_eq!(names(&mut twin, "3"), some(&["a"]));
    assert_eq!((names(&mut a, "1"), names(&mut a, "1")), (None, None));
    assert_eq!(names(&mut twin, "3"), some(&["a"]));
    // Sessions and addresses are told as they were said; a unix socket has no address of its own.
    let said = Presence {
        process: "3".into(),
        address: Some("rack-7".into()),
        sessions: vec!["doex".into(), "doex".into()],
    };
    assert!(twin.announce(&said).expect("asks"));
    let expected = Peer { name: "a".into(), address: "rack-7".into(), sessions: said.sessions.clone() };
    assert_eq!(twin.peers().expect("asks"), [expected]);
    assert!(twin.announce(&presence("3")).expect("asks"));
    assert_eq!(twin.peers().expect("asks")[0].address, "local");
}

/// A shard changes hands without an instant in which nobody holds it, and only to whoever offered itself last.
fn a_lease_is_handed_over(server: &Server) {
    let (mut a, mut b) = (leases(server, "a", LONG), leases(server, "b", LONG));
    let eth = shard("ETH/USDT");
    server.sql("DELETE FROM shard");
    assert_eq!(a.standings(std::slice::from_ref(&eth)).expect("asks"), []);
    let lease = a.take(&eth).expect("asks").expect("is free");
    let mut old = sink(server, "a", vec![lease.clone()]);
    let standing =
        |leases: &mut Leases| leases.standings(std::slice::from_ref(&eth)).expect("asks").remove(0);
    let held = Standing { lease: lease.clone(), owner: "a".into(), heir: String::new(), is_held: true };
    assert_eq!(standing(&mut b), held);
    assert!(!a.hand_over(&lease, "b").expect("asks"), "b has not offered itself");
    a.offer(&eth).expect("asks");
    assert_eq!(standing(&mut b).heir, "", "one's own shard needs no heir");
    b.offer(&eth).expect("asks");
    assert_eq!(standing(&mut a).heir, "b");
    assert!(!a.hand_over(&lease, "c").expect("asks"), "it was b that offered itself");
    let stale = Lease { fence: lease.fence - 1, ..lease.clone() };
    assert!(!a.hand_over(&stale, "b").expect("asks"), "an old lease hands over nothing");
    assert!(a.hand_over(&lease, "b").expect("asks"));
    let now = standing(&mut a);
    assert_eq!((now.owner.as_str(), now.heir.as_str(), now.is_held), ("b", "", true));
    assert!(now.lease.fence > lease.fence);
    assert!(!a.hand_over(&lease, "b").expect("asks"), "once");
    let row = || rows([Row::Trade(trade("ETH/USDT", 700, 1, 1))]);
    assert_eq!(old.commit(&row()).expect("is answered").of(Table::Trade).fenced, 1);
    let mut new = sink(server, "b", vec![now.lease.clone()]);
    assert_eq!(new.commit(&row()).expect("commits").of(Table::Trade).new, 1);
    // A fence never stands for a generation of before the cluster.
    let before: i64 = server.sql("SELECT max(last) FROM epoch")[0].parse().expect("a number");
    assert!(lease.fence > before && before > 0, "{} and {before}", lease.fence);
    b.release(&[now.lease]).expect("asks");
}

//! What a book does besides linking: transactions, checksums, bounds, views and the words for it all.

use core::time::Duration;

use venuekit_book::{
    Assurance, Book, Cause, Checksum, Depth, Digits, Fill, Gap, Ids, Limits, Linkage, NotLive, Outcome,
    Places, Rules, SocketCounter, SocketSeq, StaleStep, State, StepFirst, Top, Update, publication,
};
use venuekit_types::{BookSide, Level, Mono, Now, Price, Qty, Scale, UnixNanos, parse_scaled};

fn now() -> Now {
    Now { mono: Mono(1_000), wall: UnixNanos(1_700_000_000_000_000_000) }
}

fn scale(digits: u8) -> Scale {
    Scale::new(digits).expect("at most 18")
}

fn levels(rows: &[(i64, i64)]) -> Vec<Level> {
    rows.iter().map(|&(price, qty)| Level::new(price, qty)).collect()
}

fn message<'a>(bids: &'a [Level], asks: &'a [Level]) -> Update<'a> {
    Update { bids, asks, ..Update::default() }
}

fn numbered<'a>(n: u64, bids: &'a [Level], asks: &'a [Level]) -> Update<'a> {
    Update { ids: Some(Ids::single(n)), ..message(bids, asks) }
}

/// A live book without numbers.
fn live(rules: Rules, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Book {
    let mut book = Book::new(rules);
    assert_eq!(book.snapshot(now(), 1, &message(&levels(bids), &levels(asks))), Outcome::Applied);
    book
}

fn plain() -> Rules {
    Rules::new(Linkage::Unnumbered)
}

fn step() -> Rules {
    Rules::new(Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop })
}

fn text(book: &Book) -> String {
    let mut out = Vec::new();
    book.view(now())
        .expect("live")
        .digest_into(scale(0), scale(0), &mut |bytes| out.extend_from_slice(bytes));
    String::from_utf8(out).expect("digits and letters")
}

fn apply(book: &mut Book, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Outcome {
    book.apply(now(), &message(&levels(bids), &levels(asks)))
}

#[test]
fn rows_set_and_zeros_remove() {
    let mut book = live(plain(), &[(10, 1), (9, 2)], &[(12, 3), (11, 4)]);
    assert_eq!(text(&book), "b,10,1\nb,9,2\na,11,4\na,12,3\n");
    assert_eq!(apply(&mut book, &[(10, 0), (8, 5)], &[(11, 6)]), Outcome::Applied);
    assert_eq!(text(&book), "b,9,2\nb,8,5\na,11,6\na,12,3\n");
}

#[test]
fn to_remove_what_is_not_there_is_harmless() {
    let mut book = live(plain(), &[(10, 1)], &[(12, 3)]);
    assert_eq!(apply(&mut book, &[(7, 0), (0, 0), (-3, 0)], &[(i64::MIN, 0)]), Outcome::Applied);
    assert_eq!(text(&book), "b,10,1\na,12,3\n");
}

#[test]
fn of_a_price_twice_in_one_message_the_last_row_counts() {
    let mut book = live(plain(), &[(10, 1), (10, 2)], &[(12, 3), (12, 0)]);
    assert_eq!(text(&book), "b,10,2\n");
    assert_eq!(apply(&mut book, &[(10, 0), (10, 5)], &[(13, 1), (13, 0)]), Outcome::Applied);
    assert_eq!(text(&book), "b,10,5\n");
}

#[test]
fn a_snapshot_skips_rows_of_zero_and_takes_any_order() {
    let book = live(plain(), &[(8, 1), (10, 0), (9, 2)], &[(14, 1), (12, 3), (13, 2)]);
    assert_eq!(text(&book), "b,9,2\nb,8,1\na,12,3\na,13,2\na,14,1\n");
}

#[test]
fn impossible_numbers_refuse_the_whole_message() {
    for (price, qty) in [(10, -1), (-10, 1), (0, 1), (i64::MIN, i64::MIN)] {
        let mut book = live(plain(), &[(10, 1)], &[(12, 3)]);
        let outcome = apply(&mut book, &[(9, 9)], &[(price, qty)]);
        assert_eq!(outcome, Outcome::Desync(Gap::of(Cause::BadNumber)), "{price} {qty}");
        assert_eq!(book.view(now()).err(), Some(NotLive { state: State::Stale, gap: book.gap() }));
        // Nothing of the message was written, not even the good row before the bad one.
        let remains: Vec<Level> = book.last_known_unvouched().levels(BookSide::Bid).collect();
        assert_eq!(remains, levels(&[(10, 1)]));

        let outcome = book.snapshot(now(), 2, &message(&[], &levels(&[(price, qty)])));
        assert_eq!(outcome, Outcome::Desync(Gap::of(Cause::BadNumber)));
        assert_eq!(book.state(), State::Stale);
    }
}

#[test]
fn quantities_and_prices_go_to_the_end_of_the_integers() {
    let mut book = live(plain(), &[(i64::MAX, i64::MAX)], &[]);
    assert_eq!(apply(&mut book, &[(1, i64::MAX)], &[]), Outcome::Applied);
    assert_eq!(text(&book), format!("b,{0},{0}\nb,1,{0}\n", i64::MAX));
}

#[test]
fn a_crossed_or_locked_book_is_kept_and_says_so() {
    let mut book = live(plain(), &[(10, 1)], &[(12, 3)]);
    assert!(!book.view(now()).expect("live").is_crossed());
    assert_eq!(apply(&mut book, &[(12, 1)], &[]), Outcome::Applied);
    assert!(book.view(now()).expect("live").is_crossed());
    assert_eq!(apply(&mut book, &[(13, 1)], &[]), Outcome::Applied);
    let view = book.view(now()).expect("live");
    assert!(view.is_crossed());
    assert_eq!(view.best_bid(), Some(Level::new(13, 1)));
    assert!(!live(plain(), &[(13, 1)], &[]).view(now()).expect("live").is_crossed());
}

#[test]
fn a_side_past_its_bound_desyncs() {
    let rules = Rules { limits: Limits { levels_per_side: 2, ..Limits::default() }, ..plain() };
    let mut book = live(rules, &[(10, 1), (9, 1)], &[]);
    // The message as a whole counts: three rows for a moment, two at its end.
    assert_eq!(apply(&mut book, &[(8, 1), (10, 0)], &[]), Outcome::Applied);
    let outcome = apply(&mut book, &[(7, 1)], &[]);
    assert_eq!(outcome, Outcome::Desync(Gap::between(Cause::TooManyLevels, 2, 3)));
    let outcome = book.snapshot(now(), 2, &message(&[], &levels(&[(1, 1), (2, 1), (3, 1)])));
    assert_eq!(outcome, Outcome::Desync(Gap::between(Cause::TooManyLevels, 2, 3)));
}

#[test]
fn levels_beyond_the_depth_are_cut_after_the_message() {
    let rules = Rules { depth: Some(2), ..plain() };
    let mut book = live(rules, &[(10, 1), (9, 1), (8, 1)], &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(text(&book), "b,10,1\nb,9,1\na,11,1\na,12,1\n");
    // 11 pushes 9 out; when 10 goes, 9 is not known any more.
    assert_eq!(apply(&mut book, &[(11, 1)], &[]), Outcome::Applied);
    assert_eq!(apply(&mut book, &[(10, 0)], &[]), Outcome::Applied);
    assert_eq!(text(&book), "b,11,1\na,11,1\na,12,1\n");
    assert_eq!(book.view(now()).expect("live").horizon(), Some(2));
}

#[test]
fn a_buffer_past_either_bound_desyncs() {
    let limits = Limits { buffered_updates: 2, buffered_levels: 5, ..Limits::default() };
    let rules = Rules { limits, ..step() };
    let row = levels(&[(10, 1)]);
    let mut book = Book::new(rules);
    book.expect_snapshot();
    assert_eq!(book.apply(now(), &numbered(1, &row, &[])), Outcome::Buffered);
    assert_eq!(book.apply(now(), &numbered(2, &row, &row)), Outcome::Buffered);
    assert_eq!(book.held(), 2);
    let outcome = book.apply(now(), &numbered(3, &row, &[]));
    assert_eq!(outcome, Outcome::Desync(Gap::between(Cause::BufferFull, 2, 3)));
    assert_eq!((book.state(), book.held()), (State::Stale, 0));
    book.expect_snapshot();
    let rows = levels(&[(1, 1), (2, 1), (3, 1)]);
    let outcome = book.apply(now(), &numbered(1, &rows, &rows));
    assert_eq!(outcome, Outcome::Desync(Gap::between(Cause::BufferFull, 5, 6)));
}

#[test]
fn replayed_updates_can_be_stored_one_by_one() {
    let (one, two, three) = (levels(&[(1, 1)]), levels(&[(2, 2)]), levels(&[(3, 3), (4, 4)]));
    let mut book = Book::new(step());
    book.expect_snapshot();
    for (n, bids) in [(4, &one), (5, &two), (5, &two), (6, &three)] {
        assert_eq!(book.apply(now(), &numbered(n, bids, &one)), Outcome::Buffered);
    }
    assert_eq!(book.replayed().count(), 0, "nothing was applied yet");
    assert_eq!(book.snapshot(now(), 9, &numbered(4, &[], &[])), Outcome::Applied);
    let expected = [numbered(5, &two, &one), numbered(6, &three, &one)];
    assert_eq!(book.replayed().collect::<Vec<_>>(), expected);
    assert_eq!((book.held(), book.last_id(), book.epoch()), (2, Some(6), 9));
    assert_eq!(text(&book), "b,4,4\nb,3,3\nb,2,2\na,1,1\n");
    assert_eq!(book.apply(now(), &numbered(7, &one, &[])), Outcome::Applied);
    assert_eq!(book.replayed().count(), 0);

    // A snapshot right behind another does not apply them again.
    book.expect_snapshot();
    assert_eq!(book.apply(now(), &numbered(5, &two, &[])), Outcome::Buffered);
    assert_eq!(book.snapshot(now(), 10, &numbered(4, &[], &[])), Outcome::Applied);
    assert_eq!(book.snapshot(now(), 11, &numbered(4, &one, &[])), Outcome::Applied);
    assert_eq!((book.replayed().count(), book.last_id()), (0, Some(4)));
    assert_eq!(text(&book), "b,1,1\n");
}

#[test]
fn losses_that_only_the_caller_sees_come_in_from_outside() {
    let mut book = Book::new(step());
    book.desync(Gap::of(Cause::Closed));
    assert_eq!((book.state(), book.gap()), (State::Empty, None), "nothing to lose");

    book.expect_snapshot();
    book.desync(Gap::of(Cause::Lost));
    assert_eq!((book.state(), book.gap()), (State::Stale, Some(Gap::of(Cause::Lost))));

    assert_eq!(book.snapshot(now(), 1, &numbered(4, &[], &[])), Outcome::Applied);
    assert_eq!(book.gap(), None);
    book.desync(Gap::of(Cause::Silent));
    book.desync(Gap::of(Cause::Closed));
    assert_eq!(book.gap(), Some(Gap::of(Cause::Silent)), "the first reason stays");
    book.expect_snapshot();
    assert_eq!(book.gap(), Some(Gap::of(Cause::Silent)), "until it is live again");
}

#[test]
fn a_jump_of_the_socket_counter_desyncs_every_book_of_the_socket() {
    let rules = Rules::new(Linkage::Socket);
    let mut books = [Book::new(rules), Book::new(rules)];
    let mut counter = SocketCounter::new();
    for (n, book) in (0..).zip(&mut books) {
        assert_eq!(counter.observe(n), SocketSeq::Next);
        assert_eq!(book.snapshot(now(), 1, &numbered(n, &[], &[])), Outcome::Applied);
    }
    assert_eq!(counter.observe(1), SocketSeq::Old);
    let SocketSeq::Jump { expected, got } = counter.observe(4) else { panic!("4 does not follow 1") };
    for book in &mut books {
        book.desync(Gap::between(Cause::SocketCounter, expected, got));
        assert_eq!(book.gap().expect("a reason").to_string(), "socket_counter, expected 2, got 4");
    }
    assert_eq!(counter.observe(5), SocketSeq::Next);
    assert_eq!(SocketCounter::new().observe(1), SocketSeq::Jump { expected: 0, got: 1 });
}

#[test]
fn a_view_is_stamped() {
    let mut book = Book::new(step());
    assert_eq!(
        book.snapshot(now(), 7, &numbered(4, &levels(&[(10, 1)]), &levels(&[(12, 5)]))),
        Outcome::Applied
    );
    let later = now().plus(Duration::from_millis(3));
    assert_eq!(book.apply(later, &numbered(5, &levels(&[(9, 1)]), &[])), Outcome::Applied);
    assert_eq!(book.apply(later.plus(Duration::from_secs(1)), &numbered(5, &[], &[])), Outcome::Old);
    let view = book.view(later.plus(Duration::from_secs(2))).expect("live");
    assert_eq!((view.epoch(), view.seq(), view.horizon()), (7, Some(5), None));
    assert_eq!((view.age(), view.updated_at()), (Duration::from_secs(2), later));
    assert_eq!((view.best_bid(), view.best_ask()), (Some(Level::new(10, 1)), Some(Level::new(12, 5))));
    assert_eq!((view.level_count(BookSide::Bid), view.level_count(BookSide::Ask)), (2, 1));
    assert_eq!(view.qty_at(BookSide::Bid, Price(9)), Some(Qty(1)));
    assert_eq!(view.qty_at(BookSide::Ask, Price(9)), None);
    assert_eq!(view.asks().collect::<Vec<_>>(), levels(&[(12, 5)]));
}

#[test]
fn a_view_says_what_vouches_for_it() {
    let assurance = |rules: Rules, checksum| {
        let mut book = Book::new(rules);
        let snapshot = Update { checksum, ..numbered(4, &[], &[]) };
        assert_eq!(book.snapshot(now(), 1, &snapshot), Outcome::Applied);
        book.view(now()).expect("live").assurance()
    };
    let crc = |linkage| Rules { checksum: Checksum::Crc32Fixed { levels: 10 }, ..Rules::new(linkage) };
    assert_eq!(assurance(step(), None), Assurance::Sequenced);
    assert_eq!(assurance(Rules::new(Linkage::Socket), None), Assurance::Sequenced);
    assert_eq!(assurance(Rules::new(Linkage::Rising), None), Assurance::Transport);
    assert_eq!(assurance(Rules::new(Linkage::Replace), None), Assurance::Transport);
    assert_eq!(
        assurance(crc(Linkage::Unnumbered), Some(0)),
        Assurance::Checksummed,
        "the CRC of nothing is 0"
    );
    assert_eq!(assurance(crc(Linkage::Unnumbered), None), Assurance::Transport);
}

#[test]
fn the_words_are_those_of_metrics_and_rows() {
    let states = [State::Empty, State::Buffering, State::Live, State::Stale].map(State::as_str);
    assert_eq!(states, ["empty", "buffering", "live", "stale"]);
    let mut causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    assert!(
        causes.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')),
        "{causes:?}"
    );
    causes.sort_unstable();
    causes.dedup();
    assert_eq!(causes.len(), Cause::ALL.len());
    let not_live = NotLive { state: State::Stale, gap: Some(Gap::between(Cause::Sequence, 5, 7)) };
    assert_eq!(not_live.to_string(), "the book is stale (sequence, expected 5, got 7), wait for a snapshot");
    assert_eq!(
        NotLive { state: State::Empty, gap: None }.to_string(),
        "the book is empty, wait for a snapshot"
    );
}

/// A message as text, with the digits a venue would have spelt.
struct Spelt {
    levels: Vec<Level>,
    places: Vec<Places>,
}

fn spelt(rows: &[(&str, &str)], price: Scale, qty: Scale) -> Spelt {
    let count = |text: &str| {
        let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        u8::try_from(places).expect("short")
    };
    let read = |text: &str, scale| parse_scaled(text.as_bytes(), scale).expect("fits");
    Spelt {
        levels: rows.iter().map(|(p, q)| Level::new(read(p, price), read(q, qty))).collect(),
        places: rows.iter().map(|(p, q)| Places { price: count(p), qty: count(q) }).collect(),
    }
}

/// Kraken's published vector, and a composed one with leading zeros. Source: Kraken WebSocket v2 guide, book
/// checksum; read 2026-11.
#[test]
fn crc_of_fixed_digits_matches_the_published_vector() {
    let asks = [
        ("45285.2", "0.00100000"),
        ("45286.4", "1.54571953"),
        ("45286.6", "1.54571109"),
        ("45289.6", "1.54560911"),
        ("45290.2", "0.15890660"),
        ("45291.8", "1.54553491"),
        ("45294.7", "0.04454749"),
        ("45296.1", "0.35380000"),
        ("45297.5", "0.09945542"),
        ("45299.5", "0.18772827"),
    ];
    let bids = [
        ("45283.5", "0.10000000"),
        ("45283.4", "1.54582015"),
        ("45282.1", "0.10000000"),
        ("45281.0", "0.10000000"),
        ("45280.3", "1.54592586"),
        ("45279.0", "0.07990000"),
        ("45277.6", "0.03310103"),
        ("45277.5", "0.30000000"),
        ("45277.3", "1.54602737"),
        ("45276.6", "0.15445238"),
    ];
    let rules = Rules { checksum: Checksum::Crc32Fixed { levels: 10 }, ..plain() };
    let load = |bids: &[(&str, &str)], asks: &[(&str, &str)], price, checksum| {
        let (bids, asks) = (spelt(bids, price, scale(8)), spelt(asks, price, scale(8)));
        let update = Update { checksum: Some(checksum), ..message(&bids.levels, &asks.levels) };
        Book::new(rules).snapshot(now(), 1, &update)
    };
    assert_eq!(load(&bids, &asks, scale(1), 3_310_070_434), Outcome::Applied);
    assert_eq!(
        load(&bids, &asks, scale(1), 3_310_070_435),
        Outcome::Desync(Gap::between(Cause::Checksum, 3_310_070_434, 3_310_070_435))
    );
    // An eleventh level is not covered.
    let deeper: Vec<_> = bids.iter().copied().chain([("45000.0", "1.00000000")]).collect();
    assert_eq!(load(&deeper, &asks, scale(1), 3_310_070_434), Outcome::Applied);

    let small_asks = [("0.00005070", "1200.00000000"), ("0.00005100", "35.50000000")];
    let small_bids = [("0.00005060", "0.10000000"), ("0.00005050", "98765.43210000")];
    assert_eq!(load(&small_bids, &small_asks, scale(8), 2_765_794_102), Outcome::Applied);

    // Scales that are not the venue's precision: the spelling says what is.
    let respelt = |price, qty, with_digits| {
        let (bids, asks) = (spelt(&bids, price, qty), spelt(&asks, price, qty));
        let digits = Digits { price_scale: price, qty_scale: qty, bids: &bids.places, asks: &asks.places };
        let digits = Some(digits).filter(|_| with_digits);
        let update = Update { checksum: Some(3_310_070_434), digits, ..message(&bids.levels, &asks.levels) };
        let mut book = Book::new(rules);
        let loaded = book.snapshot(now(), 1, &update);
        // A message without rows is compared as the ones before it were spelt.
        (loaded, book.apply(now(), &Update { checksum: Some(3_310_070_434), ..message(&[], &[]) }))
    };
    assert_eq!(respelt(scale(9), scale(11), true), (Outcome::Applied, Outcome::Applied));
    assert_eq!(respelt(scale(1), scale(8), true), (Outcome::Applied, Outcome::Applied));
    assert!(matches!(respelt(scale(9), scale(11), false).0, Outcome::Desync(_)));
}

#[test]
fn a_checksum_over_wider_text_than_the_scale_has_its_zeros() {
    let rules = Rules { checksum: Checksum::Crc32Fixed { levels: 10 }, ..plain() };
    let bids = spelt(&[("35280.50000", "1.00000000")], scale(1), scale(0));
    let digits =
        Digits { price_scale: scale(1), qty_scale: scale(0), bids: &bids.places, asks: &bids.places[..0] };
    let crc = crc32fast::hash(b"3528050000100000000");
    let update = Update { checksum: Some(crc), digits: Some(digits), ..message(&bids.levels, &[]) };
    assert_eq!(Book::new(rules).snapshot(now(), 1, &update), Outcome::Applied);
}

#[test]
fn a_checksum_is_compared_after_the_trim() {
    let rules = Rules { checksum: Checksum::Crc32Fixed { levels: 10 }, depth: Some(1), ..plain() };
    let mut book = live(rules, &[(10, 1)], &[]);
    let sum = crc32fast::hash(b"112");
    let rows = levels(&[(11, 2)]);
    let update = Update { checksum: Some(sum), ..message(&rows, &[]) };
    assert_eq!(book.apply(now(), &update), Outcome::Applied);
    assert_eq!(book.view(now()).expect("live").assurance(), Assurance::Checksummed);
}

/// Bitget's documented strings, sums computed with zlib. Source: Bitget API v2, depth channel; read 2026-11.
#[test]
fn crc_of_the_original_text_matches_the_documented_strings() {
    let bids = [("43231.1", "4"), ("43231", "6")];
    let asks = [("43232.8", "9"), ("43232.9", "8")];
    assert_eq!(text_book(&bids, &asks, i32::cast_unsigned(-1_504_501_796)), Outcome::Applied);
    // One bid, three asks: the side that ended is skipped.
    let asks = [("3366.8", "9"), ("3368", "8"), ("3372", "8")];
    assert_eq!(text_book(&[("3366.1", "7")], &asks, 831_078_360), Outcome::Applied);
}

fn text_book(bids: &[(&str, &str)], asks: &[(&str, &str)], checksum: u32) -> Outcome {
    let (price, qty) = (scale(4), scale(4));
    let (bids, asks) = (spelt(bids, price, qty), spelt(asks, price, qty));
    let digits = Digits { price_scale: price, qty_scale: qty, bids: &bids.places, asks: &asks.places };
    let update =
        Update { checksum: Some(checksum), digits: Some(digits), ..message(&bids.levels, &asks.levels) };
    let rules = Rules { checksum: Checksum::Crc32Text { levels: 25 }, ..plain() };
    Book::new(rules).snapshot(now(), 1, &update)
}

#[test]
fn trailing_zeros_of_the_original_text_are_kept() {
    let sum = |text: &str| crc32fast::hash(text.as_bytes());
    let cases = [
        ("27000.50", "8.760"),
        ("27000.500000", "8.0000000"),
        ("0.0001", "1"),
        ("5", "10000000"),
        ("5.0000", "0.5"),
    ];
    for (price, qty) in cases {
        assert_eq!(
            text_book(&[(price, qty)], &[], sum(&format!("{price}:{qty}"))),
            Outcome::Applied,
            "{price}"
        );
        assert_eq!(
            text_book(&[], &[(price, qty)], sum(&format!("{price}:{qty}"))),
            Outcome::Applied,
            "{price}"
        );
    }
    let bad = text_book(&[("27000.5", "8")], &[], sum("27000.50:8"));
    assert!(matches!(bad, Outcome::Desync(Gap { cause: Cause::Checksum, .. })), "{bad:?}");
    assert_eq!(text_book(&[("27000.5", "8")], &[], 0), Outcome::Applied, "0 means that none was sent");
}

#[test]
fn a_row_without_its_spelling_cannot_be_vouched_for() {
    let rules = Rules { checksum: Checksum::Crc32Text { levels: 25 }, ..plain() };
    let rows = levels(&[(10, 1)]);
    let update = Update { checksum: Some(crc32fast::hash(b"10:1")), ..message(&rows, &[]) };
    let outcome = Book::new(rules).snapshot(now(), 1, &update);
    assert!(
        matches!(outcome, Outcome::Desync(Gap { cause: Cause::Checksum, expected: None, got: Some(_) })),
        "{outcome:?}"
    );
}

#[test]
fn spellings_follow_their_levels_through_updates_removals_and_trims() {
    let (price, qty) = (scale(2), scale(2));
    let rules = Rules { checksum: Checksum::Crc32Text { levels: 25 }, depth: Some(2), ..step() };
    let mut book = Book::new(rules);
    let mut send = |n: u64, bids: &[(&str, &str)], text: &str| {
        let bids = spelt(bids, price, qty);
        let digits = Digits { price_scale: price, qty_scale: qty, bids: &bids.places, asks: &[] };
        let update = Update {
            checksum: Some(crc32fast::hash(text.as_bytes())),
            digits: Some(digits),
            ..numbered(n, &bids.levels, &[])
        };
        match n {
            1 => book.expect_snapshot(),
            3 => {
                let none = Update { digits: Some(Digits { bids: &[], ..digits }), ..numbered(1, &[], &[]) };
                // The second update was held, spelling and all.
                assert_eq!(book.snapshot(now(), 1, &none), Outcome::Applied);
            }
            _ => {}
        }
        book.apply(now(), &update)
    };
    assert_eq!(send(1, &[("1.0", "1.0")], "1.0:1.0"), Outcome::Buffered);
    assert_eq!(send(2, &[("2.0", "2.00"), ("1", "1.50")], "2.0:2.00:1:1.50"), Outcome::Buffered);
    // The same price in another spelling; a third level is cut off.
    assert_eq!(send(3, &[("2", "3"), ("0.5", "1")], "2:3:1:1.50"), Outcome::Applied);
    assert_eq!(send(4, &[("2.00", "0"), ("0.50", "7")], "1:1.50:0.50:7"), Outcome::Applied);
    assert!(matches!(send(5, &[("1.00", "2")], "1:2:0.50:7"), Outcome::Desync(_)));
}

#[test]
fn a_price_off_the_grid_is_named_and_kept() {
    let mut book = Book::new(Rules::new(Linkage::Unnumbered));
    let now = Now::default();
    book.set_tick(Price(50));
    let snapshot = [Level::new(1_000, 1), Level::new(950, 1)];
    fn of(bids: &[Level]) -> Update<'_> {
        Update { bids, ..Update::default() }
    }
    assert_eq!(book.snapshot(now, 1, &of(&snapshot)), Outcome::Applied);
    assert_eq!(book.off_grid(), None);
    // The removal of what cannot be there says nothing.
    assert_eq!(book.apply(now, &of(&[Level::new(975, 0)])), Outcome::Applied);
    assert_eq!(book.off_grid(), None);
    assert_eq!(book.apply(now, &of(&[Level::new(1_050, 1), Level::new(975, 7)])), Outcome::Applied);
    assert_eq!(book.off_grid(), Some(Price(975)));
    assert_eq!(book.view(now).expect("live").qty_at(BookSide::Bid, Price(975)), Some(Qty(7)));
    // The next message has none, the one after it has the same again.
    assert_eq!(book.apply(now, &of(&[Level::new(900, 1)])), Outcome::Applied);
    assert_eq!(book.off_grid(), None);
    assert_eq!(book.apply(now, &of(&[Level::new(975, 8)])), Outcome::Applied);
    assert_eq!(book.off_grid(), Some(Price(975)));
    // The venue halves its tick.
    book.set_tick(Price(25));
    assert_eq!(book.apply(now, &of(&[Level::new(925, 1)])), Outcome::Applied);
    assert_eq!(book.off_grid(), None);
    let bids: Vec<i64> = book.view(now).expect("live").bids().map(|row| row.price.0).collect();
    assert_eq!(bids, [1_050, 1_000, 975, 950, 925, 900]);
}

#[test]
fn reads_agree_with_a_walk_over_the_levels() {
    let mut book = Book::new(Rules::new(Linkage::Unnumbered));
    let now = Now::default();
    let bids = [Level::new(100, 5), Level::new(98, 2), Level::new(90, 7)];
    let asks = [Level::new(101, 3), Level::new(103, i64::MAX), Level::new(110, i64::MAX)];
    let snapshot = Update { bids: &bids, asks: &asks, ..Update::default() };
    assert_eq!(book.snapshot(now, 1, &snapshot), Outcome::Applied);
    let view = book.view(now).expect("live");

    assert!(view.bids().eq(bids) && view.asks().eq(asks));
    assert!(view.bids().rev().eq(bids.into_iter().rev()));
    assert_eq!(view.asks().len(), 3);

    let depth = |side, price| view.depth_to(side, Price(price));
    assert_eq!(depth(BookSide::Bid, 101), Depth::default());
    assert_eq!(depth(BookSide::Bid, 98), Depth { levels: 2, qty: 7 });
    assert_eq!(depth(BookSide::Bid, 97), Depth { levels: 2, qty: 7 });
    assert_eq!(depth(BookSide::Ask, 1_000), Depth { levels: 3, qty: 3 + 2 * i128::from(i64::MAX) });

    // To sell 6: 5 at 100 and 1 at 98.
    let fill = view.fill(BookSide::Bid, Qty(6));
    assert_eq!(fill, Fill { qty: Qty(6), levels: 2, worst: Some(Price(98)), notional: 598 });
    assert_eq!((fill.average_rounded_down(), fill.average_rounded_up()), (Some(Price(99)), Some(Price(100))));
    let all = view.fill(BookSide::Bid, Qty(1_000));
    assert_eq!((all.qty, all.levels, all.worst), (Qty(14), 3, Some(Price(90))));
    // To buy as much as there is a number for: exact, and no overflow.
    let most = view.fill(BookSide::Ask, Qty(i64::MAX));
    assert_eq!(most.notional, 3 * 101 + 103 * (i128::from(i64::MAX) - 3));
    assert_eq!(most.average_rounded_up(), Some(Price(103)));
    let exact = view.fill(BookSide::Ask, Qty(2));
    assert_eq!(
        (exact.average_rounded_down(), exact.average_rounded_up()),
        (Some(Price(101)), Some(Price(101)))
    );
    for nothing in [0, -3, i64::MIN] {
        let fill = view.fill(BookSide::Ask, Qty(nothing));
        assert_eq!((fill, fill.average_rounded_up()), (Fill::default(), None));
    }
}

#[test]
fn what_is_published_is_stamped_and_stale_once_the_book_is() {
    let mut book = Book::new(Rules::new(Linkage::Range { overlap: false }));
    let (mut publisher, reader) = publication(2);
    let mut top = Top::default();
    let at = |seconds| Now::default().plus(Duration::from_secs(seconds));
    let rows = [Level::new(9, 1), Level::new(8, 2), Level::new(7, 3)];
    let update = |ids| Update { ids: Some(ids), bids: &rows, ..Update::default() };

    assert_eq!(book.snapshot(at(3), 7, &update(Ids::single(40))), Outcome::Applied);
    publisher.publish(at(3), &book);
    assert!(reader.clone().read(&mut top));
    assert_eq!((top.state(), top.epoch(), top.seq()), (State::Live, 7, Some(40)));
    assert_eq!((top.updated_at(), top.age(at(5))), (at(3), Duration::from_secs(2)));
    let view = top.view().expect("live");
    assert_eq!((view.bids, view.asks, view.assurance), (&rows[..2], &[][..], Assurance::Sequenced));

    let Outcome::Desync(gap) = book.apply(at(6), &update(Ids::range(42, 43))) else { panic!("a hole") };
    publisher.publish(at(6), &book);
    assert!(reader.read(&mut top));
    assert_eq!(top.view(), Err(NotLive { state: State::Stale, gap: Some(gap) }));
    assert_eq!(top.age(at(7)), Duration::from_secs(4), "the age of the data, not of the publication");

    drop(publisher);
    assert!(reader.read(&mut top));
    assert_eq!(top.view().expect_err("no writer").gap, Some(Gap::of(Cause::Closed)));
}

//! Frames pinned byte for byte to the examples of the venue's document.

use crate::duedex::feed::{auth_text, challenge_text};
use crate::duedex::public::{book, head, matches, tail};
use crate::duedex::table::{Row, Table};
use crate::market::DUEDEX;
use crate::text::Text;
use crate::world::{TickDirection, Trade};
use venuekit_types::Side;

/// 2019-05-30T00:00:00Z.
const AT_MS: i64 = 1_559_174_400_000;

#[test]
fn the_level2_snapshot_of_the_document() {
    let mut text = Text::new();
    head(&mut text, "snapshot", "level2", Some("BTCUSD"), 100);
    let bids = [(880_400, 100), (880_300, 100)];
    let asks = [(885_500, 600), (885_600, 1000), (885_700, 1000)];
    book(&mut text, &DUEDEX[0], bids.into_iter(), asks.into_iter());
    tail(&mut text, AT_MS);
    assert_eq!(
        text.into_string(),
        r#"{"type":"snapshot","channel":"level2","instrument":"BTCUSD","sequence":100,"data":{"bids":[["8804.00",100],["8803.00",100]],"asks":[["8855.00",600],["8856.00",1000],["8857.00",1000]]},"timestamp":"2019-05-30T00:00:00.000Z"}"#
    );
}

#[test]
fn the_margins_update_of_the_document() {
    let row = |available: &str, order: &str| {
        let row = Row::default().always("currency", "\"BTC\"").changed("available", available);
        row.changed("orderMargin", order).changed("positionMargin", "\"0.000000\"")
    };
    let mut table = Table::new([("BTC", row("\"1.960000\"", "\"0.000000\""))]);
    table.seq = 8;
    let mut data = Text::new();
    assert!(table.update([("BTC", row("\"1.948500\"", "\"0.011500\""), false)], &mut data));
    let mut text = Text::new();
    head(&mut text, "update", "margins", None, table.seq);
    text.s(&data.into_string());
    tail(&mut text, AT_MS);
    assert_eq!(
        text.into_string(),
        r#"{"type":"update","channel":"margins","sequence":9,"data":[{"currency":"BTC","available":"1.948500","orderMargin":"0.011500"}],"timestamp":"2019-05-30T00:00:00.000Z"}"#
    );
}

#[test]
fn the_login_of_the_document() {
    assert_eq!(
        challenge_text("1f94d8db-a9ca-4cf4-82ee-9692f937032e"),
        r#"{"type":"challenge","challenge":"1f94d8db-a9ca-4cf4-82ee-9692f937032e"}"#
    );
    assert_eq!(auth_text(10), r#"{"type":"auth","userId":10}"#);
}

#[test]
fn an_update_has_both_sides_even_when_one_is_empty_and_removes_with_a_zero() {
    let mut text = Text::new();
    book(&mut text, &DUEDEX[3], std::iter::empty(), [(12_347, 0)].into_iter());
    assert_eq!(text.into_string(), r#"{"bids":[],"asks":[["12.347",0]]}"#);
}

#[test]
fn a_match_is_told_whole() {
    let trade = Trade {
        id: 7,
        price: 1_040_000,
        qty: 30,
        aggressor: Side::Sell,
        direction: TickDirection::ZeroMinus,
        at_ms: AT_MS + 7,
    };
    let mut text = Text::new();
    matches(&mut text, &DUEDEX[0], [trade].iter());
    assert_eq!(
        text.into_string(),
        r#"[{"instrument":"BTCUSD","matchId":7,"price":"10400.00","size":30,"side":"short","tickDirection":"zeroMinusTick","timestamp":"2019-05-30T00:00:00.007Z"}]"#
    );
}

//! Frames pinned byte for byte to the shapes of the brief and the card.

use venuekit_types::{BookSide, Side};

use crate::doex::public::{depth, trade};
use crate::engine::Change;
use crate::market::DOEX;
use crate::text::Text;
use crate::world::{Step, TickDirection, Trade};

#[test]
fn the_trade_event() {
    let one = Trade {
        id: 12,
        price: 2_712_345,
        qty: 500,
        aggressor: Side::Sell,
        direction: TickDirection::Plus,
        at_ms: 1_700_000_000_123,
    };
    let mut text = Text::new();
    trade(&mut text, &DOEX[0], &one);
    assert_eq!(
        text.into_string(),
        r#"{"e":"trade","E":1700000000123,"s":"BTCUSDT","t":12,"p":"27123.45","q":"0.00500","T":1700000000123,"m":true}"#
    );
}

#[test]
fn the_depth_event_removes_with_a_zero() {
    let change = |side, price, now| Change { side, price, was: 5, now };
    let step = Step {
        at_ms: 1_700_000_000_123,
        first: 11,
        last: 14,
        changes: vec![
            change(BookSide::Bid, 641_000, 0),
            change(BookSide::Bid, 640_995, 1500),
            change(BookSide::Ask, 641_010, 1),
        ],
        ..Step::default()
    };
    let mut text = Text::new();
    depth(&mut text, &DOEX[3], &step);
    assert_eq!(
        text.into_string(),
        r#"{"e":"depthUpdate","E":1700000000123,"s":"BTCUSDT","U":11,"u":14,"b":[["64100.0","0"],["64099.5","1.500"]],"a":[["64101.0","0.001"]]}"#
    );
}

//! What the tests of codecs share: one of each thing that can be asked, and events as text to pin.

use venuekit_types::{Fixed, UnixNanos};
use venuekit_venue::{
    Ask, AskKind, Body, Catalog, Control, Data, Event, EventBuf, HttpReply, Interval, NewOrder, OrderRef,
    Page, Place, Row, Token, Trade, Venue, Wallet,
};

/// An answer without headers.
pub fn reply(status: u16, body: &str) -> HttpReply<'_> {
    HttpReply { status, headers: &[], body: body.as_bytes() }
}

/// One of each kind, of the order's market.
pub fn sample(kind: AskKind, wallet: Wallet, new: NewOrder) -> Ask {
    let (market, page, token) = (new.market, Page::default(), Token("key/1".to_owned()));
    let order = OrderRef::Venue("42".to_owned());
    match kind {
        AskKind::Instruments => Ask::Instruments,
        AskKind::Time => Ask::Time,
        AskKind::Depth => Ask::Depth { market, levels: 5 },
        AskKind::Trades => Ask::Trades { market, from: None, limit: 5 },
        AskKind::Candles => {
            Ask::Candles { market, interval: Interval::M1, from: UnixNanos(0), to: UnixNanos(1) }
        }
        AskKind::Ticker => Ask::Ticker { market },
        AskKind::Mark => Ask::Mark { market },
        AskKind::Permissions => Ask::Permissions,
        AskKind::Fees => Ask::Fees,
        AskKind::Balances => Ask::Balances { wallet },
        AskKind::Positions => Ask::Positions { market: Some(market) },
        AskKind::OpenOrders => Ask::OpenOrders { market: Some(market) },
        AskKind::Order => Ask::Order { market, order },
        AskKind::ClosedOrder => Ask::ClosedOrder { market, order },
        AskKind::OrderHistory => Ask::OrderHistory { market, page },
        AskKind::ClosedOrders => Ask::ClosedOrders { from: UnixNanos(0) },
        AskKind::Fills => Ask::Fills { market, page },
        AskKind::Deposits => Ask::Deposits { page },
        AskKind::Withdrawals => Ask::Withdrawals { page },
        AskKind::Transfers => Ask::Transfers { page },
        AskKind::CopyPositions => Ask::CopyPositions,
        AskKind::CopyTrades => Ask::CopyTrades { page },
        AskKind::OpenToken => Ask::OpenToken,
        AskKind::RenewToken => Ask::RenewToken { token },
        AskKind::DropToken => Ask::DropToken { token },
        AskKind::Place => Ask::Place(Box::new(new)),
        AskKind::Amend => Ask::Amend { market, order, price: Fixed::whole(1) },
        AskKind::Cancel => Ask::Cancel { market, order },
        AskKind::CancelAll => Ask::CancelAll { market: Some(market) },
        AskKind::Countdown => Ask::Countdown { market: None, within: None },
        AskKind::SetLeverage => Ask::SetLeverage { market, leverage: 1.into() },
        AskKind::SetRiskLimit => Ask::SetRiskLimit { market, limit: 1.into() },
        AskKind::MoveMargin => Ask::MoveMargin { market, amount: 1.into() },
    }
}

/// What a product says that it can be asked is what its venue writes: each kind, and the balances of each wallet.
///
/// Panics where one is written that was not offered, or the other way round.
pub fn assert_asks_are_written(venue: &dyn Venue, product: usize, catalog: &Catalog, new: &NewOrder) {
    let spec = &venue.specs()[product];
    let place = Place { product, socket: 0, catalog };
    for wallet in Wallet::ALL {
        let request = venue.ask(place, &Ask::Balances { wallet });
        assert_eq!(request.is_some(), spec.wallets.contains(&wallet), "{} {wallet:?}", spec.product);
    }
    for kind in AskKind::ALL {
        let request = venue.ask(place, &sample(kind, spec.wallets[0], new.clone()));
        assert_eq!(request.is_some(), spec.can(kind), "{} {kind:?}", spec.product);
        assert!(request.is_none_or(|request| request.kind == kind), "{} {kind:?}", spec.product);
    }
    assert!(spec.paging.iter().all(|paging| spec.can(paging.ask)), "{}: pages of nothing", spec.product);
}

/// Events as text, with what they point at.
pub fn dump(out: &EventBuf) -> String {
    let mut text = String::new();
    for event in &out.events {
        match event {
            Event::Data(data) => dump_data(out, data, &mut text),
            Event::Control(Control::Challenge(span)) => text += &format!("challenge {}\n", out.text(*span)),
            event => text += &format!("{event:?}\n"),
        }
    }
    text
}

fn dump_data(out: &EventBuf, data: &Data, text: &mut String) {
    let Data { topic, kind, ids, at, body } = data;
    let ids = ids.map(|ids| (ids.first, ids.last));
    let at = at.map(|at| at.0);
    let market = topic.market.map(|market| market.0);
    *text += &format!("{} {market:?} {kind:?} ids={ids:?} at={at:?}\n", topic.channel);
    match body {
        Body::Book(book) => {
            *text += &format!("  bids {:?}\n", out.levels(book.bids));
            *text += &format!("  asks {:?}\n", out.levels(book.asks));
        }
        Body::Rows(rows) => out.rows[rows.clone()].iter().for_each(|row| match row {
            Row::Trade(Trade { market, id, number, price, qty, side, at }) => {
                *text += &format!(
                    "  trade of {} id={} number={number:?} {price:?} {qty:?} {side:?} at={at}\n",
                    market.0,
                    out.text(*id)
                );
            }
            row => {
                let row = format!("{row:?}");
                let some: Vec<_> = row.split(", ").filter(|part| !part.ends_with(": None")).collect();
                *text += &format!("  {}\n", some.join(", "));
            }
        }),
    }
}

//! Minimal decoders, one a wire shape: payload text to messages about books. A venue's own crate brings its
//! real one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use venuekit_book::{Ids, Places};
use venuekit_types::{Level, Scale, parse_scaled};

use super::tape::Row;

/// What one payload says about one book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The venue's name of the book.
    pub(crate) book: String,
    pub(crate) is_snapshot: bool,
    pub(crate) ids: Option<Ids>,
    pub(crate) bids: Side,
    pub(crate) asks: Side,
    pub(crate) checksum: Option<u32>,
}

/// The rows of one side, with the spelling of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    pub(crate) levels: Vec<Level>,
    pub(crate) places: Vec<Places>,
}

/// The best bid and ask that a ticker names.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) book: String,
    pub(crate) id: u64,
    pub(crate) bid: Level,
    pub(crate) ask: Level,
}

/// What a row gave.
#[derive(Debug)]
pub(crate) enum Decoded {
    Book(Message),
    Touch(Touch),
    /// The number of a socket whose messages are counted.
    Socket(u64),
}

/// A decoder and what it has learnt.
pub(crate) struct Decoder {
    shape: Shape,
    scales: BTreeMap<String, (Scale, Scale)>,
    /// What follows the last slash of each connection's address.
    paths: BTreeMap<String, String>,
}

/// The wire shapes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Binance,
    KrakenV2,
    KrakenFutures,
    Bybit,
    Bitget,
    CoinbaseAdvanced,
}

/// Fine enough for every recording whose venue names no precision that matters.
fn eight() -> Scale {
    Scale::new(8).expect("8 is within 0..=18")
}

impl Decoder {
    pub(crate) fn new(shape: Shape) -> Decoder {
        Decoder { shape, scales: BTreeMap::new(), paths: BTreeMap::new() }
    }

    /// The scales of a book's prices and quantities.
    pub(crate) fn scales(&self, book: &str) -> (Scale, Scale) {
        self.scales.get(book).copied().unwrap_or((eight(), eight()))
    }

    pub(crate) fn decode(&mut self, row: &Row) -> Vec<Decoded> {
        match (row.t.as_str(), self.shape) {
            ("connect", _) => {
                let path = row.url.rsplit('/').next().unwrap_or_default();
                self.paths.insert(row.conn.clone(), path.into());
                Vec::new()
            }
            ("http", Shape::Binance) => self.binance_rest(row),
            ("recv", Shape::Binance) => self.binance(&row.data),
            ("recv", Shape::KrakenV2) => self.kraken_v2(&row.data),
            ("recv", Shape::KrakenFutures) => self.kraken_futures(&row.data),
            ("recv", Shape::Bybit) => self.bybit(row),
            ("recv", Shape::Bitget) => self.bitget(&row.data),
            ("recv", Shape::CoinbaseAdvanced) => self.coinbase_advanced(&row.data),
            _ => Vec::new(),
        }
    }

    fn side<'a>(&self, book: &str, rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Side {
        let (price_scale, qty_scale) = self.scales(book);
        let mut side = Side::default();
        for (price, qty) in rows {
            let read = |text: &str, scale| {
                parse_scaled(text.as_bytes(), scale).unwrap_or_else(|error| panic!("{book}, {text}: {error}"))
            };
            side.levels.push(Level::new(read(price, price_scale), read(qty, qty_scale)));
            side.places.push(Places { price: places(price), qty: places(qty) });
        }
        side
    }

    fn binance_rest(&self, row: &Row) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Depth<'a> {
            #[serde(rename = "lastUpdateId")]
            last: u64,
            #[serde(borrow)]
            bids: Vec<(&'a str, &'a str)>,
            asks: Vec<(&'a str, &'a str)>,
        }
        let Some((_, query)) = row.url.split_once("/depth?") else { return Vec::new() };
        let symbol =
            query.split('&').find_map(|pair| pair.strip_prefix("symbol=")).expect("a depth has a symbol");
        let depth: Depth<'_> = serde_json::from_str(&row.data).expect("a depth answer");
        vec![Decoded::Book(Message {
            book: symbol.into(),
            is_snapshot: true,
            ids: Some(Ids::single(depth.last)),
            bids: self.side(symbol, depth.bids),
            asks: self.side(symbol, depth.asks),
            checksum: None,
        })]
    }

    fn binance(&self, data: &str) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            stream: &'a str,
            #[serde(borrow)]
            data: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct Diff<'a> {
            s: &'a str,
            #[serde(rename = "U")]
            first: u64,
            u: u64,
            pu: Option<u64>,
            #[serde(borrow)]
            b: Vec<(&'a str, &'a str)>,
            a: Vec<(&'a str, &'a str)>,
        }
        #[derive(Deserialize)]
        struct Ticker<'a> {
            s: &'a str,
            u: u64,
            b: &'a str,
            #[serde(rename = "B")]
            bid_qty: &'a str,
            a: &'a str,
            #[serde(rename = "A")]
            ask_qty: &'a str,
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(data) else { return Vec::new() };
        if envelope.stream.contains("@depth") {
            let diff: Diff<'_> = serde_json::from_str(envelope.data.get()).expect("a depth event");
            return vec![Decoded::Book(Message {
                book: diff.s.into(),
                is_snapshot: false,
                ids: Some(Ids { first: diff.first, last: diff.u, prev: diff.pu }),
                bids: self.side(diff.s, diff.b),
                asks: self.side(diff.s, diff.a),
                checksum: None,
            })];
        }
        if envelope.stream.contains("@bookTicker") {
            let ticker: Ticker<'_> = serde_json::from_str(envelope.data.get()).expect("a book ticker");
            let one = |price, qty| self.side(ticker.s, [(price, qty)]).levels[0];
            return vec![Decoded::Touch(Touch {
                book: ticker.s.into(),
                id: ticker.u,
                bid: one(ticker.b, ticker.bid_qty),
                ask: one(ticker.a, ticker.ask_qty),
            })];
        }
        Vec::new()
    }

    fn kraken_v2(&mut self, data: &str) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            channel: Option<&'a str>,
            #[serde(rename = "type")]
            kind: Option<&'a str>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Instruments<'a> {
            #[serde(borrow)]
            pairs: Vec<Pair<'a>>,
        }
        #[derive(Deserialize)]
        struct Pair<'a> {
            symbol: &'a str,
            price_precision: u8,
            qty_precision: u8,
        }
        #[derive(Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            price: &'a RawValue,
            qty: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct Book<'a> {
            symbol: &'a str,
            #[serde(borrow)]
            bids: Vec<Row<'a>>,
            asks: Vec<Row<'a>>,
            checksum: u32,
        }
        let envelope: Envelope<'_> = serde_json::from_str(data).expect("an envelope");
        let (Some(channel), Some(payload)) = (envelope.channel, envelope.data) else { return Vec::new() };
        if channel == "instrument" {
            let instruments: Instruments<'_> = serde_json::from_str(payload.get()).expect("instruments");
            for pair in instruments.pairs {
                let scale = |digits| Scale::new(digits).expect("a precision within 0..=18");
                self.scales
                    .insert(pair.symbol.into(), (scale(pair.price_precision), scale(pair.qty_precision)));
            }
        }
        if channel != "book" {
            return Vec::new();
        }
        let books: Vec<Book<'_>> = serde_json::from_str(payload.get()).expect("book data");
        let texts = |rows: &[Row<'_>]| {
            rows.iter().map(|row| (row.price.get().to_owned(), row.qty.get().to_owned())).collect::<Vec<_>>()
        };
        books
            .iter()
            .map(|book| {
                let (bids, asks) = (texts(&book.bids), texts(&book.asks));
                let side = |rows: &[(String, String)]| {
                    self.side(book.symbol, rows.iter().map(|(price, qty)| (price.as_str(), qty.as_str())))
                };
                Decoded::Book(Message {
                    book: book.symbol.into(),
                    is_snapshot: envelope.kind == Some("snapshot"),
                    ids: None,
                    bids: side(&bids),
                    asks: side(&asks),
                    checksum: Some(book.checksum),
                })
            })
            .collect()
    }

    fn kraken_futures(&self, data: &str) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            price: &'a RawValue,
            qty: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct Payload<'a> {
            feed: Option<&'a str>,
            product_id: Option<&'a str>,
            seq: Option<u64>,
            side: Option<&'a str>,
            #[serde(borrow)]
            price: Option<&'a RawValue>,
            qty: Option<&'a RawValue>,
            #[serde(default)]
            bids: Vec<Row<'a>>,
            #[serde(default)]
            asks: Vec<Row<'a>>,
        }
        let message: Payload<'_> = serde_json::from_str(data).expect("a message");
        let is_snapshot = match message.feed {
            Some("book_snapshot") => true,
            Some("book") => false,
            _ => return Vec::new(),
        };
        let (Some(book), Some(seq)) = (message.product_id, message.seq) else { return Vec::new() };
        let side =
            |rows: &[Row<'_>]| self.side(book, rows.iter().map(|row| (row.price.get(), row.qty.get())));
        let (mut bids, mut asks) = (side(&message.bids), side(&message.asks));
        if let (Some(price), Some(qty)) = (message.price, message.qty) {
            let row = self.side(book, [(price.get(), qty.get())]);
            match message.side {
                Some("buy") => bids = row,
                _ => asks = row,
            }
        }
        vec![Decoded::Book(Message {
            book: book.into(),
            is_snapshot,
            ids: Some(Ids::single(seq)),
            bids,
            asks,
            checksum: None,
        })]
    }

    fn bybit(&self, row: &Row) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            topic: Option<&'a str>,
            #[serde(rename = "type")]
            kind: Option<&'a str>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Depth<'a> {
            #[serde(borrow)]
            b: Vec<(&'a str, &'a str)>,
            a: Vec<(&'a str, &'a str)>,
            u: u64,
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(&row.data) else { return Vec::new() };
        let Some(topic) = envelope.topic.filter(|topic| topic.starts_with("orderbook.")) else {
            return Vec::new();
        };
        let payload = envelope.data.expect("an order book has data");
        let depth: Depth<'_> = serde_json::from_str(payload.get()).expect("an order book");
        // The same topic means another instrument on the socket of another category.
        let book = format!("{}:{topic}", self.paths.get(&row.conn).map_or("?", String::as_str));
        vec![Decoded::Book(Message {
            is_snapshot: envelope.kind == Some("snapshot"),
            ids: Some(Ids::single(depth.u)),
            bids: self.side(&book, depth.b),
            asks: self.side(&book, depth.a),
            checksum: None,
            book,
        })]
    }

    fn bitget(&self, data: &str) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Arg<'a> {
            #[serde(rename = "instType")]
            kind: &'a str,
            channel: &'a str,
            #[serde(rename = "instId")]
            id: &'a str,
        }
        #[derive(Deserialize)]
        struct Envelope<'a> {
            action: Option<&'a str>,
            #[serde(borrow)]
            arg: Arg<'a>,
            data: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Depth<'a> {
            #[serde(borrow)]
            asks: Vec<(&'a str, &'a str)>,
            bids: Vec<(&'a str, &'a str)>,
            checksum: i32,
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(data) else { return Vec::new() };
        let (Some(action), Some(payload), "books") = (envelope.action, envelope.data, envelope.arg.channel)
        else {
            return Vec::new();
        };
        let book = format!("{}:{}", envelope.arg.kind, envelope.arg.id);
        let depths: Vec<Depth<'_>> = serde_json::from_str(payload.get()).expect("book data");
        depths
            .into_iter()
            .map(|depth| {
                Decoded::Book(Message {
                    is_snapshot: action == "snapshot",
                    ids: None,
                    bids: self.side(&book, depth.bids),
                    asks: self.side(&book, depth.asks),
                    checksum: Some(depth.checksum.cast_unsigned()),
                    book: book.clone(),
                })
            })
            .collect()
    }

    fn coinbase_advanced(&self, data: &str) -> Vec<Decoded> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            channel: &'a str,
            sequence_num: u64,
            #[serde(borrow)]
            events: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct Change<'a> {
            side: &'a str,
            price_level: &'a str,
            new_quantity: &'a str,
        }
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            product_id: &'a str,
            #[serde(borrow)]
            updates: Vec<Change<'a>>,
        }
        let envelope: Envelope<'_> = serde_json::from_str(data).expect("an envelope");
        let mut decoded = vec![Decoded::Socket(envelope.sequence_num)];
        if envelope.channel == "l2_data" {
            let events: Vec<Event<'_>> = serde_json::from_str(envelope.events.get()).expect("level2 events");
            decoded.extend(events.iter().map(|event| {
                let side = |name: &str| {
                    let rows = event.updates.iter().filter(|change| change.side == name);
                    self.side(event.product_id, rows.map(|change| (change.price_level, change.new_quantity)))
                };
                Decoded::Book(Message {
                    book: event.product_id.into(),
                    is_snapshot: event.kind == "snapshot",
                    ids: Some(Ids::single(envelope.sequence_num)),
                    bids: side("bid"),
                    asks: side("offer"),
                    checksum: None,
                })
            }));
        }
        decoded
    }
}

/// The digits behind the point in a text.
fn places(text: &str) -> u8 {
    u8::try_from(text.split_once('.').map_or(0, |(_, fraction)| fraction.len())).expect("a short number")
}

//! The fast path: books, in the order of keys that the venue writes them in. What is spelt in another way is left to serde.

use venuekit_book::{Ids, Places};
use venuekit_types::{Level, Price, Qty, UnixNanos};
use venuekit_venue::{
    Body, BookBody, Channel, Data, DataKind, Event, EventBuf, LevelSpan, MarketId, Place, Topic,
};
use venuekit_wire::Time;
use venuekit_wire::usual::{Cursor, Unusual};

/// The names of a level's numbers.
const LEVEL: [&str; 2] = ["price", "qty"];

/// Reads a message of spot's book channel about one pair.
pub(super) fn spot(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<Event, Unusual> {
    let mut frame = Cursor::new(frame);
    frame.literal(r#"{"channel":"book","type":""#)?;
    let kind = match frame.text()? {
        "update" => DataKind::Update,
        "snapshot" => DataKind::Snapshot,
        _ => return Err(Unusual),
    };
    frame.literal(r#","data":[{"symbol":""#)?;
    let (market, instrument) = place.catalog.find(frame.text()?).ok_or(Unusual)?;
    let scales = (instrument.price_scale, instrument.qty_scale);
    // The checksum covers the text: where that is not of the pair's precision, its digits are kept beside the numbers.
    // A pair without a step was guessed at, so there they always are.
    let is_guess = instrument.step.0 == 0;
    let mut side = |frame: &mut Cursor<'_>| -> Result<LevelSpan, Unusual> {
        let levels = frame.named_levels(LEVEL, scales);
        if is_guess {
            let spelt = |(level, [price, qty]): (Level, [u8; 2])| (level, Places { price, qty });
            return out.put_spelt_levels(scales, levels.map(|row| row.map(spelt)));
        }
        out.put_levels(levels.map(|row| match row? {
            (level, [price, qty]) if price <= scales.0.digits() && qty <= scales.1.digits() => Ok(level),
            _ => Err(Unusual),
        }))
    };
    frame.literal(r#","bids":"#)?;
    let bids = side(&mut frame)?;
    frame.literal(r#","asks":"#)?;
    let asks = side(&mut frame)?;
    frame.literal(r#","checksum":"#)?;
    let checksum = u32::try_from(frame.integer()?).map_err(|_| Unusual)?;
    // Snapshots may come without a time.
    let at = if frame.literal(r#","timestamp":""#).is_ok() {
        let Time(at) = frame.text()?.parse().map_err(|_| Unusual)?;
        Some(at)
    } else {
        None
    };
    frame.literal("}]}")?;
    frame.end()?;
    Ok(told(market, kind, None, at, BookBody { bids, asks, checksum: Some(checksum) }))
}

/// Reads one changed level of a book of futures.
pub(super) fn futures(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<Event, Unusual> {
    let mut frame = Cursor::new(frame);
    frame.literal(r#"{"feed":"book","product_id":""#)?;
    let (market, instrument) = place.catalog.find(frame.text()?).ok_or(Unusual)?;
    frame.literal(r#","side":""#)?;
    let is_bid = match frame.text()? {
        "buy" => true,
        "sell" => false,
        _ => return Err(Unusual),
    };
    frame.literal(r#","seq":"#)?;
    let seq = frame.integer()?;
    frame.literal(r#","price":"#)?;
    let (price, _) = frame.spelt(instrument.price_scale)?;
    frame.literal(r#","qty":"#)?;
    let (qty, _) = frame.spelt(instrument.qty_scale)?;
    frame.literal(r#","timestamp":"#)?;
    let millis =
        i64::try_from(frame.integer()?).ok().and_then(|ms| ms.checked_mul(1_000_000)).ok_or(Unusual)?;
    frame.literal("}")?;
    frame.end()?;
    let level = out.put_levels([Ok::<_, Unusual>(Level { price: Price(price), qty: Qty(qty) })])?;
    let none = LevelSpan::default();
    let (bids, asks) = if is_bid { (level, none) } else { (none, level) };
    let book = BookBody { bids, asks, checksum: None };
    Ok(told(market, DataKind::Update, Some(Ids::single(seq)), Some(UnixNanos(millis)), book))
}

fn told(market: MarketId, kind: DataKind, ids: Option<Ids>, at: Option<UnixNanos>, book: BookBody) -> Event {
    let topic = Topic::of(Channel::Book, market);
    Event::Data(Data { topic, kind, ids, at, body: Body::Book(book) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_types::{Instrument, Scale, Symbol};
    use venuekit_venue::{Catalog, read::bare_terms};

    /// That both paths agree is tested over all sorts of frames; here it is that the short one is taken.
    #[test]
    fn what_the_venue_writes_is_usual() {
        let symbol: Symbol = "ADA/CAD".parse().expect("a symbol");
        let scale = |digits| Scale::new(digits).expect("in range");
        let known = Instrument {
            price_scale: scale(5),
            qty_scale: scale(8),
            step: Qty(1),
            ..bare_terms("ADA/CAD", symbol, false)
        };
        let guess = Instrument { step: Qty(0), ..known.clone() };
        let book = r#"{"channel":"book","type":"update","data":[{"symbol":"ADA/CAD","bids":[{"price":0.75360,"qty":5.00000000}],"asks":[],"checksum":2884602505,"timestamp":"2021-04-17T16:48:53.567659Z"}]}"#;
        let whole = r#"{"channel":"book","type":"snapshot","data":[{"symbol":"ADA/CAD","bids":[],"asks":[{"price":0.75360,"qty":5.00000000},{"price":0.8,"qty":1}],"checksum":7}]}"#;
        let level = r#"{"feed":"book","product_id":"ADA/CAD","side":"sell","seq":5159968,"price":2.5,"qty":251.0,"timestamp":1626994927856}"#;
        for terms in [known, guess] {
            let mut catalog = Catalog::new();
            catalog.put(terms);
            let place = Place { product: 0, socket: 0, catalog: &catalog };
            let mut out = EventBuf::new();
            assert!(spot(place, book.as_bytes(), &mut out).is_ok());
            assert!(spot(place, whole.as_bytes(), &mut out).is_ok());
            assert!(futures(place, level.as_bytes(), &mut out).is_ok());
            let wide = book.replace("0.75360", "0.753600");
            let is_guess = catalog.iter().all(|(_, terms)| terms.step.0 == 0);
            assert_eq!(spot(place, wide.as_bytes(), &mut out).is_ok(), is_guess);
        }
    }
}

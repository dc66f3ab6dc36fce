//! Stored rows as messages of a bus: where each goes, what it is called, and what it says.
//!
//! Owns the names that consumers know rows by. It refuses to be the truth: a bus is told at least once and in no order
//! between rows, so consumers drop the ids that they have seen and read what they missed from the store.

use std::fmt::Write as _;

use venuekit_types::{Level, Scale, Scaled, UnixNanos};

use crate::{Desk, Row, SinkError, text};

/// What every subject begins with: the version of subjects, ids and payloads together.
pub const SUBJECT_PREFIX: &str = "venuekit.v1";

/// One row for whoever listens.
///
/// **Shape**: the subject is `venuekit.v1.<venue>.<symbol>.<kind>`, where `kind` is the table; a movement has its asset
/// for a symbol. Of a symbol, letters, digits and `-` stand for themselves, `/` and `:` become `_`, and any other byte
/// becomes `=` and two hexadecimal digits; the payload holds the symbol as it is. The payload is one JSON object with
/// the fields of the table, decimals as text and times in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Equal for equal rows, whoever publishes them, and for no others.
    pub id: String,
    /// Where it goes.
    pub subject: String,
    /// The row as JSON.
    pub payload: String,
}

/// What a bus did with messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Published {
    /// Taken.
    pub new: u64,
    /// Known to the bus already, by their ids.
    pub dup: u64,
    /// Larger than the bus takes; their ids. They are in the store.
    pub oversize: Vec<String>,
}

/// A bus that rows are published on.
pub trait Bus: Send {
    /// Publishes messages, and returns once the bus has acknowledged each, or has been found to take none so large.
    ///
    /// **Errors**: [`BusError`]; some may have been published, and all of them may be again.
    fn publish(&mut self, messages: &[Message]) -> Result<Published, BusError>;
}

/// What was at the bottom of it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a bus did not take messages. They wait, and the next attempt may succeed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It does not answer.
    #[error("the bus cannot be reached; messages wait until it can")]
    Unreachable(#[source] Cause),
    /// It does not believe who we are, or does not let us.
    #[error("the bus refuses the credentials; check the file that holds them and what they allow")]
    Refused(#[source] Cause),
    /// What is there under our stream's name is no stream of ours.
    #[error("the stream {stream} {what}; name another stream, or delete that one")]
    Unfit {
        /// Its name.
        stream: String,
        /// What is wrong with it.
        what: String,
    },
    /// Anything else, of which the source tells.
    #[error("the bus failed")]
    Other(#[source] Cause),
}

/// Why a step of telling a bus failed. What was to be told still is.
#[derive(Debug, thiserror::Error)]
pub enum FanoutError {
    /// The database on this side.
    #[error("the database cannot be read for the bus")]
    Store(#[source] SinkError),
    /// The bus on the other side.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Message {
    /// The message that tells a row.
    pub fn of(row: &Row) -> Message {
        let kind = row.table().as_str();
        let mut id = Id(String::from(kind));
        let mut json = Object::of(kind);
        let (venue, symbol) = match row {
            Row::Trade(row) => {
                let (venue, symbol) = (&*row.market.venue, row.market.symbol.as_str());
                id.part(venue).part(symbol).part(&row.trade_id);
                json.head(venue, symbol, Some(row.ts_venue), row.ts_local)
                    .text("id", &row.trade_id)
                    .text("side", text::side(row.side))
                    .text("price", &row.price.to_string())
                    .text("amount", &row.qty.to_string());
                (venue, symbol)
            }
            Row::BookChange(row) => {
                let (venue, symbol) = (&*row.market.venue, row.market.symbol.as_str());
                id.part(venue).part(symbol).number(row.epoch).number(row.first_seq);
                json.head(venue, symbol, row.ts_venue, row.ts_local)
                    .flag("isSnapshot", Some(row.is_snapshot))
                    .number("epoch", Some(row.epoch))
                    .number("first_seq", Some(row.first_seq))
                    .number("seq", Some(row.last_seq))
                    .number("prev_seq", row.first_seq.checked_sub(1).filter(|_| !row.is_snapshot))
                    .levels("bids", &row.bids, (row.price_scale, row.qty_scale))
                    .levels("asks", &row.asks, (row.price_scale, row.qty_scale));
                (venue, symbol)
            }
            Row::Ticker(row) => {
                let (venue, symbol) = (&*row.market.venue, row.market.symbol.as_str());
                id.part(venue).part(symbol).number(row.epoch).number(row.seq);
                json.head(venue, symbol, row.ts_venue, row.ts_local)
                    .number("epoch", Some(row.epoch))
                    .number("seq", Some(row.seq))
                    .known("bid", &row.bid)
                    .known("bid_qty", &row.bid_qty)
                    .known("ask", &row.ask)
                    .known("ask_qty", &row.ask_qty)
                    .known("last", &row.last)
                    .known("mark", &row.mark)
                    .known("index", &row.index)
                    .known("funding_rate", &row.funding_rate)
                    .time("next_funding_at", row.next_funding_at)
                    .known("open_interest", &row.open_interest)
                    .known("volume", &row.volume)
                    .known("quote_volume", &row.quote_volume);
                (venue, symbol)
            }
            Row::Candle(row) => {
                let (venue, symbol) = (&*row.market.venue, row.market.symbol.as_str());
                id.part(venue).part(symbol).part(&row.interval).signed(row.open_at.0);
                json.head(venue, symbol, None, row.ts_local)
                    .text("interval", &row.interval)
                    .time("open_at", Some(row.open_at))
                    .text("open", &row.open)
                    .text("high", &row.high)
                    .text("low", &row.low)
                    .text("close", &row.close)
                    .text("volume", &row.volume);
                (venue, symbol)
            }
            Row::Gap(row) => {
                let (venue, symbol) = (&*row.market.venue, row.market.symbol.as_str());
                id.part(venue).part(symbol).part(&row.channel).signed(row.detected_at.0);
                // Noticed and healed are two things to tell.
                id.part(if row.healed_at.is_some() { "healed" } else { "open" });
                json.head(venue, symbol, None, row.healed_at.unwrap_or(row.detected_at))
                    .text("channel", &row.channel)
                    .number("epoch", row.epoch)
                    .number("from_seq", row.from_seq)
                    .number("to_seq", row.to_seq)
                    .text("cause", &row.cause)
                    .time("detected_at", Some(row.detected_at))
                    .time("healed_at", row.healed_at);
                (venue, symbol)
            }
            Row::Instrument(row) => {
                let (venue, symbol) = (&*row.venue, row.terms.symbol.as_str());
                id.part(venue).part(symbol).signed(row.ts_local.0);
                let terms = text::Terms::of(&row.terms);
                json.head(venue, symbol, None, row.ts_local)
                    .text("venue_symbol", &row.terms.venue_symbol)
                    .text("kind", terms.kind)
                    .text("status", terms.status)
                    .text("tick", &terms.tick)
                    .text("step", &terms.step)
                    .known("min_qty", &terms.min_qty)
                    .known("max_qty", &terms.max_qty)
                    .known("min_notional", &terms.min_notional)
                    .known("contract_size", &terms.contract_size)
                    .flag("inverse", Some(row.terms.inverse))
                    .known("maker_fee", &terms.maker_fee)
                    .known("taker_fee", &terms.taker_fee);
                (venue, symbol)
            }
            Row::OrderState(row) => {
                id.desk(&row.desk).part(&row.venue_order_id).signed(row.ts_venue.0);
                id.part(&row.status).part(&row.cum_qty);
                let stamp = (row.ts_venue.0 != 0).then_some(row.ts_venue);
                json.head(&row.desk.owner.venue, row.desk.symbol.as_str(), stamp, row.ts_local)
                    .desk(&row.desk)
                    .text("venue_order_id", &row.venue_order_id)
                    .known("client_order_id", &row.client_order_id)
                    .text("status", &row.status)
                    .text("side", row.side.as_str())
                    .known("order_type", &row.order_type)
                    .known("time_in_force", &row.time_in_force)
                    .known("price", &row.price)
                    .known("stop_price", &row.stop_price)
                    .text("qty", &row.qty)
                    .text("cum_qty", &row.cum_qty)
                    .known("avg_px", &row.avg_px)
                    .known("fee", &row.fee)
                    .known("fee_asset", &row.fee_asset)
                    .flag("post_only", row.post_only)
                    .flag("reduce_only", row.reduce_only)
                    .time("created_at", row.created_at);
                (&*row.desk.owner.venue, row.desk.symbol.as_str())
            }
            Row::Fill(row) => {
                id.desk(&row.desk).part(&row.fill_id);
                json.head(&row.desk.owner.venue, row.desk.symbol.as_str(), Some(row.ts_venue), row.ts_local)
                    .desk(&row.desk)
                    .text("fill_id", &row.fill_id)
                    .text("venue_order_id", &row.venue_order_id)
                    .known("client_order_id", &row.client_order_id)
                    .text("side", row.side.as_str())
                    .text("last_px", &row.last_px)
                    .text("last_qty", &row.last_qty)
                    .text("fee", &row.fee)
                    .known("fee_asset", &row.fee_asset)
                    .known("realized_pnl", &row.realized_pnl)
                    .known("liquidity", &row.maker.map(text::liquidity))
                    .flag("derived", Some(row.derived));
                (&*row.desk.owner.venue, row.desk.symbol.as_str())
            }
            Row::Movement(row) => {
                id.part(&row.owner.venue).part(&row.owner.account).part(&row.kind);
                id.part(&row.movement_id).part(&row.status);
                json.head(&row.owner.venue, "", Some(row.ts_venue), row.ts_local)
                    .text("account", &row.owner.account)
                    .text("kind", &row.kind)
                    .text("movement_id", &row.movement_id)
                    .text("status", &row.status)
                    .text("asset", &row.asset)
                    .text("amount", &row.amount)
                    .known("fee", &row.fee)
                    .known("network", &row.network)
                    .known("address", &row.address)
                    .known("tx_id", &row.tx_id)
                    .known("from_wallet", &row.from_wallet)
                    .known("to_wallet", &row.to_wallet);
                (&*row.owner.venue, row.asset.as_str())
            }
        };
        let mut subject = String::from(SUBJECT_PREFIX);
        for word in [venue, symbol] {
            subject.push('.');
            token(&mut subject, word);
        }
        subject.push('.');
        subject.push_str(kind);
        Message { id: id.0, subject, payload: json.end() }
    }
}

/// Writes a word as one token of a subject.
fn token(out: &mut String, word: &str) {
    for byte in word.bytes() {
        match byte {
            b'/' | b':' => out.push('_'),
            b'-' => out.push('-'),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => write!(out, "={byte:02X}").expect("writing to a String cannot fail"),
        }
    }
    if word.is_empty() {
        out.push('=');
    }
}

/// A name that is put together from the parts of a key.
struct Id(String);

impl Id {
    /// Adds a part. What a venue spells may hold anything: it stays one part, of printable characters.
    fn part(&mut self, part: &str) -> &mut Id {
        self.0.push('|');
        for byte in part.bytes() {
            match byte {
                b'|' | b'%' => write!(self.0, "%{byte:02X}").expect("writing to a String cannot fail"),
                _ if byte.is_ascii_graphic() => self.0.push(char::from(byte)),
                _ => write!(self.0, "%{byte:02X}").expect("writing to a String cannot fail"),
            }
        }
        self
    }

    fn number(&mut self, number: u64) -> &mut Id {
        self.part(&number.to_string())
    }

    fn signed(&mut self, number: i64) -> &mut Id {
        self.part(&number.to_string())
    }

    fn desk(&mut self, desk: &Desk) -> &mut Id {
        self.part(&desk.owner.venue).part(&desk.owner.account).part(&desk.product).part(desk.symbol.as_str())
    }
}

/// A JSON object under way.
struct Object(String);

impl Object {
    fn of(kind: &str) -> Object {
        Object(format!("{{\"type\":\"{kind}\""))
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        write!(self.0, ",\"{name}\":").expect("writing to a String cannot fail");
    }

    fn text(&mut self, name: &str, text: &str) -> &mut Object {
        self.name(name);
        self.0.push_str(&serde_json::Value::from(text).to_string());
        self
    }

    fn known(&mut self, name: &str, text: &Option<impl AsRef<str>>) -> &mut Object {
        if let Some(text) = text {
            self.text(name, text.as_ref());
        }
        self
    }

    fn number(&mut self, name: &str, number: Option<u64>) -> &mut Object {
        if let Some(number) = number {
            self.name(name);
            self.0.push_str(&number.to_string());
        }
        self
    }

    fn flag(&mut self, name: &str, flag: Option<bool>) -> &mut Object {
        if let Some(flag) = flag {
            self.name(name);
            self.0.push_str(if flag { "true" } else { "false" });
        }
        self
    }

    fn time(&mut self, name: &str, at: Option<UnixNanos>) -> &mut Object {
        if let Some(at) = at {
            self.name(name);
            write!(self.0, "\"{}\"", text::Rfc3339(at)).expect("writing to a String cannot fail");
        }
        self
    }

    fn head(
        &mut self,
        venue: &str,
        symbol: &str,
        stamp: Option<UnixNanos>,
        arrived: UnixNanos,
    ) -> &mut Object {
        self.text("venue", venue);
        if !symbol.is_empty() {
            self.text("symbol", symbol);
        }
        self.time("timestamp", stamp).time("localTimestamp", Some(arrived))
    }

    fn desk(&mut self, desk: &Desk) -> &mut Object {
        self.text("account", &desk.owner.account).text("product", &desk.product).known("wallet", &desk.wallet)
    }

    fn levels(&mut self, name: &str, levels: &[Level], (price, qty): (Scale, Scale)) -> &mut Object {
        self.name(name);
        self.0.push('[');
        for (at, level) in levels.iter().enumerate() {
            let (price, qty) = (Scaled::new(level.price.0, price), Scaled::new(level.qty.0, qty));
            let comma = if at == 0 { "" } else { "," };
            write!(self.0, "{comma}{{\"price\":\"{price}\",\"amount\":\"{qty}\"}}")
                .expect("writing to a String cannot fail");
        }
        self.0.push(']');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BookChange, Gap, Market, Movement, Owner, Trade};

    fn trade(id: &str) -> Row {
        Row::Trade(Trade {
            market: Market::new("doex", "BTC/USDT:USDT".parse().expect("a symbol")),
            trade_id: id.into(),
            price: Scaled::new(880_450, Scale::new(2).expect("small")),
            qty: Scaled::new(15, Scale::new(1).expect("small")),
            side: None,
            ts_venue: UnixNanos(1_700_000_000_123_000_000),
            ts_local: UnixNanos(1_700_000_000_123_456_789),
        })
    }

    #[test]
    fn a_message_has_a_name_a_place_and_the_row() {
        let message = Message::of(&trade("1001"));
        assert_eq!(message.id, "trade|doex|BTC/USDT:USDT|1001");
        assert_eq!(message.subject, "venuekit.v1.doex.BTC_USDT_USDT.trade");
        assert_eq!(
            message.payload,
            concat!(
                r#"{"type":"trade","venue":"doex","symbol":"BTC/USDT:USDT","timestamp":"2023-11-14T22:13:20.123Z","#,
                r#""localTimestamp":"2023-11-14T22:13:20.123456789Z","id":"1001","side":"unknown","price":"8804.5","#,
                r#""amount":"1.5"}"#
            )
        );
    }

    /// A venue's own spelling is a peer's: it must neither end a header nor make two rows one.
    #[test]
    fn what_a_venue_spells_stays_one_part_of_an_id_and_one_text_of_the_payload() {
        let id = |text: &str| Message::of(&trade(text)).id;
        let spelled = ["a|b", "a%7Cb", "a\r\nNats-Msg-Id: x", "é", "a b", ""];
        let ids: std::collections::BTreeSet<String> = spelled.iter().map(|text| id(text)).collect();
        assert_eq!(ids.len(), spelled.len(), "{ids:?}");
        assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_graphic())), "{ids:?}");
        for text in spelled {
            let payload = Message::of(&trade(text)).payload;
            let read: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
            assert_eq!(read["id"], text);
        }
    }

    #[test]
    fn a_subject_has_five_tokens_whatever_it_is_made_of() {
        let mut out = String::new();
        token(&mut out, "A.B*>_ é");
        assert_eq!(out, "A=2EB=2A=3E=5F=20=C3=A9");
        let movement = Movement {
            owner: Owner::new("doex", "main"),
            kind: "deposit".into(),
            movement_id: "7".into(),
            status: "completed".into(),
            asset: String::new(),
            amount: "1".into(),
            fee: None,
            network: None,
            address: None,
            tx_id: None,
            from_wallet: None,
            to_wallet: Some("spot".into()),
            ts_venue: UnixNanos(0),
            ts_local: UnixNanos(0),
        };
        let message = Message::of(&Row::Movement(Box::new(movement)));
        assert_eq!(message.subject, "venuekit.v1.doex.=.movement");
        assert_eq!(message.id, "movement|doex|main|deposit|7|completed");
    }

    #[test]
    fn a_book_links_and_a_gap_is_told_twice() {
        let market = Market::new("doex", "BTC/USDT".parse().expect("a symbol"));
        let mut change = BookChange {
            market: market.clone(),
            epoch: 3,
            first_seq: 8,
            last_seq: 9,
            is_snapshot: false,
            price_scale: Scale::new(2).expect("small"),
            qty_scale: Scale::ZERO,
            bids: vec![Level::new(100, 5), Level::new(99, 0)],
            asks: vec![],
            ts_venue: None,
            ts_local: UnixNanos(0),
        };
        let read = |change: &BookChange| -> serde_json::Value {
            let message = Message::of(&Row::BookChange(change.clone()));
            assert_eq!(message.id, "book_change|doex|BTC/USDT|3|8");
            assert_eq!(message.subject, "venuekit.v1.doex.BTC_USDT.book_change");
            serde_json::from_str(&message.payload).expect("JSON")
        };
        let json = read(&change);
        assert_eq!((&json["seq"], &json["prev_seq"], &json["epoch"]), (&9.into(), &7.into(), &3.into()));
        assert_eq!(json["bids"][1], serde_json::json!({"price": "0.99", "amount": "0"}));
        change.is_snapshot = true;
        assert_eq!(read(&change).get("prev_seq"), None, "a snapshot follows nothing");
        let gap = |healed_at| {
            let gap = Gap {
                market: market.clone(),
                channel: "book".into(),
                epoch: None,
                from_seq: None,
                to_seq: None,
                cause: "closed".into(),
                detected_at: UnixNanos(50),
                healed_at,
            };
            Message::of(&Row::Gap(Box::new(gap))).id
        };
        assert_eq!(gap(None), "gap|doex|BTC/USDT|book|50|open");
        assert_eq!(gap(Some(UnixNanos(60))), "gap|doex|BTC/USDT|book|50|healed");
    }
}

//! The objects that `watch` prints, one a line: tardis' names, decimals as text.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use venuekit_book::View;
use venuekit_session::StreamInfo;
use venuekit_types::{Level, Scaled, UnixNanos};

/// What a feed prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Nothing: somebody looks at the session instead.
    Nothing,
    /// Each change of a book.
    Changes,
    /// The best levels of a book, after changes.
    Tops(usize),
}

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    pub(super) r#type: &'static str,
    pub(super) venue: &'a str,
    pub(super) symbol: &'a str,
    #[serde(rename = "venue_symbol")]
    pub(super) venue_symbol: &'a str,
    /// The venue's time.
    pub(super) timestamp: Option<Time>,
    /// The time of arrival.
    pub(super) local_timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_snapshot: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) depth: Option<usize>,
    pub(super) seq: Option<u64>,
    /// The number of the line before, within an epoch.
    #[serde(rename = "prev_seq", skip_serializing_if = "Option::is_none")]
    pub(super) prev_seq: Option<u64>,
    pub(super) epoch: u64,
    #[serde(rename = "book_state")]
    pub(super) book_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bids: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asks: Option<Vec<Row>>,
}

/// One level.
#[derive(Serialize)]
pub(super) struct Row {
    price: String,
    amount: String,
}

/// An instant, in RFC 3339 with as many digits as it needs.
pub(super) struct Time(pub(super) UnixNanos);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Every count of 64 bits lies within the years that a timestamp can hold.
        let time = Timestamp::from_nanosecond(i128::from(self.0.0)).unwrap_or_default();
        serializer.collect_str(&time)
    }
}

/// Levels as text.
pub(super) fn rows(info: &StreamInfo, levels: impl IntoIterator<Item = Level>) -> Vec<Row> {
    let row = |level: Level| Row {
        price: Scaled::new(level.price.0, info.price_scale).to_string(),
        amount: Scaled::new(level.qty.0, info.qty_scale).to_string(),
    };
    levels.into_iter().map(row).collect()
}

impl<'a> Line<'a> {
    /// A line of a stream, with all that differs left out.
    pub(super) fn new(
        r#type: &'static str,
        venue: &'a str,
        info: &'a StreamInfo,
        local: UnixNanos,
    ) -> Line<'a> {
        Line {
            r#type,
            venue,
            symbol: info.symbol.as_ref().map_or("", |symbol| symbol.as_str()),
            venue_symbol: &info.venue_symbol,
            timestamp: None,
            local_timestamp: Time(local),
            is_snapshot: None,
            depth: None,
            seq: None,
            prev_seq: None,
            epoch: 0,
            book_state: "live",
            cause: None,
            bids: None,
            asks: None,
        }
    }

    /// What a book holds now: its best levels, or all of it as the beginning of changes.
    pub(super) fn of_view(
        venue: &'a str,
        info: &'a StreamInfo,
        view: &View<'_>,
        at: Option<UnixNanos>,
        depth: Option<usize>,
    ) -> Line<'a> {
        let kind = if depth.is_some() { "book_snapshot" } else { "book_change" };
        let most = depth.unwrap_or(usize::MAX);
        Line {
            timestamp: at.map(Time),
            is_snapshot: depth.is_none().then_some(true),
            depth,
            seq: view.seq(),
            epoch: view.epoch(),
            bids: Some(rows(info, view.bids().take(most))),
            asks: Some(rows(info, view.asks().take(most))),
            ..Line::new(kind, venue, info, view.updated_at().wall)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_session::StreamId;
    use venuekit_types::Scale;
    use venuekit_venue::Channel;

    #[test]
    fn a_line_has_the_usual_names_and_decimals_as_text() {
        let info = StreamInfo {
            stream: StreamId(0),
            product: 0,
            channel: Channel::Book,
            market: None,
            symbol: "BTC/USDT".parse().ok(),
            venue_symbol: "BTCUSDT".into(),
            price_scale: Scale::new(2).expect("small"),
            qty_scale: Scale::new(5).expect("small"),
        };
        let line = Line {
            timestamp: Some(Time(UnixNanos(1_700_000_000_123_000_000))),
            is_snapshot: Some(false),
            seq: Some(8),
            prev_seq: Some(7),
            epoch: 3,
            bids: Some(rows(&info, [Level::new(880_450, 100_000)])),
            asks: Some(rows(&info, [Level::new(880_500, 0)])),
            ..Line::new("book_change", "doex", &info, UnixNanos(1_700_000_000_123_456_789))
        };
        let expected = concat!(
            r#"{"type":"book_change","venue":"doex","symbol":"BTC/USDT","venue_symbol":"BTCUSDT","#,
            r#""timestamp":"2023-11-14T22:13:20.123Z","localTimestamp":"2023-11-14T22:13:20.123456789Z","#,
            r#""isSnapshot":false,"seq":8,"prev_seq":7,"epoch":3,"book_state":"live","#,
            r#""bids":[{"price":"8804.5","amount":"1"}],"asks":[{"price":"8805","amount":"0"}]}"#
        );
        assert_eq!(serde_json::to_string(&line).expect("JSON"), expected);
    }
}

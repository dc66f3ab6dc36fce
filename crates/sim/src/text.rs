//! Bytes of JSON, written by hand: what is sent is exactly what stands here.
//!
//! The simulator is the oracle, so it shares no serializer with the code it judges. It refuses to know any venue.

use venuekit_types::Scale;

/// A growing line of ASCII text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(pub(crate) Vec<u8>);

impl Text {
    pub(crate) fn new() -> Text {
        Text(Vec::with_capacity(512))
    }

    /// Appends text as it is.
    pub(crate) fn s(&mut self, text: &str) -> &mut Text {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a JSON string, escaped.
    pub(crate) fn quoted(&mut self, text: &str) -> &mut Text {
        self.s(&quoted(text))
    }

    /// Appends an integer.
    pub(crate) fn int(&mut self, value: impl Into<i128>) -> &mut Text {
        let value: i128 = value.into();
        if value < 0 {
            self.0.push(b'-');
        }
        match u64::try_from(value.unsigned_abs()) {
            Ok(magnitude) => self.digits(magnitude, 1),
            Err(_) => self.0.extend_from_slice(value.unsigned_abs().to_string().as_bytes()),
        }
        self
    }

    /// Appends a decimal with every place of its scale.
    pub(crate) fn padded(&mut self, value: i64, scale: Scale) -> &mut Text {
        if value < 0 {
            self.0.push(b'-');
        }
        let unit = scale.unit().unsigned_abs();
        let magnitude = value.unsigned_abs();
        self.digits(magnitude / unit, 1);
        if scale != Scale::ZERO {
            self.0.push(b'.');
            self.digits(magnitude % unit, usize::from(scale.digits()));
        }
        self
    }

    /// Appends a decimal without trailing zeros.
    pub(crate) fn plain(&mut self, value: i64, scale: Scale) -> &mut Text {
        self.padded(value, scale);
        if scale != Scale::ZERO {
            while self.0.last() == Some(&b'0') {
                self.0.pop();
            }
            if self.0.last() == Some(&b'.') {
                self.0.pop();
            }
        }
        self
    }

    /// Appends an instant in Unix milliseconds as ISO-8601 with three places.
    pub(crate) fn iso(&mut self, ms: i64) -> &mut Text {
        let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000).unsigned_abs());
        // Days to a civil date, in years that begin in March so that the leap day comes last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = year_of_era + era * 400 + carry;
        self.digits(year.unsigned_abs(), 4);
        self.0.push(b'-');
        self.digits(month.unsigned_abs(), 2);
        self.0.push(b'-');
        self.digits(day.unsigned_abs(), 2);
        for (separator, value, width) in [
            (b'T', in_day / 3_600_000, 2),
            (b':', in_day / 60_000 % 60, 2),
            (b':', in_day / 1000 % 60, 2),
            (b'.', in_day % 1000, 3),
        ] {
            self.0.push(separator);
            self.digits(value, width);
        }
        self.0.push(b'Z');
        self
    }

    fn digits(&mut self, mut value: u64, width: usize) {
        let mut buffer = [b'0'; 20];
        let mut at = buffer.len();
        while value > 0 || buffer.len() - at < width {
            at -= 1;
            buffer[at] = b'0' + u8::try_from(value % 10).expect("a digit is below 256");
            value /= 10;
        }
        self.0.extend_from_slice(&buffer[at..]);
    }

    /// Takes the bytes out.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::replace(&mut self.0, Vec::with_capacity(512))
    }

    /// The text so far.
    pub(crate) fn into_string(self) -> String {
        String::from_utf8(self.0).expect("only text was appended")
    }
}

/// A JSON string, escaped.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serializes")
}

/// A JSON string that holds a padded decimal.
pub(crate) fn quoted_padded(value: i64, scale: Scale) -> String {
    let mut text = Text::default();
    text.s("\"").padded(value, scale).s("\"");
    text.into_string()
}

/// A JSON string that holds an instant.
pub(crate) fn quoted_iso(ms: i64) -> String {
    let mut text = Text::default();
    text.s("\"").iso(ms).s("\"");
    text.into_string()
}

/// Reads an instant in Unix milliseconds: ISO-8601 in UTC with any number of places, the .NET form
/// `09/10/2020 10:02:52`, or plain milliseconds.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let (date, time) = text.split_once(['T', ' ', '+'])?;
    let parts = |text: &str, by: char| -> Option<[i64; 3]> {
        let parts: Option<Vec<i64>> = text.split(by).map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let [year, month, day] = match parts(date, '-') {
        Some(date) => date,
        None => parts(date, '/').map(|[month, day, year]| [year, month, day])?,
    };
    let (time, fraction) =
        time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    let [hour, minute, second] = parts(time, ':')?;
    let is_right = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    // Years that begin in March, so that the leap day comes last.
    let shifted = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    is_right.then_some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use venuekit_types::Scaled;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn numbers_print_as_the_vocabulary_prints_them(value in any::<i64>(), digits in 0u8..=18) {
            let scale = Scale::new(digits).expect("in range");
            let shown = |write: &dyn Fn(&mut Text)| { let mut t = Text::new(); write(&mut t); t.into_string() };
            prop_assert_eq!(shown(&|t| { t.int(value); }), value.to_string());
            prop_assert_eq!(shown(&|t| { t.plain(value, scale); }), Scaled::new(value, scale).to_string());
            prop_assert_eq!(shown(&|t| { t.padded(value, scale); }), Scaled::new(value, scale).padded().to_string());
        }

        #[test]
        fn instants_print_as_jiff_prints_them(ms in 0i64..4_102_444_800_000) {
            let mut text = Text::new();
            text.iso(ms);
            let stamp = jiff::Timestamp::from_millisecond(ms).expect("in range");
            let text = text.into_string();
            prop_assert_eq!(&text, &format!("{stamp:.3}"));
            prop_assert_eq!(parse_instant(&text), Some(ms));
        }
    }

    #[test]
    fn instants_are_read_in_every_spelling_that_clients_use() {
        for (text, ms) in [
            ("2020-09-10T10:02:52.165Z", Some(1_599_732_172_165)),
            ("2020-09-10T10:02:52Z", Some(1_599_732_172_000)),
            ("2020-09-10T10:02:52.1654321Z", Some(1_599_732_172_165)),
            ("09/10/2020 10:02:52", Some(1_599_732_172_000)),
            ("09/10/2020+10:02:52", Some(1_599_732_172_000)),
            ("1599732172165", Some(1_599_732_172_165)),
            ("2020-13-10T10:02:52Z", None),
            ("2020-09-10", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_instant(text), ms, "{text}");
        }
    }

    #[test]
    fn the_sources_instant() {
        assert_eq!(quoted_iso(1_559_174_400_000), r#""2019-05-30T00:00:00.000Z""#);
        assert_eq!(quoted_iso(1_582_934_400_007), r#""2020-02-29T00:00:00.007Z""#);
    }
}

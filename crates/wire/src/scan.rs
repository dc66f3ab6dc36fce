//! The shared scanner of book levels: `[["8804.00",100],["8803",0]]` to pairs of digits, borrowed, in one pass.
//!
//! It checks the structure; whether the digits are a number is found out by whoever parses them. Each element is
//! a string or a bare number, a row may have more elements than two (a time, a count of orders), and `null` is a
//! side without levels. It refuses escaped digits and nested rows: no venue sends them.

/// The text is no array of levels from byte `at` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an array of levels from byte {at} on")]
pub struct ScanError {
    /// Offset in the scanned text.
    pub at: usize,
}

/// Scans an array of levels. After an error it ends.
///
/// ```
/// use venuekit_wire::scan::levels;
/// let rows: Result<Vec<_>, _> = levels(r#"[["8804.00",100], [8803, "0", "ignored"]]"#).collect();
/// assert_eq!(rows?, [("8804.00", "100"), ("8803", "0")]);
/// # Ok::<(), venuekit_wire::scan::ScanError>(())
/// ```
pub fn levels(text: &str) -> Levels<'_> {
    Levels { text, at: 0, state: State::Start }
}

/// The rows of one side: `(price, quantity)` as digits.
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    text: &'a str,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the outer bracket.
    Start,
    /// After a row.
    Rows,
    /// After the outer bracket, or after an error.
    Done,
}

impl<'a> Iterator for Levels<'a> {
    type Item = Result<(&'a str, &'a str), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.state {
            State::Start => self.first(),
            State::Rows => self.further(),
            State::Done => return None,
        };
        match found {
            Some(Some(row)) => {
                self.state = State::Rows;
                Some(Ok(row))
            }
            Some(None) => {
                self.state = State::Done;
                None
            }
            None => {
                self.state = State::Done;
                Some(Err(ScanError { at: self.at }))
            }
        }
    }
}

impl std::iter::FusedIterator for Levels<'_> {}

/// Elements of a row past price and quantity; a row of more is none that a venue wrote.
const FURTHER_MAX: usize = 14;

/// A row, or the end of rows; the outer nothing is an error at `at`.
type Found<'a> = Option<Option<(&'a str, &'a str)>>;

impl<'a> Levels<'a> {
    fn first(&mut self) -> Found<'a> {
        if self.peek() == Some(b'n') {
            self.word()?;
            return self.end();
        }
        self.expect(b'[')?;
        if self.peek() == Some(b']') { self.close() } else { self.row() }
    }

    fn further(&mut self) -> Found<'a> {
        if self.peek() == Some(b',') {
            self.at += 1;
            self.row()
        } else {
            self.close()
        }
    }

    fn close(&mut self) -> Found<'a> {
        self.expect(b']')?;
        self.end()
    }

    fn end(&mut self) -> Found<'a> {
        match self.peek() {
            None => Some(None),
            Some(_) => None,
        }
    }

    fn row(&mut self) -> Found<'a> {
        self.expect(b'[')?;
        let price = self.digits()?;
        self.expect(b',')?;
        let qty = self.digits()?;
        for _ in 0..FURTHER_MAX {
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
            match self.peek()? {
                b'"' => self.string(true)?,
                b'n' | b't' | b'f' => self.word()?,
                _ => self.number()?,
            };
        }
        self.expect(b']')?;
        Some(Some((price, qty)))
    }

    fn digits(&mut self) -> Option<&'a str> {
        if self.peek()? == b'"' { self.string(false) } else { self.number() }
    }

    /// The inside of a string; one with an escape is taken only where nobody reads it.
    fn string(&mut self, escapes: bool) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' if escapes => self.at += 2,
                b'\\' | 0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        let inside = self.text.get(start..self.at)?;
        self.at += 1;
        Some(inside)
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E') = self.byte() {
            self.at += 1;
        }
        self.text.get(start..self.at).filter(|digits| !digits.is_empty())
    }

    /// One of the three words of JSON.
    fn word(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let word = ["null", "true", "false"].into_iter().find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(word)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    fn rows(text: &str) -> Result<Vec<(&str, &str)>, usize> {
        levels(text).collect::<Result<_, _>>().map_err(|error| error.at)
    }

    #[test]
    fn reads_the_shapes_that_venues_send() {
        assert_eq!(rows(r#"[["8804.00",100],["8803",0]]"#), Ok(vec![("8804.00", "100"), ("8803", "0")]));
        assert_eq!(rows("[[0.1,1e-7]]"), Ok(vec![("0.1", "1e-7")]));
        assert_eq!(
            rows(r#"[["1","2","1616663113.1","r"],["3","4",0,null,true]]"#),
            Ok(vec![("1", "2"), ("3", "4")])
        );
        assert_eq!(rows("\n [ [ \"1\" ,\t2 ] ,\r[3,4]\n] "), Ok(vec![("1", "2"), ("3", "4")]));
        assert_eq!(rows(r#"[["1","2","a\"],[\\"]]"#), Ok(vec![("1", "2")]));
        assert_eq!(rows("[]"), Ok(vec![]));
        assert_eq!(rows(" [ ] "), Ok(vec![]));
        assert_eq!(rows("null"), Ok(vec![]));
    }

    #[test]
    fn says_where_it_stopped() {
        let check = |text, at| assert_eq!(rows(text), Err(at), "{text:?}");
        check("", 0);
        check("{}", 0);
        check("nul", 0);
        check("true", 0);
        check("null1", 4);
        check("[", 1);
        check("[]]", 2);
        check("[[", 2);
        check("[[]]", 2);
        check("[[1]]", 3);
        check("[[1,]]", 4);
        check("[[1,2]", 6);
        check("[[1,2],]", 7);
        check("[[1,2][3,4]]", 6);
        check("[[1,2]]x", 7);
        check("[[null,2]]", 2);
        check("[[1,[2]]]", 4);
        check("[[1,2,[3]]]", 6);
        check("[[1,2,{}]]", 6);
        check(r#"[["1\u0030",2]]"#, 4);
        check("[[\"1\n\",2]]", 4);
        check(r#"[["1"#, 4);
        check(r#"[["1","2","a\"#, 14);
        check("[[\u{e9},2]]", 2);
    }

    #[test]
    fn ends_after_an_error() {
        let mut scanner = levels("[[1,2],[3],[4,5]]");
        assert_eq!(scanner.next(), Some(Ok(("1", "2"))));
        assert_eq!(scanner.next(), Some(Err(ScanError { at: 9 })));
        assert_eq!((scanner.next(), scanner.next()), (None, None));
    }

    #[test]
    fn depth_costs_nothing() {
        assert_eq!(rows(&"[".repeat(100_000)), Err(2));
        assert_eq!(rows(&format!("[[1,2,{}", "[".repeat(100_000))), Err(6));
    }

    /// What serde_json makes of the same text.
    fn reference(text: &str) -> Vec<(String, String)> {
        let rows: Vec<Vec<&RawValue>> = serde_json::from_str(text).expect("the generator writes JSON");
        let shown = |raw: &RawValue| raw.get().trim_matches('"').to_owned();
        rows.iter().map(|row| (shown(row[0]), shown(row[1]))).collect()
    }

    fn element() -> impl Strategy<Value = String> {
        let number =
            prop_oneof!["(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?", "-?[1-9]\\.[0-9]{1,4}e[+-]?[0-9]{1,2}"];
        (number, any::<bool>()).prop_map(|(n, quoted)| if quoted { format!("\"{n}\"") } else { n })
    }

    fn side() -> impl Strategy<Value = String> {
        let space = "[ \n\t]{0,2}";
        let extra = prop_oneof![
            element(),
            Just("null".to_owned()),
            any::<String>().prop_map(|s| serde_json::to_string(&s).expect("a string serialises")),
        ];
        let row = (element(), element(), prop::collection::vec(extra, 0..3), space, space).prop_map(
            |(price, qty, extra, a, b)| {
                let mut parts = vec![price, qty];
                parts.extend(extra);
                format!("{a}[{b}{}{a}]{b}", parts.join(&format!("{a},{b}")))
            },
        );
        prop::collection::vec(row, 0..20).prop_map(|rows| format!(" [{}]\n", rows.join(",")))
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in side()) {
            let found = rows(&text).expect("valid");
            let found: Vec<_> = found.iter().map(|(p, q)| (p.to_string(), q.to_string())).collect();
            prop_assert_eq!(found, reference(&text));
        }

        /// A valid text with a byte changed, and bytes that never were one: an end or an error, no panic.
        #[test]
        fn anything_is_survived(
            text in side(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut changed = text.into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            for bytes in [changed, noise] {
                let text = String::from_utf8_lossy(&bytes);
                if let Err(at) = rows(&text) {
                    prop_assert!(at <= text.len() + 1, "{} of {}", at, text.len());
                }
            }
        }
    }

    #[test]
    fn a_row_without_end_is_refused_where_it_grows_too_long() {
        let row = |further: usize| format!("[[1,2{}]]", ",0".repeat(further));
        assert_eq!(levels(&row(FURTHER_MAX)).collect::<Result<Vec<_>, _>>(), Ok(vec![("1", "2")]));
        let long = row(1_000_000);
        let error = levels(&long).next().expect("a row").expect_err("too long");
        assert!(error.at < 64, "it was read to {}", error.at);
    }
}

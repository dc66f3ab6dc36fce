//! What the tests of every venue share: compact JSON, and the rough treatment of frames.

/// JSON without the white space between its tokens.
pub(crate) fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keep = |c: &char| {
        let inside = quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        inside || !c.is_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// Runs a reader over everything a broken peer may make of a good frame. It must come back each time, with an
/// error wherever the frame is no longer whole.
pub(crate) fn mistreat(frame: &str, read: impl Fn(&[u8]) -> Result<(), String>) {
    read(frame.as_bytes()).unwrap_or_else(|error| panic!("{frame}: {error}"));
    for end in 0..frame.len() {
        assert!(read(&frame.as_bytes()[..end]).is_err(), "cut at {end}: {frame}");
    }
    for at in 0..frame.len() {
        let mut bytes = frame.as_bytes().to_vec();
        bytes[at] = 0xff;
        let error = read(&bytes).expect_err("0xff is in no UTF-8");
        assert!(error.contains("not UTF-8"), "{error}");
        for byte in [b'"', b'{', b'[', b'0', b'\\', b',', 0] {
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
    let depth = 100_000;
    let inner = &frame[1..frame.len() - 1];
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        assert!(read(open.as_bytes()).is_err());
        assert!(read(format!("{{{inner},\"unknown\":{open}").as_bytes()).is_err());
        read(format!("{{{inner},\"unknown\":{open}1{close}}}").as_bytes())
            .expect("unknown fields are passed over");
        assert!(read(format!("{{\"type\":{open}1{close},\"e\":{open}1{close}}}").as_bytes()).is_err());
    }
    for other in ["", " ", "null", "[]", "{}", "true", "1", "NaN", "1e400", "\"\"", "{}{}", "\u{feff}{}"] {
        assert!(read(other.as_bytes()).is_err(), "{other:?}");
    }
}

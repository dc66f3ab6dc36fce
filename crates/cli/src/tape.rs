//! Reading tapes: plain, gzip or zstd by their first bytes, one bounded line at a time, and numbered.
//!
//! A line that is no row costs that row. A file that breaks off, as that of a killed recorder does, ends there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use venuekit_session::tape::Row;

/// The longest line taken: the largest message there is, each of its bytes escaped.
const LINE_MAX: u64 = 64 << 20;

/// Unreadable rows that are named one by one.
const NAMED_MAX: u64 = 10;

/// A tape that cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the tape at line {line}")]
pub(crate) struct TapeError {
    line: u64,
    #[source]
    source: io::Error,
}

/// A tape, at some line.
pub(crate) struct Tape {
    lines: Box<dyn BufRead>,
    buffer: Vec<u8>,
    line: u64,
    rows: u64,
    unreadable: u64,
    quiet: bool,
}

impl Tape {
    /// Opens a file, or standard input for `-`.
    ///
    /// **Errors**: what the operating system says.
    pub(crate) fn open(path: &Path) -> io::Result<Tape> {
        match path.to_str() {
            Some("-") => Tape::read(Box::new(io::stdin())),
            _ => Tape::read(Box::new(File::open(path)?)),
        }
    }

    fn read(file: Box<dyn Read>) -> io::Result<Tape> {
        let mut file = BufReader::with_capacity(1 << 16, file);
        let lines: Box<dyn BufRead> = match file.fill_buf()? {
            [0x1f, 0x8b, ..] => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(file)?))
            }
            _ => Box::new(file),
        };
        Ok(Tape { lines, buffer: Vec::new(), line: 0, rows: 0, unreadable: 0, quiet: false })
    }

    /// The same, naming no row that cannot be read: for the first of two passes.
    pub(crate) fn quiet(self) -> Tape {
        Tape { quiet: true, ..self }
    }

    /// The next row that can be read, and its line.
    ///
    /// **Errors**: [`TapeError`] when the file cannot be read on, or holds no row at all.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Row)>, TapeError> {
        loop {
            self.line += 1;
            let line = self.line;
            match self.read_line() {
                Ok(0) if self.rows == 0 => {
                    return Err(TapeError { line: 1, source: io::Error::other("it holds no row") });
                }
                Ok(0) => return Ok(None),
                Ok(_) if self.buffer.trim_ascii().is_empty() => {}
                Ok(_) => match self.row() {
                    Ok(row) => {
                        self.rows += 1;
                        return Ok(Some((line, row)));
                    }
                    Err(why) => self.skip(&why),
                },
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.rows > 0 => {
                    self.skip("the file breaks off here");
                    return Ok(None);
                }
                Err(source) => return Err(TapeError { line, source }),
            }
        }
    }

    /// Rows that could not be read so far.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Reads a line of any length, of which the buffer keeps no more than the bound and one byte.
    fn read_line(&mut self) -> io::Result<u64> {
        self.buffer.clear();
        let mut total = 0;
        loop {
            let mut room = self.lines.as_mut().take(LINE_MAX + 1);
            let read = room.read_until(b'\n', &mut self.buffer)? as u64;
            total += read;
            if read <= LINE_MAX {
                return Ok(total);
            }
            self.buffer.clear();
        }
    }

    fn row(&self) -> Result<Row, String> {
        let text = std::str::from_utf8(&self.buffer).map_err(|_| "not UTF-8".to_owned())?;
        Row::parse(text).map_err(|error| error.to_string())
    }

    fn skip(&mut self, why: &str) {
        self.unreadable += 1;
        match self.unreadable {
            _ if self.quiet => {}
            1..NAMED_MAX => eprintln!("line {}: {why}; the row is left out", self.line),
            NAMED_MAX => eprintln!("line {}: {why}; further ones are only counted", self.line),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ROW: &str = r#"{"t":"recv","conn":"1","ts":1.5,"data":"{}"}"#;

    fn read(bytes: Vec<u8>) -> Result<(Vec<u64>, u64), String> {
        let mut tape = Tape::read(Box::new(io::Cursor::new(bytes))).map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        loop {
            match tape.next() {
                Ok(Some((line, _))) => lines.push(line),
                Ok(None) => return Ok((lines, tape.unreadable())),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn zstd(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).expect("to memory")
    }

    #[test]
    fn the_three_forms_read_alike() {
        let text = format!("{ROW}\n\n{ROW}\nnot a row\n{ROW}");
        let expected = Ok((vec![1, 3, 5], 1));
        assert_eq!(read(text.clone().into_bytes()), expected);
        assert_eq!(read(gzip(&text)), expected);
        assert_eq!(read(zstd(&text)), expected);
        // Recorders append members; both formats allow it.
        let twice = [gzip(&format!("{ROW}\n")), gzip(ROW)].concat();
        assert_eq!(read(twice), Ok((vec![1, 2], 0)));
    }

    #[test]
    fn a_row_that_cannot_be_read_costs_itself() {
        let mut bytes = format!("{ROW}\n").into_bytes();
        bytes.extend(b"\xff\xfe\n{\"t\":\"recv\",\"ts\":1,\"data\":\"cut");
        assert_eq!(read(bytes), Ok((vec![1], 2)));
    }

    #[test]
    fn a_file_that_breaks_off_ends_there_and_a_broken_one_is_an_error() {
        let text = format!("{ROW}\n").repeat(50_000);
        for whole in [gzip(&text), zstd(&text)] {
            let (rows, unreadable) = read(whole[..whole.len() - 6].to_vec()).expect("its start is sound");
            assert!(!rows.is_empty() && unreadable == 1, "{} {unreadable}", rows.len());
        }
        let mut flipped = gzip(&text);
        let mut filled = zstd(&text);
        let (middle_of_gzip, middle_of_zstd) = (flipped.len() / 2, filled.len() / 2);
        flipped[middle_of_gzip] ^= 0xff;
        filled[middle_of_zstd..].fill(0xff);
        for broken in [flipped, filled] {
            let error = read(broken).map(|(rows, _)| rows.len()).expect_err("corrupt");
            assert!(error.contains("at line"), "{error}");
        }
    }

    #[test]
    fn no_row_at_all_is_an_error() {
        for bytes in [&b""[..], b"\n\n", b"no tape\n"] {
            assert!(read(bytes.to_vec()).expect_err("no row").contains("line 1"));
        }
    }
}

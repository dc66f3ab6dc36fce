//! What a person sees: data on one side, a status line that redraws itself on the other.
//!
//! Owns the terminal's last line. Whatever else is written to the same terminal goes through [`Screen`], so that the
//! status line never cuts through it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A terminal with a status line at its end; clones share it.
#[derive(Clone)]
pub struct Screen {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    status: String,
}

impl Screen {
    /// A screen over a terminal.
    pub fn new(out: Box<dyn Write + Send>) -> Screen {
        Screen { inner: Arc::new(Mutex::new(Inner { out, status: String::new() })) }
    }

    /// Shows another status line; an empty one removes it.
    pub(crate) fn status(&self, status: &str) {
        let mut inner = self.lock();
        if inner.status != status {
            status.clone_into(&mut inner.status);
            // A terminal that is gone needs no status line.
            let _ = inner.redraw(b"");
        }
    }

    /// Removes the status line, and says what it was.
    fn take_status(&self) -> String {
        let status = self.lock().status.clone();
        self.status("");
        status
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Clears the status line, writes what stands above it, and draws it again.
    fn redraw(&mut self, above: &[u8]) -> io::Result<()> {
        self.out.write_all(b"\r\x1b[K")?;
        self.out.write_all(above)?;
        if !self.status.is_empty() {
            // The terminal cuts it at its edge, since a second line could not be cleared again.
            write!(self.out, "\x1b[?7l{}\x1b[?7h", self.status)?;
        }
        self.out.flush()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().redraw(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().out.flush()
    }
}

/// Where a run writes. What is no data and has no terminal to stand on goes to the log.
pub struct Console {
    /// Data: standard output.
    pub data: Box<dyn Write + Send>,
    /// Standard error as a terminal, for the status line; nothing when it is none.
    pub screen: Option<Screen>,
    /// One JSON object as data, instead of lines.
    pub json: bool,
    /// No line for each book that goes live.
    pub quiet: bool,
}

impl Console {
    /// A console that shows one JSON object and nothing else.
    pub fn silent(data: Box<dyn Write + Send>) -> Console {
        Console { data, screen: None, json: true, quiet: true }
    }

    /// A line that is part of the answer, or beside it when the answer is one JSON object.
    pub(crate) fn line(&mut self, line: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            self.note(line);
            return;
        }
        // Both may be one terminal, so the status line stands aside.
        let status = self.screen.as_ref().map(Screen::take_status);
        // Whoever closed the pipe does not read; the rows are stored all the same.
        let _ = writeln!(self.data, "{line}").and_then(|()| self.data.flush());
        if let (Some(screen), Some(status)) = (&self.screen, status) {
            screen.status(&status);
        }
    }

    /// A remark for a person.
    pub(crate) fn note(&mut self, line: &str) {
        match &mut self.screen {
            // In one piece, for the status line stands below each. When it fails, nobody is there to read it.
            Some(screen) => drop(screen.write_all(format!("{line}\n").as_bytes())),
            None => tracing::info!("{line}"),
        }
    }

    /// The answer.
    pub(crate) fn answer(&mut self, text: &str) {
        self.screen.as_ref().map(Screen::take_status);
        // As for lines.
        let _ = writeln!(self.data, "{text}").and_then(|()| self.data.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_written_stands_above_the_status_line() {
        let kept = Kept::default();
        let mut screen = Screen::new(Box::new(kept.clone()));
        screen.status("34 live");
        screen.write_all(b"a log line\n").expect("writes");
        screen.status("34 live");
        screen.status("");
        let bytes = kept.0.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("text");
        let status = "\x1b[?7l34 live\x1b[?7h";
        assert_eq!(text, format!("\r\x1b[K{status}\r\x1b[Ka log line\n{status}\r\x1b[K"));
    }
}

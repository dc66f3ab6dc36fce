//! The thread that writes lines: a slow reader must not slow a session down.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use serde::Serialize;
use tokio::sync::oneshot;

use crate::exit::{Exit, Failure, Outcome};

/// Lines that wait to be written.
const QUEUE: usize = 4_096;

/// Hands lines to the writer.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<String>,
}

impl Lines {
    /// A queue with room for so many lines, and its reader.
    pub(super) fn of(room: usize) -> (Lines, Receiver<String>) {
        let (queue, lines) = sync_channel(room);
        (Lines { queue }, lines)
    }

    /// Queues an object as a line; false when there is no room.
    pub(super) fn put(&self, line: &impl Serialize) -> bool {
        let Ok(mut line) = serde_json::to_string(line) else { return false };
        line.push('\n');
        // A writer that has ended needs no more lines.
        !matches!(self.queue.try_send(line), Err(TrySendError::Full(_)))
    }
}

/// The writer, and how it ends.
pub(super) struct Writer {
    lines: Lines,
}

impl Writer {
    /// Starts the thread, which ends after `count` lines, or when nobody reads them.
    pub(super) fn start(count: Option<u64>) -> (Writer, oneshot::Receiver<Outcome>) {
        let (put, lines) = Lines::of(QUEUE);
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let outcome = match write(&lines, count, BufWriter::new(io::stdout())) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    let error = anyhow::Error::new(error).context("cannot write the output");
                    Err(Failure::new(Exit::Unexpected, error))
                }
                Ok(()) | Err(_) => Ok(Exit::Ok),
            };
            // The command may have ended by itself.
            let _ = end.send(outcome);
        });
        (Writer { lines: put }, ended)
    }

    /// A way in.
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

/// Writes lines as they come, and flushes whenever none waits.
fn write(lines: &Receiver<String>, count: Option<u64>, mut out: impl Write) -> io::Result<()> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(_) => {
                out.flush()?;
                match lines.recv() {
                    Ok(line) => line,
                    Err(_) => return Ok(()),
                }
            }
        };
        out.write_all(line.as_bytes())?;
        left -= 1;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_after_its_count_and_when_nobody_is_left() {
        let (put, lines) = Lines::of(4);
        assert!(put.put(&1) && put.put(&2) && put.put(&3));
        let mut out = Vec::new();
        write(&lines, Some(2), &mut out).expect("memory");
        assert_eq!(out, b"1\n2\n");
        drop(put);
        let mut out = Vec::new();
        write(&lines, None, &mut out).expect("memory");
        assert_eq!(out, b"3\n");
    }

    #[test]
    fn a_full_queue_is_told_and_never_waited_for() {
        let (put, _lines) = Lines::of(1);
        assert!(put.put(&1));
        assert!(!put.put(&2));
    }
}

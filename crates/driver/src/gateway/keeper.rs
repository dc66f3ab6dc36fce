//! The keeper: the one thread that touches the gateway's files, and so the one that can vouch for them.
//!
//! It writes the journal, writes the state and reads it back, and watches for the halt file. While a disk hangs it
//! vouches for nothing, and the gate shuts by itself. It refuses to open the gate.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use venuekit_session::PersistId;
use venuekit_session::gate::{Audit, Happening, Kept};

use super::journal::{Journal, Record, replace};
use super::shared::{Shared, Vigil};
use crate::run::Handle;

/// How often the state is read back, and the halt file looked for.
pub(super) const EVERY: Duration = Duration::from_millis(100);
/// Notes taken into one write.
const BATCH: usize = 1_024;
/// Largest state file.
const STATE_MAX: u64 = 64 << 10;

/// Something for the keeper.
pub(super) enum Note {
    /// Make a record durable; nobody waits for it.
    Keep(Record),
    /// Make an intent durable, then say so.
    Intent {
        /// To whom.
        handle: Handle,
        /// Under which number.
        id: PersistId,
        /// What.
        record: Record,
    },
    /// Something changed: look at once.
    Wake,
    /// Write what there is, and end.
    Stop,
}

/// The files of a gateway.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    dir: PathBuf,
}

impl Paths {
    pub(super) fn new(dir: &Path) -> Paths {
        Paths { dir: dir.to_owned() }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub(super) fn halt(&self) -> PathBuf {
        self.dir.join("halt")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("gateway.sock")
    }
}

/// The state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StateFile {
    version: u32,
    /// What of the gate outlives the process.
    pub(super) gate: Kept,
}

impl StateFile {
    const VERSION: u32 = 1;

    /// Reads it: nothing when there is none.
    pub(super) fn read(path: &Path) -> io::Result<Option<StateFile>> {
        let Some(bytes) = read_private(path)? else { return Ok(None) };
        let state: StateFile = serde_json::from_slice(&bytes)?;
        match state.version {
            StateFile::VERSION => Ok(Some(state)),
            other => Err(io::Error::other(format!("version {other}, which this program does not know"))),
        }
    }

    fn bytes(gate: Kept) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&StateFile { version: StateFile::VERSION, gate })?)
    }
}

/// Reads a file that must be ours alone.
fn read_private(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !about.is_file() || about.mode() & 0o077 != 0 || about.len() > STATE_MAX {
        return Err(io::Error::other("not a small file that its owner alone can read; chmod 600 it"));
    }
    std::fs::read(path).map(Some)
}

/// The thread's own things.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) paths: Paths,
    pub(super) journal: Journal,
    pub(super) notes: Receiver<Note>,
    /// The state as it was last written.
    written: Vec<u8>,
    /// Whether the halt file was there at the last look.
    halted_by_file: bool,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, paths: Paths, journal: Journal, notes: Receiver<Note>) -> Keeper {
        Keeper { shared, paths, journal, notes, written: Vec::new(), halted_by_file: false }
    }

    /// Keeps until it is told to stop.
    pub(super) fn run(mut self) {
        let vigil = Vigil::over(&self.shared, "the keeper of the state");
        let mut due = self.shared.clock.now().mono;
        loop {
            let wait = due.since(self.shared.clock.now().mono);
            let first = match self.notes.recv_timeout(wait) {
                Ok(note) => Some(note),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let batch: Vec<Note> = first.into_iter().chain(self.notes.try_iter().take(BATCH)).collect();
            let stop = batch.iter().any(|note| matches!(note, Note::Stop));
            let woken = batch.iter().any(|note| matches!(note, Note::Wake));
            self.write(batch);
            let now = self.shared.clock.now().mono;
            if woken || stop || now >= due {
                self.verify();
                due = now.plus(EVERY);
            }
            if stop {
                break;
            }
        }
        vigil.dismiss();
    }

    /// Makes notes durable, with what happened to the gate, and says so to who waits for it.
    fn write(&mut self, batch: Vec<Note>) {
        let (mut records, mut intents) = (Vec::new(), Vec::new());
        for note in batch {
            match note {
                Note::Keep(record) => records.push(record),
                Note::Intent { handle, id, record } => {
                    records.push(record);
                    intents.push((handle, id));
                }
                Note::Wake | Note::Stop => {}
            }
        }
        self.shared.gate(|gate, _| records.extend(std::iter::from_fn(|| gate.poll_audit()).map(told)));
        match self.journal.append(records) {
            Ok(()) => {
                for (handle, id) in intents {
                    // A session that has stopped sends nothing.
                    let _ = handle.persisted_blocking(id, 0);
                }
            }
            // Nobody is told that it is durable, so no order leaves for it.
            Err(error) => self.distrust(format!("the journal cannot be written: {error}")),
        }
    }

    /// Writes the state if it changed, reads it back, and vouches for it.
    fn verify(&mut self) {
        let halt = self.paths.halt().symlink_metadata();
        let absent = matches!(&halt, Err(error) if error.kind() == io::ErrorKind::NotFound);
        if !absent && !self.halted_by_file {
            self.shared.cell.trip();
            self.shared.gate(|gate, now| gate.forbid(now, "the halt file"));
        }
        self.halted_by_file = !absent;
        match self.check() {
            // What a file or a switch forbids no command allows.
            Ok(()) if absent => self.shared.gate(|gate, now| {
                if let Some(read) = self.shared.vouched(now.mono) {
                    gate.verified_at(now, read);
                }
            }),
            Ok(()) => {}
            Err(error) => self.distrust(error.to_string()),
        }
    }

    fn check(&mut self) -> io::Result<()> {
        let path = self.paths.state();
        if !self.written.is_empty() {
            let found = read_private(&path);
            if !matches!(&found, Ok(Some(bytes)) if *bytes == self.written) {
                // It is written anew, as what it is now: the state of a gate that trusts nothing.
                self.written.clear();
                let gone = || io::Error::other("the state file is gone, or not what was written");
                return Err(found.err().unwrap_or_else(gone));
            }
        }
        if !self.journal.is_in_place()? {
            return Err(io::Error::other("the journal is not the file that was opened"));
        }
        let state = StateFile::bytes(self.shared.gate(|gate, _| gate.kept()))?;
        if state != self.written {
            self.written.clear();
            replace(&path, &state)?;
            if read_private(&path)?.as_ref() != Some(&state) {
                return Err(io::Error::other("the state file does not read as it was written"));
            }
            self.written = state;
        }
        Ok(())
    }

    fn distrust(&self, why: String) {
        self.shared.cell.trip();
        self.shared.gate(|gate, now| gate.distrust(now, why));
    }
}

fn told(audit: Audit) -> Record {
    let Audit { seq, at, what } = audit;
    let what = match what {
        Happening::Armed { mode, until, forced, by } => {
            let force = if forced { ", with cancels outstanding" } else { "" };
            format!("{} until {until} by {by}{force}", mode.as_str())
        }
        Happening::ArmRefused { why, by } => format!("not armed for {by}: {why}"),
        Happening::Halted(halt) => format!("halted: {halt}"),
        Happening::Flat => "no order is open".to_owned(),
        Happening::Left { open } => format!("{open} orders are open"),
    };
    Record::Audit { seq, at: at.0, what }
}

//! The gateway's journal: what must be known after a crash, in one file that only grows until it is written anew.
//!
//! A record is its length, its CRC-32, then JSON. A tail that a crash tore is cut off: nothing acted on it. Anything
//! else that does not read is damage, and is said, since an order may stand behind it. It refuses to guess.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use venuekit_session::gate::Day;
use venuekit_session::{Ban, Intent};

/// Largest record.
const RECORD_MAX: usize = 64 << 10;
/// Size from which on the journal is written anew.
const COMPACT_AT: u64 = 4 << 20;
/// Largest journal read; one that grew beyond it is damage.
const READ_MAX: u64 = 256 << 20;
/// Audit records that survive a compaction.
const AUDITS_KEPT: usize = 4_096;
/// Length and checksum before each record.
const HEAD: usize = 8;

/// One thing to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// An order that is about to leave.
    Intent(Box<Intent>),
    /// An order whose end is known.
    Settled {
        /// The number of its command.
        id: u64,
        /// How it ended.
        how: String,
    },
    /// A venue that must not be spoken to.
    Ban(Ban),
    /// What the day has used.
    Day(Day),
    /// What happened to the gate.
    Audit {
        /// Its number.
        seq: u64,
        /// Unix nanoseconds.
        at: i64,
        /// In words.
        what: String,
    },
}

/// What a journal knows, after all its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Orders whose end is not known, by the number of their command.
    pub(super) intents: BTreeMap<u64, Box<Intent>>,
    /// Bans, by origin and kind.
    pub(super) bans: BTreeMap<(String, bool), Ban>,
    /// What the day has used.
    pub(super) day: Option<Day>,
    /// The last audit records.
    pub(super) audits: VecDeque<Record>,
}

impl Memory {
    fn take(&mut self, record: Record) {
        match record {
            Record::Intent(intent) => {
                self.intents.insert(intent.id, intent);
            }
            Record::Settled { id, .. } => {
                self.intents.remove(&id);
            }
            Record::Ban(ban) => {
                self.bans.insert((ban.origin.clone(), ban.is_limit), ban);
            }
            Record::Day(day) => self.day = Some(day),
            Record::Audit { .. } => {
                if self.audits.len() == AUDITS_KEPT {
                    self.audits.pop_front();
                }
                self.audits.push_back(record);
            }
        }
    }

    /// As few records as say the same.
    fn records(&self) -> impl Iterator<Item = Record> {
        let intents = self.intents.values().cloned().map(Record::Intent);
        let bans = self.bans.values().cloned().map(Record::Ban);
        let day = self.day.clone().map(Record::Day);
        self.audits.iter().cloned().chain(bans).chain(day).chain(intents)
    }
}

/// What was found in a journal when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes of a torn tail that were cut off.
    pub(super) torn: u64,
    /// Whether something else did not read: what it said is lost.
    pub(super) damaged: bool,
}

/// An open journal.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    memory: Memory,
}

impl Journal {
    /// Opens the journal at a path, or begins one.
    ///
    /// What did not read is set aside beside it, and the rest written anew.
    pub(super) fn open(path: &Path) -> io::Result<(Journal, Found)> {
        let mut file = private().read(true).append(true).create(true).open(path)?;
        sync_dir(path)?;
        let mut bytes = Vec::new();
        (&mut file).take(READ_MAX + 1).read_to_end(&mut bytes)?;
        let (memory, good, mut found) = read(&bytes);
        found.damaged |= bytes.len() as u64 > READ_MAX;
        let mut journal = Journal { path: path.to_owned(), file, len: good, memory };
        if found.damaged {
            std::fs::copy(path, path.with_extension("damaged"))?;
            journal.compact()?;
        } else if found.torn > 0 {
            journal.file.set_len(good)?;
            journal.file.sync_all()?;
        }
        Ok((journal, found))
    }

    /// What it knows.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Makes records durable, all of them or none.
    pub(super) fn append(&mut self, records: Vec<Record>) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes = encode(&records)?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What stands half-written there would hide all that follows.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += bytes.len() as u64;
        records.into_iter().for_each(|record| self.memory.take(record));
        if self.len > COMPACT_AT {
            self.compact()?;
        }
        Ok(())
    }

    /// Whether the file that it writes to is still the one at its path, and ours alone.
    pub(super) fn is_in_place(&self) -> io::Result<bool> {
        let (ours, there) = (self.file.metadata()?, std::fs::symlink_metadata(&self.path)?);
        let same = (ours.dev(), ours.ino(), ours.len()) == (there.dev(), there.ino(), self.len);
        Ok(same && there.mode() & 0o077 == 0)
    }

    /// Writes it anew, with what still matters alone.
    fn compact(&mut self) -> io::Result<()> {
        let records: Vec<Record> = self.memory.records().collect();
        let bytes = encode(&records)?;
        replace(&self.path, &bytes)?;
        self.file = private().read(true).append(true).open(&self.path)?;
        self.file.seek(SeekFrom::End(0))?;
        self.len = bytes.len() as u64;
        Ok(())
    }
}

/// Reads records: what they say, how many bytes of them are good, and what came after.
fn read(bytes: &[u8]) -> (Memory, u64, Found) {
    let (mut memory, mut at) = (Memory::default(), 0);
    let mut found = Found::default();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = head(rest).map(|(len, _)| HEAD + len);
        // One that reaches the end is what a crash leaves; before it, something else has happened.
        let torn = end.is_none_or(|end| end >= rest.len());
        let whole = head(rest).zip(end).and_then(|((_, crc), end)| {
            let body = rest.get(HEAD..end).filter(|body| crc32fast::hash(body) == crc)?;
            serde_json::from_slice::<Record>(body).ok()
        });
        match (whole, end) {
            (Some(record), Some(end)) => {
                memory.take(record);
                at += end;
            }
            _ if torn && end.is_none_or(|end| end <= HEAD + RECORD_MAX) => {
                found.torn = rest.len() as u64;
                break;
            }
            _ => {
                found.damaged = true;
                break;
            }
        }
    }
    (memory, at as u64, found)
}

/// Length and checksum of the record that begins here.
fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((usize::try_from(word(0)?).ok()?, word(4)?))
}

fn encode(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        let body = serde_json::to_vec(record)?;
        let len = u32::try_from(body.len()).ok().filter(|_| body.len() <= RECORD_MAX);
        let len = len.ok_or_else(|| io::Error::other("a record is too large"))?;
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
    }
    Ok(bytes)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Puts a whole file in the place of another, for its owner alone: after a crash one of the two is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    sync_dir(path)
}

/// Makes a new name durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(id: u64) -> Record {
        Record::Intent(Box::new(Intent {
            id,
            venue: "doex".into(),
            product: "spot".into(),
            symbol: "BTCUSDT".into(),
            client_order_id: format!("vk{id}"),
            side: "buy".into(),
            order_type: "limit".into(),
            qty: "0.1".into(),
            price: Some("100".into()),
            created: 1,
        }))
    }

    fn settled(id: u64) -> Record {
        Record::Settled { id, how: "accepted".into() }
    }

    fn audit(seq: u64) -> Record {
        Record::Audit { seq, at: 1, what: "halted".into() }
    }

    fn known(journal: &Journal) -> Vec<u64> {
        journal.memory().intents.keys().copied().collect()
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal");
        (dir, path)
    }

    #[test]
    fn what_was_appended_is_known_after_reopening() {
        let (_dir, path) = scratch();
        let (mut journal, found) = Journal::open(&path).expect("new");
        assert_eq!(found, Found::default());
        journal.append(vec![intent(1), intent(2), audit(1)]).expect("appends");
        journal.append(vec![settled(1)]).expect("appends");
        assert!(journal.is_in_place().expect("readable"));
        drop(journal);
        let (journal, found) = Journal::open(&path).expect("opens");
        assert_eq!((known(&journal), found), (vec![2], Found::default()));
        assert_eq!(journal.memory().audits, [audit(1)]);
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        std::fs::remove_file(&path).expect("removable");
        assert!(journal.is_in_place().is_err(), "its file is gone");
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_and_the_rest_is_kept() {
        let (_dir, path) = scratch();
        let first = encode(&[intent(1)]).expect("fits");
        let all = encode(&[intent(1), intent(2)]).expect("fits");
        for cut in first.len()..all.len() {
            std::fs::write(&path, &all[..cut]).expect("written");
            let (mut journal, found) = Journal::open(&path).expect("opens");
            let torn = (cut - first.len()) as u64;
            assert_eq!((known(&journal), found), (vec![1], Found { torn, damaged: false }), "at {cut}");
            // What follows is read again.
            journal.append(vec![intent(3)]).expect("appends");
            drop(journal);
            let (journal, found) = Journal::open(&path).expect("opens");
            assert_eq!((known(&journal), found), (vec![1, 3], Found::default()), "at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_damage_or_a_tear_and_never_another_record() {
        let (_dir, path) = scratch();
        let all = encode(&[intent(1), settled(1), intent(2)]).expect("fits");
        let last = all.len() - encode(&[intent(2)]).expect("fits").len();
        let mut damaged = 0;
        for at in 0..all.len() {
            for bit in 0..8 {
                let mut bytes = all.clone();
                bytes[at] ^= 1 << bit;
                std::fs::write(&path, &bytes).expect("written");
                let (memory, good, found) = read(&bytes);
                assert!(found != Found::default(), "byte {at} bit {bit} went unnoticed");
                assert!(good <= at as u64, "byte {at} bit {bit}");
                assert!(memory.intents.keys().all(|id| *id == 1), "byte {at} bit {bit}");
                damaged += u32::from(found.damaged);
                if at < last && !found.damaged {
                    // Only a length that reaches past the end looks like a tear.
                    assert_eq!(found.torn, (all.len() as u64) - good, "byte {at} bit {bit}");
                }
            }
        }
        assert!(damaged > 0);
        let mut bytes = all;
        bytes[HEAD] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        let (_, found) = Journal::open(&path).expect("opens");
        assert!(found.damaged);
        assert_eq!(std::fs::read(path.with_extension("damaged")).expect("set aside"), bytes);
    }

    #[test]
    fn it_is_written_anew_before_it_grows_large() {
        let (_dir, path) = scratch();
        let (mut journal, _) = Journal::open(&path).expect("new");
        let mut largest = 0;
        journal.append(vec![intent(1)]).expect("appends");
        for round in 0..40 {
            let batch = (0..1_000).flat_map(|n| [intent(10 + n), settled(10 + n), audit(round)]).collect();
            journal.append(batch).expect("appends");
            largest = largest.max(journal.len);
        }
        assert!(journal.is_in_place().expect("readable"));
        assert!(largest < COMPACT_AT, "{largest}");
        assert_eq!(journal.memory().audits.len(), AUDITS_KEPT);
        drop(journal);
        let (journal, found) = Journal::open(&path).expect("opens");
        assert_eq!((known(&journal), found), (vec![1], Found::default()));
    }

    #[test]
    fn a_full_disk_is_an_error_and_hides_nothing() {
        // This device takes nothing.
        let (_dir, path) = scratch();
        let (mut journal, _) = Journal::open(&path).expect("new");
        journal.append(vec![intent(1)]).expect("appends");
        let good =
            std::mem::replace(&mut journal.file, private().write(true).open("/dev/full").expect("there"));
        assert!(journal.append(vec![intent(2)]).is_err());
        assert_eq!(known(&journal), [1]);
        journal.file = good;
        journal.append(vec![intent(3)]).expect("there is room again");
        assert_eq!(known(&Journal::open(&path).expect("opens").0), [1, 3]);
    }
}

//! Writes the tape of a session to a file, on a thread of its own.
//!
//! What stands in a row, and what of it is redacted, is [`venuekit_session::Recorder`]'s business. This file owns the
//! disk: it never makes the session wait, and never loses a row in silence. When the disk is too slow, rows are dropped
//! and the next one that fits is preceded by a `command` row `{"input":"tape_overflow","dropped":n}`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::sync::oneshot;
use venuekit_session::tape::{Kind, Row};
use venuekit_session::{About, Input, Output, Recorder};
use venuekit_types::Now;

/// Rows that wait for the disk.
const ROWS_QUEUE: usize = 16_384;
/// Bytes in those rows together.
const BYTES_QUEUE: usize = 64 << 20;
/// A tape that gets nothing new for so long is flushed, so that it can be read while it is written.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Why a tape cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TapeFileError {
    /// There is one of that name.
    #[error("{0} exists, and no tape is ever written over; move it away, or name another file")]
    Exists(PathBuf),
    /// The file cannot be made.
    #[error("{path} cannot be made; name a file in a directory that you may write to")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// What became of a tape so far, for health and metrics.
#[derive(Clone, Debug, Default)]
pub struct TapeStatus {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    failure: OnceLock<String>,
}

impl TapeStatus {
    /// Rows handed to the file.
    pub fn written(&self) -> u64 {
        self.counts.written.load(Ordering::Relaxed)
    }

    /// Rows lost because the disk was too slow, or had failed.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Why nothing more is written, in the system's words.
    pub fn failure(&self) -> Option<&str> {
        self.counts.failure.get().map(String::as_str)
    }
}

/// A tape being written; [`crate::Runner::record`] takes it.
#[derive(Debug)]
pub struct Tape {
    recorder: Recorder,
    rows: SyncSender<Row>,
    /// Bytes of the rows that wait.
    waiting: Arc<AtomicUsize>,
    /// Rows dropped since the last one that fitted.
    dropped: Arc<AtomicU64>,
    status: TapeStatus,
    finished: oneshot::Receiver<()>,
}

impl Tape {
    /// Makes a tape file, readable by its owner only, and writes its header. A name that ends in `.gz` or `.zst` is
    /// compressed.
    ///
    /// **Errors**: [`TapeFileError`].
    pub fn create(path: &Path, about: &About, now: Now) -> Result<Tape, TapeFileError> {
        let create = |source| TapeFileError::Create { path: path.to_owned(), source };
        let file = private_file(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => TapeFileError::Exists(path.to_owned()),
            _ => create(error),
        })?;
        let sink = Sink::new(path, file).map_err(create)?;
        Tape::write_to(sink, about, now).map_err(create)
    }

    fn write_to(sink: Sink, about: &About, now: Now) -> io::Result<Tape> {
        let (rows, receiver) = sync_channel(ROWS_QUEUE);
        let (done, finished) = oneshot::channel();
        let status = TapeStatus::default();
        let waiting = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            rows: receiver,
            sink,
            waiting: Arc::clone(&waiting),
            dropped: Arc::clone(&dropped),
            counts: Arc::clone(&status.counts),
        };
        thread::Builder::new().name("tape".to_owned()).spawn(move || {
            writer.run();
            // Whoever waited may have gone away.
            let _ = done.send(());
        })?;
        let recorder = Recorder::new();
        let header = recorder.header(now, about);
        let tape = Tape { recorder, rows, waiting, dropped, status, finished };
        tape.put(header);
        Ok(tape)
    }

    /// What becomes of it.
    pub fn status(&self) -> TapeStatus {
        self.status.clone()
    }

    /// Keeps what stands under these names.
    pub(crate) fn keep(&mut self, words: &[&'static str]) {
        self.recorder.keep(words);
    }

    pub(crate) fn input(&mut self, now: Now, input: &Input<'_>) {
        let row = self.recorder.input(now, input);
        self.put(row);
    }

    pub(crate) fn output(&mut self, now: Now, output: &Output<'_>) {
        if let Some(row) = self.recorder.output(now, output) {
            self.put(row);
        }
    }

    fn put(&self, row: Row) {
        let lost = self.dropped.load(Ordering::Relaxed);
        if lost > 0 {
            let now = Now { wall: row.at, mono: row.mono.unwrap_or_default() };
            if !self.push(overflow(now, lost)) {
                self.drop_one();
                return;
            }
            self.dropped.store(0, Ordering::Relaxed);
        }
        if !self.push(row) {
            self.drop_one();
        }
    }

    /// Queues a row; false when there is no room.
    fn push(&self, row: Row) -> bool {
        let size = size(&row);
        let before = self.waiting.fetch_add(size, Ordering::Relaxed);
        if before + size > BYTES_QUEUE || self.rows.try_send(row).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        true
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.status.counts.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until everything is on the disk.
    pub(crate) async fn finish(self) {
        drop(self.rows);
        // It ends without a word only if its thread panicked, which the runtime has printed.
        let _ = self.finished.await;
    }
}

fn overflow(now: Now, dropped: u64) -> Row {
    Row::new(Kind::Command, "", now, json!({"input": "tape_overflow", "dropped": dropped}).to_string())
}

/// What a row costs while it waits.
fn size(row: &Row) -> usize {
    row.data.len() + row.url.as_ref().map_or(0, String::len) + size_of::<Row>()
}

/// The thread's side.
struct Writer {
    rows: Receiver<Row>,
    sink: Sink,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    counts: Arc<Counts>,
}

impl Writer {
    fn run(mut self) {
        if let Err(error) = self.write() {
            tracing::error!(%error, "the tape cannot be written any more; free space, then start again");
            let _ = self.counts.failure.set(error.to_string());
            // What still waits is lost with it.
            let lost = u64::try_from(self.rows.try_iter().count()).unwrap_or(u64::MAX);
            self.counts.dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let mut unflushed = false;
        let mut last = Now::default();
        loop {
            match self.rows.recv_timeout(FLUSH_AFTER) {
                Ok(row) => {
                    self.waiting.fetch_sub(size(&row), Ordering::Relaxed);
                    last = Now { wall: row.at, mono: row.mono.unwrap_or_default() };
                    self.put(&row)?;
                    unflushed = true;
                }
                Err(RecvTimeoutError::Timeout) if unflushed => {
                    self.sink.flush()?;
                    unflushed = false;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let lost = self.dropped.load(Ordering::Relaxed);
        if lost > 0 {
            self.put(&overflow(last, lost))?;
        }
        self.sink.finish()
    }

    fn put(&mut self, row: &Row) -> io::Result<()> {
        let mut line = row.to_line();
        line.push('\n');
        self.sink.write_all(line.as_bytes())?;
        self.counts.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A file, compressed as its name says.
enum Sink {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Sink {
    fn new(path: &Path, file: File) -> io::Result<Sink> {
        let file = BufWriter::with_capacity(64 << 10, file);
        Ok(match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Sink::Gzip(Box::new(GzEncoder::new(file, Compression::fast()))),
            Some("zst") => Sink::Zstd(zstd::Encoder::new(file, 1)?),
            _ => Sink::Plain(file),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Plain(sink) => sink.write_all(bytes),
            Sink::Gzip(sink) => sink.write_all(bytes),
            Sink::Zstd(sink) => sink.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(sink) => sink.flush(),
            Sink::Gzip(sink) => sink.flush(),
            Sink::Zstd(sink) => sink.flush(),
        }
    }

    /// Writes the end, and waits for the disk.
    fn finish(&mut self) -> io::Result<()> {
        let file = match self {
            Sink::Plain(file) => file,
            Sink::Gzip(sink) => {
                sink.try_finish()?;
                sink.get_mut()
            }
            Sink::Zstd(sink) => {
                sink.do_finish()?;
                sink.get_mut()
            }
        };
        file.flush()?;
        file.get_ref().sync_all()
    }
}

/// Makes a new file that nobody but its owner may read, whatever the umask says.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_session::ConnId;
    use venuekit_types::{Mono, UnixNanos};

    const NOW: Now = Now { mono: Mono(5), wall: UnixNanos(7) };

    fn about() -> About {
        About { venue: "tiny".into(), ..About::default() }
    }

    /// A tape whose writer has not begun to take rows.
    fn stuck() -> (Tape, Receiver<Row>) {
        let (rows, receiver) = sync_channel(2);
        let (_, finished) = oneshot::channel();
        let (waiting, dropped) = (Arc::default(), Arc::default());
        let (recorder, status) = (Recorder::new(), TapeStatus::default());
        (Tape { recorder, rows, waiting, dropped, status, finished }, receiver)
    }

    #[test]
    fn a_disk_that_is_too_slow_costs_rows_and_the_tape_says_how_many() {
        let (mut tape, rows) = stuck();
        for _ in 0..5 {
            tape.input(NOW, &Input::Tick);
        }
        assert_eq!(tape.status().dropped(), 3);
        assert_eq!(rows.try_iter().count(), 2);
        tape.input(NOW, &Input::Pong { conn: ConnId(1) });
        let texts: Vec<String> = rows.try_iter().map(|row| String::from_utf8(row.data).unwrap()).collect();
        assert_eq!(texts, [r#"{"dropped":3,"input":"tape_overflow"}"#, r#"{"input":"pong"}"#]);
        // Bytes count as well as rows: this one never fits.
        tape.input(NOW, &Input::Frame { conn: ConnId(1), bytes: &vec![b'x'; BYTES_QUEUE] });
        assert_eq!((tape.status().dropped(), rows.try_iter().count()), (4, 0));
    }

    #[tokio::test]
    async fn rows_lost_at_the_very_end_are_counted_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.jsonl");
        let mut tape = Tape::create(&path, &about(), NOW).unwrap();
        tape.input(NOW, &Input::Frame { conn: ConnId(1), bytes: &vec![b'x'; BYTES_QUEUE] });
        let status = tape.status();
        tape.finish().await;
        let text = std::fs::read_to_string(&path).unwrap();
        let last = Row::parse(text.lines().last().unwrap()).unwrap();
        assert_eq!(last.data, br#"{"dropped":1,"input":"tape_overflow"}"#);
        assert_eq!((status.written(), status.dropped(), status.failure()), (2, 1, None));
    }

    #[tokio::test]
    async fn a_tape_is_private_and_never_written_over() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.jsonl.zst");
        let tape = Tape::create(&path, &about(), NOW).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Tape::create(&path, &about(), NOW).expect_err("it exists").to_string();
        assert!(again.contains("move it away"), "{again}");
        tape.finish().await;
        let nowhere = Tape::create(&directory.path().join("no/such/t.jsonl"), &about(), NOW);
        assert!(matches!(nowhere, Err(TapeFileError::Create { .. })));
    }

    #[tokio::test]
    async fn a_disk_that_fails_ends_the_tape_and_not_the_session() {
        // Every write to this device fails for lack of space.
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
            println!("no /dev/full here: the test of a full disk is left out");
            assert_ne!(std::env::var("VENUEKIT_REQUIRE_SERVICES").as_deref(), Ok("1"));
            return;
        };
        let sink = Sink::new(Path::new("t.jsonl"), full).unwrap();
        let mut tape = Tape::write_to(sink, &about(), NOW).unwrap();
        for _ in 0..1_000 {
            tape.input(NOW, &Input::Frame { conn: ConnId(1), bytes: &[b'x'; 1_000] });
        }
        let status = tape.status();
        tape.finish().await;
        let failure = status.failure().expect("the device is full");
        assert!(failure.contains("space"), "{failure}");
    }
}

//! A run under way in this process, watched from outside.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use venuekit_ingest::{Config, Console, Ended, IngestError, Overrides, RunOptions, Started, Summary, run};
use venuekit_sign::Credentials;
use venuekit_store::{MarketCounts, Reader};

/// Longest that anything here may take; a machine that is busy with other things takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at what cannot be waited for.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Data as it is written, line by line.
pub(crate) struct Lines {
    /// Without a bound: a test reads every line, and a worker of seconds writes some hundreds.
    lines: mpsc::UnboundedSender<String>,
    part: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.part)).expect("text");
                // The test may have seen enough.
                let _ = self.lines.send(line);
            } else {
                self.part.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A run under way.
pub(crate) struct Running {
    pub(crate) task: tokio::task::JoinHandle<Result<Summary, IngestError>>,
    lines: mpsc::UnboundedReceiver<String>,
    started: Option<oneshot::Receiver<Started>>,
    health: Option<SocketAddr>,
    stop: Option<oneshot::Sender<Ended>>,
}

pub(crate) fn start(config: Config, accounts: BTreeMap<String, Credentials>) -> Running {
    start_with(config, RunOptions { accounts, ..RunOptions::default() })
}

pub(crate) fn start_with(config: Config, options: RunOptions) -> Running {
    let (lines, read) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel();
    let (begun, started) = oneshot::channel();
    let console = Console {
        data: Box::new(Lines { lines, part: Vec::new() }),
        screen: None,
        json: false,
        quiet: false,
    };
    let options =
        RunOptions { on_start: Some(Box::new(move |started| drop(begun.send(started.clone())))), ..options };
    let shutdown = async move { stopped.await.unwrap_or(Ended::Asked) };
    let task = tokio::spawn(run(config, options, console, shutdown));
    Running { task, lines: read, started: Some(started), health: None, stop: Some(stop) }
}

impl Running {
    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await.expect("a line in time");
        line.expect("the run goes on")
    }

    pub(crate) async fn started(&mut self) -> Started {
        let started = self.started.take().expect("asked once");
        let started = tokio::time::timeout(PATIENCE, started).await.expect("in time").expect("it starts");
        self.health = Some(started.health);
        started
    }

    /// An answer of the health server: status line and body.
    pub(crate) async fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.health.expect("started")).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.lines().next().expect("a status line").to_owned(), body.to_owned())
    }

    pub(crate) async fn until(&self, path: &str, mut holds: impl FnMut(&str) -> bool) -> String {
        let seen = Mutex::new(String::new());
        let looking = async {
            loop {
                let (_, body) = self.get(path).await;
                let found = holds(&body);
                seen.lock().expect("one task").clone_from(&body);
                if found {
                    return body;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(body) => body,
            Err(_) => panic!("{path} never came to say it:\n{}", seen.lock().expect("one task")),
        }
    }

    pub(crate) async fn end(mut self, ended: Ended) -> (Summary, Vec<String>) {
        let stop = self.stop.take().expect("ended once");
        stop.send(ended).expect("the run goes on");
        let summary = tokio::time::timeout(PATIENCE, self.task).await.expect("it ends in time");
        let summary = summary.expect("no panic").expect("a clean end");
        let mut rest = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            rest.push(line);
        }
        (summary, rest)
    }
}

pub(crate) fn into(directory: &Path, flags: Overrides) -> Config {
    let flags = Overrides {
        database: flags.database.or_else(|| Some(directory.join("v.db"))),
        health: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..flags
    };
    Config::default_sim().with(flags)
}

pub(crate) async fn counts_until(
    path: &Path,
    mut holds: impl FnMut(&[MarketCounts]) -> bool,
) -> Vec<MarketCounts> {
    let reader = Reader::open(path).expect("opens");
    let looking = async {
        loop {
            let counts = reader.counts().expect("counts");
            if holds(&counts) {
                return counts;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the rows come")
}

//! Real processes that are killed, and disks that fail under them: nothing lost, doubled or torn.
//!
//! A simulator lives through it all and writes the truth; workers store what it says until they are killed. After each
//! death the database is compared with its checksums and with what the worker had said was stored; at the end it is
//! compared with the truth, by the checker that shares no code with the product.
#![allow(clippy::disallowed_methods, reason = "instants of death are waited for by the clock")]

mod cluster;
mod server;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::run::{self, cargo, pass_through};

/// How much of it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// How many workers are killed.
    #[arg(long, default_value_t = 500)]
    pub(crate) kills: u32,
    /// The seed of the simulator and of the instants.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Book messages a second and venue.
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u32,
    /// What else goes wrong at the venues: none, light or heavy.
    #[arg(long, default_value = "none")]
    pub(crate) faults: String,
    /// How many calls of each kind fail by injection: writes and syncs, with a full disk, a broken one, and death.
    #[arg(long, default_value_t = 0)]
    pub(crate) injections: u32,
    /// Several workers on one database instead: killed, frozen, cut off, leaving and joining.
    #[arg(long)]
    pub(crate) cluster: bool,
    /// How many workers, with --cluster.
    #[arg(long, default_value_t = 4)]
    pub(crate) workers: u32,
    /// How many shards they share, four a bucket.
    #[arg(long, default_value_t = 64)]
    pub(crate) shards: u16,
    /// How long a lease lasts.
    #[arg(long, default_value_t = 10)]
    pub(crate) lease_seconds: u64,
    /// How long a worker is frozen, at least; three seconds more than a lease lasts in any case.
    #[arg(long, default_value_t = 60)]
    pub(crate) frozen_seconds: u64,
    /// Uses a binary as it is, instead of building one for release.
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Option<PathBuf>,
}

/// The venues whose budgets can be widened.
const VENUES: [&str; 2] = ["doex", "duedex"];
/// The longest that a worker lives before it is killed, in microseconds.
const LIFE_US_MAX: u64 = 2_500_000;
/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what cannot be waited for.
const LOOK: Duration = Duration::from_millis(20);
/// Rows that a worker has to store before it has lived enough.
const ROWS: u64 = 300;
/// For how many more calls a disk stays full or broken: a worker waits twice as long after each.
const TROUBLE: u32 = 4;

/// Kills and breaks, then compares.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => {
            pass_through(&mut cargo(&["build", "--release", "--package", "venuekit-cli"]))?;
            run::target().join("release/venuekit")
        }
    };
    ensure!(run::exists("python3"), "python3 is missing, which compares the database with the truth");
    let folder = std::env::temp_dir().join(format!("venuekit-torture-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let outcome = if options.cluster {
        cluster::run(options, binary, &folder)
    } else {
        Torture::start(options, binary, &folder).and_then(|torture| torture.go(options))
    };
    match outcome {
        Ok(()) => {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
        }
        Err(error) => Err(error.context(format!(
            "SEED={} failed; what is left lies in {}",
            options.seed,
            folder.display()
        ))),
    }
}

/// A simulator, and the place where workers store what it says.
struct Torture {
    binary: PathBuf,
    folder: PathBuf,
    sim: Process,
    health: SocketAddr,
    dice: Dice,
    /// Rows that the database holds, as far as somebody was told.
    known: u64,
    /// From a start to its first live book.
    starts: Vec<Duration>,
}

impl Torture {
    fn start(options: &Options, binary: PathBuf, folder: &Path) -> Result<Torture> {
        let (sim, venues) = simulate(options, &binary, folder)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let health = listener.local_addr()?;
        let config = format!("[sink]\npath = \"v.db\"\n[health]\nlisten = \"{health}\"\n{venues}");
        std::fs::write(folder.join("venuekit.toml"), config)?;
        let dice = Dice(options.seed);
        let folder = folder.to_owned();
        Ok(Torture { binary, folder, sim, health, dice, known: 0, starts: Vec::new() })
    }

    fn go(mut self, options: &Options) -> Result<()> {
        for kill in 0..options.kills {
            self.kill_one().with_context(|| format!("kill {kill}"))?;
            if kill % 50 == 49 {
                println!("{} killed, {} rows", kill + 1, self.known);
            }
        }
        let broken = self.break_disks(options.injections)?;
        self.end_well()?;
        self.sim.end("-TERM")?;
        let mut check = run::program("python3");
        check.arg("-B").arg("xtask/verify_db.py").arg(self.folder.join("v.db"));
        check.arg(self.folder.join("truth.ndjson")).arg("--allow-absent");
        if options.faults != "none" {
            // A venue that is down when the last worker ends leaves its gaps open.
            check.arg("--allow-open-gaps");
        }
        let report = String::from_utf8(run::output(&mut check)?)?;
        print!("{report}");
        self.starts.sort();
        let at = |percent: usize| self.starts.get((self.starts.len().max(1) - 1) * percent / 100);
        println!(
            "SEED={}: {} killed, {broken} injections, {} rows: 0 lost, 0 doubled, 0 torn; start to first live book \
             p50 {:.1?}, max {:.1?}",
            options.seed,
            options.kills,
            self.known,
            at(50).copied().unwrap_or_default(),
            at(100).copied().unwrap_or_default(),
        );
        Ok(())
    }

    /// One worker, from its start to its death at some instant.
    fn kill_one(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut worker = self.worker(None)?;
        // As many early deaths as late ones: opening, catching up and steady work each take their part.
        let life = self.dice.below(LIFE_US_MAX).pow(2) / LIFE_US_MAX;
        thread::sleep(Duration::from_micros(life));
        let acknowledged = self.acknowledged();
        thread::sleep(Duration::from_micros(self.dice.below(3_000)));
        worker.child.kill().context("cannot kill the worker")?;
        let status = worker.child.wait()?;
        ensure!(status.code().is_none(), "the worker had ended by itself ({status}): {}", worker.log());
        self.starts.extend(worker.first_line().map(|at| at.duration_since(began)));
        self.look(acknowledged)
    }

    /// The database after a death: whole, and with every row that was said to be stored.
    fn look(&mut self, acknowledged: u64) -> Result<()> {
        let db = self.folder.join("v.db");
        if !db.exists() {
            ensure!(self.known + acknowledged == 0, "the database is gone");
            return Ok(());
        }
        let done = Command::new(&self.binary).args(["verify", "--json", "--db"]).arg(&db).output()?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        // One that died before it had made its tables left a file that is not yet ours.
        if done.status.code() == Some(4) && self.known + acknowledged == 0 {
            return Ok(());
        }
        ensure!(done.status.success(), "TORN: {said}");
        let found: Value = serde_json::from_slice(&done.stdout).context("verify prints JSON")?;
        let rows = found["rows"].as_u64().context("verify counts rows")?;
        let told = self.known + acknowledged;
        ensure!(rows >= told, "LOST: {told} rows were acknowledged and {rows} are stored");
        self.known = rows;
        Ok(())
    }

    /// Rows that the worker says it has stored since it began; none where it does not answer yet.
    fn acknowledged(&self) -> u64 {
        let Ok(metrics) = get(self.health, "/metrics") else { return 0 };
        let is_stored = |line: &&str| {
            line.starts_with("venuekit_sink_rows_total{")
                && ["result=\"new\"", "result=\"healed\""].iter().any(|result| line.contains(result))
                && !line.contains("type=\"stream\"")
        };
        let count = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        metrics.lines().filter(is_stored).filter_map(count).sum()
    }

    /// Workers whose disk fails at the n-th call of a kind, from outside.
    fn break_disks(&mut self, injections: u32) -> Result<u32> {
        if injections == 0 {
            return Ok(0);
        }
        ensure!(run::exists("strace"), "strace is missing, which injects faults; install it first");
        let faults = [
            ("pwrite64", "error=ENOSPC"),
            ("pwrite64", "error=EIO"),
            ("pwrite64", "signal=SIGKILL"),
            ("fdatasync", "error=EIO"),
            ("fdatasync", "signal=SIGKILL"),
        ];
        let mut done = 0;
        for (call, fault) in faults {
            for at in 0..injections {
                // Close together at first, where a file is opened and made ready.
                let first = 1 + at + at * at / 8;
                let when = match fault.strip_prefix("signal") {
                    Some(_) => first.to_string(),
                    None => format!("{first}..{}", first + TROUBLE),
                };
                self.break_one(&format!("{call}:{fault}:when={when}"))
                    .with_context(|| format!("{call} {fault} at {when}"))?;
                done += 1;
            }
        }
        Ok(done)
    }

    fn break_one(&mut self, inject: &str) -> Result<()> {
        let mut worker = self.worker(Some(inject))?;
        let Lived { acknowledged, told } = self.wait_for_rows(&mut worker)?;
        // One that outlived it has met it in its sink, and went on by itself.
        if acknowledged > 0 && std::fs::read_to_string(self.folder.join("strace.log"))?.contains("INJECTED") {
            ensure!(told, "the disk failed and /readyz did not say so: {}", worker.log());
        }
        worker.end("-KILL")?;
        self.look(acknowledged)
    }

    /// Until a worker has stored something, or has ended.
    fn wait_for_rows(&self, worker: &mut Process) -> Result<Lived> {
        let until = Instant::now() + PATIENCE;
        let mut told = false;
        while Instant::now() < until {
            if worker.child.try_wait()?.is_some() {
                return Ok(Lived { acknowledged: 0, told });
            }
            told = told || get(self.health, "/readyz").is_ok_and(|answer| answer.contains("[-]sink failing"));
            match self.acknowledged() {
                0..ROWS => thread::sleep(LOOK),
                acknowledged => return Ok(Lived { acknowledged, told }),
            }
        }
        bail!("no rows are stored: {}", worker.log())
    }

    /// The last worker: every book goes live, and it ends when it is asked to.
    fn end_well(&mut self) -> Result<()> {
        let mut worker = self.worker(None)?;
        let until = Instant::now() + PATIENCE;
        while !get(self.health, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            ensure!(Instant::now() < until, "not ready in time: {}", worker.log());
            ensure!(worker.child.try_wait()?.is_none(), "the last worker ended: {}", worker.log());
            thread::sleep(LOOK);
        }
        let Lived { acknowledged, .. } = self.wait_for_rows(&mut worker)?;
        let status = worker.end("-TERM")?;
        ensure!(status.code() == Some(143), "the last worker ended with {status}: {}", worker.log());
        self.look(acknowledged)
    }

    fn worker(&self, inject: Option<&str>) -> Result<Process> {
        let mut command = match inject {
            None => Command::new(&self.binary),
            Some(inject) => {
                let mut command = Command::new("strace");
                command.args(["-f", "-qq", "--seccomp-bpf", "-o"]).arg(self.folder.join("strace.log"));
                for name in ["v.db", "v.db-wal", "v.db-journal"] {
                    command.arg("-P").arg(self.folder.join(name));
                }
                command.args(["-e", "trace=pwrite64,fdatasync", "-e", &format!("inject={inject}"), "--"]);
                command.arg(&self.binary);
                command
            }
        };
        command.arg("ingest").arg("--config").arg(self.folder.join("venuekit.toml"));
        Process::start(&mut command, &self.folder.join("worker.log"))
    }
}

/// Starts a simulator, which writes the truth; with the part of a config that names its venues.
fn simulate(options: &Options, binary: &Path, folder: &Path) -> Result<(Process, String)> {
    let (seed, rate) = (options.seed.to_string(), options.rate.to_string());
    let mut command = Command::new(binary);
    // A worker that does not live long knows nothing of the requests of those before it.
    command.args([
        "sim",
        "--wide",
        "--ndjson",
        "--seed",
        &seed,
        "--rate",
        &rate,
        "--sim-faults",
        &options.faults,
    ]);
    command.arg("--sim-truth").arg(folder.join("truth.ndjson"));
    let sim = Process::start(&mut command, &folder.join("sim.log"))?;
    let mut config = String::new();
    // One line a venue, all at once.
    let mut wait = PATIENCE;
    while let Ok(line) = sim.lines.recv_timeout(wait) {
        let line: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let word = |key: &str| line[key].as_str().with_context(|| format!("the simulator names no {key}"));
        let (venue, rest, stream) = (word("venue")?, word("rest")?, word("stream")?);
        if VENUES.contains(&venue) {
            config += &format!("[venues.{venue}]\nrest = \"{rest}\"\nstream = \"{stream}\"\n");
        }
        if venue == "doex" {
            config += "profile = \"doex.toml\"\n";
        }
        wait = Duration::from_millis(500);
    }
    // Doex does not say how wide its budget is; its profile does.
    let profile = std::fs::read_to_string(run::root().join("crates/venues/doex/profile.toml"))?;
    let (usual, wide) = ("weight_per_minute = 1200 ", "weight_per_minute = 120000 ");
    ensure!(profile.contains(usual), "the profile of doex has another budget");
    std::fs::write(folder.join("doex.toml"), profile.replace(usual, wide))?;
    Ok((sim, config))
}

/// What a worker had done by the time it had lived enough.
struct Lived {
    /// Rows that it says it has stored; none where it ended before.
    acknowledged: u64,
    /// Whether `/readyz` said that the sink fails.
    told: bool,
}

/// A process that is never left behind.
struct Process {
    child: Child,
    lines: Receiver<String>,
    first: Receiver<Instant>,
    log: PathBuf,
}

impl Process {
    fn start(command: &mut Command, log: &Path) -> Result<Process> {
        let file = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).process_group(0).spawn();
        let mut child = spawned.with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let output = child.stdout.take().context("its output is ours")?;
        let ((lines, read), (first, seen)) = (channel(), channel());
        thread::spawn(move || {
            let mut instant = Some(first);
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Whoever started it may have seen enough.
                let _ = instant.take().map(|first| first.send(Instant::now()));
                let _ = lines.send(line);
            }
        });
        Ok(Process { child, lines: read, first: seen, log: log.to_owned() })
    }

    fn first_line(&self) -> Option<Instant> {
        self.first.try_recv().ok()
    }

    /// Tells it and whoever it started to end, and waits until it has.
    fn end(&mut self, signal: &str) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        pass_through(&mut self.kill(signal))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
        bail!("it does not end: {}", self.log())
    }

    fn kill(&self, signal: &str) -> Command {
        let mut kill = Command::new("kill");
        kill.args([signal, "--", &format!("-{}", self.child.id())]);
        kill
    }

    /// The end of what it said.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is as good.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.kill("-KILL").status();
            let _ = self.child.wait();
        }
    }
}

fn get(at: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

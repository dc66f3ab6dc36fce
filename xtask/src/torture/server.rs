//! A Postgres server of the torture's own, and ways to it that can be cut.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// A running server; it ends with the value.
pub(super) struct Server {
    bin: PathBuf,
    dir: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
}

impl Server {
    /// Makes one in a folder and starts it.
    pub(super) fn start(dir: PathBuf) -> Result<Server> {
        let bin =
            binaries().context("the programs of a Postgres server are missing; install postgresql first")?;
        std::fs::create_dir(&dir)?;
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
        let user = postgres_user()?;
        if let Some((uid, gid)) = user {
            chown(&dir, Some(uid), Some(gid))?;
        }
        // Below those that the system gives to whoever connects.
        let port = 10_000 + u16::try_from(std::process::id() % 22_000).expect("below 22,000");
        let server = Server { bin, dir, user, port };
        let data = server.data();
        server
            .run("initdb", &["-D", &data, "-A", "trust", "-U", "test", "-E", "UTF8", "--no-locale", "-N"])?;
        server.up()?;
        Ok(server)
    }

    pub(super) fn up(&self) -> Result<()> {
        let options = format!(
            "-k {} -c listen_addresses=127.0.0.1 -c max_connections=200 -p {}",
            self.dir.display(),
            self.port
        );
        let log = self.dir.join("log").display().to_string();
        self.run("pg_ctl", &["-D", &self.data(), "-o", &options, "-l", &log, "-w", "start"])
    }

    /// Stops it as a crash would.
    pub(super) fn down(&self) -> Result<()> {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"])
    }

    /// Runs SQL and gives the lines of its answer.
    pub(super) fn sql(&self, sql: &str) -> Result<Vec<String>> {
        let done = Command::new(self.bin.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "test", "-d", "postgres", "-qAtX"])
            .args(["-v", "ON_ERROR_STOP=1", "-c", "SET search_path = venuekit, public", "-c", sql])
            .output()?;
        ensure!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8(done.stdout)?.lines().map(str::to_owned).collect())
    }

    /// The first number of an answer.
    pub(super) fn number(&self, sql: &str) -> Result<f64> {
        let lines = self.sql(sql)?;
        lines
            .first()
            .and_then(|line| line.parse().ok())
            .with_context(|| format!("{sql}: {lines:?} is no number"))
    }

    /// Writes what a query gives into a file, as CSV with a head.
    pub(super) fn export(&self, query: &str, file: &Path) -> Result<()> {
        let lines = self.sql(&format!("COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)"))?;
        std::fs::write(file, lines.join("\n") + "\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }

    fn data(&self) -> String {
        self.dir.join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).env("LC_ALL", "C").current_dir("/tmp");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        // What the server inherits must not be a pipe, else whoever reads it waits for the server's end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().with_context(|| format!("cannot start {program}"))?;
        ensure!(status.success(), "{program} failed ({status})");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is down already is as good.
        let _ = self.down();
    }
}

fn binaries() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").ok();
    let mut found: Vec<PathBuf> =
        entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    found.into_iter().find(|dir| ["initdb", "pg_ctl", "psql"].iter().all(|name| dir.join(name).exists()))
}

/// The server refuses to run as root, so root runs it as the user that its package made.
fn postgres_user() -> Result<Option<(u32, u32)>> {
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?) != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line =
        users.lines().find(|line| line.starts_with("postgres:")).context("there is no user postgres")?;
    let mut numbers = line.split(':').skip(2).map(str::parse::<u32>);
    let (uid, gid) = (numbers.next().context("no user id")??, numbers.next().context("no group id")??);
    Ok(Some((uid, gid)))
}

/// A way to a port of this machine that carries nothing while it is cut.
pub(super) struct Way {
    pub(super) port: u16,
    pub(super) is_cut: Arc<AtomicBool>,
}

impl Way {
    pub(super) fn to(port: u16) -> Result<Way> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let own = listener.local_addr()?.port();
        let is_cut = Arc::<AtomicBool>::default();
        let cut = Arc::clone(&is_cut);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let cut = Arc::clone(&cut);
                thread::spawn(move || carry(near, port, &cut));
            }
        });
        Ok(Way { port: own, is_cut })
    }
}

impl Server {
    /// A way of its own for one of many.
    pub(super) fn way(&self) -> Result<Way> {
        Way::to(self.port)
    }
}

/// Carries both directions of one connection until either ends.
fn carry(near: TcpStream, port: u16, is_cut: &Arc<AtomicBool>) {
    while is_cut.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    let cut = Arc::clone(is_cut);
    thread::spawn(move || pump(near_too, far_too, &cut));
    pump(far, near, is_cut);
}

/// Between two looks at whether a way is cut.
const LOOK: Duration = Duration::from_millis(50);

fn pump(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    if from.set_read_timeout(Some(LOOK)).is_ok() {
        loop {
            if is_cut.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) if to.write_all(&buffer[..count]).is_err() => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
    }
    // The other side may be gone already.
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

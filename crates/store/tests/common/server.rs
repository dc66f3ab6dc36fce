//! A Postgres server of the test's own, from the system's binaries, on a unix socket in a scratch directory.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use venuekit_store::postgres::Dsn;

/// A running server; it ends with the value.
pub(crate) struct Server {
    bin: PathBuf,
    dir: tempfile::TempDir,
    user: Option<(u32, u32)>,
}

impl Server {
    /// Starts one; nothing where the machine has no Postgres, of which it says so, and fails where services are
    /// required.
    pub(crate) fn start() -> Option<Server> {
        let Some(bin) = binaries() else {
            println!("skipped: no Postgres server binaries on this machine");
            let required = std::env::var("VENUEKIT_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
            assert!(!required, "VENUEKIT_REQUIRE_SERVICES=1 and no Postgres server binaries");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("vk-pg").tempdir_in("/tmp").expect("a scratch directory");
        let user = postgres_user();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("sets");
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).expect("root gives away");
        }
        let server = Server { bin, dir, user };
        let data = server.data();
        let made = server
            .run("initdb", &["-D", &data, "-A", "trust", "-U", "test", "-E", "UTF8", "--no-locale", "-N"]);
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.up();
        Some(server)
    }

    /// Starts it, again after [`down`](Server::down).
    pub(crate) fn up(&self) {
        let options = format!("-k {} -c listen_addresses=127.0.0.1 -p {}", self.socket(), self.port());
        let log = self.dir.path().join("log").display().to_string();
        let up = self.run("pg_ctl", &["-D", &self.data(), "-o", &options, "-l", &log, "-w", "start"]);
        let why = || fs::read_to_string(&log).unwrap_or_default();
        assert!(up.status.success(), "pg_ctl start: {}", why());
    }

    /// Stops it as a crash would.
    pub(crate) fn down(&self) {
        let down = self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        assert!(down.status.success(), "pg_ctl stop: {}", String::from_utf8_lossy(&down.stderr));
    }

    /// How to reach it as its owner.
    pub(crate) fn dsn(&self) -> Dsn {
        self.dsn_as("test", "")
    }

    pub(crate) fn dsn_as(&self, user: &str, more: &str) -> Dsn {
        let (socket, port) = (self.socket(), self.port());
        Dsn::parse(&format!("host={socket} port={port} user={user} dbname=postgres {more}")).expect("valid")
    }

    /// Runs SQL and gives back the lines of its answer.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        let output = Command::new(self.bin.join("psql"))
            .args(["-h", &self.socket(), "-p", &self.port(), "-U", "test", "-d", "postgres", "-qAtX"])
            .args(["-v", "ON_ERROR_STOP=1", "-c", "SET search_path = venuekit, public", "-c", sql])
            .output()
            .expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Makes it read its files again.
    pub(crate) fn reload(&self) {
        assert!(self.run("pg_ctl", &["-D", &self.data(), "reload"]).status.success());
    }

    fn data(&self) -> String {
        self.data_dir().display().to_string()
    }

    fn socket(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// Of the scratch directory's own, so that servers of tests beside each other do not meet on the loopback; below
    /// those that the system gives to whoever connects.
    pub(crate) fn port(&self) -> String {
        let name = self.dir.path().as_os_str().as_encoded_bytes();
        let sum = name.iter().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        (10_000 + sum % 22_000).to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).env("LC_ALL", "C").current_dir("/tmp").stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        // What the server inherits must not be a pipe, else whoever reads it waits for the server's end.
        if program == "pg_ctl" {
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("runs");
            return Output { status, stdout: Vec::new(), stderr: Vec::new() };
        }
        command.output().expect("runs")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

fn binaries() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    found.into_iter().find(|dir| ["initdb", "pg_ctl", "psql"].iter().all(|name| dir.join(name).exists()))
}

/// The server refuses to run as root, so root runs it as the user that its package made.
fn postgres_user() -> Option<(u32, u32)> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users are listed");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package made a user");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().expect("a number"));
    Some((numbers.next().expect("a user id"), numbers.next().expect("a group id")))
}

/// A port of the loopback on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("bound").port()
}

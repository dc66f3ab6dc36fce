//! A NATS server of the test's own, from the system's binary, on the loopback and with its stream in a scratch directory.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server; it ends with the value.
pub(crate) struct NatsServer {
    binary: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts one with more lines of configuration; nothing where the machine has none, of which it says so, and fails
    /// where services are required.
    pub(crate) fn start(more: &str) -> Option<NatsServer> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        places.extend(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        let found = places.into_iter().map(|place| place.join("nats-server")).find(|file| file.exists());
        let Some(binary) = found else {
            println!("skipped: no nats-server on this machine");
            let required = std::env::var("VENUEKIT_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
            assert!(!required, "VENUEKIT_REQUIRE_SERVICES=1 and no nats-server");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("vk-nats").tempdir().expect("a scratch directory");
        let port = port_of(dir.path());
        let store = dir.path().join("store").display().to_string();
        let config = format!(
            "host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: \"{store}\", max_memory_store: 16MB }}\n{}\n",
            more.replace("$DIR", &dir.path().display().to_string())
        );
        fs::write(dir.path().join("nats.conf"), config).expect("writes");
        let mut server = NatsServer { binary, dir, port, child: None };
        server.up();
        Some(server)
    }

    /// Starts it, again after [`kill`](NatsServer::kill), and waits until it is ready.
    pub(crate) fn up(&mut self) {
        let log = fs::File::create(self.dir.path().join("log")).expect("creates");
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(self.dir.path().join("nats.conf")).stdin(Stdio::null()).stdout(Stdio::null());
        let child = self.child.insert(command.stderr(log).spawn().expect("runs"));
        // It says so once its stream is there too.
        loop {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            if log.contains("Server is ready") {
                return;
            }
            if let Some(status) = child.try_wait().expect("asks") {
                panic!("nats-server ended with {status}: {log}");
            }
            std::thread::yield_now();
        }
    }

    /// Ends it as SIGKILL does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("is ours");
            child.wait().expect("ends");
        }
    }

    /// How it is reached.
    pub(crate) fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// One message as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) payload: String,
}

impl NatsServer {
    /// Everything that a stream holds, read by NATS' own text protocol and with no code of the product's.
    ///
    /// **Source**: docs.nats.io, client protocol and JetStream wire API, read 2026-11.
    pub(crate) fn held(&self, stream: &str) -> Vec<Held> {
        let mut link =
            BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens"));
        let say = |link: &mut BufReader<TcpStream>, text: &str| {
            link.get_mut().write_all(text.as_bytes()).expect("is sent");
        };
        // The consumer of an earlier reading still delivers to where it was asked to.
        static READINGS: AtomicU32 = AtomicU32::new(0);
        let rows = format!("rows{}", READINGS.fetch_add(1, Ordering::Relaxed));
        let hello = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB answer 1\r\n";
        say(&mut link, &format!("{hello}SUB {rows} 2\r\n"));
        say(&mut link, &format!("PUB $JS.API.STREAM.INFO.{stream} answer 0\r\n\r\n"));
        let info: serde_json::Value = serde_json::from_str(&next(&mut link).payload).expect("JSON");
        let count = info["state"]["messages"].as_u64().unwrap_or_else(|| panic!("no stream: {info}"));
        let config = format!(
            "{{\"stream_name\":\"{stream}\",\"config\":{{\"deliver_subject\":\"{rows}\",\"ack_policy\":\"none\"}}}}"
        );
        say(
            &mut link,
            &format!("PUB $JS.API.CONSUMER.CREATE.{stream} answer {}\r\n{config}\r\n", config.len()),
        );
        let mut held = Vec::new();
        while (held.len() as u64) < count {
            let message = next(&mut link);
            // The answer to the wish for a consumer comes somewhere among them.
            if message.subject != "answer" {
                held.push(message);
            }
        }
        held
    }
}

/// The next message on a link.
fn next(link: &mut BufReader<TcpStream>) -> Held {
    loop {
        let mut line = String::new();
        link.read_line(&mut line).expect("it speaks");
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let size = |text: &str| text.parse::<usize>().expect("a size");
        let (head, all) = match words.as_slice() {
            ["MSG", .., all] => (0, size(all)),
            ["HMSG", .., head, all] => (size(head), size(all)),
            ["PING"] => {
                link.get_mut().write_all(b"PONG\r\n").expect("is sent");
                continue;
            }
            ["INFO", ..] => continue,
            other => panic!("the server says {other:?}"),
        };
        let mut bytes = vec![0; all + 2];
        link.read_exact(&mut bytes).expect("it speaks");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let id = text(&bytes[..head]);
        let id = id.lines().find_map(|line| line.strip_prefix("Nats-Msg-Id: ")).unwrap_or_default();
        return Held { id: id.to_owned(), subject: words[1].to_owned(), payload: text(&bytes[head..all]) };
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Of the directory's own, so that servers beside each other do not meet; below those that the system gives away, and
/// free now.
fn port_of(dir: &Path) -> u16 {
    let name = dir.as_os_str().as_encoded_bytes();
    let mut sum = name.iter().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    loop {
        let port = u16::try_from(10_000 + sum % 22_000).expect("below 32,000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
        sum = sum.wrapping_add(1);
    }
}

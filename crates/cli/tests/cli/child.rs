//! The binary as a child process that is never left behind.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

/// The binary, in an environment that holds nothing.
pub(crate) fn venuekit(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_venuekit"));
    command.env_clear().args(args);
    command
}

/// A run of the binary whose output is read line by line. Dropping it kills it.
pub(crate) struct Run {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Run {
    pub(crate) fn start(args: &[&str]) -> Run {
        Run::spawn(venuekit(args).stdout(Stdio::piped()))
    }

    /// Runs it in an environment that holds these variables alone.
    /// Runs it on a terminal, whose other end is given too.
    pub(crate) fn on_terminal(args: &[&str], size: Winsize) -> (Run, File) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("its owner");
        unlockpt(&ours).expect("its owner");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let name = name.to_str().expect("text");
        let theirs = File::options().read(true).write(true).open(name).expect("there");
        tcsetwinsize(&theirs, size).expect("a terminal");
        (Run::spawn(venuekit(args).env("TERM", "xterm").stdout(theirs)), File::from(ours))
    }

    /// Runs it with its log in a file.
    pub(crate) fn logged(command: &mut Command, log: File) -> Run {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary runs");
        let lines = child.stdout.take().map(BufReader::new);
        Run { child, lines }
    }

    fn spawn(command: &mut Command) -> Run {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let lines = child.stdout.take().map(BufReader::new);
        Run { child, lines }
    }

    /// The next line; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let reader = self.lines.as_mut().expect("not closed");
        reader.read_line(&mut line).expect("readable");
        line
    }

    /// The next line, as JSON.
    pub(crate) fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}; {}", self.stderr()))
    }

    /// Reads no more, as a reader that goes away does.
    pub(crate) fn close_output(&mut self) {
        self.lines = None;
    }

    /// One line of what the system knows of it.
    pub(crate) fn status(&self, name: &str) -> String {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it is alive");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim_start_matches(':').trim().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is alive");
    }

    /// Waits for its end: the code, and what stood on standard error.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        if let Some(mut lines) = self.lines.take() {
            // It must not wait for us while we wait for it.
            std::io::copy(&mut lines, &mut std::io::sink()).expect("readable");
        }
        let stderr = self.stderr();
        (self.child.wait().expect("it ends").code(), stderr)
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).expect("text");
        }
        text
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

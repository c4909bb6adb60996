//! Starting, signalling and waiting for the process under test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The variable that makes this test binary the process under test.
pub(super) const MARKER: &str = "SERVICE_UNDER_TEST";

/// Whatever takes longer than this has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// In the environment of a process that is told to ignore SIGHUP, as `nohup` does.
pub(super) const NOHUP: (&str, &str) = ("STARTED_BY", "nohup");

/// A running process under test; killed when dropped.
pub(super) struct Subject {
    child: Child,
    /// Lines of standard error as they come.
    lines: Option<Receiver<String>>,
    seen: String,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Subject {
    pub(super) fn start(flags: &[&str]) -> Self {
        Self::start_in(flags, &[])
    }

    pub(super) fn start_in(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut subject = Self::start_with(flags, environment, Stdio::piped());
        let stderr = subject.child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        subject.lines = Some(lines);
        subject
    }

    /// Starts it without anyone reading its standard error.
    pub(super) fn start_with(flags: &[&str], environment: &[(&str, &str)], stderr: Stdio) -> Self {
        // Whatever started the tests may have them ignore SIGHUP, which is inherited.
        let mut command = Command::new("/usr/bin/env");
        command.arg(format!("--{}-signal=HUP", if environment.contains(&NOHUP) { "ignore" } else { "default" }));
        command.arg(std::env::current_exe().unwrap());
        command.args(flags).env_clear().env(MARKER, "1").envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        Self { child, lines: None, seen: String::new() }
    }

    /// Closes the reading ends of its outputs.
    pub(super) fn close_outputs(&mut self) {
        drop((self.child.stdout.take(), self.child.stderr.take()));
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its first line of output, after which its log fills a pipe that nobody reads.
    pub(super) fn wait_until_it_floods(&mut self) {
        let mut output = BufReader::new(self.child.stdout.take().expect("it is piped"));
        output.read_line(&mut self.seen).unwrap();
    }

    /// Sends it a signal again and again until it ends: two that come at once count as one.
    pub(super) fn signal_until_end(mut self, name: &str) -> Ended {
        let end = Instant::now() + DEADLINE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "still running after {DEADLINE:?}");
            self.signal(name);
            thread::park_timeout(Duration::from_millis(50));
        }
        self.wait()
    }

    /// Waits until a line of its log has `text`.
    pub(super) fn wait_for_line(&mut self, text: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.next_line(end) {
                Some(line) if line.contains(text) => return,
                Some(_) => {}
                None => panic!("no line with {text:?} in:\n{}", self.seen),
            }
        }
    }

    fn next_line(&mut self, end: Instant) -> Option<String> {
        let wait = end.saturating_duration_since(Instant::now());
        match self.lines.as_ref()?.recv_timeout(wait) {
            Ok(line) => {
                self.seen.push_str(&line);
                self.seen.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => None,
        }
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> Ended {
        let end = Instant::now() + DEADLINE;
        // Standard error ends when the process does, however it does.
        while self.next_line(end).is_some() {}
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "still running after {DEADLINE:?}:\n{}", self.seen);
            thread::park_timeout(Duration::from_millis(2));
        };
        let mut stdout = String::new();
        if let Some(mut output) = self.child.stdout.take() {
            output.read_to_string(&mut stdout).unwrap();
        }
        Ended { code: status.code(), signal: status.signal(), stdout, stderr: std::mem::take(&mut self.seen) }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Gone already, where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The one log line with `text`, as JSON.
    pub(super) fn json_line(&self, text: &str) -> serde_json::Value {
        let line = self.stderr.lines().find(|line| line.contains(text));
        serde_json::from_str(line.unwrap_or_else(|| panic!("no {text:?} in {self:?}"))).unwrap()
    }
}

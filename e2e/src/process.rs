//! A program under test, as its users run it: a process with an environment, signals, an exit code and output.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Checked, Failure, guardian, http, wait};

/// How long a process may take to be gone after `kill -9`.
const DEATH_DEADLINE: Duration = Duration::from_secs(10);

/// A started program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    exit: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
    http: Option<SocketAddr>,
}

/// A signal that the scenarios send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Asks to end.
    Term,
    /// Ends at once.
    Kill,
    /// Freezes.
    Stop,
    /// Thaws.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

impl Process {
    /// Starts `command` in a process group of its own; its output goes to `<folder>/<name>.out` and `.err`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(mut command: Command, name: &str, folder: &Path) -> Checked<Self> {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        command.process_group(0).stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| Failure::new(format!("starting {program}: {error}")))?;
        guardian::started(child.id());
        Ok(Self { name: name.to_owned(), child, exit: None, stdout, stderr, http: None })
    }

    /// Says where it serves HTTP.
    #[must_use]
    pub fn serving(mut self, at: SocketAddr) -> Self {
        self.http = Some(at);
        self
    }

    /// Where it serves HTTP.
    ///
    /// # Panics
    /// When the process was not started with an address to serve at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.http.expect("the scenario starts it with an HTTP address")
    }

    /// The name of its files of output.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Both, for looking for words wherever they were said.
    #[must_use]
    pub fn output(&self) -> String {
        format!("{}\n{}", self.stdout(), self.stderr())
    }

    /// The last line it printed, as JSON.
    ///
    /// # Errors
    /// When that is no JSON.
    pub fn last_json(&self) -> Checked<Value> {
        let stdout = self.stdout();
        let line = stdout.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        serde_json::from_str(line).map_err(|error| {
            Failure::new(format!("the last line that {} printed is no JSON ({error}): {line:?}", self.name))
        })
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        if self.exit.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            guardian::ended(self.child.id());
            self.exit = Some(status);
        }
        self.exit.is_none()
    }

    /// Waits for its end and gives its exit code; 128 + N where signal N ended it, as shells count.
    ///
    /// # Errors
    /// When it still runs at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Checked<i32> {
        let what = format!("the end of {}", self.name);
        let status = wait::until(&what, deadline, || {
            self.runs();
            self.exit
        })?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    /// Waits for its end, which must be with exit code `expected`.
    ///
    /// # Errors
    /// When it ends otherwise or not at all.
    pub fn expect_exit(&mut self, expected: i32, deadline: Duration) -> Checked {
        let code = self.wait(deadline)?;
        if code == expected {
            return Ok(());
        }
        Err(Failure::new(format!("{} ended with exit code {code} instead of {expected}", self.name)))
    }

    /// Sends a signal to its process group.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn signal(&mut self, signal: Signal) -> Checked {
        if !self.runs() {
            return Err(Failure::new(format!("{} has ended before it could get SIG{}", self.name, signal.name())));
        }
        let group = format!("-{}", self.child.id());
        let status = Command::new("kill").args(["-s", signal.name(), "--", &group]).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("kill -s {} {group}: {status}", signal.name())))
        }
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended before, or doesn't go.
    pub fn kill9(&mut self) -> Checked {
        self.signal(Signal::Kill)?;
        self.wait(DEATH_DEADLINE).map(drop)
    }

    /// Asks it to end with SIGTERM; gives the exit code and how long it took.
    ///
    /// # Errors
    /// When it doesn't end within `deadline`.
    pub fn terminate(&mut self, deadline: Duration) -> Checked<(i32, Duration)> {
        let started = Instant::now();
        self.signal(Signal::Term)?;
        let code = self.wait(deadline)?;
        Ok((code, started.elapsed()))
    }

    /// Asks for a path by HTTP.
    ///
    /// # Panics
    /// When the process was not started with an address to serve at.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<http::Answer> {
        self.ask("GET", path)
    }

    /// The same with another method.
    ///
    /// # Panics
    /// When the process was not started with an address to serve at.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str) -> Option<http::Answer> {
        http::ask(self.address(), method, path)
    }

    /// The consumer's figures by HTTP; `None` while it has none to give.
    #[must_use]
    pub fn summary(&self) -> Option<Value> {
        let answer = self.get("/api/v1/summary")?;
        if answer.status == 200 { serde_json::from_str(&answer.body).ok() } else { None }
    }

    /// The partitions that the consumer works on, by its metrics.
    #[must_use]
    pub fn owned(&self) -> BTreeSet<i32> {
        let metrics = self.get("/metrics").map(|answer| answer.body).unwrap_or_default();
        let partition = |line: &str| {
            let rest = line.strip_prefix("tally_consumer_lag_records{partition=\"")?;
            rest.split('"').next()?.parse().ok()
        };
        metrics.lines().filter_map(partition).collect()
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// When it doesn't, or when the process ends.
    pub fn wait_ready(&mut self, deadline: Duration) -> Checked {
        let what = format!("{} being ready", self.name);
        let ready = wait::until(&what, deadline, || {
            if !self.runs() {
                return Some(false);
            }
            self.get("/readyz").is_some_and(|answer| answer.status == 200).then_some(true)
        })?;
        if ready { Ok(()) } else { Err(Failure::new(format!("{} has ended instead of getting ready", self.name))) }
    }

    /// Waits until its output contains `words`.
    ///
    /// # Errors
    /// When it doesn't.
    pub fn wait_for_words(&mut self, words: &str, deadline: Duration) -> Checked {
        let what = format!("{} saying {words:?}", self.name);
        wait::until_true(&what, deadline, || self.output().contains(words))
    }

    /// The most memory it has had resident so far, KiB; `None` once it is gone.
    #[must_use]
    pub fn resident_peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            // A frozen process dies of SIGKILL too. Failing here means that it is gone already.
            drop(self.kill9());
        }
    }
}

/// Output as text, whatever bytes are in it; nothing where there is no file.
fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

//! Brokers to run scenarios against: the embedded one and Apache Kafka, behind the same few verbs.
//!
//! A scenario that only uses a broker shares one with the others; one that hurts it gets its own. Both are real
//! processes (or a container), so that `kill -9` is what it says.

mod apache;
mod brokers;
mod docker;
mod embedded;
mod jars;
mod lab;
mod secured;

use std::time::Duration;

pub use brokers::{BROKER_SESSION_MS, BROKERS, Brokers};
pub use jars::{Jars, jars, run_tool};
pub use lab::{Kind, Lab, Unavailable};
pub use secured::Secured;

use crate::kafka::Client;
use crate::process::{Process, Signal};
use crate::{Checked, Failure, wait};

/// How long a broker may take until it answers.
const READY_DEADLINE: Duration = Duration::from_secs(90);
/// How long a broker may take to end after SIGTERM.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// One broker.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: String,
    host: Host,
    secured: Option<Secured>,
}

/// What a broker runs in.
#[derive(Debug)]
enum Host {
    /// A process of ours, `None` while it is down, and how to start it again.
    Process {
        started: Option<Process>,
        home: Box<dyn Home>,
    },
    Container(docker::Container),
    /// Somebody else's: it can be used but not hurt.
    Given,
}

/// Where a broker's files and its port are; starting it again finds what it left.
trait Home: std::fmt::Debug + Send + Sync {
    fn start(&self) -> Checked<Process>;
}

impl Cluster {
    /// A broker that belongs to somebody else.
    #[must_use]
    pub fn given(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), host: Host::Given, secured: None }
    }

    /// Starts a broker of ours for the first time.
    fn launch(port: u16, home: impl Home + 'static) -> Checked<Self> {
        let host = Host::Process { started: None, home: Box::new(home) };
        let mut cluster = Self { bootstrap: format!("127.0.0.1:{port}"), host, secured: None };
        cluster.start()?;
        Ok(cluster)
    }

    /// The bootstrap list, `host:port[,host:port…]`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Its secured ports and what opens them.
    ///
    /// # Panics
    /// When the scenario didn't ask for a secured broker.
    #[must_use]
    pub fn secured(&self) -> &Secured {
        self.secured.as_ref().expect("a scenario that uses secured ports is listed with a secured broker")
    }

    /// The id of its process; `None` where it is none of ours, or down.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        match &self.host {
            Host::Process { started, .. } => started.as_ref().map(Process::id),
            Host::Container(_) | Host::Given => None,
        }
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.bootstrap)
    }

    /// Ends the broker at once, as a power cut would.
    ///
    /// # Errors
    /// When it doesn't run, or isn't ours.
    pub fn kill9(&mut self) -> Checked {
        match &mut self.host {
            Host::Process { started, .. } => started.take().ok_or_else(down)?.kill9(),
            Host::Container(container) => container.kill9(),
            Host::Given => Err(not_ours()),
        }
    }

    /// Asks the broker to end, and waits until it has.
    ///
    /// # Errors
    /// When it doesn't end, or isn't ours.
    pub fn stop(&mut self) -> Checked {
        match &mut self.host {
            Host::Process { started, .. } => started.take().ok_or_else(down)?.terminate(END_DEADLINE).map(drop),
            Host::Container(container) => container.stop(),
            Host::Given => Err(not_ours()),
        }
    }

    /// Starts the broker on its old port with its old data, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub fn start(&mut self) -> Checked {
        match &mut self.host {
            Host::Process { started, home } => *started = Some(home.start()?),
            Host::Container(container) => container.start()?,
            Host::Given => return Err(not_ours()),
        }
        self.wait_ready()
    }

    /// Freezes the broker: its connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When it doesn't run, or isn't ours.
    pub fn suspend(&mut self) -> Checked {
        self.freeze(Signal::Stop)
    }

    /// Lets a frozen broker go on.
    ///
    /// # Errors
    /// When it doesn't run, or isn't ours.
    pub fn resume(&mut self) -> Checked {
        self.freeze(Signal::Continue)
    }

    fn freeze(&mut self, signal: Signal) -> Checked {
        match &mut self.host {
            Host::Process { started, .. } => started.as_mut().ok_or_else(down)?.signal(signal),
            Host::Container(container) => container.freeze(signal == Signal::Stop),
            Host::Given => Err(not_ours()),
        }
    }

    fn wait_ready(&mut self) -> Checked {
        let mut client = self.client();
        wait::until(&format!("the broker at {} answering", self.bootstrap), READY_DEADLINE, || {
            if let Host::Process { started: Some(process), .. } = &mut self.host
                && !process.runs()
            {
                return Some(Err(Failure::new(format!("the broker has ended:\n{}", tail(&process.output())))));
            }
            let metadata = client.metadata(&[]).ok()?;
            (!metadata.brokers.is_empty()).then_some(Ok(()))
        })?
    }
}

fn down() -> Failure {
    Failure::new("the broker doesn't run")
}

fn not_ours() -> Failure {
    Failure::new("this broker belongs to somebody else and can't be stopped")
}

/// The last lines of an output, enough to see why something ended.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

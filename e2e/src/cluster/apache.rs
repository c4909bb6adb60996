//! Apache Kafka from its jars: one node that is broker and controller, on free loopback ports, in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::jars::{Jars, jars};
use super::secured::{self, Secured};
use super::{Cluster, Home};
use crate::process::Process;
use crate::{Checked, Failure, ports};

/// Any 16 bytes, in Kafka's spelling; the clusters never meet.
pub(super) const CLUSTER_ID: &str = "ZTJlLXRlc3RzLWthZmthMQ";

/// What a broker is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Scenarios: quick to start, little memory.
    Scenarios,
    /// Measuring: the compiler and collector that a real broker would have.
    Speed,
}

impl Purpose {
    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Scenarios => &["-Xms192m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"],
            Self::Speed => &[
                "-Xms1g",
                "-Xmx1g",
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
            ],
        }
    }
}

/// Where one broker lives.
#[derive(Debug)]
struct ApacheHome {
    folder: tempfile::TempDir,
    configuration: PathBuf,
    jars: &'static Jars,
    purpose: Purpose,
}

impl Home for ApacheHome {
    fn start(&self) -> Checked<Process> {
        self.jars.broker(&self.configuration, self.purpose.flags(), self.folder.path(), "kafka")
    }
}

/// Starts a broker with its data below `folder`.
pub(super) fn start(folder: &Path, purpose: Purpose) -> Checked<Cluster> {
    let jars = jars().map_err(Failure::new)?;
    let template = formatted(jars, folder)?;
    let home = tempfile::Builder::new().prefix("kafka-").tempdir_in(folder)?;
    let data = home.path().join("data");
    std::fs::create_dir(&data)?;
    for file in std::fs::read_dir(template)? {
        let file = file?;
        std::fs::copy(file.path(), data.join(file.file_name()))?;
    }
    let port = ports::free();
    let configuration = home.path().join("server.properties");
    std::fs::write(&configuration, single(&data, port, ports::free()))?;
    Cluster::launch(port, ApacheHome { folder: home, configuration, jars, purpose })
}

/// Starts a broker that asks for a login or a certificate on some of its ports, and for rights on all topics.
pub(super) fn start_secured(folder: &Path) -> Checked<Cluster> {
    let jars = jars().map_err(Failure::new)?;
    let home = tempfile::Builder::new().prefix("secured-kafka-").tempdir_in(folder)?;
    let data = home.path().join("data");
    std::fs::create_dir(&data)?;
    for file in std::fs::read_dir(formatted(jars, folder)?)? {
        let file = file?;
        std::fs::copy(file.path(), data.join(file.file_name()))?;
    }
    let port = ports::free();
    let secured = Secured::prepare(home.path())?;
    let configuration = home.path().join("server.properties");
    let text = single(&data, port, ports::free());
    std::fs::write(&configuration, secured::settings(&text, &secured))?;
    let mut cluster =
        Cluster::launch(port, ApacheHome { folder: home, configuration, jars, purpose: Purpose::Scenarios })?;
    cluster.secured = Some(secured);
    Ok(cluster)
}

/// A data folder as `kafka-storage format` leaves it, made once and copied: neither file names a port or a path.
pub(super) fn formatted(jars: &Jars, folder: &Path) -> Checked<&'static Path> {
    static FORMATTED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = FORMATTED.get_or_init(|| format(jars, folder).map_err(|failure| failure.to_string()));
    made.as_deref().map_err(Failure::new)
}

fn format(jars: &Jars, folder: &Path) -> Checked<PathBuf> {
    let (data, configuration) = (folder.join("formatted"), folder.join("formatted.properties"));
    std::fs::write(&configuration, single(&data, 1, 2))?;
    let mut tool = jars.tool("kafka.tools.StorageTool");
    let output = tool.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&configuration).output()?;
    if output.status.success() {
        return Ok(data);
    }
    Err(Failure::new(format!("formatting Kafka's storage: {}", String::from_utf8_lossy(&output.stderr))))
}

/// Of one node that is broker and controller, started and hurt by scenarios.
fn single(data: &Path, port: u16, controller_port: u16) -> String {
    let own = "offsets.topic.num.partitions=2
transaction.state.log.num.partitions=2
# After kill -9 a broker may come back once its old session has run out.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Compaction is waited for in a scenario: look for work often.
log.cleaner.backoff.ms=250
";
    settings(1, data, &[(port, controller_port)]) + own
}

/// What nodes have in common, of a cluster with such ports of broker and controller. `number` counts from 1. Every topic has
/// a replica on each node, and needs two of them where there are as many.
pub(super) fn settings(number: u32, data: &Path, ports: &[(u16, u16)]) -> String {
    let (port, controller_port) = ports[number as usize - 1];
    let voter = |(voter, (_, port)): (u32, &(u16, u16))| format!("{voter}@127.0.0.1:{port}");
    let voters = (1..).zip(ports).map(voter).collect::<Vec<_>>().join(",");
    let replicas = ports.len();
    let in_sync_min = replicas.min(2);
    format!(
        "process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync_min}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync_min}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync_min}
group.initial.rebalance.delay.ms=0
# As in compose and deploy/: KIP-848 groups notice a dead member as soon as classic ones do.
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.heartbeat.interval.ms=1000
",
        data.display()
    )
}

//! Apache Kafka in a container, where there is Docker but no Maven.

use std::process::Command;

use super::jars::VERSION;
use super::{Cluster, Host};
use crate::{Checked, Failure, guardian, ports};

/// One container.
#[derive(Debug)]
pub(super) struct Container {
    name: String,
}

/// Whether a Docker daemon answers.
pub(super) fn answers() -> bool {
    docker(&["version", "--format", "{{.Server.Version}}"]).is_ok()
}

/// Starts a broker in a new container.
pub(super) fn start() -> Checked<Cluster> {
    let port = ports::free();
    let name = format!("e2e-kafka-{}-{port}", std::process::id());
    guardian::container(&name);
    let listeners = format!("PLAINTEXT://:{port},CONTROLLER://:29093");
    let settings = [
        ("KAFKA_NODE_ID", "1"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:29093"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_LISTENERS", &listeners),
        ("KAFKA_ADVERTISED_LISTENERS", &format!("PLAINTEXT://127.0.0.1:{port}")),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
        ("KAFKA_LOG_CLEANER_BACKOFF_MS", "250"),
    ];
    let publish = format!("127.0.0.1:{port}:{port}");
    let mut arguments = vec!["run", "--detach", "--name", &name, "--publish", &publish];
    let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    settings.iter().for_each(|setting| arguments.extend(["--env", setting]));
    let image = format!("apache/kafka:{VERSION}");
    arguments.push(&image);
    docker(&arguments)?;
    let mut cluster =
        Cluster { bootstrap: format!("127.0.0.1:{port}"), host: Host::Container(Container { name }), secured: None };
    cluster.wait_ready()?;
    Ok(cluster)
}

impl Container {
    pub(super) fn kill9(&self) -> Checked {
        docker(&["kill", &self.name])
    }

    pub(super) fn stop(&self) -> Checked {
        docker(&["stop", &self.name])
    }

    pub(super) fn start(&self) -> Checked {
        docker(&["start", &self.name])
    }

    pub(super) fn freeze(&self, frozen: bool) -> Checked {
        docker(&[if frozen { "pause" } else { "unpause" }, &self.name])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Failing here leaves it to the guardian.
        drop(docker(&["rm", "--force", "--volumes", &self.name]));
    }
}

fn docker(arguments: &[&str]) -> Checked {
    let output = Command::new("docker").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("docker {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim())))
}

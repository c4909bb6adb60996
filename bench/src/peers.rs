//! The peers, built at their first use into `target/bench`: by Go, by Maven and Java, by Python with its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Checked, Failure, binaries};

/// The memory that a JVM of a peer may take for its heap, and how it collects where throughput counts.
const JVM_FLAGS: [&str; 3] = ["-Xms1g", "-Xmx1g", "-XX:+UseParallelGC"];
/// The same where latency counts: the collector that Java takes by itself pauses for less.
const LATENCY_JVM_FLAGS: [&str; 3] = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"];

/// What a peer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecosystem {
    /// franz-go.
    Go,
    /// Kafka's own client.
    Java,
    /// Kafka Streams.
    Streams,
    /// confluent-kafka, which stands on librdkafka.
    Confluent,
    /// kafka-python.
    KafkaPython,
}

/// The peers, as far as they could be built here.
#[derive(Debug)]
pub struct Peers {
    folder: PathBuf,
    go: Result<(), String>,
    java: Result<(), String>,
    python: Result<(), String>,
}

impl Peers {
    /// Builds what can be built.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn build() -> Checked<Self> {
        let folder = binaries::target_folder()?.join("bench");
        std::fs::create_dir_all(&folder)?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let built = |what: &str, outcome: Checked| {
            outcome.map_err(|failure| {
                eprintln!("peers in {what} can't be built, and will not run: {failure}");
                failure.to_string()
            })
        };
        let go = built("Go", build_go(&source.join("go"), &folder));
        let java = built("Java", build_java(&source.join("java"), &folder));
        let python = built("Python", build_python(&source.join("python"), &folder));
        Ok(Self { folder, go, java, python })
    }

    /// A command that runs a peer for throughput; the caller adds what it is to do.
    ///
    /// # Errors
    /// Why it could not be built.
    pub fn command(&self, ecosystem: Ecosystem) -> Checked<Command> {
        self.with(ecosystem, JVM_FLAGS)
    }

    /// The same for latency.
    ///
    /// # Errors
    /// Why it could not be built.
    pub fn latency_command(&self, ecosystem: Ecosystem) -> Checked<Command> {
        self.with(ecosystem, LATENCY_JVM_FLAGS)
    }

    fn with(&self, ecosystem: Ecosystem, jvm_flags: [&str; 3]) -> Checked<Command> {
        let built = match ecosystem {
            Ecosystem::Go => &self.go,
            Ecosystem::Java | Ecosystem::Streams => &self.java,
            Ecosystem::Confluent | Ecosystem::KafkaPython => &self.python,
        };
        built.as_ref().map_err(Failure::new)?;
        let script = |name: &str| {
            let mut command = Command::new(self.folder.join("venv/bin/python"));
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/python").join(name));
            // Nothing is written into the source tree.
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            command
        };
        let class = |name: &str| {
            let mut command = Command::new("java");
            let path = format!("{0}/java/classes:{0}/java/lib/*", self.folder.display());
            command.args(jvm_flags).args(["-cp", &path, name]);
            command
        };
        Ok(match ecosystem {
            Ecosystem::Go => Command::new(self.folder.join("peer-go")),
            Ecosystem::Java => class("peers.Plain"),
            Ecosystem::Streams => class("peers.Streams"),
            Ecosystem::Confluent => script("confluent_peer.py"),
            Ecosystem::KafkaPython => script("kafka_python_peer.py"),
        })
    }
}

fn build_go(source: &Path, folder: &Path) -> Checked {
    let mut go = Command::new("go");
    go.current_dir(source).args(["build", "-o"]).arg(folder.join("peer-go")).arg(".");
    succeed(go)
}

fn build_java(source: &Path, folder: &Path) -> Checked {
    let mut maven = Command::new("mvn");
    let into = format!("-DbuildDirectory={}", folder.join("java").display());
    maven.args(["--quiet", "--batch-mode", &into, "package", "--file"]).arg(source.join("pom.xml"));
    succeed(maven)
}

fn build_python(source: &Path, folder: &Path) -> Checked {
    let place = folder.join("venv");
    if !place.is_dir() {
        let mut python = Command::new("python3");
        python.args(["-m", "venv"]).arg(&place);
        succeed(python)?;
    }
    let mut pip = Command::new(place.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(source.join("requirements.txt"));
    succeed(pip)
}

fn succeed(mut command: Command) -> Checked {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| Failure::new(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let first = said.lines().find(|line| line.to_lowercase().contains("error")).or(said.lines().last());
    Err(Failure::new(format!("{program}: {}", first.unwrap_or("it said nothing").trim())))
}

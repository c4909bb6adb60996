//! Apache Kafka's jars, copied once by Maven into `target/kafka/<version>`, and the tools in them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::Process;
use crate::{Checked, Failure, binaries};

/// The version that the scenarios are written for.
pub(super) const VERSION: &str = "4.3.0";
const POM: &str = include_str!("../../kafka-pom.xml");
/// Console logging; the level is put in its place.
const LOGGING: &str = "\
appender.o.type=Console
appender.o.name=o
appender.o.target=SYSTEM_ERR
appender.o.layout.type=PatternLayout
appender.o.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=LEVEL
rootLogger.appenderRef.o.ref=o
";
/// Tools are short-lived: a small heap, one collector thread and only the quick compiler start fastest.
const TOOL_FLAGS: [&str; 4] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/// A folder with Kafka's jars, and a Java to run them.
#[derive(Debug)]
pub struct Jars {
    folder: PathBuf,
}

/// The jars, fetched at the first call.
///
/// # Errors
/// Why there are none, in words for whoever runs the tests.
pub fn jars() -> Result<&'static Jars, String> {
    static FOUND: OnceLock<Result<Jars, String>> = OnceLock::new();
    FOUND.get_or_init(|| find().map_err(|failure| failure.to_string())).as_ref().map_err(Clone::clone)
}

fn find() -> Checked<Jars> {
    let missing: Vec<&str> = ["java", "mvn"].into_iter().filter(|program| !is_there(program)).collect();
    let folder = binaries::target_folder()?.join("kafka").join(VERSION);
    match missing.as_slice() {
        [] => {}
        ["mvn"] if folder.is_dir() => {}
        _ => {
            return Err(Failure::new(format!(
                "{} not found (Java 17 or later and Maven are needed)",
                missing.join(" and ")
            )));
        }
    }
    if !folder.is_dir() {
        fetch(&folder)?;
    }
    Ok(Jars { folder })
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Copies into a folder of our own and renames it: two runs at once can't see each other's half-done work, and whoever
/// comes second uses what the first has made.
fn fetch(folder: &Path) -> Checked {
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new().prefix("fetching-").tempdir_in(parent)?;
    let (pom, jars) = (work.path().join("pom.xml"), work.path().join("jars"));
    std::fs::write(&pom, POM)?;
    let output = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().find(|line| line.contains("ERROR")).unwrap_or("it said nothing");
        return Err(Failure::new(format!("Maven could not fetch Kafka {VERSION}: {first}")));
    }
    std::fs::write(jars.join("broker-log4j2.properties"), LOGGING.replace("LEVEL", "INFO"))?;
    std::fs::write(jars.join("tool-log4j2.properties"), LOGGING.replace("LEVEL", "ERROR"))?;
    match std::fs::rename(&jars, folder) {
        Err(_) if folder.is_dir() => Ok(()),
        outcome => Ok(outcome?),
    }
}

impl Jars {
    /// `java` with these jars on its class path; the caller adds the class and its arguments.
    #[must_use]
    pub fn java(&self, logging: &str, flags: &[&str]) -> Command {
        let mut command = Command::new("java");
        command
            .args(flags)
            .arg(format!("-Dlog4j2.configurationFile={}", self.folder.join(logging).display()))
            .arg("-cp")
            .arg(self.folder.join("*"));
        command
    }

    /// One of Kafka's own tools, by the name of its class.
    #[must_use]
    pub fn tool(&self, class: &str) -> Command {
        let mut command = self.java("tool-log4j2.properties", &TOOL_FLAGS);
        command.arg(class);
        command
    }

    /// A broker with this configuration file; what it prints goes into files of that name.
    ///
    /// # Errors
    /// When Java can't be started.
    pub(super) fn broker(&self, configuration: &Path, flags: &[&str], folder: &Path, name: &str) -> Checked<Process> {
        let mut command = self.java("broker-log4j2.properties", flags);
        command.arg("kafka.Kafka").arg(configuration);
        Process::spawn(command, name, folder)
    }

    /// Runs a program that is one Java source file, with these jars at hand.
    #[must_use]
    pub fn source(&self, file: &Path) -> Command {
        let mut command = self.java("tool-log4j2.properties", &TOOL_FLAGS);
        command.arg(file);
        command
    }
}

/// Runs one of Kafka's own tools against a broker.
///
/// # Errors
/// When it says so.
pub fn run_tool(class: &str, bootstrap: &str, arguments: &[&str]) -> Checked {
    let mut tool = jars().map_err(Failure::new)?.tool(class);
    let output = tool.args(["--bootstrap-server", bootstrap]).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::new(format!("{class} {arguments:?}: {}", String::from_utf8_lossy(&said))))
}

//! The programs under test, built before the first scenario with the profile of the tests themselves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Checked, Failure};

/// Where the programs are.
#[derive(Debug)]
pub struct Binaries {
    /// The producer.
    pub producer: PathBuf,
    /// The consumer.
    pub consumer: PathBuf,
    /// The development broker.
    pub broker: PathBuf,
}

/// Names a folder that holds the programs, already built; without it they are built.
const FOLDER_VARIABLE: &str = "E2E_BIN_DIR";

/// The programs, built at the first call.
///
/// # Errors
/// When they can't be built.
pub fn binaries() -> Checked<&'static Binaries> {
    static FOUND: OnceLock<Result<Binaries, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let folder = match std::env::var_os(FOLDER_VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => build().map_err(|failure| failure.to_string())?,
        };
        let program = |name: &str| {
            let path = folder.join(name);
            if path.is_file() { Ok(path) } else { Err(format!("there is no program {}", path.display())) }
        };
        Ok(Binaries { producer: program("producer")?, consumer: program("consumer")?, broker: program("broker")? })
    });
    found.as_ref().map_err(Failure::new)
}

/// The folder `target`, in which this executable lies.
///
/// # Errors
/// When the executable's own place is unknown.
pub fn target_folder() -> Checked<PathBuf> {
    Ok(profile_folder()?.parent().map(Path::to_owned).unwrap_or_default())
}

/// `target/<profile>`: where this executable lies, but for the folder of test executables.
fn profile_folder() -> Checked<PathBuf> {
    let executable = std::env::current_exe()?;
    let folder = executable.parent().unwrap_or(Path::new("."));
    let within = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(within.to_owned())
}

/// Builds the programs next to this executable. Cargo has let go of its lock by the time tests run; where everything is
/// built already, this takes a fraction of a second.
fn build() -> Checked<PathBuf> {
    let folder = profile_folder()?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => return Err(Failure::new("the profile of this executable is unknown")),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let output = Command::new(cargo)
        .current_dir(workspace)
        .args(["build", "--quiet", "--profile", profile, "--bins"])
        .args(["-p", "producer", "-p", "consumer", "-p", "broker"])
        .arg("--target-dir")
        .arg(folder.parent().unwrap_or(&folder))
        .output()?;
    if output.status.success() {
        return Ok(folder);
    }
    Err(Failure::new(format!("building the programs failed:\n{}", String::from_utf8_lossy(&output.stderr))))
}

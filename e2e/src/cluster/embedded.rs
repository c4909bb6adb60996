//! The development broker as its own process.

use std::path::Path;
use std::process::Command;

use super::{Cluster, Home};
use crate::binaries::binaries;
use crate::process::Process;
use crate::{Checked, ports};

/// Where one embedded broker lives.
#[derive(Debug)]
struct EmbeddedHome {
    folder: tempfile::TempDir,
    port: u16,
}

impl Home for EmbeddedHome {
    fn start(&self) -> Checked<Process> {
        let mut command = Command::new(&binaries()?.broker);
        command
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .arg("--data-dir")
            .arg(self.folder.path().join("data"));
        Process::spawn(command, "broker", self.folder.path())
    }
}

/// Starts a broker on a free port with an empty folder below `folder`.
pub(super) fn start(folder: &Path) -> Checked<Cluster> {
    let port = ports::free();
    let folder = tempfile::Builder::new().prefix("embedded-").tempdir_in(folder)?;
    Cluster::launch(port, EmbeddedHome { folder, port })
}

//! The broker's folder: who may use it, what the cluster is called, and how small files are replaced.
//!
//! ```text
//! data-dir/ lock   cluster-id   producer-ids   committed-offsets
//!           topics/<name>.<id>/ topic   0/ 1/ 2/ …   (a folder per partition)
//! ```
//!
//! One broker at a time: an advisory lock on the file `lock`, which the system takes back when the process ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::BrokerError;

/// A folder that this process alone may use for as long as this lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    cluster_id: String,
    _lock: File,
}

impl DataDir {
    /// Takes the folder, which is made if it isn't there.
    pub(crate) fn open(path: &Path) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::DataDir { path: path.to_owned(), source };
        fs::create_dir_all(path.join("topics")).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BrokerError::DataDirInUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let cluster_id = cluster_id(&path.join("cluster-id")).map_err(failed)?;
        Ok(Self { path: path.to_owned(), cluster_id, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Stays the same for as long as the folder exists.
    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }
}

fn cluster_id(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(id) => Ok(id.trim().to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let id = Uuid::new_v4().simple().to_string();
            write_atomically(path, id.as_bytes())?;
            Ok(id)
        }
        Err(e) => Err(e),
    }
}

/// Replaces a small file so that a reader, or a broker that starts after a kill, finds the old contents or the new.
pub(crate) fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    fs::write(&fresh, contents)?;
    fs::rename(&fresh, path)
}

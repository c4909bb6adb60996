//! Ids for idempotent producers: each is given once, also across restarts and kills.
//!
//! Ids are reserved on disk in blocks before the first of a block is given; what a kill leaves of a block is never used.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::data_dir::write_atomically;

/// Ids reserved at a time.
const BLOCK: i64 = 1_000;

/// The source of ids.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    /// The next id and the end of the block that is reserved.
    state: Mutex<(i64, i64)>,
}

impl ProducerIds {
    /// Goes on behind everything that was ever reserved in the file at `path`.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let reserved = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(io::Error::other)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(e),
        };
        Ok(Self { path, state: Mutex::new((reserved, reserved)) })
    }

    /// An id that was never given before.
    pub(crate) fn next(&self) -> io::Result<i64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, reserved) = *state;
        if next == reserved {
            write_atomically(&self.path, (reserved + BLOCK).to_string().as_bytes())?;
            state.1 = reserved + BLOCK;
        }
        state.0 = next + 1;
        Ok(next)
    }
}

//! What happened, line by line: shown as it happens, and kept in the run's folder.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Checked;

/// The file in the run's folder.
const FILE: &str = "chaos.log";

/// The run's log.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    began: Instant,
}

impl Journal {
    /// Begins in a folder that is there.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn open(folder: &Path) -> Checked<Self> {
        Ok(Self { folder: folder.to_owned(), file: File::create(folder.join(FILE))?, began: Instant::now() })
    }

    /// Where the run's files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says something with the time since the beginning.
    pub fn event(&mut self, what: impl Display) {
        let tenths = self.began.elapsed().as_millis() / 100;
        let (minutes, seconds, tenth) = (tenths / 600, tenths / 10 % 60, tenths % 10);
        self.line(format_args!("{minutes:3}:{seconds:02}.{tenth}  {what}"));
    }

    /// Says something.
    pub fn line(&mut self, what: impl Display) {
        println!("{what}");
        // The terminal has it already; a full disk must not end the run.
        drop(writeln!(self.file, "{what}"));
    }

    /// Leaves something to be looked at after the run.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, name: &str, what: impl Display) -> Checked {
        Ok(std::fs::write(self.folder.join(name), what.to_string())?)
    }
}

//! What goes to standard output: results, never logs.
//!
//! `println!` panics when the reader has gone (`consumer summary | head -1`), and a panic is a bug here. These
//! functions say instead whether anyone still reads.

use std::io::{self, Write as _};

/// Writes a line to standard output.
///
/// # Errors
/// Whatever the write said; `BrokenPipe` when the reader has gone, which is a reason to stop but not a fault.
pub fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Writes a line to standard error, past the log. For what is said before logging runs or after it has failed; where
/// even that cannot be written, nobody is there to be told.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

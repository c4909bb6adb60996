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

/// Writes a result: what the process was run for. Gives whether it was taken; a reader that has gone (`| head`) has taken
/// what it wanted, a full disk has not, and that is said.
#[must_use]
pub fn result(text: &str) -> bool {
    match line(text) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => true,
        Err(error) => {
            complain(&format!("the result could not be written to standard output: {error}"));
            false
        }
    }
}

/// Writes a line to standard error, past the log. For what is said before logging runs or after it has failed; where
/// even that cannot be written, nobody is there to be told.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

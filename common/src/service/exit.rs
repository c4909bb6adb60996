//! How a process ends: the exit codes, and what an error must know to become one.
//!
//! | code | meaning | what to do |
//! |---|---|---|
//! | 0 | done, or stopped as asked | nothing |
//! | 1 | finished, but not right: records stayed unacknowledged, the ledger does not balance, `verify` found a difference | look at the last lines |
//! | 2 | the configuration cannot be run with (nothing was opened, nothing sent), or the flags are not ours; `verify`: could not check | correct it |
//! | 3 | Kafka stayed unreachable or at fault for longer than its deadline | restart it; look at the brokers |
//! | 4 | refused: log and state do not belong together, or a topic is not laid out as needed | do what the line says; restarting does not help |
//! | 42 | `--fail-after` did what it is for | nothing |
//! | 130, 143 | a second SIGINT or SIGTERM cut the drain off | nothing is lost that was acknowledged |
//! | 134 | a bug: a panic anywhere stops the process (SIGABRT) | report the line that begins with `bug:` |

use std::error::Error;

/// The table above for `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0         done, or stopped as asked
  1         finished, but not right: records unacknowledged, ledger unbalanced, a difference found
  2         the configuration cannot be run with, nothing was started; verify: could not check
  3         Kafka was at fault for longer than its deadline; restarting may help
  4         refused: log and state do not belong together, or a topic is not laid out as needed
  42        --fail-after did what it is for
  130, 143  a second SIGINT or SIGTERM cut the drain off
  134       a bug: please report the line that begins with `bug:`";

/// The documented ways to end; see the table of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or stopped as asked.
    Done = 0,
    /// Finished, but not right: records unacknowledged, ledger unbalanced.
    NotRight = 1,
    /// The configuration cannot be run with.
    Configuration = 2,
    /// Kafka was at fault for longer than the deadline.
    KafkaFault = 3,
    /// Log and state do not belong together, or a topic is not laid out as needed.
    Refused = 4,
    /// `--fail-after` reached its number.
    FailAfter = 42,
    /// A second SIGINT.
    SecondInterrupt = 130,
    /// A second SIGTERM.
    SecondTerminate = 143,
}

impl ExitCode {
    /// The number that the parent process sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Ends the process here and now: nothing is flushed or drained, no destructor runs.
    pub fn exit_now(self) -> ! {
        std::process::exit(i32::from(self.code()))
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

/// An error that a process can end with. Its text says what happened and what to do about it.
pub trait Failure: Error + 'static {
    /// The code to end with.
    fn exit_code(&self) -> ExitCode;
}

impl Failure for super::config::ConfigurationError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

/// An error and its sources in one line. A source whose text the line already has is not repeated.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = error.source();
    }
    line.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {what}")]
    struct Outer {
        what: &'static str,
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Inner(&'static str);

    #[test]
    fn an_error_is_one_line_with_each_cause_once() {
        let error = Outer { what: "the state", source: Inner("broker gone;\n  try again") };
        assert_eq!(one_line(&error), "cannot read the state: broker gone; try again");
        let error = Outer { what: "the state", source: Inner("the state") };
        assert_eq!(one_line(&error), "cannot read the state");
    }

    #[test]
    fn codes_are_those_that_are_documented() {
        let codes =
            [ExitCode::Done, ExitCode::NotRight, ExitCode::Configuration, ExitCode::KafkaFault, ExitCode::Refused];
        assert_eq!(codes.map(ExitCode::code), [0, 1, 2, 3, 4]);
        let codes = [ExitCode::FailAfter, ExitCode::SecondInterrupt, ExitCode::SecondTerminate];
        assert_eq!(codes.map(ExitCode::code), [42, 130, 143]);
        for code in ["\n  0  ", "\n  1  ", "\n  2  ", "\n  3  ", "\n  4  ", "\n  42  ", "\n  130, 143  ", "\n  134  "] {
            assert!(HELP.contains(code), "{code:?} is not in the help");
        }
    }
}

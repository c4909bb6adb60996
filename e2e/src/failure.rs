//! What a scenario says when it can't go on or finds a claim untrue.

use std::fmt;

/// A failed claim or a step that could not be taken, told to whoever reads the test's output.
#[derive(Debug)]
pub struct Failure(String);

/// The result of a step of a scenario.
pub type Checked<T = ()> = Result<T, Failure>;

impl Failure {
    /// Says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The same, with what was being done before it.
    #[must_use]
    pub fn during(self, step: &str) -> Self {
        Self(format!("{step}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

// `Failure` is no `Error` itself, so that every error becomes one by `?`.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        Self(message)
    }
}

/// Fails the scenario with a message unless the claim holds.
#[macro_export]
macro_rules! claim {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::Failure::new(format!($($message)+)));
        }
    };
}

/// Fails the scenario unless both are equal, showing both.
#[macro_export]
macro_rules! claim_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                return Err($crate::Failure::new(format!("{}: {left:?} is not {right:?}", format!($($message)+))));
            }
        }
    };
}

//! What was rejected, and how its bytes are recognised.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A rejected record: what its dead letter must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub reason: &'static str,
    /// [`digest`] of its value.
    pub digest: u64,
}

/// A value in eight bytes, to be compared within one run: what was rejected may be more than fits into memory.
#[must_use]
pub fn digest(value: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

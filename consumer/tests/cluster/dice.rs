//! The one source of randomness of a schedule.

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};

/// A stream of random numbers that its seed fixes.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        let span = (most - least).unsigned_abs() + 1;
        least + i64::try_from(self.0.next_u64() % span).expect("below the span of two 64-bit numbers")
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % bound as u64).expect("below a usize")
    }

    /// Comes true in so many cases of a thousand.
    pub(crate) fn chance(&mut self, per_mille: i64) -> bool {
        per_mille > 0 && self.between(0, 999) < per_mille
    }
}

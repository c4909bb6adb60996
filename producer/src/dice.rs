//! Randomness that gives the same numbers for the same seed for ever.
//!
//! The stream of ChaCha8 is fixed by its specification; how numbers are drawn from it is written out here, because
//! the ways of a library may change with its next version and every recorded `--seed` with them. Several independent
//! streams come from one seed, so that drawing more from one (more faults, say) doesn't shift the others.

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, TryRng};

/// A stream of random numbers.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream `name` of `seed`; different names give independent streams.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut key = [0; 32];
        let mut state = name.bytes().fold(seed, |state, byte| mix(state ^ u64::from(byte)));
        for word in key.as_chunks_mut::<8>().0 {
            state = mix(state);
            *word = state.to_le_bytes();
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 128 random bits.
    #[inline]
    pub fn wide_bits(&mut self) -> u128 {
        u128::from(self.bits()) << 64 | u128::from(self.bits())
    }

    /// A number below `bound`, which must not be 0. The bias of the multiplication (at most `bound` in 2^32) is far
    /// below anything that could be noticed here.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        scaled(self.bits(), bound)
    }

    /// The generator itself, for libraries that draw from one.
    pub fn generator(&mut self) -> &mut impl TryRng<Error = std::convert::Infallible> {
        &mut self.0
    }
}

/// The upper half of `bits`, scaled to below `bound`.
#[inline]
pub fn scaled(bits: u64, bound: u32) -> u32 {
    let product = (bits >> 32) * u64::from(bound);
    u32::try_from(product >> 32).expect("32 bits times 32 bits, shifted down by 32")
}

/// A hash of 64 bits to 64 bits (the finaliser of Vigna's `SplitMix64`): for what follows from a number without
/// being stored.
#[inline]
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut dice = Dice::new(7, "transactions");
        let first: Vec<u64> = (0..3).map(|_| dice.bits()).collect();
        // Written down once: if this changes, every transaction of every seed does.
        assert_eq!(first, [13142265387649008218, 14383261421461172952, 9196523892740267167]);
    }

    #[test]
    fn streams_of_one_seed_are_independent() {
        let numbers = |seed, name| {
            let mut dice = Dice::new(seed, name);
            (0..4).map(|_| dice.bits()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7, "a"), numbers(7, "a"));
        assert_ne!(numbers(7, "a"), numbers(7, "b"));
        assert_ne!(numbers(7, "a"), numbers(8, "a"));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut dice = Dice::new(1, "test");
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[dice.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!((scaled(0, 10), scaled(u64::MAX, 10), scaled(u64::MAX, 1)), (0, 9, 0));
    }
}

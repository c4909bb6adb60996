//! Which partition a key belongs to: the Java client's default (murmur2), so that every client agrees.
//!
//! All transactions of one account must be in one partition for repeats to be noticed; that only works while
//! everything that writes to the topic hashes the account the same way.

/// The partition of `key` in a topic of `partitions` partitions (at least one).
///
/// # Panics
/// If `partitions` is not positive: a topic without partitions doesn't exist.
#[inline]
pub fn partition_for(key: &[u8], partitions: i32) -> i32 {
    assert!(partitions > 0, "a topic has at least one partition");
    // The Java client clears the sign bit rather than taking the absolute value, which would fail for i32::MIN.
    (murmur2(key) & 0x7fff_ffff).cast_signed() % partitions
}

/// Austin Appleby's 32-bit `MurmurHash2` with Kafka's seed, as in `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MULTIPLIER: u32 = 0x5bd1_e995;

    // The algorithm mixes in the length as 32 bits; a key can't be that long.
    #[expect(clippy::cast_possible_truncation, reason = "a Kafka record is smaller than 4 GiB")]
    let length = data.len() as u32;
    let mut hash = SEED ^ length;

    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Apache Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_are_those_of_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_gives_a_partition_all_the_same() {
        // -973932308 with the sign bit cleared is 1173551340.
        assert_eq!(partition_for(b"21", 6), 1_173_551_340 % 6);
        for partitions in 1..=64 {
            for key in 0..100_u32 {
                assert!((0..partitions).contains(&partition_for(&key.to_le_bytes(), partitions)));
            }
        }
    }

    #[test]
    fn our_account_names_spread_over_all_partitions() {
        let mut counts = [0_u32; 6];
        for account in 0..60_000 {
            let key = format!("ACC-{account:08}");
            counts[usize::try_from(partition_for(key.as_bytes(), 6)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
    }
}

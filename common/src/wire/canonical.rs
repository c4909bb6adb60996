//! The members of a record that stands exactly in the form our own producer writes.
//!
//! Most records of a busy topic differ only in their values, so this reader compares the text between the values
//! instead of parsing it, at a fraction of a JSON parser's cost. It answers `None` for everything it is not certain
//! of (another order of members, white space, an escape, an unusual number), which is no verdict: [`json`](super::json)
//! then decides. Where it does answer, `json` would give the same members; tests and the fuzz target hold it to that.

use std::borrow::Cow;

use super::decode::Members;

/// Most digits of an integer read here: all of them fit 64 bits.
const DIGITS_MAX: usize = 18;

pub(super) fn read(text: &str) -> Option<Members<'_>> {
    let mut rest = Rest(text);
    let members = Members {
        id: rest.string_after("{\"id\":\"")?,
        account: rest.string_after(",\"account\":\"")?,
        kind: rest.string_after(",\"type\":\"")?,
        amount_minor: rest.integer_after(",\"amount_minor\":")?,
        currency: rest.string_after(",\"currency\":\"")?,
        merchant_name: rest.string_after(",\"merchant_name\":\"")?,
        merchant_category: rest.string_after(",\"merchant_category\":\"")?,
        country: rest.string_after(",\"country\":\"")?,
        channel: rest.string_after(",\"channel\":\"")?,
        occurred_at: rest.string_after(",\"occurred_at\":\"")?,
    };
    (rest.0 == ",\"schema_version\":1}").then_some(members)
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// The string that follows `label` (which ends with the opening quote), if it stands there as it is meant.
    #[inline]
    fn string_after(&mut self, label: &str) -> Option<Cow<'a, str>> {
        let text = self.0.strip_prefix(label)?;
        let (string, rest) = text.split_at(plain_length(text.as_bytes()));
        self.0 = rest.strip_prefix('"')?;
        Some(Cow::Borrowed(string))
    }

    /// The integer that follows `label`, without a fraction, an exponent or leading zeros.
    #[inline]
    fn integer_after(&mut self, label: &str) -> Option<i64> {
        let text = self.0.strip_prefix(label)?;
        let digits = text.bytes().take(DIGITS_MAX + 1).take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(digits);
        if digits == 0 || digits > DIGITS_MAX || number.starts_with('0') {
            return None;
        }
        self.0 = rest;
        Some(number.bytes().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }
}

/// How many bytes at the start are plain contents of a JSON string: up to the first quote (its end), backslash (an
/// escape) or control character (not allowed).
///
/// Eight bytes at a time; the arithmetic is from Sean Anderson's "Bit Twiddling Hacks" ("Determine if a word has a
/// byte less than n"). A mark above the lowest one may be false, through a borrow, so only the lowest is used.
#[inline]
pub(super) fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let less_than = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH_BITS;

    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = less_than(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = less_than(word ^ (ONES * u64::from(b'\\')), 1);
        let marks = quote | backslash | less_than(word, b' ');
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |&byte: &u8| byte != b'"' && byte != b'\\' && byte >= b' ';
    words.len() * 8 + tail.iter().position(|byte| !is_plain(byte)).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::plain_length;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_ends_at_the_first_byte_that_is_not_plain(
            text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(b'"'), Just(0x21), Just(0x5b)], 0..40),
        ) {
            let first = text.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            prop_assert_eq!(plain_length(&text), first.unwrap_or(text.len()));
        }
    }
}

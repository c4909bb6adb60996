//! UUID text: exactly 36 characters, `8-4-4-4-12` hexadecimal digits in either case.
//!
//! The braced, the `urn:` and the undivided forms are refused: one transaction has one spelling (but for case), so
//! anyone can compare ids as text. Any 128 bits are accepted, whatever version they claim.

use uuid::Uuid;

/// Characters of a UUID's text.
pub(super) const ID_BYTES: usize = 36;

/// Where the hyphens stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Marks a byte that is no hexadecimal digit.
const NO_DIGIT: u8 = 0xff;

/// The value of each byte as a hexadecimal digit.
static DIGITS: [u8; 256] = digit_table();

const fn digit_table() -> [u8; 256] {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        table[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    table
}

/// The 128 bits that the text writes.
pub(super) fn parse(text: &str) -> Option<u128> {
    let text: &[u8; ID_BYTES] = text.as_bytes().try_into().ok()?;
    if HYPHENS.iter().any(|&at| text[at] != b'-') {
        return None;
    }
    // Two halves of 64 bits keep the arithmetic in registers; `seen` collects the marks of all bytes, so that one
    // comparison at the end replaces 32 branches.
    let mut seen = 0;
    let mut digits = |range: std::ops::Range<usize>, into: u64| {
        text[range].iter().fold(into, |bits, &byte| {
            let digit = DIGITS[usize::from(byte)];
            seen |= digit;
            bits << 4 | u64::from(digit & 0x0f)
        })
    };
    let high = digits(0..8, 0);
    let high = digits(9..13, high);
    let high = digits(14..18, high);
    let low = digits(19..23, 0);
    let low = digits(24..36, low);
    (seen < 16).then_some(u128::from(high) << 64 | u128::from(low))
}

/// Appends the text of `id`, in lower case.
pub(super) fn append(id: u128, out: &mut Vec<u8>) {
    let mut text = [0; ID_BYTES];
    out.extend_from_slice(Uuid::from_u128(id).hyphenated().encode_lower(&mut text).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_is_read_in_either_case() {
        let expected = Some(0x6f96_19ff_8b86_4d01_b42d_00cf_4fc9_64ff);
        assert_eq!(parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"), expected);
        assert_eq!(parse("6F9619FF-8B86-4D01-B42D-00CF4FC964FF"), expected);
        assert_eq!(parse("6f9619FF-8B86-4d01-B42d-00cf4FC964ff"), expected);
        assert_eq!(parse("00000000-0000-0000-0000-000000000000"), Some(0));
        assert_eq!(parse("ffffffff-ffff-ffff-ffff-ffffffffffff"), Some(u128::MAX));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "6f9619ff8b864d01b42d00cf4fc964ff",
            "{6f9619ff-8b86-4d01-b42d-00cf4fc964ff}",
            "urn:uuid:6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            "6f9619ff-8b86-4d01-b42d-00cf4fc964f",
            "6f9619ff-8b86-4d01-b42d-00cf4fc964fff",
            "6f9619ff-8b86-4d01-b42d-00cf4fc964fg",
            "6f9619f-f8b86-4d01-b42d-00cf4fc964ff",
            "6f9619ff-8b86-4d01-b42d_00cf4fc964ff",
            " f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            "-f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            "6f9619ff-8b86-4d01-b42d-00cf4fc9é4ff",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_number_in_five_groups_and_is_read_back(id: u128) {
            let mut text = Vec::new();
            append(id, &mut text);
            let text = String::from_utf8(text).unwrap();
            let digits = format!("{id:032x}");
            let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            prop_assert_eq!(&text, &groups.join("-"));
            prop_assert_eq!(parse(&text), Some(id));
        }
    }
}

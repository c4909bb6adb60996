//! The headers that our programs add to a record of the transactions topic, as ASCII so that every tool shows them.
//!
//! Records without them, from any other client, are first-class: only gap detection and latency need them.
//! A `tally-seq` that is present but malformed rejects its record, so it is read strictly: one sequence has exactly
//! one spelling. A `tally-intended-us` only feeds a latency figure, and a `tally-redriven-from` only says of how many accepted
//! records that they were dead letters before, so a bad one is simply not there.

use std::fmt;

/// Name of the header that carries the producer's [`SequenceHeader`].
pub const SEQUENCE_HEADER: &str = "tally-seq";

/// Name of the header that carries when the transaction was meant to be sent, in microseconds since 1970.
pub const INTENDED_HEADER: &str = "tally-intended-us";

/// Name of the header that says for which dead letter a record was sent again: the [`Origin`] of that one.
pub const REDRIVEN_HEADER: &str = "tally-redriven-from";

/// Hexadecimal digits of an incarnation.
const INCARNATION_DIGITS: usize = 16;

/// Which record of which producer process this is: within one partition, sequences of one incarnation count from 1
/// without a gap, and a resend carries the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceHeader {
    /// Drawn at random by each producer process at its start, and again if it ever gives a batch up.
    pub incarnation: u64,
    /// Counts the records of this incarnation in this partition, from 1.
    pub sequence: u64,
}

impl SequenceHeader {
    /// Most bytes that [`format`](Self::format) writes: 16 digits, a colon, 20 digits.
    pub const BYTES_MAX: usize = INCARNATION_DIGITS + 1 + 20;

    /// Reads `<16 lower-case hexadecimal digits>:<decimal from 1, no sign, no leading zero>`.
    #[inline]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (incarnation, rest) = value.split_at_checked(INCARNATION_DIGITS)?;
        let sequence = match rest {
            [b':', digits @ ..] => parse_decimal(digits)?,
            _ => return None,
        };
        let incarnation = incarnation.iter().try_fold(0, |bits: u64, &digit| match digit {
            b'0'..=b'9' => Some(bits << 4 | u64::from(digit - b'0')),
            b'a'..=b'f' => Some(bits << 4 | u64::from(digit - b'a' + 10)),
            _ => None,
        })?;
        (sequence > 0).then_some(Self { incarnation, sequence })
    }

    /// Writes the header into `buffer` and returns the part used. No allocation.
    pub fn format<'b>(&self, buffer: &'b mut [u8; Self::BYTES_MAX]) -> &'b [u8] {
        for (place, byte) in buffer.chunks_exact_mut(2).zip(self.incarnation.to_be_bytes()) {
            place[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            place[1] = b"0123456789abcdef"[usize::from(byte & 0x0f)];
        }
        buffer[INCARNATION_DIGITS] = b':';
        let digits = put_decimal(self.sequence, &mut buffer[INCARNATION_DIGITS + 1..]);
        &buffer[..INCARNATION_DIGITS + 1 + digits]
    }
}

/// Where a record stands in the transactions topic, as `<partition>/<offset>`: the key of its dead letter, and what a record
/// that was sent again for one says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl Origin {
    /// Reads two canonical decimals with a slash between them.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let slash = text.iter().position(|&byte| byte == b'/')?;
        let partition = parse_decimal(&text[..slash]).and_then(|number| i32::try_from(number).ok())?;
        let offset = parse_decimal(&text[slash + 1..]).and_then(|number| i64::try_from(number).ok())?;
        Some(Self { partition, offset })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.partition, self.offset)
    }
}

/// Room for the text of an intended-send time.
pub type IntendedHeader = [u8; 20];

/// Reads a `tally-intended-us` value; anything that isn't a canonical decimal is `None`.
pub fn parse_intended_us(value: &[u8]) -> Option<i64> {
    parse_decimal(value).and_then(|us| i64::try_from(us).ok())
}

/// Writes a `tally-intended-us` value into `buffer` and returns the part used; times before 1970 are written as 0.
pub fn format_intended_us(intended_us: i64, buffer: &mut IntendedHeader) -> &[u8] {
    let digits = put_decimal(u64::try_from(intended_us).unwrap_or(0), buffer);
    &buffer[..digits]
}

/// The number that canonical decimal digits write: no sign, no leading zero (but for 0 itself), within 64 bits.
fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// Writes `number` in decimal at the start of `place`, which must have room, and returns the count of digits.
pub(super) fn put_decimal(number: u64, place: &mut [u8]) -> usize {
    let digits = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut rest = number;
    for byte in place[..digits].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sequence_header_is_read() {
        let header = SequenceHeader { incarnation: 0x00c0_ffee_0bad_cafe, sequence: 42 };
        assert_eq!(SequenceHeader::parse(b"00c0ffee0badcafe:42"), Some(header));
        assert_eq!(header.format(&mut [0; SequenceHeader::BYTES_MAX]), b"00c0ffee0badcafe:42");
    }

    #[test]
    fn a_sequence_has_one_spelling_only() {
        for value in [
            "",
            ":",
            "42",
            ":42",
            "00c0ffee0badcafe",
            "00c0ffee0badcafe:",
            "00c0ffee0badcafe:0",
            "00c0ffee0badcafe:042",
            "00c0ffee0badcafe:+42",
            "00c0ffee0badcafe:-42",
            "00c0ffee0badcafe:4 2",
            "00c0ffee0badcafe:42 ",
            " 00c0ffee0badcafe:42",
            "00c0ffee0badcafe:42:1",
            "00c0ffee0badcafe:0x2a",
            "00C0FFEE0BADCAFE:42",
            "0c0ffee0badcafe:42",
            "000c0ffee0badcafe:42",
            "00c0ffee0badcafg:42",
            "00c0ffee0badcafe:18446744073709551616",
            "00c0ffee0badcafe:99999999999999999999999",
            "00c0ffee0badcafe:４２",
        ] {
            assert_eq!(SequenceHeader::parse(value.as_bytes()), None, "{value:?}");
        }
        assert_eq!(SequenceHeader::parse(b"00c0ffee0badcafe:4\xff"), None);
    }

    #[test]
    fn a_bad_intended_time_is_not_there() {
        assert_eq!(parse_intended_us(b"1795201921123456"), Some(1_795_201_921_123_456));
        assert_eq!(parse_intended_us(b"0"), Some(0));
        for value in ["", "-1", "01", "1.5", "soon", "9223372036854775808"] {
            assert_eq!(parse_intended_us(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn an_origin_has_one_spelling_only() {
        assert_eq!(Origin::parse(b"3/12"), Some(Origin { partition: 3, offset: 12 }));
        assert_eq!(Origin { partition: 3, offset: 12 }.to_string(), "3/12");
        for text in [
            "",
            "/",
            "3",
            "3/",
            "/12",
            "03/12",
            "3/012",
            "-3/12",
            "3/12/1",
            "3/1 2",
            "2147483648/1",
            "0/9223372036854775808",
        ] {
            assert_eq!(Origin::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_sequence_header_comes_back_as_it_was_written(incarnation: u64, sequence in 1..=u64::MAX) {
            let header = SequenceHeader { incarnation, sequence };
            let mut buffer = [0; SequenceHeader::BYTES_MAX];
            prop_assert_eq!(SequenceHeader::parse(header.format(&mut buffer)), Some(header));
        }

        #[test]
        fn whatever_is_read_is_written_the_same_way(value in "[0-9a-f]{15,17}:[0-9]{1,21}") {
            if let Some(header) = SequenceHeader::parse(value.as_bytes()) {
                let mut buffer = [0; SequenceHeader::BYTES_MAX];
                prop_assert_eq!(header.format(&mut buffer), value.as_bytes());
            }
        }

        #[test]
        fn an_intended_time_comes_back_as_it_was_written(us in 0..=i64::MAX) {
            let mut buffer = IntendedHeader::default();
            prop_assert_eq!(parse_intended_us(format_intended_us(us, &mut buffer)), Some(us));
        }

        #[test]
        fn any_bytes_are_read_or_refused(value: Vec<u8>) {
            let _ = (SequenceHeader::parse(&value), parse_intended_us(&value));
        }
    }
}

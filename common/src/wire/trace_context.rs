//! The `traceparent` header of W3C Trace Context (<https://www.w3.org/TR/trace-context/>): which trace a record belongs to.
//!
//! Anybody may put one on a record, and it decides nothing about it: what is malformed is simply not there.

/// Name of the header.
pub const TRACEPARENT_HEADER: &str = "traceparent";

/// The only version there is; later ones begin with the same four parts.
const VERSION: u8 = 0;
/// What no version may be.
const VERSION_FORBIDDEN: u8 = 0xff;
/// Bit of the flags that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// A place in a trace: the trace, and the span that what follows belongs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never all zeros.
    pub trace_id: [u8; 16],
    /// The span; never all zeros.
    pub span_id: [u8; 8],
    /// Whether spans of it are recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// Bytes that [`format`](Self::format) writes: `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
    pub const BYTES: usize = 55;

    /// Reads a header's value. Of a later version than ours, what stands behind the four parts is passed over.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(Self::BYTES)?;
        let is_separated = [2, 35, 52].into_iter().all(|place| known[place] == b'-');
        let [version] = bytes(&known[..2])?;
        let is_whole = match version {
            VERSION => rest.is_empty(),
            VERSION_FORBIDDEN => false,
            _ => rest.first().is_none_or(|&next| next == b'-'),
        };
        let (trace_id, span_id) = (bytes(&known[3..35])?, bytes(&known[36..52])?);
        let [flags] = bytes(&known[53..])?;
        let is_some = trace_id != [0; 16] && span_id != [0; 8];
        (is_separated && is_whole && is_some).then_some(Self { trace_id, span_id, sampled: flags & SAMPLED != 0 })
    }

    /// The header's value. No allocation.
    pub fn format(&self) -> [u8; Self::BYTES] {
        let mut text = [b'-'; Self::BYTES];
        put(&[VERSION], &mut text[..2]);
        put(&self.trace_id, &mut text[3..35]);
        put(&self.span_id, &mut text[36..52]);
        put(&[u8::from(self.sampled)], &mut text[53..]);
        text
    }
}

/// The bytes that lower-case hexadecimal digits write, twice as many.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn put(bytes: &[u8], place: &mut [u8]) {
    for (pair, byte) in place.chunks_exact_mut(2).zip(bytes) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 0x0f)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The specification's own example.
    const EXAMPLE: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!((context.trace_id[0], context.trace_id[15]), (0x0a, 0x9c));
        assert_eq!((context.span_id[0], context.span_id[7], context.sampled), (0xb7, 0x31, true));
        assert_eq!(context.format(), EXAMPLE);
        let unsampled = TraceContext::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02").unwrap();
        assert!(!unsampled.sampled, "another flag");
    }

    #[test]
    fn a_later_version_may_go_on_behind_a_dash() {
        let context = TraceContext::parse(EXAMPLE);
        for later in [
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what the future holds",
        ] {
            assert_eq!(TraceContext::parse(later.as_bytes()), context, "{later}");
        }
    }

    #[test]
    fn what_is_malformed_is_not_there() {
        for value in [
            "",
            "00-0-0-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(TraceContext::parse(value.as_bytes()), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_traceparent_comes_back_as_it_was_written(trace: u128, span: u64, sampled: bool) {
            prop_assume!(trace != 0 && span != 0);
            let context = TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes(), sampled };
            prop_assert_eq!(TraceContext::parse(&context.format()), Some(context));
        }

        #[test]
        fn any_bytes_are_read_or_not_there(value: Vec<u8>) {
            let _ = TraceContext::parse(&value);
        }
    }
}

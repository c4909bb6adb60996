//! Bytes that anybody may have sent, as text that does no harm on a terminal or on a page.

use std::fmt::Write;

/// Bytes of a line of [`hex_dump`].
const LINE_BYTES: usize = 16;

/// The bytes as text of at most `chars_max` characters: what is printable stands as it is, everything else as an escape
/// (`\n`, `\u{202e}`, `\xff` for what is no UTF-8), and a backslash is doubled, so that no two values look alike. An ellipsis
/// stands for what was left out.
#[must_use]
pub fn printable(bytes: &[u8], chars_max: usize) -> String {
    let mut text = String::new();
    let mut left = chars_max;
    // No character takes more bytes than four: what lies behind them would not be shown.
    let looked_at = &bytes[..bytes.len().min(chars_max.saturating_mul(4))];
    for chunk in looked_at.utf8_chunks() {
        for character in chunk.valid().chars() {
            if left == 0 {
                text.push('…');
                return text;
            }
            left -= 1;
            match character {
                // The only ones that need no escape outside a string.
                '"' | '\'' => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            if left == 0 {
                text.push('…');
                return text;
            }
            left -= 1;
            write!(text, "\\x{byte:02x}").expect("writing to a string can't fail");
        }
    }
    if looked_at.len() < bytes.len() {
        text.push('…');
    }
    text
}

/// The bytes in hexadecimal, at most so many of them.
#[must_use]
pub fn hex(bytes: &[u8], bytes_max: usize) -> String {
    let mut text = String::with_capacity(2 * bytes.len().min(bytes_max));
    for byte in bytes.iter().take(bytes_max) {
        write!(text, "{byte:02x}").expect("writing to a string can't fail");
    }
    text
}

/// The bytes as programmers look at them: place, hexadecimal, ASCII.
#[must_use]
pub fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (line, chunk) in bytes.chunks(LINE_BYTES).enumerate() {
        let hexadecimal: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let ascii: String =
            chunk.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { byte.into() } else { '.' }).collect();
        let place = line * LINE_BYTES;
        writeln!(dump, "{place:08x}  {:<47}  {ascii}", hexadecimal.join(" ")).expect("writing to a string can't fail");
    }
    dump
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_move_a_cursor_or_turn_text_around_is_escaped() {
        for (bytes, text) in [
            (&b"{\"a\":'b'}"[..], "{\"a\":'b'}"),
            (b"\x1b[2J\x07\r\n\t\0", "\\u{1b}[2J\\u{7}\\r\\n\\t\\0"),
            ("caf\u{e9} \u{202e}\u{200b}\u{9b}31m".as_bytes(), "café \\u{202e}\\u{200b}\\u{9b}31m"),
            (b"a\\xff\xff\xc3", "a\\\\xff\\xff\\xc3"),
            (b"", ""),
        ] {
            assert_eq!(printable(bytes, 100), text);
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(printable(b"abcdef", 6), "abcdef");
        assert_eq!(printable(b"abcdef", 5), "abcde…");
        assert_eq!(printable(&[0xff; 6], 5), format!("{}…", "\\xff".repeat(5)));
        assert_eq!(printable(&vec![b'a'; 1 << 20], 3), "aaa…");
    }

    #[test]
    fn a_dump_has_a_line_for_sixteen_bytes() {
        let dump = hex_dump(b"0123456789abcdef\x1b[m");
        let lines: Vec<&str> = dump.lines().collect();
        assert_eq!(lines[0], "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef");
        assert_eq!(lines[1], "00000010  1b 5b 6d                                         .[m");
        assert_eq!(hex(b"\x1b[m", 2), "1b5b");
    }

    proptest! {
        #[test]
        fn no_bytes_ever_become_a_control_character(bytes: Vec<u8>, chars_max in 0..40_usize) {
            for text in [printable(&bytes, chars_max), hex_dump(&bytes).replace('\n', "")] {
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
}

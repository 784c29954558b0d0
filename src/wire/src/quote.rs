//! Bytes of a peer as the log shows them: quoted and escaped the way Go's `%q` does it.

use core::fmt::Write;

/// `bytes` in double quotes, with escapes for what does not print.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            push_escaped(&mut out, char);
        }
        for byte in chunk.invalid() {
            push_hex(&mut out, 'x', 2, u32::from(*byte));
        }
    }
    out.push('"');
    out
}

/// At most `size` bytes of `buffer` from `start` on, quoted. When fewer than `size` are left, the last one is not
/// shown: an old habit of the reference (`nats-server:server/parser.go`, `protoSnippet`) that log readers know.
pub fn snippet(start: usize, size: usize, buffer: &[u8]) -> String {
    let stop = match start.saturating_add(size) {
        stop if stop > buffer.len() => buffer.len().saturating_sub(1),
        stop => stop,
    };
    quoted(buffer.get(start..stop).unwrap_or_default())
}

fn push_escaped(out: &mut String, char: char) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\'' => out.push('\''),
        '\0'..='\x1f' | '\x7f' => push_hex(out, 'x', 2, char.into()),
        char if prints(char) => out.push(char),
        '\0'..='\u{ffff}' => push_hex(out, 'u', 4, char.into()),
        '\u{10000}'.. => push_hex(out, 'U', 8, char.into()),
    }
}

/// Whether Go shows `char` as it is. It does so with combining marks too, which `str::escape_debug` spares behind another
/// character only, and `char::escape_debug` never.
fn prints(char: char) -> bool {
    let mut text = String::from("a");
    text.push(char);
    text.escape_debug().count() == 2
}

fn push_hex(out: &mut String, kind: char, width: usize, value: u32) {
    write!(out, "\\{kind}{value:0width$x}").expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/parser_test.go TestProtoSnippet
    #[test]
    fn a_snippet_is_cut_as_the_reference_cuts_it() {
        let sample = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for start in 0..=54 {
            let shown = match start {
                0..=20 => &sample[start..start + 32],
                21..=50 => &sample[start..51],
                _ => b"",
            };
            assert_eq!(snippet(start, 32, sample), format!("\"{}\"", shown.escape_ascii()), "{start}");
        }
        assert_eq!(snippet(usize::MAX, usize::MAX, sample), "\"\"");
        assert_eq!(snippet(0, 32, b""), "\"\"");
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        assert_eq!(quoted("e\u{301}\u{301}\u{a0}\u{85}".as_bytes()), "\"e\u{301}\u{301}\\u00a0\\u0085\"");
        assert_eq!(quoted(b"a\"b\\c'\r\n\t\x07\x08\x0b\x0c"), r#""a\"b\\c'\r\n\t\a\b\v\f""#);
        assert_eq!(quoted(b"\x00\x1f\x7f\xff\xc3("), r#""\x00\x1f\x7f\xff\xc3(""#);
        assert_eq!(quoted("é日\u{ad}\u{e0001}".as_bytes()), "\"é日\\u00ad\\U000e0001\"");
    }
}

//! The escapes of script text: every byte can be written, and long runs stay short.
//!
//! | Written | Means |
//! |---|---|
//! | `\r` `\n` `\t` `\0` `\\` | as in C |
//! | `\xHH` | the byte of that value |
//! | `\(N*TEXT)` | TEXT repeated N times; TEXT may hold escapes, but no parentheses |

/// Decodes script text into the bytes it stands for.
///
/// # Errors
/// Says which escape is wrong.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = decode_one(&rest[at + 1..], &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Writes bytes as script text, so that a transcript can be read and pasted back into a script.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\0' => text.push_str("\\0"),
                '\\' => text.push_str("\\\\"),
                letter if letter.is_ascii_control() => {
                    text.push_str(&format!("\\x{:02x}", u32::from(letter)))
                }
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Decodes the escape whose backslash was just passed; returns the text after it.
fn decode_one<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let mut letters = text.chars();
    let byte = match letters.next() {
        Some('r') => b'\r',
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let byte = text.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(byte.ok_or("\\x needs two hexadecimal digits")?);
            return Ok(&text[3..]);
        }
        Some('(') => {
            let (inside, rest) = text[1..].split_once(')').ok_or("\\( without )")?;
            let (count, repeated) = inside.split_once('*').ok_or("\\( needs N*TEXT")?;
            let count =
                count.parse::<usize>().map_err(|_| format!("{count:?} is no number of repetitions"))?;
            bytes.extend_from_slice(&decode(repeated)?.repeat(count));
            return Ok(rest);
        }
        other => return Err(format!("unknown escape \\{}", other.map(String::from).unwrap_or_default())),
    };
    bytes.push(byte);
    Ok(letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_decodes() {
        assert_eq!(decode(r"a\r\n\t\0\\\xff\(3*ab)z").unwrap(), b"a\r\n\t\0\\\xffabababz");
    }

    #[test]
    fn a_repetition_may_hold_escapes() {
        assert_eq!(decode(r"\(2*\x41\n)").unwrap(), b"A\nA\n");
    }

    #[test]
    fn wrong_escapes_are_refused() {
        for text in [r"\q", r"\x1", r"\xzz", r"\(3*a", r"\(a*b)", r"\(3)", "\\"] {
            assert!(decode(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn encoded_bytes_decode_to_themselves() {
        let all = (0..=255).collect::<Vec<u8>>();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(encode("é".as_bytes()), "é");
    }
}

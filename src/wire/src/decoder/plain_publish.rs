//! The shape in which client libraries write PUB, read in one pass.

/// The control line of a PUB whose arguments have one space between them and are followed by CR LF at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainPublish<'a> {
    pub(super) subject: &'a [u8],
    pub(super) reply: Option<&'a [u8]>,
    pub(super) size: &'a [u8],
    /// The byte after the line feed.
    pub(super) end: usize,
}

impl<'a> PlainPublish<'a> {
    /// `None` says nothing about the input but that it has another shape, is not whole, or has arguments of more than
    /// `args_size_max` bytes.
    #[inline]
    pub(super) fn read(input: &'a [u8], args_size_max: usize) -> Option<Self> {
        let verb = u32::from_le_bytes(*input.first_chunk()?);
        // Sets the letters' bit for lower case; no byte but a letter becomes one.
        if verb | 0x0020_2020 != u32::from_le_bytes(*b"pub ") {
            return None;
        }
        let (subject, stop) = argument(input, ARGS_START)?;
        if input[stop] != b' ' {
            return None;
        }
        let (second, stop) = argument(input, stop + 1)?;
        let (reply, (size, stop)) = match input[stop] {
            b' ' => (Some(second), argument(input, stop + 1)?),
            _ => (None, (second, stop)),
        };
        if !input[stop..].starts_with(b"\r\n") || stop - ARGS_START > args_size_max {
            return None;
        }
        Some(Self { subject, reply, size, end: stop + 2 })
    }
}

/// The argument at `from`, and the byte that ends it; `None` if there is none or its end is not in the input.
#[inline]
fn argument(input: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let stop = argument_end(input, from);
    (from < stop && stop < input.len()).then(|| (&input[from..stop], stop))
}

/// The first byte at or after `from` that is a blank or a control character; the end of the input where there is none.
#[inline]
fn argument_end(input: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(bytes) = input.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*bytes);
        // The high bit of each byte that is below 0x21. A borrow can only spoil bytes after the first one found.
        let found = word.wrapping_sub(EACH_BYTE * 0x21) & !word & (EACH_BYTE * 0x80);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = input.get(at..).unwrap_or_default();
    at + tail.iter().position(|byte| *byte <= b' ').unwrap_or(tail.len())
}

const ARGS_START: usize = "PUB ".len();
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Option<PlainPublish<'_>> {
        PlainPublish::read(line, 32)
    }

    #[test]
    fn arguments_end_at_spaces_and_the_line_end() {
        let line = PlainPublish { subject: b"foo", reply: None, size: b"16", end: 12 };
        assert_eq!(read(b"PUB foo 16\r\n"), Some(line));
        let line = PlainPublish { subject: b"a\xff.long.er", reply: Some(b"b"), size: b"16", end: 21 };
        assert_eq!(read(b"pub a\xff.long.er b 16\r\n+"), Some(line));
    }

    #[test]
    fn any_other_shape_is_left_to_a_careful_look() {
        let others: [&[u8]; 15] = [
            b"",
            b"PUB",
            b"PUB ",
            b"PUB foo",
            b"PUB foo 16",
            b"PUB foo 16\r",
            b"PUB foo 16\n",
            b"PUB foo\r\n",
            b"PUB foo  16\r\n",
            b"PUB foo\t16\r\n",
            b"PUB\tfoo 16\r\n",
            b"PUB a b c d\r\n",
            b"PUB foo 16 \r\n",
            b"PUB 0123456789.0123456789.0123456789.0 1\r\n",
            b"PUN foo 16\r\n",
        ];
        for other in others {
            assert_eq!(read(other), None, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn an_argument_ends_at_the_first_low_byte_of_a_word() {
        for at in 0..24 {
            for low in [0, 9, 10, 13, 31, 32] {
                let mut input = [0x21_u8, 0x80, 0xff].repeat(8);
                input[at] = low;
                assert_eq!(argument_end(&input, 0), at);
            }
        }
    }
}

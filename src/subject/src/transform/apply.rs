//! Doing what a transform says. Nothing here allocates but for `out` to grow.

use crate::grammar::{self, SEPARATOR};

use super::{Part, Shape, Transform};

impl Transform {
    /// Appends to `out` what `subject`, which matches the source, becomes. `random` is asked where the destination does.
    ///
    /// A subject that does not match gives something of no meaning.
    pub fn apply(&self, subject: &[u8], mut random: impl FnMut() -> u64, out: &mut Vec<u8>) {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push(SEPARATOR);
            }
            match part {
                Part::Literal(token) => out.extend_from_slice(token),
                Part::Token(place, shape) => {
                    shape.write(grammar::token_at(subject, place + 1).unwrap_or_default(), out);
                }
                Part::Partition { buckets, tokens } => {
                    write_number(partition(subject, tokens, *buckets), out)
                }
                Part::Random { ceiling } => write_number(below(random(), *ceiling), out),
            }
        }
        if let Some(before) = self.tail_after {
            let mut rest = grammar::tokens(subject).skip(before).peekable();
            if !self.parts.is_empty() && rest.peek().is_some() {
                out.push(SEPARATOR);
            }
            write_joined(rest, out);
        }
    }
}

impl Shape {
    fn write(&self, token: &[u8], out: &mut Vec<u8>) {
        let len = token.len();
        let cuts = |size: usize| (1..len).contains(&size);
        match self {
            Self::SplitFromLeft(size) if cuts(*size) => write_pair(token, *size, out),
            Self::SplitFromRight(size) if cuts(*size) => write_pair(token, len - size, out),
            Self::SliceFromLeft(size) if cuts(*size) => write_joined(token.chunks(*size), out),
            Self::SliceFromRight(size) if cuts(*size) => {
                let (first, rest) = token.split_at(len % size);
                out.extend_from_slice(first);
                if !first.is_empty() {
                    out.push(SEPARATOR);
                }
                write_joined(rest.chunks(*size), out);
            }
            Self::Left(size) if cuts(*size) => out.extend_from_slice(&token[..*size]),
            Self::Right(size) if cuts(*size) => out.extend_from_slice(&token[len - size..]),
            Self::SplitAt(separator) => write_split(token, separator, out),
            Self::Whole
            | Self::SplitFromLeft(_)
            | Self::SplitFromRight(_)
            | Self::SliceFromLeft(_)
            | Self::SliceFromRight(_)
            | Self::Left(_)
            | Self::Right(_) => out.extend_from_slice(token),
        }
    }
}

fn write_pair(token: &[u8], at: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&token[..at]);
    out.push(SEPARATOR);
    out.extend_from_slice(&token[at..]);
}

fn write_joined<'a>(pieces: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (index, piece) in pieces.enumerate() {
        if index > 0 {
            out.push(SEPARATOR);
        }
        out.extend_from_slice(piece);
    }
}

/// The pieces between separators, those that are not empty; an empty separator stands between all characters.
fn write_split(token: &[u8], separator: &[u8], out: &mut Vec<u8>) {
    let mut rest = token;
    let mut is_first = true;
    while !rest.is_empty() {
        let (piece, behind) = match separator.len() {
            0 => (character_len(rest), character_len(rest)),
            len => {
                let found = rest.windows(len).position(|window| window == separator);
                found.map_or((rest.len(), rest.len()), |at| (at, at + len))
            }
        };
        if piece > 0 {
            if !is_first {
                out.push(SEPARATOR);
            }
            is_first = false;
            out.extend_from_slice(&rest[..piece]);
        }
        rest = &rest[behind..];
    }
}

/// Bytes of the first character; 1 for what is not UTF-8.
fn character_len(text: &[u8]) -> usize {
    let end = (1..=text.len().min(4)).find(|&end| std::str::from_utf8(&text[..end]).is_ok());
    end.unwrap_or(1)
}

/// FNV-1a in 32 bits over the tokens, one right behind the other, or over the whole subject.
fn partition(subject: &[u8], tokens: &[usize], buckets: u32) -> i64 {
    let hash = if tokens.is_empty() {
        fnv1a(FNV_OFFSET, subject)
    } else {
        let token = |place: &usize| grammar::token_at(subject, place + 1).unwrap_or_default();
        tokens.iter().map(token).fold(FNV_OFFSET, fnv1a)
    };
    hash.checked_rem(buckets).map_or(0, i64::from)
}

fn fnv1a(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}

const FNV_OFFSET: u32 = 2_166_136_261;
const FNV_PRIME: u32 = 16_777_619;

/// A number from 0 to below the size of `ceiling`.
fn below(random: u64, ceiling: i32) -> i64 {
    let random = i64::try_from(random >> 33).unwrap_or(0);
    random.checked_rem(i64::from(ceiling)).unwrap_or(0)
}

fn write_number(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

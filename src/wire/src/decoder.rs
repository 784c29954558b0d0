//! Decodes what a client sends, one operation at a time, without copying and without allocating.
//!
//! The decoder keeps no state: the caller keeps the bytes of an incomplete operation contiguous and calls again once
//! more have come. Every answer depends on the bytes alone, never on how they were cut into reads. Errors arise at the
//! first byte that makes the input impossible, as they do in the reference's byte-by-byte parser
//! (`nats-server:server/parser.go`).

use core::ops::Range;

use memchr::memchr;

use crate::op::{Op, Publish};

mod error;
mod plain_publish;

pub use error::DecodeError;
use plain_publish::PlainPublish;

/// What one connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a control line's arguments: from the first byte after the verb and its separators to before the line
    /// end.
    pub max_control_line: usize,
    /// Bytes of headers and body together; `usize::MAX` for no limit.
    pub max_payload: usize,
    /// Whether client and server agreed on headers, so that `HPUB` is allowed.
    pub headers: bool,
}

/// What the start of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole operation; its bytes, line ends included, are `input[..consumed]`.
    Op { op: Op<'a>, consumed: usize },
    /// No whole operation yet. Calling again with fewer than `needed` bytes, counted from the start of this input,
    /// gives the same answer.
    Incomplete { needed: usize },
}

/// Decodes the operation at the start of `input`.
///
/// # Errors
/// A [`DecodeError`] as soon as no further byte could make the input valid, or a limit is passed.
pub fn decode<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let Some(first) = input.first() else {
        return Ok(Decoded::Incomplete { needed: 1 });
    };
    match first {
        b'P' | b'p' => match input.get(1) {
            Some(b'U' | b'u') => publish(input, limits),
            Some(b'I' | b'i') => bare(input, b"PING", Op::Ping, limits),
            Some(b'O' | b'o') => bare(input, b"PONG", Op::Pong, limits),
            Some(_) => Err(DecodeError::UnknownOperation { at: 1 }),
            None => Ok(Decoded::Incomplete { needed: 2 }),
        },
        b'H' | b'h' => match input.get(1) {
            // HMSG is a known verb of the reference's parser; from a client it has no arguments it could obey, see
            // `header_message`.
            Some(b'M' | b'm') => header_message(input, limits),
            _ => header_publish(input, limits),
        },
        b'S' | b's' => subscribe(input, limits),
        b'U' | b'u' => unsubscribe(input, limits),
        b'C' | b'c' => text(input, b"CONNECT", Separator::Optional, Op::Connect, limits),
        b'I' | b'i' => text(input, b"INFO", Separator::Optional, Op::Info, limits),
        b'+' => bare(input, b"+OK", Op::Ok, limits),
        b'-' => text(input, b"-ERR", Separator::Required, Op::Err, limits),
        _ => Err(DecodeError::UnknownOperation { at: 0 }),
    }
}

/// Decodes the hottest operation by far: a whole PUB in the shape that client libraries write. Gives the message, and how many
/// bytes of the input it took. `None` says nothing about the input, and [`decode`] tells what it is.
///
/// Apart from [`decode`] because an answer that may be any operation or error is dearer to hand over than this is to find.
#[inline]
pub fn decode_plain_publish<'a>(input: &'a [u8], limits: &Limits) -> Option<(Publish<'a>, usize)> {
    let PlainPublish { subject, reply, size, end: start } =
        PlainPublish::read(input, limits.max_control_line)?;
    let size = size_of(size).filter(|size| *size <= limits.max_payload)?;
    let (payload, rest) = input[start..].split_at_checked(size)?;
    let publish = Publish { subject, reply, header_len: 0, payload, has_headers: false };
    rest.starts_with(b"\r\n").then_some((publish, start + size + 2))
}

fn publish<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match arguments::<3>(input, b"PUB", is_blank, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let (subject, reply, size) = match line.list() {
        [subject, size] => (*subject, None, *size),
        [subject, reply, size] => (*subject, Some(*reply), *size),
        _ => return Err(DecodeError::PublishArguments { args: line.args }),
    };
    let Some(size) = size_of(size) else {
        return Err(DecodeError::PublishSize { args: line.args });
    };
    let head = Head { subject, reply, header_len: 0, size, has_headers: false };
    with_payload(input, line.end, head, limits)
}

fn header_publish<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match arguments::<4>(input, b"HPUB", is_blank, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    if !limits.headers {
        return Err(DecodeError::HeadersNotSupported);
    }
    let (subject, reply, header_len, size) = match line.list() {
        [subject, header_len, size] => (*subject, None, *header_len, *size),
        [subject, reply, header_len, size] => (*subject, Some(*reply), *header_len, *size),
        _ => return Err(DecodeError::HeaderPublishArguments { args: line.args }),
    };
    let Some(header_len) = size_of(header_len) else {
        return Err(DecodeError::HeaderSize { args: line.args });
    };
    let Some(size) = size_of(size) else {
        return Err(DecodeError::TotalSize { args: line.args });
    };
    if header_len > size {
        return Err(DecodeError::HeaderSizeAboveTotal { args: line.args });
    }
    let head = Head { subject, reply, header_len, size, has_headers: true };
    with_payload(input, line.end, head, limits)
}

/// `HMSG` from a client: the reference reads the line, looks at none of its arguments and goes on as if a message of
/// no bytes to the empty subject had come, which no subscription matches.
fn header_message<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match line(input, b"HMSG", Separator::Required, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let head = Head { subject: b"", reply: None, header_len: 0, size: 0, has_headers: true };
    with_payload(input, line.end, head, limits)
}

/// A publish as its control line gives it.
struct Head<'a> {
    subject: &'a [u8],
    reply: Option<&'a [u8]>,
    header_len: usize,
    size: usize,
    has_headers: bool,
}

fn with_payload<'a>(
    input: &'a [u8],
    start: usize,
    head: Head<'a>,
    limits: &Limits,
) -> Result<Decoded<'a>, DecodeError> {
    let Head { subject, reply, header_len, size, has_headers } = head;
    if size > limits.max_payload {
        return Err(DecodeError::PayloadExceeded { size, max: limits.max_payload });
    }
    let end = start + size;
    match (input.get(end), input.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {
            let payload = &input[start..end];
            let publish = Publish { subject, reply, header_len, payload, has_headers };
            Ok(Decoded::Op { op: Op::Publish(publish), consumed: end + 2 })
        }
        (Some(b'\r'), None) => Ok(Decoded::Incomplete { needed: end + 2 }),
        (Some(b'\r'), Some(_)) => Err(DecodeError::UnknownOperation { at: end + 1 }),
        (Some(_), _) => Err(DecodeError::UnknownOperation { at: end }),
        (None, _) => Ok(Decoded::Incomplete { needed: end + 1 }),
    }
}

fn subscribe<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match arguments::<3>(input, b"SUB", is_blank_or_line_end, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let op = match line.list() {
        [subject, sid] => Op::Subscribe { subject, queue: None, sid },
        [subject, queue, sid] => Op::Subscribe { subject, queue: Some(queue), sid },
        _ => return Err(DecodeError::SubscribeArguments { args: line.args }),
    };
    Ok(Decoded::Op { op, consumed: line.end })
}

fn unsubscribe<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match arguments::<2>(input, b"UNSUB", is_blank_or_line_end, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let op = match line.list() {
        [sid] => Op::Unsubscribe { sid, max: None },
        [sid, max] => {
            // What is no positive number ends the subscription at once, as in the reference.
            let max = size_of(max).filter(|max| *max > 0).map(|max| max as u64);
            Op::Unsubscribe { sid, max }
        }
        _ => return Err(DecodeError::UnsubscribeArguments { args: line.args }),
    };
    Ok(Decoded::Op { op, consumed: line.end })
}

/// A verb that is followed by one text up to the line end.
fn text<'a>(
    input: &'a [u8],
    verb: &'static [u8],
    separator: Separator,
    op: fn(&'a [u8]) -> Op<'a>,
    limits: &Limits,
) -> Result<Decoded<'a>, DecodeError> {
    Ok(match line(input, verb, separator, limits)? {
        Part::Whole(line) => Decoded::Op { op: op(line.bytes(input)), consumed: line.end },
        Part::Missing { needed } => Decoded::Incomplete { needed },
    })
}

/// A verb without arguments: whatever stands between it and the line feed is ignored. The reference ignores it without
/// a bound; here it may be as long as a control line's arguments, because an unbounded line would have to be kept.
fn bare<'a>(
    input: &'a [u8],
    verb: &'static [u8],
    op: Op<'a>,
    limits: &Limits,
) -> Result<Decoded<'a>, DecodeError> {
    let start = match verb_end(input, verb)? {
        Part::Whole(end) => end,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let rest = &input[start..];
    let found = memchr(b'\n', rest);
    let ignored = found.unwrap_or(rest.len());
    // One byte more for the CR of the line end.
    if ignored > limits.max_control_line.saturating_add(1) {
        return Err(DecodeError::ControlLineExceeded { max: limits.max_control_line });
    }
    Ok(match found {
        Some(at) => Decoded::Op { op, consumed: start + at + 1 },
        None => Decoded::Incomplete { needed: input.len() + 1 },
    })
}

/// Something at the start of the input, or how much input it takes to say more.
enum Part<T> {
    Whole(T),
    Missing { needed: usize },
}

/// Whether a verb must be followed by a blank.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Required,
    Optional,
}

/// A control line split into at most `N` arguments.
struct Arguments<'a, const N: usize> {
    list: [&'a [u8]; N],
    /// Above `N` when there are more arguments than that.
    count: usize,
    args: Range<usize>,
    /// The byte after the line feed.
    end: usize,
}

impl<'a, const N: usize> Arguments<'a, N> {
    /// The arguments; none when there are too many.
    fn list(&self) -> &[&'a [u8]] {
        self.list.get(..self.count).unwrap_or_default()
    }
}

/// Reads a control line of `verb` and splits its arguments at what is `blank`.
fn arguments<'a, const N: usize>(
    input: &'a [u8],
    verb: &'static [u8],
    blank: fn(u8) -> bool,
    limits: &Limits,
) -> Result<Part<Arguments<'a, N>>, DecodeError> {
    let line = match line(input, verb, Separator::Required, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Part::Missing { needed }),
    };
    let mut list = [&[][..]; N];
    let mut count = 0;
    for arg in line.bytes(input).split(|byte| blank(*byte)).filter(|arg| !arg.is_empty()) {
        if let Some(place) = list.get_mut(count) {
            *place = arg;
        }
        count += 1;
    }
    Ok(Part::Whole(Arguments { list, count, args: line.args, end: line.end }))
}

/// A complete control line.
struct Line {
    /// The arguments, from the first byte after the blanks that follow the verb.
    args: Range<usize>,
    /// The byte after the line feed.
    end: usize,
}

impl Line {
    fn bytes<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.args.clone()]
    }
}

/// Finds the control line of `verb`.
///
/// The byte after the verb and its blanks belongs to the arguments whatever it is, even a line feed; after it the next
/// line feed ends the line. A carriage return anywhere after that first byte takes the last byte off the arguments,
/// which is the carriage return itself in every sane line.
fn line(
    input: &[u8],
    verb: &'static [u8],
    separator: Separator,
    limits: &Limits,
) -> Result<Part<Line>, DecodeError> {
    let verb_end = match verb_end(input, verb)? {
        Part::Whole(end) => end,
        Part::Missing { needed } => return Ok(Part::Missing { needed }),
    };
    let blanks = input[verb_end..].iter().take_while(|byte| is_blank(**byte)).count();
    let start = verb_end + blanks;
    if blanks > limits.max_control_line {
        // The reference skips blanks without a bound and keeps none of them; here they would have to be kept.
        return Err(DecodeError::ControlLineExceeded { max: limits.max_control_line });
    }
    if start == input.len() {
        return Ok(Part::Missing { needed: start + 1 });
    }
    if blanks == 0 && separator == Separator::Required {
        return Err(DecodeError::UnknownOperation { at: start });
    }
    let found = memchr(b'\n', &input[start + 1..]);
    let stop = found.map_or(input.len(), |at| start + 1 + at);
    let mut args = start..stop;
    if has_carriage_return(&input[start + 1..stop]) {
        args.end -= 1;
    }
    if args.len() > limits.max_control_line {
        return Err(DecodeError::ControlLineExceeded { max: limits.max_control_line });
    }
    Ok(match found {
        Some(_) => Part::Whole(Line { args, end: stop + 1 }),
        None => Part::Missing { needed: input.len() + 1 },
    })
}

/// Where `verb` ends, in whatever case it is written.
fn verb_end(input: &[u8], verb: &'static [u8]) -> Result<Part<usize>, DecodeError> {
    let wrong = input.iter().zip(verb).position(|(have, want)| !have.eq_ignore_ascii_case(want));
    match wrong {
        Some(at) => Err(DecodeError::UnknownOperation { at }),
        None if input.len() < verb.len() => Ok(Part::Missing { needed: input.len() + 1 }),
        None => Ok(Part::Whole(verb.len())),
    }
}

fn has_carriage_return(line: &[u8]) -> bool {
    // Nearly every line ends in one: no search then.
    line.last() == Some(&b'\r') || memchr(b'\r', line).is_some()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_blank_or_line_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A size of 1 to 9 decimal digits.
#[inline]
fn size_of(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return None;
    }
    let mut size = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        size = size * 10 + usize::from(digit - b'0');
    }
    Some(size)
}

/// Digits of a size on the wire; the reference takes no more, so that a size never overflows.
const SIZE_DIGITS_MAX: usize = 9;

#[cfg(test)]
mod tests;

//! Decodes what a client sends, one operation at a time, without copying and without allocating.
//!
//! The decoder keeps no state: the caller keeps the bytes of an incomplete operation contiguous and calls again once
//! more have come. Every answer depends on the bytes alone, never on how they were cut into reads. Errors arise at the
//! first byte that makes the input impossible, as they do in the reference's byte-by-byte parser
//! (`nats-server:server/parser.go`).

use core::ops::Range;

use memchr::memchr;

use crate::op::{Op, Publish};
use crate::quote::{quoted, snippet};

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

/// Why a client's bytes cannot be understood. All of these end the connection.
///
/// Ranges and offsets count from the start of the input that was given to [`decode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No operation has the byte `at` in this place, or a payload is not followed by CR LF.
    #[error("unknown protocol operation at byte {at}")]
    UnknownOperation { at: usize },
    /// Raised as soon as the arguments are too long, line end or not.
    #[error("a control line with arguments above the maximum of {max} bytes")]
    ControlLineExceeded { max: usize },
    /// Raised by the control line, before the payload is there.
    #[error("a payload of {size} bytes, above the maximum of {max}")]
    PayloadExceeded { size: usize, max: usize },
    #[error("HPUB without negotiated headers")]
    HeadersNotSupported,
    #[error("PUB takes a subject, an optional reply and a size")]
    PublishArguments { args: Range<usize> },
    #[error("PUB with a size that is not a number of 1 to 9 digits")]
    PublishSize { args: Range<usize> },
    #[error("HPUB takes a subject, an optional reply, a header size and a total size")]
    HeaderPublishArguments { args: Range<usize> },
    #[error("HPUB with a header size that is not a number of 1 to 9 digits")]
    HeaderSize { args: Range<usize> },
    #[error("HPUB with a total size that is not a number of 1 to 9 digits")]
    TotalSize { args: Range<usize> },
    #[error("HPUB with a header size above its total size")]
    HeaderSizeAboveTotal { args: Range<usize> },
    #[error("SUB takes a subject, an optional queue and a sid")]
    SubscribeArguments { args: Range<usize> },
    #[error("UNSUB takes a sid and an optional maximum")]
    UnsubscribeArguments { args: Range<usize> },
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

impl DecodeError {
    /// The text of the `-ERR` that the client gets before the connection closes; `None` where the reference closes
    /// without a word.
    pub fn client_text(&self) -> Option<&'static str> {
        match self {
            Self::UnknownOperation { .. } => Some("Unknown Protocol Operation"),
            Self::ControlLineExceeded { .. } => Some("maximum control line exceeded"),
            Self::PayloadExceeded { .. } => Some("Maximum Payload Violation"),
            Self::HeadersNotSupported
            | Self::PublishArguments { .. }
            | Self::PublishSize { .. }
            | Self::HeaderPublishArguments { .. }
            | Self::HeaderSize { .. }
            | Self::TotalSize { .. }
            | Self::HeaderSizeAboveTotal { .. }
            | Self::SubscribeArguments { .. }
            | Self::UnsubscribeArguments { .. } => None,
        }
    }

    /// What the log says of this error, in the reference's words. `input` is what [`decode`] was given.
    pub fn log_text(&self, input: &[u8]) -> String {
        let args = |range: &Range<usize>| quoted(input.get(range.clone()).unwrap_or_default());
        match self {
            Self::UnknownOperation { at } => {
                format!(
                    "Client parser ERROR, i={at}: proto='{}...'",
                    snippet(*at, UNKNOWN_SNIPPET_SIZE, input)
                )
            }
            Self::ControlLineExceeded { .. } => "maximum control line exceeded".to_owned(),
            Self::PayloadExceeded { size, max } => format!("maximum payload exceeded: {size} vs {max}"),
            Self::HeadersNotSupported => "message headers not supported".to_owned(),
            Self::PublishArguments { args: range } => format!("processPub Parse Error: {}", args(range)),
            Self::PublishSize { args: range } => format!("processPub Bad or Missing Size: {}", args(range)),
            Self::HeaderPublishArguments { args: range } => {
                format!("processHeaderPub Parse Error: {}", args(range))
            }
            Self::HeaderSize { args: range } => {
                format!("processHeaderPub Bad or Missing Header Size: {}", args(range))
            }
            Self::TotalSize { args: range } => {
                format!("processHeaderPub Bad or Missing Total Size: {}", args(range))
            }
            Self::HeaderSizeAboveTotal { args: range } => {
                format!("processHeaderPub Header Size larger then TotalSize: {}", args(range))
            }
            Self::SubscribeArguments { args: range } => format!("processSub Parse Error: {}", args(range)),
            Self::UnsubscribeArguments { args: range } => {
                format!("processUnsub Parse Error: {}", args(range))
            }
        }
    }
}

fn publish<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match line(input, b"PUB", Separator::Required, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let mut args = [&[][..]; 3];
    let (subject, reply, size) = match split(line.bytes(input), is_blank, &mut args) {
        Some(2) => (args[0], None, args[1]),
        Some(3) => (args[0], Some(args[1]), args[2]),
        Some(_) | None => return Err(DecodeError::PublishArguments { args: line.args }),
    };
    let Some(size) = size_of(size) else {
        return Err(DecodeError::PublishSize { args: line.args });
    };
    let head = Head { subject, reply, header_len: 0, size, has_headers: false };
    with_payload(input, line.end, head, limits)
}

fn header_publish<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match line(input, b"HPUB", Separator::Required, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    if !limits.headers {
        return Err(DecodeError::HeadersNotSupported);
    }
    let mut args = [&[][..]; 4];
    let (subject, reply, header_len, size) = match split(line.bytes(input), is_blank, &mut args) {
        Some(3) => (args[0], None, args[1], args[2]),
        Some(4) => (args[0], Some(args[1]), args[2], args[3]),
        Some(_) | None => return Err(DecodeError::HeaderPublishArguments { args: line.args }),
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
    let line = match line(input, b"SUB", Separator::Required, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let mut args = [&[][..]; 3];
    let op = match split(line.bytes(input), is_blank_or_line_end, &mut args) {
        Some(2) => Op::Subscribe { subject: args[0], queue: None, sid: args[1] },
        Some(3) => Op::Subscribe { subject: args[0], queue: Some(args[1]), sid: args[2] },
        Some(_) | None => return Err(DecodeError::SubscribeArguments { args: line.args }),
    };
    Ok(Decoded::Op { op, consumed: line.end })
}

fn unsubscribe<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let line = match line(input, b"UNSUB", Separator::Required, limits)? {
        Part::Whole(line) => line,
        Part::Missing { needed } => return Ok(Decoded::Incomplete { needed }),
    };
    let mut args = [&[][..]; 2];
    let op = match split(line.bytes(input), is_blank_or_line_end, &mut args) {
        Some(1) => Op::Unsubscribe { sid: args[0], max: None },
        Some(2) => {
            // What is no positive number ends the subscription at once, as in the reference.
            let max = size_of(args[1]).filter(|max| *max > 0).map(|max| max as u64);
            Op::Unsubscribe { sid: args[0], max }
        }
        Some(_) | None => return Err(DecodeError::UnsubscribeArguments { args: line.args }),
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

/// Splits `line` at runs of blanks into `args`; gives their number, or `None` when there are more than `args` holds.
fn split<'a, const N: usize>(
    line: &'a [u8],
    blank: fn(u8) -> bool,
    args: &mut [&'a [u8]; N],
) -> Option<usize> {
    let mut count = 0;
    for arg in line.split(|byte| blank(*byte)).filter(|arg| !arg.is_empty()) {
        *args.get_mut(count)? = arg;
        count += 1;
    }
    Some(count)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_blank_or_line_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A size of 1 to 9 decimal digits.
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
/// Bytes of input shown in the log line of an unknown operation.
const UNKNOWN_SNIPPET_SIZE: usize = 32;

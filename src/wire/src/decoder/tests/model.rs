//! A decoder of the other kind: one byte after the other, with a state, as the reference's parser is built.

use super::*;

/// The operations of `input` as their debug text, and the error that ends them, if one does.
pub(super) fn decode_all(input: &[u8], limits: &Limits) -> (Vec<String>, Option<DecodeError>) {
    let mut model = Model { limits: *limits, op_start: 0, state: State::Verb, ops: Vec::new() };
    for at in 0..input.len() {
        if let Err(error) = model.byte(input, at) {
            return (model.ops, Some(error));
        }
    }
    (model.ops, None)
}

struct Model {
    limits: Limits,
    op_start: usize,
    state: State,
    ops: Vec<String>,
}

#[derive(Clone, Copy)]
enum State {
    Verb,
    Blanks { verb: &'static str, count: usize },
    Args { verb: &'static str, start: usize, drop: usize },
    Ignored { verb: &'static str, count: usize },
    Payload { args: (usize, usize), verb: &'static str, start: usize, size: usize },
}

const VERBS: [&str; 11] =
    ["PUB", "HPUB", "HMSG", "SUB", "UNSUB", "PING", "PONG", "+OK", "-ERR", "CONNECT", "INFO"];

impl Model {
    fn byte(&mut self, input: &[u8], at: usize) -> Result<(), DecodeError> {
        let byte = input[at];
        let max = self.limits.max_control_line;
        let unknown = DecodeError::UnknownOperation { at: at - self.op_start };
        let too_long = DecodeError::ControlLineExceeded { max };
        match self.state {
            State::Verb => {
                let seen = String::from_utf8_lossy(&input[self.op_start..=at]).to_ascii_uppercase();
                let Some(verb) = VERBS.iter().find(|verb| verb.starts_with(&seen)) else {
                    return Err(unknown);
                };
                if *verb == seen {
                    self.state = match *verb {
                        "PING" | "PONG" | "+OK" => State::Ignored { verb, count: 0 },
                        _ => State::Blanks { verb, count: 0 },
                    };
                }
            }
            State::Ignored { verb, count } => match byte {
                b'\n' => self.finish(at, verb.to_owned()),
                _ if count > max => return Err(too_long),
                _ => self.state = State::Ignored { verb, count: count + 1 },
            },
            State::Blanks { verb, count } => match byte {
                b' ' | b'\t' if count == max => return Err(too_long),
                b' ' | b'\t' => self.state = State::Blanks { verb, count: count + 1 },
                _ if count == 0 && !["CONNECT", "INFO"].contains(&verb) => return Err(unknown),
                _ if max == 0 => return Err(too_long),
                _ => self.state = State::Args { verb, start: at, drop: 0 },
            },
            State::Args { verb, start, drop } => match byte {
                b'\n' => self.line(input, verb, (start, at - drop), at)?,
                _ => {
                    let drop = if byte == b'\r' { 1 } else { drop };
                    if at + 1 - drop - start > max {
                        return Err(too_long);
                    }
                    self.state = State::Args { verb, start, drop };
                }
            },
            State::Payload { start, size, .. } if at < start + size => {}
            State::Payload { start, size, .. } if at == start + size => {
                if byte != b'\r' {
                    return Err(unknown);
                }
            }
            State::Payload { args, verb, start, size } => {
                if byte != b'\n' {
                    return Err(unknown);
                }
                let words = words(&input[args.0..args.1], b" \t");
                self.finish(at, format!("{verb} {words:?} {:?}", &input[start..start + size]));
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        input: &[u8],
        verb: &'static str,
        args: (usize, usize),
        at: usize,
    ) -> Result<(), DecodeError> {
        let range = args.0 - self.op_start..args.1 - self.op_start;
        let line = &input[args.0..args.1];
        let published = words(line, b" \t");
        let subscribed = words(line, b" \t\r\n");
        match (verb, published.as_slice()) {
            ("PUB", [_, size] | [_, _, size]) => match number(size) {
                Some(size) => self.payload(verb, args, at, size),
                None => Err(DecodeError::PublishSize { args: range }),
            },
            ("PUB", _) => Err(DecodeError::PublishArguments { args: range }),
            ("HPUB", _) if !self.limits.headers => Err(DecodeError::HeadersNotSupported),
            ("HPUB", [_, header_len, size] | [_, _, header_len, size]) => {
                match (number(header_len), number(size)) {
                    (None, _) => Err(DecodeError::HeaderSize { args: range }),
                    (_, None) => Err(DecodeError::TotalSize { args: range }),
                    (Some(header_len), Some(size)) if header_len > size => {
                        Err(DecodeError::HeaderSizeAboveTotal { args: range })
                    }
                    (Some(_), Some(size)) => self.payload(verb, args, at, size),
                }
            }
            ("HPUB", _) => Err(DecodeError::HeaderPublishArguments { args: range }),
            ("HMSG", _) => self.payload(verb, (at, at), at, 0),
            ("SUB", _) if !(2..=3).contains(&subscribed.len()) => {
                Err(DecodeError::SubscribeArguments { args: range })
            }
            ("UNSUB", _) if !(1..=2).contains(&subscribed.len()) => {
                Err(DecodeError::UnsubscribeArguments { args: range })
            }
            ("SUB", _) => {
                self.finish(at, format!("SUB {subscribed:?}"));
                Ok(())
            }
            ("UNSUB", _) => {
                let max = subscribed.get(1).and_then(|max| number(max)).unwrap_or(0);
                self.finish(at, format!("UNSUB {:?} {max}", subscribed[0]));
                Ok(())
            }
            (verb, _) => {
                self.finish(at, format!("{verb} {line:?}"));
                Ok(())
            }
        }
    }

    fn payload(
        &mut self,
        verb: &'static str,
        args: (usize, usize),
        at: usize,
        size: usize,
    ) -> Result<(), DecodeError> {
        if size > self.limits.max_payload {
            return Err(DecodeError::PayloadExceeded { size, max: self.limits.max_payload });
        }
        self.state = State::Payload { args, verb, start: at + 1, size };
        Ok(())
    }

    fn finish(&mut self, at: usize, op: String) {
        self.ops.push(op);
        self.op_start = at + 1;
        self.state = State::Verb;
    }
}

/// An operation in the words of the model.
pub(super) fn shown(op: &Op<'_>) -> String {
    match op {
        Op::Publish(Publish { subject: b"", payload, .. }) => {
            format!("HMSG [] {payload:?}")
        }
        Op::Publish(message) => {
            let Publish { subject, reply, header_len, payload, has_headers } = message;
            let (header_len, size) = (header_len.to_string(), payload.len().to_string());
            let mut words = vec![*subject];
            words.extend(*reply);
            if *has_headers {
                words.push(header_len.as_bytes());
            }
            words.push(size.as_bytes());
            format!("{} {words:?} {payload:?}", if *has_headers { "HPUB" } else { "PUB" })
        }
        Op::Subscribe { subject, queue: None, sid } => format!("SUB {:?}", [subject, sid]),
        Op::Subscribe { subject, queue: Some(queue), sid } => format!("SUB {:?}", [subject, queue, sid]),
        Op::Unsubscribe { sid, max } => format!("UNSUB {sid:?} {}", max.unwrap_or(0)),
        Op::Connect(json) => format!("CONNECT {json:?}"),
        Op::Info(json) => format!("INFO {json:?}"),
        Op::Err(text) => format!("-ERR {text:?}"),
        Op::Ping => "PING".to_owned(),
        Op::Pong => "PONG".to_owned(),
        Op::Ok => "+OK".to_owned(),
    }
}

fn words<'a>(line: &'a [u8], blanks: &[u8]) -> Vec<&'a [u8]> {
    line.split(|byte| blanks.contains(byte)).filter(|word| !word.is_empty()).collect()
}

fn number(word: &[u8]) -> Option<usize> {
    let digits =
        core::str::from_utf8(word).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|_| digits.len() <= 9)
}

//! The header that says where a message was taken from.

use memchr::memmem;

/// What a message says of where it was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// `stream SP sequence SP filter SP destination [SP subject [SP identity]]`, since 2.10. Stream, filter and
    /// destination are the source's index name.
    Source { stream: &'a [u8], filter: &'a [u8], destination: &'a [u8], seq: u64, identity: &'a [u8] },
    /// `stream SP sequence`, or the subject of an acknowledgement: before 2.10.
    Stream { stream: &'a [u8], seq: u64 },
}

impl<'a> Origin<'a> {
    /// What a header block says; `None` where it says nothing, or nothing that could be understood.
    #[must_use]
    pub fn of(headers: &'a [u8]) -> Option<Self> {
        let value = &headers[memmem::find(headers, NAME)? + NAME.len()..];
        let value = &value[..memmem::find(value, LINE_END).unwrap_or(value.len())];
        let blanks = value.iter().take_while(|&&byte| byte == b' ').count();
        Self::parse(&value[blanks..])
    }

    /// Reads the header's value (`streamAndSeq` in the reference's server/stream.go). A number that is none, or that 64
    /// bits do not hold, makes all of it nothing.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        if value.starts_with(ACK) {
            return of_ack(value);
        }
        let mut fields = value.split(|&byte| byte == b' ');
        let (stream, seq) = (fields.next()?, number(fields.next()?)?);
        if stream.is_empty() {
            return None;
        }
        let Some(filter) = fields.next() else { return Some(Self::Stream { stream, seq }) };
        let destination = fields.next()?;
        let identity = fields.nth(1).unwrap_or_default();
        Some(Self::Source { stream, filter, destination, seq, identity })
    }
}

/// `$JS.ACK.stream.consumer.delivered.sequence...` of nine tokens, or with domain and account before the stream and eleven or
/// more.
fn of_ack(subject: &[u8]) -> Option<Origin<'_>> {
    let tokens = subject.split(|&byte| byte == b'.');
    let before = match tokens.clone().count() {
        9 => 2,
        count if count >= 11 => 4,
        _ => return None,
    };
    let mut tokens = tokens.skip(before);
    let (stream, seq) = (tokens.next()?, number(tokens.nth(2)?)?);
    (!stream.is_empty()).then_some(Origin::Stream { stream, seq })
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Its name, with the end of the line before; the version line is before every header.
const NAME: &[u8] = b"\r\nNats-Stream-Source:";
const LINE_END: &[u8] = b"\r\n";
/// What the subject of an acknowledgement begins with.
const ACK: &[u8] = b"$JS.ACK.";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source<'a>(stream: &'a str, filter: &'a str, seq: u64, identity: &'a str) -> Option<Origin<'a>> {
        Some(Origin::Source {
            stream: stream.as_bytes(),
            filter: filter.as_bytes(),
            destination: b">",
            seq,
            identity: identity.as_bytes(),
        })
    }

    fn stream(stream: &str, seq: u64) -> Option<Origin<'_>> {
        Some(Origin::Stream { stream: stream.as_bytes(), seq })
    }

    #[test]
    fn every_form_is_read_and_nothing_else_is() {
        let cases: [(&str, Option<Origin<'_>>); 21] = [
            ("ORIGIN 5 > > foo.bar IDENT", source("ORIGIN", ">", 5, "IDENT")),
            ("ORIGIN 5 > > foo.bar", source("ORIGIN", ">", 5, "")),
            ("ORIGIN 5 a.* >", source("ORIGIN", "a.*", 5, "")),
            (
                "ORIGIN:hash:C=hash 7 a\u{c}b > x ID and more",
                source("ORIGIN:hash:C=hash", "a\u{c}b", 7, "ID"),
            ),
            ("ORIGIN 0 > >", source("ORIGIN", ">", 0, "")),
            ("ORIGIN 9", stream("ORIGIN", 9)),
            ("ORIGIN 18446744073709551615", stream("ORIGIN", u64::MAX)),
            ("$JS.ACK.ORIGIN.C.1.22.3.4.5", stream("ORIGIN", 22)),
            ("$JS.ACK.hub.account.ORIGIN.C.1.22.3.4.5", stream("ORIGIN", 22)),
            ("$JS.ACK.hub.account.ORIGIN.C.1.22.3.4.5.random", stream("ORIGIN", 22)),
            ("$JS.ACK.hub.ORIGIN.C.1.22.3.4.5", None),
            ("$JS.ACK.ORIGIN.C.1.x.3.4.5", None),
            ("$JS.ACK..C.1.22.3.4.5", None),
            ("", None),
            ("ORIGIN", None),
            ("ORIGIN 9 >", None),
            ("ORIGIN x > >", None),
            ("ORIGIN -1 > >", None),
            ("ORIGIN  > >", None),
            ("ORIGIN 18446744073709551616 > >", None),
            (" 9", None),
        ];
        for (value, expected) in cases {
            assert_eq!(Origin::parse(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn it_is_found_among_other_headers() {
        let block =
            b"NATS/1.0\r\nA: b\r\nNats-Stream-Source:  ORIGIN 5 > > a\r\nNats-Stream-Source: B 1\r\n\r\n";
        assert_eq!(Origin::of(block), source("ORIGIN", ">", 5, ""));
        assert_eq!(Origin::of(b"NATS/1.0\r\nX-Nats-Stream-Source: ORIGIN 5\r\n\r\n"), None);
        assert_eq!(Origin::of(b"NATS/1.0\r\nA: Nats-Stream-Source: ORIGIN 5\r\n\r\n"), None);
        assert_eq!(Origin::of(b""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(value: Vec<u8>, rest in "(\\$JS\\.ACK\\.)?([0-9a-z> ]|\\.){0,40}") {
            let _ = (Origin::of(&value), Origin::parse(&value), Origin::parse(rest.as_bytes()));
        }
    }
}

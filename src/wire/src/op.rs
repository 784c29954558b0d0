//! What a client may say, as borrowed views of the bytes it said it in.

/// One operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// `PUB` or `HPUB` with its whole payload.
    Publish(Publish<'a>),
    Subscribe {
        subject: &'a [u8],
        queue: Option<&'a [u8]>,
        sid: &'a [u8],
    },
    /// `max` is absent for an immediate end; counted from the subscription's first message otherwise.
    Unsubscribe {
        sid: &'a [u8],
        max: Option<u64>,
    },
    /// The JSON text after `CONNECT`.
    Connect(&'a [u8]),
    Ping,
    Pong,
    /// The JSON text after `INFO`. A client's is ignored, but one that [`crate::Info::read`] refuses closes the
    /// connection.
    Info(&'a [u8]),
    Ok,
    /// The text after `-ERR`, with its quotes.
    Err(&'a [u8]),
}

/// A message on its way in: `header_len` bytes of headers, then the body, both in `payload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    pub subject: &'a [u8],
    pub reply: Option<&'a [u8]>,
    /// 0 for `PUB`. Never above `payload.len()`.
    pub header_len: usize,
    pub payload: &'a [u8],
    /// Whether it came as `HPUB`. (`HPUB s 0 5` is a message with headers of no bytes.)
    pub has_headers: bool,
}

impl<'a> Publish<'a> {
    /// The header block; empty for a message without headers.
    pub fn header(&self) -> &'a [u8] {
        &self.payload[..self.header_len]
    }

    /// What follows the headers.
    pub fn body(&self) -> &'a [u8] {
        &self.payload[self.header_len..]
    }

    /// The same message for a receiver that takes no headers.
    #[must_use]
    pub fn without_headers(self) -> Self {
        Self { header_len: 0, payload: self.body(), has_headers: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/client_test.go TestMsgPartsCapsHdrSlice
    #[test]
    fn header_and_body_are_parts_of_their_own() {
        let payload = b"NATS/1.0\r\nKey1: Val1\r\nKey2: Val2\r\n\r\nhello";
        let message =
            Publish { subject: b"s", reply: None, header_len: payload.len() - 5, payload, has_headers: true };
        let mut header = message.header().to_vec();
        assert_eq!(header, b"NATS/1.0\r\nKey1: Val1\r\nKey2: Val2\r\n\r\n");
        assert_eq!(message.body(), b"hello");
        header.extend_from_slice(b"test");
        assert_eq!(header, b"NATS/1.0\r\nKey1: Val1\r\nKey2: Val2\r\n\r\ntest");
        assert_eq!(message.body(), b"hello");
        assert_eq!(message.without_headers().payload, b"hello");
    }
}

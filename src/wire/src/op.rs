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
    /// The text after `INFO`; a client's is accepted and ignored.
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

//! What a server says, appended to a buffer. Nothing is allocated but the buffer's own growth.

use crate::headers;
use crate::info::Info;
use crate::json;
use crate::op::Publish;

pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

pub fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// `-ERR 'text'`.
pub fn err(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// An INFO line. The blank before its end is the reference's; some clients' parsers grew up with it.
pub fn info(out: &mut Vec<u8>, info: &Info) {
    out.extend_from_slice(b"INFO ");
    json::write(out, info);
    out.extend_from_slice(b" \r\n");
}

/// A whole message for the subscription `sid`: head, payload and line end. Call it with [`Publish::without_headers`]
/// for a receiver that takes none.
#[inline]
pub fn message(out: &mut Vec<u8>, message: &Publish<'_>, sid: &[u8]) {
    out.reserve(head_size_max(message, sid) + message.payload.len() + LINE_END.len());
    push_head(out, message, sid);
    out.extend_from_slice(message.payload);
    out.extend_from_slice(LINE_END);
}

/// A message for several subscriptions: what they share is put together once.
#[derive(Debug, Default)]
pub struct SharedMessage {
    before_sid: Vec<u8>,
    after_sid: Vec<u8>,
}

impl SharedMessage {
    /// Puts `message` together, in place of what was there before.
    pub fn set(&mut self, message: &Publish<'_>) {
        let Self { before_sid, after_sid } = self;
        before_sid.clear();
        push_before_sid(before_sid, message);
        after_sid.clear();
        push_after_sid(after_sid, message);
        after_sid.extend_from_slice(message.payload);
        after_sid.extend_from_slice(LINE_END);
    }

    /// Appends what [`message()`] would for the subscription `sid`.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, sid: &[u8]) {
        out.reserve(self.before_sid.len() + sid.len() + self.after_sid.len());
        out.extend_from_slice(&self.before_sid);
        out.extend_from_slice(sid);
        out.extend_from_slice(&self.after_sid);
    }
}

/// The control line of [`message`] alone, for a payload that goes out by reference: it follows, and then CR LF.
#[inline]
pub fn message_head(out: &mut Vec<u8>, message: &Publish<'_>, sid: &[u8]) {
    out.reserve(head_size_max(message, sid));
    push_head(out, message, sid);
}

/// The answer to a request that nobody listens to: a message without a body and with status 503, to the subscription
/// `sid` that waits on `reply`.
pub fn no_responders(out: &mut Vec<u8>, subject: &[u8], reply: &[u8], sid: &[u8]) {
    let size = headers::no_responders_size(subject);
    out.extend_from_slice(b"HMSG ");
    out.extend_from_slice(reply);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    push_number(out, size);
    out.push(b' ');
    push_number(out, size);
    out.extend_from_slice(LINE_END);
    headers::push_no_responders(out, subject);
    out.extend_from_slice(LINE_END);
}

#[inline]
fn push_head(out: &mut Vec<u8>, message: &Publish<'_>, sid: &[u8]) {
    push_before_sid(out, message);
    out.extend_from_slice(sid);
    push_after_sid(out, message);
}

#[inline]
fn push_before_sid(out: &mut Vec<u8>, message: &Publish<'_>) {
    // A header block of no bytes is none: the reference sends such an HPUB on as MSG.
    let verb: &[u8] = if message.header_len > 0 { b"HMSG " } else { b"MSG " };
    out.extend_from_slice(verb);
    out.extend_from_slice(message.subject);
    out.push(b' ');
}

#[inline]
fn push_after_sid(out: &mut Vec<u8>, message: &Publish<'_>) {
    out.push(b' ');
    if let Some(reply) = message.reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if message.header_len > 0 {
        push_number(out, message.header_len);
        out.push(b' ');
    }
    push_number(out, message.payload.len());
    out.extend_from_slice(LINE_END);
}

#[inline]
fn push_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn head_size_max(message: &Publish<'_>, sid: &[u8]) -> usize {
    HEAD_FRAME_SIZE_MAX + message.subject.len() + sid.len() + message.reply.map_or(0, <[u8]>::len)
}

/// Verb, blanks, two numbers of up to 20 digits and the line end.
const HEAD_FRAME_SIZE_MAX: usize = "HMSG ".len() + 4 + 2 * 20 + LINE_END.len();
const LINE_END: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Publish<'_> =
        Publish { subject: b"foo", reply: None, header_len: 0, payload: b"hello", has_headers: false };
    const WITH_HEADERS: Publish<'_> = Publish {
        subject: b"foo",
        reply: Some(b"bar"),
        header_len: 12,
        payload: b"NATS/1.0\r\n\r\nhi",
        has_headers: true,
    };

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn short_answers() {
        assert_eq!(written(ping), "PING\r\n");
        assert_eq!(written(pong), "PONG\r\n");
        assert_eq!(written(ok), "+OK\r\n");
        assert_eq!(written(|out| err(out, "Stale Connection")), "-ERR 'Stale Connection'\r\n");
    }

    #[test]
    fn messages_name_their_sizes() {
        assert_eq!(written(|out| message(out, &PLAIN, b"1")), "MSG foo 1 5\r\nhello\r\n");
        assert_eq!(written(|out| message_head(out, &PLAIN, b"1")), "MSG foo 1 5\r\n");
        let with_headers = "HMSG foo 22 bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
        assert_eq!(written(|out| message(out, &WITH_HEADERS, b"22")), with_headers);
    }

    #[test]
    fn a_receiver_without_headers_gets_the_body_alone() {
        let stripped = WITH_HEADERS.without_headers();
        assert_eq!(written(|out| message(out, &stripped, b"22")), "MSG foo 22 bar 2\r\nhi\r\n");
    }

    #[test]
    fn headers_of_no_bytes_are_none() {
        let empty = Publish { has_headers: true, ..PLAIN };
        assert_eq!(written(|out| message(out, &empty, b"1")), "MSG foo 1 5\r\nhello\r\n");
    }

    #[test]
    fn nobody_listening_is_told_with_the_subject() {
        assert_eq!(
            written(|out| no_responders(out, b"svc", b"_INBOX.x", b"7")),
            "HMSG _INBOX.x 7 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n"
        );
    }

    #[test]
    fn an_info_line_ends_in_a_blank() {
        let line = written(|out| info(out, &Info::default()));
        assert!(line.starts_with("INFO {\"server_id\":") && line.ends_with("} \r\n"), "{line}");
    }

    proptest::proptest! {
        /// Against the plain way to write the same.
        #[test]
        fn a_message_is_what_formatting_gives(
            subject in "[!-~]{1,40}",
            sid in "[0-9a-z]{1,20}",
            reply in proptest::option::of("[!-~]{1,40}"),
            header in "[a-z]{0,150}",
            body in "[a-z]{0,1200}",
        ) {
            let payload = [header.as_str(), &body].concat();
            let reply_text = reply.as_ref().map_or(String::new(), |reply| format!("{reply} "));
            let sent = Publish {
                subject: subject.as_bytes(),
                reply: reply.as_deref().map(str::as_bytes),
                header_len: header.len(),
                payload: payload.as_bytes(),
                has_headers: true,
            };
            let (size, header_len) = (payload.len(), header.len());
            let expected = match header_len {
                0 => format!("MSG {subject} {sid} {reply_text}{size}\r\n{payload}\r\n"),
                _ => format!("HMSG {subject} {sid} {reply_text}{header_len} {size}\r\n{payload}\r\n"),
            };
            proptest::prop_assert_eq!(&written(|out| message(out, &sent, sid.as_bytes())), &expected);
            let mut shared = SharedMessage::default();
            shared.set(&WITH_HEADERS);
            shared.set(&sent);
            proptest::prop_assert_eq!(written(|out| shared.write(out, sid.as_bytes())), expected);
            let size = body.len();
            let expected = format!("MSG {subject} {sid} {reply_text}{size}\r\n{body}\r\n");
            proptest::prop_assert_eq!(written(|out| message(out, &sent.without_headers(), sid.as_bytes())), expected);
        }
    }
}

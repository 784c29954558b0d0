//! How operations look in the trace log.

use std::fmt;

use log::{Level, debug, log_enabled, trace};
use natrium_wire::{Publish, encode, quoted};

use super::Connection;
use crate::identity::LogName;
use crate::settings::TraceRules;

/// Bytes as the log shows them unquoted: as text, with U+FFFD for what is none.
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

/// The control line of a publish.
pub(super) struct Arguments<'a>(pub(super) &'a Publish<'a>);

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Publish { subject, reply, header_len, payload, has_headers } = self.0;
        write!(f, "{} {}", if *has_headers { "HPUB" } else { "PUB" }, Text(subject))?;
        if let Some(reply) = reply {
            write!(f, " {}", Text(reply))?;
        }
        if *has_headers {
            write!(f, " {header_len}")?;
        }
        write!(f, " {}", payload.len())
    }
}

/// What a trace line says of a message's payload: in brackets, quoted, and cut to `traced_payload_max`. `None` where
/// there is nothing to show.
fn traced_payload(message: &Publish<'_>, rules: TraceRules) -> Option<String> {
    let shown = if rules.headers_only {
        message.header().len().checked_sub(HEADERS_END.len()).map(|end| &message.header()[..end])?
    } else {
        message.payload
    };
    if shown.is_empty() {
        return None;
    }
    match rules.payload_max {
        Some(max) if shown.len() > max => {
            let mut text = quoted(&shown[..max]);
            text.pop();
            Some(format!("[{text}...\"]"))
        }
        Some(_) | None => Some(format!("[{}]", quoted(shown))),
    }
}

/// Whether anybody reads the trace log. Asked once a delivery: it costs a comparison.
#[inline]
pub fn is_traced() -> bool {
    log_enabled!(Level::Trace)
}

/// Tells the trace log of `message`, as it is written to the connection of this name for its subscription `sid`.
#[cold]
pub fn trace_delivery(name: &LogName, message: &Publish<'_>, sid: &[u8], rules: TraceRules) {
    let mut head = Vec::new();
    encode::message_head(&mut head, message, sid);
    trace!("{name} - ->> [{}]", Text(head.trim_ascii_end()));
    if let Some(payload) = traced_payload(message, rules) {
        trace!("{name} - ->> MSG_PAYLOAD: {payload}");
    }
}

/// Tells the trace log that the connection's subscription `sid` is gone.
#[cold]
pub fn trace_removal(name: &LogName, sid: &[u8]) {
    trace!("{name} - <-> [DELSUB {}]", Text(sid));
}

/// Tells the log that the subscription `sid` gets its last message of `max`.
pub fn tell_last_message(name: &LogName, max: u64, sid: &[u8]) {
    debug!("{name} - Auto-unsubscribe limit of {max} reached for sid '{}'", Text(sid));
}

impl Connection {
    #[inline]
    pub(super) fn trace_payload(&self, message: &Publish<'_>) {
        if log_enabled!(Level::Trace)
            && let Some(payload) = traced_payload(message, self.settings.trace)
        {
            trace!("{} - <<- MSG_PAYLOAD: {payload}", self.log_name);
        }
    }
}

/// The end of the last header and the empty line after it.
const HEADERS_END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(headers: &str, body: &str, rules: TraceRules) -> Option<String> {
        let payload = [headers, body].concat();
        let message = Publish {
            subject: b"foo",
            reply: None,
            header_len: headers.len(),
            payload: payload.as_bytes(),
            has_headers: !headers.is_empty(),
        };
        traced_payload(&message, rules)
    }

    // go: server/client_test.go TestTraceMsg
    #[test]
    fn a_payload_is_cut_to_the_configured_length() {
        let short = TraceRules { payload_max: Some(10), headers_only: false };
        assert_eq!(traced("", "normal", short).as_deref(), Some(r#"["normal"]"#));
        assert_eq!(traced("", "over length", short).as_deref(), Some(r#"["over lengt..."]"#));
        let whole = TraceRules::default();
        assert_eq!(traced("", "unlimited length", whole).as_deref(), Some(r#"["unlimited length"]"#));
        assert_eq!(traced("", "", whole), None);
    }

    // go: server/client_test.go TestTraceMsgHeadersOnly
    #[test]
    fn headers_alone_are_shown_without_their_end() {
        let one = "NATS/1.0\r\nFoo: 1\r\n\r\n";
        let two = "NATS/1.0\r\nFoo: 1\r\nBar: 2\r\n\r\n";
        let with = |max| TraceRules { headers_only: true, payload_max: max };
        assert_eq!(traced("", "test", with(None)), None);
        assert_eq!(traced(one, "", with(None)).as_deref(), Some(r#"["NATS/1.0\r\nFoo: 1"]"#));
        assert_eq!(traced(one, "test", with(None)).as_deref(), Some(r#"["NATS/1.0\r\nFoo: 1"]"#));
        assert_eq!(traced(one, "", with(Some(6))).as_deref(), Some(r#"["NATS/1..."]"#));
        assert_eq!(traced(two, "", with(Some(21))).as_deref(), Some(r#"["NATS/1.0\r\nFoo: 1\r\nBar..."]"#));
    }

    // go: server/client_test.go TestTraceMsgDeliveryWithHeaders
    #[test]
    fn what_is_delivered_is_shown_as_what_was_published_is() {
        let one = "NATS/1.0\r\nFoo: 1\r\n\r\n";
        let two = "NATS/1.0\r\nFoo: bar\r\nBar: baz\r\n\r\n";
        let (headers, whole) = (TraceRules { headers_only: true, payload_max: None }, TraceRules::default());
        for (block, body, rules, expected) in [
            (one, "", headers, r#"["NATS/1.0\r\nFoo: 1"]"#),
            (one, "test", whole, r#"["NATS/1.0\r\nFoo: 1\r\n\r\ntest"]"#),
            (one, "test", headers, r#"["NATS/1.0\r\nFoo: 1"]"#),
            (two, "", headers, r#"["NATS/1.0\r\nFoo: bar\r\nBar: baz"]"#),
            (two, "payload data", headers, r#"["NATS/1.0\r\nFoo: bar\r\nBar: baz"]"#),
            ("", "plain message", whole, r#"["plain message"]"#),
            (one, "payload", whole, r#"["NATS/1.0\r\nFoo: 1\r\n\r\npayload"]"#),
        ] {
            assert_eq!(traced(block, body, rules).as_deref(), Some(expected), "{block}{body}");
        }
    }

    #[test]
    fn a_publish_looks_as_the_client_wrote_it() {
        let message =
            Publish { subject: b"a", reply: Some(b"b"), header_len: 2, payload: b"xyz", has_headers: true };
        assert_eq!(Arguments(&message).to_string(), "HPUB a b 2 3");
        let plain = Publish { reply: None, header_len: 0, has_headers: false, ..message };
        assert_eq!(Arguments(&plain).to_string(), "PUB a 3");
    }
}

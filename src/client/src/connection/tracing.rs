//! How operations look in the trace log.

use std::fmt;

use log::{Level, log_enabled, trace};
use natrium_wire::{Publish, quoted};

use super::Connection;
use crate::settings::ClientSettings;

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
pub fn traced_payload(message: &Publish<'_>, settings: &ClientSettings) -> Option<String> {
    let shown = if settings.trace_headers_only {
        message.header().len().checked_sub(HEADERS_END.len()).map(|end| &message.header()[..end])?
    } else {
        message.payload
    };
    if shown.is_empty() {
        return None;
    }
    match settings.traced_payload_max {
        Some(max) if shown.len() > max => {
            let mut text = quoted(&shown[..max]);
            text.pop();
            Some(format!("[{text}...\"]"))
        }
        Some(_) | None => Some(format!("[{}]", quoted(shown))),
    }
}

impl Connection {
    #[inline]
    pub(super) fn trace_payload(&self, message: &Publish<'_>) {
        if log_enabled!(Level::Trace)
            && let Some(payload) = traced_payload(message, &self.settings)
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
    use crate::connection::tests::fixture::settings;

    fn traced(headers: &str, body: &str, settings: &ClientSettings) -> Option<String> {
        let payload = [headers, body].concat();
        let message = Publish {
            subject: b"foo",
            reply: None,
            header_len: headers.len(),
            payload: payload.as_bytes(),
            has_headers: !headers.is_empty(),
        };
        traced_payload(&message, settings)
    }

    // go: server/client_test.go TestTraceMsg
    #[test]
    fn a_payload_is_cut_to_the_configured_length() {
        let short = ClientSettings { traced_payload_max: Some(10), ..settings() };
        assert_eq!(traced("", "normal", &short).as_deref(), Some(r#"["normal"]"#));
        assert_eq!(traced("", "over length", &short).as_deref(), Some(r#"["over lengt..."]"#));
        let whole = settings();
        assert_eq!(traced("", "unlimited length", &whole).as_deref(), Some(r#"["unlimited length"]"#));
        assert_eq!(traced("", "", &whole), None);
    }

    // go: server/client_test.go TestTraceMsgHeadersOnly
    #[test]
    fn headers_alone_are_shown_without_their_end() {
        let one = "NATS/1.0\r\nFoo: 1\r\n\r\n";
        let two = "NATS/1.0\r\nFoo: 1\r\nBar: 2\r\n\r\n";
        let with = |max| ClientSettings { trace_headers_only: true, traced_payload_max: max, ..settings() };
        assert_eq!(traced("", "test", &with(None)), None);
        assert_eq!(traced(one, "", &with(None)).as_deref(), Some(r#"["NATS/1.0\r\nFoo: 1"]"#));
        assert_eq!(traced(one, "test", &with(None)).as_deref(), Some(r#"["NATS/1.0\r\nFoo: 1"]"#));
        assert_eq!(traced(one, "", &with(Some(6))).as_deref(), Some(r#"["NATS/1..."]"#));
        assert_eq!(traced(two, "", &with(Some(21))).as_deref(), Some(r#"["NATS/1.0\r\nFoo: 1\r\nBar..."]"#));
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

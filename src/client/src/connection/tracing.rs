//! How operations look in the trace log.

use std::fmt;

use log::{Level, log_enabled, trace};
use natrium_wire::{Publish, quoted};

use super::Connection;

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

impl Connection {
    #[inline]
    pub(super) fn trace_payload(&self, message: &Publish<'_>) {
        if log_enabled!(Level::Trace) {
            self.write_payload_trace(message);
        }
    }

    #[cold]
    fn write_payload_trace(&self, message: &Publish<'_>) {
        let shown = if self.settings.trace_headers_only {
            // Without the empty line that ends them.
            message.header().strip_suffix(b"\r\n\r\n").unwrap_or(message.header())
        } else {
            message.payload
        };
        if shown.is_empty() {
            return;
        }
        match self.settings.traced_payload_max.and_then(|max| shown.split_at_checked(max)) {
            Some((start, rest)) if !rest.is_empty() => {
                let start = quoted(start);
                trace!(
                    "{} - <<- MSG_PAYLOAD: [{}...\"]",
                    self.log_name,
                    start.strip_suffix('"').unwrap_or(&start)
                );
            }
            Some(_) | None => trace!("{} - <<- MSG_PAYLOAD: [{}]", self.log_name, quoted(shown)),
        }
    }
}

//! PUB and HPUB.

use std::time::Instant;

use log::trace;
use natrium_account::Violation;
use natrium_subject::grammar;
use natrium_wire::Publish;

use super::Connection;
use super::tracing::{self, Text};
use crate::host::{Host, Published};

impl Connection {
    #[inline]
    pub(super) fn publish<H: Host>(
        &mut self,
        message: &Publish<'_>,
        now: Instant,
        host: &mut H,
    ) -> Published {
        trace!("{} - <<- [{}]", self.log_name, tracing::Arguments(message));
        self.note_activity(now);
        self.stats.in_messages += 1;
        self.stats.in_bytes += message.payload.len() as u64;
        // Only HMSG has an empty subject, and it is not held to this.
        if self.options.pedantic && !message.subject.is_empty() && !grammar::is_valid_literal(message.subject)
        {
            self.write_error(INVALID_PUBLISH_SUBJECT, host);
        }
        if !host.map_subject(message.subject, &mut self.mapped_subject) {
            return self.publish_mapped(message, now, host);
        }
        let mut mapped = std::mem::take(&mut self.mapped_subject);
        trace!("{} - <<- [MAPPING {} -> {}]", self.log_name, Text(message.subject), Text(&mapped));
        let published = self.publish_mapped(&Publish { subject: &mapped, ..*message }, now, host);
        mapped.clear();
        self.mapped_subject = mapped;
        published
    }

    /// Publishes to the subject as it is once the account's mappings are done.
    #[inline]
    fn publish_mapped<H: Host>(&self, message: &Publish<'_>, now: Instant, host: &mut H) -> Published {
        self.trace_payload(message);
        if let Err(violation) = check(message, now, host) {
            self.report(&violation, host);
            return Published::Done;
        }
        self.acknowledge(host);
        if message.subject.is_empty() {
            // No subscription matches it.
            return Published::Done;
        }
        host.publish(message, now)
    }
}

/// What a client may not publish: what its permissions forbid, and subjects and replies that are the servers' own.
#[inline]
fn check<'a, H: Host>(message: &Publish<'a>, now: Instant, host: &mut H) -> Result<(), Violation<'a>> {
    let subject = message.subject;
    let violation = Err(Violation::Publish { subject });
    if is_below(subject, GATEWAY_REPLIES) {
        return violation;
    }
    if let Some(permissions) = host.permissions()
        && !permissions.publish_allowed(subject, now)
    {
        return violation;
    }
    if subject.starts_with(RAFT_GROUPS) && !host.account().1 {
        return violation;
    }
    match message.reply {
        Some(reply) if is_reserved_reply(reply) => Err(Violation::PublishReply { reply }),
        Some(_) | None => Ok(()),
    }
}

/// Whether a reply would lead into the servers' own machinery: to a service's requester, an acknowledgement, a gateway.
#[inline]
fn is_reserved_reply(reply: &[u8]) -> bool {
    match reply.first() {
        Some(b'_') => reply.starts_with(SERVICE_REPLIES) || is_below(reply, GATEWAY_REPLIES),
        Some(b'$') => is_below(reply, ACKNOWLEDGEMENTS) || is_below(reply, OLD_GATEWAY_REPLIES),
        Some(_) | None => false,
    }
}

/// Whether `subject` starts with `prefix` and goes on after it.
fn is_below(subject: &[u8], prefix: &[u8]) -> bool {
    subject.len() > prefix.len() && subject.starts_with(prefix)
}

const GATEWAY_REPLIES: &[u8] = b"_GR_.";
/// What servers before 2.2 wrote; still kept from clients.
const OLD_GATEWAY_REPLIES: &[u8] = b"$GR.";
const SERVICE_REPLIES: &[u8] = b"_R_.";
const ACKNOWLEDGEMENTS: &[u8] = b"$JS.ACK.";
const RAFT_GROUPS: &[u8] = b"$NRG.";
const INVALID_PUBLISH_SUBJECT: &str = "Invalid Publish Subject";

//! SUB and UNSUB.

use std::time::{Duration, Instant};

use log::{error, trace};
use natrium_account::{SubscribeDecision, Violation};
use natrium_subject::grammar;

use super::Connection;
use super::tracing::Text;
use crate::host::{Host, Subscribed};

impl Connection {
    pub(super) fn subscribe<H: Host>(
        &mut self,
        filter: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        now: Instant,
        host: &mut H,
    ) {
        match queue {
            Some(queue) => {
                trace!("{} - <<- [SUB {} {} {}]", self.log_name, Text(filter), Text(queue), Text(sid));
            }
            None => trace!("{} - <<- [SUB {} {}]", self.log_name, Text(filter), Text(sid)),
        }
        self.note_activity(now);
        let decision = match host.permissions() {
            Some(permissions) => permissions.subscribe_allowed(filter, queue),
            None => SubscribeDecision::Allowed,
        };
        if decision == SubscribeDecision::Denied || queue == Some(SYSTEM_QUEUE) {
            return self.report(&Violation::Subscribe { filter, queue, sid }, host);
        }
        if self.settings.max_subscription_tokens.is_some_and(|max| grammar::tokens(filter).count() > max) {
            return self.report(&Violation::SubscribeTokens { filter, sid }, host);
        }
        if self.settings.max_subscriptions.is_some_and(|max| host.subscription_count() >= max) {
            self.log_max_subscriptions(now);
            return self.write_error(MAX_SUBSCRIPTIONS_EXCEEDED, host);
        }
        match host.subscribe(filter, queue, sid, decision == SubscribeDecision::AllowedInPart) {
            Subscribed::Done => self.acknowledge(host),
            Subscribed::InvalidSubject => self.write_error(INVALID_SUBJECT, host),
        }
    }

    pub(super) fn unsubscribe<H: Host>(&mut self, sid: &[u8], max: Option<u64>, now: Instant, host: &mut H) {
        match max {
            Some(max) => trace!("{} - <<- [UNSUB {} {max}]", self.log_name, Text(sid)),
            None => trace!("{} - <<- [UNSUB {}]", self.log_name, Text(sid)),
        }
        self.note_activity(now);
        self.acknowledge(host);
        host.unsubscribe(sid, max);
    }

    /// A client at its limit often goes on trying; the log hears of it now and then only.
    fn log_max_subscriptions(&mut self, now: Instant) {
        let is_due = |logged| now.saturating_duration_since(logged) >= MAX_SUBSCRIPTIONS_LOG_INTERVAL;
        if self.max_subscriptions_logged.is_none_or(is_due) {
            self.max_subscriptions_logged = Some(now);
            error!("{} - {MAX_SUBSCRIPTIONS_EXCEEDED}", self.log_name);
        }
    }

    /// Tells the client and the log what was not permitted. The connection goes on.
    pub(super) fn report<H: Host>(&self, violation: &Violation<'_>, host: &mut H) {
        self.write_error(&violation.to_string(), host);
        error!("{} - {}", self.log_name, violation.log_text());
    }
}

/// The queue group of the servers themselves.
const SYSTEM_QUEUE: &[u8] = b"_sys_";
/// As long as the reference's, which counts it for each account.
const MAX_SUBSCRIPTIONS_LOG_INTERVAL: Duration = Duration::from_secs(2);
const MAX_SUBSCRIPTIONS_EXCEEDED: &str = "maximum subscriptions exceeded";
const INVALID_SUBJECT: &str = "Invalid Subject";

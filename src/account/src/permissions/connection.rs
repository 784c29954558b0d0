//! The permissions of one connection: its user's rules, answers remembered, and replies it may give.

use std::{sync::Arc, time::Instant};

use super::{Permissions, ResponseTracker, SubscribeDecision, decision_cache::DecisionCache};

/// Asked for each message of a connection whose user has permissions. A connection without any keeps none of these.
#[derive(Debug)]
pub struct ConnectionPermissions {
    permissions: Arc<Permissions>,
    publish_answers: DecisionCache,
    delivery_answers: DecisionCache,
    responses: Option<ResponseTracker>,
}

impl ConnectionPermissions {
    pub fn new(permissions: Arc<Permissions>) -> Self {
        Self {
            responses: permissions.response_limit().map(ResponseTracker::new),
            permissions,
            publish_answers: DecisionCache::default(),
            delivery_answers: DecisionCache::default(),
        }
    }

    pub fn permissions(&self) -> &Arc<Permissions> {
        &self.permissions
    }

    /// Whether the client may publish to `subject` now. A publish that only a reply it was handed allows uses that
    /// reply up.
    pub fn publish_allowed(&mut self, subject: &[u8], now: Instant) -> bool {
        self.allowed_by_rules(subject)
            || self.responses.as_mut().is_some_and(|responses| responses.take(subject, now))
    }

    pub fn subscribe_allowed(&self, filter: &[u8], queue: Option<&[u8]>) -> SubscribeDecision {
        self.permissions.subscribe_allowed(filter, queue)
    }

    /// Whether a message may go to a subscription that was [`SubscribeDecision::AllowedInPart`].
    pub fn delivery_allowed(&mut self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let queue_key = queue.unwrap_or_default();
        if let Some(allowed) = self.delivery_answers.get(subject, queue_key) {
            return allowed;
        }
        let allowed = self.permissions.delivery_allowed(subject, queue);
        self.delivery_answers.insert(subject, queue_key, allowed);
        allowed
    }

    /// To be told each reply subject that is delivered to the client.
    pub fn reply_delivered(&mut self, reply: &[u8], now: Instant) {
        if self.responses.is_some() && !self.allowed_by_rules(reply) {
            let responses = self.responses.as_mut().expect("seen a line above");
            responses.delivered(reply, now);
        }
    }

    fn allowed_by_rules(&mut self, subject: &[u8]) -> bool {
        if !self.permissions.restricts_publishing() {
            return true;
        }
        if let Some(allowed) = self.publish_answers.get(subject, b"") {
            return allowed;
        }
        let allowed = self.permissions.publish_allowed(subject);
        // Replies seldom come twice: they would only push out what is worth remembering.
        if allowed || self.responses.is_none() {
            self.publish_answers.insert(subject, b"", allowed);
        }
        allowed
    }
}

//! What a user may publish and subscribe to.
//!
//! [`Permissions`] are the rules of one user, compiled once and shared by its connections; they never change.
//! [`ConnectionPermissions`] is what one connection adds: answers it remembers, and the replies it may give.

mod connection;
mod decision_cache;
mod filters;
mod response_tracker;
mod tokens;
mod violation;

use std::time::Duration;

use natrium_config::options::auth::{PermissionOptions, ResponsePermissionOptions, SubjectPermissionOptions};

use self::filters::{QueueFilters, SubjectFilters};
pub use self::{
    connection::ConnectionPermissions, filters::InvalidFilter, response_tracker::ResponseTracker,
    violation::Violation,
};

/// The rules of one user. Deny wins over allow; a list that is absent or empty allows all, or denies nothing.
#[derive(Debug, PartialEq)]
pub struct Permissions {
    publish: PublishRules,
    subscribe: SubscribeRules,
    responses: Option<ResponseLimit>,
}

/// `allow_responses`: how far a client may answer on reply subjects that were delivered to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimit {
    /// Publishes to one reply subject; `None` is no limit.
    pub max: Option<u64>,
    /// How long after the delivery; `None` is for ever.
    pub expires: Option<Duration>,
}

/// Whether a client may subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeDecision {
    Denied,
    Allowed,
    /// Allowed, but a deny entry takes part of what the wildcards stand for: each delivery must be asked about
    /// ([`Permissions::delivery_allowed`]).
    AllowedInPart,
}

/// Which list of which block an invalid entry stands in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    #[error("publish allow: {0}")]
    PublishAllow(#[source] InvalidFilter),
    #[error("publish deny: {0}")]
    PublishDeny(#[source] InvalidFilter),
    #[error("subscribe allow: {0}")]
    SubscribeAllow(#[source] InvalidFilter),
    #[error("subscribe deny: {0}")]
    SubscribeDeny(#[source] InvalidFilter),
}

#[derive(Debug, PartialEq)]
struct PublishRules {
    /// `None`: everything. Empty: nothing, which is what `allow_responses` without a list means.
    allow: Option<SubjectFilters>,
    deny: SubjectFilters,
}

#[derive(Debug, PartialEq)]
struct SubscribeRules {
    /// `None`: everything.
    allow: Option<QueueFilters>,
    deny: QueueFilters,
}

impl Permissions {
    /// Compiles the rules as they stand in the configuration.
    ///
    /// # Errors
    /// An entry that is not a subject; a queue group where the list takes none.
    pub fn compile(options: &PermissionOptions) -> Result<Self, PermissionError> {
        let publish = options.publish.as_ref();
        let subscribe = options.subscribe.as_ref();
        let mut publish_allow = match allow_list(publish) {
            Some(list) => Some(SubjectFilters::compile(list).map_err(PermissionError::PublishAllow)?),
            None => None,
        };
        if options.allow_responses.is_some() {
            // A user that may only respond is not allowed everything for want of a list.
            publish_allow.get_or_insert_default();
        }
        Ok(Self {
            publish: PublishRules {
                allow: publish_allow,
                deny: SubjectFilters::compile(deny_list(publish)).map_err(PermissionError::PublishDeny)?,
            },
            subscribe: SubscribeRules {
                allow: match allow_list(subscribe) {
                    Some(list) => Some(QueueFilters::compile(list).map_err(PermissionError::SubscribeAllow)?),
                    None => None,
                },
                deny: QueueFilters::compile(deny_list(subscribe)).map_err(PermissionError::SubscribeDeny)?,
            },
            responses: options.allow_responses.as_ref().map(ResponseLimit::from_options),
        })
    }

    /// Whether `subject` may be published to, responses aside.
    pub fn publish_allowed(&self, subject: &[u8]) -> bool {
        let PublishRules { allow, deny } = &self.publish;
        allow.as_ref().is_none_or(|allow| allow.matches(subject)) && !deny.matches(subject)
    }

    /// Whether `filter` may be subscribed to, in a queue group or plainly.
    ///
    /// An allow entry without a queue allows every queue group, unless the subject has entries with queues as well:
    /// then the group must be among those. A wildcard of `filter` counts as a token that only a wildcard of a rule
    /// matches.
    pub fn subscribe_allowed(&self, filter: &[u8], queue: Option<&[u8]>) -> SubscribeDecision {
        let SubscribeRules { allow, deny } = &self.subscribe;
        let allowed = allow.as_ref().is_none_or(|allow| match queue {
            Some(queue) => allow.queue_verdict(filter, queue).unwrap_or_else(|| allow.matches_plain(filter)),
            None => allow.matches_plain(filter),
        });
        if !allowed || deny.forbids(filter, queue) {
            SubscribeDecision::Denied
        } else if deny.meets_wildcards_of(filter) {
            SubscribeDecision::AllowedInPart
        } else {
            SubscribeDecision::Allowed
        }
    }

    /// Whether a message on `subject` may go to a subscription of this user. Needs asking only for subscriptions
    /// that were [`SubscribeDecision::AllowedInPart`].
    pub fn delivery_allowed(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        !self.subscribe.deny.forbids(subject, queue)
    }

    /// Whether there is anything a client of this user may not publish to.
    pub fn restricts_publishing(&self) -> bool {
        self.publish.allow.is_some() || !self.publish.deny.is_empty()
    }

    pub fn response_limit(&self) -> Option<ResponseLimit> {
        self.responses
    }
}

impl ResponseLimit {
    fn from_options(options: &ResponsePermissionOptions) -> Self {
        Self {
            max: match options.max {
                0 => Some(RESPONSES_MAX_DEFAULT),
                max => u64::try_from(max).ok(),
            },
            expires: (!options.expires.is_zero()).then_some(options.expires),
        }
    }
}

/// An empty list is no list, as the reference reads it: it allows everything.
fn allow_list(options: Option<&SubjectPermissionOptions>) -> Option<&[String]> {
    options?.allow.as_deref().filter(|list| !list.is_empty())
}

fn deny_list(options: Option<&SubjectPermissionOptions>) -> &[String] {
    options.and_then(|options| options.deny.as_deref()).unwrap_or_default()
}

/// `allow_responses` without `max`.
const RESPONSES_MAX_DEFAULT: u64 = 1;

#[cfg(test)]
mod tests;

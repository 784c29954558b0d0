//! Lists of filters compiled for one question: is this subject among them.
//!
//! Permission lists are short and their answers are remembered by each connection, so the wildcards are tried one by
//! one; literals, of which there may be many, are found by binary search.

use natrium_wire::quote::quoted;

use super::tokens::{collides, has_no_empty_token, is_literal, is_subset, is_valid_filter, matches};

/// An entry of a permission list that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("subject {} is not a valid subject", quoted(.0.as_bytes()))]
    Subject(String),
    #[error("queue {} is not a valid queue", quoted(.0.as_bytes()))]
    Queue(String),
}

/// Entries of the form `subject`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SubjectFilters {
    /// Sorted.
    literals: Vec<Box<[u8]>>,
    wildcards: Vec<Box<[u8]>>,
}

impl SubjectFilters {
    pub(super) fn compile(list: &[String]) -> Result<Self, InvalidFilter> {
        let mut filters = Self::default();
        for entry in list {
            if !is_valid_filter(entry.as_bytes()) {
                return Err(InvalidFilter::Subject(entry.clone()));
            }
            filters.push(entry);
        }
        filters.literals.sort_unstable();
        Ok(filters)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.wildcards.is_empty()
    }

    /// Wildcard characters of `subject` are tokens like any other. A subject with an empty token is matched by
    /// nothing, `>` included.
    pub(super) fn matches(&self, subject: &[u8]) -> bool {
        has_no_empty_token(subject)
            && (self.literals.binary_search_by(|literal| (**literal).cmp(subject)).is_ok()
                || self.wildcards.iter().any(|filter| matches(subject, filter)))
    }

    /// Whether one subject at least is among these filters and `filter`'s as well.
    fn collides(&self, filter: &[u8]) -> bool {
        self.literals.iter().chain(&self.wildcards).any(|ours| collides(ours, filter))
    }

    fn push(&mut self, filter: &str) {
        let list = if is_literal(filter.as_bytes()) { &mut self.literals } else { &mut self.wildcards };
        list.push(filter.as_bytes().into());
    }
}

/// Entries of the form `subject` or `subject queue`, both of which may hold wildcards.
#[derive(Debug, Default, PartialEq)]
pub(super) struct QueueFilters {
    plain: SubjectFilters,
    queued: Vec<QueuedFilter>,
}

#[derive(Debug, PartialEq)]
struct QueuedFilter {
    subject: Box<[u8]>,
    queue: Box<[u8]>,
}

impl QueueFilters {
    pub(super) fn compile(list: &[String]) -> Result<Self, InvalidFilter> {
        let mut filters = Self::default();
        for entry in list {
            if is_valid_filter(entry.as_bytes()) {
                filters.plain.push(entry);
                continue;
            }
            let fields: Vec<&str> = entry.split_whitespace().collect();
            let &[subject, queue] = fields.as_slice() else {
                return Err(InvalidFilter::Subject(entry.clone()));
            };
            if !is_valid_filter(subject.as_bytes()) {
                return Err(InvalidFilter::Subject(subject.to_owned()));
            }
            if !is_valid_filter(queue.as_bytes()) {
                return Err(InvalidFilter::Queue(queue.to_owned()));
            }
            filters
                .queued
                .push(QueuedFilter { subject: subject.as_bytes().into(), queue: queue.as_bytes().into() });
        }
        filters.plain.literals.sort_unstable();
        Ok(filters)
    }

    pub(super) fn matches_plain(&self, subject: &[u8]) -> bool {
        self.plain.matches(subject)
    }

    /// What the entries with a queue say of `queue` on `subject`: `None` where they do not speak of the subject.
    pub(super) fn queue_verdict(&self, subject: &[u8], queue: &[u8]) -> Option<bool> {
        if !has_no_empty_token(subject) {
            return None;
        }
        let mut verdict = None;
        for entry in self.queued.iter().filter(|entry| matches(subject, &entry.subject)) {
            // A group may have a name with wildcards, and is then named by the same name.
            if *entry.queue == *queue || (!is_literal(&entry.queue) && is_subset(queue, &entry.queue)) {
                return Some(true);
            }
            verdict = Some(false);
        }
        verdict
    }

    /// As a deny list: an entry without a queue forbids the subject to all, one with a queue to that group only.
    pub(super) fn forbids(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.plain.matches(subject)
            || queue.is_some_and(|queue| self.queue_verdict(subject, queue).unwrap_or(false))
    }

    /// Whether `filter` has wildcards that stand for a subject of some entry.
    pub(super) fn meets_wildcards_of(&self, filter: &[u8]) -> bool {
        !is_literal(filter)
            && (self.plain.collides(filter)
                || self.queued.iter().any(|entry| collides(&entry.subject, filter)))
    }
}

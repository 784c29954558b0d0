//! `allow_responses`: the reply subjects a connection was handed and may still publish to.

use std::{collections::BTreeMap, mem, time::Instant};

use smallvec::SmallVec;

use super::ResponseLimit;

/// Replies in two generations. New ones enter the young; when that is full, or its first is past its time, it becomes
/// the old one and what was old is forgotten. So memory is bounded and no turn ever scans the table.
#[derive(Debug)]
pub struct ResponseTracker {
    limit: ResponseLimit,
    young: Generation,
    old: Generation,
    /// Entries of the young generation that make it old.
    generation_count_max: usize,
}

#[derive(Debug, Default)]
struct Generation {
    replies: BTreeMap<Reply, Tracked>,
    /// When the first entry came.
    since: Option<Instant>,
}

/// Inline up to the length of the usual inbox.
type Reply = SmallVec<[u8; 48]>;

#[derive(Clone, Copy, Debug)]
struct Tracked {
    delivered_at: Instant,
    used: u64,
}

impl ResponseTracker {
    pub fn new(limit: ResponseLimit) -> Self {
        Self {
            limit,
            young: Generation::default(),
            old: Generation::default(),
            generation_count_max: GENERATION_COUNT_MAX,
        }
    }

    /// Notes that a message with this reply subject was delivered.
    ///
    /// A reply that is already known and may still be published to is counted as used once more, not noted afresh:
    /// so the reference counts, and so a service that gets two requests with one reply subject before it answers
    /// has no answer left when `max` is 1.
    pub fn delivered(&mut self, reply: &[u8], now: Instant) {
        if self.take(reply, now) {
            return;
        }
        let aged = match (self.limit.expires, self.young.since) {
            (Some(expires), Some(since)) => now.saturating_duration_since(since) > expires,
            (None, _) | (_, None) => false,
        };
        if aged || self.young.replies.len() >= self.generation_count_max {
            self.old = mem::take(&mut self.young);
        }
        self.young.since.get_or_insert(now);
        self.young.replies.insert(Reply::from_slice(reply), Tracked { delivered_at: now, used: 0 });
    }

    /// Whether one more response may be published to `reply`; uses it up if so.
    pub fn take(&mut self, reply: &[u8], now: Instant) -> bool {
        let generation = if self.young.replies.contains_key(reply) { &mut self.young } else { &mut self.old };
        let Some(tracked) = generation.replies.get_mut(reply) else { return false };
        tracked.used += 1;
        let in_count = self.limit.max.is_none_or(|max| tracked.used <= max);
        let in_time = self
            .limit
            .expires
            .is_none_or(|expires| now.saturating_duration_since(tracked.delivered_at) <= expires);
        // The last permitted use ends the entry as well: nothing could be taken from it any more.
        if !in_count || !in_time || self.limit.max == Some(tracked.used) {
            generation.replies.remove(reply);
        }
        in_count && in_time
    }

    /// How many reply subjects are remembered, past ones included.
    pub fn count(&self) -> usize {
        self.young.replies.len() + self.old.replies.len()
    }
}

/// A service that leaves more requests than this unanswered, within `expires`, loses the right to answer the oldest.
/// The reference keeps them all; two generations of these are some 100 MB, and the limit keeps a requester that is
/// never answered from taking more.
const GENERATION_COUNT_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tracker(max: Option<u64>, expires: Option<Duration>) -> ResponseTracker {
        ResponseTracker::new(ResponseLimit { max, expires })
    }

    fn start() -> Instant {
        // The one clock reading of these tests: an `Instant` has no other origin.
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    #[test]
    fn only_the_permitted_number_of_responses_passes() {
        let now = start();
        let mut tracker = tracker(Some(2), Some(Duration::from_secs(3600)));
        tracker.delivered(b"reply", now);
        assert!(tracker.take(b"reply", now));
        assert!(tracker.take(b"reply", now));
        assert!(!tracker.take(b"reply", now));
        assert!(!tracker.take(b"other", now));
        assert_eq!(tracker.count(), 0);
    }

    #[test]
    fn without_expiry_a_response_passes_at_any_time() {
        let now = start();
        let mut tracker = tracker(Some(3), None);
        tracker.delivered(b"reply", now);
        assert!(tracker.take(b"reply", now));
        assert!(tracker.take(b"reply", now + Duration::from_secs(1_000_000)));
    }

    #[test]
    fn an_expired_response_is_refused() {
        let now = start();
        for max in [Some(1000), None] {
            let mut tracker = tracker(max, Some(Duration::from_millis(100)));
            tracker.delivered(b"reply", now);
            assert!(tracker.take(b"reply", now + Duration::from_millis(100)));
            assert!(!tracker.take(b"reply", now + Duration::from_millis(101)));
            assert!(!tracker.take(b"reply", now));
        }
    }

    #[test]
    fn a_reply_delivered_again_counts_as_used_until_it_is_used_up() {
        let now = start();
        let mut tracker = tracker(Some(1), None);
        tracker.delivered(b"reply", now);
        tracker.delivered(b"reply", now);
        assert!(!tracker.take(b"reply", now));
        tracker.delivered(b"reply", now);
        assert!(tracker.take(b"reply", now));
        tracker.delivered(b"reply", now);
        assert!(tracker.take(b"reply", now));
    }

    // go: test/norace_test.go TestNoRaceDynamicResponsePermsMemory
    #[test]
    fn replies_never_answered_are_forgotten_after_two_lifetimes() {
        let start = start();
        let mut tracker = tracker(Some(1), Some(Duration::from_millis(10)));
        for number in 0_u32..10_000 {
            let now = start + number * Duration::from_micros(100);
            tracker.delivered(format!("resp.{number}").as_bytes(), now);
            assert!(tracker.count() <= 210, "{} replies are kept after {number}", tracker.count());
        }
    }

    #[test]
    fn without_expiry_the_number_of_replies_is_bounded() {
        let now = start();
        let mut tracker = tracker(None, None);
        tracker.generation_count_max = 100;
        for number in 0..1000 {
            tracker.delivered(format!("resp.{number}").as_bytes(), now);
            assert!(tracker.count() <= 200);
        }
        assert!(tracker.take(b"resp.999", now));
        assert!(tracker.take(b"resp.900", now));
        assert!(!tracker.take(b"resp.0", now));
    }
}

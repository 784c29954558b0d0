//! `connection_rate_limit`: how many handshakes begin in a second.

use std::time::{Duration, Instant};

/// Counts the handshakes of one window after the other; a window opens with the first handshake after the last one's end.
#[derive(Debug)]
pub struct HandshakeRate {
    limit: u32,
    /// End of the open window, itself inside.
    window_end: Option<Instant>,
    begun: u32,
    refused: u64,
}

impl HandshakeRate {
    /// `limit`: handshakes a second, over all connections that share this value.
    pub fn new(limit: u32) -> Self {
        Self { limit, window_end: None, begun: 0, refused: 0 }
    }

    /// Whether one more handshake may begin at `now`.
    pub fn admit(&mut self, now: Instant) -> bool {
        if self.window_end.is_none_or(|end| now > end) {
            self.window_end = Some(now + WINDOW);
            self.begun = 0;
        }
        if self.begun < self.limit {
            self.begun += 1;
            true
        } else {
            self.refused += 1;
            false
        }
    }

    /// How many were refused since [`Self::take_refused`] was asked last.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many were refused since this was asked last; what the log says once a second.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/rate_counter_test.go TestRateCounter
    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
    fn a_window_admits_its_limit_and_the_next_one_again() {
        let start = Instant::now();
        let mut rate = HandshakeRate::new(10);
        assert!((0..10).all(|_| rate.admit(start)));
        assert!((0..4).all(|_| !rate.admit(start)));
        assert!(!rate.admit(start + WINDOW), "the end of a window belongs to it");
        assert_eq!(rate.refused(), 5);
        assert_eq!(rate.take_refused(), 5);
        assert_eq!(rate.refused(), 0);
        assert_eq!(rate.take_refused(), 0);
        assert!(rate.admit(start + WINDOW + Duration::from_nanos(1)));
    }
}

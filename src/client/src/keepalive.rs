//! PING and PONG: is the other side still there, and how far away is it?

use std::time::{Duration, Instant};

use natrium_model::limits;

/// Decides when a client is pinged, and when it counts as gone.
#[derive(Debug)]
pub struct Keepalive {
    interval: Duration,
    /// PINGs that may stay unanswered.
    outstanding_max: u32,
    outstanding: u32,
    next: Instant,
    /// When data or a PING last came: a client that speaks need not be asked.
    last_input: Instant,
    /// When the last PING went out.
    pinged: Option<Instant>,
    rtt: Option<Duration>,
}

/// What to do when the timer of a [`Keepalive`] has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Not yet, or the client spoke lately.
    Nothing,
    SendPing,
    /// Too many PINGs went unanswered.
    Stale,
}

/// A round trip older than this is measured again even if the client speaks.
const RTT_AGE_MAX: Duration = Duration::from_secs(3600);
/// A clock too coarse for the way must not make a round trip look unknown.
const RTT_MIN: Duration = Duration::from_nanos(1);

impl Keepalive {
    /// The first PING is due after one interval, unless CONNECT comes before ([`Self::connected`]).
    pub fn new(interval: Duration, outstanding_max: u32, now: Instant) -> Self {
        Self {
            interval,
            outstanding_max,
            outstanding: 0,
            next: now + interval,
            last_input: now,
            pinged: None,
            rtt: None,
        }
    }

    /// After CONNECT the first PING comes early, to learn the round trip; spread by up to a fifth (`random` is any number)
    /// so that clients that reconnect together are not pinged together.
    pub fn connected(&mut self, connected_after: Duration, random: u64, now: Instant) {
        let first = self.interval.min(limits::FIRST_PING_INTERVAL);
        let spread = u64::try_from((first / 5).as_nanos()).unwrap_or(u64::MAX).max(1);
        self.next = now + first + Duration::from_nanos(random % spread);
        self.rtt = Some(connected_after.max(RTT_MIN));
    }

    /// A message, a change of interest or a PING came.
    pub fn input(&mut self, now: Instant) {
        self.last_input = now;
    }

    /// The other side answered.
    pub fn pong(&mut self, now: Instant) {
        if self.outstanding > 0
            && let Some(pinged) = self.pinged
        {
            self.rtt = Some(now.saturating_duration_since(pinged).max(RTT_MIN));
        }
        self.outstanding = 0;
    }

    /// What is due at `now`. The next PING is then an interval away.
    pub fn tick(&mut self, now: Instant) -> Tick {
        if now < self.next {
            return Tick::Nothing;
        }
        self.next = now + self.interval;
        let spoke = now.saturating_duration_since(self.last_input) < self.interval;
        let rtt_is_fresh =
            self.pinged.is_some_and(|pinged| now.saturating_duration_since(pinged) <= RTT_AGE_MAX);
        if spoke && rtt_is_fresh {
            return Tick::Nothing;
        }
        if self.outstanding + 1 > self.outstanding_max {
            return Tick::Stale;
        }
        self.outstanding += 1;
        self.pinged = Some(now);
        Tick::SendPing
    }

    /// When [`Self::tick`] has something to do.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// The last round trip; before any, how long after the start CONNECT came.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn some_instant() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    #[test]
    fn silence_is_asked_and_then_given_up() {
        let start = some_instant();
        let mut keepalive = Keepalive::new(INTERVAL, 2, start);
        assert_eq!(keepalive.tick(start + INTERVAL / 2), Tick::Nothing);
        assert_eq!(keepalive.tick(start + INTERVAL), Tick::SendPing);
        assert_eq!(keepalive.tick(start + 2 * INTERVAL), Tick::SendPing);
        assert_eq!(keepalive.tick(start + 3 * INTERVAL), Tick::Stale);
    }

    #[test]
    fn an_answer_starts_the_count_again() {
        let start = some_instant();
        let mut keepalive = Keepalive::new(INTERVAL, 1, start);
        for round in 1..5 {
            assert_eq!(keepalive.tick(start + round * INTERVAL), Tick::SendPing);
            keepalive.pong(start + round * INTERVAL + Duration::from_millis(3));
        }
        assert_eq!(keepalive.rtt(), Some(Duration::from_millis(3)));
    }

    #[test]
    fn a_client_that_speaks_is_asked_only_for_its_round_trip() {
        let start = some_instant();
        let mut keepalive = Keepalive::new(INTERVAL, 2, start);
        keepalive.input(start + INTERVAL - Duration::from_secs(1));
        assert_eq!(keepalive.tick(start + INTERVAL), Tick::SendPing, "the round trip is not known yet");
        keepalive.pong(start + INTERVAL);
        keepalive.input(start + 2 * INTERVAL - Duration::from_secs(1));
        assert_eq!(keepalive.tick(start + 2 * INTERVAL), Tick::Nothing);
    }

    #[test]
    fn the_first_ping_after_connect_comes_early() {
        let start = some_instant();
        let mut keepalive = Keepalive::new(Duration::from_secs(120), 2, start);
        keepalive.connected(Duration::from_millis(1), 0, start);
        assert_eq!(keepalive.next(), start + limits::FIRST_PING_INTERVAL);
        keepalive.connected(Duration::from_millis(1), u64::MAX, start);
        assert!(keepalive.next() < start + limits::FIRST_PING_INTERVAL * 6 / 5);
    }
}

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
    /// When the round trip in progress, or the last one, began.
    rtt_started: Instant,
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

impl Keepalive {
    pub fn new(interval: Duration, outstanding_max: u32, now: Instant) -> Self {
        Self {
            interval,
            outstanding_max,
            outstanding: 0,
            next: now + interval,
            last_input: now,
            rtt_started: now,
            rtt: None,
        }
    }

    /// After CONNECT the first PING comes early, to learn the round trip; spread by up to a fifth (`random` is any number)
    /// so that clients that reconnect together are not pinged together.
    pub fn connected(&mut self, connected_after: Duration, random: u64, now: Instant) {
        let first = self.interval.min(limits::FIRST_PING_INTERVAL);
        let spread = u64::try_from((first / 5).as_nanos()).unwrap_or(u64::MAX).max(1);
        self.next = now + first + Duration::from_nanos(random % spread);
        self.rtt = Some(connected_after);
    }

    pub fn input(&mut self, now: Instant) {
        self.last_input = now;
    }

    pub fn pong(&mut self, now: Instant) {
        if self.outstanding > 0 {
            self.rtt = Some(now.saturating_duration_since(self.rtt_started).max(Duration::from_nanos(1)));
        }
        self.outstanding = 0;
    }

    pub fn tick(&mut self, now: Instant) -> Tick {
        if now < self.next {
            return Tick::Nothing;
        }
        self.next = now + self.interval;
        let spoke = now.saturating_duration_since(self.last_input) < self.interval;
        let rtt_is_known =
            self.rtt.is_some() && now.saturating_duration_since(self.rtt_started) <= RTT_AGE_MAX;
        if spoke && rtt_is_known {
            return Tick::Nothing;
        }
        if self.outstanding + 1 > self.outstanding_max {
            return Tick::Stale;
        }
        self.outstanding += 1;
        self.rtt_started = now;
        Tick::SendPing
    }

    pub fn next(&self) -> Instant {
        self.next
    }

    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn silence_is_asked_and_then_given_up() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, 2, start);
        assert_eq!(keepalive.tick(start + INTERVAL / 2), Tick::Nothing);
        assert_eq!(keepalive.tick(start + INTERVAL), Tick::SendPing);
        assert_eq!(keepalive.tick(start + 2 * INTERVAL), Tick::SendPing);
        assert_eq!(keepalive.tick(start + 3 * INTERVAL), Tick::Stale);
    }

    #[test]
    fn an_answer_starts_the_count_again() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, 1, start);
        for round in 1..5 {
            assert_eq!(keepalive.tick(start + round * INTERVAL), Tick::SendPing);
            keepalive.pong(start + round * INTERVAL + Duration::from_millis(3));
        }
        assert_eq!(keepalive.rtt(), Some(Duration::from_millis(3)));
    }

    #[test]
    fn a_client_that_speaks_is_asked_only_for_its_round_trip() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, 2, start);
        keepalive.input(start + INTERVAL - Duration::from_secs(1));
        assert_eq!(keepalive.tick(start + INTERVAL), Tick::SendPing, "the round trip is not known yet");
        keepalive.pong(start + INTERVAL);
        keepalive.input(start + 2 * INTERVAL - Duration::from_secs(1));
        assert_eq!(keepalive.tick(start + 2 * INTERVAL), Tick::Nothing);
    }

    #[test]
    fn the_first_ping_after_connect_comes_early() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(Duration::from_secs(120), 2, start);
        keepalive.connected(Duration::from_millis(1), 0, start);
        assert_eq!(keepalive.next(), start + limits::FIRST_PING_INTERVAL);
        keepalive.connected(Duration::from_millis(1), u64::MAX, start);
        assert!(keepalive.next() < start + limits::FIRST_PING_INTERVAL * 6 / 5);
    }
}

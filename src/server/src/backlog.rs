//! How long a client may take to read what waits for it.

use std::time::{Duration, Instant};

use natrium_config::options::client::WriteTimeout;

/// Output that a client's socket did not take at once.
///
/// It leaves in batches, each of which has the write deadline to go (the reference: one vectored write). What comes
/// meanwhile belongs to the next batch, so that a client that reads steadily is judged by what it was given to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    since: Instant,
    /// Bytes of this batch that are not written yet.
    left: usize,
    /// Some of the batch was written.
    moves: bool,
}

/// What is to be done about a backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Patience,
    /// The deadline passed. It is tried again, with a deadline of its own.
    Late,
    /// The deadline passed, and the client is given up.
    Hopeless,
}

/// Bytes a client is given a deadline for: as many as the reference hands to the kernel at once.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Backlog {
    /// `pending` bytes wait at `now`; `moves` tells whether the socket took some of them before it was full.
    pub(crate) fn new(pending: usize, moves: bool, now: Instant) -> Self {
        Self { since: now, left: pending.min(BATCH_BYTES_MAX), moves }
    }

    /// The socket took `bytes`, and `pending` are still waiting. How long the batch took, if this was the end of it.
    pub(crate) fn written(&mut self, bytes: usize, pending: usize, now: Instant) -> Option<Duration> {
        self.moves |= bytes > 0;
        if bytes < self.left {
            self.left -= bytes;
            return None;
        }
        let took = now.saturating_duration_since(self.since);
        *self = Self::new(pending, true, now);
        Some(took)
    }

    /// Judges the backlog; one that is tried again gets a new deadline for all that is `pending`.
    pub(crate) fn judge(
        &mut self,
        pending: usize,
        deadline: Duration,
        policy: WriteTimeout,
        now: Instant,
    ) -> Verdict {
        if now.saturating_duration_since(self.since) < deadline {
            return Verdict::Patience;
        }
        match policy {
            // A client that took nothing at all is beyond patience.
            WriteTimeout::Retry if self.moves => {
                *self = Self::new(pending, false, now);
                Verdict::Late
            }
            WriteTimeout::Retry | WriteTimeout::Default | WriteTimeout::Close => Verdict::Hopeless,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_batch_has_the_deadline_to_go_however_often_it_moves() {
        let start = Instant::now();
        let mut backlog = Backlog::new(100, true, start);
        for second in 1..10 {
            assert_eq!(backlog.written(1, 1000, start + second * SECOND), None);
            let verdict = backlog.judge(1000, DEADLINE, WriteTimeout::Close, start + second * SECOND);
            assert_eq!(verdict, Verdict::Patience);
        }
        let verdict = backlog.judge(1000, DEADLINE, WriteTimeout::Close, start + DEADLINE);
        assert_eq!(verdict, Verdict::Hopeless);
    }

    #[test]
    fn a_client_that_takes_batch_after_batch_is_never_late() {
        let start = Instant::now();
        let mut backlog = Backlog::new(2 * BATCH_BYTES_MAX, false, start);
        let mut now = start;
        for _ in 0..5 {
            now += DEADLINE - SECOND;
            let took = backlog.written(BATCH_BYTES_MAX, BATCH_BYTES_MAX, now);
            assert_eq!(took, Some(DEADLINE - SECOND));
            assert_eq!(backlog.judge(7, DEADLINE, WriteTimeout::Default, now + SECOND), Verdict::Patience);
        }
    }

    // go: server/client_test.go TestClientConfigureWriteTimeoutPolicy
    #[test]
    fn clients_are_closed_unless_they_are_to_be_tried_again() {
        let start = Instant::now();
        for (policy, verdict) in [
            (WriteTimeout::Default, Verdict::Hopeless),
            (WriteTimeout::Close, Verdict::Hopeless),
            (WriteTimeout::Retry, Verdict::Late),
        ] {
            let mut backlog = Backlog::new(100, true, start);
            assert_eq!(backlog.judge(100, DEADLINE, policy, start + DEADLINE), verdict, "{policy:?}");
        }
    }

    #[test]
    fn who_takes_nothing_when_tried_again_is_given_up() {
        let start = Instant::now();
        let mut backlog = Backlog::new(100, true, start);
        let retry = |backlog: &mut Backlog, at: u32| {
            backlog.judge(100, DEADLINE, WriteTimeout::Retry, start + at * SECOND)
        };
        assert_eq!(retry(&mut backlog, 10), Verdict::Late);
        assert_eq!(backlog.written(1, 99, start + 15 * SECOND), None);
        assert_eq!(retry(&mut backlog, 19), Verdict::Patience);
        assert_eq!(retry(&mut backlog, 20), Verdict::Late);
        assert_eq!(retry(&mut backlog, 30), Verdict::Hopeless);
    }
}

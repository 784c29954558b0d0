//! When to let a client's input gather: many small reads in a row cost a system call and a wake-up each, on both sides.
//!
//! A client that writes message by message faster than a wake-up takes is read at intervals instead. One that waits for an
//! answer before it sends again never gets there: its reads are further apart.

use std::time::{Duration, Instant};

/// How one client's reads follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pacing {
    last: Option<Instant>,
    /// Small reads in a row that came quickly.
    quick: u8,
    gathering: bool,
}

/// Fewer bytes than this are a small read.
const SMALL_READ_BYTES: usize = 2048;
/// Reads closer together than this are quick: about what it costs to sleep and to be woken.
const QUICK: Duration = Duration::from_micros(12);
/// So many quick small reads in a row are a habit.
const HABIT: u8 = 16;
/// How long input gathers. Added to the latency of a stream of small writes, and of nothing else.
pub(crate) const GATHERING_TIME: Duration = Duration::from_micros(40);

impl Pacing {
    /// A read took `bytes` at `now`. Whether the next one had better wait for [`GATHERING_TIME`].
    pub(crate) fn read(&mut self, bytes: usize, now: Instant) -> bool {
        let since = self.last.replace(now).map(|last| now.saturating_duration_since(last));
        if self.gathering {
            return true;
        }
        let is_quick = bytes < SMALL_READ_BYTES && since.is_some_and(|since| since < QUICK);
        self.quick = if is_quick { self.quick + 1 } else { 0 };
        self.gathering = self.quick >= HABIT;
        self.gathering
    }

    /// Nothing was there to be read: the client has paused.
    pub(crate) fn idle(&mut self) {
        if self.gathering {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of `bytes`, each `apart` from the last; says which of them ask to wait.
    fn reads(pacing: &mut Pacing, bytes: usize, apart: Duration, count: u32) -> Vec<bool> {
        let start = Instant::now();
        (0..count).map(|index| pacing.read(bytes, start + apart * index)).collect()
    }

    #[test]
    fn quick_small_reads_are_gathered_until_the_client_pauses() {
        let mut pacing = Pacing::default();
        let waits = reads(&mut pacing, 30, Duration::from_micros(5), 30);
        assert!(!waits[usize::from(HABIT) - 1] && waits[usize::from(HABIT)] && waits[29]);
        pacing.idle();
        assert!(!pacing.read(30, Instant::now()));
    }

    #[test]
    fn slow_or_large_reads_are_not() {
        let slow = reads(&mut Pacing::default(), 30, Duration::from_micros(50), 100);
        let large = reads(&mut Pacing::default(), 64 * 1024, Duration::from_micros(5), 100);
        assert!(!slow.contains(&true) && !large.contains(&true));
    }
}

//! When to let a client's input gather: many small reads in a row cost a system call and a wake-up each, on both sides.
//!
//! A client that writes message by message faster than a wake-up takes is read at intervals instead. One that waits for an
//! answer before it writes again gains nothing by that, and shows it: what gathers is no more than it wrote at a time before.
//! It is left in peace then, for longer each time.

use std::time::{Duration, Instant};

/// How one client's reads follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pacing {
    last: Option<Instant>,
    /// Small reads in a row that came quickly.
    quick: u16,
    /// So many of them are a habit.
    habit: u16,
    gathering: bool,
    /// Bytes of the largest of them.
    alone: usize,
}

/// Fewer bytes than this are a small read.
const SMALL_READ_BYTES: usize = 2048;
/// Reads closer together than this are quick: about what it costs to sleep and to be woken.
const QUICK: Duration = Duration::from_micros(12);
/// So many quick small reads in a row are a habit, at first and after gathering was in vain again and again. The longest costs
/// a client that waits for answers less than a hundredth of a microsecond a message.
const HABIT: u16 = 16;
const HABIT_MAX: u16 = 8192;
/// How long input gathers. Added to the latency of a stream of small writes, and of nothing else.
pub(crate) const GATHERING_TIME: Duration = Duration::from_micros(40);

impl Default for Pacing {
    fn default() -> Self {
        Self { last: None, quick: 0, habit: HABIT, gathering: false, alone: 0 }
    }
}

impl Pacing {
    /// A read took `bytes` at `now`. Whether the next one had better wait for [`GATHERING_TIME`].
    pub(crate) fn read(&mut self, bytes: usize, now: Instant) -> bool {
        let since = self.last.replace(now).map(|last| now.saturating_duration_since(last));
        if self.gathering {
            self.gathering = bytes >= 2 * self.alone;
            self.quick = 0;
            self.habit = if self.gathering { HABIT } else { (self.habit * 2).min(HABIT_MAX) };
            return self.gathering;
        }
        let is_quick = bytes < SMALL_READ_BYTES && since.is_some_and(|since| since < QUICK);
        (self.quick, self.alone) =
            if is_quick { (self.quick + 1, self.alone.max(bytes)) } else { (0, bytes) };
        self.gathering = self.quick >= self.habit;
        self.gathering
    }

    /// Nothing was there to be read: the client has paused.
    pub(crate) fn idle(&mut self) {
        if self.gathering {
            *self = Self { habit: self.habit, ..Self::default() };
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
        let waits = reads(&mut pacing, 30, Duration::from_micros(5), u32::from(HABIT) + 1);
        assert!(!waits[usize::from(HABIT) - 1] && waits[usize::from(HABIT)]);
        assert!(!reads(&mut pacing, 300, Duration::from_micros(45), 30).contains(&false));
        pacing.idle();
        assert!(!pacing.read(30, Instant::now()));
    }

    #[test]
    fn a_client_that_waits_for_answers_is_soon_left_in_peace() {
        let mut pacing = Pacing::default();
        let waits = reads(&mut pacing, 30, Duration::from_micros(5), 100_000);
        let waits = waits.iter().filter(|waits| **waits).count();
        assert!((1..30).contains(&waits), "{waits}");
        // Once gathering helps, it is as quick to begin as ever.
        let start = Instant::now();
        let begun =
            (0..u32::from(HABIT_MAX) + 1).find(|at| pacing.read(30, start + *at * Duration::from_micros(5)));
        assert!(begun.is_some() && pacing.read(60, start));
        pacing.idle();
        assert_eq!(pacing, Pacing::default());
    }

    #[test]
    fn slow_or_large_reads_are_not() {
        let slow = reads(&mut Pacing::default(), 30, Duration::from_micros(50), 100);
        let large = reads(&mut Pacing::default(), 64 * 1024, Duration::from_micros(5), 100);
        assert!(!slow.contains(&true) && !large.contains(&true));
    }
}

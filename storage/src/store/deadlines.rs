//! Times at which something is to be done with a message, by time and by message.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use natrium_model::Timestamp;

use crate::timer_wheel::TimerWheel;

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    wheel: TimerWheel,
    times: HashMap<u64, Timestamp, FixedState>,
    /// Due, and out of the wheel already.
    ready: VecDeque<(u64, Timestamp)>,
}

impl Deadlines {
    /// Replaces the time the message had.
    pub(super) fn set(&mut self, seq: u64, time: Timestamp) {
        if let Some(before) = self.times.insert(seq, time) {
            self.wheel.remove(seq, before);
        }
        self.wheel.add(seq, time);
    }

    pub(super) fn remove(&mut self, seq: u64) {
        if !self.times.is_empty()
            && let Some(time) = self.times.remove(&seq)
        {
            self.wheel.remove(seq, time);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// No time is before this.
    #[must_use]
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.ready.front().map(|(_, time)| *time).or_else(|| self.wheel.next_due())
    }

    /// A message whose time has come. It stays until it is removed.
    pub(super) fn first_due(&mut self, now: Timestamp) -> Option<(u64, Timestamp)> {
        loop {
            if self.ready.is_empty() {
                let mut due = Vec::new();
                self.wheel.take_due(now, BATCH, &mut due);
                self.ready.extend(due);
            }
            let (seq, time) = *self.ready.front()?;
            if self.times.get(&seq) == Some(&time) {
                return Some((seq, time));
            }
            // It was removed, or has another time by now.
            self.ready.pop_front();
        }
    }

    /// Messages whose time has come, at most `max` of them; they are forgotten here.
    pub(super) fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<(u64, Timestamp)> {
        let mut due = Vec::new();
        while due.len() < max
            && let Some((seq, time)) = self.first_due(now)
        {
            self.remove(seq);
            due.push((seq, time));
        }
        due
    }

    #[must_use]
    pub(super) fn memory_bytes(&self) -> usize {
        // A time stands here, with its key, and again in the wheel.
        self.times.capacity() * 4 * size_of::<u64>()
    }
}

/// Entries that are taken out of the wheel at once.
const BATCH: usize = 64;

//! The last connections that ended, for `/connz?state=closed`.

use std::collections::VecDeque;

/// A bounded memory of closed connections: the newest push out the oldest.
///
/// Generic over what is kept, because it decides nothing by it. Space is taken as it fills, so a server whose clients
/// stay costs nothing.
#[derive(Clone, Debug)]
pub struct ClosedRing<T> {
    kept: VecDeque<T>,
    capacity: usize,
    total: u64,
}

impl<T> ClosedRing<T> {
    /// `capacity`: `max_closed_clients`, or a shard's part of it. With 0 nothing is kept and all is counted.
    pub fn new(capacity: usize) -> Self {
        Self { kept: VecDeque::new(), capacity, total: 0 }
    }

    pub fn push(&mut self, closed: T) {
        self.total += 1;
        if self.capacity == 0 {
            return;
        }
        if self.kept.len() == self.capacity {
            self.kept.pop_front();
        }
        self.kept.push_back(closed);
    }

    /// From the oldest to the newest.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.kept.iter()
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// All that ever ended, the forgotten ones included.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(ring: &ClosedRing<u64>) -> Vec<u64> {
        ring.iter().copied().collect()
    }

    // go: server/ring_test.go TestRBAppendAndLenAndTotal
    #[test]
    fn all_are_counted_and_no_more_kept_than_there_is_room_for() {
        let mut ring = ClosedRing::new(10);
        (0..5).for_each(|n| ring.push(n));
        assert_eq!((ring.len(), ring.total()), (5, 5));
        (0..25).for_each(|n| ring.push(n));
        assert_eq!((ring.len(), ring.total()), (10, 30));
    }

    #[test]
    fn the_newest_push_out_the_oldest() {
        let mut ring = ClosedRing::new(3);
        for n in 1..=5 {
            ring.push(n);
        }
        assert_eq!(kept(&ring), [3, 4, 5]);
        assert_eq!(ring.len(), 3);
        assert_eq!(ring.total(), 5);
    }

    #[test]
    fn a_ring_without_room_only_counts() {
        let mut ring = ClosedRing::new(0);
        ring.push(1);
        assert!(ring.is_empty());
        assert_eq!(ring.total(), 1);
    }

    proptest! {
        // go: server/ring_test.go TestRBclosedClients
        #[test]
        fn it_keeps_the_tail_of_all_that_was_pushed(capacity in 0_usize..20, pushed in 0_u64..60) {
            let mut ring = ClosedRing::new(capacity);
            for n in 0..pushed {
                ring.push(n);
            }
            let tail: Vec<u64> = (pushed.saturating_sub(capacity as u64)..pushed).collect();
            prop_assert_eq!(kept(&ring), tail);
            prop_assert_eq!(ring.total(), pushed);
        }
    }
}

//! When which message is due: a hashed wheel whose slots are ordered.
//!
//! A due time hashes to one of 64 slots by its tick of 4.3 s, so that one turn takes 275 s; what is due in later turns
//! waits in the same slot. A slot is ordered by due time, and the earliest due time of each slot stands in an array
//! beside them: the next due time is the least of 64 numbers, and a slot full of messages that are due at once, or in
//! years, is never gone through. The wheel has no hand, so it does not mind when a clock jumps or is set back.

use std::collections::BTreeSet;

use natrium_model::Timestamp;

/// Keys with due times. A key may have several due times, each an entry of its own.
#[derive(Debug, Default)]
pub struct TimerWheel {
    /// None until the first entry: most streams have no timers.
    wheel: Option<Box<Wheel>>,
    count: usize,
}

#[derive(Debug)]
struct Wheel {
    /// The least due time of each slot; [`NOT_DUE`] where it is empty.
    firsts: [i64; SLOTS],
    slots: [Slot; SLOTS],
}

/// Due time and key, so that keys that are due at once have an order too.
type Slot = BTreeSet<(i64, u64)>;

/// Enough to keep each slot's tree flat, few enough to look at all of them.
const SLOTS: usize = 64;
/// A tick is 2^32 ns.
const TICK_BITS: u32 = 32;
/// An entry may be due then too; `count` tells whether there is any.
const NOT_DUE: i64 = i64::MAX;

impl TimerWheel {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// False where `key` is due then already.
    pub fn add(&mut self, key: u64, due: Timestamp) -> bool {
        let at = slot_of(due);
        let wheel = self.wheel.get_or_insert_with(|| {
            Box::new(Wheel { firsts: [NOT_DUE; SLOTS], slots: [const { Slot::new() }; SLOTS] })
        });
        let added = wheel.slots[at].insert((due.0, key));
        if added {
            self.count += 1;
            wheel.firsts[at] = wheel.firsts[at].min(due.0);
        }
        added
    }

    /// False where `key` is not due then.
    pub fn remove(&mut self, key: u64, due: Timestamp) -> bool {
        let Some(wheel) = &mut self.wheel else { return false };
        let at = slot_of(due);
        let removed = wheel.slots[at].remove(&(due.0, key));
        if removed {
            self.count -= 1;
            wheel.settle(at);
        }
        removed
    }

    /// Moves `key` from one due time to another. False, and nothing is changed, where it is not due at `old`.
    pub fn update(&mut self, key: u64, old: Timestamp, new: Timestamp) -> bool {
        let known = self.remove(key, old);
        if known {
            self.add(key, new);
        }
        known
    }

    /// The earliest due time, exactly.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.wheel.as_ref().filter(|_| self.count > 0).map(|wheel| Timestamp(wheel.first()))
    }

    /// Takes out what is due at `now` or before, at most `max` entries, and appends them to `out` in the order of due
    /// times, and of keys where those are equal. What was cut off comes first in the next call. Gives how many it took;
    /// the work is that many times a removal, at worst with a look at the 64 slots for each.
    pub fn take_due(&mut self, now: Timestamp, max: usize, out: &mut Vec<(u64, Timestamp)>) -> usize {
        let mut taken = 0;
        let Some(wheel) = &mut self.wheel else { return 0 };
        while taken < max && self.count > 0 {
            let first = wheel.first();
            if first > now.0 {
                break;
            }
            // Whatever shares this tick is in its slot, so nothing elsewhere is due before it.
            let at = slot_of(Timestamp(first));
            let slot = &mut wheel.slots[at];
            let tick = first >> TICK_BITS;
            while taken < max
                && let Some(&(due, key)) = slot.first()
                && due <= now.0
                && due >> TICK_BITS == tick
            {
                slot.pop_first();
                out.push((key, Timestamp(due)));
                taken += 1;
                self.count -= 1;
            }
            wheel.settle(at);
        }
        taken
    }

    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

impl Wheel {
    /// The least due time, where there is any.
    fn first(&self) -> i64 {
        self.firsts.iter().copied().min().expect("there are 64")
    }

    /// Notes the least due time of the slot at `at`, which has lost entries.
    fn settle(&mut self, at: usize) {
        self.firsts[at] = self.slots[at].first().map_or(NOT_DUE, |(due, _)| *due);
    }
}

fn slot_of(due: Timestamp) -> usize {
    (due.0 >> TICK_BITS) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const NOW: i64 = 1_700_000_000 * SECOND;

    /// `seconds` after [`NOW`].
    fn at(seconds: i64) -> Timestamp {
        Timestamp(NOW + seconds * SECOND)
    }

    fn take(wheel: &mut TimerWheel, now: Timestamp) -> Vec<u64> {
        let mut out = Vec::new();
        assert_eq!(wheel.take_due(now, usize::MAX, &mut out), out.len());
        out.into_iter().map(|(key, _)| key).collect()
    }

    // go: server/thw/thw_test.go TestHashWheelBasics
    #[test]
    fn an_entry_is_removed_once() {
        let mut wheel = TimerWheel::new();
        assert!(wheel.add(1, at(5)));
        assert_eq!(wheel.count(), 1);
        assert!(!wheel.remove(999, at(5)));
        assert!(!wheel.remove(1, at(6)));
        assert_eq!(wheel.count(), 1);
        assert!(wheel.remove(1, at(5)));
        assert_eq!(wheel.count(), 0);
        assert!(!wheel.remove(1, at(5)));
        assert_eq!((wheel.count(), wheel.next_due()), (0, None));
    }

    // go: server/thw/thw_test.go TestHashWheelUpdate
    #[test]
    fn an_update_moves_an_entry() {
        let mut wheel = TimerWheel::new();
        wheel.add(1, at(5));
        assert!(wheel.update(1, at(5), at(10)));
        assert_eq!(wheel.count(), 1);
        assert!(!wheel.remove(1, at(5)));
        assert_eq!(wheel.count(), 1);
        assert!(!wheel.update(1, at(5), at(7)), "no longer due then");
        assert_eq!(wheel.count(), 1);
        assert!(wheel.remove(1, at(10)));
        assert_eq!(wheel.count(), 0);
    }

    // go: server/thw/thw_test.go TestHashWheelExpiration
    #[test]
    fn only_what_is_due_is_taken() {
        let mut wheel = TimerWheel::new();
        for (key, seconds) in [(1, -1), (2, 1), (3, 10), (4, 60)] {
            wheel.add(key, at(seconds));
        }
        assert_eq!(wheel.count(), 4);
        assert_eq!(take(&mut wheel, at(0)), [1]);
        assert_eq!(wheel.count(), 3);
        assert_eq!(take(&mut wheel, at(10)), [2, 3], "due at the very moment counts");
        assert_eq!(wheel.next_due(), Some(at(60)));
    }

    // go: server/thw/thw_test.go TestHashWheelManualExpiration
    #[test]
    fn what_is_put_back_comes_again() {
        let mut wheel = TimerWheel::new();
        for key in 1..=4 {
            wheel.add(key, at(0));
        }
        for _ in 0..2 {
            let due = take(&mut wheel, at(0));
            assert_eq!(due, [1, 2, 3, 4]);
            due.into_iter().for_each(|key| assert!(wheel.add(key, at(0))));
            assert_eq!(wheel.count(), 4);
        }
        // The even ones stay away.
        for expected in [&[1, 2, 3, 4][..], &[1, 3]] {
            let due = take(&mut wheel, at(0));
            assert_eq!(due, expected);
            due.into_iter().filter(|key| key % 2 == 1).for_each(|key| assert!(wheel.add(key, at(0))));
            assert_eq!(wheel.count(), 2);
        }
        assert!(wheel.remove(1, at(0)) && wheel.remove(3, at(0)));
        assert_eq!(wheel.count(), 0);
    }

    // go: server/thw/thw_test.go TestHashWheelExpirationLargerThanWheel
    #[test]
    fn a_wheel_left_alone_for_turns_gives_all_that_is_due() {
        let mut wheel = TimerWheel::new();
        wheel.add(1, Timestamp(0));
        wheel.add(2, Timestamp(SECOND));
        assert_eq!(wheel.count(), 2);
        let turns = Timestamp((SLOTS as i64 * 5 - 1) << TICK_BITS);
        assert_eq!(take(&mut wheel, turns), [1, 2]);
        assert_eq!(wheel.count(), 0);
    }

    // go: server/thw/thw_test.go TestHashWheelNextExpiration
    #[test]
    fn the_next_due_time_is_the_earliest() {
        let mut wheel = TimerWheel::new();
        assert_eq!(wheel.next_due(), None);
        for (key, seconds) in [(1, 5), (2, 3), (3, 10)] {
            wheel.add(key, at(seconds));
        }
        assert_eq!(wheel.next_due(), Some(at(3)));
        assert_eq!(wheel.count(), 3);
    }

    // go: server/thw/thw_test.go TestHashWheelStress
    #[test]
    fn many_entries_are_added_moved_and_removed() {
        let mut wheel = TimerWheel::new();
        const COUNT: i64 = 100_000;
        for key in 0..COUNT {
            assert!(wheel.add(key as u64, at(key)));
        }
        for key in (0..COUNT).step_by(2) {
            assert!(wheel.update(key as u64, at(key), at(key + COUNT)));
        }
        for key in (1..COUNT).step_by(2) {
            assert!(wheel.remove(key as u64, at(key)));
        }
        assert_eq!(wheel.count(), COUNT as usize / 2);
        assert_eq!(take(&mut wheel, at(COUNT - 1)), [0_u64; 0]);
        assert_eq!(take(&mut wheel, at(2 * COUNT)), (0..COUNT as u64).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn the_ends_of_time_are_times() {
        let mut wheel = TimerWheel::new();
        wheel.add(1, Timestamp(i64::MAX));
        wheel.add(2, Timestamp(i64::MIN));
        assert_eq!(wheel.next_due(), Some(Timestamp(i64::MIN)));
        assert_eq!(take(&mut wheel, Timestamp(i64::MAX - 1)), [2]);
        assert_eq!(wheel.next_due(), Some(Timestamp(i64::MAX)));
        assert_eq!(take(&mut wheel, Timestamp(i64::MAX)), [1]);
        assert_eq!((wheel.next_due(), wheel.is_empty()), (None, true));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Add(u64, i64),
        Remove(u64, i64),
        Update(u64, i64, i64),
        Take(i64, usize),
    }

    /// Times of one tick, of one turn and of many; some met often.
    fn due() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => (-3..3i64).prop_map(|tick| tick << TICK_BITS),
            4 => (0..10i64).prop_map(|step| step << (TICK_BITS - 2)),
            2 => (0..4i64, 0..3i64).prop_map(|(turn, step)| ((turn * SLOTS as i64) << TICK_BITS) + step),
            1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MAX - 1)],
            1 => any::<i64>(),
        ]
    }

    fn op() -> impl Strategy<Value = Op> {
        let key = || 0..6u64;
        prop_oneof![
            6 => (key(), due()).prop_map(|(key, due)| Op::Add(key, due)),
            2 => (key(), due()).prop_map(|(key, due)| Op::Remove(key, due)),
            2 => (key(), due(), due()).prop_map(|(key, old, new)| Op::Update(key, old, new)),
            2 => (due(), 0..8usize).prop_map(|(now, max)| Op::Take(now, max)),
        ]
    }

    proptest! {
        #[test]
        fn the_wheel_does_what_an_ordered_set_does(ops in proptest::collection::vec(op(), 0..120)) {
            let mut wheel = TimerWheel::new();
            let mut model = BTreeSet::new();
            for op in ops {
                match op {
                    Op::Add(key, due) => prop_assert_eq!(wheel.add(key, Timestamp(due)), model.insert((due, key))),
                    Op::Remove(key, due) => {
                        prop_assert_eq!(wheel.remove(key, Timestamp(due)), model.remove(&(due, key)));
                    }
                    Op::Update(key, old, new) => {
                        let known = model.remove(&(old, key));
                        if known {
                            model.insert((new, key));
                        }
                        prop_assert_eq!(wheel.update(key, Timestamp(old), Timestamp(new)), known);
                    }
                    Op::Take(now, max) => {
                        let mut out = Vec::from([(7, Timestamp(7))]);
                        let taken = wheel.take_due(Timestamp(now), max, &mut out);
                        let expected: Vec<_> =
                            model.iter().take_while(|(due, _)| *due <= now).take(max).copied().collect();
                        expected.iter().for_each(|entry| assert!(model.remove(entry)));
                        prop_assert_eq!(taken, expected.len());
                        let expected: Vec<_> = expected.iter().map(|(due, key)| (*key, Timestamp(*due))).collect();
                        prop_assert_eq!(&out[1..], &expected[..], "appended, in order");
                    }
                }
                prop_assert_eq!(wheel.count(), model.len());
                prop_assert_eq!(wheel.next_due(), model.first().map(|(due, _)| Timestamp(*due)));
            }
        }
    }
}

//! Answers of a permission check, remembered for the subjects asked about last.

use std::hash::{DefaultHasher, Hasher};

/// A direct-mapped table: each subject has one place, and the newcomer takes it. Its memory is bounded, and once its
/// places are used it allocates no more. Colliding subjects cost a check, never a wrong answer, so the hash needs no
/// secret.
#[derive(Debug, Default)]
pub(super) struct DecisionCache {
    /// Empty until the first answer, then [`SLOTS`] of them: most connections never ask.
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The subject, and behind it the queue.
    key: Vec<u8>,
    subject_len: usize,
    answer: Option<bool>,
}

impl DecisionCache {
    pub(super) fn get(&self, subject: &[u8], queue: &[u8]) -> Option<bool> {
        let slot = self.slots.get(slot_of(subject, queue))?;
        let (their_subject, their_queue) = slot.key.split_at(slot.subject_len);
        if their_subject == subject && their_queue == queue { slot.answer } else { None }
    }

    pub(super) fn insert(&mut self, subject: &[u8], queue: &[u8], answer: bool) {
        if subject.len() + queue.len() > KEY_SIZE_MAX {
            return;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Slot::default);
        }
        let slot = &mut self.slots[slot_of(subject, queue)];
        slot.key.clear();
        slot.key.extend_from_slice(subject);
        slot.key.extend_from_slice(queue);
        slot.subject_len = subject.len();
        slot.answer = Some(answer);
    }
}

fn slot_of(subject: &[u8], queue: &[u8]) -> usize {
    let mut hasher = DefaultHasher::new();
    hasher.write(subject);
    hasher.write(queue);
    usize::try_from(hasher.finish() % SLOTS as u64).expect("a remainder of SLOTS fits in usize")
}

/// As many answers as the reference keeps for publishes (`server/client.go`, `maxPermCacheSize`).
const SLOTS: usize = 128;
/// Longer subjects are checked each time; with [`SLOTS`] it bounds a cache to 32 KiB of text.
const KEY_SIZE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_for_its_subject_and_queue_alone() {
        let mut cache = DecisionCache::default();
        assert_eq!(cache.get(b"", b""), None);
        cache.insert(b"foo", b"q", true);
        assert_eq!(cache.get(b"foo", b"q"), Some(true));
        assert_eq!(cache.get(b"fo", b"oq"), None);
        assert_eq!(cache.get(b"foo", b""), None);
        cache.insert(b"foo", b"q", false);
        assert_eq!(cache.get(b"foo", b"q"), Some(false));
    }

    #[test]
    fn queues_that_share_a_slot_are_kept_apart() {
        let mut cache = DecisionCache::default();
        cache.insert(b"foo", b"", true);
        let slot = slot_of(b"foo", b"");
        let queues = (0..).map(|number: u32| number.to_string());
        let other = queues.into_iter().find(|queue| slot_of(b"foo", queue.as_bytes()) == slot).unwrap();
        assert_eq!(cache.get(b"foo", other.as_bytes()), None);
        cache.insert(b"foo", other.as_bytes(), false);
        assert_eq!(cache.get(b"foo", b""), None);
    }

    #[test]
    fn an_empty_slot_answers_nothing_for_the_empty_subject() {
        let mut cache = DecisionCache::default();
        cache.insert(b"foo", b"", true);
        assert_eq!(cache.get(b"", b""), None);
    }

    #[test]
    fn more_subjects_than_slots_stay_within_the_slots() {
        let mut cache = DecisionCache::default();
        for number in 0..10_000 {
            let subject = format!("subject.{number}");
            cache.insert(subject.as_bytes(), b"", number % 3 == 0);
            assert_eq!(cache.get(subject.as_bytes(), b""), Some(number % 3 == 0));
        }
        assert_eq!(cache.slots.len(), SLOTS);
        cache.insert(&[b'x'; KEY_SIZE_MAX + 1], b"", true);
        assert_eq!(cache.get(&[b'x'; KEY_SIZE_MAX + 1], b""), None);
    }
}

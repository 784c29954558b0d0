//! Where each message of a block is, and of which subject: what deletes and filters need to know without the messages.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::block::summary::{Row, Summary};
use crate::subject_tree::LeafId;

/// One message of a block. 32 bytes.
pub type Slot = Row;

/// A subject that messages of the block have.
#[derive(Clone, Debug)]
pub struct IndexedSubject {
    /// Its leaf in the subject tree when it was entered here. A subject whose messages all went and came back may have
    /// another one by now: then no message of this entry is left.
    pub leaf: Option<LeafId>,
    pub text: Box<[u8]>,
}

/// The messages of one block in the order of their sequences. A slot stays when its message is deleted: the block's set
/// of gone sequences decides.
#[derive(Debug, Default)]
pub struct Index {
    slots: Vec<Slot>,
    subjects: Vec<IndexedSubject>,
    /// While the block is written to: where a leaf is among the subjects.
    by_leaf: HashMap<LeafId, u32, FixedState>,
    previous: Option<(LeafId, u32)>,
    text_bytes: usize,
}

impl Index {
    /// The index of a sealed block, from its table.
    #[must_use]
    pub fn of_table(
        summary: &Summary,
        rows: Vec<Row>,
        mut find: impl FnMut(&[u8]) -> Option<LeafId>,
    ) -> Self {
        let subjects: Vec<_> = summary
            .subjects
            .iter()
            .map(|totals| IndexedSubject { leaf: find(&totals.subject), text: totals.subject.clone() })
            .collect();
        let text_bytes = subjects.iter().map(|subject| subject.text.len()).sum();
        Self { slots: rows, subjects, by_leaf: HashMap::default(), previous: None, text_bytes }
    }

    /// Where `leaf` is among the subjects; it is entered if it is not there.
    pub fn enter(&mut self, leaf: LeafId, text: &[u8]) -> u32 {
        if let Some((previous, place)) = self.previous
            && previous == leaf
        {
            return place;
        }
        let next = self.subjects.len() as u32;
        let mut place = *self.by_leaf.entry(leaf).or_insert(next);
        if place != next && *self.subjects[place as usize].text != *text {
            // The leaf was another subject's, of which nothing is left.
            self.by_leaf.insert(leaf, next);
            place = next;
        }
        if place == next {
            self.subjects.push(IndexedSubject { leaf: Some(leaf), text: text.into() });
            self.text_bytes += text.len();
        }
        self.previous = Some((leaf, place));
        place
    }

    /// The subjects of an index that is written on are found by their leaves again.
    pub fn relearn(&mut self) {
        let leaves =
            self.subjects.iter().enumerate().filter_map(|(at, subject)| Some((subject.leaf?, at as u32)));
        self.by_leaf = leaves.collect();
    }

    /// # Panics
    /// If the slot is not behind the last.
    pub fn push(&mut self, slot: Slot) {
        if let Some(last) = self.slots.last() {
            assert!(slot.delta > last.delta, "slot {} behind {}", slot.delta, last.delta);
        }
        self.slots.push(slot);
    }

    /// A leaf is being given back: another subject may have it next.
    pub fn forget(&mut self, leaf: LeafId) {
        self.by_leaf.remove(&leaf);
        self.previous = self.previous.filter(|(previous, _)| *previous != leaf);
    }

    #[must_use]
    pub fn slot(&self, delta: u32) -> Option<&Slot> {
        // Without gaps a slot stands at its delta; a gap before it moves it forward.
        let guess = (delta as usize).min(self.slots.len().checked_sub(1)?);
        if self.slots[guess].delta == delta {
            return Some(&self.slots[guess]);
        }
        let at = self.slots[..=guess].binary_search_by_key(&delta, |slot| slot.delta).ok()?;
        Some(&self.slots[at])
    }

    /// Slots from `delta` on, ascending.
    #[must_use]
    pub fn from(&self, delta: u32) -> &[Slot] {
        &self.slots[self.position(delta)..]
    }

    /// Slots below `delta`, ascending.
    #[must_use]
    pub fn below(&self, delta: u32) -> &[Slot] {
        &self.slots[..self.position(delta)]
    }

    fn position(&self, delta: u32) -> usize {
        let bound = (delta as usize).min(self.slots.len());
        self.slots[..bound].partition_point(|slot| slot.delta < delta)
    }

    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    #[must_use]
    pub fn subject(&self, slot: &Slot) -> &IndexedSubject {
        &self.subjects[slot.subject as usize]
    }

    #[must_use]
    pub fn subjects(&self) -> &[IndexedSubject] {
        &self.subjects
    }

    /// The delta of the first message whose record begins at or behind `at`; one above the last where there is none.
    #[must_use]
    pub fn delta_at(&self, at: u32) -> u32 {
        let place = self.slots.partition_point(|slot| slot.at < at);
        match self.slots.get(place) {
            Some(slot) => slot.delta,
            None => self.slots.last().map_or(0, |slot| slot.delta + 1),
        }
    }

    /// Forgets all slots from `delta` on.
    pub fn truncate(&mut self, delta: u32) {
        let keep = self.position(delta);
        self.slots.truncate(keep);
    }

    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.subjects.capacity() * size_of::<IndexedSubject>()
            + self.text_bytes
            + self.by_leaf.capacity() * 2 * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(deltas: &[u32]) -> Index {
        let mut index = Index::default();
        for &delta in deltas {
            let subject = index.enter(LeafId(0), b"a");
            let timestamp = natrium_model::Timestamp(1);
            index.push(Slot { delta, at: delta * 10, len: 10, size: 10, subject, timestamp });
        }
        index
    }

    #[test]
    fn slots_are_found_with_and_without_gaps() {
        for deltas in [&[0, 1, 2, 3][..], &[0, 3, 4, 9], &[7], &[]] {
            let index = index(deltas);
            for delta in 0..12 {
                assert_eq!(
                    index.slot(delta).map(|slot| slot.delta),
                    deltas.contains(&delta).then_some(delta)
                );
                let from: Vec<u32> = index.from(delta).iter().map(|slot| slot.delta).collect();
                let below: Vec<u32> = index.below(delta).iter().map(|slot| slot.delta).collect();
                assert_eq!(from, deltas.iter().copied().filter(|&d| d >= delta).collect::<Vec<_>>());
                assert_eq!(below, deltas.iter().copied().filter(|&d| d < delta).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_truncated_index_ends_below() {
        let mut index = index(&[0, 3, 4, 9]);
        index.truncate(4);
        assert_eq!(index.slots().len(), 2);
        index.truncate(0);
        assert!(index.slots().is_empty());
    }

    #[test]
    fn a_leaf_that_another_subject_got_is_entered_anew() {
        let mut index = Index::default();
        let a = index.enter(LeafId(3), b"a");
        let b = index.enter(LeafId(4), b"b");
        assert_eq!((index.enter(LeafId(3), b"a"), index.enter(LeafId(4), b"b")), (a, b));
        index.forget(LeafId(3));
        let c = index.enter(LeafId(3), b"c");
        assert_ne!(c, a);
        assert_eq!(&*index.subjects()[c as usize].text, b"c");
        assert_eq!(&*index.subjects()[a as usize].text, b"a");
    }
}

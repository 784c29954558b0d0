//! The slab of entries: filter text and value under a dense key.
//!
//! Slots live in chunks that never move, so that the millionth filter costs no copy of the others and no slack of
//! half the slab.

use super::{FilterId, text::SmallText};

/// Entries by [`FilterId`]. Freed slots are handed out again, last freed first.
#[derive(Debug)]
pub(crate) struct Slots<V> {
    /// All full but the last.
    chunks: Vec<Vec<Slot<V>>>,
    first_free: Option<FilterId>,
    len: usize,
}

#[derive(Debug)]
pub(crate) struct Entry<V> {
    pub(crate) text: SmallText,
    pub(crate) value: V,
}

#[derive(Debug)]
enum Slot<V> {
    Free { next: Option<FilterId> },
    Used(Entry<V>),
}

const CHUNK_BITS: u32 = 8;
const CHUNK_SLOTS: usize = 1 << CHUNK_BITS;
const _: () = assert!(size_of::<Slot<u64>>() == 40); // 32 for the text, 8 for the value, nothing for the state

impl<V> Slots<V> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), first_free: None, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: FilterId) -> Option<&Entry<V>> {
        let (chunk, offset) = split(id);
        match self.chunks.get(chunk)?.get(offset)? {
            Slot::Used(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: FilterId) -> Option<&mut Entry<V>> {
        match self.slot_mut(id)? {
            Slot::Used(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }

    /// # Panics
    /// Beyond 2^32 - 1 entries, which are more than memory holds.
    pub(crate) fn insert(&mut self, entry: Entry<V>) -> FilterId {
        self.len += 1;
        if let Some(id) = self.first_free {
            let slot = self.slot_mut(id).expect("the free list names slots that exist");
            if let Slot::Free { next } = *slot {
                *slot = Slot::Used(entry);
                self.first_free = next;
                return id;
            }
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_SLOTS) {
            // The first chunk grows with its content: most maps hold a handful of filters.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK_SLOTS };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let index = (self.chunks.len() - 1) * CHUNK_SLOTS + self.chunks.last().map_or(0, Vec::len);
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Slot::Used(entry));
        }
        FilterId::new(index)
    }

    pub(crate) fn remove(&mut self, id: FilterId) -> Option<Entry<V>> {
        let next = self.first_free;
        let slot = self.slot_mut(id)?;
        if matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let removed = std::mem::replace(slot, Slot::Free { next });
        self.first_free = Some(id);
        self.len -= 1;
        match removed {
            Slot::Used(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FilterId, &Entry<V>)> {
        self.chunks.iter().flatten().enumerate().filter_map(|(index, slot)| match slot {
            Slot::Used(entry) => Some((FilterId::new(index), entry)),
            Slot::Free { .. } => None,
        })
    }

    fn slot_mut(&mut self, id: FilterId) -> Option<&mut Slot<V>> {
        let (chunk, offset) = split(id);
        self.chunks.get_mut(chunk)?.get_mut(offset)
    }
}

fn split(id: FilterId) -> (usize, usize) {
    let index = id.index();
    (index >> CHUNK_BITS, index & (CHUNK_SLOTS - 1))
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_SLOTS, Entry, FilterId, Slots, SmallText};

    fn entry(value: usize) -> Entry<usize> {
        Entry { text: SmallText::EMPTY, value }
    }

    #[test]
    fn keys_are_dense_and_reused() {
        let mut slots = Slots::new();
        let ids: Vec<FilterId> = (0..CHUNK_SLOTS * 3 + 1).map(|value| slots.insert(entry(value))).collect();
        assert_eq!(ids.iter().map(|id| id.index()).collect::<Vec<_>>(), (0..ids.len()).collect::<Vec<_>>());
        assert_eq!(slots.remove(ids[300]).map(|entry| entry.value), Some(300));
        assert!(slots.remove(ids[300]).is_none());
        assert!(slots.get(ids[300]).is_none());
        assert_eq!(slots.len(), ids.len() - 1);
        assert_eq!(slots.iter().count(), slots.len());
        assert_eq!(slots.insert(entry(7)), ids[300]);
        assert_eq!(slots.get(ids[300]).map(|entry| entry.value), Some(7));
    }

    #[test]
    fn an_unknown_key_finds_nothing() {
        let mut slots = Slots::new();
        slots.insert(entry(0));
        assert!(slots.get(FilterId::new(1)).is_none());
        assert!(slots.get_mut(FilterId::new(1_000_000)).is_none());
        assert!(slots.remove(FilterId::new(1_000_000)).is_none());
    }
}

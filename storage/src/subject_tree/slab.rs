//! Values under dense numbers: a `Vec` with holes that are filled again.
//!
//! It grows by chunks. A `Vec` of millions of leaves would double its memory and copy them all to make room for one more.

/// Bytes of a chunk, about: large enough that the table of chunks of a tree of millions stays in the first cache, small
/// enough that the unused end of the last chunk does not count.
const CHUNK_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Slab<V> {
    /// All but the last are full. The first grows as a `Vec` does, so that a small tree stays small.
    chunks: Vec<Vec<Slot<V>>>,
    /// The hole to fill next; each hole names the one after it.
    free: u32,
    len: usize,
}

#[derive(Debug)]
enum Slot<V> {
    Used(V),
    /// The next hole, or [`NO_SLOT`].
    Free(u32),
}

/// No number of a value: the slab refuses to grow that far.
pub(super) const NO_SLOT: u32 = u32::MAX;

impl<V> Slab<V> {
    /// Values of a chunk: a power of two, so that a number splits into chunk and place by a shift.
    const CHUNK_SHIFT: u32 = (CHUNK_BYTES / size_of::<Slot<V>>()).ilog2();
    const CHUNK_LEN: usize = 1 << Self::CHUNK_SHIFT;

    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NO_SLOT, len: 0 }
    }

    /// Values that are there.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Panics
    /// When more values than `max` would ever have been there at once.
    pub(super) fn insert(&mut self, value: V, max: u32) -> u32 {
        self.len += 1;
        if self.free != NO_SLOT {
            let at = self.free;
            let slot = self.slot_mut(at);
            let Slot::Free(next) = std::mem::replace(slot, Slot::Used(value)) else {
                unreachable!("the list of holes names a value")
            };
            self.free = next;
            return at;
        }
        if self.chunks.last().is_none_or(|last| last.len() == Self::CHUNK_LEN) {
            let capacity = if self.chunks.is_empty() { 0 } else { Self::CHUNK_LEN };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let full = (self.chunks.len() - 1) << Self::CHUNK_SHIFT;
        let last = self.chunks.last_mut().expect("one was pushed where there was none with room");
        let at = full + last.len();
        assert!(at < max as usize, "more than {max} subjects or branches in one tree");
        last.push(Slot::Used(value));
        at as u32
    }

    /// # Panics
    /// Where nothing is under `at`.
    pub(super) fn remove(&mut self, at: u32) -> V {
        let free = self.free;
        let Slot::Used(value) = std::mem::replace(self.slot_mut(at), Slot::Free(free)) else {
            panic!("nothing is under {at}")
        };
        self.free = at;
        self.len -= 1;
        value
    }

    /// # Panics
    /// Where nothing is under `at`.
    #[inline]
    pub(super) fn get(&self, at: u32) -> &V {
        match &self.chunks[at as usize >> Self::CHUNK_SHIFT][at as usize & (Self::CHUNK_LEN - 1)] {
            Slot::Used(value) => value,
            Slot::Free(_) => panic!("nothing is under {at}"),
        }
    }

    /// # Panics
    /// Where nothing is under `at`.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut V {
        match self.slot_mut(at) {
            Slot::Used(value) => value,
            Slot::Free(_) => panic!("nothing is under {at}"),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<Slot<V>>()).sum::<usize>()
            + self.chunks.capacity() * size_of::<Vec<Slot<V>>>()
    }

    #[inline]
    fn slot_mut(&mut self, at: u32) -> &mut Slot<V> {
        &mut self.chunks[at as usize >> Self::CHUNK_SHIFT][at as usize & (Self::CHUNK_LEN - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_before_the_slab_grows() {
        let mut slab = Slab::new();
        for value in 0..10u64 {
            assert_eq!(u64::from(slab.insert(value, 10)), value);
        }
        assert_eq!((slab.remove(3), slab.remove(7), slab.len()), (3, 7, 8));
        assert_eq!((slab.insert(70, 10), slab.insert(30, 10), slab.len()), (7, 3, 10));
        assert_eq!((*slab.get(7), *slab.get(3)), (70, 30));
    }

    #[test]
    fn values_stay_under_their_numbers_across_chunks() {
        let mut slab = Slab::new();
        let count = 3 * Slab::<u64>::CHUNK_LEN as u64 + 5;
        for value in 0..count {
            slab.insert(value, NO_SLOT);
        }
        assert_eq!(slab.chunks.len(), 4);
        assert!((0..count).all(|value| *slab.get(value as u32) == value));
        let used = count as usize * size_of::<Slot<u64>>();
        assert!((used..used + CHUNK_BYTES + 1024).contains(&slab.memory_bytes()), "{}", slab.memory_bytes());
    }

    #[test]
    fn a_small_slab_is_small() {
        let mut slab = Slab::new();
        slab.insert(1u64, NO_SLOT);
        assert!(slab.memory_bytes() <= 256, "{}", slab.memory_bytes());
    }

    #[test]
    #[should_panic(expected = "nothing is under 1")]
    fn a_hole_is_no_value() {
        let mut slab = Slab::new();
        slab.insert(0u64, NO_SLOT);
        slab.insert(1u64, NO_SLOT);
        slab.remove(1);
        slab.get(1);
    }

    #[test]
    #[should_panic(expected = "more than 2 subjects")]
    fn the_maximum_holds() {
        let mut slab = Slab::new();
        for value in 0..3u64 {
            slab.insert(value, 2);
        }
    }
}

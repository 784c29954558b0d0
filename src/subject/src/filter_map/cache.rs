//! What the last walks of the trie found, by subject.

use super::{FilterId, hash::ShortHash};

/// Which wildcard filters match a subject, for subjects published lately.
///
/// Direct-mapped: a subject has one slot, and takes it from whoever was there. A change of the wildcard filters
/// makes all results stale at once. Slots keep their buffers, so that a full cache allocates no more; the bounds
/// below keep it under 3 MiB.
#[derive(Debug)]
pub(crate) struct MatchCache {
    /// None at first; then a power of two.
    slots: Vec<CacheSlot>,
    /// Slots filled under another generation are stale. Starts at 1, so that a new slot is stale.
    generation: u64,
    fresh: usize,
    /// Results of this generation that lost their slot to another subject.
    evictions: usize,
}

#[derive(Clone, Debug, Default)]
struct CacheSlot {
    generation: u64,
    subject: Vec<u8>,
    filters: Vec<FilterId>,
}

const SLOTS_MIN: usize = 64;
/// Beyond this many subjects a walk costs less than the cache misses of remembering it.
const SLOTS_MAX: usize = 4096;
/// Bytes. Longer subjects are walked each time.
const SUBJECT_BYTES_MAX: usize = 256;
/// A result of more filters is walked each time: delivering to them costs far more.
const FILTERS_MAX: usize = 64;

impl MatchCache {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), generation: 1, fresh: 0, evictions: 0 }
    }

    pub(crate) fn find(&self, hash: ShortHash, subject: &[u8]) -> Option<&[FilterId]> {
        if self.fresh == 0 {
            return None;
        }
        let slot = &self.slots[hash.index(self.slots.len())];
        (slot.generation == self.generation && slot.subject == subject).then_some(&*slot.filters)
    }

    pub(crate) fn store(&mut self, hash: ShortHash, subject: &[u8], filters: &[FilterId]) {
        if subject.len() > SUBJECT_BYTES_MAX || filters.len() > FILTERS_MAX {
            return;
        }
        if self.slots.is_empty() || (self.evictions > self.slots.len() && self.slots.len() < SLOTS_MAX) {
            self.grow();
        }
        let index = hash.index(self.slots.len());
        let slot = &mut self.slots[index];
        if slot.generation == self.generation {
            self.evictions += 1;
        } else {
            self.fresh += 1;
        }
        slot.generation = self.generation;
        slot.subject.clear();
        slot.subject.extend_from_slice(subject);
        slot.filters.clear();
        slot.filters.extend_from_slice(filters);
    }

    /// Forgets every result.
    pub(crate) fn invalidate(&mut self) {
        self.generation += 1;
        self.fresh = 0;
        self.evictions = 0;
    }

    /// Subjects and results that are not stale.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[FilterId])> {
        let fresh = self.slots.iter().filter(|slot| slot.generation == self.generation);
        fresh.map(|slot| (&*slot.subject, &*slot.filters))
    }

    pub(crate) fn len(&self) -> usize {
        self.fresh
    }

    fn grow(&mut self) {
        let slots = if self.slots.is_empty() { SLOTS_MIN } else { self.slots.len() * 2 };
        // Subjects move to other slots, so what is known is dropped: it is soon found again.
        self.invalidate();
        self.slots.resize(slots, CacheSlot::default());
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::hash::SubjectHasher, FILTERS_MAX, FilterId, MatchCache, SLOTS_MAX, SUBJECT_BYTES_MAX,
    };

    #[test]
    fn is_bounded_and_never_wrong() {
        let hasher = SubjectHasher::with_seed(1);
        let mut cache = MatchCache::new();
        for i in 0..20_000 {
            let subject = format!("s.{i}");
            let hash = hasher.subject(subject.as_bytes());
            assert_eq!(cache.find(hash, subject.as_bytes()), None);
            let filters = [FilterId::new(i)];
            cache.store(hash, subject.as_bytes(), &filters);
            assert_eq!(cache.find(hash, subject.as_bytes()), Some(&filters[..]));
            assert!(cache.len() <= SLOTS_MAX);
            assert_eq!(cache.iter().count(), cache.len());
        }
        assert_eq!(cache.slots.len(), SLOTS_MAX);
        cache.invalidate();
        assert_eq!(cache.len(), 0);
        assert_eq!(cache.find(hasher.subject(b"s.19999"), b"s.19999"), None);
    }

    #[test]
    fn large_results_are_not_kept() {
        let hasher = SubjectHasher::with_seed(1);
        let mut cache = MatchCache::new();
        let subject = vec![b'a'; SUBJECT_BYTES_MAX + 1];
        cache.store(hasher.subject(&subject), &subject, &[]);
        cache.store(hasher.subject(b"a"), b"a", &vec![FilterId::new(0); FILTERS_MAX + 1]);
        assert_eq!(cache.len(), 0);
    }
}

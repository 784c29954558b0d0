//! The wildcard filters of a map: their trie, and the cache in front of it.

use super::{
    FilterId, MatchCaching,
    cache::MatchCache,
    hash::{ShortHash, SubjectHasher},
    trie::{Trie, Walk},
};

#[derive(Debug)]
pub(crate) struct Wildcards {
    trie: Trie,
    cache: Option<MatchCache>,
    cache_hits: u64,
    walk: Walk,
    /// What the last walk found; kept for its memory.
    found: Vec<FilterId>,
}

impl Wildcards {
    pub(crate) fn new(hasher: SubjectHasher, caching: MatchCaching) -> Self {
        Self {
            trie: Trie::new(hasher),
            cache: match caching {
                MatchCaching::On => Some(MatchCache::new()),
                MatchCaching::Off => None,
            },
            cache_hits: 0,
            walk: Walk::default(),
            found: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, filter: &[u8], id: FilterId) {
        self.trie.insert(filter, id);
        self.invalidate_cache();
    }

    pub(crate) fn remove(&mut self, filter: &[u8], id: FilterId) {
        self.trie.remove(filter, id);
        self.invalidate_cache();
    }

    /// The filters that match `subject`, whose hash is `hash`.
    pub(crate) fn matching(&mut self, hash: ShortHash, subject: &[u8]) -> &[FilterId] {
        let Self { trie, cache, cache_hits, walk, found } = self;
        found.clear();
        if let Some(known) = cache.as_ref().and_then(|cache| cache.find(hash, subject)) {
            *cache_hits += 1;
            found.extend_from_slice(known);
            return found;
        }
        trie.walk(subject, walk, |id| {
            found.push(id);
            true
        });
        if let Some(cache) = cache {
            cache.store(hash, subject, found);
        }
        found
    }

    pub(crate) fn matches_any(&mut self, hash: ShortHash, subject: &[u8]) -> bool {
        if let Some(known) = self.cache.as_ref().and_then(|cache| cache.find(hash, subject)) {
            self.cache_hits += 1;
            return !known.is_empty();
        }
        let mut any = false;
        self.trie.walk(subject, &mut self.walk, |_| {
            any = true;
            false
        });
        any
    }

    pub(crate) fn cache(&self) -> Option<&MatchCache> {
        self.cache.as_ref()
    }

    pub(crate) fn cache_hits(&self) -> u64 {
        self.cache_hits
    }

    fn invalidate_cache(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.invalidate();
        }
    }
}

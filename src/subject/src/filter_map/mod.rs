//! The interest structure: from a published subject to the filters that match it.
//!
//! Literal filters live in a hash table keyed by the whole subject, so that a publish costs one hash and one compare
//! however many there are. Wildcard filters live in a trie of tokens, and what a walk of it finds is cached by
//! subject until a wildcard filter comes or goes. A filter stands in exactly one of the two, and once; who listens on
//! it is the value's business.

mod cache;
mod hash;
mod slots;
mod stats;
mod text;
mod trie;
mod wildcards;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use hashbrown::HashTable;

pub use self::stats::FilterMapStats;
use self::{
    cache::MatchCache,
    hash::{ShortHash, SubjectHasher},
    slots::{Entry, Slots},
    wildcards::Wildcards,
};
use crate::{
    grammar::{has_filter_shape, is_literal},
    matching::collides,
};

/// Filters, each with one value.
#[derive(Debug)]
pub struct FilterMap<V> {
    slots: Slots<V>,
    literals: HashTable<Key>,
    /// To find a wildcard filter by its text; matching is the work of `wildcards`.
    wildcard_keys: HashTable<Key>,
    wildcards: Wildcards,
    hasher: SubjectHasher,
    inserts: u64,
    removes: u64,
    changes: u64,
    matches: u64,
    /// Matches while there was no wildcard filter.
    matches_literal_only: u64,
}

/// Names a filter of one map for as long as the filter is there. Dense, from 0, and reused afterwards.
// Stored plus one, so that an `Option` of it needs no more space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(NonZeroU32);

/// Whether a [`FilterMap`] remembers what its walks found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchCaching {
    On,
    /// `disable_sublist_cache: true`.
    Off,
}

/// An entry of a hash table; the filter's text stands in its slot.
#[derive(Clone, Copy, Debug)]
struct Key {
    hash: ShortHash,
    id: FilterId,
}

impl<V> FilterMap<V> {
    /// An empty map. `seed` is random and secret: it keeps clients from choosing subjects that collide.
    pub fn with_seed(seed: u64, caching: MatchCaching) -> Self {
        let hasher = SubjectHasher::with_seed(seed);
        Self {
            slots: Slots::new(),
            literals: HashTable::new(),
            wildcard_keys: HashTable::new(),
            wildcards: Wildcards::new(hasher.clone(), caching),
            hasher,
            inserts: 0,
            removes: 0,
            changes: 0,
            matches: 0,
            matches_literal_only: 0,
        }
    }

    /// The value of `filter`, which is inserted with the default value if it is not there. The caller has checked
    /// that the filter is valid ([`crate::is_valid_filter`]).
    pub fn entry(&mut self, filter: &[u8]) -> (FilterId, &mut V)
    where
        V: Default,
    {
        debug_assert!(has_filter_shape(filter), "{:?} was not checked", filter.escape_ascii().to_string());
        let hash = self.hasher.subject(filter);
        let keys = if is_literal(filter) { &self.literals } else { &self.wildcard_keys };
        let id = match find_key(keys, &self.slots, hash, filter) {
            Some(id) => id,
            None => self.insert(filter, hash, V::default()),
        };
        self.changes += 1;
        let entry = self.slots.get_mut(id).expect("a key names a slot in use");
        (id, &mut entry.value)
    }

    pub fn find(&self, filter: &[u8]) -> Option<FilterId> {
        let keys = if is_literal(filter) { &self.literals } else { &self.wildcard_keys };
        find_key(keys, &self.slots, self.hasher.subject(filter), filter)
    }

    pub fn get(&self, id: FilterId) -> Option<&V> {
        self.slots.get(id).map(|entry| &entry.value)
    }

    pub fn get_mut(&mut self, id: FilterId) -> Option<&mut V> {
        self.changes += 1;
        self.slots.get_mut(id).map(|entry| &mut entry.value)
    }

    pub fn filter_text(&self, id: FilterId) -> Option<&[u8]> {
        self.slots.get(id).map(|entry| &*entry.text)
    }

    /// Takes the filter out. Its id may name another filter afterwards.
    pub fn remove(&mut self, id: FilterId) -> Option<V> {
        let Entry { text, value } = self.slots.remove(id)?;
        self.changes += 1;
        let hash = self.hasher.subject(&text);
        let keys = if is_literal(&text) {
            &mut self.literals
        } else {
            self.wildcards.remove(&text, id);
            &mut self.wildcard_keys
        };
        if let Ok(key) = keys.find_entry(hash.widened(), |key| key.id == id) {
            key.remove();
        }
        self.removes += 1;
        Some(value)
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Goes up whenever a filter or its value may have changed: as long as it stands, a subject matches what it matched.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Counts a match whose outcome was known from the one before.
    pub fn count_repeated_match(&mut self) {
        self.matches += 1;
        self.matches_literal_only += u64::from(self.wildcard_keys.is_empty());
    }

    /// All filters in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FilterId, &[u8], &V)> {
        self.slots.iter().map(|(id, entry)| (id, &*entry.text, &entry.value))
    }

    /// Calls `f` with every filter that matches the published `subject`, each once, the literal one first.
    ///
    /// A publish need not be valid: wildcard characters in `subject` stand for themselves (`foo.*` is matched by the
    /// filters `foo.*` and `foo.>`, not by `foo.bar`), and a subject with an empty token matches nothing.
    pub fn for_each_match(&mut self, subject: &[u8], mut f: impl FnMut(FilterId, &V)) {
        self.matches += 1;
        let hash = self.hasher.subject(subject);
        if let Some(id) = find_key(&self.literals, &self.slots, hash, subject)
            && let Some(value) = self.get(id)
        {
            f(id, value);
        }
        if self.wildcard_keys.is_empty() {
            self.matches_literal_only += 1;
            return;
        }
        for &id in self.wildcards.matching(hash, subject) {
            if let Some(entry) = self.slots.get(id) {
                f(id, &entry.value);
            }
        }
    }

    /// Whether any filter matches the published `subject`; not counted as a match.
    pub fn has_match(&mut self, subject: &[u8]) -> bool {
        let hash = self.hasher.subject(subject);
        find_key(&self.literals, &self.slots, hash, subject).is_some()
            || (!self.wildcard_keys.is_empty() && self.wildcards.matches_any(hash, subject))
    }

    /// Calls `f` with every filter that some literal subject shares with `filter`. Looks at all filters when
    /// `filter` has wildcards, so it is not for the path of a message.
    pub fn for_each_overlap(&self, filter: &[u8], mut f: impl FnMut(FilterId, &V)) {
        for (id, text, value) in self.iter() {
            if collides(text, filter) {
                f(id, value);
            }
        }
    }

    /// The counters. `fanout` says how many subscriptions a value stands for; it is asked about every cached result,
    /// so this is for the monitoring endpoint.
    pub fn stats(&self, fanout: impl Fn(&V) -> usize) -> FilterMapStats {
        let mut stats = FilterMapStats {
            filters: self.len(),
            cached: self.wildcards.cache().map_or(0, MatchCache::len),
            inserts: self.inserts,
            removes: self.removes,
            matches: self.matches,
            cache_hits: self.wildcards.cache_hits(),
            ..FilterMapStats::default()
        };
        if self.wildcards.cache().is_some() {
            stats.cache_hits += self.matches_literal_only;
        }
        for (subject, wildcards) in self.wildcards.cache().into_iter().flat_map(MatchCache::iter) {
            let literal = find_key(&self.literals, &self.slots, self.hasher.subject(subject), subject);
            let filters = wildcards.iter().copied().chain(literal);
            let size: usize = filters.filter_map(|id| self.get(id)).map(&fanout).sum();
            stats.fanout_max = stats.fanout_max.max(size);
            stats.fanout_sum += size;
        }
        stats
    }

    fn insert(&mut self, filter: &[u8], hash: ShortHash, value: V) -> FilterId {
        let id = self.slots.insert(Entry { text: filter.into(), value });
        let keys = if is_literal(filter) {
            &mut self.literals
        } else {
            self.wildcards.insert(filter, id);
            &mut self.wildcard_keys
        };
        keys.insert_unique(hash.widened(), Key { hash, id }, |key| key.hash.widened());
        self.inserts += 1;
        id
    }
}

fn find_key<V>(keys: &HashTable<Key>, slots: &Slots<V>, hash: ShortHash, text: &[u8]) -> Option<FilterId> {
    let is_it = |key: &Key| key.hash == hash && slots.get(key.id).is_some_and(|entry| *entry.text == *text);
    keys.find(hash.widened(), is_it).map(|key| key.id)
}

impl FilterId {
    /// Position in a table kept beside the map.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// # Panics
    /// Beyond 2^32 - 2, which is more filters than memory holds.
    fn new(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("memory holds fewer than 2^32 filters"))
    }
}

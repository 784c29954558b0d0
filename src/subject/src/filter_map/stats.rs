//! Counters for the monitoring documents.

/// What a [`crate::FilterMap`] has counted. The reference's names in `/subsz` are given beside the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterMapStats {
    pub filters: usize,
    /// Subjects whose result is cached (`num_cache`). Subjects are cached only while there are wildcard filters.
    pub cached: usize,
    /// Filters that came and went (`num_inserts` and `num_removes` count subscriptions, which are the caller's).
    pub inserts: u64,
    pub removes: u64,
    /// Lookups (`num_matches`).
    pub matches: u64,
    /// Lookups that needed no walk (`cache_hit_rate` is their share of `matches`): those the cache knew, and those
    /// that came while there was no wildcard filter to walk for.
    pub cache_hits: u64,
    /// Largest result in the cache, by the caller's measure (`max_fanout`).
    pub fanout_max: usize,
    /// Sum of the results in the cache (`avg_fanout` is it over `cached`).
    pub fanout_sum: usize,
}

impl FilterMapStats {
    /// Adds another map's counters: an account's or a shard's.
    pub fn add(&mut self, other: &Self) {
        self.filters += other.filters;
        self.cached += other.cached;
        self.inserts += other.inserts;
        self.removes += other.removes;
        self.matches += other.matches;
        self.cache_hits += other.cache_hits;
        self.fanout_max = self.fanout_max.max(other.fanout_max);
        self.fanout_sum += other.fanout_sum;
    }

    /// `cache_hit_rate`: 0 before the first lookup.
    pub fn cache_hit_rate(&self) -> f64 {
        ratio(self.cache_hits, self.matches)
    }

    /// `avg_fanout`: 0 while nothing is cached.
    pub fn fanout_average(&self) -> f64 {
        ratio(self.fanout_sum as u64, self.cached as u64)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

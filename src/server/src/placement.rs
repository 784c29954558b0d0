//! Which shard a new connection goes to.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections on each shard.
pub(crate) struct Placement(Box<[AtomicUsize]>);

/// Crossing shards is cheap in bulk and dear for a lone request, and connections that are opened one after the other often
/// talk to each other: so many in a row stay together before the next shard has its turn.
const TOGETHER: usize = 4;

impl Placement {
    pub(crate) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| AtomicUsize::new(0)).collect())
    }

    pub(crate) fn total(&self) -> usize {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Picks a shard and counts the connection there.
    pub(crate) fn enter(&self) -> usize {
        let load = |shard: &usize| self.0[*shard].load(Ordering::Relaxed) / TOGETHER;
        let shard = (0..self.0.len()).min_by_key(load).unwrap_or(0);
        self.0[shard].fetch_add(1, Ordering::Relaxed);
        shard
    }

    pub(crate) fn leave(&self, shard: usize) {
        self.0[shard].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stay_together_and_all_shards_fill() {
        let placement = Placement::new(2);
        let first: Vec<usize> = (0..2 * TOGETHER).map(|_| placement.enter()).collect();
        assert_eq!(first, [0, 0, 0, 0, 1, 1, 1, 1]);
        for _ in 0..TOGETHER {
            placement.leave(1);
        }
        assert_eq!(placement.enter(), 1);
        assert_eq!(placement.total(), TOGETHER + 1);
    }
}

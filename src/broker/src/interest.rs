//! Who listens to one filter: subscriptions of this shard, queue groups, and other shards.

use natrium_model::AccountId;
use natrium_subject::FilterId;
use smallvec::SmallVec;

use crate::queue_names::QueueName;

/// A set of shards is a 64-bit mask.
pub const SHARDS_MAX: usize = 64;

/// The end of an intrusive list.
pub(crate) const NONE: u32 = u32::MAX;

/// The listeners of one filter. Small and `Copy`: a publish takes what it matched out of the map and walks it there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listeners {
    /// First plain subscription.
    pub(crate) plain: u32,
    /// First queue group.
    pub(crate) groups: u32,
    /// Shards with plain subscriptions.
    pub(crate) remote: u64,
}

/// One queue group on one filter, over all shards.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) account: AccountId,
    pub(crate) filter: FilterId,
    pub(crate) name: QueueName,
    /// Next group of the same filter.
    pub(crate) next: u32,
    /// Subscriptions of this shard.
    pub(crate) members: Vec<u32>,
    /// Shard and number of its members, none of them 0.
    pub(crate) remote: SmallVec<[(u8, u32); 2]>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { plain: NONE, groups: NONE, remote: 0 }
    }
}

impl Listeners {
    pub(crate) fn is_empty(&self) -> bool {
        self.plain == NONE && self.groups == NONE && self.remote == 0
    }
}

impl Group {
    pub(crate) fn set_remote_weight(&mut self, shard: usize, weight: u32) {
        let shard = u8::try_from(shard).expect("at most 64 shards");
        self.remote.retain(|(other, _)| *other != shard);
        if weight > 0 {
            self.remote.push((shard, weight));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.remote.is_empty()
    }
}

//! One account: its limits' use, its traffic and the state of its interest tree.

use std::ops::AddAssign;

use natrium_model::{AccountId, Timestamp};

/// One account of the server's table.
#[derive(Clone, Debug)]
pub struct AccountSnapshot {
    pub id: AccountId,
    pub name: String,
    /// The name unless a JWT says otherwise.
    pub name_tag: String,
    /// When the account was made or changed last.
    pub updated: Timestamp,
    /// Subject mappings by source, in the order of the configuration.
    pub mappings: Vec<(String, Vec<MappedTo>)>,
    /// Summed over the shards with `+=`.
    pub counters: AccountCounters,
}

/// One destination of a subject mapping.
#[derive(Clone, Debug)]
pub struct MappedTo {
    pub subject: String,
    /// The running total of the weights up to this destination, 1 to 100: what the reference keeps and shows.
    pub weight: u8,
    /// The cluster the destination is for; empty for all.
    pub cluster: String,
}

/// What one shard counted for one account.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountCounters {
    /// Clients connected now.
    pub connections: u64,
    /// Messages from clients to the server.
    pub received: Traffic,
    /// Messages from the server to clients.
    pub sent: Traffic,
    pub slow_consumers: u64,
    pub interest: InterestStats,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub msgs: u64,
    pub bytes: u64,
}

/// The state of an interest tree and of its cache of results.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterestStats {
    /// Subscriptions now.
    pub subscriptions: u64,
    /// Subjects cached now.
    pub cached: u64,
    pub inserts: u64,
    pub removes: u64,
    pub matches: u64,
    /// Matches answered from the cache.
    pub cache_hits: u64,
    /// The most subscriptions one cached subject goes to.
    pub fanout_max: u64,
    /// Subscriptions over all cached subjects; with `cached` it gives the average.
    pub fanout_total: u64,
}

impl AddAssign for AccountCounters {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.received += other.received;
        self.sent += other.sent;
        self.slow_consumers += other.slow_consumers;
        self.interest += other.interest;
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.msgs += other.msgs;
        self.bytes += other.bytes;
    }
}

impl AddAssign for InterestStats {
    fn add_assign(&mut self, other: Self) {
        self.subscriptions += other.subscriptions;
        self.cached += other.cached;
        self.inserts += other.inserts;
        self.removes += other.removes;
        self.matches += other.matches;
        self.cache_hits += other.cache_hits;
        self.fanout_max = self.fanout_max.max(other.fanout_max);
        self.fanout_total += other.fanout_total;
    }
}

//! One shard: its counters, and how its executor fares.

use std::iter::Sum;
use std::ops::AddAssign;

use natrium_model::ShardId;

/// One shard's part of the totals, and its latencies for `/metrics`.
#[derive(Clone, Debug)]
pub struct ShardSnapshot {
    pub shard: ShardId,
    pub counters: Counters,
    /// How long one turn of the executor kept the others waiting, in nanoseconds.
    pub loop_stall_ns: Summary,
    /// Messages waiting in a lane when its reader came.
    pub lane_depth: Summary,
    /// Bytes written to one socket by one flush.
    pub flush_bytes: Summary,
}

/// What is counted on one shard. Totals since the start unless a field says "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clients connected now.
    pub connections: u64,
    pub total_connections: u64,
    /// Subscriptions of local connections now.
    pub subscriptions: u64,
    pub in_msgs: u64,
    pub in_bytes: u64,
    pub out_msgs: u64,
    pub out_bytes: u64,
    /// Bytes waiting for sockets now.
    pub pending_bytes: u64,
    /// Clients closed because they did not read fast enough.
    pub slow_consumers: u64,
    /// Clients closed because they did not answer PING.
    pub stale_connections: u64,
    /// Times a publisher was made to wait for a slow consumer.
    pub stalled_clients: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.total_connections += other.total_connections;
        self.subscriptions += other.subscriptions;
        self.in_msgs += other.in_msgs;
        self.in_bytes += other.in_bytes;
        self.out_msgs += other.out_msgs;
        self.out_bytes += other.out_bytes;
        self.pending_bytes += other.pending_bytes;
        self.slow_consumers += other.slow_consumers;
        self.stale_connections += other.stale_connections;
        self.stalled_clients += other.stalled_clients;
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut total, part| {
            total += part;
            total
        })
    }
}

/// A distribution by its count, sum and quantiles, all over the life of the shard. All zero where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub count: u64,
    pub sum: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

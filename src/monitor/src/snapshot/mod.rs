//! What the shards and the server tell this crate, so that it can write documents without asking anybody anything.
//!
//! The server asks for what [`Request::needs`](crate::Request::needs) names, each shard fills its part from its own
//! state, and [`respond`](crate::respond) turns the whole into one document. Sums over shards are made here, by the
//! reader; no shard keeps a total.

mod account;
mod conn;
mod server;
mod shard;

pub use account::{AccountCounters, AccountSnapshot, InterestStats, MappedTo, Traffic};
pub use conn::{ClientType, Closing, ConnCounters, ConnSnapshot, PeerCertificate, SubSnapshot, TlsFacts};
pub use server::{Features, Listener, Options, Process, ServerSnapshot};
pub use shard::{Counters, ShardSnapshot, Summary};

/// Everything one answer is made from. Parts that [`Needs`](crate::Needs) does not ask for stay empty.
#[derive(Clone, Debug)]
pub struct Snapshots {
    pub server: ServerSnapshot,
    /// One a shard, in the order of their numbers.
    pub shards: Vec<ShardSnapshot>,
    /// One an account, in a fixed order, their counters summed over the shards.
    pub accounts: Vec<AccountSnapshot>,
    pub connections: Collected<ConnSnapshot>,
    pub subscriptions: Collected<SubSnapshot>,
}

/// What the shards picked of something there may be very much of.
///
/// A shard sends no more than can appear on the page that was asked for, and how many there were to pick from.
#[derive(Clone, Debug)]
pub struct Collected<T> {
    /// How many there are over all shards, whether picked or not (see [`crate::Chosen::total`]).
    pub total: usize,
    pub entries: Vec<T>,
}

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self { total: 0, entries: Vec::new() }
    }
}

impl<T> Collected<T> {
    /// Adds what one shard picked. Shards are added in the order of their numbers, so that pages do not overlap.
    pub fn add(&mut self, total: usize, entries: impl IntoIterator<Item = T>) {
        self.total += total;
        self.entries.extend(entries);
    }
}

//! Numbers that must not be swapped for one another.

use std::fmt;

/// A connection's number, unique in one life of the server and counted from 1 (`cid` in the monitoring documents,
/// `client_id` in INFO).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Index of an account in this server's table of accounts. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

impl AccountId {
    /// `$G`, where connections live that belong to no configured account.
    pub const GLOBAL: Self = Self(0);
    /// `$SYS`, the system account.
    pub const SYSTEM: Self = Self(1);
}

/// Index of a shard: one executor pinned to one CPU, with the state it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    pub const FIRST: Self = Self(0);

    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

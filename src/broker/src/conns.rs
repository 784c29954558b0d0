//! What the broker knows of a connection: where its messages go, and what it may see.

use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashTable;
use natrium_account::ConnectionPermissions;
use natrium_client::{Features, LogName, Outbox};
use natrium_model::AccountId;

/// Names a connection on its shard for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnKey(pub(crate) u32);

/// The receiving side of a connection.
#[derive(Debug)]
pub struct Conn {
    pub(crate) account: AccountId,
    pub(crate) features: Features,
    pub outbox: Outbox,
    /// What the trace log calls it; `None`: it is not traced.
    pub log_name: Option<Arc<LogName>>,
    /// `None`: it may do anything.
    pub permissions: Option<Box<ConnectionPermissions>>,
    /// Keys of its subscriptions, by sid.
    pub(crate) sids: HashTable<u32>,
    /// Whether it is on the list of those with something new to write.
    pub(crate) dirty: bool,
    /// Its backlog passed every bound: it gets nothing more and is about to be closed.
    pub(crate) overflowed: bool,
    /// Deliveries that found it so far behind that their publishers were asked to rest.
    pub(crate) stalls: u64,
    pub(crate) out_messages: u64,
    pub(crate) out_bytes: u64,
    /// When it was handed a message last.
    pub(crate) delivered_at: Option<Instant>,
}

impl ConnKey {
    /// Position in a table kept beside the broker.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Conn {
    pub(crate) fn new() -> Self {
        Self {
            account: AccountId::GLOBAL,
            features: Features { echo: true, headers: false, no_responders: false },
            outbox: Outbox::default(),
            log_name: None,
            permissions: None,
            sids: HashTable::new(),
            dirty: false,
            overflowed: false,
            stalls: 0,
            out_messages: 0,
            out_bytes: 0,
            delivered_at: None,
        }
    }

    pub fn account(&self) -> AccountId {
        self.account
    }

    pub fn subscription_count(&self) -> usize {
        self.sids.len()
    }

    /// Messages and payload bytes handed to it so far.
    pub fn sent(&self) -> (u64, u64) {
        (self.out_messages, self.out_bytes)
    }

    /// How often it was so far behind that a publisher was asked to rest.
    pub fn stalls(&self) -> u64 {
        self.stalls
    }

    /// When it was handed a message last, if it ever was.
    pub fn delivered_at(&self) -> Option<Instant> {
        self.delivered_at
    }

    /// Whether it fell so far behind that messages were dropped: it must be closed as a slow consumer.
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }
}

//! One shard's routing state, and what it has to say to the other shards.

use std::iter::successors;
use std::mem;

use natrium_account::{ConnectionPermissions, Grant};
use natrium_client::{Features, Outbox, TraceRules};
use natrium_model::AccountId;
use natrium_subject::{FilterMap, FilterMapStats, MatchCaching};
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use slab::Slab;

use crate::batch::Batch;
use crate::conns::{Conn, ConnKey};
use crate::interest::{Group, Listeners, NONE, SHARDS_MAX};
use crate::publish::Scratch;
use crate::queue_names::QueueNames;
use crate::subscriptions::Subscription;

/// Routing for one shard. See the crate's page for the rules its shell keeps.
pub struct Broker {
    pub(crate) shard: usize,
    pub(crate) accounts: Vec<AccountSubjects>,
    pub(crate) subscriptions: Slab<Subscription>,
    pub(crate) groups: Slab<Group>,
    pub(crate) names: QueueNames,
    pub(crate) conns: Slab<Conn>,
    /// Connections with something new to write.
    pub(crate) dirty: Vec<ConnKey>,
    /// Bytes handed to them since they were taken last, about.
    pub(crate) unflushed: usize,
    /// Publishers that another shard asked to rest.
    pub(crate) congested: Vec<(u32, u32)>,
    pub(crate) peers: Vec<Staged>,
    pub(crate) scratch: Scratch,
    pub(crate) random: Xoshiro256PlusPlus,
    pub(crate) max_pending: usize,
    pub(crate) trace: TraceRules,
    /// Messages pass by receivers that are far behind.
    pub(crate) skips_slow: bool,
    caching: MatchCaching,
}

/// Bytes for one receiver that are worth a system call by themselves.
const FLUSH_BYTES: usize = 64 * 1024;

/// The subjects of one account, as seen from this shard.
pub(crate) struct AccountSubjects {
    pub(crate) filters: FilterMap<Listeners>,
    pub(crate) totals: AccountTotals,
}

/// Counters of one account on one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountTotals {
    pub connections: usize,
    pub subscriptions: usize,
    /// Subscriptions that ever came and went.
    pub subscribed: u64,
    pub unsubscribed: u64,
    pub in_messages: u64,
    pub in_bytes: u64,
    pub out_messages: u64,
    pub out_bytes: u64,
}

/// What waits for the lane to one other shard.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    pub(crate) notices: Batch,
    pub(crate) messages: Batch,
}

impl Broker {
    /// An empty broker of shard `shard` among `shards`. `max_pending` bounds a connection's backlog, in bytes.
    ///
    /// # Panics
    /// With more than [`SHARDS_MAX`] shards.
    pub fn new(shard: usize, shards: usize, max_pending: usize, caching: MatchCaching, seed: u64) -> Self {
        assert!(shard < shards && shards <= SHARDS_MAX, "shard {shard} of {shards}");
        let mut broker = Self {
            shard,
            accounts: Vec::new(),
            subscriptions: Slab::new(),
            groups: Slab::new(),
            names: QueueNames::default(),
            conns: Slab::new(),
            dirty: Vec::new(),
            unflushed: 0,
            congested: Vec::new(),
            peers: (0..shards).map(|_| Staged::default()).collect(),
            scratch: Scratch::new(shards),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            max_pending,
            trace: TraceRules::default(),
            skips_slow: false,
            caching,
        };
        broker.ensure_account(AccountId::SYSTEM);
        broker
    }

    /// How much the trace log shows of what is delivered.
    pub fn set_trace_rules(&mut self, rules: TraceRules) {
        self.trace = rules;
    }

    /// From now on a receiver that has three quarters of `max_pending` waiting gets nothing more until it has read: who
    /// publishes is not to rest for it.
    pub fn skip_slow_receivers(&mut self) {
        self.skips_slow = true;
    }

    /// A connection without rights of its own yet, in the global account.
    pub fn add_conn(&mut self) -> ConnKey {
        let key = self.conns.insert(Conn::new());
        self.accounts[AccountId::GLOBAL.0 as usize].totals.connections += 1;
        ConnKey(u32::try_from(key).expect("connections are counted in u32"))
    }

    /// Ends a connection and its subscriptions; whatever it had not read is dropped.
    pub fn remove_conn(&mut self, key: ConnKey) {
        self.unsubscribe_all(key);
        let conn = self.conns.remove(key.index());
        self.accounts[conn.account.0 as usize].totals.connections -= 1;
        if conn.dirty {
            self.dirty.retain(|other| *other != key);
        }
    }

    /// # Panics
    /// For a key whose connection was removed.
    pub fn conn(&self, key: ConnKey) -> &Conn {
        &self.conns[key.index()]
    }

    /// # Panics
    /// For a key whose connection was removed.
    pub fn conn_mut(&mut self, key: ConnKey) -> &mut Conn {
        &mut self.conns[key.index()]
    }

    pub fn has_conn(&self, key: ConnKey) -> bool {
        self.conns.contains(key.index())
    }

    /// The outbox of a connection that is about to be written to: it will be among the [`Self::take_dirty`].
    pub fn outbox(&mut self, key: ConnKey) -> &mut Outbox {
        mark_dirty(&mut self.conns, &mut self.dirty, key);
        &mut self.conns[key.index()].outbox
    }

    /// Gives a connection the account and the rights it was granted. Subscriptions in another account end.
    pub fn bind(&mut self, key: ConnKey, grant: &Grant) {
        self.ensure_account(grant.account);
        if self.conns[key.index()].account != grant.account {
            self.unsubscribe_all(key);
        }
        let conn = &mut self.conns[key.index()];
        self.accounts[conn.account.0 as usize].totals.connections -= 1;
        conn.account = grant.account;
        conn.permissions = grant.permissions.clone().map(ConnectionPermissions::new).map(Box::new);
        self.accounts[conn.account.0 as usize].totals.connections += 1;
    }

    pub fn set_features(&mut self, key: ConnKey, features: Features) {
        self.conns[key.index()].features = features;
    }

    /// Fills `taken` with the connections that have something new to write, and starts the list again.
    pub fn take_dirty(&mut self, taken: &mut Vec<ConnKey>) {
        taken.clear();
        self.unflushed = 0;
        mem::swap(taken, &mut self.dirty);
        for key in taken.iter() {
            self.conns[key.index()].dirty = false;
        }
    }

    /// Whether so much waits to be written that it had better be, before more falls out of the processor's caches.
    pub fn is_flush_due(&self) -> bool {
        self.unflushed > FLUSH_BYTES * self.dirty.len()
    }

    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Fills `taken` with the publishers whose receivers on other shards are far behind, and with the bytes that wait there.
    pub fn take_congested(&mut self, taken: &mut Vec<(ConnKey, usize)>) {
        taken.clear();
        taken.extend(self.congested.drain(..).map(|(key, backlog)| (ConnKey(key), backlog as usize)));
        // Some may have left since.
        taken.retain(|(key, _)| self.conns.contains(key.index()));
    }

    /// Changes of interest for shard `to`, if there are any; `empty` takes their place.
    pub fn take_notices(&mut self, to: usize, empty: impl FnOnce() -> Batch) -> Option<Batch> {
        take(&mut self.peers[to].notices, empty)
    }

    /// Messages for shard `to`, if there are any; `empty` takes their place.
    pub fn take_messages(&mut self, to: usize, empty: impl FnOnce() -> Batch) -> Option<Batch> {
        take(&mut self.peers[to].messages, empty)
    }

    /// Puts back what a full lane did not take. Nothing may have been staged for `to` since it was taken.
    pub fn restore_notices(&mut self, to: usize, batch: Batch) {
        debug_assert!(self.peers[to].notices.is_empty());
        self.peers[to].notices = batch;
    }

    /// Puts back what a full lane did not take. Nothing may have been staged for `to` since it was taken.
    pub fn restore_messages(&mut self, to: usize, batch: Batch) {
        debug_assert!(self.peers[to].messages.is_empty());
        self.peers[to].messages = batch;
    }

    /// Bytes of messages that wait for the lane to shard `to`.
    pub fn staged_bytes(&self, to: usize) -> usize {
        self.peers[to].messages.size()
    }

    pub fn has_notices(&self, to: usize) -> bool {
        !self.peers[to].notices.is_empty()
    }

    /// Whether anything waits for any lane.
    pub fn has_staged(&self) -> bool {
        self.peers.iter().any(|peer| !peer.notices.is_empty() || !peer.messages.is_empty())
    }

    pub fn account_totals(&self, account: AccountId) -> AccountTotals {
        self.accounts.get(account.0 as usize).map_or_else(AccountTotals::default, |subjects| subjects.totals)
    }

    /// What the account's interest tree and its cache counted. Filters that only other shards listen to are in it; the
    /// sizes of cached results count this shard's subscriptions. Walks the cache: for the monitoring endpoint.
    pub fn interest_stats(&self, account: AccountId) -> FilterMapStats {
        let fanout = |listeners: &Listeners| self.local_listeners(listeners);
        self.accounts
            .get(account.0 as usize)
            .map_or_else(FilterMapStats::default, |subjects| subjects.filters.stats(fanout))
    }

    pub fn conn_count(&self) -> usize {
        self.conns.len()
    }

    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Bytes that wait for sockets. Walks all connections: for the monitoring endpoint.
    pub fn pending_bytes(&self) -> usize {
        self.conns.iter().map(|(_, conn)| conn.outbox.pending()).sum()
    }

    /// A number nobody can foresee from the outside, though it follows from the seed.
    pub fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Subscriptions of this shard on one filter.
    fn local_listeners(&self, listeners: &Listeners) -> usize {
        let next = |key: u32| (key != NONE).then_some(key);
        let plain = successors(next(listeners.plain), |key| next(self.subscriptions[*key as usize].next));
        let groups = successors(next(listeners.groups), |key| next(self.groups[*key as usize].next));
        plain.count() + groups.map(|key| self.groups[key as usize].members.len()).sum::<usize>()
    }

    pub(crate) fn ensure_account(&mut self, account: AccountId) {
        while self.accounts.len() <= account.0 as usize {
            let filters = FilterMap::with_seed(self.random.next_u64(), self.caching);
            self.accounts.push(AccountSubjects { filters, totals: AccountTotals::default() });
        }
    }
}

/// Free of `self` so that callers may hold other parts of the broker.
#[inline]
pub(crate) fn mark_dirty(conns: &mut Slab<Conn>, dirty: &mut Vec<ConnKey>, key: ConnKey) {
    let conn = &mut conns[key.index()];
    if !conn.dirty {
        conn.dirty = true;
        dirty.push(key);
    }
}

fn take(batch: &mut Batch, empty: impl FnOnce() -> Batch) -> Option<Batch> {
    (!batch.is_empty()).then(|| mem::replace(batch, empty()))
}

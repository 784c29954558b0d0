//! Subscriptions of this shard's connections: how they come and go, and what the other shards are told of it.

use natrium_client::{is_traced, trace_removal};
use natrium_model::AccountId;
use natrium_subject::{FilterId, is_valid_filter};

use crate::batch::Notice;
use crate::broker::Broker;
use crate::conns::ConnKey;
use crate::interest::{Group, NONE};
use crate::sid::Sid;

/// One subscription.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) conn: ConnKey,
    pub(crate) filter: FilterId,
    /// Its queue group, or [`NONE`].
    pub(crate) group: u32,
    /// Neighbours among the plain subscriptions of its filter.
    pub(crate) prev: u32,
    pub(crate) next: u32,
    /// Messages it ends after; 0 for no end.
    pub(crate) max: u64,
    pub(crate) delivered: u64,
    pub(crate) sid: Sid,
    /// Parts of what it matches are denied to its connection.
    pub(crate) delivery_checked: bool,
}

/// Why a subscription was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    #[error("the subject is malformed")]
    InvalidSubject,
}

impl Subscription {
    pub fn sid(&self) -> &Sid {
        &self.sid
    }

    /// Messages it got so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages it ends after, if it does.
    pub fn max(&self) -> Option<u64> {
        (self.max > 0).then_some(self.max)
    }
}

impl Broker {
    /// Adds a subscription. A sid that is in use stays what it was.
    ///
    /// # Errors
    /// For a malformed filter.
    pub fn subscribe(
        &mut self,
        conn: ConnKey,
        filter: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        delivery_checked: bool,
    ) -> Result<(), SubscribeError> {
        if !is_valid_filter(filter) {
            return Err(SubscribeError::InvalidSubject);
        }
        if self.find_subscription(conn, sid).is_some() {
            return Ok(());
        }
        let account = self.conns[conn.index()].account;
        let (filter_id, _) = self.accounts[account.0 as usize].filters.entry(filter);
        let group = queue.map_or(NONE, |name| self.join_or_create_group(account, filter_id, name));
        let key = self.subscriptions.insert(Subscription {
            conn,
            filter: filter_id,
            group,
            prev: NONE,
            next: NONE,
            max: 0,
            delivered: 0,
            sid: Sid::new(sid),
            delivery_checked,
        });
        let key = u32::try_from(key).expect("subscriptions are counted in u32");
        if group == NONE {
            self.link(account, filter_id, key);
        } else {
            self.groups[group as usize].members.push(key);
            self.announce_weight(group);
        }
        let hasher = |sid: &[u8]| hash_sid(sid);
        let subscriptions = &self.subscriptions;
        self.conns[conn.index()]
            .sids
            .insert_unique(hasher(sid), key, |key| hasher(subscriptions[*key as usize].sid.as_bytes()));
        let totals = &mut self.accounts[account.0 as usize].totals;
        totals.subscriptions += 1;
        totals.subscribed += 1;
        Ok(())
    }

    /// Ends a subscription now, or once it has had `max` messages. An unknown sid is nothing.
    pub fn unsubscribe(&mut self, conn: ConnKey, sid: &[u8], max: Option<u64>) {
        let Some(key) = self.find_subscription(conn, sid) else { return };
        let subscription = &mut self.subscriptions[key as usize];
        match max {
            Some(max) if max > subscription.delivered => subscription.max = max,
            Some(_) | None => self.remove_subscription(key),
        }
    }

    pub fn unsubscribe_all(&mut self, conn: ConnKey) {
        let keys: Vec<u32> = self.conns[conn.index()].sids.iter().copied().collect();
        keys.into_iter().for_each(|key| self.remove_subscription(key));
        self.conns[conn.index()].sids = hashbrown::HashTable::new();
    }

    /// The subscriptions of one connection with their filter and queue group, in no order.
    pub fn subscriptions_of(
        &self,
        conn: ConnKey,
    ) -> impl Iterator<Item = (&Subscription, &[u8], Option<&[u8]>)> {
        let account = self.conns[conn.index()].account;
        self.conns[conn.index()].sids.iter().map(move |key| {
            let subscription = &self.subscriptions[*key as usize];
            let filters = &self.accounts[account.0 as usize].filters;
            let filter =
                filters.filter_text(subscription.filter).expect("a subscription's filter is in the map");
            let group = self.groups.get(subscription.group as usize);
            (subscription, filter, group.map(|group| self.names.text(group.name)))
        })
    }

    pub(crate) fn remove_subscription(&mut self, key: u32) {
        let subscription = self.subscriptions.remove(key as usize);
        let conn = &mut self.conns[subscription.conn.index()];
        if is_traced()
            && let Some(name) = &conn.log_name
        {
            trace_removal(name, subscription.sid.as_bytes());
        }
        let account = conn.account;
        let hash = hash_sid(subscription.sid.as_bytes());
        if let Ok(entry) = conn.sids.find_entry(hash, |other| *other == key) {
            entry.remove();
        }
        let totals = &mut self.accounts[account.0 as usize].totals;
        totals.subscriptions -= 1;
        totals.unsubscribed += 1;
        if subscription.group == NONE {
            self.unlink(account, &subscription);
        } else {
            let group = &mut self.groups[subscription.group as usize];
            group.members.retain(|member| *member != key);
            self.announce_weight(subscription.group);
            self.drop_group_if_empty(subscription.group);
        }
        self.drop_filter_if_empty(account, subscription.filter);
    }

    /// The group `name` on `filter`, made if it is not there.
    pub(crate) fn join_or_create_group(&mut self, account: AccountId, filter: FilterId, name: &[u8]) -> u32 {
        if let Some(key) = self.find_group(account, filter, name) {
            return key;
        }
        let name = self.names.acquire(name);
        let listeners =
            self.accounts[account.0 as usize].filters.get_mut(filter).expect("the caller holds it");
        let group = Group {
            account,
            filter,
            name,
            next: listeners.groups,
            members: Vec::new(),
            remote: smallvec::SmallVec::new(),
        };
        let key = u32::try_from(self.groups.insert(group)).expect("groups are counted in u32");
        listeners.groups = key;
        key
    }

    pub(crate) fn find_group(&self, account: AccountId, filter: FilterId, name: &[u8]) -> Option<u32> {
        let name = self.names.find(name)?;
        let mut key = self.accounts[account.0 as usize].filters.get(filter)?.groups;
        while key != NONE {
            let group = &self.groups[key as usize];
            if group.name == name {
                return Some(key);
            }
            key = group.next;
        }
        None
    }

    pub(crate) fn drop_group_if_empty(&mut self, key: u32) {
        let group = &self.groups[key as usize];
        if !group.is_empty() {
            return;
        }
        let group = self.groups.remove(key as usize);
        self.names.release(group.name);
        let filters = &mut self.accounts[group.account.0 as usize].filters;
        let listeners = filters.get_mut(group.filter).expect("a group's filter is in the map");
        if listeners.groups == key {
            listeners.groups = group.next;
            return;
        }
        let mut before = listeners.groups;
        while self.groups[before as usize].next != key {
            before = self.groups[before as usize].next;
        }
        self.groups[before as usize].next = group.next;
    }

    pub(crate) fn drop_filter_if_empty(&mut self, account: AccountId, filter: FilterId) {
        let filters = &mut self.accounts[account.0 as usize].filters;
        if filters.get(filter).is_some_and(crate::interest::Listeners::is_empty) {
            filters.remove(filter);
        }
    }

    fn find_subscription(&self, conn: ConnKey, sid: &[u8]) -> Option<u32> {
        let is_it = |key: &u32| self.subscriptions[*key as usize].sid.as_bytes() == sid;
        self.conns[conn.index()].sids.find(hash_sid(sid), is_it).copied()
    }

    /// Puts a plain subscription in front of its filter's list; the first one is announced.
    fn link(&mut self, account: AccountId, filter: FilterId, key: u32) {
        let filters = &mut self.accounts[account.0 as usize].filters;
        let listeners = filters.get_mut(filter).expect("the caller holds it");
        let first = listeners.plain;
        listeners.plain = key;
        self.subscriptions[key as usize].next = first;
        if first == NONE {
            self.announce_plain(account, filter, true);
        } else {
            self.subscriptions[first as usize].prev = key;
        }
    }

    fn unlink(&mut self, account: AccountId, subscription: &Subscription) {
        let Subscription { prev, next, filter, .. } = *subscription;
        if next != NONE {
            self.subscriptions[next as usize].prev = prev;
        }
        if prev != NONE {
            self.subscriptions[prev as usize].next = next;
            return;
        }
        let filters = &mut self.accounts[account.0 as usize].filters;
        filters.get_mut(filter).expect("a subscription's filter is in the map").plain = next;
        if next == NONE {
            self.announce_plain(account, filter, false);
        }
    }

    fn announce_plain(&mut self, account: AccountId, filter: FilterId, wanted: bool) {
        let filter =
            self.accounts[account.0 as usize].filters.filter_text(filter).expect("the caller holds it");
        let others = self.peers.iter_mut().enumerate().filter(|(peer, _)| *peer != self.shard);
        others.for_each(|(_, peer)| peer.notices.push_notice(&Notice::Plain { account, filter, wanted }));
    }

    fn announce_weight(&mut self, group: u32) {
        let group = &self.groups[group as usize];
        let account = group.account;
        let filters = &self.accounts[account.0 as usize].filters;
        let filter = filters.filter_text(group.filter).expect("a group's filter is in the map");
        let weight = u32::try_from(group.members.len()).expect("subscriptions are counted in u32");
        let notice = Notice::Queue { account, filter, queue: self.names.text(group.name), weight };
        let others = self.peers.iter_mut().enumerate().filter(|(peer, _)| *peer != self.shard);
        others.for_each(|(_, peer)| peer.notices.push_notice(&notice));
    }
}

/// Sids are chosen by the client they belong to: it can only slow its own table down, and only by so much as its limit of
/// subscriptions allows, so a fast unseeded hash will do.
fn hash_sid(sid: &[u8]) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = foldhash::fast::FixedState::with_seed(0x6e61_7472).build_hasher();
    hasher.write(sid);
    hasher.finish()
}

//! From a publish to those who get it, here and on other shards.

use std::time::Instant;

use natrium_model::AccountId;
use natrium_wire::encode::SharedMessage;
use natrium_wire::{Publish, encode};
use rand_core::RngCore;

use crate::batch::{Frame, QueueList};
use crate::broker::Broker;
use crate::conns::ConnKey;
use crate::deliver::Delivery;
use crate::interest::{Listeners, NONE};
use crate::queue_names::QueueName;

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Bytes that wait for the receiver of this shard that is furthest behind, or 0 where none is far behind. The publisher
    /// should rest for a while that grows with it.
    pub backlog: usize,
}

/// Memory that one publish uses and the next one uses again.
pub(crate) struct Scratch {
    pub(crate) matched: Vec<Listeners>,
    /// What `matched` is the answer to.
    asked: Asked,
    pub(crate) expired: Vec<u32>,
    /// The message at hand, for all but its first receivers.
    pub(crate) shared: SharedMessage,
    /// Groups of the matched filters by name.
    groups: Vec<(QueueName, u32)>,
    /// For each shard the names of the groups that it serves this time, as a [`QueueList`].
    remote_queues: Vec<Vec<u8>>,
}

/// A subject that was looked up: publishers tend to stay with one.
#[derive(Debug)]
struct Asked {
    account: AccountId,
    /// [`natrium_subject::FilterMap::changes`] at that time.
    changes: u64,
    subject: Vec<u8>,
}

/// One who may serve a queue group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Member(u32),
    Shard(usize),
}

impl Scratch {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            matched: Vec::new(),
            // Nothing matches the empty subject, before the first change as well.
            asked: Asked { account: AccountId::GLOBAL, changes: 0, subject: Vec::new() },
            expired: Vec::new(),
            shared: SharedMessage::default(),
            groups: Vec::new(),
            remote_queues: (0..shards).map(|_| Vec::new()).collect(),
        }
    }
}

impl Broker {
    /// Routes a message of connection `from`: appends it to the outboxes of its receivers and to the batches for other
    /// shards. A request that nobody hears is answered with status 503 if the publisher asked for it.
    pub fn publish(&mut self, from: ConnKey, message: &Publish<'_>, now: Instant) -> Routed {
        let conn = &self.conns[from.index()];
        let account = conn.account;
        let wants_no_responders = conn.features.no_responders;
        let totals = &mut self.accounts[account.0 as usize].totals;
        totals.in_messages += 1;
        totals.in_bytes += message.payload.len() as u64;
        self.find_listeners(account, message.subject);
        if self.scratch.matched.is_empty() {
            if wants_no_responders && let Some(reply) = message.reply {
                self.answer_no_responders(from, account, message.subject, reply);
            }
            return Routed { backlog: 0 };
        }
        let mut delivery =
            Delivery { message: *message, publisher: Some(from), shared: None, now, copies: 0, backlog: 0 };
        let mut heard = false;
        let mut wanting = 0;
        for at in 0..self.scratch.matched.len() {
            let Listeners { plain, remote, .. } = self.scratch.matched[at];
            heard |= self.deliver_to_list(plain, &mut delivery) > 0;
            wanting |= remote;
        }
        let serving = self.pick_queue_members(&mut delivery, &mut heard);
        self.stage(account, from, 0, wanting, serving, &mut delivery);
        heard |= wanting | serving != 0;
        self.remove_expired();
        if !heard
            && wants_no_responders
            && let Some(reply) = message.reply
        {
            self.answer_no_responders(from, account, message.subject, reply);
        }
        Routed { backlog: delivery.backlog }
    }

    #[inline]
    pub(crate) fn find_listeners(&mut self, account: AccountId, subject: &[u8]) {
        let Scratch { matched, asked, .. } = &mut self.scratch;
        let filters = &mut self.accounts[account.0 as usize].filters;
        if asked.account == account && asked.changes == filters.changes() && asked.subject == subject {
            filters.count_repeated_match();
            return;
        }
        matched.clear();
        filters.for_each_match(subject, |_, listeners| matched.push(*listeners));
        asked.account = account;
        asked.changes = filters.changes();
        asked.subject.clear();
        asked.subject.extend_from_slice(subject);
    }

    /// Serves one member of each queue group among the matched filters. Groups of one name are one group. Returns the
    /// shards that were picked; the names they serve are in the scratch memory.
    fn pick_queue_members(&mut self, delivery: &mut Delivery<'_>, heard: &mut bool) -> u64 {
        if self.scratch.matched.iter().all(|listeners| listeners.groups == NONE) {
            return 0;
        }
        let mut groups = std::mem::take(&mut self.scratch.groups);
        self.collect_groups(&mut groups);
        let mut serving = 0;
        for same_name in groups.chunk_by(|left, right| left.0 == right.0) {
            match self.serve_group(same_name, delivery) {
                Some(Server::Member(_)) => *heard = true,
                Some(Server::Shard(shard)) => {
                    serving |= 1 << shard;
                    QueueList::push(&mut self.scratch.remote_queues[shard], self.names.text(same_name[0].0));
                }
                None => {}
            }
        }
        groups.clear();
        self.scratch.groups = groups;
        serving
    }

    /// The groups of the matched filters, those of one name side by side.
    fn collect_groups(&self, groups: &mut Vec<(QueueName, u32)>) {
        for listeners in &self.scratch.matched {
            let mut key = listeners.groups;
            while key != NONE {
                let group = &self.groups[key as usize];
                groups.push((group.name, key));
                key = group.next;
            }
        }
        groups.sort_unstable_by_key(|(name, _)| *name);
    }

    /// Picks one of the group's servers, each member as likely as any other, and hands the message over if it is here. A
    /// member that may not have it is passed over.
    fn serve_group(&mut self, groups: &[(QueueName, u32)], delivery: &mut Delivery<'_>) -> Option<Server> {
        let total: usize = groups.iter().map(|(_, key)| self.group_weight(*key)).sum();
        let total = u64::try_from(total).expect("a weight fits 64 bits");
        if total == 0 {
            return None;
        }
        let start = self.random.next_u64() % total;
        let mut at = start;
        loop {
            let server = self.nth_server(groups, at);
            match server {
                Server::Shard(_) => return Some(server),
                Server::Member(key) if self.deliver(key, delivery) => return Some(server),
                Server::Member(_) => {}
            }
            at = (at + 1) % total;
            if at == start {
                return None;
            }
        }
    }

    pub(crate) fn group_weight(&self, key: u32) -> usize {
        let group = &self.groups[key as usize];
        group.members.len() + group.remote.iter().map(|(_, weight)| *weight as usize).sum::<usize>()
    }

    fn nth_server(&self, groups: &[(QueueName, u32)], mut nth: u64) -> Server {
        for (_, key) in groups {
            let group = &self.groups[*key as usize];
            let members = group.members.len() as u64;
            if nth < members {
                return Server::Member(group.members[usize::try_from(nth).expect("below a length")]);
            }
            nth -= members;
            for (shard, weight) in &group.remote {
                if nth < u64::from(*weight) {
                    return Server::Shard(usize::from(*shard));
                }
                nth -= u64::from(*weight);
            }
        }
        unreachable!("the number is below the sum of all weights")
    }

    /// Appends the message to the batch of every shard in `wanting` (for its plain subscriptions) or `serving` (for its
    /// queue groups).
    pub(crate) fn stage(
        &mut self,
        account: AccountId,
        publisher: ConnKey,
        hops: u8,
        wanting: u64,
        serving: u64,
        delivery: &mut Delivery<'_>,
    ) {
        let mut rest = wanting | serving;
        while rest != 0 {
            let shard = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let message = delivery.message;
            let shared = delivery.shared();
            let queues = &mut self.scratch.remote_queues[shard];
            let frame = Frame {
                account,
                publisher: publisher.0,
                plain: wanting & (1 << shard) != 0,
                hops,
                message,
                queues: QueueList::of(queues),
            };
            self.peers[shard].messages.push_frame(&frame, shared);
            queues.clear();
        }
    }

    /// Serves queue group `name` among the matched filters on behalf of another shard; where no member is left here, the
    /// message goes on to a shard that has one, up to a few times.
    pub(crate) fn serve_remote_queue(
        &mut self,
        account: AccountId,
        publisher: ConnKey,
        name: &[u8],
        hops: u8,
        delivery: &mut Delivery<'_>,
    ) {
        let Some(name) = self.names.find(name) else { return };
        let mut groups = std::mem::take(&mut self.scratch.groups);
        self.collect_groups(&mut groups);
        groups.retain(|(other, _)| *other == name);
        let count: usize = groups.iter().map(|(_, key)| self.groups[*key as usize].members.len()).sum();
        let start = self.random.next_u64().checked_rem(count as u64).unwrap_or(0);
        let start = usize::try_from(start).expect("below a length");
        let served = (0..count).any(|step| {
            let mut members = groups.iter().flat_map(|(_, key)| &self.groups[*key as usize].members);
            let member = *members.nth((start + step) % count).expect("below the number of members");
            self.deliver(member, delivery)
        });
        if !served && hops < HOPS_MAX {
            let remotes =
                || groups.iter().flat_map(|(_, key)| self.groups[*key as usize].remote.iter().copied());
            let count = remotes().count();
            let nth = self.random.next_u64().checked_rem(count as u64).unwrap_or(0);
            if let Some((shard, _)) = remotes().nth(usize::try_from(nth).expect("below a length")) {
                let shard = usize::from(shard);
                QueueList::push(&mut self.scratch.remote_queues[shard], self.names.text(name));
                self.stage(account, publisher, hops + 1, 0, 1 << shard, delivery);
            }
        }
        groups.clear();
        self.scratch.groups = groups;
    }

    fn answer_no_responders(&mut self, from: ConnKey, account: AccountId, subject: &[u8], reply: &[u8]) {
        self.find_listeners(account, reply);
        for listeners in &self.scratch.matched {
            let mut key = listeners.plain;
            while key != NONE {
                let subscription = &self.subscriptions[key as usize];
                if subscription.conn == from {
                    let sid = subscription.sid.clone();
                    self.outbox(from).write(|out| encode::no_responders(out, subject, reply, sid.as_bytes()));
                    return;
                }
                key = subscription.next;
            }
        }
    }
}

/// A message for a queue group that keeps moving is dropped after so many shards: at most once, as ever.
const HOPS_MAX: u8 = 3;

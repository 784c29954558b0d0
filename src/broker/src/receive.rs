//! What other shards say.

use std::time::Instant;

use natrium_model::AccountId;

use crate::batch::{Batch, Notice};
use crate::broker::Broker;
use crate::conns::ConnKey;
use crate::deliver::Delivery;

impl Broker {
    /// Delivers the messages that shard `from` sent for this shard's subscriptions.
    pub fn receive_messages(&mut self, from: usize, batch: &Batch, now: Instant) {
        let mut told = None;
        for (frame, shared) in batch.frames() {
            self.ensure_account(frame.account);
            let mut delivery = Delivery {
                message: frame.message,
                publisher: None,
                shared: shared.cloned(),
                now,
                copies: 0,
                backlog: 0,
            };
            self.find_listeners(frame.account, frame.message.subject);
            if frame.plain {
                for at in 0..self.scratch.matched.len() {
                    self.deliver_to_list(self.scratch.matched[at].plain, &mut delivery);
                }
            }
            for name in frame.queues.iter() {
                let publisher = ConnKey(frame.publisher);
                self.serve_remote_queue(frame.account, publisher, name, frame.hops, &mut delivery);
            }
            self.remove_expired();
            if delivery.backlog > 0 && frame.hops == 0 && told != Some(frame.publisher) {
                told = Some(frame.publisher);
                let backlog = u32::try_from(delivery.backlog).unwrap_or(u32::MAX);
                let notice = Notice::Congested { publisher: frame.publisher, backlog };
                self.peers[from].notices.push_notice(&notice);
            }
        }
    }

    /// Takes in what shard `from` says of its clients' interest.
    pub fn receive_notices(&mut self, from: usize, batch: &Batch) {
        for notice in batch.notices() {
            match notice {
                Notice::Plain { account, filter, wanted } => {
                    self.set_remote_plain(from, account, filter, wanted)
                }
                Notice::Queue { account, filter, queue, weight } => {
                    self.set_remote_queue(from, account, filter, queue, weight);
                }
                Notice::Congested { publisher, backlog } => self.congested.push((publisher, backlog)),
            }
        }
    }

    fn set_remote_plain(&mut self, from: usize, account: AccountId, filter: &[u8], wanted: bool) {
        self.ensure_account(account);
        let (id, listeners) = self.accounts[account.0 as usize].filters.entry(filter);
        let bit = 1 << from;
        listeners.remote = if wanted { listeners.remote | bit } else { listeners.remote & !bit };
        self.drop_filter_if_empty(account, id);
    }

    fn set_remote_queue(
        &mut self,
        from: usize,
        account: AccountId,
        filter: &[u8],
        queue: &[u8],
        weight: u32,
    ) {
        self.ensure_account(account);
        let (id, _) = self.accounts[account.0 as usize].filters.entry(filter);
        let group = self.join_or_create_group(account, id, queue);
        self.groups[group as usize].set_remote_weight(from, weight);
        self.drop_group_if_empty(group);
        self.drop_filter_if_empty(account, id);
    }
}

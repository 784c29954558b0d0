//! What a shard counts for the monitoring endpoint beside its broker.

use std::cell::{Ref, RefCell};

use natrium_client::Stats;
use natrium_model::{AccountId, CloseReason};
use natrium_monitor::{ClosedRing, ConnSnapshot, Summary, Traffic};
use natrium_shards::Distribution;

/// One shard's counts since the start, and its closed connections.
pub(crate) struct Tally {
    counts: RefCell<Counts>,
    closed: RefCell<ClosedRing<ConnSnapshot>>,
    /// Messages in a lane when it was drained.
    lane_depth: RefCell<Distribution>,
    /// Bytes one flush wrote to one socket.
    flush_bytes: RefCell<Distribution>,
}

/// See [`natrium_monitor::Counters`].
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) total_connections: u64,
    pub(super) slow_consumers: u64,
    pub(super) stale_connections: u64,
    pub(super) stalled_clients: u64,
    /// By number of the account.
    accounts: Vec<AccountCounts>,
}

/// What is counted by account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AccountCounts {
    /// What clients sent, refused publishes included.
    pub(super) received: Traffic,
    pub(super) slow_consumers: u64,
}

impl Tally {
    /// For a shard that remembers up to `closed_max` closed connections.
    pub(crate) fn new(closed_max: usize) -> Self {
        Self {
            counts: RefCell::default(),
            closed: RefCell::new(ClosedRing::new(closed_max)),
            lane_depth: RefCell::default(),
            flush_bytes: RefCell::default(),
        }
    }

    /// A lane was drained of so many messages.
    pub(crate) fn drained(&self, messages: u64) {
        self.lane_depth.borrow_mut().record(messages);
    }

    /// A flush wrote so many bytes to one socket.
    pub(crate) fn flushed(&self, bytes: usize) {
        self.flush_bytes.borrow_mut().record(bytes as u64);
    }

    pub(super) fn lane_depth(&self) -> Summary {
        summary(&self.lane_depth.borrow())
    }

    pub(super) fn flush_bytes(&self) -> Summary {
        summary(&self.flush_bytes.borrow())
    }

    pub(crate) fn accepted(&self) {
        self.counts.borrow_mut().total_connections += 1;
    }

    /// A client of `account` had sent `before` and now has sent `after`.
    pub(crate) fn received(&self, account: AccountId, before: Stats, after: Stats) {
        if before == after {
            return;
        }
        let mut counts = self.counts.borrow_mut();
        counts.account_mut(account).received +=
            Traffic { msgs: after.in_messages - before.in_messages, bytes: after.in_bytes - before.in_bytes };
    }

    /// A publisher was made to wait for a slow consumer.
    pub(crate) fn stalled(&self) {
        self.counts.borrow_mut().stalled_clients += 1;
    }

    /// A client of `account` did not keep up and is tried again.
    pub(crate) fn slow_consumer(&self, account: AccountId) {
        let mut counts = self.counts.borrow_mut();
        counts.slow_consumers += 1;
        counts.account_mut(account).slow_consumers += 1;
    }

    pub(crate) fn closed(&self, account: AccountId, reason: CloseReason, connection: ConnSnapshot) {
        if matches!(reason, CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline) {
            self.slow_consumer(account);
        }
        let mut counts = self.counts.borrow_mut();
        counts.stale_connections += u64::from(reason == CloseReason::StaleConnection);
        self.closed.borrow_mut().push(connection);
    }

    pub(super) fn counts(&self) -> Ref<'_, Counts> {
        self.counts.borrow()
    }

    pub(super) fn closed_connections(&self) -> Ref<'_, ClosedRing<ConnSnapshot>> {
        self.closed.borrow()
    }
}

pub(super) fn summary(distribution: &Distribution) -> Summary {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| distribution.quantile(share));
    Summary { count: distribution.count(), sum: distribution.sum(), p50, p99, p999, max: distribution.max() }
}

impl Counts {
    pub(super) fn account(&self, account: AccountId) -> AccountCounts {
        self.accounts.get(account.0 as usize).copied().unwrap_or_default()
    }

    /// What all clients sent.
    pub(super) fn received(&self) -> Traffic {
        self.accounts.iter().fold(Traffic::default(), |mut total, account| {
            total += account.received;
            total
        })
    }

    fn account_mut(&mut self, account: AccountId) -> &mut AccountCounts {
        let index = account.0 as usize;
        if self.accounts.len() <= index {
            self.accounts.resize(index + 1, AccountCounts::default());
        }
        &mut self.accounts[index]
    }
}

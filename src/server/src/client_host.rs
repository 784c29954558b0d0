//! The shard as one of its clients sees it.

use std::sync::Arc;
use std::time::Instant;

use natrium_account::{
    ConnectionPermissions, ConnectionType, Decision, Grant, HashJob, PeerCertificate, Presented,
};
use natrium_broker::{Broker, ConnKey};
use natrium_client::{Features, Host, LogName, Outbox, Pause, Published, Subscribed};
use natrium_model::AccountId;
use natrium_wire::Publish;

use crate::lane_traffic;
use crate::shard::Shard;

pub(crate) struct ClientHost<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) broker: &'a mut Broker,
    pub(crate) key: ConnKey,
    /// A password check that was asked for.
    pub(crate) job: Option<HashJob>,
}

impl Host for ClientHost<'_> {
    fn publish(&mut self, message: &Publish<'_>, now: Instant) -> Published {
        let routed = self.broker.publish(self.key, message, now);
        if routed.backlog > 0 && self.shard.shared.rules.publisher_rest {
            Published::Congested { backlog: routed.backlog }
        } else {
            Published::Done
        }
    }

    fn subscribe(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        delivery_checked: bool,
    ) -> Subscribed {
        match self.broker.subscribe(self.key, subject, queue, sid, delivery_checked) {
            Ok(()) => Subscribed::Done,
            Err(natrium_broker::SubscribeError::InvalidSubject) => Subscribed::InvalidSubject,
        }
    }

    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        self.broker.unsubscribe(self.key, sid, max);
    }

    fn unsubscribe_all(&mut self) {
        self.broker.unsubscribe_all(self.key);
    }

    fn subscription_count(&self) -> usize {
        self.broker.conn(self.key).subscription_count()
    }

    fn permissions(&mut self) -> Option<&mut ConnectionPermissions> {
        self.broker.conn_mut(self.key).permissions.as_deref_mut()
    }

    fn bind(&mut self, grant: &Grant, features: Features) {
        self.broker.bind(self.key, grant);
        self.broker.set_features(self.key, features);
    }

    fn set_features(&mut self, features: Features) {
        self.broker.set_features(self.key, features);
    }

    fn named(&mut self, name: &Arc<LogName>) {
        self.broker.conn_mut(self.key).log_name = Some(Arc::clone(name));
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.broker.outbox(self.key)
    }

    fn authenticate(&mut self, presented: &Presented<'_>, nonce: &str) -> Decision {
        self.shard.shared.authenticator.authenticate(presented, nonce.as_bytes())
    }

    fn authenticate_without_connect(&mut self, certificate: Option<&PeerCertificate>) -> Decision {
        self.shard.shared.authenticator.authenticate_without_connect(ConnectionType::Standard, certificate)
    }

    fn verify_password(&mut self, job: HashJob) {
        self.job = Some(job);
    }

    fn barrier(&mut self) -> Option<Pause> {
        let pushed = lane_traffic::push(self.broker, &self.shard.lanes, self.shard.shared.shards);
        self.shard.remember_to_wake(pushed.reached);
        (!pushed.all_done).then_some(Pause::LaneFull)
    }

    fn random(&mut self) -> u64 {
        self.broker.random()
    }

    fn account(&self) -> (&str, bool) {
        let id = self.broker.conn(self.key).account();
        let name = self.shard.shared.accounts.get(id).map_or("", |account| account.name());
        (name, id == AccountId::SYSTEM)
    }

    fn map_subject(&mut self, subject: &[u8], out: &mut Vec<u8>) -> bool {
        let mappings = &self.shard.shared.mappings;
        if mappings.is_empty() {
            return false;
        }
        let Some(mappings) = mappings.of_account(self.broker.conn(self.key).account()) else { return false };
        // There is no cluster yet whose name a destination could ask for.
        mappings.select(subject, None, || self.broker.random(), out)
    }
}

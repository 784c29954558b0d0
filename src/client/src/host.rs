//! What a connection asks of the shard it lives on.

use std::sync::Arc;
use std::time::Instant;

use natrium_account::{ConnectionPermissions, Decision, Grant, HashJob, PeerCertificate, Presented};
use natrium_wire::Publish;

use crate::{LogName, Outbox, Pause};

/// The shard as one connection sees it. Calls are in the order the client spoke, and take effect at once.
pub trait Host {
    /// Routes a message whose publishing is allowed.
    fn publish(&mut self, message: &Publish<'_>, now: Instant) -> Published;

    /// Adds a subscription whose permission was checked. With `delivery_checked`, only part of what its wildcards stand
    /// for is allowed, and each delivery is to be asked about ([`ConnectionPermissions::delivery_allowed`]).
    fn subscribe(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        delivery_checked: bool,
    ) -> Subscribed;

    /// Ends a subscription at once, or after `max` messages counted from its start. An unknown sid is nothing.
    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>);

    /// Drops every subscription of this connection.
    fn unsubscribe_all(&mut self);

    /// Subscriptions this connection has.
    fn subscription_count(&self) -> usize;

    /// The rights the last [`Self::bind`] gave; `None`: everything. They live here because delivery asks them too.
    fn permissions(&mut self) -> Option<&mut ConnectionPermissions>;

    /// Moves the connection to the account and the rights it was granted.
    fn bind(&mut self, grant: &Grant, features: Features);

    /// Changes what is delivered in which form, in the account the connection is in.
    fn set_features(&mut self, features: Features);

    /// The log has a new name for this connection: what is delivered to it is traced under that.
    fn named(&mut self, name: &Arc<LogName>);

    /// This connection's own output.
    fn outbox(&mut self) -> &mut Outbox;

    /// Decides on a CONNECT. `nonce` is what INFO carried, empty if it carried none.
    fn authenticate(&mut self, presented: &Presented<'_>, nonce: &str) -> Decision;

    /// Decides on a client whose first word is not CONNECT.
    fn authenticate_without_connect(&mut self, certificate: Option<&PeerCertificate>) -> Decision;

    /// Hands a password check to a thread that may block; its outcome comes back through
    /// [`crate::Connection::authenticated`].
    fn verify_password(&mut self, job: HashJob);

    /// Makes everything this connection published and subscribed to visible to the other shards. `Some` where a full lane
    /// makes that wait: the PING that asked for it is then handled again after the pause.
    fn barrier(&mut self) -> Option<Pause>;

    /// A number nobody can foresee.
    fn random(&mut self) -> u64;

    /// The name of the account the connection is bound to, and whether it is the system account.
    fn account(&self) -> (&str, bool);

    /// Whether the account maps `subject` to another; `out`, which comes empty, then holds that one.
    fn map_subject(&mut self, subject: &[u8], out: &mut Vec<u8>) -> bool;
}

/// What of a client's CONNECT changes how messages are delivered to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// It receives what it publishes itself.
    pub echo: bool,
    pub headers: bool,
    pub no_responders: bool,
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    Done,
    /// A receiver is far behind, by so many bytes: the publisher should rest for [`congestion_pause`].
    ///
    /// [`congestion_pause`]: crate::congestion_pause
    Congested {
        backlog: usize,
    },
}

/// How a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// It is in force, or its sid was in use and nothing changed.
    Done,
    /// The subject is malformed.
    InvalidSubject,
}

//! Publishes, subscriptions and queue groups of one shard: routing without I/O.
//!
//! Each shard owns one [`Broker`]. It holds the shard's own subscriptions and, for every filter that anyone listens to,
//! which other shards want its messages. A publish is matched once; what is local is appended to the outboxes of the
//! receivers, what is wanted elsewhere is appended, once a shard, to the [`Batch`] that the shell will push into the lane
//! to that shard. Changes of interest travel in batches of their own.
//!
//! # What holds it together
//! A shard that follows three rules sees the interest of all others as if there were one table:
//! 1. interest batches enter the lanes before any message or any output of the same turn leaves the shard;
//! 2. lanes are drained before bytes that were read from a socket are acted on;
//! 3. a lane keeps its order.
//!
//! So whatever a client was told (a PONG, a message), everything it may follow from is known to the shard it speaks to
//! next.

mod batch;
mod broker;
mod conns;
mod deliver;
mod interest;
mod publish;
mod queue_names;
mod receive;
mod sid;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use broker::{AccountTotals, Broker};
pub use conns::{Conn, ConnKey};
pub use interest::SHARDS_MAX;
pub use publish::Routed;
pub use sid::Sid;
pub use subscriptions::{SubscribeError, Subscription};

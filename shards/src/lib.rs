//! What a thread-per-core server stands on: executors pinned to CPUs, sockets, and what passes between shards.
//!
//! Nothing here knows NATS. This is the only crate besides the storage engine's disk module that names glommio.

mod accept;
mod distribution;
mod executor;
mod host;
mod lanes;
mod mailbox;
mod network;
mod socket;

pub use accept::Acceptor;
pub use distribution::Distribution;
pub use executor::{Shards, on_shard, sleep, spawn, spawn_blocking};
pub use host::{HostError, allowed_cpus, check_host};
pub use lanes::{LaneEnds, Parcel, lanes};
pub use mailbox::{Mailbox, MailboxSender, mailbox};
pub use network::{loop_stalls, outside, submitted};
pub use socket::{Socket, TLS_HANDSHAKE, TlsFacts};

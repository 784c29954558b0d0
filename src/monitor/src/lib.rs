//! The monitoring endpoint without its sockets: requests in, documents out.
//!
//! 1. [`Request::parse`] reads path and query, or gives the answer that refuses them;
//! 2. [`Request::needs`] says what the shards are to be asked for, so that `/varz` never walks connections;
//! 3. [`respond`] writes the answer from the [`Snapshots`].
//!
//! The documents are the reference's, byte for byte but for their values (`nats-server:server/monitor.go`); `/metrics` is
//! ours. Nothing here knows a socket or a clock.

mod closed_ring;
mod documents;
mod json;
mod metrics;
mod query;
mod request_stats;
mod respond;
mod select;
mod snapshot;
mod text;

pub use closed_ring::ClosedRing;
pub use query::{BasePath, HealthCheck, Needs, Request};
pub use request_stats::RequestStats;
pub use respond::{Response, respond};
pub use select::{
    Chosen, ConnFacts, ConnSelection, ConnSort, ConnState, Page, SubFacts, SubSelection, SubscriptionsShown,
};
pub use snapshot::{
    AccountCounters, AccountSnapshot, ClientType, Closing, Collected, ConnCounters, ConnSnapshot, Counters,
    Features, InterestStats, Listener, MappedTo, Options, PeerCertificate, Process, ServerSnapshot,
    ShardSnapshot, Snapshots, SubSnapshot, Summary, TlsFacts, Traffic,
};

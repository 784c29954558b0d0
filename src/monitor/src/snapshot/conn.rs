//! One connection, open or closed, as `/connz` shows it.

use std::net::SocketAddr;
use std::time::Duration;

use natrium_model::{CloseReason, ConnId, Timestamp};

/// One connection with everything `/connz` may show of it.
///
/// A shard fills `subscriptions` only where [`ConnSelection::wants_subscriptions`](crate::ConnSelection) says so; for a
/// closed connection they are kept from the moment of its end.
#[derive(Clone, Debug)]
pub struct ConnSnapshot {
    pub id: ConnId,
    pub client_type: ClientType,
    /// The client's address; behind a PROXY protocol the one the proxy tells. `None` prints an empty `ip`.
    pub remote: Option<SocketAddr>,
    pub counters: ConnCounters,
    /// `Some` once the connection ended.
    pub closing: Option<Closing>,
    /// From CONNECT, empty where the client sent none.
    pub name: String,
    pub lang: String,
    pub version: String,
    /// `None` for a connection in clear or still in its handshake.
    pub tls: Option<TlsFacts>,
    /// Public nkey, user name, or `[REDACTED]` for a token, as the client presented it (also when it was refused).
    /// Empty without credentials.
    pub user: String,
    /// Name of the connection's account. Empty for one that ended before it had any.
    pub account: String,
    /// The account's name tag: its name unless a JWT says otherwise.
    pub name_tag: String,
    pub subscriptions: Vec<SubSnapshot>,
    /// Public key of the trusted proxy the client came through.
    pub proxy_key: Option<String>,
}

/// The numbers of one connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnCounters {
    pub start: Timestamp,
    pub last_activity: Timestamp,
    /// Zero while unknown. A shard asked for a connection whose round trip is unknown and whose client named its
    /// language sends it a PING, so that the next request shows one, as the reference does.
    pub rtt: Duration,
    /// Bytes waiting to be written to the client.
    pub pending_bytes: u64,
    pub in_msgs: u64,
    pub out_msgs: u64,
    pub in_bytes: u64,
    pub out_bytes: u64,
    /// How often this client was made to wait because a consumer of its messages was slow.
    pub stalls: u64,
    /// Subscriptions now, or at the end for a closed connection.
    pub subscriptions: u32,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub struct Closing {
    pub stop: Timestamp,
    pub reason: CloseReason,
}

/// What is spoken over the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    Nats,
    Websocket,
    Mqtt,
}

impl ClientType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Websocket => "websocket",
            Self::Mqtt => "mqtt",
        }
    }
}

/// What was agreed in a TLS handshake.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The suite's IANA name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
    /// The handshake came before INFO.
    pub first: bool,
    /// What the client presented, leaf first; shown with `auth=1`.
    pub peer_certificates: Vec<PeerCertificate>,
}

/// A client's certificate by its digests.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    /// The subject in the form of RFC 2253.
    pub subject: String,
    /// Lower-case hex SHA-256 of the subject public key info.
    pub spki_sha256: String,
    /// Lower-case hex SHA-256 of the whole certificate.
    pub cert_sha256: String,
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct SubSnapshot {
    pub conn: ConnId,
    pub account: String,
    /// See [`ConnSnapshot::name_tag`].
    pub account_tag: String,
    pub subject: String,
    /// Empty outside of queue groups.
    pub queue: String,
    pub sid: String,
    /// Messages delivered so far.
    pub msgs: u64,
    /// The limit `UNSUB` set; 0 without one.
    pub max: u64,
}

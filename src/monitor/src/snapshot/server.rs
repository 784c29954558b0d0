//! The server as a whole: who it is, how it is configured, what the process uses.

use std::collections::BTreeMap;
use std::time::Duration;

use natrium_model::{Timestamp, UnixSeconds};

use crate::request_stats::RequestStats;

/// Facts of the server that belong to no shard.
#[derive(Clone, Debug)]
pub struct ServerSnapshot {
    /// The server's public nkey.
    pub id: String,
    /// The configured name, or the id.
    pub name: String,
    /// Commit of the build, empty where unknown.
    pub git_commit: String,
    /// What built the program; shown where the reference shows its Go version.
    pub toolchain: String,
    pub client: Listener,
    /// Address told to clients; empty without one.
    pub ip: String,
    pub connect_urls: Vec<String>,
    pub options: Options,
    pub features: Features,
    pub start: Timestamp,
    pub now: Timestamp,
    /// When the configuration was read last.
    pub config_loaded_at: Timestamp,
    /// `sha256:` and lower-case hex, empty without a file.
    pub config_digest: String,
    pub process: Process,
    /// Requests counted so far, the one being answered included.
    pub requests: RequestStats,
    /// `None` where the server takes no system account.
    pub system_account: Option<String>,
    /// Whether the listeners that are configured accept connections.
    pub ready: bool,
}

/// Where clients connect, as INFO says it.
#[derive(Clone, Debug)]
pub struct Listener {
    pub host: String,
    pub port: u16,
    pub auth_required: bool,
    pub tls_required: bool,
    pub tls_verify: bool,
    /// End of the listener's certificate.
    pub tls_cert_not_after: Option<UnixSeconds>,
}

/// The options `/varz` shows, after defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// -1 for none.
    pub max_connections: i64,
    /// 0 for none.
    pub max_subscriptions: u64,
    pub ping_interval: Duration,
    pub ping_max: u32,
    pub http_host: String,
    pub http_port: i32,
    /// As written in the configuration.
    pub http_base_path: String,
    pub https_port: i32,
    pub auth_timeout: Duration,
    pub max_control_line: u64,
    pub max_payload: u64,
    pub max_pending: u64,
    pub tls_timeout: Duration,
    pub write_deadline: Duration,
    /// `close` or `retry` where configured, else empty.
    pub write_timeout: &'static str,
    /// `server_tags`, in their order.
    pub tags: Vec<String>,
    /// `server_metadata`.
    pub metadata: BTreeMap<String, String>,
    /// Public keys of `proxies { trusted }`; `None` without the block.
    pub trusted_proxies: Option<Vec<String>>,
}

/// The reference's feature flags and whether each is on.
pub type Features = BTreeMap<String, bool>;

/// What the process uses.
#[derive(Clone, Debug)]
pub struct Process {
    /// Resident bytes.
    pub memory_bytes: u64,
    /// CPU now, in percent of one CPU.
    pub cpu_percent: f64,
    /// User and system time since the start.
    pub cpu_time: Duration,
    /// CPUs of the machine that the process may use.
    pub cores: usize,
    /// First word of the command line, for `/debug/vars`.
    pub program: String,
}

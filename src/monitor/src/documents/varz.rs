//! `/varz`: the server, its options and its totals.

use std::collections::BTreeMap;
use std::time::Duration;

use natrium_model::{Timestamp, UnixSeconds, version};
use serde::Serialize;

use crate::json::{go_float, is_off, is_zero};
use crate::request_stats::RequestStats;
use crate::snapshot::{Counters, Snapshots};
use crate::text::uptime;

#[derive(Serialize)]
pub(crate) struct Varz<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'static str,
    proto: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    git_commit: &'a str,
    go: &'a str,
    host: &'a str,
    port: u16,
    #[serde(skip_serializing_if = "is_off")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_off")]
    tls_required: bool,
    #[serde(skip_serializing_if = "is_off")]
    tls_verify: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    ip: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    connect_urls: &'a [String],
    max_connections: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_subscriptions: u64,
    ping_interval: Nanos,
    ping_max: u32,
    http_host: &'a str,
    http_port: i32,
    http_base_path: &'a str,
    https_port: i32,
    #[serde(serialize_with = "go_float")]
    auth_timeout: f64,
    max_control_line: u64,
    max_payload: u64,
    max_pending: u64,
    cluster: Unconfigured,
    gateway: Unconfigured,
    leaf: Unconfigured,
    mqtt: Unconfigured,
    websocket: Unconfigured,
    jetstream: Unconfigured,
    #[serde(serialize_with = "go_float")]
    tls_timeout: f64,
    write_deadline: Nanos,
    #[serde(skip_serializing_if = "str::is_empty")]
    write_timeout: &'static str,
    start: Timestamp,
    now: Timestamp,
    uptime: String,
    mem: u64,
    cores: usize,
    gomaxprocs: usize,
    #[serde(serialize_with = "go_float")]
    cpu: f64,
    connections: u64,
    total_connections: u64,
    routes: u64,
    remotes: u64,
    leafnodes: u64,
    in_msgs: u64,
    in_bytes: u64,
    in_client_msgs: u64,
    in_client_bytes: u64,
    out_msgs: u64,
    out_bytes: u64,
    out_client_msgs: u64,
    out_client_bytes: u64,
    slow_consumers: u64,
    stale_connections: u64,
    stalled_clients: u64,
    subscriptions: u64,
    http_req_stats: &'a RequestStats,
    config_load_time: Timestamp,
    config_digest: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    feature_flags: &'a BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<&'a str>,
    slow_consumer_stats: ByKind,
    stale_connection_stats: ByKind,
    disk_io_wait_stats: DiskWaits,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxies: Option<Proxies<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert_not_after: Option<UnixSeconds>,
}

/// A block of the configuration that is not there: `{}`.
#[derive(Serialize)]
struct Unconfigured {}

/// A span as Go's JSON has it: whole nanoseconds.
#[derive(Serialize)]
#[serde(transparent)]
struct Nanos(u128);

/// A count by kind of connection. Only clients connect to this server.
#[derive(Serialize)]
struct ByKind {
    clients: u64,
    routes: u64,
    gateways: u64,
    leafs: u64,
}

/// Waits for the reference's disk semaphore, which nothing here has.
#[derive(Default, Serialize)]
struct DiskWaits {
    waiters: u64,
    waits: u64,
    wait_time: u64,
    max_wait_time: u64,
}

#[derive(Serialize)]
struct Proxies<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trusted: Vec<Proxy<'a>>,
}

#[derive(Serialize)]
struct Proxy<'a> {
    key: &'a str,
}

pub(crate) fn document(source: &Snapshots) -> Varz<'_> {
    let server = &source.server;
    let options = &server.options;
    let totals: Counters = source.shards.iter().map(|shard| shard.counters).sum();
    Varz {
        server_id: &server.id,
        server_name: &server.name,
        version: version::REFERENCE,
        proto: version::CLIENT_PROTOCOL,
        git_commit: &server.git_commit,
        go: &server.toolchain,
        host: &server.client.host,
        port: server.client.port,
        auth_required: server.client.auth_required,
        tls_required: server.client.tls_required,
        tls_verify: server.client.tls_verify,
        ip: &server.ip,
        connect_urls: &server.connect_urls,
        max_connections: options.max_connections,
        max_subscriptions: options.max_subscriptions,
        ping_interval: Nanos::from(options.ping_interval),
        ping_max: options.ping_max,
        http_host: &options.http_host,
        http_port: options.http_port,
        http_base_path: &options.http_base_path,
        https_port: options.https_port,
        auth_timeout: options.auth_timeout.as_secs_f64(),
        max_control_line: options.max_control_line,
        max_payload: options.max_payload,
        max_pending: options.max_pending,
        cluster: Unconfigured {},
        gateway: Unconfigured {},
        leaf: Unconfigured {},
        mqtt: Unconfigured {},
        websocket: Unconfigured {},
        jetstream: Unconfigured {},
        tls_timeout: options.tls_timeout.as_secs_f64(),
        write_deadline: Nanos::from(options.write_deadline),
        write_timeout: options.write_timeout,
        start: server.start,
        now: server.now,
        uptime: uptime(server.now.since(server.start)),
        mem: server.process.memory_bytes,
        cores: server.process.cores,
        // What the reference means by it: how many CPUs run the server's own code.
        gomaxprocs: source.shards.len(),
        cpu: server.process.cpu_percent,
        connections: totals.connections,
        total_connections: totals.total_connections,
        routes: 0,
        remotes: 0,
        leafnodes: 0,
        in_msgs: totals.in_msgs,
        in_bytes: totals.in_bytes,
        in_client_msgs: totals.in_msgs,
        in_client_bytes: totals.in_bytes,
        out_msgs: totals.out_msgs,
        out_bytes: totals.out_bytes,
        out_client_msgs: totals.out_msgs,
        out_client_bytes: totals.out_bytes,
        slow_consumers: totals.slow_consumers,
        stale_connections: totals.stale_connections,
        stalled_clients: totals.stalled_clients,
        subscriptions: totals.subscriptions,
        http_req_stats: &server.requests,
        config_load_time: server.config_loaded_at,
        config_digest: &server.config_digest,
        tags: &options.tags,
        metadata: &options.metadata,
        feature_flags: &server.features,
        system_account: server.system_account.as_deref(),
        slow_consumer_stats: ByKind::clients(totals.slow_consumers),
        stale_connection_stats: ByKind::clients(totals.stale_connections),
        disk_io_wait_stats: DiskWaits::default(),
        proxies: options
            .trusted_proxies
            .as_ref()
            .map(|keys| Proxies { trusted: keys.iter().map(|key| Proxy { key }).collect() }),
        tls_cert_not_after: server.client.tls_cert_not_after,
    }
}

impl From<Duration> for Nanos {
    fn from(span: Duration) -> Self {
        Self(span.as_nanos())
    }
}

impl ByKind {
    fn clients(clients: u64) -> Self {
        Self { clients, routes: 0, gateways: 0, leafs: 0 }
    }
}

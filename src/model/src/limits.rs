//! The reference's defaults, under the names its configuration gives them.

use std::time::Duration;

pub const CLIENT_PORT: u16 = 4222;
pub const MONITOR_PORT: u16 = 8222;
/// Bytes of one control line, without its line end.
pub const MAX_CONTROL_LINE: usize = 4096;
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// Above this the reference warns that a payload is better kept in an object store.
pub const MAX_PAYLOAD_WARN: usize = 8 * 1024 * 1024;
/// Bytes that may wait for one connection before it counts as a slow consumer.
pub const MAX_PENDING: usize = 64 * 1024 * 1024;
pub const MAX_CONNECTIONS: usize = 65536;
pub const PING_INTERVAL: Duration = Duration::from_secs(120);
pub const PING_MAX: u32 = 2;
/// The first PING to a client is sent this soon after CONNECT, or after the ping interval where that is shorter.
pub const FIRST_PING_INTERVAL: Duration = Duration::from_secs(2);
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(2);
pub const TLS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long `handshake_first: auto` waits for the client to start TLS before INFO is sent in clear.
pub const TLS_HANDSHAKE_FIRST_FALLBACK: Duration = Duration::from_millis(50);
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);
pub const LAME_DUCK_DURATION: Duration = Duration::from_secs(120);
pub const LAME_DUCK_GRACE_PERIOD: Duration = Duration::from_secs(10);
/// How many closed connections `/connz?state=closed` remembers.
pub const MAX_CLOSED_CLIENTS: usize = 10_000;
/// How many failed attempts to reach another server for the first time lie between two lines in the log.
pub const CONNECT_ERROR_REPORTS: usize = 3600;
/// The same after a connection was lost.
pub const RECONNECT_ERROR_REPORTS: usize = 1;
/// How long a PROXY protocol header may take to arrive.
pub const PROXY_PROTOCOL_TIMEOUT: Duration = Duration::from_secs(5);

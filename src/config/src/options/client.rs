//! The listener for clients, and what one client may ask of the server.

use std::time::Duration;

use natrium_model::limits;

use super::monitoring::Listen;
use super::tls::TlsOptions;

/// `listen`, `tls` and the `max_...` family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    pub listen: Listen,
    /// `client_advertise`: `host` or `host:port` told to clients instead of the listener's own.
    pub advertise: Option<String>,
    pub tls: Option<TlsOptions>,
    /// `allow_non_tls`: TLS is offered, clients may go without.
    pub allow_non_tls: bool,
    /// Connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// `false` with `no_header_support`.
    pub headers: bool,
    /// Bytes.
    pub max_control_line: usize,
    /// Bytes.
    pub max_payload: usize,
    /// Bytes that may wait for one client.
    pub max_pending: usize,
    /// 0: nobody is let in, as the reference has it for 0 and less.
    pub max_connections: usize,
    /// Subscriptions of one client; `None`: no limit.
    pub max_subscriptions: Option<usize>,
    /// Tokens of a subscription's subject; `None`: no limit.
    pub max_subscription_tokens: Option<usize>,
    pub ping_interval: Duration,
    /// `ping_max`: PINGs without an answer before a client counts as gone.
    pub ping_max: u32,
    pub write_deadline: Duration,
    pub write_timeout: WriteTimeout,
}

/// `write_timeout`: what happens to a client that takes nothing for the write deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteTimeout {
    /// Not configured: a client is closed.
    #[default]
    Default,
    Close,
    /// It is tried again as long as the client's backlog is in its bounds.
    Retry,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            listen: Listen { host: "0.0.0.0".to_owned(), port: limits::CLIENT_PORT },
            advertise: None,
            tls: None,
            allow_non_tls: false,
            proxy_protocol: false,
            headers: true,
            max_control_line: limits::MAX_CONTROL_LINE,
            max_payload: limits::MAX_PAYLOAD,
            max_pending: limits::MAX_PENDING,
            max_connections: limits::MAX_CONNECTIONS,
            max_subscriptions: None,
            max_subscription_tokens: None,
            ping_interval: limits::PING_INTERVAL,
            ping_max: limits::PING_MAX,
            write_deadline: limits::WRITE_DEADLINE,
            write_timeout: WriteTimeout::Default,
        }
    }
}

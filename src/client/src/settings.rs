//! What one server asks of all its clients.

use std::time::Duration;

use natrium_wire::Info;

/// The part of the configuration that connections act on. Never changes: a reload hands out a new one.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// INFO without what differs from connection to connection (`client_id`, `client_ip`, `nonce`, `auth_required`).
    pub info: Info,
    /// Bytes.
    pub max_control_line: usize,
    /// Bytes; `usize::MAX` for no limit.
    pub max_payload: usize,
    /// `None`: as many as the client likes.
    pub max_subscriptions: Option<usize>,
    /// `None`: as many as the subject has.
    pub max_subscription_tokens: Option<usize>,
    pub ping_interval: Duration,
    pub ping_max: u32,
    pub auth_timeout: Duration,
    /// Whether a client must present credentials before anything else.
    pub auth_required: bool,
    /// Whether one of the users stands for those who present nothing: the first INFO then does not ask for credentials.
    pub no_auth_user: bool,
    /// `false` with `no_header_support`.
    pub headers: bool,
    /// `proxy_protocol`: a peer's address is its proxy's at first, so that the first INFO does not tell it.
    pub proxy_protocol: bool,
    pub trace: TraceRules,
}

/// How much of a message trace lines show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceRules {
    /// `max_traced_msg_len`: bytes of a payload; `None`: all.
    pub payload_max: Option<usize>,
    /// `trace_headers`: the headers of a message and not its body.
    pub headers_only: bool,
}

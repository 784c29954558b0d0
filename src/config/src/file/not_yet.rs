//! Keys of the reference that this server understands and cannot serve yet.

/// The block a key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Top,
    Authorization,
    User,
    Account,
    Tls,
    /// A block all of whose keys work.
    Complete,
}

impl Block {
    /// Whether the reference has the key (in lower case) in this block.
    pub(super) fn knows(self, key: &str) -> bool {
        let keys: &[&str] = match self {
            Self::Top => TOP,
            Self::Authorization => &["auth_callout", "auth_hook", "proxy_required"],
            Self::User => &["proxy_required"],
            Self::Account => &["imports", "exports", "jetstream", "limits", "msg_trace", "trace_dest"],
            Self::Tls => &["ocsp_peer"],
            Self::Complete => &[],
        };
        keys.contains(&key)
    }
}

const TOP: &[&str] = &[
    "account_resolver",
    "accounts_resolver",
    "cluster",
    "default_js_domain",
    "default_sentinel",
    "gateway",
    "jetstream",
    "leaf",
    "leafnodes",
    "mqtt",
    "ocsp",
    "ocsp_cache",
    "operator",
    "operators",
    "prof_block_rate",
    "proxies",
    "resolver",
    "resolver_pinned_accounts",
    "resolver_preload",
    "resolver_tls",
    "root",
    "root_operator",
    "root_operators",
    "roots",
    "store_dir",
    "storedir",
    "trusted",
    "trusted_keys",
    "websocket",
    "ws",
];

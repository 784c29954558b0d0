//! The monitoring endpoint.

/// `http`, `https`, `http_base_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonitoringOptions {
    /// `None`: no endpoint, unless [`Self::https`] has one.
    pub http: Option<Listen>,
    /// With the certificate of the top-level `tls` block.
    pub https: Option<Listen>,
    /// `http_base_path` as written; `None`: `/`.
    pub base_path: Option<String>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address.
    pub host: String,
    /// 0: any that is free.
    pub port: u16,
}

//! The `tls` block of a listener.

use std::path::PathBuf;
use std::time::Duration;

use natrium_model::limits;

/// What a listener with TLS shows and asks for. Files are as written, relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// `cert_file` and `key_file`, or `certs`; at least one. Which one a client gets goes by the name it asks for.
    pub certificates: Vec<KeyPairFiles>,
    /// `ca_file`: PEM certificates that client certificates must chain to. `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// `verify`, or `verify_and_map`: clients without a valid certificate are not let in.
    pub verify: bool,
    /// `verify_and_map`: the certificate says which user the client is.
    pub map_users: bool,
    /// `timeout`: how long a handshake may take.
    pub timeout: Duration,
    pub min_version: TlsVersion,
    /// `cipher_suites`, in the reference's names and in the order written; empty: the defaults.
    pub cipher_suites: Vec<String>,
    /// `curve_preferences`, in the reference's names and in the order written; empty: the defaults.
    pub curve_preferences: Vec<String>,
    /// `pinned_certs`: SHA-256 of the public key infos (SPKI, DER) clients may have; empty: any.
    pub pinned_certs: Vec<[u8; 32]>,
    /// `connection_rate_limit`: handshakes begun in a second; `None`: no limit.
    pub connection_rate_limit: Option<u32>,
    pub handshake_first: HandshakeFirst,
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairFiles {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// `min_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// `handshake_first`: whether TLS begins before INFO is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFirst {
    /// INFO in clear, then TLS.
    No,
    Yes,
    /// The client has this long to begin TLS; else it gets INFO in clear.
    Auto(Duration),
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            ca_file: None,
            verify: false,
            map_users: false,
            timeout: limits::TLS_TIMEOUT,
            min_version: TlsVersion::V1_2,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            pinned_certs: Vec::new(),
            connection_rate_limit: None,
            handshake_first: HandshakeFirst::No,
        }
    }
}

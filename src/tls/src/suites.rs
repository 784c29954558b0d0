//! Cipher suites and versions under the reference's names.

use rustls::crypto::aws_lc_rs::cipher_suite as suite;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};

use crate::TlsError;

/// The suites of a listener, the preferred first.
///
/// As in the reference, `configured` chooses among the suites of TLS 1.2 and says nothing of their order, and those of
/// TLS 1.3 are always there; none configured means all.
///
/// # Errors
/// Names the first suite that is unknown or that rustls does not have.
pub(crate) fn select(configured: &[String]) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    for name in configured {
        if !SUITES.iter().any(|(known, _)| known == name) {
            return Err(if WEAK_SUITES.contains(&name.as_str()) {
                TlsError::WeakCipherSuite(name.clone())
            } else {
                TlsError::UnknownCipherSuite(name.clone())
            });
        }
    }
    let is_wanted = |name: &str, suite: &SupportedCipherSuite| {
        suite.tls13().is_some() || configured.is_empty() || configured.iter().any(|wanted| wanted == name)
    };
    Ok(SUITES.iter().filter(|(name, suite)| is_wanted(name, suite)).map(|(_, suite)| *suite).collect())
}

/// The name monitoring shows, e.g. `TLS_AES_128_GCM_SHA256`; empty for a suite no listener offers.
pub fn cipher_suite_name(suite: CipherSuite) -> &'static str {
    SUITES.iter().find(|(_, known)| known.suite() == suite).map_or("", |(name, _)| name)
}

/// The version monitoring shows, e.g. `1.3`.
pub fn version_name(version: ProtocolVersion) -> &'static str {
    // rustls agrees on nothing older.
    if version == ProtocolVersion::TLSv1_2 { "1.2" } else { "1.3" }
}

/// All that rustls has, in the order the reference prefers them on a CPU with AES instructions.
const SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// What the reference has besides: CBC, RC4 and key exchange by RSA.
const WEAK_SUITES: [&str; 16] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

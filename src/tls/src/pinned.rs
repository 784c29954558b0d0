//! `pinned_certs`: the keys a client may have, whoever signed its certificate.

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};

/// SHA-256 of the public key info (SPKI, DER) of each client that may come in; empty: all may.
#[derive(Clone, Debug)]
pub(crate) struct PinnedKeys(pub(crate) Vec<[u8; 32]>);

/// Why a client may not come in; the reference's words for the debug log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPinned {
    #[error("Failed pinned cert test as client did not provide a certificate")]
    NoCertificate,
    #[error("Failed pinned cert test for key id: {}", Hex(.0))]
    OtherKey([u8; 32]),
    #[error("Failed pinned cert test as the certificate cannot be read")]
    Unreadable,
}

impl PinnedKeys {
    /// Looks the client's own certificate up, the first of those it sent.
    pub(crate) fn check(&self, client: &[CertificateDer<'_>]) -> Result<(), NotPinned> {
        if self.0.is_empty() {
            return Ok(());
        }
        let leaf = client.first().ok_or(NotPinned::NoCertificate)?;
        let key = public_key_digest(leaf).ok_or(NotPinned::Unreadable)?;
        if self.0.contains(&key) { Ok(()) } else { Err(NotPinned::OtherKey(key)) }
    }
}

/// SHA-256 of the certificate's public key info (SPKI, DER).
fn public_key_digest(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Sha256::digest(parsed.subject_public_key_info()).into())
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

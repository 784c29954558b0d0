//! The listener's own certificates: read, checked against their keys, and chosen for a client.

use std::path::Path;
use std::sync::Arc;

use natrium_config::options::tls::KeyPairFiles;
use natrium_model::UnixSeconds;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::TlsError;
use crate::error::{KeyPairError, PairPlace};

/// Certificates in the order of the configuration, with their keys.
///
/// As in the reference, a client gets the first that carries the name it asks for and whose key it can use; if there is
/// none, it gets the first, and judges itself.
#[derive(Debug)]
pub(crate) struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    /// # Errors
    /// Names the pair, the file and what is wrong with it.
    pub(crate) fn load(files: &[KeyPairFiles], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let count = files.len();
        let load = |(index, files)| {
            let place = PairPlace { number: index + 1, count };
            load_pair(files, provider).map(Arc::new).map_err(|source| TlsError::KeyPair { place, source })
        };
        files.iter().enumerate().map(load).collect::<Result<_, _>>().map(Self)
    }

    /// When the first certificate is no longer valid.
    pub(crate) fn not_after(&self) -> Option<UnixSeconds> {
        let (_, leaf) = x509_parser::parse_x509_certificate(self.0.first()?.cert.first()?).ok()?;
        Some(UnixSeconds(leaf.validity.not_after.timestamp()))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let [only] = self.0.as_slice() else {
            let name = client.server_name().and_then(|name| ServerName::try_from(name).ok());
            let suits = |pair: &&Arc<CertifiedKey>| {
                name.as_ref().is_none_or(|name| carries(pair, name))
                    && pair.key.choose_scheme(client.signature_schemes()).is_some()
            };
            return self.0.iter().find(suits).or_else(|| self.0.first()).cloned();
        };
        Some(Arc::clone(only))
    }
}

fn carries(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    pair.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok())
}

fn load_pair(files: &KeyPairFiles, provider: &CryptoProvider) -> Result<CertifiedKey, KeyPairError> {
    let (cert_file, key_file) = (&files.cert_file, &files.key_file);
    let chain_pem = read(cert_file)?;
    let key_pem = read(key_file)?;
    let chain = CertificateDer::pem_slice_iter(&chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| KeyPairError::Pem { path: cert_file.clone(), source })?;
    let Some(leaf) = chain.first() else {
        return Err(KeyPairError::NoCertificate { path: cert_file.clone() });
    };
    ParsedCertificate::try_from(leaf)
        .map_err(|source| KeyPairError::Certificate { path: cert_file.clone(), source })?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|source| {
        if matches!(source, pem::Error::NoItemsFound) {
            KeyPairError::NoKey { path: key_file.clone() }
        } else {
            KeyPairError::Pem { path: key_file.clone(), source }
        }
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| {
        if source == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            KeyPairError::Mismatch { key: key_file.clone(), certificate: cert_file.clone() }
        } else {
            KeyPairError::Key { path: key_file.clone(), source }
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, KeyPairError> {
    std::fs::read(path).map_err(|source| KeyPairError::Open { path: path.to_owned(), source })
}

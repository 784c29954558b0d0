//! Whether clients are asked for a certificate, and who may have signed it.

use std::path::Path;
use std::sync::Arc;

use natrium_config::options::tls::TlsOptions;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::TlsError;

/// Asks for no certificate, or for one that chains to `ca_file` (without it: to the system's authorities).
///
/// # Errors
/// If there is nobody to trust. As in the reference, a `ca_file` is read even where nobody is asked for a certificate.
pub(crate) fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let configured = options.ca_file.as_deref().map(roots_of_file).transpose()?;
    if !options.verify {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let builder = match configured {
        Some(roots) => WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)),
        // Clients are not told the names of all the authorities of this system.
        None => WebPkiClientVerifier::builder_with_provider(Arc::new(system_roots()?), Arc::clone(provider))
            .clear_root_hint_subjects(),
    };
    Ok(builder.build()?)
}

/// The certificates of a PEM file that can be read as such; what else it holds is passed over, as in the reference.
fn roots_of_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let pem = std::fs::read(path).map_err(|source| TlsError::CaFile { path: path.to_owned(), source })?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if roots.is_empty() { Err(TlsError::NoRoots { path: path.to_owned() }) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(roots) }
}

//! All of a listener's TLS, loaded and checked.

use std::sync::Arc;

use natrium_config::options::tls::{TlsOptions, TlsVersion};
use natrium_model::UnixSeconds;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};

use crate::certificates::Certificates;
use crate::pinned::PinnedKeys;
use crate::{NotPinned, TlsError, clients, groups, suites};

/// A `tls` block made ready to serve; never changed once made, so that all shards share it.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    pub config: Arc<ServerConfig>,
    /// Whether clients must show a certificate.
    pub verify: bool,
    /// When the first certificate is no longer valid, for monitoring; `None` if it does not say.
    pub not_after: Option<UnixSeconds>,
    pinned: PinnedKeys,
}

/// What INFO says about TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InfoTls {
    pub tls_required: bool,
    pub tls_verify: bool,
    pub tls_available: bool,
}

impl ListenerTls {
    /// Reads the files of `options` and checks all of them. Blocks: not for an executor's thread.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file or the name it is about.
    pub fn load(options: &TlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: suites::select(&options.cipher_suites)?,
            kx_groups: groups::select(&options.curve_preferences)?,
            ..aws_lc_rs::default_provider()
        });
        let certificates = Certificates::load(&options.certificates, &provider)?;
        let not_after = certificates.not_after();
        let verifier = clients::verifier(options, &provider)?;
        let versions: &[_] = match options.min_version {
            // With suites of TLS 1.3 alone configured, nothing is left that TLS 1.2 could use.
            TlsVersion::V1_2 if provider.cipher_suites.iter().any(|suite| suite.tls13().is_none()) => {
                &[&TLS13, &TLS12]
            }
            TlsVersion::V1_2 | TlsVersion::V1_3 => &[&TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificates));
        // The server's order decides, as in the reference: AES first, which CPUs of servers do in hardware.
        config.ignore_client_order = true;
        // Sessions resume by ticket, and nothing is remembered here for the shards to share.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(Self {
            config: Arc::new(config),
            verify: options.verify,
            not_after,
            pinned: PinnedKeys(options.pinned_certs.clone()),
        })
    }

    /// Whether a client with these certificates, its own first, may come in; asked once hands are shaken.
    ///
    /// # Errors
    /// If keys are pinned and the client's is none of them.
    pub fn check_pinned(&self, client: &[CertificateDer<'_>]) -> Result<(), NotPinned> {
        self.pinned.check(client)
    }

    /// What INFO says; `allow_non_tls` is the server's option of that name.
    pub fn info(&self, allow_non_tls: bool) -> InfoTls {
        InfoTls { tls_required: !allow_non_tls, tls_verify: self.verify, tls_available: allow_non_tls }
    }
}

#[cfg(test)]
mod tests;

//! The certificate both servers show in the TLS scenario, made anew for each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::error::RigError;

pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    chain_path: PathBuf,
    key_path: PathBuf,
}

impl Certificate {
    /// Self-signed for 127.0.0.1, as two PEM files in `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self, RigError> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (chain_path, key_path) = (folder.join("server.pem"), folder.join("server.key"));
        fs::write(&chain_path, made.cert.pem()).map_err(RigError::io("writing the certificate"))?;
        fs::write(&key_path, made.signing_key.serialize_pem())
            .map_err(RigError::io("writing the certificate's key"))?;
        Ok(Self { der: made.cert.der().clone(), chain_path, key_path })
    }

    pub(crate) fn chain_path(&self) -> &Path {
        &self.chain_path
    }

    pub(crate) fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// A client that trusts this certificate alone.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, RigError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
    }
}

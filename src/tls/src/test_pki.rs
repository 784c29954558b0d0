//! Certificates made while the tests run, in files as a configuration names them.

use std::path::PathBuf;

use natrium_config::options::tls::{KeyPairFiles, TlsOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// An authority and the folder its files are in.
pub(crate) struct TestPki {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate is for.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    Server,
    Client,
}

impl TestPki {
    pub(crate) fn new() -> Self {
        Self::named("natrium test authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Self { folder: TempDir::new().unwrap(), authority };
        pki.write("ca.pem", &pki.authority.pem());
        pki
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, content: &str) -> PathBuf {
        std::fs::write(self.path(file), content).unwrap();
        self.path(file)
    }

    /// A certificate for `name` in `{name}-cert.pem` and its key in `{name}-key.pem`.
    pub(crate) fn issue(&self, name: &str, usage: Use) -> KeyPairFiles {
        self.issue_with(name, usage, &rcgen::PKCS_ECDSA_P256_SHA256, |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        name: &str,
        usage: Use,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> KeyPairFiles {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![match usage {
            Use::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Use::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        KeyPairFiles {
            cert_file: self.write(&format!("{name}-cert.pem"), &certificate.pem()),
            key_file: self.write(&format!("{name}-key.pem"), &key.serialize_pem()),
        }
    }

    /// A listener for `localhost`.
    pub(crate) fn options(&self) -> TlsOptions {
        TlsOptions { certificates: vec![self.issue("localhost", Use::Server)], ..TlsOptions::default() }
    }

    pub(crate) fn authority(&self) -> CertificateDer<'static> {
        self.authority.der().clone()
    }
}

pub(crate) fn certificate_of(files: &KeyPairFiles) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&files.cert_file).unwrap()
}

pub(crate) fn key_of(files: &KeyPairFiles) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(&files.key_file).unwrap()
}

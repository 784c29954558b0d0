//! Why a listener cannot have TLS as configured.

use std::io;
use std::path::PathBuf;

/// One line an operator can act on; the reference's words where it has any.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("error parsing X509 certificate/key pair{place}: {source}")]
    KeyPair {
        place: PairPlace,
        #[source]
        source: KeyPairError,
    },
    #[error("open {path}: {source}", path = path.display())]
    CaFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to parse root ca certificate: no certificate in {path}", path = path.display())]
    NoRoots { path: PathBuf },
    #[error(
        "'verify' without 'ca_file' needs the system's certificate authorities, and none were found: set 'ca_file'"
    )]
    NoSystemRoots,
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("unrecognized cipher {0}")]
    UnknownCipherSuite(String),
    /// The reference has it, rustls refuses to on principle.
    #[error("cipher {0} is not supported: it is without forward secrecy or authenticated encryption")]
    WeakCipherSuite(String),
    #[error("unrecognized curve preference {0}")]
    UnknownCurve(String),
    #[error("curve preference {0} is not supported; supported are {supported}", supported = crate::groups::SUPPORTED)]
    UnsupportedCurve(String),
    #[error("TLS cannot be configured: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Which certificate of several; of a single one, nothing is said.
#[derive(Clone, Copy, Debug)]
pub struct PairPlace {
    /// From 1.
    pub number: usize,
    pub count: usize,
}

impl std::fmt::Display for PairPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            1 => Ok(()),
            count => write!(f, " {}/{count}", self.number),
        }
    }
}

/// What is wrong with a certificate and its key.
#[derive(Debug, thiserror::Error)]
pub enum KeyPairError {
    #[error("open {path}: {source}", path = path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to find any certificate in {path}", path = path.display())]
    NoCertificate { path: PathBuf },
    #[error("error parsing certificate in {path}: {source}", path = path.display())]
    Certificate {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("failed to find any private key in {path}", path = path.display())]
    NoKey { path: PathBuf },
    #[error("damaged PEM in {path}: {source}", path = path.display())]
    Pem {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("private key in {path} cannot be used: {source}", path = path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("private key in {key} does not match public key in {certificate}", key = key.display(), certificate = certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
}

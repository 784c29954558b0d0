//! Certificates of one test run, made when it starts.

use std::fs;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// An authority, a server's certificate for 127.0.0.1 and localhost, and two clients' certificates: `known` of the user
/// `CN=known`, and `stranger`, which another authority signed.
pub(crate) struct Pki {
    folder: TempDir,
    roots: Arc<RootCertStore>,
    pub(crate) known: Identity,
    pub(crate) stranger: Identity,
}

/// A client's certificate with its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

type Failure = Box<dyn std::error::Error>;

impl Pki {
    pub(crate) fn make() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let authority = authority("authority")?;
        let other = self::authority("other")?;
        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
        server.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        let server = server.signed_by(&key, &authority)?;
        fs::write(folder.path().join("server.pem"), server.pem())?;
        fs::write(folder.path().join("server-key.pem"), key.serialize_pem())?;
        fs::write(folder.path().join("ca.pem"), authority.pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        Ok(Self {
            folder,
            roots: Arc::new(roots),
            known: identity("known", &authority)?,
            stranger: identity("stranger", &other)?,
        })
    }

    /// The `tls` block of a server, with `more` in it.
    pub(crate) fn block(&self, more: &str) -> String {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, {more} }}\n",
            file("server.pem"),
            file("server-key.pem"),
            file("ca.pem")
        )
    }

    /// What a client that trusts the authority speaks TLS with.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, Failure> {
        let config = ClientConfig::builder().with_root_certificates(Arc::clone(&self.roots));
        Ok(Arc::new(match identity {
            Some(identity) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
                config.with_client_auth_cert(vec![identity.certificate.clone()], key)?
            }
            None => config.with_no_client_auth(),
        }))
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn identity(name: &str, issuer: &CertifiedIssuer<'_, KeyPair>) -> Result<Identity, Failure> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Identity { certificate: certificate.der().clone(), key: key.serialize_der() })
}

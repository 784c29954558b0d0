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
    authority: CertifiedIssuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
    strange_roots: Arc<RootCertStore>,
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
        Ok(Self {
            folder,
            roots: roots_of(&authority)?,
            strange_roots: roots_of(&other)?,
            known: identity(&[(DnType::CommonName, "known")], Vec::new(), &authority)?,
            stranger: identity(&[(DnType::CommonName, "stranger")], Vec::new(), &other)?,
            authority,
        })
    }

    /// A client's certificate with this subject and these alternative names.
    pub(crate) fn issue(&self, subject: &[(DnType, &str)], names: Vec<SanType>) -> Result<Identity, Failure> {
        identity(subject, names, &self.authority)
    }

    /// The `tls` block of a server, with `more` in it.
    pub(crate) fn block(&self, more: &str) -> String {
        self.block_without_authority(&format!("ca_file: {:?}, {more}", self.file("ca.pem")))
    }

    /// [`Self::block`] of a server that knows no authority but the system's.
    pub(crate) fn block_without_authority(&self, more: &str) -> String {
        let (certificate, key) = (self.file("server.pem"), self.file("server-key.pem"));
        format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, {more} }}\n")
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
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

    /// What a client that does not trust the authority speaks TLS with.
    pub(crate) fn distrustful_client(&self) -> Arc<ClientConfig> {
        let config = ClientConfig::builder().with_root_certificates(Arc::clone(&self.strange_roots));
        Arc::new(config.with_no_client_auth())
    }
}

fn roots_of(authority: &CertifiedIssuer<'static, KeyPair>) -> Result<Arc<RootCertStore>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    Ok(Arc::new(roots))
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn identity(
    subject: &[(DnType, &str)],
    names: Vec<SanType>,
    issuer: &CertifiedIssuer<'_, KeyPair>,
) -> Result<Identity, Failure> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.subject_alt_names = names;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Identity { certificate: certificate.der().clone(), key: key.serialize_der() })
}

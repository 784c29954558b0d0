//! Handshakes in memory with a client of rustls.

use std::sync::Arc;

use natrium_config::options::tls::{KeyPairFiles, TlsOptions, TlsVersion};
use rcgen::PublicKeyData;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, CipherSuite, ClientConfig, ClientConnection, Error, HandshakeKind,
    NamedGroup, PeerIncompatible, ProtocolVersion, RootCertStore, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};

use crate::test_pki::{TestPki, Use, certificate_of, key_of};
use crate::{KeyPairError, ListenerTls, NotPinned, TlsError, cipher_suite_name, is_probe, version_name};

type Versions = &'static [&'static SupportedProtocolVersion];

const ONLY_TLS12: Versions = &[&TLS12];
const ONLY_TLS13: Versions = &[&TLS13];

/// What a client wants that is not usual.
struct Client {
    provider: CryptoProvider,
    versions: Versions,
    certificate: Option<KeyPairFiles>,
    resumption: Resumption,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            provider: aws_lc_rs::default_provider(),
            versions: rustls::ALL_VERSIONS,
            certificate: None,
            resumption: Resumption::disabled(),
        }
    }
}

impl Client {
    fn config(self, pki: &TestPki) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(pki.authority()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            Some(files) => {
                builder.with_client_auth_cert(vec![certificate_of(&files)], key_of(&files)).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = self.resumption;
        Arc::new(config)
    }
}

/// Both ends after a handshake.
struct Shaken {
    client: ClientConnection,
    server: ServerConnection,
}

/// What the server and the client say of a handshake that failed.
#[derive(Debug)]
struct Failed {
    server: Option<Error>,
    client: Option<Error>,
}

fn shake(
    listener: &ListenerTls,
    client: Arc<ClientConfig>,
    name: &'static str,
) -> Result<Box<Shaken>, Box<Failed>> {
    let mut client = ClientConnection::new(client, name.try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&listener.config)).unwrap();
    let mut failed = Failed { server: None, client: None };
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() && failed.server.is_none() {
            server.read_tls(&mut wire).unwrap();
            failed.server = server.process_new_packets().err();
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() && failed.client.is_none() {
            client.read_tls(&mut wire).unwrap();
            failed.client = client.process_new_packets().err();
        }
    }
    match failed {
        Failed { server: None, client: None } => Ok(Box::new(Shaken { client, server })),
        failed => Err(Box::new(failed)),
    }
}

fn load(options: &TlsOptions) -> ListenerTls {
    ListenerTls::load(options).unwrap()
}

fn with_suites(provider: CryptoProvider, wanted: &[CipherSuite]) -> CryptoProvider {
    let cipher_suites =
        provider.cipher_suites.iter().filter(|suite| wanted.contains(&suite.suite())).copied().collect();
    CryptoProvider { cipher_suites, ..provider }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn refusal(options: &TlsOptions) -> String {
    ListenerTls::load(options).unwrap_err().to_string()
}

#[test]
fn the_defaults_agree_on_what_the_reference_prefers() {
    let pki = TestPki::new();
    let shaken = shake(&load(&pki.options()), Client::default().config(&pki), "localhost").unwrap();
    assert_eq!(version_name(shaken.server.protocol_version().unwrap()), "1.3");
    let suite = shaken.server.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(cipher_suite_name(suite), "TLS_AES_128_GCM_SHA256");
    assert_eq!(shaken.server.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(shaken.server.peer_certificates(), None);
}

#[test]
fn tls_1_2_is_spoken_unless_the_minimum_forbids_it() {
    let pki = TestPki::new();
    let old = || Client { versions: ONLY_TLS12, ..Client::default() }.config(&pki);
    let shaken = shake(&load(&pki.options()), old(), "localhost").unwrap();
    assert_eq!(version_name(shaken.server.protocol_version().unwrap()), "1.2");
    let suite = shaken.server.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(cipher_suite_name(suite), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");

    let strict = load(&TlsOptions { min_version: TlsVersion::V1_3, ..pki.options() });
    let failed = shake(&strict, old(), "localhost").err().unwrap();
    assert_eq!(failed.client, Some(Error::AlertReceived(AlertDescription::ProtocolVersion)));
    assert!(shake(&strict, Client::default().config(&pki), "localhost").is_ok());
}

// go: server/server_test.go TestTLSDefaultCipherAndCurvePreferences
#[test]
fn every_suite_of_tls_1_2_that_is_configured_alone_is_agreed_on() {
    let pki = TestPki::new();
    let ecdsa = pki.issue("localhost", Use::Server);
    let rsa = pki.issue_with("rsa.localhost", Use::Server, &rcgen::PKCS_RSA_SHA256, |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("localhost".try_into().unwrap())];
    });
    let suites = [
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ];
    for name in suites {
        let listener = load(&TlsOptions {
            certificates: vec![if name.contains("ECDSA") { ecdsa.clone() } else { rsa.clone() }],
            cipher_suites: names(&[name]),
            ..TlsOptions::default()
        });
        let old = Client { versions: ONLY_TLS12, ..Client::default() };
        let shaken = shake(&listener, old.config(&pki), "localhost").unwrap();
        assert_eq!(cipher_suite_name(shaken.server.negotiated_cipher_suite().unwrap().suite()), name);
        // All others but this one are no use.
        let mut others = aws_lc_rs::default_provider();
        others.cipher_suites.retain(|suite| cipher_suite_name(suite.suite()) != name);
        let client = Client { provider: others, versions: ONLY_TLS12, ..Client::default() };
        assert!(shake(&listener, client.config(&pki), "localhost").is_err(), "{name}");
        // Suites of TLS 1.3 are not configured; they are always there.
        let shaken = shake(&listener, Client::default().config(&pki), "localhost").unwrap();
        assert_eq!(shaken.server.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    }
}

#[test]
fn the_servers_order_of_suites_decides_and_not_that_of_the_configuration() {
    let pki = TestPki::new();
    let listener = load(&TlsOptions {
        cipher_suites: names(&[
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ]),
        ..pki.options()
    });
    let old = Client { versions: ONLY_TLS12, ..Client::default() };
    let shaken = shake(&listener, old.config(&pki), "localhost").unwrap();
    assert_eq!(
        shaken.server.negotiated_cipher_suite().unwrap().suite(),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    );
}

#[test]
fn a_client_without_a_common_suite_is_refused() {
    let pki = TestPki::new();
    let listener = load(&TlsOptions {
        cipher_suites: names(&["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]),
        ..pki.options()
    });
    let wanted = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let other = Client {
        provider: with_suites(aws_lc_rs::default_provider(), &wanted),
        versions: ONLY_TLS12,
        ..Client::default()
    };
    let failed = shake(&listener, other.config(&pki), "localhost").err().unwrap();
    assert_eq!(failed.server, Some(Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)));
    assert_eq!(failed.client, Some(Error::AlertReceived(AlertDescription::HandshakeFailure)));
}

// go: server/server_test.go TestTLSDefaultCipherAndCurvePreferences
#[test]
fn every_group_that_is_configured_alone_is_agreed_on() {
    let pki = TestPki::new();
    let groups: [(&str, &dyn SupportedKxGroup); 5] = [
        ("X25519MLKEM768", aws_lc_rs::kx_group::X25519MLKEM768),
        ("SecP256r1MLKEM768", aws_lc_rs::kx_group::SECP256R1MLKEM768),
        ("X25519", aws_lc_rs::kx_group::X25519),
        ("CurveP256", aws_lc_rs::kx_group::SECP256R1),
        ("CurveP384", aws_lc_rs::kx_group::SECP384R1),
    ];
    let all =
        || CryptoProvider { kx_groups: aws_lc_rs::ALL_KX_GROUPS.to_vec(), ..aws_lc_rs::default_provider() };
    for (name, group) in groups {
        let listener = load(&TlsOptions { curve_preferences: names(&[name]), ..pki.options() });
        let client = Client { provider: all(), ..Client::default() };
        let shaken = shake(&listener, client.config(&pki), "localhost").unwrap();
        assert_eq!(shaken.server.negotiated_key_exchange_group().unwrap().name(), group.name());

        let others = groups.iter().filter(|(other, _)| *other != name).map(|(_, group)| *group).collect();
        let client = Client { provider: CryptoProvider { kx_groups: others, ..all() }, ..Client::default() };
        assert!(shake(&listener, client.config(&pki), "localhost").is_err());
    }
}

#[test]
fn unknown_and_unsupported_names_are_refused_by_name() {
    let pki = TestPki::new();
    let suite = |name| TlsOptions { cipher_suites: names(&[name]), ..pki.options() };
    let curve = |name| TlsOptions { curve_preferences: names(&[name]), ..pki.options() };
    assert_eq!(refusal(&suite("TLS_NEW")), "unrecognized cipher TLS_NEW");
    // What the reference has besides (docs/compat.md).
    for name in [
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    ] {
        assert!(refusal(&suite(name)).starts_with(&format!("cipher {name} is not")));
    }
    assert_eq!(refusal(&curve("CurveP255")), "unrecognized curve preference CurveP255");
    for name in ["CurveP521", "SecP384r1MLKEM1024"] {
        assert!(refusal(&curve(name)).starts_with(&format!("curve preference {name} is not supported")));
    }
}

#[test]
fn of_several_certificates_a_client_gets_the_one_it_asks_for_and_else_the_first() {
    let pki = TestPki::new();
    let (one, two) = (pki.issue("one.test", Use::Server), pki.issue("two.test", Use::Server));
    let listener =
        load(&TlsOptions { certificates: vec![one.clone(), two.clone()], ..TlsOptions::default() });
    for (name, files) in [("one.test", &one), ("two.test", &two)] {
        let shaken = shake(&listener, Client::default().config(&pki), name).unwrap();
        assert_eq!(shaken.client.peer_certificates().unwrap(), [certificate_of(files)]);
    }
    let failed = shake(&listener, Client::default().config(&pki), "three.test").err().unwrap();
    let Some(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) =
        failed.client
    else {
        panic!("{:?}", failed.client);
    };
    assert_eq!(presented, [r#"DnsName("one.test")"#]);
}

#[test]
fn of_two_certificates_with_one_name_a_client_gets_the_one_whose_key_it_can_use() {
    let pki = TestPki::new();
    let rsa = pki.issue_with("localhost", Use::Server, &rcgen::PKCS_RSA_SHA256, |_| {});
    let rsa = KeyPairFiles {
        cert_file: pki.write("rsa-cert.pem", &std::fs::read_to_string(rsa.cert_file).unwrap()),
        key_file: pki.write("rsa-key.pem", &std::fs::read_to_string(rsa.key_file).unwrap()),
    };
    let ecdsa = pki.issue("localhost", Use::Server);
    let listener =
        load(&TlsOptions { certificates: vec![rsa.clone(), ecdsa.clone()], ..TlsOptions::default() });
    let shaken = shake(&listener, Client::default().config(&pki), "localhost").unwrap();
    assert_eq!(shaken.client.peer_certificates().unwrap(), [certificate_of(&rsa)]);

    let mut only_ecdsa = aws_lc_rs::default_provider();
    let schemes = &mut only_ecdsa.signature_verification_algorithms.mapping;
    let ecdsa_at =
        schemes.iter().position(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256).unwrap();
    *schemes = &schemes[ecdsa_at..=ecdsa_at];
    let client = Client { provider: only_ecdsa, ..Client::default() };
    let shaken = shake(&listener, client.config(&pki), "localhost").unwrap();
    assert_eq!(shaken.client.peer_certificates().unwrap(), [certificate_of(&ecdsa)]);
}

#[test]
fn verify_asks_for_a_certificate_of_the_authority_and_takes_no_other() {
    let (pki, strangers) = (TestPki::new(), TestPki::named("strangers"));
    let listener = load(&TlsOptions { verify: true, ca_file: Some(pki.path("ca.pem")), ..pki.options() });
    let with = |certificate| Client { certificate, ..Client::default() }.config(&pki);

    let ours = pki.issue("client", Use::Client);
    let shaken = shake(&listener, with(Some(ours.clone())), "localhost").unwrap();
    assert_eq!(shaken.server.peer_certificates().unwrap(), [certificate_of(&ours)]);

    let failed = shake(&listener, with(None), "localhost").err().unwrap();
    assert_eq!(failed.server, Some(Error::NoCertificatesPresented));
    assert_eq!(failed.client, Some(Error::AlertReceived(AlertDescription::CertificateRequired)));

    let failed =
        shake(&listener, with(Some(strangers.issue("client", Use::Client))), "localhost").err().unwrap();
    assert_eq!(failed.server, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
    assert_eq!(failed.client, Some(Error::AlertReceived(AlertDescription::UnknownCA)));

    let expired = pki.issue_with("old", Use::Client, &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let failed = shake(&listener, with(Some(expired)), "localhost").err().unwrap();
    assert_eq!(failed.client, Some(Error::AlertReceived(AlertDescription::CertificateExpired)));

    let of_a_server = pki.issue("other", Use::Server);
    assert!(shake(&listener, with(Some(of_a_server)), "localhost").is_err());
}

#[test]
fn without_verify_no_certificate_is_asked_for() {
    let pki = TestPki::new();
    let client = Client { certificate: Some(pki.issue("client", Use::Client)), ..Client::default() };
    let shaken = shake(&load(&pki.options()), client.config(&pki), "localhost").unwrap();
    assert_eq!(shaken.server.peer_certificates(), None);
}

#[test]
fn only_pinned_keys_come_in() {
    let pki = TestPki::new();
    let files = pki.issue("client", Use::Client);
    let certificate = certificate_of(&files);
    let key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(&files.key_file).unwrap()).unwrap();
    let digest: [u8; 32] = Sha256::digest(key.subject_public_key_info()).into();
    let pinned = |keys: &[[u8; 32]]| load(&TlsOptions { pinned_certs: keys.to_vec(), ..pki.options() });

    assert_eq!(pinned(&[]).check_pinned(&[]), Ok(()));
    assert_eq!(pinned(&[[0; 32], digest]).check_pinned(std::slice::from_ref(&certificate)), Ok(()));
    assert_eq!(pinned(&[[0; 32]]).check_pinned(&[certificate]), Err(NotPinned::OtherKey(digest)));
    assert_eq!(pinned(&[digest]).check_pinned(&[]), Err(NotPinned::NoCertificate));
    assert_eq!(pinned(&[digest]).check_pinned(&[vec![1, 2, 3].into()]), Err(NotPinned::Unreadable));
}

#[test]
fn a_client_that_comes_back_resumes_by_ticket() {
    let pki = TestPki::new();
    let listener = load(&pki.options());
    for versions in [ONLY_TLS12, ONLY_TLS13] {
        let client = Client { versions, resumption: Resumption::in_memory_sessions(4), ..Client::default() };
        let client = client.config(&pki);
        let first = shake(&listener, Arc::clone(&client), "localhost").unwrap();
        assert_eq!(first.server.handshake_kind(), Some(HandshakeKind::Full));
        let second = shake(&listener, client, "localhost").unwrap();
        assert_eq!(second.server.handshake_kind(), Some(HandshakeKind::Resumed));
    }
}

#[test]
fn monitoring_learns_when_the_certificate_ends() {
    let pki = TestPki::new();
    let files = pki.issue_with("localhost", Use::Server, &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = rcgen::date_time_ymd(2035, 1, 2);
    });
    let listener = load(&TlsOptions { certificates: vec![files], ..TlsOptions::default() });
    assert_eq!(listener.not_after.unwrap().0, 2_051_308_800);
}

#[test]
fn info_says_what_is_asked_of_clients() {
    let pki = TestPki::new();
    let facts = |listener: &ListenerTls, allow_non_tls| {
        let info = listener.info(allow_non_tls);
        (info.tls_required, info.tls_verify, info.tls_available)
    };
    let open = load(&pki.options());
    assert_eq!(facts(&open, false), (true, false, false));
    assert_eq!(facts(&open, true), (false, false, true));
    let strict = load(&TlsOptions { verify: true, ca_file: Some(pki.path("ca.pem")), ..pki.options() });
    assert_eq!(facts(&strict, false), (true, true, false));
}

#[test]
fn what_is_no_tls_is_a_probe_and_what_is_broken_tls_is_not() {
    let pki = TestPki::new();
    let listener = load(&pki.options());
    let first_bytes = |mut bytes: &[u8]| {
        let mut server = ServerConnection::new(Arc::clone(&listener.config)).unwrap();
        server.read_tls(&mut bytes).unwrap();
        server.process_new_packets().unwrap_err()
    };
    for probe in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"CONNECT {\"verbose\":false}\r\n", b"\0\0\0\0\0\0\0\0"] {
        let error = first_bytes(probe);
        assert!(is_probe(&error), "{error}");
    }
    // A record of one handshake message of an unknown type.
    let error = first_bytes(&[0x16, 3, 1, 0, 4, 0x63, 0, 0, 0]);
    assert!(!is_probe(&error), "{error}");
    let strict = load(&TlsOptions { verify: true, ca_file: Some(pki.path("ca.pem")), ..pki.options() });
    let failed = shake(&strict, Client::default().config(&pki), "localhost").err().unwrap();
    assert!(!is_probe(&failed.server.unwrap()));
}

#[test]
fn errors_name_the_file_and_what_is_wrong_with_it() {
    let pki = TestPki::new();
    let good = pki.issue("localhost", Use::Server);
    let other = pki.issue("other", Use::Server);
    let empty = pki.write("empty.pem", "nothing here\n");
    let load_pair = |cert_file: &std::path::Path, key_file: &std::path::Path| {
        let files = KeyPairFiles { cert_file: cert_file.into(), key_file: key_file.into() };
        ListenerTls::load(&TlsOptions { certificates: vec![files], ..TlsOptions::default() }).unwrap_err()
    };
    let missing = pki.path("missing.pem");
    assert_eq!(
        load_pair(&missing, &good.key_file).to_string(),
        format!(
            "error parsing X509 certificate/key pair: open {}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    let source = |error| {
        let TlsError::KeyPair { source, .. } = error else { panic!("{error}") };
        source
    };
    let open = |error, path: &std::path::Path| {
        assert!(matches!(source(error), KeyPairError::Open { path: named, .. } if named == path));
    };
    open(load_pair(&good.cert_file, &missing), &missing);
    assert!(
        matches!(source(load_pair(&empty, &good.key_file)), KeyPairError::NoCertificate { path } if path == empty)
    );
    assert!(
        matches!(source(load_pair(&good.cert_file, &empty)), KeyPairError::NoKey { path } if path == empty)
    );
    assert!(matches!(source(load_pair(&good.cert_file, &other.key_file)), KeyPairError::Mismatch { .. }));
    let garbage = pki.write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(
        matches!(source(load_pair(&garbage, &good.key_file)), KeyPairError::Certificate { path, .. } if path == garbage)
    );

    let second = TlsOptions {
        certificates: vec![good.clone(), KeyPairFiles { cert_file: missing.clone(), ..good.clone() }],
        ..TlsOptions::default()
    };
    assert!(refusal(&second).starts_with("error parsing X509 certificate/key pair 2/2: open "));
    let with_authority = |ca_file| TlsOptions { verify: true, ca_file: Some(ca_file), ..pki.options() };
    assert!(refusal(&with_authority(missing)).starts_with("open "));
    assert!(refusal(&with_authority(garbage)).starts_with("failed to parse root ca certificate: "));
    assert!(refusal(&with_authority(empty)).starts_with("failed to parse root ca certificate: "));
}

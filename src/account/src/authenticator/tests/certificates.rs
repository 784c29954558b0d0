//! Users known by certificates whose subjects and names are those of the reference's own test certificates. The fixtures
//! are self-signed, made with `openssl req -x509 -newkey ec`; their subjects stand beside them in RFC 2253 form. Each also
//! holds the DNS names `localhost`, `example.com` and `www.example.com`, which no user here has.

use super::*;
use crate::permissions::SubscribeDecision;

/// `DC=foo2,DC=foo1,CN=localhost,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US`
const FOO1_FOO2: &[u8] = include_bytes!("../../peer_certificate/fixtures/rdn_foo1_foo2.der");
/// `CN=localhost,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US`
const WITHOUT_DC: &[u8] = include_bytes!("../../peer_certificate/fixtures/rdn_without_dc.der");
/// `DC=foo4,DC=foo3,CN=localhost,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US`
const FOO3_FOO4: &[u8] = include_bytes!("../../peer_certificate/fixtures/rdn_foo3_foo4.der");
/// `DC=com,DC=example,CN=*.example.com,O=NATS,OU=NATS,L=Los Angeles,ST=CA,C=US`
const WILDCARD: &[u8] = include_bytes!("../../peer_certificate/fixtures/rdn_wildcard.der");
/// `DC=com,DC=acme,OU=Organic Units,OU=Users,CN=jdoe,CN=123456,CN=John Doe`
const THREE_NAMES: &[u8] = include_bytes!("../../peer_certificate/fixtures/rdn_three_names.der");
/// `CN=John Doe,DC=DEV+O=users,DC=OpenSSL,DC=org`
const MULTI_VALUE: &[u8] = include_bytes!("../../peer_certificate/fixtures/rdn_multi_value.der");
/// The subject of [`FOO1_FOO2`] and `URI:spiffe://localhost/my-nats-service/user-a`
const USER_A: &[u8] = include_bytes!("../../peer_certificate/fixtures/svid_user_a.der");
/// `O=SPIRE,C=US` and `URI:spiffe://localhost/my-nats-service/user-b`
const USER_B: &[u8] = include_bytes!("../../peer_certificate/fixtures/svid_user_b.der");

/// What becomes of who shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Known as a user that may subscribe.
    MaySubscribe,
    /// Known as a user to whom all subscribing is forbidden.
    MayNotSubscribe,
    Refused,
}

use Outcome::{MayNotSubscribe, MaySubscribe, Refused};

/// Users by name; [`MayNotSubscribe`] forbids it to that user.
type Configured = &'static [(&'static str, Outcome)];

fn outcome(configured: Configured, certificate: &[u8]) -> Outcome {
    let may_not = || PermissionOptions {
        subscribe: Some(SubjectPermissionOptions { allow: None, deny: Some(vec![">".into()]) }),
        ..PermissionOptions::default()
    };
    let user = |(name, outcome): &(&str, Outcome)| UserOptions {
        permissions: (*outcome == MayNotSubscribe).then(may_not),
        ..user(name, "")
    };
    let authenticator = mapping(&users(configured.iter().map(user).collect::<Vec<_>>()));
    let certificate = PeerCertificate::from_der(certificate).unwrap();
    let presented = Presented { certificate: Some(&certificate), ..nothing() };
    match authenticate(&authenticator, &presented) {
        Ok(Grant { permissions: None, .. }) => MaySubscribe,
        Ok(Grant { permissions: Some(permissions), .. }) => {
            assert_eq!(permissions.subscribe_allowed(b"ping", None), SubscribeDecision::Denied);
            MayNotSubscribe
        }
        Err(denial) => {
            assert_eq!(denial, Denial::CertificateNotMapped);
            Refused
        }
    }
}

#[track_caller]
fn check(cases: &[(Configured, &[u8], Outcome)]) {
    for (configured, certificate, expected) in cases {
        assert_eq!(outcome(configured, certificate), *expected, "{configured:?}");
    }
}

const CA: &str = "CN=localhost,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US";
const DC_BEHIND: &str = "CN=localhost,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US,DC=foo1,DC=foo2";
const DC_IN_FRONT: &str = "DC=foo2,DC=foo1,CN=localhost,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US";
const SPACED: &str = "DC=foo2, DC=foo1, CN=localhost, OU=NATS, O=NATS, L=Los Angeles, ST=CA, C=US";
const WILDCARD_BEHIND: &str = "CN=*.example.com,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US,DC=example,DC=com";
const WILDCARD_IN_FRONT: &str = "DC=com,DC=example,CN=*.example.com,O=NATS,OU=NATS,L=Los Angeles,ST=CA,C=US";

// go: test/tls_test.go TestTLSClientAuthWithRDNSequence
#[test]
fn a_subject_is_matched_by_its_parts_with_and_without_domain_components() {
    check(&[
        (&[(DC_BEHIND, MaySubscribe)], FOO1_FOO2, MaySubscribe),
        (&[(DC_IN_FRONT, MaySubscribe)], FOO1_FOO2, MaySubscribe),
        // Without domain components the certificate is the third user, who may less.
        (
            &[(DC_IN_FRONT, MaySubscribe), (DC_BEHIND, MaySubscribe), (CA, MayNotSubscribe)],
            WITHOUT_DC,
            MayNotSubscribe,
        ),
        // Others than configured are overlooked where the rest is a user.
        (
            &[(DC_IN_FRONT, MayNotSubscribe), (DC_BEHIND, MayNotSubscribe), (CA, MaySubscribe)],
            FOO3_FOO4,
            MaySubscribe,
        ),
        (&[(DC_BEHIND, MaySubscribe), (DC_IN_FRONT, MaySubscribe)], FOO3_FOO4, Refused),
        (&[(SPACED, MaySubscribe)], FOO1_FOO2, MaySubscribe),
        (
            &[(
                "DC=com, DC=example, CN=*.example.com, O=NATS, OU=NATS, L=Los Angeles, ST=CA, C=US",
                MaySubscribe,
            )],
            WILDCARD,
            MaySubscribe,
        ),
        (&[(WILDCARD_BEHIND, MaySubscribe)], WILDCARD, MaySubscribe),
        // The name in the certificate's own order goes before all others.
        (
            &[
                (WILDCARD_BEHIND, MayNotSubscribe),
                (WILDCARD_IN_FRONT, MaySubscribe),
                ("CN=*.example.com,OU=NATS,O=NATS,L=Los Angeles,ST=CA,C=US", MayNotSubscribe),
            ],
            WILDCARD,
            MaySubscribe,
        ),
        (
            &[("DC=com,DC=acme,OU=Organic Units,OU=Users,CN=jdoe,CN=123456,CN=John Doe", MaySubscribe)],
            THREE_NAMES,
            MaySubscribe,
        ),
        (&[("CN=John Doe,DC=DEV+O=users,DC=OpenSSL,DC=org", MaySubscribe)], MULTI_VALUE, MaySubscribe),
        (&[("CN=John Doe,DC=DEV,DC=OpenSSL,DC=org", MaySubscribe)], MULTI_VALUE, Refused),
        (&[("CN=John Doe,O=users+DC=DEV,DC=OpenSSL,DC=org", MaySubscribe)], MULTI_VALUE, MaySubscribe),
    ]);
}

// go: test/tls_test.go TestTLSClientAuthWithRDNSequenceReordered
#[test]
fn parts_may_come_in_another_order_but_have_to_be_the_same() {
    check(&[
        (&[("DC=org,DC=OpenSSL,O=users+DC=DEV,CN=John Doe", MaySubscribe)], MULTI_VALUE, MaySubscribe),
        (&[("DC=org,DC=OpenSSL,O=users,CN=John Doe", MaySubscribe)], MULTI_VALUE, Refused),
        (&[("DC=OpenSSL, DC=org, O=users, CN=John Doe", MaySubscribe)], MULTI_VALUE, Refused),
    ]);
}

// go: test/tls_test.go TestTLSClientSVIDAuth
#[test]
fn a_workloads_uri_names_its_user_and_else_the_subject_does() {
    const SPIFFE_A: &str = "spiffe://localhost/my-nats-service/user-a";
    const SPIFFE_B: &str = "spiffe://localhost/my-nats-service/user-b";
    check(&[
        (&[(SPIFFE_A, MaySubscribe)], USER_A, MaySubscribe),
        (&[(SPIFFE_A, MaySubscribe), (SPIFFE_B, MayNotSubscribe)], USER_B, MayNotSubscribe),
        (&[("O=SPIRE,C=US", MaySubscribe)], USER_B, MaySubscribe),
        (&[("spiffe://localhost/my-nats-service/user-c", MaySubscribe)], USER_A, Refused),
    ]);
}

/// As the reference's tests have it: only the client listener maps.
fn over_websocket(authenticator: &Authenticator, user: &str, pass: &str) -> Result<(), Denial> {
    let presented = Presented { connection_type: ConnectionType::Websocket, ..named(user, pass) };
    authenticate(authenticator, &presented).map(drop)
}

// go: server/auth_test.go TestAuthCertMappedUserNotPasswordAuthenticatable
#[test]
fn a_certificates_name_without_password_opens_no_listener_without_the_certificate() {
    const CERT_USER: &str = "O=SPIRE,C=US";
    let authenticator = mapping(&users([user("CN=other.example.com,OU=NATS.io", ""), user(CERT_USER, "")]));
    for connection_type in [ConnectionType::Leafnode, ConnectionType::Websocket] {
        for (name, pass) in
            [(CERT_USER, ""), (CERT_USER, "wrongpassword"), ("CN=attacker.com,OU=NATS.io", ""), ("", "")]
        {
            let presented = Presented { connection_type, ..named(name, pass) };
            assert!(authenticate(&authenticator, &presented).is_err(), "{connection_type:?}: {name} {pass}");
        }
    }
    let certificate = PeerCertificate::from_der(USER_B).unwrap();
    let presented = Presented { certificate: Some(&certificate), ..nothing() };
    assert_eq!(granted(&authenticator, &presented), (0, Some(CERT_USER.into())));
}

// go: server/auth_test.go TestAuthCertMappedUserWithPassword
#[test]
fn a_mapped_user_with_a_password_needs_both_here_and_the_password_elsewhere() {
    const CERT_USER: &str = "O=SPIRE,C=US";
    let authenticator =
        mapping(&users([user("CN=other.example.com,OU=NATS.io", ""), user(CERT_USER, "s3cr3t")]));
    let certificate = PeerCertificate::from_der(USER_B).unwrap();
    let with = |pass| Presented { certificate: Some(&certificate), ..named("", pass) };
    assert_eq!(denied(&authenticator, &with("")), Denial::WrongPassword);
    assert_eq!(granted(&authenticator, &with("s3cr3t")), (0, Some(CERT_USER.into())));
    assert_eq!(over_websocket(&authenticator, CERT_USER, "s3cr3t"), Ok(()));
    assert_eq!(over_websocket(&authenticator, CERT_USER, ""), Err(Denial::WrongPassword));
}

// go: server/auth_test.go TestAuthNoAuthUserWithoutPasswordAndCertMapping
#[test]
fn the_no_auth_user_may_be_named_where_certificates_are_mapped_elsewhere() {
    let options = AuthOptions {
        no_auth_user: Some("guest".into()),
        ..users([user("CN=example.com,OU=NATS.io", ""), user("guest", "")])
    };
    let authenticator = mapping(&options);
    assert_eq!(over_websocket(&authenticator, "", ""), Ok(()));
    assert_eq!(over_websocket(&authenticator, "guest", ""), Ok(()));
    let by_name = over_websocket(&authenticator, "CN=example.com,OU=NATS.io", "");
    assert_eq!(by_name, Err(Denial::CertificateRequired));
}

// go: server/auth_test.go TestAuthCertMappedUserConnectionTypeScope
#[test]
fn a_user_no_listener_could_map_is_no_certificates_name() {
    for (types, expected) in [
        (&[][..], Err(Denial::CertificateRequired)),
        (&["STANDARD", "WEBSOCKET"], Err(Denial::CertificateRequired)),
        (&["WEBSOCKET"], Ok(())),
        (&["MQTT", "WEBSOCKET"], Ok(())),
    ] {
        let allowed_connection_types = types.iter().map(|&name: &&str| name.to_owned()).collect();
        let scoped = UserOptions { allowed_connection_types, ..user("scoped", "") };
        let authenticator = mapping(&users([user("CN=example.com,OU=NATS.io", ""), scoped]));
        assert_eq!(over_websocket(&authenticator, "scoped", ""), expected, "{types:?}");
    }
}

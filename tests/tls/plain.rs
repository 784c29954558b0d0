//! Clients that show no certificate.

use std::io::{self, Write};
use std::thread;

use rustls::{CertificateError, Error, NamedGroup};

use crate::{PKI, QUIET, connect, line, open, tls_over, with_each_server};
use natrium_tests::server::Server;

/// A single user beside TLS.
fn with_user(tls: &str, more: &str) -> String {
    format!("{tls}authorization {{ user: derek, password: monkey {more} }}")
}

const DEREK: &str = "\"verbose\":false,\"user\":\"derek\",\"pass\":\"monkey\"";

/// What a client that does not trust the server's certificate ends with.
fn distrust(server: &Server) -> io::Error {
    let mut socket = open(server);
    line(&mut socket).unwrap();
    connect(&mut tls_over(socket, &PKI.distrustful_client()), DEREK).unwrap_err()
}

fn is_unknown_issuer(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    inner == Some(&Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// TLS first, then the password; then a message to itself. The group of the key exchange.
fn connect_securely(name: &str, server: &Server) -> NamedGroup {
    let client = PKI.client(None).unwrap();
    let error = distrust(server);
    assert!(is_unknown_issuer(&error), "{name}: {error}");

    let attempt = |options| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let mut tls = tls_over(socket, &client);
        connect(&mut tls, options).map(|answer| (answer, tls))
    };
    assert_eq!(attempt(QUIET).unwrap().0, "-ERR 'Authorization Violation'\r\n", "{name}");
    let (answer, mut tls) = attempt(DEREK).unwrap();
    assert_eq!(answer, "PONG\r\n", "{name}");
    tls.write_all(b"SUB foo-tls 1\r\nPUB foo-tls 14\r\nWe are Secure!\r\n").unwrap();
    assert_eq!(line(&mut tls).unwrap(), "MSG foo-tls 1 14\r\n", "{name}");
    assert_eq!(line(&mut tls).unwrap(), "We are Secure!\r\n", "{name}");
    tls.conn.negotiated_key_exchange_group().unwrap().name()
}

// go: test/tls_test.go TestTLSConnection
#[test]
fn a_client_needs_to_trust_the_server_and_to_have_its_password() {
    with_each_server(&with_user(&PKI.block(""), ""), |name, server| {
        connect_securely(name, server);
    });
}

// go: test/tls_test.go TestTLSConnectionCurvePref
#[test]
fn the_group_of_the_key_exchange_may_be_chosen() {
    let config = with_user(&PKI.block("curve_preferences: [ \"CurveP256\" ]"), "");
    with_each_server(&config, |name, server| {
        assert_eq!(connect_securely(name, server), NamedGroup::secp256r1, "{name}");
    });
}

// go: test/tls_test.go TestTLSBadAuthError
#[test]
fn a_wrong_password_is_told_under_tls() {
    let client = PKI.client(None).unwrap();
    with_each_server(&with_user(&PKI.block(""), ""), |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let wrong = "\"verbose\":false,\"user\":\"derek\",\"pass\":\"NOT_THE_PASSWORD\"";
        let answer = connect(&mut tls_over(socket, &client), wrong).unwrap();
        assert_eq!(answer, "-ERR 'Authorization Violation'\r\n", "{name}");
    });
}

// go: test/tls_test.go TestTLSAuthorizationShortTimeout
#[test]
fn the_time_to_authenticate_begins_after_the_handshake() {
    with_each_server(&with_user(&PKI.block(""), ", timeout: 0.001"), |name, server| {
        // An `-ERR` in clear in the midst of the handshake would be told as a message that is no TLS.
        let error = distrust(server);
        assert!(is_unknown_issuer(&error), "{name}: {error}");
    });
}

// go: test/tls_test.go TestTLSVerifyClientCertificate
#[test]
fn a_server_that_knows_no_authority_takes_no_certificate() {
    let known = PKI.client(Some(&PKI.known)).unwrap();
    with_each_server(&PKI.block_without_authority("verify: true"), |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let error = connect(&mut tls_over(socket, &known), QUIET).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{name}: it is neither taken nor refused");
    });
}

// go: test/tls_test.go TestClientTLSAndNonTLSConnections
#[test]
fn clients_with_and_without_tls_talk_to_each_other() {
    let client = PKI.client(None).unwrap();
    with_each_server(&format!("{}allow_non_tls: true", PKI.block("")), |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let mut tls = tls_over(socket, &client);
        let mut clear = open(server);
        line(&mut clear).unwrap();
        assert_eq!(connect(&mut tls, QUIET).unwrap(), "PONG\r\n", "{name}");
        assert_eq!(connect(&mut clear, QUIET).unwrap(), "PONG\r\n", "{name}");
        tls.write_all(b"SUB foo 1\r\nPING\r\n").unwrap();
        clear.write_all(b"SUB bar 1\r\nPING\r\n").unwrap();
        assert_eq!(line(&mut tls).unwrap(), "PONG\r\n", "{name}");
        assert_eq!(line(&mut clear).unwrap(), "PONG\r\n", "{name}");
        for _ in 0..100 {
            clear.write_all(b"PUB foo 20\r\nHELLO FROM PLAINTEXT\r\n").unwrap();
            tls.write_all(b"PUB bar 14\r\nHELLO FROM TLS\r\n").unwrap();
        }
        for _ in 0..100 {
            assert_eq!(line(&mut tls).unwrap(), "MSG foo 1 20\r\n", "{name}");
            assert_eq!(line(&mut tls).unwrap(), "HELLO FROM PLAINTEXT\r\n", "{name}");
            assert_eq!(line(&mut clear).unwrap(), "MSG bar 1 14\r\n", "{name}");
            assert_eq!(line(&mut clear).unwrap(), "HELLO FROM TLS\r\n", "{name}");
        }
    });
}

// go: test/tls_test.go TestTLSStressConnect
#[test]
fn many_come_and_go() {
    let client = PKI.client(None).unwrap();
    with_each_server(&PKI.block("timeout: 2.0"), |name, server| {
        thread::scope(|scope| {
            for thread in 0..3 {
                let client = &client;
                scope.spawn(move || {
                    for _ in 0..33 {
                        let mut socket = open(server);
                        line(&mut socket).unwrap();
                        let mut tls = tls_over(socket, client);
                        assert_eq!(connect(&mut tls, QUIET).unwrap(), "PONG\r\n", "{name}");
                        let said = format!("SUB foo.{thread} 1\r\nPUB foo.{thread} 11\r\nsecure data\r\n");
                        tls.write_all(said.as_bytes()).unwrap();
                        assert!(line(&mut tls).unwrap().starts_with("MSG foo."), "{name}");
                        assert_eq!(line(&mut tls).unwrap(), "secure data\r\n", "{name}");
                    }
                });
            }
        });
    });
}

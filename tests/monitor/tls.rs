//! What `/connz` and `/varz` tell of TLS, as the reference tells it.

#[path = "../tls/pki.rs"]
#[allow(dead_code, reason = "shared with the tests of the listener, which use more of it")]
mod pki;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use natrium_tests::server::{Launch, LaunchError};
use pki::Pki;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

use crate::web::{Monitored, PATIENCE};

/// Connects under TLS with the known client's certificate; what the pages then tell of it.
fn told(server: &Monitored, pki: &Pki, tls_first: bool) -> Vec<Value> {
    let socket = TcpStream::connect(server.server.client_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    if !tls_first {
        // INFO comes in clear, and not a byte behind it.
        let mut byte = [0];
        while byte != *b"\n" {
            (&socket).read_exact(&mut byte).unwrap();
        }
    }
    let name = ServerName::try_from("localhost").unwrap();
    let config = pki.client(Some(&pki.known)).unwrap();
    let client = ClientConnection::new(Arc::clone(&config), name).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(client, socket));
    stream.get_mut().write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    let mut line = String::new();
    while line != "PONG\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the server closed the connection");
    }
    let shown = &server.connections("auth=1")[0];
    let without_auth = &server.connections("")[0];
    let varz = server.json("/varz");
    let mut told: Vec<Value> = ["tls_version", "tls_cipher_suite", "tls_peer_certs", "tls_first"]
        .iter()
        .flat_map(|field| [&shown[field], &without_auth[field]])
        .cloned()
        .collect();
    told.extend(["tls_required", "tls_verify", "tls_timeout"].map(|field| varz[field].clone()));
    told
}

// go: server/monitor_test.go TestMonitorConnzTLSPeerCerts
#[test]
fn version_suite_and_certificates_are_told() {
    let pki = Pki::make().unwrap();
    for (more, tls_first) in
        [("verify: true", false), ("verify: true, handshake_first: true, timeout: 3", true)]
    {
        let config = pki.block(more);
        let reference = told(&Monitored::reference(&config), &pki, tls_first);
        assert_eq!(reference[4][0]["subject"], "CN=known", "{reference:?}");
        for shards in [1, 2] {
            assert_eq!(told(&Monitored::natrium(shards, &config), &pki, tls_first), reference, "{more}");
        }
    }
}

// go: test/monitor_test.go TestMonitorNoTLSConfig
#[test]
fn https_without_certificates_stops_the_start() {
    let mut launch = Launch::natrium(1).unwrap();
    launch.config = "https: \"127.0.0.1:-1\"".to_owned();
    match launch.start() {
        Err(LaunchError::Exited { log }) => assert!(log.to_lowercase().contains("tls"), "{log}"),
        other => panic!("{other:?}"),
    }
}

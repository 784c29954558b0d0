//! What `/connz` and `/varz` tell of TLS, as the reference tells it.

#[path = "../tls/pki.rs"]
#[allow(dead_code, reason = "shared with the tests of the listener, which use more of it")]
pub(crate) mod pki;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use natrium_tests::server::{Launch, LaunchError, Server};
use pki::Pki;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
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
    let of_the_server = ["tls_required", "tls_verify", "tls_timeout", "tls_cert_not_after"];
    told.extend(of_the_server.map(|field| varz[field].clone()));
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
        assert!(reference.last().unwrap().is_string(), "{reference:?}");
        for shards in [1, 2] {
            assert_eq!(told(&Monitored::natrium(shards, &config), &pki, tls_first), reference, "{more}");
        }
    }
}

/// Opens a connection and reads INFO, and not a byte behind it.
fn greeted(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.client_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut byte = [0];
    while byte != *b"\n" {
        socket.read_exact(&mut byte).unwrap();
    }
    socket
}

fn tls_over(socket: TcpStream, config: Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket)
}

// go: server/closed_conns_test.go TestClosedTLSHandshake
#[test]
fn a_handshake_that_failed_is_the_reason() {
    let pki = Pki::make().unwrap();
    let config = pki.block("verify: true");
    for server in
        [Monitored::natrium(1, &config), Monitored::natrium(2, &config), Monitored::reference(&config)]
    {
        let mut tls = tls_over(greeted(&server.server), pki.distrustful_client());
        tls.write_all(b"CONNECT {}\r\n").unwrap_err();
        drop(tls);
        let closed = server.await_connections("state=closed", 1);
        assert_eq!(closed[0]["reason"], "TLS Handshake Failure");
    }
}

// go: server/monitor_test.go TestMonitorConnzClosedConnsBadTLSClient
#[test]
fn a_client_that_speaks_in_clear_and_leaves_has_its_times() {
    let pki = Pki::make().unwrap();
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, &pki.block("timeout: 1.5"));
        let mut socket = TcpStream::connect(server.server.client_address()).unwrap();
        socket.write_all(b"CONNECT {}\r\n").unwrap();
        drop(socket);
        let shown = &server.await_connections("state=closed", 1)[0];
        let [start, last, stop] =
            ["start", "last_activity", "stop"].map(|field| shown[field].as_str().unwrap());
        // From the last activity to the end, so it is no longer than the connection lasted.
        assert!(start <= last && last <= stop && !last.starts_with("0001-"), "{shown}");
        assert_eq!(shown["idle"], "0s", "{shown}");
    }
}

#[test]
fn who_sends_much_that_is_no_handshake_costs_no_memory() {
    let pki = Pki::make().unwrap();
    let garbage = vec![0; 1024 * 1024];
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, &pki.block("timeout: 5"));
        let memory = || server.json("/varz")["mem"].as_u64().unwrap();
        let before = memory();
        for _ in 0..100 {
            let mut socket = TcpStream::connect(server.server.client_address()).unwrap();
            socket.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
            // It is closed as soon as a few bytes are read.
            let _ = socket.write_all(&garbage);
        }
        let grown = memory().saturating_sub(before);
        // The reference's own bound.
        assert!(grown < 50 * 1024 * 1024, "{grown} bytes");
    }
}

// go: server/monitor_test.go TestMonitorConnzTLSInHandshake
#[test]
fn a_connection_in_its_handshake_is_shown_without_tls_and_keeps_nobody_waiting() {
    let pki = Pki::make().unwrap();
    for shards in [1, 2] {
        // The handshake may take longer than the test has patience.
        let server = Monitored::natrium(shards, &pki.block("timeout: 300"));
        let _undecided = greeted(&server.server);
        let shown = server.connections("");
        assert_eq!(shown.len(), 1);
        assert!(shown[0].get("tls_version").is_none() && shown[0].get("tls_cipher_suite").is_none());
    }
}

// go: test/monitor_test.go TestTLSConnz
#[test]
fn connections_are_shown_over_https() {
    let pki = Pki::make().unwrap();
    for shards in [1, 2] {
        let mut launch = Launch::natrium(shards).unwrap();
        launch.config = format!(
            "{}https: \"127.0.0.1:-1\", authorization {{ user: derek, password: monkey }}",
            pki.block("timeout: 2")
        );
        let server = launch.start().unwrap();
        let mut client = BufReader::new(tls_over(greeted(&server), pki.client(None).unwrap()));
        let said = "CONNECT {\"verbose\":false,\"user\":\"derek\",\"pass\":\"monkey\"}\r\n\
                    SUB foo 1\r\nPUB foo 5\r\nHello\r\nPING\r\n";
        client.get_mut().write_all(said.as_bytes()).unwrap();
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            assert!(client.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        }
        let log = server.log();
        let address = log.lines().find_map(|line| line.split_once("Starting https monitor on ")).unwrap().1;
        let socket = TcpStream::connect(address.trim()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // A certificate is not asked for, and may be there.
        let mut https = tls_over(socket, pki.client(Some(&pki.known)).unwrap());
        https.write_all(b"GET /connz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        https.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let page: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&page["num_connections"], &page["total"]), (&1.into(), &1.into()));
        let shown = &page["connections"][0];
        assert_eq!(page["connections"].as_array().unwrap().len(), 1);
        assert!(shown["cid"].as_u64().unwrap() > 0 && shown["port"].as_u64().unwrap() > 0);
        assert_eq!(shown["ip"], "127.0.0.1");
        for (field, expected) in
            [("subscriptions", 1), ("in_msgs", 1), ("out_msgs", 1), ("in_bytes", 5), ("out_bytes", 5)]
        {
            assert_eq!(shown[field], expected, "{field}");
        }
        assert!(shown.get("subscriptions_list").is_none());
        assert!(shown["last_activity"].as_str() >= shown["start"].as_str(), "{shown}");
        assert!(!shown["start"].as_str().unwrap().starts_with("0001-"));
        for field in ["uptime", "idle"] {
            assert!(!shown[field].as_str().unwrap().is_empty(), "{field}");
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

//! TLS, and connections that end before they begin.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::pki::{Identity, Pki};
use crate::web::{Monitored, PATIENCE};
use crate::{await_that, with_each_server};

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::make().expect("certificates can be made"));

pub(crate) type Tls = BufReader<StreamOwned<ClientConnection, TcpStream>>;

pub(crate) fn open(server: &Monitored) -> TcpStream {
    let socket = TcpStream::connect(server.server.client_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Reads INFO in clear, and not a byte behind it.
pub(crate) fn info_in_clear(mut socket: &TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let line = String::from_utf8(line).unwrap();
    assert!(line.starts_with("INFO {"), "{line}");
    line
}

pub(crate) fn tls_over(socket: TcpStream, identity: Option<&Identity>) -> Tls {
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(PKI.client(identity).unwrap(), name).unwrap();
    BufReader::new(StreamOwned::new(client, socket))
}

pub(crate) fn say(stream: &mut Tls, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).unwrap();
    stream.get_mut().flush().unwrap();
}

pub(crate) fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(stream.read_line(&mut line).unwrap() > 0, "the server closed the connection");
    line
}

/// A client that said CONNECT and `more` under TLS, and was answered.
fn connected(server: &Monitored, more: &str) -> Tls {
    let socket = open(server);
    info_in_clear(&socket);
    let mut tls = tls_over(socket, None);
    say(&mut tls, &format!("CONNECT {{\"verbose\":false,\"tls_required\":true}}\r\n{more}PING\r\n"));
    assert_eq!(line(&mut tls), "PONG\r\n");
    tls
}

// go: test/ping_test.go TestPingSentToTLSConnection
#[test]
fn silence_ends_a_connection_under_tls_too() {
    let config = format!("{}ping_interval: \"50ms\", ping_max: 2", PKI.block("timeout: 5"));
    with_each_server(&config, |name, server| {
        let socket = open(server);
        info_in_clear(&socket);
        let mut tls = tls_over(socket, None);
        say(&mut tls, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true}\r\n");
        for expected in ["PING\r\n", "PING\r\n", "-ERR 'Stale Connection'\r\n"] {
            assert_eq!(line(&mut tls), expected, "{name}");
        }
        let closed = server.await_connections("state=closed", 1);
        assert_eq!(closed[0]["reason"], "Stale Connection", "{name}");
    });
}

// go: server/client_test.go TestNonTLSConnectionState
#[test]
fn without_tls_there_is_none_to_show() {
    with_each_server("", |name, server| {
        let client = server.client("{}");
        let shown = &server.connections(&format!("cid={}", client.id))[0];
        assert!(
            shown.get("tls_version").is_none() && shown.get("tls_cipher_suite").is_none(),
            "{name}: {shown}"
        );
    });
}

// go: server/client_test.go TestClientCloseTLSConnection
#[test]
fn a_tls_client_that_reads_nothing_does_not_hold_up_its_own_close() {
    const PAYLOAD: usize = 512 * 1024;
    let config = format!("{}max_pending: 8MB, write_deadline: \"60s\"", PKI.block("timeout: 100"));
    let message = format!("PUB foo {PAYLOAD}\r\n{}\r\nPING\r\n", "x".repeat(PAYLOAD));
    for shards in [1, 2] {
        let mut server = Monitored::natrium(shards, &config);
        let _stuck = connected(&server, "SUB foo 1\r\n");
        let shown = &server.connections("")[0];
        assert_eq!(shown["ip"], "127.0.0.1");
        assert!(shown["tls_version"].is_string() && shown["tls_cipher_suite"].is_string(), "{shown}");
        let mut publisher = connected(&server, "");
        let mut publish = || {
            say(&mut publisher, &message);
            // The server may ask something itself before it answers.
            while line(&mut publisher) != "PONG\r\n" {}
        };
        while server.connections("state=closed").is_empty() {
            publish();
        }
        let closed = server.await_connections("state=closed", 1);
        assert_eq!(closed[0]["reason"], "Slow Consumer (Pending Bytes)");
        // Nor does another one hold up the end of the server.
        let _also_stuck = connected(&server, "SUB foo 1\r\n");
        while server.connections("sort=pending")[0]["pending_bytes"] == 0 {
            publish();
        }
        server.server.signal(Signal::TERM).unwrap();
        server.server.await_exit(PATIENCE).unwrap();
    }
}

// go: server/client_test.go TestCloseConnectionVeryEarly
#[test]
fn connections_that_break_while_info_is_sent_leave_nothing() {
    const COUNT: usize = 100;
    for config in [String::new(), PKI.block("")] {
        with_each_server(&config, |_, server| {
            for number in 0..COUNT {
                let socket = open(server);
                if number % 2 == 0 {
                    // It ends with a reset.
                    set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
                }
            }
            server.await_connections("", 0);
            let last = open(server);
            info_in_clear(&last);
            // Those that were still on their way when none was there have gone as well.
            server.await_connections("", 1);
            drop(last);
            server.await_connections("", 0);
        });
    }
}

// go: server/client_test.go TestTLSClientNoticeWithAllowNonTLS
#[test]
fn the_log_tells_whether_clients_may_go_without_tls() {
    const REQUIRED: &str = "TLS required for client connections";
    const AVAILABLE: &str = "TLS available for client connections";
    for (block, more, expected) in [
        ("", "", REQUIRED),
        ("", "allow_non_tls: true", AVAILABLE),
        // Where all have to begin with TLS, none can go without.
        ("first: true", "allow_non_tls: true", REQUIRED),
        // But whoever waits may.
        ("first: \"25ms\"", "allow_non_tls: true", AVAILABLE),
    ] {
        with_each_server(&format!("{}{more}", PKI.block(block)), |name, server| {
            let log = server.server.log();
            let told: Vec<&str> = log
                .lines()
                .filter_map(|line| line.find("TLS ").map(|at| &line[at..]))
                .filter(|text| text.ends_with(" for client connections"))
                .collect();
            assert_eq!(told, [expected], "{name}: {log}");
        });
    }
}

// go: server/client_test.go TestTLSClientHandshakeProbeErrorsLogAsDebug
#[test]
fn whoever_only_knocks_is_no_error() {
    let pins = format!("verify: true, pinned_certs: [\"{}\"]", "ab".repeat(32));
    for (more, peer, level) in
        [("timeout: 0.1", "silent", "[DBG]"), ("", "plain", "[DBG]"), (pins.as_str(), "unpinned", "[ERR]")]
    {
        with_each_server(&format!("{}debug: true", PKI.block(more)), |name, server| {
            let mut socket = open(server);
            info_in_clear(&socket);
            match peer {
                "silent" => {}
                "plain" => socket.write_all(b"not tls\r\n").unwrap(),
                _ => {
                    let mut tls = tls_over(socket.try_clone().unwrap(), Some(&PKI.known));
                    // Whether this side hears of the refusal while it writes is a matter of time.
                    let _ = tls.get_mut().write_all(b"PING\r\n");
                }
            }
            server.await_connections("state=closed", 1);
            let log = await_that("the log", || server.server.log(), |log| log.contains("TLS handshake "));
            let told: Vec<&str> = log.lines().filter(|line| line.contains("TLS handshake ")).collect();
            assert!(told.iter().all(|line| line.contains(level)), "{name}, {peer}: {told:?}");
        });
    }
}

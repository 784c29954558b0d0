//! TLS at the client listener: each test is played to the reference and to natrium with 1 and 2 shards.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod mapped;
mod pki;
mod plain;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use natrium_tests::server::{Launch, Server};
use pki::Pki;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::make().expect("certificates can be made"));

const PATIENCE: Duration = Duration::from_secs(10);

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Calls `test` with each server, started with this configuration.
fn with_each_server(config: &str, test: impl Fn(&str, &Server)) {
    for (name, mut launch) in Launch::each().unwrap() {
        launch.config = config.to_owned();
        let server = launch.start().unwrap_or_else(|error| panic!("{name}: {error}"));
        test(name, &server);
    }
}

fn open(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.client_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn tls_over(socket: TcpStream, config: &Arc<ClientConfig>) -> Tls {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket)
}

/// Up to and with the next line end.
fn line(stream: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\n") {
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

/// Says what a client says first, and reads the answer's first line.
fn connect(stream: &mut (impl Read + Write), options: &str) -> io::Result<String> {
    stream.write_all(format!("CONNECT {{{options}}}\r\nPING\r\n").as_bytes())?;
    stream.flush()?;
    line(stream)
}

const QUIET: &str = "\"verbose\":false";

#[test]
fn info_comes_in_clear_and_everything_else_under_tls() {
    let client = PKI.client(None).unwrap();
    with_each_server(&PKI.block(""), |name, server| {
        let mut socket = open(server);
        let info = line(&mut socket).unwrap();
        assert!(info.contains(r#""tls_required":true"#) && !info.contains("tls_verify"), "{name}: {info}");
        let mut tls = tls_over(socket, &client);
        assert_eq!(connect(&mut tls, QUIET).unwrap(), "PONG\r\n", "{name}");
        let payload = "x".repeat(300_000);
        tls.write_all(format!("SUB a 1\r\nPUB a {}\r\n{payload}\r\n", payload.len()).as_bytes()).unwrap();
        assert_eq!(line(&mut tls).unwrap(), "MSG a 1 300000\r\n", "{name}");
        assert_eq!(line(&mut tls).unwrap().trim_end(), payload, "{name}");
    });
}

#[test]
fn a_client_that_speaks_in_clear_is_not_heard() {
    with_each_server(&PKI.block(""), |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let answer = connect(&mut socket, QUIET);
        assert!(answer.is_err() || !answer.as_ref().unwrap().starts_with("PONG"), "{name}: {answer:?}");
    });
}

// go: test/tls_test.go TestTLSConnectionTimeout
#[test]
fn who_shakes_no_hands_is_left() {
    with_each_server(&PKI.block("timeout: 0.25"), |name, server| {
        let mut socket = open(server);
        assert!(line(&mut socket).unwrap().starts_with("INFO "), "{name}");
        let mut rest = Vec::new();
        // A close and a reset are equally good, but that it is neither within all patience is not.
        if let Err(error) = socket.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{name}");
        }
        let rest = String::from_utf8_lossy(&rest);
        let told = rest.starts_with("-ERR 'Secure Connection - TLS Required");
        assert!(rest.is_empty() || told, "{name}: {rest}");
    });
}

#[test]
fn tls_may_come_first() {
    let client = PKI.client(None).unwrap();
    with_each_server(&PKI.block("handshake_first: true"), |name, server| {
        let mut tls = tls_over(open(server), &client);
        tls.flush().unwrap();
        let info = line(&mut tls).unwrap();
        assert!(info.starts_with("INFO ") && info.contains(r#""tls_required":true"#), "{name}: {info}");
        assert_eq!(connect(&mut tls, QUIET).unwrap(), "PONG\r\n", "{name}");
    });
}

#[test]
fn who_does_not_begin_tls_in_time_gets_info_in_clear() {
    let client = PKI.client(None).unwrap();
    with_each_server(&PKI.block("handshake_first: \"400ms\""), |name, server| {
        let mut first = tls_over(open(server), &client);
        first.flush().unwrap();
        assert!(line(&mut first).unwrap().starts_with("INFO "), "{name}");
        let mut socket = open(server);
        assert!(line(&mut socket).unwrap().starts_with("INFO "), "{name}");
        let mut late = tls_over(socket, &client);
        assert_eq!(connect(&mut late, QUIET).unwrap(), "PONG\r\n", "{name}");
        assert_eq!(connect(&mut first, QUIET).unwrap(), "PONG\r\n", "{name}");
    });
}

#[test]
fn clients_may_go_without_where_they_are_let() {
    let client = PKI.client(None).unwrap();
    with_each_server(&format!("{}allow_non_tls: true", PKI.block("")), |name, server| {
        let mut socket = open(server);
        let info = line(&mut socket).unwrap();
        assert!(info.contains(r#""tls_available":true"#) && !info.contains("tls_required"), "{name}: {info}");
        assert_eq!(connect(&mut socket, QUIET).unwrap(), "PONG\r\n", "{name}");
        let mut socket = open(server);
        line(&mut socket).unwrap();
        assert_eq!(connect(&mut tls_over(socket, &client), QUIET).unwrap(), "PONG\r\n", "{name}");
    });
}

// go: test/tls_test.go TestTLSClientCertificate
#[test]
fn a_certificate_is_asked_for_and_checked() {
    let (known, stranger, nobody) = (
        PKI.client(Some(&PKI.known)).unwrap(),
        PKI.client(Some(&PKI.stranger)).unwrap(),
        PKI.client(None).unwrap(),
    );
    with_each_server(&PKI.block("verify: true"), |name, server| {
        let attempt = |config| {
            let mut socket = open(server);
            let info = line(&mut socket).unwrap();
            assert!(info.contains(r#""tls_verify":true"#), "{name}: {info}");
            connect(&mut tls_over(socket, config), QUIET)
        };
        assert_eq!(attempt(&known).unwrap(), "PONG\r\n", "{name}");
        assert!(attempt(&stranger).is_err(), "{name}");
        assert!(attempt(&nobody).is_err(), "{name}");
        // Whoever failed took nothing with them.
        assert_eq!(attempt(&known).unwrap(), "PONG\r\n", "{name}");
    });
}

#[test]
fn a_certificate_says_who_the_user_is() {
    let known = PKI.client(Some(&PKI.known)).unwrap();
    let users =
        "authorization { users: [ { user: \"CN=known\", permissions: { publish: ok } }, { user: x } ] }";
    with_each_server(&format!("{}{users}", PKI.block("verify_and_map: true")), |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let mut tls = tls_over(socket, &known);
        assert_eq!(connect(&mut tls, QUIET).unwrap(), "PONG\r\n", "{name}");
        tls.write_all(b"PUB no 0\r\n\r\n").unwrap();
        let answer = line(&mut tls).unwrap();
        assert_eq!(answer, "-ERR 'Permissions Violation for Publish to \"no\"'\r\n", "{name}");
    });
    let stranger = format!(
        "{}authorization {{ users: [ {{ user: \"CN=other\" }} ] }}",
        PKI.block("verify_and_map: true")
    );
    with_each_server(&stranger, |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let answer = connect(&mut tls_over(socket, &known), QUIET).unwrap();
        assert_eq!(answer, "-ERR 'Authorization Violation'\r\n", "{name}");
    });
}

#[test]
fn only_pinned_keys_come_in() {
    let known = PKI.client(Some(&PKI.known)).unwrap();
    let pins = format!("verify: true, pinned_certs: [\"{}\"]", "ab".repeat(32));
    with_each_server(&PKI.block(&pins), |name, server| {
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let answer = connect(&mut tls_over(socket, &known), QUIET);
        assert!(answer.is_err() || !answer.as_ref().unwrap().starts_with("PONG"), "{name}: {answer:?}");
    });
}

// go: test/tls_test.go TestTLSConnectionRate
#[test]
fn handshakes_are_counted() {
    const SECOND: Duration = Duration::from_secs(1);
    let client = PKI.client(None).unwrap();
    with_each_server(&PKI.block("timeout: 10, connection_rate_limit: 3"), |name, server| {
        let started = Instant::now();
        let greeted = loop {
            let begun = Instant::now();
            let greeted: Vec<TcpStream> = (0..10)
                .map(|_| {
                    let mut socket = open(server);
                    line(&mut socket).unwrap();
                    socket
                })
                .collect();
            // All within the second that the first of them began, or else once more in a second of its own.
            if begun.elapsed() < SECOND * 3 / 4 {
                break greeted;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{name}: the machine is too slow for ten connections a second"
            );
            std::thread::sleep(SECOND * 2);
        };
        let admitted = greeted.into_iter().filter_map(|socket| {
            let answer = connect(&mut tls_over(socket, &client), QUIET).ok()?;
            assert_eq!(answer, "PONG\r\n", "{name}");
            Some(())
        });
        assert_eq!(admitted.count(), 3, "{name}");
        while !server.log().contains("connections due to TLS rate limiting") {
            assert!(started.elapsed() < PATIENCE * 2, "{name}: {}", server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn a_proxy_speaks_in_clear_before_tls() {
    let client = PKI.client(None).unwrap();
    with_each_server(&format!("{}proxy_protocol: true", PKI.block("")), |name, server| {
        let mut socket = open(server);
        assert!(!line(&mut socket).unwrap().contains("client_ip"), "{name}");
        socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n").unwrap();
        let mut tls = tls_over(socket, &client);
        assert_eq!(connect(&mut tls, "\"verbose\":false,\"protocol\":1").unwrap(), "PONG\r\n", "{name}");
        assert!(line(&mut tls).unwrap().contains(r#""client_ip":"192.0.2.7""#), "{name}");
    });
}

#[test]
fn garbage_instead_of_a_handshake_ends_the_connection_alone() {
    let client = PKI.client(None).unwrap();
    with_each_server(&PKI.block(""), |name, server| {
        for garbage in
            [&b"\x16\x03\x01\xff\xff"[..], b"\x16\x03\x01\x00\x05hello", b"\x00\x00\x00\x00\x00\x00\x00"]
        {
            let mut socket = open(server);
            line(&mut socket).unwrap();
            socket.write_all(garbage).unwrap();
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let _ = socket.read_to_end(&mut Vec::new());
        }
        let mut socket = open(server);
        line(&mut socket).unwrap();
        assert_eq!(connect(&mut tls_over(socket, &client), QUIET).unwrap(), "PONG\r\n", "{name}");
    });
}

#[test]
fn monitoring_speaks_https_and_asks_nobody_for_a_certificate() {
    let client = PKI.client(None).unwrap();
    let config = format!("{}https: \"127.0.0.1:-1\"", PKI.block("verify: true"));
    with_each_server(&config, |name, server| {
        let log = server.log();
        let line = log.lines().find_map(|line| line.split_once("Starting https monitor on "));
        let address = line.unwrap_or_else(|| panic!("{name}: {log}")).1.trim();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut tls = tls_over(socket, &client);
        tls.write_all(b"GET /varz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // Whether the end is told by TLS or by TCP alone is not what this is about.
        let _ = tls.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("\"tls_verify\": true"),
            "{name}: {answer}"
        );
        // In clear there is nothing to be had.
        let mut clear = TcpStream::connect(address).unwrap();
        clear.set_read_timeout(Some(PATIENCE)).unwrap();
        clear.write_all(b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = clear.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("server_id"), "{name}");
    });
}

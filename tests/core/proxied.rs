//! Clients behind a proxy that says where they come from, with and without TLS.

use std::io::{BufReader, Write};

use crate::handshakes::{PKI, Tls, info_in_clear, line, open, say, tls_over};
use crate::web::Monitored;
use crate::with_each_server;

const CONNECT: &str = "CONNECT {\"verbose\":true,\"pedantic\":false,\"protocol\":1}\r\nPING\r\n";
const SOURCE: &str = "203.0.113.50";
const PORT: u16 = 54321;

/// The headers of both versions, from [`SOURCE`] and [`PORT`] to 127.0.0.1 and 4222.
fn headers() -> [(&'static str, Vec<u8>); 2] {
    let text = format!("PROXY TCP4 {SOURCE} 127.0.0.1 {PORT} 4222\r\n");
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    binary.extend([203, 0, 113, 50, 127, 0, 0, 1]);
    binary.extend(PORT.to_be_bytes());
    binary.extend(4222_u16.to_be_bytes());
    [("version 1", text.into_bytes()), ("version 2", binary)]
}

fn assert_shown(name: &str, server: &Monitored) {
    let shown = server.connections("");
    let is_there = shown.iter().any(|shown| shown["ip"] == SOURCE && shown["port"] == PORT);
    assert!(is_there, "{name}: {shown:?}");
}

/// Sends `header` in clear, then CONNECT under TLS.
fn connect_under_tls(name: &str, server: &Monitored, header: &[u8]) -> Tls {
    let mut socket = open(server);
    socket.write_all(header).unwrap();
    info_in_clear(&socket);
    let mut tls = tls_over(socket, None);
    say(&mut tls, CONNECT);
    assert_eq!([line(&mut tls), line(&mut tls)], ["+OK\r\n", "PONG\r\n"], "{name}");
    tls
}

// go: server/client_proxyproto_test.go TestProxyConnRemoteAddr
// go: server/client_proxyproto_test.go TestClientProxyProtoV1EndToEnd
// go: server/client_proxyproto_test.go TestClientProxyProtoV2EndToEnd
#[test]
fn a_client_is_where_its_proxy_says() {
    with_each_server("proxy_protocol: true", |name, server| {
        for (version, header) in headers() {
            let name = format!("{name}, {version}");
            let mut socket = open(server);
            // In one go: what is behind the header is the client's.
            socket.write_all(&[header.as_slice(), CONNECT.as_bytes()].concat()).unwrap();
            let mut stream = BufReader::new(socket);
            let first = line(&mut stream);
            assert!(first.starts_with("INFO ") && !first.contains("client_ip"), "{name}: {first}");
            assert_eq!([line(&mut stream), line(&mut stream)], ["+OK\r\n", "PONG\r\n"], "{name}");
            let second = line(&mut stream);
            assert!(second.contains(&format!(r#""client_ip":"{SOURCE}""#)), "{name}: {second}");
            assert_shown(&name, server);
            drop(stream);
            server.await_connections("", 0);
        }
    });
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2LocalCommandEndToEnd
#[test]
fn a_proxy_may_speak_for_itself() {
    with_each_server("proxy_protocol: true", |name, server| {
        let mut socket = open(server);
        socket.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").unwrap();
        socket.write_all(CONNECT.as_bytes()).unwrap();
        info_in_clear(&socket);
        let mut stream = BufReader::new(socket);
        assert_eq!([line(&mut stream), line(&mut stream)], ["+OK\r\n", "PONG\r\n"], "{name}");
        assert_eq!(server.connections("")[0]["ip"], "127.0.0.1", "{name}");
    });
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1WithRequiredTLS
// go: server/client_proxyproto_test.go TestClientProxyProtoV2WithRequiredTLS
#[test]
fn tls_follows_the_proxys_header() {
    let config = format!("{}proxy_protocol: true", PKI.block("timeout: 2"));
    with_each_server(&config, |name, server| {
        for (version, header) in headers() {
            let name = format!("{name}, {version}");
            let tls = connect_under_tls(&name, server, &header);
            assert_shown(&name, server);
            drop(tls);
            server.await_connections("", 0);
        }
    });
}

// go: server/client_proxyproto_test.go TestClientProxyProtoNonProxiedTLSFirstFallback
#[test]
fn a_client_without_a_proxy_may_begin_with_tls() {
    let config = format!("{}proxy_protocol: true", PKI.block("timeout: 2, handshake_first: \"250ms\""));
    with_each_server(&config, |name, server| {
        let mut tls = tls_over(open(server), None);
        tls.get_mut().flush().unwrap();
        assert!(line(&mut tls).starts_with("INFO "), "{name}");
        say(&mut tls, CONNECT);
        assert_eq!([line(&mut tls), line(&mut tls)], ["+OK\r\n", "PONG\r\n"], "{name}");
    });
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1WithAllowNonTLS
// go: server/client_proxyproto_test.go TestClientProxyProtoV2WithAllowNonTLS
#[test]
fn behind_the_header_a_client_may_speak_tls_or_not() {
    let config = format!("{}proxy_protocol: true, allow_non_tls: true", PKI.block("timeout: 2"));
    with_each_server(&config, |name, server| {
        for (version, header) in headers() {
            let name = format!("{name}, {version}");
            let tls = connect_under_tls(&name, server, &header);
            assert_shown(&name, server);
            let mut socket = open(server);
            socket.write_all(&header).unwrap();
            info_in_clear(&socket);
            socket.write_all(CONNECT.as_bytes()).unwrap();
            let mut stream = BufReader::new(socket);
            assert_eq!([line(&mut stream), line(&mut stream)], ["+OK\r\n", "PONG\r\n"], "{name}");
            drop((tls, stream));
            server.await_connections("", 0);
        }
    });
}

//! HTTP itself: many requests, slow ones, bad ones, and where the endpoint listens.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use natrium_tests::server::{Launch, LaunchError};
use rustix::process::Signal;

use crate::web::{Monitored, PATIENCE};

// go: server/monitor_test.go TestMonitorConcurrentMonitoring
#[test]
fn many_may_ask_at_once() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let _clients: Vec<_> = (0..20).map(|_| server.client("{}")).collect();
        let pages = ["/varz", "/connz?subs=1", "/subsz", "/routez"];
        thread::scope(|scope| {
            for asker in 0..100 {
                let server = &server;
                scope.spawn(move || {
                    for _ in 0..3 {
                        server.json(pages[asker % pages.len()]);
                    }
                });
            }
        });
        assert_eq!(server.json("/varz")["http_req_stats"]["/varz"], 76);
    }
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = Monitored::natrium(2, "");
    let mut socket = server.open();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    for _ in 0..3 {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: monitor\r\n\r\n").unwrap();
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the connection was closed");
        }
        let mut body = [0; 15];
        reader.read_exact(&mut body).unwrap();
        assert_eq!(&body, br#"{"status":"ok"}"#);
    }
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Monitored::natrium(1, "");
    let mut slow = server.open();
    slow.write_all(b"GET /varz HT").unwrap();
    let started = Instant::now();
    // Others are served meanwhile.
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(slow.read(&mut [0; 64]).unwrap_or(0), 0, "it is closed without an answer");
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(3) && waited < PATIENCE, "{waited:?}");
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let server = Monitored::natrium(1, "");
    let mut socket = server.open();
    socket.set_nodelay(true).unwrap();
    for byte in b"GET /healthz HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n" {
        socket.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
}

#[test]
fn what_is_not_http_is_refused() {
    let server = Monitored::natrium(1, "");
    let line_too_long = format!("GET /{} HTTP/1.1\r\nHost: m\r\n\r\n", "x".repeat(128 * 1024));
    let bad = [
        "CONNECT {\"verbose\":false}\r\nPING\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /varz HTTP/9.9\r\n\r\n",
        line_too_long.as_str(),
    ];
    for request in bad {
        let mut socket = server.open();
        // It may be closed before all is sent.
        let _ = socket.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        let shown = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || shown.starts_with("HTTP/1.1 4"), "{request:.40}: {shown}");
    }
    assert_eq!(server.get("/healthz").status, 200, "the server goes on");
}

// go: test/monitor_test.go TestMonitorErrorOnListen
#[test]
fn a_port_in_use_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut launch = Launch::natrium(1).unwrap();
    launch.flags.extend(["-m".to_owned(), taken.local_addr().unwrap().port().to_string()]);
    match launch.start() {
        Err(LaunchError::Exited { log }) => {
            assert!(log.contains("can't listen to the monitor port"), "{log}")
        }
        other => panic!("{other:?}"),
    }
}

// go: server/monitor_test.go TestMonitorNoPort
// go: server/server_test.go TestNilMonitoringPort
// go: test/monitor_test.go TestNoMonitorPort
#[test]
fn without_a_port_there_is_no_endpoint() {
    let server = Launch::natrium(1).unwrap().start().unwrap();
    assert!(!server.log().contains("monitor"), "{}", server.log());
    assert_eq!(listening(server.id()), [server.client_address()]);
}

// go: test/monitor_test.go TestHTTPHost
#[test]
fn the_endpoint_listens_where_it_is_told_to_and_nowhere_else() {
    let server = Monitored::natrium(1, "http: \"127.0.0.1:-1\"");
    assert!(listening(server.server.id()).contains(&server.http));
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], server.http.port()));
    let refused = TcpStream::connect(elsewhere).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

// go: test/monitor_test.go TestMonitorBothPortsConfigured
#[test]
fn http_and_https_together_stop_the_start() {
    let mut launch = Launch::natrium(1).unwrap();
    launch.config = "http: \"127.0.0.1:-1\", https: \"127.0.0.1:-1\"".to_owned();
    match launch.start() {
        Err(LaunchError::Exited { log }) => assert!(log.contains("specify both"), "{log}"),
        other => panic!("{other:?}"),
    }
}

// go: test/monitor_test.go TestMonitorStop
#[test]
fn the_endpoint_ends_with_the_server() {
    let Monitored { mut server, http } = Monitored::natrium(2, "");
    let _kept_open = TcpStream::connect(http).unwrap();
    server.signal(Signal::TERM).unwrap();
    assert_eq!(server.await_exit(PATIENCE).unwrap(), Some(0));
    assert_eq!(TcpStream::connect(http).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// Where this process listens for TCP over IPv4, as the kernel has it.
fn listening(process: u32) -> Vec<SocketAddr> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| {
            let target = fs::read_link(entry.unwrap().path()).ok()?;
            Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().skip(1).filter_map(|line| {
        // Number, local address, remote address, state (0A: listening), ..., inode the tenth.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_ours = fields[3] == "0A" && sockets.iter().any(|socket| socket == fields[9]);
        let (host, port) = fields[1].split_once(':')?;
        let host = u32::from_str_radix(host, 16).ok()?.to_le_bytes();
        is_ours.then_some(SocketAddr::from((host, u16::from_str_radix(port, 16).ok()?)))
    });
    listening.collect()
}

#[test]
fn pages_live_below_the_base_path() {
    let server = Monitored::natrium(1, "http_base_path: \"/nats/one\"");
    assert_eq!(server.get("/varz").status, 404);
    assert_eq!(server.json("/nats/one/varz")["http_base_path"], "/nats/one");
}

//! What the log says of a conversation; the lines are those of nats-server 2.15.1 for the same bytes.

use std::cell::RefCell;

use log::{LevelFilter, Log, Metadata, Record};

use super::fixture::TestClient;
use super::*;
use crate::TraceRules;

thread_local! {
    /// Each test runs on a thread of its own.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Capture;

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{} {}", record.level(), record.args())));
    }

    fn flush(&self) {}
}

/// The lines that `input` leads to, without the address and number of the connection.
fn logged(input: &str) -> Vec<String> {
    // An error says that another test has set it already.
    let _ = log::set_logger(&Capture);
    log::set_max_level(LevelFilter::Trace);
    LINES.take();
    let mut client = TestClient::new();
    if let Flow::Close(reason) = client.send(input) {
        client.connection.closed(reason);
    }
    LINES.take().iter().map(|line| line.replace("127.0.0.1:4000 - cid:7 - ", "")).collect()
}

// go: server/log_test.go TestNoPasswordsFromConnectTrace
#[test]
fn operations_are_traced() {
    let lines = logged(concat!(
        "CONNECT {\"verbose\":false,\"name\":\"n\",\"lang\":\"go\",\"version\":\"1.2\",\"user\":\"joe\",\"pass\":\"secret\"}\r\n",
        "PUB a 5\r\nhello\r\nSUB a q 1\r\nUNSUB 1 3\r\nPING\r\n"
    ));
    let expected = [
        "DEBUG Client connection created",
        r#"TRACE <<- [CONNECT {"verbose":false,"name":"n","lang":"go","version":"1.2","user":"joe","pass":"[REDACTED]"}]"#,
        r#"TRACE "v1.2:go:n" - "$G/user:joe" - <<- [PUB a 5]"#,
        r#"TRACE "v1.2:go:n" - "$G/user:joe" - <<- MSG_PAYLOAD: ["hello"]"#,
        r#"TRACE "v1.2:go:n" - "$G/user:joe" - <<- [SUB a q 1]"#,
        r#"TRACE "v1.2:go:n" - "$G/user:joe" - <<- [UNSUB 1 3]"#,
        r#"TRACE "v1.2:go:n" - "$G/user:joe" - <<- [PING]"#,
        r#"TRACE "v1.2:go:n" - "$G/user:joe" - ->> [PONG]"#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn refusals_are_logged() {
    let lines = logged("SUB a _sys_ 1\r\nPUB a _R_. 0\r\n\r\n-ERR 'x'\r\n");
    let expected = [
        "DEBUG Client connection created",
        "TRACE <<- [SUB a _sys_ 1]",
        r#"TRACE ->> [-ERR Permissions Violation for Subscription to "a" using queue "_sys_"]"#,
        r#"ERROR Subscription Violation - Subject "a", Queue: "_sys_", SID 1"#,
        "TRACE <<- [PUB a _R_. 0]",
        r#"TRACE ->> [-ERR Permissions Violation for Publish with Reply of "_R_."]"#,
        r#"ERROR Publish Violation - Reply "_R_.""#,
        "ERROR Client Error 'x'",
        "DEBUG Client connection closed: Parse Error",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn naming_an_account_is_logged_like_a_wrong_user() {
    let lines = logged("CONNECT {\"account\":\"x\"}\r\n");
    let expected = [
        "DEBUG Client connection created",
        r#"TRACE <<- [CONNECT {"account":"x"}]"#,
        "ERROR authentication error",
        "TRACE ->> [-ERR Authorization Violation]",
        "DEBUG Client connection closed: Authentication Failure",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn deliveries_are_traced_under_the_name_connect_gave() {
    let mut client = TestClient::new();
    assert_eq!(client.ask("CONNECT {\"verbose\":false,\"lang\":\"go\",\"user\":\"joe\"}\r\n"), "");
    assert_eq!(client.host.name, r#"127.0.0.1:4000 - cid:7 - "go" - "$G/user:joe""#);
    assert_eq!(client.host.name, client.connection.log_name().to_string());
    let origin = Origin { address: "192.0.2.1:5".parse().unwrap(), ..*client.connection.origin() };
    client.connection.set_origin(origin, &mut client.host);
    assert_eq!(client.host.name, "192.0.2.1:5 - cid:7");
}

#[test]
fn a_delivery_is_traced_as_it_is_written() {
    let _ = log::set_logger(&Capture);
    log::set_max_level(LevelFilter::Trace);
    LINES.take();
    let name = LogName::new(*TestClient::new().connection.origin());
    LINES.take();
    let message = natrium_wire::Publish {
        subject: b"foo",
        reply: Some(b"bar"),
        header_len: 12,
        payload: b"NATS/1.0\r\n\r\nhello",
        has_headers: true,
    };
    trace_delivery(&name, &message, b"9", TraceRules::default());
    let plain = natrium_wire::Publish { reply: None, ..message.without_headers() };
    trace_delivery(&name, &plain, b"9", TraceRules { headers_only: true, payload_max: None });
    let expected = [
        "TRACE 127.0.0.1:4000 - cid:7 - ->> [HMSG foo 9 bar 12 17]",
        r#"TRACE 127.0.0.1:4000 - cid:7 - ->> MSG_PAYLOAD: ["NATS/1.0\r\n\r\nhello"]"#,
        "TRACE 127.0.0.1:4000 - cid:7 - ->> [MSG foo 9 5]",
    ];
    assert_eq!(LINES.take(), expected);
}

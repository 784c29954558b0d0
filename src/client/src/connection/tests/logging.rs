//! What the log says of a conversation; the lines are those of nats-server 2.15.1 for the same bytes.

use std::cell::RefCell;

use log::{LevelFilter, Log, Metadata, Record};

use super::fixture::TestClient;
use super::*;

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

//! When the server asks whether the client is still there.

use super::fixture::{TestClient, settings};
use super::*;

fn connected(ping_interval: Duration) -> TestClient {
    TestClient::connected(ClientSettings { ping_interval, ..settings() }, r#"{"verbose":false}"#)
}

/// Lets time pass; what the client reads then.
fn after(client: &mut TestClient, duration: Duration) -> String {
    assert_eq!(client.wait(duration), Ok(()));
    client.answer()
}

// go: server/ping_test.go TestPing
#[test]
fn one_that_answers_is_asked_once_an_interval() {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let interval = 50 * MILLISECOND;
    let mut client = connected(interval);
    assert_eq!(client.ask("PING\r\n"), "PONG\r\n");
    for _ in 0..3 {
        assert_eq!(after(&mut client, interval - MILLISECOND), "");
        assert_eq!(after(&mut client, MILLISECOND), "PING\r\n");
        assert_eq!(client.ask("PONG\r\n"), "");
    }
}

// go: test/ping_test.go TestPingSuppresion
#[test]
fn one_that_asks_itself_is_not_asked() {
    let interval = Duration::from_millis(100);
    let mut client = connected(interval);
    assert_eq!(after(&mut client, interval / 2), "");
    assert_eq!(after(&mut client, interval / 2), "PING\r\n", "not before an interval has passed");
    assert_eq!(client.ask("PONG\r\n"), "");
    assert_eq!(after(&mut client, interval / 2), "");
    assert_eq!(client.ask("PING\r\n"), "PONG\r\n");
    assert_eq!(after(&mut client, interval / 2), "", "it was heard half an interval ago");
    assert_eq!(after(&mut client, interval), "PING\r\n");
}

// go: server/client_test.go TestPingNotSentTooSoon
#[test]
fn one_that_never_asks_is_left_alone_for_two_seconds() {
    let mut client = connected(Duration::from_secs(120));
    assert_eq!(after(&mut client, Duration::from_millis(1999)), "");
    assert_eq!(after(&mut client, Duration::from_millis(1)), "PING\r\n");
}

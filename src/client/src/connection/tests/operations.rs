use super::fixture::{TestClient, settings};
use super::*;

// go: server/client_test.go TestClientPing
#[test]
fn a_ping_is_answered() {
    let mut client = TestClient::new();
    assert_eq!(client.ask("PING\r\nping\r\n"), "PONG\r\nPONG\r\n");
    assert_eq!(client.calls(), ["barrier", "barrier"]);
}

#[test]
fn a_ping_waits_for_the_barrier_and_so_does_what_follows() {
    let mut client = TestClient::new();
    client.host.barriers = vec![Pause::LaneFull];
    assert_eq!(client.send("SUB a 1\r\nPING\r\nSUB b 2\r\n"), Flow::Paused(Pause::LaneFull));
    assert_eq!(
        (client.answer().as_str(), client.unread.as_slice()),
        ("+OK\r\n", b"PING\r\nSUB b 2\r\n".as_slice())
    );
    assert_eq!(client.ask(""), "PONG\r\n+OK\r\n");
    assert_eq!(client.calls(), ["subscribe a 1", "barrier", "barrier", "subscribe b 2"]);
}

// go: test/ping_test.go TestUnpromptedPong
#[test]
fn silence_is_asked_and_then_ends_the_connection() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false}"#);
    assert_eq!(client.ask(&"PONG\r\n".repeat(100)), "", "answers given ahead do not count");
    client.now = client.connection.poll_timeout();
    assert_eq!(client.now, client.connection.started() + Duration::from_secs(2), "the first comes early");
    assert_eq!(client.wait(Duration::ZERO), Ok(()));
    assert_eq!(client.answer(), "PING\r\n");
    let interval = settings().ping_interval;
    assert_eq!(client.wait(interval), Ok(()));
    assert_eq!(client.answer(), "PING\r\n");
    assert_eq!(client.wait(interval), Err(CloseReason::StaleConnection));
    assert_eq!(client.answer(), "-ERR 'Stale Connection'\r\n");
}

// go: server/parser_test.go TestParsePong
#[test]
fn a_pong_may_be_cut_and_hold_blanks() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false}"#);
    for pong in ["PONG\r\n", "PONG  \r  \n"] {
        // Were the first not counted as an answer, the third PING would not come.
        assert_eq!(client.wait(settings().ping_interval), Ok(()));
        assert_eq!(client.wait(settings().ping_interval), Ok(()));
        assert_eq!(client.answer(), "PING\r\nPING\r\n");
        let (last, first) = pong.as_bytes().split_last().unwrap();
        for byte in first {
            assert!(matches!(client.send_bytes(&[*byte]), Flow::Read { needed: 2.. }));
        }
        assert_eq!(client.send_bytes(&[*last]), Flow::Read { needed: 1 });
    }
}

#[test]
fn a_pong_keeps_the_connection_and_measures_the_way() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false}"#);
    let interval = settings().ping_interval;
    for _ in 0..5 {
        assert_eq!(client.wait(interval), Ok(()));
        assert_eq!(client.answer(), "PING\r\n");
        client.now += Duration::from_millis(3);
        assert_eq!(client.ask("PONG\r\n"), "");
        assert_eq!(client.connection.rtt(), Some(Duration::from_millis(3)));
    }
}

#[test]
fn pongs_nobody_asked_for_change_nothing() {
    let mut client = TestClient::new();
    assert_eq!(client.ask(&"PONG\r\n".repeat(100)), "");
    assert_eq!(client.connection.rtt(), None);
}

#[test]
fn only_messages_and_interest_are_activity() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false}"#);
    let mut last = client.connection.last_activity();
    for (input, counts) in [
        ("PING\r\n", false),
        ("PUB a 0\r\n\r\n", true),
        ("PONG\r\n", false),
        ("SUB a 1\r\n", true),
        ("UNSUB 1\r\n", true),
    ] {
        client.now += Duration::from_secs(1);
        client.ask(input);
        assert_eq!(client.connection.last_activity() > last, counts, "{input}");
        last = client.connection.last_activity();
    }
}

#[test]
fn an_error_from_the_client_ends_the_connection() {
    let (reason, answer) = TestClient::new().fail("-ERR 'x'\r\nPING\r\n");
    assert_eq!((reason, answer.as_str()), (CloseReason::ParseError, ""));
}

#[test]
fn an_info_from_the_client_must_be_one() {
    assert_eq!(TestClient::new().ask("INFO {\"x\":1}\r\n+OK\r\nPING\r\n"), "PONG\r\n");
    for json in ["[]", "x", "{\"port\":\"y\"}"] {
        let failed = TestClient::new().fail(&format!("INFO {json}\r\n"));
        assert_eq!(failed, (CloseReason::ProtocolViolation, String::new()), "{json}");
    }
}

#[test]
fn what_cannot_be_understood_is_answered_as_the_reference_does() {
    let unknown = "-ERR 'Unknown Protocol Operation'\r\n";
    for input in ["FOO\r\n", "PUB a 2\r\nhix", "SUBX", "MSG a 1 0\r\n"] {
        assert_eq!(
            TestClient::new().fail(input),
            (CloseReason::ProtocolViolation, unknown.into()),
            "{input}"
        );
    }
    for input in ["PUB a\r\n", "PUB a x\r\n", "SUB a\r\n", "UNSUB 1 2 3\r\n", "HPUB a 0 0\r\n"] {
        assert_eq!(TestClient::new().fail(input), (CloseReason::ProtocolViolation, String::new()), "{input}");
    }
    let long = format!("SUB {}", "a".repeat(5000));
    let exceeded = "-ERR 'maximum control line exceeded'\r\n";
    assert_eq!(TestClient::new().fail(&long), (CloseReason::MaxControlLineExceeded, exceeded.into()));
}

#[test]
fn what_came_before_a_mistake_is_done() {
    let mut client = TestClient::new();
    let (_, answer) = client.fail("SUB a 1\r\nPUB a 1\r\nx\r\nFOO\r\n");
    assert_eq!(answer, "+OK\r\n+OK\r\n-ERR 'Unknown Protocol Operation'\r\n");
    assert_eq!(client.calls(), ["subscribe a 1", r#"publish a 0+"x""#]);
}

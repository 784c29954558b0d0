use natrium_config::options::auth::AuthOptions;

use super::fixture::{TestClient, allow, deny, guarded, permissions, settings, user};
use super::*;

const QUIET: &str = r#"{"verbose":false,"pedantic":false}"#;

fn quiet() -> TestClient {
    TestClient::connected(settings(), QUIET)
}

#[test]
fn a_publish_reaches_the_host_as_it_was_sent() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false,"headers":true}"#);
    assert_eq!(client.ask("PUB a 2\r\nhi\r\nPUB b r 0\r\n\r\nHPUB c r 12 13\r\nNATS/1.0\r\n\r\nx\r\n"), "");
    assert_eq!(client.calls(), [r#"publish a 0+"hi""#, r#"publish b r 0+"""#, r#"publish c r 12+"x""#]);
    assert_eq!(client.connection.stats(), Stats { in_messages: 3, in_bytes: 15 });
}

#[test]
fn a_verbose_client_is_told_of_each_accepted_publish() {
    let mut client = TestClient::new();
    assert_eq!(
        client.ask("PUB a 0\r\n\r\nPUB $NRG.x 0\r\n\r\nPUB a 0\r\n\r\n").matches("+OK\r\n").count(),
        2
    );
}

// go: test/pedantic_test.go TestPedanticPub
#[test]
fn a_pedantic_client_is_told_of_bad_subjects_and_they_go_on() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false,"pedantic":true}"#);
    assert_eq!(client.ask("PING\r\n"), "PONG\r\n");
    for subject in ["foo.*", "foo.>", "foo.", ".foo", "foo..*"] {
        client.calls();
        assert_eq!(client.ask(&format!("PUB {subject} 2\r\nok\r\n")), "-ERR 'Invalid Publish Subject'\r\n");
        assert_eq!(client.calls(), [format!("publish {subject} 0+\"ok\"")]);
    }
    assert_eq!(quiet().ask("PUB foo.* 2\r\nok\r\n"), "");
}

// go: server/client_test.go TestClientCheckUseOfGWReplyPrefix
#[test]
fn subjects_and_replies_of_the_servers_are_refused() {
    let cases = [
        ("_GR_.x", "", r#"Publish to "_GR_.x""#),
        ("$NRG.x", "", r#"Publish to "$NRG.x""#),
        ("$NRG.", "", r#"Publish to "$NRG.""#),
        ("a", "_R_.", r#"Publish with Reply of "_R_.""#),
        ("a", "_R_.x", r#"Publish with Reply of "_R_.x""#),
        ("a", "$JS.ACK.x", r#"Publish with Reply of "$JS.ACK.x""#),
        ("a", "_GR_.x", r#"Publish with Reply of "_GR_.x""#),
    ];
    let mut client = quiet();
    for (subject, reply, violation) in cases {
        let answer = client.ask(&format!("PUB {subject} {reply} 1\r\nx\r\n"));
        assert_eq!(answer, format!("-ERR 'Permissions Violation for {violation}'\r\n"));
    }
    assert_eq!(client.calls(), [""; 0]);
    let stats = client.connection.stats();
    assert_eq!((stats.in_messages, stats.in_bytes), (7, 7), "what is refused is counted");
}

#[test]
fn names_that_only_look_like_the_servers_are_free() {
    let mut client = quiet();
    for line in
        ["_GR_. 0", "_GR 0", "$NRG 0", "a $JS.ACK. 0", "a _GR_. 0", "a _R_ 0", "a $JS.API.x 0", "_R_.x 0"]
    {
        assert_eq!(client.ask(&format!("PUB {line}\r\n\r\n")), "", "{line}");
    }
    assert_eq!(client.calls().len(), 8);
}

// go: server/client_test.go TestClientRejectsNRGSubjects
#[test]
fn the_system_account_may_publish_to_raft_groups() {
    let system = natrium_config::options::auth::AccountOptions {
        name: "$SYS".into(),
        users: vec![user("sys", "pwd")],
        ..Default::default()
    };
    let auth =
        AuthOptions { users: vec![user("u", "pwd")], accounts: vec![system], ..AuthOptions::default() };
    for (name, refused) in [("u", true), ("sys", false)] {
        let mut client = guarded(&auth);
        let connect = format!("CONNECT {{\"verbose\":false,\"user\":\"{name}\",\"pass\":\"pwd\"}}\r\n");
        assert_eq!(client.ask(&connect), "");
        let answer = client.ask("PUB $NRG.foo 0\r\n\r\n");
        let violation = "-ERR 'Permissions Violation for Publish to \"$NRG.foo\"'\r\n";
        assert_eq!(answer, if refused { violation } else { "" });
    }
}

#[test]
fn permissions_are_asked_with_the_mapped_subject() {
    let mut restricted = user("u", "p");
    restricted.permissions = Some(permissions(allow(&["b", "c.>"]), deny(&["x"])));
    let auth = AuthOptions { users: vec![restricted], ..AuthOptions::default() };
    let mut client = guarded(&auth);
    client.host.mappings.insert(b"a", b"b");
    client.host.mappings.insert(b"c.d", b"d");
    client.ask("CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n");
    client.calls();
    assert_eq!(client.ask("PUB a 1\r\nx\r\nPUB b 1\r\ny\r\n"), "");
    assert_eq!(client.ask("PUB c.d 0\r\n\r\n"), "-ERR 'Permissions Violation for Publish to \"d\"'\r\n");
    assert_eq!(client.calls(), [r#"publish b 0+"x""#, r#"publish b 0+"y""#]);
}

#[test]
fn a_message_without_a_subject_goes_nowhere() {
    let mut client = TestClient::new();
    assert_eq!(client.ask("HMSG x\r\n\r\n"), "+OK\r\n");
    assert_eq!(client.calls(), [""; 0]);
}

#[test]
fn a_publisher_rests_when_a_receiver_is_behind() {
    let mut client = quiet();
    client.host.published = Published::Congested { backlog: 4 << 20 };
    let flow = client.send("PUB a 0\r\n\r\nPUB b 0\r\n\r\nPU");
    assert_eq!(flow, Flow::Paused(Pause::Congested(congestion_pause(4 << 20))));
    assert_eq!((client.calls().len(), client.unread.as_slice()), (2, b"PU".as_slice()));
    client.host.published = Published::Done;
    assert_eq!(client.send("B c 0\r\n\r\n"), Flow::Read { needed: 1 });
}

#[test]
fn a_publisher_rests_longer_for_a_receiver_that_is_further_behind() {
    let pauses = [1 << 20, 8 << 20, 64 << 20, usize::MAX].map(congestion_pause);
    assert!(pauses[0] < pauses[1] && pauses[1] < pauses[2] && pauses[3] <= Duration::from_millis(20));
}

// go: test/maxpayload_test.go TestMaxPayloadOverrun
#[test]
fn a_payload_above_the_limit_ends_the_connection_before_it_comes() {
    for size in ["1025", "199380988"] {
        let (reason, answer) = quiet().fail(&format!("PUB foo {size}\r\n"));
        assert_eq!(reason, CloseReason::MaxPayloadExceeded);
        assert_eq!(answer, "-ERR 'Maximum Payload Violation'\r\n");
    }
    // More digits than a size has: no number at all.
    let (reason, answer) = quiet().fail("PUB foo 18446744073709551600\r\n");
    assert_eq!((reason, answer.as_str()), (CloseReason::ProtocolViolation, ""));
}

// go: server/client_test.go TestClientHeaderSupport
#[test]
fn headers_must_be_agreed_on() {
    let publish = "HPUB foo 0 2\r\nok\r\n";
    let without = ClientSettings { headers: false, ..settings() };
    for (settings, json) in [(settings(), "{}"), (without, r#"{"headers":true}"#)] {
        let mut client = TestClient::connected(settings, json);
        assert_eq!(client.fail(publish), (CloseReason::ProtocolViolation, String::new()));
    }
    let mut client = TestClient::connected(settings(), r#"{"headers":true}"#);
    assert_eq!(client.ask(publish), "+OK\r\n");
}

use natrium_config::options::auth::AuthOptions;

use super::fixture::{TestClient, allow, deny, guarded, permissions, settings, user};
use super::*;

#[test]
fn subscriptions_come_and_go() {
    let mut client = TestClient::new();
    assert_eq!(
        client.ask("SUB a 1\r\nSUB b q 2\r\nSUB a 1\r\nUNSUB 1\r\nUNSUB 2 5\r\nUNSUB x\r\n"),
        "+OK\r\n".repeat(6)
    );
    assert_eq!(
        client.calls(),
        [
            "subscribe a 1",
            "subscribe b q 2",
            "subscribe a 1",
            "unsubscribe 1 None",
            "unsubscribe 2 Some(5)",
            "unsubscribe x None"
        ]
    );
}

// go: test/verbose_test.go TestVerbosePing
// go: test/verbose_test.go TestVerboseConnect
// go: test/verbose_test.go TestVerbosePubSub
#[test]
fn a_verbose_client_hears_of_every_success() {
    let mut client = TestClient::new();
    for _ in 0..2 {
        assert_eq!(
            client.ask("CONNECT {\"verbose\":true,\"pedantic\":false,\"tls_required\":false}\r\n"),
            "+OK\r\n"
        );
    }
    assert_eq!(client.ask("PING\r\n"), "PONG\r\n");
    for line in ["PUB foo 2\r\nok\r\n", "SUB foo 1\r\n", "UNSUB 1\r\n"] {
        assert_eq!(client.ask(line), "+OK\r\n");
    }
}

// go: test/pedantic_test.go TestPedanticSub
#[test]
fn a_malformed_subject_is_refused_and_the_connection_goes_on() {
    let mut client = TestClient::connected(settings(), r#"{"verbose":false,"pedantic":true}"#);
    assert_eq!(client.ask("PING\r\n"), "PONG\r\n");
    for subject in ["foo.", ".foo.", "foo..bar", "foo.>.bar"] {
        assert_eq!(client.ask(&format!("SUB {subject} 1\r\n")), "-ERR 'Invalid Subject'\r\n");
    }
}

// go: server/client_test.go TestClientDenySysGroupSub
#[test]
fn the_queue_group_of_the_servers_is_closed_to_clients() {
    let mut client = TestClient::new();
    assert_eq!(
        client.ask("SUB a _sys_ 1\r\n"),
        "-ERR 'Permissions Violation for Subscription to \"a\" using queue \"_sys_\"'\r\n"
    );
    assert_eq!(client.calls(), [""; 0]);
}

#[test]
fn one_subscription_too_many_is_refused_and_the_connection_goes_on() {
    let mut client = TestClient::with(
        ClientSettings { max_subscriptions: Some(1), ..settings() },
        &AuthOptions::default(),
    );
    const REFUSED: &str = "-ERR 'maximum subscriptions exceeded'\r\n";
    assert_eq!(client.ask("SUB a 1\r\n"), "+OK\r\n");
    assert_eq!(client.ask("SUB a 1\r\n"), REFUSED, "a sid that is known counts like a new one");
    assert_eq!(client.ask("SUB b 2\r\n"), REFUSED);
    assert_eq!(client.ask("UNSUB 1\r\nSUB b 2\r\n"), "+OK\r\n+OK\r\n");
}

#[test]
fn a_subject_of_too_many_tokens_is_refused() {
    let mut client = TestClient::with(
        ClientSettings { max_subscription_tokens: Some(2), ..settings() },
        &AuthOptions::default(),
    );
    assert_eq!(client.ask("SUB a.b 1\r\n"), "+OK\r\n");
    assert_eq!(
        client.ask("SUB a.b.c 2\r\n"),
        "-ERR 'Permissions Violation for Subscription to \"a.b.c\", too many tokens'\r\n"
    );
}

#[test]
fn permissions_decide_on_subscriptions() {
    let mut restricted = user("u", "p");
    restricted.permissions = Some(permissions(allow(&[">"]), deny(&["x", "y.z"])));
    let mut client = guarded(&AuthOptions { users: vec![restricted], ..AuthOptions::default() });
    client.ask("CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n");
    client.calls();
    assert_eq!(client.ask("SUB x 1\r\n"), "-ERR 'Permissions Violation for Subscription to \"x\"'\r\n");
    assert_eq!(
        client.ask("SUB x q 1\r\n"),
        "-ERR 'Permissions Violation for Subscription to \"x\" using queue \"q\"'\r\n"
    );
    assert_eq!(client.ask("SUB y.* 2\r\nSUB w 3\r\n"), "");
    assert_eq!(client.calls(), ["subscribe y.* 2 checked", "subscribe w 3"]);
}

//! How many subscriptions there are, and that none outlives its client.

use crate::web::Monitored;
use crate::with_each_server;

/// Subscriptions of client `id`.
fn of_client(server: &Monitored, id: u64) -> u64 {
    server.connections(&format!("cid={id}"))[0]["subscriptions"].as_u64().unwrap()
}

// go: test/proto_test.go TestDuplicateProtoSub
#[test]
fn the_same_sid_twice_is_one_subscription() {
    with_each_server("", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        client.tell("SUB foo 1\r\nSUB foo 1\r\n");
        assert_eq!(of_client(server, client.id), 1, "{name}");
    });
}

// go: server/client_test.go TestClientAutoUnsubExactReceived
// go: server/client_test.go TestClientUnsubAfterAutoUnsub
#[test]
fn nothing_is_left_of_one_that_had_its_last_message_or_was_ended() {
    with_each_server("", |name, server| {
        for rest in ["PUB foo bar 2\r\nok\r\n", "UNSUB 1\r\n"] {
            let mut client = server.client("{\"verbose\":false}");
            client.tell(&format!("SUB foo 1\r\nUNSUB 1 1\r\n{rest}"));
            assert_eq!(of_client(server, client.id), 0, "{name}: {rest:?}");
        }
    });
}

// go: server/client_test.go TestClientRemoveSubsOnDisconnect
// go: server/client_test.go TestClientMapRemoval
#[test]
fn a_client_that_goes_takes_its_subscriptions_along() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let count = || server.json("/subsz")["num_subscriptions"].as_u64().unwrap();
        assert_eq!(count(), 0);
        let mut client = server.client("{\"verbose\":false}");
        client.tell("SUB foo 1\r\nSUB bar 2\r\n");
        assert_eq!(count(), 2);
        drop(client);
        server.await_connections("", 0);
        assert_eq!(count(), 0);
    }
}

// go: server/client_test.go TestClientDoesNotAddSubscriptionsWhenConnectionClosed
#[test]
fn what_comes_after_the_end_is_not_heard() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let mut client = server.client("{\"verbose\":false}");
        // All in one segment: the server has read it when it closes.
        client.say("ZZZ\r\nSUB foo 1\r\nSUB bar 2\r\n");
        client.closed();
        let closed = server.await_connections("state=closed", 1);
        assert_eq!(closed[0]["subscriptions"], 0, "{closed:?}");
        assert_eq!(server.json("/subsz")["num_subscriptions"], 0);
    }
}

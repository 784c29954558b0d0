//! How many subscriptions there are, and that none outlives its client.

use serde_json::Value;

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

// go: server/sublist_test.go TestSublistNumInterest
#[test]
fn plain_and_queue_subscriptions_on_a_subject_are_counted() {
    with_each_server("", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        // Plain ones and members of queue groups that would hear `subject`.
        let interest = |subject: &str| {
            let page = server.json(&format!("/subsz?subs=1&test={subject}"));
            let listed = page["subscriptions_list"].as_array().cloned().unwrap_or_default();
            let ours = listed.iter().filter(|shown| shown["account"] == "$G");
            let in_queue = |shown: &&Value| shown.get("qgroup").is_some();
            let (queued, plain): (Vec<&Value>, Vec<&Value>) = ours.partition(in_queue);
            (plain.len(), queued.len())
        };
        let subjects = ["foo", "foo.bar", "foo.bar.baz"];
        for (filter, wanted) in [
            ("foo", [1, 0, 0]),
            ("foo.*", [0, 1, 0]),
            ("foo.>", [0, 1, 1]),
            ("*.>", [0, 1, 1]),
            ("*.bar", [0, 1, 0]),
            ("*", [1, 0, 0]),
        ] {
            client.tell(&format!("SUB {filter} 1\r\n"));
            assert_eq!(subjects.map(interest), wanted.map(|count| (count, 0)), "{name}: {filter}");
            assert_eq!(interest("bar").1, 0, "{name}: {filter}");
            client.tell("UNSUB 1\r\n");
            assert_eq!(subjects.map(interest), [(0, 0); 3], "{name}: {filter}");
        }
        for (filter, at) in [("foo", 0), ("foo.*", 1)] {
            let members = [(1, "bar"), (2, "baz"), (3, "baz")];
            for (sid, queue) in members {
                client.tell(&format!("SUB {filter} {queue} {sid}\r\n"));
                let mut expected = [(0, 0); 3];
                expected[at] = (0, sid);
                assert_eq!(subjects.map(interest), expected, "{name}: {filter} {queue}");
            }
            for (sid, _) in members {
                client.tell(&format!("UNSUB {sid}\r\n"));
                let mut expected = [(0, 0); 3];
                expected[at] = (0, members.len() - sid);
                assert_eq!(subjects.map(interest), expected, "{name}: {filter} without {sid}");
            }
        }
    });
}

//! Queue groups: one member gets each message, and all members get some.

use std::collections::BTreeMap;

use crate::web::Client;
use crate::with_each_server;

/// How many messages of `count` each subscription of `client` gets.
fn received(client: &mut Client, count: usize) -> BTreeMap<String, usize> {
    let mut by_sid = BTreeMap::new();
    for _ in 0..count {
        let (head, payload) = client.message();
        assert_eq!(payload, b"ok");
        *by_sid.entry(head.split(' ').nth(2).unwrap().to_owned()).or_default() += 1;
    }
    client.say("PING\r\n");
    assert_eq!(client.line(), "PONG\r\n", "more came than was sent");
    by_sid
}

/// Publishes so much that chance hardly gives any of two members less than a third: fewer than one run in 10^24.
const MESSAGES: usize = 1000;

fn assert_shared(name: &str, shares: &BTreeMap<String, usize>, sids: &[&str]) {
    assert_eq!(shares.keys().map(String::as_str).collect::<Vec<_>>(), sids, "{name}");
    assert!(
        shares.values().all(|share| (MESSAGES / 3..=MESSAGES * 2 / 3).contains(share)),
        "{name}: {shares:?}"
    );
}

// go: server/client_test.go TestClientPubWithQueueSub
// go: test/proto_test.go TestQueueSub
#[test]
fn two_members_of_one_connection_share() {
    with_each_server("", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        client.tell("SUB foo qgroup1 22\r\nSUB foo qgroup1 32\r\n");
        client.say(&"PUB foo 2\r\nok\r\n".repeat(MESSAGES));
        assert_shared(name, &received(&mut client, MESSAGES), &["22", "32"]);
    });
}

// go: test/proto_test.go TestMultipleQueueSub
#[test]
fn each_group_gets_every_message_once() {
    with_each_server("", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        client.tell("SUB foo g1 1\r\nSUB foo g1 2\r\nSUB foo g2 3\r\nSUB foo g2 4\r\n");
        client.say(&"PUB foo 2\r\nok\r\n".repeat(MESSAGES));
        let shares = received(&mut client, 2 * MESSAGES);
        assert_shared(name, &shares, &["1", "2", "3", "4"]);
        assert_eq!(shares["1"] + shares["2"], MESSAGES, "{name}");
    });
}

// go: server/norace_1_test.go TestNoRaceQueueAutoUnsubscribe
#[test]
fn members_that_leave_after_one_message_lose_none() {
    with_each_server("", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        let members: String = (0..MESSAGES)
            .map(|member| {
                let (bar, baz) = (2 * member, 2 * member + 1);
                format!("SUB foo bar {bar}\r\nUNSUB {bar} 1\r\nSUB foo baz {baz}\r\nUNSUB {baz} 1\r\n")
            })
            .collect();
        client.tell(&members);
        client.say(&"PUB foo 2\r\nok\r\n".repeat(MESSAGES));
        let shares = received(&mut client, 2 * MESSAGES);
        assert_eq!(shares.len(), 2 * MESSAGES, "{name}: each member had its one");
        let shown = &server.connections(&format!("cid={}", client.id))[0];
        assert_eq!(shown["subscriptions"], 0, "{name}");
    });
}

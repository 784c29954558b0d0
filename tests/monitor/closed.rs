//! `/connz` of connections that ended.

use std::thread;

use serde_json::Value;

use crate::web::{Client, Monitored};

fn reasons(connections: &[Value]) -> Vec<&str> {
    connections.iter().map(|connection| connection["reason"].as_str().unwrap()).collect()
}

// go: server/monitor_test.go TestMonitorConnzWithStateForClosedConns
// go: server/monitor_test.go TestMonitorClosedConnzWithSubsDetail
#[test]
fn closed_connections_are_remembered_with_their_subscriptions() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let mut open = Vec::new();
        for _ in 0..10 {
            server.client("{}").tell("SUB hello.closed 1\r\n");
            let mut staying = server.client("{}");
            staying.tell("SUB hello.open 1\r\n");
            open.push(staying);
        }
        let closed = server.await_connections("state=closed", 10);
        assert_eq!(server.connections("state=open").len(), 10);
        assert_eq!(server.connections("state=ALL").len(), 20);
        assert_eq!(server.json("/connz?state=any")["total"], 20);
        assert!(reasons(&closed).iter().all(|reason| *reason == "Client Closed"), "{closed:?}");
        for shown in &closed {
            assert!(shown["stop"].as_str() >= shown["start"].as_str(), "{shown}");
        }
        let count = |query: &str| server.connections(query).len();
        let gone = closed[0]["cid"].as_u64().unwrap();
        assert_eq!(count(&format!("cid={gone}&state=open")), 0);
        assert_eq!(count(&format!("cid={gone}&state=closed")), 1);
        assert_eq!(count(&format!("cid={gone}&state=ALL")), 1);
        let there = open[0].id;
        assert_eq!(count(&format!("cid={there}&state=open")), 1);
        assert_eq!(count(&format!("cid={there}&state=all")), 1);
        assert_eq!(count(&format!("cid={there}&state=closed")), 0);
        let listed = &server.connections(&format!("cid={gone}&state=closed&subs=true"))[0];
        assert_eq!(listed["subscriptions"], 1);
        assert_eq!(listed["subscriptions_list"], serde_json::json!(["hello.closed"]));
        let unlisted = &server.connections(&format!("cid={gone}&state=closed&subs=false"))[0];
        assert_eq!(unlisted["subscriptions"], 1);
        assert!(unlisted.get("subscriptions_list").is_none());
        let detailed = &server.connections(&format!("cid={gone}&state=closed&subs=detail"))[0];
        assert_eq!(detailed["subscriptions_list_detail"].as_array().unwrap().len(), 1);
        assert_eq!(detailed["subscriptions_list_detail"][0]["subject"], "hello.closed");
    }
}

// go: server/closed_conns_test.go TestClosedConnsSubsAccounting
#[test]
fn every_subscription_of_a_closed_connection_is_kept() {
    let server = Monitored::natrium(2, "");
    server.client("{}").tell(&(0..10).map(|n| format!("SUB foo.{n} {n}\r\n")).collect::<String>());
    let closed = server.await_connections("state=closed&subs=1", 1);
    assert_eq!(closed[0]["subscriptions_list"].as_array().unwrap().len(), 10);
}

// go: server/closed_conns_test.go TestClosedConnsAccounting
#[test]
fn the_newest_push_out_the_oldest() {
    let server = Monitored::natrium(1, "max_closed_clients: 10");
    let first = server.client("{}").id;
    assert_eq!(server.await_connections("state=closed", 1)[0]["cid"], first);
    let mut last = first;
    for _ in 0..21 {
        last = server.client("{}").id;
        server.await_connections(&format!("state=closed&cid={last}"), 1);
    }
    let kept: Vec<u64> =
        server.connections("state=closed").iter().map(|shown| shown["cid"].as_u64().unwrap()).collect();
    assert_eq!(kept, (last - 9..=last).collect::<Vec<_>>());
}

// go: server/closed_conns_test.go TestClosedMaxPayload
#[test]
fn a_payload_too_large_is_the_reason() {
    let server = Monitored::natrium(1, "max_payload: 100");
    let mut client = server.silent_client();
    client.say("PUB foo.bar 1024\r\n");
    assert_eq!(reasons(&server.await_connections("state=closed", 1)), ["Maximum Message Payload Exceeded"]);
}

// go: server/closed_conns_test.go TestClosedUPAuthorizationViolation
#[test]
fn a_client_with_the_wrong_password_or_none_was_refused() {
    let server = Monitored::natrium(1, "authorization { user: my_user, password: my_secret }");
    for connect in ["{}", r#"{"user":"my_user","pass":"wrong_pass"}"#] {
        server.silent_client().say(&format!("CONNECT {connect}\r\n"));
    }
    let closed = server.await_connections("state=closed&auth=1", 2);
    assert_eq!(reasons(&closed), ["Authentication Failure"; 2]);
}

// go: server/closed_conns_test.go TestClosedAuthorizationViolation
#[test]
fn a_client_without_the_token_was_refused() {
    let server = Monitored::natrium(1, "authorization { token: my_token }");
    server.silent_client().say("CONNECT {}\r\n");
    assert_eq!(reasons(&server.await_connections("state=closed", 1)), ["Authentication Failure"]);
}

// go: server/closed_conns_test.go TestClosedAuthorizationTimeout
#[test]
fn a_client_that_says_nothing_ran_out_of_time() {
    let server = Monitored::natrium(1, "authorization { token: my_token, timeout: 0.4 }");
    let _client = server.silent_client();
    assert_eq!(reasons(&server.await_connections("state=closed", 1)), ["Authentication Timeout"]);
}

// go: server/monitor_test.go TestMonitorConnzClosedConnsBadClient
#[test]
fn a_client_that_left_without_a_word_is_shown() {
    let server = Monitored::natrium(1, "");
    drop(server.silent_client());
    let shown = &server.await_connections("state=closed", 1)[0];
    let [start, last, stop] = ["start", "last_activity", "stop"].map(|field| shown[field].as_str().unwrap());
    assert!(start <= last && last <= stop, "{shown}");
}

// go: server/monitor_test.go TestMonitorConnzSortedByStopTimeClosedConn
#[test]
fn the_last_to_end_come_first_when_sorted_by_stop() {
    let server = Monitored::natrium(2, "");
    let mut clients: Vec<_> = (0..8).map(|_| server.client("{}")).collect();
    let mut ids = Vec::new();
    for at in [3, 0, 4, 1, 2, 0, 1, 0] {
        let client = clients.remove(at);
        ids.insert(0, client.id);
        drop(client);
        server.await_connections("state=closed", ids.len());
    }
    let shown = server.connections("state=closed&sort=stop");
    assert_eq!(shown.iter().map(|shown| shown["cid"].as_u64().unwrap()).collect::<Vec<_>>(), ids);
}

// go: server/monitor_test.go TestMonitorConnzSortedByUptimeClosedConn
#[test]
fn the_shortest_lived_come_first_when_sorted_by_uptime() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        // Who came last goes first, so that each one's time lies within that of the one before.
        let mut clients: Vec<Client> = (0..4).map(|_| server.client("{}")).collect();
        let mut ids = Vec::new();
        while let Some(client) = clients.pop() {
            ids.push(client.id);
            drop(client);
            server.await_connections("state=closed", ids.len());
        }
        let shown = server.connections("state=closed&sort=uptime");
        assert_eq!(shown.iter().map(|shown| shown["cid"].as_u64().unwrap()).collect::<Vec<_>>(), ids);
    }
}

// go: server/monitor_test.go TestMonitorConnzSortedByReason
#[test]
fn reasons_sort_by_their_letters() {
    let config = "authorization { user: u, password: p, timeout: 0.4 }, max_payload: 100";
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, config);
        for _ in 0..4 {
            drop(server.client(r#"{"user":"u","pass":"p"}"#));
            server.silent_client().say("CONNECT {\"user\":\"x\"}\r\n");
            server.client(r#"{"user":"u","pass":"p"}"#).say("PUB foo 101\r\n");
            server.client(r#"{"user":"u","pass":"p"}"#).say("NOT A VERB\r\n");
        }
        let _silent = server.silent_client();
        server.await_connections("state=closed", 17);
        let shown = server.connections("state=closed&sort=reason");
        let reasons = reasons(&shown);
        assert!(reasons.is_sorted(), "{reasons:?}");
        let mut different = reasons.clone();
        different.dedup();
        assert_eq!(different.len(), 5, "{reasons:?}");
    }
}

// go: server/monitor_test.go TestMonitorConnzClosedConnsRace
#[test]
fn closed_connections_are_shown_alike_to_all_who_ask_at_once() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        for _ in 0..100 {
            server.client("{}").tell("SUB hello.closed 1\r\n");
        }
        server.await_connections("state=closed", 100);
        thread::scope(|scope| {
            for with_subscriptions in [true, false] {
                let server = &server;
                scope.spawn(move || {
                    for _ in 0..30 {
                        let shown = server.connections(&format!("state=closed&subs={with_subscriptions}"));
                        assert_eq!(shown.len(), 100);
                        let lists = shown.iter().filter(|shown| shown.get("subscriptions_list").is_some());
                        assert_eq!(lists.count(), if with_subscriptions { 100 } else { 0 });
                    }
                });
            }
        });
    }
}

#[test]
fn a_slow_consumer_is_closed_and_counted() {
    let server = Monitored::natrium(2, "max_pending: 1MB");
    let mut publisher = server.client("{}");
    let mut slow: Vec<_> = (0..5).map(|_| server.client("{}")).collect();
    slow[4].tell("SUB foo 1\r\n");
    let payload = "x".repeat(512 * 1024);
    for _ in 0..40 {
        publisher.say(&format!("PUB foo {}\r\n{payload}\r\n", payload.len()));
    }
    publisher.flush();
    let closed = server.await_connections("state=closed", 1);
    assert_eq!(reasons(&closed), ["Slow Consumer (Pending Bytes)"]);
    assert_eq!(closed[0]["cid"], slow[4].id);
    let varz = server.json("/varz");
    assert_eq!((&varz["slow_consumers"], &varz["slow_consumer_stats"]["clients"]), (&1.into(), &1.into()));
    assert_eq!(varz["connections"], 5);
}

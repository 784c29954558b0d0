//! `/connz` of open connections.

use serde_json::Value;

use crate::web::{Client, Monitored};

const ANONYMOUS: &str = r#"{"verbose":false}"#;

fn numbers(connections: &[Value], field: &str) -> Vec<u64> {
    connections.iter().map(|connection| connection[field].as_u64().unwrap()).collect()
}

/// So many that each of two shards has some.
fn clients(server: &Monitored, count: usize) -> Vec<Client> {
    (0..count).map(|_| server.client(ANONYMOUS)).collect()
}

// go: server/monitor_test.go TestMonitorConnz
// go: test/monitor_test.go TestConnz
#[test]
fn a_connection_shows_what_its_client_did() {
    let config = "accounts { A { users = [{user: a, password: a}] } }";
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, config);
        let empty = server.json("/connz");
        assert_eq!((&empty["num_connections"], &empty["total"]), (&0.into(), &0.into()));
        assert_eq!(empty["connections"], Value::Array(Vec::new()));

        let mut client = server.client(r#"{"user":"a","pass":"a","name":"n","lang":"rust","version":"1.0"}"#);
        client.tell("SUB foo 1\r\nPUB foo 5\r\nHello\r\nUNSUB 1\r\n");
        let page = server.json("/connz?auth=1");
        assert_eq!((&page["num_connections"], &page["total"]), (&1.into(), &1.into()));
        assert_eq!((&page["offset"], &page["limit"]), (&0.into(), &1024.into()));
        let shown = &page["connections"][0];
        assert_eq!(shown["cid"], client.id);
        assert_eq!((&shown["kind"], &shown["type"]), (&"Client".into(), &"nats".into()));
        assert_eq!(shown["ip"], "127.0.0.1");
        assert!(shown["port"].as_u64().unwrap() > 0);
        for (field, expected) in [
            ("in_msgs", 1),
            ("out_msgs", 1),
            ("in_bytes", 5),
            ("out_bytes", 5),
            ("subscriptions", 0),
            ("pending_bytes", 0),
        ] {
            assert_eq!(shown[field], expected, "{field}");
        }
        for (field, expected) in [
            ("name", "n"),
            ("lang", "rust"),
            ("version", "1.0"),
            ("account", "A"),
            ("name_tag", "A"),
            ("authorized_user", "a"),
        ] {
            assert_eq!(shown[field], expected, "{field}");
        }
        assert!(
            shown.get("subscriptions_list").is_none() && shown.get("subscriptions_list_detail").is_none()
        );
        assert!(shown["last_activity"].as_str() >= shown["start"].as_str(), "{shown}");
        for field in ["uptime", "idle", "rtt"] {
            assert!(!shown[field].as_str().unwrap().is_empty(), "{field}");
        }
        assert!(shown.get("stop").is_none() && shown.get("reason").is_none());
    }
}

// go: server/monitor_test.go TestMonitorConnzWithNamedClient
#[test]
fn a_client_shows_under_its_name() {
    let server = Monitored::natrium(2, "");
    let _client = server.client(r#"{"name":"test-client"}"#);
    let shown = server.connections("");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["name"], "test-client");
}

// go: server/monitor_test.go TestMonitorConnzLastActivity
#[test]
fn subscribing_publishing_receiving_and_unsubscribing_are_activity() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let mut clients = clients(&server, 6);
        let (foo, bar) = (0, 5);
        let last = |client: usize| {
            let shown = server.connections("subs=1&limit=6");
            shown[client]["last_activity"].as_str().unwrap().to_owned()
        };
        assert!(last(foo) < last(bar));
        let (mut last_foo, last_bar) = (last(foo), last(bar));
        let mut moved = |what: &str| {
            let now = last(foo);
            assert!(now > last_foo, "{what}");
            last_foo = now;
        };
        clients[foo].tell("SUB hello.world 1\r\n");
        moved("a subscription");
        clients[bar].tell("PUB hello.world 5\r\nHello\r\n");
        clients[foo].await_line("Hello");
        assert!(last(bar) > last_bar, "a publish");
        moved("a delivery");
        clients[foo].tell("UNSUB 1\r\n");
        moved("an unsubscription");
    }
}

// go: server/monitor_test.go TestMonitorConnzWithSubs
// go: server/monitor_test.go TestMonitorConnzWithSubsDetail
// go: test/monitor_test.go TestConnzWithSubs
#[test]
fn subscriptions_show_when_asked_for() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let mut client = server.client(ANONYMOUS);
        client.tell("SUB hello.foo 1\r\nSUB hello.bar workers 2\r\nUNSUB 2 7\r\nPUB hello.bar 2\r\nhi\r\n");
        assert_eq!(
            server.connections("subs=1")[0]["subscriptions_list"],
            serde_json::json!(["hello.foo", "hello.bar"])
        );
        let expected = serde_json::json!([
            {"subject": "hello.foo", "sid": "1", "msgs": 0, "cid": client.id},
            {"subject": "hello.bar", "qgroup": "workers", "sid": "2", "msgs": 1, "max": 7, "cid": client.id},
        ]);
        assert_eq!(server.connections("subs=detail")[0]["subscriptions_list_detail"], expected);
        assert_eq!(server.connections("")[0]["subscriptions"], 2);
    }
}

// go: server/monitor_test.go TestMonitorConnzWithCID
#[test]
fn one_connection_can_be_asked_for() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let mut clients = clients(&server, 10);
        clients[4].tell("SUB hello.foo 1\r\nSUB hello.bar 2\r\n");
        let page = server.json(&format!("/connz?cid={}", clients[4].id));
        assert_eq!(page["num_connections"], 1);
        assert_eq!(numbers(page["connections"].as_array().unwrap(), "cid"), [clients[4].id]);
        assert_eq!(page["connections"][0]["subscriptions"], 2);
        let missed = server.json("/connz?cid=100");
        assert_eq!(
            (&missed["num_connections"], &missed["connections"]),
            (&0.into(), &Value::Array(Vec::new()))
        );
    }
}

// go: server/monitor_test.go TestMonitorConnzWithOffsetAndLimit
// go: server/monitor_test.go TestMonitorConnzOffsetOverflow
// go: test/monitor_test.go TestConnzWithOffsetAndLimit
#[test]
fn pages_join_without_gap_or_overlap() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        for query in ["offset=1&limit=1", "offset=-1&limit=-1"] {
            assert!(server.connections(query).is_empty(), "{query}");
        }
        assert_eq!(server.json("/connz?offset=-1&limit=-1")["limit"], 1024);
        let clients = clients(&server, 10);
        let ids: Vec<u64> = clients.iter().map(|client| client.id).collect();
        for limit in [1, 3, 10, 11] {
            let pages = (0..10)
                .step_by(limit)
                .map(|offset| server.json(&format!("/connz?offset={offset}&limit={limit}")));
            let mut seen = Vec::new();
            for page in pages {
                assert_eq!((&page["total"], &page["limit"]), (&10.into(), &limit.into()));
                let entries = page["connections"].as_array().unwrap();
                assert_eq!(page["num_connections"], entries.len());
                seen.extend(numbers(entries, "cid"));
            }
            assert_eq!(seen, ids, "{limit} a page");
        }
        for offset in [10_u64, i64::MAX as u64] {
            let behind = server.json(&format!("/connz?offset={offset}&limit=1"));
            assert_eq!((&behind["num_connections"], &behind["total"]), (&0.into(), &10.into()));
        }
        assert!(server.connections(&format!("offset={0}&limit={0}", i64::MAX)).is_empty());
    }
}

// go: server/monitor_test.go TestMonitorConnzDefaultSorted
// go: server/monitor_test.go TestMonitorConnzSortedByCid
// go: server/monitor_test.go TestMonitorConnzSortedByStart
// go: server/monitor_test.go TestMonitorConnzSortedByBytesAndMsgs
// go: server/monitor_test.go TestMonitorConnzSortedBySubs
// go: server/monitor_test.go TestMonitorConnzSortedByLast
// go: server/monitor_test.go TestMonitorConnzSortedByUptime
// go: server/monitor_test.go TestMonitorConnzSortedByIdle
#[test]
fn connections_come_in_the_order_asked_for() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "no_system_account: true");
        let mut clients = clients(&server, 8);
        for (client, at) in clients.iter_mut().zip(0_usize..) {
            // The 5th does most, its neighbours less and less.
            let messages = 8 - at.abs_diff(4);
            client.tell(&"SUB foo 1\r\nPUB foo 3\r\nbar\r\nUNSUB 1\r\n".repeat(messages));
            client.tell(&(0..messages).map(|n| format!("SUB own.{n} {n}\r\n")).collect::<String>());
        }
        let ids: Vec<u64> = clients.iter().map(|client| client.id).collect();
        for query in ["", "sort=cid", "sort=start"] {
            assert_eq!(numbers(&server.connections(query), "cid"), ids, "{query}");
        }
        for (sort, field) in [
            ("bytes_to", "out_bytes"),
            ("msgs_to", "out_msgs"),
            ("bytes_from", "in_bytes"),
            ("msgs_from", "in_msgs"),
            ("subs", "subscriptions"),
        ] {
            let shown = server.connections(&format!("sort={sort}"));
            let order = numbers(&shown, field);
            assert!(order.is_sorted_by(|left, right| left >= right), "{sort}: {order:?}");
            assert_eq!(shown[0]["cid"], ids[4], "{sort}");
        }
        let newest: Vec<u64> = ids.iter().rev().copied().collect();
        for sort in ["last", "uptime"] {
            assert_eq!(numbers(&server.connections(&format!("sort={sort}")), "cid"), newest, "{sort}");
        }
        assert_eq!(numbers(&server.connections("sort=idle"), "cid"), ids);
    }
}

// go: server/monitor_test.go TestMonitorConnzSortedByPending
#[test]
fn a_backlog_shows_with_the_client_that_does_not_read() {
    let server = Monitored::natrium(2, "no_fast_producer_stall: true");
    let mut clients = clients(&server, 6);
    clients[5].tell("SUB foo 1\r\n");
    // More than the kernel takes for a client that does not read.
    let payload = "x".repeat(512 * 1024);
    for _ in 0..40 {
        clients[0].say(&format!("PUB foo {}\r\n{payload}\r\n", payload.len()));
    }
    clients[0].flush();
    let shown = server.connections("sort=pending");
    assert_eq!(shown[0]["cid"], clients[5].id);
    assert!(shown[0]["pending_bytes"].as_u64().unwrap() > payload.len() as u64, "{}", shown[0]);
    for other in &shown[1..] {
        assert_eq!(other["pending_bytes"], 0);
    }
}

// go: test/monitor_test.go TestConnzWithAuth
// go: test/monitor_test.go TestConnzWithAccounts
#[test]
fn connections_can_be_picked_by_account_and_user() {
    let config = "accounts { A { users = [{user: a, password: a}, {user: c, password: c}] }, B { users = [{user: b, password: b}] } }";
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, config);
        let connect = |user: &str| server.client(&format!(r#"{{"user":"{user}","pass":"{user}"}}"#));
        let clients: Vec<Client> =
            ["a", "b", "c", "a", "b", "c", "a", "b"].map(connect).into_iter().collect();
        let ids = |places: &[usize]| places.iter().map(|place| clients[*place].id).collect::<Vec<_>>();
        let shown = |query: &str| numbers(&server.connections(query), "cid");
        assert_eq!(shown("acc=A"), ids(&[0, 2, 3, 5, 6]));
        assert_eq!(shown("acc=B"), ids(&[1, 4, 7]));
        assert_eq!(shown("auth=1&user=a"), ids(&[0, 3, 6]));
        assert_eq!(shown("acc=A&auth=1&user=b"), ids(&[]));
        assert_eq!(server.json("/connz?acc=A")["total"], 5);
        assert!(server.connections("")[0].get("authorized_user").is_none(), "only with auth=1");
        assert!(server.json("/connz?acc=X")["connections"].is_null());
        for (at, shown) in server.connections("auth=1").iter().enumerate() {
            let (user, account) = [("a", "A"), ("b", "B"), ("c", "A")][at % 3];
            assert_eq!(shown["cid"], clients[at].id);
            assert_eq!((&shown["authorized_user"], &shown["account"]), (&user.into(), &account.into()));
        }
        let (of_a, of_b) = (ids(&[0, 2, 3, 5, 6]), ids(&[1, 4, 7]));
        drop(clients);
        server.await_connections("state=closed", 8);
        assert_eq!(shown("state=closed&acc=A"), of_a);
        assert_eq!(shown("state=closed&acc=B"), of_b);
        assert_eq!(shown("state=closed&auth=1&user=b"), of_b);
    }
}

// go: server/auth_test.go TestNoAuthUserNkey
#[test]
fn who_presents_nothing_is_shown_as_who_the_configuration_says() {
    const NKEY: &str = "UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON";
    let config = format!(
        "accounts {{ FOO {{ users [{{user: foo, password: pwd1}}] }}, BAR {{ users [{{nkey: {NKEY}}}] }} }}\n\
         no_auth_user: {NKEY}"
    );
    for server in
        [Monitored::natrium(1, &config), Monitored::natrium(2, &config), Monitored::reference(&config)]
    {
        let _client = server.client(ANONYMOUS);
        let shown = &server.connections("auth=1")[0];
        assert_eq!((&shown["authorized_user"], &shown["account"]), (&NKEY.into(), &"BAR".into()));
    }
}

#[test]
fn a_token_is_not_shown() {
    let server = Monitored::natrium(1, r#"authorization { token: "s3cr3t" }"#);
    let _client = server.client(r#"{"auth_token":"s3cr3t"}"#);
    let answer = server.get("/connz?auth=1");
    assert!(answer.body.contains(r#""authorized_user": "[REDACTED]""#), "{}", answer.body);
    assert!(!answer.body.contains("s3cr3t"));
}

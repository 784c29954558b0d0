//! The pages besides `/connz`.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::web::{Monitored, PATIENCE};

// go: test/monitor_test.go TestVarz
// go: server/monitor_test.go TestMonitorVarzSubscriptionsResetProperly
#[test]
fn varz_sums_over_the_shards() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "server_tags: [\"tag\"], server_metadata: {rack: \"7\"}");
        let mut clients: Vec<_> = (0..9).map(|_| server.client("{}")).collect();
        for client in &mut clients[..5] {
            client.tell("SUB foo 1\r\n");
        }
        clients[8].tell("PUB foo 5\r\nHello\r\nPUB bar 1\r\n.\r\n");
        for client in &mut clients[..5] {
            client.await_line("Hello");
        }
        clients.pop();
        server.await_connections("", 8);
        let varz = server.json("/varz");
        let expected = [
            ("connections", 8),
            ("total_connections", 9),
            ("subscriptions", 5),
            ("in_msgs", 2),
            ("in_bytes", 6),
            ("out_msgs", 5),
            ("out_bytes", 25),
            ("in_client_msgs", 2),
            ("in_client_bytes", 6),
            ("out_client_msgs", 5),
            ("out_client_bytes", 25),
            ("slow_consumers", 0),
            ("stale_connections", 0),
            ("gomaxprocs", shards),
        ];
        for (field, expected) in expected {
            assert_eq!(varz[field], expected, "{field} on {shards} shards");
        }
        assert_eq!((&varz["tags"], &varz["metadata"]), (&json!(["tag"]), &json!({"rack": "7"})));
        assert_eq!(varz["port"], server.server.client_address().port());
        assert!(varz["mem"].as_u64().unwrap() > 0);
        assert_eq!(
            (&varz["max_pending"], &varz["write_deadline"]),
            (&67_108_864.into(), &10_000_000_000_u64.into())
        );
        assert_eq!(varz["cluster"], json!({}));
        assert!(varz["uptime"].as_str().unwrap().len() <= "10s".len(), "it has just started");
        let again = server.json("/varz");
        assert_eq!(again["subscriptions"], 5);
        assert_eq!(again["http_req_stats"]["/varz"], 2);
    }
}

#[test]
fn a_stale_connection_is_counted() {
    let server = Monitored::natrium(1, "ping_interval: 100ms, ping_max: 1");
    let _client = server.silent_client();
    let closed = server.await_connections("state=closed", 1);
    assert_eq!(closed[0]["reason"], "Stale Connection");
    let varz = server.json("/varz");
    assert_eq!(
        (&varz["stale_connections"], &varz["stale_connection_stats"]["clients"]),
        (&1.into(), &1.into())
    );
}

// go: server/monitor_test.go TestMonitorSubszDetails
// go: server/monitor_test.go TestMonitorSubszWithOffsetAndLimit
// go: server/monitor_test.go TestMonitorSubszOffsetOverflow
// go: server/monitor_test.go TestMonitorSubszTestPubSubject
// go: test/monitor_test.go TestSubsz
#[test]
fn subsz_lists_and_tests_subscriptions() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let mut clients: Vec<_> = (0..6).map(|_| server.client("{}")).collect();
        for (client, filter) in [(0, "foo.*"), (4, "foo.bar"), (5, "foo.foo")] {
            clients[client].tell(&format!("SUB {filter} 1\r\n"));
        }
        let all = server.json("/subsz?subs=1");
        assert_eq!(
            (&all["num_subscriptions"], &all["total"], &all["limit"]),
            (&3.into(), &3.into(), &1024.into())
        );
        assert_eq!(all["subscriptions_list"].as_array().unwrap().len(), 3);
        assert_eq!(all["num_inserts"], 3);
        let matching = |subject: &str| {
            let page = server.json(&format!("/subsz?subs=1&test={subject}"));
            (
                page["total"].as_u64().unwrap(),
                page.get("subscriptions_list").map_or(0, |list| list.as_array().unwrap().len()),
            )
        };
        assert_eq!(matching("foo.foo"), (2, 2));
        assert_eq!(matching("foo.bar"), (2, 2));
        assert_eq!(matching("foo.x"), (1, 1));
        assert_eq!(matching("foo"), (0, 0));
        for subject in ["*", "foo.*", "foo.%3E", "foo..bar"] {
            let refused = server.get(&format!("/subsz?subs=1&test={subject}"));
            assert_eq!(refused.status, 400, "{subject}");
            assert_eq!(refused.header("Content-Type"), Some("text/plain; charset=utf-8"), "{subject}");
        }
        assert_eq!(server.json("/subscriptionsz")["num_subscriptions"], 3);
        clients[1].tell(&(0..200).map(|n| format!("SUB n.{n} {n}\r\n")).collect::<String>());
        let page = server.json("/subsz?subs=1&offset=10&limit=100");
        assert_eq!((&page["num_subscriptions"], &page["total"]), (&203.into(), &203.into()));
        assert_eq!((&page["offset"], &page["limit"]), (&10.into(), &100.into()));
        assert_eq!(page["subscriptions_list"].as_array().unwrap().len(), 100);
        for limit in [1, i64::MAX] {
            let behind = server.json(&format!("/subsz?subs=1&offset={}&limit={limit}", i64::MAX));
            assert!(behind.get("subscriptions_list").is_none());
        }
        clients[1].tell("UNSUB 0\r\n");
        let removed = server.json("/subsz");
        assert_eq!((&removed["num_subscriptions"], &removed["num_removes"]), (&202.into(), &1.into()));
    }
}

// go: server/monitor_test.go TestMonitorAccountz
#[test]
fn accounts_are_listed_and_shown() {
    let server = Monitored::natrium(2, "");
    let page = server.json("/accountz");
    assert_eq!(page["server_id"], server.json("/varz")["server_id"]);
    assert_eq!((&page["accounts"], &page["system_account"]), (&json!(["$G", "$SYS"]), &"$SYS".into()));
    let system = server.json("/accountz?acc=$SYS");
    assert_eq!(system["system_account"], "$SYS");
    let detail = &system["account_detail"];
    assert_eq!((&detail["account_name"], &detail["name_tag"]), (&"$SYS".into(), &"$SYS".into()));
    assert_eq!(detail["is_system"], true);
    assert_eq!(server.get("/accountz?acc=X").status, 400);
}

#[test]
fn traffic_is_counted_by_account() {
    let config =
        "accounts { A { users = [{user: a, password: a}] }, B { users = [{user: b, password: b}] } }";
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, config);
        let connect = |user: &str| server.client(&format!(r#"{{"user":"{user}","pass":"{user}"}}"#));
        let mut clients: Vec<_> = ["a", "b", "a", "b", "a"].map(connect).into_iter().collect();
        clients[0].tell("SUB foo 1\r\n");
        clients[1].tell("SUB foo 1\r\n");
        clients[4].tell("PUB foo 5\r\nHello\r\n");
        clients[0].await_line("Hello");
        let page = server.json("/accstatz?unused=1");
        let find = |name: &str| -> Value {
            page["account_statz"].as_array().unwrap().iter().find(|stat| stat["acc"] == name).unwrap().clone()
        };
        let (a, b) = (find("A"), find("B"));
        assert_eq!((&a["conns"], &a["num_subscriptions"]), (&3.into(), &1.into()));
        assert_eq!((&a["received"]["msgs"], &a["received"]["bytes"]), (&1.into(), &5.into()));
        assert_eq!((&a["sent"]["msgs"], &a["sent"]["bytes"]), (&1.into(), &5.into()));
        assert_eq!((&b["conns"], &b["num_subscriptions"]), (&2.into(), &1.into()));
        assert_eq!((&b["received"]["msgs"], &b["sent"]["msgs"]), (&0.into(), &0.into()));
    }
}

// go: server/monitor_test.go TestMonitorHealthzStatusOK
#[test]
fn a_server_that_serves_is_healthy() {
    let server = Monitored::natrium(1, "");
    let answer = server.get("/healthz");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

#[test]
fn a_lame_duck_is_not_healthy() {
    let server = Monitored::natrium(2, "lame_duck_grace_period: \"5s\", lame_duck_duration: \"60s\"");
    let _client = server.client("{}");
    server.server.signal(Signal::USR2).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = server.get("/healthz");
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "it stays healthy");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(answer.status, 500);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["status"], "error");
}

#[test]
fn metrics_are_open_metrics_text() {
    let server = Monitored::natrium(2, "");
    let _clients: Vec<_> = (0..5).map(|_| server.client("{}")).collect();
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(answer.body.ends_with("# EOF\n"));
    let connections: u32 = answer
        .body
        .lines()
        .filter_map(|line| {
            line.strip_prefix("natrium_connections{shard=")?.rsplit(' ').next()?.parse::<u32>().ok()
        })
        .sum();
    assert_eq!(connections, 5);
}

// go: server/monitor_test.go TestMonitorHandleRoot
#[test]
fn the_root_links_to_the_pages() {
    let server = Monitored::natrium(1, "");
    let answer = server.get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.header("Content-Type").unwrap().contains("text/html"));
    assert!(answer.body.is_ascii() && answer.body.contains("varz"));
}

//! The pages besides `/connz`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::web::{Monitored, PATIENCE};

// go: test/monitor_test.go TestVarz
// go: server/monitor_test.go TestMonitorVarzSubscriptionsResetProperly
// go: server/monitor_test.go TestMonitorVarzMetadata
#[test]
fn varz_sums_over_the_shards() {
    for shards in [1, 2] {
        let server = Monitored::natrium(
            shards,
            "server_tags: [\"tag\"], server_metadata: {key1: value1, key2: value2}",
        );
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
        assert_eq!(
            (&varz["tags"], &varz["metadata"]),
            (&json!(["tag"]), &json!({"key1": "value1", "key2": "value2"}))
        );
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

// go: server/monitor_test.go TestMonitorServerIDs
// go: server/monitor_test.go TestMonitorClusterEmptyWhenNotDefined
#[test]
fn all_pages_are_of_one_server_and_of_no_cluster() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let varz = server.json("/varz");
        assert!(!varz["server_id"].as_str().unwrap().is_empty());
        for page in ["/connz", "/routez"] {
            assert_eq!(server.json(page)["server_id"], varz["server_id"], "{page}");
        }
        assert_eq!(varz["cluster"], json!({}));
    }
}

// go: server/monitor_test.go TestMonitorJszNonJszServer
#[test]
fn a_server_without_jetstream_says_so_unless_a_leader_is_asked_for() {
    let reference = Monitored::reference("");
    for server in [&Monitored::natrium(1, ""), &Monitored::natrium(2, ""), &reference] {
        let page = server.json("/jsz");
        assert_eq!(page["server_id"], server.json("/varz")["server_id"]);
        assert_eq!(page["disabled"], true);
        let (ours, theirs) = (server.get("/jsz?leader-only=true"), reference.get("/jsz?leader-only=true"));
        assert_eq!((ours.status, ours.body), (theirs.status, theirs.body));
    }
}

// go: server/monitor_test.go TestMonitorAccountStatz
#[test]
fn accounts_without_clients_are_shown_when_asked_for() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let page = server.json("/accstatz?unused=1");
        assert_eq!(page["server_id"], server.json("/varz")["server_id"]);
        let mut names = Vec::new();
        for account in page["account_statz"].as_array().unwrap() {
            assert_eq!((&account["name"], &account["conns"]), (&account["acc"], &0.into()));
            names.push(account["acc"].as_str().unwrap());
        }
        names.sort_unstable();
        assert_eq!(names, ["$G", "$SYS"]);
    }
}

// go: server/monitor_test.go TestSubsz
#[test]
fn a_subscription_that_came_and_went_is_counted() {
    for server in [
        Monitored::natrium(1, ""),
        Monitored::natrium(2, ""),
        Monitored::reference("no_system_account: true"),
    ] {
        let mut client = server.client("{}");
        client.tell("SUB foo 1\r\nPUB foo 5\r\nHello\r\nUNSUB 1\r\n");
        let page = server.json("/subsz?subs=1");
        for (field, expected) in
            [("num_subscriptions", 0), ("num_inserts", 1), ("num_removes", 1), ("num_matches", 1)]
        {
            assert_eq!(page[field], expected, "{field}");
        }
        assert!(page.get("subscriptions_list").is_none());
        client.tell("SUB foo 2\r\n");
        let shown = &server.json("/subsz?subs=1")["subscriptions_list"][0];
        assert_eq!((&shown["account"], &shown["account_tag"]), (&"$G".into(), &"$G".into()));
    }
}

// go: server/monitor_test.go TestMonitorSubszMultiAccount
// go: server/monitor_test.go TestMonitorSubszMultiAccountWithOffsetAndLimit
#[test]
fn subscriptions_of_several_accounts_are_told_apart() {
    let config =
        "accounts { A { users = [{user: a, password: a}] }, B { users = [{user: b, password: b}] } }";
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, config);
        let connect = |user: &str| server.client(&format!(r#"{{"user":"{user}","pass":"{user}"}}"#));
        let mut clients: Vec<_> = ["a", "b"].map(connect).into_iter().collect();
        for client in &mut clients {
            client.tell("SUB foo.* 1\r\nSUB foo.bar 2\r\nSUB foo.foo 3\r\n");
            client.tell("PUB foo.bar 5\r\nHello\r\nPUB foo.baz 5\r\nHello\r\nPUB foo.foo 5\r\nHello\r\n");
        }
        let accounts = |query: &str, count: usize| {
            let page = server.json(&format!("/subsz?subs=1{query}"));
            assert_eq!(
                (&page["num_subscriptions"], &page["total"]),
                (&count.into(), &count.into()),
                "{query}"
            );
            let list = page["subscriptions_list"].as_array().unwrap();
            let mut accounts: Vec<String> =
                list.iter().map(|shown| shown["account"].as_str().unwrap().to_owned()).collect();
            accounts.sort_unstable();
            accounts
        };
        assert_eq!(accounts("", 6), ["A", "A", "A", "B", "B", "B"]);
        assert_eq!(accounts("&acc=A", 3), ["A", "A", "A"]);

        for client in &mut clients {
            client.tell("UNSUB 1\r\nUNSUB 2\r\nUNSUB 3\r\n");
            client.tell(&(0..200).map(|n| format!("SUB foo.{n} {n}\r\n")).collect::<String>());
        }
        let page = server.json("/subsz?subs=1&offset=10&limit=100");
        for (field, expected) in [("num_subscriptions", 400), ("total", 400), ("offset", 10), ("limit", 100)]
        {
            assert_eq!(page[field], expected, "{field}");
        }
        assert_eq!(page["subscriptions_list"].as_array().unwrap().len(), 100);
    }
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

// go: server/monitor_test.go TestMonitorVarzRaces
#[test]
fn varz_is_whole_however_many_ask_while_clients_come_and_go() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let id = server.json("/varz")["server_id"].clone();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..40 {
                        let varz = server.json("/varz");
                        assert_eq!((&varz["server_id"], &varz["max_connections"]), (&id, &65536.into()));
                        assert!(varz["connections"].as_u64() <= varz["total_connections"].as_u64(), "{varz}");
                    }
                });
            }
            // Each to itself: who came before may not be gone yet.
            for n in 0..100 {
                server.client("{}").tell(&format!("SUB foo.{n} 1\r\nPUB foo.{n} 1\r\n.\r\n"));
            }
        });
        server.await_connections("", 0);
        let varz = server.json("/varz");
        assert_eq!((&varz["total_connections"], &varz["in_msgs"]), (&100.into(), &100.into()));
        assert_eq!((&varz["out_msgs"], &varz["subscriptions"]), (&100.into(), &0.into()));
    }
}

// go: server/monitor_test.go TestMonitorVarzReloadRace
#[test]
fn varz_is_served_while_the_configuration_is_read_again() {
    const QUIET: &str = "debug: false";
    for server in [Monitored::natrium(1, QUIET), Monitored::natrium(2, QUIET), Monitored::reference(QUIET)] {
        let path = server.server.folder().join("server.conf");
        let text = fs::read_to_string(&path).unwrap();
        let mut last = server.json("/varz");
        for debug in ["debug: true", QUIET, "debug: true", QUIET] {
            fs::write(&path, text.replace(QUIET, debug)).unwrap();
            server.server.signal(Signal::HUP).unwrap();
            let deadline = Instant::now() + PATIENCE;
            let varz = loop {
                let varz = server.json("/varz");
                if varz["config_load_time"] != last["config_load_time"] {
                    break varz;
                }
                assert!(Instant::now() < deadline, "{}", server.server.log());
            };
            assert!(varz["config_load_time"].as_str() > last["config_load_time"].as_str());
            assert_ne!(varz["config_digest"], last["config_digest"]);
            let told = format!("Reloaded server configuration ({})", varz["config_digest"].as_str().unwrap());
            while !server.server.log().contains(&told) {
                assert!(Instant::now() < deadline, "{}", server.server.log());
                thread::sleep(Duration::from_millis(10));
            }
            last = varz;
        }
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

// go: server/monitor_test.go TestMonitorHealthzStatusError
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
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
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

#[test]
fn metrics_show_how_the_shards_fare() {
    let server = Monitored::natrium(2, "");
    // Six are on both shards.
    let mut clients: Vec<_> = (0..6).map(|_| server.client("{}")).collect();
    for client in &mut clients {
        client.tell("SUB foo 1\r\n");
    }
    clients[0].tell(&"PUB foo 5\r\nhello\r\n".repeat(100));
    // Answered once what the other shards had sent was taken in.
    for client in &mut clients {
        client.tell("");
    }
    let answer = server.get("/metrics");
    let sum = |name: &str| -> f64 {
        let values = answer.body.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    assert!(sum("natrium_loop_stall_seconds_count") > 0.0 && sum("natrium_loop_stall_seconds_sum") > 0.0);
    assert!(sum("natrium_lane_depth_messages_count") > 0.0);
    assert!(sum("natrium_lane_depth_messages_sum") >= 100.0, "{}", answer.body);
    // Each of the six got a hundred messages of 20 bytes.
    assert!(sum("natrium_flush_bytes_sum") >= 6.0 * 100.0 * 20.0, "{}", answer.body);
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

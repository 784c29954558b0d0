//! Documents against the reference's own (`nats-server` 2.15.1, recorded in `testdata/`): the same facts in, every byte
//! equal. Recorded subscriptions of one connection are in the order of their numbers here, because the reference's is
//! random; `/accountz` is without the imports of the system account.

use std::collections::BTreeMap;
use std::time::Duration;

use natrium_model::{AccountId, CloseReason, ConnId, ShardId, Timestamp};

use crate::snapshot::*;
use crate::{BasePath, ConnFacts, Request, RequestStats, Response, SubFacts, respond};

/// 2026-11-24, the day of the recordings, as nanoseconds since the epoch.
const DAY: i64 = 1_795_478_400_000_000_000;

/// A time of that day.
fn at(hour: i64, minute: i64, second: i64, nanos: i64) -> Timestamp {
    Timestamp(DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
}

fn server() -> ServerSnapshot {
    ServerSnapshot {
        id: "NCUDRB73DSR4TW6AK47GVUE27NEXSWN5DISFNF6ALASAHCUV4FJDX6WQ".to_owned(),
        name: "fixture".to_owned(),
        git_commit: "b2fd3ef".to_owned(),
        toolchain: "go1.27.2".to_owned(),
        client: Listener {
            host: "127.0.0.1".to_owned(),
            port: 45321,
            auth_required: true,
            tls_required: false,
            tls_verify: false,
            tls_cert_not_after: None,
        },
        ip: String::new(),
        connect_urls: Vec::new(),
        options: Options {
            max_connections: 65536,
            max_subscriptions: 77,
            ping_interval: Duration::from_secs(120),
            ping_max: 2,
            http_host: "127.0.0.1".to_owned(),
            http_port: 45322,
            http_base_path: String::new(),
            https_port: 0,
            auth_timeout: Duration::from_secs(2),
            max_control_line: 4096,
            max_payload: 1_048_576,
            max_pending: 67_108_864,
            tls_timeout: Duration::from_secs(2),
            write_deadline: Duration::from_secs(10),
            write_timeout: "retry",
            tags: vec!["a".to_owned(), "b:c".to_owned()],
            metadata: BTreeMap::from([("k1".to_owned(), "v1".to_owned())]),
            trusted_proxies: None,
        },
        features: BTreeMap::from([
            ("js_ack_fc_v2".to_owned(), false),
            ("js_api_reply_v2".to_owned(), false),
            ("js_raft_delete_range".to_owned(), true),
            ("js_snapshot_sources".to_owned(), false),
        ]),
        start: at(4, 26, 42, 340_031_984),
        now: at(4, 26, 44, 472_005_214),
        config_loaded_at: at(4, 26, 42, 340_031_984),
        config_digest: "sha256:69aa6b38eaca145b2d88c9b80cc1e691bab9455eae81cdcaf7cf3aedc6ba6797".to_owned(),
        process: Process {
            memory_bytes: 15_212_544,
            cpu_percent: 1.0,
            cpu_time: Duration::from_millis(1500),
            cores: 2,
            program: "nats-server".to_owned(),
        },
        requests: RequestStats::default(),
        system_account: Some("$SYS".to_owned()),
        ready: true,
    }
}

fn shard(shard: u16, counters: Counters) -> ShardSnapshot {
    let summary = Summary { count: 4, sum: 4_000, p50: 1_000, p99: 2_000, p999: 2_500, max: 3_000 };
    ShardSnapshot {
        shard: ShardId(shard),
        counters,
        loop_stall_ns: summary,
        lane_depth: summary,
        flush_bytes: summary,
    }
}

fn account(id: u32, name: &str, counters: AccountCounters) -> AccountSnapshot {
    AccountSnapshot {
        id: AccountId(id),
        name: name.to_owned(),
        name_tag: name.to_owned(),
        updated: at(4, 26, 42, 340_137_221),
        mappings: Vec::new(),
        counters,
    }
}

fn interest(
    subscriptions: u64,
    cached: u64,
    matches: u64,
    cache_hits: u64,
    fanout_total: u64,
) -> InterestStats {
    InterestStats {
        subscriptions,
        cached,
        inserts: subscriptions,
        removes: 0,
        matches,
        cache_hits,
        fanout_max: 1,
        fanout_total,
    }
}

fn accounts() -> Vec<AccountSnapshot> {
    let a = AccountCounters {
        connections: 1,
        received: Traffic { msgs: 2, bytes: 5 },
        sent: Traffic { msgs: 1, bytes: 2 },
        slow_consumers: 0,
        interest: interest(7, 2, 2, 0, 1),
    };
    let b =
        AccountCounters { connections: 2, interest: interest(7, 4, 6, 1, 2), ..AccountCounters::default() };
    let system = AccountCounters { interest: interest(60, 12, 16, 5, 6), ..AccountCounters::default() };
    let to = |subject: &str, weight| MappedTo { subject: subject.to_owned(), weight, cluster: String::new() };
    let mappings = vec![
        ("x.*".to_owned(), vec![to("y.{{wildcard(1)}}", 40), to("z", 100)]),
        ("foo".to_owned(), vec![to("bar", 100)]),
    ];
    vec![
        account(0, "$G", AccountCounters::default()),
        account(1, "$SYS", system),
        AccountSnapshot { mappings, ..account(2, "A", a) },
        account(3, "B", b),
    ]
}

fn subscription(conn: u64, account: &str, sid: u32, filter: &str, queue: &str) -> SubSnapshot {
    SubSnapshot {
        conn: ConnId(conn),
        account: account.to_owned(),
        account_tag: account.to_owned(),
        subject: filter.to_owned(),
        queue: queue.to_owned(),
        sid: sid.to_string(),
        msgs: 0,
        max: 0,
    }
}

/// A client of the recording; it was idle since `last`.
fn client(id: u64, port: u16, start_nanos: i64, last_nanos: i64) -> ConnSnapshot {
    ConnSnapshot {
        id: ConnId(id),
        client_type: ClientType::Nats,
        remote: Some(([127, 0, 0, 1], port).into()),
        counters: ConnCounters {
            start: at(4, 26, 43, start_nanos),
            last_activity: at(4, 26, 43, last_nanos),
            rtt: Duration::ZERO,
            pending_bytes: 0,
            in_msgs: 0,
            out_msgs: 0,
            in_bytes: 0,
            out_bytes: 0,
            stalls: 0,
            subscriptions: 0,
        },
        closing: None,
        name: String::new(),
        lang: String::new(),
        version: String::new(),
        tls: None,
        user: String::new(),
        account: "$G".to_owned(),
        name_tag: "$G".to_owned(),
        subscriptions: Vec::new(),
        proxy_key: None,
    }
}

fn named(mut conn: ConnSnapshot, name: &str, user: &str, account: &str, rtt_ns: u64) -> ConnSnapshot {
    conn.name = name.to_owned();
    conn.version = "2.0".to_owned();
    conn.user = user.to_owned();
    conn.account = account.to_owned();
    conn.name_tag = account.to_owned();
    conn.counters.rtt = Duration::from_nanos(rtt_ns);
    conn
}

fn connections() -> Vec<ConnSnapshot> {
    let mut one = named(client(7, 39492, 576_303_228, 623_887_571), "one", "alice", "A", 493_210);
    one.lang = "python3".to_owned();
    one.subscriptions = vec![
        SubSnapshot { max: 5, ..subscription(7, "A", 1, "foo", "") },
        SubSnapshot { msgs: 1, ..subscription(7, "A", 2, "bar.*", "q") },
        subscription(7, "A", 3, "baz.>", ""),
    ];
    one.counters =
        ConnCounters { in_msgs: 2, in_bytes: 5, out_msgs: 1, out_bytes: 2, subscriptions: 3, ..one.counters };

    let mut two = named(client(8, 39504, 623_964_866, 627_896_098), "two", "bob", "B", 3_731_364);
    two.subscriptions = vec![subscription(8, "B", 1, "foo", "")];
    two.counters.subscriptions = 1;

    let mut gone = named(client(9, 39512, 676_335_422, 723_707_934), "gone", "bob", "B", 172_999);
    gone.lang = "python3".to_owned();
    gone.subscriptions = vec![subscription(9, "B", 1, "foo", ""), subscription(9, "B", 2, "goo", "q2")];
    gone.counters.subscriptions = 2;

    let refused =
        |nanos| Closing { stop: at(4, 26, 43, nanos), reason: CloseReason::AuthenticationViolation };
    let mut garbage = client(10, 39518, 724_049_354, 724_049_354);
    garbage.closing = Some(refused(724_364_609));
    let mut stranger = client(11, 39526, 924_463_624, 924_652_275);
    stranger.user = "no".to_owned();
    stranger.counters.rtt = Duration::from_nanos(188_001);
    stranger.closing = Some(refused(924_760_857));
    vec![one, two, gone, garbage, stranger]
}

/// Snapshots as the server collects them for `request`: two shards, each picking from its own.
fn collect(request: &Request, now: Timestamp) -> Snapshots {
    let needs = request.needs();
    let mut source = Snapshots {
        server: ServerSnapshot { now, ..server() },
        shards: Vec::new(),
        accounts: Vec::new(),
        connections: Collected::default(),
        subscriptions: Collected::default(),
    };
    if needs.shards {
        let busy =
            Counters { connections: 2, total_connections: 3, subscriptions: 70, ..Counters::default() };
        let other = Counters {
            connections: 1,
            total_connections: 2,
            subscriptions: 4,
            in_msgs: 2,
            in_bytes: 5,
            out_msgs: 1,
            out_bytes: 2,
            ..Counters::default()
        };
        source.shards = vec![shard(0, busy), shard(1, other)];
    }
    if needs.accounts {
        source.accounts = accounts();
    }
    let all = connections();
    for local in [&all[..1], &all[1..]] {
        if let Some(selection) = &needs.connections {
            let chosen =
                selection.choose(now, local.iter().map(|conn| (ConnFacts::from(conn), conn.clone())));
            source.connections.add(chosen.total, chosen.entries);
        }
        if let Some(selection) = &needs.subscriptions {
            let open = local.iter().flat_map(|conn| &conn.subscriptions);
            let chosen = selection.choose(open.map(|sub| (SubFacts::from(sub), sub.clone())));
            source.subscriptions.add(chosen.total, chosen.entries);
        }
    }
    source
}

fn get_at(target: &str, now: Timestamp) -> Response {
    let base = BasePath::new("");
    let mut requests = RequestStats::default();
    match Request::parse(&base, target, &mut requests) {
        Ok(request) => {
            let mut source = collect(&request, now);
            source.server.requests = requests;
            respond(&request, &base, &source)
        }
        Err(refused) => refused,
    }
}

fn get(target: &str) -> Response {
    get_at(target, at(4, 26, 44, 472_005_214))
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// Asserts that `target` answers with the recorded document, at the nanosecond it was recorded.
fn assert_recorded(target: &str, nanos: i64, recorded: &str) {
    let response = get_at(target, at(4, 26, 44, nanos));
    assert_eq!(response.status, 200);
    assert_eq!(response.content_type, "application/json");
    assert_eq!(response.headers, [("Access-Control-Allow-Origin", "*".to_owned())]);
    assert_eq!(text(&response), recorded.trim_end(), "{target}");
}

#[test]
fn varz_is_the_references() {
    assert_recorded("/varz", 472_005_214, include_str!("../testdata/varz.json"));
}

#[test]
fn connz_is_the_references() {
    assert_recorded("/connz?auth=1&subs=1", 474_012_444, include_str!("../testdata/connz_auth.json"));
    assert_recorded(
        "/connz?subs=detail&state=all",
        474_481_840,
        include_str!("../testdata/connz_detail.json"),
    );
    assert_recorded(
        "/connz?state=closed&auth=1&subs=1",
        475_047_298,
        include_str!("../testdata/connz_closed.json"),
    );
    assert_recorded("/connz?acc=A", 475_728_661, include_str!("../testdata/connz_account.json"));
}

#[test]
fn connz_of_an_unknown_account_is_the_references() {
    assert_recorded("/connz?acc=NOPE", 475_381_863, include_str!("../testdata/connz_unknown_account.json"));
}

#[test]
fn subsz_is_the_references() {
    assert_recorded("/subsz?subs=1&test=foo", 477_455_482, include_str!("../testdata/subsz_test.json"));
}

#[test]
fn accounts_are_the_references() {
    assert_recorded("/accountz?acc=A", 477_927_116, include_str!("../testdata/accountz.json"));
    assert_recorded("/accstatz", 478_631_988, include_str!("../testdata/accstatz.json"));
}

#[test]
fn accountz_lists_the_accounts_and_refuses_unknown_ones() {
    let listed: serde_json::Value = serde_json::from_slice(&get("/accountz").body).unwrap();
    assert_eq!(listed["system_account"], "$SYS");
    assert_eq!(listed["accounts"], serde_json::json!(["$G", "$SYS", "A", "B"]));
    let system: serde_json::Value = serde_json::from_slice(&get("/accountz?acc=$SYS").body).unwrap();
    assert_eq!(system["account_detail"]["is_system"], true);
    let unknown = get("/accountz?acc=X");
    assert_eq!((unknown.status, text(&unknown)), (400, "Account X does not exist"));
}

#[test]
fn accstatz_shows_unused_accounts_on_request() {
    let names = |target: &str| -> Vec<String> {
        let document: serde_json::Value = serde_json::from_slice(&get(target).body).unwrap();
        document["account_statz"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["acc"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("/accstatz"), ["A", "B"]);
    assert_eq!(names("/accstatz?unused=1"), ["$G", "$SYS", "A", "B"]);
}

#[test]
fn unconfigured_parts_are_empty_and_well_formed() {
    let head = "{\n  \"server_id\": \"NCUDRB73DSR4TW6AK47GVUE27NEXSWN5DISFNF6ALASAHCUV4FJDX6WQ\",\n";
    let now = "  \"now\": \"2026-11-24T04:26:44.472005214Z\",\n";
    let routez =
        format!("{head}  \"server_name\": \"fixture\",\n{now}  \"num_routes\": 0,\n  \"routes\": []\n}}");
    assert_eq!(text(&get("/routez")), routez);
    let gatewayz = format!("{head}{now}  \"outbound_gateways\": {{}},\n  \"inbound_gateways\": {{}}\n}}");
    assert_eq!(text(&get("/gatewayz")), gatewayz);
    assert_eq!(text(&get("/leafz")), format!("{head}{now}  \"leafnodes\": 0,\n  \"leafs\": []\n}}"));
    assert_eq!(text(&get("/ipqueuesz?all=1")), "{}");
    let raftz = get("/raftz");
    assert_eq!((raftz.status, text(&raftz)), (404, "No Raft nodes registered"));
}

#[test]
fn jsz_is_the_references_without_jetstream() {
    let expected = include_str!("../testdata/jsz.json");
    assert_eq!(text(&get("/jsz")), expected.trim_end());
}

#[test]
fn health_is_ok_without_jetstream() {
    for target in [
        "/healthz",
        "/healthz?js-enabled=1",
        "/healthz?js-enabled-only=1",
        "/healthz?js-server-only=1",
        "/healthz?js-meta-only=1",
        "/healthz?details=1",
        "/healthz?account=A&stream=S",
    ] {
        let response = get(target);
        assert_eq!((response.status, text(&response)), (200, "{\"status\":\"ok\"}"), "{target}");
    }
}

#[test]
fn health_checks_that_name_half_of_what_they_need_are_refused() {
    let cases = [
        (
            "/healthz?stream=S",
            r#"{"status":"error","error":"\"account\" must not be empty when checking stream health"}"#,
        ),
        (
            "/healthz?consumer=C",
            r#"{"status":"error","error":"\"stream\" must not be empty when checking consumer health"}"#,
        ),
        (
            "/healthz?stream=S&details=1",
            r#"{"status":"error","errors":[{"type":"BAD_REQUEST","error":"\"account\" must not be empty when checking stream health"}]}"#,
        ),
    ];
    for (target, expected) in cases {
        let response = get(target);
        assert_eq!((response.status, text(&response)), (400, expected), "{target}");
        assert_eq!(response.content_type, "application/json");
    }
}

#[test]
fn a_server_without_its_listener_is_not_healthy() {
    let base = BasePath::new("");
    let request = Request::parse(&base, "/healthz", &mut RequestStats::default()).unwrap();
    let mut source = collect(&request, server().now);
    source.server.ready = false;
    let response = respond(&request, &base, &source);
    let expected = r#"{"status":"error","error":"failed to be ready for connections after 1ms: server"}"#;
    assert_eq!((response.status, text(&response)), (500, expected));
}

#[test]
fn tls_and_proxies_show_where_the_reference_shows_them() {
    let base = BasePath::new("");
    let shown = |target: &str| -> serde_json::Value {
        let request = Request::parse(&base, target, &mut RequestStats::default()).unwrap();
        let mut source = collect(&request, server().now);
        let digest = "ab".repeat(32);
        source.connections.entries[0].tls = Some(TlsFacts {
            version: "1.3",
            cipher_suite: "TLS_AES_128_GCM_SHA256",
            first: true,
            peer_certificates: vec![PeerCertificate {
                subject: "CN=client".to_owned(),
                spki_sha256: digest.clone(),
                cert_sha256: digest,
            }],
        });
        source.connections.entries[0].proxy_key = Some("UPROXY".to_owned());
        let document: serde_json::Value =
            serde_json::from_slice(&respond(&request, &base, &source).body).unwrap();
        document["connections"][0].clone()
    };
    let plain = shown("/connz");
    assert_eq!(plain["tls_version"], "1.3");
    assert_eq!(plain["tls_cipher_suite"], "TLS_AES_128_GCM_SHA256");
    assert_eq!(plain["tls_first"], true);
    assert_eq!(plain["proxy"]["key"], "UPROXY");
    assert_eq!(plain.get("tls_peer_certs"), None, "certificates are shown with auth=1 alone");
    assert_eq!(shown("/connz?auth=1")["tls_peer_certs"][0]["subject"], "CN=client");
}

// go: server/monitor_test.go TestConnzClosedSubsDetailNoSharedMutation
#[test]
fn subscriptions_of_closed_connections_show_only_on_request() {
    let base = BasePath::new("");
    let mut gone = client(1, 1, 0, 0);
    gone.closing = Some(Closing { stop: at(4, 26, 43, 9), reason: CloseReason::ClientClosed });
    gone.counters.subscriptions = 1;
    gone.subscriptions = vec![subscription(1, "$G", 1, "foo.bar", "")];
    let shown = |target: &str| -> serde_json::Value {
        let request = Request::parse(&base, target, &mut RequestStats::default()).unwrap();
        let mut source = collect(&request, server().now);
        source.connections = Collected { total: 1, entries: vec![gone.clone()] };
        let document: serde_json::Value =
            serde_json::from_slice(&respond(&request, &base, &source).body).unwrap();
        document["connections"][0].clone()
    };
    let detail = &shown("/connz?state=closed&subs=detail")["subscriptions_list_detail"][0];
    assert_eq!((&detail["subject"], &detail["account"]), (&"foo.bar".into(), &"$G".into()));
    let plain = shown("/connz?state=closed");
    assert_eq!(plain["subscriptions"], 1);
    assert_eq!(plain.get("subscriptions_list_detail"), None);
    assert_eq!(plain.get("subscriptions_list"), None);
}

// go: server/monitor_test.go TestMonitorHTTPBasePath
#[test]
fn the_index_links_every_page() {
    let base = BasePath::new("/nats");
    let mut stats = RequestStats::default();
    let request = Request::parse(&base, "/nats", &mut stats).unwrap();
    let response = respond(&request, &base, &collect(&request, server().now));
    assert_eq!((response.status, response.content_type), (200, "text/html; charset=utf-8"));
    let html = text(&response);
    let pages =
        ["varz", "connz", "routez", "gatewayz", "leafz", "subsz", "accountz", "accstatz", "jsz", "healthz"];
    for page in pages.into_iter().chain(["raftz", "debug/vars", "metrics"]) {
        assert!(html.contains(&format!("href=\"./nats/{page}\"")), "{page}");
        assert!(Request::parse(&base, &format!("/nats/{page}"), &mut stats).is_ok(), "{page}");
    }
}

#[test]
fn process_pages_tell_no_arguments() {
    let variables = get("/debug/vars");
    assert_eq!(variables.content_type, "application/json; charset=utf-8");
    assert_eq!(text(&variables), r#"{"cmdline":["nats-server"],"memstats":{"Sys":15212544}}"#);
    let first =
        "shard 0: 2 connections, 70 subscriptions, 0 bytes pending, loop stalls p50 1µs p99 2µs max 3µs";
    assert_eq!(text(&get("/stacksz")).lines().next(), Some(first));
}

#[test]
fn metrics_are_the_golden_text() {
    let response = get("/metrics");
    assert_eq!(response.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let golden = include_str!("../testdata/metrics.txt").replace("VERSION", natrium_model::version::NATRIUM);
    assert_eq!(text(&response), golden);
}

//! The same happens to natrium and to the reference; then both are asked the same.

use serde_json::Value;

use crate::web::{Client, Monitored};

/// What differs from run to run, or is said of the program and its machine.
const OF_THE_RUN: &[&str] = &[
    "server_id",
    "server_name",
    "git_commit",
    "go",
    "now",
    "start",
    "stop",
    "last_activity",
    "uptime",
    "idle",
    "rtt",
    "port",
    "mem",
    "cores",
    "gomaxprocs",
    "cpu",
    "config_load_time",
    "config_digest",
    "update_time",
    // How the interest tree is walked and cached is each server's own.
    "num_cache",
    "num_matches",
    "cache_hit_rate",
    "max_fanout",
    "avg_fanout",
    // Whether the last -ERR had left when the connection was remembered.
    "pending_bytes",
    // In `http_req_stats`: how often it was asked until the clients were gone.
    "/connz",
];

/// Lists that the reference gives in the order of a Go map, which changes from request to request.
const UNORDERED: &[&str] = &["account_statz", "accounts", "subscriptions_list", "subscriptions_list_detail"];

const CONFIG: &str = r#"
    no_system_account: true
    accounts { A { users = [{user: a, password: a}] }, B { users = [{user: b, password: b}] } }
    mappings = {
        "m.foo": "m.bar"
        "m.x.*": [
            {destination: "m.y.{{wildcard(1)}}", weight: 60%}, {destination: "m.z.$1", weight: 10}
            {destination: "m.e.$1", weight: 50, cluster: EAST}
        ]
        "m.lost": {destination: "m.lost", weight: 20%}
    }
"#;

/// In an order that makes `http_req_stats` of the last one count the refused ones too.
const TARGETS: &[&str] = &[
    "/connz",
    "/connz?auth=1",
    "/connz?auth=true&subs=1&acc=A",
    "/connz?subs=detail",
    "/connz?state=closed",
    "/connz?state=closed&auth=1&subs=detail",
    "/connz?state=all&sort=cid",
    "/connz?state=closed&sort=stop",
    "/connz?state=closed&sort=reason",
    "/connz?sort=start",
    "/connz?sort=subs",
    "/connz?sort=msgs_to",
    "/connz?sort=msgs_from",
    "/connz?sort=bytes_to",
    "/connz?sort=bytes_from",
    "/connz?sort=last",
    "/connz?sort=idle",
    "/connz?sort=uptime",
    "/connz?offset=1&limit=1",
    "/connz?offset=9",
    "/connz?limit=-4&offset=-1",
    "/connz?cid=2&state=all",
    "/connz?cid=1000",
    "/connz?user=b&auth=1",
    "/connz?acc=nobody",
    "/connz?acc=B",
    "/connz?sort=foo",
    "/connz?sort=stop",
    "/connz?sort=reason&state=open",
    "/connz?state=ajar",
    "/connz?auth=maybe",
    "/connz?limit=ten",
    "/connz?offset=9999999999999999999",
    "/connz?cid=-1",
    "/connz?mqtt_client=m",
    "/connz?callback=f",
    "/subsz",
    "/subsz?subs=1&acc=B",
    "/subsz?subs=1&acc=A&limit=5",
    "/subsz?subs=1&test=foo.x&acc=A",
    "/subsz?test=foo..x",
    "/subscriptionsz?acc=nobody",
    "/routez",
    "/routez?subs=detail",
    "/gatewayz",
    "/gatewayz?accs=1",
    "/leafz",
    "/leafz?subs=2",
    "/accountz",
    "/accountz?acc=A",
    "/accountz?acc=$G",
    "/accountz?acc=nobody",
    "/accstatz",
    "/accstatz?unused=1",
    "/accstatz?unused=x",
    "/jsz",
    "/jsz?consumers=true&config=true",
    "/jsz?limit=x",
    "/jsz?leader-only=true",
    "/raftz",
    "/ipqueuesz?all=x",
    "/healthz",
    "/healthz?details=1",
    "/healthz?js-enabled-only=1",
    "/healthz?stream=S",
    "/healthz?account=A&consumer=C&details=true",
    "/healthz?js-enabled=x",
    "/nope",
    "/varz/",
    "//varz",
    "/a/../varz",
    "/%zz",
    "/varz",
];

/// Same clients, same traffic, same ends.
fn play(server: &Monitored) -> Vec<Client> {
    let mut first = server.client(r#"{"user":"a","pass":"a","name":"first","lang":"rust","version":"1.0"}"#);
    first.tell("SUB foo.* 1\r\nSUB foo.bar workers 22\r\nUNSUB 22 10\r\n");
    server.client(r#"{"user":"b","pass":"b","name":"gone"}"#).tell("SUB bar 1\r\nPUB bar 2\r\nhi\r\n");
    server.await_connections("state=closed", 1);
    let mut second = server.client(r#"{"user":"b","pass":"b"}"#);
    second.tell("SUB > 1\r\nPUB baz 4\r\nbaz!\r\n");
    let mut third = server.client(r#"{"user":"a","pass":"a"}"#);
    third.tell("PUB foo.bar 5\r\nHello\r\nPUB foo.x 3\r\nhey\r\n");
    first.await_line("hey");
    let mut refused = server.silent_client();
    refused.say("CONNECT {\"user\":\"a\",\"pass\":\"wrong\"}\r\n");
    server.await_connections("state=closed", 2);
    let mut clients = vec![first, second, third];
    for at in [1, 0, 2] {
        // Leaves no doubt about whose activity was the last. The reference notes it some time after it answered.
        let client = &mut clients[at];
        let before = server.last_activity(client);
        client.tell("SUB end 9\r\nUNSUB 9\r\n");
        while server.last_activity(client) == before {}
    }
    clients
}

/// The document with what differs from run to run replaced by its type; keys stay in their order.
fn normal(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.clone(), normal(value, key))).collect())
        }
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(|value| normal(value, key)).collect();
            if UNORDERED.contains(&key) {
                values.sort_by_key(Value::to_string);
            }
            Value::Array(values)
        }
        Value::String(_) if OF_THE_RUN.contains(&key) => "(text)".into(),
        Value::Number(_) if OF_THE_RUN.contains(&key) => "(number)".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// An answer as it is compared.
fn shown(server: &Monitored, target: &str) -> String {
    let answer = server.get(target);
    let headers = ["Content-Type", "Access-Control-Allow-Origin", "Location", "X-Content-Type-Options"];
    let headers: Vec<_> = headers.iter().map(|name| (name, answer.header(name))).collect();
    let body = match serde_json::from_str::<Value>(&answer.body) {
        Ok(document) => serde_json::to_string_pretty(&normal(&document, "")).unwrap(),
        Err(_) => answer.body.clone(),
    };
    format!("{} {headers:?}\n{body}", answer.status)
}

/// The lines from the first that differs to the last, of either side.
fn difference(theirs: &str, ours: &str) -> String {
    let [theirs, ours] = [theirs, ours].map(|text| text.lines().collect::<Vec<_>>());
    let same = theirs.iter().zip(&ours).take_while(|(left, right)| left == right).count();
    let tail = theirs[same..].iter().rev().zip(ours[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let [theirs, ours] = [theirs, ours].map(|lines| lines[same..lines.len() - tail].join("\n"));
    format!("-- reference:\n{theirs}\n-- natrium:\n{ours}\n")
}

#[test]
fn every_page_is_the_references() {
    let reference = Monitored::reference(CONFIG);
    let _reference_clients = play(&reference);
    let theirs: Vec<String> = TARGETS.iter().map(|target| shown(&reference, target)).collect();
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, CONFIG);
        let _clients = play(&server);
        let differs = |(target, theirs): (&&str, &String)| {
            let ours = shown(&server, target);
            (*theirs != ours).then(|| format!("== {target}\n{}", difference(theirs, &ours)))
        };
        let differing: Vec<String> = TARGETS.iter().zip(&theirs).filter_map(differs).collect();
        assert!(differing.is_empty(), "on {shards} shards:\n{}", differing.concat());
    }
}

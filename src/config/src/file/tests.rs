//! What files come to, and what is said of files that are wrong.

mod limits;
mod listening;
mod mixed_users;
mod users;
mod variables;
mod whole_file;

use std::io;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::options::auth::Credential;
use crate::options::client::WriteTimeout;
use crate::options::monitoring::Listen;
use crate::options::tls::{HandshakeFirst, TlsVersion};

const NKEY: &str = "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX";

/// A file of this text.
struct Text(String);

impl Surroundings for Text {
    fn read(&self, _path: &Path) -> io::Result<String> {
        Ok(self.0.clone())
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}

fn load_text(text: &str) -> Result<Loaded, FileError> {
    load(Path::new("x.conf"), &Text(text.to_owned()))
}

#[track_caller]
fn options(text: &str) -> Options {
    load_text(text).unwrap_or_else(|error| panic!("{text}: {error}")).options
}

#[track_caller]
fn refused(text: &str) -> String {
    match load_text(text) {
        Ok(loaded) => panic!("{text} gave {loaded:?}"),
        Err(error) => error.to_string(),
    }
}

// go: server/opts_test.go TestMalformedListenAddress
#[test]
fn addresses_are_ports_or_hosts_with_ports() {
    let listen = |text: &str| options(text).client.listen;
    assert_eq!(listen("listen: 1234"), Listen { host: "0.0.0.0".to_owned(), port: 1234 });
    assert_eq!(listen("listen: localhost:-1"), Listen { host: "localhost".to_owned(), port: 0 });
    assert_eq!(listen("listen: \"[::1]:4333\""), Listen { host: "::1".to_owned(), port: 4333 });
    assert_eq!(listen("net: 10.0.0.1\nport: 0"), Listen { host: "10.0.0.1".to_owned(), port: 4222 });
    assert_eq!(refused("listen: localhost"), "x.conf:1:1: could not parse address string \"localhost\"");
    assert_eq!(refused("listen: a:b"), "x.conf:1:1: could not parse port \"b\"");
    assert!(refused("port: 65536").contains("out of range"));
    assert!(refused("port: abc").contains("takes an integer, not a string"));
}

#[test]
fn limits_have_their_bounds() {
    let client = options(
        "max_payload: 2mb, max_pending: 64mb, max_control_line: 1k, max_conn: 5, max_subs: 7, max_sub_tokens: 9,\
         ping_interval: \"10s\", ping_max: 3, write_deadline: \"3s\", write_timeout: retry, no_header_support: yes",
    )
    .client;
    assert_eq!((client.max_payload, client.max_control_line), (2 << 20, 1000));
    assert_eq!(client.max_connections, 5);
    assert_eq!((client.max_subscriptions, client.max_subscription_tokens), (Some(7), Some(9)));
    assert_eq!((client.ping_interval, client.ping_max), (Duration::from_secs(10), 3));
    assert_eq!((client.write_deadline, client.write_timeout), (Duration::from_secs(3), WriteTimeout::Retry));
    assert!(!client.headers);
    for nobody in ["max_connections: 0", "max_conn: -3"] {
        assert_eq!(options(nobody).client.max_connections, 0);
    }
    for wrong in [
        "max_payload: 3GB",
        "max_payload: -1",
        "max_sub_tokens: 0",
        "max_sub_tokens: 256",
        "write_timeout: never",
        "max_payload: 2MB, max_pending: 1MB",
        "lame_duck_duration: 20s",
        "lame_duck_duration: \"40s\", lame_duck_grace_period: \"40s\"",
        "ping_interval: abc",
        "shards: 0",
        "shards: 65",
        "server_name: \"a b\"",
        "http: 1, https: 2",
    ] {
        refused(wrong);
    }
}

// go: server/opts_test.go TestPingIntervalOld
// go: server/opts_test.go TestWriteDeadlineConfigParsing
#[test]
fn seconds_without_a_unit_earn_a_warning() {
    let loaded = load_text("ping_interval: 5").unwrap();
    assert_eq!(loaded.options.client.ping_interval, Duration::from_secs(5));
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].to_string().contains("should be converted to a duration"));
    assert_eq!(load_text("").unwrap().warnings.len(), 1);
}

#[test]
fn users_come_with_their_permissions() {
    let auth = options(
        r#"
        authorization {
          timeout: 3
          default_permissions { publish: ["a", "b.>"] }
          users = [
            { user: alice, password: "$2a$11$xyz", permissions: {
                publish { allow: foo, deny: [bar] }, subscribe: ["x q", y.*], allow_responses: true } }
            { nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX, allowed_connection_types: [standard, MQTT] }
            { username: bob, pass: p, permissions: { allow_responses { max: 5, expires: "1m" } } }
          ]
        }
        no_auth_user: bob
        "#,
    )
    .auth;
    assert_eq!(auth.timeout, Some(Duration::from_secs(3)));
    assert_eq!(auth.no_auth_user.as_deref(), Some("bob"));
    let [alice, key, bob] = auth.users.as_slice() else { panic!("{:?}", auth.users) };
    assert_eq!(
        alice.credential,
        Credential::Password { user: "alice".to_owned(), password: "$2a$11$xyz".to_owned() }
    );
    let permissions = alice.permissions.as_ref().unwrap();
    assert_eq!(permissions.publish.as_ref().unwrap().allow.as_deref(), Some(&["foo".to_owned()][..]));
    assert_eq!(permissions.publish.as_ref().unwrap().deny.as_deref(), Some(&["bar".to_owned()][..]));
    assert_eq!(permissions.subscribe.as_ref().unwrap().allow.as_ref().unwrap().len(), 2);
    assert_eq!(permissions.allow_responses.unwrap().max, 1);
    assert_eq!(key.credential, Credential::Nkey(NKEY.to_owned()));
    assert_eq!(key.allowed_connection_types, ["STANDARD", "MQTT"]);
    let responses = bob.permissions.as_ref().unwrap().allow_responses.unwrap();
    assert_eq!((responses.max, responses.expires), (5, Duration::from_secs(60)));
}

// go: server/opts_test.go TestAuthorizationAndAccountsMisconfigurations
// go: server/opts_test.go TestProcessConfigString
#[test]
fn one_may_not_be_let_in_two_ways() {
    for (text, words) in [
        ("authorization { user: a, pass: b, token: c }", "Cannot have a user/pass and token"),
        ("authorization { user: a, pass: b, users: [{user: c}] }", "single user/pass and a users array"),
        ("authorization { token: a, users: [{user: c}] }", "a token and a users array"),
        ("authorization { users: [{user: a}, {user: a}] }", "Duplicate user \"a\""),
        ("accounts { A { users: [{user: a}] }, B { users: [{user: a}] } }", "Duplicate user \"a\""),
        ("accounts { A { users: [{user: a}] } }\nauthorization { user: b, pass: c }", "single user/pass"),
        ("authorization { user: b, pass: c }\naccounts { A { users: [{user: a}] } }", "and accounts"),
        (
            "authorization { user: b, pass: c }\n\
             accounts { A { users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}] } }",
            "Can not have a single user/pass",
        ),
        ("authorization { token: b }\naccounts { A { users: [{user: a}] } }", "Can not have"),
        (
            "authorization { token: b }\n\
             accounts { A { users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}] } }",
            "token",
        ),
        (
            "authorization { users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}] }\n\
             accounts { A { users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}] } }",
            "Duplicate nkey \"UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX\" detected",
        ),
        ("authorization { users: [{nkey: U, user: u}] }", "Nkey users do not take"),
        ("authorization { users: [{password: u}] }", "User entry requires a user"),
        ("authorization { users: {} }", "takes an array"),
        ("authorization { users: [{user: a, permissions: {publish: 'a..b'}}] }", "not a valid subject"),
        ("authorization { users: [{user: a, permissions: {publish: 'a q'}}] }", "not a valid subject"),
        ("authorization { users: [{user: a, permissions: {subscribe: 'a q r'}}] }", "not a valid subject"),
        (
            "authorization { users: [{user: a, permissions: {publish: {allows: a}}}] }",
            "only 'allow' or 'deny'",
        ),
        ("authorization { users: [{user: a, clients: [PIGEON]}] }", "unknown connection types"),
        ("accounts { $G {} }", "\"$G\" is a Reserved Account"),
        ("accounts [A, A]", "Duplicate Account Entry: A"),
        ("accounts { A: 1 }", "Expected map entries"),
    ] {
        let error = refused(text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn what_is_not_built_yet_is_named_with_its_place() {
    for (text, expected) in [
        ("port: 1\n  jetstream: enabled", "x.conf:2:3: \"jetstream\" is not supported yet"),
        ("cluster { port: 1 }", "x.conf:1:1: \"cluster\" is not supported yet"),
        ("accounts { A { exports: [] } }", "x.conf:1:16: \"exports\" is not supported yet"),
        (
            "tls { cert_file: a, key_file: b, ocsp_peer: true }",
            "x.conf:1:34: \"ocsp_peer\" is not supported yet",
        ),
        ("authorization { auth_callout {} }", "x.conf:1:17: \"auth_callout\" is not supported yet"),
        ("nonsense: 1", "x.conf:1:1: unknown field \"nonsense\""),
        (
            "port: 1\nport_: 2\nhost_: 3",
            "x.conf:2:1: unknown field \"port_\"\nx.conf:3:1: unknown field \"host_\"",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
    options("jetstream: false");
    options("jetstream { enabled: false }");
    options("P = 4333\nport: $P");
}

#[test]
fn a_tls_block_is_read() {
    let pin = "a8f407340dcc719864214b85ed96f98d16cbffa8f509d9fa4ca237b7bb3f9c32";
    let text = format!(
        "tls {{ cert_file: c.pem, key_file: k.pem, ca_file: ca.pem, verify_and_map: true, timeout: 0.5,\
         min_version: \"1.3\", pinned_certs: [{pin}], connection_rate_limit: 100, handshake_first: \"300ms\",\
         cipher_suites: [TLS_AES_128_GCM_SHA256], curve_preferences: [X25519] }}"
    );
    let tls = options(&text).client.tls.unwrap();
    assert!(tls.verify && tls.map_users);
    assert_eq!(tls.timeout, Duration::from_millis(500));
    assert_eq!(tls.min_version, TlsVersion::V1_3);
    assert_eq!(tls.pinned_certs[0][..2], [0xa8, 0xf4]);
    assert_eq!(tls.connection_rate_limit, Some(100));
    assert_eq!(tls.handshake_first, HandshakeFirst::Auto(Duration::from_millis(300)));
    let pair = "cert_file: c, key_file: k";
    // Without a certificate store it means nothing what is taken out of it.
    let about_a_store =
        "cert_match_by: Thumbprint, cert_match: x, cert_match_skip_invalid: true, ca_certs_match: [a, b]";
    assert_eq!(
        options(&format!("tls {{ {pair}, {about_a_store} }}")).client.tls,
        options(&format!("tls {{ {pair} }}")).client.tls
    );
    for wrong in [
        "tls { cert_file: c }".to_owned(),
        "tls { key_file: k }".to_owned(),
        "tls { }".to_owned(),
        format!("tls {{ {pair}, min_version: \"1.1\" }}"),
        format!("tls {{ {pair}, pinned_certs: [abc] }}"),
        format!("tls {{ {pair}, handshake_first: sometimes }}"),
        format!("tls {{ {pair}, certs: [{{{pair}}}] }}"),
        format!("tls {{ {pair}, cipher_suites: [] }}"),
        format!("tls {{ {pair}, nonsense: 1 }}"),
        "tls { certs: [{cert_file: a}] }".to_owned(),
    ] {
        refused(&wrong);
    }
}

#[test]
fn mappings_are_read_in_their_three_forms() {
    let mappings = options(
        "mappings = { foo: bar, \"a.*\": [{dest: b.$1, weight: 30%}, {destination: c, weight: 70, cluster: X}],\
         x: {dest: y, weight: \"100%\"} }",
    )
    .mappings;
    assert_eq!(mappings.len(), 3);
    assert_eq!(mappings[0].destinations[0].subject, "bar");
    assert_eq!(mappings[1].destinations[0].weight, Some(30));
    assert_eq!(mappings[1].destinations[1].cluster.as_deref(), Some("X"));
    for wrong in [
        "mappings { \"a..b\": c }",
        "mappings { a: {dest: b} }",
        "mappings { a: {dest: b, weight: 101} }",
        "mappings { a: {dest: b, weight: x} }",
        "mappings { a: 5 }",
        "mappings { a: [{dest: b, weight: 1, what: 2}] }",
    ] {
        refused(wrong);
    }
}

#[test]
fn the_rest_of_the_top_level_is_read() {
    let options = options(
        "server_tags: [ \" A:b\", \"c\" ], server_metadata { k: v }, log_file: /tmp/x.log, log_size_limit: 1MB,\
         log_max_num: 3, syslog: false, remote_syslog: \"udp://h:1\", logtime_utc: on, trace_verbose: true,\
         max_traced_msg_len: 10, pid_file: p, ports_file_dir: d, http: \"localhost:8222\", http_base_path: /nats,\
         lame_duck_duration: \"30s\", lame_duck_grace_period: \"1s\", max_closed_clients: 5, shards: 2,\
         disable_sublist_cache: true, no_fast_producer_stall: true, system_account: S, accounts [S]",
    );
    assert_eq!(options.tags, ["a:b", "c"]);
    assert_eq!(options.metadata["k"], "v");
    assert_eq!(options.logging.file_size_limit, Some(1 << 20));
    assert!(options.logging.trace && options.logging.trace_verbose && options.logging.utc);
    assert_eq!(options.logging.traced_payload_max, Some(10));
    assert_eq!(options.monitoring.http, Some(Listen { host: "localhost".to_owned(), port: 8222 }));
    assert_eq!(options.lame_duck_duration, Duration::from_secs(30));
    assert_eq!(options.max_closed_clients, 5);
    assert_eq!(options.shards.map(usize::from), Some(2));
    assert!(!options.match_cache && !options.publisher_rest);
    assert!(options.digest.is_some());
}

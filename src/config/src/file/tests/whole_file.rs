//! A file that says something of everything.

use std::collections::BTreeMap;

use super::*;
use crate::options::auth::AuthOptions;
use crate::options::client::ClientOptions;
use crate::options::features::FeatureFlags;
use crate::options::logging::LoggingOptions;
use crate::options::monitoring::MonitoringOptions;

const TEXT: &str = r#"
    server_name: testing_server
    listen: 127.0.0.1:4242; http: 8222; http_base_path: /nats
    server_metadata { key1: value1, key2: value2 }
    feature_flags { feature: false, fix: true, revert_fix: true }
    authorization { user: derek, password: porkchop, timeout: 1 }
    debug: false, trace: true, logtime: false, syslog: true, remote_syslog: "udp://foo.com:33"
    pid_file: "/tmp/nats-server/nats-server.pid"
    prof_port: 6543
    max_connections: 100, max_subscriptions: 1000, max_pending: 10000000
    max_control_line: 2048, max_payload: 65536
    ping_interval: "60s", ping_max: 3, write_deadline: "3s", lame_duck_duration: "4m"
    connect_error_reports: 86400, reconnect_error_reports: 5
"#;

fn expected() -> Options {
    Options {
        server_name: Some("testing_server".to_owned()),
        client: ClientOptions {
            listen: Listen { host: "127.0.0.1".to_owned(), port: 4242 },
            max_control_line: 2048,
            max_payload: 65_536,
            max_connections: 100,
            max_subscriptions: Some(1000),
            max_pending: 10_000_000,
            ping_interval: Duration::from_secs(60),
            ping_max: 3,
            write_deadline: Duration::from_secs(3),
            ..ClientOptions::default()
        },
        auth: AuthOptions {
            user: Some("derek".to_owned()),
            password: Some("porkchop".to_owned()),
            timeout: Some(Duration::from_secs(1)),
            ..AuthOptions::default()
        },
        logging: LoggingOptions {
            trace: true,
            time: false,
            syslog: true,
            remote_syslog: Some("udp://foo.com:33".to_owned()),
            ..LoggingOptions::default()
        },
        monitoring: MonitoringOptions {
            http: Some(Listen { host: "127.0.0.1".to_owned(), port: 8222 }),
            https: None,
            base_path: Some("/nats".to_owned()),
        },
        pid_file: Some("/tmp/nats-server/nats-server.pid".into()),
        profiling_port: Some(6543),
        lame_duck_duration: Duration::from_secs(240),
        connect_error_reports: 86_400,
        reconnect_error_reports: 5,
        metadata: BTreeMap::from([("key1", "value1"), ("key2", "value2")].map(owned)),
        features: FeatureFlags(BTreeMap::from(
            [("feature", false), ("fix", true), ("revert_fix", true)].map(|(name, on)| (name.to_owned(), on)),
        )),
        // What the reference makes of the same content.
        digest: Some("sha256:f10eacddb9ce83a6bdc79b42c851b9628d49cf8b3c6ba95b1ecf090307504948".to_owned()),
        ..Options::default()
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

// go: server/opts_test.go TestConfigFile
#[test]
fn every_key_comes_to_its_option_and_the_rest_to_defaults() {
    assert_eq!(options(TEXT), expected());
}

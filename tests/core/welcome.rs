//! What a server says first.

use natrium_tests::server::{Launch, LaunchError};
use natrium_tests::wire::Connection;
use serde_json::Value;

use crate::web::{Monitored, PATIENCE};
use crate::with_each_server;

fn first_info(server: &Monitored) -> Value {
    let mut connection = Connection::open(server.server.client_address(), PATIENCE).unwrap();
    let line = connection.line().unwrap().unwrap();
    serde_json::from_slice(line.strip_prefix(b"INFO ").unwrap()).unwrap()
}

// go: server/client_test.go TestClientCreateAndInfo
#[test]
fn the_first_client_is_number_one_and_nothing_is_asked_of_it() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "");
        let info = first_info(&server);
        assert_eq!(info["client_id"], 1);
        assert_eq!(info["max_payload"], 1024 * 1024);
        assert_eq!(info["port"], server.server.client_address().port());
        assert!(info.get("auth_required").is_none() && info.get("tls_required").is_none(), "{info}");
    }
}

// go: server/server_test.go TestInfoServerNameDefaultsToPK
#[test]
fn a_server_without_a_name_goes_by_its_key() {
    with_each_server("client_advertise: nats.example.com", |name, server| {
        let info = first_info(server);
        assert_eq!(info["server_name"], info["server_id"], "{name}");
        let id = info["server_id"].as_str().unwrap();
        assert!(id.starts_with('N') && id.len() == 56, "{name}: {id}");
    });
}

// go: server/server_test.go TestClientAdvertiseErrorOnStartup
#[test]
fn an_address_nobody_can_reach_keeps_the_server_from_starting() {
    let mut launch = Launch::natrium(1).unwrap();
    launch.config = "client_advertise: \"addr:::123\"".to_owned();
    match launch.start() {
        Err(LaunchError::Exited { log }) => {
            assert!(log.contains("client_advertise") && log.contains("addr:::123"), "{log}");
        }
        other => panic!("{other:?}"),
    }
}

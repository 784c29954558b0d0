//! How a server begins, or why it does not.

use std::process::Output;

use crate::running::{Running, command};

/// Runs a server that cannot start, to its end.
fn refused(config: &str, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } =
        command(config, folder.path()).envs(environment.iter().copied()).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

// go: server/server_test.go TestRandomPorts
// go: test/port_test.go TestResolveRandomPort
#[test]
fn free_ports_are_found_and_told() {
    let server = Running::start("listen: 127.0.0.1:-1\nhttp: 127.0.0.1:-1");
    for (kind, default) in [("nats", 4222), ("monitoring", 8222)] {
        let port: u16 = server.url(kind).rsplit(':').next().unwrap().parse().unwrap();
        assert!(port != 0 && port != default, "{kind}: {port}");
    }
    let info = server.client().line().unwrap().unwrap().to_vec();
    let info = String::from_utf8(info).unwrap();
    let port = server.url("nats").rsplit(':').next().unwrap();
    assert!(info.contains(&format!("\"port\":{port},")), "{info}");
}

// go: server/server_test.go TestNoDeadlockOnStartFailure
#[test]
fn a_host_that_is_none_ends_the_start() {
    let said = refused("host: x.x.x.x\nport: 4222\nhttp: 127.0.0.1:-1", &[]);
    assert!(said.contains("Error listening on port: x.x.x.x:4222"), "{said}");
}

const USERS: &str = "
    listen: 127.0.0.1:-1
    no_auth_user: $NO_AUTH_USER
    accounts {
        synadia { users [
            {user: a, password: a}, {nkey: UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E}
        ] }
        acc { users [ {user: c, password: c} ] }
    }
    authorization { users [ {user: b, password: b} ] }
";

// go: server/opts_test.go TestNoAuthUserCode
#[test]
fn who_nobody_is_may_stand_in_the_environment() {
    for user in ["a", "b", "c"] {
        let server = Running::start_with(USERS, &[("NO_AUTH_USER", user)]);
        let mut client = server.client();
        client.send(b"CONNECT {\"verbose\":true}\r\n").unwrap();
        assert!(client.line().unwrap().unwrap().starts_with(b"INFO "));
        assert_eq!(client.line().unwrap().unwrap(), b"+OK\r\n", "{user}");
    }
    for nobody in ["notthere", "UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2F"] {
        let said = refused(USERS, &[("NO_AUTH_USER", nobody)]);
        assert!(said.contains("no_auth_user"), "{said}");
    }
}

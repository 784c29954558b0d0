//! What `/varz` says of a server that nobody has used yet.

use natrium_tests::wire::Connection;

use crate::tls::pki::Pki;
use crate::web::{Monitored, PATIENCE};

// go: server/server_test.go TestStartupAndShutdown
#[test]
fn nobody_is_there_at_first() {
    for shards in [1, 2] {
        let varz = Monitored::natrium(shards, "no_system_account: true").json("/varz");
        for count in ["routes", "remotes", "leafnodes", "connections", "subscriptions"] {
            assert_eq!(varz[count], 0, "{count}");
        }
    }
}

// go: server/opts_test.go TestAuthorizationTimeoutConfigParsing
#[test]
fn the_time_to_authenticate_is_what_was_configured() {
    for (timeout, seconds) in [
        ("", 2.0),
        ("timeout: 0", 2.0),
        ("timeout: 1", 1.0),
        ("timeout: 10s", 10.0),
        ("timeout: 1m", 1_000_000.0),
        ("timeout: \"1m\"", 60.0),
        ("timeout: \"10m5s30ms\"", 605.03),
        ("timeout: 0.091", 0.091),
    ] {
        let varz = Monitored::natrium(1, &format!("authorization {{ {timeout} }}")).json("/varz");
        assert_eq!(varz["auth_timeout"].as_f64(), Some(seconds), "{timeout:?}");
    }
}

// go: server/opts_test.go TestDefaultAuthTimeout
// go: test/opts_test.go TestTLSConfig
#[test]
fn who_has_to_shake_hands_first_gets_a_second_more() {
    let pki = Pki::make().unwrap();
    for start in [|config: &str| Monitored::natrium(1, config), Monitored::reference] {
        assert_eq!(start("debug: false").json("/varz")["auth_timeout"].as_f64(), Some(2.0));
        let server = start(&pki.block("timeout: 4"));
        assert_eq!(server.json("/varz")["auth_timeout"].as_f64(), Some(5.0));
        let mut client = Connection::open(server.server.client_address(), PATIENCE).unwrap();
        let info = String::from_utf8(client.line().unwrap().unwrap().to_vec()).unwrap();
        assert!(info.contains("\"tls_required\":true"), "{info}");
    }
}

// go: server/monitor_test.go TestMonitorVarzFeatureFlags
#[test]
fn each_known_flag_is_shown_as_it_is_set() {
    let shown = |server: &Monitored| server.json("/varz")["feature_flags"].as_object().unwrap().clone();
    let defaults = shown(&Monitored::reference(""));
    let (flipped, default) = defaults.iter().next().unwrap();
    let flip = !default.as_bool().unwrap();
    // A flag that is not known is not shown.
    let config = format!("feature_flags {{ {flipped}: {flip}, fix: true }}");
    let mut expected = defaults.clone();
    expected[flipped] = flip.into();
    for start in [Monitored::reference, |config: &str| Monitored::natrium(1, config)] {
        assert_eq!(shown(&start("")), defaults);
        assert_eq!(shown(&start(&config)), expected);
    }
}

//! Where the server listens.

use super::*;

fn address(host: &str, port: u16) -> Listen {
    Listen { host: host.to_owned(), port }
}

// go: server/opts_test.go TestOptions_RandomPort
// go: server/opts_test.go TestDynamicPortOnListen
#[test]
fn minus_one_is_any_port_everywhere() {
    assert_eq!(options("port: -1").client.listen, address("0.0.0.0", 0));
    let clear = options("listen: 10.0.1.22:-1\nhttp: -1");
    assert_eq!(clear.client.listen, address("10.0.1.22", 0));
    assert_eq!(clear.monitoring.http, Some(address("10.0.1.22", 0)));
    let over_tls = options("listen: 10.0.1.22:-1\nhttps: :-1\ntls { cert_file: c, key_file: k }");
    assert_eq!(over_tls.monitoring.https, Some(address("10.0.1.22", 0)));
}

// go: server/opts_test.go TestListenPortOnlyConfig
// go: server/opts_test.go TestListenPortWithColonConfig
#[test]
fn a_port_without_a_host_is_on_all_interfaces() {
    for text in ["listen: 8922\nhttp: 1", "listen: :8922\nhttp: 1"] {
        let options = options(text);
        assert_eq!(options.client.listen, address("0.0.0.0", 8922), "{text}");
        assert_eq!(options.monitoring.http, Some(address("0.0.0.0", 1)), "{text}");
    }
}

// go: server/opts_test.go TestListenMonitoringDefault
#[test]
fn monitoring_is_where_clients_are_unless_it_says_otherwise() {
    let beside = options("host: 10.0.1.22\nhttp_port: 8222");
    assert_eq!(beside.client.listen, address("10.0.1.22", 4222));
    assert_eq!(beside.monitoring.http, Some(address("10.0.1.22", 8222)));
    let apart = options("http: 127.0.0.1:8422\nlisten: 10.0.1.22:4422");
    assert_eq!(apart.client.listen, address("10.0.1.22", 4422));
    assert_eq!(apart.monitoring.http, Some(address("127.0.0.1", 8422)));
}

// go: server/opts_test.go TestPanic
#[test]
fn a_value_of_the_wrong_kind_is_told_with_its_place() {
    assert_eq!(refused("port: \"word\""), "x.conf:1:1: \"port\" takes an integer, not a string");
}

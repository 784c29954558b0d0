//! Numbers and spans of time.

use super::*;

// go: server/opts_test.go TestLargeMaxControlLine
// go: server/opts_test.go TestLargeMaxPayload
// go: server/opts_test.go TestNewServerFromConfigFunctionality
#[test]
fn what_does_not_fit_is_refused() {
    for text in ["max_control_line = 3000000000", "max_payload = 3000000000"] {
        assert!(refused(text).contains("value is too big"), "{text}");
    }
    let error = refused("max_payload = 100000\nmax_pending = 50000");
    assert!(error.contains("cannot be higher"), "{error}");
}

// go: server/opts_test.go TestParseWriteDeadline
#[test]
fn a_write_deadline_is_a_duration_or_seconds() {
    let error = refused("write_deadline: \"1x\"");
    assert!(error.contains("error parsing write_deadline"), "{error}");
    let deadline = |text| options(text).client.write_deadline;
    assert_eq!(deadline("write_deadline: \"1s\""), Duration::from_secs(1));
    assert_eq!(deadline("write_deadline: 2"), Duration::from_secs(2));
}

// go: server/opts_test.go TestPingIntervalNew
#[test]
fn a_duration_earns_no_warning() {
    let loaded = load_text("ping_interval: \"5m\"").unwrap();
    assert_eq!(loaded.options.client.ping_interval, Duration::from_secs(300));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

// go: server/opts_test.go TestMaxClosedClients
#[test]
fn closed_clients_are_remembered_up_to_a_number() {
    assert_eq!(options("max_closed_clients: 5").max_closed_clients, 5);
}

// go: server/server_test.go TestLameDuckOptionsValidation
#[test]
fn the_grace_period_is_part_of_lame_duck_mode() {
    let error = refused("lame_duck_duration: \"35s\"\nlame_duck_grace_period: \"40s\"");
    assert!(error.contains("should be strictly lower"), "{error}");
}

// go: server/feature_flags_test.go TestFeatureFlagsConfigParseNonBool
#[test]
fn a_feature_is_on_or_off() {
    let error = refused("feature_flags { opt_in_flag: \"true\" }");
    assert_eq!(error, "x.conf:1:17: error parsing feature flag \"opt_in_flag\": expected bool, got a string");
    let features = options("feature_flags { a: true, b: off }").features.0;
    assert_eq!(features.into_iter().collect::<Vec<_>>(), [("a".to_owned(), true), ("b".to_owned(), false)]);
}

/// In seconds, or what is wrong. Warnings do not matter.
fn auth_timeout(text: &str) -> Result<Option<f64>, String> {
    let loaded = load_text(&format!("authorization {{ {text} }}")).map_err(|error| error.to_string())?;
    Ok(loaded.options.auth.timeout.map(|timeout| timeout.as_secs_f64()))
}

#[test]
fn the_time_to_authenticate_is_read_in_all_its_forms() {
    for (text, expected) in [
        ("", None),
        ("timeout: 0", None),
        ("timeout: 1", Some(1.0)),
        ("timeout: 10s", Some(10.0)),
        ("timeout: 1m", Some(1_000_000.0)),
        ("timeout: \"1m\"", Some(60.0)),
        ("timeout: \"10m5s30ms\"", Some(605.03)),
        ("timeout: 0.091", Some(0.091)),
    ] {
        assert_eq!(auth_timeout(text), Ok(expected), "{text}");
    }
    let garbage = auth_timeout("timeout: random_garbage").unwrap_err();
    assert!(garbage.contains("invalid duration \"random_garbage\""), "{garbage}");
    let digit = auth_timeout("timeout: .091").unwrap_err();
    assert!(digit.contains("digits before and after its '.'"), "{digit}");
}

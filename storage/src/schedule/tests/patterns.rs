use natrium_model::go_duration;

use super::super::rfc3339;
use super::*;

const NOW: &str = "2026-11-26T05:47:40.75Z";

fn repeating(at: Timestamp) -> Result<(Due, bool), Refusal> {
    Ok((Due { at, utc_offset_s: 0 }, true))
}

fn plus(time: Timestamp, duration: &str) -> Timestamp {
    Timestamp(time.0 + go_duration(duration).unwrap())
}

// go: server/jetstream_test.go TestJetStreamScheduledMessageParse
#[test]
fn patterns_name_the_reference_s_times() {
    let (epoch, now) = (Timestamp(0), at(NOW));
    let (whole, rounded) = (at("2026-11-26T05:47:40Z"), at("2026-11-26T05:47:41Z"));

    // The time itself, whatever the time it was stored.
    for text in [NOW, "2026-11-26T05:47:40.123456789Z", "2020-01-01T00:00:00Z"] {
        let (due, repeats) = next(&format!("@at {text}"), None, epoch, now).unwrap();
        assert_eq!((due, repeats), (Due { at: at(text), utc_offset_s: 0 }, false));
    }

    assert_eq!(next("@every 5s", None, whole, whole), repeating(plus(whole, "5s")));
    // Missed times are left out.
    assert_eq!(next("@every 5s", None, epoch, now), repeating(plus(rounded, "5s")));
    assert_eq!(next("@every 999ms", None, epoch, now), Err(Refusal::Pattern));
    // Counted from whole seconds, and so again when it was due.
    let stored = plus(now, "1s");
    let first = plus(plus(rounded, "1s"), "1500ms");
    assert_eq!(next("@every 1500ms", None, stored, now), repeating(first));
    assert_eq!(next("@every 1500ms", None, first, now), repeating(plus(plus(first, "500ms"), "1500ms")));

    assert_eq!(next("* * * * * *", None, whole, whole), repeating(plus(whole, "1s")));
    let before_whole = Timestamp(whole.0 - 1);
    assert_eq!(next("* * * * * *", None, before_whole, before_whole), repeating(whole));
    assert_eq!(next("* * * * * *", None, epoch, now), repeating(plus(rounded, "1s")));

    for (name, expected) in [
        ("@yearly", "2029-01-01T00:00:00Z"),
        ("@annually", "2029-01-01T00:00:00Z"),
        ("@monthly", "2028-02-01T00:00:00Z"),
        ("@daily", "2028-01-02T00:00:00Z"),
        ("@midnight", "2028-01-02T00:00:00Z"),
        ("@hourly", "2028-01-01T01:00:00Z"),
    ] {
        assert_eq!(next(name, None, at("2028-01-01T00:00:00Z"), now), repeating(at(expected)), "{name}");
    }
    // From a Sunday to the next.
    let sunday = at("2028-01-02T00:00:00Z");
    assert_eq!(next("@weekly", None, sunday, now), repeating(at("2028-01-09T00:00:00Z")));

    let (due, repeats) = next("* * * * * *", Some("Europe/Amsterdam"), whole, whole).unwrap();
    assert_eq!((due, repeats), (Due { at: plus(whole, "1s"), utc_offset_s: 3600 }, true));
}

#[test]
fn cron_is_the_reference_s() {
    for row in include_str!("cron.txt").lines().filter(|row| !row.starts_with('#')) {
        let [zone, stored, text, expected] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
        let stored = at(stored);
        let told = match next(text.trim_start_matches(' '), Some(zone), stored, stored) {
            Ok((due, _)) => rfc3339::display(due.at, due.utc_offset_s).to_string(),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Pattern, "{row}");
                "refused".to_owned()
            }
        };
        assert_eq!(told, expected, "{row}");
    }
}

/// Samoa had no 30 December 2011: the day after the 29th leads back to it.
#[test]
fn a_day_that_a_zone_left_out_is_got_over() {
    let stored = at("2011-12-29T23:00:00Z");
    let (due, _) = next("0 0 12 * * *", Some("Pacific/Apia"), stored, stored).unwrap();
    let told = rfc3339::display(due.at, due.utc_offset_s).to_string();
    assert!(told.starts_with("2011-12-31T"), "{told}");
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let (long_ago, now) = (at("2020-01-01T00:00:00Z"), at(NOW));
    for (text, expected) in [
        ("@every 1h", "2026-11-26T06:47:41Z"),
        ("@hourly", "2026-11-26T06:00:00Z"),
        ("0 47 5 * * *", "2026-11-27T05:47:00Z"),
        // The second after the rounded time, not after the time.
        ("41 47 5 * * *", "2026-11-27T05:47:41Z"),
        ("42 47 5 * * *", "2026-11-26T05:47:42Z"),
    ] {
        assert_eq!(next(text, None, long_ago, now), repeating(at(expected)), "{text}");
    }
    // Due right now is not missed.
    assert_eq!(
        next("@every 1s", None, at("2026-11-26T05:47:39Z"), at("2026-11-26T05:47:40Z")),
        repeating(at("2026-11-26T05:47:40Z"))
    );
}

#[test]
fn intervals_are_counted_from_the_nearest_second() {
    for (stored, text, expected) in [
        ("2026-01-01T00:00:00.499999999Z", "@every 1s", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:00.5Z", "@every 1s", "2026-01-01T00:00:02Z"),
        ("2026-01-01T00:00:00.5Z", "@every 1h0m0.000000001s", "2026-01-01T01:00:01.000000001Z"),
    ] {
        assert_eq!(next(text, None, at(stored), at(stored)), repeating(at(expected)), "{stored} {text}");
    }
    // Nothing wraps round at the end of time.
    assert_eq!(
        next("@every 2000000h", None, Timestamp(i64::MAX), Timestamp(i64::MAX)),
        repeating(Timestamp(i64::MAX))
    );
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in [
        "@at",
        "@at ",
        "@at tomorrow",
        "@at 2026-11-26 05:47:40Z",
        "@at  2026-11-26T05:47:40Z",
        "@every",
        "@every ",
        "@every 5",
        "@every 0",
        "@every -5s",
        "@every 5d",
        "@every 1s ",
        "@every 999999999ns",
        "@Hourly",
        "@hourly ",
        "@secondly",
        "hourly",
        "* * * * *",
        "* * * * * * *",
        "* * * * * x",
        "0 0 0 30 2 *",
    ] {
        let refusal = pattern(text, None).and_then(|pattern| pattern.unwrap().next(at(NOW), at(NOW)));
        assert_eq!(refusal, Err(Refusal::Pattern), "{text}");
    }
    let bytes = b"NATS/1.0\r\nNats-Schedule: \xff\r\n\r\n";
    assert_eq!(Pattern::of(natrium_wire::Headers::new(bytes), &Zones::bundled()), Err(Refusal::Pattern));
}

#[test]
fn zones_are_for_cron_alone() {
    assert_eq!(pattern("@at 2026-11-26T05:47:40Z", Some("UTC")), Err(Refusal::Pattern));
    assert_eq!(pattern("@every 5s", Some("UTC")), Err(Refusal::Pattern));
    let (due, _) = next("@daily", Some("America/New_York"), at(NOW), at(NOW)).unwrap();
    assert_eq!(due, Due { at: at("2026-11-27T05:00:00Z"), utc_offset_s: -5 * 3600 });
    // Told first, and of any message.
    for text in ["@daily", "no pattern", "@every 5s", ""] {
        for zone in ["", "Mars/Phobos"] {
            assert_eq!(pattern(text, Some(zone)), Err(Refusal::TimeZone), "{text}, {zone}");
        }
    }
}

#[test]
fn messages_without_a_pattern_are_no_schedules() {
    let zones = Zones::bundled();
    let of = |block: &[u8]| Pattern::of(natrium_wire::Headers::new(block), &zones);
    assert_eq!(of(b""), Ok(None));
    assert_eq!(of(&block(&[("Nats-Schedule-Target", "foo")])), Ok(None));
    assert_eq!(of(&block(&[("nats-schedule", "@hourly")])), Ok(None));
    assert_eq!(pattern("", None), Ok(None));
    assert_eq!(pattern("", Some("UTC")), Ok(None));
    // Go's zero time.
    assert_eq!(pattern("@at 0001-01-01T00:00:00Z", None), Ok(None));
    assert_eq!(pattern("@at 0001-01-01T01:00:00+01:00", None), Ok(None));
    assert!(pattern("@at 0001-01-01T00:00:01Z", None).unwrap().is_some());
    // The first of two counts.
    let twice = block(&[("Nats-Schedule", "@every 5s"), ("Nats-Schedule", "nonsense")]);
    assert_eq!(of(&twice), Ok(Some(Pattern::Every(5_000_000_000))));
}

use bytes::Bytes;

use crate::message::Message;

use super::super::{Delivery, deliver, source_of};
use super::*;

fn message(subject: &str, lines: &[(&str, &str)], payload: &str) -> Message {
    Message {
        seq: 1,
        timestamp: at("2026-11-26T05:47:40Z"),
        expires: None,
        due: Some(at("2026-11-26T05:47:45Z")),
        subject: Bytes::copy_from_slice(subject.as_bytes()),
        headers: block(lines).into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

fn delivered(schedule: &Message, source: Option<&Message>) -> Result<Delivery, Refusal> {
    let (due, now) = (at("2026-11-26T05:47:45Z"), at("2026-11-26T05:47:45.25Z"));
    deliver(schedule, due, now, source, &Zones::bundled())
}

const TARGET: (&str, &str) = ("Nats-Schedule-Target", "foo.target");

#[test]
fn a_message_that_is_due_once_purges_its_schedule() {
    let schedule = message(
        "foo.schedule",
        &[
            ("a", "1"),
            ("Nats-Schedule", "@at 2026-11-26T05:47:45Z"),
            TARGET,
            ("Nats-Rollup", "sub"),
            ("Nats-Msg-Id", "id"),
            ("Nats-TTL", "1h"),
            ("Nats-Expected-Last-Sequence", "5"),
            ("Nats-Expected-Stream", "S"),
            ("Nats-Scheduler", "foo.other"),
            ("Nats-Schedule-Unheard-Of", "x"),
            ("b", "2"),
        ],
        "payload",
    );
    let delivery = delivered(&schedule, None).unwrap();
    assert_eq!((&delivery.subject[..], &delivery.payload[..]), (&b"foo.target"[..], &b"payload"[..]));
    assert_eq!(delivery.next, None);
    let expected =
        block(&[("a", "1"), ("b", "2"), ("Nats-Scheduler", "foo.schedule"), ("Nats-Schedule-Next", "purge")]);
    assert_eq!(delivery.headers, expected);
}

#[test]
fn a_repeating_message_tells_when_it_is_next() {
    for (pattern, zone, expected) in [
        ("@every 1500ms", None, "2026-11-26T05:47:46.5Z"),
        ("@hourly", None, "2026-11-26T06:00:00Z"),
        ("0 0 9 * * *", Some("Europe/Amsterdam"), "2026-11-26T09:00:00+01:00"),
        ("0 0 9 * * *", Some("Europe/London"), "2026-11-26T09:00:00Z"),
        // Missed before it was asked for.
        ("@every 1s", None, "2026-11-26T05:47:46Z"),
    ] {
        let mut lines = vec![("Nats-Schedule", pattern), TARGET];
        lines.extend(zone.map(|zone| ("Nats-Schedule-Time-Zone", zone)));
        let delivery = delivered(&message("foo.schedule", &lines, ""), None).unwrap();
        assert_eq!(delivery.next.unwrap().at, at(expected), "{pattern}");
        let headers = block(&[("Nats-Scheduler", "foo.schedule"), ("Nats-Schedule-Next", expected)]);
        assert_eq!(delivery.headers, headers, "{pattern}");
    }
}

#[test]
fn lifetime_and_rollup_are_those_asked_for() {
    let lines = [
        ("Nats-Schedule", "@every 5s"),
        ("Nats-Schedule-Rollup", "sub"),
        ("Nats-Schedule-TTL", "1m"),
        TARGET,
        ("Nats-TTL", "never"),
    ];
    let delivery = delivered(&message("foo.schedule", &lines, ""), None).unwrap();
    let expected = block(&[
        ("Nats-Scheduler", "foo.schedule"),
        ("Nats-Schedule-Next", "2026-11-26T05:47:50Z"),
        ("Nats-TTL", "1m"),
        ("Nats-Rollup", "sub"),
    ]);
    assert_eq!(delivery.headers, expected);
}

#[test]
fn the_last_message_of_the_source_is_sent_in_place_of_the_schedule_s_content() {
    let lines = [("Nats-Schedule", "@every 5s"), TARGET, ("Nats-Schedule-Source", "foo.source"), ("a", "1")];
    let schedule = message("foo.schedule", &lines, "own");
    assert_eq!(source_of(&schedule), Some(&b"foo.source"[..]));
    let source = message("foo.source", &[("b", "2"), ("Nats-Msg-Id", "id"), ("Nats-TTL", "9s")], "source's");
    let ours = [("Nats-Scheduler", "foo.schedule"), ("Nats-Schedule-Next", "2026-11-26T05:47:50Z")];

    let delivery = delivered(&schedule, Some(&source)).unwrap();
    assert_eq!(&delivery.payload[..], b"source's");
    assert_eq!(delivery.headers, block(&[("b", "2"), ours[0], ours[1]]));

    let delivery = delivered(&schedule, None).unwrap();
    assert_eq!(&delivery.payload[..], b"own");
    assert_eq!(delivery.headers, block(&[("a", "1"), ours[0], ours[1]]));

    let bare = Message { headers: Bytes::new(), ..source };
    assert_eq!(delivered(&schedule, Some(&bare)).unwrap().headers, block(&ours));
    assert_eq!(source_of(&bare), None);
}

#[test]
fn what_is_no_schedule_is_not_delivered() {
    let every = ("Nats-Schedule", "@every 5s");
    for (lines, refusal) in [
        (&[TARGET][..], Refusal::Pattern),
        (&[("Nats-Schedule", "x"), TARGET], Refusal::Pattern),
        (&[every], Refusal::Target),
        (&[every, ("Nats-Schedule-Target", "")], Refusal::Target),
        (&[every, TARGET, ("Nats-Schedule-TTL", "x")], Refusal::Ttl),
        (&[("Nats-Schedule", "@daily"), TARGET, ("Nats-Schedule-Time-Zone", "Mars")], Refusal::TimeZone),
    ] {
        assert_eq!(delivered(&message("foo.schedule", lines, ""), None), Err(refusal), "{lines:?}");
    }
}

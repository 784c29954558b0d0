use std::borrow::Cow;

use natrium_wire::Headers;

use super::super::{Allowed, OnAppend, Publication, Rearmed, admit, check_purged, on_append};
use super::*;

const NOW: &str = "2026-11-26T05:47:40Z";
const ALLOWED: Allowed<'static> = Allowed { schedules: true, ttl: true, subjects: &[b"foo.>", b"bar"] };

/// What becomes of a message on `foo.schedule`: the headers it is stored with.
fn stored(lines: &[(&str, &str)], allowed: &Allowed<'_>) -> Result<String, Refusal> {
    let headers = block(lines);
    let publication = Publication { subject: b"foo.schedule", headers: &headers, now: at(NOW) };
    let admitted = admit(&publication, allowed, &Zones::bundled())?;
    Ok(String::from_utf8(admitted.headers.into_owned()).unwrap())
}

fn schedule<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("Nats-Schedule", "@every 5s")], more].concat()
}

#[test]
fn a_schedule_is_admitted_with_its_due_time_and_a_rollup() {
    let lines = schedule(&[("Nats-Schedule-Target", "foo.target")]);
    let headers = block(&lines);
    let publication = Publication { subject: b"foo.schedule", headers: &headers, now: at(NOW) };
    let admitted = admit(&publication, &ALLOWED, &Zones::bundled()).unwrap();
    assert_eq!(admitted.due, Some(Due { at: at("2026-11-26T05:47:45Z"), utc_offset_s: 0 }));
    assert_eq!(admitted.purges, None);
    let with_rollup = block(&[&lines[..], &[("Nats-Rollup", "sub")]].concat());
    assert_eq!(admitted.headers, Cow::<[u8]>::Owned(with_rollup.clone()));

    // Which it may have already, in any case.
    assert_eq!(
        stored(&[&lines[..], &[("Nats-Rollup", "SUB")]].concat(), &ALLOWED)
            .unwrap()
            .matches("Rollup")
            .count(),
        1
    );
}

#[test]
fn what_is_no_schedule_passes_as_it_is() {
    for headers in
        [b"".as_slice(), b"NATS/1.0\r\nNats-Rollup: all\r\n\r\n", b"NATS/1.0 503\r\n\r\n", b"nonsense"]
    {
        let publication = Publication { subject: b"foo", headers, now: at(NOW) };
        let disabled = Allowed { schedules: false, ttl: false, subjects: &[] };
        for allowed in [&ALLOWED, &disabled] {
            let admitted = admit(&publication, allowed, &Zones::bundled()).unwrap();
            assert_eq!((admitted.due, admitted.purges), (None, None));
            assert!(matches!(admitted.headers, Cow::Borrowed(same) if same == headers));
        }
    }
}

#[test]
fn schedules_are_refused_with_the_reference_s_reasons() {
    const TARGET: (&str, &str) = ("Nats-Schedule-Target", "foo.target");
    let refused = |more: &[(&str, &str)], refusal| {
        assert_eq!(stored(&schedule(more), &ALLOWED), Err(refusal), "{more:?}");
    };
    refused(&[], Refusal::Target);
    for target in ["", "foo.*", "foo.>", "foo..x", ".foo", "foo.x y", "foo.schedule", "other"] {
        refused(&[("Nats-Schedule-Target", target)], Refusal::Target);
    }
    for source in ["foo.*", "foo.>", "foo.", "foo.schedule", "foo.target", "other"] {
        refused(&[TARGET, ("Nats-Schedule-Source", source)], Refusal::Source);
    }
    for ttl in ["0", "999ms", "-1", "1d", "x"] {
        refused(&[TARGET, ("Nats-Schedule-TTL", ttl)], Refusal::Ttl);
    }
    for rollup in ["all", "SUB", "x"] {
        refused(&[TARGET, ("Nats-Schedule-Rollup", rollup)], Refusal::Rollup);
    }
    for rollup in ["all", "x"] {
        refused(&[TARGET, ("Nats-Rollup", rollup)], Refusal::Rollup);
    }
    refused(&[TARGET, ("Nats-Schedule-Time-Zone", "Mars")], Refusal::TimeZone);
    refused(&[TARGET, ("Nats-Schedule-Time-Zone", "UTC")], Refusal::Pattern);

    for more in [
        &[("Nats-Schedule-Source", "foo.source")][..],
        &[("Nats-Schedule-Source", "bar")],
        &[("Nats-Schedule-Source", "")],
        &[("Nats-Schedule-TTL", "never")],
        &[("Nats-Schedule-TTL", "5s"), ("Nats-Schedule-Rollup", "sub")],
        &[("Nats-Schedule-Rollup", "")],
        &[("Nats-TTL", "5s")],
    ] {
        assert!(stored(&schedule(&[&[TARGET], more].concat()), &ALLOWED).is_ok(), "{more:?}");
    }
}

/// Of several mistakes the reference tells the one it looks for first.
#[test]
fn the_first_mistake_is_told() {
    let mistakes = [
        (("Nats-Schedule-Time-Zone", "Mars"), Refusal::TimeZone),
        (("Nats-Schedule", "x"), Refusal::Pattern),
        (("Nats-Schedule-TTL", "x"), Refusal::Ttl),
        (("Nats-Schedule-Rollup", "x"), Refusal::Rollup),
        (("Nats-Schedule-Target", "foo.*"), Refusal::Target),
        (("Nats-Schedule-Source", "foo.*"), Refusal::Source),
        (("Nats-Rollup", "all"), Refusal::Rollup),
        (("Nats-Schedule-Next", "2026-01-01T00:00:00Z"), Refusal::Scheduler),
    ];
    let right = [("Nats-Schedule", "@every 5s"), ("Nats-Schedule-Target", "foo.target")];
    for (from, (_, refusal)) in mistakes.iter().enumerate() {
        let mut lines: Vec<_> = mistakes[from..].iter().map(|(line, _)| *line).collect();
        // What is not wrong is right; of two headers the first counts.
        lines.extend(right);
        assert_eq!(stored(&lines, &ALLOWED), Err(*refusal), "from {from}");
    }
    // A subject that is valid but not the stream's comes after the other's form.
    let lines = schedule(&[("Nats-Schedule-Target", "other"), ("Nats-Schedule-Source", "foo.*")]);
    assert_eq!(stored(&lines, &ALLOWED), Err(Refusal::Source));
}

#[test]
fn a_stream_without_schedules_refuses_all_of_them() {
    let disabled = Allowed { schedules: false, ..ALLOWED };
    for lines in [
        schedule(&[("Nats-Schedule-Target", "foo.target")]),
        schedule(&[]),
        vec![("Nats-Schedule", "nonsense")],
        vec![("Nats-Schedule", "0 0 0 30 2 *")],
        vec![("Nats-Schedule-Time-Zone", "Mars")],
        vec![("Nats-Schedule-Next", "purge"), ("Nats-Scheduler", "foo.victim")],
    ] {
        assert_eq!(stored(&lines, &disabled), Err(Refusal::Disabled), "{lines:?}");
    }
    let without_ttl = Allowed { ttl: false, ..ALLOWED };
    let lines = schedule(&[("Nats-Schedule-Target", "foo.target"), ("Nats-Schedule-TTL", "5s")]);
    assert_eq!(stored(&lines, &without_ttl), Err(Refusal::TtlDisabled));
}

#[test]
fn a_client_may_purge_a_schedule_and_nothing_else() {
    let purges = |lines: &[(&str, &str)]| {
        let headers = block(lines);
        let publication = Publication { subject: b"foo.x", headers: &headers, now: at(NOW) };
        let admitted = admit(&publication, &ALLOWED, &Zones::bundled());
        admitted.map(|admitted| admitted.purges.map(<[u8]>::to_vec))
    };
    let (purge, scheduler) = (("Nats-Schedule-Next", "purge"), ("Nats-Scheduler", "foo.schedule"));
    assert_eq!(purges(&[purge, scheduler]), Ok(Some(b"foo.schedule".to_vec())));
    assert_eq!(purges(&[("Nats-Schedule-Next", ""), ("Nats-Scheduler", "")]), Ok(None));
    for lines in [
        &[purge][..],
        &[scheduler],
        &[purge, ("Nats-Scheduler", "")],
        &[purge, ("Nats-Scheduler", "foo.x")],
        &[purge, ("Nats-Scheduler", "foo.*")],
        &[purge, ("Nats-Scheduler", "foo..x")],
        &[("Nats-Schedule-Next", "PURGE"), scheduler],
        &[("Nats-Schedule-Next", "2026-11-26T05:47:40Z"), scheduler],
        &[("Nats-Schedule-Next", ""), scheduler],
    ] {
        assert_eq!(purges(lines), Err(Refusal::Scheduler), "{lines:?}");
    }
}

#[test]
fn only_schedules_are_purged() {
    let (plain, scheduled, empty) =
        (block(&[("a", "b")]), block(&schedule(&[])), block(&[("Nats-Schedule", "")]));
    assert_eq!(check_purged(None), Ok(()));
    assert_eq!(check_purged(Some(Headers::new(&scheduled))), Ok(()));
    for headers in [&plain[..], &empty, b""] {
        assert_eq!(check_purged(Some(Headers::new(headers))), Err(Refusal::Scheduler));
    }
}

#[test]
fn what_is_stored_makes_ends_and_rearms_schedules() {
    let (stored_at, now) = (at("2026-11-26T05:47:40Z"), at("2026-11-26T05:47:42Z"));
    let effect = |lines: &[(&str, &str)]| {
        let headers = block(lines);
        let OnAppend { due, ends_schedule, rearms } =
            on_append(Headers::new(&headers), stored_at, now, &Zones::bundled());
        (due, ends_schedule, rearms.map(|Rearmed { subject, due }| (subject.to_vec(), due)))
    };
    let next = at("2026-11-26T05:47:45.5Z");
    // From the time it was stored, not from now.
    assert_eq!(effect(&[("Nats-Schedule", "@every 5500ms")]), (Some(next), false, None));
    // Stored before it was missed, so it is still once due.
    assert_eq!(effect(&[("Nats-Schedule", "@at 2026-01-01T00:00:00Z")]).0, Some(at("2026-01-01T00:00:00Z")));
    assert_eq!(effect(&[("Nats-Schedule", "nonsense")]), (None, true, None));
    assert_eq!(effect(&[]), (None, true, None));

    let scheduler = ("Nats-Scheduler", "foo.schedule");
    let rearmed = Some((b"foo.schedule".to_vec(), next));
    assert_eq!(
        effect(&[scheduler, ("Nats-Schedule-Next", "2026-11-26T06:47:45.5+01:00")]),
        (None, false, rearmed)
    );
    assert_eq!(effect(&[scheduler, ("Nats-Schedule-Next", "purge")]), (None, false, None));
    assert_eq!(effect(&[scheduler, ("Nats-Schedule-Next", "soon")]), (None, false, None));
    assert_eq!(effect(&[("Nats-Schedule-Next", "2026-11-26T06:47:45Z")]), (None, true, None));
}

//! Messages that are published again when their time has come: the store keeps the time, the schedule decides it.

use std::time::Duration;

use natrium_model::Timestamp;
use natrium_wire::{Headers, headers};

use super::case::{Case, everywhere, on_disk};
use crate::message::{NewMessage, Purge};
use crate::schedule::{Delivery, OnAppend, Zones, deliver, on_append, source_of};

const SECOND: Duration = Duration::from_secs(1);

/// Stores a message, and does what its headers say of schedules.
async fn store(case: &Case, subject: &str, headers: &[u8], payload: &[u8]) -> u64 {
    case.pass(Duration::from_millis(1));
    let OnAppend { due, ends_schedule, rearms } =
        on_append(Headers::new(headers), case.now(), case.now(), &Zones::bundled());
    if (due.is_some() || ends_schedule)
        && let Some(seq) = case.last_of(subject).await
    {
        case.store().unschedule(seq);
    }
    let seq = case.put_with(&NewMessage { headers, due, ..case.message(subject, payload) }).await;
    if let Some(rearmed) = rearms {
        let scheduler = std::str::from_utf8(rearmed.subject).unwrap();
        let scheduled = case.last_of(scheduler).await.unwrap();
        case.store().reschedule(scheduled, rearmed.due);
    }
    seq
}

async fn schedule(case: &Case, subject: &str, pattern: &str, more: &[(&str, &str)]) -> u64 {
    let mut block = Vec::new();
    headers::append(&mut block, b"Nats-Schedule", pattern.as_bytes());
    headers::append(&mut block, b"Nats-Schedule-Target", b"foo.target");
    for (name, value) in more {
        headers::append(&mut block, name.as_bytes(), value.as_bytes());
    }
    store(case, subject, &block, b"own").await
}

/// What the schedules that are due by now publish.
async fn published(case: &Case) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (seq, due) in case.store().take_due(case.now(), 100) {
        let message = case.get(seq).await.unwrap();
        let source = match source_of(&message) {
            Some(subject) => case.last_of(std::str::from_utf8(subject).unwrap()).await,
            None => None,
        };
        let source = match source {
            Some(seq) => case.get(seq).await,
            None => None,
        };
        let delivery = deliver(&message, due, case.now(), source.as_ref(), &Zones::bundled());
        deliveries.push(delivery.unwrap());
    }
    deliveries
}

/// Stores what was published.
async fn take(case: &Case, delivery: &Delivery) -> u64 {
    let subject = std::str::from_utf8(&delivery.subject).unwrap();
    let seq = store(case, subject, &delivery.headers, &delivery.payload).await;
    if delivery.next.is_none() {
        let scheduler = header(delivery, "Nats-Scheduler");
        case.store().purge(Purge { subject: Some(scheduler.as_bytes()), ..Purge::default() }).await.unwrap();
    }
    seq
}

fn header(delivery: &Delivery, name: &str) -> String {
    let value = Headers::new(&delivery.headers).value(name.as_bytes()).unwrap();
    String::from_utf8(value.to_vec()).unwrap()
}

fn later(case: &Case, time: Duration) -> Timestamp {
    Timestamp(case.now().0 + time.as_nanos() as i64)
}

// go: server/memstore_test.go TestMemStoreMessageSchedule
// go: server/filestore_test.go TestFileStoreMessageSchedule
#[test]
fn a_message_is_published_once_at_its_time() {
    everywhere(
        |_| {},
        async |case| {
            let time = later(case, SECOND);
            assert_eq!(schedule(case, "foo.schedule", &format!("@at {time}"), &[]).await, 1);
            assert_eq!(case.get(1).await.unwrap().due, Some(time));
            case.pass(Duration::from_millis(998));
            assert_eq!(published(case).await, []);
            case.pass(Duration::from_millis(1));
            assert_eq!(case.now(), time);
            let deliveries = published(case).await;
            let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
            assert_eq!((&delivery.subject[..], &delivery.payload[..]), (&b"foo.target"[..], &b"own"[..]));
            assert_eq!(header(delivery, "Nats-Scheduler"), "foo.schedule");
            assert_eq!(header(delivery, "Nats-Schedule-Next"), "purge");
            assert_eq!(delivery.next, None);

            assert_eq!(take(case, delivery).await, 2);
            assert_eq!(case.ends().await, (1, 2, 2));
            assert_eq!(case.store().next_due(), None);
            case.survives().await;
            case.pass(SECOND);
            assert_eq!(published(case).await, []);
        },
    );
}

// go: server/memstore_test.go TestMemStoreMessageScheduleEverySubSecondPrecision
#[test]
fn a_repeating_message_keeps_the_fractions_of_its_interval() {
    everywhere(
        |_| {},
        async |case| {
            case.pass(Duration::from_millis(300));
            let whole = Timestamp(case.now().0 - 300_000_000);
            schedule(case, "foo.schedule", "@every 1500ms", &[]).await;
            // From the store's time, rounded: down here, up each time it was due half a second after.
            let after = |millis: i64| Timestamp(whole.0 + millis * 1_000_000);
            let mut expected = vec![(after(1500), after(3500)), (after(3500), after(5500))];
            expected.push((after(5500), after(7500)));
            assert_eq!(case.get(1).await.unwrap().due, Some(after(1500)));
            for (due, next) in expected {
                case.pass(Duration::from_nanos(due.0.abs_diff(case.now().0) - 1));
                assert_eq!(published(case).await, []);
                case.pass(Duration::from_nanos(1));
                let deliveries = published(case).await;
                let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
                assert_eq!(&delivery.subject[..], b"foo.target");
                assert_eq!(header(delivery, "Nats-Scheduler"), "foo.schedule");
                assert_eq!(header(delivery, "Nats-Schedule-Next"), next.to_string());
                assert_eq!(delivery.next.unwrap().at, next);
                take(case, delivery).await;
            }
            assert_eq!(case.ends().await, (4, 1, 4));
        },
    );
}

#[test]
fn the_last_message_of_a_source_is_published() {
    everywhere(
        |_| {},
        async |case| {
            schedule(case, "foo.schedule", "@every 1s", &[("Nats-Schedule-Source", "foo.source")]).await;
            let mut read = Vec::new();
            for sample in ["", "1", "2"] {
                if !sample.is_empty() {
                    store(case, "foo.source", b"", b"old").await;
                    store(case, "foo.source", b"", sample.as_bytes()).await;
                }
                case.pass(SECOND);
                let deliveries = published(case).await;
                let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
                read.push(String::from_utf8(delivery.payload.to_vec()).unwrap());
                take(case, delivery).await;
            }
            assert_eq!(read, ["own", "1", "2"]);
        },
    );
}

#[test]
fn what_a_restart_missed_is_published_once() {
    on_disk(
        |_| {},
        async |case| {
            schedule(case, "foo.schedule", "@every 10s", &[]).await;
            for crash in [false, true] {
                case.pass(95 * SECOND);
                if crash {
                    case.crash().await
                } else {
                    case.restart().await
                }
                let deliveries = published(case).await;
                let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
                let next = delivery.next.unwrap().at;
                assert!(next > later(case, 9 * SECOND) && next < later(case, 11 * SECOND), "{next}");
                take(case, delivery).await;
                assert_eq!(published(case).await, []);
                assert!(case.store().next_due().is_some());
            }
        },
    );
}

#[test]
fn another_message_on_its_subject_ends_a_schedule() {
    everywhere(
        |_| {},
        async |case| {
            schedule(case, "foo.schedule", "@every 1s", &[]).await;
            // One that replaces another counts from its own time.
            schedule(case, "foo.schedule", "@every 5s", &[]).await;
            case.pass(2 * SECOND);
            assert_eq!(published(case).await, []);
            case.pass(3 * SECOND);
            assert_eq!(published(case).await.len(), 1);

            schedule(case, "foo.other", "@every 1s", &[]).await;
            store(case, "foo.other", b"", b"").await;
            case.pass(5 * SECOND);
            assert_eq!(published(case).await, []);
            assert_eq!(case.store().next_due(), None);
            // It is there as any message is.
            assert_eq!(case.subject("foo.other").await, (2, 3, 4));
        },
    );
}

#[test]
fn what_a_schedule_publishes_on_the_subject_of_another_leaves_that_one() {
    everywhere(
        |_| {},
        async |case| {
            schedule(case, "foo.schedule", "@every 1s", &[]).await;
            schedule(case, "foo.target", "@every 5s", &[]).await;
            case.pass(SECOND);
            let deliveries = published(case).await;
            let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
            assert_eq!(header(delivery, "Nats-Scheduler"), "foo.schedule");
            take(case, delivery).await;
            case.pass(5 * SECOND);
            let mut schedulers: Vec<_> =
                published(case).await.iter().map(|delivery| header(delivery, "Nats-Scheduler")).collect();
            schedulers.sort_unstable();
            assert_eq!(schedulers, ["foo.schedule", "foo.target"]);
        },
    );
}

//! Messages that go by their age or by their own time, and messages that are due.

use std::time::Duration;

use natrium_model::Timestamp;

use super::case::{Case, both, everywhere, on_disk, plain};
use crate::message::NewMessage;
use crate::store::expire::Marker;

const SECOND: Duration = Duration::from_secs(1);

/// The sequences that are due by now.
fn take_due(case: &Case) -> Vec<u64> {
    case.store().take_due(case.now(), 100).into_iter().map(|(seq, _)| seq).collect()
}

fn later(case: &Case, time: Duration) -> Timestamp {
    Timestamp(case.now().0 + time.as_nanos() as i64)
}

async fn put_expiring(case: &Case, subject: &str, ttl: Duration) -> u64 {
    case.pass(Duration::from_millis(1));
    let expires = Some(later(case, ttl));
    case.put_with(&NewMessage { expires, ..case.message(subject, b"") }).await
}

async fn put_due(case: &Case, subject: &str, due: Timestamp) -> u64 {
    case.pass(Duration::from_millis(1));
    case.put_with(&NewMessage { due: Some(due), ..case.message(subject, b"x") }).await
}

// go: server/filestore_test.go TestFileStoreAgeLimit
// go: server/memstore_test.go TestMemStoreAgeLimit
#[test]
fn messages_go_by_their_age() {
    everywhere(
        |options| {
            options.block_len = 256;
            options.limits.max_age_ns = Some(1_000_000_000);
        },
        async |case| {
            let gone = async || {
                let state = case.state().await;
                assert_eq!((state.messages, state.bytes), (0, 0));
            };
            case.fill(500, "foo", "Hello World").await;
            assert_eq!(case.expire().await, [0_u64; 0]);
            assert_eq!(case.state().await.messages, 500);
            case.pass(SECOND);
            assert_eq!(case.expire().await.len(), 500);
            gone().await;
            case.fill(500, "foo", "Hello World").await;
            assert_eq!(case.state().await.messages, 500);
            case.remove_all([502, 602, 702, 802]).await;
            case.pass(SECOND);
            assert_eq!(case.expire().await.len(), 496);
            gone().await;
            assert_eq!(case.store().next_expiry().await.unwrap(), None);
        },
    );
}

// go: server/filestore_test.go TestFileStoreAgeLimitRecovery
// go: server/filestore_test.go TestFileStoreFSSCloseAndKeepOnExpireOnRecoverBug
// go: server/filestore_test.go TestFileStoreShortIndexWriteBug
#[test]
fn what_aged_while_the_store_was_closed_goes_after_the_start() {
    on_disk(
        |options| options.limits.max_age_ns = Some(1_000_000_000),
        async |case| {
            case.fill(100, "foo", "Hello World").await;
            case.stop().await;
            case.pass(SECOND);
            case.start().await;
            assert_eq!(case.expire().await.len(), 100);
            let state = case.state().await;
            assert_eq!((state.messages, state.bytes, state.subjects), (0, 0, 0));
            case.survives().await;
            assert_eq!(case.ends().await, (0, 101, 100));
        },
    );
}

// go: server/filestore_test.go TestFileStoreExpireOnRecoverSubjectAccounting
#[test]
fn the_subjects_of_a_block_that_aged_go_with_it() {
    on_disk(
        |options| options.limits.max_age_ns = Some(200_000_000),
        async |case| {
            case.put("A", "A".repeat(19)).await;
            case.put("B", "A".repeat(19)).await;
            case.pass(Duration::from_millis(100));
            case.new_block().await;
            case.put("C", "A".repeat(19)).await;
            case.stop().await;
            case.pass(Duration::from_millis(110));
            case.start().await;
            assert_eq!(case.expire().await, [1, 2]);
            assert_eq!(case.state().await.subjects, 1);
            assert_eq!(case.ends().await, (1, 3, 3));
        },
    );
}

// go: server/filestore_test.go TestFileStoreBadFirstAndFailedExpireAfterRestart
#[test]
fn the_first_after_an_expiry_is_one_that_is_there() {
    on_disk(
        |options| options.limits.max_age_ns = Some(1_000_000_000),
        async |case| {
            case.fill(7, "foo", "ZZ").await;
            case.new_block().await;
            case.pass(Duration::from_millis(500));
            case.fill(2, "foo", "ZZ").await;
            let time = case.now();
            assert!(case.remove(8).await);
            case.stop().await;
            case.pass(Duration::from_millis(600));
            case.start().await;
            case.expire().await;
            let state = case.state().await;
            assert_eq!((state.messages, state.first_seq, state.first_timestamp), (1, 9, Some(time)));
            case.pass(2 * SECOND);
            case.expire().await;
            assert_eq!(case.ends().await, (0, 10, 9));
            assert_eq!(case.state().await.last_timestamp, Some(time));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreExpireMsgsOnStart
#[test]
fn half_of_the_store_ages_in_every_shape() {
    const AGE: Duration = Duration::from_millis(250);
    plain(
        |options| {
            options.block_len = 8 << 10;
            options.limits.max_age_ns = Some(250_000_000);
        },
        async |case| {
            let load = async |count: u64| {
                for n in 1..=count {
                    // All at one time, so that a batch ages together.
                    let subject = format!("orders.{}", n % 10);
                    case.put_with(&case.message(&subject, &[b'A'; 99])).await;
                }
            };
            let restart_after = async |time: Duration| {
                case.stop().await;
                case.pass(time);
                case.start().await;
                case.expire().await;
            };
            let anew = async || {
                case.truncate(0).await;
                case.pass(SECOND);
            };
            let half = AGE - Duration::from_millis(75);
            load(500).await;
            restart_after(AGE).await;
            assert_eq!(case.ends().await, (0, 501, 500));
            assert_eq!(case.blocks(), 1);

            anew().await;
            load(10).await;
            case.pass(Duration::from_millis(100));
            load(10).await;
            assert_eq!(case.matching("orders.*", 1).await, (20, 1, 20));
            restart_after(half).await;
            assert_eq!(case.ends().await, (10, 11, 20));
            assert_eq!(case.matching("orders.*", 1).await, (10, 11, 20));
            assert_eq!(case.matching("orders.5", 1).await, (1, 15, 15));

            anew().await;
            load(5).await;
            case.pass(Duration::from_millis(100));
            load(15).await;
            restart_after(half).await;
            assert_eq!(case.ends().await, (15, 6, 20));
            assert_eq!(case.matching("orders.5", 1).await, (2, 10, 20));

            // A block whose end is deleted.
            anew().await;
            load(150).await;
            case.pass(Duration::from_millis(100));
            load(100).await;
            case.remove_all(141..=150).await;
            restart_after(half).await;
            assert_eq!(case.ends().await, (100, 151, 250));
            assert_eq!(case.deleted(), [0_u64; 0]);

            // Deletes in between.
            anew().await;
            load(10).await;
            case.remove_all([2, 4, 6]).await;
            case.pass(Duration::from_millis(100));
            load(10).await;
            restart_after(half).await;
            assert_eq!(case.ends().await, (10, 11, 20));

            // All that is younger is deleted.
            anew().await;
            load(7).await;
            case.pass(Duration::from_millis(100));
            load(3).await;
            case.remove_all([8, 9, 10]).await;
            restart_after(half).await;
            assert_eq!(case.ends().await, (0, 11, 10));

            anew().await;
            load(100).await;
            assert_eq!(case.matching("orders.5", 1).await, (10, 5, 95));
            case.compact(51).await;
            assert_eq!(case.matching("orders.*", 1).await, (50, 51, 100));
            assert_eq!(case.matching("orders.5", 1).await, (5, 55, 95));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreEncryptedKeepIndexNeedBekResetBug
#[test]
fn a_store_that_aged_to_nothing_is_written_on() {
    on_disk(
        |options| options.limits.max_age_ns = Some(1_000_000_000),
        async |case| {
            case.fill(5, "foo", "ouch").await;
            case.flush().await;
            case.pass(2 * SECOND);
            assert_eq!(case.expire().await.len(), 5);
            case.fill(5, "foo", "ouch").await;
            case.restart().await;
            assert_eq!(&case.get(10).await.unwrap().payload[..], b"ouch");
            assert_eq!(case.ends().await, (5, 6, 10));
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecoverDoesNotResetStreamState
#[test]
fn a_store_that_aged_to_nothing_keeps_its_sequences_without_its_old_blocks() {
    on_disk(
        |options| {
            options.block_len = 1024;
            options.limits.max_age_ns = Some(2_000_000_000);
        },
        async |case| {
            case.fill(500, "foo", "Hello World").await;
            assert!(case.blocks() > 1);
            case.pass(3 * SECOND);
            case.expire().await;
            assert_eq!(case.ends().await, (0, 501, 500));
            case.settle().await;
            assert_eq!(case.blocks(), 1);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreMessageTTL
// go: server/memstore_test.go TestMemStoreMessageTTL
#[test]
fn messages_go_at_their_own_time() {
    everywhere(
        |_| {},
        async |case| {
            for _ in 0..10 {
                put_expiring(case, "test", SECOND).await;
            }
            case.expire().await;
            assert_eq!(case.ends().await, (10, 1, 10));
            case.pass(2 * SECOND);
            case.expire().await;
            assert_eq!(case.ends().await, (0, 11, 10));
        },
    );
}

// go: server/filestore_test.go TestFileStoreMessageTTLRestart
// go: server/filestore_test.go TestFileStoreMessageTTLRecovered
#[test]
fn messages_go_at_their_own_time_after_a_restart() {
    for crash in [false, true] {
        on_disk(
            |_| {},
            async |case| {
                assert_eq!(case.put("test", "").await, 1);
                for _ in 0..9 {
                    put_expiring(case, "test", SECOND).await;
                }
                assert_eq!(case.ends().await, (10, 1, 10));
                if crash {
                    case.crash().await
                } else {
                    case.restart().await
                }
                case.expire().await;
                assert_eq!(case.ends().await, (10, 1, 10));
                case.pass(2 * SECOND);
                assert_eq!(case.expire().await, (2..=10).collect::<Vec<_>>());
                assert_eq!(case.ends().await, (1, 1, 10));
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreMessageTTLRecoveredSingleMessageWithoutStreamState
#[test]
fn the_only_message_goes_at_its_own_time_after_a_crash() {
    on_disk(
        |_| {},
        async |case| {
            put_expiring(case, "test", SECOND).await;
            case.crash().await;
            assert_eq!(case.ends().await, (1, 1, 1));
            case.pass(2 * SECOND);
            case.expire().await;
            assert_eq!(case.ends().await, (0, 2, 1));
        },
    );
}

// go: server/filestore_test.go TestFileStoreMessageTTLWriteTombstone
#[test]
fn what_went_at_its_time_stays_away() {
    on_disk(
        |_| {},
        async |case| {
            put_expiring(case, "test", SECOND).await;
            case.put("test", "").await;
            assert_eq!(case.ends().await, (2, 1, 2));
            case.pass(2 * SECOND);
            case.expire().await;
            assert_eq!(case.ends().await, (1, 2, 2));
            case.survives().await;
            assert_eq!(case.ends().await, (1, 2, 2));
        },
    );
}

// go: server/filestore_test.go TestFileStoreMessageTTLRecoveredOffByOne
#[test]
fn a_message_has_one_time_after_each_restart() {
    on_disk(
        |_| {},
        async |case| {
            put_expiring(case, "test", 120 * SECOND).await;
            let due = later(case, 120 * SECOND);
            for _ in 0..3 {
                case.survives().await;
                assert_eq!(case.ends().await, (1, 1, 1));
                // Once, and not before its time.
                assert!(case.store().next_expiry().await.unwrap().is_some_and(|next| next <= due));
            }
            case.pass(119 * SECOND);
            assert_eq!(case.expire().await, [0_u64; 0]);
            case.pass(2 * SECOND);
            assert_eq!(case.expire().await, [1]);
            assert_eq!(case.expire().await, [0_u64; 0]);
            assert_eq!(case.store().next_expiry().await.unwrap(), None);
        },
    );
}

// go: server/store_test.go TestStoreUpdateConfigTTLState
#[test]
fn only_messages_with_a_time_of_their_own_go() {
    both(
        |_| {},
        async |case| {
            // Whether a message's time counts is decided before it is stored.
            let before = case.put("foo", "").await;
            case.pass(2 * SECOND);
            case.expire().await;
            assert!(case.has(before).await);
            let expiring = put_expiring(case, "foo", SECOND).await;
            case.pass(2 * SECOND);
            case.expire().await;
            assert!(!case.has(expiring).await);
            let after = case.put("foo", "").await;
            case.pass(2 * SECOND);
            case.expire().await;
            assert!(case.has(before).await && case.has(after).await);
        },
    );
}

// go: server/filestore_test.go TestFileStoreSubjectDeleteMarkers
// go: server/memstore_test.go TestMemStoreSubjectDeleteMarkers
#[test]
fn the_last_of_a_subject_that_aged_leaves_a_marker() {
    everywhere(
        |options| options.limits.max_age_ns = Some(1_000_000_000),
        async |case| {
            const HEADERS: &[u8] = b"NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1s\r\n\r\n";
            case.fill(3, "test", "").await;
            case.pass(SECOND);
            let marker =
                Marker { headers: HEADERS, ttl_ns: 1_000_000_000, is_marker: |headers| headers == HEADERS };
            let store = case.store();
            let expired = store.expire(case.now(), 100, Some(marker)).await.unwrap();
            assert_eq!((expired.removed, expired.markers), (vec![1, 2, 3], vec![4]));
            let read = case.get(4).await.unwrap();
            assert_eq!((&read.subject[..], &read.headers[..]), (&b"test"[..], HEADERS));
            assert_eq!(read.expires, Some(later(case, SECOND)));
            case.survives().await;
            // It goes in its turn, and leaves none.
            case.pass(SECOND);
            let store = case.store();
            let expired = store.expire(case.now(), 100, Some(marker)).await.unwrap();
            assert_eq!((expired.removed, expired.markers), (vec![4], vec![]));
            assert_eq!(case.ends().await, (0, 5, 4));
        },
    );
}

// go: server/filestore_test.go TestFileStoreMessageScheduleRecovered
// go: server/filestore_test.go TestFileStoreSchedulingRecoveryAliasCorruption
// go: server/filestore_test.go TestFileStoreMessageScheduleEncodeDecode
#[test]
fn what_is_due_is_due_after_a_restart() {
    on_disk(
        |options| options.block_len = 4 << 10,
        async |case| {
            let due = later(case, 3600 * SECOND);
            for n in 0..40 {
                put_due(case, &format!("sched.AAAA-{n:05}-{}", "A".repeat(140)), due).await;
            }
            assert!(case.blocks() >= 2);
            case.survives().await;
            assert_eq!(take_due(case), [0_u64; 0]);
            assert!(case.store().next_due().is_some_and(|next| next <= due));
            case.pass(3601 * SECOND);
            let mut taken = take_due(case);
            taken.sort_unstable();
            assert_eq!(taken, (1..=40).collect::<Vec<_>>());
            for seq in taken {
                let read = case.get(seq).await.unwrap();
                assert_eq!(read.due, Some(due));
                assert!(read.subject.starts_with(format!("sched.AAAA-{:05}-", seq - 1).as_bytes()));
            }
            assert_eq!(take_due(case), [0_u64; 0]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecoverTTLAndScheduleStateAndCounters
#[test]
fn a_message_that_expires_and_is_due_is_both_after_a_restart() {
    on_disk(
        |_| {},
        async |case| {
            let message = NewMessage {
                expires: Some(later(case, 5 * SECOND)),
                due: Some(later(case, 4 * SECOND)),
                ..case.message("foo", b"")
            };
            case.put_with(&message).await;
            for crash in [false, true] {
                if crash {
                    case.crash().await
                } else {
                    case.restart().await
                }
                let counts = case.store().with(|ledger| (ledger.expiries.next(), ledger.schedule.next()));
                assert!(counts.0.is_some() && counts.1.is_some());
            }
            case.pass(4 * SECOND);
            assert_eq!(take_due(case), [1]);
            assert_eq!(case.expire().await, [0_u64; 0]);
            case.pass(SECOND);
            assert_eq!(case.expire().await, [1]);
        },
    );
}

// go: server/filestore_test.go TestFileStorePurgeMsgBlockRemovesSchedules
#[test]
fn messages_that_go_are_not_due_any_more() {
    everywhere(
        |_| {},
        async |case| {
            let due = later(case, 3600 * SECOND);
            for n in 0..10 {
                if n == 5 {
                    case.new_block().await;
                }
                put_due(case, &format!("foo.sched.{n}"), due).await;
            }
            assert_eq!(case.store().remove_range(1, 5).await.unwrap().0, 5);
            assert_eq!(case.state().await.messages, 5);
            case.survives().await;
            case.pass(3601 * SECOND);
            let mut taken = take_due(case);
            taken.sort_unstable();
            assert_eq!(taken, [6, 7, 8, 9, 10]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreNoPanicOnRecoverTTLWithCorruptBlocks
#[test]
fn times_are_recovered_beside_a_block_that_is_gone() {
    on_disk(
        |_| {},
        async |case| {
            for n in 0..3 {
                if n > 0 {
                    case.new_block().await;
                }
                put_expiring(case, "foo", SECOND).await;
            }
            case.stop().await;
            let middle = case.files().remove(1);
            case.disk().delete(&middle);
            case.start().await;
            assert!(case.store().lost().contains(2));
            case.pass(2 * SECOND);
            assert_eq!(case.expire().await, [1, 3]);
        },
    );
}

//! What a store has no room for goes, or is not let in.

use std::time::Duration;

use super::case::{Case, both, everywhere, on_disk, plain};
use crate::message::{Discard, Limits};
use crate::store::{Admission, Refusal, StoreError};

fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Refusal {
    match result {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

async fn set_limits(case: &Case, change: impl FnOnce(&mut Limits)) {
    let mut limits = case.store().limits();
    change(&mut limits);
    case.store().set_limits(limits).await.unwrap();
    case.options.borrow_mut().limits = limits;
}

// go: server/filestore_test.go TestFileStoreMsgLimit
// go: server/memstore_test.go TestMemStoreMsgLimit
#[test]
fn one_message_too_many_is_the_oldest() {
    everywhere(
        |options| options.limits.max_messages = Some(10),
        async |case| {
            case.fill(10, "foo", "Hello World").await;
            assert_eq!(case.state().await.messages, 10);
            case.put("foo", "Hello World").await;
            assert_eq!(case.ends().await, (10, 2, 11));
            assert!(!case.has(1).await);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreMsgLimitBug
#[test]
fn a_store_of_one_message_goes_on_after_a_restart() {
    everywhere(
        |options| options.limits.max_messages = Some(1),
        async |case| {
            case.fill(2, "foo", "Hello World").await;
            case.restart().await;
            case.put("foo", "Hello World").await;
            assert_eq!(case.ends().await, (1, 3, 3));
        },
    );
}

// go: server/filestore_test.go TestFileStoreBytesLimit
// go: server/memstore_test.go TestMemStoreBytesLimit
#[test]
fn bytes_too_many_are_those_of_the_oldest() {
    everywhere(
        |_| {},
        async |case| {
            let size = case.size("foo", 0, 512);
            set_limits(case, |limits| limits.max_bytes = Some(size * 1024)).await;
            case.fill(1024, "foo", [0; 512]).await;
            let state = case.state().await;
            assert_eq!((state.messages, state.bytes), (1024, size * 1024));
            case.fill(10, "foo", [0; 512]).await;
            let state = case.state().await;
            assert_eq!((state.messages, state.bytes), (1024, size * 1024));
            assert_eq!((state.first_seq, state.last_seq), (11, 1034));
        },
    );
}

// go: server/filestore_test.go TestFileStoreBytesLimitWithDiscardNew
// go: server/memstore_test.go TestMemStoreBytesLimitWithDiscardNew
#[test]
fn bytes_too_many_are_refused_where_new_messages_are_discarded() {
    everywhere(
        |options| {
            options.limits.max_bytes = Some(100);
            options.limits.discard = Discard::New;
        },
        async |case| {
            let fit = if case.is_on_disk() { 2 } else { 3 };
            for n in 0..10 {
                let result = case.try_put("tiny", [0; 7]).await;
                if n < fit {
                    result.unwrap();
                } else {
                    assert_eq!(refusal(result), Refusal::MaxBytes);
                }
            }
            let state = case.state().await;
            assert_eq!((state.messages, state.bytes), (fit, fit * case.size("tiny", 0, 7)));
        },
    );
}

// go: server/filestore_test.go TestFileStoreMaxMsgsPerSubject
#[test]
fn one_message_a_subject_is_the_newest() {
    everywhere(
        |options| {
            options.block_len = 128;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            for _ in 0..2 {
                for n in 1..=100 {
                    case.put(&format!("kv.{n}"), "value").await;
                }
            }
            assert_eq!(case.ends().await, (100, 101, 200));
            assert_eq!(case.deleted(), [0_u64; 0]);
            // Blocks of which nothing is left are gone.
            assert!(case.blocks() <= 101, "{}", case.blocks());
        },
    );
}

// go: server/filestore_test.go TestFileStoreMaxMsgsAndMaxMsgsPerSubject
#[test]
fn a_full_store_refuses_by_count_and_by_subject() {
    everywhere(
        |options| {
            options.block_len = 128;
            options.limits.max_messages = Some(100);
            options.limits.max_messages_per_subject = Some(1);
            options.limits.discard = Discard::NewPerSubject;
        },
        async |case| {
            for n in 1..=100 {
                case.put(&format!("kv.{n}"), "value").await;
            }
            assert_eq!(refusal(case.try_put("kv.101", "value").await), Refusal::MaxMessages);
            for n in 1..=100 {
                let refused = refusal(case.try_put(&format!("kv.{n}"), "value").await);
                assert_eq!(refused, Refusal::MaxMessagesPerSubject);
            }
            assert_eq!(case.ends().await, (100, 1, 100));
            assert_eq!(case.deleted(), [0_u64; 0]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreUpdateMaxMsgsPerSubject
// go: server/memstore_test.go TestMemStoreUpdateMaxMsgsPerSubject
#[test]
fn a_changed_limit_of_a_subject_holds_at_once() {
    everywhere(
        |options| options.limits.max_messages_per_subject = Some(10),
        async |case| {
            set_limits(case, |limits| limits.max_messages_per_subject = Some(50)).await;
            case.fill(22, "foo", "").await;
            assert_eq!(case.subject("foo").await, (22, 1, 22));
            set_limits(case, |limits| limits.max_messages_per_subject = Some(10)).await;
            assert_eq!(case.subject("foo").await, (10, 13, 22));
            case.survives().await;
        },
    );
}

// go: server/store_test.go TestStoreMaxMsgsPerUpdateBug
#[test]
fn a_limit_of_a_subject_that_is_new_takes_out_what_is_too_much() {
    both(
        |_| {},
        async |case| {
            case.fill(5, "foo", "").await;
            assert_eq!(case.ends().await, (5, 1, 5));
            set_limits(case, |limits| limits.max_messages_per_subject = Some(1)).await;
            assert_eq!(case.ends().await, (1, 5, 5));
            // "Below -1" is no limit at all.
            set_limits(case, |limits| limits.max_messages_per_subject = None).await;
            case.fill(2, "foo", "").await;
            assert_eq!(case.ends().await, (3, 5, 7));
        },
    );
}

// go: server/store_test.go TestStoreMaxMsgsPerUpdateToOneRemoveNewest
#[test]
fn a_limit_of_one_finds_the_newest_that_is_left_in_an_earlier_block() {
    both(
        |options| options.block_len = 8 << 10,
        async |case| {
            let filler = [0; 1024];
            let fill_block = async || {
                for n in 1..=9 {
                    case.put(&format!("foo.{n}"), filler).await;
                }
            };
            case.put("foo.0", "").await;
            fill_block().await;
            assert!(case.blocks() >= 2);
            let newest = case.put("foo.0", "").await;
            fill_block().await;
            assert!(case.blocks() >= 3);
            let last = case.put("foo.0", "").await;
            assert!(case.remove(last).await);
            set_limits(case, |limits| limits.max_messages_per_subject = Some(1)).await;
            let check = async || {
                assert_eq!(case.subject("foo.0").await, (1, newest, newest));
                assert_eq!(case.last_of("foo.0").await, Some(newest));
                assert_eq!(case.next("foo.0", 0).await, Some(newest));
            };
            check().await;
            case.survives().await;
            check().await;
        },
    );
}

struct DiscardNew {
    limits: fn(u64) -> Limits,
    refused: Option<Refusal>,
}

// go: server/store_test.go TestStoreDiscardNew
#[test]
fn a_store_that_discards_new_messages_keeps_what_it_has() {
    let rows = [
        DiscardNew {
            limits: |_| Limits { max_messages: Some(1), discard: Discard::New, ..Limits::default() },
            refused: Some(Refusal::MaxMessages),
        },
        DiscardNew {
            limits: |size| Limits { max_bytes: Some(size), discard: Discard::New, ..Limits::default() },
            refused: Some(Refusal::MaxBytes),
        },
        DiscardNew {
            limits: |_| Limits {
                max_messages_per_subject: Some(1),
                discard: Discard::New,
                ..Limits::default()
            },
            refused: None,
        },
        DiscardNew {
            limits: |_| Limits {
                max_messages_per_subject: Some(1),
                discard: Discard::NewPerSubject,
                ..Limits::default()
            },
            refused: Some(Refusal::MaxMessagesPerSubject),
        },
        DiscardNew {
            limits: |_| Limits {
                max_messages: Some(1),
                max_messages_per_subject: Some(1),
                discard: Discard::New,
                ..Limits::default()
            },
            refused: None,
        },
        DiscardNew {
            limits: |size| Limits {
                max_bytes: Some(size),
                max_messages_per_subject: Some(1),
                discard: Discard::New,
                ..Limits::default()
            },
            refused: None,
        },
        DiscardNew {
            limits: |size| Limits {
                max_messages: Some(1),
                max_bytes: Some(size),
                max_messages_per_subject: Some(1),
                discard: Discard::NewPerSubject,
                ..Limits::default()
            },
            refused: Some(Refusal::MaxMessagesPerSubject),
        },
    ];
    both(
        |_| {},
        async |case| {
            for row in &rows {
                case.purge_all().await;
                let begin = case.state().await.last_seq;
                // Room for one message.
                let size = case.size("foo", 0, 0);
                set_limits(case, |limits| *limits = (row.limits)(size)).await;
                let mut seq = begin + 1;
                case.put("foo", "").await;
                let second = case.try_put("foo", "").await;
                match row.refused {
                    None => {
                        second.unwrap();
                        seq += 1;
                    }
                    Some(refused) => assert_eq!(refusal(second), refused),
                }
                assert_eq!(case.ends().await, (1, seq, seq));
                // What others decided to be in is in.
                case.store().append(&case.message("foo", b""), Admission::Forced).await.unwrap();
                seq += 1;
                if case.store().limits().max_messages_per_subject.is_some() {
                    assert_eq!(case.ends().await, (1, seq, seq));
                } else {
                    assert_eq!(case.ends().await, (2, seq - 1, seq));
                }
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreRebuildStateProperlyWithMaxMsgsPerSubject
#[test]
fn a_quiet_subject_stays_counted_beside_busy_ones() {
    everywhere(
        |options| {
            options.block_len = 4096;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            case.put("baz", "").await;
            for _ in 0..1000 {
                case.put("foo", "").await;
                case.put("bar", "").await;
            }
            let state = case.state().await;
            assert_eq!((state.subjects, state.messages), (3, 3));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRestartWithExpireAndLockingBug
#[test]
fn limits_that_changed_meanwhile_hold_from_the_start() {
    on_disk(
        |_| {},
        async |case| {
            for _ in 0..10 {
                case.put("A", "HELLO WORLD").await;
                case.put("B", "HELLO WORLD").await;
            }
            case.stop().await;
            case.options.borrow_mut().limits.max_messages = Some(15);
            case.options.borrow_mut().limits.max_messages_per_subject = Some(2);
            case.start().await;
            assert_eq!(case.ends().await, (4, 17, 20));
        },
    );
}

// go: server/filestore_test.go TestFileStoreFullStateTestSysRemovals
#[test]
fn what_the_limits_took_stays_away_after_restarts() {
    everywhere(
        |options| {
            options.block_len = 110;
            options.limits.max_messages = Some(10);
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            let put_all = async |subjects: &str| {
                for subject in subjects.split_whitespace() {
                    case.put(subject, "A".repeat(19)).await;
                }
            };
            put_all("A B A B").await;
            assert_eq!(case.ends().await, (2, 3, 4));
            case.survives().await;
            put_all("C D E F G H I J").await;
            assert_eq!(case.ends().await, (10, 3, 12));
            case.survives().await;
            put_all("ZZZ").await;
            assert_eq!(case.ends().await, (10, 4, 13));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreSelectBlockWithFirstSeqRemovals
// go: server/filestore_test.go TestFileStoreSelectMsgBlockBinarySearch
#[test]
fn messages_are_found_in_blocks_that_lost_their_first() {
    everywhere(
        |options| options.limits.max_messages_per_subject = Some(1),
        async |case| {
            for n in 0..65 {
                if n > 0 && n % 2 == 0 {
                    case.new_block().await;
                }
                case.put(&format!("s{n}"), "A".repeat(19)).await;
            }
            assert_eq!(case.blocks(), 33);
            for n in (0..65).step_by(2) {
                case.put(&format!("s{n}"), "A".repeat(19)).await;
            }
            let check = async || {
                for seq in 1..=65 {
                    assert_eq!(case.has(seq).await, seq % 2 == 0, "message {seq}");
                }
                for n in 0..33 {
                    assert_eq!(
                        &case.get(66 + n).await.unwrap().subject[..],
                        format!("s{}", n * 2).as_bytes()
                    );
                }
            };
            check().await;
            case.survives().await;
            check().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreMaxMsgsPerSubjectOneStaleFblkAfterRestart
#[test]
fn the_last_of_a_subject_is_found_after_its_first_block_lost_it() {
    everywhere(
        |options| {
            options.block_len = 256;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            case.put("foo.0", "hello").await;
            let mut n = 1;
            while case.blocks() < 2 {
                case.put(&format!("foo.{n}"), "hello").await;
                n += 1;
            }
            let seq = case.put("foo.0", "hello").await;
            assert_eq!(case.last_of("foo.0").await, Some(seq));
            case.survives().await;
            assert_eq!(case.last_of("foo.0").await, Some(seq));
            assert_eq!(&case.get(seq).await.unwrap().subject[..], b"foo.0");
            assert_eq!(case.subject("foo.0").await, (1, seq, seq));
        },
    );
}

// go: server/filestore_test.go TestFileStoreRestoreIndexWithMatchButLeftOverBlocks
#[test]
fn blocks_that_a_limit_emptied_do_not_come_back() {
    everywhere(
        |options| {
            options.block_len = 256;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            for n in 1..=12 {
                case.put(&format!("foo.{n}"), "hello").await;
            }
            case.restart().await;
            for n in 1..=6 {
                case.put(&format!("foo.{n}"), "hello").await;
            }
            assert_eq!(case.ends().await, (12, 7, 18));
            case.survives().await;
            assert_eq!(case.ends().await, (12, 7, 18));
        },
    );
}

// go: server/norace_2_test.go TestNoRaceFileStoreMsgLimitsAndOldRecoverState
#[test]
fn limits_hold_over_many_blocks_and_restarts() {
    let rows: [fn(&mut Limits, u64); 3] = [
        |limits, _| limits.max_messages_per_subject = Some(1),
        |limits, _| limits.max_messages = Some(3_001),
        |limits, size| limits.max_bytes = Some(size * 3_001),
    ];
    for (row, change) in rows.into_iter().enumerate() {
        plain(
            |options| options.block_len = 64 << 10,
            async |case| {
                // Names of one length, so that each message counts for the same.
                let subject = |n: u32| format!("foo.{n:05}");
                set_limits(case, |limits| change(limits, case.size(&subject(0), 0, 256))).await;
                for n in 0..100 {
                    case.put(&subject(n), [0; 256]).await;
                }
                case.restart().await;
                for n in 0..3_001 {
                    case.put(&subject(n), [0; 256]).await;
                }
                assert_eq!(case.ends().await, (3_001, 101, 3_101), "row {row}");
                case.survives().await;
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreStreamFailToRollBug
#[test]
fn blocks_roll_and_go_where_a_limit_keeps_few_messages() {
    everywhere(
        |options| {
            options.block_len = 512;
            options.limits.max_bytes = Some(300);
        },
        async |case| {
            case.fill(200, "zzz", "ABC".repeat(33)).await;
            case.settle().await;
            let (last, blocks) = case.store().with(|ledger| (ledger.active().number, ledger.blocks.len()));
            assert!(last >= 40, "the last block is number {last}");
            assert!(blocks <= 2, "{blocks} blocks");
            let longest = case.store().with(|ledger| ledger.blocks.iter().map(|block| block.plain_len).max());
            assert!(longest.unwrap() <= 512 + 64);
            if case.is_on_disk() {
                // And perhaps one that is made ahead.
                assert!(case.files().len() <= 3, "{:?}", case.files());
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecalcFirstSequenceBug
#[test]
fn a_limit_of_two_a_subject_holds_with_nothing_cached() {
    on_disk(
        |options| options.limits.max_messages_per_subject = Some(2),
        async |case| {
            for subject in ["A", "A", "B", "B"] {
                case.put(subject, "A".repeat(22)).await;
            }
            for n in 0..30 {
                if n % 10 == 0 {
                    case.restart().await;
                }
                let seq = case.put("A", "A".repeat(22)).await;
                assert_eq!(case.last_of("A").await, Some(seq));
            }
            assert_eq!(case.subject("A").await, (2, 33, 34));
            assert_eq!(case.subject("B").await, (2, 3, 4));
        },
    );
}

// go: server/filestore_test.go TestFileStoreStoreRawMsgVsConcurrentBlockRemovalNoWriteErr
// go: server/filestore_test.go TestFileStoreStoreRawMsgVsAgeExpiryNoWriteErr
#[test]
fn a_message_that_is_removed_while_a_limit_removes_it_harms_nobody() {
    plain(
        |options| {
            options.block_len = 256;
            options.limits.max_messages_per_subject = Some(1);
            options.limits.max_age_ns = Some(3_000_000);
        },
        async |case| {
            let mut last = [0; 4];
            for round in 0..400usize {
                let writer = round % 4;
                let subject = format!("foo.{writer}");
                case.pass(Duration::from_millis(1));
                let store = case.store();
                let message = case.message(&subject, &[0; 128]);
                let append = store.append(&message, Admission::Checked);
                let remove = store.remove(last[writer].max(1));
                let read = store.get(last[(writer + 1) % 4].max(1));
                let expire = store.expire(case.now(), 10, None);
                let ((appended, removed), (read, expired)) = futures_lite::future::zip(
                    futures_lite::future::zip(append, remove),
                    futures_lite::future::zip(read, expire),
                )
                .await;
                last[writer] = appended.unwrap().seq;
                removed.unwrap();
                read.unwrap();
                expired.unwrap();
            }
            let seq = case.put("foo.healthy", [0; 128]).await;
            assert!(case.has(seq).await);
            case.survives().await;
        },
    );
}

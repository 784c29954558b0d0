//! Where a store begins and ends: compacting, truncating, skipping.

use std::time::Duration;

use natrium_model::Timestamp;

use super::case::{Case, both, everywhere, on_disk, plain};
use crate::store::{Admission, StoreError};

// go: server/filestore_test.go TestFileStoreCompact
// go: server/memstore_test.go TestMemStoreCompact
#[test]
fn a_store_begins_where_it_is_compacted_to() {
    everywhere(
        |options| options.block_len = 350,
        async |case| {
            case.fill(10, "foo", "Hello World").await;
            assert_eq!(case.compact(6).await, 5);
            assert_eq!(case.ends().await, (5, 6, 10));
            assert_eq!(case.compact(100).await, 5);
            assert_eq!(case.ends().await, (0, 100, 99));
            case.survives().await;
            assert_eq!(case.put("foo", "Hello World").await, 100);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactLastPlusOne
#[test]
fn compacting_past_the_last_leaves_a_store_to_write_on() {
    everywhere(
        |options| options.block_len = 8192,
        async |case| {
            case.fill(500, "foo", [0; 10_000]).await;
            assert_eq!(case.state().await.messages, 500);
            assert_eq!(case.compact(501).await, 500);
            assert_eq!(case.ends().await, (0, 501, 500));
            case.put("foo", [0; 10_000]).await;
            assert_eq!(case.ends().await, (1, 501, 501));
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactMsgCountBug
#[test]
fn compacting_counts_messages_and_not_deletes() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "foo", "Hello World").await;
            for seq in [2, 3, 4] {
                assert!(case.erase(seq).await);
            }
            case.remove_all([7, 8, 9]).await;
            assert_eq!(case.compact(6).await, 2);
            assert_eq!(case.state().await.messages, 2);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactAllWithDanglingLMB
#[test]
fn compacting_to_a_deleted_last_leaves_a_store_to_write_on() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(100, "foo", "ZZ").await;
            assert!(case.remove(100).await);
            assert_eq!(case.compact(100).await, 99);
            assert_eq!(case.put("foo", "ZZ").await, 101);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreDoubleCompactWithWriteInBetweenEncryptedBug
#[test]
fn compacting_again_after_more_messages_keeps_the_last() {
    everywhere(
        |_| {},
        async |case| {
            for (compact_to, last) in [(5, 5), (10, 10)] {
                case.fill(5, "foo", "ouch").await;
                case.compact(compact_to).await;
                assert_eq!(case.ends().await, (1, last, last));
            }
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStorePreserveLastSeqAfterCompact
#[test]
fn a_store_compacted_to_nothing_knows_its_last() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.compact(2).await;
            assert_eq!(case.ends().await, (0, 2, 1));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecoverAfterCompact
#[test]
fn a_compacted_store_comes_back_with_its_bytes() {
    for payload in [1024, 256 << 10] {
        everywhere(
            |_| {},
            async |case| {
                let size = case.size("foo", 0, payload);
                case.fill(4, "foo", vec![0; payload]).await;
                assert_eq!((case.ends().await, case.state().await.bytes), ((4, 1, 4), 4 * size));
                assert_eq!(case.compact(4).await, 3);
                assert_eq!((case.ends().await, case.state().await.bytes), ((1, 4, 4), size));
                case.survives().await;
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreStreamCompactMultiBlockSubjectInfo
// go: server/memstore_test.go TestMemStoreStreamCompactMultiBlockSubjectInfo
// go: server/filestore_test.go TestFileStoreCompactAndPSIMWhenDeletingBlocks
#[test]
fn compacting_takes_the_subjects_of_whole_blocks_along() {
    everywhere(
        |options| options.block_len = 128,
        async |case| {
            for n in 0..1000 {
                case.put(&format!("foo.{n}"), "Hello World").await;
            }
            let blocks = case.blocks();
            assert_eq!(case.compact(501).await, 500);
            assert!(case.blocks() <= blocks / 2 + 1);
            assert_eq!(case.state().await.subjects, 500);
            assert_eq!(case.compact(1000).await, 499);
            assert_eq!(case.blocks(), 1);
            assert_eq!(case.subject("foo.999").await, (1, 1000, 1000));
            case.survives().await;
        },
    );
}

// go: server/store_test.go TestStoreCompactCleansUpDmap
#[test]
fn compacting_takes_the_deletes_along() {
    for to in 2..=4 {
        both(
            |_| {},
            async |case| {
                case.fill(3, "foo", "").await;
                assert_eq!(case.deleted(), [0_u64; 0]);
                assert!(case.remove(2).await);
                assert_eq!(case.deleted(), [2]);
                case.compact(to).await;
                assert_eq!(case.deleted(), [0_u64; 0]);
                let state = case.state().await;
                assert_eq!((state.first_seq, state.last_seq), (to.max(3), 3));
                case.survives().await;
            },
        );
    }
}

// go: server/store_test.go TestStoreCompactFullyDeletedRange
#[test]
fn compacting_to_deleted_sequences_empties_the_store() {
    both(
        |_| {},
        async |case| {
            case.fill(3, "foo", "").await;
            case.remove_all([2, 3]).await;
            assert_eq!(case.ends().await, (1, 1, 3));
            case.compact(2).await;
            assert_eq!(case.ends().await, (0, 4, 3));
            assert_eq!(case.state().await.first_timestamp, None);
            case.survives().await;
        },
    );
}

// go: server/norace_2_test.go TestNoRaceMemStoreCompactPerformance
#[test]
fn a_gap_of_billions_costs_nothing() {
    both(
        |_| {},
        async |case| {
            const FAR: u64 = 10_000_000_000;
            case.fill(1_000, "foo", [0; 100]).await;
            assert_eq!(case.compact(1_000).await, 999);
            assert_eq!(case.compact(FAR).await, 1);
            assert_eq!(case.ends().await, (0, FAR, FAR - 1));
            assert!(case.store().memory_bytes() < 1 << 20, "{} bytes", case.store().memory_bytes());
            case.fill(1_000, "foo", [0; 100]).await;
            assert_eq!(case.compact(FAR + 999).await, 999);
            assert_eq!(case.ends().await, (1, FAR + 999, FAR + 999));
            case.survives().await;
            // A skip in an empty store is as cheap.
            case.purge_all().await;
            assert_eq!(case.skip(FAR).await, 2 * FAR + 999);
            assert!(case.store().memory_bytes() < 1 << 20, "{} bytes", case.store().memory_bytes());
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactStoreMsgRace
#[test]
fn what_is_appended_while_a_store_is_compacted_stays() {
    for append_first in [false, true] {
        both(
            |_| {},
            async |case| {
                case.put("foo", "first").await;
                let store = case.store();
                let message = case.message("foo", b"second");
                let append = store.append(&message, Admission::Checked);
                let compact = store.compact(2);
                let (appended, compacted) = if append_first {
                    futures_lite::future::zip(append, compact).await
                } else {
                    let (compacted, appended) = futures_lite::future::zip(compact, append).await;
                    (appended, compacted)
                };
                assert_eq!((appended.unwrap().seq, compacted.unwrap().0), (2, 1));
                assert_eq!(&case.get(2).await.unwrap().payload[..], b"second");
                assert_eq!(case.ends().await, (1, 2, 2));
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreSkipMsgAndCompactRequiresAppend
#[test]
fn skips_after_a_long_message_was_compacted_away_are_kept() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", vec![0; 256 << 10]).await;
            assert_eq!(case.skip(1).await, 2);
            case.compact(2).await;
            assert_eq!(case.ends().await, (0, 3, 2));
            assert_eq!(case.skip(1).await, 3);
            assert_eq!(case.ends().await, (0, 4, 3));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreStreamTruncate
// go: server/memstore_test.go TestMemStoreStreamTruncate
#[test]
fn what_is_above_is_taken_back() {
    everywhere(
        |options| options.block_len = 350,
        async |case| {
            case.fill(49, "foo", "ok").await;
            case.fill(51, "bar", "ok").await;
            case.truncate(50).await;
            assert_eq!(case.ends().await, (50, 1, 50));
            case.remove_all([10, 20, 30, 40]).await;
            case.truncate(25).await;
            assert_eq!(case.ends().await, (23, 1, 25));
            assert_eq!(case.state().await.subjects, 1);
            assert_eq!(case.deleted(), [10, 20]);
            case.survives().await;
            assert!(case.has(1).await && case.has(25).await && !case.has(26).await);
            assert_eq!(case.put("foo", "again").await, 26);
            case.survives().await;
            assert_eq!(&case.get(26).await.unwrap().payload[..], b"again");
        },
    );
}

// go: server/filestore_test.go TestFileStoreStreamTruncateResetMultiBlock
// go: server/memstore_test.go TestMemStoreStreamTruncateReset
#[test]
fn truncated_to_nothing_a_store_begins_anew() {
    everywhere(
        |options| options.block_len = 128,
        async |case| {
            case.fill(1000, "foo", "Hello World").await;
            assert!(case.blocks() > 100);
            case.truncate(0).await;
            let state = case.state().await;
            // A store without messages begins behind its last sequence; the reference says 0 where there never was one.
            assert_eq!((state.messages, state.bytes, state.first_seq, state.last_seq), (0, 0, 1, 0));
            assert_eq!((state.subjects, state.deleted), (0, 0));
            case.survives().await;
            case.fill(1000, "foo", "Hello World").await;
            let state = case.state().await;
            assert_eq!(
                (state.messages, state.bytes),
                (1000, if case.is_on_disk() { 44_000 } else { 30_000 })
            );
            assert_eq!((state.first_seq, state.last_seq), (1, 1000));
            assert_eq!((state.subjects, state.deleted), (1, 0));
        },
    );
}

// go: server/store_test.go TestStoreTruncateCleansUpDmap
#[test]
fn truncating_takes_the_deletes_along() {
    for to in 0..=1 {
        both(
            |_| {},
            async |case| {
                case.fill(3, "foo", "").await;
                assert!(case.remove(2).await);
                assert_eq!(case.deleted(), [2]);
                case.truncate(to).await;
                assert_eq!(case.deleted(), [0_u64; 0]);
                assert_eq!(case.ends().await, (to, 1, to));
                case.survives().await;
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreTruncateRemovedBlock
#[test]
fn truncating_to_a_block_that_is_gone_keeps_the_delete() {
    everywhere(
        |_| {},
        async |case| {
            for n in 0..3 {
                if n > 0 {
                    case.new_block().await;
                }
                case.put("foo", "").await;
            }
            assert_eq!((case.blocks(), case.ends().await), (3, (3, 1, 3)));
            assert!(case.remove(2).await);
            assert_eq!((case.blocks(), case.ends().await), (2, (2, 1, 3)));
            assert_eq!(case.deleted(), [2]);
            case.truncate(2).await;
            assert_eq!(case.ends().await, (1, 1, 2));
            assert_eq!(case.deleted(), [2]);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreAsyncTruncate
#[test]
fn what_is_not_written_yet_can_be_taken_back() {
    everywhere(
        |options| options.block_len = 8192,
        async |case| {
            assert_eq!(case.put("foo", [0; 100]).await, 1);
            assert_eq!(case.put("foo", [0; 100]).await, 2);
            case.truncate(1).await;
            assert_eq!(case.ends().await, (1, 1, 1));
            case.flush().await;
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompressionAfterTruncate
#[test]
fn truncating_into_a_full_block_leaves_it_readable() {
    for erase in [false, true] {
        everywhere(
            |_| {},
            async |case| {
                case.fill(2, "foo", "x".repeat(500)).await;
                case.new_block().await;
                case.settle().await;
                case.put("foo", "").await;
                assert!(if erase { case.erase(2).await } else { case.remove(2).await });
                assert_eq!(case.ends().await, (2, 1, 3));
                assert_eq!(case.deleted(), [2]);
                case.truncate(2).await;
                assert_eq!(case.ends().await, (1, 1, 2));
                assert_eq!(case.deleted(), [2]);
                assert_eq!(case.put("foo", "").await, 3);
                case.survives().await;
                case.settle().await;
                assert_eq!(case.get(1).await.unwrap().payload.len(), 500);
                assert!(case.has(3).await);
                assert_eq!(case.ends().await, (2, 1, 3));
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreSkipMsg
#[test]
fn skipped_sequences_are_used_up() {
    everywhere(
        |options| options.block_len = 256,
        async |case| {
            for _ in 0..10 {
                case.skip(1).await;
            }
            assert_eq!(case.ends().await, (0, 11, 10));
            case.put("zzz", "Hello World!").await;
            case.skip(1).await;
            case.skip(1).await;
            case.put("zzz", "Hello World!").await;
            case.skip(1).await;
            assert_eq!(case.ends().await, (2, 11, 15));
            case.survives().await;
            let read = case.get(11).await.unwrap();
            assert_eq!((&read.subject[..], &read.payload[..]), (&b"zzz"[..], &b"Hello World!"[..]));
            case.skip(1).await;
            assert_eq!(case.put("AAA", "Skip?").await, 17);
            case.survives().await;
            let read = case.get(17).await.unwrap();
            assert_eq!((&read.subject[..], &read.payload[..]), (&b"AAA"[..], &b"Skip?"[..]));
        },
    );
}

// go: server/filestore_test.go TestFileStoreSkipMsgs
// go: server/memstore_test.go TestMemStoreSkipMsgs
#[test]
fn many_are_skipped_from_the_sequence_that_is_next() {
    everywhere(
        |options| options.block_len = 1024,
        async |case| {
            let store = case.store();
            let refused = store.skip(Some(10), 100, case.now()).await;
            assert!(matches!(refused, Err(StoreError::SequenceMismatch { expected: 10, next: 1 })));
            store.skip(Some(1), 100, case.now()).await.unwrap();
            assert_eq!(case.ends().await, (0, 101, 100));
            assert_eq!(case.blocks(), 1);
            store.skip(Some(101), 100_000, case.now()).await.unwrap();
            assert_eq!(case.ends().await, (0, 100_101, 100_100));
            assert_eq!(case.blocks(), 1);
            case.survives().await;
            case.truncate(0).await;
            case.put("foo", "").await;
            case.store().skip(Some(2), 10, case.now()).await.unwrap();
            assert_eq!(case.ends().await, (1, 1, 11));
            assert_eq!(case.deleted(), (2..=11).collect::<Vec<_>>());
            case.survives().await;
        },
    );
}

#[test]
fn a_message_with_a_sequence_of_its_own_is_taken_only_in_its_turn() {
    both(
        |_| {},
        async |case| {
            let store = case.store();
            let message = case.message("foo", b"");
            let refused = store.append_at(2, &message, Admission::Forced).await;
            assert!(matches!(refused, Err(StoreError::SequenceMismatch { expected: 2, next: 1 })));
            assert_eq!(store.append_at(1, &message, Admission::Forced).await.unwrap().seq, 1);
            let refused = store.append_at(1, &message, Admission::Forced).await;
            assert!(matches!(refused, Err(StoreError::SequenceMismatch { expected: 1, next: 2 })));
            assert_eq!(case.ends().await, (1, 1, 1));
        },
    );
}

// go: server/filestore_test.go TestFileStoreSkipMsgAndNumBlocks
// go: server/filestore_test.go TestFileStoreAsyncFlushOnSkipMsgs
#[test]
fn a_long_skip_between_two_messages_needs_few_blocks() {
    everywhere(
        |options| options.block_len = 128,
        async |case| {
            case.put("zzz", "X".repeat(100)).await;
            case.skip(100_000).await;
            case.put("zzz", "X".repeat(100)).await;
            assert_eq!(case.ends().await, (2, 1, 100_002));
            assert!(case.blocks() <= 3);
            case.survives().await;
            assert!(case.has(1).await && case.has(100_002).await);
        },
    );
}

// go: server/filestore_test.go TestFileStoreReloadAndLoseLastSequence
// go: server/filestore_test.go TestFileStoreReloadAndLoseLastSequenceWithSkipMsgs
#[test]
fn skips_alone_survive_many_restarts() {
    for at_once in [false, true] {
        on_disk(
            |_| {},
            async |case| {
                if at_once {
                    case.skip(22).await;
                } else {
                    for _ in 0..22 {
                        case.skip(1).await;
                    }
                }
                for _ in 0..5 {
                    case.survives().await;
                    assert_eq!(case.ends().await, (0, 23, 22));
                }
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreLeftoverSkipMsgInDmap
// go: server/filestore_test.go TestFileStoreDetectDeleteGapWithOnlySkipMsg
#[test]
fn skips_before_the_first_message_are_no_deletes() {
    everywhere(
        |_| {},
        async |case| {
            case.skip(1).await;
            assert_eq!((case.ends().await, case.deleted()), ((0, 2, 1), vec![]));
            case.survives().await;
            case.skip(3).await;
            assert_eq!((case.ends().await, case.deleted()), ((0, 5, 4), vec![]));
            case.survives().await;
            assert_eq!((case.ends().await, case.deleted()), ((0, 5, 4), vec![]));
        },
    );
}

// go: server/filestore_test.go TestFileStoreDetectDeleteGapWithLastSkipMsg
// go: server/filestore_test.go TestFileStoreIdxAccountingForSkipMsgs
#[test]
fn skips_behind_a_message_are_deletes() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.skip(3).await;
            assert_eq!((case.ends().await, case.deleted()), ((1, 1, 4), vec![2, 3, 4]));
            case.survives().await;
            for _ in 0..7 {
                case.skip(1).await;
            }
            case.put("foo", "").await;
            for seq in 1..=12 {
                assert_eq!(case.has(seq).await, !(2..=11).contains(&seq));
            }
            case.survives().await;
        },
    );
}

async fn last_time(case: &Case) -> Option<Timestamp> {
    case.state().await.last_timestamp
}

// go: server/store_test.go TestStoreSkipMsgsCarryForwardLastTime
#[test]
fn a_skip_does_not_move_the_time_of_the_last_message() {
    both(
        |_| {},
        async |case| {
            const DAY: Duration = Duration::from_secs(24 * 3600);
            case.put("foo", "").await;
            let old = case.now();
            case.pass(30 * DAY);
            for (count, last) in [(10, 11), (1, 12), (5, 17)] {
                case.skip(count).await;
                assert_eq!((case.state().await.last_seq, last_time(case).await), (last, Some(old)));
            }
            let after = |days: i64| Timestamp(old.0 + days * DAY.as_nanos() as i64);
            let mut message = case.message("foo", b"");
            message.timestamp = after(15);
            assert_eq!(case.put_with(&message).await, 18);
            let store = case.store();
            assert_eq!(store.seq_at(old).await.unwrap(), 1);
            assert_eq!(store.seq_at(after(5)).await.unwrap(), 18);
            assert_eq!(store.seq_at(after(15)).await.unwrap(), 18);
            case.survives().await;
        },
    );
}

// go: server/store_test.go TestStoreSkipMsgsCarryForwardLastTimeFromEmpty
#[test]
fn the_first_skip_of_an_empty_store_sets_its_time() {
    for count in [1, 5] {
        both(
            |_| {},
            async |case| {
                assert_eq!((case.state().await.last_seq, last_time(case).await), (0, None));
                let first = case.now();
                case.skip(count).await;
                assert_eq!((case.state().await.last_seq, last_time(case).await), (count, Some(first)));
                case.pass(Duration::from_secs(1));
                case.skip(1).await;
                assert_eq!((case.state().await.last_seq, last_time(case).await), (count + 1, Some(first)));
                case.survives().await;
            },
        );
    }
}

// go: server/store_test.go TestStoreSkipMsgNoInterestAdvancesLastTime
#[test]
fn a_message_without_interest_moves_sequence_and_time() {
    both(
        |_| {},
        async |case| {
            for seq in 1..=2 {
                case.pass(Duration::from_secs(1));
                let skipped = case.store().skip_uninteresting(None, case.now()).await.unwrap();
                assert_eq!(skipped.seq, seq);
                assert_eq!((case.state().await.messages, case.state().await.last_seq), (0, seq));
                assert_eq!(last_time(case).await, Some(case.now()));
            }
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRememberLastMsgTime
#[test]
fn the_time_of_the_last_message_outlives_it() {
    everywhere(
        |options| options.limits.max_age_ns = Some(1_000_000_000),
        async |case| {
            let payload = vec![b'X'; 64 << 10];
            let mut expected = 0;
            for goes in 0..4 {
                let seq = case.put("foo", &payload).await;
                expected += 1;
                let time = case.now();
                match goes {
                    0 => assert!(case.remove(seq).await),
                    1 => drop(case.purge_all().await),
                    2 => {
                        case.pass(Duration::from_secs(2));
                        assert_eq!(case.expire().await, [seq]);
                    }
                    _ => {
                        let second = case.put("foo", &payload).await;
                        expected += 1;
                        let time = case.now();
                        case.remove_all([second, seq]).await;
                        assert_eq!(last_time(case).await, Some(time));
                        case.survives().await;
                        assert_eq!(
                            (case.state().await.last_seq, last_time(case).await),
                            (expected, Some(time))
                        );
                        continue;
                    }
                }
                assert_eq!(last_time(case).await, Some(time));
                case.survives().await;
                assert_eq!((case.state().await.last_seq, last_time(case).await), (expected, Some(time)));
            }
        },
    );
}

async fn second_found(case: &Case, deleted: std::ops::RangeInclusive<u64>) -> u64 {
    case.fill(10, "foo", "").await;
    let second = case.get(2).await.unwrap().timestamp;
    case.remove_all(deleted).await;
    case.store().seq_at(second).await.unwrap()
}

// go: server/store_test.go TestStoreGetSeqFromTimeWithInteriorDeletesGap
// go: server/store_test.go TestStoreGetSeqFromTimeWithTrailingDeletes
#[test]
fn a_time_finds_its_message_beside_deletes() {
    both(|_| {}, async |case| assert_eq!(second_found(case, 4..=7).await, 2));
    both(|_| {}, async |case| assert_eq!(second_found(case, 3..=10).await, 2));
}

// go: server/memstore_test.go TestMemStoreGetSeqFromTimeWithLastDeleted
#[test]
fn a_time_finds_its_message_where_the_last_are_deleted() {
    both(
        |_| {},
        async |case| {
            case.fill(500, "A", "OK").await;
            case.pass(Duration::from_millis(100));
            let time = case.now();
            case.fill(500, "A", "OK").await;
            case.remove_all(900..=1000).await;
            assert_eq!(case.store().seq_at(time).await.unwrap(), 501);
            assert_eq!(case.store().seq_at(case.now()).await.unwrap(), 1001);
        },
    );
}

// go: server/filestore_test.go TestFileStoreRestoreDeleteTombstonesExceedingMaxBlkSize
#[test]
fn many_deletes_beside_a_far_beginning_stay_small() {
    everywhere(
        |options| options.block_len = 256,
        async |case| {
            const FAR: u64 = 1_000_000_000;
            assert_eq!(case.purge("", FAR, 0).await, 0);
            for n in 1..=1_000 {
                case.put(&format!("foo.{n}"), "hello").await;
            }
            assert_eq!(case.ends().await, (1_000, FAR, FAR + 999));
            case.remove_all(FAR + 1..FAR + 101).await;
            case.survives().await;
            assert!(case.remove(FAR).await);
            assert_eq!(case.ends().await, (899, FAR + 101, FAR + 999));
            // Deletes below the first are of no use any more, nor are blocks that had nothing else.
            assert_eq!(case.block_ends()[0].1.max(FAR + 101), case.block_ends()[0].1);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactHeadReclaimRecompressedBlock
// go: server/filestore_test.go TestFileStoreCompactReclaimHeadSpace
// go: server/filestore_test.go TestFileStoreCompactRewritesFileWithSwap
#[test]
fn a_block_that_is_mostly_gone_gives_its_space_back() {
    on_disk(
        |options| options.block_len = 4 << 20,
        async |case| {
            // Nothing that could be compressed.
            let payload = |seq: u64| -> Vec<u8> {
                let mut state = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let mut next = || {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                };
                (0..32 << 10).map(|_| next()).collect()
            };
            for seq in 1..=50 {
                case.put("zzz", payload(seq)).await;
            }
            case.new_block().await;
            case.settle().await;
            let used = |case: &Case| -> usize {
                let files = case.files();
                files.iter().map(|path| case.disk().contents(path).unwrap().len()).sum()
            };
            let before = used(case);
            assert_eq!(case.compact(45).await, 44);
            case.settle().await;
            // 44 of 50 messages are gone, and at least half of the space is free again.
            assert!(used(case) + 44 * (32 << 10) <= before + (64 << 10), "{} of {before}", used(case));
            let check = async || {
                assert_eq!(case.ends().await, (6, 45, 50));
                for seq in 45..=50 {
                    assert_eq!(&case.get(seq).await.unwrap().payload[..], payload(seq));
                }
            };
            check().await;
            case.survives().await;
            check().await;
            case.put("zzz", payload(51)).await;
            case.survives().await;
        },
    );
}

#[test]
fn a_message_larger_than_a_block_has_one_of_its_own() {
    plain(
        |options| options.block_len = 512,
        async |case| {
            case.put("zzz", [0; 10]).await;
            case.put("zzz", [0; 5_000]).await;
            case.put("zzz", [0; 10]).await;
            assert_eq!(case.block_ends(), [(1, 1), (2, 2), (3, 3)]);
            case.survives().await;
            assert_eq!(case.get(2).await.unwrap().payload.len(), 5_000);
        },
    );
}

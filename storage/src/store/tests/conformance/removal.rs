//! Single messages go: what is left, what is told as deleted, and that it stays so.

use super::case::{both, everywhere, on_disk, plain};

// go: server/filestore_test.go TestFileStoreSelectNextFirst
#[test]
fn the_first_is_found_across_blocks() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(5, "zzz", "Hello World").await;
            case.new_block().await;
            case.fill(5, "zzz", "Hello World").await;
            assert_eq!(case.state().await.messages, 10);
            case.remove_all(2..=7).await;
            assert_eq!(case.ends().await, (4, 1, 10));
            assert!(case.remove(1).await);
            assert_eq!(case.ends().await, (3, 8, 10));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRemovePartialRecovery
#[test]
fn the_first_half_stays_gone() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(100, "foo", "Hello World").await;
            case.remove_all(1..=50).await;
            assert_eq!(case.ends().await, (50, 51, 100));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRemoveOutOfOrderRecovery
#[test]
fn every_second_stays_gone() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(100, "foo", "Hello World").await;
            case.remove_all((2..=100).step_by(2)).await;
            assert_eq!(case.state().await.messages, 50);
            let check = async || {
                for seq in 1..=100 {
                    assert_eq!(case.has(seq).await, seq % 2 == 1, "message {seq}");
                }
            };
            check().await;
            case.survives().await;
            check().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreEraseMsg
// go: server/memstore_test.go TestMemStoreEraseMsg
// go: server/filestore_test.go TestFileStoreStreamDeleteCacheBug
#[test]
fn what_is_erased_is_nowhere_any_more() {
    everywhere(
        |_| {},
        async |case| {
            case.put("secret.subject", "a secret that is to go").await;
            case.put("foo", "another that stays").await;
            assert_eq!(&case.get(1).await.unwrap().payload[..], b"a secret that is to go");
            case.flush().await;
            assert!(case.erase(1).await);
            assert!(!case.has(1).await);
            assert!(!case.erase(1).await);
            case.settle().await;
            case.survives().await;
            assert!(!case.has(1).await);
            assert_eq!(&case.get(2).await.unwrap().payload[..], b"another that stays");
            case.settle().await;
            for path in case.files() {
                let content = case.disk().contents(&path).unwrap();
                assert!(!content.windows(8).any(|window| window == b"a secret"), "{path}");
                assert!(!content.windows(14).any(|window| window == b"secret.subject"), "{path}");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreEraseAndNoIndexRecovery
#[test]
fn every_second_stays_erased() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(100, "foo", "Hello World").await;
            for seq in (2..=100).step_by(2) {
                assert!(case.erase(seq).await);
            }
            assert_eq!(case.state().await.messages, 50);
            case.survives().await;
            for seq in (2..=100).step_by(2) {
                assert!(!case.has(seq).await, "message {seq}");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreCollapseDmap
#[test]
fn gaps_at_the_front_close() {
    everywhere(
        |options| options.block_len = 160,
        async |case| {
            case.fill(10, "foo", "Hello World!").await;
            for (seq, first, deleted) in
                [(2, 1, 1), (4, 1, 2), (8, 1, 3), (1, 3, 2), (3, 5, 1), (5, 6, 1), (7, 6, 2), (6, 9, 0)]
            {
                assert!(case.remove(seq).await);
                assert_eq!(
                    (case.state().await.first_seq, case.deleted().len()),
                    (first, deleted),
                    "without {seq}"
                );
            }
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreStreamStateDeleted
// go: server/memstore_test.go TestMemStoreStreamStateDeleted
#[test]
fn the_state_tells_what_is_deleted() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "foo", "[00000000] Hello World!").await;
            assert_eq!(case.deleted(), [0_u64; 0]);
            case.remove_all([2, 4, 6, 8]).await;
            assert_eq!(case.deleted(), [2, 4, 6, 8]);
            case.remove_all([1, 3]).await;
            assert_eq!(case.deleted(), [6, 8]);
            assert_eq!(case.state().await.first_seq, 5);
            case.purge_all().await;
            assert_eq!(case.deleted(), [0_u64; 0]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreStateWithBlkFirstDeleted
#[test]
fn deletes_at_the_beginning_of_a_block_count() {
    everywhere(
        |options| options.block_len = 4096,
        async |case| {
            case.fill(500, "foo", "Hello World").await;
            let blocks = case.block_ends();
            assert!(blocks.len() > 2);
            let first = blocks[1].0;
            case.remove_all(first..first + 10).await;
            assert_eq!(case.state().await.deleted, 10);
            assert_eq!(case.deleted(), (first..first + 10).collect::<Vec<_>>());
        },
    );
}

// go: server/memstore_test.go TestMemStoreDeleteAllFirstSequenceCheck
#[test]
fn a_store_without_messages_begins_behind_its_last() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "foo", "abc").await;
            case.remove_all(1..=10).await;
            assert_eq!(case.ends().await, (0, 11, 10));
            case.survives().await;
        },
    );
}

// go: server/memstore_test.go TestMemStoreDeleteBlocks
#[test]
fn what_was_deleted_at_random_is_what_is_told() {
    both(
        |_| {},
        async |case| {
            case.fill(10_000, "A", "OK").await;
            let mut expected: Vec<u64> = (0..5_000u64).map(|n| n * 7_919 % 10_000 + 1).collect();
            case.remove_all(expected.iter().copied()).await;
            expected.sort_unstable();
            let (first, last) = (case.state().await.first_seq, case.state().await.last_seq);
            expected.retain(|&seq| seq > first && seq <= last);
            assert_eq!(case.deleted(), expected);
            assert_eq!(case.state().await.deleted, expected.len() as u64);
        },
    );
}

// go: server/filestore_test.go TestFileStoreEraseMsgDoesNotLoseTombstones
#[test]
fn an_erased_message_takes_no_delete_along() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.put("foo", "").await;
            case.put("foo", "secret!").await;
            assert!(case.remove(2).await);
            case.put("foo", "").await;
            assert!(case.erase(3).await);
            assert_eq!(case.ends().await, (2, 1, 4));
            assert_eq!(case.deleted(), [2, 3]);
            assert!(!case.has(2).await && !case.has(3).await);
            case.survives().await;
            assert!(!case.has(2).await && !case.has(3).await);
        },
    );
}

// go: server/filestore_test.go TestFileStoreEraseMsgDoesNotLoseTombstonesInEmptyBlock
#[test]
fn a_block_that_only_deletes_is_left_keeps_them() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.put("foo", "").await;
            case.new_block().await;
            case.put("foo", "secret!").await;
            assert!(case.remove(2).await);
            assert!(case.erase(3).await);
            assert_eq!(case.ends().await, (1, 1, 3));
            assert_eq!(case.deleted(), [2, 3]);
            assert!(!case.has(2).await && !case.has(3).await);
            case.survives().await;
            assert!(!case.has(2).await && !case.has(3).await);
            case.settle().await;
            for path in case.files() {
                let content = case.disk().contents(&path).unwrap();
                assert!(!content.windows(7).any(|window| window == b"secret!"), "{path}");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreAtomicEraseMsg
#[test]
fn an_erase_in_a_block_that_is_written_to_or_full_is_whole() {
    for full in [false, true] {
        everywhere(
            |_| {},
            async |case| {
                case.fill(3, "foo", "").await;
                if full {
                    case.new_block().await;
                    case.settle().await;
                }
                assert_eq!(case.ends().await, (3, 1, 3));
                assert!(case.erase(2).await);
                assert_eq!(case.ends().await, (2, 1, 3));
                assert_eq!(case.deleted(), [2]);
                assert_eq!(case.put("foo", "").await, 4);
                case.settle().await;
                case.survives().await;
                for seq in 1..=4 {
                    assert_eq!(case.has(seq).await, seq != 2);
                }
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreEraseMsgWithDbitSlots
// go: server/filestore_test.go TestFileStoreEraseMsgWithAllTrailingDbitSlots
#[test]
fn an_erase_beside_skipped_sequences_finds_its_message() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", "abd").await;
            case.skip(10).await;
            case.put("foo", "abd").await;
            case.put("foo", "abcdefg").await;
            case.skip(10).await;
            assert!(case.erase(1).await);
            assert!(case.erase(13).await);
            assert_eq!(case.ends().await, (1, 12, 23));
            assert_eq!(&case.get(12).await.unwrap().payload[..], b"abd");
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreTombstonesNoFirstSeqRollback
#[test]
fn the_first_does_not_fall_back() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "foo", "").await;
            case.new_block().await;
            case.fill(10, "foo", "").await;
            assert_eq!(case.ends().await, (20, 1, 20));
            case.remove_all(1..=20).await;
            assert_eq!(case.ends().await, (0, 21, 20));
            assert_eq!(case.blocks(), 1);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreTombstonesSelectNextFirstCleanup
// go: server/filestore_test.go TestFileStoreTombstonesSelectNextFirstCleanupOnRecovery
#[test]
fn the_last_delete_behind_many_empties_the_store() {
    everywhere(
        |_| {},
        async |case| {
            for n in 1..=50 {
                case.put("foo", "").await;
                if n % 10 == 0 {
                    case.new_block().await;
                }
            }
            case.remove_all(2..=49).await;
            case.new_block().await;
            case.fill(50, "foo", "").await;
            case.remove_all(50..=100).await;
            assert_eq!(case.ends().await, (1, 1, 100));
            case.survives().await;
            assert!(case.remove(1).await);
            assert_eq!(case.ends().await, (0, 101, 100));
            // With nothing but the entry of the last delete to tell.
            case.crash().await;
            assert_eq!(case.ends().await, (0, 101, 100));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreEmptyBlockContainsPriorTombstones
#[test]
fn deletes_survive_the_block_that_told_of_them() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(2, "foo", "").await;
            case.new_block().await;
            case.put("foo", "").await;
            case.remove_all([2, 3]).await;
            assert_eq!(case.ends().await, (1, 1, 3));
            assert_eq!(case.deleted(), [2, 3]);
            case.survives().await;
            assert!(!case.has(2).await && !case.has(3).await);
            case.new_block().await;
            assert_eq!(case.put("foo", "").await, 4);
            assert!(case.remove(1).await);
            // Nothing before the last block is needed any more.
            assert_eq!(case.blocks(), 1);
            case.survives().await;
            assert_eq!(case.ends().await, (1, 4, 4));
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecoverWithEmptyMessageBlock
#[test]
fn a_block_of_deletes_alone_is_part_of_the_store() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(4, "foo", "").await;
            case.new_block().await;
            case.remove_all([1, 2]).await;
            assert_eq!(case.ends().await, (2, 3, 4));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecoverWithRemovesAndNoIndexDB
#[test]
fn deletes_at_the_front_and_within_survive() {
    everywhere(
        |options| options.block_len = 250,
        async |case| {
            for n in 1..=10 {
                case.put(&format!("foo.{n}"), "abc").await;
            }
            case.remove_all([1, 2, 8]).await;
            assert_eq!(case.ends().await, (7, 3, 10));
            case.survives().await;
            assert_eq!(case.ends().await, (7, 3, 10));
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecoverAfterRemoveOperation
#[test]
fn each_way_of_removing_survives() {
    for operation in 0..8 {
        everywhere(
            |_| {},
            async |case| {
                for n in 0..4 {
                    case.put(&format!("foo.{}", n % 2), "").await;
                }
                let (ends, deleted): (_, &[u64]) = match operation {
                    0 => ((4, 1, 4), &[]),
                    1 => {
                        assert!(case.remove(1).await);
                        ((3, 2, 4), &[])
                    }
                    2 => {
                        assert!(case.erase(1).await);
                        ((3, 2, 4), &[])
                    }
                    3 => {
                        assert_eq!(case.purge_all().await, 4);
                        ((0, 5, 4), &[])
                    }
                    4 => {
                        assert_eq!(case.purge("foo.0", 0, 0).await, 2);
                        ((2, 2, 4), &[3])
                    }
                    5 => {
                        assert_eq!(case.purge("foo.1", 0, 0).await, 2);
                        ((2, 1, 4), &[2, 4])
                    }
                    6 => {
                        assert_eq!(case.compact(3).await, 2);
                        ((2, 3, 4), &[])
                    }
                    _ => {
                        case.truncate(2).await;
                        ((2, 1, 2), &[])
                    }
                };
                assert_eq!(case.ends().await, ends, "operation {operation}");
                assert_eq!(case.deleted(), deleted);
                case.survives().await;
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreRemoveMsgBlockLast
#[test]
fn a_block_that_comes_back_after_its_removal_is_removed_again() {
    on_disk(
        |_| {},
        async |case| {
            case.put("test", "").await;
            assert_eq!(case.ends().await, (1, 1, 1));
            case.new_block().await;
            case.settle().await;
            let first = case.files().remove(0);
            case.disk().copy(&first, "kept");
            assert!(case.remove(1).await);
            case.settle().await;
            assert!(!case.files().contains(&first));
            case.stop().await;
            // As if the process had been killed before it was removed.
            case.disk().copy("kept", &first);
            case.start().await;
            assert_eq!(case.ends().await, (0, 2, 1));
            assert!(!case.files().contains(&first));
            assert!(case.store().lost().is_empty());
        },
    );
}

#[derive(Clone, Copy, Debug)]
enum LastGoes {
    Removed,
    Erased,
    Skipped,
}

// go: server/store_test.go TestStoreStreamInteriorDeleteAccounting
#[test]
fn the_last_sequence_without_a_message_counts_in_every_way() {
    for goes in [LastGoes::Removed, LastGoes::Erased, LastGoes::Skipped] {
        for empty in [false, true] {
            everywhere(
                |_| {},
                async |case| {
                    let last = if empty { 1 } else { case.put("foo", "").await + 1 };
                    match goes {
                        LastGoes::Removed | LastGoes::Erased => {
                            assert_eq!(case.put("foo", "").await, last);
                            let removed = match goes {
                                LastGoes::Erased => case.erase(last).await,
                                LastGoes::Removed | LastGoes::Skipped => case.remove(last).await,
                            };
                            assert!(removed);
                            case.truncate(last).await;
                        }
                        LastGoes::Skipped => assert_eq!(case.skip(1).await, last),
                    }
                    let expected = if empty { (0, 2, 1) } else { (1, 1, 2) };
                    assert_eq!(case.ends().await, expected, "{goes:?}, empty: {empty}");
                    case.survives().await;
                },
            );
        }
    }
}

// go: server/filestore_test.go TestFileStoreErrPartialLoadOnSyncClose
// go: server/filestore_test.go TestFileStoreErrPartialLoad
#[test]
fn messages_are_read_while_others_are_written() {
    plain(
        |options| options.block_len = 4 << 10,
        async |case| {
            case.fill(100, "Z", "ZZZZZZZZZZZZZ").await;
            for round in 0..500u64 {
                if round % 100 == 0 {
                    case.restart().await;
                }
                let store = case.store();
                let message = case.message("Z", b"ZZZZZZZZZZZZZ");
                let append = store.append(&message, crate::store::Admission::Checked);
                let read = store.get(round * 31 % (100 + round) + 1);
                let (appended, read) = futures_lite::future::zip(append, read).await;
                appended.unwrap();
                assert_eq!(&read.unwrap().unwrap().payload[..], b"ZZZZZZZZZZZZZ");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreRemovePerSubjectWithMultipleBlocks
#[test]
fn the_first_of_a_subject_stays_when_its_last_goes() {
    everywhere(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.new_block().await;
            case.put("foo", "").await;
            assert_eq!(case.subject("foo").await, (2, 1, 2));
            assert!(case.remove(2).await);
            assert_eq!(case.subject("foo").await, (1, 1, 1));
            case.survives().await;
        },
    );
}

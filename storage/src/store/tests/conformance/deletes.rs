//! The runs of sequences without a message, as replicas tell each other of them.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::case::{Case, both, everywhere, plain};
use crate::seq_set::SeqSet;

/// What is removed, and the runs of deletes there are then.
type Step = (&'static [u64], &'static [(u64, u64)]);

fn runs(case: &Case) -> Vec<(u64, u64)> {
    case.store().deleted_runs()
}

async fn put_in_blocks_of(case: &Case, size: u64, count: u64) {
    for n in 0..count {
        if n > 0 && n % size == 0 {
            case.new_block().await;
        }
        case.put("foo", [0; 20]).await;
    }
}

// go: server/filestore_test.go TestFileStoreDeleteRangeTwoGaps
#[test]
fn two_gaps_are_two_runs() {
    both(
        |_| {},
        async |case| {
            put_in_blocks_of(case, 1, 20).await;
            case.remove_all([10, 15]).await;
            assert_eq!(runs(case), [(10, 10), (15, 15)]);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreDeleteBlocksWithSingleMessageBlocks
#[test]
fn runs_grow_and_join_where_blocks_go() {
    everywhere(
        |_| {},
        async |case| {
            put_in_blocks_of(case, 1, 20).await;
            let steps: &[Step] = &[
                (&[10], &[(10, 10)]),
                (&[11], &[(10, 11)]),
                (&[5], &[(5, 5), (10, 11)]),
                (&[6, 7, 8, 9], &[(5, 11)]),
                (&[3, 16, 17, 18], &[(3, 3), (5, 11), (16, 18)]),
                (&[1], &[(3, 3), (5, 11), (16, 18)]),
                (&[20], &[(3, 3), (5, 11), (16, 18), (20, 20)]),
                (&[19], &[(3, 3), (5, 11), (16, 20)]),
            ];
            for &(removed, expected) in steps {
                case.remove_all(removed.iter().copied()).await;
                assert_eq!(runs(case), *expected, "without {removed:?}");
            }
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreDeleteBlocks
#[test]
fn runs_grow_and_join_within_and_across_blocks() {
    everywhere(
        |_| {},
        async |case| {
            put_in_blocks_of(case, 4, 20).await;
            assert_eq!(case.blocks(), 5);
            let steps: &[Step] = &[
                (&[9], &[(9, 9)]),
                (&[10], &[(9, 10)]),
                (&[8], &[(8, 10)]),
                (&[18, 17], &[(8, 10), (17, 18)]),
                (&[6, 5, 7], &[(5, 10), (17, 18)]),
                (&[20], &[(5, 10), (17, 18), (20, 20)]),
                (&[19], &[(5, 10), (17, 20)]),
                (&[11, 12], &[(5, 12), (17, 20)]),
                (&[1, 2, 3, 4], &[(17, 20)]),
            ];
            for &(removed, expected) in steps {
                case.remove_all(removed.iter().copied()).await;
                assert_eq!(runs(case), *expected, "without {removed:?}");
            }
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreDeleteBlocksWithManyEmptyBlocks
#[test]
fn blocks_that_only_tell_of_deletes_are_part_of_one_run() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(6, "foo", "").await;
            for n in 0..5 {
                case.new_block().await;
                assert!(case.remove(n + 2).await);
                if n > 0 {
                    case.remove_all([7 + (n - 1) * 2, 8 + (n - 1) * 2]).await;
                }
                if n < 4 {
                    case.fill(2, "foo", "").await;
                }
            }
            assert_eq!(case.ends().await, (1, 1, 14));
            assert_eq!(runs(case), [(2, 14)]);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRemoveMsgsInRange
#[test]
fn ranges_over_blocks_are_removed() {
    everywhere(
        |_| {},
        async |case| {
            put_in_blocks_of(case, 1, 20).await;
            let remove = async |first, last| case.store().remove_range(first, last).await.unwrap().0;
            assert_eq!(remove(1, 1).await, 1);
            assert_eq!((case.state().await.first_seq, case.blocks()), (2, 19));
            assert_eq!(remove(1, 1).await, 0);
            assert_eq!(case.blocks(), 19);
            assert_eq!(remove(1, 2).await, 1);
            assert_eq!((case.state().await.first_seq, case.blocks()), (3, 18));
            assert_eq!(remove(3, 4).await, 2);
            assert_eq!((case.state().await.first_seq, case.blocks()), (5, 16));
            for (first, last, expected) in [
                (9, 13, &[(9, 13)][..]),
                (8, 8, &[(8, 13)]),
                (17, 17, &[(8, 13), (17, 17)]),
                (20, 20, &[(8, 13), (17, 17), (20, 20)]),
                (7, 18, &[(7, 18), (20, 20)]),
            ] {
                remove(first, last).await;
                assert_eq!(runs(case), expected, "without {first} to {last}");
            }
            case.survives().await;
            case.store().remove_range(1, 20).await.unwrap();
            assert_eq!(case.ends().await, (0, 21, 20));
            assert_eq!(runs(case), []);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreRemoveMsgsInRangePartialBlocks
// go: server/filestore_test.go TestFileStoreRemoveMsgsInRangeWithTombstones
#[test]
fn ranges_that_begin_and_end_within_blocks_are_removed() {
    everywhere(
        |_| {},
        async |case| {
            put_in_blocks_of(case, 5, 20).await;
            for (first, last, messages, expected) in [
                (5, 6, 18, &[(5, 6)][..]),
                (4, 11, 12, &[(4, 11)]),
                (13, 14, 10, &[(4, 11), (13, 14)]),
                (13, 20, 4, &[(4, 11), (13, 20)]),
                (10, 20, 3, &[(4, 20)]),
            ] {
                case.store().remove_range(first, last).await.unwrap();
                assert_eq!((case.state().await.messages, runs(case)), (messages, expected.to_vec()));
                case.survives().await;
            }
            case.store().remove_range(1, 30).await.unwrap();
            assert_eq!(case.ends().await, (0, 21, 20));
            case.survives().await;
            case.store().remove_range(1, 100).await.unwrap();
            assert_eq!(case.ends().await, (0, 21, 20));
        },
    );
}

// go: server/filestore_test.go TestFileStoreDeleteMapView
#[test]
fn runs_are_right_where_whole_blocks_go_between_them() {
    plain(
        |_| {},
        async |case| {
            put_in_blocks_of(case, 10, 100).await;
            let mut expected: Vec<u64> = (1..=100).filter(|seq| seq % 10 > 1).collect();
            case.remove_all(expected.iter().copied()).await;
            assert_eq!(case.deleted(), expected);
            let blocks = case.blocks();
            case.remove_all([31, 40]).await;
            expected.extend([31, 40]);
            expected.sort_unstable();
            assert_eq!((case.deleted(), case.blocks()), (expected.clone(), blocks - 1));
            case.compact(41).await;
            expected.retain(|&seq| seq > 41);
            assert_eq!(case.deleted(), expected);
            case.survives().await;
        },
    );
}

// go: server/norace_2_test.go TestNoRaceFilestoreBinaryStreamSnapshotEncodingLargeGaps
// go: server/norace_1_test.go TestNoRaceJetStreamMemstoreWithLargeInteriorDeletes
#[test]
fn a_gap_of_many_is_one_run() {
    both(
        |options| options.block_len = 512,
        async |case| {
            case.put("zzz", "X".repeat(128)).await;
            for _ in 2..5_000 {
                let seq = case.put("zzz", "").await;
                assert!(case.remove(seq).await);
            }
            case.put("zzz", "X".repeat(128)).await;
            assert_eq!(case.ends().await, (2, 1, 5_000));
            assert_eq!(runs(case), [(2, 4_999)]);
            assert_eq!(case.state().await.deleted, 4_998);
            case.survives().await;
        },
    );
}

// go: server/norace_2_test.go TestNoRaceStoreStreamEncoderDecoder
#[test]
fn deletes_all_over_a_stream_take_little_to_tell() {
    both(
        |options| options.limits.max_messages_per_subject = Some(1),
        async |case| {
            let mut dice = Xoshiro256PlusPlus::seed_from_u64(2_222_222);
            let payload = "ABC".repeat(33);
            for _ in 0..if case.is_on_disk() { 3 } else { 12 } {
                for _ in 0..50_000 {
                    let subject = (dice.next_u64() % 256_000).to_string();
                    case.put(&subject, &payload).await;
                }
                let mut deleted = SeqSet::new();
                for (first, last) in case.store().deleted_runs() {
                    deleted.insert_range(first..=last);
                }
                assert!(!deleted.is_empty());
                let mut told = Vec::new();
                deleted.encode(&mut told);
                assert!(told.len() < 700 << 10, "{} bytes", told.len());
                assert_eq!(SeqSet::decode(&told).unwrap(), deleted);
                assert_eq!(deleted.len(), case.state().await.deleted);
            }
        },
    );
}

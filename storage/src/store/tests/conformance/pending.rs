//! How many messages match, from a sequence on.

use std::collections::BTreeSet;

use super::case::{Case, both, everywhere, plain};
use crate::message::Filter;
use crate::store::query::Counting;

fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// Subjects of four tokens, each one of three.
fn subject(n: u64) -> String {
    let mut rest = mixed(n);
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(["foo", "bar", "baz"][(rest % 3) as usize]);
        rest /= 3;
    }
    tokens.join(".")
}

// go: server/memstore_test.go TestMemStoreNumPending
// go: server/norace_1_test.go TestNoRaceFileStoreNumPending
#[test]
fn counts_are_those_of_a_scan() {
    both(
        |options| options.block_len = 2 << 10,
        async |case| {
            const MESSAGES: u64 = 5_000;
            let subjects: Vec<String> = (1..=MESSAGES).map(subject).collect();
            for subject in &subjects {
                case.put(subject, "Hello World").await;
            }
            let filters = ["foo.>", "*.bar.>", "foo.bar.*.baz", "*.foo.bar.*", "foo.foo.bar.baz"];
            for filter in filters {
                for from in [0, 1, 2, 200, 444, 555, 2222, 3456, 4440, 4999] {
                    let matching: Vec<u64> = (from.max(1)..=MESSAGES)
                        .filter(|&seq| {
                            natrium_subject::matches(subjects[seq as usize - 1].as_bytes(), filter.as_bytes())
                        })
                        .collect();
                    let ends =
                        (matching.first().copied().unwrap_or(0), matching.last().copied().unwrap_or(0));
                    let count = matching.len() as u64;
                    assert_eq!(case.pending(filter, from).await, count, "{filter} from {from}");
                    assert_eq!(case.matching(filter, from).await, (count, ends.0, ends.1));
                    let distinct: BTreeSet<&String> =
                        matching.iter().map(|&seq| &subjects[seq as usize - 1]).collect();
                    assert_eq!(
                        case.pending_last(filter, from).await,
                        distinct.len() as u64,
                        "the last of {filter} from {from}"
                    );
                }
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreNumPendingMulti
// go: server/memstore_test.go TestMemStoreNumPendingMulti
#[test]
fn counts_of_many_filters_are_those_of_a_scan() {
    both(
        |options| options.block_len = 64 << 10,
        async |case| {
            const MESSAGES: u64 = 10_000;
            const SUBJECTS: u64 = 1_000;
            let subject = |n: u64| format!("ev.{:x}", mixed(n % SUBJECTS + 1_000_000));
            for seq in 1..=MESSAGES {
                case.put(&subject(mixed(seq)), "ZZZ".repeat(33)).await;
            }
            let filters: BTreeSet<String> = (0..SUBJECTS / 2).map(|n| subject(n * 2)).collect();
            let texts: Vec<&[u8]> = filters.iter().map(|filter| filter.as_bytes()).collect();
            for from in [1, 3_217, 9_999] {
                let expected =
                    (from..=MESSAGES).filter(|&seq| filters.contains(&subject(mixed(seq)))).count() as u64;
                let count = case.store().pending(Filter::Any(&texts), from, Counting::All).await.unwrap();
                assert_eq!(count, expected, "from {from}");
            }
        },
    );
}

// go: server/memstore_test.go TestMemStoreNumPendingBug
#[test]
fn subjects_that_begin_behind_the_start_count_whole() {
    both(
        |_| {},
        async |case| {
            for subject in ["foo.foo", "foo.bar", "foo.baz", "foo.zzz"] {
                case.put("foo.aaa", "").await;
                case.put(subject, "").await;
                case.put(subject, "").await;
            }
            assert_eq!(case.pending("foo.*", 4).await, 9);
        },
    );
}

// go: server/store_test.go TestStoreNumPendingLastPerSubjectExcludeOvercount
#[test]
fn a_subject_whose_last_is_before_the_start_does_not_count() {
    both(
        |_| {},
        async |case| {
            case.fill(10, "foo.A", "x").await;
            case.put("foo.B", "x").await;
            case.put("foo.C", "x").await;
            case.skip(87).await;
            assert_eq!(case.put("foo.B", "x").await, 100);
            case.skip(899).await;
            assert_eq!(case.put("foo.C", "x").await, 1000);
            assert_eq!(case.pending_last("foo.*", 13).await, 2);
            let several = Filter::Any(&[b"foo.*"]);
            assert_eq!(case.store().pending(several, 13, Counting::LastPerSubject).await.unwrap(), 2);
        },
    );
}

// go: server/filestore_test.go TestFileStoreNumPendingLastBySubject
#[test]
fn the_last_of_each_subject_are_counted_without_a_read() {
    plain(
        |options| options.block_len = 1024,
        async |case| {
            let subject = |n: u64| format!("foo.{}.{n}", mixed(n) % 20 + 1);
            for n in 1..=1000 {
                case.put(&subject(n), "ABC".repeat(25)).await;
            }
            assert!(case.blocks() > 100);
            case.restart().await;
            case.settle().await;
            let before = case.disk().operations();
            assert_eq!(case.pending_last("foo.*.*", 0).await, 1000);
            for filter in ["foo.10.*", "*.22.*", "*.*.222", "foo.5.999", "*.2.*"] {
                let from = 317;
                let expected = (from..=1000)
                    .filter(|&n| natrium_subject::matches(subject(n).as_bytes(), filter.as_bytes()))
                    .count() as u64;
                assert_eq!(case.pending_last(filter, from).await, expected, "{filter}");
            }
            assert_eq!(case.disk().operations(), before);
        },
    );
}

// go: server/filestore_test.go TestFileStoreFSSExpireNumPending
#[test]
fn half_of_two_kinds_of_subjects_is_pending() {
    plain(
        |options| {
            options.block_len = 8192;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            for n in 1..=5_000 {
                case.put(&format!("foo.A.{n}"), "abc").await;
                case.put(&format!("foo.B.{n}"), "abc").await;
            }
            case.restart().await;
            for _ in 0..2 {
                // Uneven sequences are A's.
                assert_eq!(case.pending("foo.A.*", 5_000).await, 2_500);
                assert_eq!(case.pending("foo.B.*", 7_501).await, 1_250);
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreNumPendingLargeNumBlks
#[test]
fn counts_over_many_blocks_follow_removals() {
    both(
        |options| options.block_len = 400,
        async |case| {
            case.fill(10_000, "zzz", "X".repeat(100)).await;
            assert!(case.blocks() > 2_000);
            assert_eq!(case.pending("zzz", 4000).await, 6001);
            assert_eq!(case.pending("zzz", 6000).await, 4001);
            case.remove_all([1000, 9000]).await;
            assert_eq!(case.pending("zzz", 4000).await, 6000);
            assert_eq!(case.pending("zzz", 6000).await, 4000);
        },
    );
}

// go: server/filestore_test.go TestFileStoreFilteredPendingBug
#[test]
fn nothing_matches_behind_the_only_message_of_a_subject() {
    everywhere(
        |_| {},
        async |case| {
            for subject in ["foo", "bar", "baz"] {
                case.put(subject, "msg").await;
            }
            assert_eq!(case.matching("foo", 3).await, (0, 0, 0));
        },
    );
}

// go: server/filestore_test.go TestFileStoreFSSExpireNumPendingBug
#[test]
fn the_only_message_of_a_store_that_was_quiet_counts() {
    everywhere(
        |options| options.limits.max_messages_per_subject = Some(1),
        async |case| {
            case.restart().await;
            case.put("KV.X", "Y").await;
            assert_eq!(case.matching("KV.X", 1).await, (1, 1, 1));
        },
    );
}

async fn check_all(case: &Case, from: u64, expected: (u64, u64)) {
    let matching = case.store().matching(Filter::All, from).await.unwrap();
    assert_eq!((matching.messages, matching.first_seq), expected, "from {from}");
}

// go: server/filestore_test.go TestFileStoreAllFilteredStateWithDeleted
#[test]
fn all_messages_from_a_deleted_one_on_begin_at_the_next() {
    everywhere(
        |options| options.block_len = 1024,
        async |case| {
            case.fill(100, "foo", "Hello World").await;
            check_all(case, 1, (100, 1)).await;
            case.remove_all([2]).await;
            check_all(case, 2, (98, 3)).await;
            case.remove_all([3, 4, 5]).await;
            check_all(case, 2, (95, 6)).await;
            check_all(case, 6, (95, 6)).await;
            case.remove_all([8, 10, 12, 14, 16, 18]).await;
            check_all(case, 7, (88, 7)).await;
            assert_eq!(case.store().matching(Filter::All, 7).await.unwrap().last_seq, 100);
            case.purge_all().await;
            // Nothing matches; where the store begins and ends is its state's to tell.
            check_all(case, 0, (0, 0)).await;
            assert_eq!(case.ends().await, (0, 101, 100));
        },
    );
}

// go: server/norace_1_test.go TestNoRaceFileStoreFilteredStateWithLargeDeletes
#[test]
fn every_second_of_many_is_counted_from_the_blocks() {
    plain(
        |options| options.block_len = 4096,
        async |case| {
            case.fill(20_000, "foo", "Hello World").await;
            case.remove_all((2..=20_000).step_by(2)).await;
            assert_eq!(case.pending(">", 1).await, 10_000);
            assert_eq!(case.pending(">", 10_001).await, 5_000);
        },
    );
}

// go: server/filestore_test.go TestFileStoreFilteredPendingPSIMFirstBlockUpdate
// go: server/filestore_test.go TestFileStoreWildcardFilteredPendingPSIMFirstBlockUpdate
#[test]
fn a_subject_whose_first_is_gone_begins_many_blocks_later() {
    both(
        |options| options.block_len = 512,
        async |case| {
            case.put("foo.22.baz", "hello").await;
            case.put("foo.22.bar", "hello").await;
            case.fill(1000, "foo.1.foo", "hello").await;
            for subject in ["foo.22.baz", "foo.22.baz", "foo.22.bar", "foo.22.bar"] {
                case.put(subject, "hello").await;
            }
            case.remove_all([1, 2]).await;
            for _ in 0..2 {
                assert_eq!(case.matching("foo.22.*", 0).await, (4, 1003, 1006));
                assert_eq!(case.matching("foo.22.baz", 0).await, (2, 1003, 1004));
                assert_eq!(case.subject("foo.22.bar").await, (2, 1005, 1006));
                case.restart().await;
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreFilteredPendingPSIMFirstBlockUpdateNextBlock
#[test]
fn a_subject_whose_first_is_gone_begins_in_the_next_block() {
    both(
        |_| {},
        async |case| {
            for n in 0..4 {
                if n > 0 {
                    case.new_block().await;
                }
                case.put("foo.22.bar", "hello").await;
                case.put("foo.22.baz", "hello").await;
            }
            case.remove_all([1]).await;
            assert_eq!(case.matching("foo.22.bar", 0).await, (3, 3, 7));
            assert_eq!(case.subject("foo.22.bar").await, (3, 3, 7));
            case.remove_all([2]).await;
            assert_eq!(case.blocks(), 3);
            assert_eq!(case.matching("foo.*.baz", 0).await, (3, 4, 8));
            assert_eq!(case.subject("foo.22.baz").await, (3, 4, 8));
            case.survives().await;
        },
    );
}

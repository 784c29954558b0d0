//! Messages by subject and by filter.

use super::case::{Case, both, everywhere, on_disk, plain};
use crate::message::Filter;
use crate::store::StoreError;
use crate::store::query::Counting;

fn filters(texts: &[String]) -> Vec<&[u8]> {
    texts.iter().map(|text| text.as_bytes()).collect()
}

// go: server/store_test.go TestStoreMsgLoadNextMsgMulti
// go: server/norace_2_test.go TestNoRaceFileStoreMsgLoadNextMsgMultiPerf
#[test]
fn the_next_of_several_filters_is_the_nearest() {
    both(
        |_| {},
        async |case| {
            for n in 0..1000 {
                case.put(&format!("foo.{n}"), "ZZZ").await;
            }
            let store = case.store();
            let literal: Vec<String> = (0..1000).map(|n| format!("foo.{n}")).collect();
            for filter in [vec!["foo.>".to_owned()], literal] {
                let filter = filters(&filter);
                for seq in 1..=1000 {
                    assert_eq!(store.next(Filter::Any(&filter), seq).await.unwrap(), Some(seq));
                }
            }
            for seq in 1..=1000 {
                assert_eq!(store.next(Filter::All, seq).await.unwrap(), Some(seq));
                assert_eq!(case.next("foo.>", seq).await, Some(seq));
            }
            let three = Filter::Any(&[b"foo.2", b"foo.222", b"foo.999"]);
            for (from, found) in [(1, Some(3)), (4, Some(223)), (224, Some(1000)), (1001, None)] {
                assert_eq!(store.next(three, from).await.unwrap(), found);
            }
        },
    );
}

// go: server/store_test.go TestStoreLoadNextMsgWildcardStartBeforeFirstMatch
#[test]
fn a_wildcard_finds_its_first_match_behind_many_others() {
    both(
        |_| {},
        async |case| {
            for n in 0..100 {
                case.put(&format!("bar.{n}"), "").await;
            }
            assert_eq!(case.put("foo.1", "").await, 101);
            assert_eq!(case.next("foo.*", 1).await, Some(101));
            assert_eq!(case.next("foo.*", 102).await, None);
        },
    );
}

// go: server/store_test.go TestStoreMsgLoadPrevMsgMulti
#[test]
fn the_previous_of_several_filters_is_the_nearest() {
    both(
        |_| {},
        async |case| {
            for n in 1..=1000 {
                case.put(&format!("foo.{n}"), "ZZZ").await;
            }
            let filter = Filter::Any(&[b"foo.5", b"foo.15", b"foo.105"]);
            let mut found = Vec::new();
            let mut from = 1000;
            while let Some(seq) = case.store().previous(filter, from).await.unwrap() {
                found.push(seq);
                from = seq - 1;
            }
            assert_eq!(found, [105, 15, 5]);
            assert_eq!(case.store().previous(filter, 4).await.unwrap(), None);
        },
    );
}

// go: server/store_test.go TestStoreMsgLoadPrevMsg
#[test]
fn the_previous_is_found_with_and_without_a_filter() {
    both(
        |_| {},
        async |case| {
            for subject in ["foo.1", "bar.1", "foo.2", "bar.2", "foo.3"] {
                case.put(subject, "ZZZ").await;
            }
            assert_eq!(case.store().previous(Filter::All, 5).await.unwrap(), Some(5));
            assert_eq!(case.previous("foo.2", 5).await, Some(3));
            assert_eq!(case.previous("foo.*", 5).await, Some(5));
            assert_eq!(case.previous("foo.*", 4).await, Some(3));
            assert_eq!(case.previous("baz.*", 5).await, None);
        },
    );
}

// go: server/store_test.go TestStoreMsgLoadPrevMsgMultiFullWildcardSkip
#[test]
fn going_back_over_all_ends_at_the_first() {
    both(
        |_| {},
        async |case| {
            for n in 1..=10 {
                case.put(&format!("foo.{n}"), "ZZZ").await;
            }
            let mut found = Vec::new();
            let mut from = 10;
            while let Some(seq) = case.store().previous(Filter::Any(&[b">"]), from).await.unwrap() {
                found.push(seq);
                from = seq - 1;
            }
            assert_eq!(found, (1..=10).rev().collect::<Vec<_>>());
        },
    );
}

// go: server/norace_2_test.go TestNoRaceStoreReverseWalkWithDeletesPerf
#[test]
fn going_back_jumps_over_deletes() {
    both(
        |options| options.block_len = 64 << 10,
        async |case| {
            case.put("foo.A", "Hello").await;
            case.fill(20_000, "foo.B", "Hello").await;
            case.put("foo.C", "Hello").await;
            assert_eq!(case.purge("foo.B", 0, 0).await, 20_000);
            let mut found = Vec::new();
            let mut from = 20_002;
            while let Some(seq) = case.store().previous(Filter::All, from).await.unwrap() {
                found.push(seq);
                from = seq - 1;
            }
            assert_eq!(found, [20_002, 1]);
        },
    );
}

// go: server/store_test.go TestStoreSubjectStateConsistency
#[test]
fn first_and_last_of_a_subject_follow_each_removal() {
    both(
        |_| {},
        async |case| {
            let check = async |messages: u64, first: u64, last: u64| {
                assert_eq!(case.subject("foo").await, (messages, first, last));
                assert_eq!(case.next("foo", 0).await, Some(first));
                assert_eq!(case.last_of("foo").await, Some(last));
            };
            case.fill(4, "foo", "").await;
            check(4, 1, 4).await;
            case.remove_all([1]).await;
            check(3, 2, 4).await;
            case.remove_all([4]).await;
            check(2, 2, 3).await;
            case.remove_all([2]).await;
            check(1, 3, 3).await;
            case.fill(3, "foo", "").await;
            check(4, 3, 7).await;
            case.remove_all([7, 3, 5]).await;
            check(1, 6, 6).await;
            case.put("foo", "").await;
            case.remove_all([8]).await;
            case.put("foo", "").await;
            check(2, 6, 9).await;
            case.survives().await;
            check(2, 6, 9).await;
        },
    );
}

// go: server/store_test.go TestStoreSubjectStateConsistencyOptimization
#[test]
fn the_one_message_left_of_a_subject_is_first_and_last() {
    both(
        |_| {},
        async |case| {
            for (fill, remove, left) in [(3, [2, 1], 3), (2, [3, 5], 4), (2, [7, 4], 6), (2, [9, 8], 6)] {
                case.fill(fill, "foo", "").await;
                case.remove_all(remove).await;
                // Asked in either order, each knows the other.
                assert_eq!(case.next("foo", 0).await, Some(left));
                assert_eq!(case.last_of("foo").await, Some(left));
                assert_eq!(case.subject("foo").await, (1, left, left));
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreRecaluclateFirstForSubjBug
#[test]
fn the_first_of_a_subject_is_found_behind_what_was_removed() {
    everywhere(
        |_| {},
        async |case| {
            for subject in ["foo", "bar", "foo"] {
                case.put(subject, "").await;
            }
            case.remove_all([1, 2]).await;
            case.restart().await;
            assert_eq!(case.subject("foo").await, (1, 3, 3));
        },
    );
}

// go: server/filestore_test.go TestFileStoreNoFSSBugAfterRemoveFirst
#[test]
fn a_subject_goes_with_its_only_message() {
    everywhere(
        |_| {},
        async |case| {
            for n in 0..100 {
                case.put(&format!("foo.bar.{n}"), "ZZZ".repeat(33)).await;
            }
            case.restart().await;
            assert!(case.remove(1).await);
            assert_eq!(case.next("foo.>", 1).await, Some(2));
            assert_eq!(&case.get(2).await.unwrap().subject[..], b"foo.bar.1");
            assert!(!case.subject_names().contains("foo.bar.0"));
        },
    );
}

// go: server/filestore_test.go TestFileStoreExpireSubjectMeta
#[test]
fn the_last_of_a_subject_is_found_with_nothing_cached() {
    everywhere(
        |options| {
            options.block_len = 1024;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            for n in 1..=100 {
                case.put(&format!("kv.{n}"), "value").await;
            }
            case.restart().await;
            assert_eq!(case.state().await.subjects, 100);
            assert_eq!(case.last_of("kv.22").await, Some(22));
            assert_eq!(&case.get(22).await.unwrap().payload[..], b"value");
        },
    );
}

// go: server/filestore_test.go TestFileStoreSubjectStateCacheExpiration
#[test]
fn the_state_of_subjects_is_right_with_nothing_cached() {
    everywhere(
        |options| {
            options.block_len = 200;
            options.limits.max_messages_per_subject = Some(2);
        },
        async |case| {
            for kind in ["foo", "bar"] {
                for n in 1..=100 {
                    case.put(&format!("kv.{kind}.{n}"), "value").await;
                }
            }
            case.restart().await;
            assert_eq!(case.subjects("kv.bar.>").await.len(), 100);
            assert_eq!(case.subjects("kv.bar.99").await.len(), 1);
            assert_eq!(case.subject("kv.bar.99").await, (1, 199, 199));
            case.put("kv.foo.1", "value22").await;
            assert_eq!(case.state().await.messages, 201);
            assert_eq!(case.subjects("kv.foo.1").await.len(), 1);
            assert_eq!(case.subject("kv.foo.1").await, (2, 1, 201));
        },
    );
}

// go: server/filestore_test.go TestFileStoreSubjectsTotals
// go: server/memstore_test.go TestMemStoreSubjectsTotals
#[test]
fn the_totals_of_subjects_are_what_was_stored() {
    both(
        |options| options.block_len = 64 << 10,
        async |case| {
            let mut expected = std::collections::BTreeMap::<String, u64>::new();
            for n in 0..10_000u64 {
                let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let subject = format!("{}.{}", ["foo", "bar"][(mixed % 2) as usize], mixed / 2 % 100);
                case.put(&subject, "Hello World").await;
                *expected.entry(subject).or_default() += 1;
            }
            let totals = |filter: &str| -> Vec<(String, u64)> {
                let totals = case.store().subject_totals(Filter::Subject(filter.as_bytes()));
                totals
                    .into_iter()
                    .map(|(text, total)| (String::from_utf8(text.to_vec()).unwrap(), total))
                    .collect()
            };
            for (subject, total) in &expected {
                assert_eq!(totals(subject), [(subject.clone(), *total)]);
            }
            for (filter, begins) in [("foo.*", "foo."), ("bar.*", "bar."), ("*.*", "")] {
                let expected: Vec<_> = expected
                    .iter()
                    .filter(|(subject, _)| subject.starts_with(begins))
                    .map(|(subject, total)| (subject.clone(), *total))
                    .collect();
                assert_eq!(totals(filter), expected, "{filter}");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreMultiLastSeqs
// go: server/memstore_test.go TestMemStoreMultiLastSeqs
#[test]
fn the_last_of_each_subject_up_to_a_sequence() {
    everywhere(
        |options| options.block_len = 256,
        async |case| {
            for kind in ["foo", "bar"] {
                for _ in 0..33 {
                    for name in ["foo", "bar", "baz"] {
                        case.put(&format!("{kind}.{name}"), "abc").await;
                    }
                }
            }
            let check = async |filters: &[&str], until: Option<u64>, expected: &[u64]| {
                assert_eq!(case.last_of_each(filters, until, None).await.unwrap(), expected, "{filters:?}");
            };
            let round = async || {
                check(&["foo.*"], Some(3), &[1, 2, 3]).await;
                check(&["foo.*"], None, &[97, 98, 99]).await;
                check(&["bar.*"], None, &[196, 197, 198]).await;
                check(&["bar.*"], Some(99), &[]).await;
                let all_foo = ["foo.foo", "foo.bar", "foo.baz"];
                check(&all_foo, Some(3), &[1, 2, 3]).await;
                check(&all_foo, None, &[97, 98, 99]).await;
                let all_bar = ["bar.foo", "bar.bar", "bar.baz"];
                check(&all_bar, None, &[196, 197, 198]).await;
                check(&all_bar, Some(99), &[]).await;
                check(&["foo.foo"], Some(3), &[1]).await;
                // Filters that overlap name a subject once.
                check(&["foo.*", "foo.bar"], Some(3), &[1, 2, 3]).await;
                check(&["bar.>", "bar.bar", "bar.baz"], None, &[196, 197, 198]).await;
                check(&[">"], None, &[97, 98, 99, 196, 197, 198]).await;
                check(&[">"], Some(99), &[97, 98, 99]).await;
            };
            round().await;
            case.restart().await;
            round().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreMultiLastSeqsMaxAllowed
// go: server/memstore_test.go TestMemStoreMultiLastSeqsMaxAllowed
#[test]
fn more_results_than_allowed_are_an_error() {
    both(
        |_| {},
        async |case| {
            for n in 1..=100 {
                case.put(&format!("foo.{n}"), "abc").await;
            }
            let error = case.last_of_each(&["foo.*"], None, Some(10)).await.unwrap_err();
            assert!(matches!(error, StoreError::TooManyResults));
            assert_eq!(case.last_of_each(&["foo.*"], None, Some(100)).await.unwrap().len(), 100);
        },
    );
}

// go: server/store_test.go TestFileStoreMultiLastSeqsAndLoadLastMsgWithLazySubjectState
// go: server/memstore_test.go TestMemStoreMultiLastSeqsDoesNotUseStaleLastValue
#[test]
fn the_last_of_a_subject_is_one_that_is_there() {
    both(
        |_| {},
        async |case| {
            case.fill(3, "foo", "").await;
            assert_eq!(case.last_of_each(&["foo"], None, None).await.unwrap(), [3]);
            assert!(case.remove(3).await);
            assert_eq!(case.last_of_each(&["foo"], None, None).await.unwrap(), [2]);
            case.put("foo", "").await;
            assert_eq!(case.last_of("foo").await, Some(4));
            assert!(case.remove(4).await);
            assert_eq!(case.last_of("foo").await, Some(2));
            case.purge_all().await;
            case.truncate(0).await;
            for subject in "foo bar foo baz foo foo bar foo bar baz".split(' ') {
                case.put(subject, "").await;
            }
            assert_eq!(case.last_of_each(&["foo", "bar"], None, None).await.unwrap(), [8, 9]);
            assert!(case.remove(8).await);
            assert_eq!(case.last_of_each(&["foo", "bar"], None, None).await.unwrap(), [6, 9]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreAllLastSeqs
// go: server/memstore_test.go TestMemStoreAllLastSeqs
#[test]
fn the_last_of_all_subjects_are_the_last_of_each() {
    both(
        |options| options.limits.max_messages_per_subject = Some(50),
        async |case| {
            let subjects = ["foo.foo", "foo.bar", "foo.baz", "bar.foo", "bar.bar", "bar.baz"];
            for n in 0..10_000u64 {
                let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                case.put(subjects[(mixed % 6) as usize], "abc").await;
            }
            let mut expected = Vec::new();
            for subject in subjects {
                expected.extend(case.last_of(subject).await);
            }
            expected.sort_unstable();
            assert_eq!(case.store().last_of_each(Filter::All, None, None).await.unwrap(), expected);
            assert_eq!(case.state().await.messages, 300);
        },
    );
}

// go: server/store_test.go TestStoreMultiLastMsgs
#[test]
fn the_last_of_each_come_in_the_order_of_their_sequences() {
    both(
        |options| options.block_len = 200,
        async |case| {
            for _ in 0..3 {
                for n in 0..10 {
                    case.put(&format!("foo.{n}"), "").await;
                }
            }
            let all = case.last_of_each(&["foo.*"], None, None).await.unwrap();
            assert_eq!(all, (21..=30).collect::<Vec<_>>());
            for (place, seq) in all.iter().enumerate() {
                let message = case.get(*seq).await.unwrap();
                assert_eq!(&message.subject[..], format!("foo.{place}").as_bytes());
                // As many are pending behind it as follow.
                assert_eq!(case.pending_last("foo.*", seq + 1).await, 9 - place as u64);
            }
            assert_eq!(all.partition_point(|&seq| seq < 26), 5);
            let until = case.last_of_each(&["foo.*"], Some(25), None).await.unwrap();
            assert_eq!(until, (16..=25).collect::<Vec<_>>());
            assert!(matches!(
                case.last_of_each(&["foo.*"], None, Some(5)).await,
                Err(StoreError::TooManyResults)
            ));
            assert_eq!(case.last_of_each(&["bar.>"], None, None).await.unwrap(), [0_u64; 0]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreLoadLastWildcard
#[test]
fn the_last_of_a_wildcard_is_found_far_back() {
    on_disk(
        |options| options.block_len = 512,
        async |case| {
            case.put("foo.22.baz", "hello").await;
            case.put("foo.22.bar", "hello").await;
            case.fill(1000, "foo.11.foo", "hello").await;
            case.restart().await;
            case.settle().await;
            let before = case.disk().operations();
            assert_eq!(case.previous("foo.22.*", u64::MAX).await, Some(2));
            // The subjects alone tell; at most one block is looked into.
            assert!(case.disk().operations() <= before + 2, "{}", case.disk().operations() - before);
        },
    );
}

// go: server/filestore_test.go TestFileStoreLoadLastWildcardWithPresenceMultipleBlocks
#[test]
fn the_last_of_a_wildcard_is_the_newest_of_all_its_blocks() {
    everywhere(
        |options| options.block_len = 100,
        async |case| {
            for (subject, payload) in [
                ("foo.22.bar", "hello"),
                ("foo.22.baz", "ok"),
                ("foo.22.baz", "ok"),
                ("foo.22.bar", "hello22"),
            ] {
                case.put(subject, payload).await;
            }
            assert!(case.blocks() > 1);
            assert_eq!(case.previous("foo.*.bar", u64::MAX).await, Some(4));
            assert_eq!(&case.get(4).await.unwrap().payload[..], b"hello22");
        },
    );
}

// go: server/filestore_test.go TestFileStoreFilteredFirstMatchingBug
// go: server/filestore_test.go TestFileStoreFirstMatchingMultiExpiry
#[test]
fn another_subject_does_not_match() {
    everywhere(
        |_| {},
        async |case| {
            for payload in ["A", "B", "C"] {
                case.put("foo.foo", payload).await;
            }
            case.restart().await;
            case.put("foo.bar", "X").await;
            for (from, found) in [(1, Some(1)), (2, Some(2)), (3, Some(3)), (4, None)] {
                assert_eq!(case.next("foo.foo", from).await, found);
                assert_eq!(case.store().next(Filter::Any(&[b"foo.foo"]), from).await.unwrap(), found);
            }
        },
    );
}

/// Reads of the disk while the next match is looked for.
async fn reads_for_next(case: &Case, filter: &str, from: u64, found: Option<u64>) -> u64 {
    case.restart().await;
    case.settle().await;
    let before = case.disk().operations();
    assert_eq!(case.next(filter, from).await, found);
    case.disk().operations() - before
}

/// Reading one block: open it, and read its table.
const ONE_BLOCK: u64 = 3;

// go: server/filestore_test.go TestFileStoreOptimizeFirstLoadNextMsgWithSequenceZero
#[test]
fn blocks_that_cannot_have_the_subject_are_not_read() {
    plain(
        |options| options.block_len = 4096,
        async |case| {
            case.fill(2000, "foo.A", "ZZZ".repeat(33)).await;
            case.fill(10, "foo.B", "ZZZ".repeat(33)).await;
            assert!(reads_for_next(case, "foo.B", 0, Some(2001)).await <= ONE_BLOCK);
        },
    );
}

// go: server/filestore_test.go TestFileStoreLargeSparseMsgsDoNotLoadAfterLast
#[test]
fn blocks_behind_the_last_match_are_not_read() {
    plain(
        |options| options.block_len = 128,
        async |case| {
            for _ in 0..2 {
                case.put("foo.22.bar", "hello").await;
                case.put("foo.22.baz", "hello").await;
            }
            case.fill(16, "foo.22.baz", "hello").await;
            assert!(reads_for_next(case, "foo.*.bar", 4, None).await <= ONE_BLOCK);
        },
    );
}

// go: server/filestore_test.go TestFileStoreCheckSkipFirstBlockBug
#[test]
fn a_match_is_found_behind_a_block_that_is_gone() {
    everywhere(
        |_| {},
        async |case| {
            let rounds = ["BB BB", "AA BB", "BB BB", "BB BB", "AA AA"];
            for round in rounds {
                for name in round.split(' ') {
                    case.put(&format!("foo.{name}.bar"), "hello").await;
                }
                case.new_block().await;
            }
            case.remove_all([3, 4]).await;
            assert_eq!(case.next("foo.AA.bar", 4).await, Some(9));
            case.survives().await;
            assert_eq!(case.next("foo.AA.bar", 4).await, Some(9));
        },
    );
}

// go: server/filestore_test.go TestFileStoreCheckSkipFirstBlockNotLoadOldBlocks
#[test]
fn old_blocks_are_not_read_for_a_reader_at_the_end() {
    plain(
        |_| {},
        async |case| {
            for round in ["BB AA", "BB BB", "BB BB", "BB BB", "AA AA", "BB BB", "BB BB"] {
                for name in round.split(' ') {
                    case.put(&format!("foo.{name}.bar"), "hello").await;
                }
                case.new_block().await;
            }
            case.remove_all([1, 2]).await;
            assert_eq!(case.subject("foo.AA.bar").await, (2, 9, 10));
            assert!(reads_for_next(case, "foo.AA.bar", 11, None).await <= ONE_BLOCK);
        },
    );
}

// go: server/filestore_test.go TestFileStoreLoadNextMsgSkipAhead
// go: server/filestore_test.go TestFileStoreLoadNextMsgMultiSkipAhead
#[test]
fn the_next_match_is_gone_to_at_once() {
    for mixed in [false, true] {
        for from in [0, 3] {
            plain(
                |_| {},
                async |case| {
                    for n in 0..10 {
                        case.put(if mixed && n % 2 == 0 { "c" } else { "a" }, "").await;
                        if n % 2 == 1 {
                            case.new_block().await;
                        }
                    }
                    case.put("b", "").await;
                    assert!(reads_for_next(case, "b", from, Some(11)).await <= ONE_BLOCK);
                    let several = Filter::Any(&[b"b", b"d"]);
                    assert_eq!(case.store().next(several, from).await.unwrap(), Some(11));
                },
            );
        }
    }
}

// go: server/memstore_test.go TestMemStoreNextWildcardMatch
// go: server/memstore_test.go TestMemStoreNextLiteralMatch
#[test]
fn matches_from_a_sequence_on_have_a_first_and_a_last() {
    both(
        |_| {},
        async |case| {
            for (subject, count) in [
                ("foo.bar.a", 1),
                ("foo.baz.bar", 10),
                ("foo.bar.b", 1),
                ("foo.baz.bar", 10),
                ("foo.baz.bar.no.match", 10),
            ] {
                case.fill(count, subject, "msg").await;
            }
            for (filter, from, expected) in [
                ("foo.bar.*", 0, (1, 12)),
                ("foo.bar.*", 1, (1, 12)),
                ("foo.bar.*", 2, (12, 12)),
                ("foo.bar.*", 13, (0, 0)),
                ("foo.baz.*", 1, (2, 22)),
                ("foo.baz.*", 11, (11, 22)),
                ("foo.baz.*", 12, (13, 22)),
                ("foo.baz.*", 22, (22, 22)),
                ("foo.baz.*", 23, (0, 0)),
                ("foo.nope.*", 1, (0, 0)),
                ("foo.>", 1, (1, 32)),
                ("foo.bar.a", 0, (1, 1)),
                ("foo.bar.a", 2, (0, 0)),
                ("foo.baz.bar", 1, (2, 22)),
                ("foo.baz.bar", 11, (11, 22)),
                ("foo.baz.bar", 22, (22, 22)),
                ("foo.baz.bar", 23, (0, 0)),
                ("foo.nope", 1, (0, 0)),
            ] {
                let (_, first, last) = case.matching(filter, from).await;
                assert_eq!((first, last), expected, "{filter} from {from}");
            }
        },
    );
}

// go: server/norace_2_test.go TestNoRaceFileStoreLargeMsgsAndFirstMatching
#[test]
fn a_match_among_many_deletes_is_found() {
    plain(
        |options| options.block_len = 1 << 20,
        async |case| {
            for kind in ["bar", "baz"] {
                for n in 0..20_000 {
                    case.put(&format!("foo.{kind}.{n}"), "").await;
                }
            }
            let first = case.block_ends()[1].0.max(20_001);
            case.store().remove_range(first, 39_960).await.unwrap();
            assert_eq!(case.next("*.baz.*", first).await, Some(39_961));
            case.store().remove_range(39_961, 39_999).await.unwrap();
            assert_eq!(case.next("*.baz.*", first).await, Some(40_000));
        },
    );
}

// go: server/norace_1_test.go TestNoRaceJetStreamFileStoreLargeKVAccessTiming
#[test]
fn first_and_last_of_a_key_are_found_without_a_read() {
    plain(
        |options| {
            options.block_len = 4096;
            options.limits.max_messages_per_subject = Some(1);
        },
        async |case| {
            for n in 1..=3_000u64 {
                case.put(&format!("KV.STREAM_NAME.{n}"), [b'Z'; 256]).await;
            }
            case.restart().await;
            case.settle().await;
            let before = case.disk().operations();
            for n in [1, 3_000] {
                let subject = format!("KV.STREAM_NAME.{n}");
                assert_eq!(case.last_of(&subject).await, Some(n));
                assert_eq!(case.subject(&subject).await, (1, n, n));
            }
            assert_eq!(case.disk().operations(), before);
            assert_eq!(&case.get(1).await.unwrap().payload[..], &[b'Z'; 256]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreNoFSSWhenNoSubjects
// go: server/filestore_test.go TestFileStoreNoFSSAfterRecover
// go: server/filestore_test.go TestFileStoreDoesntRebuildSubjectStateWithNoTrack
#[test]
fn a_store_opens_without_reading_its_full_blocks() {
    plain(
        |options| options.block_len = 1024,
        async |case| {
            case.fill(100, "raft", "raft state").await;
            case.settle().await;
            case.restart().await;
            assert_eq!(case.state().await.messages, 100);
            // Only the one that is written on was read whole.
            assert_eq!(case.recovery().scanned, 1);
            assert!(case.recovery().blocks > 3);
            assert_eq!(case.pending_count_all().await, 100);
        },
    );
}

impl Case {
    async fn pending_count_all(&self) -> u64 {
        self.store().pending(Filter::All, 0, Counting::All).await.unwrap()
    }
}

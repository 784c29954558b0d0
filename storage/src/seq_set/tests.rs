use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// 0..count in an order that jumps about.
fn shuffled(count: u64) -> impl Iterator<Item = u64> {
    // Prime, and so coprime to every count below.
    (0..count).map(move |at| at * 7919 % count)
}

fn decoded(set: &SeqSet) -> SeqSet {
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    SeqSet::decode(&bytes).unwrap()
}

// go: server/avl/seqset_test.go TestSeqSetBasics
#[test]
fn a_sequence_is_there_once() {
    let mut set = SeqSet::new();
    for seq in [22, 222, 2000, 2, 2, 4] {
        set.insert(seq);
        assert!(set.contains(seq));
    }
    assert_eq!(set.len(), 5);
    assert!(!set.insert(2000) && set.insert(2001));
}

// go: server/avl/seqset_test.go TestSeqSetCorrectness
#[test]
fn what_was_not_inserted_is_not_there() {
    let mut set = SeqSet::new();
    let mut model = BTreeSet::new();
    for seq in (0..100_000u64).map(|at| at * at % 500_001) {
        assert_eq!(set.insert(seq), model.insert(seq));
    }
    assert!((0..=500_000).all(|seq| set.contains(seq) == model.contains(&seq)));
    assert_eq!(set.len(), model.len() as u64);
}

// go: server/avl/seqset_test.go TestSeqSetRange
#[test]
fn sequences_come_in_order_whatever_order_they_went_in() {
    let set: SeqSet = shuffled(2 * 2048 + 22).collect();
    assert!(set.iter().eq(0..2 * 2048 + 22));
    assert!(set.iter().take_while(|seq| *seq < 10).eq(0..10));
    assert_eq!(set.runs().collect::<Vec<_>>(), [(0, 2 * 2048 + 21)]);
}

// go: server/avl/seqset_test.go TestSeqSetRangeSparse
#[test]
fn sparse_sequences_come_in_order() {
    let seqs = [0, 1, 63, 64, 127, 128, 2047, 2048, 4095, 4096, 100_000, 1_000_000];
    let set: SeqSet = seqs.into_iter().collect();
    assert!(set.iter().eq(seqs));
    let mut seen = Vec::new();
    let _ = set.iter().try_for_each(|seq| {
        seen.push(seq);
        if seq == 64 { Err(()) } else { Ok(()) }
    });
    assert_eq!(seen, [0, 1, 63, 64]);
}

// go: server/avl/seqset_test.go TestSeqSetDelete
#[test]
fn a_set_is_emptied_one_by_one() {
    let mut set: SeqSet = [22, 222, 2222, 2, 2, 4].into_iter().collect();
    for seq in [22, 222, 2222, 2, 2, 4] {
        set.remove(seq);
        assert!(!set.contains(seq));
    }
    assert!(set.is_empty());
    assert_eq!((set.memory_bytes(), set.min(), set), (0, None, SeqSet::new()));
}

// go: server/avl/seqset_test.go TestSeqSetInsertAndDeletePedantic
#[test]
fn a_large_set_is_filled_and_emptied_in_any_order() {
    let count = 50 * 2048 + 22;
    let mut set = SeqSet::new();
    for seq in shuffled(count) {
        assert!(set.insert(seq) && set.contains(seq));
    }
    assert_eq!(set.len(), count);
    for (left, seq) in (0..count).rev().zip(shuffled(count)) {
        assert!(set.remove(seq) && !set.contains(seq));
        assert_eq!((set.len(), set.is_empty()), (left, left == 0));
    }
}

// go: server/avl/seqset_test.go TestSeqSetDeleteNotPresent
#[test]
fn removing_what_is_not_there_changes_nothing() {
    let seqs = [22, 222, 2222, 222_222];
    let mut set: SeqSet = seqs.into_iter().collect();
    for seq in [0, 23, 2223, 5000, 100_000, 999_999] {
        assert!(!set.remove(seq));
    }
    assert_eq!((set.len(), set.iter().collect::<Vec<_>>()), (4, seqs.to_vec()));
    assert!(seqs.into_iter().all(|seq| set.remove(seq)));
    assert!(set.is_empty());
}

// go: server/avl/seqset_test.go TestSeqSetInsertExistingNodeFastPath
#[test]
fn gaps_are_filled_and_nothing_counts_twice() {
    let count = 8 * 2048;
    let mut set: SeqSet = (0..count).step_by(2).collect();
    assert_eq!(set.len(), count / 2);
    for seq in (1..count).step_by(2) {
        assert!(set.insert(seq) && set.contains(seq));
    }
    assert_eq!(set.len(), count);
    assert!((0..count).all(|seq| !set.insert(seq)));
    assert_eq!(set.len(), count);
}

// go: server/avl/seqset_test.go TestSeqSetMinMax
#[test]
fn the_ends_are_known() {
    let set: SeqSet = [22, 222, 2222, 2, 2, 4].into_iter().collect();
    assert_eq!((set.min(), set.max()), (Some(2), Some(2222)));
    let count = 22 * 2048 + 22;
    let set: SeqSet = shuffled(count).collect();
    assert_eq!((set.min(), set.max()), (Some(0), Some(count - 1)));
}

// go: server/avl/seqset_test.go TestSeqSetClone
#[test]
fn a_copy_is_the_same_and_apart() {
    let set: SeqSet = (0..100_000u64).map(|at| at * at % 500_001).collect();
    let mut copy = set.clone();
    assert_eq!((copy.len(), &copy), (set.len(), &set));
    copy.insert(600_000);
    assert_ne!(copy, set);
}

// go: server/avl/seqset_test.go TestSeqSetEqual
#[test]
fn sets_are_equal_by_what_is_in_them() {
    assert_eq!(SeqSet::new(), SeqSet::new());
    let a: SeqSet = [1, 3, 5].into_iter().collect();
    let b: SeqSet = [1, 4, 5].into_iter().collect();
    let none = SeqSet::new();
    for (one, other) in [(&a, &b), (&b, &a), (&a, &none), (&none, &a)] {
        assert_ne!(one, other);
    }
    let mut c: SeqSet = [5, 1, 3].into_iter().collect();
    assert_eq!((&a, &c), (&c, &a));
    c.insert(7);
    assert_ne!(a, c);
    // One run, kept in two ways.
    let mut range = SeqSet::new();
    range.insert_range(0..=9_999);
    assert_eq!(range, shuffled(10_000).collect());
}

// go: server/avl/seqset_test.go TestSeqSetUnion
// go: server/avl/seqset_test.go TestSeqSetDistinctUnion
#[test]
fn a_union_has_all_of_both() {
    for (a, b, count) in [
        (&[22, 222, 2222, 2, 2, 4][..], &[33, 333, 3333, 3, 33_333, 333_333][..], 11),
        (&[1, 10, 100, 200], &[5000, 6100, 6200, 6222], 8),
        (&[1, 2, 3], &[2, 3, 4], 4),
        (&[1], &[], 1),
    ] {
        let mut union: SeqSet = a.iter().copied().collect();
        union.union(&b.iter().copied().collect());
        assert_eq!(union.len(), count);
        assert!(a.iter().chain(b).all(|seq| union.contains(*seq)));
        assert_eq!(union.iter().count() as u64, count);
    }
}

// go: server/avl/seqset_test.go TestSeqSetDecodeNodeCountOverflow
#[test]
fn a_count_that_is_not_there_is_refused() {
    for parts in [1u64, 0x0080_0000, 0xffff_ffff, u64::MAX] {
        assert_eq!(SeqSet::decode(&parts.to_le_bytes()), Err(MalformedSet), "{parts}");
    }
    // One part with as many containers as there can be, and more, none of which follows.
    for containers in [0xffffu32, 0x1_0000, u32::MAX] {
        let mut bytes = 1u64.to_le_bytes().to_vec();
        for word in [0, NO_RUNS, containers] {
            bytes.extend(word.to_le_bytes());
        }
        let memory = allocation_counter::measure(|| {
            assert_eq!(SeqSet::decode(&bytes), Err(MalformedSet), "{containers}");
        });
        assert!(memory.bytes_max < 300 << 10, "{containers}: {} allocated", memory.bytes_max);
    }
    let set: SeqSet = [7].into_iter().collect();
    assert_eq!(decoded(&set), set);
}

// go: server/avl/norace_test.go TestNoRaceSeqSetEncodeLarge
#[test]
fn a_large_set_is_small_and_comes_back() {
    let mut set = SeqSet::new();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..2_500_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        set.insert(state % 5_000_000);
    }
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert!(bytes.len() < 640_000, "a bit for each of 5,000,000: {}", bytes.len());
    assert_eq!(SeqSet::decode(&bytes).map(|set| set.len()), Ok(set.len()));
    assert_eq!(decoded(&set), set);
}

// go: server/avl/norace_test.go TestNoRaceSeqSetSizeComparison
#[test]
fn millions_of_sequences_take_less_than_two_mebibytes() {
    let mut set = SeqSet::new();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut calls = 0u64;
    let memory = allocation_counter::measure(|| {
        while calls < 5_000_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            set.insert(state % 7_000_001);
            calls += 1;
        }
    });
    assert!(set.len() > 3_000_000);
    let bytes = memory.bytes_current as usize;
    assert!(bytes < 2 << 20, "{bytes}");
    // A map with a word for each sequence, at fifty times as much.
    assert!(bytes * 50 < set.len() as usize * 16, "{bytes}");
    assert!(set.memory_bytes().abs_diff(bytes) < bytes / 4, "{} told, {bytes} taken", set.memory_bytes());
}

/// Says in the Roaring layout that a part has no containers of runs.
const NO_RUNS: u32 = 12346;

#[test]
fn no_other_bytes_are_a_set() {
    let mut set: SeqSet = [1, 3, 70_000, 1 << 40].into_iter().collect();
    set.insert_range(100_000..=300_000);
    set.remove(200_000);
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    for end in 0..bytes.len() {
        assert!(SeqSet::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(SeqSet::decode(&[&bytes[..], b"\0"].concat()).is_err());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Another set is another value, but never the same one.
        assert_ne!(SeqSet::decode(&flipped), Ok(set.clone()), "bit {bit}");
    }
    // A part without sequences, and one part twice.
    let mut empty = 1u64.to_le_bytes().to_vec();
    [0, NO_RUNS, 0].into_iter().for_each(|word: u32| empty.extend(word.to_le_bytes()));
    assert_eq!(SeqSet::decode(&empty), Err(MalformedSet));
    let mut one = Vec::new();
    [7].into_iter().collect::<SeqSet>().encode(&mut one);
    let twice = [&2u64.to_le_bytes()[..], &one[8..], &one[8..]].concat();
    assert_eq!(SeqSet::decode(&twice), Err(MalformedSet));
}

#[test]
fn a_long_run_costs_a_few_bytes_for_each_65_536() {
    let mut set = SeqSet::new();
    let memory = allocation_counter::measure(|| {
        assert_eq!(set.insert_range(1..=100_000_000), 100_000_000);
    });
    let containers = 100_000_000u64.div_ceil(1 << 16);
    assert!(memory.bytes_current as u64 <= containers * 100, "{}", memory.bytes_current);
    assert_eq!((set.next_absent(1), set.next_absent(50_000_000)), (Some(100_000_001), Some(100_000_001)));
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert!(bytes.len() as u64 <= containers * 16, "{}", bytes.len());
    assert_eq!(SeqSet::decode(&bytes), Ok(set));
}

#[test]
fn the_largest_sequence_is_one() {
    let mut set = SeqSet::new();
    assert_eq!(set.insert_range(u64::MAX - 2..=u64::MAX), 3);
    assert_eq!((set.next_absent(u64::MAX - 1), set.next_present(u64::MAX)), (None, Some(u64::MAX)));
    assert_eq!(set.runs().collect::<Vec<_>>(), [(u64::MAX - 2, u64::MAX)]);
    assert_eq!((set.remove_below(u64::MAX), set.len(), set.remove_below(0)), (2, 1, 0));
    assert_eq!(decoded(&set), set);
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u64),
    InsertRange(u64, u64),
    Remove(u64),
    RemoveRange(u64, u64),
    RemoveBelow(u64),
    Union(Vec<u64>),
    Subtract(Vec<u64>),
}

/// Around 0, around the edge of a container of 65,536 and around the edge of a part of 2^32.
fn seq() -> impl Strategy<Value = u64> {
    prop_oneof![0..40u64, 65_516..65_556u64, (1u64 << 32) - 20..(1 << 32) + 20]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => seq().prop_map(Op::Insert),
        3 => (seq(), 0..40u64).prop_map(|(first, more)| Op::InsertRange(first, first + more)),
        3 => seq().prop_map(Op::Remove),
        2 => (seq(), 0..40u64).prop_map(|(first, more)| Op::RemoveRange(first, first + more)),
        1 => seq().prop_map(Op::RemoveBelow),
        1 => proptest::collection::vec(seq(), 0..5).prop_map(Op::Union),
        1 => proptest::collection::vec(seq(), 0..25).prop_map(Op::Subtract),
    ]
}

/// One part of a set: its key, the head of its containers, and what they hold.
fn hostile_part() -> impl Strategy<Value = Vec<u8>> {
    let container = (any::<u16>(), any::<bool>(), proptest::collection::vec(0..9u16, 1..12));
    let containers = proptest::collection::vec(container, 1..6);
    (0..3u32, containers, any::<bool>(), 0..40u32).prop_map(|(key, mut containers, has_runs, wrong)| {
        containers.sort_by_key(|container| container.0);
        containers.dedup_by_key(|container| container.0);
        let mut bytes = key.to_le_bytes().to_vec();
        let count = containers.len() as u32;
        if has_runs {
            bytes.extend(((count.wrapping_sub(1) & 0xffff) << 16 | RUNS).to_le_bytes());
            let mut flags = vec![0; containers.len().div_ceil(8)];
            for (at, (_, is_run, _)) in containers.iter().enumerate() {
                flags[at / 8] |= u8::from(*is_run) << (at % 8);
            }
            bytes.extend(flags);
        } else {
            bytes.extend(NO_RUNS.to_le_bytes());
            bytes.extend(count.to_le_bytes());
        }
        // Steps become values that ascend; now and then a count is not what follows.
        let mut bodies = Vec::new();
        let mut offset = bytes.len() as u32 + 8 * count - 4;
        let mut offsets = Vec::new();
        for (at, (key, is_run, steps)) in containers.iter().enumerate() {
            let mut body = Vec::new();
            let is_run = *is_run && has_runs;
            let values = steps.iter().scan(0u16, |value, step| {
                *value = value.saturating_add(5 + step * 500);
                Some(*value)
            });
            if is_run {
                body.extend((steps.len() as u16).to_le_bytes());
                body.extend(values.flat_map(|value| [value.to_le_bytes(), 3u16.to_le_bytes()].concat()));
            } else {
                body.extend(values.flat_map(u16::to_le_bytes));
            }
            let told = (steps.len() as u16).wrapping_sub(if at as u32 == wrong { 7 } else { 1 });
            bytes.extend(key.to_le_bytes());
            bytes.extend(told.to_le_bytes());
            offsets.extend(offset.to_le_bytes());
            offset += body.len() as u32;
            bodies.extend(body);
        }
        if !has_runs || containers.len() >= 4 {
            bytes.extend(offsets);
        }
        bytes.extend(bodies);
        bytes
    })
}

/// Parts that mostly ascend.
fn hostile_parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (proptest::collection::vec(hostile_part(), 0..4), 0..9u8).prop_map(|(mut parts, order)| {
        if order > 0 {
            parts.sort_by_key(|part| part[0]);
            parts.dedup_by_key(|part| part[0]);
        }
        parts
    })
}

/// Says that a part has containers of runs; its count, less one, is in the upper half.
const RUNS: u32 = 12347;

proptest! {
    #[test]
    fn the_set_does_what_an_ordered_set_does(
        ops in proptest::collection::vec(op(), 0..60),
        asked in proptest::collection::vec(seq(), 12),
    ) {
        let mut set = SeqSet::new();
        let mut model = BTreeSet::new();
        for op in ops {
            let before = model.len() as u64;
            match op {
                Op::Insert(seq) => prop_assert_eq!(set.insert(seq), model.insert(seq)),
                Op::InsertRange(first, last) => {
                    model.extend(first..=last);
                    prop_assert_eq!(set.insert_range(first..=last), model.len() as u64 - before);
                }
                Op::Remove(seq) => prop_assert_eq!(set.remove(seq), model.remove(&seq)),
                Op::RemoveRange(first, last) => {
                    model.retain(|seq| !(first..=last).contains(seq));
                    prop_assert_eq!(set.remove_range(first..=last), before - model.len() as u64);
                }
                Op::RemoveBelow(seq) => {
                    model.retain(|known| *known >= seq);
                    prop_assert_eq!(set.remove_below(seq), before - model.len() as u64);
                }
                Op::Union(seqs) => {
                    model.extend(&seqs);
                    set.union(&seqs.into_iter().collect());
                }
                Op::Subtract(seqs) => {
                    model.retain(|known| !seqs.contains(known));
                    set.subtract(&seqs.into_iter().collect());
                }
            }
            prop_assert_eq!(set.len(), model.len() as u64);
        }
        prop_assert_eq!((set.min(), set.max()), (model.first().copied(), model.last().copied()));
        prop_assert!(set.iter().eq(model.iter().copied()));
        prop_assert!(set.iter().rev().eq(model.iter().rev().copied()));
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &seq in &model {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == seq => *last = seq,
                Some(_) | None => runs.push((seq, seq)),
            }
        }
        prop_assert_eq!(set.runs().collect::<Vec<_>>(), runs.clone());
        for from in asked {
            prop_assert_eq!(set.contains(from), model.contains(&from));
            prop_assert_eq!(set.next_present(from), model.range(from..).next().copied());
            prop_assert_eq!(set.next_absent(from), (from..).find(|seq| !model.contains(seq)));
            prop_assert_eq!(set.count_in(from..=from + 30), model.range(from..=from + 30).count() as u64);
            let rest: Vec<_> =
                runs.iter().filter(|(_, last)| *last >= from).map(|(first, last)| ((*first).max(from), *last)).collect();
            prop_assert_eq!(set.runs_from(from).collect::<Vec<_>>(), rest);
        }
        prop_assert_eq!(&decoded(&set), &set);
        // However it came about, a set is equal to itself.
        prop_assert_eq!(set, model.into_iter().collect::<SeqSet>());
    }

    #[test]
    fn any_bytes_are_a_set_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(set) = SeqSet::decode(&bytes) {
            prop_assert_eq!(set.iter().count() as u64, set.len());
            prop_assert_eq!(&decoded(&set), &set);
        }
    }

    /// Heads and containers as a writer of the layout could have made them, whatever they say of themselves.
    #[test]
    fn what_bytes_may_ask_for_is_in_proportion_to_them(
        parts in hostile_parts(),
        count in prop_oneof![8 => Just(None), 1 => (0..6u64).prop_map(Some), 1 => any::<u64>().prop_map(Some)],
        cut in prop_oneof![8 => Just(0), 1 => 1..4usize],
    ) {
        let count = count.unwrap_or(parts.len() as u64);
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend(parts.concat());
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        let mut read = Err(MalformedSet);
        let memory = allocation_counter::measure(|| read = SeqSet::decode(&bytes));
        let most = (300 << 10) + 64 * bytes.len() as u64;
        prop_assert!(memory.bytes_max < most, "{} allocated for {} bytes", memory.bytes_max, bytes.len());
        if let Ok(set) = read {
            prop_assert!(set.memory_bytes() <= 64 * bytes.len() + 1024, "{set:?}");
            let mut again = Vec::new();
            set.encode(&mut again);
            prop_assert!(again.len() <= bytes.len(), "{} bytes are {} now", bytes.len(), again.len());
            let reread = SeqSet::decode(&again).unwrap();
            let mut last = Vec::new();
            reread.encode(&mut last);
            prop_assert_eq!(&reread, &set);
            prop_assert_eq!(last, again);
        }
    }

    #[test]
    fn damaged_sets_are_sets_or_refused(
        seqs in proptest::collection::vec(seq(), 0..50),
        run in 0..200_000u64,
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut set: SeqSet = seqs.into_iter().collect();
        set.insert_range(1_000_000..=1_000_000 + run);
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(set) = SeqSet::decode(&bytes) {
            prop_assert_eq!(set.iter().count() as u64, set.len());
            prop_assert_eq!(&decoded(&set), &set);
            prop_assert_eq!(set.runs().map(|(first, last)| last - first + 1).sum::<u64>(), set.len());
        }
    }
}

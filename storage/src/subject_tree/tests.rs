//! The tree against a plain map, and what its shape promises.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Asserts every invariant of the tree, and that its memory is counted right.
pub(super) fn check<T>(tree: &SubjectTree<T>) {
    let (mut leaves, mut counts, mut text_bytes) = (BTreeSet::new(), [0; 4], 0);
    let mut open = Vec::from([tree.root]);
    while let Some(at) = open.pop() {
        let kind = match at.place() {
            _ if at == Ref::NONE => continue,
            Place::Leaf(id) => {
                text_bytes += tree.leaves.get(id).text.heap_bytes();
                assert!(leaves.insert(id), "leaf {id} is reached twice");
                continue;
            }
            Place::N4(_) => 0,
            Place::N16(_) => 1,
            Place::N48(_) => 2,
            Place::N256(_) => 3,
        };
        counts[kind] += 1;
        let head = tree.nodes.head(at);
        text_bytes += head.prefix.heap_bytes();
        if head.end != Ref::NONE {
            let Place::Leaf(id) = head.end.place() else { panic!("an end that is no leaf") };
            assert_eq!(tree.leaves.get(id).text.as_slice(), b"");
            open.push(head.end);
        }
        let (mut cursor, mut last, mut children) = (0, None, 0);
        while let Some((after, byte, child)) = tree.nodes.next_child(at, cursor) {
            assert!(last < Some(byte), "children out of order");
            assert_eq!(tree.nodes.find_child(at, byte).map(|(_, child)| child), Some(child));
            assert_ne!(child, Ref::NONE);
            open.push(child);
            (cursor, last, children) = (after, Some(byte), children + 1);
        }
        assert_eq!(children, head.count);
        assert!(head.count + u16::from(head.end != Ref::NONE) >= 2, "a branch without a choice");
    }
    assert_eq!(leaves.len(), tree.len());
    assert_eq!(counts, tree.nodes.counts(), "branches that no one reaches");
    assert_eq!(text_bytes, tree.text_bytes);
}

pub(super) fn found<T: Clone>(tree: &SubjectTree<T>, filters: &[&[u8]]) -> Vec<(Vec<u8>, T)> {
    let mut found = Vec::new();
    let flow = match filters {
        [filter] => tree.for_each_match(filter, |_, subject, value| {
            found.push((subject.to_vec(), value.clone()));
            ControlFlow::Continue(())
        }),
        _ => tree.for_each_match_any(filters, |_, subject, value| {
            found.push((subject.to_vec(), value.clone()));
            ControlFlow::Continue(())
        }),
    };
    assert!(flow.is_continue());
    found
}

pub(super) fn all<T: Clone>(tree: &SubjectTree<T>) -> Vec<(Vec<u8>, T)> {
    let mut all = Vec::new();
    let flow = tree.for_each(|id, subject, value| {
        assert_eq!(tree.find(subject), Some(id));
        all.push((subject.to_vec(), value.clone()));
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    all
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u8>),
    Entry(Vec<u8>),
    Remove(Vec<u8>),
    Change(Vec<u8>),
    Match(Vec<Vec<u8>>),
    Clear,
}

/// Subjects that share much: few letters, tokens that repeat, a long one now and then, odd ones too.
fn subject() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ab.]{0,7}".prop_map(String::into_bytes),
        4 => "(events|ev|e)\\.(device|dev)\\.[0-9]{1,3}(\\.temp)?".prop_map(String::into_bytes),
        2 => "x(ab){0,30}\\.[ab]".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..3),
        1 => (any::<u8>(), 0..60usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn filter() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => subject(),
        3 => "([ab]{1,2}|\\*)(\\.([ab]{1,2}|\\*)){0,3}(\\.>)?".prop_map(String::into_bytes),
        3 => "(events|ev|\\*)\\.(device|dev|\\*)\\.([0-9]{1,2}|\\*|>)(\\.temp|\\.>|\\.\\*)?".prop_map(String::into_bytes),
        2 => "[ab.*>]{0,6}".prop_map(String::into_bytes),
        1 => Just(b">".to_vec()),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        40 => subject().prop_map(Op::Insert),
        20 => subject().prop_map(Op::Entry),
        30 => subject().prop_map(Op::Remove),
        10 => subject().prop_map(Op::Change),
        20 => proptest::collection::vec(filter(), 0..5).prop_map(Op::Match),
        1 => Just(Op::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_tree_does_what_a_map_does(ops in proptest::collection::vec(op(), 0..200)) {
        let mut tree = SubjectTree::new();
        let mut model: BTreeMap<Vec<u8>, (LeafId, usize)> = BTreeMap::new();
        for (step, op) in ops.into_iter().enumerate() {
            match op {
                Op::Insert(subject) => {
                    prop_assert_eq!(tree.insert(&subject, step), model.get(&subject).map(|known| known.1));
                    let id = tree.find(&subject).expect("it was inserted");
                    let old = model.insert(subject, (id, step));
                    prop_assert!(old.is_none_or(|(old, _)| old == id), "a subject changed its number");
                }
                Op::Entry(subject) => {
                    let known = model.get(&subject).copied();
                    let mut made = false;
                    let (id, value) = tree.entry(&subject, || { made = true; step });
                    prop_assert_eq!((id, *value), known.unwrap_or((id, step)));
                    prop_assert_eq!(made, known.is_none());
                    model.insert(subject, (id, *value));
                }
                Op::Remove(subject) => prop_assert_eq!(tree.remove(&subject), model.remove(&subject)),
                Op::Change(subject) => {
                    let known = model.get_mut(&subject).map(|known| { known.1 += 1000; known.1 });
                    prop_assert_eq!(tree.get_mut(&subject).map(|value| { *value += 1000; *value }), known);
                }
                Op::Match(filters) => {
                    let filters: Vec<&[u8]> = filters.iter().map(Vec::as_slice).collect();
                    let expected: Vec<(Vec<u8>, usize)> = model
                        .iter()
                        .filter(|(subject, _)| filters.iter().any(|filter| natrium_subject::matches(subject, filter)))
                        .map(|(subject, (_, value))| (subject.clone(), *value))
                        .collect();
                    prop_assert_eq!(found(&tree, &filters), expected, "{:?}", filters);
                }
                Op::Clear => { tree.clear(); model.clear(); }
            }
        }
        check(&tree);
        prop_assert_eq!(tree.len(), model.len());
        let expected: Vec<(Vec<u8>, usize)> = model.iter().map(|(subject, (_, value))| (subject.clone(), *value)).collect();
        prop_assert_eq!(all(&tree), expected);
        for (subject, (id, value)) in &model {
            prop_assert_eq!((tree.find(subject), tree.get(subject)), (Some(*id), Some(value)));
            prop_assert_eq!(tree.by_id(*id), value);
        }
        // And down to nothing again.
        for (subject, known) in model {
            prop_assert_eq!(tree.remove(&subject), Some(known));
            check(&tree);
        }
        prop_assert!(tree.is_empty());
    }
}

/// A tree with `count` subjects that differ in one byte behind a shared front.
fn fan(count: u16) -> SubjectTree<u16> {
    let mut tree = SubjectTree::new();
    for byte in 0..count {
        assert_eq!(tree.insert(&[b"shared.".as_slice(), &[byte as u8]].concat(), byte), None);
    }
    check(&tree);
    tree
}

// go: server/stree/stree_test.go TestSubjectTreeNodeGrow
#[test]
fn a_branch_grows_when_it_is_full() {
    for (count, kinds) in [
        (1, [0, 0, 0, 0]),
        (2, [1, 0, 0, 0]),
        (4, [1, 0, 0, 0]),
        (5, [0, 1, 0, 0]),
        (16, [0, 1, 0, 0]),
        (17, [0, 0, 1, 0]),
        (48, [0, 0, 1, 0]),
        (49, [0, 0, 0, 1]),
        (256, [0, 0, 0, 1]),
    ] {
        let tree = fan(count);
        assert_eq!(tree.nodes.counts(), kinds, "{count}");
        let expected: Vec<_> =
            (0..count).map(|byte| ([b"shared.".as_slice(), &[byte as u8]].concat(), byte)).collect();
        assert_eq!(all(&tree), expected, "{count}");
    }
}

// go: server/stree/stree_test.go TestNode256Shrink
// go: server/stree/stree_test.go TestNodeShrinkNotNeeded
#[test]
fn a_branch_shrinks_when_little_is_left() {
    for from_the_front in [true, false] {
        let mut tree = fan(256);
        for left in (0..256u16).rev() {
            let byte = if from_the_front { 255 - left } else { left };
            assert!(tree.remove(&[b"shared.".as_slice(), &[byte as u8]].concat()).is_some());
            check(&tree);
            let expected = match left {
                41.. => [0, 0, 0, 1],
                13.. => [0, 0, 1, 0],
                4.. => [0, 1, 0, 0],
                2.. => [1, 0, 0, 0],
                0.. => [0, 0, 0, 0],
            };
            assert_eq!(tree.nodes.counts(), expected, "{left} left");
            assert_eq!(all(&tree).len(), usize::from(left));
        }
        assert_eq!(tree.root, Ref::NONE);
    }
}

#[test]
fn a_child_that_comes_and_goes_does_not_change_the_size_of_its_branch() {
    for count in [4, 16, 48] {
        let mut tree = fan(count);
        let subject = [b"shared.".as_slice(), &[count as u8]].concat();
        tree.insert(&subject, count);
        let grown = tree.nodes.counts();
        for _ in 0..3 {
            tree.remove(&subject);
            assert_eq!(tree.nodes.counts(), grown);
            tree.insert(&subject, count);
            assert_eq!(tree.nodes.counts(), grown);
        }
        check(&tree);
    }
}

#[test]
fn subjects_may_be_the_beginnings_of_others() {
    let mut tree = SubjectTree::new();
    let long = vec![b'a'; 300];
    // The whole row, from both ends to the middle.
    for at in 0..=150 {
        for len in [at, 300 - at] {
            tree.entry(&long[..len], || len);
        }
        check(&tree);
    }
    assert_eq!(tree.len(), 301);
    assert_eq!(all(&tree), (0..=300).map(|len| (long[..len].to_vec(), len)).collect::<Vec<_>>());
    for len in (0..=300).step_by(2) {
        assert_eq!(tree.remove(&long[..len]).map(|removed| removed.1), Some(len));
        check(&tree);
    }
    assert_eq!(all(&tree), (1..300).step_by(2).map(|len| (long[..len].to_vec(), len)).collect::<Vec<_>>());
}

#[test]
fn a_path_is_split_anywhere_and_joined_again() {
    let front = b"a.path.of.some.length.that.does.not.fit.in.a.branch".as_slice();
    for at in 0..front.len() {
        let mut tree = SubjectTree::new();
        tree.insert(&[front, b"1"].concat(), 1);
        tree.insert(&[front, b"2"].concat(), 2);
        let before = tree.text_bytes;
        let side = [&front[..at], b"|side"].concat();
        tree.insert(&side, 3);
        check(&tree);
        assert_eq!(found(&tree, &[b">"]).len(), 3, "{at}");
        assert_eq!(tree.get(&front[..at]), None);
        tree.insert(&front[..at], 4);
        check(&tree);
        assert_eq!(tree.get(&front[..at]), Some(&4));
        assert_eq!(tree.remove(&side).map(|removed| removed.1), Some(3));
        assert_eq!(tree.remove(&front[..at]).map(|removed| removed.1), Some(4));
        check(&tree);
        assert_eq!((tree.nodes.counts(), tree.text_bytes), ([1, 0, 0, 0], before), "{at}");
    }
}

#[test]
fn every_byte_is_a_byte_like_others() {
    let mut tree = SubjectTree::new();
    for first in 0..=255u8 {
        for second in [None, Some(0), Some(b'.'), Some(0x7f), Some(255)] {
            let subject: Vec<u8> = [first].into_iter().chain(second).collect();
            assert_eq!(tree.insert(&subject, subject.clone()), None);
        }
    }
    check(&tree);
    assert_eq!(tree.len(), 5 * 256);
    let all = all(&tree);
    assert!(all.is_sorted());
    assert!(all.iter().all(|(subject, value)| subject == value));
    assert_eq!(found(&tree, &[b"\xff\x7f"]), [(b"\xff\x7f".to_vec(), b"\xff\x7f".to_vec())]);
}

#[test]
fn a_very_long_subject_and_a_very_deep_tree_are_no_danger() {
    let mut tree = SubjectTree::new();
    let long = vec![b'z'; 1 << 20];
    tree.insert(&long, 0);
    assert_eq!((tree.get(&long), tree.text_bytes), (Some(&0), 1 << 20));
    assert_eq!(tree.remove(&long).map(|(_, value)| value), Some(0));
    // A branch for each byte of the path: a walk that recursed would need megabytes of stack.
    for len in (1..20_000).rev() {
        tree.insert(&long[..len], len);
    }
    check(&tree);
    assert_eq!(tree.nodes.counts(), [19_998, 0, 0, 0]);
    assert_eq!((tree.get(&long[..19_999]), tree.get(&long[..20_000])), (Some(&19_999), None));
    let flow = tree.for_each_match(b"*", |_, subject, _| {
        if subject.len() == 19_999 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(flow.is_break());
    tree.clear();
    assert!(tree.is_empty());
    assert_eq!(tree.memory_bytes(), 0);
}

#[test]
fn an_empty_tree_has_nothing() {
    let mut tree = SubjectTree::<u64>::new();
    assert_eq!((tree.len(), tree.get(b""), tree.get(b"a"), tree.memory_bytes()), (0, None, None, 0));
    assert_eq!(tree.remove(b"a"), None);
    assert_eq!((found(&tree, &[b">"]), found(&tree, &[]), all(&tree)), (vec![], vec![], vec![]));
}

#[test]
fn numbers_are_dense_and_used_again() {
    let mut tree = SubjectTree::new();
    let ids: Vec<LeafId> = (0..100u32).map(|n| tree.entry(format!("s.{n}").as_bytes(), || n).0).collect();
    assert_eq!(ids, (0..100).map(LeafId).collect::<Vec<_>>());
    assert_eq!(tree.remove(b"s.42"), Some((LeafId(42), 42)));
    assert_eq!(tree.entry(b"s.42.again", || 142).0, LeafId(42));
    *tree.by_id_mut(LeafId(42)) += 1;
    assert_eq!((tree.by_id(LeafId(42)), tree.get(b"s.42.again")), (&143, Some(&143)));
}

#[test]
#[should_panic(expected = "nothing is under 0")]
fn a_number_without_a_subject_is_refused() {
    let mut tree = SubjectTree::new();
    let (id, _) = tree.entry(b"gone", || ());
    tree.remove(b"gone");
    let () = tree.by_id(id);
}

#[test]
fn a_walk_touches_little_more_than_it_finds() {
    let mut tree = SubjectTree::new();
    for n in 0..20_000u32 {
        tree.insert(format!("orders.{}.{}", n % 100, n).as_bytes(), n);
    }
    let steps = |filters: &[&[u8]]| walk::steps_of(&tree, filters).0;
    // 200 subjects below one branch, of 20,000: their leaves and the branches between them.
    assert!(steps(&[b"orders.7.*"]) < 350, "{}", steps(&[b"orders.7.*"]));
    assert!(steps(&[b"orders.7.>", b"orders.7.107"]) < 350);
    assert!(steps(&[b"orders.7.107", b"orders.93.193", b"nothing.>"]) < 25);
    assert!(steps(&[b"nothing.*"]) <= 1);
    // A long walk remembers no more than where it is.
    let (steps, room) = walk::steps_of(&tree, &[b"orders.*.*", b"*.7.*"]);
    assert!(steps > 20_000 && room <= 64, "room for {room} after {steps} steps");
}

#[test]
fn a_subject_costs_less_than_its_bound() {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = || {
        // xorshift: any spread of bytes will do.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut devices = SubjectTree::<[u64; 3]>::new();
    let mut hex = SubjectTree::<[u64; 3]>::new();
    let (mut devices_bytes, mut hex_bytes) = (0, 0);
    for n in 0..100_000u32 {
        let subject = format!("events.device.{n}.temp");
        devices_bytes += subject.len();
        devices.insert(subject.as_bytes(), [0; 3]);
        let subject = format!("{:016x}.{:016x}", draw(), draw());
        hex_bytes += subject.len();
        hex.insert(subject.as_bytes(), [0; 3]);
    }
    // 100 B is what a subject may cost a store beyond its own bytes; all of the value is in it.
    let over = |tree: &SubjectTree<[u64; 3]>, bytes: usize| {
        (tree.memory_bytes() as f64 - bytes as f64) / tree.len() as f64
    };
    assert!(over(&devices, devices_bytes) < 60.0, "{}", over(&devices, devices_bytes));
    assert!(over(&hex, hex_bytes) < 80.0, "{}", over(&hex, hex_bytes));
}

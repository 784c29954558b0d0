//! What the reference asserts of its subject tree, asserted of ours.

use std::collections::BTreeMap;

use super::{
    tests::{all, check, found},
    *,
};

fn tree_of<'a>(subjects: impl IntoIterator<Item = (&'a str, i32)>) -> SubjectTree<i32> {
    let mut tree = SubjectTree::new();
    for (subject, value) in subjects {
        assert_eq!(tree.insert(subject.as_bytes(), value), None, "{subject}");
    }
    check(&tree);
    tree
}

/// Two branches of three and the subject between them.
fn bar_and_baz() -> SubjectTree<i32> {
    tree_of([
        ("foo.bar.A", 1),
        ("foo.bar.B", 2),
        ("foo.bar.C", 3),
        ("foo.baz.A", 11),
        ("foo.baz.B", 22),
        ("foo.baz.C", 33),
        ("foo.bar", 42),
    ])
}

fn get(tree: &SubjectTree<i32>, subject: &str) -> Option<i32> {
    tree.get(subject.as_bytes()).copied()
}

fn remove(tree: &mut SubjectTree<i32>, subject: &str) -> Option<i32> {
    let removed = tree.remove(subject.as_bytes()).map(|(_, value)| value);
    check(tree);
    removed
}

fn count(tree: &SubjectTree<i32>, filter: &str) -> usize {
    found(tree, &[filter.as_bytes()]).len()
}

fn matched(tree: &SubjectTree<i32>, filters: &[&str]) -> Vec<String> {
    let filters: Vec<&[u8]> = filters.iter().map(|filter| filter.as_bytes()).collect();
    let text = |(subject, _)| String::from_utf8(subject).unwrap();
    found(tree, &filters).into_iter().map(text).collect()
}

/// How many subjects `filter` gives when the walk is stopped at the `stop`th, and whether it was.
fn count_until(tree: &SubjectTree<i32>, filter: &str, stop: usize) -> (usize, bool) {
    let mut count = 0;
    let flow = tree.for_each_match(filter.as_bytes(), |_, _, _| {
        count += 1;
        if count < stop { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    (count, flow.is_break())
}

/// The tree as text: a line for each branch and leaf, with its text, below the byte that leads to it.
fn shape(tree: &SubjectTree<i32>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = Vec::from([(tree.root, 0, String::new())]);
    while let Some((at, depth, byte)) = open.pop() {
        let indent = "  ".repeat(depth);
        if let Place::Leaf(id) = at.place() {
            let leaf = tree.leaves.get(id);
            let text = String::from_utf8_lossy(leaf.text.as_slice());
            lines.push(format!("{indent}{byte}[{text}] = {}", leaf.value));
            continue;
        }
        let head = tree.nodes.head(at);
        lines.push(format!("{indent}{byte}({})", String::from_utf8_lossy(head.prefix.as_slice())));
        let (mut cursor, mut children) = (0, Vec::new());
        if head.end != Ref::NONE {
            children.push((head.end, depth + 1, "end ".into()));
        }
        while let Some((after, byte, child)) = tree.nodes.next_child(at, cursor) {
            children.push((child, depth + 1, format!("{} ", byte as char)));
            cursor = after;
        }
        open.extend(children.into_iter().rev());
    }
    lines
}

// go: server/stree/stree_test.go TestSubjectTreeBasics
#[test]
fn a_subject_is_inserted_updated_and_found() {
    let mut tree = SubjectTree::new();
    assert_eq!(tree.len(), 0);
    assert_eq!(tree.insert(b"foo.bar.baz", 22), None);
    assert_eq!(tree.len(), 1);
    assert_eq!(get(&tree, "foo.bar.*"), None);
    assert_eq!(get(&tree, "foo.bar.baz"), Some(22));
    assert_eq!(tree.insert(b"foo.bar.baz", 33), Some(22));
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.insert(b"foo.bar", 22), None);
    assert_eq!(tree.len(), 2);
    assert_eq!((get(&tree, "foo.bar"), get(&tree, "foo.bar.baz")), (Some(22), Some(33)));
}

// go: server/stree/stree_test.go TestSubjectTreeNodePrefixMismatch
#[test]
fn a_subject_that_leaves_a_prefix_splits_it() {
    let mut tree = tree_of([("foo.bar.A", 11), ("foo.bar.B", 22), ("foo.bar.C", 33)]);
    let root = tree.root;
    assert_eq!(tree.insert(b"foo.foo.A", 44), None);
    check(&tree);
    assert_ne!(tree.root, root);
    for (subject, value) in [("foo.bar.A", 11), ("foo.bar.B", 22), ("foo.bar.C", 33), ("foo.foo.A", 44)] {
        assert_eq!(get(&tree, subject), Some(value), "{subject}");
    }
}

// go: server/stree/stree_test.go TestSubjectTreeNodeDelete
#[test]
fn what_is_removed_leaves_a_smaller_tree() {
    let mut tree = tree_of([("foo.bar.A", 22)]);
    assert_eq!(remove(&mut tree, "foo.bar.A"), Some(22));
    assert_eq!(tree.root, Ref::NONE);
    assert_eq!((remove(&mut tree, "foo.bar.A"), get(&tree, "foo.foo.A")), (None, None));

    let mut tree = tree_of([("foo.bar.A", 11), ("foo.bar.B", 22), ("foo.bar.C", 33)]);
    assert_eq!((remove(&mut tree, "foo.bar.C"), remove(&mut tree, "foo.bar.B")), (Some(33), Some(22)));
    assert_eq!(shape(&tree), ["[foo.bar.A] = 11"]);
    assert_eq!(remove(&mut tree, "foo.bar.A"), Some(11));
    assert_eq!(tree.root, Ref::NONE);

    // From each size to the one below it.
    for (count, few, kinds) in [(5u8, 3u8, [1, 0, 0, 0]), (17, 12, [0, 1, 0, 0]), (49, 40, [0, 0, 1, 0])] {
        let mut tree = SubjectTree::new();
        for at in 0..count {
            tree.insert(&[b"foo.bar.", &[b'A' + at][..]].concat(), 22);
        }
        for at in (few..count).rev() {
            assert_eq!(tree.remove(&[b"foo.bar.", &[b'A' + at][..]].concat()).map(|gone| gone.1), Some(22));
        }
        check(&tree);
        assert_eq!(tree.nodes.counts(), kinds, "{count}");
        assert_eq!(get(&tree, "foo.bar.B"), Some(22));
    }
}

// go: server/stree/stree_test.go TestSubjectTreeNodesAndPaths
#[test]
fn a_branch_that_loses_its_end_takes_over_the_path() {
    let mut tree = tree_of([("foo.bar.A", 22), ("foo.bar.B", 22), ("foo.bar.C", 22), ("foo.bar", 22)]);
    let subjects = ["foo.bar.A", "foo.bar.B", "foo.bar.C"];
    assert!(subjects.iter().chain(&["foo.bar"]).all(|subject| get(&tree, subject) == Some(22)));
    assert_eq!(remove(&mut tree, "foo.bar"), Some(22));
    assert!(subjects.iter().all(|subject| get(&tree, subject) == Some(22)));
    assert_eq!(shape(&tree), ["(foo.bar.)", "  A [] = 22", "  B [] = 22", "  C [] = 22"]);
}

// go: server/stree/stree_test.go TestSubjectTreeConstruction
#[test]
fn a_tree_has_the_shape_of_its_subjects() {
    let mut tree = bar_and_baz();
    let baz = ["  z (.)", "    A [] = 11", "    B [] = 22", "    C [] = 33"];
    let bar = ["  r ()", "    end [] = 42", "    . ()", "      A [] = 1", "      B [] = 2", "      C [] = 3"];
    assert_eq!(shape(&tree), [&["(foo.ba)"], &bar[..], &baz].concat());
    assert_eq!(remove(&mut tree, "foo.bar"), Some(42));
    let bar = ["  r (.)", "    A [] = 1", "    B [] = 2", "    C [] = 3"];
    assert_eq!(shape(&tree), [&["(foo.ba)"], &bar[..], &baz].concat());
}

// go: server/stree/stree_test.go TestSubjectTreeMatchLeafOnly
#[test]
fn a_single_leaf_is_matched_wherever_the_wildcards_are() {
    let tree = tree_of([("foo.bar.baz.A", 1)]);
    for filter in [
        "foo.bar.*.A",
        "foo.*.baz.A",
        "foo.*.*.A",
        "foo.*.*.*",
        "*.*.*.*",
        ">",
        "foo.>",
        "foo.*.>",
        "foo.bar.>",
        "foo.bar.*.>",
    ] {
        assert_eq!(count(&tree, filter), 1, "{filter}");
    }
    assert_eq!(count(&tree, "foo.bar.baz"), 0);
}

// go: server/stree/stree_test.go TestSubjectTreeMatchNodes
#[test]
fn filters_match_across_branches() {
    let mut tree = bar_and_baz();
    for (bar, all) in [(1, 7), (0, 6)] {
        for (filter, expected) in [
            ("foo.bar.A", 1),
            ("foo.baz.A", 1),
            ("foo.bar", bar),
            ("foo.*.A", 2),
            ("foo.bar.*", 3),
            ("foo.baz.*", 3),
            (">", all),
            ("foo.>", all),
            ("foo.bar.>", 3),
            ("foo.baz.>", 3),
            ("foo.ba", 0),
        ] {
            assert_eq!(count(&tree, filter), expected, "{filter} of {all}");
        }
        remove(&mut tree, "foo.bar");
    }
}

// go: server/stree/stree_test.go TestSubjectTreeMatchUntil
#[test]
fn a_walk_stops_when_it_is_told_to() {
    let tree = bar_and_baz();
    assert_eq!(count_until(&tree, "foo.>", 3), (3, true));
    assert_eq!(count_until(&tree, "foo.bar", 3), (1, false));
    assert_eq!(count_until(&tree, "foo.baz.*", 4), (3, false));
}

// go: server/stree/stree_test.go TestSubjectTreeNoPrefix
#[test]
fn subjects_need_not_share_anything() {
    let letters: Vec<String> = (b'A'..=b'Z').map(|letter| char::from(letter).to_string()).collect();
    let mut tree = tree_of(letters.iter().map(|letter| (letter.as_str(), 22)));
    assert_eq!((tree.nodes.counts(), tree.nodes.head(tree.root).count), ([0, 0, 1, 0], 26));
    assert_eq!(remove(&mut tree, "B"), Some(22));
    assert_eq!(tree.nodes.head(tree.root).count, 25);
    assert_eq!(remove(&mut tree, "Z"), Some(22));
    assert_eq!((tree.nodes.counts(), tree.nodes.head(tree.root).count), ([0, 0, 1, 0], 24));
}

// go: server/stree/stree_test.go TestSubjectTreePartialTerminalWildcardBugMatch
// go: server/stree/stree_test.go TestSubjectTreeMatchTsepSecondThenPartialPartBug
// go: server/stree/stree_test.go TestSubjectTreeMatchMultipleWildcardBasic
// go: server/stree/stree_test.go TestMatchComplexEdgeCases
#[test]
fn a_wildcard_ends_with_its_token_wherever_a_branch_ends() {
    let tree = tree_of([
        ("STATE.GLOBAL.CELL1.7PDSGAALXNN000010.PROPERTY-A", 5),
        ("STATE.GLOBAL.CELL1.7PDSGAALXNN000010.PROPERTY-B", 1),
        ("STATE.GLOBAL.CELL1.7PDSGAALXNN000010.PROPERTY-C", 2),
    ]);
    assert_eq!(count(&tree, "STATE.GLOBAL.CELL1.7PDSGAALXNN000010.*"), 3);

    let tree = tree_of([
        ("foo.xxxxx.foo1234.zz", 22),
        ("foo.yyy.foo123.zz", 22),
        ("foo.yyybar789.zz", 22),
        ("foo.yyy.foo12345.zz", 22),
        ("foo.yyy.foo12345.yy", 22),
        ("foo.yyy.foo123456789.zz", 22),
    ]);
    assert_eq!(matched(&tree, &["foo.*.foo123456789.*"]), ["foo.yyy.foo123456789.zz"]);
    assert_eq!(count(&tree, "foo.*.*.zzz.foo.>"), 0);

    let tree = tree_of([("A.B.C.D.0.G.H.I.0", 22), ("A.B.C.D.1.G.H.I.0", 22)]);
    assert_eq!(matched(&tree, &["A.B.*.D.1.*.*.I.0"]), ["A.B.C.D.1.G.H.I.0"]);

    let tree = tree_of([("foo.bar.baz", 1), ("foo.bar.qux", 2), ("foo.baz.bar", 3), ("bar.foo.baz", 4)]);
    assert_eq!(matched(&tree, &["foo.bar.>"]), ["foo.bar.baz", "foo.bar.qux"]);
}

// go: server/stree/stree_test.go TestSubjectTreeMatchSubjectParam
// go: server/stree/stree_test.go TestSubjectTreeIterOrdered
// go: server/stree/stree_test.go TestSubjectTreeIterFast
#[test]
fn a_walk_names_each_subject_once_in_order_with_its_value() {
    let tree = bar_and_baz();
    let expected: Vec<(Vec<u8>, i32)> = [
        ("foo.bar", 42),
        ("foo.bar.A", 1),
        ("foo.bar.B", 2),
        ("foo.bar.C", 3),
        ("foo.baz.A", 11),
        ("foo.baz.B", 22),
        ("foo.baz.C", 33),
    ]
    .map(|(subject, value)| (subject.into(), value))
    .into();
    assert_eq!(found(&tree, &[b">"]), expected);
    assert_eq!(all(&tree), expected);
    let mut received = 0;
    let flow = tree.for_each(|_, _, _| {
        received += 1;
        if received == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((received, flow.is_break()), (4, true));
}

// go: server/stree/stree_test.go TestSubjectTreeMatchRandomDoublePWC
#[test]
fn stars_match_what_a_look_at_each_token_says() {
    let subjects: Vec<String> = (1..=10_000).map(|at| format!("foo.{}.{at}", at * 7919 % 20 + 1)).collect();
    let tree = tree_of(subjects.iter().map(|subject| (subject.as_str(), 42)));
    assert_eq!(count(&tree, "foo.*.*"), 10_000);
    for (filter, token, wanted) in [("*.2.*", 1, "2"), ("*.*.222", 2, "222")] {
        let expected =
            subjects.iter().filter(|subject| subject.split('.').nth(token) == Some(wanted)).count();
        assert!(expected > 0);
        assert_eq!(count(&tree, filter), expected, "{filter}");
    }
}

// go: server/stree/stree_test.go TestSubjectTreeInsertSamePivotBug
// go: server/stree/stree_test.go TestInsertComplexEdgeCases
#[test]
fn what_was_inserted_is_found_at_once() {
    for subjects in [
        &[
            "0d00.2abbb82c1d.6e16.fa7f85470e.3e46",
            "534b12.3486c17249.4dde0666",
            "6f26aabd.920ee3.d4d3.5ffc69f6",
            "8850.ade3b74c31.aa533f77.9f59.a4bd8415.b3ed7b4111",
            "5a75047dcb.5548e845b6.76024a34.14d5b3.80c426.51db871c3a",
            "825fa8acfc.5331.00caf8bbbd.107c4b.c291.126d1d010e",
        ][..],
        &["a", "aa", "aaa"],
    ] {
        let mut tree = SubjectTree::new();
        for (at, subject) in (0..).zip(subjects) {
            assert_eq!(tree.insert(subject.as_bytes(), at), None);
            assert_eq!(get(&tree, subject), Some(at));
        }
        check(&tree);
        assert_eq!(tree.len(), subjects.len());
        assert!((0..).zip(subjects).all(|(at, subject)| get(&tree, subject) == Some(at)));
    }
}

// go: server/stree/stree_test.go TestSubjectTreeMatchInvalidWildcard
#[test]
fn a_wildcard_beside_other_bytes_is_none() {
    let tree = tree_of([("foo.123", 22), ("one.two.three.four.five", 22), ("'*.123", 22), ("bar", 22)]);
    for (filter, expected) in [
        ("invalid.>", 0),
        ("foo.>.bar", 0),
        (">", 4),
        ("'*.*", 1),
        ("'*.*.*'", 0),
        ("`>`", 0),
        ("\">\"", 0),
        ("'>'", 0),
        ("'*.>'", 0),
        ("'*.>.", 0),
        ("`invalid.>`", 0),
        ("'*.*'", 0),
    ] {
        assert_eq!(count(&tree, filter), expected, "{filter}");
    }
}

// go: server/stree/stree_test.go TestSubjectTreeRandomTrackEntries
#[test]
fn all_that_was_inserted_stays_found_while_more_is() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut tree = SubjectTree::new();
    let mut known = BTreeMap::new();
    for at in 0..1000 {
        let tokens: Vec<String> = (0..=draw(6))
            .map(|_| (0..draw(4) + 2).map(|_| format!("{:02x}", draw(256))).collect::<String>())
            .collect();
        let subject = tokens.join(".");
        assert_eq!(tree.insert(subject.as_bytes(), at), known.insert(subject, at));
        assert_eq!(tree.len(), known.len());
        assert!(known.iter().all(|(subject, value)| get(&tree, subject) == Some(*value)));
    }
    check(&tree);
}

// go: server/stree/stree_test.go TestSubjectTreeLongTokens
#[test]
fn long_paths_survive_the_removal_of_what_is_beside_them() {
    let long = "a1.aaaaaaaaaaaaaaaaaaaaaa";
    let (zero, one) = (format!("{long}0"), format!("{long}1"));
    let mut tree = tree_of([(zero.as_str(), 1), ("a2.0", 2), (&one, 3), ("a2.1", 4)]);
    assert_eq!((remove(&mut tree, "a2.0"), remove(&mut tree, "a2.1")), (Some(2), Some(4)));
    assert_eq!(tree.len(), 2);
    assert_eq!((get(&tree, &zero), get(&tree, &one)), (Some(1), Some(3)));
}

// go: server/stree/stree_test.go TestSubjectTreeMatchNoCallbackDupe
#[test]
fn a_subject_that_looks_like_a_filter_is_seen_once() {
    let subjects = ["foo.bar.>", "foo.bar.A", "foo.bar.B", "foo.bar.C"];
    let tree = tree_of(subjects.map(|subject| (subject, 1)));
    for filter in [">", "foo.>", "foo.bar.>"] {
        assert_eq!(matched(&tree, &[filter]), subjects, "{filter}");
    }
}

// go: server/stree/stree_test.go TestSubjectTreeInsertLongerLeafSuffixWithTrailingNulls
#[test]
fn trailing_zeros_count() {
    let short = [&b"foo.bar.baz_"[..], &[0; 10]].concat();
    let long = [&short[..], &[0; 10]].concat();
    let mut tree = SubjectTree::new();
    assert_eq!((tree.insert(&short, 1), tree.insert(&long, 2)), (None, None));
    check(&tree);
    assert_eq!((tree.get(&short), tree.get(&long)), (Some(&1), Some(&2)));
}

// go: server/stree/stree_test.go TestSubjectTreeMatchHasFWCNoPanic
// go: server/stree/stree_test.go TestMatchEdgeCases
#[test]
fn filters_without_any_token_match_nothing() {
    let tree = tree_of([("foo", 1), ("foo.bar", 1)]);
    assert_eq!((count(&tree, "."), count(&tree, "")), (0, 0));
    assert_eq!(count(&tree, "foo.*"), 1);
}

// go: server/stree/stree_test.go TestSubjectTreeDeleteShortSubjectNoPanic
// go: server/stree/stree_test.go TestFindEdgeCases
// go: server/stree/stree_test.go TestDeleteEdgeCases
#[test]
fn the_beginning_of_a_subject_is_not_the_subject() {
    let mut tree = tree_of([]);
    assert_eq!(remove(&mut tree, "foo"), None);
    let mut tree = tree_of([("foo", 1)]);
    assert_eq!((remove(&mut tree, ""), get(&tree, "")), (None, None));
    let tree = tree_of([("foo.bar.baz", 1), ("foo", 2)]);
    assert_eq!(get(&tree, ""), None);
    for (subjects, short) in [
        (["foo.bar.baz", "foo.bar.qux"], "foo.bar"),
        (["verylongprefix.suffix", "verylongprefix.suffix2"], "very"),
    ] {
        let mut tree = tree_of([(subjects[0], 1), (subjects[1], 2)]);
        assert_eq!(remove(&mut tree, short), None);
        assert_eq!((get(&tree, subjects[0]), get(&tree, subjects[1])), (Some(1), Some(2)));
    }
}

// go: server/stree/stree_test.go TestSubjectTreeEmpty
// go: server/stree/stree_test.go TestIterOrderedAndIterFastNilRoot
#[test]
fn a_cleared_tree_is_as_new() {
    let mut tree = tree_of([]);
    tree.clear();
    assert_eq!((tree.len(), all(&tree)), (0, vec![]));
    let mut tree = tree_of([("foo.bar", 1), ("foo.baz", 2), ("bar.baz", 3)]);
    assert_eq!(tree.len(), 3);
    tree.clear();
    assert_eq!((tree.len(), tree.root, all(&tree)), (0, Ref::NONE, vec![]));
    assert!(["foo.bar", "foo.baz", "bar.baz"].iter().all(|subject| get(&tree, subject).is_none()));
    assert_eq!(tree.insert(b"new.entry", 42), None);
    assert_eq!((tree.len(), get(&tree, "new.entry")), (1, Some(42)));
}

// go: server/stree/stree_test.go TestIterEdgeCases
// go: server/stree/stree_test.go TestNode48IterEarlyTermination
// go: server/stree/stree_test.go TestNode10And16IterEarlyTermination
// go: server/stree/stree_test.go TestIterComplexTree
#[test]
fn a_walk_of_a_branch_of_any_size_is_whole_or_stops_where_it_is_told() {
    let tree = tree_of([("a.b.c", 1), ("a.b.d", 2), ("a.c.d", 3), ("b.c.d", 4)]);
    assert_eq!(count_until(&tree, ">", 2), (2, true));
    for size in [3, 5, 10, 20, 60] {
        let subjects: Vec<String> =
            (0..size).map(|at| format!("level1.level2.level3.item{}", (at + b'0') as char)).collect();
        let tree = tree_of(subjects.iter().map(|subject| (subject.as_str(), 1)));
        assert_eq!(all(&tree).len(), usize::from(size));
        for stop in 1..4 {
            assert_eq!(count_until(&tree, ">", stop), (stop, true), "{size}");
            assert_eq!(count_until(&tree, "level1.*.level3.*", stop), (stop, true), "{size}");
        }
    }
}

// go: server/stree/stree_test.go TestNodeDeleteChildNotFound
#[test]
fn removing_what_is_not_there_leaves_a_branch_of_any_size_alone() {
    for size in [2, 10, 30, 60u8] {
        let subjects: Vec<String> = (0..size).map(|at| format!("foo.{}", (at + b'0') as char)).collect();
        let mut tree = tree_of(subjects.iter().map(|subject| (subject.as_str(), 1)));
        let kinds = tree.nodes.counts();
        assert_eq!(remove(&mut tree, "foo.~"), None);
        assert_eq!((tree.len(), tree.nodes.head(tree.root).count), (usize::from(size), u16::from(size)));
        assert_eq!(tree.nodes.counts(), kinds);
    }
}

/// Calls `f` for each subject that is in both trees, walking the one with the subjects of the other.
fn intersection(a: &SubjectTree<i32>, b: &SubjectTree<i32>) -> Vec<(String, i32, i32)> {
    let subjects = all(b);
    let filters: Vec<&[u8]> = subjects.iter().map(|(subject, _)| subject.as_slice()).collect();
    found(a, &filters)
        .into_iter()
        .map(|(subject, value)| {
            let other = *b.get(&subject).unwrap();
            (String::from_utf8(subject).unwrap(), value, other)
        })
        .collect()
}

// go: server/stree/stree_test.go TestSubjectTreeLazyIntersect
// go: server/stree/stree_test.go TestSubjectTreeLazyIntersectComprehensive
#[test]
fn the_subjects_of_one_tree_are_found_in_another() {
    let both = |a: &[(&'static str, i32)], b: &[(&'static str, i32)]| {
        let (a, b) = (tree_of(a.iter().copied()), tree_of(b.iter().copied()));
        let mut swapped = intersection(&b, &a);
        swapped.iter_mut().for_each(|(_, one, other)| std::mem::swap(one, other));
        assert_eq!(intersection(&a, &b), swapped);
        swapped
    };
    let expect = |found: Vec<(String, i32, i32)>, expected: &[(&str, i32, i32)]| {
        assert_eq!(
            found.iter().map(|(subject, a, b)| (subject.as_str(), *a, *b)).collect::<Vec<_>>(),
            expected
        );
    };
    expect(
        both(
            &[("foo.bar", 1), ("foo.bar.baz.qux", 1), ("bar", 1), ("a.b.c", 1), ("a.b.ee", 1), ("bb.c.d", 1)],
            &[
                ("foo.bar", 2),
                ("foo.bar.baz.qux", 2),
                ("baz", 2),
                ("a.b.d", 2),
                ("a.b.e", 2),
                ("b.c.d", 2),
                ("foo.bar.baz.qux.alice", 2),
                ("foo.bar.baz.qux.bob", 2),
            ],
        ),
        &[("foo.bar", 1, 2), ("foo.bar.baz.qux", 1, 2)],
    );
    expect(both(&[("foo", 1)], &[]), &[]);
    expect(both(&[], &[]), &[]);
    expect(
        both(
            &[("foo.bar", 42), ("baz.qux", 100), ("only.in.st1", 1)],
            &[("foo.bar", 7), ("baz.qux", 8), ("only.in.st2", 2)],
        ),
        &[("baz.qux", 100, 8), ("foo.bar", 42, 7)],
    );
    expect(
        both(
            &[("a.b.c.d.e.f.g", 1), ("a.b.c.d", 3), ("prefix.suffix1", 5)],
            &[("a.b.c.d.e.f.g", 2), ("a.b.c.d.e", 4), ("prefix.suffix2", 6)],
        ),
        &[("a.b.c.d.e.f.g", 1, 2)],
    );
    let names: Vec<String> = (0..100).map(|at| format!("large.{at}")).collect();
    let large = tree_of((0..).zip(&names).map(|(at, name)| (name.as_str(), at)));
    let small = tree_of([("large.5", 500), ("large.10", 1000), ("large.50", 5000), ("small.only", 999)]);
    expect(
        intersection(&large, &small),
        &[("large.10", 10, 1000), ("large.5", 5, 500), ("large.50", 50, 5000)],
    );
}

// go: server/stree/stree_test.go TestSubjectTreeGSLIntersection
#[test]
fn filters_that_overlap_give_each_subject_once() {
    let [eight, five, four, six, seven, a, child] = [
        "eight.nine",
        "one.two.three.five",
        "one.two.three.four",
        "one.two.six",
        "one.two.seven",
        "stream.A",
        "stream.A.child",
    ];
    let every = [eight, seven, six, five, four, a, child];
    let tree = tree_of(every.map(|subject| (subject, 1)));
    for (filters, expected) in [
        (&["one.two.six", "eight.nine"][..], &[eight, six][..]),
        (&["one.two.*.*"], &[five, four]),
        (&["one.two.*.four", "one.two.*.*"], &[five, four]),
        (&["*.*", "*.*.*", "*.*.*.*"], &every),
        (&["one.>"], &[seven, six, five, four]),
        (&["one.two.three.four", "one.>", ">"], &every),
        (&["stream.A.>", "stream.A"], &[a, child]),
        (&["stream.*.child", "stream.A"], &[a, child]),
        (
            &[
                "stream.A.child",
                "*.A.child",
                "stream.*.child",
                "stream.A.*",
                "stream.*.*",
                "*.A.*",
                "*.*.child",
            ],
            &[child],
        ),
        (&["stream.A.child", "*.A.child", "stream.A.*", "*.A.*", "*.*.child"], &[child]),
        (&["stream.A.child", "stream.*.*"], &[child]),
        (&["stream.A.child", "stream.*.>"], &[child]),
        (&["stream.A.child", "*.*"], &[eight, a, child]),
        (&["stream.A.child", "stream.*"], &[a, child]),
        (&["stream.A", "*.*.*"], &[seven, six, a, child]),
        (&[">"], &every),
        (&["one"], &[]),
        (&["one", "eight", "ten"], &[]),
        (&["stream.A.not-child", "stream.A.child.>"], &[]),
        (&["one.*.six", "one.two.seven"], &[seven, six]),
        (&["one.*.*.four", "one.*.*.five", "one.*.three"], &[five, four]),
        (&["one.two.*.*", "*.two.three.four"], &[five, four]),
        (&["one.*.four.five", "one.two.three.four"], &[four]),
    ] {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(matched(&tree, filters), expected, "{filters:?}");
    }
    let mut count = 0;
    let flow = tree.for_each_match_any(&[b">", b"one.>"], |_, _, _| {
        count += 1;
        ControlFlow::Break(())
    });
    assert_eq!((count, flow.is_break()), (1, true));
}

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::matching::matches;

/// A map in which a filter's value is how many subscriptions it stands for.
fn map(caching: MatchCaching) -> FilterMap<usize> {
    FilterMap::with_seed(7, caching)
}

fn both() -> [FilterMap<usize>; 2] {
    [map(MatchCaching::On), map(MatchCaching::Off)]
}

fn insert(map: &mut FilterMap<usize>, filters: &[&str]) {
    for filter in filters {
        *map.entry(filter.as_bytes()).1 += 1;
    }
}

fn remove(map: &mut FilterMap<usize>, filter: &str) -> bool {
    map.find(filter.as_bytes()).and_then(|id| map.remove(id)).is_some()
}

/// The filters that match, sorted; asked twice, so that the cache is as well.
fn matching(map: &mut FilterMap<usize>, subject: &str) -> Vec<String> {
    let mut asked = [(); 2].map(|()| {
        let mut ids = Vec::new();
        map.for_each_match(subject.as_bytes(), |id, _| ids.push(id));
        let mut texts: Vec<String> =
            ids.iter().map(|id| String::from_utf8(map.filter_text(*id).unwrap().to_vec()).unwrap()).collect();
        texts.sort();
        texts
    });
    assert_eq!(asked[0], asked[1], "{subject}");
    std::mem::take(&mut asked[0])
}

fn overlapping(map: &FilterMap<usize>, filter: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    map.for_each_overlap(filter.as_bytes(), |id, _| {
        found.insert(String::from_utf8(map.filter_text(id).unwrap().to_vec()).unwrap());
    });
    found
}

// go: server/sublist_test.go TestSublistInit
// go: server/sublist_test.go TestSublistInsertCount
// go: server/sublist_test.go TestSublistInsertCountNoCache
// go: server/gsl/gsl_test.go TestGenericSublistInit
// go: server/gsl/gsl_test.go TestGenericSublistInsertCount
#[test]
fn filters_are_counted() {
    for mut map in both() {
        assert_eq!((map.len(), map.is_empty()), (0, true));
        insert(&mut map, &["foo", "bar", "foo.bar"]);
        assert_eq!((map.len(), map.is_empty()), (3, false));
    }
}

// go: server/sublist_test.go TestSublistAll
#[test]
fn all_filters_are_listed() {
    let mut map = map(MatchCaching::Off);
    insert(&mut map, &["foo.bar.baz", "foo", "baz"]);
    let texts: Vec<&[u8]> = map.iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, [&b"foo.bar.baz"[..], b"foo", b"baz"]);
}

// go: server/sublist_test.go TestSublistSimple
// go: server/sublist_test.go TestSublistSimpleNoCache
// go: server/sublist_test.go TestSublistSimpleMultiTokens
// go: server/sublist_test.go TestSublistSimpleMultiTokensNoCache
// go: server/sublist_test.go TestSublistTwoTokenPubMatchSingleTokenSub
// go: server/sublist_test.go TestSublistTwoTokenPubMatchSingleTokenSubNoCache
// go: server/gsl/gsl_test.go TestGenericSublistSimple
// go: server/gsl/gsl_test.go TestGenericSublistSimpleMultiTokens
// go: server/gsl/gsl_test.go TestGenericSublistTwoTokenPubMatchSingleTokenSub
#[test]
fn a_literal_filter_matches_its_own_subject_alone() {
    for mut map in both() {
        insert(&mut map, &["foo", "foo.bar.baz"]);
        assert_eq!(matching(&mut map, "foo"), ["foo"]);
        assert_eq!(matching(&mut map, "foo.bar.baz"), ["foo.bar.baz"]);
        assert!(matching(&mut map, "foo.bar").is_empty());
    }
}

// go: server/sublist_test.go TestSublistPartialWildcard
// go: server/sublist_test.go TestSublistPartialWildcardNoCache
// go: server/sublist_test.go TestSublistPartialWildcardAtEnd
// go: server/sublist_test.go TestSublistPartialWildcardAtEndNoCache
// go: server/sublist_test.go TestSublistFullWildcard
// go: server/sublist_test.go TestSublistFullWildcardNoCache
// go: server/gsl/gsl_test.go TestGenericSublistPartialWildcard
// go: server/gsl/gsl_test.go TestGenericSublistPartialWildcardAtEnd
// go: server/gsl/gsl_test.go TestGenericSublistFullWildcard
#[test]
fn wildcards_match_beside_literals() {
    for wildcard in ["a.*.c", "a.b.*", "a.>"] {
        for mut map in both() {
            insert(&mut map, &["a.b.c", wildcard]);
            let mut expected = ["a.b.c", wildcard];
            expected.sort_unstable();
            assert_eq!(matching(&mut map, "a.b.c"), expected);
        }
    }
    for mut map in both() {
        insert(&mut map, &["a.b.c", "a.>"]);
        assert_eq!(matching(&mut map, "a.>"), ["a.>"], "a published > is a token like any other");
    }
}

// go: server/sublist_test.go TestSublistRemove
// go: server/sublist_test.go TestSublistRemoveNoCache
// go: server/sublist_test.go TestSublistRemoveWildcard
// go: server/sublist_test.go TestSublistRemoveWildcardNoCache
// go: server/gsl/gsl_test.go TestGenericSublistRemove
// go: server/gsl/gsl_test.go TestGenericSublistRemoveWildcard
#[test]
fn removed_filters_match_no_more() {
    for mut map in both() {
        insert(&mut map, &["a.b.c.d", "a.b.*.d", "a.b.>"]);
        assert!(!remove(&mut map, "a.b.c"));
        assert_eq!(map.len(), 3);
        assert_eq!(matching(&mut map, "a.b.c.d").len(), 3);
        for (left, filter) in [(2, "a.b.c.d"), (1, "a.b.>"), (0, "a.b.*.d")] {
            assert!(remove(&mut map, filter), "{filter}");
            assert_eq!(map.len(), left);
            assert_eq!(matching(&mut map, "a.b.c.d").len(), left);
        }
    }
}

// go: server/sublist_test.go TestSublistNoCacheRemoveBatch
// go: server/sublist_test.go TestSublistRemoveBatchWithError
#[test]
fn removing_what_is_not_there_harms_nothing() {
    let mut map = map(MatchCaching::Off);
    insert(&mut map, &["foo", "bar", "baz"]);
    let removed = ["not.inserted", "foo", "baz"].map(|filter| remove(&mut map, filter));
    assert_eq!(removed, [false, true, true]);
    assert_eq!(map.len(), 1);
    for (subject, found) in [("bar", 1), ("foo", 0), ("baz", 0)] {
        assert_eq!(matching(&mut map, subject).len(), found, "{subject}");
    }
    insert(&mut map, &["foo.*"]);
    (0..10).for_each(|_| assert_eq!(matching(&mut map, "bar").len(), 1));
    assert_eq!(map.stats(|_| 1).cached, 0, "a removal does not turn the cache on");
}

// go: server/sublist_test.go TestSublistRemoveCleanup
// go: server/sublist_test.go TestSublistRemoveCleanupNoCache
// go: server/gsl/gsl_test.go TestGenericSublistRemoveCleanup
#[test]
fn a_removed_literal_leaves_nothing_behind() {
    for mut map in both() {
        insert(&mut map, &["a.b.c.d.e.f"]);
        assert_eq!(map.literals.len(), 1);
        assert!(remove(&mut map, "a.b.c.d.e.f"));
        assert_eq!((map.literals.len(), map.wildcard_keys.len(), map.slots.len()), (0, 0, 0));
    }
}

// go: server/sublist_test.go TestSublistInsertWithWildcardsAsLiterals
// go: server/sublist_test.go TestSublistInsertWithWildcardsAsLiteralsNoCache
// go: server/sublist_test.go TestSublistRemoveWithWildcardsAsLiterals
// go: server/sublist_test.go TestSublistRemoveWithWildcardsAsLiteralsNoCache
// go: server/gsl/gsl_test.go TestGenericSublistInsertWithWildcardsAsLiterals
// go: server/gsl/gsl_test.go TestGenericSublistRemoveWithWildcardsAsLiterals
#[test]
fn a_token_that_only_holds_a_wildcard_character_is_literal() {
    for mut map in both() {
        for filter in ["foo.*-", "foo.>-"] {
            insert(&mut map, &[filter]);
            assert!(matching(&mut map, "foo.bar").is_empty());
            assert_eq!(matching(&mut map, filter), [filter]);
            assert!(!remove(&mut map, "foo.bar"));
            assert_eq!(map.len(), 1);
            assert!(remove(&mut map, filter));
            assert_eq!(map.len(), 0);
        }
    }
}

// go: server/sublist_test.go TestSublistMatchWithEmptyTokens
// go: server/gsl/gsl_test.go TestGenericSublistMatchWithEmptyTokens
#[test]
fn a_subject_with_an_empty_token_matches_nothing() {
    for mut map in both() {
        insert(&mut map, &[">"]);
        for subject in ["", ".foo", "..foo", "foo..", "foo.", "foo..bar", "foo...bar"] {
            assert!(matching(&mut map, subject).is_empty(), "{subject}");
            assert!(!map.has_match(subject.as_bytes()), "{subject}");
        }
    }
}

// go: server/sublist_test.go TestSublistCache
#[test]
fn the_cache_follows_the_filters_and_is_bounded() {
    let mut map = map(MatchCaching::On);
    insert(&mut map, &["a.b.c.d"]);
    assert_eq!(matching(&mut map, "a.b.c.d").len(), 1);
    insert(&mut map, &["a.b.*.d", "a.b.>"]);
    assert_eq!(map.len(), 3);
    assert_eq!(matching(&mut map, "a.b.c.d").len(), 3);
    for (left, filter) in [(2, "a.b.c.d"), (1, "a.b.>"), (0, "a.b.*.d")] {
        assert!(remove(&mut map, filter));
        assert_eq!(map.len(), left);
    }
    assert_eq!(map.stats(|_| 1).cached, 0);
    assert_eq!(matching(&mut map, "a.b.c.d").len(), 0);

    insert(&mut map, &["foo.*", "foo.bar"]);
    for at in 0..20_000 {
        assert!(matching(&mut map, &format!("foo-{at}")).is_empty());
        assert!(map.stats(|_| 1).cached <= 4096);
    }
    assert_eq!(matching(&mut map, "foo.baz").len(), 1);
    assert_eq!(matching(&mut map, "foo.bar").len(), 2);
    insert(&mut map, &["foo.>"]);
    assert_eq!(matching(&mut map, "foo.bar").len(), 3);
}

// go: server/sublist_test.go TestSublistNoCacheStats
#[test]
fn nothing_is_cached_where_caching_is_off() {
    let mut map = map(MatchCaching::Off);
    insert(&mut map, &["foo", "bar", "baz", "foo.bar.baz", "*.c"]);
    matching(&mut map, "a.b.c");
    matching(&mut map, "bar");
    let stats = map.stats(|_| 1);
    assert_eq!((stats.cached, stats.cache_hits, stats.matches), (0, 0, 4));
}

// go: server/sublist_test.go TestSublistAddCacheHitRate
#[test]
fn hit_rates_are_summed_by_what_was_counted() {
    let four_matches = |filter: &str, subject: &str| {
        let mut map = map(MatchCaching::On);
        insert(&mut map, &[filter]);
        (0..4).for_each(|_| map.for_each_match(subject.as_bytes(), |_, _| {}));
        map.stats(|value| *value)
    };
    let [first, second] = [four_matches("foo.*", "foo.1"), four_matches("bar.*", "bar.1")];
    assert_eq!((first.cache_hit_rate(), second.cache_hit_rate()), (0.75, 0.75));
    let mut sum = FilterMapStats::default();
    assert_eq!((sum.cache_hit_rate(), sum.fanout_average()), (0.0, 0.0));
    sum.add(&first);
    sum.add(&second);
    assert_eq!(sum.cache_hit_rate(), 0.75);
    assert_eq!((sum.filters, sum.cached, sum.fanout_max, sum.fanout_sum), (2, 2, 1, 2));
    let literal = four_matches("foo", "foo");
    assert_eq!(literal.cache_hit_rate(), 1.0, "a literal needs no walk the first time either");
}

// go: server/sublist_test.go TestSublistHasInterest
// go: server/gsl/gsl_test.go TestGenericSublistHasInterest
#[test]
fn interest_is_told_without_a_match() {
    let mut map = map(MatchCaching::On);
    for (filter, wanted, not_wanted) in [
        ("foo", &["foo"][..], &["bar", "foo.bar"][..]),
        ("foo.*", &["foo.bar"], &["foo", "foo.bar.baz"]),
        ("foo.>", &["foo.bar", "foo.bar.baz"], &["foo"]),
        ("*.>", &["foo.bar", "foo.baz"], &["foo"]),
        ("*.bar", &["foo.bar"], &["foo", "foo.baz"]),
        ("*", &["foo"], &["foo.bar"]),
    ] {
        insert(&mut map, &[filter]);
        // The second round asks the cache, which remembers what does not match as well.
        for _ in 0..2 {
            for (subjects, expected) in [(wanted, true), (not_wanted, false)] {
                for subject in subjects {
                    assert_eq!(map.has_match(subject.as_bytes()), expected, "{filter} {subject}");
                }
            }
            wanted.iter().chain(not_wanted).for_each(|subject| drop(matching(&mut map, subject)));
        }
        assert!(remove(&mut map, filter));
        for subject in wanted.iter().chain(not_wanted) {
            assert!(!map.has_match(subject.as_bytes()), "{subject}");
        }
    }
}

// go: server/gsl/gsl_test.go TestGenericSublistNumInterest
#[test]
fn interest_is_counted_by_filters() {
    for mut map in both() {
        for (filter, subjects) in [
            ("foo", &[("foo", 1), ("bar", 0)][..]),
            ("foo.*", &[("foo", 0), ("foo.bar", 1), ("foo.bar.baz", 0)]),
            ("foo.>", &[("foo", 0), ("foo.bar", 1), ("foo.bar.baz", 1)]),
            ("*.>", &[("foo", 0), ("foo.bar", 1), ("foo.bar.baz", 1)]),
            ("*.bar", &[("foo", 0), ("foo.bar", 1), ("foo.bar.baz", 0)]),
            ("*", &[("foo", 1), ("foo.bar", 0)]),
        ] {
            insert(&mut map, &[filter]);
            for (subject, expected) in subjects {
                assert_eq!(matching(&mut map, subject).len(), *expected, "{filter} {subject}");
            }
            assert!(remove(&mut map, filter));
            for (subject, _) in subjects {
                assert_eq!(matching(&mut map, subject).len(), 0, "{subject} without {filter}");
            }
        }
    }
}

// go: server/gsl/gsl_test.go TestGenericSublistMatchesFullWildcard
#[test]
fn a_filter_for_everything_is_found_among_others() {
    let mut map = map(MatchCaching::On);
    insert(&mut map, &["stream.A.child", "stream.*"]);
    assert!(map.has_match(b"stream.A.child") && map.has_match(b"stream.A"));
    assert_eq!(map.find(b">"), None);
    insert(&mut map, &[">"]);
    assert!(map.find(b">").is_some());
}

// go: server/gsl/gsl_test.go TestGenericSublistSingleFilter
#[test]
fn a_filter_that_is_alone_is_known_for_it() {
    let single = |map: &FilterMap<usize>| {
        let mut filters = map.iter().map(|(_, text, _)| text.to_vec());
        filters.next().filter(|_| filters.next().is_none())
    };
    let mut map = map(MatchCaching::On);
    assert_eq!(single(&map), None);
    // Twice the same is still one.
    for _ in 0..2 {
        map.entry(b"stream.A.child");
        assert_eq!(single(&map).as_deref(), Some(&b"stream.A.child"[..]));
    }
    for more in ["stream.A.other", "stream.*"] {
        insert(&mut map, &[more]);
        assert_eq!(single(&map), None, "{more}");
    }
    for filters in [&["foo", "foo.bar", "foo.baz"][..], &["foo.bar", "foo.baz"]] {
        let mut map = self::map(MatchCaching::On);
        insert(&mut map, filters);
        assert_eq!(single(&map), None, "{filters:?}");
    }
}

// go: server/sublist_test.go TestSublistHasInterest
// go: server/sublist_test.go TestSublistNumInterest
#[test]
fn asking_for_interest_finds_what_a_match_cached() {
    let mut map = map(MatchCaching::On);
    insert(&mut map, &["foo.*"]);
    assert!(map.has_match(b"foo.1") && !map.has_match(b"bar"));
    map.for_each_match(b"foo.1", |_, _| {});
    map.for_each_match(b"bar", |_, _| {});
    assert_eq!(map.stats(|_| 1).cache_hits, 0);
    for hits in 1..=5 {
        assert!(map.has_match(b"foo.1"));
        assert_eq!(map.stats(|_| 1).cache_hits, hits);
    }
    assert!(!map.has_match(b"bar"));
    assert_eq!(map.stats(|_| 1).cache_hits, 6, "that nothing matches is cached too");
}

// go: server/sublist_test.go TestSublistHasInterestOverlapping
// go: server/gsl/gsl_test.go TestGenericSublistHasInterestOverlapping
#[test]
fn a_longer_filter_does_not_hide_a_shorter_one() {
    let mut map = map(MatchCaching::On);
    insert(&mut map, &["stream.A.child", "stream.*"]);
    assert!(map.has_match(b"stream.A.child"));
    assert!(map.has_match(b"stream.A"));
}

// go: server/sublist_test.go TestSublistReverseMatch
#[test]
fn filters_that_share_a_subject_are_found() {
    let mut map = map(MatchCaching::On);
    insert(&mut map, &["foo", "bar", "foo.bar", "foo.baz", "foo.bar.baz"]);
    for (filter, expected) in [
        ("foo", &["foo"][..]),
        ("bar", &["bar"]),
        ("*", &["foo", "bar"]),
        ("baz", &[]),
        ("foo.*", &["foo.bar", "foo.baz"]),
        ("*.*", &["foo.bar", "foo.baz"]),
        ("*.bar", &["foo.bar"]),
        ("*.baz", &["foo.baz"]),
        ("bar.*", &[]),
        ("*.bat", &[]),
        ("foo.>", &["foo.bar", "foo.baz", "foo.bar.baz"]),
        (">", &["foo", "bar", "foo.bar", "foo.baz", "foo.bar.baz"]),
    ] {
        let expected = expected.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(overlapping(&map, filter), expected, "{filter}");
    }
}

// go: server/sublist_test.go TestSublistReverseMatchWider
#[test]
fn a_wider_filter_is_found_by_a_narrower_one() {
    let mut map = map(MatchCaching::On);
    insert(&mut map, &["uplink.*.*.>"]);
    for filter in ["uplink.1.*.*.>", "uplink.1.2.3.>"] {
        assert_eq!(overlapping(&map, filter).len(), 1, "{filter}");
    }
}

#[test]
fn every_change_is_seen() {
    let mut map = map(MatchCaching::On);
    let mut seen = map.changes();
    let mut changed = |map: &FilterMap<usize>| std::mem::replace(&mut seen, map.changes()) != map.changes();
    let (id, _) = map.entry(b"a.*");
    assert!(changed(&map));
    *map.get_mut(id).unwrap() += 1;
    assert!(changed(&map));
    matching(&mut map, "a.b");
    assert!(!changed(&map));
    assert!(remove(&mut map, "a.*"));
    assert!(changed(&map));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String),
    Remove(usize),
    Match(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        "([ab*]|aa)(\\.([ab*]|aa)){0,3}(\\.>)?".prop_map(Step::Insert),
        any::<usize>().prop_map(Step::Remove),
        "[ab*>.]{0,6}".prop_map(Step::Match),
        "[ab](\\.[ab]){0,3}".prop_map(Step::Match),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    /// Against a list of filters that is gone through one by one.
    #[test]
    fn a_map_finds_what_a_list_finds(steps in steps(), caching in prop_oneof![Just(MatchCaching::On), Just(MatchCaching::Off)]) {
        let mut map = map(caching);
        let mut list: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Insert(filter) => {
                    insert(&mut map, &[&filter]);
                    list.insert(filter);
                }
                Step::Remove(at) => {
                    if let Some(filter) = list.iter().nth(at % list.len().max(1)).cloned() {
                        prop_assert!(remove(&mut map, &filter));
                        list.remove(&filter);
                    }
                }
                Step::Match(subject) => {
                    let is_whole = !subject.split('.').any(str::is_empty);
                    let expected: Vec<String> = list
                        .iter()
                        .filter(|filter| is_whole && matches(subject.as_bytes(), filter.as_bytes()))
                        .cloned()
                        .collect();
                    prop_assert_eq!(map.has_match(subject.as_bytes()), !expected.is_empty());
                    prop_assert_eq!(matching(&mut map, &subject), expected);
                }
            }
            prop_assert_eq!(map.len(), list.len());
        }
    }
}

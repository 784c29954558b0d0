//! Pairs of subjects and filters: does one match, cover or meet the other.
//!
//! For a set of filters use [`crate::FilterMap`].

use crate::grammar::{STAR, TAIL, is_literal, token_count, tokens};

/// Whether every subject that `subject` stands for is matched by `filter`; `subject` may itself hold wildcards.
/// `foo.*` is a subset of `foo.*`, `*.*` and `>`, and not of `foo.bar`.
///
/// A token of `filter` that only begins with `*` counts as the wildcard here, as in the reference
/// (`isSubsetMatchTokenized`); no valid use of it is known.
pub fn is_subset(subject: &[u8], filter: &[u8]) -> bool {
    let mut theirs = tokens(subject);
    for wanted in tokens(filter) {
        let Some(token) = theirs.next() else { return false };
        if wanted.is_empty() {
            return false;
        }
        if wanted == [TAIL] {
            return true;
        }
        if token.is_empty() || token == [TAIL] {
            return false;
        }
        let covered = if token == [STAR] { wanted == [STAR] } else { wanted[0] == STAR || token == wanted };
        if !covered {
            return false;
        }
    }
    theirs.next().is_none()
}

/// Whether `filter` matches the published `subject`, whose wildcard characters stand for themselves
/// (`matchLiteral`). A `>` that is not the last token is no wildcard; a wildcard does not match an empty last token.
pub fn matches(subject: &[u8], filter: &[u8]) -> bool {
    let mut published = tokens(subject).peekable();
    let mut wanted = tokens(filter).peekable();
    while let Some(pattern) = wanted.next() {
        let Some(token) = published.next() else { return false };
        let is_tail = pattern == [TAIL] && wanted.peek().is_none();
        if is_tail || pattern == [STAR] {
            if token.is_empty() && published.peek().is_none() {
                return false;
            }
            if is_tail {
                return true;
            }
        } else if pattern != token {
            return false;
        }
    }
    published.next().is_none()
}

/// Whether some literal subject is matched by both filters.
///
/// Where both hold wildcards, tokens that only begin with a wildcard character count as wildcards, as in the
/// reference (`SubjectsCollide`).
pub fn collides(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (is_literal(a), is_literal(b)) {
        (true, true) => false,
        (true, false) => is_subset(a, b),
        (false, true) => is_subset(b, a),
        (false, false) => wildcards_collide(a, b),
    }
}

fn wildcards_collide(a: &[u8], b: &[u8]) -> bool {
    let (count_a, count_b) = (token_count(a), token_count(b));
    let shorter = if count_a < count_b { a } else { b };
    // Only a `>` can stand for the longer one's additional tokens.
    if count_a != count_b && !tokens(shorter).any(|token| token == [TAIL]) {
        return false;
    }
    tokens(a).zip(tokens(b)).all(|(a, b)| match (a.first(), b.first()) {
        (Some(first_a), Some(first_b)) => {
            [first_a, first_b].iter().any(|first| matches!(**first, STAR | TAIL)) || a == b
        }
        (None, _) | (_, None) => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // go: server/sublist_test.go TestSublistMatchLiterals
    #[test]
    fn filters_match_token_by_token() {
        for (subject, filter, expected) in [
            ("foo", "foo", true),
            ("foo", "bar", false),
            ("foo", "*", true),
            ("foo", ">", true),
            ("foo.bar", ">", true),
            ("foo.bar", "foo.>", true),
            ("foo.bar", "bar.>", false),
            ("stats.test.22", "stats.>", true),
            ("stats.test.22", "stats.*.*", true),
            ("foo.bar", "foo", false),
            ("stats.test.foos", "stats.test.foos", true),
            ("stats.test.foos", "stats.test.foo", false),
            ("stats.test", "stats.test.*", false),
            ("stats.test.foos", "stats.*", false),
            ("stats.test.foos", "stats.*.*.foos", false),
            // Wildcard characters beside others.
            ("*bar", "*bar", true),
            ("foo*", "foo*", true),
            ("foo*bar", "foo*bar", true),
            ("foo.***.bar", "foo.***.bar", true),
            (">bar", ">bar", true),
            ("foo>", "foo>", true),
            ("foo>bar", "foo>bar", true),
            ("foo.>>>.bar", "foo.>>>.bar", true),
        ] {
            assert_eq!(matches(subject.as_bytes(), filter.as_bytes()), expected, "{subject} {filter}");
        }
    }

    // go: server/sublist_test.go TestIsSubsetMatch
    #[test]
    fn a_subset_is_matched_whatever_it_stands_for() {
        for (subject, filter, expected) in [
            ("foo.bar", "foo.bar", true),
            ("foo.*", ">", true),
            ("foo.*", "*.*", true),
            ("foo.*", "foo.*", true),
            ("foo.*", "foo.bar", false),
            ("foo.>", ">", true),
            ("foo.>", "*.>", true),
            ("foo.>", "foo.>", true),
            ("foo.>", "foo.bar", false),
            ("foo..bar", "foo.*", false),
            ("foo.*", "foo..bar", false),
        ] {
            assert_eq!(is_subset(subject.as_bytes(), filter.as_bytes()), expected, "{subject} {filter}");
        }
    }

    // go: server/sublist_test.go TestSublistSubjectCollide
    #[test]
    fn filters_collide_where_they_share_a_subject() {
        for (a, b, expected) in [
            ("foo.*", "foo.*.bar.>", false),
            ("foo.*", "foo.foo", true),
            ("foo.*", "*.foo", true),
            ("foo.bar.>", "*.bar.foo", true),
            ("foo", "foo", true),
            ("foo", "bar", false),
            ("foo.>", "foo", false),
        ] {
            assert_eq!(collides(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
            assert_eq!(collides(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
        }
    }

    const FILTER: &str = "[ab*](\\.[ab*]){0,3}(\\.>)?";
    const LITERAL: &str = "[ab](\\.[ab]){0,5}";

    proptest! {
        #[test]
        fn what_a_subset_matches_is_matched(subject in LITERAL, narrow in FILTER, wide in FILTER) {
            let [subject, narrow, wide] = [subject.as_bytes(), narrow.as_bytes(), wide.as_bytes()];
            if is_subset(narrow, wide) && matches(subject, narrow) {
                prop_assert!(matches(subject, wide));
            }
        }

        #[test]
        fn filters_with_a_subject_in_common_collide(subject in LITERAL, a in FILTER, b in FILTER) {
            let [subject, a, b] = [subject.as_bytes(), a.as_bytes(), b.as_bytes()];
            if matches(subject, a) && matches(subject, b) {
                prop_assert!(collides(a, b));
            }
        }

        #[test]
        fn a_literal_subject_is_a_subset_of_what_matches_it(subject in LITERAL, filter in FILTER) {
            let [subject, filter] = [subject.as_bytes(), filter.as_bytes()];
            prop_assert_eq!(is_subset(subject, filter), matches(subject, filter));
        }
    }
}

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

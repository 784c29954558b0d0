//! Tokens, and which byte strings are subjects, literal subjects and filters.
//!
//! A subject is a row of tokens joined by `.`. A token that is `*` alone, or `>` alone at the end, is a wildcard;
//! `foo*` and `>foo` are literal tokens. Clients may send any bytes, so nothing here expects UTF-8, and the answers
//! are those of the reference (`server/sublist.go`), oddities included.

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};

pub const SEPARATOR: u8 = b'.';
/// Stands for exactly one token.
pub const STAR: u8 = b'*';
/// Stands for one or more tokens; only a filter's last token can be this wildcard.
pub const TAIL: u8 = b'>';

/// The tokens of `subject`, empty ones included; an empty subject has one empty token.
pub fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    subject.split(|&byte| byte == SEPARATOR)
}

/// How many tokens `subject` has; 0 for the empty subject.
pub fn token_count(subject: &[u8]) -> usize {
    if subject.is_empty() { 0 } else { memchr_iter(SEPARATOR, subject).count() + 1 }
}

/// The token at `position`, counted from 1; `None` beyond the last and for 0.
pub fn token_at(subject: &[u8], position: usize) -> Option<&[u8]> {
    tokens(subject).nth(position.checked_sub(1)?)
}

/// Whether no token of `subject` is a wildcard. Says nothing of its validity.
pub fn is_literal(subject: &[u8]) -> bool {
    // Nearly all published subjects hold neither byte, and one vectorised search says so.
    memchr2(STAR, TAIL, subject).is_none()
        || !memchr2_iter(STAR, TAIL, subject).any(|at| is_whole_token(subject, at))
}

/// Whether `filter` may be subscribed to: no empty token, no white space, `>` at most as the last token.
pub fn is_valid_filter(filter: &[u8]) -> bool {
    if memchr2(b' ', b'\t', filter).is_some()
        || filter.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0x0c))
    {
        return false;
    }
    has_filter_shape(filter)
}

/// [`is_valid_filter`], and besides UTF-8 without NUL and without U+FFFD, which is what damaged text decodes to.
/// For names that are stored or configured.
pub fn is_valid_filter_text(filter: &[u8]) -> bool {
    is_clean_text(filter) && is_valid_filter(filter)
}

/// Whether messages may be published to `subject`: valid and without wildcards.
pub fn is_valid_subject(subject: &[u8]) -> bool {
    is_literal(subject) && is_valid_filter(subject)
}

/// What a pedantic client's publish is held to: no empty token and no wildcard. White space passes, as it does in
/// the reference.
pub fn is_valid_literal(subject: &[u8]) -> bool {
    has_no_empty_token(subject) && is_literal(subject)
}

/// Whether no token of `subject` is empty, which is all that matching asks of a published subject.
pub fn has_no_empty_token(subject: &[u8]) -> bool {
    !subject.is_empty()
        && subject[0] != SEPARATOR
        && subject[subject.len() - 1] != SEPARATOR
        && memchr_iter(SEPARATOR, subject).all(|at| subject.get(at + 1) != Some(&SEPARATOR))
}

/// Whether `queue` may name a queue group in a configuration: no white space. Clients' queue names are not checked.
pub fn is_valid_queue_name(queue: &[u8]) -> bool {
    !queue.is_empty() && !queue.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c))
}

/// Whether the wildcards of `filter` stand where they may and no token is empty; white space is not looked at.
pub(crate) fn has_filter_shape(filter: &[u8]) -> bool {
    if !has_no_empty_token(filter) {
        return false;
    }
    let last = filter.len() - 1;
    memchr_iter(TAIL, filter).all(|at| at == last || !is_whole_token(filter, at))
}

fn is_whole_token(subject: &[u8], at: usize) -> bool {
    (at == 0 || subject[at - 1] == SEPARATOR) && (at + 1 == subject.len() || subject[at + 1] == SEPARATOR)
}

fn is_clean_text(text: &[u8]) -> bool {
    memchr(0, text).is_none()
        && std::str::from_utf8(text).is_ok_and(|text| !text.contains(char::REPLACEMENT_CHARACTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/sublist_test.go TestSublistValidLiteralSubjects
    #[test]
    fn literal_subjects_have_no_empty_token_and_no_wildcard() {
        for subject in ["", ".foo", "foo.", "foo..bar", "foo.bar.*", "foo.bar.>", "*", ">"] {
            assert!(!is_valid_literal(subject.as_bytes()), "{subject}");
        }
        // A wildcard character beside others is no wildcard.
        for subject in [
            "foo", "foo*", "foo**", "foo.**", "foo*bar", "foo.*bar", "foo*.bar", "*bar", "foo>", "foo>>",
            "foo.>>", "foo>bar", "foo.>bar", "foo>.bar", ">bar",
        ] {
            assert!(is_valid_literal(subject.as_bytes()), "{subject}");
            assert!(is_valid_subject(subject.as_bytes()), "{subject}");
        }
    }

    // go: server/sublist_test.go TestSublistValidSubjects
    #[test]
    fn filters_have_no_empty_token_and_end_with_their_tail() {
        for filter in
            ["", ".", ".foo", "foo.", "foo..bar", ">.bar", "foo.>.bar", "a b", "a\tb", "a\r", "a\n", "a\u{c}"]
        {
            assert!(!is_valid_filter(filter.as_bytes()), "{filter}");
        }
        for filter in [
            "foo",
            "foo.bar.*",
            "foo.bar.>",
            "*",
            ">",
            "foo*",
            "foo**",
            "foo.**",
            "foo*bar",
            "foo.*bar",
            "foo*.bar",
            "*bar",
            "foo>",
            "foo.>>",
            "foo>bar",
            "foo.>bar",
            "foo>.bar",
            ">bar",
        ] {
            assert!(is_valid_filter(filter.as_bytes()), "{filter}");
            assert!(is_valid_filter_text(filter.as_bytes()), "{filter}");
        }
        for text in [&b"foo.bar.baz.\0"[..], b"foo.\0.baz", b"foo.\xff", "foo.\u{fffd}".as_bytes()] {
            assert!(!is_valid_filter_text(text), "{}", text.escape_ascii());
        }
    }

    // go: server/sublist_test.go TestSubjectIsLiteral
    #[test]
    fn only_a_whole_token_is_a_wildcard() {
        for subject in ["foo", "foo.bar", "foo*.bar", "", ">>", "a.*b"] {
            assert!(is_literal(subject.as_bytes()), "{subject}");
        }
        for subject in ["*", ">", "foo.*", "foo.>", "foo.*.>", "foo.*.bar", "foo.bar.>", "a.>.b"] {
            assert!(!is_literal(subject.as_bytes()), "{subject}");
        }
    }

    // go: server/sublist_test.go TestSubjectToken
    #[test]
    fn tokens_are_counted_from_one() {
        let subject = b"foo.bar.baz.*";
        let found: Vec<_> = (0..=5).map(|position| token_at(subject, position)).collect();
        assert_eq!(found, [None, Some(&b"foo"[..]), Some(b"bar"), Some(b"baz"), Some(b"*"), None]);
        assert_eq!((token_count(subject), token_count(b"a"), token_count(b"")), (4, 1, 0));
    }

    #[test]
    fn queue_names_have_no_white_space() {
        assert!(is_valid_queue_name(b"workers.*"));
        for name in [&b""[..], b"a b", b"a\t", b"\n", b"a\r", b"\x0c"] {
            assert!(!is_valid_queue_name(name), "{}", name.escape_ascii());
        }
    }
}

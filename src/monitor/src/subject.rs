//! Subjects as far as `/subsz?test=` needs them.

/// Whether messages may be published to `subject`: no empty token, no wildcard.
pub(crate) fn is_valid_literal(subject: &str) -> bool {
    subject.split('.').all(|token| !matches!(token, "" | "*" | ">"))
}

/// Whether a subscription to `filter` receives what is published to `subject`.
pub(crate) fn matches(subject: &str, filter: &str) -> bool {
    let mut tokens = subject.split('.');
    for expected in filter.split('.') {
        match (expected, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (expected, Some(token)) if expected == token => {}
            (_, Some(_) | None) => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_token_by_token() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b", "a.*", true),
            ("a.b", ">", true),
            ("a.b", "a.>", true),
            ("a", "a.>", false),
            ("a.b.c", "a.*", false),
            ("a", "a.*", false),
            ("ab", "a*", false),
        ];
        for (subject, filter, expected) in cases {
            assert_eq!(matches(subject, filter), expected, "{subject} against {filter}");
        }
    }

    #[test]
    fn only_literals_can_be_published_to() {
        assert!(is_valid_literal("a.b*.c>"));
        for subject in ["", "a.", ".a", "a..b", "a.*", ">"] {
            assert!(!is_valid_literal(subject), "{subject}");
        }
    }
}

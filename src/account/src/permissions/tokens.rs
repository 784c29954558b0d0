//! Subjects and filters token by token, as permission rules compare them.
//
// TODO: use natrium-subject's grammar and matching instead once that crate exports them.

const STAR: &[u8] = b"*";
const TAIL: &[u8] = b">";

pub(super) fn has_no_empty_token(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty())
}

/// Whether no token is a wildcard.
pub(super) fn is_literal(subject: &[u8]) -> bool {
    tokens(subject).all(|token| token != STAR && token != TAIL)
}

/// Whether `filter` may be subscribed to: no empty token, no white space, `>` at most as the last token.
pub(super) fn is_valid_filter(filter: &[u8]) -> bool {
    let before_last = tokens(filter).count() - 1;
    has_no_empty_token(filter)
        && !filter.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0c))
        && tokens(filter).take(before_last).all(|token| token != TAIL)
}

/// Whether `filter` matches `subject`, whose wildcard characters stand for themselves.
pub(super) fn matches(subject: &[u8], filter: &[u8]) -> bool {
    let mut subject = tokens(subject);
    for wanted in tokens(filter) {
        let Some(token) = subject.next() else { return false };
        if wanted == TAIL {
            return true;
        }
        if wanted != STAR && wanted != token {
            return false;
        }
    }
    subject.next().is_none()
}

/// Whether all that `narrow` stands for is matched by `wide`.
pub(super) fn is_subset(narrow: &[u8], wide: &[u8]) -> bool {
    let mut narrow = tokens(narrow);
    for wanted in tokens(wide) {
        let Some(token) = narrow.next() else { return false };
        if wanted == TAIL {
            return true;
        }
        if token == TAIL || (wanted != STAR && wanted != token) {
            return false;
        }
    }
    narrow.next().is_none()
}

/// Whether some subject is matched by both.
pub(super) fn collides(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (tokens(a), tokens(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(TAIL), Some(_)) | (Some(_), Some(TAIL)) => return true,
            (Some(one), Some(other)) if one == STAR || other == STAR || one == other => {}
            (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|byte| *byte == b'.')
}

//! A filter read byte by byte beside a subject.
//!
//! How far into the filter the bytes seen so far reach is all there is to remember: `*` takes bytes up to the next `.`
//! and a `>` takes all there are, so no byte leaves a choice. The answers are those of `natrium_subject::matches`.

use natrium_subject::{SEPARATOR, STAR, TAIL};

/// A place in a filter: all before it has matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress(u32);

/// What the byte after a place may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This one.
    Byte(u8),
    /// Any, for now.
    Any,
    /// None: the filter is at its end.
    Nothing,
}

impl Progress {
    pub(super) const START: Self = Self(0);
    /// Inside what a `>` stands for: every subject that goes on from here matches.
    pub(super) const ALL: Self = Self(u32::MAX);

    /// Whether all subjects from here on match, however they go on.
    #[inline]
    pub(super) fn is_all(self) -> bool {
        self == Self::ALL
    }

    #[inline]
    pub(super) fn wanted(self, filter: &[u8]) -> Wanted {
        if self.is_all() {
            return Wanted::Any;
        }
        match filter.get(self.0 as usize) {
            None => Wanted::Nothing,
            Some(_) if self.is_star(filter) || self.is_tail(filter) => Wanted::Any,
            Some(&byte) => Wanted::Byte(byte),
        }
    }

    /// The place after `bytes`; `None` where they do not match.
    #[inline]
    pub(super) fn after(mut self, filter: &[u8], bytes: &[u8]) -> Option<Self> {
        for &byte in bytes {
            if self.is_all() {
                break;
            }
            let wanted = *filter.get(self.0 as usize)?;
            if self.is_star(filter) {
                if byte == SEPARATOR {
                    // Past the star and the `.` behind it, where there is one.
                    filter.get(self.0 as usize + 1)?;
                    self.0 += 2;
                }
            } else if self.is_tail(filter) {
                self = Self::ALL;
            } else if wanted == byte {
                self.0 += 1;
            } else {
                return None;
            }
        }
        Some(self)
    }

    /// Whether `subject`, whose end this is, matches. A wildcard does not match an empty last token.
    #[inline]
    pub(super) fn accepts(self, filter: &[u8], subject: &[u8]) -> bool {
        if self.is_all() || self.0 as usize == filter.len() {
            return true;
        }
        self.0 as usize + 1 == filter.len()
            && self.is_star(filter)
            && subject.last().is_some_and(|last| *last != SEPARATOR)
    }

    fn is_star(self, filter: &[u8]) -> bool {
        let at = self.0 as usize;
        filter[at] == STAR
            && (at == 0 || filter[at - 1] == SEPARATOR)
            && filter.get(at + 1).is_none_or(|next| *next == SEPARATOR)
    }

    fn is_tail(self, filter: &[u8]) -> bool {
        let at = self.0 as usize;
        filter[at] == TAIL && at + 1 == filter.len() && (at == 0 || filter[at - 1] == SEPARATOR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(subject: &[u8], filter: &[u8], cut: usize) -> bool {
        let (front, back) = subject.split_at(cut.min(subject.len()));
        Progress::START
            .after(filter, front)
            .and_then(|progress| progress.after(filter, back))
            .is_some_and(|progress| progress.accepts(filter, subject))
    }

    #[test]
    fn what_is_wanted_next_is_told() {
        let at = |filter: &[u8], seen: &[u8]| Progress::START.after(filter, seen).map(|at| at.wanted(filter));
        assert_eq!(at(b"a.*.b", b""), Some(Wanted::Byte(b'a')));
        assert_eq!(at(b"a.*.b", b"a."), Some(Wanted::Any));
        assert_eq!(at(b"a.*.b", b"a.xyz"), Some(Wanted::Any));
        assert_eq!(at(b"a.*.b", b"a.xyz."), Some(Wanted::Byte(b'b')));
        assert_eq!(at(b"a.*.b", b"a.xyz.b"), Some(Wanted::Nothing));
        assert_eq!(at(b"a.*.b", b"a.xyz.bc"), None);
        assert_eq!(at(b"a.>", b"a.b"), Some(Wanted::Any));
        assert!(Progress::START.after(b"a.>", b"a.b").is_some_and(Progress::is_all));
        assert!(Progress::START.after(b"a.>", b"a.").is_some_and(|at| !at.is_all()));
    }

    // go: server/stree/stree_test.go TestMatchPartsEdgeCases
    // go: server/stree/stree_test.go TestMatchPartsMoreEdgeCases
    #[test]
    fn a_part_of_a_subject_leaves_the_rest_of_the_filter() {
        let filter = b"foo.*.bar.>";
        let at = Progress::START.after(filter, b"foo.test").unwrap();
        assert_eq!(at, Progress(4), "on the star, which may go on");
        assert!(!at.accepts(filter, b"foo.test"));
        assert_eq!(Progress::START.after(b"foo.*", b""), Some(Progress::START));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        // Few letters, so that much matches; empty tokens and misplaced wildcards too.
        #[test]
        fn filters_match_as_the_subject_crate_says(
            subject in "[ab.*>]{0,6}",
            filter in "[ab.*>]{0,6}",
            cut in 0..7usize,
        ) {
            let (subject, filter) = (subject.as_bytes(), filter.as_bytes());
            prop_assert_eq!(matches(subject, filter, cut), natrium_subject::matches(subject, filter));
        }
    }
}

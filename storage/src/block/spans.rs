//! The pieces a block is read in: runs of whole frames, found by sequence or by place, small enough to stay in memory for
//! every block there is.

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of the first record in it or behind it: sequence less the block's first.
    pub delta: u32,
    /// Where its entries begin, in bytes of the block before compression and encryption.
    pub at: u32,
    /// Bytes of its entries.
    pub len: u32,
    /// Of its first frame in the file.
    pub offset: u32,
    /// Bytes of its frames, with the gaps between them.
    pub disk_len: u32,
}

/// Bytes of entries after which a span is closed: one read and one place in the cache.
pub const SPAN_LEN_MIN: u32 = 32 * 1024;

/// The spans of one block, one behind another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// `None`, and nothing done, where the span does not follow the last.
    pub fn push(&mut self, span: Span) -> Option<()> {
        if let Some(last) = self.0.last() {
            let follows = span.at == last.at.checked_add(last.len)?
                && span.delta >= last.delta
                && span.offset >= last.offset.checked_add(last.disk_len)?;
            if !follows {
                return None;
            }
        }
        span.at.checked_add(span.len)?;
        span.offset.checked_add(span.disk_len)?;
        self.0.push(span);
        Some(())
    }

    /// The place of the span that holds byte `at` of the entries.
    #[must_use]
    pub fn holding(&self, at: u32) -> Option<usize> {
        let place = self.0.partition_point(|span| span.at <= at).checked_sub(1)?;
        let span = &self.0[place];
        (at < span.at + span.len).then_some(place)
    }

    /// The last span that begins at or below a sequence: its record is there or nowhere, unless the spans begin behind it.
    #[must_use]
    pub fn of_delta(&self, delta: u32) -> Option<usize> {
        self.0.partition_point(|span| span.delta <= delta).checked_sub(1)
    }

    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Span> {
        self.0.get(place)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Span> {
        self.0.iter()
    }

    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Span>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_found_by_place_and_by_sequence() {
        let mut spans = Spans::default();
        for (delta, at, len) in [(0, 0, 10), (5, 10, 20), (9, 30, 5)] {
            spans.push(Span { delta, at, len, offset: at * 2, disk_len: len * 2 }).unwrap();
        }
        assert_eq!([0, 9, 10, 29, 30, 34].map(|at| spans.holding(at).unwrap()), [0, 0, 1, 1, 2, 2]);
        assert_eq!(spans.holding(35), None);
        assert_eq!([0, 4, 5, 8, 9, 99].map(|delta| spans.of_delta(delta).unwrap()), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_span_that_does_not_follow_is_refused() {
        let mut spans = Spans::default();
        let span = Span { delta: 3, at: 0, len: 10, offset: 100, disk_len: 20 };
        spans.push(span).unwrap();
        assert_eq!(spans.push(Span { at: 11, offset: 120, ..span }), None);
        assert_eq!(spans.push(Span { at: 10, offset: 119, ..span }), None);
        assert_eq!(spans.push(Span { at: 10, offset: 120, delta: 2, ..span }), None);
        assert_eq!(spans.push(Span { at: 10, offset: 120, len: u32::MAX, ..span }), None);
        assert_eq!(spans.len(), 1);
    }
}

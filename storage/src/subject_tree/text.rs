//! A short byte string that costs no allocation: what a leaf or a node adds to the path that leads to it.

/// Bytes that fit without an allocation. With the tag and the length they fill three words, which is what a boxed
/// slice and the tag take anyway.
pub(super) const INLINE_MAX: usize = 22;

/// Bytes that never change their length; to change them is to make others.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Box<[u8]>),
}

impl Text {
    pub(super) const EMPTY: Self = Self::Inline { len: 0, bytes: [0; INLINE_MAX] };

    pub(super) fn new(text: &[u8]) -> Self {
        if text.len() > INLINE_MAX {
            return Self::Heap(text.into());
        }
        let mut bytes = [0; INLINE_MAX];
        bytes[..text.len()].copy_from_slice(text);
        // At most `INLINE_MAX`, which fits.
        Self::Inline { len: text.len() as u8, bytes }
    }

    /// `front`, `byte` and `back` in a row.
    pub(super) fn joined(front: &[u8], byte: u8, back: &[u8]) -> Self {
        let len = front.len() + 1 + back.len();
        if len > INLINE_MAX {
            let mut text = Vec::with_capacity(len);
            text.extend_from_slice(front);
            text.push(byte);
            text.extend_from_slice(back);
            return Self::Heap(text.into());
        }
        let mut bytes = [0; INLINE_MAX];
        bytes[..front.len()].copy_from_slice(front);
        bytes[front.len()] = byte;
        bytes[front.len() + 1..len].copy_from_slice(back);
        Self::Inline { len: len as u8, bytes }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }

    /// Bytes outside of the value itself.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(bytes) => bytes.len(),
        }
    }
}

const _: () = assert!(size_of::<Text>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_around_the_inline_size_come_back() {
        for len in [0, 1, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 4096] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let text = Text::new(&bytes);
            assert_eq!(text.as_slice(), bytes);
            assert_eq!(text.heap_bytes(), if len > INLINE_MAX { len } else { 0 }, "{len}");
        }
    }

    #[test]
    fn joined_texts_are_in_a_row() {
        for (front, back) in [(0, 0), (3, 0), (0, 3), (10, 11), (10, 12), (22, 22), (1, 4000)] {
            let (front, back) = (vec![b'f'; front], vec![b'b'; back]);
            let expected = [front.as_slice(), b"|", &back].concat();
            assert_eq!(Text::joined(&front, b'|', &back).as_slice(), expected);
        }
    }
}

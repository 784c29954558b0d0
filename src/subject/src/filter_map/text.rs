//! The bytes of a filter or token, kept small.

use std::ops::Deref;

/// An owned byte string that needs no heap up to [`INLINE_MAX`] bytes.
///
/// Inboxes (`_INBOX.` and 22 characters) fit inline, so that a request's SUB and UNSUB allocate nothing.
#[derive(Debug)]
pub(crate) enum SmallText {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Box<[u8]>),
}

const INLINE_MAX: usize = 30;
const _: () = assert!(size_of::<SmallText>() == 32); // the tag, the length and the inline bytes

impl SmallText {
    pub(crate) const EMPTY: Self = Self::Inline { len: 0, bytes: [0; INLINE_MAX] };
}

impl From<&[u8]> for SmallText {
    fn from(text: &[u8]) -> Self {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= INLINE_MAX => {
                let mut bytes = [0; INLINE_MAX];
                bytes[..text.len()].copy_from_slice(text);
                Self::Inline { len, bytes }
            }
            Ok(_) | Err(_) => Self::Heap(text.into()),
        }
    }
}

impl Deref for SmallText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{INLINE_MAX, SmallText};

    #[test]
    fn gives_back_what_went_in() {
        for len in [0, 1, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 300, 5000] {
            let text: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            assert_eq!(*SmallText::from(text.as_slice()), *text);
        }
    }
}

//! The name a client gave its subscription.

use std::fmt;

/// A subscription id as the client spelled it: any token, though clients count. Up to 14 bytes take no allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Sid(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Box<Box<[u8]>>),
}

const INLINE_MAX: usize = 14;
const _: () = assert!(size_of::<Sid>() == 16);

impl Sid {
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = [0; INLINE_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(text);
                Self(Repr::Inline { len, bytes })
            }
            (_, _) => Self(Repr::Heap(Box::new(text.into()))),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_what_the_client_wrote() {
        for len in [1, 2, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 300] {
            let text: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
            assert_eq!(Sid::new(&text).as_bytes(), text);
        }
    }
}

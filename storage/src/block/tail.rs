//! The entries of a block that are not yet a span: written to at one end, handed to the disk at the other.

use bytes::Bytes;

/// Bytes of entries after which a frame is cut: a frame is read, decompressed and decrypted whole.
pub const FRAME_LEN_MIN: u32 = 64 * 1024;

/// Entries as they are before compression and encryption. Positions count from the block's first entry.
#[derive(Debug, Default)]
pub struct Tail {
    /// Position of the first byte here.
    base: u32,
    bytes: Vec<u8>,
    /// Up to where frames were made.
    handed: u32,
    /// Where the frames of what is not handed yet end, but the last.
    cuts: Vec<u32>,
}

impl Tail {
    /// A tail whose first byte has this position.
    #[must_use]
    pub fn at(base: u32) -> Self {
        Self { base, handed: base, ..Self::default() }
    }

    #[must_use]
    pub fn base(&self) -> u32 {
        self.base
    }

    #[must_use]
    pub fn end(&self) -> u32 {
        self.base + self.bytes.len() as u32
    }

    #[must_use]
    pub fn handed(&self) -> u32 {
        self.handed
    }

    /// Bytes that are not in a frame yet.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.end() - self.handed
    }

    /// Appends one entry; where it begins.
    pub fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let at = self.end();
        encode(&mut self.bytes);
        if self.end() - self.cuts.last().copied().unwrap_or(self.handed) >= FRAME_LEN_MIN {
            self.cuts.push(self.end());
        }
        at
    }

    /// The bodies of the frames to be made of what is not handed yet, with their positions; they are handed now.
    pub fn hand_over(&mut self) -> Vec<(u32, u32)> {
        let mut bodies = Vec::with_capacity(self.cuts.len() + 1);
        let end = self.end();
        for cut in self.cuts.drain(..).chain([end]) {
            if cut > self.handed {
                bodies.push((self.handed, cut));
                self.handed = cut;
            }
        }
        bodies
    }

    /// Bytes from `from` to `to`, both of which are here.
    #[must_use]
    pub fn slice(&self, from: u32, to: u32) -> &[u8] {
        &self.bytes[(from - self.base) as usize..(to - self.base) as usize]
    }

    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes out all up to `to`, which was handed: it is a span now.
    pub fn split_to(&mut self, to: u32) -> Bytes {
        assert!(to <= self.handed, "position {to} is not handed yet, only {}", self.handed);
        let rest = self.bytes.split_off((to - self.base) as usize);
        self.base = to;
        Bytes::from(std::mem::replace(&mut self.bytes, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(tail: &mut Tail, len: usize) -> u32 {
        tail.push(|bytes| bytes.extend_from_slice(&vec![7; len]))
    }

    #[test]
    fn frames_are_cut_at_entries() {
        let mut tail = Tail::at(100);
        assert_eq!(push(&mut tail, 10), 100);
        assert_eq!(tail.hand_over(), [(100, 110)]);
        assert!(tail.hand_over().is_empty());
        let entry = FRAME_LEN_MIN as usize / 2 + 1;
        for _ in 0..5 {
            push(&mut tail, entry);
        }
        let frame = 2 * entry as u32;
        assert_eq!(tail.waiting(), 5 * entry as u32);
        assert_eq!(
            tail.hand_over(),
            [(110, 110 + frame), (110 + frame, 110 + 2 * frame), (110 + 2 * frame, tail.end())]
        );
        assert_eq!(tail.waiting(), 0);
        assert_eq!(tail.split_to(110 + frame).len(), 10 + frame as usize);
        assert_eq!((tail.base(), tail.slice(tail.base(), tail.base() + 3)), (110 + frame, &[7; 3][..]));
    }
}

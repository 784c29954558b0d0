//! The entries of a block that are not yet a span: written to at one end, handed to the disk at the other.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes of entries after which a frame is cut: a frame is read, decompressed and decrypted whole.
pub const FRAME_LEN_MIN: u32 = 64 * 1024;

/// Entries as they are before compression and encryption. Positions count from the block's first entry.
///
/// They lie in chunks, of about a frame each where much is written: a chunk that is a span leaves without a copy. An entry,
/// and what goes into one frame, is in one chunk.
#[derive(Debug, Default)]
pub struct Tail {
    /// Position of the first byte here.
    base: u32,
    end: u32,
    /// Written to at the back.
    chunks: VecDeque<Chunk>,
    /// Up to where frames were made.
    handed: u32,
    /// Where the frames of what is not handed yet end, but the last.
    cuts: Vec<u32>,
}

#[derive(Debug)]
struct Chunk {
    /// Position of its first byte.
    at: u32,
    bytes: Vec<u8>,
}

impl Chunk {
    fn end(&self) -> u32 {
        self.at + self.bytes.len() as u32
    }

    fn slice(&self, from: u32, to: u32) -> &[u8] {
        &self.bytes[(from - self.at) as usize..(to - self.at) as usize]
    }
}

impl Tail {
    /// A tail whose first byte has this position.
    #[must_use]
    pub fn at(base: u32) -> Self {
        Self { base, end: base, handed: base, ..Self::default() }
    }

    #[must_use]
    pub fn base(&self) -> u32 {
        self.base
    }

    #[must_use]
    pub fn end(&self) -> u32 {
        self.end
    }

    #[must_use]
    pub fn handed(&self) -> u32 {
        self.handed
    }

    /// Bytes that are not in a frame yet.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.end - self.handed
    }

    /// Appends one entry; where it begins.
    pub fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let at = self.end;
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() >= FRAME_LEN_MIN as usize) {
            // Behind a full chunk there will be another one; a stream with little to write needs little room.
            let room = if self.chunks.is_empty() { 0 } else { FRAME_LEN_MIN as usize + CHUNK_SPARE };
            self.chunks.push_back(Chunk { at, bytes: Vec::with_capacity(room) });
        }
        let chunk = self.chunks.back_mut().expect("one is there");
        encode(&mut chunk.bytes);
        self.end = chunk.end();
        if chunk.bytes.len() >= FRAME_LEN_MIN as usize {
            self.cuts.push(self.end);
        }
        at
    }

    /// The bodies of the frames to be made of what is not handed yet, with their positions; they are handed now.
    pub fn hand_over(&mut self) -> Vec<(u32, u32)> {
        let mut bodies = Vec::with_capacity(self.cuts.len() + 1);
        for cut in self.cuts.drain(..).chain([self.end]) {
            if cut > self.handed {
                bodies.push((self.handed, cut));
                self.handed = cut;
            }
        }
        bodies
    }

    /// Bytes from `from` to `to`: of one entry or one frame that is here.
    #[must_use]
    pub fn slice(&self, from: u32, to: u32) -> &[u8] {
        let place = self.chunks.partition_point(|chunk| chunk.end() <= from);
        self.chunks.get(place).map_or(&[], |chunk| chunk.slice(from, to))
    }

    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum()
    }

    /// Takes out all up to `to`, which was handed: it is a span now.
    pub fn split_to(&mut self, to: u32) -> Bytes {
        assert!(to <= self.handed, "position {to} is not handed yet, only {}", self.handed);
        let from = std::mem::replace(&mut self.base, to);
        if let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.at == from && chunk.end() == to) {
            let mut bytes = chunk.bytes;
            // It may be cached for long.
            bytes.shrink_to_fit();
            return Bytes::from(bytes);
        }
        let mut span = Vec::with_capacity((to - from) as usize);
        while let Some(chunk) = self.chunks.front() {
            let (first, last) = (chunk.at.max(from), chunk.end().min(to));
            if first < last {
                span.extend_from_slice(chunk.slice(first, last));
            }
            if chunk.end() > to {
                break;
            }
            self.chunks.pop_front();
        }
        Bytes::from(span)
    }
}

/// What a chunk may be longer than a frame has to be: the end of a message, most often.
const CHUNK_SPARE: usize = 1024;

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

    #[test]
    fn what_is_taken_out_in_pieces_is_what_was_pushed() {
        let mut tail = Tail::at(5);
        let mut taken = Vec::new();
        let mut pushed = Vec::new();
        for round in 0..40u8 {
            for piece in 0..3 {
                let entry = vec![round * 3 + piece; 10];
                pushed.extend_from_slice(&entry);
                assert_eq!(tail.push(|bytes| bytes.extend_from_slice(&entry)), 5 + pushed.len() as u32 - 10);
            }
            tail.hand_over();
            // Less than was pushed at first, all of it at last.
            let to = if round == 39 { tail.end() } else { tail.base() + 20 };
            let left = tail.slice(to, tail.end()).to_vec();
            taken.extend_from_slice(&tail.split_to(to));
            assert_eq!(tail.slice(tail.base(), tail.end()), left);
        }
        assert_eq!(taken, pushed);
        assert_eq!((tail.base(), tail.end()), (5 + 1200, 5 + 1200));
    }
}

//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Output of one connection, in order: small writes are gathered in one buffer, large payloads go by reference.
///
/// An idle outbox holds no memory: the shell lends it a buffer when it becomes busy ([`Outbox::lend`]) and takes it back
/// when everything is written ([`Outbox::reclaim`]).
#[derive(Debug, Default)]
pub struct Outbox {
    /// Older than `tail`, oldest first.
    queue: VecDeque<Segment>,
    tail: Vec<u8>,
    /// Bytes of the oldest segment that are written already.
    head: usize,
    /// Bytes not written yet, over all segments.
    pending: usize,
}

#[derive(Debug)]
enum Segment {
    Gathered(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Gathered(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A gathered buffer that outgrows this is queued and a new one is begun, so that a connection that cannot keep up does
/// not make one buffer double, and be copied, again and again. Small enough that allocators keep such buffers at hand
/// instead of asking the kernel for each.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

impl Outbox {
    /// Appends what `write` adds to the buffer it is given.
    #[inline]
    pub fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.tail.len();
        write(&mut self.tail);
        self.pending += self.tail.len() - before;
        if self.tail.len() >= GATHERED_BYTES_MAX {
            let next = Vec::with_capacity(GATHERED_BYTES_MAX + GATHERED_BYTES_MAX / 8);
            self.queue.push_back(Segment::Gathered(std::mem::replace(&mut self.tail, next)));
        }
    }

    /// Appends `payload` without copying it.
    pub fn write_shared(&mut self, payload: Bytes) {
        if !self.tail.is_empty() {
            self.queue.push_back(Segment::Gathered(std::mem::take(&mut self.tail)));
        }
        self.pending += payload.len();
        self.queue.push_back(Segment::Shared(payload));
    }

    /// Bytes that wait.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Buffers that wait.
    pub fn chunks(&self) -> usize {
        self.queue.len() + usize::from(!self.tail.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// Whether a buffer from the shell's pool would spare an allocation.
    pub fn wants_buffer(&self) -> bool {
        self.tail.capacity() == 0
    }

    /// Gives the outbox an empty buffer to gather in.
    pub fn lend(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.wants_buffer() && buffer.is_empty());
        self.tail = buffer;
    }

    /// Takes the buffer back once nothing waits.
    pub fn reclaim(&mut self) -> Option<Vec<u8>> {
        (self.pending == 0 && self.tail.capacity() > 0).then(|| {
            let mut buffer = std::mem::take(&mut self.tail);
            buffer.clear();
            buffer
        })
    }

    /// Fills `slices` with the oldest waiting bytes; returns how many slices are in use.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let segments = self.queue.iter().map(Segment::bytes).chain(std::iter::once(self.tail.as_slice()));
        let mut used = 0;
        let mut skip = self.head;
        for bytes in segments {
            let bytes = &bytes[std::mem::take(&mut skip)..];
            if bytes.is_empty() {
                continue;
            }
            let Some(slice) = slices.get_mut(used) else { break };
            *slice = IoSlice::new(bytes);
            used += 1;
        }
        used
    }

    /// Forgets `written` bytes, oldest first.
    ///
    /// # Panics
    /// If more is reported written than waits.
    pub fn advance(&mut self, written: usize) {
        assert!(written <= self.pending, "{written} bytes written of {} that waited", self.pending);
        self.pending -= written;
        self.head += written;
        while let Some(oldest) = self.queue.front() {
            let len = oldest.bytes().len();
            if self.head < len {
                return;
            }
            self.head -= len;
            self.queue.pop_front();
        }
        if self.head == self.tail.len() {
            self.tail.clear();
            self.head = 0;
        }
    }

    /// Drops everything that waits: the connection takes no more.
    pub fn discard(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiting(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = outbox.fill(&mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(Vec<u8>),
        Shared(Vec<u8>),
        Advance(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bytes = || prop::collection::vec(any::<u8>(), 1..20);
        let step = prop_oneof![
            bytes().prop_map(Step::Write),
            bytes().prop_map(Step::Shared),
            (0usize..40).prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn bytes_leave_in_the_order_they_came(steps in steps()) {
            let mut outbox = Outbox::default();
            let mut model: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Write(bytes) => { outbox.write(|buffer| buffer.extend_from_slice(&bytes)); model.extend(bytes); }
                    Step::Shared(bytes) => { outbox.write_shared(Bytes::from(bytes.clone())); model.extend(bytes); }
                    Step::Advance(count) => {
                        let count = count.min(model.len());
                        outbox.advance(count);
                        model.drain(..count);
                    }
                }
                prop_assert_eq!(waiting(&outbox), model.clone());
                prop_assert_eq!(outbox.pending(), model.len());
            }
        }
    }

    // go: server/client_test.go TestFlushOutboundNoSliceReuseIfPartial
    #[test]
    fn a_write_that_took_only_a_part_goes_on_where_it_stopped() {
        let mut outbox = Outbox::default();
        let mut written = Vec::new();
        let mut partial = true;
        for bytes in [&b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[..], b"------", b"0123456789"] {
            outbox.write(|buffer| buffer.extend_from_slice(bytes));
            let mut taken = waiting(&outbox);
            if std::mem::take(&mut partial) {
                taken.truncate(15);
            }
            outbox.advance(taken.len());
            written.extend(taken);
        }
        assert!(outbox.is_empty());
        assert_eq!(written, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ------0123456789");
    }

    // go: server/server_test.go TestClientWriteLoopStall
    #[test]
    fn a_socket_that_takes_ten_bytes_at_a_time_gets_everything() {
        let mut outbox = Outbox::default();
        outbox.write(|buffer| buffer.extend_from_slice(b"MSG foo 1 100\r\n"));
        outbox.write_shared(Bytes::from_static(&[0; 100]));
        outbox.write(|buffer| buffer.extend_from_slice(b"\r\n"));
        let expected = waiting(&outbox);
        let mut written = Vec::new();
        while !outbox.is_empty() {
            let mut taken = waiting(&outbox);
            taken.truncate(10);
            outbox.advance(taken.len());
            written.extend(taken);
        }
        assert_eq!(written, expected);
    }

    #[test]
    fn an_outbox_that_is_done_gives_its_buffer_back() {
        let mut outbox = Outbox::default();
        assert!(outbox.wants_buffer());
        outbox.lend(Vec::with_capacity(64));
        outbox.write(|buffer| buffer.extend_from_slice(b"PING\r\n"));
        assert!(outbox.reclaim().is_none());
        outbox.advance(6);
        assert_eq!(outbox.reclaim().map(|buffer| buffer.capacity()), Some(64));
        assert!(outbox.wants_buffer());
    }

    #[test]
    fn a_large_backlog_is_kept_in_several_buffers() {
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            outbox.write(|buffer| buffer.resize(buffer.len() + GATHERED_BYTES_MAX, 7));
        }
        assert_eq!(outbox.queue.len(), 3);
        assert_eq!(outbox.pending(), 3 * GATHERED_BYTES_MAX);
    }
}

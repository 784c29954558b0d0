//! Memory the kernel writes from.
//!
//! Of large buffers the last few stay for the next ones of the same length: fresh memory would cost a fault for each page,
//! which is more than it costs to fill it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use glommio_ng::io::DmaBuffer;

use super::super::{Buffer, PAGE_SIZE, PlainBuffer};

/// What is written, where the device or the kernel can take it from.
#[derive(Clone)]
pub enum UringBuffer {
    Direct(Rc<Direct>),
    Buffered(PlainBuffer),
}

/// Aligned memory, which goes back to the spares it came from.
pub struct Direct {
    /// Shared with a write in flight only.
    memory: Option<Rc<DmaBuffer>>,
    spares: Weak<Spares>,
}

/// Buffers that nobody uses, oldest first.
#[derive(Default)]
pub(super) struct Spares(RefCell<VecDeque<DmaBuffer>>);

impl UringBuffer {
    /// `len` bytes, and as many as are missing to whole pages.
    pub(super) fn direct(spares: &Rc<Spares>, len: usize, allocate: impl FnOnce(usize) -> DmaBuffer) -> Self {
        let len = len.next_multiple_of(PAGE_SIZE);
        let memory = spares.take(len).unwrap_or_else(|| {
            let mut memory = allocate(len);
            memory.trim_to_size(len);
            memory
        });
        Self::Direct(Rc::new(Direct { memory: Some(Rc::new(memory)), spares: Rc::downgrade(spares) }))
    }
}

impl Buffer for UringBuffer {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Direct(direct) => direct.memory().as_bytes(),
            Self::Buffered(plain) => plain.bytes(),
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Direct(direct) => own(direct).as_bytes_mut(),
            Self::Buffered(plain) => plain.bytes_mut(),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Direct(direct) => own(direct).trim_to_size(len),
            Self::Buffered(plain) => plain.truncate(len),
        }
    }
}

impl Direct {
    fn memory(&self) -> &Rc<DmaBuffer> {
        self.memory.as_ref().expect("it is there until the buffer is dropped")
    }

    pub(super) fn shared(&self) -> Rc<DmaBuffer> {
        Rc::clone(self.memory())
    }
}

fn own(direct: &mut Rc<Direct>) -> &mut DmaBuffer {
    let memory = Rc::get_mut(direct).and_then(|direct| direct.memory.as_mut()).and_then(Rc::get_mut);
    memory.expect("a buffer is filled before it is shared")
}

impl Drop for Direct {
    fn drop(&mut self) {
        let memory = self.memory.take().and_then(Rc::into_inner);
        if let (Some(memory), Some(spares)) = (memory, self.spares.upgrade()) {
            spares.put(memory);
        }
    }
}

impl Spares {
    fn take(&self, len: usize) -> Option<DmaBuffer> {
        let mut spares = self.0.borrow_mut();
        let place = spares.iter().position(|spare| spare.len() == len)?;
        spares.remove(place)
    }

    fn put(&self, memory: DmaBuffer) {
        if !(SPARE_LEN_MIN..=SPARE_LEN_MAX).contains(&memory.len()) {
            return;
        }
        let mut spares = self.0.borrow_mut();
        if spares.len() == SPARES_MAX {
            spares.pop_front();
        }
        spares.push_back(memory);
    }
}

/// As many as a stream has commits under way, and the one that is encoded.
const SPARES_MAX: usize = 3;
/// The allocator keeps what is shorter at hand by itself.
const SPARE_LEN_MIN: usize = 128 << 10;
const SPARE_LEN_MAX: usize = 4 << 20;

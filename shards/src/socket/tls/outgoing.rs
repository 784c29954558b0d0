//! Sealed records on their way to the kernel.

use std::cell::RefCell;
use std::io;

use rustls::unbuffered::{EncodeError, EncryptError, InsufficientSizeError};

thread_local! {
    /// The buffer of whoever seals next: one a shard serves all connections whose records leave at once.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Records in the order they were sealed. Holds no buffer while there are none.
#[derive(Default)]
pub(super) struct Outgoing {
    /// `buffer[start..end]` are the records; what is behind is room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// Why rustls wrote nothing.
pub(super) enum Refusal {
    /// The room given was too small.
    Room(InsufficientSizeError),
    /// It never will again.
    Final(io::Error),
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Adds what `encode` writes into the room it is given; it is called again if that is too small.
    ///
    /// # Errors
    /// [`Refusal::Final`]'s.
    pub(super) fn append(
        &mut self,
        mut encode: impl FnMut(&mut [u8]) -> Result<usize, Refusal>,
    ) -> io::Result<()> {
        if self.buffer.is_empty() {
            self.buffer = SPARE.take();
        }
        loop {
            match encode(&mut self.buffer[self.end..]) {
                Ok(written) => {
                    self.end += written;
                    return Ok(());
                }
                Err(Refusal::Room(InsufficientSizeError { required_size })) => {
                    self.buffer.resize(self.end + required_size, 0);
                }
                Err(Refusal::Final(error)) => return Err(error),
            }
        }
    }

    /// The kernel took `length` bytes.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end, "{} bytes taken of {}", self.start, self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            SPARE.set(std::mem::take(&mut self.buffer));
        }
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(size) => Self::Room(size),
            EncodeError::AlreadyEncoded => Self::Final(io::Error::other(error)),
        }
    }
}

impl From<EncryptError> for Refusal {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(size) => Self::Room(size),
            EncryptError::EncryptExhausted => Self::Final(io::Error::other(error)),
        }
    }
}

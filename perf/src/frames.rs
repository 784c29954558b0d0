//! Counts messages in what a subscriber receives, touching one byte of each.

use crate::error::RigError;

/// Every message a subscriber awaits has the same size, so only the first byte of each is looked at: `M` of MSG, or `P` of
/// a PING that the server puts between two.
pub(crate) struct FrameCounter {
    frame_size: usize,
    /// Bytes of the frame begun last that are still to come.
    outstanding: usize,
    frames: u64,
}

impl FrameCounter {
    pub(crate) fn new(frame_size: usize) -> Self {
        Self { frame_size, outstanding: 0, frames: 0 }
    }

    /// # Errors
    /// [`RigError::Unexpected`] where a frame should begin and something else does.
    pub(crate) fn count(&mut self, bytes: &[u8]) -> Result<(), RigError> {
        let mut at = self.outstanding;
        while let Some(first) = bytes.get(at) {
            match first {
                b'M' => {
                    self.frames += 1;
                    at += self.frame_size;
                }
                b'P' => at += b"PING\r\n".len(),
                _ => {
                    let shown = &bytes[at..bytes.len().min(at + 100)];
                    return Err(RigError::Unexpected(String::from_utf8_lossy(shown).into_owned()));
                }
            }
        }
        self.outstanding = at - bytes.len();
        Ok(())
    }

    /// Messages begun; the last of them is whole when [`Self::at_boundary`].
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) fn at_boundary(&self) -> bool {
        self.outstanding == 0
    }
}

/// Size in bytes of the MSG that carries `payload` bytes on `subject` to subscription `sid`.
pub(crate) fn msg_size(subject: &str, sid: u32, payload: usize) -> usize {
    format!("MSG {subject} {sid} {payload}\r\n").len() + payload + b"\r\n".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"MSG a 1 2\r\nhi\r\nPING\r\nMSG a 1 2\r\nho\r\n";

    #[test]
    fn messages_count_wherever_the_input_is_split() {
        for split in 0..=STREAM.len() {
            let mut counter = FrameCounter::new(msg_size("a", 1, 2));
            counter.count(&STREAM[..split]).unwrap();
            counter.count(&STREAM[split..]).unwrap();
            assert_eq!((counter.frames(), counter.at_boundary()), (2, true), "split at {split}");
        }
    }

    #[test]
    fn an_error_line_is_shown() {
        let mut counter = FrameCounter::new(msg_size("a", 1, 2));
        let error = counter.count(b"MSG a 1 2\r\nhi\r\n-ERR 'Slow Consumer'\r\n").unwrap_err();
        assert!(error.to_string().contains("Slow Consumer"), "{error}");
    }

    #[test]
    fn a_frame_of_another_size_is_noticed() {
        let mut counter = FrameCounter::new(msg_size("a", 1, 2));
        assert!(counter.count(b"MSG a 1 3\r\nabc\r\nMSG a 1 2\r\nhi\r\n").is_err());
    }
}

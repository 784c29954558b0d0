//! Reading what is left of a file that cannot be read whole.

use bytes::{Bytes, BytesMut};

use super::{Cause, DiskError, File, PAGE_SIZE};

/// Reads whatever can be read; pages that cannot, and what is behind the end, are zeros.
pub(crate) async fn read_anyhow<F: File>(file: &F, offset: u64, len: usize) -> Result<Bytes, DiskError> {
    let is_unreadable = |error: &DiskError| matches!(error.cause, Cause::Io(_));
    let mut bytes = BytesMut::zeroed(len);
    match file.read_at(offset, len).await {
        Ok(read) if read.len() == len => return Ok(read),
        Ok(read) => bytes[..read.len()].copy_from_slice(&read),
        Err(error) if is_unreadable(&error) => {
            let mut at = 0;
            while at < len {
                let page_end = (offset as usize + at + 1).next_multiple_of(PAGE_SIZE) - offset as usize;
                let end = page_end.min(len);
                match file.read_at(offset + at as u64, end - at).await {
                    Ok(read) => bytes[at..at + read.len()].copy_from_slice(&read),
                    Err(error) if is_unreadable(&error) => {}
                    Err(error) => return Err(error),
                }
                at = end;
            }
        }
        Err(error) => return Err(error),
    }
    Ok(bytes.freeze())
}

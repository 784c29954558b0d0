//! The messages of a store, as they would be there once it is opened.

use natrium_model::Timestamp;

use super::look::{InspectError, InspectOptions, content_of, look};
use crate::disk::Disk;
use crate::record::Record;

/// A message, its parts views of the block it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpedMessage<'a> {
    pub block: u64,
    pub seq: u64,
    pub timestamp: Timestamp,
    pub expires: Option<Timestamp>,
    pub due: Option<Timestamp>,
    pub subject: &'a [u8],
    pub headers: &'a [u8],
    pub payload: &'a [u8],
}

/// Gives every message that can be read to `f`, in order; a block is in memory at a time. Changes nothing. Messages of blocks
/// that are encrypted and have no key are left out: [`check`](super::check) tells of them.
///
/// # Errors
/// [`InspectError`]
pub async fn dump<D: Disk>(
    disk: &D,
    options: &InspectOptions,
    mut f: impl FnMut(DumpedMessage<'_>),
) -> Result<(), InspectError> {
    let folder = look(disk, options).await?;
    for block in folder.blocks.iter().filter(|block| block.is_used()) {
        let content = content_of(disk, block, folder.log.as_ref()).await?;
        block.each_record(&content, |record| f(message_of(block.name.number, record)));
    }
    Ok(())
}

fn message_of<'a>(block: u64, record: &Record<'a>) -> DumpedMessage<'a> {
    let Record { seq, timestamp, expires, due, subject, headers, payload } = *record;
    DumpedMessage { block, seq, timestamp, expires, due, subject, headers, payload }
}

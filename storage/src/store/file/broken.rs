//! What tests break on purpose, to prove that they would see it.

use crate::block::summary::{Row, Summary};
use crate::store::file::StoreOptions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Recovery skips a delete that a block has of those before it.
    Tombstone,
    /// Recovery does not hear that the blocks before one were cut. Its first entry says so, and so does where it begins.
    Truncation,
    /// A footer has a message where it is not.
    FooterOffset,
    /// A footer does not tell of a message that is gone.
    FooterGone,
    /// A block is written to before all of the one before it is durable.
    Overtaking,
    /// Recovery skips what a block tells of a source.
    Sources,
}

impl StoreOptions {
    /// What recovery hears of a block.
    pub(super) fn heard(&self, mut summary: Summary) -> Summary {
        if let (Some(Broken::Tombstone), Some(seq)) = (self.broken, summary.tombstones.max()) {
            summary.tombstones.remove(seq);
        }
        if self.broken == Some(Broken::Sources) {
            summary.sources.positions.pop_last();
        }
        summary
    }

    /// Where blocks before end, as an entry says and as it follows from where the next one begins.
    pub(super) fn heard_of_end(&self, ends: (Option<u64>, Option<u64>)) -> (Option<u64>, Option<u64>) {
        if self.broken == Some(Broken::Truncation) { (None, None) } else { ends }
    }

    /// Whether a block waits for those before it.
    pub(super) fn waits(&self, has_to: bool) -> bool {
        has_to && self.broken != Some(Broken::Overtaking)
    }

    /// What a footer tells of a block.
    pub(super) fn told(&self, (mut summary, mut rows): (Summary, Vec<Row>)) -> (Summary, Vec<Row>) {
        match (self.broken, summary.gone.max(), rows.last_mut()) {
            (Some(Broken::FooterOffset), _, Some(row)) => row.at += 1,
            (Some(Broken::FooterGone), Some(seq), _) => drop(summary.gone.remove(seq)),
            _ => {}
        }
        (summary, rows)
    }
}

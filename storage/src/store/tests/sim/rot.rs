//! Bits that rot in a file while it is closed: what may be lost by it, and what must not.

use crate::block::entry::{Entries, Entry};
use crate::block::header::{Encryption, Header};
use crate::block::scan::{Ending, scan};
use crate::coding::decode_frame;
use crate::disk::sim::SimDisk;
use crate::message::Limits;
use crate::seq_set::SeqSet;
use crate::store::file::{Recovery, StoreOptions};
use crate::store::{Store, StoreError};

use super::chance::Chance;
use super::check;
use super::model::Model;

/// One bit that was flipped.
#[derive(Debug)]
pub(super) struct Ruin {
    /// Messages of the frame it is in.
    may_be_lost: SeqSet,
    /// The frame tells of deletes, which may be forgotten with it.
    held_deletes: bool,
}

impl Ruin {
    /// Whether messages that came back may push others out.
    pub(super) fn may_evict(&self, limits: &Limits) -> bool {
        let is_limited = limits.max_messages.is_some()
            || limits.max_bytes.is_some()
            || limits.max_messages_per_subject.is_some();
        self.held_deletes && is_limited
    }
}

/// Flips a bit in one of a store's blocks.
pub(super) fn strike(disk: &SimDisk, options: &StoreOptions, chance: &mut Chance) -> Option<Ruin> {
    let folder = options.folder.to_str().unwrap();
    let blocks: Vec<String> = disk
        .files()
        .into_iter()
        .filter(|path| path.starts_with(folder) && path.ends_with(".blk") && !path.contains("aside"))
        .collect();
    if blocks.is_empty() {
        return None;
    }
    let path = blocks[chance.index(blocks.len())].clone();
    // A disk that spoils pages may have spoilt one of these.
    let bytes = bytes::Bytes::from(disk.contents(&path)?);
    let Ok(header) = Header::decode(&bytes) else { return None };
    if header.coding.encryption != Encryption::None {
        return None;
    }
    let scan = scan(&bytes, header.salt, Ending::Followed, |at, head, body| {
        decode_frame(head, body, None, header.salt, at).ok()
    });
    // Mostly where something is.
    let offset = match scan.frames.get(chance.index(scan.frames.len().max(1))) {
        Some(frame) if !chance.one_in(4) => frame.offset + chance.below(frame.head.len_on_disk()),
        _ => chance.below(bytes.len() as u64),
    };
    let mut ruin = Ruin { may_be_lost: SeqSet::default(), held_deletes: false };
    for frame in &scan.frames {
        if (frame.offset..frame.offset + frame.head.len_on_disk()).contains(&offset) {
            for entry in Entries::new(&frame.plain, header.salt) {
                match entry.unwrap().2 {
                    Entry::Record(record) => {
                        ruin.may_be_lost.insert(record.seq);
                    }
                    Entry::Erased { .. } | Entry::Sources(_) => {}
                    Entry::Control(_) | Entry::DeletedSet(_) => ruin.held_deletes = true,
                }
            }
        }
    }
    disk.flip_bit(&path, offset, chance.below(8) as u32);
    Some(ruin)
}

/// What is not in the frame that was hit is there as it was; what is, is there or told as lost.
pub(super) async fn check(store: &Store<SimDisk>, recovery: &Recovery, model: &Model, ruin: &Option<Ruin>) {
    let none = SeqSet::default();
    let may_be_lost = ruin.as_ref().map_or(&none, |ruin| &ruin.may_be_lost);
    let lost = store.lost();
    assert_eq!(lost, recovery.lost);
    for (seq, expected) in &model.messages {
        match store.get(*seq).await {
            Ok(Some(read)) => assert_eq!(check::plain(&read), **expected, "{seq}, {ruin:?}"),
            Err(StoreError::Damaged { .. }) => {
                assert!(may_be_lost.contains(*seq), "{seq} is damaged, {ruin:?}, {recovery:?}");
            }
            // Limits make room for what came back.
            Ok(None) if ruin.as_ref().is_some_and(|ruin| ruin.may_evict(&model.limits)) => {}
            Ok(None) => panic!("{seq} is gone and nobody tells, {ruin:?}, {recovery:?}"),
            Err(error) => panic!("{seq}: {error}, {ruin:?}"),
        }
    }
    for (first, last) in lost.runs() {
        for seq in first..=last {
            // What was a delete or a gap cannot be told from a message.
            let may_be = may_be_lost.contains(seq) || ruin.as_ref().is_some_and(|ruin| ruin.held_deletes);
            assert!(may_be, "{seq} was not lost, {ruin:?}, {recovery:?}");
        }
    }
    if ruin.as_ref().is_none_or(|ruin| !ruin.held_deletes) {
        for seq in model.first().saturating_sub(3)..=model.last + 3 {
            if !model.messages.contains_key(&seq) && !may_be_lost.contains(seq) {
                assert_eq!(store.get(seq).await.unwrap(), None, "{seq} came back, {ruin:?}");
            }
        }
        assert!(store.last_seq() <= model.last, "sequences came from nowhere, {ruin:?}");
    }
}

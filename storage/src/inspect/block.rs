//! One block, looked at to its last frame, which opening does not.

use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;

use super::look::Head;
use crate::block::entry::{Entries, Entry};
use crate::block::footer::{TRAILER_LEN, Trailer, decode_summary, decode_table};
use crate::block::frame::{FrameHead, FrameKind};
use crate::block::header::Header;
use crate::block::scan::{DamageKind, Ending, Scan, scan};
use crate::block::summary::{Row, Summary};
use crate::coding::{BlockCipher, decode_frame};
use crate::record::Record;
use crate::seq_set::SeqSet;
use crate::store::file::{
    Action, BlockName, Condition, FromEntries, Later, frame_at, left_of_footer, told_by_entries,
};

/// A block as it is in its file, with what the commit log has of it.
pub(super) struct Looked {
    pub name: BlockName,
    pub path: PathBuf,
    pub header: Header,
    pub condition: Condition,
    pub cipher: Option<BlockCipher>,
    /// Whether it has a footer.
    pub is_sealed: bool,
    pub damage: Vec<(DamageKind, Range<u64>, SeqSet)>,
    pub frames: usize,
    pub torn: u64,
    /// What its footer tells, or its entries where there is none.
    pub own: Summary,
    /// Less what others say that is gone.
    pub left: Summary,
    pub lost: SeqSet,
    pub is_head_damaged: bool,
    /// Where its entries end, and whether the last of them may be torn.
    entries: (usize, Ending),
}

/// The end of a sealed block.
struct FoundFooter {
    table_at: u64,
    summary_at: u64,
    summary: Summary,
    /// `None` where its frame cannot be read.
    rows: Option<Vec<Row>>,
}

/// Looks at a block whose file is `content`, and has it heard. What is missing behind it is put into `lost`.
pub(super) fn look_at(content: &Bytes, head: Head, later: &mut Later, lost: &mut SeqSet) -> Looked {
    let Head { name, path, header, cipher, is_damaged } = head;
    match cipher {
        Ok(cipher) => {
            let footer = footer_of(content, &header, cipher.as_ref());
            let needless = later.makes_needless(header.first, footer.as_ref().map(|footer| &footer.summary));
            let looked = look_into(content, (name, path, header, cipher), footer, needless, later);
            // One that was never begun is not heard either: what its head tells was not acknowledged.
            if needless.is_none() && looked.condition != Condition::NeverBegun {
                lost.union(&later.hear(name.number, &looked.left));
            }
            let is_head_damaged = is_damaged && looked.is_needed();
            Looked { is_head_damaged, ..looked }
        }
        Err(refusal) => {
            let looked = look_at_outside(content, (name, path, header), refusal, later);
            later.hear_nothing(looked.header.first);
            Looked { is_head_damaged: is_damaged, ..looked }
        }
    }
}

fn look_into(
    content: &Bytes,
    (name, path, header, cipher): (BlockName, PathBuf, Header, Option<BlockCipher>),
    footer: Option<FoundFooter>,
    needless: Option<Condition>,
    later: &Later,
) -> Looked {
    let is_followed = later.has_entries() || footer.is_some();
    let ending = if is_followed { Ending::Followed } else { Ending::MayBeTorn };
    let end = footer.as_ref().map_or(content.len(), |footer| footer.table_at as usize).min(content.len());
    let scan = scan_entries(content, &header, cipher.as_ref(), (end, ending));
    let from_entries = told_by_entries(&header, &scan, later);
    let mut lost = from_entries.lost.clone();
    let mut damage = Vec::new();
    let mut is_sealed = false;
    let (mut own, mut left) = (from_entries.own.clone(), from_entries.left.clone());
    if let Some(FoundFooter { table_at, summary_at, summary, rows }) = footer {
        if rows.is_none() {
            damage.push((DamageKind::Body, table_at..summary_at, SeqSet::new()));
        }
        let deleted = later.deleted_in(name.number, &summary);
        let needs_rows = !deleted.is_subset(&summary.gone);
        // Without the table, what was deleted since has to be told by the entries.
        if !needs_rows || rows.is_some() {
            left = left_of_footer(&summary, rows.filter(|_| needs_rows), &deleted, later);
            // A footer says exactly which messages there were.
            lost = without_messages(&left, &from_entries);
            own = summary;
            is_sealed = true;
        }
    }
    let condition = needless.unwrap_or_else(|| later.condition(&left, is_sealed));
    let mut looked = Looked {
        name,
        path,
        condition,
        cipher,
        is_sealed,
        damage: Vec::new(),
        frames: scan.frames.len(),
        torn: scan.torn.as_ref().filter(|_| !is_sealed).map_or(0, |torn| torn.end - torn.start),
        own,
        left,
        lost: SeqSet::new(),
        header,
        is_head_damaged: false,
        entries: (end, ending),
    };
    // What of it cannot be read was not to be read any more.
    if looked.is_needed() {
        looked.damage = damaged(&scan, &from_entries, &lost);
        looked.damage.append(&mut damage);
        looked.lost = lost;
    }
    looked
}

/// Of a block that nothing opens the checksums are looked at.
fn look_at_outside(
    content: &Bytes,
    (name, path, header): (BlockName, PathBuf, Header),
    refusal: Condition,
    later: &Later,
) -> Looked {
    let trailer = trailer_of(content, &header);
    let is_followed = later.has_entries() || trailer.is_some();
    let ending = if is_followed { Ending::Followed } else { Ending::MayBeTorn };
    let end = trailer.map_or(content.len(), |trailer| trailer.table_at as usize).min(content.len());
    let scan = scan(&content.slice(..end), header.salt, ending, |_, _, _| Some(Bytes::new()));
    let nothing = Summary { first: header.first, last: header.first - 1, ..Summary::default() };
    let damage = scan.damage.iter().map(|damage| (damage.kind, damage.range.clone(), SeqSet::new()));
    Looked {
        name,
        path,
        condition: refusal,
        cipher: None,
        is_sealed: trailer.is_some(),
        damage: damage.collect(),
        frames: scan.frames.len(),
        torn: 0,
        own: nothing.clone(),
        left: nothing,
        lost: SeqSet::new(),
        header,
        is_head_damaged: false,
        entries: (end, ending),
    }
}

/// Messages that are left by the footer and are not among the entries.
fn without_messages(left: &Summary, entries: &FromEntries) -> SeqSet {
    let mut lost = SeqSet::new();
    if left.first <= left.last {
        lost.insert_range(left.first..=left.last);
    }
    lost.subtract(&left.gone);
    for row in &entries.rows {
        lost.remove(entries.own.first + u64::from(row.delta));
    }
    lost
}

/// Each damage with what it cost of `lost`.
fn damaged(scan: &Scan, entries: &FromEntries, lost: &SeqSet) -> Vec<(DamageKind, Range<u64>, SeqSet)> {
    let mut damage: Vec<_> =
        scan.damage.iter().map(|damage| (damage.kind, damage.range.clone(), SeqSet::new())).collect();
    for (at, gap) in &entries.gaps {
        for (first, last) in lost.in_range(gap.clone()).runs() {
            damage[*at].2.insert_range(first..=last);
        }
    }
    damage.extend(entries.broken_frames.iter().map(|&place| {
        let frame = &scan.frames[place];
        (DamageKind::Entry, frame.offset..frame.offset + frame.head.len_on_disk(), SeqSet::new())
    }));
    if let [(_, _, seqs)] = &mut damage[..] {
        // All of it, also what has nothing behind it that would tell.
        seqs.union(lost);
    }
    damage
}

impl Looked {
    /// Whether messages of it are in the store.
    pub(super) fn is_used(&self) -> bool {
        matches!(self.condition.action(), Action::Use | Action::Scan | Action::Continue)
    }

    /// Whether it is not removed when the store is opened.
    fn is_needed(&self) -> bool {
        self.condition.action() != Action::FinishRemoval
    }

    /// Its frames of entries.
    pub(super) fn scan(&self, content: &Bytes) -> Scan {
        scan_entries(content, &self.header, self.cipher.as_ref(), self.entries)
    }

    /// The messages that the store has of it.
    pub(super) fn each_record(&self, content: &Bytes, mut f: impl FnMut(&Record<'_>)) {
        let mut next = self.left.first;
        for frame in &self.scan(content).frames {
            for entry in Entries::new(&frame.plain, self.header.salt) {
                let Ok((_, _, entry)) = entry else { break };
                if let Entry::Record(record) = entry
                    && record.seq >= next
                {
                    next = record.seq + 1;
                    if self.left.has(record.seq) {
                        f(&record);
                    }
                }
            }
        }
    }
}

fn scan_entries(
    content: &Bytes,
    header: &Header,
    cipher: Option<&BlockCipher>,
    (end, ending): (usize, Ending),
) -> Scan {
    let open = |at, head: &FrameHead, body| decode_frame(head, body, cipher, header.salt, at).ok();
    scan(&content.slice(..end.min(content.len())), header.salt, ending, open)
}

fn trailer_of(content: &Bytes, header: &Header) -> Option<Trailer> {
    let at = content.len().checked_sub(TRAILER_LEN)?;
    Trailer::decode(&content[at..], header.salt, content.len() as u64)
}

fn footer_of(content: &Bytes, header: &Header, cipher: Option<&BlockCipher>) -> Option<FoundFooter> {
    let Trailer { table_at, summary_at, .. } = trailer_of(content, header)?;
    let body = |at: u64, kind| frame_at(content, usize::try_from(at).ok()?, at, kind, header.salt, cipher);
    let (summary, _) = decode_summary(&body(summary_at, FrameKind::Summary)?)?;
    let rows =
        body(table_at, FrameKind::Table).and_then(|table| decode_table(&table, summary.subjects.len()));
    Some(FoundFooter { table_at, summary_at, summary, rows })
}

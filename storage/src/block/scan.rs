//! Reading the frames of a block without its footer: what is whole, what is damaged, and where a torn end begins.
//!
//! Commits follow one another with nothing between them, or with zeros up to the next page. Where neither holds, something
//! is damaged: the scan goes on at the next place where a frame begins, so that damage costs what it covers and no more.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::block::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind, MAGIC};
use crate::block::header::HEAD_LEN;
use crate::disk::PAGE_SIZE;

/// What is in a block's file.
#[derive(Debug, Default)]
pub struct Scan {
    /// Frames of entries that are whole and belong to whole commits, in order.
    pub frames: Vec<ScannedFrame>,
    /// What could not be read although something acknowledged may be there.
    pub damage: Vec<Damage>,
    /// Where the next commit goes: behind the last whole one.
    pub end: u64,
    /// What lies behind `end`, where that is not zeros: a commit that was never acknowledged, or what is left of a footer.
    pub torn: Option<Range<u64>>,
    /// The number of the last whole commit; 0 where there is none.
    pub last_commit: u64,
}

#[derive(Debug)]
pub struct ScannedFrame {
    pub offset: u64,
    pub head: FrameHead,
    /// The entries, decompressed and decrypted.
    pub plain: Bytes,
}

/// A part of a block that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Bytes of the file.
    pub range: Range<u64>,
    /// How many frames were read before it: its place among [`Scan::frames`].
    pub before_frame: usize,
    pub kind: DamageKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    #[error("no frame can be read")]
    Head,
    #[error("the checksum of a frame does not match")]
    Body,
    #[error("a frame cannot be decrypted or decompressed")]
    Coding,
    #[error("an entry in a frame is damaged")]
    Entry,
    #[error("a frame of a commit is missing")]
    Missing,
}

/// Whether the end of a block may be torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was being written when the writer stopped: a last commit that is not whole was never acknowledged.
    MayBeTorn,
    /// A later block was written to, so all of this one had become durable.
    Followed,
}

/// Scans `file`, the whole of a block's file. `open` gives the entries of a frame whose checksum held.
pub fn scan(
    file: &Bytes,
    salt: u64,
    ending: Ending,
    mut open: impl FnMut(u64, &FrameHead, Bytes) -> Option<Bytes>,
) -> Scan {
    let mut scan = Scan::default();
    let mut whole = Mark { frames: 0, damage: 0, end: HEAD_LEN, commit: 0 };
    let mut begun = Mark { ..whole };
    let mut at = HEAD_LEN;
    while let Some(Found { offset, expected, head }) = next_frame(file, salt, at) {
        if offset != expected {
            scan.note(expected..offset, DamageKind::Head);
        }
        if head.kind != FrameKind::Entries {
            // A footer that was not finished: the entries end before it.
            break;
        }
        if head.index == 0 || head.commit != begun.commit {
            begun =
                Mark { frames: scan.frames.len(), damage: scan.damage.len(), end: at, commit: head.commit };
        }
        let body_at = offset + FRAME_HEAD_LEN;
        let next = body_at + head.stored_len as usize;
        let body = file.slice(body_at..next);
        if !head.is_intact(&body, salt, offset as u64) {
            scan.note(offset..next, DamageKind::Body);
        } else if let Some(plain) = open(offset as u64, &head, body) {
            scan.frames.push(ScannedFrame { offset: offset as u64, head, plain });
        } else {
            scan.note(offset..next, DamageKind::Coding);
        }
        at = next;
        let is_complete =
            scan.frames.len() - begun.frames == head.index as usize + 1 && scan.damage.len() == begun.damage;
        if head.is_last && is_complete {
            // The next commit was begun only once this one was durable, and so were all before it.
            whole =
                Mark { frames: scan.frames.len(), damage: scan.damage.len(), end: next, commit: head.commit };
        }
    }
    scan.finish(&whole, at, ending, file);
    scan
}

/// The frames of entries in `piece`, which begins with one at `offset` of the file, and how much of it could not be read.
pub fn frames_in(
    piece: &Bytes,
    offset: u64,
    salt: u64,
    mut open: impl FnMut(u64, &FrameHead, Bytes) -> Option<Bytes>,
) -> (Vec<ScannedFrame>, usize) {
    let mut frames = Vec::new();
    let mut damaged = 0;
    let mut at = 0;
    while let Some(found) = next_frame_at(piece, offset, salt, at) {
        let body_at = found.offset + FRAME_HEAD_LEN;
        let next = body_at + found.head.stored_len as usize;
        let place = offset + found.offset as u64;
        damaged += usize::from(found.offset != found.expected);
        match open(place, &found.head, piece.slice(body_at..next)) {
            Some(plain) => frames.push(ScannedFrame { offset: place, head: found.head, plain }),
            None => damaged += 1,
        }
        at = next;
    }
    let rest = &piece[at.min(piece.len())..];
    (frames, damaged + usize::from(rest.iter().any(|&byte| byte != 0)))
}

/// How far something reaches: in frames, in damage, in bytes, and the commit it ends.
struct Mark {
    frames: usize,
    damage: usize,
    end: usize,
    commit: u64,
}

impl Scan {
    fn note(&mut self, range: Range<usize>, kind: DamageKind) {
        let range = range.start as u64..range.end as u64;
        self.damage.push(Damage { range, before_frame: self.frames.len(), kind });
    }

    fn finish(&mut self, whole: &Mark, read_to: usize, ending: Ending, file: &Bytes) {
        let end = match ending {
            Ending::MayBeTorn => {
                self.frames.truncate(whole.frames);
                self.damage.truncate(whole.damage);
                whole.end
            }
            Ending::Followed => read_to,
        };
        self.end = end as u64;
        self.last_commit = self.frames.last().map_or(whole.commit, |frame| frame.head.commit);
        let rest = &file[end.min(file.len())..];
        if let Some(last) = rest.iter().rposition(|&byte| byte != 0) {
            self.torn = Some(self.end..self.end + last as u64 + 1);
        }
        self.note_missing_frames();
    }

    /// Frames that are missing inside a commit without a trace: pages that read as zeros before a page's boundary.
    fn note_missing_frames(&mut self) {
        let mut expected = 0;
        let mut commit = 0;
        let mut missing = Vec::new();
        for (place, frame) in self.frames.iter().enumerate() {
            if frame.head.commit != commit {
                commit = frame.head.commit;
                expected = 0;
            }
            let is_told = self.damage.iter().any(|damage| damage.before_frame == place);
            if frame.head.index != expected && !is_told {
                let range = frame.offset..frame.offset;
                missing.push(Damage { range, before_frame: place, kind: DamageKind::Missing });
            }
            expected = frame.head.index + 1;
        }
        self.damage.extend(missing);
        self.damage.sort_by_key(|damage| (damage.before_frame, damage.range.start));
    }
}

struct Found {
    offset: usize,
    /// Where it should have begun.
    expected: usize,
    head: FrameHead,
}

/// The next frame at or behind `at` that fits into the file.
fn next_frame(file: &[u8], salt: u64, at: usize) -> Option<Found> {
    next_frame_at(file, 0, salt, at)
}

/// The same in a piece of a file that begins at `base`.
fn next_frame_at(piece: &[u8], base: u64, salt: u64, at: usize) -> Option<Found> {
    let head_at = |offset: usize| {
        let head = FrameHead::decode(piece.get(offset..)?, salt, base + offset as u64)?;
        let end = offset.checked_add(FRAME_HEAD_LEN)?.checked_add(head.stored_len as usize)?;
        (end <= piece.len()).then_some(head)
    };
    if let Some(head) = head_at(at) {
        return Some(Found { offset: at, expected: at, head });
    }
    let page = (base as usize + at).next_multiple_of(PAGE_SIZE) - base as usize;
    if piece.get(at..page).is_some_and(|gap| gap.iter().all(|&byte| byte == 0))
        && let Some(head) = head_at(page)
    {
        return Some(Found { offset: page, expected: page, head });
    }
    memmem::find_iter(piece.get(at..)?, &MAGIC).find_map(|found| {
        let offset = at + found;
        head_at(offset).map(|head| Found { offset, expected: at, head })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 77;

    struct File(Vec<u8>);

    impl File {
        fn new() -> Self {
            Self(vec![0; HEAD_LEN])
        }

        fn frame(&mut self, commit: u64, index: u32, is_last: bool, body: &[u8]) -> Range<usize> {
            let offset = self.0.len() as u64;
            let head = FrameHead {
                kind: FrameKind::Entries,
                is_last,
                is_compressed: false,
                commit,
                index,
                stored_len: body.len() as u32,
                plain_len: body.len() as u32,
                at: 1,
                body_checksum: FrameHead::checksum_of(body, SALT, offset),
            };
            self.0.extend_from_slice(&head.encode(SALT, offset));
            self.0.extend_from_slice(body);
            offset as usize..self.0.len()
        }

        fn align(&mut self) {
            self.0.resize(self.0.len().next_multiple_of(PAGE_SIZE), 0);
        }

        fn scan(&self) -> Scan {
            self.scan_as(Ending::MayBeTorn)
        }

        fn scan_as(&self, ending: Ending) -> Scan {
            scan(&Bytes::from(self.0.clone()), SALT, ending, |_, _, body| Some(body))
        }
    }

    fn bodies(scan: &Scan) -> Vec<&[u8]> {
        scan.frames.iter().map(|frame| &frame.plain[..]).collect()
    }

    #[test]
    fn commits_are_read_behind_one_another_and_at_pages() {
        let mut file = File::new();
        file.frame(1, 0, true, b"one");
        file.frame(2, 0, true, b"two");
        file.align();
        file.frame(3, 0, false, b"three");
        let last = file.frame(3, 1, true, b"four");
        file.0.resize(file.0.len() + 100, 0);
        let scan = file.scan();
        assert_eq!(bodies(&scan), [&b"one"[..], b"two", b"three", b"four"]);
        assert_eq!((scan.end, scan.torn.clone(), scan.last_commit), (last.end as u64, None, 3));
        assert!(scan.damage.is_empty());
    }

    #[test]
    fn a_commit_without_its_end_is_cut_off() {
        let mut file = File::new();
        let first = file.frame(1, 0, true, b"one");
        file.frame(2, 0, false, b"two");
        let torn = file.0.len();
        file.0.extend_from_slice(b"NTRF half of a head");
        let scan = file.scan();
        assert_eq!(bodies(&scan), [b"one"]);
        assert_eq!(scan.end, first.end as u64);
        assert_eq!(scan.torn, Some(first.end as u64..torn as u64 + 19));
        assert!(scan.damage.is_empty(), "{:?}", scan.damage);
    }

    #[test]
    fn damage_costs_the_frames_it_covers() {
        let mut whole = File::new();
        let ranges: Vec<_> = (0..5u64).map(|n| whole.frame(n + 1, 0, true, &[n as u8; 100])).collect();
        for at in ranges[0].start..ranges[3].end {
            let mut file = File(whole.0.clone());
            file.0[at] ^= 0x40;
            let hit = ranges.iter().position(|range| range.contains(&at)).unwrap();
            let scan = file.scan();
            let expected: Vec<u8> = (0..5).filter(|&n| usize::from(n) != hit).collect();
            assert_eq!(scan.frames.iter().map(|frame| frame.plain[0]).collect::<Vec<_>>(), expected, "{at}");
            assert_eq!(scan.damage.len(), 1, "{at}: {:?}", scan.damage);
            assert_eq!(scan.damage[0].before_frame, hit);
            assert_eq!(scan.damage[0].range, ranges[hit].start as u64..ranges[hit].end as u64);
            assert_eq!(scan.end, ranges[4].end as u64);
        }
    }

    #[test]
    fn a_missing_frame_inside_a_commit_is_damage_when_the_commit_has_its_end() {
        let mut file = File::new();
        file.frame(1, 0, false, b"one");
        let lost = file.frame(1, 1, false, b"two");
        file.frame(1, 2, true, b"three");
        file.frame(2, 0, true, b"four");
        file.0[lost.start] ^= 1;
        let scan = file.scan();
        assert_eq!(bodies(&scan), [&b"one"[..], b"three", b"four"]);
        assert_eq!(scan.damage.len(), 1);
    }

    #[test]
    fn a_last_commit_that_is_not_whole_counts_only_where_a_later_block_proves_it() {
        let mut file = File::new();
        let first = file.frame(1, 0, true, b"one");
        let lost = file.frame(2, 0, false, b"two");
        let last = file.frame(2, 1, true, b"three");
        file.0[lost.end - 1] ^= 1;
        let torn = file.scan();
        assert_eq!((bodies(&torn), torn.end, torn.damage.len()), (vec![&b"one"[..]], first.end as u64, 0));
        assert_eq!(torn.torn, Some(first.end as u64..last.end as u64));
        let followed = file.scan_as(Ending::Followed);
        assert_eq!((bodies(&followed), followed.damage.len()), (vec![&b"one"[..], b"three"], 1));
        assert_eq!((followed.end, followed.torn), (last.end as u64, None));
    }

    #[test]
    fn an_empty_block_ends_behind_its_head() {
        let scan = File(vec![0; HEAD_LEN + 3 * PAGE_SIZE]).scan();
        assert_eq!((scan.end, scan.torn, scan.frames.len()), (HEAD_LEN as u64, None, 0));
    }
}

//! One file: what reads see, what is on stable storage, and the changes between the two in the order they were made.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::content::{ALL_SECTORS, Content, SECTOR_SIZE, Sectors, sectors_of, zeroed_from};
use super::dice::Dice;
use crate::disk::PAGE_SIZE;

const PAGE: u64 = PAGE_SIZE as u64;

/// The number of an operation: from 1, ascending in the order they began.
pub(super) type OpId = u64;

#[derive(Clone, Default)]
pub(super) struct Inode {
    /// What reads see.
    now: Content,
    durable: Content,
    /// Writes of each page that are not durable yet, oldest first.
    pages: BTreeMap<u64, Vec<PageVersion>>,
    /// Sizes the file was given that are not durable yet, oldest first.
    sizes: Vec<SizeVersion>,
}

#[derive(Clone)]
struct PageVersion {
    op: OpId,
    bytes: Bytes,
    sectors: Sectors,
    /// A truncation took these bytes away: it happens together with its size, or not at all.
    is_cut: bool,
}

#[derive(Clone)]
struct SizeVersion {
    op: OpId,
    size: u64,
    /// The size before, where the file is filled up to the new one piece by piece.
    fills_from: Option<u64>,
}

impl Inode {
    pub(super) fn size(&self) -> u64 {
        self.now.size()
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Option<Bytes> {
        self.now.read(offset, len)
    }

    /// Writes whole pages; of each, the sectors that `sectors` says.
    pub(super) fn write(
        &mut self,
        op: OpId,
        offset: u64,
        bytes: &Bytes,
        mut sectors: impl FnMut() -> Sectors,
    ) {
        let mut end = 0;
        for (index, at) in (0..bytes.len()).step_by(PAGE_SIZE).enumerate() {
            let page = offset / PAGE + index as u64;
            let chosen = sectors();
            if chosen == 0 {
                continue;
            }
            self.put(
                page,
                PageVersion { op, bytes: bytes.slice(at..at + PAGE_SIZE), sectors: chosen, is_cut: false },
            );
            end = (page + 1) * PAGE;
        }
        if end > self.size_written() {
            self.sizes.push(SizeVersion { op, size: end, fills_from: None });
        }
        self.now.grow(end);
    }

    pub(super) fn allocate(&mut self, op: OpId, size: u64) {
        let from = self.size_written().min(self.size());
        if size > from {
            self.sizes.push(SizeVersion { op, size: size.max(self.size()), fills_from: Some(from) });
            self.now.grow(size);
        }
    }

    pub(super) fn truncate(&mut self, op: OpId, size: u64) {
        let end = if size < self.size() { self.size().div_ceil(PAGE) } else { 0 };
        for page in size / PAGE..end {
            let kept = size.saturating_sub(page * PAGE).min(PAGE) as usize;
            let old = self.now.page(page);
            let is_there = self.pages.contains_key(&page) || old.iter().any(|&byte| byte != 0);
            if kept < PAGE_SIZE && is_there {
                let sectors = ALL_SECTORS << (kept / SECTOR_SIZE);
                let cut = PageVersion { op, bytes: zeroed_from(&old, kept), sectors, is_cut: true };
                self.pages.entry(page).or_default().push(cut);
            }
        }
        self.sizes.push(SizeVersion { op, size, fills_from: None });
        self.now.resize(size);
    }

    /// Makes durable all that operations did for which `promised` holds, and what they were done on top of.
    pub(super) fn sync(&mut self, promised: impl Fn(OpId) -> bool) {
        if let Some(last) = self.sizes.iter().rposition(|version| promised(version.op)) {
            for version in self.sizes.drain(..=last) {
                self.durable.resize(version.size);
            }
        }
        let durable = &mut self.durable;
        self.pages.retain(|&page, versions| {
            if let Some(last) = versions.iter().rposition(|version| promised(version.op)) {
                for version in versions.drain(..=last) {
                    durable.put(page, &version.bytes, version.sectors);
                }
            }
            !versions.is_empty()
        });
    }

    /// A sync that failed: of what was pending some is durable and the rest will never be, and later syncs do not say
    /// so. Reads go on seeing it until it falls out of the cache, which it may do at once.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        let is_evicted = dice.coin();
        let pages: Vec<u64> = self.pages.keys().copied().collect();
        let size = self.size();
        let survived = self.after_crash(dice, false);
        for page in pages {
            if is_evicted && page * PAGE < size {
                self.now.put(page, &survived.now.page(page), ALL_SECTORS);
            }
        }
        self.now.grow(size);
        self.durable = survived.durable;
        self.pages.clear();
        self.sizes.clear();
    }

    /// What power loss leaves. With `may_spoil`, pages that were being written may not be readable any more.
    pub(super) fn after_crash(&self, dice: &mut Dice, may_spoil: bool) -> Self {
        let mut left = self.durable.clone();
        let applied = dice.index(self.sizes.len() + 1);
        let mut filled = left.size()..left.size();
        for version in &self.sizes[..applied] {
            if let Some(from) = version.fills_from {
                filled = filled.start.min(from)..version.size;
            }
            left.resize(version.size);
        }
        if let Some(SizeVersion { size, fills_from: Some(from), .. }) = self.sizes.get(applied)
            && dice.coin()
        {
            let pages = size.saturating_sub(*from).div_ceil(PAGE);
            let part = (from.next_multiple_of(PAGE) + dice.below(pages + 1) * PAGE).min(*size);
            filled = filled.start.min(*from)..part.max(filled.end);
            left.grow(part);
        }
        let of_file = Survival::draw(dice);
        for (&page, versions) in &self.pages {
            let survival = if of_file == Survival::Mixed { Survival::draw(dice) } else { of_file };
            let bytes = self.choose_sectors(page, versions, applied, survival.choose(dice));
            let is_written = versions.iter().any(|version| !version.is_cut);
            let is_spoiled = may_spoil && is_written && dice.chance(SPOILED_PER_MILLE);
            let is_new = versions.last().is_some_and(|last| last.bytes == bytes);
            let stays_bad = !self.durable.is_readable(page) && !is_new;
            left.put(page, &bytes, ALL_SECTORS);
            if is_spoiled || stays_bad {
                left.make_unreadable(page);
            }
        }
        if may_spoil {
            for page in filled.start.div_ceil(PAGE)..filled.end / PAGE {
                if dice.chance(SPOILED_PER_MILLE / 8) {
                    left.make_unreadable(page);
                }
            }
        }
        let size = left.size();
        left.resize(size);
        Self { now: left.clone(), durable: left, ..Self::default() }
    }

    /// Each sector is one of what it was made since the last sync, or what it was then; `choose` says which by what is
    /// left of it.
    fn choose_sectors(
        &self,
        page: u64,
        versions: &[PageVersion],
        sizes_applied: usize,
        mut choose: impl FnMut(usize) -> usize,
    ) -> Bytes {
        let is_applied = |op| self.sizes[..sizes_applied].iter().any(|version| version.op == op);
        let old = self.durable.page(page);
        let mut chosen = BytesMut::from(&old[..]);
        for sector in sectors_of(ALL_SECTORS) {
            let mut choices = vec![&old];
            for version in versions.iter().filter(|version| version.sectors >> sector & 1 == 1) {
                match (version.is_cut, is_applied(version.op)) {
                    (true, true) => choices = vec![&version.bytes],
                    (true, false) => {}
                    (false, _) => choices.push(&version.bytes),
                }
            }
            let range = sector * SECTOR_SIZE..(sector + 1) * SECTOR_SIZE;
            chosen[range.clone()].copy_from_slice(&choices[choose(choices.len())][range]);
        }
        chosen.freeze()
    }

    /// Makes all durable.
    pub(super) fn settle(&mut self) {
        self.sync(|_| true);
    }

    /// Changes bytes behind everybody's back: for readers, on stable storage and in what is pending.
    pub(super) fn damage(&mut self, range: Range<u64>, mut change: impl FnMut(u64, u8) -> u8) {
        let range = range.start..range.end.min(self.size().max(self.durable.size()));
        for page in range.start / PAGE..range.end.div_ceil(PAGE) {
            let mut changed = |bytes: &Bytes| {
                let mut bytes = BytesMut::from(&bytes[..]);
                for (at, byte) in (page * PAGE..).zip(bytes.iter_mut()) {
                    if range.contains(&at) {
                        *byte = change(at, *byte);
                    }
                }
                bytes.freeze()
            };
            for content in [&mut self.now, &mut self.durable] {
                if page * PAGE < content.size() {
                    let is_readable = content.is_readable(page);
                    content.put(page, &changed(&content.page(page)), ALL_SECTORS);
                    if !is_readable {
                        content.make_unreadable(page);
                    }
                }
            }
            for version in self.pages.get_mut(&page).into_iter().flatten() {
                version.bytes = changed(&version.bytes);
            }
        }
    }

    pub(super) fn damage_page(&mut self, page: u64) {
        self.now.make_unreadable(page);
        self.durable.make_unreadable(page);
        self.pages.remove(&page);
    }

    /// Whether anything would be lost or could be lost by a crash.
    pub(super) fn is_settled(&self) -> bool {
        self.pages.is_empty() && self.sizes.is_empty()
    }

    /// The size the file has once all that is pending is durable. Smaller than what reads see after a failed sync.
    fn size_written(&self) -> u64 {
        self.sizes.last().map_or(self.durable.size(), |version| version.size)
    }

    fn put(&mut self, page: u64, version: PageVersion) {
        self.now.put(page, &version.bytes, version.sectors);
        self.pages.entry(page).or_default().push(version);
    }
}

/// What becomes of writes that are not durable. Chance alone would hardly ever keep or lose many sectors together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Survival {
    Oldest,
    Newest,
    Mixed,
}

impl Survival {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(5) {
            0 => Self::Oldest,
            1 => Self::Newest,
            _ => Self::Mixed,
        }
    }

    fn choose(self, dice: &mut Dice) -> impl FnMut(usize) -> usize {
        move |count| match self {
            Self::Oldest => 0,
            Self::Newest => count - 1,
            Self::Mixed => dice.index(count),
        }
    }
}

/// How many of the pages in question a crash makes unreadable in the harsher mode.
const SPOILED_PER_MILLE: u32 = 250;

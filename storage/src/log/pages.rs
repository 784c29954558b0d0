//! What a file holds in memory: the bytes of it that are not in the file itself yet.
//!
//! Pure. Three kinds: *runs*, appended through the log, each from the start of a page on; *directs*, on their way straight
//! to the file; and single pages that were overwritten where no run is. Beyond these, the file on disk is right.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::{Buf, BytesMut};

use crate::disk::{Buffer, PAGE_SIZE};

#[derive(Debug)]
pub(super) struct Pages<B> {
    /// Ascending and apart from one another; the last one is appended to.
    runs: VecDeque<Run>,
    /// Ascending.
    directs: VecDeque<(u64, B)>,
    /// By number of the page.
    overwritten: BTreeMap<u64, Overwritten>,
}

#[derive(Debug)]
struct Run {
    /// Page aligned.
    start: u64,
    bytes: BytesMut,
    /// From here on the file may hold something else.
    clean_to: u64,
}

#[derive(Debug)]
struct Overwritten {
    bytes: Vec<u8>,
    /// The file may hold something else.
    is_dirty: bool,
}

/// What one fold writes.
#[derive(Debug, Default)]
pub(super) struct FoldWrites {
    /// Offset and whole pages.
    pub(super) writes: Vec<(u64, Vec<u8>)>,
    /// Numbers of single pages among them.
    overwritten: Vec<u64>,
}

impl Overwritten {
    fn empty() -> Self {
        Self { bytes: vec![0; PAGE_SIZE], is_dirty: false }
    }
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn slice(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[(range.start - self.start) as usize..(range.end - self.start) as usize]
    }
}

impl<B> Default for Pages<B> {
    fn default() -> Self {
        Self { runs: VecDeque::new(), directs: VecDeque::new(), overwritten: BTreeMap::new() }
    }
}

impl<B: Buffer> Pages<B> {
    /// Of a file with `len` bytes, of which the ones of the last page are `tail`.
    pub(super) fn new(len: u64, tail: &[u8]) -> Self {
        let start = page_start(len);
        assert_eq!(tail.len() as u64, len - start, "the tail of a file of {len} bytes");
        let run = Run { start, bytes: BytesMut::from(tail), clean_to: len };
        Self { runs: VecDeque::from([run]), ..Self::default() }
    }

    /// Appends at `offset`: where the last run ends, or at a page behind everything.
    pub(super) fn append(&mut self, offset: u64, bytes: &[u8]) {
        let run = match self.runs.back_mut() {
            Some(run) if run.end() == offset => run,
            _ => {
                assert_eq!(page_start(offset), offset, "a run begins at a page");
                self.runs.push_back(Run { start: offset, bytes: BytesMut::new(), clean_to: offset });
                self.runs.back_mut().expect("just pushed")
            }
        };
        run.bytes.extend_from_slice(bytes);
    }

    /// Fills the last page with zeros, up to `to`.
    pub(super) fn align(&mut self, to: u64) {
        let run = self.runs.back_mut().expect("a file that is not aligned ends with a run");
        run.bytes.resize((to - run.start) as usize, 0);
    }

    /// The zeros of [`Self::align`] need no entry and no fold of their own: who writes the bytes before them, up to `from`,
    /// writes whole pages.
    pub(super) fn aligned(&mut self, from: u64, to: u64) {
        if let Some(at) = self.run_at(to - 1)
            && self.runs[at].clean_to == from
        {
            self.runs[at].clean_to = to;
        }
    }

    pub(super) fn begin_direct(&mut self, offset: u64, pages: B) {
        self.directs.push_back((offset, pages));
    }

    /// The oldest direct append is in the file.
    pub(super) fn end_direct(&mut self) {
        self.directs.pop_front().expect("one was begun");
    }

    /// Appended bytes, of one run.
    pub(super) fn appended(&self, range: Range<u64>) -> &[u8] {
        self.run_of(range.start).expect("appended and not folded").slice(range)
    }

    /// Whether the page can be overwritten without reading it first.
    pub(super) fn has_page(&self, page: u64) -> bool {
        self.overwritten.contains_key(&page) || self.run_of(page * PAGE).is_some()
    }

    /// Takes a page that was read from the file.
    pub(super) fn load(&mut self, page: u64, mut bytes: Vec<u8>) {
        bytes.resize(PAGE_SIZE, 0);
        self.overwritten.entry(page).or_insert(Overwritten { bytes, is_dirty: false });
    }

    /// Writes into one page, which is in memory or covered whole. Gives the page, up to `end` of the file.
    pub(super) fn overwrite(&mut self, offset: u64, bytes: &[u8], end: u64) -> &[u8] {
        let start = page_start(offset);
        let within = (offset - start) as usize..(offset - start) as usize + bytes.len();
        assert!(within.end <= PAGE_SIZE, "{} bytes at {offset} span pages", bytes.len());
        let Some(at) = self.run_at(start) else {
            let page = self.overwritten.entry(start / PAGE).or_insert_with(Overwritten::empty);
            page.is_dirty = true;
            page.bytes[within].copy_from_slice(bytes);
            return &page.bytes;
        };
        let run = &mut self.runs[at];
        let base = (start - run.start) as usize;
        run.bytes[base + within.start..base + within.end].copy_from_slice(bytes);
        let run = &self.runs[at];
        let image = run.slice(start..run.end().min(start + PAGE).min(end));
        if start < run.clean_to {
            // Folded, or being folded: it is to be written again, and it alone, for the log has no copy of its neighbours.
            let page = self.overwritten.entry(start / PAGE).or_insert_with(Overwritten::empty);
            page.is_dirty = true;
            page.bytes[..image.len()].copy_from_slice(image);
        }
        image
    }

    /// What brings the file up to `end`. Taken as written from here on; [`Self::folded`] must follow, or nothing any more.
    pub(super) fn fold(&mut self, end: u64) -> FoldWrites {
        let mut fold = FoldWrites::default();
        for (&number, page) in &mut self.overwritten {
            if !std::mem::take(&mut page.is_dirty) {
                continue;
            }
            let start = number * PAGE;
            if let Some(run) = self.runs.iter().find(|run| run.start <= start && start < run.end()) {
                // What was appended behind it since is in the run alone.
                let image = run.slice(start..run.end().min(start + PAGE).min(end));
                page.bytes[..image.len()].copy_from_slice(image);
            }
            fold.overwritten.push(number);
            fold.writes.push((start, page.bytes.clone()));
        }
        for run in &mut self.runs {
            let to = run.end().min(end);
            if run.clean_to < to {
                let from = page_start(run.clean_to);
                let mut pages = run.slice(from..to).to_vec();
                pages.resize(pages.len().next_multiple_of(PAGE_SIZE), 0);
                fold.writes.push((from, pages));
                run.clean_to = to;
            }
        }
        fold
    }

    /// A fold up to `end` is durable: what was not overwritten since need not be kept.
    pub(super) fn folded(&mut self, fold: &FoldWrites) {
        for number in &fold.overwritten {
            if self.overwritten.get(number).is_some_and(|page| !page.is_dirty) {
                self.overwritten.remove(number);
            }
        }
        let last = self.runs.len().saturating_sub(1);
        for (at, run) in self.runs.iter_mut().enumerate() {
            // Only the page that is still appended to is kept in part.
            let keep_from =
                if at < last && run.clean_to == run.end() { run.end() } else { page_start(run.clean_to) };
            run.bytes.advance((keep_from - run.start) as usize);
            run.start = keep_from;
        }
        let mut at = 0;
        self.runs.retain(|run| {
            at += 1;
            at > last || !run.bytes.is_empty()
        });
    }

    /// Bytes held that a fold writes, or has just written.
    pub(super) fn unfolded(&self) -> usize {
        self.runs.iter().map(|run| run.bytes.len()).sum::<usize>() + self.overwritten.len() * PAGE_SIZE
    }

    /// Calls `piece` with each piece of `range` that is in memory, each with its offset; later ones win.
    pub(super) fn each_in(&self, range: &Range<u64>, mut piece: impl FnMut(u64, &[u8])) {
        let mut give = |offset: u64, bytes: &[u8]| {
            let from = range.start.max(offset);
            let to = range.end.min(offset + bytes.len() as u64);
            if from < to {
                piece(from, &bytes[(from - offset) as usize..(to - offset) as usize]);
            }
        };
        for (number, page) in self.overwritten.range(range.start / PAGE..range.end.div_ceil(PAGE)) {
            give(number * PAGE, &page.bytes);
        }
        for run in &self.runs {
            give(run.start, &run.bytes);
        }
        for (offset, bytes) in &self.directs {
            give(*offset, bytes.bytes());
        }
    }

    /// The bytes of `range`, where one run has them all.
    pub(super) fn run_with(&self, range: &Range<u64>) -> Option<&[u8]> {
        let run = self.run_of(range.start)?;
        (range.end <= run.end()).then(|| run.slice(range.clone()))
    }

    fn run_of(&self, offset: u64) -> Option<&Run> {
        self.run_at(offset).map(|at| &self.runs[at])
    }

    fn run_at(&self, offset: u64) -> Option<usize> {
        self.runs.iter().rposition(|run| run.start <= offset && offset < run.end())
    }
}

pub(super) fn page_start(offset: u64) -> u64 {
    offset - offset % PAGE
}

pub(super) fn page_end(offset: u64) -> u64 {
    offset.next_multiple_of(PAGE)
}

pub(super) const PAGE: u64 = PAGE_SIZE as u64;

//! What a file should hold, and what a crash may leave of it: all commits up to one, of which none is missing that was
//! acknowledged, and perhaps a part of the next.

use std::path::PathBuf;

use crate::disk::PAGE_SIZE;
use crate::log::Ticket;

pub(super) struct Model {
    pub(super) path: PathBuf,
    /// What the file held when it was attached, with what a crash left behind its end.
    base: Vec<u8>,
    base_len: usize,
    ops: Vec<Op>,
    tickets: Vec<(usize, Ticket)>,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Append { offset: usize, bytes: Vec<u8> },
    Align { from: usize },
    Direct { offset: usize, bytes: Vec<u8> },
    Overwrite { offset: usize, bytes: Vec<u8> },
}

/// A file after a crash, page by page; `None` cannot be read.
pub(super) type Pages = Vec<Option<Vec<u8>>>;

impl Model {
    pub(super) fn new(path: PathBuf, base: Vec<u8>, base_len: usize) -> Self {
        Self { path, base, base_len, ops: Vec::new(), tickets: Vec::new() }
    }

    /// `ticket` is of this commit.
    pub(super) fn did(&mut self, op: Op, ticket: Option<Ticket>) {
        self.ops.push(op);
        self.tickets.extend(ticket.map(|ticket| (self.ops.len(), ticket)));
    }

    /// The ticket of the newest commit, which was waited for.
    pub(super) fn came(&mut self, ticket: Ticket) {
        self.tickets.push((self.ops.len(), ticket));
    }

    /// What reads should see.
    pub(super) fn view(&self) -> Vec<u8> {
        let mut content = self.base[..self.base_len].to_vec();
        for op in &self.ops {
            op.apply(&mut content);
        }
        content.truncate(self.len_after(self.ops.len()));
        content
    }

    /// Commits that are acknowledged.
    ///
    /// # Panics
    /// If one is and an older one is not.
    pub(super) fn durable(&self) -> usize {
        assert!(
            self.tickets.is_sorted_by_key(|(_, ticket)| !ticket.is_durable()),
            "{:?} in their order",
            self.path
        );
        self.tickets
            .iter()
            .filter(|(_, ticket)| ticket.is_durable())
            .map(|&(count, _)| count)
            .max()
            .unwrap_or(0)
    }

    /// Whether no ticket is left behind: in a log that was closed, whether no commit was refused.
    pub(super) fn is_unharmed(&self) -> bool {
        self.tickets.iter().all(|(_, ticket)| ticket.is_durable())
    }

    /// The commits the file holds, at least `durable`, and what may be there of the next.
    pub(super) fn check(&self, durable: usize, disk: &Pages) -> Result<usize, String> {
        let mut content = self.base.clone();
        self.ops[..durable].iter().for_each(|op| op.apply(&mut content));
        for count in durable..=self.ops.len() {
            if is_equal(&content, disk) {
                return Ok(count);
            }
            let Some(next) = self.ops.get(count) else { break };
            if next.is_in_part(&content, disk) {
                return Ok(count);
            }
            next.apply(&mut content);
        }
        let mut acknowledged = self.base.clone();
        self.ops[..durable].iter().for_each(|op| op.apply(&mut acknowledged));
        let at = (0..acknowledged.len().max(disk.len() * PAGE_SIZE))
            .find(|&at| byte(disk, at) != Some(acknowledged.get(at).copied().unwrap_or(0)));
        Err(format!(
            "{}: neither {durable} of {} commits nor more; it differs from {durable} first at {at:?} (on disk {:?}, page {:?}), commits {:?}",
            self.path.display(),
            self.ops.len(),
            at.map(|at| byte(disk, at)),
            at.map(|at| at / PAGE_SIZE),
            self.ops.iter().map(Op::shape).collect::<Vec<_>>(),
        ))
    }

    pub(super) fn len_after(&self, count: usize) -> usize {
        self.ops[..count].iter().fold(self.base_len, |len, op| op.end().unwrap_or(len))
    }

    pub(super) fn count(&self) -> usize {
        self.ops.len()
    }
}

impl Op {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Append { offset, bytes } => put(content, *offset, bytes, true),
            Self::Align { from } => put(content, *from, &[], true),
            Self::Direct { offset, bytes } => put(content, *offset, bytes, true),
            Self::Overwrite { offset, bytes } => put(content, *offset, bytes, false),
        }
    }

    /// The file's length after it, if it changes that.
    fn end(&self) -> Option<usize> {
        match self {
            Self::Append { offset, bytes } => Some(offset + bytes.len()),
            Self::Align { from } => Some(from.next_multiple_of(PAGE_SIZE)),
            Self::Direct { offset, bytes } => Some((offset + bytes.len()).next_multiple_of(PAGE_SIZE)),
            Self::Overwrite { .. } => None,
        }
    }

    fn shape(&self) -> String {
        match self {
            Self::Append { offset, bytes } => format!("append of {} at {offset}", bytes.len()),
            Self::Align { from } => format!("align at {from}"),
            Self::Direct { offset, bytes } => format!("direct of {} at {offset}", bytes.len()),
            Self::Overwrite { offset, bytes } => format!("overwrite of {} at {offset}", bytes.len()),
        }
    }

    /// Whether the disk has `content` and a part of this: what a batch took of it, or, direct, any of its sectors.
    fn is_in_part(&self, content: &[u8], disk: &Pages) -> bool {
        let mut with_part = content.to_vec();
        match self {
            Self::Append { offset, bytes } | Self::Overwrite { offset, bytes } => {
                let same =
                    (0..bytes.len()).take_while(|&at| byte(disk, offset + at) == Some(bytes[at])).count();
                put(&mut with_part, *offset, &bytes[..same], matches!(self, Self::Append { .. }));
                is_equal(&with_part, disk)
            }
            Self::Align { .. } => false,
            Self::Direct { offset, bytes } => {
                let end = (offset + bytes.len()).next_multiple_of(PAGE_SIZE);
                let mut new = with_part.clone();
                put(&mut new, *offset, bytes, true);
                with_part.resize(with_part.len().max(end), 0);
                let mut masked = disk.clone();
                masked.resize(masked.len().max(end / PAGE_SIZE), Some(vec![0; PAGE_SIZE]));
                let touched = masked.iter_mut().enumerate().take(end / PAGE_SIZE).skip(offset / PAGE_SIZE);
                for (page, now) in touched {
                    let (old, new) =
                        (&with_part[page * PAGE_SIZE..][..PAGE_SIZE], &new[page * PAGE_SIZE..][..PAGE_SIZE]);
                    if let Some(now) = now {
                        let mut sectors = now.chunks(SECTOR).zip(old.chunks(SECTOR)).zip(new.chunks(SECTOR));
                        if !sectors.all(|((now, old), new)| now == old || now == new) {
                            return false;
                        }
                    }
                    *now = Some(old.to_vec());
                }
                is_equal(&with_part, &masked)
            }
        }
    }
}

/// Puts bytes at an offset, and zeros behind them up to a page.
fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8], with_zeros: bool) {
    let end = offset + bytes.len();
    let padded = end.next_multiple_of(PAGE_SIZE);
    if content.len() < padded {
        content.resize(padded, 0);
    }
    content[offset..end].copy_from_slice(bytes);
    if with_zeros {
        content[end..padded].fill(0);
    }
}

fn byte(disk: &Pages, at: usize) -> Option<u8> {
    match disk.get(at / PAGE_SIZE) {
        None => Some(0),
        Some(page) => page.as_ref().map(|page| page[at % PAGE_SIZE]),
    }
}

/// Beyond both there are zeros.
fn is_equal(content: &[u8], disk: &Pages) -> bool {
    const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
    (0..disk.len().max(content.len().div_ceil(PAGE_SIZE))).all(|page| {
        let now: &[u8] = match disk.get(page) {
            None => &ZEROS,
            Some(Some(now)) => now,
            Some(None) => return false,
        };
        let wanted = content.get(page * PAGE_SIZE..).unwrap_or_default();
        let wanted = &wanted[..wanted.len().min(PAGE_SIZE)];
        now[..wanted.len()] == *wanted && now[wanted.len()..].iter().all(|&byte| byte == 0)
    })
}

const SECTOR: usize = 512;

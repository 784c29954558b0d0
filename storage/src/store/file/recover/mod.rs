//! Putting a store together from the files that are found: from the last block to the first, as later blocks say what is
//! left of earlier ones. A sealed block costs its footer, and its table too where something of it was deleted since; the last
//! one is read whole.
//!
//! What a file is, and what is left of a block, is decided by values alone ([`heads`], [`later`], [`left`]), for the offline
//! look at a store ([`crate::inspect`]) to decide the same; [`look`] and [`build`] read and write.

mod build;
mod heads;
mod later;
mod left;
mod look;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use self::build::{Built, build};
pub(crate) use self::heads::{Headless, Named, cipher_of, head_of, latest, misplaced};
pub(crate) use self::later::Later;
pub(crate) use self::left::{FromEntries, left_of_footer, told_by_entries};
use self::look::{LOOKS_AT_ONCE, look_at_all, with_footer};
use crate::block::index::{Index, Slot};
use crate::block::scan::Damage;
use crate::block::sources::ToldSources;
use crate::block::summary::{Row, Summary};
use crate::disk::Disk;
use crate::engine::Engine;
use crate::seq_set::SeqSet;
use crate::store::block::{Block, BlockNumber};
use crate::store::file::decisions::{Action, Condition};
use crate::store::file::names::ASIDE;
use crate::store::file::{BlockFile, FileMedia, StoreOptions};
use crate::store::ledger::{Accounting, Ledger, Subject};
use crate::store::sources::Sources;
use crate::store::{Media, Store, StoreError};

/// What was found, and what was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Files that are not simply as they should be.
    pub files: Vec<FileReport>,
    /// Messages that were acknowledged and cannot be read any more.
    pub lost: SeqSet,
    pub blocks: usize,
    /// Blocks that had to be read whole.
    pub scanned: usize,
}

/// One file of which something is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    pub path: PathBuf,
    pub condition: Condition,
    /// Where it could not be read.
    pub damage: Vec<Damage>,
    /// Bytes at its end that belong to no finished commit.
    pub torn: u64,
}

impl<D: Disk> Store<D> {
    /// Opens the store in a folder, which is made where it is not there, and starts its work in the background.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], [`StoreError::WrongKey`] and [`StoreError::Version`] where the store cannot be opened as it is: then
    /// nothing was changed. What the disk says.
    pub async fn open(engine: Engine<D>, options: StoreOptions) -> Result<(Self, Recovery), StoreError> {
        let disk = engine.disk();
        disk.create_folder(&options.folder).await?;
        // Names that are found may be in the kernel's memory alone, that of the folder among them.
        for folder in options.folder.ancestors() {
            disk.sync_folder(folder).await?;
        }
        let mut recovery = Recovery::default();
        let (found, others) = look_at_all(&engine, &options).await?;
        for (path, condition) in others {
            act(disk, &options.folder, &path, condition, &mut recovery).await?;
        }
        let mut ledger = None;
        let mut files = BTreeMap::new();
        let mut later = Later::default();
        let mut sources = ToldSources::default();
        let last_number = found.last().map(|found| found.name.number);
        let next_number = found.iter().map(|found| found.header.absorbed_below).max().unwrap_or(1);
        let mut is_over = false;
        // Few files are open and few footers in memory at a time, however many there are.
        let mut footers = futures_util::stream::iter(found.into_iter().rev())
            .map(|found| with_footer(disk, found))
            .buffered(LOOKS_AT_ONCE);
        while let Some(read) = footers.next().await {
            let (found, footer) = read?;
            let number = found.name.number;
            let of_footer = footer.as_ref().map(|footer| &footer.summary);
            if let Some(condition) = later.makes_needless(found.header.first, of_footer) {
                act(disk, &options.folder, &found.path, condition, &mut recovery).await?;
                continue;
            }
            let block = build(&engine, &options, found, footer, &later, &mut recovery).await?;
            let condition = later.condition(&block.summary, block.file.footer.is_some());
            if condition == Condition::NeverBegun {
                act(disk, &options.folder, &block.file.path, condition, &mut recovery).await?;
                continue;
            }
            #[cfg(test)]
            let block = Built { summary: options.heard(block.summary), ..block };
            sources.after(&block.summary.sources);
            recovery.lost.union(&later.hear(number, &block.summary));
            #[cfg(test)]
            {
                (later.cut, later.bound) = options.heard_of_end((later.cut, later.bound));
            }
            if condition == Condition::Dead {
                // The log may have given it up already: what of it cannot be read was not to be read any more.
                recovery.files.retain(|file| file.path != block.file.path);
                act(disk, &options.folder, &block.file.path, condition, &mut recovery).await?;
                continue;
            }
            let ledger = ledger.get_or_insert_with(|| empty_ledger(&options));
            let (file, has_over) = enter(ledger, block);
            files.insert(number, file);
            is_over |= has_over;
        }
        drop(footers);
        recovery.blocks = files.len();
        // Above every block that ever was, as far as others tell: what is absorbed of a block is told by number.
        let next_number = next_number.max(last_number.unwrap_or(0) + 1);
        let mut ledger = ledger.unwrap_or_else(|| empty_ledger(&options));
        ledger.lost = recovery.lost.clone();
        let (sources, is_pruned) = Sources::recovered(&options.sources, sources);
        ledger.sources = sources;
        finish_ledger(&mut ledger, next_number, engine.random(), &options);
        let last = ledger.last;
        let media = FileMedia::new(engine.clone(), options.clone(), files);
        let store = Self::new(ledger, Media::File(Box::new(media)), options.block_len);
        store.0.commits.set_durable_seq(last);
        store.remember_losses(&mut recovery).await?;
        store.enforce_limits_at_start(is_over).await?;
        if is_pruned {
            store.changed();
        }
        engine.spawn(super::write::write_commits(store.clone()));
        engine.spawn(super::maintain::maintain(store.clone()));
        if let Media::File(media) = &store.0.media {
            media.maintenance.set();
        }
        Ok((store, recovery))
    }
}

impl Block {
    fn is_written_on(&self) -> bool {
        self.open().is_some_and(|open| open.full.is_none())
    }
}

fn empty_ledger(options: &StoreOptions) -> Ledger {
    let first = options.first_seq.max(1);
    let mut ledger = Ledger::new(Accounting::File, options.limits, first, Block::begin(0, 0, first));
    ledger.blocks.clear();
    ledger
}

/// Puts a block before those that are there.
///
/// True with it: a subject has more messages than the limits allow.
fn enter<D: Disk>(ledger: &mut Ledger, built: Built<D>) -> (BlockFile<D>, bool) {
    let max = ledger.limits.max_messages_per_subject.unwrap_or(u64::MAX);
    let mut is_over = false;
    let Built { mut block, file, summary } = built;
    if ledger.blocks.is_empty() {
        ledger.last = block.last;
    }
    if ledger.last_timestamp.is_none() {
        ledger.last_timestamp = block.last_timestamp;
    }
    for totals in &summary.subjects {
        let (leaf, subject) = ledger.subjects.entry(&totals.subject, || Subject {
            messages: 0,
            last: totals.last,
            ..Subject::one(totals.first)
        });
        subject.first = totals.first;
        subject.messages += totals.messages;
        is_over |= u64::from(subject.messages) > max;
        block.subjects.insert(leaf.0);
    }
    for times in summary.times() {
        ledger.note_times(times.seq, times.expires, times.due);
    }
    ledger.messages += block.messages;
    ledger.bytes += block.bytes;
    let subjects = &ledger.subjects;
    if let Some(open) = block.open_mut()
        && let Some((own, rows)) = open.recovered_rows.take()
    {
        open.index = index_of(&own, rows, |text| subjects.find(text));
    }
    ledger.blocks.push_front(block);
    (file, is_over)
}

/// An index that more can be pushed to.
fn index_of(
    summary: &Summary,
    rows: Vec<Row>,
    find: impl Fn(&[u8]) -> Option<crate::subject_tree::LeafId>,
) -> Index {
    let mut index = Index::of_table(summary, Vec::<Slot>::new(), find);
    for row in rows {
        index.push(row);
    }
    index.relearn();
    index
}

fn finish_ledger(ledger: &mut Ledger, next: BlockNumber, salt: u64, options: &StoreOptions) {
    let nothing_found = ledger.blocks.is_empty();
    if nothing_found {
        ledger.last = options.first_seq.max(1) - 1;
    }
    let is_written_on = ledger.blocks.back().is_some_and(Block::is_written_on);
    if !is_written_on {
        let first = ledger.last + 1;
        ledger.blocks.push_back(Block::begin(next, salt, first));
        ledger.active_mut().last_timestamp = ledger.last_timestamp;
    }
    // The first one is looked for from the first block on.
    ledger.first = 1;
    ledger.first = ledger.next_seq(1).unwrap_or(ledger.last + 1);
    // An entry has no other word for a store that never had a message.
    ledger.last_timestamp = ledger.last_timestamp.filter(|timestamp| timestamp.0 != 0);
    if !is_written_on {
        ledger.write_bounds();
        ledger.write_all_sources();
    }
}

/// Does with a file what the table says.
async fn act<D: Disk>(
    disk: &D,
    folder: &Path,
    path: &Path,
    condition: Condition,
    recovery: &mut Recovery,
) -> Result<(), StoreError> {
    recovery.files.push(FileReport { path: path.to_owned(), condition, damage: Vec::new(), torn: 0 });
    match condition.action() {
        Action::MoveAside => {
            let aside = folder.join(ASIDE);
            disk.create_folder(&aside).await?;
            let name = path.file_name().expect("a file that was listed has a name");
            let mut to = aside.join(name);
            let mut attempt = 1;
            // What was put there before is not overwritten.
            while disk
                .list(&aside)
                .await?
                .iter()
                .any(|entry| Some(entry.name.as_ref()) == to.file_name().and_then(|name| name.to_str()))
            {
                attempt += 1;
                to = aside.join(format!("{}.{attempt}", name.to_string_lossy()));
            }
            disk.rename(path, &to).await?;
            disk.sync_folder(&aside).await?;
            disk.sync_folder(folder).await?;
        }
        Action::FinishRemoval => {
            disk.remove(path).await?;
            disk.sync_folder(folder).await?;
        }
        Action::Leave | Action::Use | Action::Scan | Action::Continue | Action::Refuse => {}
    }
    Ok(())
}

//! Putting a store together from the files that are found: from the last block to the first, as later blocks say what is
//! left of earlier ones. A sealed block costs its footer, and its table too where something of it was deleted since; the last
//! one is read whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use futures_util::StreamExt;

use crate::block::control::Control;
use crate::block::entry::{Entries, Entry};
use crate::block::footer::{TRAILER_LEN, Trailer, decode_summary, decode_table};
use crate::block::frame::FrameKind;
use crate::block::header::{Encryption, HEAD_LEN, Header, HeaderError};
use crate::block::index::{Index, Slot};
use crate::block::scan::{Damage, Ending, Scan, scan};
use crate::block::spans::{SPAN_LEN_MIN, Span, Spans};
use crate::block::summary::{Opening, Row, Summarizer, Summary, Times};
use crate::block::tail::Tail;
use crate::coding::{BlockCipher, FrameEncoder, decode_frame};
use crate::disk::{Cause, Disk, DiskError, EntryKind, File, Open, PAGE_SIZE};
use crate::engine::Engine;
use crate::keys::BlockIdentity;
use crate::seq_set::SeqSet;
use crate::store::block::{Block, BlockNumber, OpenBlock, Phase, Told};
use crate::store::file::decisions::{Action, Condition};
use crate::store::file::losses::is_losses;
use crate::store::file::names::{ASIDE, BlockName, is_unfinished};
use crate::store::file::read::frame_at;
use crate::store::file::{BlockFile, FileMedia, FooterPlace, StoreOptions, Writer};
use crate::store::ledger::{Accounting, Ledger, Subject};
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

/// One block's file, by its head.
struct Found {
    name: BlockName,
    path: PathBuf,
    header: Header,
    cipher: Option<Rc<BlockCipher>>,
    file_len: u64,
}

enum Look {
    Block(Box<Found>),
    Other(PathBuf, Condition),
}

/// A footer that was read.
type Footer = (FooterPlace, Summary, Spans);

/// A block as it will be in the store.
struct Built<D: Disk> {
    block: Block,
    file: BlockFile<D>,
    summary: Summary,
}

/// What later blocks say of earlier ones.
#[derive(Default)]
struct Later {
    /// By the block that says so.
    tombstones: Vec<(BlockNumber, SeqSet)>,
    all_tombstones: SeqSet,
    low: u64,
    /// Nothing above it in earlier blocks counts.
    cut: Option<u64>,
    /// Nor does anything above this: a block behind begins there. What it said of that is not in it any more where it was
    /// rewritten.
    bound: Option<u64>,
    /// The first sequence of the block behind.
    next_first: Option<u64>,
    any_entries: bool,
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
            if let Some(condition) = later.makes_needless(&found, footer.as_ref()) {
                act(disk, &options.folder, &found.path, condition, &mut recovery).await?;
                continue;
            }
            let is_last = !later.any_entries;
            let block = build(&engine, &options, found, footer, is_last, &later, &mut recovery).await?;
            // The last one that tells anything tells of the end of the sequences too: it stays.
            let is_followed = later.any_entries;
            let is_deleted = later.has_deleted(&block) && later.knows(&block.summary);
            if is_last && block.summary.plain_len == 0 {
                act(disk, &options.folder, &block.file.path, Condition::NeverBegun, &mut recovery).await?;
                continue;
            }
            later.hear(&block, &mut recovery);
            let is_dead = block.block.last < later.low || is_deleted;
            if is_followed && block.block.messages == 0 && is_dead {
                // The log may have given it up already: what of it cannot be read was not to be read any more.
                recovery.files.retain(|file| file.path != block.file.path);
                act(disk, &options.folder, &block.file.path, Condition::Dead, &mut recovery).await?;
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
        finish_ledger(&mut ledger, next_number, engine.random(), &options);
        let last = ledger.last;
        let media = FileMedia::new(engine.clone(), options.clone(), files);
        let store = Self::new(ledger, Media::File(Box::new(media)), options.block_len);
        store.0.commits.set_durable_seq(last);
        store.remember_losses(&mut recovery).await?;
        store.enforce_limits_at_start(is_over).await?;
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

impl Later {
    /// Whether nothing of a block is needed, as its footer alone tells.
    fn makes_needless(&self, found: &Found, footer: Option<&Footer>) -> Option<Condition> {
        let first = found.header.first;
        if self.cut.is_some_and(|cut| first > cut) || self.bound.is_some_and(|bound| first > bound + 1) {
            return Some(Condition::TakenBack);
        }
        let (_, summary, _) = footer?;
        (summary.last < self.low && self.any_entries).then_some(Condition::Dead)
    }

    /// What a block says of those before it; what lies between it and the one behind and is told of by nobody is lost.
    fn hear<D: Disk>(&mut self, built: &Built<D>, recovery: &mut Recovery) {
        let summary = &built.summary;
        if let Some(next_first) = self.next_first {
            self.note_gap(built.block.last + 1, next_first, recovery);
        }
        self.low = self.low.max(summary.low);
        self.cut = self.cut.min_some(summary.truncated);
        if !summary.tombstones.is_empty() {
            self.all_tombstones.union(&summary.tombstones);
            self.tombstones.push((built.block.number, summary.tombstones.clone()));
        }
        self.next_first = Some(built.block.first);
        if summary.plain_len > 0 {
            self.any_entries = true;
            self.bound = self.bound.min_some(Some(built.block.first - 1));
        }
    }

    /// Where blocks before end at the latest.
    fn end(&self) -> Option<u64> {
        self.cut.min_some(self.bound)
    }

    /// Whether later blocks tell that all of a block's sequences are gone.
    fn has_deleted<D: Disk>(&self, built: &Built<D>) -> bool {
        let Some(next_first) = self.next_first else { return false };
        built.block.first < next_first && self.not_told_of(built.block.first, next_first).is_empty()
    }

    /// Whether later blocks tell all that a block tells of those before it.
    fn knows(&self, summary: &Summary) -> bool {
        let mut tombstones = summary.tombstones.clone();
        tombstones.remove_below(self.low);
        tombstones.subtract(&self.all_tombstones);
        let end = self.end().unwrap_or(u64::MAX);
        let is_cut_known =
            summary.truncated.is_none_or(|cut| self.not_told_of(cut + 1, end.saturating_add(1)).is_empty());
        tombstones.is_empty() && is_cut_known
    }

    /// Sequences in `from..to` that no block has.
    fn note_gap(&self, from: u64, to: u64, recovery: &mut Recovery) {
        recovery.lost.union(&self.not_told_of(from, to));
    }

    /// Sequences in `from..to` of which nobody says that they are gone.
    fn not_told_of(&self, from: u64, to: u64) -> SeqSet {
        let mut missing = SeqSet::default();
        let from = from.max(self.low);
        if from < to {
            missing.insert_range(from..=to - 1);
            missing.subtract(&self.all_tombstones);
        }
        missing
    }

    /// What of `first..=last` in block `number` is deleted by others.
    fn deleted_in(&self, first: u64, last: u64, absorbed_below: BlockNumber, number: BlockNumber) -> SeqSet {
        let mut deleted = SeqSet::default();
        if first > last {
            return deleted;
        }
        if absorbed_below <= number + 1 {
            deleted = self.all_tombstones.in_range(first..=last);
        } else {
            for (_, tombstones) in self.tombstones.iter().filter(|(by, _)| *by >= absorbed_below) {
                deleted.union(&tombstones.in_range(first..=last));
            }
        }
        if self.low > first {
            deleted.insert_range(first..=last.min(self.low - 1));
        }
        if let Some(cut) = self.end().filter(|&cut| cut < last) {
            deleted.insert_range(first.max(cut + 1)..=last);
        }
        deleted
    }
}

trait MinSome {
    fn min_some(self, other: Self) -> Self;
}

impl MinSome for Option<u64> {
    fn min_some(self, other: Self) -> Self {
        self.into_iter().chain(other).min()
    }
}

/// Every file of the folder; blocks in the order of their numbers, of each number one.
async fn look_at_all<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
) -> Result<(Vec<Found>, Vec<(PathBuf, Condition)>), StoreError> {
    let mut others = Vec::new();
    let mut blocks: Vec<Found> = Vec::new();
    let entries = engine.disk().list(&options.folder).await?;
    let mut names = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File) {
        let path = options.folder.join(&entry.name);
        match BlockName::parse(&entry.name) {
            Some(name) => names.push(name),
            None if is_unfinished(&entry.name) => others.push((path, Condition::UnfinishedRewrite)),
            None if is_losses(&entry.name) => {}
            None => others.push((path, Condition::ForeignName)),
        }
    }
    let mut looks =
        futures_util::stream::iter(names).map(|name| look_at(engine, options, name)).buffered(LOOKS_AT_ONCE);
    while let Some(look) = looks.next().await {
        match look? {
            Look::Other(path, condition) => others.push((path, condition)),
            Look::Block(found) => {
                match blocks.last_mut().filter(|last| last.name.number == found.name.number) {
                    Some(last) => {
                        let older = if last.header.generation > found.header.generation {
                            *found
                        } else {
                            std::mem::replace(last, *found)
                        };
                        others.push((older.path, Condition::Superseded));
                    }
                    None => blocks.push(*found),
                }
            }
        }
    }
    Ok((blocks, others))
}

async fn look_at<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    name: BlockName,
) -> Result<Look, StoreError> {
    let path = name.path(&options.folder);
    let file = engine.disk().open(&path, Open::Read).await?;
    let file_len = file.size().await?;
    let head = read_what_can_be(&file, 0, HEAD_LEN).await?;
    let header = match head_of(&head) {
        Ok(_) if head.len() < HEAD_LEN => return Ok(Look::Other(path, Condition::TooShort)),
        Ok(header) => header,
        Err(HeaderError::Version(version)) => return Err(StoreError::Version { path, version }),
        Err(_) if head.len() < HEAD_LEN => return Ok(Look::Other(path, Condition::TooShort)),
        Err(_) if is_all_zeros(&file, file_len).await? => return Ok(Look::Other(path, Condition::Zeros)),
        Err(HeaderError::NotABlock | HeaderError::Damaged) => {
            return Ok(Look::Other(path, Condition::NoHead));
        }
    };
    if header.stream != options.stream {
        return Ok(Look::Other(path, Condition::OtherStream));
    }
    if (header.number, header.salt) != (name.number, name.salt) {
        return Ok(Look::Other(path, Condition::WrongName));
    }
    let cipher = cipher_of(&header, options, &path)?;
    Ok(Look::Block(Box::new(Found { name, path, header, cipher, file_len })))
}

async fn with_footer<D: Disk>(disk: &D, found: Found) -> Result<(Found, Option<Footer>), StoreError> {
    let file = disk.open(&found.path, Open::Read).await?;
    let footer = read_footer(&file, found.file_len, found.header.salt, found.cipher.as_deref()).await?;
    Ok((found, footer))
}

/// Reads from a page's boundary on; pages that cannot be read are zeros, which nothing takes for something written.
async fn read_what_can_be<F: File>(file: &F, offset: u64, len: usize) -> Result<Bytes, StoreError> {
    let is_unreadable = |error: &DiskError| matches!(error.cause, Cause::Io(_));
    match file.read_at(offset, len).await {
        Err(error) if is_unreadable(&error) => {}
        read => return Ok(read?),
    }
    let end = file.size().await?.min(offset.saturating_add(len as u64));
    let mut bytes = vec![0; end.saturating_sub(offset) as usize];
    for (at, page) in bytes.chunks_mut(PAGE_SIZE).enumerate() {
        match file.read_at(offset + (at * PAGE_SIZE) as u64, page.len()).await {
            Ok(read) => page[..read.len()].copy_from_slice(&read),
            Err(error) if is_unreadable(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes.into())
}

async fn is_all_zeros<F: File>(file: &F, len: u64) -> Result<bool, StoreError> {
    let mut at = 0;
    while at < len {
        let piece = read_what_can_be(file, at, PIECE).await?;
        if piece.is_empty() {
            break;
        }
        if piece.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += piece.len() as u64;
    }
    Ok(true)
}

/// Of the two copies the one that can be read.
fn head_of(head: &[u8]) -> Result<Header, HeaderError> {
    Header::decode(head)
        .or_else(|error| head.get(PAGE_SIZE..).map_or(Err(error), Header::decode).map_err(|_| error))
}

fn cipher_of(
    header: &Header,
    options: &StoreOptions,
    path: &Path,
) -> Result<Option<Rc<BlockCipher>>, StoreError> {
    if header.coding.encryption == Encryption::None {
        return Ok(None);
    }
    let key = options.key.as_ref().ok_or_else(|| StoreError::NoKey { path: path.to_owned() })?;
    let identity = BlockIdentity {
        stream: header.stream,
        number: header.number,
        generation: header.generation,
        encryption: header.coding.encryption,
    };
    let block_key = key
        .unwrap_block_key(&header.wrapped_key, identity)
        .ok_or_else(|| StoreError::WrongKey { path: path.to_owned() })?;
    Ok(BlockCipher::new(header.coding.encryption, &block_key).map(Rc::new))
}

async fn read_footer<F: File>(
    file: &F,
    file_len: u64,
    salt: u64,
    cipher: Option<&BlockCipher>,
) -> Result<Option<Footer>, StoreError> {
    if file_len < (HEAD_LEN + PAGE_SIZE) as u64 || !file_len.is_multiple_of(PAGE_SIZE as u64) {
        return Ok(None);
    }
    // Most summaries are at the end of what is read here.
    let mut from = file_len.saturating_sub(FOOTER_READ).max(HEAD_LEN as u64);
    let mut end = read_what_can_be(file, from, (file_len - from) as usize).await?;
    let Some(trailer) =
        end.len().checked_sub(TRAILER_LEN).and_then(|at| Trailer::decode(&end[at..], salt, file_len))
    else {
        return Ok(None);
    };
    if trailer.summary_at < from {
        from = trailer.summary_at;
        end = read_what_can_be(file, from, (file_len - from) as usize).await?;
    }
    let at = (trailer.summary_at - from) as usize;
    let summary = frame_at(&end, at, trailer.summary_at, FrameKind::Summary, salt, cipher);
    let Trailer { table_at, summary_at, file_len } = trailer;
    let place = FooterPlace { table_at, summary_at, file_len };
    Ok(summary.and_then(|body| decode_summary(&body)).map(|(summary, spans)| (place, summary, spans)))
}

/// A block with what is left of it.
async fn build<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    found: Found,
    footer: Option<Footer>,
    is_last: bool,
    later: &Later,
    recovery: &mut Recovery,
) -> Result<Built<D>, StoreError> {
    if let Some((place, summary, spans)) = footer {
        let deleted =
            later.deleted_in(summary.first, summary.last, summary.absorbed_below, found.name.number);
        let summary = if deleted.is_subset(&summary.gone) {
            Some(summary)
        } else {
            read_rows(engine.disk(), &found, place, summary.subjects.len())
                .await?
                .map(|rows| without(&summary, rows, &deleted).0)
        };
        if let Some(summary) = summary {
            return Ok(sealed(found, place, summary, spans, later));
        }
    }
    scanned(engine, options, found, is_last, later, recovery).await
}

async fn read_rows<D: Disk>(
    disk: &D,
    found: &Found,
    place: FooterPlace,
    subjects: usize,
) -> Result<Option<Vec<Row>>, StoreError> {
    let file = disk.open(&found.path, Open::Read).await?;
    let len = (place.summary_at - place.table_at) as usize;
    let piece = read_what_can_be(&file, place.table_at, len).await?;
    let table =
        frame_at(&piece, 0, place.table_at, FrameKind::Table, found.header.salt, found.cipher.as_deref());
    Ok(table.and_then(|body| decode_table(&body, subjects)))
}

/// A block's summary without some of its messages.
fn without(summary: &Summary, rows: Vec<Row>, deleted: &SeqSet) -> (Summary, Vec<Row>) {
    let subjects = summary.subjects.iter().map(|totals| totals.subject.clone()).collect();
    let times = times_of(summary);
    let mut left = Summary {
        messages: 0,
        bytes: 0,
        record_bytes: 0,
        subjects: Vec::new(),
        expiring: Vec::new(),
        due: Vec::new(),
        first_timestamp: None,
        ..summary.clone()
    };
    left.gone.union(deleted);
    left.assemble(rows, subjects, times)
}

fn times_of(summary: &Summary) -> Vec<Times> {
    let expiring = summary.expiring.iter().map(|&(seq, time)| Times { seq, expires: Some(time), due: None });
    let due = summary.due.iter().map(|&(seq, time)| Times { seq, expires: None, due: Some(time) });
    expiring.chain(due).collect()
}

fn sealed<D: Disk>(
    found: Found,
    place: FooterPlace,
    mut summary: Summary,
    spans: Spans,
    later: &Later,
) -> Built<D> {
    if let Some(cut) = later.end() {
        summary.last = summary.last.min(cut);
        summary.gone.remove_from(cut + 1);
    }
    let block = outline(&found, &summary, spans, Phase::Sealed);
    let file = BlockFile {
        path: found.path,
        salt: found.header.salt,
        coding: found.header.coding,
        cipher: found.cipher,
        writer: None,
        footer: Some(place),
        allocated: found.file_len,
    };
    Built { block, file, summary }
}

fn outline(found: &Found, summary: &Summary, spans: Spans, phase: Phase) -> Block {
    Block {
        number: found.name.number,
        generation: found.header.generation,
        salt: found.header.salt,
        first: summary.first,
        last: summary.last,
        last_timestamp: summary.last_timestamp,
        messages: summary.messages,
        bytes: summary.bytes,
        record_bytes: summary.record_bytes,
        plain_len: summary.plain_len,
        gone: summary.gone.clone(),
        tombstones: summary.tombstones.clone(),
        absorbed_below: summary.absorbed_below,
        subjects: roaring::RoaringBitmap::new(),
        spans,
        phase,
    }
}

/// A block without a footer, put together from its entries.
async fn scanned<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    found: Found,
    is_last: bool,
    later: &Later,
    recovery: &mut Recovery,
) -> Result<Built<D>, StoreError> {
    recovery.scanned += 1;
    let salt = found.header.salt;
    let file = Rc::new(engine.disk().open(&found.path, Open::Write).await?);
    let file_len = usize::try_from(found.file_len).unwrap_or(usize::MAX);
    let bytes = read_what_can_be(&*file, 0, file_len).await?;
    let ending = if later.any_entries { Ending::Followed } else { Ending::MayBeTorn };
    let scan = scan(&bytes, salt, ending, |at, head, body| {
        decode_frame(head, body, found.cipher.as_deref(), salt, at).ok()
    });
    settle(&*file, &bytes, &scan, is_last).await?;
    let opening = Opening { first: found.header.first, absorbed_below: found.header.absorbed_below, salt };
    let (mut own, mut rows, mut lost) = summarize(opening, &scan, salt);
    let spans = spans_of(&scan, &rows);
    // What it tells of itself, as what others tell of it, is no loss.
    lost.remove_below(own.low);
    if let Some(end) = later.end() {
        lost.remove_from(end + 1);
    }
    if let Some(end) = later.end().filter(|&end| end < own.last) {
        rows.retain(|row| own.first + u64::from(row.delta) <= end);
        (own, rows) = without(&own, rows, &SeqSet::default());
        own.last = end.max(own.first - 1);
        own.gone.remove_from(end + 1);
        own.expiring.retain(|(seq, _)| *seq <= end);
        own.due.retain(|(seq, _)| *seq <= end);
    }
    let torn = scan.torn.as_ref().map_or(0, |torn| torn.end - torn.start);
    if !scan.damage.is_empty() || torn > 0 {
        let condition = if ending == Ending::Followed { Condition::FooterMissing } else { Condition::Last };
        let damage = scan.damage.clone();
        recovery.files.push(FileReport { path: found.path.clone(), condition, damage, torn });
    }
    if torn > 0 {
        clear_torn_end(engine, options, &found, &*file, &bytes, scan.end).await?;
    }
    let deleted = later.deleted_in(own.first, own.last, own.absorbed_below, found.name.number);
    lost.subtract(&deleted);
    recovery.lost.union(&lost);
    let summary = if deleted.is_empty() { own.clone() } else { without(&own, rows.clone(), &deleted).0 };
    // An encrypted block takes no more frames: what its writer sent out last under its next nonce is not known.
    let is_plain = found.header.coding == options.coding && options.coding.encryption == Encryption::None;
    let goes_on = is_last && is_plain && scan.damage.is_empty() && found.header.first <= summary.last + 1;
    let mut open = OpenBlock::new(Tail::at(own.plain_len));
    open.told = Told { low: own.low, truncated: own.truncated };
    open.times = times_of(&own);
    open.is_damaged = !scan.damage.is_empty();
    open.ends_bare = !ends_with_bounds(&scan, salt);
    open.full = (!goes_on).then(|| own.gone.clone());
    open.recovered_rows = Some((own, rows));
    let block = outline(&found, &summary, spans, Phase::Open(Box::new(open)));
    let logged = attach(engine, &found.path, &file, scan.end, &bytes);
    let encoder = FrameEncoder::new(found.header.coding.compression, None);
    let can_seal = found.header.coding.encryption == Encryption::None;
    let writer = Writer { logged, file, encoder, commit: scan.last_commit, can_seal };
    let file = BlockFile {
        path: found.path,
        salt,
        coding: found.header.coding,
        cipher: found.cipher,
        writer: Some(writer),
        footer: None,
        allocated: found.file_len,
    };
    Ok(Built { block, file, summary })
}

/// Makes durable what was read, for it is built upon. It may be in the kernel's memory alone, and after a sync that failed the
/// next one says nothing of what that one was to write: that can be the last commit, which is written again where it did not
/// come through the log.
async fn settle<F: File>(file: &F, bytes: &Bytes, scan: &Scan, is_last: bool) -> Result<(), StoreError> {
    let of_last = scan.frames.iter().rev().take_while(|frame| frame.head.commit == scan.last_commit);
    if let Some(first) = of_last.last()
        && is_last
        && first.offset.is_multiple_of(PAGE_SIZE as u64)
    {
        let mut pages = bytes[first.offset as usize..].to_vec();
        pages.resize(((scan.end - first.offset) as usize).next_multiple_of(PAGE_SIZE), 0);
        file.write_at(first.offset, &pages).await?;
    }
    Ok(file.sync().await?)
}

/// Whether the last commit holds nothing that could be missed: a store that is closed ends so.
fn ends_with_bounds(scan: &Scan, salt: u64) -> bool {
    let of_last = scan.frames.iter().rev().take_while(|frame| frame.head.commit == scan.last_commit);
    of_last
        .flat_map(|frame| Entries::new(&frame.plain, salt))
        .all(|entry| matches!(entry, Ok((_, _, Entry::Control(Control::Bounds { .. })))))
}

/// The file as its next writer finds it. What a torn commit left in the page in which the last whole one ends goes through the
/// log, before all that is written from here on, for that page is acknowledged in part.
fn attach<D: Disk>(
    engine: &Engine<D>,
    path: &Path,
    file: &Rc<D::File>,
    end: u64,
    bytes: &Bytes,
) -> crate::log::LoggedFile<D> {
    let page = end - end % PAGE_SIZE as u64;
    let next_page = end.next_multiple_of(PAGE_SIZE as u64);
    let rest = &bytes[end as usize..bytes.len().min(next_page as usize)];
    if rest.iter().all(|&byte| byte == 0) {
        let tail = &bytes[page as usize..end as usize];
        return engine.log().attach(path, Rc::clone(file), end, tail);
    }
    let logged = engine.log().attach(path, Rc::clone(file), next_page, &[]);
    // Nobody waits for it: until it is durable nothing behind it is either, and the next start finds it torn again.
    drop(logged.overwrite(end, &vec![0; rest.len()]));
    logged
}

/// What the entries of a block tell, and the messages that damage took.
fn summarize(opening: Opening, scan: &Scan, salt: u64) -> (Summary, Vec<Row>, SeqSet) {
    let mut summarizer = Summarizer::new(opening);
    let mut lost = SeqSet::default();
    let mut follows_damage = false;
    let mut damage_before = scan.damage.iter().map(|damage| damage.before_frame).peekable();
    for (place, frame) in scan.frames.iter().enumerate() {
        while damage_before.next_if(|&before| before <= place).is_some() {
            follows_damage = true;
        }
        for entry in Entries::new(&frame.plain, salt) {
            let Ok((at, len, entry)) = entry else { break };
            let next = summarizer.next_seq();
            // The first entry that goes on with the sequences tells how far those that are missing went.
            if follows_damage && let Some(before) = follows(&entry) {
                if before >= next {
                    lost.insert_range(next..=before);
                }
                follows_damage = before < next && !matches!(entry, Entry::Record(_));
            }
            if let Entry::Control(Control::Deleted { first, last }) = entry {
                lost.remove_range(first..=last);
            }
            if let Entry::DeletedSet(deleted) = &entry {
                lost.subtract(deleted);
            }
            // What is out of order was written by nobody: it is left out, and the rest goes on.
            let _ = summarizer.entry(frame.head.at + at as u32, len as u32, &entry);
        }
    }
    let (summary, rows) = summarizer.finish();
    (summary, rows, lost)
}

/// The last sequence that was given before an entry, where the entry tells.
fn follows(entry: &Entry<'_>) -> Option<u64> {
    match entry {
        Entry::Record(record) => Some(record.seq - 1),
        Entry::Erased { seq } => Some(seq - 1),
        Entry::Control(Control::Skipped { first, .. }) => Some(first - 1),
        Entry::Control(Control::Bounds { last, .. }) => Some(*last),
        Entry::Control(Control::Deleted { .. } | Control::Truncated { .. }) | Entry::DeletedSet(_) => None,
    }
}

/// Spans over the frames of a scan; none reaches over something damaged.
fn spans_of(scan: &Scan, rows: &[Row]) -> Spans {
    let mut spans = Spans::default();
    let mut gathered: Option<Span> = None;
    let delta_at = |at: u32| {
        let place = rows.partition_point(|row| row.at < at);
        rows.get(place).map_or_else(|| rows.last().map_or(0, |row| row.delta + 1), |row| row.delta)
    };
    for (place, frame) in scan.frames.iter().enumerate() {
        let is_after_damage = scan.damage.iter().any(|damage| damage.before_frame == place);
        let end = frame.offset + frame.head.len_on_disk();
        let at = frame.head.at;
        let joins =
            gathered.filter(|span| !is_after_damage && span.at + span.len == at && span.len < SPAN_LEN_MIN);
        gathered = match joins {
            Some(span) => Some(Span {
                len: span.len + frame.plain.len() as u32,
                disk_len: end as u32 - span.offset,
                ..span
            }),
            None => {
                push_span(&mut spans, gathered, at);
                Some(Span {
                    delta: delta_at(at),
                    at,
                    len: frame.plain.len() as u32,
                    offset: frame.offset as u32,
                    disk_len: (end - frame.offset) as u32,
                })
            }
        };
    }
    let end = gathered.map_or(0, |span| span.at + span.len);
    push_span(&mut spans, gathered, end);
    spans
}

/// A span ends where the next begins, even where damage took what was between.
fn push_span(spans: &mut Spans, span: Option<Span>, next: u32) {
    if let Some(span) = span {
        let pushed = spans.push(Span { len: next - span.at, ..span });
        pushed.expect("frames of a scan stand one behind another");
    }
}

/// Keeps aside what is behind the last whole commit, and clears the pages behind it, so that nobody takes it for something
/// later. The page in which the commit ends is written again with the next one.
async fn clear_torn_end<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    found: &Found,
    file: &D::File,
    bytes: &Bytes,
    end: u64,
) -> Result<(), StoreError> {
    let disk = engine.disk();
    let from = (end as usize).next_multiple_of(PAGE_SIZE);
    if from >= bytes.len() {
        return Ok(());
    }
    let aside = options.folder.join(ASIDE);
    disk.create_folder(&aside).await?;
    let name = format!(
        "{:010}-{:016x}-torn-at-{end}-{:08x}",
        found.name.number,
        found.name.salt,
        engine.random() as u32
    );
    let copy = disk.open(&aside.join(name), Open::CreateNew).await?;
    let mut torn = bytes[from..].to_vec();
    let used =
        torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1).next_multiple_of(PAGE_SIZE);
    torn.resize(used, 0);
    copy.write_at(0, &torn).await?;
    copy.sync().await?;
    disk.sync_folder(&aside).await?;
    file.write_at(from as u64, &vec![0; used]).await?;
    file.sync().await?;
    Ok(())
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
    for times in times_of(&summary) {
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

/// Files that are looked at together.
const LOOKS_AT_ONCE: usize = 16;
/// How much of a file's end is read at first: the trailer, and most summaries.
const FOOTER_READ: u64 = 32 << 10;
/// How much is read at once of a file that is looked through.
const PIECE: usize = 1 << 20;

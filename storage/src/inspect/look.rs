//! Looking at every file of a store's folder, as opening it would, and at every frame, which opening does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::report::{BlockReport, DamageReport, FileReport, LogReport, Report, Verdict};
use crate::block::entry::{Entries, Entry};
use crate::block::footer::{TRAILER_LEN, Trailer, decode_summary};
use crate::block::frame::{FrameHead, FrameKind};
use crate::block::header::{Compression, Encryption, HEAD_LEN, Header, HeaderError, StreamId};
use crate::block::scan::{DamageKind, Ending, Scan, scan};
use crate::block::summary::{Opening, Summarizer, Summary};
use crate::coding::decode_frame;
use crate::disk::{Disk, DiskError, EntryKind, File, Open, PAGE_SIZE, read_anyhow};
use crate::log::{Damage as LogDamage, Peek, peek};
use crate::message::accounted_size;
use crate::seq_set::SeqSet;
use crate::store::file::{
    Action, BlockName, Condition, DECISIONS, frame_at, is_losses, is_unfinished, read_losses,
};

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct InspectOptions {
    /// The store's folder, below the disk's root.
    pub folder: PathBuf,
    /// That of the commit log, where it is to be taken in.
    pub log: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("there is no block of a store in {}", folder.display())]
    NoStore { folder: PathBuf },
}

/// A block as it is in its file, with what the commit log has of it.
pub(super) struct Looked {
    pub name: BlockName,
    pub path: PathBuf,
    pub header: Header,
    pub condition: Condition,
    /// Of the footer, and where it begins.
    pub footer: Option<(Summary, u64)>,
    pub damage: Vec<(DamageKind, std::ops::Range<u64>, SeqSet)>,
    pub frames: usize,
    pub torn: u64,
    /// What its entries tell; of an encrypted block nothing.
    pub summary: Summary,
    /// Its messages, those that are deleted since among them.
    pub seqs: SeqSet,
    pub lost: SeqSet,
    /// By what later blocks and the block itself say.
    pub deleted: SeqSet,
    pub is_head_damaged: bool,
}

/// All of a folder.
pub(super) struct Folder {
    pub blocks: Vec<Looked>,
    pub others: Vec<(PathBuf, Condition)>,
    pub stream: Option<StreamId>,
    pub log: Option<Peek>,
    pub lost: SeqSet,
}

/// Looks at all there is. Changes nothing.
///
/// # Errors
/// [`InspectError`]
pub async fn check<D: Disk>(disk: &D, options: &InspectOptions) -> Result<Report, InspectError> {
    let folder = look(disk, options).await?;
    let mut subjects: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut report = Report {
        folder: options.folder.display().to_string(),
        stream: folder.stream.map(|stream| stream.0.iter().map(|byte| format!("{byte:02x}")).collect()),
        lost: folder.lost.runs().collect(),
        ..Report::default()
    };
    let mut first = None;
    for block in &folder.blocks {
        let mut told = report_of(block);
        if block.is_used() {
            let content = content_of(disk, block, folder.log.as_ref()).await?;
            block.each_record(&content, |record| {
                told.messages += 1;
                told.bytes +=
                    accounted_size(record.subject.len(), record.headers.len(), record.payload.len());
                first = first.or(Some(record.seq));
                if !subjects.contains(record.subject) {
                    subjects.insert(record.subject.to_vec());
                }
            });
            report.last_seq = report.last_seq.max(block.last());
        }
        report.messages += told.messages;
        report.bytes += told.bytes;
        report.blocks.push(told);
    }
    report.first_seq = first.unwrap_or(report.last_seq + 1);
    report.subjects = subjects.len() as u64;
    report.files = folder.others.iter().map(|(path, condition)| file_report(path, *condition)).collect();
    report.log =
        folder.log.as_ref().zip(options.log.as_ref()).map(|(peek, at)| log_report(peek, at, &folder));
    report.verdict = verdict(&folder, &report);
    Ok(report)
}

/// As [`check`], with what a tool needs to go on.
pub(super) async fn look<D: Disk>(disk: &D, options: &InspectOptions) -> Result<Folder, InspectError> {
    let log = match &options.log {
        Some(folder) => Some(peek(disk, folder).await?),
        None => None,
    };
    let mut names = Vec::new();
    let mut others = Vec::new();
    for entry in disk.list(&options.folder).await?.iter().filter(|entry| entry.kind == EntryKind::File) {
        let path = options.folder.join(&entry.name);
        match BlockName::parse(&entry.name) {
            Some(name) => names.push(name),
            None if is_losses(&entry.name) => {}
            None if is_unfinished(&entry.name) => others.push((path, Condition::UnfinishedRewrite)),
            None => others.push((path, Condition::ForeignName)),
        }
    }
    if names.is_empty() {
        return Err(InspectError::NoStore { folder: options.folder.clone() });
    }
    let mut heads = Vec::new();
    for name in names {
        let path = name.path(&options.folder);
        match look_at_head(disk, &path, name, log.as_ref()).await? {
            Ok(head) => heads.push((name, path, head)),
            Err(condition) => others.push((path, condition)),
        }
    }
    // The stream is the one of the newest block.
    let stream = heads.last().map(|(_, _, head)| head.header.stream);
    let mut kept: Vec<(BlockName, PathBuf, Head)> = Vec::new();
    for (name, path, head) in heads {
        if Some(head.header.stream) != stream {
            others.push((path, Condition::OtherStream));
            continue;
        }
        match kept.last_mut().filter(|(last, ..)| last.number == name.number) {
            Some(last) if last.2.header.generation > head.header.generation => {
                others.push((path, Condition::Superseded));
            }
            Some(last) => {
                let older = std::mem::replace(last, (name, path, head));
                others.push((older.1, Condition::Superseded));
            }
            None => kept.push((name, path, head)),
        }
    }
    let mut folder = Folder { blocks: Vec::new(), others, stream, log, lost: SeqSet::new() };
    let mut later = Later::default();
    for (name, path, head) in kept.into_iter().rev() {
        let block = look_at(disk, (name, path, head), &mut later, folder.log.as_ref()).await?;
        folder.lost.union(&block.lost);
        folder.blocks.push(block);
    }
    folder.blocks.reverse();
    folder.lost.union(&later.lost);
    if let Some(stream) = stream
        && let Ok(known) = read_losses(disk, &options.folder, stream).await?
    {
        for (_, seqs) in &known.lost {
            folder.lost.union(seqs);
        }
        folder.lost.subtract(&known.accepted);
    }
    folder.lost.remove_below(later.low);
    Ok(folder)
}

/// What later blocks say of earlier ones.
#[derive(Default)]
struct Later {
    tombstones: Vec<(u64, SeqSet)>,
    low: u64,
    cut: Option<u64>,
    next_first: Option<u64>,
    any_entries: bool,
    lost: SeqSet,
}

impl Later {
    fn deleted_in(&self, summary: &Summary) -> SeqSet {
        let (first, last) = (summary.first, summary.last);
        let mut deleted = SeqSet::new();
        if first > last {
            return deleted;
        }
        for (_, tombstones) in self.tombstones.iter().filter(|(by, _)| *by >= summary.absorbed_below) {
            deleted.union(&tombstones.in_range(first..=last));
        }
        if self.low > first {
            deleted.insert_range(first..=last.min(self.low - 1));
        }
        if let Some(cut) = self.cut.filter(|&cut| cut < last) {
            deleted.insert_range(first.max(cut + 1)..=last);
        }
        deleted
    }

    /// Of a block that cannot be looked into is known where it begins.
    fn hear_nothing(&mut self, first: u64) {
        self.next_first = Some(first);
        self.any_entries = true;
    }

    fn hear(&mut self, number: u64, summary: &Summary) {
        let last = self.cut.map_or(summary.last, |cut| summary.last.min(cut));
        let from = (last + 1).max(self.low);
        if let Some(next) = self.next_first.filter(|&next| from < next) {
            let mut missing = SeqSet::new();
            missing.insert_range(from..=next - 1);
            for (_, tombstones) in &self.tombstones {
                missing.subtract(tombstones);
            }
            self.lost.union(&missing);
        }
        self.low = self.low.max(summary.low);
        self.cut = self.cut.into_iter().chain(summary.truncated).min();
        self.tombstones.push((number, summary.tombstones.clone()));
        self.next_first = Some(summary.first);
        self.any_entries |= summary.plain_len > 0;
    }
}

struct Head {
    header: Header,
    is_damaged: bool,
}

async fn look_at_head<D: Disk>(
    disk: &D,
    path: &Path,
    name: BlockName,
    log: Option<&Peek>,
) -> Result<Result<Head, Condition>, DiskError> {
    let bytes = read(disk, path, log, HEAD_LEN).await?;
    let copies = [Header::decode(&bytes), Header::decode(bytes.get(PAGE_SIZE..).unwrap_or_default())];
    let is_damaged = copies.iter().any(Result::is_err);
    if copies.iter().any(|copy| matches!(copy, Err(HeaderError::Version(_)))) {
        return Ok(Err(Condition::OtherVersion));
    }
    let Some(header) = copies.into_iter().flatten().next() else {
        if bytes.len() < HEAD_LEN {
            return Ok(Err(Condition::TooShort));
        }
        let all = read(disk, path, log, usize::MAX).await?;
        let is_empty = all.iter().all(|&byte| byte == 0);
        return Ok(Err(if is_empty { Condition::Zeros } else { Condition::NoHead }));
    };
    if (header.number, header.salt) != (name.number, name.salt) {
        return Ok(Err(Condition::WrongName));
    }
    Ok(Ok(Head { header, is_damaged }))
}

async fn look_at<D: Disk>(
    disk: &D,
    (name, path, head): (BlockName, PathBuf, Head),
    later: &mut Later,
    log: Option<&Peek>,
) -> Result<Looked, DiskError> {
    let bytes = read(disk, &path, log, usize::MAX).await?;
    let Head { header, is_damaged: is_head_damaged } = head;
    let is_plain = header.coding.encryption == Encryption::None;
    let footer = footer_of(&bytes, &header);
    let ending = if later.any_entries || footer.is_some() { Ending::Followed } else { Ending::MayBeTorn };
    let entries = footer.as_ref().map_or(bytes.len(), |(_, at)| *at as usize);
    let scan = scan(&bytes.slice(..entries.min(bytes.len())), header.salt, ending, open_of(&header));
    let opening = Opening { first: header.first, absorbed_below: header.absorbed_below, salt: header.salt };
    let (summary, seqs, damage) = summarize(opening, &scan, header.salt);
    let mut lost = SeqSet::new();
    let mut looked = Looked {
        condition: Condition::Last,
        frames: scan.frames.len(),
        // Behind the entries of a sealed block is its footer, which cannot be read where it is encrypted.
        torn: if footer.is_some() || !is_plain {
            0
        } else {
            scan.torn.as_ref().map_or(0, |torn| torn.end - torn.start)
        },
        deleted: SeqSet::new(),
        damage: Vec::new(),
        summary,
        seqs,
        lost: SeqSet::new(),
        name,
        path,
        header,
        footer,
        is_head_damaged,
    };
    // A footer says exactly which messages there were.
    let told = looked.footer.as_ref().map_or(&looked.summary, |(summary, _)| summary).clone();
    looked.deleted = later.deleted_in(&told);
    if let Some((summary, _)) = looked.footer.as_ref().filter(|_| is_plain) {
        if summary.first <= summary.last {
            lost.insert_range(summary.first..=summary.last);
        }
        lost.subtract(&summary.gone);
        lost.subtract(&looked.seqs);
    } else {
        for (_, _, seqs) in &damage {
            lost.union(seqs);
        }
    }
    lost.subtract(&looked.deleted);
    let is_all_of_it = damage.len() == 1;
    looked.damage = damage
        .into_iter()
        .map(|(kind, range, between)| {
            if is_all_of_it {
                return (kind, range, lost.clone());
            }
            // Of the sequences between, those that were messages.
            let mut others = between.clone();
            others.subtract(&lost);
            let mut seqs = between;
            seqs.subtract(&others);
            (kind, range, seqs)
        })
        .collect();
    looked.lost = lost;
    looked.condition = condition_of(&looked, &told, later);
    match looked.condition {
        Condition::TakenBack | Condition::Dead => looked.lost = SeqSet::new(),
        Condition::NoKey => later.hear_nothing(looked.header.first),
        // What its head tells of the blocks before was not acknowledged.
        Condition::NeverBegun => {}
        Condition::Sealed
        | Condition::FooterMissing
        | Condition::Last
        | Condition::ForeignName
        | Condition::UnfinishedRewrite
        | Condition::TooShort
        | Condition::Zeros
        | Condition::NoHead
        | Condition::OtherVersion
        | Condition::OtherStream
        | Condition::WrongName
        | Condition::WrongKey
        | Condition::Superseded => later.hear(looked.name.number, &told),
    }
    Ok(looked)
}

fn condition_of(looked: &Looked, told: &Summary, later: &Later) -> Condition {
    if later.cut.is_some_and(|cut| looked.header.first > cut) {
        return Condition::TakenBack;
    }
    if later.any_entries && told.first <= told.last && told.last < later.low {
        return Condition::Dead;
    }
    if looked.header.coding.encryption != Encryption::None {
        return Condition::NoKey;
    }
    match &looked.footer {
        Some(_) => Condition::Sealed,
        None if later.any_entries => Condition::FooterMissing,
        None if told.plain_len == 0 => Condition::NeverBegun,
        None => Condition::Last,
    }
}

/// What opens frames. Of those that are encrypted only the checksum is looked at.
fn open_of(header: &Header) -> impl FnMut(u64, &FrameHead, Bytes) -> Option<Bytes> + use<> {
    let (salt, is_plain) = (header.salt, header.coding.encryption == Encryption::None);
    move |at, head, body| {
        if is_plain { decode_frame(head, body, None, salt, at).ok() } else { Some(Bytes::new()) }
    }
}

fn footer_of(file: &Bytes, header: &Header) -> Option<(Summary, u64)> {
    let at = file.len().checked_sub(TRAILER_LEN)?;
    let Trailer { table_at, summary_at, .. } = Trailer::decode(&file[at..], header.salt, file.len() as u64)?;
    let from = usize::try_from(summary_at).ok()?;
    let body = frame_at(file, from, summary_at, FrameKind::Summary, header.salt, None)?;
    Some((decode_summary(&body)?.0, table_at))
}

type Damaged = Vec<(DamageKind, std::ops::Range<u64>, SeqSet)>;

/// What the entries tell, the messages there are, and of each damage the sequences that are missing there.
fn summarize(opening: Opening, scan: &Scan, salt: u64) -> (Summary, SeqSet, Damaged) {
    let mut summarizer = Summarizer::new(opening);
    let mut seqs = SeqSet::new();
    let mut damage: Damaged =
        scan.damage.iter().map(|damage| (damage.kind, damage.range.clone(), SeqSet::new())).collect();
    let mut waiting = 0;
    for (place, frame) in scan.frames.iter().enumerate() {
        let next = summarizer.next_seq();
        let mut is_first = true;
        for entry in Entries::new(&frame.plain, salt) {
            let Ok((at, len, entry)) = entry else {
                let range = frame.offset..frame.offset + frame.head.len_on_disk();
                damage.push((DamageKind::Entry, range, SeqSet::new()));
                break;
            };
            if let Entry::Record(record) = &entry {
                seqs.insert(record.seq);
                let told = scan.damage.iter().take_while(|damage| damage.before_frame <= place).count();
                if std::mem::take(&mut is_first) && told > waiting {
                    if record.seq > next {
                        damage[told - 1].2.insert_range(next..=record.seq - 1);
                    }
                    waiting = told;
                }
            }
            let _ = summarizer.entry(frame.head.at + at as u32, len as u32, &entry);
        }
    }
    (summarizer.finish().0, seqs, damage)
}

impl Looked {
    /// Whether messages of it are in the store.
    pub(super) fn is_used(&self) -> bool {
        matches!(self.condition.action(), Action::Use | Action::Scan | Action::Continue)
    }

    fn last(&self) -> u64 {
        self.footer.as_ref().map_or(self.summary.last, |(summary, _)| summary.last)
    }

    /// Bytes of its entries.
    pub(super) fn scan(&self, file: &Bytes) -> Scan {
        let end = self.footer.as_ref().map_or(file.len(), |(_, at)| *at as usize).min(file.len());
        let ending = if self.condition == Condition::Last { Ending::MayBeTorn } else { Ending::Followed };
        scan(&file.slice(..end), self.header.salt, ending, open_of(&self.header))
    }

    /// The messages that the store has of it.
    pub(super) fn each_record(&self, file: &Bytes, mut f: impl FnMut(&crate::record::Record<'_>)) {
        let gone = &self.footer.as_ref().map_or(&self.summary, |(summary, _)| summary).gone;
        for frame in &self.scan(file).frames {
            for entry in Entries::new(&frame.plain, self.header.salt) {
                let Ok((_, _, entry)) = entry else { break };
                if let Entry::Record(record) = entry
                    && !gone.contains(record.seq)
                    && !self.deleted.contains(record.seq)
                {
                    f(&record);
                }
            }
        }
    }
}

/// A block's file with what the log has of it.
pub(super) async fn content_of<D: Disk>(
    disk: &D,
    block: &Looked,
    log: Option<&Peek>,
) -> Result<Bytes, DiskError> {
    read(disk, &block.path, log, usize::MAX).await
}

/// Up to `max` bytes of a file, with what the log has of it.
async fn read<D: Disk>(disk: &D, path: &Path, log: Option<&Peek>, max: usize) -> Result<Bytes, DiskError> {
    let file = disk.open(path, Open::Read).await?;
    let len = usize::try_from(file.size().await?).unwrap_or(usize::MAX).min(max);
    let bytes = read_anyhow(&file, 0, len).await?;
    let Some(pages) = log.and_then(|log| pages_of(log, path)) else { return Ok(bytes) };
    let mut bytes = bytes.to_vec();
    for (&page, image) in pages {
        let at = usize::try_from(page).ok().and_then(|page| page.checked_mul(PAGE_SIZE));
        let Some(at) = at.filter(|&at| at < max) else { continue };
        let end = at + image.bytes.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at + image.prefix_missing..end].copy_from_slice(&image.bytes[image.prefix_missing..]);
    }
    Ok(bytes.into())
}

/// Names of blocks are random: the log's path and ours may begin at different roots.
fn pages_of<'a>(log: &'a Peek, path: &Path) -> Option<&'a BTreeMap<u64, crate::log::PeekedPage>> {
    log.files.iter().find(|(named, _)| named.file_name() == path.file_name()).map(|(_, pages)| pages)
}

fn report_of(block: &Looked) -> BlockReport {
    let (action, why) = row(block.condition);
    let told = block.footer.as_ref().map_or(&block.summary, |(summary, _)| summary);
    let mut damage: Vec<_> = block
        .damage
        .iter()
        .map(|(kind, range, lost)| DamageReport {
            what: kind.to_string(),
            from: range.start,
            to: range.end,
            lost: lost.runs().collect(),
        })
        .collect();
    if block.is_head_damaged {
        let what = "one of the two copies of the head is damaged".to_owned();
        damage.insert(0, DamageReport { what, from: 0, to: HEAD_LEN as u64, lost: Vec::new() });
    }
    BlockReport {
        file: name_of(&block.path),
        number: block.name.number,
        generation: block.header.generation,
        condition: words(block.condition),
        action: words(action),
        why,
        compression: match block.header.coding.compression {
            Compression::None => "not compressed",
            Compression::Snappy => "Snappy",
        },
        encryption: match block.header.coding.encryption {
            Encryption::None => "not encrypted",
            Encryption::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Encryption::Aes256Gcm => "AES-256-GCM",
        },
        first_seq: told.first,
        last_seq: told.last,
        messages: 0,
        bytes: 0,
        frames: block.frames,
        is_sealed: block.footer.is_some(),
        damage,
        torn_bytes: block.torn,
    }
}

fn file_report(path: &Path, condition: Condition) -> FileReport {
    let (action, why) = row(condition);
    let is_damage = action == Action::MoveAside && condition != Condition::UnfinishedRewrite;
    let (condition, action) = (words(condition), words(action));
    FileReport { file: name_of(path), condition, action, why, is_damage }
}

fn log_report(peek: &Peek, at: &Path, folder: &Folder) -> LogReport {
    let is_ours = |path: &Path| folder.blocks.iter().any(|block| block.path.file_name() == path.file_name());
    let files: Vec<_> = peek
        .files
        .iter()
        .filter(|(path, _)| is_ours(path))
        .map(|(path, pages)| (name_of(path), (pages.len() * PAGE_SIZE) as u64))
        .collect();
    LogReport {
        folder: at.display().to_string(),
        logs: peek.logs,
        batches: peek.batches,
        others: peek.files.len() - files.len(),
        files,
        damage: peek.damage.iter().map(log_damage).collect(),
    }
}

fn log_damage(damage: &LogDamage) -> String {
    match damage {
        LogDamage::Batches { log, batches, files } => {
            let (first, last) = (batches.start(), batches.end());
            let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            let of = if files.is_empty() { String::new() } else { format!(", of {}", files.join(", ")) };
            format!("log {log}: batches {first} to {last} cannot be read{of}")
        }
        LogDamage::Nameless { log, entries } => {
            format!("log {log}: {entries} entries of files whose names cannot be read")
        }
        LogDamage::Page { path, offset } => {
            format!("{}: the page at {offset} cannot be read", path.display())
        }
    }
}

fn verdict(folder: &Folder, report: &Report) -> Verdict {
    let is_damaged = !report.lost.is_empty()
        || report.blocks.iter().any(|block| !block.damage.is_empty())
        || report.files.iter().any(|file| file.is_damage)
        || report.log.as_ref().is_some_and(|log| !log.damage.is_empty());
    let is_unknown = folder.blocks.iter().any(|block| block.condition.action() == Action::Refuse)
        || folder.others.iter().any(|(_, condition)| condition.action() == Action::Refuse)
        || folder.log.as_ref().is_some_and(|log| log.newer.is_some());
    match (is_damaged, is_unknown) {
        (true, _) => Verdict::Damaged,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Clean,
    }
}

fn row(condition: Condition) -> (Action, &'static str) {
    let row = DECISIONS.iter().find(|(of, ..)| *of == condition);
    row.map(|(_, action, why)| (*action, *why)).expect("the table has a row for every condition")
}

/// `FooterMissing` becomes `footer missing`.
fn words(value: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

//! Writing damaged blocks anew without what is damaged. Nothing is deleted: what is replaced or of no use is moved aside.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use natrium_model::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use super::block::Looked;
use super::look::{Folder, InspectError, InspectOptions, content_of, look};
use crate::block::control::Control;
use crate::block::entry::{Entries, Entry, encode_deleted_set, encode_sources, erase};
use crate::block::frame::FrameKind;
use crate::block::header::Header;
use crate::block::spans::{Span, Spans};
use crate::block::summary::{Opening, Summarizer, Summary};
use crate::block::tail::FRAME_LEN_MIN;
use crate::coding::{FrameEncoder, FrameFields, Sealer};
use crate::disk::{Disk, DiskError, File, Open, PAGE_SIZE};
use crate::keys::{BlockIdentity, StreamKey};
use crate::store::file::{ASIDE, Action, BlockName, Footer, read_losses, write_losses};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Files that were replaced, and what they were replaced by.
    pub rewritten: Vec<(String, String)>,
    /// Files that are in the folder `aside` now, those that were replaced among them.
    pub aside: Vec<String>,
    /// Damaged blocks that are left as they are, for they are encrypted and nothing opens them.
    pub left: Vec<String>,
    /// Messages that are lost, as runs of first and last: the store tells of them until that is accepted.
    pub lost: Vec<(u64, u64)>,
}

/// Moves aside what opening would move aside, and replaces damaged blocks. `options.log` has to be given: what the log holds
/// of a block goes with it. `seed` is the operating system's randomness outside of tests: keys of blocks follow from it.
///
/// # Errors
/// [`InspectError`]: some blocks may be replaced then; doing it again goes on.
///
/// # Panics
/// Where no log is given.
pub async fn repair<D: Disk>(
    disk: &D,
    options: &InspectOptions,
    seed: [u8; 32],
) -> Result<Repaired, InspectError> {
    assert!(options.log.is_some(), "a repair has to know what the commit log holds");
    let mut rng = ChaCha20Rng::from_seed(seed);
    let folder = look(disk, options).await?;
    let mut repaired = Repaired { lost: folder.lost.runs().collect(), ..Repaired::default() };
    if folder.log.as_ref().is_some_and(|log| log.newer.is_some()) {
        return Ok(repaired);
    }
    // Known as lost before anything that proves it is out of the way.
    remember(disk, options, &folder).await?;
    let mut aside = Vec::new();
    for (path, condition) in &folder.others {
        match condition.action() {
            Action::MoveAside => aside.push(path.clone()),
            // What opening the store does with these needs no repair.
            Action::Use
            | Action::Scan
            | Action::Continue
            | Action::Leave
            | Action::FinishRemoval
            | Action::Refuse => {}
        }
    }
    for block in folder.blocks.iter().filter(|block| block.is_damaged()) {
        match block.condition.action() {
            Action::Refuse => {
                repaired.left.push(text(&block.path));
                continue;
            }
            Action::MoveAside | Action::Leave | Action::FinishRemoval => continue,
            Action::Use | Action::Scan | Action::Continue => {}
        }
        let content = content_of(disk, block, folder.log.as_ref()).await?;
        let name = BlockName { number: block.name.number, salt: rng.next_u64() };
        let bytes = rewrite(block, &content, options.key.stream_key(), name.salt, &mut rng);
        let (path, new_path) = (name.path(&options.folder), name.path_of_new(&options.folder));
        let file = disk.open(&new_path, Open::CreateNew).await?;
        file.write_at(0, &bytes).await?;
        file.sync().await?;
        disk.rename(&new_path, &path).await?;
        disk.sync_folder(&options.folder).await?;
        repaired.rewritten.push((text(&block.path), text(&path)));
        aside.push(block.path.clone());
    }
    for path in aside {
        repaired.aside.push(text(&move_aside(disk, &options.folder, &path).await?));
    }
    Ok(repaired)
}

impl Looked {
    fn is_damaged(&self) -> bool {
        !self.damage.is_empty() || self.is_head_damaged
    }
}

async fn remember<D: Disk>(disk: &D, options: &InspectOptions, folder: &Folder) -> Result<(), InspectError> {
    let Some(stream) = folder.stream.filter(|_| !folder.lost.is_empty()) else { return Ok(()) };
    let mut losses = read_losses(disk, &options.folder, stream).await?.unwrap_or_default();
    let mut new = folder.lost.clone();
    for (_, known) in &losses.lost {
        new.subtract(known);
    }
    if !new.is_empty() {
        losses.add(0, &new);
        write_losses(disk, &options.folder, stream, &losses).await?;
    }
    Ok(())
}

/// The file that takes the place of a damaged one: its entries that can be read, and what its footer told beyond them.
fn rewrite(
    block: &Looked,
    content: &Bytes,
    key: Option<&StreamKey>,
    salt: u64,
    rng: &mut ChaCha20Rng,
) -> Vec<u8> {
    let mut header = Header { generation: block.header.generation + 1, salt, ..block.header.clone() };
    let sealer = Sealer::create(header.coding.encryption, rng).map(|(sealer, block_key)| {
        let identity = BlockIdentity {
            stream: header.stream,
            number: header.number,
            generation: header.generation,
            encryption: header.coding.encryption,
        };
        let key = key.expect("a block that is used was opened with the stream's key");
        header.wrapped_key = key.wrap_block_key(&block_key, identity, rng);
        sealer
    });
    let told = Some(&block.own).filter(|_| block.is_sealed);
    let opening = Opening { first: header.first, absorbed_below: header.absorbed_below, salt };
    let mut writer = Writer {
        file: header.encode(),
        encoder: FrameEncoder::new(header.coding.compression, sealer),
        salt,
        plain: Vec::new(),
        at: 0,
        frames: 0,
        first: header.first,
        next_delta: 0,
        spans: Spans::default(),
        summarizer: Summarizer::new(opening),
    };
    if let Some(told) = told {
        writer.begin(told);
    }
    for frame in &block.scan(content).frames {
        for entry in Entries::new(&frame.plain, block.header.salt) {
            let Ok((_, _, entry)) = entry else { break };
            if let Entry::Record(record) = &entry
                && told.is_some_and(|told| told.gone.contains(record.seq))
            {
                continue;
            }
            writer.push(&entry, rng);
        }
    }
    writer.finish(&block.own)
}

struct Writer {
    file: Vec<u8>,
    encoder: FrameEncoder,
    salt: u64,
    /// Entries that are not in a frame yet, and where they begin among all.
    plain: Vec<u8>,
    at: u32,
    frames: u32,
    first: u64,
    /// Of the record behind the last.
    next_delta: u32,
    spans: Spans,
    summarizer: Summarizer,
}

impl Writer {
    fn begin(&mut self, told: &Summary) {
        if let Some(last) = told.truncated {
            let timestamp = told.last_timestamp.unwrap_or(Timestamp(0));
            Control::Truncated { last, timestamp }.encode(self.salt, &mut self.plain);
        }
        if !told.tombstones.is_empty() {
            encode_deleted_set(&told.tombstones, self.salt, &mut self.plain);
        }
    }

    fn push(&mut self, entry: &Entry<'_>, rng: &mut ChaCha20Rng) {
        match entry {
            Entry::Record(record) => record.encode(self.salt, &mut self.plain),
            Entry::Control(control) => control.encode(self.salt, &mut self.plain),
            Entry::DeletedSet(set) => encode_deleted_set(set, self.salt, &mut self.plain),
            Entry::Sources(told) => encode_sources(told, self.salt, &mut self.plain),
            Entry::Erased { seq } => {
                let start = self.plain.len();
                self.plain.resize(start + ERASED_LEN, 0);
                erase(&mut self.plain[start..], *seq, self.salt, rng);
            }
        }
        if self.plain.len() >= FRAME_LEN_MIN as usize {
            self.close_frame();
        }
    }

    fn close_frame(&mut self) {
        let mut delta = None;
        for entry in Entries::new(&self.plain, self.salt) {
            let (at, len, entry) = entry.expect("these entries were encoded just now");
            // What is out of order was written by nobody: it is left out, and the rest goes on.
            let _ = self.summarizer.entry(self.at + at as u32, len as u32, &entry);
            if let Entry::Record(record) = entry {
                let of_record = u32::try_from(record.seq - self.first).unwrap_or(u32::MAX);
                delta.get_or_insert(of_record);
                self.next_delta = of_record.saturating_add(1);
            }
        }
        let offset = self.file.len() as u64;
        let fields = FrameFields {
            kind: FrameKind::Entries,
            is_last: true,
            commit: u64::from(self.frames) + 1,
            index: 0,
            at: self.at,
        };
        self.encoder.encode(fields, &self.plain, self.salt, offset, &mut self.file);
        let span = Span {
            delta: delta.unwrap_or(self.next_delta),
            at: self.at,
            len: self.plain.len() as u32,
            offset: offset as u32,
            disk_len: (self.file.len() as u64 - offset) as u32,
        };
        self.spans.push(span).expect("frames stand one behind another");
        self.at += span.len;
        self.frames += 1;
        self.plain.clear();
    }

    fn finish(mut self, told: &Summary) -> Vec<u8> {
        let timestamp = told.last_timestamp.unwrap_or(Timestamp(0));
        let first = told.low.min(told.last + 1);
        // What damage took of it, the footer still tells.
        if !told.sources.is_nothing() {
            encode_sources(&told.sources, self.salt, &mut self.plain);
        }
        Control::Bounds { first, last: told.last, timestamp }.encode(self.salt, &mut self.plain);
        self.close_frame();
        let (summary, rows) = self.summarizer.finish();
        self.file.resize(self.file.len().next_multiple_of(PAGE_SIZE), 0);
        let place = (self.salt, self.file.len() as u64, u64::from(self.frames) + 1);
        let footer = Footer::encode(&mut self.encoder, (&summary, &rows, &self.spans), place);
        self.file.extend_from_slice(&footer.bytes);
        self.file
    }
}

async fn move_aside<D: Disk>(disk: &D, folder: &Path, path: &Path) -> Result<PathBuf, DiskError> {
    let aside = folder.join(ASIDE);
    disk.create_folder(&aside).await?;
    let taken = disk.list(&aside).await?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let free = (1u64..)
        .map(|attempt| if attempt == 1 { name.clone() } else { format!("{name}.{attempt}") })
        .find(|name| taken.iter().all(|entry| entry.name != *name))
        .expect("a folder holds fewer files than there are numbers");
    let to = aside.join(free);
    disk.rename(path, &to).await?;
    disk.sync_folder(&aside).await?;
    disk.sync_folder(folder).await?;
    Ok(to)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Bytes of an entry that says that a message was overwritten.
const ERASED_LEN: usize = 32;

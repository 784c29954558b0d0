//! The file that is written to, and the one that takes its place.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_lite::future::yield_now;
use natrium_model::Timestamp;

use crate::block::frame::FrameKind;
use crate::block::header::{Coding, Encryption, HEAD_LEN, Header};
use crate::coding::{FrameEncoder, FrameFields, Sealer};
use crate::disk::{Disk, File, Open, PAGE_SIZE};
use crate::keys::BlockIdentity;
use crate::log::LoggedFile;
use crate::store::consumers::{ConsumerOptions, ConsumerStore, Gathered};
use crate::store::{CommitNumber, StoreError};

/// A file of the journal.
pub(super) struct JournalFile<D: Disk> {
    pub path: PathBuf,
    pub generation: u64,
    /// `None` for a file that is only there until a new one is.
    pub writer: Option<Writer<D>>,
}

pub(super) struct Writer<D: Disk> {
    pub logged: LoggedFile<D>,
    pub encoder: FrameEncoder,
    pub salt: u64,
    pub commit: u64,
    /// Bytes of the journal in its frames.
    pub at: u64,
}

/// Name of a file: its generation, for the order, and its salt, so that no name is ever used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JournalName {
    pub generation: u64,
    pub salt: u64,
}

/// What the next commit writes.
enum Work {
    /// Behind what is there.
    Append(Vec<u8>),
    /// All states, to a new file.
    Rewrite { salt: u64, bytes: Vec<u8> },
}

/// Writes commits until the store is closed or fails.
pub(super) async fn write_commits<D: Disk>(store: ConsumerStore<D>) {
    while store.0.commits.work().await {
        // Whoever is ready to change something now does it before the commit is closed.
        yield_now().await;
        let commit: CommitNumber = store.0.commits.close_one();
        store.0.commits.begun();
        let work = store.hand_over();
        match store.write(work).await {
            Ok(()) => store.0.commits.set_durable(commit, 0, 0),
            Err(error) => {
                store.0.commits.fail(error);
                break;
            }
        }
    }
    store.0.commits.end();
}

impl<D: Disk> ConsumerStore<D> {
    fn hand_over(&self) -> Work {
        let mut gathered = self.0.journal.borrow_mut();
        let Gathered { journal, bytes, needs_new_file } = &mut *gathered;
        if !std::mem::take(needs_new_file) && !journal.is_rewrite_due() && bytes.len() <= FRAME_MAX {
            return Work::Append(std::mem::take(bytes));
        }
        // From here on changes belong to the new file, and wait for it.
        let salt = self.0.engine.random();
        let mut all = Vec::new();
        *journal = journal.rewrite(salt, &mut all);
        bytes.clear();
        Work::Rewrite { salt, bytes: all }
    }

    async fn write(&self, work: Work) -> Result<(), StoreError> {
        match work {
            Work::Append(bytes) => {
                let ticket = {
                    let mut file = self.0.file.borrow_mut();
                    let writer = file.as_mut().and_then(|file| file.writer.as_mut());
                    writer.expect("a file that is not written on is replaced first").append(&bytes)
                };
                Ok(ticket.await?)
            }
            Work::Rewrite { salt, bytes } => self.replace(salt, &bytes).await,
        }
    }

    async fn replace(&self, salt: u64, journal: &[u8]) -> Result<(), StoreError> {
        let engine = &self.0.engine;
        let options = &self.0.options;
        let generation = self.0.file.borrow().as_ref().map_or(0, |file| file.generation) + 1;
        let name = JournalName { generation, salt };
        let (path, new_path) = (name.path(&options.folder), name.path_of_new(&options.folder));
        let (head, mut encoder) = self.new_head(name, &path)?;
        let mut bytes = head.encode();
        let mut commit = 0;
        for (index, piece) in journal.chunks(FRAME_MAX).enumerate() {
            commit += 1;
            let at = (index * FRAME_MAX) as u64;
            encode(&mut encoder, commit, at, piece, salt, &mut bytes);
        }
        let len = bytes.len() as u64;
        bytes.resize(bytes.len().next_multiple_of(PAGE_SIZE), 0);
        let disk = engine.disk();
        let file = Rc::new(disk.open(&new_path, Open::CreateNew).await?);
        file.write_at(0, &bytes).await?;
        file.sync().await?;
        disk.rename(&new_path, &path).await?;
        disk.sync_folder(&options.folder).await?;
        let tail = &bytes[(len - len % PAGE_SIZE as u64) as usize..len as usize];
        let logged = engine.log().attach(&path, file, len, tail);
        let writer = Writer { logged, encoder, salt, commit, at: journal.len() as u64 };
        let new = JournalFile { path, generation, writer: Some(writer) };
        if let Some(old) = self.0.file.borrow_mut().replace(new) {
            if let Some(writer) = old.writer {
                writer.logged.detach();
            }
            // Should this fail, the next start finds a later generation and removes it.
            let disk = disk.clone();
            engine.spawn(async move { drop(disk.remove(&old.path).await) });
        }
        Ok(())
    }

    fn new_head(&self, name: JournalName, path: &Path) -> Result<(Header, FrameEncoder), StoreError> {
        let ConsumerOptions { stream, coding, key, .. } = &self.0.options;
        let Coding { compression, encryption } = *coding;
        let mut wrapped_key = Vec::new();
        let mut sealer = None;
        if encryption != Encryption::None {
            let key = key.as_ref().ok_or_else(|| StoreError::NoKey { path: path.to_owned() })?;
            let identity = identity(*stream, name.generation, encryption);
            self.0.engine.with_rng(|rng| {
                let (made, file_key) = Sealer::create(encryption, rng).expect("the coding encrypts");
                wrapped_key = key.wrap_block_key(&file_key, identity, rng);
                sealer = Some(made);
            });
        }
        let header = Header {
            stream: *stream,
            number: NUMBER,
            generation: name.generation,
            salt: name.salt,
            created: Timestamp(0),
            first: 1,
            absorbed_below: 0,
            coding: *coding,
            wrapped_key,
        };
        Ok((header, FrameEncoder::new(compression, sealer)))
    }
}

impl<D: Disk> JournalFile<D> {
    /// Whether commits go on behind what is there.
    pub(super) fn goes_on(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        if let Some(writer) = self.writer {
            writer.logged.fold().await?;
            writer.logged.detach();
        }
        Ok(())
    }
}

impl<D: Disk> Writer<D> {
    fn append(&mut self, journal: &[u8]) -> crate::log::Ticket {
        self.commit += 1;
        let offset = self.logged.len();
        let mut frame = Vec::new();
        encode_at(&mut self.encoder, self.commit, self.at, journal, (self.salt, offset), &mut frame);
        self.at += journal.len() as u64;
        self.logged.append(&frame)
    }
}

impl JournalName {
    pub(super) fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{:010}-{:016x}{SUFFIX}", self.generation, self.salt))
    }

    pub(super) fn path_of_new(self, folder: &Path) -> PathBuf {
        folder.join(format!("{:010}-{:016x}{SUFFIX}{NEW}", self.generation, self.salt))
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (generation, salt) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let parsed = Self { generation: generation.parse().ok()?, salt: u64::from_str_radix(salt, 16).ok()? };
        // The name as it is written, and no other form of the same numbers.
        (parsed.path(Path::new("")) == Path::new(name)).then_some(parsed)
    }

    /// Whether it was being written when the writer stopped.
    pub(super) fn is_unfinished(name: &str) -> bool {
        name.strip_suffix(NEW).is_some_and(|name| Self::parse(name).is_some())
    }
}

/// Whose the key of a file is. Blocks of messages are numbered from 1.
pub(super) fn identity(
    stream: crate::block::header::StreamId,
    generation: u64,
    encryption: Encryption,
) -> BlockIdentity {
    BlockIdentity { stream, number: NUMBER, generation, encryption }
}

/// Appends a frame to the bytes of a file from its beginning.
fn encode(encoder: &mut FrameEncoder, commit: u64, at: u64, journal: &[u8], salt: u64, file: &mut Vec<u8>) {
    let offset = file.len() as u64;
    encode_at(encoder, commit, at, journal, (salt, offset), file);
}

fn encode_at(
    encoder: &mut FrameEncoder,
    commit: u64,
    at: u64,
    journal: &[u8],
    (salt, offset): (u64, u64),
    out: &mut Vec<u8>,
) {
    let at = u32::try_from(at).expect("a journal is rewritten long before it has 4 GiB");
    let fields = FrameFields { kind: FrameKind::Entries, is_last: true, commit, index: 0, at };
    encoder.encode(fields, journal, salt, offset, out);
}

/// In the head, where a block has its own number.
pub(super) const NUMBER: u64 = 0;
/// Bytes of the journal in one frame.
const FRAME_MAX: usize = 1 << 20;
const SUFFIX: &str = ".consumers";
const NEW: &str = ".new";
const _: () = assert!(HEAD_LEN.is_multiple_of(PAGE_SIZE));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_refused() {
        let name = JournalName { generation: 7, salt: 0xfeed };
        assert_eq!(name.path(Path::new("")), Path::new("0000000007-000000000000feed.consumers"));
        assert_eq!(JournalName::parse("0000000007-000000000000feed.consumers"), Some(name));
        assert!(JournalName::is_unfinished("0000000007-000000000000feed.consumers.new"));
        for other in ["7-feed.consumers", "0000000007-000000000000feed.blk", "x.consumers", ".new", ""] {
            assert_eq!(JournalName::parse(other), None, "{other}");
            assert!(!JournalName::is_unfinished(other));
        }
    }
}

//! From the files that are found back to the states.
//!
//! | what is found | what is done |
//! | --- | --- |
//! | the file of the highest generation whose head can be read | it is read; its torn end was never acknowledged |
//! | one of a lower generation | removed: the later one got its name when it was whole |
//! | one without its name yet, or without a head | moved aside, and told of |
//! | one of another stream, of another version, or without its key | the states are not opened, nothing is changed |
//!
//! A file is written on only where it is plain, and nothing in it is damaged or torn. Otherwise the next commit makes a new one.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::block::header::{Encryption, HEAD_LEN, Header, HeaderError};
use crate::block::scan::{Damage, Ending, Scan, scan};
use crate::coding::{BlockCipher, FrameEncoder, decode_frame};
use crate::consumer::Journal;
use crate::disk::{Disk, EntryKind, File, Open, PAGE_SIZE};
use crate::engine::Engine;
use crate::store::StoreError;
use crate::store::consumers::file::{JournalFile, JournalName, NUMBER, Writer, identity};
use crate::store::consumers::{ConsumerOptions, ConsumerStoreError};

/// What was found of the states, and what was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerRecovery {
    /// The file the states are from.
    pub path: Option<PathBuf>,
    /// Parts of it that cannot be read.
    pub damage: Vec<Damage>,
    /// Bytes of the journal that hold no entry, though whole ones follow.
    pub missing: Vec<Range<u64>>,
    /// Bytes at its end of a commit that was not finished.
    pub torn: u64,
    /// Consumers that are at a state from before some damage.
    pub behind: BTreeSet<u64>,
    /// Consumers that were changed, and of which nothing else is known.
    pub unknown: BTreeSet<u64>,
    /// Files that were moved aside, with where they are now.
    pub aside: Vec<PathBuf>,
    /// Files of ours that were not: the states are from an older one, and all consumers may be behind.
    pub is_older: bool,
}

pub(super) struct Found<D: Disk> {
    pub journal: Journal,
    pub file: Option<JournalFile<D>>,
}

struct Candidate<D: Disk> {
    name: JournalName,
    path: PathBuf,
    file: Rc<D::File>,
    header: Header,
}

pub(super) async fn recover<D: Disk>(
    engine: &Engine<D>,
    options: &ConsumerOptions,
) -> Result<(Found<D>, ConsumerRecovery), ConsumerStoreError> {
    let disk = engine.disk();
    make_folder(disk, &options.folder).await.map_err(StoreError::from)?;
    let mut recovery = ConsumerRecovery::default();
    let (mut candidates, ruined) = look_at_all(engine, options).await?;
    candidates.sort_by_key(|candidate| candidate.name.generation);
    let newest = candidates.pop();
    let read = match &newest {
        Some(newest) => Some(read(engine, options, newest, &mut recovery).await?),
        None => None,
    };
    // Nothing was changed so far.
    let newest_generation = newest.as_ref().map_or(0, |newest| newest.name.generation);
    for (path, generation) in ruined {
        recovery.is_older |= generation.is_some_and(|generation| generation > newest_generation);
        recovery.aside.push(move_aside(disk, &options.folder, &path).await.map_err(StoreError::from)?);
    }
    // The name of the newest may not be durable yet, where the one before was killed.
    disk.sync_folder(&options.folder).await.map_err(StoreError::from)?;
    for older in candidates {
        disk.remove(&older.path).await.map_err(StoreError::from)?;
    }
    let found = match (newest, read) {
        (Some(newest), Some((journal, writer))) => {
            recovery.path = Some(newest.path.clone());
            if recovery.is_older {
                recovery.behind.extend(journal.consumers().iter().map(|(number, ..)| number));
            }
            let generation = newest_generation;
            Found { journal, file: Some(JournalFile { path: newest.path, generation, writer }) }
        }
        (_, _) => Found { journal: Journal::create(0, &mut Vec::new()), file: None },
    };
    Ok((found, recovery))
}

type Ruined = Vec<(PathBuf, Option<u64>)>;

/// Files whose heads can be read, and those that are to be moved aside, with the generation of those that had a name.
async fn look_at_all<D: Disk>(
    engine: &Engine<D>,
    options: &ConsumerOptions,
) -> Result<(Vec<Candidate<D>>, Ruined), StoreError> {
    let (mut candidates, mut ruined) = (Vec::new(), Vec::new());
    for entry in engine.disk().list(&options.folder).await? {
        let path = options.folder.join(&entry.name);
        if entry.kind != EntryKind::File {
            continue;
        }
        let Some(name) = JournalName::parse(&entry.name) else {
            if JournalName::is_unfinished(&entry.name) {
                ruined.push((path, None));
            }
            continue;
        };
        let file = Rc::new(engine.disk().open(&path, Open::Write).await?);
        let head = file.read_at(0, HEAD_LEN).await?;
        let copies = [Header::decode(&head), Header::decode(head.get(PAGE_SIZE..).unwrap_or_default())];
        let version = copies.iter().find_map(|copy| match copy {
            Err(HeaderError::Version(version)) => Some(*version),
            Ok(_) | Err(HeaderError::NotABlock | HeaderError::Damaged) => None,
        });
        match copies.into_iter().flatten().next() {
            Some(header)
                if header.stream == options.stream
                    && header.number == NUMBER
                    && (header.generation, header.salt) == (name.generation, name.salt) =>
            {
                candidates.push(Candidate { name, path, file, header });
            }
            None if version.is_some() => {
                return Err(StoreError::Version { path, version: version.unwrap_or_default() });
            }
            Some(_) | None => ruined.push((path, Some(name.generation))),
        }
    }
    Ok((candidates, ruined))
}

/// The states of one file, and what writes on in it, where that may be.
async fn read<D: Disk>(
    engine: &Engine<D>,
    options: &ConsumerOptions,
    found: &Candidate<D>,
    recovery: &mut ConsumerRecovery,
) -> Result<(Journal, Option<Writer<D>>), ConsumerStoreError> {
    let cipher = cipher_of(options, found)?;
    let salt = found.header.salt;
    let len = found.file.size().await.map_err(StoreError::from)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let bytes = found.file.read_at(0, len).await.map_err(StoreError::from)?;
    let scan = scan(&bytes, salt, Ending::MayBeTorn, |at, head, body| {
        decode_frame(head, body, cipher.as_ref(), salt, at).ok()
    });
    let journal_bytes = journal_of(&scan);
    let refused = |cause| ConsumerStoreError::Journal { path: found.path.clone(), cause };
    let recovered = Journal::recover(&journal_bytes, salt).map_err(refused)?;
    recovery.torn = scan.torn.as_ref().map_or(0, |torn| torn.end - torn.start);
    recovery.missing = recovered.damage.iter().map(|damage| damage.bytes.clone()).collect();
    recovery.behind = recovered.behind;
    recovery.unknown = recovered.unknown;
    // Frames that are whole end with whole entries.
    let is_whole = scan.damage.is_empty() && scan.torn.is_none() && recovered.torn == 0;
    let is_plain = found.header.coding == options.coding && options.coding.encryption == Encryption::None;
    let writer = (is_whole && is_plain && recovery.missing.is_empty()).then(|| {
        let page = scan.end - scan.end % PAGE_SIZE as u64;
        let tail = &bytes[page as usize..scan.end as usize];
        Writer {
            logged: engine.log().attach(&found.path, Rc::clone(&found.file), scan.end, tail),
            encoder: FrameEncoder::new(options.coding.compression, None),
            salt,
            commit: scan.last_commit,
            at: recovered.journal.size(),
        }
    });
    recovery.damage = scan.damage;
    Ok((recovered.journal, writer))
}

/// The journal as it was cut into frames; zeros stand where frames cannot be read, and hold no entry.
fn journal_of(scan: &Scan) -> Vec<u8> {
    let mut journal = Vec::new();
    for frame in &scan.frames {
        let at = frame.head.at as usize;
        if at < journal.len() || at - journal.len() > GAP_MAX {
            continue;
        }
        journal.resize(at, 0);
        journal.extend_from_slice(&frame.plain);
    }
    journal
}

fn cipher_of<D: Disk>(
    options: &ConsumerOptions,
    found: &Candidate<D>,
) -> Result<Option<BlockCipher>, StoreError> {
    let encryption = found.header.coding.encryption;
    if encryption == Encryption::None {
        return Ok(None);
    }
    let path = || found.path.clone();
    let key = options.key.as_ref().ok_or_else(|| StoreError::NoKey { path: path() })?;
    let identity = identity(options.stream, found.header.generation, encryption);
    let file_key = key
        .unwrap_block_key(&found.header.wrapped_key, identity)
        .ok_or_else(|| StoreError::WrongKey { path: path() })?;
    Ok(BlockCipher::new(encryption, &file_key))
}

/// Makes the folder, with its name durable.
async fn make_folder<D: Disk>(disk: &D, folder: &Path) -> Result<(), crate::disk::DiskError> {
    disk.create_folder(folder).await?;
    for above in folder.ancestors().skip(1) {
        disk.sync_folder(above).await?;
    }
    Ok(())
}

async fn move_aside<D: Disk>(
    disk: &D,
    folder: &Path,
    path: &Path,
) -> Result<PathBuf, crate::disk::DiskError> {
    let aside = folder.join(ASIDE);
    disk.create_folder(&aside).await?;
    // Names of files are random: none is there twice.
    let to = aside.join(path.file_name().expect("a file that was listed has a name"));
    disk.rename(path, &to).await?;
    disk.sync_folder(&aside).await?;
    disk.sync_folder(folder).await?;
    Ok(to)
}

const ASIDE: &str = "aside";
/// No frame holds more; a head that tells of a place behind is not believed.
const GAP_MAX: usize = 1 << 30;

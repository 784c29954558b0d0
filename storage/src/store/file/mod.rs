//! A store's blocks on disk: one file each in the store's folder.
//!
//! Entries reach their file through the commit log, or directly where a commit is large ([`write`]). A block that is full is
//! sealed with a footer ([`seal`]) and from then on only read ([`read`]). What is found at start is put together by
//! [`recover`], along the table in [`decisions`].

#[cfg(test)]
mod broken;
mod compact;
mod create;
mod decisions;
mod encode;
mod erase;
mod losses;
mod maintain;
mod names;
mod read;
mod recover;
mod scrub;
mod seal;
mod signal;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;

use crate::block::header::{Coding, StreamId};
use crate::cache::{Key, Part};
use crate::coding::{BlockCipher, FrameEncoder};
use crate::disk::{Disk, PAGE_SIZE};
use crate::engine::Engine;
use crate::keys::StreamKey;
use crate::log::LoggedFile;
use crate::message::Limits;
use crate::sources::Source;
use crate::store::CommitNumber;
use crate::store::block::{Block, BlockNumber};

#[cfg(test)]
pub(crate) use self::broken::Broken;
pub use self::decisions::{Action, Condition, DECISIONS};
pub use self::encode::CommitSizes;
use self::encode::FIRST_ALLOCATION;
use self::losses::Losses;
pub(crate) use self::losses::{read_losses, still_lost, write_losses};
pub(crate) use self::names::ASIDE;
pub use self::names::BlockName;
pub(crate) use self::read::frame_at;
pub use self::recover::{FileReport, Recovery};
pub(crate) use self::recover::{
    FromEntries, Headless, Later, Named, cipher_of, head_of, latest, left_of_footer, misplaced,
    told_by_entries,
};
use self::scrub::ScrubPlace;
pub use self::scrub::{ScrubDamage, ScrubPart, ScrubProgress};
pub(crate) use self::seal::Footer;
use self::signal::Signal;
use self::write::HandOver;

/// How a store is kept on disk.
#[derive(Clone)]
pub struct StoreOptions {
    /// Where its blocks are. Nothing else is kept there.
    pub folder: PathBuf,
    /// Of this life of the stream: files of another are not touched.
    pub stream: StreamId,
    /// How blocks are stored from now on; those that are there may be stored otherwise.
    pub coding: Coding,
    /// What blocks' keys are wrapped with. Needed where the coding encrypts, or did.
    pub key: Option<Rc<StreamKey>>,
    pub limits: Limits,
    /// Streams that this one takes messages from: how far it has come in each is kept.
    pub sources: Vec<Source>,
    /// Of an empty store.
    pub first_seq: u64,
    /// Bytes of entries after which a block is sealed.
    pub block_len: u32,
    pub durability: Durability,
    pub commit_sizes: CommitSizes,
    /// What is broken on purpose, to prove that the tests would see that.
    #[cfg(test)]
    pub(crate) broken: Option<Broken>,
}

/// What has to be true before a change counts as committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is on stable storage.
    #[default]
    Synced,
    /// The operating system has it: it outlives the process, not a loss of power in the moment until it is synced, which
    /// is at once.
    Written,
    /// It is in memory. It is written and synced at once all the same, but nobody waits.
    Deferred,
}

pub struct FileMedia<D: Disk> {
    engine: Engine<D>,
    /// The store's number in the engine's cache.
    number: u64,
    options: StoreOptions,
    files: RefCell<BTreeMap<BlockNumber, BlockFile<D>>>,
    /// Commits that are closed, oldest first, until they are written.
    closed: RefCell<VecDeque<HandOver>>,
    /// Bytes of the last commit to a block.
    commit_len: Cell<usize>,
    /// The file of the next block, made before it is needed.
    next: RefCell<Option<NextFile<D>>>,
    /// Blocks whose files go once the commit is durable.
    graves: RefCell<Vec<(CommitNumber, Block)>>,
    maintenance: Signal,
    /// The maintenance ended.
    maintained: Signal,
    /// Blocks that could not be rewritten: not to be tried again in this run.
    left_alone: RefCell<Vec<BlockNumber>>,
    /// Blocks with messages that are to be overwritten, which only a rewrite can.
    to_be_erased: RefCell<Vec<BlockNumber>>,
    scrub: Cell<ScrubPlace>,
    losses: RefCell<Losses>,
}

struct NextFile<D: Disk> {
    number: BlockNumber,
    salt: u64,
    path: PathBuf,
    file: Rc<D::File>,
    allocated: u64,
}

/// One block's file.
pub struct BlockFile<D: Disk> {
    path: PathBuf,
    salt: u64,
    coding: Coding,
    cipher: Option<Rc<BlockCipher>>,
    /// While it is written to.
    writer: Option<Writer<D>>,
    /// Once it is sealed.
    footer: Option<FooterPlace>,
    /// Bytes of the file that were filled ahead.
    allocated: u64,
}

struct Writer<D: Disk> {
    logged: LoggedFile<D>,
    file: Rc<D::File>,
    encoder: FrameEncoder,
    commit: u64,
    /// Not where the block is encrypted and an earlier run wrote it: its nonces are that run's.
    can_seal: bool,
}

/// Where the footer of a sealed block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FooterPlace {
    pub table_at: u64,
    pub summary_at: u64,
    pub file_len: u64,
}

impl<D: Disk> FileMedia<D> {
    fn new(engine: Engine<D>, options: StoreOptions, files: BTreeMap<BlockNumber, BlockFile<D>>) -> Self {
        let number = engine.next_store();
        Self {
            engine,
            number,
            options,
            files: RefCell::new(files),
            closed: RefCell::default(),
            commit_len: Cell::default(),
            next: RefCell::default(),
            graves: RefCell::default(),
            maintenance: Signal::default(),
            maintained: Signal::default(),
            left_alone: RefCell::default(),
            to_be_erased: RefCell::default(),
            scrub: Cell::default(),
            losses: RefCell::default(),
        }
    }

    /// The salt of block `number`, which is begun now: that of the file made ahead for it, where there is one.
    pub(super) fn salt_of_next(&self, number: BlockNumber) -> u64 {
        let made_ahead =
            self.next.borrow().as_ref().filter(|next| next.number == number).map(|next| next.salt);
        made_ahead.unwrap_or_else(|| self.engine.random())
    }

    pub(super) fn random(&self) -> u64 {
        self.engine.random()
    }

    fn key_of(&self, block: &Block, part: Part) -> Key {
        Key { store: self.number, block: block.number, generation: block.generation, part }
    }

    fn with_file<R>(&self, number: BlockNumber, f: impl FnOnce(&mut BlockFile<D>) -> R) -> Option<R> {
        self.files.borrow_mut().get_mut(&number).map(f)
    }
}

impl StoreOptions {
    /// Plain blocks of 8 MiB in `folder`, without limits.
    #[must_use]
    pub fn new(folder: PathBuf, stream: StreamId) -> Self {
        Self {
            folder,
            stream,
            coding: Coding::default(),
            key: None,
            limits: Limits::default(),
            sources: Vec::new(),
            first_seq: 1,
            block_len: BLOCK_LEN,
            durability: Durability::default(),
            commit_sizes: CommitSizes::default(),
            #[cfg(test)]
            broken: None,
        }
    }

    /// Bytes that a block's file is made long before it is written to: frames have heads, and large ones begin at pages.
    fn file_len_max(&self) -> u64 {
        let block = u64::from(self.block_len);
        (block + block / 16).next_multiple_of(PAGE_SIZE as u64) + FIRST_ALLOCATION
    }
}

/// Bytes of entries in a block where nothing else is said: the reference's size for streams without a limit of bytes.
pub const BLOCK_LEN: u32 = 8 << 20;

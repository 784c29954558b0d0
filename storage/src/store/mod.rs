//! The messages of one stream.
//!
//! A [`Store`] keeps its messages in blocks, on disk or in memory, and answers by sequence, by subject and by filter. The same
//! code decides for both kinds ([`ledger`]); what differs is where a block's entries go ([`file`]).
//!
//! Changes are made one at a time and take effect in memory at once. On disk they become durable together with all others
//! of their commit: each answers with the number of its commit, and [`Store::committed`] waits for it. Reads see only what is
//! durable: a read of what is not yet waits.
//!
//! One executor owns a store. Handles are cheap to clone and are the same store.

pub mod block;
mod close;
mod commits;
pub mod consumers;
mod cuts;
mod deadlines;
mod error;
mod expire;
pub mod file;
mod ledger;
mod purge;
mod query;
mod read;
mod sources;
mod subjects;
mod usage;
mod write;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use natrium_model::Timestamp;

pub(crate) use self::cuts::CutMark;
pub use self::error::StoreError;
pub use self::expire::Expired;
pub use self::query::Counting;
pub use self::read::Cursor;
use self::usage::CountedIn;
pub use self::usage::Usage;
pub use self::write::{Admission, Refusal};
use crate::disk::Disk;
use crate::gate::Gate;
use crate::message::{Limits, NewMessage, State};
use crate::record::Record;
use crate::seq_set::SeqSet;
use crate::store::block::{Block, BlockNumber};
use crate::store::commits::Commits;
use crate::store::file::FileMedia;
use crate::store::ledger::{Accounting, Ledger, Missing, Pins};

/// Which commit a change goes with; see [`Store::committed`].
pub type CommitNumber = u64;

pub struct Store<D: Disk>(Rc<Inner<D>>);

struct Inner<D: Disk> {
    ledger: RefCell<Ledger>,
    /// Who changes the store, or takes a commit out of it.
    gate: Gate,
    commits: Commits,
    media: Media<D>,
    /// Bytes of entries after which a block is full.
    block_len: u32,
    is_closed: Cell<bool>,
    counted_in: CountedIn,
}

enum Media<D: Disk> {
    Memory { salts: Cell<u64> },
    File(Box<FileMedia<D>>),
}

/// A message that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub seq: u64,
    pub timestamp: Timestamp,
    pub commit: CommitNumber,
}

impl<D: Disk> Clone for Store<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<D: Disk> Store<D> {
    /// An empty store without a disk; what is appended is there until the store is dropped. `seed` is random.
    #[must_use]
    pub fn in_memory(limits: Limits, first_seq: u64, seed: u64) -> Self {
        let first = first_seq.max(1);
        let ledger = Ledger::new(Accounting::Memory, limits, first, Block::begin(1, seed, first));
        Self::new(ledger, Media::Memory { salts: Cell::new(seed) }, MEMORY_BLOCK_LEN)
    }

    fn new(ledger: Ledger, media: Media<D>, block_len: u32) -> Self {
        Self(Rc::new(Inner {
            ledger: RefCell::new(ledger),
            gate: Gate::default(),
            commits: Commits::default(),
            media,
            block_len,
            is_closed: Cell::new(false),
            counted_in: CountedIn::default(),
        }))
    }

    /// The only way to the ledger. `f` cannot wait, so no borrow lives across an await.
    fn with<R>(&self, f: impl FnOnce(&mut Ledger) -> R) -> R {
        let mut ledger = self.0.ledger.borrow_mut();
        let before = ledger.bytes;
        let done = f(&mut ledger);
        self.0.counted_in.changed(before, ledger.bytes);
        done
    }

    /// Appends a message, and takes out what the limits then have no room for.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the limits discard new messages; nothing was changed. Anything else: see there.
    pub async fn append(
        &self,
        message: &NewMessage<'_>,
        admission: Admission,
    ) -> Result<Appended, StoreError> {
        self.append_expecting(None, message, admission).await
    }

    /// Appends a message that has its sequence already.
    ///
    /// # Errors
    /// [`StoreError::SequenceMismatch`] where another is next; then as [`Store::append`].
    pub async fn append_at(
        &self,
        seq: u64,
        message: &NewMessage<'_>,
        admission: Admission,
    ) -> Result<Appended, StoreError> {
        self.append_expecting(Some(seq), message, admission).await
    }

    async fn append_expecting(
        &self,
        seq: Option<u64>,
        message: &NewMessage<'_>,
        admission: Admission,
    ) -> Result<Appended, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        self.check_next(seq)?;
        let len = record_len(message);
        if len > RECORD_LEN_MAX {
            return Err(StoreError::TooLarge { bytes: len, max: RECORD_LEN_MAX });
        }
        let mut pins = Pins::default();
        if let Some(refusal) =
            self.with_indexes(&mut pins, |l, pins| l.refusal(message, admission, pins)).await?
        {
            return Err(refusal.into());
        }
        self.make_room(len);
        let (place, is_over) = self.with(|ledger| {
            let place = ledger.append(message);
            (place, ledger.is_over(place.subject))
        });
        if is_over {
            self.enforce_limits(Some(message.subject), &mut pins).await?;
        }
        Ok(Appended { seq: place.seq, timestamp: place.timestamp, commit: self.changed() })
    }

    /// Appends messages of which after a crash all are there or none.
    ///
    /// # Errors
    /// As [`Store::append`]; nothing was changed.
    pub async fn append_all(
        &self,
        messages: &[NewMessage<'_>],
        admission: Admission,
    ) -> Result<Vec<Appended>, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        let len: usize = messages.iter().map(record_len).sum();
        if len > RECORD_LEN_MAX {
            return Err(StoreError::TooLarge { bytes: len, max: RECORD_LEN_MAX });
        }
        let mut pins = Pins::default();
        for message in messages {
            let refusal = self.with_indexes(&mut pins, |l, pins| l.refusal(message, admission, pins)).await?;
            if let Some(refusal) = refusal {
                return Err(refusal.into());
            }
        }
        // One block, and so one commit of it.
        self.make_room(len);
        let places: Vec<_> =
            messages.iter().map(|message| self.with(|ledger| ledger.append(message))).collect();
        for message in messages {
            self.enforce_limits(Some(message.subject), &mut pins).await?;
        }
        let commit = self.changed();
        Ok(places
            .iter()
            .map(|place| Appended { seq: place.seq, timestamp: place.timestamp, commit })
            .collect())
    }

    /// Uses up `count` sequences without messages, from `first` on where that is given. The time of the last message stays
    /// what it is; it is `now` where there never was one.
    ///
    /// # Errors
    /// [`StoreError::SequenceMismatch`] where another sequence than `first` is next. [`StoreError::Failed`] and
    /// [`StoreError::Closed`].
    pub async fn skip(&self, first: Option<u64>, count: u64, now: Timestamp) -> Result<Appended, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        self.check_next(first)?;
        let timestamp = self.with(|ledger| ledger.last_timestamp).unwrap_or(now);
        Ok(self.skip_inside(count, timestamp))
    }

    /// Uses up the sequence of a message that nobody is interested in: it counts as the last one, received `now`.
    ///
    /// # Errors
    /// As [`Store::skip`].
    pub async fn skip_uninteresting(&self, seq: Option<u64>, now: Timestamp) -> Result<Appended, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        self.check_next(seq)?;
        Ok(self.skip_inside(1, now))
    }

    /// As [`Store::skip`], but the last message's time is `timestamp` from then on, as in the store that is restored.
    pub(crate) async fn skip_dated(&self, count: u64, timestamp: Timestamp) -> Result<Appended, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        Ok(self.skip_inside(count, timestamp))
    }

    fn skip_inside(&self, count: u64, timestamp: Timestamp) -> Appended {
        let last = self.with(|ledger| ledger.last + count);
        if count > GAP_MAX && self.with(|ledger| ledger.messages == 0) {
            // All but one, whose entry tells the time.
            self.begin_at(last);
        }
        if self.with(|ledger| ledger.last < last) {
            if !self.with(|ledger| ledger.has_room_for_seqs(count)) {
                self.roll();
            }
            self.with(|ledger| ledger.skip(last, timestamp));
        }
        let timestamp = self.with(|ledger| ledger.last_timestamp).unwrap_or(timestamp);
        Appended { seq: last, timestamp, commit: self.changed() }
    }

    fn check_next(&self, expected: Option<u64>) -> Result<(), StoreError> {
        let next = self.with(|ledger| ledger.last + 1);
        match expected {
            Some(expected) if expected != next => Err(StoreError::SequenceMismatch { expected, next }),
            Some(_) | None => Ok(()),
        }
    }

    /// Other limits from now on; what they have no room for goes.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and whatever reading an index meets.
    pub async fn set_limits(&self, limits: Limits) -> Result<CommitNumber, StoreError> {
        let pass = self.0.gate.enter().await;
        self.check_writable()?;
        self.with(|ledger| ledger.limits = limits);
        drop(pass);
        self.apply_limits().await
    }

    /// What a crash, or other limits than before, left too much of.
    async fn enforce_limits_at_start(&self, some_subject_is_over: bool) -> Result<(), StoreError> {
        if some_subject_is_over {
            self.apply_limits().await?;
        } else if self.with(|ledger| ledger.is_over_in_all()) {
            self.enforce_limits(None, &mut Pins::default()).await?;
            self.changed();
        }
        Ok(())
    }

    /// Takes out whatever the limits have no room for.
    async fn apply_limits(&self) -> Result<CommitNumber, StoreError> {
        let mut pins = Pins::default();
        if let Some(max) = self.with(|ledger| ledger.limits.max_messages_per_subject) {
            let over = self.with(|ledger| ledger.subjects_over(max));
            for subject in over {
                let _pass = self.0.gate.enter().await;
                self.enforce_limits(Some(&subject), &mut pins).await?;
            }
        }
        let _pass = self.0.gate.enter().await;
        self.enforce_limits(None, &mut pins).await?;
        Ok(self.changed())
    }

    #[must_use]
    pub fn limits(&self) -> Limits {
        self.with(|ledger| ledger.limits)
    }

    /// The store's counts, with everything that was changed, durable or not.
    ///
    /// # Errors
    /// Whatever reading an index meets, for the time of the first message.
    pub async fn state(&self) -> Result<State, StoreError> {
        let mut pins = Pins::default();
        let first_timestamp = self
            .with_indexes(&mut pins, |ledger, pins| {
                Ok(ledger.slot(ledger.first, pins)?.map(|(slot, _)| slot.timestamp))
            })
            .await?;
        Ok(self.with(|ledger| State {
            messages: ledger.messages,
            bytes: ledger.bytes,
            first_seq: ledger.first,
            first_timestamp,
            last_seq: ledger.last,
            last_timestamp: ledger.last_timestamp,
            subjects: ledger.subjects.len() as u64,
            deleted: ledger.deleted(),
        }))
    }

    /// The sequences between first and last without a message, as runs of first and last.
    #[must_use]
    pub fn deleted_runs(&self) -> Vec<(u64, u64)> {
        self.with(|ledger| ledger.deleted_runs())
    }

    /// Messages that were acknowledged and cannot be read any more, until the operator accepts their loss.
    #[must_use]
    pub fn lost(&self) -> SeqSet {
        self.with(|ledger| ledger.lost.clone())
    }

    /// The last sequence given.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.with(|ledger| ledger.last)
    }

    /// The last sequence of which nothing can be lost any more.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        match &self.0.media {
            Media::Memory { .. } => self.last_seq(),
            Media::File(_) => self.0.commits.durable_seq(),
        }
    }

    /// Waits until a commit is durable.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where it never will be.
    pub async fn committed(&self, commit: CommitNumber) -> Result<(), StoreError> {
        match &self.0.media {
            Media::Memory { .. } => Ok(()),
            Media::File(_) => self.0.commits.wait(commit).await,
        }
    }

    /// Bytes of what the store keeps in memory, without the shared cache.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.with(|ledger| ledger.memory_bytes())
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if let Some(error) = self.0.commits.failed() {
            return Err(error);
        }
        if self.0.is_closed.get() { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// The commit that the change just made goes with.
    fn changed(&self) -> CommitNumber {
        match &self.0.media {
            Media::Memory { .. } => {
                self.with(Ledger::settle_in_memory);
                0
            }
            Media::File(file) => {
                let commit = self.0.commits.changed();
                file.close_if_large(self);
                commit
            }
        }
    }

    fn make_room(&self, bytes: usize) {
        if !self.with(|ledger| ledger.has_room(bytes, self.0.block_len)) {
            self.roll();
        }
    }

    fn roll(&self) {
        let salt = self.next_salt();
        self.with(|ledger| ledger.roll(salt));
    }

    /// The salt of the next block.
    fn next_salt(&self) -> u64 {
        match &self.0.media {
            Media::Memory { salts } => {
                salts.set(salts.get().wrapping_add(1));
                salts.get()
            }
            Media::File(file) => file.salt_of_next(self.with(|ledger| ledger.active().number + 1)),
        }
    }

    async fn enforce_limits(&self, subject: Option<&[u8]>, pins: &mut Pins) -> Result<(), StoreError> {
        loop {
            let surplus = self
                .with_indexes(pins, |ledger, pins| {
                    let leaf = subject.and_then(|subject| ledger.subjects.find(subject));
                    let Some(seq) = ledger.surplus(leaf, pins)? else { return Ok(false) };
                    ledger.delete(seq, pins)?;
                    Ok(true)
                })
                .await?;
            if !surplus {
                return Ok(());
            }
        }
    }

    /// Runs `f` until it has every index it needs. What it has changed before it asked for one stays changed.
    async fn with_indexes<R>(
        &self,
        pins: &mut Pins,
        mut f: impl FnMut(&mut Ledger, &Pins) -> Result<R, Missing>,
    ) -> Result<R, StoreError> {
        loop {
            match self.with(|ledger| f(ledger, pins)) {
                Ok(done) => return Ok(done),
                Err(Missing(number)) => self.pin(number, pins).await?,
            }
        }
    }

    async fn pin(&self, number: BlockNumber, pins: &mut Pins) -> Result<(), StoreError> {
        match &self.0.media {
            Media::Memory { .. } => unreachable!("a memory store has all its indexes"),
            Media::File(file) => {
                if let Some(index) = file.index(self, number).await? {
                    pins.add(number, index);
                }
                Ok(())
            }
        }
    }
}

fn record_len(message: &NewMessage<'_>) -> usize {
    Record {
        seq: 0,
        timestamp: message.timestamp,
        expires: message.expires,
        due: message.due,
        subject: message.subject,
        headers: message.headers,
        payload: message.payload,
    }
    .encoded_len()
}

/// Sequences that an empty store skips one by one; more of them are a new beginning.
const GAP_MAX: u64 = 1 << 16;
/// Bytes of the largest record: twice what the reference stores.
pub const RECORD_LEN_MAX: usize = 64 << 20;
/// Bytes of entries in a memory store's block.
const MEMORY_BLOCK_LEN: u32 = 4 << 20;

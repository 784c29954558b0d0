//! The states of a stream's consumers on disk: one journal for all of them, in one file (docs/format/consumer.md, "The file").
//!
//! Changes take effect in memory at once and become durable together with all others of their commit, as those of a
//! [`Store`](crate::store::Store) do. A commit is one frame of the file and goes through the commit log. When the journal is
//! long, or the file must not be written on, the next commit goes to a new file that begins with the states: it gets its name
//! when it is whole and durable, and only then does the old one go.
//!
//! One executor owns it. Handles are cheap to clone and are the same.

mod file;
mod recover;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use self::file::{JournalFile, write_commits};
pub use self::recover::ConsumerRecovery;
use crate::block::header::{Coding, StreamId};
use crate::consumer::{Applied, ConsumerState, Consumers, Journal, JournalError, Operation, Refused, Rules};
use crate::disk::Disk;
use crate::engine::Engine;
use crate::keys::StreamKey;
use crate::store::commits::Commits;
use crate::store::{CommitNumber, StoreError};

pub struct ConsumerStore<D: Disk>(Rc<Inner<D>>);

/// How the states of a stream's consumers are kept.
#[derive(Clone)]
pub struct ConsumerOptions {
    /// Of its own; nothing else is kept there.
    pub folder: PathBuf,
    /// Of this life of the stream.
    pub stream: StreamId,
    /// How files are written from now on; one that is there may be coded otherwise.
    pub coding: Coding,
    /// Needed where the coding encrypts, or did.
    pub key: Option<Rc<StreamKey>>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsumerStoreError {
    /// The state cannot be, or is older. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file's own checksums hold and what is in it is no journal of this program.
    #[error("{}: {cause}", path.display())]
    Journal {
        path: PathBuf,
        #[source]
        cause: JournalError,
    },
}

struct Inner<D: Disk> {
    engine: Engine<D>,
    options: ConsumerOptions,
    journal: RefCell<Gathered>,
    commits: Commits,
    /// What is written to; the writer's.
    file: RefCell<Option<JournalFile<D>>>,
    is_closed: Cell<bool>,
}

/// The journal, and what of it is not handed to the file yet.
struct Gathered {
    journal: Journal,
    bytes: Vec<u8>,
    /// The file that is there must not be written on.
    needs_new_file: bool,
}

impl<D: Disk> Clone for ConsumerStore<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<D: Disk> ConsumerStore<D> {
    /// Opens what is in the folder, which is made where it is not there.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], [`StoreError::WrongKey`], [`StoreError::Version`] and [`ConsumerStoreError::Journal`]: nothing was
    /// changed then. What the disk says.
    pub async fn open(
        engine: Engine<D>,
        options: ConsumerOptions,
    ) -> Result<(Self, ConsumerRecovery), ConsumerStoreError> {
        let (found, recovery) = recover::recover(&engine, &options).await?;
        let gathered = Gathered {
            journal: found.journal,
            bytes: Vec::new(),
            needs_new_file: found.file.as_ref().is_none_or(|file| !file.goes_on()),
        };
        let store = Self(Rc::new(Inner {
            engine,
            options,
            journal: RefCell::new(gathered),
            commits: Commits::default(),
            file: RefCell::new(found.file),
            is_closed: Cell::new(false),
        }));
        store.0.engine.spawn(write_commits(store.clone()));
        Ok((store, recovery))
    }

    /// Applies an operation; the commit it goes with, or the latest where it changed nothing. `None` where there is no such
    /// consumer.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Closed`].
    pub fn apply(
        &self,
        number: u64,
        operation: Operation,
    ) -> Result<Option<(Applied, CommitNumber)>, ConsumerStoreError> {
        self.change(|journal, out| journal.apply(number, operation, out))
            .map(|(applied, commit)| applied.map(|applied| (applied, commit)))
    }

    /// Makes a consumer, or puts `state` in the place of its own.
    ///
    /// # Errors
    /// [`ConsumerStoreError::Refused`] where `state` cannot be; as [`ConsumerStore::apply`].
    pub fn set(
        &self,
        number: u64,
        rules: Rules,
        state: ConsumerState,
    ) -> Result<CommitNumber, ConsumerStoreError> {
        let (done, commit) = self.change(|journal, out| journal.set(number, rules, state, out))?;
        Ok(done.map(|()| commit)?)
    }

    /// Puts a newer `state` in the place of the consumer's own. `None` where there is no such consumer.
    ///
    /// # Errors
    /// [`ConsumerStoreError::Refused`] where `state` cannot be, or is older; as [`ConsumerStore::apply`].
    pub fn update(
        &self,
        number: u64,
        state: ConsumerState,
    ) -> Result<Option<CommitNumber>, ConsumerStoreError> {
        let (done, commit) = self.change(|journal, out| journal.update(number, state, out))?;
        Ok(done?.then_some(commit))
    }

    /// Changes the rules of a consumer. `None` where there is none.
    ///
    /// # Errors
    /// As [`ConsumerStore::apply`].
    pub fn set_rules(&self, number: u64, rules: Rules) -> Result<Option<CommitNumber>, ConsumerStoreError> {
        let (done, commit) = self.change(|journal, out| journal.set_rules(number, rules, out))?;
        Ok(done.then_some(commit))
    }

    /// Removes a consumer. `None` where there is none.
    ///
    /// # Errors
    /// As [`ConsumerStore::apply`].
    pub fn remove(&self, number: u64) -> Result<Option<CommitNumber>, ConsumerStoreError> {
        let (done, commit) = self.change(|journal, out| journal.remove(number, out))?;
        Ok(done.then_some(commit))
    }

    /// Looks at the states as they are, durable or not.
    pub fn with_consumers<R>(&self, f: impl FnOnce(&Consumers) -> R) -> R {
        f(self.0.journal.borrow().journal.consumers())
    }

    /// Waits until a commit is durable.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where it never will be.
    pub async fn committed(&self, commit: CommitNumber) -> Result<(), ConsumerStoreError> {
        Ok(self.0.commits.wait(commit).await?)
    }

    /// Takes no more changes, makes those that were made durable, and leaves a whole file behind.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where it had failed before: what is on disk is as the next start will find it.
    pub async fn close(&self) -> Result<(), ConsumerStoreError> {
        self.0.is_closed.set(true);
        self.0.commits.close();
        self.0.commits.ended().await;
        if let Some(error) = self.0.commits.failed() {
            return Err(error.into());
        }
        let file = self.0.file.borrow_mut().take();
        match file {
            Some(file) => Ok(file.close().await?),
            None => Ok(()),
        }
    }

    /// Runs `change`, and gives the commit that what it wrote goes with.
    fn change<R>(
        &self,
        change: impl FnOnce(&mut Journal, &mut Vec<u8>) -> R,
    ) -> Result<(R, CommitNumber), ConsumerStoreError> {
        if let Some(error) = self.0.commits.failed() {
            return Err(error.into());
        }
        if self.0.is_closed.get() {
            return Err(StoreError::Closed.into());
        }
        let mut gathered = self.0.journal.borrow_mut();
        let Gathered { journal, bytes, .. } = &mut *gathered;
        let before = bytes.len();
        let done = change(journal, bytes);
        let has_changed = bytes.len() > before;
        let commit = if has_changed { self.0.commits.changed() } else { self.0.commits.latest() };
        Ok((done, commit))
    }
}

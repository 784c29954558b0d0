//! How far the stream has come in its sources.
//!
//! What changed is told by an entry of the commit that has the messages it came with, so that a crash leaves both or
//! neither. Each block begins with all that is known, so that the blocks before may go, and their messages too: recovery
//! needs the last block, and hears those before only where damage took its beginning.
//!
//! A truncation takes nothing back, as in the reference: who took messages back knows whether to fetch them again.

use crate::block::entry::encode_sources;
use crate::block::sources::ToldSources;
use crate::disk::Disk;
use crate::sources::header::Origin;
use crate::sources::{Source, SourcePosition, SourcePositions};
use crate::store::ledger::{Accounting, Ledger};
use crate::store::{CommitNumber, Store, StoreError};

#[derive(Debug, Default)]
pub(super) struct Sources {
    configured: Vec<Source>,
    /// By index name; of those that are configured and of those that were set by [`Store::apply_sources`].
    positions: Vec<Tracked>,
    /// Blocks tell of sources: the next one has to tell of all, even that there are none.
    is_in_blocks: bool,
    /// Some are not known any more: the next entry tells of all there are.
    is_whole_due: bool,
}

#[derive(Debug)]
struct Tracked {
    name: Box<[u8]>,
    position: SourcePosition,
    /// An entry tells of it.
    is_told: bool,
}

impl Sources {
    /// As blocks tell. True with it: some of what they tell is not configured, and has to be told of as gone.
    #[must_use]
    pub(super) fn recovered(configured: &[Source], told: ToldSources) -> (Self, bool) {
        let is_in_blocks = !told.is_nothing();
        let mut sources = Self { is_in_blocks, ..Self::default() };
        sources.set_all(&told.positions);
        sources.is_whole_due = false;
        let is_pruned = sources.configure(configured);
        (sources, is_pruned)
    }

    /// Sources that are not configured any more are forgotten. Whether any of them was known.
    fn configure(&mut self, configured: &[Source]) -> bool {
        self.configured = configured.to_vec();
        let before = self.positions.len();
        self.positions.retain(|tracked| configured.iter().any(|source| source.index_name == tracked.name));
        let is_pruned = self.positions.len() < before;
        self.is_whole_due |= is_pruned;
        is_pruned
    }

    fn set_all(&mut self, positions: &SourcePositions) {
        let known = positions.iter().filter(|(_, position)| position.seq > 0);
        let track = known.map(|(name, position)| Tracked {
            name: name.clone(),
            position: position.clone(),
            is_told: true,
        });
        self.positions = track.collect();
        self.is_whole_due = true;
    }

    /// A message with these headers is stored. Costs nothing where no source is configured, and no allocation where
    /// another message of the same source came before.
    fn note(&mut self, headers: &[u8]) {
        if self.configured.is_empty() {
            return;
        }
        match Origin::of(headers) {
            None => {}
            Some(Origin::Source { stream, filter, destination, seq, identity }) => {
                let is_name = |name: &[u8]| is_index_name(name, stream, filter, destination);
                let place = self.positions.iter().position(|tracked| is_name(&tracked.name));
                let is_configured = || self.configured.iter().find(|source| is_name(&source.index_name));
                match (place, place.is_none().then(is_configured).flatten()) {
                    (Some(place), _) => self.positions[place].set(seq, identity),
                    (None, Some(source)) => {
                        let name = source.index_name.clone();
                        self.begin(name, seq, identity);
                    }
                    (None, None) => {}
                }
            }
            // It may have come through any source of its stream, and does not say which life of the stream it was.
            Some(Origin::Stream { stream, seq }) => {
                for at in 0..self.configured.len() {
                    if !self.configured[at].has_old_name(stream) {
                        continue;
                    }
                    let name = &self.configured[at].index_name;
                    match self.positions.iter().position(|tracked| tracked.name == *name) {
                        Some(place) => self.positions[place].set(seq, b""),
                        None => self.begin(name.clone(), seq, b""),
                    }
                }
            }
        }
    }

    fn begin(&mut self, name: Box<[u8]>, seq: u64, identity: &[u8]) {
        let place = self.positions.partition_point(|tracked| tracked.name < name);
        let position = SourcePosition { seq, identity: identity.into() };
        self.positions.insert(place, Tracked { name, position, is_told: false });
    }

    fn known(&self) -> SourcePositions {
        let known = self.positions.iter().filter(|tracked| tracked.position.seq > 0);
        known.map(|tracked| (tracked.name.clone(), tracked.position.clone())).collect()
    }

    /// What is to be told of in an entry; all of it at the beginning of a block.
    fn take_untold(&mut self, begins_block: bool) -> Option<ToldSources> {
        let is_untold = self.positions.iter().any(|tracked| !tracked.is_told);
        let is_whole = (begins_block && (self.is_in_blocks || is_untold)) || self.is_whole_due;
        if !is_whole && !is_untold {
            return None;
        }
        let positions = if is_whole {
            self.known()
        } else {
            let untold = self.positions.iter().filter(|tracked| !tracked.is_told);
            untold.map(|tracked| (tracked.name.clone(), tracked.position.clone())).collect()
        };
        for tracked in &mut self.positions {
            tracked.is_told = true;
        }
        self.is_in_blocks = true;
        self.is_whole_due = false;
        Some(ToldSources { is_whole, positions })
    }

    /// Whether blocks tell of sources, or soon will.
    #[must_use]
    pub(super) fn are_told_of(&self) -> bool {
        self.is_in_blocks
    }

    /// Bytes of an entry that tells of all.
    #[must_use]
    pub(super) fn entry_len_max(&self) -> u32 {
        let len = |tracked: &Tracked| tracked.name.len() + tracked.position.identity.len() + PARTS_LEN_MAX;
        PARTS_LEN_MAX as u32 + self.positions.iter().map(len).sum::<usize>() as u32
    }

    #[cfg(test)]
    pub(super) fn tracked(&self) -> usize {
        self.positions.len()
    }

    #[must_use]
    pub(super) fn memory_bytes(&self) -> usize {
        let of_one =
            |tracked: &Tracked| size_of::<Tracked>() + tracked.name.len() + tracked.position.identity.len();
        self.positions.iter().map(of_one).sum()
    }
}

impl Tracked {
    fn set(&mut self, seq: u64, identity: &[u8]) {
        self.position.seq = seq;
        if *self.position.identity != *identity {
            self.position.identity = identity.into();
        }
        self.is_told = false;
    }
}

/// Whether a name is that of these parts with a blank between.
fn is_index_name(name: &[u8], stream: &[u8], filter: &[u8], destination: &[u8]) -> bool {
    let parts = [stream, b" ", filter, b" ", destination];
    let mut rest = name;
    name.len() == parts.iter().map(|part| part.len()).sum::<usize>()
        && parts.iter().all(|part| rest.strip_prefix(*part).map(|behind| rest = behind).is_some())
}

impl Ledger {
    pub(super) fn note_source(&mut self, headers: &[u8]) {
        self.sources.note(headers);
    }

    /// Puts what no entry tells of yet into one: before a commit is handed over, and before a block ends.
    pub(super) fn write_sources(&mut self) {
        if let Some(told) = self.sources.take_untold(false) {
            self.push_sources(&told);
        }
    }

    /// All that is known, at the beginning of a block.
    pub(super) fn write_all_sources(&mut self) {
        if self.accounting == Accounting::File
            && let Some(told) = self.sources.take_untold(true)
        {
            self.push_sources(&told);
        }
    }

    fn push_sources(&mut self, told: &ToldSources) {
        let block = self.active_mut();
        let salt = block.salt;
        let open = block.open_mut().expect("the block that is written to is open");
        open.told.sources.then(told);
        open.tail.push(|out| encode_sources(told, salt, out));
        let end = open.tail.end();
        block.plain_len = end;
    }
}

impl<D: Disk> Store<D> {
    /// How far the stream has come in each of its sources, with everything that was changed, durable or not: those of
    /// which a message was stored, though it may be gone.
    #[must_use]
    pub fn sources(&self) -> SourcePositions {
        self.with(|ledger| ledger.sources.known())
    }

    /// Other sources from now on. Those that are not among them are forgotten; of one that is new nothing is known until
    /// a message of it is stored.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Closed`].
    pub async fn set_sources(&self, sources: &[Source]) -> Result<CommitNumber, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        let is_pruned = self.with(|ledger| ledger.sources.configure(sources));
        Ok(if is_pruned { self.changed() } else { self.0.commits.latest() })
    }

    /// Takes over what another replica knows, in place of all that is known here, and whether it is more or less. Nothing
    /// says nothing, and a stream that has no sources tracks none.
    ///
    /// # Errors
    /// As [`Store::set_sources`].
    pub async fn apply_sources(&self, positions: &SourcePositions) -> Result<CommitNumber, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        if positions.is_empty() || self.with(|ledger| ledger.sources.configured.is_empty()) {
            return Ok(self.0.commits.latest());
        }
        self.with(|ledger| ledger.sources.set_all(positions));
        Ok(self.changed())
    }

    /// Takes over what the store knew that is restored here. What is not configured goes when the store is opened.
    pub(crate) async fn restore_sources(&self, positions: &SourcePositions) -> Result<(), StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        if self.with(|ledger| ledger.sources.known() != *positions) {
            self.with(|ledger| ledger.sources.set_all(positions));
            self.changed();
        }
        Ok(())
    }
}

/// More than the lengths and numbers of an entry, or of one position in it, take.
const PARTS_LEN_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_source_that_is_known_costs_no_allocation() {
        let source = |stream: &str| Source {
            index_name: format!("{stream} > >").into_bytes().into(),
            stream: stream.as_bytes().into(),
        };
        let mut sources = Sources::default();
        assert!(!sources.configure(&[source("A"), source("AB"), source("B")]));
        let header = |value: &str| format!("NATS/1.0\r\nNats-Stream-Source: {value}\r\n\r\n");
        let messages = ["AB 1 > > x ID", "B 7", "A 5 a.* > x", "A > >", "C 1 > > x"].map(header);
        let note =
            |sources: &mut Sources| messages.iter().for_each(|headers| sources.note(headers.as_bytes()));
        note(&mut sources);
        let known: Vec<_> = sources.known().into_iter().collect();
        let position = |seq, identity: &[u8]| SourcePosition { seq, identity: identity.into() };
        assert_eq!(
            known,
            [
                (b"AB > >".as_slice().into(), position(1, b"ID")),
                (b"B > >".as_slice().into(), position(7, b""))
            ]
        );
        assert!(sources.take_untold(false).is_some() && sources.take_untold(false).is_none());
        let memory = allocation_counter::measure(|| note(&mut sources));
        assert_eq!(memory.count_total, 0);
        let told = sources.take_untold(false).unwrap();
        assert_eq!((told.is_whole, told.positions.into_iter().collect::<Vec<_>>()), (false, known));
    }
}

//! Which subjects there are, with what of each.

use bytes::Bytes;

use crate::disk::Disk;
use crate::message::{Filter, Matching};
use crate::store::ledger::Pins;
use crate::store::{Store, StoreError};

impl<D: Disk> Store<D> {
    /// How many messages each matching subject has, in the order of the subjects' bytes.
    #[must_use]
    pub fn subject_totals(&self, filter: Filter<'_>) -> Vec<(Bytes, u64)> {
        self.with(|ledger| {
            let mut totals = Vec::new();
            ledger.each_matching(filter, |_, text, subject| {
                totals.push((Bytes::copy_from_slice(text), u64::from(subject.messages)));
            });
            totals
        })
    }

    /// The messages of each matching subject.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn subjects_state(&self, filter: Filter<'_>) -> Result<Vec<(Bytes, Matching)>, StoreError> {
        let mut pins = Pins::default();
        let mut states = Vec::new();
        for (text, _) in self.subject_totals(filter) {
            let state = self
                .with_indexes(&mut pins, |ledger, pins| {
                    let Some(leaf) = ledger.subjects.find(&text) else { return Ok(None) };
                    let first_seq = ledger.first_of(leaf, pins)?;
                    let last_seq = ledger.last_of(leaf, pins)?;
                    let messages = u64::from(ledger.subjects.by_id(leaf).messages);
                    Ok(Some(Matching { messages, first_seq, last_seq }))
                })
                .await?;
            states.extend(state.map(|state| (text, state)));
        }
        Ok(states)
    }

    /// The last message at or before `until` of each matching subject, ascending.
    ///
    /// # Errors
    /// [`StoreError::TooManyResults`] where there are more than `max`; whatever reading an index meets.
    pub async fn last_of_each(
        &self,
        filter: Filter<'_>,
        until: Option<u64>,
        max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError> {
        let until = until.unwrap_or(u64::MAX);
        let mut found = Vec::new();
        let unsure = self.with(|ledger| {
            let mut unsure = Vec::new();
            ledger.each_matching(filter, |_, text, subject| {
                if subject.last <= until && !subject.last_moved {
                    found.push(subject.last);
                } else if subject.first <= until {
                    unsure.push(Box::<[u8]>::from(text));
                }
            });
            unsure
        });
        let mut pins = Pins::default();
        for subject in unsure {
            let mut from = until;
            let last = loop {
                let step = self.with(|ledger| match ledger.subjects.find(&subject) {
                    Some(leaf) => ledger.previous_of(leaf, from, &pins),
                    None => Ok(None),
                });
                match step {
                    Ok(last) => break last,
                    Err(missing) => {
                        from = from.min(self.last_of_block(missing.0));
                        self.pin(missing.0, &mut pins).await?;
                    }
                }
            };
            found.extend(last);
        }
        if max.is_some_and(|max| found.len() > max) {
            return Err(StoreError::TooManyResults);
        }
        found.sort_unstable();
        Ok(found)
    }
}

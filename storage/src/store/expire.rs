//! Messages that go away by their age or their own time, and messages that are due.

use bytes::Bytes;
use natrium_model::Timestamp;

use crate::disk::Disk;
use crate::message::NewMessage;
use crate::store::ledger::{Ledger, Missing, Pins};
use crate::store::{CommitNumber, Store, StoreError};

/// What is left behind where the last message of a subject went by its age.
#[derive(Clone, Copy, Debug)]
pub struct Marker<'a> {
    pub headers: &'a [u8],
    /// How long the marker itself stays.
    pub ttl_ns: i64,
    /// Whether a message with these headers is a marker, after which none is left.
    pub is_marker: fn(&[u8]) -> bool,
}

impl<'a> Marker<'a> {
    fn message(&self, subject: &'a [u8], now: Timestamp) -> NewMessage<'a> {
        NewMessage {
            subject,
            headers: self.headers,
            payload: b"",
            timestamp: now,
            expires: Some(Timestamp(now.0.saturating_add(self.ttl_ns))),
            due: None,
        }
    }
}

/// What [`Store::expire`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Messages that went.
    pub removed: Vec<u64>,
    /// Markers that were appended.
    pub markers: Vec<u64>,
    /// There may be more to do at once.
    pub is_more: bool,
    pub commit: CommitNumber,
}

impl<D: Disk> Store<D> {
    /// Takes out at most `max` messages whose time has come. Where a `marker` is given and the last message of a subject went,
    /// one is appended to that subject with the same commit.
    ///
    /// # Errors
    /// [`StoreError::Failed`], [`StoreError::Closed`], and whatever reading an index meets.
    pub async fn expire(
        &self,
        now: Timestamp,
        max: usize,
        marker: Option<Marker<'_>>,
    ) -> Result<Expired, StoreError> {
        let mut expired = Expired::default();
        let mut pins = Pins::default();
        while expired.removed.len() < max {
            let next = self.with_indexes(&mut pins, |ledger, pins| ledger.next_expired(now, pins)).await?;
            let Some(seq) = next else { break };
            // Read before it goes: a marker is not followed by another.
            let was_marker = match marker {
                Some(marker) => {
                    self.get(seq).await?.is_some_and(|message| (marker.is_marker)(&message.headers))
                }
                None => false,
            };
            let _pass = self.0.gate.enter().await;
            self.check_writable()?;
            if let Some(marker) = marker {
                // Room for it first: were it to begin a block, a crash could find the removal without it.
                let subject =
                    self.with_indexes(&mut pins, |ledger, pins| ledger.subject_of(seq, pins)).await?;
                self.make_room(super::record_len(&marker.message(&subject.unwrap_or_default(), now)));
            }
            let gone = self.with_indexes(&mut pins, |ledger, pins| ledger.expire_one(seq, pins)).await?;
            let Some(gone) = gone else { continue };
            expired.removed.push(seq);
            if let Some(marker) = marker
                && let Some(subject) = gone.emptied
                && !was_marker
            {
                let message = marker.message(&subject, now);
                let place = self.with(|ledger| ledger.append(&message));
                expired.markers.push(place.seq);
                self.enforce_limits(Some(&subject), &mut pins).await?;
            }
            expired.commit = self.changed();
        }
        expired.is_more = expired.removed.len() == max;
        Ok(expired)
    }

    /// When [`Store::expire`] has something to do next, at the earliest.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.with_indexes(&mut Pins::default(), |ledger, pins| {
            let by_age = match ledger.limits.max_age_ns {
                Some(age) => ledger.oldest_that_ages(pins)?.map(|(_, timestamp)| after(timestamp, age)),
                None => None,
            };
            Ok(by_age.into_iter().chain(ledger.expiries.next()).min())
        })
        .await
    }

    /// Scheduled messages whose time has come, at most `max`, and the time that each was due; each is told once, until it is
    /// rescheduled.
    pub fn take_due(&self, now: Timestamp, max: usize) -> Vec<(u64, Timestamp)> {
        self.with(|ledger| ledger.schedule.take_due(now, max))
    }

    /// When [`Store::take_due`] has something to tell next, at the earliest.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.with(|ledger| ledger.schedule.next())
    }

    /// Tells of a scheduled message no more. Not durable: after a restart it is due at the time it was appended with.
    pub fn unschedule(&self, seq: u64) {
        self.with(|ledger| ledger.schedule.remove(seq));
    }

    /// Tells of a scheduled message again at `due`. Not durable: after a restart the time is the one it was appended with.
    pub fn reschedule(&self, seq: u64, due: Timestamp) {
        self.with(|ledger| {
            if ledger.block_of(seq).is_some() {
                ledger.schedule.set(seq, due);
            }
        });
    }
}

struct Gone {
    /// The subject, where no other message of it is left.
    emptied: Option<Bytes>,
}

impl Ledger {
    /// A message whose time has come.
    fn next_expired(&mut self, now: Timestamp, pins: &Pins) -> Result<Option<u64>, Missing> {
        if let Some(age) = self.limits.max_age_ns
            && let Some((seq, timestamp)) = self.oldest_that_ages(pins)?
            && after(timestamp, age) <= now
        {
            return Ok(Some(seq));
        }
        Ok(self.expiries.first_due(now).map(|(seq, _)| seq))
    }

    /// The oldest message that goes away by its age.
    fn oldest_that_ages(&mut self, pins: &Pins) -> Result<Option<(u64, Timestamp)>, Missing> {
        let mut from = self.first.max(self.aged_to);
        while let Some(seq) = self.next_seq(from) {
            if !self.ageless.contains(seq) {
                self.aged_to = seq;
                return Ok(self.slot(seq, pins)?.map(|(slot, _)| (seq, slot.timestamp)));
            }
            let Some(next) = self.ageless.next_absent(seq) else { break };
            from = next;
        }
        self.aged_to = from;
        Ok(None)
    }

    fn subject_of(&self, seq: u64, pins: &Pins) -> Result<Option<Bytes>, Missing> {
        let Some(block) = self.block_of(seq) else { return Ok(None) };
        let index = pins.index(block)?;
        let slot = index.slot(block.delta(seq));
        Ok(slot.map(|slot| Bytes::copy_from_slice(&index.subject(slot).text)))
    }

    fn expire_one(&mut self, seq: u64, pins: &Pins) -> Result<Option<Gone>, Missing> {
        let Some(block) = self.block_of(seq) else {
            self.expiries.remove(seq);
            return Ok(None);
        };
        let index = pins.index(block)?;
        let mut emptied = None;
        if let Some(slot) = index.slot(block.delta(seq)) {
            let subject = index.subject(slot);
            if subject.leaf.is_some_and(|leaf| self.subjects.by_id(leaf).messages == 1) {
                emptied = Some(Bytes::copy_from_slice(&subject.text));
            }
        }
        self.delete(seq, pins)?;
        Ok(Some(Gone { emptied }))
    }
}

fn after(timestamp: Timestamp, age_ns: u64) -> Timestamp {
    Timestamp(timestamp.0.saturating_add(i64::try_from(age_ns).unwrap_or(i64::MAX)))
}

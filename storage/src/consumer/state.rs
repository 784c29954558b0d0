//! The state of one consumer and the rules by which it changes, which are those of `consumerFileStore` in the reference's
//! server/filestore.go.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use natrium_model::Timestamp;

/// What a consumer is at. All of it is 0 or empty at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// The last that was delivered.
    pub delivered: SequencePair,
    /// All up to here is settled.
    pub ack_floor: SequencePair,
    /// What waits for its acknowledgement, by stream sequence.
    pub pending: BTreeMap<u64, Pending>,
    /// How often a message was delivered again, by stream sequence. It may outlive the entry in `pending`: a message that was
    /// delivered too often is no longer waited for.
    pub redelivered: BTreeMap<u64, u64>,
}

/// A place in the consumer's own count of deliveries, and in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencePair {
    pub consumer: u64,
    pub stream: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The consumer sequence of the first delivery; 0 where it is not known.
    pub consumer: u64,
    /// When it was delivered last.
    pub timestamp: Timestamp,
}

/// What of a consumer's configuration its state depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub ack_policy: AckPolicy,
    /// A message that was delivered more often is no longer waited for. `None` is without limit.
    pub max_deliver: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckPolicy {
    /// What is delivered is settled.
    None,
    /// An acknowledgement settles all before it too. Flow control acknowledges so.
    All,
    Explicit,
}

/// One change of a state.
///
/// To terminate a message is to acknowledge it; to reject it changes nothing until it is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A message was sent; `count` is 1 the first time. `consumer` is of this delivery.
    Delivered { consumer: u64, stream: u64, count: u64, timestamp: Timestamp },
    /// A message was acknowledged. `consumer` is what the acknowledgement names, of any of its deliveries.
    Acked { consumer: u64, stream: u64 },
    /// Nothing up to `stream` is for this consumer. Never goes back.
    Skipped { stream: u64 },
    /// The consumer begins behind `stream`.
    Started { stream: u64 },
    /// All is forgotten, and the consumer begins behind `stream`.
    Reset { stream: u64 },
    /// The stream has nothing left below `stream`: the counts of redelivery there go.
    RedeliveredForgotten { below: u64 },
}

/// What applying did. It may be refused and yet have changed something: an acknowledgement of what is no longer waited for
/// still ends its count of redelivery.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub is_changed: bool,
    pub refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the consumer has no acknowledgements")]
    NoAckPolicy,
    #[error("the message is not waited for")]
    NotPending,
    #[error("an update from before the state")]
    Old,
    #[error("the ack floor is above what was delivered")]
    FloorAboveDelivered,
    #[error("sequence {0} is pending outside of what was delivered and not settled")]
    PendingOutOfRange(u64),
}

impl ConsumerState {
    pub fn apply(&mut self, rules: Rules, operation: Operation) -> Applied {
        match operation {
            Operation::Delivered { consumer, stream, count, timestamp } => {
                let pair = SequencePair { consumer, stream };
                match rules.ack_policy {
                    AckPolicy::None => self.delivered_and_settled(pair, count),
                    AckPolicy::All | AckPolicy::Explicit => {
                        self.delivered(pair, count, timestamp, rules.max_deliver)
                    }
                }
            }
            Operation::Acked { consumer, stream } => {
                self.acked(SequencePair { consumer, stream }, rules.ack_policy)
            }
            Operation::Skipped { stream } => self.skipped(stream, rules.ack_policy),
            Operation::Started { stream } => self.changed(|state| {
                state.delivered.stream = stream;
                state.ack_floor.stream = stream;
            }),
            Operation::Reset { stream } => {
                let start = SequencePair { consumer: 0, stream };
                let fresh = Self { delivered: start, ack_floor: start, ..Self::default() };
                let is_changed = *self != fresh;
                *self = fresh;
                Applied { is_changed, refused: None }
            }
            Operation::RedeliveredForgotten { below } => {
                let kept = self.redelivered.split_off(&below);
                let gone = std::mem::replace(&mut self.redelivered, kept);
                Applied { is_changed: !gone.is_empty(), refused: None }
            }
        }
    }

    /// Whether a state can be: floors below what was delivered, and what is pending between them.
    ///
    /// # Errors
    /// [`Refused::FloorAboveDelivered`], [`Refused::PendingOutOfRange`].
    pub fn check(&self) -> Result<(), Refused> {
        if self.ack_floor.consumer > self.delivered.consumer || self.ack_floor.stream > self.delivered.stream
        {
            return Err(Refused::FloorAboveDelivered);
        }
        let outside =
            self.pending.keys().find(|&&seq| seq <= self.ack_floor.stream || seq > self.delivered.stream);
        outside.map_or(Ok(()), |&seq| Err(Refused::PendingOutOfRange(seq)))
    }

    /// Whether `self` is from before `state`, so that it must not replace it.
    ///
    /// # Errors
    /// [`Refused::Old`].
    pub fn check_newer_than(&self, state: &Self) -> Result<(), Refused> {
        let is_old = self.delivered.consumer < state.delivered.consumer
            || self.ack_floor.stream < state.ack_floor.stream;
        if is_old { Err(Refused::Old) } else { Ok(()) }
    }

    /// Without acknowledgements, what is delivered is settled with it.
    fn delivered_and_settled(&mut self, pair: SequencePair, count: u64) -> Applied {
        if count != 1 {
            return Applied { is_changed: false, refused: Some(Refused::NoAckPolicy) };
        }
        if pair.consumer <= self.ack_floor.consumer {
            return Applied::NOTHING;
        }
        self.changed(|state| {
            if pair.consumer > state.delivered.consumer {
                state.delivered.consumer = pair.consumer;
                state.ack_floor.consumer = pair.consumer;
            }
            if pair.stream > state.delivered.stream {
                state.delivered.stream = pair.stream;
                state.ack_floor.stream = pair.stream;
            }
        })
    }

    fn delivered(
        &mut self,
        pair: SequencePair,
        count: u64,
        timestamp: Timestamp,
        max_deliver: Option<u64>,
    ) -> Applied {
        // Replayed from before the floor.
        if pair.consumer <= self.ack_floor.consumer {
            return Applied::NOTHING;
        }
        if pair.stream > self.delivered.stream {
            self.pending.insert(pair.stream, Pending { consumer: pair.consumer, timestamp });
        } else if let Some(pending) = self.pending.get_mut(&pair.stream) {
            // The consumer sequence stays that of the first delivery.
            pending.timestamp = timestamp;
        }
        self.delivered.consumer = self.delivered.consumer.max(pair.consumer);
        self.delivered.stream = self.delivered.stream.max(pair.stream);
        if count > 1 {
            if max_deliver.is_some_and(|max| count > max) {
                self.pending.remove(&pair.stream);
            }
            let again = self.redelivered.entry(pair.stream).or_default();
            *again = (*again).max(count - 1);
        }
        Applied { is_changed: true, refused: None }
    }

    fn acked(&mut self, pair: SequencePair, policy: AckPolicy) -> Applied {
        if policy == AckPolicy::None {
            return Applied { is_changed: false, refused: Some(Refused::NoAckPolicy) };
        }
        // Whatever becomes of the rest.
        let is_changed = self.redelivered.remove(&pair.stream).is_some();
        // Replayed from before the floor.
        if pair.consumer <= self.ack_floor.consumer {
            return Applied { is_changed, refused: None };
        }
        let Some(&pending) = self.pending.get(&pair.stream) else {
            return Applied { is_changed, refused: Some(Refused::NotPending) };
        };
        match policy {
            AckPolicy::None => unreachable!("refused above"),
            AckPolicy::All => self.settle_up_to(pair),
            AckPolicy::Explicit => self.settle_one(pair, pending),
        }
        Applied { is_changed: true, refused: None }
    }

    /// Settles `pair` and all pending before it. Which counts of redelivery go with them follows the reference: where the
    /// way from the floor is longer than the list of what is pending, only theirs; else also those in between, down to the
    /// lowest pending one once nothing else is pending.
    fn settle_up_to(&mut self, pair: SequencePair) {
        let floor = std::mem::replace(&mut self.ack_floor, pair);
        let gap = pair.stream.wrapping_sub(floor.stream);
        if gap == 0 {
            return;
        }
        let count = self.pending.len() as u64;
        let mut settled = take_up_to(&mut self.pending, pair.stream);
        if gap > count {
            for seq in settled.keys() {
                self.redelivered.remove(seq);
            }
            return;
        }
        // A state that was taken over as it is may have something pending below its floor. It stays.
        let below = take_up_to(&mut settled, floor.stream);
        self.pending.extend(below);
        let lowest_settled = settled.first_key_value().map_or(pair.stream, |(&seq, _)| seq);
        let lowest = if self.pending.is_empty() { lowest_settled } else { floor.stream + 1 };
        let gone: Vec<u64> = self.redelivered.range(lowest..=pair.stream).map(|(&seq, _)| seq).collect();
        for seq in gone {
            self.redelivered.remove(&seq);
        }
    }

    fn settle_one(&mut self, pair: SequencePair, pending: Pending) {
        self.pending.remove(&pair.stream);
        let first = pending.consumer;
        let consumer = if first > 0 { pair.consumer.min(first) } else { pair.consumer };
        if self.pending.is_empty() {
            self.ack_floor = self.delivered;
            return;
        }
        if self.ack_floor.consumer.checked_add(1) != Some(consumer) {
            return;
        }
        self.ack_floor = SequencePair { consumer, stream: pair.stream };
        if self.delivered.consumer <= consumer {
            return;
        }
        // Up to just before the next that is pending: what lies between was settled out of order, or never was for this
        // consumer.
        let behind = (Excluded(pair.stream), Included(self.delivered.stream));
        if pair.stream < self.delivered.stream
            && let Some((&seq, next)) = self.pending.range(behind).next()
            && next.consumer > 0
        {
            self.ack_floor = SequencePair { consumer: next.consumer - 1, stream: seq - 1 };
        }
    }

    fn skipped(&mut self, stream: u64, policy: AckPolicy) -> Applied {
        if stream <= self.delivered.stream {
            return Applied::NOTHING;
        }
        self.delivered.stream = stream;
        if policy == AckPolicy::None {
            self.ack_floor.stream = stream;
        }
        Applied { is_changed: true, refused: None }
    }

    /// Runs `change`, which moves sequences only.
    fn changed(&mut self, change: impl FnOnce(&mut Self)) -> Applied {
        let before = (self.delivered, self.ack_floor);
        change(self);
        Applied { is_changed: before != (self.delivered, self.ack_floor), refused: None }
    }
}

/// Takes out what is at or below `seq`.
fn take_up_to<V>(map: &mut BTreeMap<u64, V>, seq: u64) -> BTreeMap<u64, V> {
    let above = seq.checked_add(1).map_or_else(BTreeMap::new, |next| map.split_off(&next));
    std::mem::replace(map, above)
}

impl Applied {
    const NOTHING: Self = Self { is_changed: false, refused: None };
}

#[cfg(test)]
pub(super) mod tests;

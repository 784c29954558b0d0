//! Between a shard's broker and its lanes.

use std::time::Instant;

use natrium_broker::{Batch, Broker};
use natrium_shards::{LaneEnds, Parcel};

/// Bytes staged for a full lane at which this shard's publishers stop being read.
const STAGED_BYTES_MAX: usize = 1024 * 1024;

/// Batches of interest that may wait for a shard to wake up by itself, and bytes of each: what the interest of shards that
/// sleep costs in memory.
const QUIET_BATCHES_MAX: usize = 64;
const QUIET_BYTES_MAX: usize = 4 * 1024;

/// How far [`push`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Shards that got something, one bit each: they are to be woken.
    pub(crate) reached: u64,
    /// All changes of interest are in their lanes.
    pub(crate) interest_done: bool,
    /// Everything is.
    pub(crate) all_done: bool,
}

/// Pushes what the broker has staged: interest to all shards first, then messages.
pub(crate) fn push(broker: &mut Broker, lanes: &LaneEnds<Batch>, shards: usize) -> Pushed {
    let mut pushed = Pushed { reached: 0, interest_done: true, all_done: true };
    if !broker.has_staged() {
        return pushed;
    }
    let empty = |to| move || lanes.take_returned(to).unwrap_or_default();
    for to in 0..shards {
        let Some(notices) = broker.take_notices(to, empty(to)) else { continue };
        let is_urgent = notices.is_urgent() || notices.size() > QUIET_BYTES_MAX;
        match lanes.push_control(to, notices) {
            // Interest by itself wakes nobody: a shard looks into its lanes before it acts on anything.
            Ok(waiting) if waiting < QUIET_BATCHES_MAX && !is_urgent => {}
            Ok(_) => pushed.reached |= 1 << to,
            Err(notices) => {
                broker.restore_notices(to, notices);
                (pushed.interest_done, pushed.all_done) = (false, false);
            }
        }
    }
    if !pushed.interest_done {
        return pushed;
    }
    for to in 0..shards {
        let Some(messages) = broker.take_messages(to, empty(to)) else { continue };
        let bytes = messages.size();
        match lanes.push_data(to, messages, bytes) {
            Ok(()) => pushed.reached |= 1 << to,
            Err(messages) => {
                broker.restore_messages(to, messages);
                pushed.all_done = false;
            }
        }
    }
    pushed
}

/// Takes in everything other shards have sent; `after` is called behind each batch. `drained` hears how many messages each lane
/// had that had any.
pub(crate) fn drain(
    broker: &mut Broker,
    lanes: &LaneEnds<Batch>,
    now: Instant,
    mut after: impl FnMut(&mut Broker),
    drained: impl Fn(u64),
) {
    let (mut lane, mut messages) = (0, 0);
    lanes.drain(|from, parcel| {
        if lane != from {
            lane = from;
            if messages > 0 {
                drained(std::mem::take(&mut messages));
            }
        }
        let mut batch = match parcel {
            Parcel::Control(batch) => {
                broker.receive_notices(from, &batch);
                batch
            }
            Parcel::Data(batch) => {
                messages += u64::from(batch.messages());
                broker.receive_messages(from, &batch, now);
                batch
            }
        };
        batch.reset();
        lanes.give_back(from, batch);
        after(broker);
    });
    if messages > 0 {
        drained(messages);
    }
}

/// Whether a lane is so far behind that publishers must rest.
pub(crate) fn is_backed_up(broker: &Broker, shards: usize) -> bool {
    (0..shards).any(|to| broker.staged_bytes(to) > STAGED_BYTES_MAX)
}

//! The message that is published when a schedule is due.

use bytes::Bytes;
use natrium_model::Timestamp;
use natrium_wire::{Headers, headers};

use crate::message::Message;

use super::admit::value;
use super::pattern::{Due, Pattern};
use super::ttl::is_valid_ttl;
use super::zone::Zones;
use super::{
    NEXT, PURGE, ROLLUP, Refusal, SCHEDULE, SCHEDULE_ROLLUP, SCHEDULE_TTL, SCHEDULER, SOURCE, TARGET, TTL,
    rfc3339,
};

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub subject: Bytes,
    pub headers: Vec<u8>,
    pub payload: Bytes,
    /// When the schedule is due again. `None`: it was its only time, and the schedule is purged with this message.
    pub next: Option<Due>,
}

/// The subject whose last message is to be given to [`deliver`].
#[must_use]
pub fn source_of(schedule: &Message) -> Option<&[u8]> {
    value(Headers::new(&schedule.headers), SOURCE)
}

/// What `schedule`, which was due at `due`, publishes. `source` is the last message of [`source_of`], whose content is
/// published if there is one, the schedule's own if there is none.
///
/// # Errors
/// The message is no schedule, and not to be asked again: [`Refusal::TimeZone`], [`Refusal::Pattern`], [`Refusal::Ttl`],
/// [`Refusal::Target`].
pub fn deliver(
    schedule: &Message,
    due: Timestamp,
    now: Timestamp,
    source: Option<&Message>,
    zones: &Zones,
) -> Result<Delivery, Refusal> {
    let asked = Headers::new(&schedule.headers);
    let pattern = Pattern::of(asked, zones)?.ok_or(Refusal::Pattern)?;
    let next = if pattern.repeats() { Some(pattern.next(due, now)?) } else { None };
    let ttl = value(asked, SCHEDULE_TTL);
    if !ttl.is_none_or(is_valid_ttl) {
        return Err(Refusal::Ttl);
    }
    let target = value(asked, TARGET).ok_or(Refusal::Target)?;

    let content = source.unwrap_or(schedule);
    let mut block = content.headers.to_vec();
    strip(&mut block);
    headers::append(&mut block, SCHEDULER, &schedule.subject);
    match next {
        Some(due) => {
            let time = rfc3339::display(due.at, due.utc_offset_s).to_string();
            headers::append(&mut block, NEXT, time.as_bytes());
        }
        None => headers::append(&mut block, NEXT, PURGE),
    }
    for (name, value) in [(TTL, ttl), (ROLLUP, value(asked, SCHEDULE_ROLLUP))] {
        if let Some(value) = value {
            headers::append(&mut block, name, value);
        }
    }
    Ok(Delivery {
        subject: schedule.headers.slice_ref(target),
        headers: block,
        payload: content.payload.clone(),
        next,
    })
}

/// What made the message a schedule, and what could keep it from being stored again.
fn strip(block: &mut Vec<u8>) {
    // `Nats-Schedule` itself, all that begin so, and `Nats-Scheduler`.
    headers::remove_prefixed(block, SCHEDULE);
    headers::remove_prefixed(block, b"Nats-Expected-");
    for name in [b"Nats-Msg-Id", TTL, ROLLUP] {
        headers::remove(block, name);
    }
}

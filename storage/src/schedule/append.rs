//! What a message that is stored does to the schedules of its stream.

use natrium_model::Timestamp;
use natrium_wire::Headers;

use super::admit::value;
use super::pattern::Pattern;
use super::zone::Zones;
use super::{NEXT, PURGE, SCHEDULER, rfc3339};

/// What is to be done beside storing a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnAppend<'a> {
    /// The message is a schedule and due then; an earlier schedule of its subject is none any more.
    pub due: Option<Timestamp>,
    /// Whatever schedule its subject had is none any more: a client wrote something else there. What a schedule delivered to
    /// that subject changes nothing.
    pub ends_schedule: bool,
    /// A schedule that this message was made by goes on.
    pub rearms: Option<Rearmed<'a>>,
}

/// The schedule of a subject gets another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rearmed<'a> {
    pub subject: &'a [u8],
    pub due: Timestamp,
}

/// Reads the headers of a message that was stored at `timestamp`; what was checked when it was published is not checked again.
#[must_use]
pub fn on_append<'a>(
    headers: Headers<'a>,
    timestamp: Timestamp,
    now: Timestamp,
    zones: &Zones,
) -> OnAppend<'a> {
    let scheduler = value(headers, SCHEDULER);
    let pattern = Pattern::of(headers, zones).ok().flatten();
    let due = pattern.and_then(|pattern| pattern.next(timestamp, now).ok()).map(|due| due.at);
    let rearms = match (value(headers, NEXT), scheduler) {
        (Some(next), Some(subject)) if next != PURGE => {
            rfc3339::parse(next).map(|next| Rearmed { subject, due: next.timestamp() })
        }
        (Some(_) | None, _) => None,
    };
    OnAppend { due, ends_schedule: due.is_none() && scheduler.is_none(), rearms }
}

//! What a client may publish where schedules are concerned.

use std::borrow::Cow;

use natrium_model::Timestamp;
use natrium_subject::collides;
use natrium_subject::grammar::is_valid_subject;
use natrium_wire::{Headers, headers};

use super::pattern::{Due, Pattern};
use super::ttl::is_valid_ttl;
use super::zone::Zones;
use super::{
    NEXT, PURGE, ROLLUP, ROLLUP_SUBJECT, Refusal, SCHEDULE, SCHEDULE_ROLLUP, SCHEDULE_TTL, SCHEDULER, SOURCE,
    TARGET,
};

/// A message as a client published it. What a stream takes from another was checked there.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    pub subject: &'a [u8],
    /// The header block; empty without headers.
    pub headers: &'a [u8],
    pub now: Timestamp,
}

/// What the stream's configuration allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// `allow_msg_schedules`.
    pub schedules: bool,
    /// `allow_msg_ttl`.
    pub ttl: bool,
    /// `subjects`.
    pub subjects: &'a [&'a [u8]],
}

/// A message that may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted<'a> {
    /// It is a schedule, and first due then.
    pub due: Option<Due>,
    /// The headers as they are stored: a schedule replaces what its subject had, so it gets a rollup.
    pub headers: Cow<'a, [u8]>,
    /// The subject whose schedule it purges, if [`check_purged`] finds nothing against it.
    pub purges: Option<&'a [u8]>,
}

/// Checks what the headers say of schedules, in the reference's order.
///
/// # Errors
/// Any [`Refusal`].
pub fn admit<'a>(
    publication: &Publication<'a>,
    allowed: &Allowed<'_>,
    zones: &Zones,
) -> Result<Admitted<'a>, Refusal> {
    let block = Headers::new(publication.headers);
    // Whatever is wrong with a pattern, a stream without schedules says that it has none.
    let enabled = |refusal| if allowed.schedules { refusal } else { Refusal::Disabled };
    let pattern = Pattern::of(block, zones).map_err(enabled)?;
    let mut admitted = Admitted { due: None, headers: Cow::Borrowed(publication.headers), purges: None };
    if let Some(pattern) = pattern {
        admitted.due = Some(pattern.next(publication.now, publication.now).map_err(enabled)?);
        check_schedule(publication.subject, block, allowed)?;
        if block.value(ROLLUP).unwrap_or_default().is_empty() {
            headers::append(admitted.headers.to_mut(), ROLLUP, ROLLUP_SUBJECT);
        }
    }
    admitted.purges = purged(publication.subject, block, allowed)?;
    Ok(admitted)
}

/// Checks the last message of the subject whose schedule is to be purged. None at all is no mistake.
///
/// # Errors
/// [`Refusal::Scheduler`] where it is no schedule.
pub fn check_purged(last: Option<Headers<'_>>) -> Result<(), Refusal> {
    match last {
        Some(headers) if value(headers, SCHEDULE).is_none() => Err(Refusal::Scheduler),
        Some(_) | None => Ok(()),
    }
}

fn check_schedule(subject: &[u8], block: Headers<'_>, allowed: &Allowed<'_>) -> Result<(), Refusal> {
    let refuse_unless = |holds: bool, refusal| if holds { Ok(()) } else { Err(refusal) };
    let is_the_streams = |subject: &[u8]| allowed.subjects.iter().any(|filter| collides(filter, subject));

    refuse_unless(allowed.schedules, Refusal::Disabled)?;
    let ttl = value(block, SCHEDULE_TTL);
    refuse_unless(ttl.is_none_or(is_valid_ttl), Refusal::Ttl)?;
    refuse_unless(
        value(block, SCHEDULE_ROLLUP).is_none_or(|rollup| rollup == ROLLUP_SUBJECT),
        Refusal::Rollup,
    )?;
    refuse_unless(ttl.is_none() || allowed.ttl, Refusal::TtlDisabled)?;

    let target = value(block, TARGET).unwrap_or_default();
    refuse_unless(is_valid_subject(target) && target != subject, Refusal::Target)?;
    let source = value(block, SOURCE);
    let is_apart = |source| source != target && source != subject && is_valid_subject(source);
    refuse_unless(source.is_none_or(is_apart), Refusal::Source)?;
    refuse_unless(is_the_streams(target), Refusal::Target)?;
    refuse_unless(source.is_none_or(is_the_streams), Refusal::Source)?;

    // A rollup of the stream would take more than the subject's schedule.
    let rollup = value(block, ROLLUP);
    refuse_unless(rollup.is_none_or(|rollup| rollup.eq_ignore_ascii_case(ROLLUP_SUBJECT)), Refusal::Rollup)
}

/// `Nats-Schedule-Next` and `Nats-Scheduler` are the server's own, but for a client that ends a schedule.
fn purged<'a>(
    subject: &[u8],
    block: Headers<'a>,
    allowed: &Allowed<'_>,
) -> Result<Option<&'a [u8]>, Refusal> {
    let scheduler = value(block, SCHEDULER);
    match (value(block, NEXT), scheduler) {
        (None, None) => Ok(None),
        (Some(next), Some(scheduler))
            if next == PURGE && scheduler != subject && is_valid_subject(scheduler) =>
        {
            if allowed.schedules {
                Ok(Some(scheduler))
            } else {
                Err(Refusal::Disabled)
            }
        }
        (Some(_) | None, _) => Err(Refusal::Scheduler),
    }
}

/// The value of a header that is there and not empty.
pub(super) fn value<'a>(block: Headers<'a>, name: &[u8]) -> Option<&'a [u8]> {
    block.value(name).filter(|value| !value.is_empty())
}

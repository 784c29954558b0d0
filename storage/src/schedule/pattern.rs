//! The pattern of a schedule: one time, an interval, or cron.

use natrium_model::{Timestamp, go_duration};
use natrium_wire::Headers;

use super::cron::Cron;
use super::rfc3339::{self, Instant};
use super::zone::{Zone, Zones};
use super::{Refusal, SCHEDULE, TIME_ZONE};

/// When a message is due, again and again or once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `@at`: once.
    At(Timestamp),
    /// `@every`: nanoseconds, a second at least.
    Every(i64),
    /// Six fields, or `@daily` and its like.
    Cron(CronIn),
}

/// A cron pattern in the zone whose clock it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronIn {
    cron: Cron,
    zone: Zone,
}

/// A time that a pattern names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub at: Timestamp,
    /// Seconds east of UTC, of the zone that the pattern is meant in: times in headers are written with it.
    pub utc_offset_s: i32,
}

impl Pattern {
    /// What the headers ask for. `None`: the message is no schedule, also where its pattern is Go's zero time.
    ///
    /// # Errors
    /// [`Refusal::TimeZone`], told first and also of messages without a pattern; [`Refusal::Pattern`].
    pub fn of(headers: Headers<'_>, zones: &Zones) -> Result<Option<Self>, Refusal> {
        let zone = match headers.value(TIME_ZONE) {
            Some(name) => Some(zones.get(name).ok_or(Refusal::TimeZone)?),
            None => None,
        };
        match headers.value(SCHEDULE) {
            None | Some(b"") => Ok(None),
            Some(text) => Self::parse(text, zone),
        }
    }

    fn parse(text: &[u8], zone: Option<Zone>) -> Result<Option<Self>, Refusal> {
        let text = std::str::from_utf8(text).map_err(|_| Refusal::Pattern)?;
        if let Some(time) = text.strip_prefix("@at ") {
            let time = rfc3339::parse(time.as_bytes()).ok_or(Refusal::Pattern)?;
            no_zone(zone)?;
            return Ok((time != Instant::ZERO).then(|| Self::At(time.timestamp())));
        }
        if let Some(interval) = text.strip_prefix("@every ") {
            no_zone(zone)?;
            let interval_ns = go_duration(interval).map_err(|_| Refusal::Pattern)?;
            return if interval_ns < NANOS_A_SECOND {
                Err(Refusal::Pattern)
            } else {
                Ok(Some(Self::Every(interval_ns)))
            };
        }
        let cron =
            Cron::parse(NAMED.iter().find(|(name, _)| *name == text).map_or(text, |(_, fields)| fields))
                .ok_or(Refusal::Pattern)?;
        Ok(Some(Self::Cron(CronIn { cron, zone: zone.unwrap_or(Zone::UTC) })))
    }

    /// Whether there is another time after the first.
    #[must_use]
    pub fn repeats(&self) -> bool {
        match self {
            Self::At(_) => false,
            Self::Every(_) | Self::Cron(_) => true,
        }
    }

    /// The time that follows `after`: when the message was stored, or when it was due last. Times that have passed by `now`
    /// are left out together: what was missed is made up for once, not once for each of them.
    ///
    /// # Errors
    /// [`Refusal::Pattern`] where there is none in the next five years.
    pub fn next(&self, after: Timestamp, now: Timestamp) -> Result<Due, Refusal> {
        match self {
            Self::At(at) => Ok(Due { at: *at, utc_offset_s: 0 }),
            Self::Every(interval_ns) => {
                let behind = |time| Timestamp(rounded(time).0.saturating_add(*interval_ns));
                let next = behind(after);
                Ok(Due { at: if next < now { behind(now) } else { next }, utc_offset_s: 0 })
            }
            Self::Cron(CronIn { cron, zone }) => {
                let next = |after: Timestamp| {
                    let second = cron.next(after.0.div_euclid(NANOS_A_SECOND), zone)?;
                    let at = Timestamp(second.saturating_mul(NANOS_A_SECOND));
                    Some(Due { at, utc_offset_s: zone.offset(second) })
                };
                let due = next(after).ok_or(Refusal::Pattern)?;
                if due.at < now { next(rounded(now)).ok_or(Refusal::Pattern) } else { Ok(due) }
            }
        }
    }
}

/// Only cron patterns are meant by a clock on a wall.
fn no_zone(zone: Option<Zone>) -> Result<(), Refusal> {
    if zone.is_some() { Err(Refusal::Pattern) } else { Ok(()) }
}

/// To the nearest second, a half up.
fn rounded(time: Timestamp) -> Timestamp {
    let over = time.0.rem_euclid(NANOS_A_SECOND);
    let down = time.0.saturating_sub(over);
    Timestamp(if over < NANOS_A_SECOND / 2 { down } else { down.saturating_add(NANOS_A_SECOND) })
}

const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
    ("@monthly", "0 0 0 1 * *"),
    ("@weekly", "0 0 0 * * 0"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@hourly", "0 0 * * * *"),
];
const NANOS_A_SECOND: i64 = 1_000_000_000;

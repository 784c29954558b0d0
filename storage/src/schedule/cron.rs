//! Cron patterns of six fields: second, minute, hour, day of the month, month, day of the week.
//!
//! The dialect is that of the Go library robfig/cron as the reference has it, which no crate speaks: the second comes first and
//! the day of the week ends at 6, `?` is `*`, `5/10` is `5-59/10`, and a time counts where either day matches, unless one of
//! them is `*`. Around changes of the clocks its way of stepping decides what is skipped, so that is kept too.

use super::zone::{Local, Zone};

/// The times that a pattern names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// Bit n of a field: n counts. In the order of [`Unit::DESCENDING`], but the days of the week, which stand by themselves.
    fields: [u64; 5],
    weekdays: u64,
    /// A day must match both fields.
    is_either_day_any: bool,
}

impl Cron {
    /// `None` for what the reference refuses, and where fields like `,` name nothing: that has no next time, which is refused
    /// in the same words, and the reference takes long to find out.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let mut next = |bounds: &Bounds| parse_field(fields.next()?, bounds);
        let (second, minute, hour) = (next(&SECONDS)?, next(&MINUTES)?, next(&HOURS)?);
        let (day, month, weekday) = (next(&DAYS)?, next(&MONTHS)?, next(&WEEKDAYS)?);
        let is_either_day_any = day.is_any || weekday.is_any;
        let is_empty = |field: &Field| field.bits == 0;
        let has_no_day = if is_either_day_any {
            is_empty(&day) || is_empty(&weekday)
        } else {
            is_empty(&day) && is_empty(&weekday)
        };
        if fields.next().is_some()
            || has_no_day
            || [&second, &minute, &hour, &month].into_iter().any(is_empty)
        {
            return None;
        }
        Some(Self {
            fields: [month.bits, day.bits, hour.bits, minute.bits, second.bits],
            weekdays: weekday.bits,
            is_either_day_any,
        })
    }

    /// The first time after `after`, both in seconds since the Unix epoch. `None` if there is none in five years.
    pub(super) fn next(&self, after: i64, zone: &Zone) -> Option<i64> {
        let mut time = after.checked_add(1)?;
        let last_year = zone.local(time).year + YEARS_AHEAD;
        // Units below the first that had to move begin at their lowest.
        let mut is_cut = false;
        'again: loop {
            let mut local = zone.local(time);
            if local.year > last_year {
                return None;
            }
            for unit in Unit::DESCENDING {
                while !self.matches(unit, &local) {
                    if !is_cut {
                        is_cut = true;
                        time = unit.begin(time, zone)?;
                    }
                    time = unit.step(time, zone)?;
                    local = zone.local(time);
                    if unit.is_lowest(&local) {
                        // The greater units have changed as well.
                        continue 'again;
                    }
                }
            }
            return Some(time);
        }
    }

    fn matches(&self, unit: Unit, local: &Local) -> bool {
        let has = |bits: u64, value: u32| bits & (1 << value) != 0;
        let is_named = has(self.fields[unit as usize], unit.value(local));
        if unit != Unit::Day {
            return is_named;
        }
        let is_weekday = has(self.weekdays, local.weekday());
        if self.is_either_day_any { is_named && is_weekday } else { is_named || is_weekday }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    const DESCENDING: [Self; 5] = [Self::Month, Self::Day, Self::Hour, Self::Minute, Self::Second];

    fn value(self, local: &Local) -> u32 {
        match self {
            Self::Month => local.month,
            Self::Day => local.day,
            Self::Hour => local.hour,
            Self::Minute => local.minute,
            Self::Second => local.second,
        }
    }

    fn is_lowest(self, local: &Local) -> bool {
        let lowest = match self {
            Self::Month | Self::Day => 1,
            Self::Hour | Self::Minute | Self::Second => 0,
        };
        self.value(local) == lowest
    }

    /// Where the unit that `time` is in begins.
    fn begin(self, time: i64, zone: &Zone) -> Option<i64> {
        let local = zone.local(time);
        let hour = Local { minute: 0, second: 0, ..local };
        match self {
            Self::Month => zone.unix(Local { day: 1, hour: 0, ..hour }),
            Self::Day => zone.unix(Local { hour: 0, ..hour }),
            Self::Hour => zone.unix(hour),
            Self::Minute => Some(time - time.rem_euclid(60)),
            Self::Second => Some(time),
        }
    }

    /// Months and days by the calendar, the rest by the clock: an hour is 3600 s also where the clocks change.
    fn step(self, time: i64, zone: &Zone) -> Option<i64> {
        let local = zone.local(time);
        // Where a zone left a day out (Samoa, 2011-12-30), the next day is the one that is over. Not to stand still there.
        let at_least = time.checked_add(3600)?;
        match self {
            Self::Month => Some(zone.unix(Local { month: local.month + 1, ..local })?.max(at_least)),
            Self::Day => Some(zone.unix(Local { day: local.day + 1, ..local })?.max(at_least)),
            Self::Hour => Some(at_least),
            Self::Minute => time.checked_add(60),
            Self::Second => time.checked_add(1),
        }
    }
}

struct Field {
    bits: u64,
    /// Has a `*` that no step thins out.
    is_any: bool,
}

struct Bounds {
    min: u64,
    max: u64,
    /// Of the values from `min`.
    names: &'static [&'static str],
}

/// A field: ranges between commas, which may be none.
fn parse_field(text: &str, bounds: &Bounds) -> Option<Field> {
    let mut field = Field { bits: 0, is_any: false };
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let range = parse_range(range, bounds)?;
        field.bits |= range.bits;
        field.is_any |= range.is_any;
    }
    Some(field)
}

/// `*`, `n` or `n-m`, each also with `/step`.
fn parse_range(text: &str, bounds: &Bounds) -> Option<Field> {
    let mut halves = text.split('/');
    let mut ends = halves.next()?.split('-');
    let (step, has_step) = match halves.next() {
        Some(step) => (parse_number(step)?, true),
        None => (1, false),
    };
    let low = ends.next()?;
    let is_star = matches!(low, "*" | "?");
    let (start, end) = if is_star {
        // What stands behind the hyphen of `*-5` counts for nothing.
        (bounds.min, bounds.max)
    } else {
        let start = parse_value(low, bounds)?;
        match ends.next() {
            Some(high) => (start, parse_value(high, bounds)?),
            None if has_step => (start, bounds.max),
            None => (start, start),
        }
    };
    let is_too_long = halves.next().is_some() || (!is_star && ends.next().is_some());
    if is_too_long || step == 0 || start < bounds.min || end > bounds.max || start > end {
        return None;
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let bits = (start..=end).step_by(step).fold(0, |bits, value| bits | 1 << value);
    Some(Field { bits, is_any: is_star && step == 1 })
}

fn parse_value(text: &str, bounds: &Bounds) -> Option<u64> {
    let named = (bounds.min..).zip(bounds.names).find(|(_, name)| text.eq_ignore_ascii_case(name));
    named.map(|(value, _)| value).or_else(|| parse_number(text))
}

/// A sign in front is no mistake; there is no `-`, which has parted the text before.
fn parse_number(text: &str) -> Option<u64> {
    let number: i64 = text.parse().ok()?;
    u64::try_from(number).ok()
}

/// The reference's patience with patterns like 30 February.
const YEARS_AHEAD: i64 = 5;

const SECONDS: Bounds = Bounds { min: 0, max: 59, names: &[] };
const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

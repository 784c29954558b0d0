//! Time zones, and the calendar in them.
//!
//! Which instant a local time names is ambiguous where clocks go back and open where they go forward. The answers here are
//! those of Go's `time.Date`, and a schedule fires when the reference's does also on those days.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The time zones there are.
///
/// The names are jiff's in the signature: which database an operator's server reads is the server's to decide, and jiff
/// reads them all.
#[derive(Clone, Debug)]
pub struct Zones {
    database: TimeZoneDatabase,
    local: TimeZone,
}

impl Zones {
    /// `local` is what the name `Local` stands for.
    #[must_use]
    pub fn new(database: TimeZoneDatabase, local: TimeZone) -> Self {
        Self { database, local }
    }

    /// Those compiled in, with UTC for the local one: no file is read, and each server has the same.
    #[must_use]
    pub fn bundled() -> Self {
        Self::new(TimeZoneDatabase::bundled(), TimeZone::UTC)
    }

    /// Names are matched by case, as file names are.
    pub(super) fn get(&self, name: &[u8]) -> Option<Zone> {
        let name = std::str::from_utf8(name).ok()?;
        if name == "Local" {
            return Some(Zone(self.local.clone()));
        }
        // jiff's name for a zone that cannot be told, and no zone of the database.
        if name == "Etc/Unknown" {
            return None;
        }
        let zone = self.database.get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Zone(zone))
    }
}

/// One time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone(TimeZone);

impl Zone {
    pub(super) const UTC: Self = Self(TimeZone::UTC);

    /// Seconds east of UTC at `unix` seconds.
    pub(super) fn offset(&self, unix: i64) -> i32 {
        // Out of reach of jiff's calendar no clock was ever changed.
        jiff::Timestamp::from_second(unix).map_or(0, |time| self.0.to_offset(time).seconds())
    }

    pub(super) fn local(&self, unix: i64) -> Local {
        let offset = self.offset(unix);
        let civil = natrium_model::UnixSeconds(unix + i64::from(offset)).civil();
        Local {
            year: civil.year,
            month: civil.month,
            day: civil.day,
            hour: civil.hour,
            minute: civil.minute,
            second: civil.second,
        }
    }

    /// Seconds since the Unix epoch of a local time. Months and days beyond the last are those of the next year and month.
    /// `None` far from any year a schedule is about.
    pub(super) fn unix(&self, local: Local) -> Option<i64> {
        let months = local.year * 12 + i64::from(local.month) - 1;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
        let days = days_since_epoch(first)? + i64::from(local.day) - 1;
        let of_day = i64::from(local.hour * 3600 + local.minute * 60 + local.second);
        let as_utc = days * SECONDS_A_DAY + of_day;
        // The offset at the time read as UTC is a guess, and right but near a change of the clocks; what holds at the time
        // it leads to is taken then, whether that is the time's own or not.
        let guess = as_utc - i64::from(self.offset(as_utc));
        Some(as_utc - i64::from(self.offset(guess)))
    }
}

/// A date and a time of day, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: u32,
    /// From 1.
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
}

impl Local {
    /// From 0, which is Sunday. The date is one that [`Zone::local`] gave.
    pub(super) fn weekday(&self) -> u32 {
        let date = date(self.year, self.month, self.day).map(Date::weekday);
        date.map_or(0, |weekday| weekday.to_sunday_zero_offset().unsigned_abs().into())
    }
}

/// A date of the calendar, where it is one.
pub(super) fn date(year: i64, month: u32, day: u32) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Days from 1970-01-01.
pub(super) fn days_since_epoch(date: Date) -> Option<i64> {
    let span = date.since((jiff::Unit::Day, Date::constant(1970, 1, 1))).ok()?;
    Some(span.get_days().into())
}

pub(super) const SECONDS_A_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(zone: &str, local: (i64, u32, u32, u32, u32)) -> String {
        let zone = Zones::bundled().get(zone.as_bytes()).unwrap();
        let (year, month, day, hour, minute) = local;
        let unix = zone.unix(Local { year, month, day, hour, minute, second: 0 }).unwrap();
        natrium_model::UnixSeconds(unix).civil().to_string()
    }

    #[test]
    fn names_are_those_of_the_database_by_case() {
        let zones = Zones::bundled();
        for name in
            ["UTC", "GMT", "Etc/UTC", "Etc/GMT+5", "Europe/Amsterdam", "America/New_York", "CET", "Local"]
        {
            assert!(zones.get(name.as_bytes()).is_some(), "{name}");
        }
        for name in [
            "",
            "utc",
            "europe/amsterdam",
            "Europe/Amsterdam ",
            "Europe",
            "Mars/Phobos",
            "Etc/Unknown",
            "+01:00",
        ] {
            assert!(zones.get(name.as_bytes()).is_none(), "{name}");
        }
        for name in ["../etc/passwd", "/etc/passwd", "\\x", "Europe/../UTC"] {
            assert!(zones.get(name.as_bytes()).is_none(), "{name}");
        }
        assert!(zones.get(b"Europe/\xff").is_none());
    }

    #[test]
    fn the_local_zone_is_the_given_one() {
        let zones = Zones::new(TimeZoneDatabase::bundled(), TimeZone::get("Asia/Kolkata").unwrap());
        assert_eq!(zones.get(b"Local").unwrap().offset(0), 5 * 3600 + 1800);
        assert_eq!(Zones::bundled().get(b"Local").unwrap().offset(0), 0);
    }

    // Asked of Go 1.26: time.Date(..).UTC().
    #[test]
    fn open_and_ambiguous_times_are_gos() {
        for (zone, local, expected) in [
            ("Europe/Amsterdam", (2026, 3, 29, 2, 30), "2026-03-29T01:30:00Z"),
            ("Europe/Amsterdam", (2026, 10, 25, 2, 30), "2026-10-25T01:30:00Z"),
            ("America/New_York", (2026, 3, 8, 2, 30), "2026-03-08T06:30:00Z"),
            ("America/New_York", (2026, 11, 1, 1, 30), "2026-11-01T05:30:00Z"),
            ("America/Sao_Paulo", (2018, 11, 4, 0, 0), "2018-11-04T02:00:00Z"),
            ("Australia/Lord_Howe", (2026, 10, 4, 2, 15), "2026-10-03T15:45:00Z"),
            ("UTC", (2026, 13, 32, 0, 0), "2027-02-01T00:00:00Z"),
            ("UTC", (2024, 2, 30, 0, 0), "2024-03-01T00:00:00Z"),
        ] {
            assert_eq!(instant(zone, local), expected, "{zone} {local:?}");
        }
    }
}

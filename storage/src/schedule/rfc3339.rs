//! RFC 3339 as Go's `time.Parse` reads it and its `time.RFC3339Nano` writes it.
//!
//! The reading is laxer than the standard: an hour of one digit, a comma before the fraction of a second, offsets of 24 hours
//! and 60 minutes. Clients' schedules pass through it, so its oddities are kept.

use std::fmt;

use natrium_model::{Timestamp, UnixSeconds};

use super::zone::{SECONDS_A_DAY, date, days_since_epoch};

/// Seconds since the Unix epoch, and the nanoseconds of the second. The years are 0 to 9999, more than a [`Timestamp`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant {
    seconds: i64,
    nanos: u32,
}

impl Instant {
    /// Go's zero time, the first moment of year 1, which the reference takes for no time at all.
    pub(super) const ZERO: Self = Self { seconds: -62_135_596_800, nanos: 0 };

    /// Pinned to the ends of what a timestamp reaches.
    pub(super) fn timestamp(self) -> Timestamp {
        let nanos = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        let end = if nanos < 0 { i64::MIN } else { i64::MAX };
        Timestamp(i64::try_from(nanos).unwrap_or(end))
    }
}

/// `None` for what Go refuses.
pub(super) fn parse(text: &[u8]) -> Option<Instant> {
    let mut rest = Rest(text);
    let year = rest.digits(4)?;
    rest.take(b'-')?;
    let month = rest.digits(2)?;
    rest.take(b'-')?;
    let day = rest.digits(2)?;
    rest.take(b'T')?;
    let hour = if rest.0.get(1).is_some_and(u8::is_ascii_digit) { rest.digits(2)? } else { rest.digits(1)? };
    rest.take(b':')?;
    let minute = rest.digits(2)?;
    rest.take(b':')?;
    let second = rest.digits(2)?;
    let nanos = rest.fraction();
    let offset = rest.offset()?;
    if !rest.0.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_epoch(date(year.into(), month, day)?)?;
    let seconds = days * SECONDS_A_DAY + i64::from(hour * 3600 + minute * 60 + second) - offset;
    Some(Instant { seconds, nanos })
}

/// `time` in a zone `offset` seconds east of UTC, to the nanosecond and without zeros at the end.
pub(super) fn display(time: Timestamp, offset: i32) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let second = time.0.div_euclid(1_000_000_000);
        let nanosecond = time.civil().nanosecond;
        let mut civil = UnixSeconds(second + i64::from(offset)).civil();
        civil.nanosecond = nanosecond;
        if offset == 0 {
            return write!(f, "{civil}");
        }
        let text = civil.to_string();
        let minutes = (offset / 60).abs();
        let sign = if offset < 0 { '-' } else { '+' };
        write!(f, "{}{sign}{:02}:{:02}", text.trim_end_matches('Z'), minutes / 60, minutes % 60)
    })
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    }

    /// Nanoseconds; digits behind the ninth count for nothing.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', first, ..] = self.0 else { return 0 };
        if !first.is_ascii_digit() {
            return 0;
        }
        let digits = &self.0[1..];
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.0 = &digits[count..];
        let digits = digits[..count].iter().copied().chain(std::iter::repeat(b'0')).take(9);
        digits.fold(0, |number, byte| number * 10 + u32::from(byte - b'0'))
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match sign {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.digits(2)?;
        self.take(b':')?;
        let minutes = self.digits(2)?;
        (hours <= 24 && minutes <= 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
    }
}

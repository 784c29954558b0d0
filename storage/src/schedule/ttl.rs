//! The lifetime of a message as its headers say it.

use natrium_model::go_duration;

/// Whether `text` is a lifetime: `never`, a duration of a second and more, or whole seconds.
pub(super) fn is_valid_ttl(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if text.eq_ignore_ascii_case("never") {
        return true;
    }
    match go_duration(text) {
        Ok(nanos) => nanos >= NANOS_A_SECOND,
        // `0` is a duration and refused above; `00` is none, and says what an absent header says.
        Err(_) => text.parse::<i64>().is_ok_and(|seconds| seconds >= 0) && !text.starts_with(['+', '-']),
    }
}

const NANOS_A_SECOND: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_durations_seconds_or_never() {
        for text in ["never", "NEVER", "1s", "1.5s", "2h30m", "1", "3600", "00", "9223372036854775807"] {
            assert!(is_valid_ttl(text.as_bytes()), "{text}");
        }
        for text in
            ["", "0", "0s", "999ms", "-1s", "-1", "+1", "1.5", "one", "1d", " 1s", "9223372036854775808"]
        {
            assert!(!is_valid_ttl(text.as_bytes()), "{text}");
        }
        assert!(!is_valid_ttl(b"\xff"));
    }
}

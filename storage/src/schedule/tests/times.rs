use super::super::rfc3339;
use super::*;

#[test]
fn times_are_read_as_go_reads_them() {
    for row in include_str!("times.txt").lines().filter(|row| !row.starts_with('#')) {
        let (text, expected) = row.split_once('|').unwrap();
        let read = rfc3339::parse(text.as_bytes());
        if expected == "refused" {
            assert_eq!(read, None, "{text}");
        } else {
            assert_eq!(read, rfc3339::parse(expected.as_bytes()), "{text}");
            let time = read.unwrap().timestamp();
            if expected.starts_with("20") {
                assert_eq!(rfc3339::display(time, 0).to_string(), expected, "{text}");
            }
        }
    }
}

#[test]
fn times_far_away_are_pinned() {
    assert_eq!(at("2262-04-11T23:47:16.854775807Z"), Timestamp(i64::MAX));
    assert_eq!(at("2500-01-01T00:00:00Z"), Timestamp(i64::MAX));
    assert_eq!(at("1500-01-01T00:00:00Z"), Timestamp(i64::MIN));
    assert_eq!(at("1970-01-01T00:00:00Z"), Timestamp(0));
    assert_eq!(at("1969-12-31T23:59:59.9Z"), Timestamp(-100_000_000));
}

#[test]
fn times_are_written_in_their_zone() {
    let time = at("2026-12-31T23:30:00.5Z");
    for (offset, expected) in [
        (0, "2026-12-31T23:30:00.5Z"),
        (3600, "2027-01-01T00:30:00.5+01:00"),
        (-3 * 3600 - 1800, "2026-12-31T20:00:00.5-03:30"),
    ] {
        assert_eq!(rfc3339::display(time, offset).to_string(), expected);
    }
    assert_eq!(rfc3339::display(Timestamp(-1), 0).to_string(), "1969-12-31T23:59:59.999999999Z");
}

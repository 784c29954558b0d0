//! Names of the files that a log was renamed to: `FILE.2026.11.24.10.00.00.000000000`, local time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub(super) fn path(log: &Path, zone: &TimeZone, now: Timestamp) -> PathBuf {
    let time = zone.to_datetime(now);
    let mut name = log.as_os_str().to_owned();
    name.push(format!(
        ".{:04}.{:02}.{:02}.{:02}.{:02}.{:02}.{:09}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond()
    ));
    name.into()
}

/// The oldest backups of `log`, which go so that with `log` itself `files_max` files stay.
pub(super) fn superfluous(log: &Path, files_max: usize) -> io::Result<Vec<PathBuf>> {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder(log))? {
        let entry = entry?;
        let entry_name = entry.file_name();
        if is_backup(&entry_name.to_string_lossy(), &name) && !entry.file_type()?.is_dir() {
            backups.push(entry.path());
        }
    }
    // In order of their names they are in order of time.
    backups.sort_unstable();
    backups.truncate(backups.len().saturating_sub(files_max.saturating_sub(1)));
    Ok(backups)
}

pub(super) fn folder(log: &Path) -> &Path {
    match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Files of other names are the operator's: they are never removed.
fn is_backup(entry: &str, log: &str) -> bool {
    let stamp = entry.strip_prefix(log).and_then(|rest| rest.strip_prefix('.'));
    stamp.and_then(time_of).is_some()
}

fn time_of(stamp: &str) -> Option<DateTime> {
    let parts: Vec<&str> = stamp.split('.').collect();
    let [year, month, day, hour, minute, second, nanosecond] = parts[..] else { return None };
    DateTime::new(
        digits(year, 4)?.try_into().ok()?,
        digits(month, 2)?.try_into().ok()?,
        digits(day, 2)?.try_into().ok()?,
        digits(hour, 2)?.try_into().ok()?,
        digits(minute, 2)?.try_into().ok()?,
        digits(second, 2)?.try_into().ok()?,
        digits(nanosecond, 9)?,
    )
    .ok()
}

fn digits(text: &str, count: usize) -> Option<i32> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_by_its_time() {
        let now = "2026-11-24T10:00:00.000000007Z".parse().unwrap();
        let backup = path(Path::new("/var/log/nats.log"), &TimeZone::UTC, now);
        assert_eq!(backup, Path::new("/var/log/nats.log.2026.11.24.10.00.00.000000007"));
        assert!(is_backup(backup.file_name().unwrap().to_str().unwrap(), "nats.log"));
    }

    #[test]
    fn other_files_are_no_backups() {
        let names = [
            "nats.log",
            "nats.log.1",
            "nats.log.gz",
            "nats.log2.2026.11.24.10.00.00.000000007",
            "nats.log.2026.11.24.10.00.00.000000007.gz",
            "nats.log.2026.13.24.10.00.00.000000007",
            "nats.log.2026.11.24.10.00.00.+00000007",
            "other.log.2026.11.24.10.00.00.000000007",
        ];
        for name in names {
            assert!(!is_backup(name, "nats.log"), "{name}");
        }
    }

    #[test]
    fn a_log_without_a_folder_is_in_the_working_folder() {
        assert_eq!(folder(Path::new("nats.log")), Path::new("."));
        assert_eq!(folder(Path::new("/nats.log")), Path::new("/"));
    }
}

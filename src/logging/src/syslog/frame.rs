//! One line as a syslog packet, in the form of RFC 3164 that Go's `log/syslog` writes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use natrium_process::Program;

use super::Target;
use crate::line::{Line, Severity};

#[derive(Debug)]
pub(super) struct Framing {
    /// Multiplied by 8, as it is added to the severity.
    facility: u8,
    /// `None` on a socket of this machine, whose packets name no host.
    host: Option<String>,
    tag: String,
    pid: u32,
    zone: TimeZone,
}

impl Framing {
    pub(super) fn new(target: &Target, program: &Program) -> Self {
        let (facility, host) = match target {
            Target::Local(_) => (FACILITY_DAEMON, None),
            Target::Unix(_) => (FACILITY_KERNEL, None),
            Target::Udp(_) | Target::Tcp(_) => (FACILITY_KERNEL, Some(host_name())),
        };
        Self { facility, host, tag: program.name.clone(), pid: program.pid, zone: TimeZone::system() }
    }

    pub(super) fn frame(&self, line: &Line) -> Vec<u8> {
        let Line { severity, at, text } = line;
        let priority = self.facility | number(*severity);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let (tag, pid) = (&self.tag, self.pid);
        match &self.host {
            None => format!("<{priority}>{} {tag}[{pid}]: {text}{end}", self.stamp(*at)),
            Some(host) => format!("<{priority}>{} {host} {tag}[{pid}]: {text}{end}", self.rfc_3339(*at)),
        }
        .into_bytes()
    }

    /// `Jan  2 15:04:05`.
    fn stamp(&self, at: Timestamp) -> String {
        let time = self.zone.to_datetime(at);
        let month = usize::try_from(time.month() - 1).expect("a month is at least 1");
        format!(
            "{} {:>2} {:02}:{:02}:{:02}",
            MONTHS[month],
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }

    /// `2006-01-02T15:04:05+01:00`, with `Z` for no offset.
    fn rfc_3339(&self, at: Timestamp) -> String {
        let offset = self.zone.to_offset(at);
        let time = offset.to_datetime(at);
        let seconds = offset.seconds();
        let zone = if seconds == 0 {
            "Z".to_owned()
        } else {
            let sign = if seconds < 0 { '-' } else { '+' };
            let minutes = seconds.abs() / 60;
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{zone}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// RFC 3164, 4.1.1. Information and traces go as notices, as the reference sends them.
fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Fatal => 2,
        Severity::Error => 3,
        Severity::Warn => 4,
        Severity::Info | Severity::Trace => 5,
        Severity::Debug => 7,
    }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// What the reference names on the machine's own daemon.
const FACILITY_DAEMON: u8 = 3 << 3;
/// The reference names none on a remote syslog, which is that of the kernel.
const FACILITY_KERNEL: u8 = 0;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(host: Option<&str>, zone: TimeZone, facility: u8) -> Framing {
        Framing { facility, host: host.map(str::to_owned), tag: "natrium".to_owned(), pid: 7, zone }
    }

    fn frame(framing: &Framing, severity: Severity, text: &str) -> String {
        let at = "2026-11-04T10:00:05.9Z".parse().unwrap();
        String::from_utf8(framing.frame(&Line { severity, at, text: text.to_owned() })).unwrap()
    }

    #[test]
    fn a_remote_packet_names_the_host_and_an_rfc_3339_time() {
        let utc = framing(Some("box"), TimeZone::UTC, FACILITY_KERNEL);
        assert_eq!(frame(&utc, Severity::Info, "foo"), "<5>2026-11-04T10:00:05Z box natrium[7]: foo\n");
        let india = jiff::tz::Offset::from_seconds(5 * 3600 + 1800).unwrap();
        let east = framing(Some("box"), TimeZone::fixed(india), FACILITY_KERNEL);
        let expected = "<7>2026-11-04T15:30:05+05:30 box natrium[7]: foo\n";
        assert_eq!(frame(&east, Severity::Debug, "foo\n"), expected);
    }

    #[test]
    fn a_local_packet_has_a_stamp_and_no_host() {
        let local = framing(None, TimeZone::UTC, FACILITY_DAEMON);
        let cases = [
            (Severity::Fatal, 26),
            (Severity::Error, 27),
            (Severity::Warn, 28),
            (Severity::Info, 29),
            (Severity::Trace, 29),
            (Severity::Debug, 31),
        ];
        for (severity, priority) in cases {
            let expected = format!("<{priority}>Nov  4 10:00:05 natrium[7]: foo\n");
            assert_eq!(frame(&local, severity, "foo"), expected);
        }
    }
}

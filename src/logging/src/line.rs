//! One line of the log and how it is printed.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use log::{Level, Metadata};
use natrium_config::options::logging::LoggingOptions;
use natrium_process::Program;

/// Target of what ends the server. `log` has no level for it: `log::error!(target: FATAL, "..")` is printed as `[FTL]`.
pub const FATAL: &str = "natrium::fatal";

/// What a caller logged.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) severity: Severity,
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Severity {
    pub(crate) fn of(metadata: &Metadata<'_>) -> Self {
        match metadata.level() {
            Level::Error if metadata.target() == FATAL => Self::Fatal,
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }

    /// The tag and the parameters of its colour (ECMA-48, "select graphic rendition").
    fn tag(self) -> (&'static str, &'static str) {
        match self {
            Self::Fatal => ("FTL", "31"),
            Self::Error => ("ERR", "31"),
            Self::Warn => ("WRN", "0;93"),
            Self::Info => ("INF", "32"),
            Self::Debug => ("DBG", "36"),
            Self::Trace => ("TRC", "33"),
        }
    }
}

/// How lines of a terminal or a file look.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pid: u32,
    /// The zone that times are given in; `None`: lines carry no time.
    zone: Option<TimeZone>,
    colours: Colours,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    Off,
    On,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Newline,
    /// Of the lines a log file gets about its own rotation, as the reference writes them.
    CarriageReturn,
}

impl Form {
    pub(crate) fn new(options: &LoggingOptions, program: &Program, colours: Colours) -> Self {
        let zone = if options.utc { TimeZone::UTC } else { TimeZone::system() };
        Self { pid: program.pid, zone: options.time.then_some(zone), colours }
    }

    /// Appends the line to `out`; a text that ends in a line break gets no second one.
    pub(crate) fn print(&self, line: &Line, end: LineEnd, out: &mut Vec<u8>) {
        self.print_all(line, end, out).expect("a vector takes what is written to it");
    }

    fn print_all(&self, line: &Line, end: LineEnd, out: &mut Vec<u8>) -> std::io::Result<()> {
        write!(out, "[{}] ", self.pid)?;
        if let Some(zone) = &self.zone {
            let time = zone.to_datetime(line.at);
            write!(
                out,
                "{:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:06} ",
                time.year(),
                time.month(),
                time.day(),
                time.hour(),
                time.minute(),
                time.second(),
                time.subsec_nanosecond() / 1000
            )?;
        }
        let (tag, colour) = line.severity.tag();
        match self.colours {
            Colours::Off => write!(out, "[{tag}] ")?,
            Colours::On => write!(out, "[\x1b[{colour}m{tag}\x1b[0m] ")?,
        }
        out.write_all(line.text.as_bytes())?;
        match end {
            LineEnd::Newline if line.text.ends_with('\n') => Ok(()),
            LineEnd::Newline => out.write_all(b"\n"),
            LineEnd::CarriageReturn => out.write_all(b"\r\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(severity: Severity) -> Line {
        Line { severity, at: "2026-11-24T10:00:00.012345678Z".parse().unwrap(), text: "foo".to_owned() }
    }

    fn printed(form: &Form, line: &Line) -> String {
        let mut out = Vec::new();
        form.print(line, LineEnd::Newline, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn timeless(colours: Colours) -> Form {
        Form { pid: 7, zone: None, colours }
    }

    // go: logger/log_test.go TestStdLogger
    // go: logger/log_test.go TestStdLoggerNotice
    // go: logger/log_test.go TestStdLoggerDebug
    // go: logger/log_test.go TestStdLoggerTrace
    #[test]
    fn without_a_time_a_line_is_pid_and_tag_and_text() {
        let cases = [
            (Severity::Info, "[7] [INF] foo\n"),
            (Severity::Debug, "[7] [DBG] foo\n"),
            (Severity::Warn, "[7] [WRN] foo\n"),
            (Severity::Error, "[7] [ERR] foo\n"),
            (Severity::Fatal, "[7] [FTL] foo\n"),
            (Severity::Trace, "[7] [TRC] foo\n"),
        ];
        for (severity, expected) in cases {
            assert_eq!(printed(&timeless(Colours::Off), &line(severity)), expected);
        }
    }

    // go: logger/log_test.go TestStdLoggerNoticeWithColor
    #[test]
    fn on_a_terminal_the_tag_has_its_colour() {
        let cases = [
            (Severity::Info, "[7] [\x1b[32mINF\x1b[0m] foo\n"),
            (Severity::Warn, "[7] [\x1b[0;93mWRN\x1b[0m] foo\n"),
            (Severity::Fatal, "[7] [\x1b[31mFTL\x1b[0m] foo\n"),
        ];
        for (severity, expected) in cases {
            assert_eq!(printed(&timeless(Colours::On), &line(severity)), expected);
        }
    }

    // go: logger/log_test.go TestStdLoggerWithDebugTraceAndTime
    #[test]
    fn pid_and_time_stand_before_the_tag() {
        let program = Program::new("natrium", 7);
        let options = LoggingOptions { utc: true, ..LoggingOptions::default() };
        let form = Form::new(&options, &program, Colours::Off);
        assert_eq!(printed(&form, &line(Severity::Info)), "[7] 2026/11/24 10:00:00.012345 [INF] foo\n");
        let without = Form::new(&LoggingOptions { time: false, ..options }, &program, Colours::Off);
        assert_eq!(printed(&without, &line(Severity::Info)), "[7] [INF] foo\n");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        let form = Form { pid: 7, zone: Some(zone), colours: Colours::Off };
        assert_eq!(printed(&form, &line(Severity::Info)), "[7] 2026/11/24 02:00:00.012345 [INF] foo\n");
    }

    #[test]
    fn a_text_brings_its_own_line_break() {
        let line = Line { text: "foo\n".to_owned(), ..line(Severity::Info) };
        assert_eq!(printed(&timeless(Colours::Off), &line), "[7] [INF] foo\n");
    }
}

//! Where lines go.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use natrium_config::options::logging::LoggingOptions;
use natrium_process::Program;

use crate::LoggingError;
use crate::file::LogFile;
use crate::line::{Colours, Form, Line, LineEnd};
use crate::syslog::{Syslog, Target};

#[derive(Debug)]
pub(crate) enum Output {
    StandardError(Form),
    File(LogFile),
    Syslog(Syslog),
}

impl Output {
    /// A file goes before a remote syslog, that before the local one, and standard error is last.
    pub(crate) fn open(options: &LoggingOptions, program: &Program) -> Result<Self, LoggingError> {
        if let Some(path) = &options.file {
            return LogFile::open(path, options, program).map(Self::File);
        }
        let target = match &options.remote_syslog {
            Some(url) => Some(Target::parse(url)?),
            None => options.syslog.then(Target::local),
        };
        match target {
            Some(target) => Syslog::open(target, program).map(Self::Syslog),
            None => Ok(Self::standard_error(options, program)),
        }
    }

    pub(crate) fn standard_error(options: &LoggingOptions, program: &Program) -> Self {
        let colours = if io::stderr().is_terminal() { Colours::On } else { Colours::Off };
        Self::StandardError(Form::new(options, program, colours))
    }

    pub(crate) fn write(&mut self, line: &Line, now: Timestamp) -> io::Result<()> {
        match self {
            Self::StandardError(form) => {
                let mut text = Vec::new();
                form.print(line, LineEnd::Newline, &mut text);
                io::stderr().write_all(&text)
            }
            Self::File(file) => file.write(line, now),
            Self::Syslog(syslog) => syslog.write(line),
        }
    }
}

//! `log_file`: a file that lines are appended to, begun anew when it has grown to its limit.

mod backups;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use natrium_config::options::logging::LoggingOptions;
use natrium_process::{Program, reason};

use crate::LoggingError;
use crate::line::{Colours, Form, Line, LineEnd, Severity};

#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    form: Form,
    rotation: Option<Rotation>,
    /// The line being printed, kept for its capacity.
    text: Vec<u8>,
}

#[derive(Debug)]
struct Rotation {
    size_limit_bytes: u64,
    /// Above the configured one while files cannot be renamed, so that not every line tries.
    size_limit_now_bytes: u64,
    /// The current file included; `None`: all.
    files_max: Option<usize>,
    /// Of the times in the names of backups.
    zone: TimeZone,
}

impl LogFile {
    pub(crate) fn open(
        path: &Path,
        options: &LoggingOptions,
        program: &Program,
    ) -> Result<Self, LoggingError> {
        let (file, size_bytes) =
            append_to(path).map_err(|source| LoggingError::File { path: path.to_owned(), source })?;
        let rotation = options.file_size_limit.map(|limit| Rotation {
            size_limit_bytes: limit,
            size_limit_now_bytes: limit,
            files_max: options.file_max_num,
            zone: TimeZone::system(),
        });
        let form = Form::new(options, program, Colours::Off);
        Ok(Self { path: path.to_owned(), file, size_bytes, form, rotation, text: Vec::new() })
    }

    /// Goes on in the file that now has the name, or makes one.
    pub(crate) fn reopen(&mut self) -> Result<(), LoggingError> {
        let (file, size_bytes) =
            append_to(&self.path).map_err(|source| LoggingError::File { path: self.path.clone(), source })?;
        (self.file, self.size_bytes) = (file, size_bytes);
        Ok(())
    }

    pub(crate) fn is_above_limit(&self) -> bool {
        self.rotation.as_ref().is_some_and(|rotation| self.size_bytes > rotation.size_limit_now_bytes)
    }

    /// Appends the line; one that takes the file above its limit is its last.
    pub(crate) fn write(&mut self, line: &Line, now: Timestamp) -> io::Result<()> {
        self.append(line, LineEnd::Newline)?;
        if self.is_above_limit() { self.rotate(now) } else { Ok(()) }
    }

    fn append(&mut self, line: &Line, end: LineEnd) -> io::Result<()> {
        self.text.clear();
        self.form.print(line, end, &mut self.text);
        self.file.write_all(&self.text)?;
        self.size_bytes += self.text.len() as u64;
        Ok(())
    }

    /// A line about the file itself, which never rotates it.
    fn say(&mut self, severity: Severity, text: String, now: Timestamp) -> io::Result<()> {
        self.append(&Line { severity, at: now, text }, LineEnd::CarriageReturn)
    }

    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(rotation) = &mut self.rotation else { return Ok(()) };
        let backup = backups::path(&self.path, &rotation.zone, now);
        match begin_anew(&self.path, &backup) {
            Ok(file) => {
                rotation.size_limit_now_bytes = rotation.size_limit_bytes;
                let files_max = rotation.files_max;
                (self.file, self.size_bytes) = (file, 0);
                let backup = backup.display().to_string();
                self.say(Severity::Info, format!("Rotated log, backup saved as {backup:?}"), now)?;
                files_max.map_or(Ok(()), |files_max| self.purge(files_max, now))
            }
            Err(error) => {
                rotation.size_limit_now_bytes = rotation.size_limit_now_bytes.saturating_mul(2);
                let text = format!(
                    "Unable to rename logfile for rotation ({}), will attempt next rotation at size {}",
                    reason(&error),
                    rotation.size_limit_now_bytes
                );
                self.say(Severity::Error, text, now)
            }
        }
    }

    fn purge(&mut self, files_max: usize, now: Timestamp) -> io::Result<()> {
        let superfluous = match backups::superfluous(&self.path, files_max) {
            Ok(paths) => paths,
            Err(error) => {
                let folder = backups::folder(&self.path).display().to_string();
                let text = format!(
                    "Unable to read directory {folder:?} for log purge ({}), will attempt next rotation",
                    reason(&error)
                );
                return self.say(Severity::Error, text, now);
            }
        };
        for path in superfluous {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Err(error) = fs::remove_file(&path) {
                let text = format!(
                    "Unable to remove backup log file {name:?} ({}), will attempt next rotation",
                    reason(&error)
                );
                return self.say(Severity::Error, text, now);
            }
            self.say(Severity::Info, format!("Purged log file {name:?}"), now)?;
        }
        Ok(())
    }
}

/// Opens `path` for appending; also its size in bytes.
fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(LOG_FILE_MODE).open(path)?;
    let size_bytes = file.metadata()?.len();
    Ok((file, size_bytes))
}

/// Renames the file and makes a new one of its name. If that cannot be had, the old one has its name back.
fn begin_anew(path: &Path, backup: &Path) -> io::Result<File> {
    fs::rename(path, backup)?;
    append_to(path).map(|(file, _)| file).inspect_err(|_| {
        // The first error is the one to tell; lines go on to the file whatever its name.
        let _ = fs::rename(backup, path);
    })
}

/// Before the umask, as the reference's `defaultLogPerms`.
const LOG_FILE_MODE: u32 = 0o640;

#[cfg(test)]
mod tests;

//! The logger behind `log`'s macros, and the handle by which the server steers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError, bounded};
use jiff::Timestamp;
use log::{Log, Metadata, Record};
use natrium_config::options::logging::LoggingOptions;
use natrium_process::Program;

use crate::LoggingError;
use crate::levels::Levels;
use crate::line::{Line, Severity};
use crate::output::Output;
use crate::writer::{Command, Writer};

/// What `log` hands its records to.
#[derive(Debug)]
pub struct Logger {
    levels: Arc<Levels>,
    commands: Sender<Command>,
    /// Lines that found the queue full and that the writer has not reported yet.
    dropped: Arc<AtomicU64>,
}

impl Logger {
    /// Opens what `options` name and makes it the log of the process for the rest of its life.
    ///
    /// # Errors
    /// If the file or syslog cannot be opened, or the process already has a logger.
    pub fn start(options: &LoggingOptions, program: &Program) -> Result<LogHandle, LoggingError> {
        let (logger, handle) = Self::open(options, program, QUEUE_LINES)?;
        log::set_boxed_logger(Box::new(logger)).map_err(|_| LoggingError::AlreadyStarted)?;
        log::set_max_level(handle.levels.most_verbose());
        Ok(handle)
    }

    fn open(
        options: &LoggingOptions,
        program: &Program,
        queue_lines: usize,
    ) -> Result<(Self, LogHandle), LoggingError> {
        let output = Output::open(options, program)?;
        let (commands, queue) = bounded(queue_lines);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(output, program.clone(), Arc::clone(&dropped));
        thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || writer.run(&queue))
            .map_err(LoggingError::Thread)?;
        let levels = Arc::new(Levels::new(options));
        let handle =
            LogHandle { levels: Arc::clone(&levels), commands: commands.clone(), program: program.clone() };
        Ok((Self { levels, commands, dropped }, handle))
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("natrium") && self.levels.wants(metadata.level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = Line {
            severity: Severity::of(record.metadata()),
            at: Timestamp::now(),
            text: record.args().to_string(),
        };
        match self.commands.try_send(Command::Line(line)) {
            Ok(()) => {}
            // The writer lives as long as a sender does.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {
        // What is not written within the time cannot be.
        let _ = ask(&self.commands, Command::Flush);
    }
}

/// Steers the log; every copy steers the same one. Its methods wait for the writer, at most two seconds: they are for
/// the main thread and not for a shard.
#[derive(Clone, Debug)]
pub struct LogHandle {
    levels: Arc<Levels>,
    commands: Sender<Command>,
    program: Program,
}

impl LogHandle {
    /// Waits until the lines logged before are written: before the process ends.
    pub fn flush(&self) {
        let _ = ask(&self.commands, Command::Flush);
    }

    /// Opens the log file anew, for tools that move it away and send SIGUSR1. What came of it is said in the log.
    pub fn reopen(&self) {
        let _ = ask(&self.commands, Command::Reopen);
    }

    /// Logs as `options` say from here on. Lines logged before go where they went.
    ///
    /// # Errors
    /// If the file or syslog cannot be opened: then the log goes on as it was.
    pub fn reconfigure(&self, options: &LoggingOptions) -> Result<(), LoggingError> {
        let output = Box::new(Output::open(options, &self.program)?);
        ask(&self.commands, |done| Command::Replace(output, done))?;
        self.levels.change(options);
        log::set_max_level(self.levels.most_verbose());
        Ok(())
    }
}

/// Has the writer do something and waits for it, though not without end: what is in the queue will be done.
///
/// # Errors
/// If the queue stays full.
fn ask(commands: &Sender<Command>, command: impl FnOnce(Sender<()>) -> Command) -> Result<(), LoggingError> {
    let (done, answer) = bounded(1);
    commands.send_timeout(command(done), PATIENCE).map_err(|_| LoggingError::Stuck)?;
    let _ = answer.recv_timeout(PATIENCE);
    Ok(())
}

/// Lines that may wait for the writer; a start-up with tracing on writes some hundreds at once.
const QUEUE_LINES: usize = 8192;
/// For a terminal or a disk to take what waits. One that takes nothing for so long gets no more.
const PATIENCE: Duration = Duration::from_secs(1);
/// Resolving the name of a remote syslog goes deepest.
const STACK_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;

//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};
use jiff::Timestamp;
use natrium_config::options::logging::LoggingOptions;
use natrium_process::{Program, reason};

use crate::line::{Line, Severity};
use crate::output::Output;

/// What the writer is asked to do; a sender gets its answer once that and all before it is done.
#[derive(Debug)]
pub(crate) enum Command {
    Line(Line),
    Flush(Sender<()>),
    Reopen(Sender<()>),
    Replace(Box<Output>, Sender<()>),
}

#[derive(Debug)]
pub(crate) struct Writer {
    output: Output,
    program: Program,
    /// Lines that found the queue full.
    dropped: Arc<AtomicU64>,
    /// Lines that the output refused since it last took one.
    refused: u64,
}

impl Writer {
    pub(crate) fn new(output: Output, program: Program, dropped: Arc<AtomicU64>) -> Self {
        Self { output, program, dropped, refused: 0 }
    }

    /// Until the last sender is gone.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        self.begin();
        for command in commands {
            match command {
                Command::Line(line) => self.write_reporting_drops(&line),
                Command::Flush(done) => answer(&done),
                Command::Reopen(done) => {
                    self.reopen();
                    answer(&done);
                }
                Command::Replace(output, done) => {
                    self.replace(*output);
                    answer(&done);
                }
            }
        }
    }

    /// A file that is already above its limit is rotated by its first line.
    fn begin(&mut self) {
        if let Output::File(file) = &self.output
            && file.is_above_limit()
        {
            self.say(Severity::Info, "Rotating logfile...".to_owned());
        }
    }

    fn replace(&mut self, output: Output) {
        self.output = output;
        self.refused = 0;
        if let Output::File(file) = &mut self.output {
            // The lines before this command went to the old output. If that was the same file they have made it
            // longer, and may have renamed it, since `file` was opened. One that cannot be opened again is written on.
            let _ = file.reopen();
        }
        self.begin();
    }

    fn reopen(&mut self) {
        let Output::File(file) = &mut self.output else {
            self.say(Severity::Info, "File log re-open ignored, not a file logger".to_owned());
            return;
        };
        match file.reopen() {
            Ok(()) => {
                self.begin();
                self.say(Severity::Info, "File log re-opened".to_owned());
            }
            // Lines go on to the file that is open, wherever it was moved.
            Err(error) => self.say(Severity::Error, format!("File log not re-opened: {error}")),
        }
    }

    fn write_reporting_drops(&mut self, line: &Line) {
        if self.dropped.load(Ordering::Relaxed) > 0 {
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            let text = format!("{dropped} log lines were dropped: the log could not be written fast enough");
            self.say(Severity::Warn, text);
        }
        self.write(line);
    }

    fn say(&mut self, severity: Severity, text: String) {
        self.write(&Line { severity, at: Timestamp::now(), text });
    }

    /// An output that refuses a line is complained of once on standard error, and once more in its own lines when it
    /// takes one again.
    fn write(&mut self, line: &Line) {
        match self.output.write(line, Timestamp::now()) {
            Ok(()) if self.refused > 0 => {
                let refused = std::mem::take(&mut self.refused);
                self.say(Severity::Warn, format!("{refused} log lines before this one could not be written"));
            }
            Ok(()) => {}
            Err(error) => {
                if self.refused == 0 {
                    self.complain(&error);
                }
                self.refused += 1;
            }
        }
    }

    fn complain(&self, error: &io::Error) {
        let line = Line {
            severity: Severity::Error,
            at: Timestamp::now(),
            text: format!(
                "Error writing the log: {}; its lines are lost until it can be written",
                reason(error)
            ),
        };
        match &self.output {
            // Nobody can be told that standard error is gone.
            Output::StandardError(_) => {}
            Output::File(_) | Output::Syslog(_) => {
                let _ =
                    Output::standard_error(&LoggingOptions::default(), &self.program).write(&line, line.at);
            }
        }
    }
}

/// One that nobody waits for any more is no loss.
fn answer(done: &Sender<()>) {
    let _ = done.try_send(());
}

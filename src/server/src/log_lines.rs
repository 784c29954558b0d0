//! Log lines in the reference's form, written by a thread of their own: a slow terminal never holds a shard up.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use log::{Level, LevelFilter, Log, Metadata, Record};
use natrium_config::options::logging::LoggingOptions;
use natrium_model::Timestamp;

struct Lines {
    sender: Sender<Line>,
    with_time: bool,
    /// Lines that found the queue full.
    dropped: AtomicU64,
}

enum Line {
    Text(String),
    /// Answer once everything before it is written.
    Flush(Sender<()>),
}

/// Lines that may wait for the terminal.
const QUEUE_LINES: usize = 8192;
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Makes standard error the place where log lines go, for the rest of the process.
///
/// # Errors
/// If the thread cannot be had.
pub(crate) fn start(options: &LoggingOptions) -> std::io::Result<Flush> {
    let (sender, receiver) = bounded(QUEUE_LINES);
    thread::Builder::new()
        .name("log".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || write_lines(&receiver))?;
    let flush = Flush(sender.clone());
    let lines = Lines { sender, with_time: options.time, dropped: AtomicU64::new(0) };
    if log::set_boxed_logger(Box::new(lines)).is_ok() {
        log::set_max_level(match (options.trace, options.debug) {
            (true, _) => LevelFilter::Trace,
            (false, true) => LevelFilter::Debug,
            (false, false) => LevelFilter::Info,
        });
    }
    Ok(flush)
}

/// Waits for lines to be written.
pub(crate) struct Flush(Sender<Line>);

impl Flush {
    pub(crate) fn flush(&self) {
        let (sender, receiver) = bounded(1);
        if self.0.send_timeout(Line::Flush(sender), FLUSH_PATIENCE).is_ok() {
            // A terminal that takes nothing for so long gets no more.
            let _ = receiver.recv_timeout(FLUSH_PATIENCE);
        }
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && metadata.target().starts_with("natrium")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = format!("[{}] ", std::process::id());
        if self.with_time {
            let time = Timestamp::from_system(SystemTime::now()).civil();
            line += &format!(
                "{:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:06} ",
                time.year,
                time.month,
                time.day,
                time.hour,
                time.minute,
                time.second,
                time.nanosecond / 1000
            );
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            line += &format!(
                "[WRN] {dropped} log lines were dropped: the log could not be written fast enough\n"
            );
            line += &format!("[{}] ", std::process::id());
        }
        line += &format!("[{}] {}\n", label(record.level()), record.args());
        match self.sender.try_send(Line::Text(line)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {}
}

fn label(level: Level) -> &'static str {
    match level {
        Level::Error => "ERR",
        Level::Warn => "WRN",
        Level::Info => "INF",
        Level::Debug => "DBG",
        Level::Trace => "TRC",
    }
}

fn write_lines(receiver: &Receiver<Line>) {
    let mut out = std::io::stderr();
    while let Ok(line) = receiver.recv() {
        match line {
            // Nobody can be told that standard error is gone.
            Line::Text(text) => drop(out.write_all(text.as_bytes())),
            Line::Flush(done) => drop(done.send(())),
        }
    }
}

const STACK_BYTES: usize = 128 * 1024;

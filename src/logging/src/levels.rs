//! Which lines are wanted, as each thread that logs asks it.

use std::sync::atomic::{AtomicBool, Ordering};

use log::{Level, LevelFilter};
use natrium_config::options::logging::LoggingOptions;

/// `debug` and `trace` are switches of their own: `trace` alone shows no debug lines, though `log` orders its levels.
#[derive(Debug)]
pub(crate) struct Levels {
    debug: AtomicBool,
    trace: AtomicBool,
}

impl Levels {
    pub(crate) fn new(options: &LoggingOptions) -> Self {
        Self { debug: options.debug.into(), trace: options.trace.into() }
    }

    pub(crate) fn change(&self, options: &LoggingOptions) {
        // Nothing else is published with them: a line more or less at the moment of change is nobody's loss.
        self.debug.store(options.debug, Ordering::Relaxed);
        self.trace.store(options.trace, Ordering::Relaxed);
    }

    pub(crate) fn wants(&self, level: Level) -> bool {
        match level {
            Level::Error | Level::Warn | Level::Info => true,
            Level::Debug => self.debug.load(Ordering::Relaxed),
            Level::Trace => self.trace.load(Ordering::Relaxed),
        }
    }

    /// The level below which `log` need not ask.
    pub(crate) fn most_verbose(&self) -> LevelFilter {
        if self.wants(Level::Trace) {
            LevelFilter::Trace
        } else if self.wants(Level::Debug) {
            LevelFilter::Debug
        } else {
            LevelFilter::Info
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(debug: bool, trace: bool) -> Vec<Level> {
        let levels = Levels::new(&LoggingOptions { debug, trace, ..LoggingOptions::default() });
        Level::iter()
            .filter(|level| *level <= levels.most_verbose() && levels.wants(*level))
            .skip_while(|level| *level <= Level::Info)
            .collect()
    }

    // go: logger/log_test.go TestStdLoggerDebugWithOutDebug
    // go: logger/log_test.go TestStdLoggerTraceWithOutDebug
    #[test]
    fn debug_and_trace_are_switched_alone() {
        assert_eq!(shown(false, false), Vec::<Level>::new());
        assert_eq!(shown(true, false), [Level::Debug]);
        assert_eq!(shown(false, true), [Level::Trace]);
        assert_eq!(shown(true, true), [Level::Debug, Level::Trace]);
    }
}

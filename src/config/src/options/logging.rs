//! Where log lines go, and what they say.

use std::path::PathBuf;

/// `log_file`, `syslog`, `debug` and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingOptions {
    pub debug: bool,
    pub trace: bool,
    /// `trace_verbose`: the system account's traffic is traced too.
    pub trace_verbose: bool,
    /// `trace_headers`: of a message, its headers are shown and not its body.
    pub trace_headers: bool,
    /// `max_traced_msg_len`: bytes of a payload that a trace line shows; `None`: all.
    pub traced_payload_max: Option<usize>,
    /// `logtime`.
    pub time: bool,
    /// `logtime_utc`: times in UTC and not in the machine's zone.
    pub utc: bool,
    /// `log_file`: instead of standard error.
    pub file: Option<PathBuf>,
    /// `logfile_size_limit`: bytes after which the file is renamed and a new one begun; `None`: never.
    pub file_size_limit: Option<u64>,
    /// `logfile_max_num`: files kept, the current one included; `None`: all.
    pub file_max_num: Option<usize>,
    /// `syslog`: the machine's own daemon.
    pub syslog: bool,
    /// `remote_syslog`: `udp://host:port`, `tcp://host:port` or a path of a socket; goes before `syslog`.
    pub remote_syslog: Option<String>,
}

impl Default for LoggingOptions {
    fn default() -> Self {
        Self {
            debug: false,
            trace: false,
            trace_verbose: false,
            trace_headers: false,
            traced_payload_max: None,
            time: true,
            utc: false,
            file: None,
            file_size_limit: None,
            file_max_num: None,
            syslog: false,
            remote_syslog: None,
        }
    }
}

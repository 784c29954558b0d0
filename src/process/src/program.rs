//! The name and the number under which a process is known.

use std::path::Path;

/// This process, as the ports file, the tag of syslog and the search for other servers name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Last part of the path it was started with: of a link, the link's name.
    pub name: String,
    pub pid: u32,
}

impl Program {
    /// `path` is the first of the process's arguments.
    pub fn new(path: &str, pid: u32) -> Self {
        Self { name: base_name(path).to_owned(), pid }
    }

    /// The running process.
    pub fn current() -> Self {
        let path = std::env::args_os().next().unwrap_or_default();
        Self::new(&path.to_string_lossy(), std::process::id())
    }
}

/// The last part of `path`; a path without one is its own name.
pub(crate) fn base_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: logger/syslog_test.go TestSysLoggerTagGen
    #[test]
    fn a_program_is_named_by_the_last_part_of_its_path() {
        let cases = [
            ("nats-server", "nats-server"),
            ("./nats-server", "nats-server"),
            ("home/bin/nats-server", "nats-server"),
            ("../../nats-server", "nats-server"),
            ("nats-server.service1", "nats-server.service1"),
            ("nats-server_service1", "nats-server_service1"),
            ("nats-server-service1", "nats-server-service1"),
            ("nats-server service1", "nats-server service1"),
            ("/usr/local/bin/natrium", "natrium"),
        ];
        for (path, expected) in cases {
            assert_eq!(Program::new(path, 1).name, expected, "{path}");
        }
    }

    #[test]
    fn a_path_without_a_last_part_is_its_own_name() {
        assert_eq!(Program::new("..", 1).name, "..");
        assert_eq!(Program::new("", 1).name, "");
    }
}

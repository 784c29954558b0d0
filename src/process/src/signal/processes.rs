//! The servers among the running processes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use rustix::process::Pid;

use crate::Program;
use crate::program::base_name;

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    /// Last part of its first argument.
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunningProcesses(Vec<Process>);

impl RunningProcesses {
    /// Servers other than `program` itself, by ascending pid: those that go by its name or by one of [`NAMES`].
    pub(super) fn servers(&self, program: &Program) -> Vec<Pid> {
        let is_server = |name: &str| name == program.name || NAMES.contains(&name);
        let is_other = |pid: Pid| u32::try_from(pid.as_raw_pid()) != Ok(program.pid);
        let mut pids: Vec<Pid> = self
            .0
            .iter()
            .filter(|process| is_server(&process.name) && is_other(process.pid))
            .map(|process| process.pid)
            .collect();
        pids.sort_unstable_by_key(|pid| pid.as_raw_pid());
        pids
    }
}

impl FromIterator<Process> for RunningProcesses {
    fn from_iter<I: IntoIterator<Item = Process>>(processes: I) -> Self {
        Self(processes.into_iter().collect())
    }
}

/// The processes that `/proc` shows. One that ends meanwhile, a zombie and a thread of the kernel have no arguments
/// and are left out.
///
/// # Errors
/// If `/proc` cannot be read.
pub(super) fn running_processes() -> io::Result<RunningProcesses> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        if let Some(pid) = pid_of(&entry.file_name())
            && let Some(name) = name_of(&entry.path())
        {
            processes.push(Process { pid, name });
        }
    }
    Ok(RunningProcesses(processes))
}

/// `/proc` holds more than processes; their names are digits.
fn pid_of(entry: &OsStr) -> Option<Pid> {
    Pid::from_raw(entry.to_str()?.parse().ok().filter(|number| *number > 0)?)
}

fn name_of(folder: &Path) -> Option<String> {
    let arguments = fs::read(folder.join("cmdline")).ok()?;
    let first = arguments.split(|byte| *byte == 0).next().filter(|first| !first.is_empty())?;
    Some(base_name(&String::from_utf8_lossy(first)).to_owned())
}

/// Names an operator may have installed the server under.
const NAMES: [&str; 2] = ["natrium", "nats-server"];

#[cfg(test)]
mod tests {
    use super::*;

    fn running(processes: &[(i32, &str)]) -> RunningProcesses {
        processes
            .iter()
            .map(|(pid, name)| Process { pid: Pid::from_raw(*pid).unwrap(), name: (*name).to_owned() })
            .collect()
    }

    #[test]
    fn servers_go_by_our_own_name_or_a_usual_one() {
        let program = Program::new("/opt/my-server", 5);
        let running = running(&[
            (40, "nats-server"),
            (3, "natrium"),
            (5, "my-server"),
            (20, "my-server"),
            (21, "nats-server-exporter"),
            (22, "vim"),
        ]);
        let pids: Vec<i32> = running.servers(&program).into_iter().map(Pid::as_raw_pid).collect();
        assert_eq!(pids, [3, 20, 40]);
    }

    #[test]
    fn this_process_is_among_those_that_run() {
        let own = Program::current();
        let running = running_processes().unwrap();
        let found = running.0.iter().find(|process| u32::try_from(process.pid.as_raw_pid()) == Ok(own.pid));
        assert_eq!(found.map(|process| process.name.as_str()), Some(own.name.as_str()));
    }

    #[test]
    fn an_entry_that_is_no_process_is_passed_over() {
        assert_eq!(pid_of(OsStr::new("self")), None);
        assert_eq!(pid_of(OsStr::new("12x")), None);
        assert_eq!(pid_of(OsStr::new("12")), Pid::from_raw(12));
    }
}

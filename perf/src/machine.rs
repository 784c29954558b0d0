//! Where and of what a measurement was taken.

use std::fs;
use std::process::Command;
use std::thread;

#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) kernel: String,
    pub(crate) cpu_model: String,
    pub(crate) cpus: usize,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            commit: said_by("git", &["describe", "--always", "--dirty"]),
            date: said_by("date", &["-u", "+%Y-%m-%d"]),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpu_model: model.map_or(UNKNOWN, |(_, model)| model.trim()).to_owned(),
            cpus: thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    said.map_or_else(|| UNKNOWN.to_owned(), |text| text.trim().to_owned())
}

const UNKNOWN: &str = "unknown";

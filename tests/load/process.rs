//! What the system tells of a process, and of this one's limits.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) const KIB: u64 = 1024;

/// Bytes of memory that process `pid` holds now.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process that runs has it");
    KIB * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// Descriptors that process `pid` has open.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Raises this process's limit of descriptors, which servers started from it inherit, as far as it goes. Returns it.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Without a maximum the kernel's own (fs.nr_open) is the end; no test needs as much.
    let maximum = limit.maximum.unwrap_or(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(maximum), ..limit }).unwrap();
    maximum
}

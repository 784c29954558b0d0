//! What the kernel says of this process.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::RigError;

/// CPU of all threads of this process so far, the kernel's work for them included.
///
/// # Errors
/// If the kernel does not tell.
pub(crate) fn cpu_time() -> Result<Duration, RigError> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Resident bytes of this process.
///
/// # Errors
/// If `/proc` does not tell.
pub(crate) fn resident_bytes() -> Result<u64, RigError> {
    let status =
        fs::read_to_string("/proc/self/status").map_err(RigError::io("reading /proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| RigError::Wrong("/proc/self/status has no VmRSS".to_owned()))
}

/// The scenarios hold thousands of files open.
///
/// # Errors
/// If the kernel does not allow it.
pub(crate) fn raise_file_limit() -> Result<(), RigError> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    raised.map_err(|error| RigError::Io { doing: "raising the limit of open files", source: error.into() })
}

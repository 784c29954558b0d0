//! What the machine must offer, checked before the first executor exists, so that an operator reads a remedy and not a
//! failed system call.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Why this machine cannot run shards.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(
        "io_uring is disabled (kernel.io_uring_disabled={0}): set it to 0 with `sysctl -w kernel.io_uring_disabled=0`"
    )]
    IoUringDisabled(String),
    #[error("kernel {0} is too old: io_uring with what natrium needs of it came with 5.8")]
    KernelTooOld(String),
    #[error(
        "RLIMIT_MEMLOCK is {have} bytes, and {need} are needed: raise it with `ulimit -l` or LimitMEMLOCK= in the service"
    )]
    LockedMemory { have: u64, need: u64 },
    #[error("RLIMIT_NOFILE cannot be raised: {0}")]
    OpenFiles(io::Error),
}

/// Locked memory an executor may need, on kernels before 5.12 that count its rings against the limit.
const LOCKED_BYTES_PER_SHARD: u64 = 512 * 1024;
const KERNEL_MIN: (u32, u32) = (5, 8);
const KERNEL_WITHOUT_RING_ACCOUNTING: (u32, u32) = (5, 12);

/// Checks the kernel and its limits for `shards` shards, and raises the limit of open files as far as it goes.
///
/// # Errors
/// What is in the way, with its remedy.
pub fn check_host(shards: usize) -> Result<(), HostError> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let kernel = kernel_version(&release);
    if kernel.is_some_and(|version| version < KERNEL_MIN) {
        return Err(HostError::KernelTooOld(release));
    }
    if let Ok(switch) = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        && switch.trim() == "2"
    {
        return Err(HostError::IoUringDisabled(switch.trim().to_owned()));
    }
    let need = LOCKED_BYTES_PER_SHARD * shards as u64;
    let rings_count = kernel.is_none_or(|version| version < KERNEL_WITHOUT_RING_ACCOUNTING);
    if let Some(have) = getrlimit(Resource::Memlock).current
        && have < need
        && rings_count
        && !rustix::process::geteuid().is_root()
    {
        return Err(HostError::LockedMemory { have, need });
    }
    let files = getrlimit(Resource::Nofile);
    if files.current != files.maximum {
        let raised = Rlimit { current: files.maximum, maximum: files.maximum };
        setrlimit(Resource::Nofile, raised).map_err(|error| HostError::OpenFiles(error.into()))?;
    }
    Ok(())
}

/// The CPUs this process may use, in their order.
///
/// # Errors
/// If the kernel does not say.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_compare_by_number() {
        assert_eq!(kernel_version("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(kernel_version("5.10.0"), Some((5, 10)));
        assert!(kernel_version("5.10").is_some_and(|version| version > KERNEL_MIN));
        assert_eq!(kernel_version("odd"), None);
    }

    #[test]
    fn this_machine_will_do() {
        check_host(2).unwrap();
        assert!(!allowed_cpus().unwrap().is_empty());
    }
}

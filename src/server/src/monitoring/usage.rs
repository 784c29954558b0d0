//! What the process uses, from `/proc`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use natrium_monitor::Process;

/// Memory and CPU time at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) memory_bytes: u64,
    pub(super) cpu_time: Duration,
}

/// CPU use between two looks.
pub(super) struct CpuMeter {
    last: Cell<Look>,
}

#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    cpu_time: Duration,
    percent: f64,
}

/// Looks closer together than this show the same percentage; the reference measures once a second.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

impl Usage {
    /// Reads what the kernel counts; zero where it does not say.
    pub(super) fn read() -> Self {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let page_bytes = rustix::param::page_size() as u64;
        Self {
            memory_bytes: resident_pages(&statm).unwrap_or(0) * page_bytes,
            cpu_time: cpu_ticks(&stat).map_or(Duration::ZERO, |ticks| {
                Duration::from_secs(ticks)
                    / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
            }),
        }
    }

    pub(super) fn process(self, cpu_percent: f64, cores: usize, program: String) -> Process {
        Process { memory_bytes: self.memory_bytes, cpu_percent, cpu_time: self.cpu_time, cores, program }
    }
}

impl CpuMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: Cell::new(Look { at: now, cpu_time: Duration::ZERO, percent: 0.0 }) }
    }

    /// Percent of one CPU since the last measurement, in tenths.
    pub(super) fn percent(&self, cpu_time: Duration, now: Instant) -> f64 {
        let last = self.last.get();
        let span = now.saturating_duration_since(last.at);
        if span < MEASURE_INTERVAL {
            return last.percent;
        }
        let used = cpu_time.saturating_sub(last.cpu_time);
        let percent = (used.as_secs_f64() / span.as_secs_f64() * 1000.0).round() / 10.0;
        self.last.set(Look { at: now, cpu_time, percent });
        percent
    }
}

/// The second field of `/proc/self/statm`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// `utime` and `stime` of `/proc/self/stat`, behind the program's name in parentheses, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(ticks.next()?.ok()? + ticks.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(resident_pages("26334 1391 1120 98 0 412 0\n"), Some(1391));
        let stat = "7 (na) (tri) R 1 7 7 0 -1 4194560 1 2 3 4 250 30 0 0 20 0 5 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(280));
        assert_eq!((resident_pages(""), cpu_ticks("7 (natrium) R 1")), (None, None));
        assert!(Usage::read().memory_bytes > 0);
    }

    // go: server/pse/pse_test.go TestPSEmulationMem
    #[test]
    fn memory_is_what_other_tools_show() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let shown: u64 = line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024;
        let difference = Usage::read().memory_bytes.abs_diff(shown);
        // Other tests allocate meanwhile.
        assert!(difference <= 4 << 20, "{difference} bytes apart");
    }

    // go: server/pse/pse_test.go TestPSEmulationCPU
    #[test]
    fn cpu_time_is_what_the_processes_clock_shows() {
        let clock = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
            Duration::try_from(time).unwrap()
        };
        let start = clock();
        while clock() < start + Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        let before = clock();
        let shown = Usage::read().cpu_time;
        // The kernel shows whole ticks of user and of system time.
        let ticks = Duration::from_secs(2) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap();
        assert!(shown + ticks >= before && shown <= clock(), "{shown:?}, at least {before:?}");
    }

    #[test]
    fn cpu_use_is_measured_between_looks() {
        let start = Instant::now();
        let meter = CpuMeter::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        let used = Duration::from_millis;
        assert!((meter.percent(used(500), at(2000)) - 25.0).abs() < f64::EPSILON);
        assert!((meter.percent(used(900), at(2500)) - 25.0).abs() < f64::EPSILON, "too early to tell");
        assert!((meter.percent(used(1500), at(3000)) - 100.0).abs() < f64::EPSILON);
    }
}

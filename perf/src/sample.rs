//! What one run of one scenario on one server gives, and medians over several.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::error::RigError;
use crate::server::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// CPU time of the server's threads, a message (a delivery, a request, a connection: the scenario says).
    CpuMicros,
    /// Messages a second.
    Rate,
    P50Micros,
    P99Micros,
    P999Micros,
    /// Resident memory for each of what the scenario holds: a connection, a subscription.
    UnitBytes,
    StartMillis,
    /// Resident memory at the end of the load.
    ResidentMib,
}

impl Metric {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::CpuMicros => "CPU us",
            Self::Rate => "a second",
            Self::P50Micros => "p50 us",
            Self::P99Micros => "p99 us",
            Self::P999Micros => "p99.9 us",
            Self::UnitBytes => "bytes each",
            Self::StartMillis => "start ms",
            Self::ResidentMib => "resident MiB",
        }
    }

    /// The name in the JSON output.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::CpuMicros => "cpu_us",
            Self::Rate => "rate",
            Self::P50Micros => "p50_us",
            Self::P99Micros => "p99_us",
            Self::P999Micros => "p999_us",
            Self::UnitBytes => "unit_bytes",
            Self::StartMillis => "start_ms",
            Self::ResidentMib => "resident_mib",
        }
    }
}

pub(crate) type Sample = BTreeMap<Metric, f64>;

/// The server's CPU time and the wall clock, from the start of a load to its end.
pub(crate) struct Watch<'a> {
    server: &'a Server,
    cpu: Duration,
    began: Instant,
}

impl<'a> Watch<'a> {
    pub(crate) fn start(server: &'a Server) -> Result<Self, RigError> {
        Ok(Self { server, cpu: server.cpu_time()?, began: Instant::now() })
    }

    /// The figures of `operations` done since the start; call it while the clients are still there.
    pub(crate) fn stop(self, operations: u64) -> Result<Sample, RigError> {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu = self.server.cpu_time()?.saturating_sub(self.cpu);
        let operations = operations as f64;
        Ok(Sample::from([
            (Metric::CpuMicros, cpu.as_secs_f64() * 1e6 / operations),
            (Metric::Rate, operations / seconds),
            (Metric::ResidentMib, self.server.resident_now()? as f64 / MIB),
        ]))
    }
}

/// Latencies in nanoseconds, to three digits, up to a minute.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .expect("the bounds are in order and three is less than five")
}

pub(crate) fn add_latencies(sample: &mut Sample, times: &Histogram<u64>) {
    for (metric, quantile) in
        [(Metric::P50Micros, 0.5), (Metric::P99Micros, 0.99), (Metric::P999Micros, 0.999)]
    {
        sample.insert(metric, times.value_at_quantile(quantile) as f64 / 1e3);
    }
}

/// The median of each metric over the rounds.
pub(crate) fn medians(samples: &[Sample]) -> Sample {
    let mut columns = BTreeMap::<Metric, Vec<f64>>::new();
    for (metric, value) in samples.iter().flatten() {
        columns.entry(*metric).or_default().push(*value);
    }
    columns.into_iter().map(|(metric, mut values)| (metric, median(&mut values))).collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { (values[middle - 1] + values[middle]) / 2.0 } else { values[middle] }
}

pub(crate) const MIB: f64 = (1 << 20) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_two_in_it() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn medians_are_taken_metric_by_metric() {
        let rounds = [1.0, 9.0, 2.0]
            .map(|rate| Sample::from([(Metric::Rate, rate), (Metric::P50Micros, 10.0 - rate)]));
        assert_eq!(medians(&rounds), Sample::from([(Metric::Rate, 2.0), (Metric::P50Micros, 8.0)]));
    }
}

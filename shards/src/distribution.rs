//! How a number that is met again and again is spread.

use hdrhistogram::Histogram;

/// Counts of values in buckets of at most a hundredth of their size, in memory that never grows.
pub struct Distribution {
    histogram: Histogram<u64>,
    sum: u64,
}

/// Larger values count as this: a terabyte, or a quarter of an hour in nanoseconds.
const VALUE_MAX: u64 = 1 << 40;
const SIGNIFICANT_DIGITS: u8 = 2;

impl Default for Distribution {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, VALUE_MAX, SIGNIFICANT_DIGITS);
        Self { histogram: histogram.expect("these bounds are a histogram's"), sum: 0 }
    }
}

impl Distribution {
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.histogram.saturating_record(value);
        self.sum = self.sum.wrapping_add(value);
    }

    /// Values that were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Of all values, exactly.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The value that this share of all are not above; 0 where there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        self.histogram.value_at_quantile(share)
    }

    #[must_use]
    pub fn max(&self) -> u64 {
        self.histogram.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_values_are_spread() {
        let mut distribution = Distribution::default();
        assert_eq!((distribution.count(), distribution.quantile(0.5), distribution.max()), (0, 0, 0));
        (1..=1000).for_each(|value| distribution.record(value));
        assert_eq!((distribution.count(), distribution.sum()), (1000, 500_500));
        let (median, last) = (distribution.quantile(0.5), distribution.max());
        assert!((495..=510).contains(&median) && (1000..=1010).contains(&last), "{median} and {last}");
        distribution.record(u64::MAX);
        assert!(distribution.max() >= VALUE_MAX - VALUE_MAX / 100);
    }
}

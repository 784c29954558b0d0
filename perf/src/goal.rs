//! What a figure should reach.

use crate::sample::Metric;

pub(crate) struct Goal {
    pub(crate) metric: Metric,
    pub(crate) bound: Bound,
    /// The number of shards it is set for.
    pub(crate) shards: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// As ratio to the reference in the same run.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// In the metric's own unit.
    AtMost(f64),
}

impl Goal {
    /// `None` where there is no reference to compare with.
    pub(crate) fn is_met(&self, value: f64, ratio: Option<f64>) -> Option<bool> {
        match self.bound {
            Bound::RatioAtMost(bound) => ratio.map(|ratio| ratio <= bound),
            Bound::RatioAtLeast(bound) => ratio.map(|ratio| ratio >= bound),
            Bound::AtMost(bound) => Some(value <= bound),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self.bound {
            Bound::RatioAtMost(bound) => format!("<= {bound}x"),
            Bound::RatioAtLeast(bound) => format!(">= {bound}x"),
            Bound::AtMost(bound) => format!("<= {bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(bound: Bound) -> Goal {
        Goal { metric: Metric::Rate, bound, shards: 2 }
    }

    #[test]
    fn a_ratio_is_judged_only_beside_a_reference() {
        assert_eq!(goal(Bound::RatioAtLeast(4.0)).is_met(1.0, Some(4.1)), Some(true));
        assert_eq!(goal(Bound::RatioAtMost(0.2)).is_met(1.0, Some(0.3)), Some(false));
        assert_eq!(goal(Bound::RatioAtMost(0.2)).is_met(1.0, None), None);
    }

    #[test]
    fn an_absolute_bound_needs_no_reference() {
        assert_eq!(goal(Bound::AtMost(100.0)).is_met(101.0, None), Some(false));
    }
}

//! A histogram that a stage owns and a scrape copies.

/// Upper bounds for the time of one call into a plugin, in seconds.
pub const CALL_SECONDS: &[f64] = &[
    0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0,
];

/// Upper bounds for the time from the kernel to the plugin, in seconds.
pub const LAG_SECONDS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Upper bounds for the number of fact rows in a batch.
pub const BATCH_ROWS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 8_192.0, 16_384.0];

/// A distribution of observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// An empty one. `bounds` are the buckets' inclusive upper bounds, ascending and finite; the last bucket, without
    /// a bound, is implied.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    /// One that was counted elsewhere; `counts` has one more bucket than `bounds`.
    #[must_use]
    pub fn counted(bounds: &'static [f64], counts: &[u64], sum: f64) -> Histogram {
        let mut histogram = Histogram {
            sum,
            ..Histogram::new(bounds)
        };
        for (cell, count) in histogram.counts.iter_mut().zip(counts) {
            *cell += count;
        }
        histogram
    }

    /// Adds an observation. What is not a finite number is no observation.
    pub fn observe(&mut self, value: f64) {
        self.observe_many(value, 1);
    }

    /// Adds `count` equal observations.
    pub fn observe_many(&mut self, value: f64, count: u64) {
        if value.is_finite() {
            self.counts[bucket(self.bounds, value)] += count;
            self.sum += value * count as f64;
        }
    }

    /// How many observations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all observations.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    pub(super) fn bounds(&self) -> &[f64] {
        self.bounds
    }

    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// The bucket that a value belongs to.
pub(super) fn bucket(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.0, 9.0] {
            histogram.observe(value);
        }
        assert_eq!(histogram.counts(), [2, 2, 1]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 14.0));
    }

    #[test]
    fn what_is_no_number_is_no_observation() {
        let mut histogram = Histogram::new(BATCH_ROWS);
        histogram.observe(f64::NAN);
        histogram.observe(f64::INFINITY);
        assert_eq!((histogram.count(), histogram.sum()), (0, 0.0));
    }
}

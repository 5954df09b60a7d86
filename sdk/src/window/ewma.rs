//! An average that forgets.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keyed::nanoseconds;

/// An exponentially weighted moving average: a value counts half as much after each half-life, however many came since.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::window::Ewma;
/// # let second = 1_000_000_000;
///
/// let mut bytes = Ewma::new(Duration::from_secs(10));
/// bytes.add(0, 100.0);
/// bytes.add(10 * second, 400.0);
/// assert_eq!(bytes.mean(), Some(300.0)); // (100 / 2 + 400) / (1 / 2 + 1)
/// assert_eq!(bytes.weight(20 * second), 0.75);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ewma {
    half_life: u64,
    last: u64,
    sum: f64,
    weight: f64,
}

impl Ewma {
    /// Nothing yet. A half-life of 0 keeps the latest value alone.
    #[must_use]
    pub fn new(half_life: Duration) -> Self {
        Ewma {
            half_life: nanoseconds(half_life).max(1),
            last: 0,
            sum: 0.0,
            weight: 0.0,
        }
    }

    /// Adds a value. One that comes late counts as if it came now. What is not a finite number is left out.
    pub fn add(&mut self, now: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let left = self.left(now);
        self.sum = self.sum * left + value;
        self.weight = self.weight * left + 1.0;
        self.last = self.last.max(now);
    }

    /// The average of what was added; none before the first value.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    /// How many values the average stands on, each as much as it still counts.
    #[must_use]
    pub fn weight(&self, now: u64) -> f64 {
        self.weight * self.left(now)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of a half-life is no exact number")]
    fn left(&self, now: u64) -> f64 {
        (-(now.saturating_sub(self.last) as f64) / self.half_life as f64).exp2()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_average_with_weights_by_age(values in prop::collection::vec((0_u64..50, -1e6..1e6), 1..50)) {
            let mut ewma = Ewma::new(Duration::from_nanos(20));
            let (mut now, mut seen) = (0, Vec::new());
            for (step, value) in values {
                now += step;
                ewma.add(now, value);
                seen.push((now, value));
            }
            let weights = || seen.iter().map(|(time, _)| (-((now - time) as f64) / 20.0).exp2());
            let sum: f64 = weights().zip(&seen).map(|(weight, (_, value))| weight * value).sum();
            let expected = sum / weights().sum::<f64>();
            prop_assert!((ewma.mean().unwrap() - expected).abs() < 1e-3);
        }
    }

    #[test]
    fn no_value_has_no_mean_and_infinity_spoils_nothing() {
        let mut ewma = Ewma::new(Duration::ZERO);
        ewma.add(1, f64::INFINITY);
        assert_eq!(ewma.mean(), None);
        ewma.add(1, 3.0);
        ewma.add(9, 5.0);
        assert_eq!(
            ewma.mean(),
            Some((3.0 * (-8_f64).exp2() + 5.0) / ((-8_f64).exp2() + 1.0))
        );
    }
}

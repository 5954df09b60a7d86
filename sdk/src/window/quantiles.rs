//! Medians and the like.
use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use super::Merge;

/// Relative error.
const ERROR: f64 = 0.01;
const BINS: u32 = 1024;
/// Smaller values are 0: with nanoseconds, bytes or counts there are none.
const SMALLEST: f64 = 1e-9;

/// Estimates quantiles of a stream of numbers, each within 1 % of the true value (DDSketch: Masson, Rim and Lee, 2019).
/// Takes some 8 KiB at most: values that span more than nine orders of magnitude lose precision at the low end.
///
/// ```
/// use vespid_plugin::window::Quantiles;
///
/// let mut lifetimes = Quantiles::default();
/// (1..=100).for_each(|ms| lifetimes.add(f64::from(ms)));
/// let median = lifetimes.quantile(0.5).unwrap();
/// assert!((49.0..=51.0).contains(&median));
/// assert_eq!(lifetimes.len(), 100);
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Quantiles(DDSketch);

impl Default for Quantiles {
    fn default() -> Self {
        Quantiles(DDSketch::new(Config::new(ERROR, BINS, SMALLEST)))
    }
}

impl std::fmt::Debug for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quantiles")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Quantiles {
    /// Takes a number in. What is not a finite number is left out.
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.0.add(value);
        }
    }

    /// The value below which a share `q` of the numbers lies, 0.5 for the median; none if there are no numbers or `q` is
    /// no share.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.0.quantile(q).ok().flatten()
    }

    /// How many numbers there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Merge for Quantiles {
    fn merge(&mut self, other: &Self) {
        // Fails only for another configuration, and there is one alone.
        if let Err(cause) = self.0.merge(&other.0) {
            crate::log::error(&format!("quantiles cannot be merged: {cause}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state;

    proptest! {
        #[test]
        fn a_quantile_is_near_the_exact_one(values in prop::collection::vec(1_u32..1_000_000, 1..300), q in 0.0..=1.0) {
            let mut quantiles = Quantiles::default();
            let mut exact = values.clone();
            exact.sort_unstable();
            values.iter().for_each(|value| quantiles.add(f64::from(*value)));
            // Between the neighbours of its rank, since definitions differ there.
            // As many numbers as the share says lie below, give or take one, since definitions differ there.
            let found = quantiles.quantile(q).unwrap();
            let share = |bound: f64| exact.iter().filter(|value| f64::from(**value) <= bound).count() as f64;
            let rank = q * exact.len() as f64;
            prop_assert!(share(found * 1.015) >= rank - 1.0, "{} is too small", found);
            prop_assert!(share(found * 0.985) <= rank + 1.0, "{} is too large", found);
        }
    }

    #[test]
    fn what_was_saved_goes_on() {
        let mut quantiles = Quantiles::default();
        quantiles.add(5.0);
        let mut other: Quantiles = state::load(&state::save(&quantiles)).unwrap();
        other.merge(&quantiles);
        assert_eq!(other.len(), 2);
        assert_eq!(Quantiles::default().quantile(0.5), None);
    }
}

//! A window over what has none of its own.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keyed::nanoseconds;

/// What can be joined with another of its kind.
///
/// ```
/// use vespid_plugin::window::{Distinct, Merge};
///
/// let (mut all, mut of_one) = (Distinct::default(), Distinct::default());
/// all.add(b"22");
/// of_one.add(b"80");
/// all.merge(&of_one);
/// assert_eq!(all.count(), 2);
/// ```
pub trait Merge: Clone {
    /// Takes in what `other` saw.
    fn merge(&mut self, other: &Self);
}

/// Lets [`TopK`](super::TopK), [`Distinct`](super::Distinct) and [`Quantiles`](super::Quantiles) forget. There are two of
/// them, the present and the one before, which change places when the present one is a window old: together they know
/// at least the last window and at most the last two.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::window::{Distinct, Recent};
/// # let second = 1_000_000_000;
///
/// let mut ports = Recent::new(Duration::from_secs(60), Distinct::default());
/// ports.at(0).add(b"22");
/// ports.at(70 * second).add(b"80");
/// assert_eq!(ports.merged(70 * second).count(), 2);
/// assert_eq!(ports.merged(150 * second).count(), 1);
/// assert_eq!(ports.merged(999 * second).count(), 0);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recent<T> {
    window: u64,
    /// The present window's number, counted from time 0.
    number: u64,
    empty: T,
    present: T,
    before: T,
}

impl<T: Merge> Recent<T> {
    /// Starts with `empty`, and again in each window.
    #[must_use]
    pub fn new(window: Duration, empty: T) -> Self {
        Recent {
            window: nanoseconds(window).max(1),
            number: 0,
            present: empty.clone(),
            before: empty.clone(),
            empty,
        }
    }

    /// The present one, to add to. What comes late is added to it too.
    pub fn at(&mut self, now: u64) -> &mut T {
        let number = now / self.window;
        if number > self.number {
            let present = std::mem::replace(&mut self.present, self.empty.clone());
            self.before = if number == self.number + 1 {
                present
            } else {
                self.empty.clone()
            };
            self.number = number;
        }
        &mut self.present
    }

    /// The present and the one before, as one.
    pub fn merged(&mut self, now: u64) -> T {
        let mut merged = self.at(now).clone();
        merged.merge(&self.before);
        merged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::window::TopK;

    proptest! {
        #[test]
        fn it_knows_one_window_at_least_and_two_at_most(steps in prop::collection::vec(0_u64..30, 1..100)) {
            let mut recent = Recent::new(Duration::from_nanos(20), TopK::new(1));
            let (mut now, mut times) = (100, Vec::new());
            for step in steps {
                now += step;
                recent.at(now).add((), 1);
                times.push(now);
                let within = |length: u64| times.iter().filter(|time| **time + length > now).count() as u64;
                let count = recent.merged(now).top(1)[0].count;
                prop_assert!((within(20)..=within(40)).contains(&count));
            }
        }
    }
}

//! How many in the last so long, in the memory of sixteen numbers.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keyed::nanoseconds;

const PARTS: u64 = 16;
const SLOTS: usize = 16;

/// Counts events in a sliding window. The window moves on in sixteenths: a count is that of at least 15/16 of it and at
/// most the whole. For an exact limit there is [`Burst`](crate::Burst).
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::Keyed;
/// use vespid_plugin::window::Rate;
/// # let second = 1_000_000_000;
///
/// let mut by_pid = Keyed::new(1000, Duration::from_secs(60));
/// for i in 0..20 {
///     let (rate, _) = by_pid.touch(i * second, 42, || Rate::new(Duration::from_secs(16)));
///     rate.add(i * second, 1);
/// }
/// let rate = by_pid.get(19 * second, &42).unwrap();
/// assert_eq!(rate.count(19 * second), 16);
/// assert_eq!(rate.per_second(19 * second), 1.0);
/// assert_eq!(rate.count(99 * second), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Nanoseconds of a sixteenth.
    part: u64,
    /// The latest part; parts are numbered from time 0.
    latest: u64,
    counts: [u64; SLOTS],
}

impl Rate {
    /// Nothing yet, in a window of this length.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Rate {
            part: nanoseconds(window).div_ceil(PARTS).max(1),
            latest: 0,
            counts: [0; SLOTS],
        }
    }

    /// Adds `n` events. Those that come late count where they belong, or not at all if the window has left them behind.
    pub fn add(&mut self, now: u64, n: u64) {
        let part = now / self.part;
        self.advance(part);
        if part.saturating_add(PARTS) > self.latest {
            let count = self.slot(part);
            *count = count.saturating_add(n);
        }
    }

    /// How many there were in the window that ends now.
    pub fn count(&mut self, now: u64) -> u64 {
        self.advance(now / self.part);
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The same by the second.
    #[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
    pub fn per_second(&mut self, now: u64) -> f64 {
        let window = Duration::from_nanos(self.part.saturating_mul(PARTS));
        self.count(now) as f64 / window.as_secs_f64()
    }

    fn slot(&mut self, part: u64) -> &mut u64 {
        &mut self.counts[usize::try_from(part % PARTS).unwrap_or(0)]
    }

    fn advance(&mut self, part: u64) {
        let steps = part.saturating_sub(self.latest).min(PARTS);
        for step in 0..steps {
            *self.slot(part - step) = 0;
        }
        self.latest = self.latest.max(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_count_is_that_of_nearly_the_whole_window(steps in prop::collection::vec(0_u64..40, 1..200)) {
            let window = 160;
            let mut rate = Rate::new(Duration::from_nanos(window));
            let (mut now, mut times) = (1_000, Vec::new());
            for step in steps {
                now += step;
                times.push(now);
                rate.add(now, 1);
                let within = |length: u64| times.iter().filter(|time| **time + length > now).count() as u64;
                let count = rate.count(now);
                prop_assert!((within(window - window / PARTS)..=within(window)).contains(&count));
            }
        }
    }

    #[test]
    fn a_late_event_counts_where_it_belongs() {
        let mut rate = Rate::new(Duration::from_nanos(16));
        rate.add(100, 1);
        rate.add(90, 5);
        rate.add(80, 7);
        assert_eq!(rate.count(100), 6);
        assert_eq!(rate.count(106), 1);
    }
}

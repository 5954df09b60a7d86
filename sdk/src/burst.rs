//! More than so many in so long, exactly: a sliding window over event time.
use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keyed::nanoseconds;

/// When a burst starts and when it is over.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::BurstLimits;
///
/// let more_than_fifty_a_second = BurstLimits {
///     limit: 50,
///     window: Duration::from_secs(1),
///     calm: Duration::from_secs(5),
/// };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BurstLimits {
    /// A burst starts when there are more than so many
    pub limit: usize,
    /// within such a window,
    pub window: Duration,
    /// and ends when the limit has not been passed for so long, so that a rate around the limit is one burst.
    pub calm: Duration,
}

/// What an event did to a burst.
///
/// ```
/// use vespid_plugin::{Burst, BurstLimits, Edge};
///
/// fn is_news(burst: &mut Burst, now: u64, limits: &BurstLimits) -> bool {
///     burst.hit(now, limits) == Edge::Started
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// There is none.
    Below,
    /// It was the one too many.
    Started,
    /// There is one already.
    Ongoing,
}

/// A burst that is over.
///
/// ```
/// use vespid_plugin::BurstEnd;
///
/// fn say(end: BurstEnd) -> String {
///     format!("{} times in {:.1} s", end.count, end.length.as_secs_f64())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstEnd {
    /// How many events it had, those of the first window among them.
    pub count: u64,
    /// From the first event to the last.
    pub length: Duration,
}

#[derive(Serialize, Deserialize)]
struct Running {
    since: u64,
    count: u64,
    last: u64,
    over: u64,
}

/// Finds bursts in a stream of events. Takes memory only for the events of one window, at most `limit` of them.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::{Burst, BurstLimits, Edge};
/// # let (second, ms) = (1_000_000_000, 1_000_000);
///
/// let limits = BurstLimits {
///     limit: 2,
///     window: Duration::from_secs(1),
///     calm: Duration::from_secs(5),
/// };
/// let mut burst = Burst::default();
/// let edges = [0, 10, 20, 30].map(|at| burst.hit(at * ms, &limits));
/// assert_eq!(edges, [Edge::Below, Edge::Below, Edge::Started, Edge::Ongoing]);
/// assert!(burst.is_running());
/// // In `tick`:
/// let end = burst.end(6 * second, &limits).unwrap();
/// assert_eq!((end.count, end.length), (4, Duration::from_millis(30)));
/// ```
#[derive(Default, Serialize, Deserialize)]
pub struct Burst {
    times: VecDeque<u64>,
    running: Option<Running>,
}

impl Burst {
    /// Takes an event. Events a little out of order do no harm.
    pub fn hit(&mut self, now: u64, limits: &BurstLimits) -> Edge {
        self.times.push_back(now);
        while self.times.len() > limits.limit + 1 {
            self.times.pop_front();
        }
        let first = self.times.front().copied().unwrap_or(now);
        let over = self.times.len() > limits.limit && now.saturating_sub(first) < nanoseconds(limits.window);
        match &mut self.running {
            Some(running) => {
                running.count += 1;
                running.last = now.max(running.last);
                running.over = if over { running.last } else { running.over };
                Edge::Ongoing
            }
            None if over => {
                self.running = Some(Running {
                    since: first,
                    count: self.times.len() as u64,
                    last: now,
                    over: now,
                });
                Edge::Started
            }
            None => Edge::Below,
        }
    }

    /// Ends the burst if it has been calm for long enough.
    pub fn end(&mut self, now: u64, limits: &BurstLimits) -> Option<BurstEnd> {
        self.running
            .as_ref()
            .filter(|running| running.over.saturating_add(nanoseconds(limits.calm)) <= now)?;
        self.stop()
    }

    /// Ends the burst, if there is one, whether or not it is calm: because its key is being forgotten.
    ///
    /// ```
    /// # use vespid_plugin::{Burst, BurstEnd, Keyed};
    /// fn forget(bursts: &mut Keyed<u32, Burst>, pid: u32) -> Option<BurstEnd> {
    ///     bursts.remove(&pid)?.stop()
    /// }
    /// ```
    pub fn stop(&mut self) -> Option<BurstEnd> {
        let running = self.running.take()?;
        let length = Duration::from_nanos(running.last.saturating_sub(running.since));
        Some(BurstEnd {
            count: running.count,
            length,
        })
    }

    /// Whether there is a burst.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BurstLimits = BurstLimits {
        limit: 3,
        window: Duration::from_nanos(10),
        calm: Duration::from_nanos(20),
    };

    #[test]
    fn exactly_the_limit_in_a_window_is_no_burst() {
        let mut burst = Burst::default();
        let edges = [0, 1, 9, 10, 11, 19].map(|now| burst.hit(now, &LIMITS));
        assert_eq!(edges, [Edge::Below; 6]);
    }

    #[test]
    fn a_burst_starts_once_and_ends_with_its_count() {
        let mut burst = Burst::default();
        let edges = [100, 101, 102, 103, 104, 115].map(|now| burst.hit(now, &LIMITS));
        assert_eq!(
            edges,
            [
                Edge::Below,
                Edge::Below,
                Edge::Below,
                Edge::Started,
                Edge::Ongoing,
                Edge::Ongoing
            ]
        );
        assert_eq!(burst.end(123, &LIMITS), None);
        assert_eq!(
            burst.end(124, &LIMITS),
            Some(BurstEnd {
                count: 6,
                length: Duration::from_nanos(15)
            })
        );
        assert_eq!(burst.end(999, &LIMITS), None);
    }
}

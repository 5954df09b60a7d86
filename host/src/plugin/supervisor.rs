//! When a failed plugin gets its next instance: at growing intervals, and never again after too many failures in a
//! window.
//!
//! The clock is event time, like everything a plugin sees. So a replay of a recording restarts a failing plugin before
//! the same batch every time, and the tests need not sleep.
use std::collections::VecDeque;
use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Make a new instance, at this time or later.
    RestartAt(u64),
    /// Make none.
    Quarantine,
}

/// Failures of one plugin, by event time in nanoseconds.
#[derive(Debug)]
pub(super) struct Supervisor {
    most: usize,
    window: u64,
    failures: VecDeque<u64>,
}

impl Supervisor {
    pub(super) fn new(most: usize, window: Duration) -> Supervisor {
        Supervisor {
            most,
            window: nanos(window),
            failures: VecDeque::new(),
        }
    }

    /// Books a failure at `now`.
    pub(super) fn failed(&mut self, now: u64) -> Remedy {
        self.failures.push_back(now);
        while self
            .failures
            .front()
            .is_some_and(|first| now.saturating_sub(*first) > self.window)
        {
            self.failures.pop_front();
        }
        if self.failures.len() >= self.most {
            return Remedy::Quarantine;
        }
        let doublings = u32::try_from(self.failures.len() - 1).unwrap_or(u32::MAX);
        let wait = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_WAIT);
        Remedy::RestartAt(now.saturating_add(nanos(wait)))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn intervals_double_and_the_fifth_failure_in_a_minute_is_the_last() {
        let mut supervisor = Supervisor::new(5, Duration::from_secs(60));
        let remedies: Vec<Remedy> = (1..=5).map(|second| supervisor.failed(second * SECOND)).collect();
        let at = |second: u64, ms: u64| Remedy::RestartAt(second * SECOND + ms * 1_000_000);
        assert_eq!(
            remedies,
            [at(1, 100), at(2, 200), at(3, 400), at(4, 800), Remedy::Quarantine]
        );
    }

    #[test]
    fn rare_failures_never_quarantine() {
        let mut supervisor = Supervisor::new(5, Duration::from_secs(60));
        for failure in 0..100 {
            let now = failure * 20 * SECOND;
            assert!(matches!(supervisor.failed(now), Remedy::RestartAt(at) if at <= now + SECOND));
        }
    }
}

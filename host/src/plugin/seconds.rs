//! When a plugin is ticked: once a second of event time.

const SECOND: u64 = 1_000_000_000;
/// A gap in event time is ticked through second by second, but no more than this much of it: every window has closed by
/// then.
const MOST_TICKS: u64 = 600;

/// The seconds of event time that have been ticked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seconds(Option<u64>);

impl Seconds {
    /// Event time has reached `now` (Unix nanoseconds): the ticks that are due, in Unix nanoseconds. The first time that
    /// is heard of brings none.
    pub fn advance(&mut self, now: u64) -> impl Iterator<Item = u64> + use<> {
        let second = now / SECOND;
        let last = self.0.unwrap_or(second);
        self.0 = Some(second.max(last));
        let first = (last + 1).max(second.saturating_sub(MOST_TICKS - 1));
        (first..=second).map(|second| second * SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_is_ticked_once_and_a_long_gap_at_its_end_only() {
        let mut seconds = Seconds::default();
        let mut advance = |ms: u64| -> Vec<u64> { seconds.advance(ms * 1_000_000).map(|tick| tick / SECOND).collect() };
        assert!(advance(5_500).is_empty());
        assert!(advance(5_900).is_empty());
        assert_eq!(advance(8_000), [6, 7, 8]);
        assert!(advance(7_000).is_empty());
        assert!(advance(8_999).is_empty());
        let gap = advance(10_000_000);
        assert_eq!((gap.len(), gap[0], gap[599]), (600, 9_401, 10_000));
    }
}

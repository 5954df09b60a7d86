//! A bound on how often something may happen: so many a second in the long run, and a burst at once.
//!
//! The caller says what time it is. With event time, a replay admits and refuses the same things every time.

const SECOND: u128 = 1_000_000_000;

/// A token bucket, full at first.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    per_second: u128,
    /// In billionths of a token, of which each nanosecond earns `per_second`.
    most: u128,
    tokens: u128,
    /// Latest time seen, in nanoseconds.
    filled: u64,
}

impl Bucket {
    /// So many a second, and ten times that at once.
    pub(super) fn new(per_second: u32) -> Bucket {
        Bucket::with_burst(per_second, per_second.saturating_mul(10))
    }

    /// So many a second, and `burst` at once.
    pub(super) fn with_burst(per_second: u32, burst: u32) -> Bucket {
        let most = u128::from(burst) * SECOND;
        Bucket {
            per_second: per_second.into(),
            most,
            tokens: most,
            filled: 0,
        }
    }

    /// How many of `wanted` are admitted at `now_ns`. Time that goes back earns nothing.
    pub(super) fn take(&mut self, now_ns: u64, wanted: usize) -> usize {
        let passed = now_ns.saturating_sub(self.filled);
        self.filled = self.filled.max(now_ns);
        self.tokens = (self.tokens + u128::from(passed) * self.per_second).min(self.most);
        let admitted = usize::try_from(self.tokens / SECOND).unwrap_or(usize::MAX).min(wanted);
        self.tokens -= admitted as u128 * SECOND;
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    /// Some time in 2025.
    const START: u64 = 1_764_000_000_000 * MS;

    #[test]
    fn a_burst_is_admitted_and_then_the_rate() {
        let mut bucket = Bucket::new(5);
        assert_eq!(bucket.take(START, 30), 30);
        assert_eq!(bucket.take(START, 30), 20);
        assert_eq!(bucket.take(START + 199 * MS, 1), 0);
        assert_eq!(bucket.take(START + 200 * MS, 9), 1);
        assert_eq!(bucket.take(START + 1_200 * MS, 9), 5);
        assert_eq!(bucket.take(START + 1_000_000 * MS, 100), 50);
    }

    #[test]
    fn fractions_of_a_token_add_up() {
        let mut bucket = Bucket::with_burst(1, 1);
        let admitted: usize = (0..10_000).map(|step| bucket.take(START + step * MS, 1)).sum();
        assert_eq!(admitted, 10);
    }

    #[test]
    fn time_that_goes_back_and_forth_earns_nothing() {
        let mut bucket = Bucket::new(1);
        assert_eq!(bucket.take(START, 10), 10);
        for _ in 0..100 {
            assert_eq!(bucket.take(START - 60_000 * MS, 1), 0);
            assert_eq!(bucket.take(START, 1), 0);
        }
        assert_eq!(bucket.take(START + 1_000 * MS, 9), 1);
    }

    #[test]
    fn extremes_neither_overflow_nor_stick() {
        let mut bucket = Bucket::new(u32::MAX);
        assert_eq!(bucket.take(u64::MAX, 7), 7);
        assert_eq!(bucket.take(u64::MAX, usize::MAX), u32::MAX as usize - 7);
        assert_eq!(bucket.take(0, 1), 0);
        let mut none = Bucket::new(0);
        assert_eq!(none.take(u64::MAX, usize::MAX), 0);
    }
}

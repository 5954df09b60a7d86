//! How many lines of log a plugin may have: so many a second, and the others are counted.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rate::Bucket;

/// A plugin's allowance of log lines. It outlives the plugin's instances, so that a trap does not refill it.
#[derive(Debug)]
pub(super) struct LogGate {
    born: Instant,
    bucket: Mutex<Bucket>,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl LogGate {
    /// One that admits so many lines a second, in the long run and at once.
    pub(super) fn new(per_second: u32, now: Instant) -> LogGate {
        LogGate {
            born: now,
            bucket: Mutex::new(Bucket::with_burst(per_second, per_second)),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Whether there may be one more.
    pub(super) fn admit(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.born).as_nanos();
        let now = u64::try_from(age).unwrap_or(u64::MAX);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let is_admitted = bucket.take(now, 1) == 1;
        let counter = if is_admitted { &self.written } else { &self.dropped };
        counter.fetch_add(1, Relaxed);
        is_admitted
    }

    /// Lines written and lines dropped so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.written.load(Relaxed), self.dropped.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_rate_and_the_rest_is_counted() {
        let start = Instant::now();
        let gate = LogGate::new(100, start);
        let admitted = |at| {
            (0..1_000)
                .filter(|_| gate.admit(start + Duration::from_millis(at)))
                .count()
        };
        assert_eq!(admitted(0), 100);
        assert_eq!(admitted(500), 50);
        assert_eq!(admitted(60_000), 100);
        assert_eq!(gate.counts(), (250, 2_750));
    }
}

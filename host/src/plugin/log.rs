//! The one thing a plugin may ask of the daemon: a line in its log. At a bounded rate, of a bounded length, and never
//! able to pass for another line.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::interface::vespid::plugin::log::{Host, Level};

use super::failure::printable;
use super::instance::Tenant;

const LINE_BYTES: usize = 2 << 10;
/// Lines at once, and lines a second in the long run.
const BURST: f64 = 100.0;

/// A plugin's allowance of log lines. It outlives the plugin's instances, so that a trap does not refill it.
#[derive(Debug)]
pub(super) struct LogGate {
    bucket: Mutex<Bucket>,
    written: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl LogGate {
    pub(super) fn new(now: Instant) -> LogGate {
        let bucket = Mutex::new(Bucket {
            tokens: BURST,
            filled: now,
        });
        LogGate {
            bucket,
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    fn admit(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = now.saturating_duration_since(bucket.filled).as_secs_f64() * BURST;
        *bucket = Bucket {
            tokens: (bucket.tokens + earned).min(BURST),
            filled: now,
        };
        let is_admitted = bucket.tokens >= 1.0;
        if is_admitted {
            bucket.tokens -= 1.0;
        }
        let counter = if is_admitted { &self.written } else { &self.dropped };
        counter.fetch_add(1, Relaxed);
        is_admitted
    }

    /// Lines written and lines dropped so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.written.load(Relaxed), self.dropped.load(Relaxed))
    }
}

impl Host for Tenant {
    fn log(&mut self, level: Level, message: String) {
        if !self.log.admit(Instant::now()) {
            return;
        }
        let plugin = self.plugin.as_str();
        let message = printable(&message, LINE_BYTES);
        match level {
            Level::Error => tracing::error!(plugin, "{message}"),
            Level::Warn => tracing::warn!(plugin, "{message}"),
            Level::Info => tracing::info!(plugin, "{message}"),
            Level::Debug => tracing::debug!(plugin, "{message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_rate_and_the_rest_is_counted() {
        let start = Instant::now();
        let gate = LogGate::new(start);
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

//! The wall clock, in the units of events.
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::Timespec;

/// Unix nanoseconds now.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds as seconds.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "52 bits of nanoseconds are 50 days, to the nanosecond"
)]
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A kernel time as seconds.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "52 bits of nanoseconds are 50 days, to the nanosecond"
)]
pub fn timespec_seconds(time: Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

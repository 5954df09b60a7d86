//! How a plugin's versions followed one another.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::plugin::{Carried, Swapped};

/// Counts of one plugin's reloads.
#[derive(Default)]
pub struct Reloads(Mutex<Counts>);

/// What [`Reloads`] counts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// A new version took over.
    pub swapped: u64,
    /// A new version did not; the old one serves on.
    pub failed: u64,
    /// How long the last exchange took, from the loaded component to serving, in nanoseconds.
    pub last_ns: u64,
    /// All of them together.
    pub total_ns: u64,
    /// For how long of that the plugin took no batch, at the last exchange.
    pub last_pause_ns: u64,
    /// The version before the last exchange.
    pub before: Option<String>,
    /// What became of the state at the last exchange.
    pub state: Carried,
    /// Why the last one that failed did.
    pub last_failure: Option<String>,
}

impl Reloads {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    pub(super) fn swapped(&self, before: &str, swapped: &Swapped, took: Duration) {
        let mut counts = self.lock();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        counts.swapped += 1;
        counts.last_ns = nanos(took);
        counts.total_ns = counts.total_ns.saturating_add(nanos(took));
        counts.last_pause_ns = nanos(swapped.pause);
        counts.before = Some(before.to_owned());
        counts.state = swapped.state;
    }

    pub(super) fn failed(&self, why: &str) {
        let mut counts = self.lock();
        counts.failed += 1;
        counts.last_failure = Some(why.to_owned());
    }
}

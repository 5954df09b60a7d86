//! What is known of the collector's work: see [`Progress`].
use std::sync::{Arc, Mutex, PoisonError};

use super::losses::ByContainer;
use crate::kernel::{Counters, Probe};
use crate::ledger::Stage;
use crate::metrics::{BATCH_ROWS, Histogram, Processes};

/// The collector's numbers, replaced as a whole after each round, so that what is read together belongs together.
#[derive(Clone, Debug)]
pub struct Progress {
    /// From the probes to the ring's other end.
    pub kernel: Stage,
    /// From records to events.
    pub decode: Stage,
    /// From events to batches.
    pub enrich: Stage,
    /// The kernel side's own counters.
    pub counters: Counters,
    /// Whose events the kernel side gave up for want of room.
    pub by_container: Arc<ByContainer>,
    /// Events by batch.
    pub batch_rows: Histogram,
    /// The process table.
    pub processes: Processes,
    /// Containers known.
    pub containers: u64,
    /// Each probe, running or not.
    pub probes: Arc<[Probe]>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            kernel: Stage::default(),
            decode: Stage::default(),
            enrich: Stage::default(),
            counters: Counters::default(),
            by_container: Arc::default(),
            batch_rows: Histogram::new(BATCH_ROWS),
            processes: Processes::default(),
            containers: 0,
            probes: Arc::default(),
        }
    }
}

/// Where the collector publishes its [`Progress`].
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<Mutex<Progress>>);

impl Published {
    /// The numbers after the last round.
    #[must_use]
    pub fn read(&self) -> Progress {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn write(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

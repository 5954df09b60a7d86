//! What became of the verdicts: how many were written, and how many dropped for which reason.
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::Summary;
use crate::metrics::Verdicts;

/// Verdicts kept for the terminal screen.
pub const RECENT: usize = 64;

/// What became of the verdicts.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Handed to the thread.
    pub(super) queued: AtomicU64,
    written: AtomicU64,
    dropped: [AtomicU64; Reason::ALL.len()],
    /// The queue is full, and that has been said.
    pub(super) overflowing: AtomicBool,
    recent: Mutex<VecDeque<Arc<Summary>>>,
}

/// Why a verdict was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    QueueFull,
    DiskFull,
    BrokenPipe,
    WriteFailed,
    Shutdown,
}

impl Reason {
    const ALL: [Reason; 5] = [
        Reason::QueueFull,
        Reason::DiskFull,
        Reason::BrokenPipe,
        Reason::WriteFailed,
        Reason::Shutdown,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::DiskFull => "disk_full",
            Reason::BrokenPipe => "broken_pipe",
            Reason::WriteFailed => "write_failed",
            Reason::Shutdown => "shutdown",
        }
    }
}

// Relaxed throughout: each count stands for itself, and a scrape may see them a moment apart.
impl Books {
    pub(super) fn count_dropped(&self, reason: Reason, count: u64) {
        self.dropped[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn queue_is_empty(&self) {
        self.overflowing.store(false, Ordering::Relaxed);
    }

    pub(super) fn verdicts(&self) -> Verdicts {
        let count = |reason: Reason| self.dropped[reason as usize].load(Ordering::Relaxed);
        let dropped: BTreeMap<_, _> = Reason::ALL
            .into_iter()
            .map(|reason| (reason.name(), count(reason)))
            .collect();
        Verdicts {
            written: self.written.load(Ordering::Relaxed),
            dropped,
        }
    }
    pub(super) fn remember(&self, verdict: &Arc<Summary>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(verdict));
    }

    /// The last [`RECENT`] verdicts, oldest first.
    pub(super) fn recent(&self) -> Vec<Arc<Summary>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().cloned().collect()
    }
}

//! What a plugin's thread and the others both look at, and how it is locked.
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::filter::Subscription;

use super::component::Plugin;
use super::instance::Snapshot;
use super::stats::PluginStats;

/// A plugin's: its thread has it, and its worker.
pub(super) struct Desk {
    /// The version that serves.
    pub(super) plugin: Mutex<Plugin>,
    /// What it is called with.
    pub(super) subscription: Mutex<Subscription>,
    pub(super) stats: Mutex<PluginStats>,
    /// The last good state.
    pub(super) snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// Events in the queue.
    pub(super) waiting: AtomicU64,
}

/// The books stay usable if a thread died while it held them: each entry is a plain number.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

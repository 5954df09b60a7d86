//! What a plugin's thread is handed, and who takes what it reports.
use std::sync::Arc;

use crate::interface::vespid::plugin::describe::Manifest;
use crate::interface::vespid::plugin::events::Batch;
use crate::interface::vespid::plugin::reports::Report;
use crate::verdict::Cause;

use super::component::{Identity, Plugin};
use super::failure::Failure;
use super::subscription::Rows;

/// A batch on its way to plugins.
#[derive(Clone)]
pub struct Delivery {
    /// The batch. Its header's losses are those of all plugins; a worker adds its own plugin's.
    pub batch: Arc<Batch>,
    /// Its rows.
    pub rows: Rows,
    /// Time of its oldest event, in Unix nanoseconds.
    pub first_time: u64,
    /// Time of its newest event.
    pub last_time: u64,
}

impl Delivery {
    /// How many events it has.
    pub(super) fn len(&self) -> u64 {
        self.rows.iter().sum()
    }
}

/// Takes what a plugin reports. Reports have been checked: rows, metrics and series ids exist.
///
/// All calls come from the plugin's thread, save for the first `started`, which comes from
/// [`Worker::spawn`](super::Worker::spawn).
pub trait Sink: Send {
    /// Another version takes over; if it is accepted, `started` follows.
    ///
    /// # Errors
    /// Why what it declares cannot be exported. Nothing has changed then.
    fn adopt(&mut self, plugin: &Plugin) -> Result<(), String>;

    /// A new instance begins: its series ids count from 0 again.
    fn started(&mut self, plugin: &Identity, manifest: &Manifest);

    /// Applies a report that came at event time `now`.
    fn apply(&mut self, plugin: &Identity, now: u64, cause: Cause<'_>, report: Report);

    /// The plugin did not get this many events between these two event times.
    fn missed(&mut self, events: u64, from: u64, to: u64);

    /// The plugin is done with what it was handed before [`Worker::end_turn`](super::Worker::end_turn).
    fn end_turn(&mut self) {}

    /// The plugin failed for the last time, and gets no batches any more.
    fn quarantined(&mut self, plugin: &Identity, now: u64, failure: &Failure);
}

//! The states of running plugins, as they are on the disk: written when they have changed.
use std::sync::Arc;

use super::roster::Running;
use crate::nest::Role;
use crate::pipeline::Seat;
use crate::plugin::Snapshot;
use crate::state::{States, Unread};

pub(super) struct SavedStates {
    /// Where they are, if they are to outlive the daemon.
    states: Option<States>,
    /// What was written last of each.
    written: Vec<(Seat, Arc<Snapshot>)>,
}

impl SavedStates {
    pub(super) fn new(states: Option<States>) -> SavedStates {
        SavedStates {
            states,
            written: Vec::new(),
        }
    }

    /// Writes that of an active plugin, if it is another than the last.
    pub(super) fn write(&mut self, running: &Running) {
        let (Some(states), Role::Active) = (&self.states, running.role) else {
            return;
        };
        let Some(snapshot) = running.worker.last_snapshot() else {
            return;
        };
        let last = self.written.iter().position(|(seat, _)| *seat == running.seat);
        if last.is_some_and(|at| Arc::ptr_eq(&self.written[at].1, &snapshot)) {
            return;
        }
        match states.write(&running.name, &snapshot) {
            Ok(()) => {
                last.map(|at| self.written.swap_remove(at));
                self.written.push((running.seat, snapshot));
            }
            Err(error) => tracing::error!(
                plugin = running.name,
                "the plugin's state could not be written, and the one before is kept: {error}"
            ),
        }
    }

    /// That which a plugin had, if it can be read.
    pub(super) fn read(&self, name: &str) -> Option<Snapshot> {
        match self.states.as_ref()?.read(name) {
            Ok(state) => state,
            Err(error @ Unread::Damaged(_)) => {
                tracing::error!(
                    plugin = name,
                    "the plugin's saved state is not used, since {error}; it is put aside as {name}.state.damaged, and \
                     the plugin starts without"
                );
                None
            }
            Err(error) => {
                tracing::error!(
                    plugin = name,
                    "the plugin's saved state is not used, since {error}; the plugin starts without"
                );
                None
            }
        }
    }

    /// Writes that of a plugin that has ended, for the last time.
    pub(super) fn end(&mut self, running: &Running) {
        self.write(running);
        self.written.retain(|(seat, _)| *seat != running.seat);
    }
}

//! Who runs: shared by everybody who looks at the plugins, changed by the nest's thread alone.
use std::sync::{Arc, PoisonError, RwLock};

use super::reload::Reloads;
use super::reporter::Shared;
use crate::control::Mode;
use crate::nest::Role;
use crate::pipeline::Seat;
use crate::plugin::Worker;

/// A plugin that runs, in one of its roles. Its version may change, its seat does not.
pub struct Running {
    /// Its place at the pipeline.
    pub seat: Seat,
    /// What it is for.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its thread.
    pub worker: Worker,
    /// What it has reported.
    pub reported: Shared,
    /// How its versions followed one another.
    pub reloads: Reloads,
}

/// Everybody who runs, in the order of their seats.
#[derive(Clone, Default)]
pub struct Roster(Arc<RwLock<Vec<Arc<Running>>>>);

impl Roster {
    /// All, as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Running>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those whose verdicts and metrics are exported.
    #[must_use]
    pub fn active(&self) -> Vec<Arc<Running>> {
        let mut all = self.all();
        all.retain(|running| running.role == Role::Active);
        all
    }

    /// The one of this role and name.
    #[must_use]
    pub fn find(&self, role: Role, name: &str) -> Option<Arc<Running>> {
        let mut all = self.all();
        let at = all
            .iter()
            .position(|running| running.role == role && running.name == name)?;
        Some(all.swap_remove(at))
    }

    pub(super) fn add(&self, running: Arc<Running>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(running);
    }

    pub(super) fn remove(&self, seat: Seat) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|running| running.seat != seat);
    }
}

/// A role, as operators see it.
pub(super) fn mode(role: Role) -> Mode {
    match role {
        Role::Active => Mode::Active,
        Role::Shadow => Mode::Shadow,
    }
}

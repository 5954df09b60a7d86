//! One instance takes over from another between two batches, with its state.
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::component::Plugin;
use super::failure::Failure;
use super::instance::{Instance, Snapshot};
use crate::filter::Subscription;

/// An instance that has started and is ready to take over. Making one takes as long as its `init`, so it is made on
/// any thread but the worker's.
pub struct Successor {
    pub(super) plugin: Plugin,
    pub(super) config: Value,
    pub(super) instance: Box<Instance>,
    pub(super) subscription: Subscription,
}

impl Successor {
    /// Starts an instance.
    ///
    /// # Errors
    /// If it does not accept its configuration, fails while starting, or asks for what makes no sense.
    pub fn start(plugin: Plugin, config: Value) -> Result<Successor, Failure> {
        let mut instance = Box::new(plugin.start(&config, None)?);
        let subscription = instance.subscription()?;
        Ok(Successor {
            plugin,
            config,
            instance,
            subscription,
        })
    }

    /// What it wants to be called with.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }
}

/// An exchange that took place.
pub struct Swapped {
    /// What became of the state.
    pub state: Carried,
    /// Bytes of the state that was handed over.
    pub state_bytes: usize,
    /// How long the plugin took no batch.
    pub pause: Duration,
    /// Freed by whoever asked for the exchange, and not within the pause.
    pub(super) retired: Option<Box<Instance>>,
}

/// What became of a plugin's state when its instance was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// There was none to hand over.
    #[default]
    Nothing,
    /// The new instance continues from it.
    Warm,
    /// The new instance did not understand it, and starts without.
    Cold,
}

impl Carried {
    /// As it is shown in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Carried::Nothing => "nothing",
            Carried::Warm => "warm",
            Carried::Cold => "cold",
        }
    }
}

/// Why an exchange did not take place. The old instance serves on.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The new version fails on the old one's state.
    #[error(
        "the new version {0} when it was handed the state of the old one; make `restore` answer cold for a state that it cannot use"
    )]
    Restore(Failure),
    /// What the new version declares cannot be exported.
    #[error("{0}")]
    Declared(String),
    /// The worker is not there any more.
    #[error("the plugin has been stopped")]
    Stopped,
}

/// A plugin's state, and how to come back to it after a failure.
#[derive(Default)]
pub(super) struct Saved {
    snapshot: Option<Arc<Snapshot>>,
    /// The present instance came from the snapshot and has taken no batch since.
    is_on_trial: bool,
    /// Its snapshots fail; it is not asked again.
    is_given_up: bool,
    /// Event time of the next one.
    due: u64,
}

impl Saved {
    pub(super) fn is_due(&mut self, now: u64, every: Duration) -> bool {
        let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        if self.due == 0 {
            self.due = now.saturating_add(every);
        }
        if self.is_given_up || now < self.due {
            return false;
        }
        self.due = now.saturating_add(every);
        true
    }

    pub(super) fn keep(&mut self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        self.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// No more snapshots from this version: its `snapshot` fails.
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    pub(super) fn another_version(&mut self) {
        self.is_given_up = false;
    }

    /// The first instance came from a snapshot.
    pub(super) fn restored(&mut self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.is_on_trial = true;
        self.keep(snapshot)
    }

    pub(super) fn batch_completed(&mut self) {
        self.is_on_trial = false;
    }

    pub(super) fn last(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// What the next instance after a failure is to continue from. A state from which the instance before failed at
    /// its first batch is not tried again: it may be what it fails on.
    pub(super) fn for_restart(&mut self) -> Option<Arc<Snapshot>> {
        if self.is_on_trial {
            self.snapshot = None;
        }
        self.is_on_trial = self.snapshot.is_some();
        self.snapshot.clone()
    }
}

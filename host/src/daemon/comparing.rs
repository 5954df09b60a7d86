//! The comparison of a plugin with its shadow, in reach of both their threads. It exists while a shadow runs.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::nest::Role;
use crate::shadow::{Comparison, Side, Summary, VerdictSeen};
use crate::verdict::{Cause, Record};

/// The same one for both versions. Cheap to clone.
#[derive(Clone, Default)]
pub struct Comparing(Arc<Mutex<Option<Comparison>>>);

impl Comparing {
    fn lock(&self) -> MutexGuard<'_, Option<Comparison>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both versions get the events from event time `since` on.
    pub(super) fn begin(&self, since: u64) {
        *self.lock() = Some(Comparison::new(since));
    }

    /// One of the two was exchanged: what had been compared says nothing about the new pair.
    pub(super) fn begin_again(&self, since: u64) {
        if let Some(comparison) = self.lock().as_mut() {
            *comparison = Comparison::new(since);
        }
    }

    /// The shadow is gone.
    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    /// All there is to tell, while a shadow runs.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        self.lock().as_ref().map(Comparison::summary)
    }

    /// What a call came to: its verdicts, then how far it got.
    pub(super) fn called(&self, role: Role, now: u64, cause: Cause<'_>, verdicts: &[Record]) {
        let mut comparison = self.lock();
        let Some(comparison) = comparison.as_mut() else { return };
        let side = side(role);
        for Record { line, summary } in verdicts {
            let seen = VerdictSeen {
                rule: summary.rule.clone(),
                severity: summary.severity,
                key: summary.key.clone(),
                subject: summary.subject,
                time: summary.time,
                message: summary.message.clone(),
                line: line.as_slice().into(),
            };
            comparison.verdict(side, seen);
        }
        let (time, events) = match cause {
            Cause::Batch(batch) => (now, batch.rows() as u64),
            Cause::Tick(time) => (time, 0),
        };
        comparison.progress(side, time, events);
    }

    /// A version did not get events between these event times.
    pub(super) fn missed(&self, role: Role, events: u64, from: u64, to: u64) {
        if let Some(comparison) = self.lock().as_mut() {
            comparison.dropped(side(role), events, from, to);
            comparison.progress(side(role), to, 0);
        }
    }
}

fn side(role: Role) -> Side {
    match role {
        Role::Active => Side::Active,
        Role::Shadow => Side::Shadow,
    }
}

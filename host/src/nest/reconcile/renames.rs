//! Files that were only renamed: what runs from them goes on undisturbed.
use std::collections::BTreeMap;
use std::path::Path;

use super::{Reconciling, which};
use crate::nest::changes::Change;
use crate::nest::runtime::Runtime;
use crate::nest::{Running, Slot};

impl<'a, R: Runtime> Reconciling<'a, R> {
    /// Moves what runs to the file that has its contents now, if its own is gone or was exchanged for another plugin's.
    pub(super) fn follow_renames(&mut self) {
        let mut targets: BTreeMap<&'a Path, Slot> = BTreeMap::new();
        for (slot, running) in &self.nest.running {
            if !self.has_left(slot, running) {
                continue;
            }
            let target = self.listing.candidates.iter().find(|candidate| {
                candidate.contents == running.contents
                    && !targets.contains_key(candidate.file.as_path())
                    && !self.runs_already(candidate)
            });
            if let Some(target) = target {
                targets.insert(&target.file, slot.clone());
            }
        }
        for file in targets.keys() {
            self.release(file);
        }
        for (file, slot) in targets {
            let Some(running) = self.nest.running.get_mut(&slot) else {
                continue;
            };
            running.file = Some(file.to_owned());
            self.nest.refused.remove(file);
            self.runtime.moved(slot.0, &slot.1, file);
            self.changes.list.push(Change::Moved(which(slot, file)));
        }
    }

    fn has_left(&self, slot: &Slot, running: &Running) -> bool {
        let Some(file) = running.file.as_deref() else {
            return true;
        };
        let Some(candidate) = self.candidates.get(file) else {
            return !self.is_there(file);
        };
        let refused = self
            .nest
            .refused
            .get(file)
            .and_then(|refused| refused.contents.as_ref());
        if refused == Some(&candidate.contents) {
            return false;
        }
        let is_anothers = |(other, theirs): (&Slot, &Running)| other != slot && theirs.contents == candidate.contents;
        candidate.contents != running.contents && self.nest.running.iter().any(is_anothers)
    }
}

//! One look's way from what is there to what runs.
//!
//! Renames first: they need no loading. Then whatever is due is loaded and takes its place, in the order of file names; it
//! waits with that only while its name belongs to a file that is due itself and may leave it. Last, what nobody claimed any
//! more is stopped. So a name that changes hands is swapped, and never stopped and started.
mod circle;
mod renames;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::candidate::{Candidate, Contents, Kind, Reason};
use super::changes::{Change, Changes, Which};
use super::listing::Listing;
use super::runtime::{LoadError, Runtime};
use super::{Nest, Refused, Running, Slot};

pub(super) struct Reconciling<'a, R: Runtime> {
    nest: &'a mut Nest,
    runtime: &'a mut R,
    listing: &'a Listing,
    candidates: BTreeMap<&'a Path, &'a Candidate>,
    /// Loaded, and waiting for others to leave their names; in the order of file names.
    waiting: Vec<Claim<'a, R::Loaded>>,
    /// Due, and not placed or refused yet.
    undecided: BTreeSet<&'a Path>,
    retry: bool,
    changes: Changes,
}

struct Claim<'a, L> {
    candidate: &'a Candidate,
    slot: Slot,
    loaded: L,
}

/// How a claim stands.
enum Standing {
    /// Nobody else has the name, or nobody whose file is there.
    Free,
    /// The file that has the name keeps it.
    Taken(PathBuf),
    /// The file that has the name may leave it.
    Open(PathBuf),
}

impl<'a, R: Runtime> Reconciling<'a, R> {
    pub(super) fn new(
        nest: &'a mut Nest,
        listing: &'a Listing,
        runtime: &'a mut R,
        retry: bool,
        changes: Changes,
    ) -> Reconciling<'a, R> {
        let candidates = listing
            .candidates
            .iter()
            .map(|candidate| (candidate.file.as_path(), candidate))
            .collect();
        Reconciling {
            nest,
            runtime,
            listing,
            candidates,
            waiting: Vec::new(),
            undecided: BTreeSet::new(),
            retry,
            changes,
        }
    }

    pub(super) fn run(mut self) -> Changes {
        self.changes.look_again = !self.listing.unsettled.is_empty();
        self.follow_renames();
        self.forget_what_is_gone();
        let listing = self.listing;
        for (file, reason) in &listing.faulty {
            self.refuse(file, reason.clone(), None, None);
        }
        let due = self.due();
        self.undecided = due.iter().map(|candidate| candidate.file.as_path()).collect();
        for candidate in due {
            self.load(candidate);
        }
        self.place_waiting();
        self.stop_what_nobody_claims();
        self.runtime.settle();
        self.name_those_who_were_first();
        self.changes
    }

    fn is_there(&self, file: &Path) -> bool {
        let listing = self.listing;
        self.candidates.contains_key(file)
            || listing.unsettled.iter().any(|unsettled| unsettled == file)
            || listing.faulty.iter().any(|(faulty, _)| faulty == file)
    }

    fn runs_already(&self, candidate: &Candidate) -> bool {
        let is_it = |running: &Running| {
            running.file.as_ref() == Some(&candidate.file) && running.contents == candidate.contents
        };
        self.nest.running.values().any(is_it)
    }

    /// Whatever runs from this file has no file any more.
    fn release(&mut self, file: &Path) {
        for running in self.nest.running.values_mut() {
            if running.file.as_deref() == Some(file) {
                running.file = None;
            }
        }
    }

    fn forget_what_is_gone(&mut self) {
        let gone: Vec<PathBuf> = self
            .nest
            .running
            .values()
            .filter_map(|running| running.file.clone())
            .chain(self.nest.refused.keys().cloned())
            .filter(|file| !self.is_there(file))
            .collect();
        for file in gone {
            self.release(&file);
            self.nest.refused.remove(&file);
        }
        let listing = self.listing;
        for candidate in &listing.candidates {
            if self.runs_already(candidate) {
                self.nest.refused.remove(&candidate.file);
            }
        }
    }

    /// What must be loaded, in the order of file names.
    fn due(&self) -> Vec<&'a Candidate> {
        let mut due: BTreeMap<&Path, &Candidate> = BTreeMap::new();
        // Whoever waits for a name is due if the file that has it is, and so on.
        loop {
            let more: Vec<&Candidate> = self
                .listing
                .candidates
                .iter()
                .filter(|candidate| !due.contains_key(candidate.file.as_path()) && self.is_due(candidate, &due))
                .collect();
            if more.is_empty() {
                return due.into_values().collect();
            }
            due.extend(more.into_iter().map(|candidate| (candidate.file.as_path(), candidate)));
        }
    }

    fn is_due(&self, candidate: &Candidate, due: &BTreeMap<&Path, &Candidate>) -> bool {
        if self.runs_already(candidate) {
            return false;
        }
        match self.nest.refused.get(&candidate.file) {
            Some(refused) if refused.contents.as_ref() == Some(&candidate.contents) && !self.retry => {
                let wanted = refused.wanted.as_ref().map(|slot| self.nest.running.get(slot));
                let may_be_free = wanted.is_some_and(|owner| {
                    let owner = owner.and_then(|owner| owner.file.as_deref());
                    owner.is_none_or(|file| due.contains_key(file))
                });
                may_be_free || refused.reason.kind == Kind::Passing
            }
            _ => true,
        }
    }

    fn load(&mut self, candidate: &'a Candidate) {
        match self.runtime.load(candidate) {
            Ok(loaded) => {
                let slot = (R::role(&loaded), R::name(&loaded).to_owned());
                let claim = Claim {
                    candidate,
                    slot,
                    loaded,
                };
                let is_after_another = self.waiting.iter().any(|first| first.slot == claim.slot);
                if is_after_another || matches!(self.standing(&claim), Standing::Open(_)) {
                    self.waiting.push(claim);
                } else {
                    self.place(claim, false);
                }
            }
            Err(LoadError::Stale(_)) => {
                self.changes.look_again = true;
                self.undecided.remove(candidate.file.as_path());
            }
            Err(LoadError::Refused(reason)) => {
                self.refuse(&candidate.file, reason, Some(&candidate.contents), None);
            }
        }
    }

    fn standing(&self, claim: &Claim<'a, R::Loaded>) -> Standing {
        let owner = self.nest.running.get(&claim.slot);
        match owner.and_then(|owner| owner.file.as_ref()) {
            None => Standing::Free,
            Some(file) if *file == claim.candidate.file => Standing::Free,
            Some(file) if self.undecided.contains(file.as_path()) => Standing::Open(file.clone()),
            Some(file) => Standing::Taken(file.clone()),
        }
    }

    /// `ahead`: although the file that has the name has not left it yet.
    fn place(&mut self, claim: Claim<'a, R::Loaded>, ahead: bool) {
        let standing = self.standing(&claim);
        let Claim {
            candidate,
            slot,
            loaded,
        } = claim;
        let (file, contents) = (&candidate.file, &candidate.contents);
        let first = match standing {
            Standing::Free => None,
            Standing::Open(_) if ahead => None,
            Standing::Open(first) | Standing::Taken(first) => Some(first),
        };
        if let Some(first) = first {
            let reason = duplicate(&slot.1, &first);
            return self.refuse(file, reason, Some(contents), Some(slot));
        }
        let is_swap = self.nest.running.contains_key(&slot);
        let result = if is_swap {
            self.runtime.swap(loaded)
        } else {
            self.runtime.start(loaded)
        };
        if let Err(reason) = result {
            return self.refuse(file, reason, Some(contents), None);
        }
        self.undecided.remove(file.as_path());
        self.nest.refused.remove(file);
        self.release(file);
        let running = Running {
            file: Some(file.clone()),
            contents: contents.clone(),
        };
        self.nest.running.insert(slot.clone(), running);
        let which = which(slot, file);
        self.changes.list.push(if is_swap {
            Change::Swapped(which)
        } else {
            Change::Started(which)
        });
    }

    fn refuse(&mut self, file: &Path, reason: Reason, contents: Option<&Contents>, wanted: Option<Slot>) {
        self.undecided.remove(file);
        let contents = contents.cloned();
        let refused = Refused {
            reason: reason.clone(),
            contents,
            wanted,
        };
        let lasts = self.nest.refused.get(file) == Some(&refused);
        self.nest.refused.insert(file.to_owned(), refused);
        if lasts && !self.retry {
            return;
        }
        for (kind, count) in Kind::ALL.iter().zip(&mut self.nest.refusals) {
            *count += u64::from(*kind == reason.kind);
        }
        let file = file.to_owned();
        self.changes.list.push(Change::Refused { file, reason });
    }

    /// The plugin that has a name may have been moved to another file since.
    fn name_those_who_were_first(&mut self) {
        for refused in self.nest.refused.values_mut() {
            let owner = refused
                .wanted
                .as_ref()
                .and_then(|slot| self.nest.running.get_key_value(slot));
            if let Some(((_, name), Running { file: Some(first), .. })) = owner {
                refused.reason = duplicate(name, first);
            }
        }
    }

    fn stop_what_nobody_claims(&mut self) {
        let (runtime, list) = (&mut *self.runtime, &mut self.changes.list);
        self.nest.running.retain(|(role, name), running| {
            let is_claimed = running.file.is_some();
            if !is_claimed {
                runtime.stop(*role, name);
                let (role, name) = (*role, name.clone());
                list.push(Change::Stopped { role, name });
            }
            is_claimed
        });
    }
}

fn duplicate(name: &str, first: &Path) -> Reason {
    let text = format!(
        "{} is a plugin of the same name, `{name}`, and was there first; remove one of them",
        first.display()
    );
    Reason::new(Kind::Duplicate, text)
}

fn which((role, name): Slot, file: &Path) -> Which {
    let file = file.to_owned();
    Which { role, name, file }
}

//! A real directory, a scanner, a nest and a fake runtime.
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::{Changes, LookSettings, Nest, Scanner};
use super::fake::Fake;

pub(super) struct Desk {
    pub(super) parent: TempDir,
    pub(super) scanner: Scanner,
    pub(super) nest: Nest,
    pub(super) runtime: Fake,
}

impl Desk {
    /// With these components, after a first look.
    pub(super) fn with(files: &[(&str, &str)]) -> Desk {
        let mut desk = Desk::empty();
        for (name, text) in files {
            desk.write(name, text);
        }
        desk.look();
        desk
    }

    pub(super) fn empty() -> Desk {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("plugins");
        std::fs::create_dir(&directory).expect("a directory");
        Desk {
            scanner: Scanner::new(&directory, &LookSettings::default()),
            parent,
            nest: Nest::new(),
            runtime: Fake::default(),
        }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.parent.path().join("plugins")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).expect("removed");
    }

    /// What a look does.
    pub(super) fn look(&mut self) -> Vec<String> {
        self.reconcile(false);
        std::mem::take(&mut self.runtime.calls)
    }

    /// What a look does when nobody writes any more. A test that starts a process has it hold, for a moment, copies of all
    /// descriptors, those that another test writes through included.
    pub(super) fn look_when_settled(&mut self) -> Vec<String> {
        loop {
            let look = self.scanner.look();
            if look.as_ref().is_ok_and(|listing| !listing.unsettled.is_empty()) {
                std::thread::yield_now();
                continue;
            }
            self.nest.reconcile(&look, &mut self.runtime, false);
            return std::mem::take(&mut self.runtime.calls);
        }
    }

    /// What a look by request does.
    pub(super) fn retry(&mut self) -> Vec<String> {
        self.reconcile(true);
        std::mem::take(&mut self.runtime.calls)
    }

    pub(super) fn reconcile(&mut self, retry: bool) -> Changes {
        let look = self.scanner.look();
        self.nest.reconcile(&look, &mut self.runtime, retry)
    }

    /// `ROLE COMPONENT < FILE` of each plugin.
    pub(super) fn running(&self) -> Vec<String> {
        self.nest
            .running()
            .map(|(role, name, file)| {
                let component = &self.runtime.running[&(role, name.to_owned())].component;
                format!(
                    "{role} {component} < {}",
                    file.file_name().expect("a file name").display()
                )
            })
            .collect()
    }

    /// `FILE: KIND` of each refused file.
    pub(super) fn refused(&self) -> Vec<String> {
        self.nest
            .refused()
            .map(|(file, reason)| {
                format!(
                    "{}: {}",
                    file.file_name().expect("a file name").display(),
                    reason.kind.as_str()
                )
            })
            .collect()
    }

    /// The reason why a file is refused.
    pub(super) fn reason(&self, name: &str) -> String {
        let path = self.path(name);
        let found = self.nest.refused().find(|(file, _)| *file == path);
        found.map(|(_, reason)| reason.text.clone()).expect("refused")
    }

    pub(super) fn refusals(&self) -> u64 {
        self.nest.refusals().map(|(_, count)| count).sum()
    }
}

//! Which user and group a process has, by name: asked for when it gets a number that has no name yet.
use super::Found;
use super::process::{Process, ProcessId};
use super::table::ProcessTable;
use crate::event::{Accounts, KnownAccount};

/// What a number is that is not known.
const UNKNOWN: u32 = u32::MAX;

impl ProcessTable {
    /// Name of a process's real user; empty if it is not known. The process may be one as it was.
    #[must_use]
    pub fn user(&self, process: &Process) -> &[u8] {
        self.account(process, Accounts::User, process.uid)
    }

    /// Name of a process's real group likewise.
    #[must_use]
    pub fn group_name(&self, process: &Process) -> &[u8] {
        self.account(process, Accounts::Group, process.gid)
    }

    /// Another number whenever a name may be another.
    pub(crate) fn account_changes(&self) -> u64 {
        self.names.changes
    }

    /// Takes in a name that is known from elsewhere: from the node's files, or from a recording.
    pub fn learn_account(&mut self, known: &KnownAccount<'_>) {
        let _held_or_not = self.names.tell(known, |id| self.containers.by_id(id).is_some());
    }

    /// Asks for the names of a process's user and group, if they are not held.
    pub(super) fn name_user(&mut self, id: ProcessId) {
        let process = &self.slots[id.index()];
        for (of, number) in [(Accounts::User, process.uid), (Accounts::Group, process.gid)] {
            let process = &self.slots[id.index()];
            let container = process.container().and_then(|id| self.containers.get(id));
            let scope = container.map(|container| &*container.id);
            if number == UNKNOWN || !self.names.get(scope, of, number).is_empty() {
                continue;
            }
            let Some(known) = self.source.account(process, container, of, number) else {
                continue;
            };
            if self.names.tell(&known, |id| self.containers.by_id(id).is_some()) {
                self.keep(Found::Account(known));
            }
        }
    }

    fn account(&self, process: &Process, of: Accounts, number: u32) -> &[u8] {
        let container = process.container().and_then(|id| self.containers.get(id));
        self.names.get(container.map(|container| &*container.id), of, number)
    }
}

//! Names of users and groups: those of the node, and of each container its own.
//!
//! They are asked for when a process gets a number that has no name yet, and held by container rather than by process.
use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::Found;
use super::process::ProcessId;
use super::table::ProcessTable;
use crate::event::{Accounts, KnownAccount};

/// Containers whose names are held at a time; of those beyond, the ones met first are asked for again.
const MAX_CONTAINERS: usize = 4_096;
/// Names held of each of them, and of the node: a container can make up any number.
const MAX_NAMES: usize = 1_024;

/// What a number is that is not known.
const UNKNOWN: u32 = u32::MAX;

/// Names by number.
type Numbered = HashMap<(Accounts, u32), Box<[u8]>, RandomState>;

/// All names that are held.
#[derive(Default)]
pub(super) struct Names {
    node: Numbered,
    by_container: HashMap<Box<[u8]>, Numbered, RandomState>,
    /// Containers in the order in which they were met.
    met: VecDeque<Box<[u8]>>,
}

impl Names {
    /// The name of a number in a container, or on the node; empty if it is not held.
    pub(super) fn get(&self, container: Option<&[u8]>, of: Accounts, id: u32) -> &[u8] {
        let names = match container {
            Some(container) => self.by_container.get(container),
            None => Some(&self.node),
        };
        names.and_then(|names| names.get(&(of, id))).map_or(b"", |name| name)
    }

    fn tell(&mut self, known: &KnownAccount<'_>) {
        let container = known.container.as_slice();
        let names = if container.is_empty() {
            &mut self.node
        } else {
            if !self.by_container.contains_key(container) {
                if self.met.len() >= MAX_CONTAINERS
                    && let Some(first) = self.met.pop_front()
                {
                    self.by_container.remove(&first);
                }
                self.met.push_back(container.into());
            }
            self.by_container.entry(container.into()).or_default()
        };
        if names.len() < MAX_NAMES || names.contains_key(&(known.of, known.id)) {
            names.insert((known.of, known.id), known.name.as_slice().into());
        }
    }

    /// All that is held, for another one to be told of in this order.
    pub(super) fn all(&self) -> impl Iterator<Item = KnownAccount<'static>> {
        let of_containers = self
            .met
            .iter()
            .filter_map(|id| Some((&**id, self.by_container.get(id)?)));
        let scopes = std::iter::once((&b""[..], &self.node)).chain(of_containers);
        scopes.flat_map(|(container, names)| {
            names.iter().map(|(&(of, id), name)| KnownAccount {
                container: container.to_vec().into(),
                of,
                id,
                name: name.to_vec().into(),
            })
        })
    }
}

impl ProcessTable {
    /// Name of a process's real user; empty if it is not known.
    #[must_use]
    pub fn user(&self, id: ProcessId) -> &[u8] {
        self.get(id)
            .map_or(b"", |process| self.account(id, Accounts::User, process.uid))
    }

    /// Name of a process's real group; empty if it is not known.
    #[must_use]
    pub fn group_name(&self, id: ProcessId) -> &[u8] {
        self.get(id)
            .map_or(b"", |process| self.account(id, Accounts::Group, process.gid))
    }

    /// Takes in a name that is known from elsewhere: from the node's files, or from a recording.
    pub fn learn_account(&mut self, known: &KnownAccount<'_>) {
        self.names.tell(known);
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
            if let Some(known) = self.source.account(process.pid, container, of, number) {
                self.names.tell(&known);
                self.keep(Found::Account(known));
            }
        }
    }

    fn account(&self, id: ProcessId, of: Accounts, number: u32) -> &[u8] {
        let process = &self.slots[id.index()];
        let container = process.container().and_then(|id| self.containers.get(id));
        self.names.get(container.map(|container| &*container.id), of, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(container: &str, id: u32, name: &str) -> KnownAccount<'static> {
        KnownAccount {
            container: container.as_bytes().to_vec().into(),
            of: Accounts::User,
            id,
            name: name.as_bytes().to_vec().into(),
        }
    }

    #[test]
    fn a_container_has_users_of_its_own() {
        let mut names = Names::default();
        names.tell(&known("", 33, "www-data"));
        names.tell(&known("c1", 33, "xfs"));
        let name = |container, id| names.get(container, Accounts::User, id);
        assert_eq!(name(None, 33), b"www-data");
        assert_eq!(name(Some(b"c1"), 33), b"xfs");
        assert_eq!(name(Some(b"c2"), 33), b"", "another container says nothing of it");
        assert_eq!(names.get(None, Accounts::Group, 33), b"", "a user is no group");
    }

    #[test]
    fn containers_that_come_and_go_do_not_fill_it() {
        let mut names = Names::default();
        for number in 0..MAX_CONTAINERS + 10 {
            names.tell(&known(&format!("c{number}"), 0, "root"));
        }
        (0..=u32::try_from(MAX_NAMES).unwrap()).for_each(|id| names.tell(&known("", id, "x")));
        assert_eq!(
            (names.by_container.len(), names.met.len()),
            (MAX_CONTAINERS, MAX_CONTAINERS)
        );
        assert_eq!(names.node.len(), MAX_NAMES);
        assert_eq!(names.get(Some(b"c9"), Accounts::User, 0), b"");
        assert_eq!(names.get(Some(b"c10"), Accounts::User, 0), b"root");
    }

    #[test]
    fn what_one_holds_another_can_be_told() {
        let mut names = Names::default();
        ["", "c2", "c1"]
            .iter()
            .for_each(|container| names.tell(&known(container, 5, "five")));
        let mut other = Names::default();
        names.all().for_each(|known| other.tell(&known));
        assert_eq!(
            (other.node, other.by_container, other.met),
            (names.node, names.by_container, names.met)
        );
    }
}

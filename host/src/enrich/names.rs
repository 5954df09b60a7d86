//! Names of users and groups: those of the node, and of each container its own.
//!
//! They are held by container rather than by process.
use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::event::{Accounts, KnownAccount};

/// Containers whose names are held at a time. Those that are gone give way first.
const MAX_CONTAINERS: usize = 4_096;
/// Names held of each of them, and of the node: a container can make up any number.
const MAX_NAMES: usize = 256;

/// Names by number.
type Numbered = HashMap<(Accounts, u32), Box<[u8]>, RandomState>;

/// All names that are held.
#[derive(Default)]
pub(super) struct Names {
    node: Numbered,
    by_container: HashMap<Box<[u8]>, Numbered, RandomState>,
    /// Containers in the order in which they were met.
    met: VecDeque<Box<[u8]>>,
    /// Counts what was told.
    pub(super) changes: u64,
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

    /// Whether there was room for it. `is_here` tells containers that run from those that are gone.
    pub(super) fn tell(&mut self, known: &KnownAccount<'_>, is_here: impl Fn(&[u8]) -> bool) -> bool {
        self.changes += 1;
        let container = known.container.as_slice();
        let names = if container.is_empty() {
            &mut self.node
        } else {
            if !self.by_container.contains_key(container) {
                if self.met.len() >= MAX_CONTAINERS {
                    let gone = self.met.iter().position(|id| !is_here(id)).unwrap_or(0);
                    if let Some(gone) = self.met.remove(gone) {
                        self.by_container.remove(&gone);
                    }
                }
                self.met.push_back(container.into());
            }
            self.by_container.entry(container.into()).or_default()
        };
        let has_room = names.len() < MAX_NAMES || names.contains_key(&(known.of, known.id));
        if has_room {
            names.insert((known.of, known.id), known.name.as_slice().into());
        }
        has_room
    }

    /// All that is held, for another one to be told of in this order.
    pub(super) fn all(&self) -> impl Iterator<Item = KnownAccount<'static>> {
        let of_containers = self
            .met
            .iter()
            .filter_map(|id| Some((&**id, self.by_container.get(id)?)));
        let scopes = std::iter::once((&b""[..], &self.node)).chain(of_containers);
        scopes.flat_map(|(container, names)| {
            let mut names: Vec<_> = names.iter().collect();
            names.sort_unstable_by_key(|((of, id), _)| (*of as u8, *id));
            names.into_iter().map(|(&(of, id), name)| KnownAccount {
                container: container.to_vec().into(),
                of,
                id,
                name: name.to_vec().into(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: fn(&[u8]) -> bool = |_| true;

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
        assert!(names.tell(&known("", 33, "www-data"), HERE));
        assert!(names.tell(&known("c1", 33, "xfs"), HERE));
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
            // One runs all the time.
            names.tell(&known(&format!("c{number}"), 0, "root"), |id| id == b"c3");
        }
        let most = u32::try_from(MAX_NAMES).unwrap();
        assert!((0..most).all(|id| names.tell(&known("", id, "x"), HERE)));
        assert!(!names.tell(&known("", most, "x"), HERE), "there is no room");
        assert_eq!(
            (names.by_container.len(), names.met.len()),
            (MAX_CONTAINERS, MAX_CONTAINERS)
        );
        assert_eq!(names.node.len(), MAX_NAMES);
        assert_eq!(names.get(Some(b"c9"), Accounts::User, 0), b"");
        for id in [b"c3", b"c11".as_slice()] {
            assert_eq!(names.get(Some(id), Accounts::User, 0), b"root");
        }
    }

    #[test]
    fn what_one_holds_another_can_be_told() {
        let mut names = Names::default();
        for container in ["", "c2", "c1"] {
            assert!(names.tell(&known(container, 5, "five"), HERE));
        }
        let mut other = Names::default();
        assert!(names.all().all(|known| other.tell(&known, HERE)));
        assert_eq!(
            (other.node, other.by_container, other.met),
            (names.node, names.by_container, names.met)
        );
    }
}

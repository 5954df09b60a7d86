//! In which Linux namespaces a process has to be.
use vespid_ebpf::sieve::{Mask, NamespaceTest, TESTS};

use crate::interface::vespid::plugin::describe::{NamespaceFilter, NamespaceKind, WhichNamespace};

/// Most namespaces of a filter.
pub(super) const MAX_NAMESPACES: usize = 64;

/// Where the network namespace is in [`vespid_ebpf::NAMESPACES`].
pub(super) const NETWORK: usize = NamespaceKind::Network as usize;

/// Namespaces by kind: of each kind that is there, a process has to be in one. The kinds are numbered as in
/// [`vespid_ebpf::NAMESPACES`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Inside(Vec<(usize, Vec<Which>)>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Which {
    Node,
    Other,
    Inode(u32),
}

impl Inside {
    pub(super) fn new(given: &[NamespaceFilter]) -> Result<Inside, String> {
        let mut kinds: Vec<(usize, Vec<Which>)> = Vec::new();
        for NamespaceFilter { kind, which } in given {
            let which = match which {
                WhichNamespace::Node => Which::Node,
                WhichNamespace::Other => Which::Other,
                WhichNamespace::Inode(0) => return Err("has the namespace 0, which there is not".into()),
                WhichNamespace::Inode(number) => Which::Inode(*number),
            };
            match kinds.iter_mut().find(|(known, _)| *known == *kind as usize) {
                Some((_, any)) => any.push(which),
                None => kinds.push((*kind as usize, vec![which])),
            }
        }
        Ok(Inside(kinds))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a process is there whose namespaces `inode` knows, on a node with these of its own. One that is not known,
    /// which is 0, is none.
    pub(super) fn holds(&self, inode: impl Fn(usize) -> u32, node: &[u32; 8]) -> bool {
        self.any_of_each(|kind, which| {
            let (inode, own) = (inode(kind), node[kind]);
            inode != 0
                && match which {
                    Which::Node => inode == own,
                    Which::Other => own != 0 && inode != own,
                    Which::Inode(number) => inode == number,
                }
        })
    }

    fn any_of_each(&self, is: impl Fn(usize, Which) -> bool) -> bool {
        self.0
            .iter()
            .all(|(kind, any)| any.iter().any(|which| is(*kind, *which)))
    }
}

/// The tests that tell apart all that several filters are about.
#[derive(Debug, Default)]
pub(super) struct Tests(Vec<NamespaceTest>);

impl Tests {
    /// `None` if there are more than can be told apart at a time.
    pub(super) fn of<'a>(filters: impl Iterator<Item = &'a Inside>, node: &[u32; 8]) -> Option<Tests> {
        let mut tests = Tests::default();
        for (kind, which) in filters.flat_map(|inside| {
            inside
                .0
                .iter()
                .flat_map(|(kind, any)| any.iter().map(|which| (*kind, *which)))
        }) {
            let test = test(kind, which, node);
            if test.inode != 0 && !tests.0.contains(&test) {
                tests.0.push(test);
            }
        }
        (tests.0.len() <= TESTS).then_some(tests)
    }

    /// For the kernel; what is not used is 0, which is no inode.
    pub(super) fn list(&self) -> [NamespaceTest; TESTS] {
        std::array::from_fn(|at| self.0.get(at).copied().unwrap_or_default())
    }

    /// Adds a filter to all outcomes of the tests with which it holds.
    pub(super) fn add(&self, bit: Mask, inside: &Inside, node: &[u32; 8], filters: &mut [Mask; 1 << TESTS]) {
        for (outcomes, filters) in filters.iter_mut().enumerate().take(1 << self.0.len()) {
            let is = |kind, which| {
                let test = test(kind, which, node);
                let at = self.0.iter().position(|known| *known == test);
                at.is_some_and(|at| (outcomes >> at & 1 != 0) != (which == Which::Other))
            };
            if inside.any_of_each(is) {
                *filters |= bit;
            }
        }
    }
}

/// The one test by which it is known.
fn test(kind: usize, which: Which, node: &[u32; 8]) -> NamespaceTest {
    NamespaceTest {
        #[expect(clippy::cast_possible_truncation, reason = "there are eight")]
        kind: kind as u32,
        inode: match which {
            Which::Node | Which::Other => node[kind],
            Which::Inode(number) => number,
        },
    }
}

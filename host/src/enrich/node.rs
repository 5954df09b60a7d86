//! The node as a [`Source`]: its `/proc`, and its container runtimes.
use super::procfs::Procfs;
use super::runtimes::Runtimes;
use super::{Container, Process, Source};
use crate::event::{Accounts, Known, KnownAccount, KnownContainer};

/// A running node.
pub struct Node {
    procfs: Procfs,
    runtimes: Runtimes,
}

impl Node {
    /// A node with this `/proc` and these runtimes.
    #[must_use]
    pub fn new(procfs: Procfs, runtimes: Runtimes) -> Node {
        Node { procfs, runtimes }
    }
}

impl Source for Node {
    fn look_up(&mut self, pid: u32) -> Option<Known<'static>> {
        self.procfs.look_up(pid)
    }

    fn container_of(&mut self, cgroup: &[u8]) -> Option<KnownContainer<'static>> {
        self.procfs.container_of(cgroup)
    }

    fn describe(&mut self, container: &Container) -> Option<KnownContainer<'static>> {
        self.runtimes.describe(container)
    }

    fn account(
        &mut self,
        process: &Process,
        container: Option<&Container>,
        of: Accounts,
        id: u32,
    ) -> Option<KnownAccount<'static>> {
        self.procfs.account(process, container, of, id)
    }

    fn heard(&mut self) -> Option<KnownContainer<'static>> {
        self.runtimes.heard()
    }
}

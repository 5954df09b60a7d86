//! Who did it: gives every event its process, with ancestors and container, as they were when it happened.
//!
//! Everything here follows from the events and from what [`Source`] adds; what it adds is handed out again
//! ([`ProcessTable::take_found`]) so that a recording replays to the same answers without `/proc`.
mod accounts;
mod container;
mod containers;
mod eviction;
mod images;
mod lookup;
mod names;
pub mod namespaces;
mod node;
mod observe;
mod passwd;
mod process;
pub mod procfs;
mod restate;
mod restate_all;
mod runc;
pub mod runtimes;
mod share;
mod table;
mod tenants;
mod tree;
mod update;

#[cfg(test)]
mod tests;

pub use container::{Name, Runtime, recognise};
pub use containers::{Container, ContainerId, ContainerTable};
pub use node::Node;
pub use process::{Process, ProcessId};
pub use table::{Evictions, Options, ProcessTable};
pub use tenants::Tenant;

use crate::event::{Accounts, Known, KnownAccount, KnownContainer};

/// The node, as far as it can be asked about what its events did not tell.
pub trait Source {
    /// A running process, with its parent's process id.
    fn look_up(&mut self, pid: u32) -> Option<Known<'static>>;

    /// The container whose control group this is, where the path alone does not tell.
    fn container_of(&mut self, cgroup: &[u8]) -> Option<KnownContainer<'static>>;

    /// What its runtime says of a container that has just been met, if it says so at once.
    fn describe(&mut self, _container: &Container) -> Option<KnownContainer<'static>> {
        None
    }

    /// The name of a user or a group, for this process in this container.
    fn account(
        &mut self,
        _process: &Process,
        _container: Option<&Container>,
        _of: Accounts,
        _id: u32,
    ) -> Option<KnownAccount<'static>> {
        None
    }

    /// What a runtime has said since of a container that [`Self::describe`] was asked for.
    fn heard(&mut self) -> Option<KnownContainer<'static>> {
        None
    }
}

/// A source that knows nothing: in a replay everything there was to know is in the recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Source for Nothing {
    fn look_up(&mut self, _pid: u32) -> Option<Known<'static>> {
        None
    }

    fn container_of(&mut self, _cgroup: &[u8]) -> Option<KnownContainer<'static>> {
        None
    }
}

/// Something that came from a [`Source`]. In a recording it precedes the event that made the table ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A process.
    Process(Known<'static>),
    /// A container.
    Container(KnownContainer<'static>),
    /// The name of a user or a group.
    Account(KnownAccount<'static>),
}

/// Whose event it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attribution {
    /// The process; none if the event names none.
    pub process: Option<ProcessId>,
    /// After a successful exec: whether it is known as it was before, which [`ProcessTable::previous`] says.
    pub has_previous: bool,
    /// The process that it was done to, if there is one and it is known.
    pub target: Option<ProcessId>,
    /// The container that resources were used in. Of every other event it is the process's.
    pub container: Option<ContainerId>,
}

//! Which rows of a table a plugin wants.
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::bindings::vespid::plugin::describe::{
    self, Accesses, Kinds, NamespaceFilter, NamespaceKind, Outcomes, Places, PortRange, WhichNamespace,
};
use crate::{ChangeOp, ConnectionOp, PrivilegedOp, ResourceOp, SocketOp};

/// What a path is held against.
///
/// ```
/// use vespid_plugin::Pattern;
///
/// let keys = [
///     Pattern::exact("/etc/shadow"),
///     Pattern::prefix("/etc/sudoers.d/"),
///     Pattern::glob("/home/*/.ssh/id_*"),
/// ];
/// # assert_eq!(keys.len(), 3);
/// ```
#[derive(Clone, Debug)]
pub struct Pattern(describe::Pattern);

impl Pattern {
    /// The whole path.
    pub fn exact(path: impl Into<String>) -> Self {
        Pattern(describe::Pattern::Exact(path.into()))
    }

    /// The path's beginning; for all below a folder, it ends with `/`.
    pub fn prefix(text: impl Into<String>) -> Self {
        Pattern(describe::Pattern::Prefix(text.into()))
    }

    /// A shell pattern over the whole path, as for [`glob_match`](crate::glob_match).
    pub fn glob(pattern: impl Into<String>) -> Self {
        Pattern(describe::Pattern::Glob(pattern.into()))
    }
}

/// A kind of Linux namespaces; with which of them, what [`Filter::namespaces`] takes.
///
/// ```
/// use vespid_plugin::{Filter, Namespace};
///
/// // A pod's, by the inode number that `lsns` or `/proc/<pid>/ns/net` shows.
/// let in_the_pod = Filter::opens().namespaces([Namespace::Network.inode(4_026_532_281)]);
/// // Whoever has left the node's mounts, by a container or by hand: any of the two filters.
/// let unshared = [Namespace::Mount, Namespace::User].map(|kind| Filter::opens().namespaces([kind.other()]));
/// let on_the_node = Filter::execs().namespaces([Namespace::Mount.node(), Namespace::Pid.node()]);
/// # drop((in_the_pod, unshared, on_the_node));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Where control groups begin.
    Cgroup,
    /// Message queues, semaphores and shared memory.
    Ipc,
    /// Mounts.
    Mount,
    /// Interfaces, addresses, sockets.
    Network,
    /// Process ids.
    Pid,
    /// Offsets of clocks.
    Time,
    /// User ids and capabilities.
    User,
    /// Host name.
    Uts,
}

/// A namespace that a process is in: see [`Namespace`].
#[derive(Clone, Copy, Debug)]
pub struct InNamespace(NamespaceFilter);

impl Namespace {
    /// The node's own: the kernel's initial one.
    #[must_use]
    pub fn node(self) -> InNamespace {
        self.which(WhichNamespace::Node)
    }

    /// Any but the node's own.
    #[must_use]
    pub fn other(self) -> InNamespace {
        self.which(WhichNamespace::Other)
    }

    /// The one with this inode number.
    #[must_use]
    pub fn inode(self, number: u32) -> InNamespace {
        self.which(WhichNamespace::Inode(number))
    }

    fn which(self, which: WhichNamespace) -> InNamespace {
        let kind = match self {
            Namespace::Cgroup => NamespaceKind::Cgroup,
            Namespace::Ipc => NamespaceKind::Ipc,
            Namespace::Mount => NamespaceKind::Mount,
            Namespace::Network => NamespaceKind::Network,
            Namespace::Pid => NamespaceKind::Pid,
            Namespace::Time => NamespaceKind::Time,
            Namespace::User => NamespaceKind::User,
            Namespace::Uts => NamespaceKind::Uts,
        };
        InNamespace(NamespaceFilter { kind, which })
    }
}

/// Describes rows of one table, for [`Plugin::filters`](crate::Plugin::filters). Each condition that is given must hold;
/// of the values that one condition is given, any may.
///
/// A filter saves the cost of what a plugin would throw away: what no plugin wants is left out before it is described,
/// most of it in the kernel. The front runners there are, of opens, the kind of access and the last component of a path;
/// and of every table, the operation and whether it succeeded.
///
/// ```
/// use vespid_plugin::{ChangeOp, Filter, Pattern};
///
/// let keys = Filter::opens()
///     .reads()
///     .in_containers()
///     .paths([Pattern::exact("/etc/shadow"), Pattern::glob("/home/*/.ssh/id_*")]);
/// let made_executable = Filter::changes([ChangeOp::Mode]).succeeded();
/// let to_ssh = Filter::connections([]).remote_ports([22..=22]).remote_networks(["10.0.0.0/8"]);
/// let from_ssh = Filter::connections([]).local_ports([22..=22]);
/// let dropped = Filter::opens().creates().on_the_host().users([33]).executables([Pattern::prefix("/usr/sbin/")]);
/// # drop((keys, made_executable, to_ssh, from_ssh, dropped));
/// ```
#[derive(Clone, Debug)]
pub struct Filter(describe::Filter);

impl Filter {
    /// The same, but describing no row: for a table that the plugin only wants with some configurations.
    ///
    /// ```
    /// use vespid_plugin::Filter;
    ///
    /// let no_execs = Filter::execs().never();
    /// # drop(no_execs);
    /// ```
    #[must_use]
    pub fn never(self) -> Self {
        Filter(describe::Filter { never: true, ..self.0 })
    }

    fn of(tables: Kinds) -> Self {
        Filter(describe::Filter {
            tables,
            never: false,
            outcomes: Outcomes::empty(),
            places: Places::empty(),
            namespaces: Vec::new(),
            users: Vec::new(),
            executables: Vec::new(),
            paths: Vec::new(),
            accesses: Accesses::empty(),
            ops: Vec::new(),
            local_ports: Vec::new(),
            remote_ports: Vec::new(),
            remote_networks: Vec::new(),
            merge_ms: 0,
        })
    }

    /// Executions.
    #[must_use]
    pub fn execs() -> Self {
        Filter::of(Kinds::EXECS)
    }

    /// Ends of processes.
    #[must_use]
    pub fn exits() -> Self {
        Filter::of(Kinds::EXITS)
    }

    /// File opens.
    #[must_use]
    pub fn opens() -> Self {
        Filter::of(Kinds::OPENS)
    }

    /// TCP connections: these operations, or all if there is none.
    pub fn connections(ops: impl IntoIterator<Item = ConnectionOp>) -> Self {
        Filter::of(Kinds::CONNECTIONS).ops(ops.into_iter().map(ConnectionOp::to_column))
    }

    /// Changed names and attributes of files, and mounts: these operations, or all if there is none.
    pub fn changes(ops: impl IntoIterator<Item = ChangeOp>) -> Self {
        Filter::of(Kinds::CHANGES).ops(ops.into_iter().map(ChangeOp::to_column))
    }

    /// Privileged calls: these operations, or all if there is none.
    pub fn privileged(ops: impl IntoIterator<Item = PrivilegedOp>) -> Self {
        Filter::of(Kinds::PRIVILEGED).ops(ops.into_iter().map(PrivilegedOp::to_column))
    }

    /// Sockets beside TCP connections: these operations, or all if there is none.
    pub fn sockets(ops: impl IntoIterator<Item = SocketOp>) -> Self {
        Filter::of(Kinds::SOCKETS).ops(ops.into_iter().map(SocketOp::to_column))
    }

    /// What control groups use, and processes killed for want of memory: these, or both if there is none.
    pub fn resources(ops: impl IntoIterator<Item = ResourceOp>) -> Self {
        Filter::of(Kinds::RESOURCES).ops(ops.into_iter().map(ResourceOp::to_column))
    }

    fn ops(mut self, ops: impl Iterator<Item = u8>) -> Self {
        self.0.ops.extend(ops);
        self
    }

    /// The call succeeded. Together with [`failed`](Filter::failed) it is no condition.
    #[must_use]
    pub fn succeeded(mut self) -> Self {
        self.0.outcomes |= Outcomes::SUCCEEDED;
        self
    }

    /// The call failed.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.0.outcomes |= Outcomes::FAILED;
        self
    }

    /// By a process of the host.
    #[must_use]
    pub fn on_the_host(mut self) -> Self {
        self.0.places |= Places::HOST;
        self
    }

    /// By a process of a container.
    #[must_use]
    pub fn in_containers(mut self) -> Self {
        self.0.places |= Places::CONTAINERS;
        self
    }

    /// By a process in one of these namespaces: of one kind, in any of them; of different kinds, in one of each.
    #[must_use]
    pub fn namespaces(mut self, namespaces: impl IntoIterator<Item = InNamespace>) -> Self {
        self.0.namespaces.extend(namespaces.into_iter().map(|inside| inside.0));
        self
    }

    /// By one of these real user ids. A thread that becomes another user is that from then on.
    #[must_use]
    pub fn users(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.0.users.extend(ids);
        self
    }

    /// By a process that runs one of these executables, by the path that it was started from.
    #[must_use]
    pub fn executables(mut self, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        self.0.executables.extend(patterns.into_iter().map(|pattern| pattern.0));
        self
    }

    /// Of one of these files. Of opens: the resolved path, and if the open failed the typed one as well. Of changes: the
    /// path or the target. Of executions: the file as it was named, or the executable.
    #[must_use]
    pub fn paths(mut self, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        self.0.paths.extend(patterns.into_iter().map(|pattern| pattern.0));
        self
    }

    /// Opens for reading.
    #[must_use]
    pub fn reads(self) -> Self {
        self.accesses(Accesses::READ)
    }

    /// Opens for writing.
    #[must_use]
    pub fn writes(self) -> Self {
        self.accesses(Accesses::WRITE)
    }

    /// Opens that make the file if it is not there.
    #[must_use]
    pub fn creates(self) -> Self {
        self.accesses(Accesses::CREATE)
    }

    /// Opens that cut the file to nothing.
    #[must_use]
    pub fn truncates(self) -> Self {
        self.accesses(Accesses::TRUNCATE)
    }

    fn accesses(mut self, accesses: Accesses) -> Self {
        self.0.accesses |= accesses;
        self
    }

    /// From, or on, one of these local ports.
    #[must_use]
    pub fn local_ports(mut self, ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        self.0.local_ports.extend(ranges.into_iter().map(range));
        self
    }

    /// To, or from, one of these ports of the peer.
    #[must_use]
    pub fn remote_ports(mut self, ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        self.0.remote_ports.extend(ranges.into_iter().map(range));
        self
    }

    /// With a peer in one of these networks, such as `10.0.0.0/8` or `fd00::/8`.
    #[must_use]
    pub fn remote_networks<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.0.remote_networks.extend(networks.into_iter().map(Into::into));
        self
    }

    /// Opens of one file by one process that differ in nothing may come as one row for so long (at most ten seconds, in
    /// whole milliseconds); [`Open::count`](crate::Open::count) says how many they are. This is no condition, and it is
    /// done if every filter on opens of every plugin allows it. For plugins that count, or report a cause once.
    #[must_use]
    pub fn merged_within(mut self, window: Duration) -> Self {
        self.0.merge_ms = u32::try_from(window.as_millis()).unwrap_or(u32::MAX);
        self
    }

    pub(crate) fn into_binding(self) -> describe::Filter {
        self.0
    }
}

fn range(range: RangeInclusive<u16>) -> PortRange {
    PortRange {
        first: *range.start(),
        last: *range.end(),
    }
}

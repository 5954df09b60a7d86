//! Reads a batch back, for the tests of what was written into it.
//!
//! Rows come from plugins, so every reference is checked; one that leads nowhere reads as absent.
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use vespid_ebpf::{ChangeOp, ConnectionOp, PrivilegedOp, SocketOp};

use crate::event::{Body, Change, Connection, Exit, Open, Privileged, Socket};
use crate::interface::vespid::plugin::events::Batch;
use crate::interface::vespid::plugin::reports::Row;

/// Rows that are followed towards the root of the process tree.
const MAX_ANCESTORS: usize = 128;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact<'a> {
    /// Sequence number.
    pub(super) seq: u64,
    /// When, in Unix nanoseconds.
    pub(super) time: u64,
    /// Row of its process.
    pub(super) process: u32,
    /// What happened.
    pub(super) what: What<'a>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// An exec.
    Exec {
        /// The file as the caller named it.
        filename: &'a [u8],
        /// Why it failed, or 0.
        errno: u32,
        /// Row of the image that was replaced.
        previous: u32,
    },
    /// An end.
    Exit {
        /// How.
        exit: Exit,
        /// Nanoseconds since the start of the process.
        lifetime: u64,
    },
    /// A connection's change.
    Connection(Connection),
    /// A file open.
    Open(Open<'a>),
    /// A changed file, or a mount.
    Change(Change<'a>),
    /// A privileged call, and the row of the process that it was done to.
    Privileged(Privileged<'a>, u32),
    /// What a socket did.
    Socket(Socket<'a>),
}

impl<'a> From<Body<'a>> for What<'a> {
    fn from(body: Body<'a>) -> What<'a> {
        match body {
            Body::Change(change) => What::Change(change),
            Body::Socket(socket) => What::Socket(socket),
            body => unreachable!("{body:?} is shown otherwise"),
        }
    }
}

/// A process. Its columns are described in the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessRow<'a> {
    pub(super) pid: u32,
    pub(super) ppid: u32,
    pub(super) parent: u32,
    pub(super) start: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) euid: u32,
    pub(super) login_uid: u32,
    pub(super) comm: &'a [u8],
    pub(super) exe: &'a [u8],
    pub(super) args: &'a [u8],
    pub(super) cwd: &'a [u8],
    pub(super) tty: &'a [u8],
    pub(super) cgroup: &'a [u8],
    pub(super) container: u32,
    pub(super) flags: u32,
}

/// A container. Its columns are described in the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContainerRow<'a> {
    pub(super) id: &'a [u8],
    pub(super) runtime: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) image: &'a [u8],
    pub(super) pod_uid: &'a [u8],
    pub(super) pod: &'a [u8],
    pub(super) namespace: &'a [u8],
    pub(super) labels: &'a [u8],
    pub(super) owner: &'a [u8],
}

/// A string; an id that is out of range reads as the empty one.
#[must_use]
pub(super) fn string(batch: &Batch, id: u32) -> &[u8] {
    let ends = &batch.strings.ends;
    let at = id as usize;
    let end = ends.get(at).map_or(0, |&end| end as usize);
    let start = at
        .checked_sub(1)
        .and_then(|before| ends.get(before))
        .map_or(0, |&start| start as usize);
    batch.strings.blob.get(start..end).unwrap_or_default()
}

/// A process.
#[must_use]
pub(super) fn process(batch: &Batch, row: u32) -> Option<ProcessRow<'_>> {
    let table = &batch.processes;
    let at = row as usize;
    let text = |column: &[u32]| Some(string(batch, *column.get(at)?));
    Some(ProcessRow {
        pid: *table.pid.get(at)?,
        ppid: *table.ppid.get(at)?,
        parent: *table.parent.get(at)?,
        start: *table.start.get(at)?,
        uid: *table.uid.get(at)?,
        gid: *table.gid.get(at)?,
        euid: *table.euid.get(at)?,
        login_uid: *table.login_uid.get(at)?,
        comm: text(&table.comm)?,
        exe: text(&table.exe)?,
        args: text(&table.args)?,
        cwd: text(&table.cwd)?,
        tty: text(&table.tty)?,
        cgroup: text(&table.cgroup)?,
        container: *table.container.get(at)?,
        flags: *table.flags.get(at)?,
    })
}

/// The ancestors of a process, nearest first.
pub(super) fn ancestors(batch: &Batch, row: u32) -> impl Iterator<Item = ProcessRow<'_>> {
    let parent = move |child: &ProcessRow<'_>| process(batch, child.parent);
    let first = process(batch, row).and_then(|child| parent(&child));
    std::iter::successors(first, parent).take(MAX_ANCESTORS)
}

/// A container.
#[must_use]
pub(super) fn container(batch: &Batch, row: u32) -> Option<ContainerRow<'_>> {
    let table = batch.containers.as_ref()?;
    let text = |column: &[u32]| Some(string(batch, *column.get(row as usize)?));
    Some(ContainerRow {
        id: text(&table.id)?,
        runtime: text(&table.runtime)?,
        name: text(&table.name)?,
        image: text(&table.image)?,
        pod_uid: text(&table.pod_uid)?,
        pod: text(&table.pod)?,
        namespace: text(&table.namespace)?,
        labels: text(&table.labels)?,
        owner: text(&table.owner)?,
    })
}

/// An event.
#[must_use]
pub(super) fn fact(batch: &Batch, row: Row) -> Option<Fact<'_>> {
    match row {
        Row::Exec(row) => exec(batch, row as usize),
        Row::Exit(row) => exit(batch, row as usize),
        Row::Connection(row) => connection(batch, row as usize),
        Row::Open(row) => open(batch, row as usize),
        Row::Change(row) => change(batch, row as usize),
        Row::Privileged(row) => privileged(batch, row as usize),
        Row::Socket(row) => socket(batch, row as usize),
        // Looked at column by column.
        Row::Resource(_) => None,
    }
}

fn exec(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.execs.as_ref()?;
    let what = What::Exec {
        filename: string(batch, *table.filename.get(at)?),
        errno: *table.errno.get(at)?,
        previous: *table.previous.get(at)?,
    };
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what,
    })
}

fn exit(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.exits.as_ref()?;
    let exit = Exit {
        code: *table.code.get(at)?,
        signal: *table.signal.get(at)?,
    };
    let what = What::Exit {
        exit,
        lifetime: *table.lifetime.get(at)?,
    };
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what,
    })
}

fn connection(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.connections.as_ref()?;
    let addresses = table.addresses.get(at.checked_mul(32)?..)?;
    let what = What::Connection(Connection {
        op: ConnectionOp::from_number(*table.op.get(at)?)?,
        direction: *table.direction.get(at)?,
        local: end(addresses.first_chunk()?, *table.local_port.get(at)?),
        remote: end(addresses.get(16..)?.first_chunk()?, *table.remote_port.get(at)?),
        cookie: *table.cookie.get(at)?,
        sent: *table.sent.get(at)?,
        received: *table.received.get(at)?,
        duration: *table.duration.get(at)?,
        srtt: *table.srtt.get(at)?,
        retransmits: *table.retransmits.get(at)?,
        errno: *table.errno.get(at)?,
        netns: *table.netns.get(at)?,
        local_isn: *table.local_isn.get(at)?,
        remote_isn: *table.remote_isn.get(at)?,
    });
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what,
    })
}

fn end(octets: &[u8; 16], port: u32) -> SocketAddr {
    let ip = Ipv6Addr::from_octets(*octets);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    SocketAddr::new(ip, u16::try_from(port).unwrap_or(0))
}

fn open(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.opens.as_ref()?;
    let what = What::Open(Open {
        path: string(batch, *table.path.get(at)?).into(),
        typed: string(batch, *table.typed.get(at)?).into(),
        flags: *table.flags.get(at)?,
        mode: *table.mode.get(at)?,
        result: i32::try_from(*table.result.get(at)?).ok()?,
        path_kind: *table.path_kind.get(at)?,
        traits: *table.traits.get(at)?,
        count: *table.count.get(at)?,
    });
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what,
    })
}

fn change(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.changes.as_ref()?;
    let text = |column: &[u32]| Some(string(batch, *column.get(at)?).into());
    let what = What::Change(Change {
        op: ChangeOp::from_number(*table.op.get(at)?)?,
        path: text(&table.path)?,
        typed: text(&table.typed)?,
        target: text(&table.target)?,
        target_typed: text(&table.target_typed)?,
        detail: text(&table.detail)?,
        flags: *table.flags.get(at)?,
        mode: *table.mode.get(at)?,
        value: *table.value.get(at)?,
        result: i32::try_from(*table.result.get(at)?).ok()?,
        path_kind: *table.path_kind.get(at)?,
        target_kind: *table.target_kind.get(at)?,
    });
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what,
    })
}

fn privileged(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.privileged.as_ref()?;
    let call = Privileged {
        op: PrivilegedOp::from_number(*table.op.get(at)?)?,
        code: *table.code.get(at)?,
        argument: *table.argument.get(at)?,
        target_pid: 0,
        target_start: 0,
        detail: string(batch, *table.detail.get(at)?).into(),
        result: *table.result.get(at)?,
    };
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what: What::Privileged(call, *table.target.get(at)?),
    })
}

fn socket(batch: &Batch, at: usize) -> Option<Fact<'_>> {
    let table = batch.sockets.as_ref()?;
    let addresses = table.addresses.get(at.checked_mul(32)?..)?;
    let known = |octets: &[u8; 16], port: u32| (*octets != [0; 16]).then(|| end(octets, port));
    let what = What::Socket(Socket {
        op: SocketOp::from_number(*table.op.get(at)?)?,
        family: *table.family.get(at)?,
        protocol: *table.protocol.get(at)?,
        local: known(addresses.first_chunk()?, *table.local_port.get(at)?),
        remote: known(addresses.get(16..)?.first_chunk()?, *table.remote_port.get(at)?),
        name: string(batch, *table.name.get(at)?).into(),
        code: *table.code.get(at)?,
        result: *table.result.get(at)?,
        netns: *table.netns.get(at)?,
    });
    Some(Fact {
        seq: *table.seq.get(at)?,
        time: *table.time.get(at)?,
        process: *table.process.get(at)?,
        what,
    })
}

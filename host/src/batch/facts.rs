//! An event becomes a row of its table.
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::columns::{ChangeRow, ConnectionRow, ExecRow, ExitRow, OpenRow, PrivilegedRow, ResourceRow, SocketRow};
use super::dimensions::Dimensions;
use crate::event::{Change, Connection, Exec, Exit, Open, Privileged, Resource, Socket};

/// What every row begins with.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) seq: u64,
    pub(super) time: u64,
    pub(super) process: u32,
}

/// A row: what it begins with, and the rest.
macro_rules! row {
    ($row:ident of $start:ident { $($column:ident $(: $value:expr)?,)* }) => {
        $row {
            seq: $start.seq,
            time: $start.time,
            process: $start.process,
            $($column $(: $value)?,)*
        }
    };
}

#[inline]
pub(super) fn exec(start: Start, exec: &Exec<'_>, previous: u32, texts: &mut Dimensions) -> ExecRow {
    row!(ExecRow of start {
        previous,
        filename: texts.text(exec.filename.as_slice()),
        errno: exec.errno,
    })
}

/// `began` is when the process did, or 0.
#[inline]
pub(super) fn exit(start: Start, exit: &Exit, began: u64) -> ExitRow {
    row!(ExitRow of start {
        code: exit.code,
        signal: exit.signal,
        lifetime: if began == 0 { 0 } else { start.time.saturating_sub(began) },
    })
}

#[inline]
pub(super) fn connection(start: Start, connection: &Connection) -> ConnectionRow {
    row!(ConnectionRow of start {
        op: connection.op as u8,
        direction: connection.direction,
        addresses: addresses(connection.local.ip(), connection.remote.ip()),
        local_port: u32::from(connection.local.port()),
        remote_port: u32::from(connection.remote.port()),
        cookie: connection.cookie,
        sent: connection.sent,
        received: connection.received,
        duration: connection.duration,
        srtt: connection.srtt,
        retransmits: connection.retransmits,
        errno: connection.errno,
        netns: connection.netns,
        local_isn: connection.local_isn,
        remote_isn: connection.remote_isn,
    })
}

#[inline]
pub(super) fn open(start: Start, open: &Open<'_>, texts: &mut Dimensions) -> OpenRow {
    let path = texts.text(open.path.as_slice());
    let typed = if open.typed == open.path {
        path
    } else {
        texts.text(open.typed.as_slice())
    };
    row!(OpenRow of start {
        path,
        typed,
        flags: open.flags,
        mode: open.mode,
        result: i64::from(open.result),
        path_kind: open.path_kind,
        traits: open.traits,
        count: open.count,
    })
}

#[inline]
pub(super) fn change(start: Start, change: &Change<'_>, texts: &mut Dimensions) -> ChangeRow {
    row!(ChangeRow of start {
        op: change.op as u8,
        path: texts.text(change.path.as_slice()),
        typed: texts.text(change.typed.as_slice()),
        target: texts.text(change.target.as_slice()),
        target_typed: texts.text(change.target_typed.as_slice()),
        detail: texts.text(change.detail.as_slice()),
        flags: change.flags,
        mode: change.mode,
        value: change.value,
        result: i64::from(change.result),
        path_kind: change.path_kind,
        target_kind: change.target_kind,
    })
}

#[inline]
pub(super) fn privileged(start: Start, call: &Privileged<'_>, target: u32, texts: &mut Dimensions) -> PrivilegedRow {
    row!(PrivilegedRow of start {
        op: call.op as u8,
        code: call.code,
        argument: call.argument,
        target,
        detail: texts.text(call.detail.as_slice()),
        result: call.result,
    })
}

#[inline]
pub(super) fn socket(start: Start, socket: &Socket<'_>, texts: &mut Dimensions) -> SocketRow {
    let port = |end: Option<SocketAddr>| end.map_or(0, |end| u32::from(end.port()));
    // Zeroes for what there is not.
    let ip = |end: Option<SocketAddr>| end.map_or(Ipv6Addr::UNSPECIFIED.into(), |end| end.ip());
    row!(SocketRow of start {
        op: socket.op as u8,
        family: socket.family,
        protocol: socket.protocol,
        addresses: addresses(ip(socket.local), ip(socket.remote)),
        local_port: port(socket.local),
        remote_port: port(socket.remote),
        name: texts.text(socket.name.as_slice()),
        code: socket.code,
        result: socket.result,
        netns: socket.netns,
    })
}

/// `container` is a row, `cgroup` a text.
#[inline]
pub(super) fn resource(start: Start, resource: &Resource<'_>, container: u32, cgroup: u32) -> ResourceRow {
    row!(ResourceRow of start {
        container,
        cgroup,
        op: resource.op as u8,
        interval: resource.interval,
        measured: resource.measured,
        cpu: resource.cpu,
        minor_faults: resource.minor_faults,
        major_faults: resource.major_faults,
        voluntary_switches: resource.voluntary_switches,
        involuntary_switches: resource.involuntary_switches,
        cycles: resource.cycles,
        instructions: resource.instructions,
        cache_misses: resource.cache_misses,
        memory: resource.memory,
    })
}

/// Both ends, as a column holds them.
#[inline]
fn addresses(local: IpAddr, remote: IpAddr) -> [u8; 32] {
    let mut addresses = [0; 32];
    let (first, second) = addresses.split_at_mut(16);
    first.copy_from_slice(&octets(local));
    second.copy_from_slice(&octets(remote));
    addresses
}

#[inline]
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

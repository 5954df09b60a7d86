//! An event becomes a row of its table.
use std::net::{IpAddr, SocketAddr};

use super::dimensions::Dimensions;
use crate::event::{Change, Connection, Exec, Exit, Open, Privileged, Resource, Socket};
use crate::interface::vespid::plugin::events;

/// What every row begins with.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) seq: u64,
    pub(super) time: u64,
    pub(super) process: u32,
}

macro_rules! begin {
    ($table:ident, $row:ident) => {
        $table.seq.push($row.seq);
        $table.time.push($row.time);
        $table.process.push($row.process);
    };
}

pub(super) fn exec(table: &mut events::Execs, row: Row, exec: &Exec<'_>, previous: u32, texts: &mut Dimensions) {
    begin!(table, row);
    table.previous.push(previous);
    table.filename.push(texts.text(exec.filename.as_slice()));
    table.errno.push(exec.errno);
}

/// `start` is that of the process, or 0.
pub(super) fn exit(table: &mut events::Exits, row: Row, exit: &Exit, start: u64) {
    begin!(table, row);
    table.code.push(exit.code);
    table.signal.push(exit.signal);
    table
        .lifetime
        .push(if start == 0 { 0 } else { row.time.saturating_sub(start) });
}

pub(super) fn connection(table: &mut events::Connections, row: Row, connection: &Connection) {
    begin!(table, row);
    table.op.push(connection.op as u8);
    table.direction.push(connection.direction);
    table.addresses.extend_from_slice(&octets(connection.local));
    table.addresses.extend_from_slice(&octets(connection.remote));
    table.local_port.push(u32::from(connection.local.port()));
    table.remote_port.push(u32::from(connection.remote.port()));
    table.cookie.push(connection.cookie);
    table.sent.push(connection.sent);
    table.received.push(connection.received);
    table.duration.push(connection.duration);
    table.srtt.push(connection.srtt);
    table.retransmits.push(connection.retransmits);
    table.errno.push(connection.errno);
    table.netns.push(connection.netns);
    table.local_isn.push(connection.local_isn);
    table.remote_isn.push(connection.remote_isn);
}

pub(super) fn open(table: &mut events::Opens, row: Row, open: &Open<'_>, texts: &mut Dimensions) {
    begin!(table, row);
    let path = texts.text(open.path.as_slice());
    table.path.push(path);
    table.typed.push(if open.typed == open.path {
        path
    } else {
        texts.text(open.typed.as_slice())
    });
    table.flags.push(open.flags);
    table.mode.push(open.mode);
    table.result.push(i64::from(open.result));
    table.path_kind.push(open.path_kind);
    table.traits.push(open.traits);
    table.count.push(open.count);
}

pub(super) fn change(table: &mut events::Changes, row: Row, change: &Change<'_>, texts: &mut Dimensions) {
    begin!(table, row);
    table.op.push(change.op as u8);
    table.path.push(texts.text(change.path.as_slice()));
    table.typed.push(texts.text(change.typed.as_slice()));
    table.target.push(texts.text(change.target.as_slice()));
    table.target_typed.push(texts.text(change.target_typed.as_slice()));
    table.detail.push(texts.text(change.detail.as_slice()));
    table.flags.push(change.flags);
    table.mode.push(change.mode);
    table.value.push(change.value);
    table.result.push(i64::from(change.result));
    table.path_kind.push(change.path_kind);
    table.target_kind.push(change.target_kind);
}

pub(super) fn privileged(
    table: &mut events::Privileged,
    row: Row,
    call: &Privileged<'_>,
    target: u32,
    texts: &mut Dimensions,
) {
    begin!(table, row);
    table.op.push(call.op as u8);
    table.code.push(call.code);
    table.argument.push(call.argument);
    table.target.push(target);
    table.detail.push(texts.text(call.detail.as_slice()));
    table.result.push(call.result);
}

pub(super) fn socket(table: &mut events::Sockets, row: Row, socket: &Socket<'_>, texts: &mut Dimensions) {
    begin!(table, row);
    table.op.push(socket.op as u8);
    table.family.push(socket.family);
    table.protocol.push(socket.protocol);
    for end in [socket.local, socket.remote] {
        table.addresses.extend_from_slice(&end.map_or([0; 16], octets));
    }
    let port = |end: Option<SocketAddr>| end.map_or(0, |end| u32::from(end.port()));
    table.local_port.push(port(socket.local));
    table.remote_port.push(port(socket.remote));
    table.name.push(texts.text(socket.name.as_slice()));
    table.code.push(socket.code);
    table.result.push(socket.result);
    table.netns.push(socket.netns);
}

/// `container` is a row, `cgroup` a text.
pub(super) fn resource(table: &mut events::Resources, row: Row, resource: &Resource<'_>, container: u32, cgroup: u32) {
    begin!(table, row);
    table.container.push(container);
    table.cgroup.push(cgroup);
    table.op.push(resource.op as u8);
    table.interval.push(resource.interval);
    table.measured.push(resource.measured);
    table.cpu.push(resource.cpu);
    table.minor_faults.push(resource.minor_faults);
    table.major_faults.push(resource.major_faults);
    table.voluntary_switches.push(resource.voluntary_switches);
    table.involuntary_switches.push(resource.involuntary_switches);
    table.cycles.push(resource.cycles);
    table.instructions.push(resource.instructions);
    table.cache_misses.push(resource.cache_misses);
    table.memory.push(resource.memory);
}

fn octets(end: SocketAddr) -> [u8; 16] {
    match end.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

//! The event that a verdict is about. Every index is checked: a row is named by a plugin.
use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;
use vespid_ebpf::usage::Counter;
use vespid_ebpf::{ChangeOp, ConnectionOp, PrivilegedOp, ResourceOp, SocketOp, open_traits};

use super::columns::{Process, at, process, reference, text};
use crate::bytes::Bytes;
use crate::event::is_one;
use crate::interface::vespid::plugin::events::{
    Batch, Changes, Connections, Execs, Exits, Opens, Privileged, Resources, Sockets,
};
use crate::interface::vespid::plugin::reports::Row;

/// The event, by the names of the interface's columns. Its time is the verdict's, and its process stands beside it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    Exec {
        seq: u64,
        filename: Bytes<'a>,
        errno: u32,
        previous: Option<Process<'a>>,
    },
    Exit {
        seq: u64,
        code: u32,
        signal: u32,
        lifetime: u64,
    },
    Connection {
        seq: u64,
        op: Cow<'static, str>,
        direction: Cow<'static, str>,
        local_address: Option<IpAddr>,
        local_port: u32,
        remote_address: Option<IpAddr>,
        remote_port: u32,
        cookie: u64,
        sent: u64,
        received: u64,
        duration: u64,
        srtt: u32,
        retransmits: u32,
        errno: u32,
        netns: u32,
        local_isn: u32,
        remote_isn: u32,
    },
    Open {
        seq: u64,
        path: Bytes<'a>,
        typed: Bytes<'a>,
        flags: u32,
        mode: u32,
        result: i64,
        path_kind: Cow<'static, str>,
        created: bool,
        upper: bool,
        #[serde(skip_serializing_if = "is_one")]
        count: u32,
        /// Rare, and left out otherwise.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        io_uring: bool,
    },
    Change {
        seq: u64,
        op: Cow<'static, str>,
        path: Bytes<'a>,
        typed: Bytes<'a>,
        path_kind: Cow<'static, str>,
        target: Bytes<'a>,
        target_typed: Bytes<'a>,
        target_kind: Cow<'static, str>,
        detail: Bytes<'a>,
        flags: u32,
        mode: u32,
        value: u64,
        result: i64,
    },
    Privileged {
        seq: u64,
        op: Cow<'static, str>,
        code: u32,
        argument: u64,
        detail: Bytes<'a>,
        result: i64,
        target: Option<Process<'a>>,
    },
    Socket {
        seq: u64,
        op: Cow<'static, str>,
        family: u8,
        protocol: u8,
        local_address: Option<IpAddr>,
        local_port: u32,
        remote_address: Option<IpAddr>,
        remote_port: u32,
        name: Bytes<'a>,
        code: u32,
        result: i64,
        netns: u32,
    },
    /// A counter that was not measured is null.
    Resource {
        seq: u64,
        op: Cow<'static, str>,
        cgroup: Bytes<'a>,
        interval: u64,
        cpu: Option<u64>,
        minor_faults: Option<u64>,
        major_faults: Option<u64>,
        voluntary_switches: Option<u64>,
        involuntary_switches: Option<u64>,
        cycles: Option<u64>,
        instructions: Option<u64>,
        cache_misses: Option<u64>,
        memory: u64,
    },
}

/// The event that a verdict is about.
pub(super) struct Subject<'a> {
    pub(super) seq: u64,
    pub(super) time: u64,
    pub(super) event: Event<'a>,
    /// Row of its process.
    pub(super) process: u32,
    /// Row of its container.
    pub(super) container: u32,
}

/// Resolves the row that a verdict is about; `None` if there is no such row.
pub(super) fn subject(batch: &Batch, row: Row) -> Option<Subject<'_>> {
    macro_rules! subject {
        ($table:ident, $row:ident, $event:expr) => {{
            let table = batch.$table.as_ref()?;
            let seq = *table.seq.get($row as usize)?;
            Subject {
                seq,
                time: at(&table.time, $row),
                event: $event(batch, table, seq, $row),
                process: reference(&table.process, $row),
                container: reference(&batch.processes.container, reference(&table.process, $row)),
            }
        }};
    }
    let mut subject = match row {
        Row::Exec(row) => subject!(execs, row, exec),
        Row::Exit(row) => subject!(exits, row, exit),
        Row::Connection(row) => subject!(connections, row, connection),
        Row::Open(row) => subject!(opens, row, open),
        Row::Change(row) => subject!(changes, row, change),
        Row::Privileged(row) => subject!(privileged, row, privileged),
        Row::Socket(row) => subject!(sockets, row, socket),
        Row::Resource(row) => subject!(resources, row, resource),
    };
    if let (Row::Resource(row), Some(table)) = (row, &batch.resources) {
        subject.container = reference(&table.container, row);
    }
    Some(subject)
}

fn exec<'a>(batch: &'a Batch, table: &Execs, seq: u64, row: u32) -> Event<'a> {
    Event::Exec {
        seq,
        filename: text(batch, at(&table.filename, row)),
        errno: at(&table.errno, row),
        previous: process(batch, reference(&table.previous, row)),
    }
}

fn exit<'a>(_: &'a Batch, table: &Exits, seq: u64, row: u32) -> Event<'a> {
    Event::Exit {
        seq,
        code: at(&table.code, row),
        signal: at(&table.signal, row),
        lifetime: at(&table.lifetime, row),
    }
}

fn connection<'a>(_: &'a Batch, table: &Connections, seq: u64, row: u32) -> Event<'a> {
    let [local_address, remote_address] = ends(&table.addresses, row);
    Event::Connection {
        seq,
        op: name(at(&table.op, row), |op| Some(ConnectionOp::from_number(op)?.name())),
        direction: listed(at(&table.direction, row), &["outbound", "inbound", "unknown"]),
        local_address,
        local_port: at(&table.local_port, row),
        remote_address,
        remote_port: at(&table.remote_port, row),
        cookie: at(&table.cookie, row),
        sent: at(&table.sent, row),
        received: at(&table.received, row),
        duration: at(&table.duration, row),
        srtt: at(&table.srtt, row),
        retransmits: at(&table.retransmits, row),
        errno: at(&table.errno, row),
        netns: at(&table.netns, row),
        local_isn: at(&table.local_isn, row),
        remote_isn: at(&table.remote_isn, row),
    }
}

fn open<'a>(batch: &'a Batch, table: &Opens, seq: u64, row: u32) -> Event<'a> {
    let traits = at(&table.traits, row);
    Event::Open {
        seq,
        path: text(batch, at(&table.path, row)),
        typed: text(batch, at(&table.typed, row)),
        flags: at(&table.flags, row),
        mode: at(&table.mode, row),
        result: at(&table.result, row),
        path_kind: path_kind(at(&table.path_kind, row)),
        created: traits & open_traits::CREATED != 0,
        upper: traits & open_traits::UPPER != 0,
        count: at(&table.count, row),
        io_uring: traits & open_traits::IO_URING != 0,
    }
}

fn change<'a>(batch: &'a Batch, table: &Changes, seq: u64, row: u32) -> Event<'a> {
    Event::Change {
        seq,
        op: name(at(&table.op, row), |op| Some(ChangeOp::from_number(op)?.name())),
        path: text(batch, at(&table.path, row)),
        typed: text(batch, at(&table.typed, row)),
        path_kind: path_kind(at(&table.path_kind, row)),
        target: text(batch, at(&table.target, row)),
        target_typed: text(batch, at(&table.target_typed, row)),
        target_kind: path_kind(at(&table.target_kind, row)),
        detail: text(batch, at(&table.detail, row)),
        flags: at(&table.flags, row),
        mode: at(&table.mode, row),
        value: at(&table.value, row),
        result: at(&table.result, row),
    }
}

fn privileged<'a>(batch: &'a Batch, table: &Privileged, seq: u64, row: u32) -> Event<'a> {
    Event::Privileged {
        seq,
        op: name(at(&table.op, row), |op| Some(PrivilegedOp::from_number(op)?.name())),
        code: at(&table.code, row),
        argument: at(&table.argument, row),
        detail: text(batch, at(&table.detail, row)),
        result: at(&table.result, row),
        target: process(batch, reference(&table.target, row)),
    }
}

fn socket<'a>(batch: &'a Batch, table: &Sockets, seq: u64, row: u32) -> Event<'a> {
    let known = |end: Option<IpAddr>| end.filter(|ip| *ip != IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let [local_address, remote_address] = ends(&table.addresses, row).map(known);
    Event::Socket {
        seq,
        op: name(at(&table.op, row), |op| Some(SocketOp::from_number(op)?.name())),
        family: at(&table.family, row),
        protocol: at(&table.protocol, row),
        local_address,
        local_port: at(&table.local_port, row),
        remote_address,
        remote_port: at(&table.remote_port, row),
        name: text(batch, at(&table.name, row)),
        code: at(&table.code, row),
        result: at(&table.result, row),
        netns: at(&table.netns, row),
    }
}

fn resource<'a>(batch: &'a Batch, table: &Resources, seq: u64, row: u32) -> Event<'a> {
    let measured = at(&table.measured, row);
    let counted = |counter: Counter, column: &[u64]| (measured & counter.bit() != 0).then(|| at(column, row));
    Event::Resource {
        seq,
        op: name(at(&table.op, row), |op| Some(ResourceOp::from_number(op)?.name())),
        cgroup: text(batch, at(&table.cgroup, row)),
        interval: at(&table.interval, row),
        cpu: counted(Counter::Cpu, &table.cpu),
        minor_faults: counted(Counter::MinorFaults, &table.minor_faults),
        major_faults: counted(Counter::MajorFaults, &table.major_faults),
        voluntary_switches: counted(Counter::VoluntarySwitches, &table.voluntary_switches),
        involuntary_switches: counted(Counter::InvoluntarySwitches, &table.involuntary_switches),
        cycles: counted(Counter::Cycles, &table.cycles),
        instructions: counted(Counter::Instructions, &table.instructions),
        cache_misses: counted(Counter::CacheMisses, &table.cache_misses),
        memory: at(&table.memory, row),
    }
}

/// Local and remote address of a row.
fn ends(addresses: &[u8], row: u32) -> [Option<IpAddr>; 2] {
    [0, 16].map(|offset| {
        let start = row as usize * 32 + offset;
        let bytes: [u8; 16] = addresses.get(start..start + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes).to_canonical())
    })
}

fn path_kind(number: u8) -> Cow<'static, str> {
    listed(number, &["resolved", "typed", "outside_root", "incomplete", "detached"])
}

fn listed(number: u8, names: &[&'static str]) -> Cow<'static, str> {
    name(number, |number| names.get(usize::from(number)).copied())
}

fn name(number: u8, name: impl Fn(u8) -> Option<&'static str>) -> Cow<'static, str> {
    name(number).map_or_else(|| Cow::from(number.to_string()), Cow::from)
}

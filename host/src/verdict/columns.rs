//! Rows of a batch, resolved to what a reader of the verdict needs. Every index is checked: a row is named by a plugin.
use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;

use super::time::Utc;
use crate::bytes::Bytes;
use crate::event::process_flags;
use crate::interface::vespid::plugin::events::{Batch, Connections, Execs, Exits, Opens};
use crate::interface::vespid::plugin::reports::Row;

/// Most ancestors of a process in a verdict.
const MAX_ANCESTORS: usize = 64;

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
    },
    Open {
        seq: u64,
        path: Bytes<'a>,
        typed: Bytes<'a>,
        flags: u32,
        mode: u32,
        result: i64,
        path_kind: Cow<'static, str>,
    },
}

#[derive(Serialize)]
pub(super) struct Process<'a> {
    pub(super) pid: u32,
    start_time: Option<Utc>,
    ppid: u32,
    uid: u32,
    euid: u32,
    login_uid: Option<u32>,
    comm: Bytes<'a>,
    pub(super) exe: Bytes<'a>,
    cmdline: Vec<Bytes<'a>>,
    cwd: Bytes<'a>,
    tty: Bytes<'a>,
    flags: Vec<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Container<'a> {
    id: Bytes<'a>,
    runtime: Bytes<'a>,
    name: Bytes<'a>,
    image: Bytes<'a>,
    pod: Bytes<'a>,
    namespace: Bytes<'a>,
    pod_uid: Bytes<'a>,
}

/// The event that a verdict is about.
pub(super) struct Subject<'a> {
    pub(super) seq: u64,
    pub(super) time: u64,
    pub(super) event: Event<'a>,
    /// Row of its process.
    pub(super) process: u32,
}

/// Resolves the row that a verdict is about; `None` if there is no such row.
pub(super) fn subject(batch: &Batch, row: Row) -> Option<Subject<'_>> {
    let (seq, time, process, event) = match row {
        Row::Exec(row) => {
            let table: &Execs = batch.execs.as_ref()?;
            let event = Event::Exec {
                seq: *table.seq.get(row as usize)?,
                filename: text(batch, at(&table.filename, row)),
                errno: at(&table.errno, row),
                previous: process(batch, reference(&table.previous, row)),
            };
            (&table.seq, &table.time, reference(&table.process, row), event)
        }
        Row::Exit(row) => {
            let table: &Exits = batch.exits.as_ref()?;
            let event = Event::Exit {
                seq: *table.seq.get(row as usize)?,
                code: at(&table.code, row),
                signal: at(&table.signal, row),
                lifetime: at(&table.lifetime, row),
            };
            (&table.seq, &table.time, reference(&table.process, row), event)
        }
        Row::Connection(row) => {
            let table: &Connections = batch.connections.as_ref()?;
            let event = connection(table, row)?;
            (&table.seq, &table.time, reference(&table.process, row), event)
        }
        Row::Open(row) => {
            let table: &Opens = batch.opens.as_ref()?;
            let event = Event::Open {
                seq: *table.seq.get(row as usize)?,
                path: text(batch, at(&table.path, row)),
                typed: text(batch, at(&table.typed, row)),
                flags: at(&table.flags, row),
                mode: at(&table.mode, row),
                result: at(&table.result, row),
                path_kind: name(
                    at(&table.path_kind, row),
                    &["resolved", "typed", "outside_root", "incomplete", "detached"],
                ),
            };
            (&table.seq, &table.time, reference(&table.process, row), event)
        }
    };
    let (Row::Exec(row) | Row::Exit(row) | Row::Connection(row) | Row::Open(row)) = row;
    Some(Subject {
        seq: at(seq, row),
        time: at(time, row),
        event,
        process,
    })
}

fn connection(table: &Connections, row: u32) -> Option<Event<'static>> {
    let address = |offset: usize| {
        let start = row as usize * 32 + offset;
        let bytes: [u8; 16] = table.addresses.get(start..start + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes).to_canonical())
    };
    Some(Event::Connection {
        seq: *table.seq.get(row as usize)?,
        op: name(at(&table.op, row), &["", "opened", "accepted", "failed", "closed"]),
        direction: name(at(&table.direction, row), &["outbound", "inbound", "unknown"]),
        local_address: address(0),
        local_port: at(&table.local_port, row),
        remote_address: address(16),
        remote_port: at(&table.remote_port, row),
        cookie: at(&table.cookie, row),
        sent: at(&table.sent, row),
        received: at(&table.received, row),
        duration: at(&table.duration, row),
        srtt: at(&table.srtt, row),
        retransmits: at(&table.retransmits, row),
        errno: at(&table.errno, row),
        netns: at(&table.netns, row),
    })
}

/// The process in a row.
pub(super) fn process(batch: &Batch, row: u32) -> Option<Process<'_>> {
    let table = &batch.processes;
    let pid = *table.pid.get(row as usize)?;
    let string = |column: &[u32]| text(batch, at(column, row));
    let login_uid = at(&table.login_uid, row);
    let start = at(&table.start, row);
    Some(Process {
        pid,
        start_time: (start != 0).then_some(Utc(start)),
        ppid: at(&table.ppid, row),
        uid: at(&table.uid, row),
        euid: at(&table.euid, row),
        login_uid: (login_uid != u32::MAX).then_some(login_uid),
        comm: string(&table.comm),
        exe: string(&table.exe),
        cmdline: arguments(slice(batch, at(&table.args, row))),
        cwd: string(&table.cwd),
        tty: string(&table.tty),
        flags: flag_names(at(&table.flags, row)),
    })
}

/// The ancestors of the process in a row, nearest first, without repetition.
pub(super) fn ancestors(batch: &Batch, row: u32) -> Vec<Process<'_>> {
    let parent = |row: &u32| batch.processes.parent.get(*row as usize).copied();
    let mut seen = vec![row];
    let mut next = parent(&row);
    let mut out = Vec::new();
    while let Some(row) = next.filter(|row| !seen.contains(row) && out.len() < MAX_ANCESTORS) {
        let Some(ancestor) = process(batch, row) else { break };
        out.push(ancestor);
        seen.push(row);
        next = parent(&row);
    }
    out
}

/// The container of the process in a row.
pub(super) fn container(batch: &Batch, process: u32) -> Option<Container<'_>> {
    let row = *batch.processes.container.get(process as usize)?;
    let table = &batch.containers;
    let string = |column: &[u32]| text(batch, at(column, row));
    table.id.get(row as usize)?;
    Some(Container {
        id: string(&table.id),
        runtime: string(&table.runtime),
        name: string(&table.name),
        image: string(&table.image),
        pod: string(&table.pod),
        namespace: string(&table.namespace),
        pod_uid: string(&table.pod_uid),
    })
}

/// The time of the latest event in a batch; rows are in the order of time.
pub(super) fn latest(batch: &Batch) -> Option<u64> {
    let last = [
        batch.execs.as_ref().map(|table| &table.time),
        batch.exits.as_ref().map(|table| &table.time),
        batch.connections.as_ref().map(|table| &table.time),
        batch.opens.as_ref().map(|table| &table.time),
    ];
    last.into_iter().flatten().filter_map(|time| time.last()).copied().max()
}

fn at<T: Copy + Default>(column: &[T], row: u32) -> T {
    column.get(row as usize).copied().unwrap_or_default()
}

fn reference(column: &[u32], row: u32) -> u32 {
    column.get(row as usize).copied().unwrap_or(u32::MAX)
}

fn text(batch: &Batch, id: u32) -> Bytes<'_> {
    Bytes::from(slice(batch, id))
}

fn slice(batch: &Batch, id: u32) -> &[u8] {
    let ends = &batch.strings.ends;
    let end = at(ends, id) as usize;
    let start = id.checked_sub(1).map_or(0, |before| at(ends, before)) as usize;
    batch.strings.blob.get(start..end).unwrap_or_default()
}

/// Arguments are each ended by a NUL byte, save for the last one of a truncated vector.
fn arguments(bytes: &[u8]) -> Vec<Bytes<'_>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .strip_suffix(&[0])
        .unwrap_or(bytes)
        .split(|byte| *byte == 0)
        .map(Bytes::from)
        .collect()
}

fn name(number: u8, names: &[&'static str]) -> Cow<'static, str> {
    names
        .get(usize::from(number))
        .map_or_else(|| Cow::from(number.to_string()), |name| Cow::from(*name))
}

fn flag_names(flags: u32) -> Vec<&'static str> {
    [
        (process_flags::ARGS_TRUNCATED, "args_truncated"),
        (process_flags::MEMFD, "memfd"),
        (process_flags::DELETED, "deleted"),
        (process_flags::KERNEL, "kernel_thread"),
        (process_flags::FROM_PROC, "from_proc"),
        (process_flags::EXITED, "exited"),
        (process_flags::INCOMPLETE, "incomplete"),
    ]
    .into_iter()
    .filter_map(|(bit, name)| (flags & bit != 0).then_some(name))
    .collect()
}

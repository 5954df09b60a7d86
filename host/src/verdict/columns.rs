//! Rows of a batch, resolved to what a reader of the verdict needs. Every index is checked: a row is named by a plugin.
use serde::Serialize;

use super::time::Utc;
use crate::bytes::Bytes;
use crate::event::process_flags;
use crate::interface::vespid::plugin::events::Batch;

/// Most ancestors of a process in a verdict.
const MAX_ANCESTORS: usize = 64;

#[derive(Serialize)]
pub(super) struct Process<'a> {
    pub(super) pid: u32,
    start_time: Option<Utc>,
    ppid: u32,
    uid: u32,
    user: Bytes<'a>,
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
    owner: Bytes<'a>,
    pod_uid: Bytes<'a>,
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
        user: string(&table.user),
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

/// The container in a row.
pub(super) fn container(batch: &Batch, row: u32) -> Option<Container<'_>> {
    let table = batch.containers.as_ref()?;
    let string = |column: &[u32]| text(batch, at(column, row));
    table.id.get(row as usize)?;
    Some(Container {
        id: string(&table.id),
        runtime: string(&table.runtime),
        name: string(&table.name),
        image: string(&table.image),
        pod: string(&table.pod),
        namespace: string(&table.namespace),
        owner: string(&table.owner),
        pod_uid: string(&table.pod_uid),
    })
}

/// The time of the latest event in a batch; rows are in the order of time.
pub(super) fn latest(batch: &Batch) -> Option<u64> {
    batch.facts().filter_map(|facts| facts.time.last()).copied().max()
}

pub(super) fn at<T: Copy + Default>(column: &[T], row: u32) -> T {
    column.get(row as usize).copied().unwrap_or_default()
}

pub(super) fn reference(column: &[u32], row: u32) -> u32 {
    column.get(row as usize).copied().unwrap_or(u32::MAX)
}

pub(super) fn text(batch: &Batch, id: u32) -> Bytes<'_> {
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

fn flag_names(flags: u32) -> Vec<&'static str> {
    [
        (process_flags::ARGS_TRUNCATED, "args_truncated"),
        (process_flags::MEMFD, "memfd"),
        (process_flags::DELETED, "deleted"),
        (process_flags::KERNEL, "kernel_thread"),
        (process_flags::FROM_PROC, "from_proc"),
        (process_flags::EXITED, "exited"),
        (process_flags::INCOMPLETE, "incomplete"),
        (process_flags::UPPER, "upper"),
    ]
    .into_iter()
    .filter_map(|(bit, name)| (flags & bit != 0).then_some(name))
    .collect()
}

//! The tables that facts refer to: strings, processes, containers.
//!
//! A row is written at the first reference. Whether there is one already is looked up in a vector by the slot that the
//! process table gave the process, so nothing is hashed here.
use super::columns::{ContainerRow, Making, ProcessRow, Table};
use super::shared::Shared;
use crate::enrich::{ContainerId, Process, ProcessId, ProcessTable};
use crate::interface::vespid::plugin::events::{Containers, Processes, Strings};

/// A reference to no row.
pub const NONE: u32 = u32::MAX;

pub(super) struct Dimensions {
    strings: Making<Strings>,
    processes: Table<Processes>,
    containers: Table<Containers>,
    /// Counts batches, so that the rows of the last one need not be erased.
    stamp: u64,
    process_rows: Rows,
    container_rows: Rows,
    images: Shared<[u32; 5]>,
    cgroups: Shared<u32>,
    users: Option<Users>,
    /// Processes still to be written, the ancestors of each after it.
    pending: Vec<ProcessId>,
}

impl Dimensions {
    pub(super) fn new() -> Dimensions {
        Dimensions {
            strings: Making::new(),
            processes: Table::new(),
            containers: Table::new(),
            stamp: 1,
            process_rows: Rows::default(),
            container_rows: Rows::default(),
            images: Shared::new(),
            cgroups: Shared::new(),
            users: None,
            pending: Vec::new(),
        }
    }

    /// The id of a string that is appended, unless it is empty.
    #[inline]
    pub(super) fn text(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let strings = &mut self.strings.made;
        let id = count(strings.ends.len());
        strings.blob.extend_from_slice(text);
        strings.ends.push(count(strings.blob.len()));
        id
    }

    pub(super) fn text_len(&self) -> usize {
        self.strings.made.blob.len()
    }

    /// The row of a process as it is now, written if need be, with its ancestors.
    pub(super) fn row(&mut self, id: ProcessId, table: &ProcessTable) -> u32 {
        let Some(process) = table.get(id) else { return NONE };
        self.row_of(id, process, table)
    }

    /// The row of a process as it is given, written if need be.
    #[inline]
    pub(super) fn row_of(&mut self, id: ProcessId, process: &Process, table: &ProcessTable) -> u32 {
        match self.process_rows.get(id.index(), self.stamp, process.version) {
            Some(row) => row,
            None => self.write_with_ancestors(id, process, table),
        }
    }

    /// Most events are of a process that has its row.
    #[cold]
    fn write_with_ancestors(&mut self, id: ProcessId, process: &Process, table: &ProcessTable) -> u32 {
        let parent = self.parent_row(process, table);
        self.write(id, process, parent, table)
    }

    /// The row of a process's parent, written if need be.
    fn parent_row(&mut self, process: &Process, table: &ProcessTable) -> u32 {
        let mut next = process.parent;
        let mut row = NONE;
        while let Some(id) = next {
            let Some(ancestor) = table.get(id) else { break };
            if let Some(known) = self.process_rows.get(id.index(), self.stamp, ancestor.version) {
                row = known;
                break;
            }
            self.pending.push(id);
            next = ancestor.parent;
        }
        while let Some(id) = self.pending.pop() {
            if let Some(ancestor) = table.get(id) {
                row = self.write(id, ancestor, row, table);
            }
        }
        row
    }

    fn write(&mut self, id: ProcessId, process: &Process, parent: u32, table: &ProcessTable) -> u32 {
        let row = count(self.processes.len());
        self.process_rows.set(id.index(), self.stamp, process.version, row);
        let container = process.container().map_or(NONE, |id| self.container(id, table));
        let [comm, tty, exe, args, cwd] = self.image(process);
        let cgroup = self.cgroup(process);
        let (user, group) = self.users(process, container, table);
        self.processes.push(ProcessRow {
            pid: process.pid,
            ppid: process.ppid,
            parent,
            start: process.start,
            uid: process.uid,
            gid: process.gid,
            euid: process.euid,
            login_uid: process.login_uid,
            comm,
            exe,
            args,
            cwd,
            tty,
            cgroup,
            container,
            flags: process.flags,
            capabilities: process.capabilities(),
            namespaces: *process.namespaces(),
            user,
            group,
        });
        row
    }

    /// comm, tty, exe, args, cwd.
    fn image(&mut self, process: &Process) -> [u32; 5] {
        let serial = process.image_serial();
        if let Some(known) = self.images.get(self.stamp, serial) {
            return known;
        }
        let (text, ends) = process.image_text();
        let strings = &mut self.strings.made;
        let begin = strings.blob.len();
        strings.blob.extend_from_slice(text);
        let mut last = 0;
        let mut ids = [0; 5];
        for (id, &end) in ids.iter_mut().zip(ends) {
            if end > last {
                *id = count(strings.ends.len());
                strings.ends.push(count(begin + end));
            }
            last = end;
        }
        self.images.note(self.stamp, serial, ids);
        ids
    }

    fn cgroup(&mut self, process: &Process) -> u32 {
        let serial = process.cgroup_serial();
        if let Some(known) = self.cgroups.get(self.stamp, serial) {
            return known;
        }
        let id = self.text(process.cgroup());
        self.cgroups.note(self.stamp, serial, id);
        id
    }

    /// Names of user and group. Most processes after one another have the same, and looking them up is hashing.
    fn users(&mut self, process: &Process, container: u32, table: &ProcessTable) -> (u32, u32) {
        let (uid, gid, changes) = (process.uid, process.gid, table.account_changes());
        let is_same = |of: &Users| (of.uid, of.gid, of.container, of.changes) == (uid, gid, container, changes);
        if let Some(known) = self.users.filter(is_same) {
            return known.names;
        }
        let names = (self.text(table.user(process)), self.text(table.group_name(process)));
        self.users = Some(Users {
            uid,
            gid,
            container,
            changes,
            names,
        });
        names
    }

    /// The row of a container, written if need be.
    pub(super) fn container(&mut self, id: ContainerId, table: &ProcessTable) -> u32 {
        let Some(container) = table.containers().get(id) else {
            return NONE;
        };
        if let Some(row) = self.container_rows.get(id.index(), self.stamp, container.version) {
            return row;
        }
        let row = count(self.containers.len());
        self.container_rows.set(id.index(), self.stamp, container.version, row);
        let container = ContainerRow {
            id: self.text(&container.id),
            runtime: self.text(&container.runtime),
            name: self.text(&container.name),
            image: self.text(&container.image),
            pod_uid: self.text(&container.pod_uid),
            pod: self.text(&container.pod),
            namespace: self.text(&container.namespace),
            labels: self.text(&container.labels),
            owner: self.text(&container.owner),
        };
        self.containers.push(container);
        row
    }

    /// Sets flags in the row of a process, if it has one.
    pub(super) fn set_flags_if_present(&mut self, id: ProcessId, process: &Process, flags: u32) {
        if let Some(row) = self.process_rows.get(id.index(), self.stamp, process.version) {
            let cell = self
                .processes
                .cell(row as usize, |rows| &mut rows.flags, |table| &mut table.flags);
            *cell |= flags;
        }
    }

    /// The tables; goes on with empty ones.
    pub(super) fn finish(&mut self) -> (Strings, Processes, Option<Containers>) {
        self.stamp += 1;
        self.users = None;
        (self.strings.take(), self.processes.take(), self.containers.take_some())
    }

    /// Takes back the tables of a batch that nobody reads any more.
    pub(super) fn reuse(&mut self, strings: Strings, processes: Processes, containers: Option<Containers>) {
        self.strings.reuse(strings);
        self.processes.reuse(processes);
        if let Some(containers) = containers {
            self.containers.reuse(containers);
        }
    }
}

/// Whose names were written last, and when.
#[derive(Clone, Copy)]
struct Users {
    uid: u32,
    gid: u32,
    container: u32,
    changes: u64,
    names: (u32, u32),
}

/// The row that each slot has in the batch, and the version of the slot's content that it shows.
#[derive(Default)]
struct Rows(Vec<Cell>);

#[derive(Clone, Copy, Default)]
struct Cell {
    stamp: u64,
    version: u64,
    row: u32,
}

impl Rows {
    #[inline]
    fn get(&self, slot: usize, stamp: u64, version: u64) -> Option<u32> {
        let cell = self.0.get(slot)?;
        (cell.stamp == stamp && cell.version == version).then_some(cell.row)
    }

    fn set(&mut self, slot: usize, stamp: u64, version: u64, row: u32) {
        if slot >= self.0.len() {
            self.0.resize(slot + 1, Cell::default());
        }
        self.0[slot] = Cell { stamp, version, row };
    }
}

/// A length as a column holds it. A batch is finished long before it has 2³² of anything.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

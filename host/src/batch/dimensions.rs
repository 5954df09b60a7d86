//! The tables that facts refer to: strings, processes, containers.
//!
//! A row is written at the first reference. Whether there is one already is looked up in a vector by the slot that the
//! process table gave the process, so nothing is hashed here.
use super::columns::{ContainerRow, Making, ProcessRow, Table};
use super::shared::Shared;
use crate::enrich::{Attribution, ContainerId, Process, ProcessId, ProcessTable};
use crate::interface::vespid::plugin::events::{Containers, Processes, Strings};

/// A reference to no row.
pub const NONE: u32 = u32::MAX;
/// A version that nothing has.
const NEVER: u64 = u64::MAX;

pub(super) struct Dimensions {
    strings: Making<Strings>,
    processes: Table<Processes>,
    containers: Table<Containers>,
    /// The row that was asked for last, by the version of its process: most events are of the same as the one before.
    last: (u64, u32),
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
            last: (NEVER, NONE),
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

    /// The row of a process as it is now, written if need be.
    pub(super) fn row(&mut self, id: ProcessId, table: &ProcessTable) -> u32 {
        table
            .get(id)
            .map_or(NONE, |process| self.find_or_write(id, process, table))
    }

    /// The row of the process that an event is of, as it is given, written if need be.
    #[inline]
    pub(super) fn row_of(&mut self, whose: &Attribution, process: Option<&Process>, table: &ProcessTable) -> u32 {
        let Some(process) = process else { return NONE };
        if self.last.0 != process.version {
            let row = whose.process.map_or(NONE, |id| self.find_or_write(id, process, table));
            self.last = (process.version, row);
        }
        self.last.1
    }

    /// The row of a process, written if need be, after those of its ancestors.
    #[inline(never)]
    fn find_or_write(&mut self, id: ProcessId, process: &Process, table: &ProcessTable) -> u32 {
        if let Some(row) = self.process_rows.get(id.index(), process.version) {
            return row;
        }
        let parent = match process.parent.and_then(|id| Some((id, table.get(id)?))) {
            Some((id, parent)) => match self.process_rows.get(id.index(), parent.version) {
                Some(row) => row,
                None => self.write_ancestors(id, table),
            },
            None => NONE,
        };
        let row = count(self.processes.len());
        self.process_rows.set(id.index(), process.version, row);
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

    /// Writes a process that has no row, after those of its ancestors that have none.
    #[cold]
    fn write_ancestors(&mut self, id: ProcessId, table: &ProcessTable) -> u32 {
        let mut next = Some(id);
        while let Some(id) = next {
            let Some(ancestor) = table.get(id) else { break };
            if self.process_rows.get(id.index(), ancestor.version).is_some() {
                break;
            }
            self.pending.push(id);
            next = ancestor.parent;
        }
        let mut row = NONE;
        while let Some(id) = self.pending.pop() {
            if let Some(ancestor) = table.get(id) {
                row = self.find_or_write(id, ancestor, table);
            }
        }
        row
    }

    /// comm, tty, exe, args, cwd.
    #[inline]
    fn image(&mut self, process: &Process) -> [u32; 5] {
        let serial = process.image_serial();
        if let Some(known) = self.images.get(serial) {
            return known;
        }
        let (text, ends) = process.image_text();
        let strings = &mut self.strings.made;
        let begin = count(strings.blob.len());
        let first = count(strings.ends.len());
        strings.blob.extend_from_slice(text);
        // Each has its place among the strings; those that are empty are not referred to.
        strings.ends.extend_from_slice(&ends.map(|end| begin + end));
        let mut ids = [0; 5];
        let mut last = 0;
        for (at, (id, &end)) in (0..).zip(ids.iter_mut().zip(ends)) {
            *id = if end > last { first + at } else { 0 };
            last = end;
        }
        self.images.note(serial, ids);
        ids
    }

    #[inline]
    fn cgroup(&mut self, process: &Process) -> u32 {
        let serial = process.cgroup_serial();
        if let Some(known) = self.cgroups.get(serial) {
            return known;
        }
        let id = self.text(process.cgroup());
        self.cgroups.note(serial, id);
        id
    }

    /// Names of user and group. Most processes after one another have the same, and looking them up is hashing.
    #[inline]
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
        if let Some(row) = self.container_rows.get(id.index(), container.version) {
            return row;
        }
        let row = count(self.containers.len());
        self.container_rows.set(id.index(), container.version, row);
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
        if let Some(row) = self.process_rows.get(id.index(), process.version) {
            self.set_flags(row, flags);
        }
    }

    /// Sets flags in a process's row; none has none.
    #[inline]
    pub(super) fn set_flags(&mut self, row: u32, flags: u32) {
        if row != NONE {
            let cell = self
                .processes
                .cell(row as usize, |rows| &mut rows.flags, |table| &mut table.flags);
            *cell |= flags;
        }
    }

    /// The tables; goes on with empty ones.
    pub(super) fn finish(&mut self) -> (Strings, Processes, Option<Containers>) {
        self.last = (NEVER, NONE);
        self.process_rows.forget(self.processes.len());
        self.container_rows.forget(self.containers.len());
        self.images.clear();
        self.cgroups.clear();
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
struct Rows {
    slots: Vec<Slot>,
    /// How many rows were in the batches before: the slots count on, so that nothing need be erased with a batch.
    before: u64,
}

#[derive(Clone, Copy)]
struct Slot {
    version: u64,
    row: u64,
}

impl Rows {
    #[inline]
    fn get(&self, slot: usize, version: u64) -> Option<u32> {
        let found = self.slots.get(slot)?;
        let row = found.row.checked_sub(self.before)?;
        #[expect(clippy::cast_possible_truncation, reason = "as it was when it was set")]
        (found.version == version).then_some(row as u32)
    }

    #[inline]
    fn set(&mut self, slot: usize, version: u64, row: u32) {
        if slot >= self.slots.len() {
            self.grow(slot + 1);
        }
        let row = self.before + u64::from(row);
        self.slots[slot] = Slot { version, row };
    }

    #[cold]
    fn grow(&mut self, slots: usize) {
        let vacant = Slot { version: NEVER, row: 0 };
        self.slots.resize(slots, vacant);
    }

    /// Another batch begins; the last had so many rows.
    fn forget(&mut self, rows: usize) {
        self.before += rows as u64;
    }
}

/// A length as a column holds it. A batch is finished long before it has 2³² of anything.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a batch is finished before")]
fn count(len: usize) -> u32 {
    len as u32
}

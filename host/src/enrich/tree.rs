//! How entries hang together: children below parents, and the processes that had one pid after one another.
use super::process::{Process, ProcessId};
use super::table::{MAX_DEPTH, ProcessTable};
use crate::event::Subject;

impl ProcessTable {
    pub(super) fn insert(&mut self, mut process: Process) -> ProcessId {
        process.parent = process.parent.map(|parent| self.fitting(parent));
        if let Some(parent) = process.parent {
            self.slots[parent.index()].children += 1;
        }
        self.containers.retain(process.container());
        let (pid, start) = (process.pid, process.start);
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id.index()] = process;
                id
            }
            None => {
                let id = ProcessId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
                self.slots.push(process);
                id
            }
        };
        self.touch(id);
        match self.latest(pid) {
            None => {
                self.by_pid.insert(pid, id);
            }
            // Late news of a process whose pid is used again already.
            Some(head) if self.slots[head.index()].start > start => {
                self.slots[id.index()].older = self.slots[head.index()].older.replace(id);
                self.end(id, self.now);
            }
            // The pid is used again, so the end of the process that had it was lost, or is late.
            Some(head) => {
                self.slots[id.index()].older = Some(head);
                self.by_pid.insert(pid, id);
                self.end(head, self.now);
            }
        }
        id
    }

    /// Hangs a process that has no parent below one, unless that would close a loop.
    pub(super) fn link(&mut self, child: ProcessId, parent: ProcessId) {
        if self.slots[child.index()].parent.is_some() || self.lineage(parent).any(|ancestor| ancestor == child) {
            return;
        }
        let parent = self.fitting(parent);
        self.slots[parent.index()].children += 1;
        self.slots[child.index()].parent = Some(parent);
        self.touch(child);
    }

    /// Takes out a process that has no children, and with it those ancestors that were held for its sake only.
    pub(super) fn remove(&mut self, id: ProcessId) {
        let mut next = Some(id);
        while let Some(id) = next {
            let nobody = Subject {
                pid: 0,
                tid: 0,
                start: 0,
                uid: 0,
                gid: 0,
                cgroup: 0,
            };
            let vacant = self.blank(&nobody);
            let process = std::mem::replace(&mut self.slots[id.index()], vacant);
            self.forget_pid(id, &process);
            self.containers.release(process.container());
            self.images.retire(process.image);
            self.free.push(id);
            next = process.parent.filter(|parent| {
                let parent = &mut self.slots[parent.index()];
                parent.children -= 1;
                parent.children == 0 && parent.has_ended() && !parent.queued
            });
            self.evictions.expired += u64::from(next.is_some());
        }
    }

    fn forget_pid(&mut self, id: ProcessId, process: &Process) {
        match (self.latest(process.pid), process.older) {
            (Some(head), None) if head == id => {
                self.by_pid.remove(&process.pid);
            }
            (Some(head), Some(older)) if head == id => {
                self.by_pid.insert(process.pid, older);
            }
            (head, older) => {
                let mut next = head;
                while let Some(newer) = next {
                    let newer = &mut self.slots[newer.index()];
                    if newer.older == Some(id) {
                        newer.older = older;
                        break;
                    }
                    next = newer.older;
                }
            }
        }
    }

    /// The process itself, if a child of it is not too deep; else the ancestor whose child would not be.
    fn fitting(&self, parent: ProcessId) -> ProcessId {
        let depth = self.lineage(parent).count();
        self.lineage(parent)
            .nth(depth.saturating_sub(MAX_DEPTH - 1))
            .unwrap_or(parent)
    }

    /// A process and its ancestors, nearest first.
    fn lineage(&self, id: ProcessId) -> impl Iterator<Item = ProcessId> + '_ {
        std::iter::successors(Some(id), |id| self.slots[id.index()].parent)
    }
}

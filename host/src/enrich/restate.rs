//! A process of one table, put into words that make it the same in another: how a slice of a recording says what the
//! events that are not in it had made of a process.
use super::containers::Container;
use super::process::{Process, ProcessId};
use super::table::ProcessTable;
use crate::event::{Image, Known, KnownContainer, Restated, Subject, process_flags};

impl ProcessTable {
    /// Lets time pass until an event that will be observed next, so that nothing is held any more that is not held
    /// then.
    pub fn advance(&mut self, time: u64) {
        self.pass(time);
        self.is_advanced = true;
    }

    /// The process with this pid that started then; 0 stands for any start. Unlike an event, this is no news of it.
    #[must_use]
    pub fn held(&self, pid: u32, start: u64, exact: bool) -> Option<ProcessId> {
        let mut next = self.latest(pid);
        while let Some(id) = next.filter(|id| !self.slots[id.index()].started(start, exact)) {
            next = self.slots[id.index()].older;
        }
        next
    }

    /// All that would do for [`ProcessTable::held`], which takes the first.
    pub fn all_held(&self, pid: u32, start: u64, exact: bool) -> impl Iterator<Item = ProcessId> {
        let chain = std::iter::successors(self.latest(pid), |id| self.slots[id.index()].older);
        chain.filter(move |id| self.slots[id.index()].started(start, exact))
    }

    /// The process that another table means by this pid and start.
    #[must_use]
    pub fn counterpart(&self, pid: u32, start: u64, exact: bool) -> Option<ProcessId> {
        let mut all = self.all_held(pid, start, exact);
        all.find(|id| self.slots[id.index()].start == start)
            .or_else(|| self.held(pid, start, exact))
    }

    /// The parent that an image names, if it is held.
    #[must_use]
    pub fn held_parent(&self, image: &Image<'_>, start: u64) -> Option<ProcessId> {
        self.find_parent(image, start)
    }

    /// All that is held of a process, for another table to learn.
    #[must_use]
    pub fn state(&self, id: ProcessId) -> Option<Known<'static>> {
        let process = self.get(id)?;
        let parent = process.parent.and_then(|parent| self.get(parent));
        let text = |text: &[u8]| text.to_vec().into();
        let ended = match (process.has_ended(), process.queued) {
            (false, _) => 0,
            (true, true) => process.ended,
            // Held for its children, who may not be there.
            (true, false) => self.now,
        };
        Some(Known {
            subject: Subject {
                pid: process.pid,
                tid: process.pid,
                start: process.start,
                uid: process.uid,
                gid: process.gid,
                cgroup: process.cgroup_id,
            },
            image: Image {
                ppid: process.ppid,
                parent_start: parent
                    .filter(|parent| parent.pid == process.ppid)
                    .map_or(0, |parent| parent.start),
                euid: process.euid,
                login_uid: process.login_uid,
                capabilities: process.capabilities(),
                namespaces: *process.namespaces(),
                flags: process.flags,
                comm: text(process.comm()),
                tty: text(process.tty()),
                exe: text(process.exe()),
                args: text(process.args()),
                cwd: text(process.cwd()),
                cgroup_path: text(process.cgroup()),
                ..Image::default()
            },
            restated: Some(Restated {
                parent_pid: parent.map_or(0, |parent| parent.pid),
                parent_start: parent.map_or(0, |parent| parent.start),
                ended,
                exact: process.exact,
                ..Restated::default()
            }),
        })
    }

    /// Makes a process what another table said of it.
    pub(super) fn restate(&mut self, subject: &Subject, image: &Image<'_>, restated: &Restated) {
        if restated.at != 0 {
            self.advance(restated.at);
        }
        let held = self.counterpart(subject.pid, subject.start, restated.exact);
        if restated.gone {
            if let Some(id) = held {
                self.forget(id);
            }
            return;
        }
        let group = self.group(image.cgroup_path.as_slice(), None);
        let id = held.unwrap_or_else(|| self.insert(self.blank(subject)));
        self.set_group(id, group);
        self.set_image(id, subject, image, image.flags);
        let process = &mut self.slots[id.index()];
        (process.start, process.exact) = (subject.start, restated.exact);
        (process.cgroup_id, process.ppid) = (subject.cgroup, image.ppid);
        self.revive(id);
        if image.flags & process_flags::EXITED != 0 {
            self.end(id, restated.ended);
        }
        self.slots[id.index()].flags = image.flags;
        let parent = (restated.parent_pid != 0)
            .then(|| self.counterpart(restated.parent_pid, restated.parent_start, true))
            .flatten();
        if self.slots[id.index()].parent != parent {
            self.unlink(id);
        }
        if let Some(parent) = parent {
            self.link(id, parent);
        }
    }

    /// Takes out a process, whoever its children are.
    fn forget(&mut self, id: ProcessId) {
        self.revive(id);
        let children = (0..).zip(&self.slots).filter(|(_, process)| process.parent == Some(id));
        let children: Vec<ProcessId> = children.map(|(at, _)| ProcessId(at)).collect();
        children.into_iter().for_each(|child| self.unlink(child));
        self.unlink(id);
        self.remove(id);
    }

    fn unlink(&mut self, child: ProcessId) {
        let Some(parent) = self.slots[child.index()].parent.take() else {
            return;
        };
        self.touch(child);
        let process = &mut self.slots[parent.index()];
        process.children -= 1;
        // It was held for the child's sake only. Whoever restates may mean it to stay.
        if process.children == 0 && process.has_ended() && !process.queued {
            process.flags &= !process_flags::EXITED;
            self.end(parent, self.now);
        }
    }

    /// What is said of its end now is all that counts.
    fn revive(&mut self, id: ProcessId) {
        let process = &mut self.slots[id.index()];
        process.flags &= !process_flags::EXITED;
        if std::mem::take(&mut process.queued) {
            self.ended.retain(|&ended| ended != id);
        }
    }
}

impl Process {
    /// Whether nothing tells the two apart but where they hang and which container they run in.
    #[must_use]
    pub fn is_like(&self, other: &Process) -> bool {
        let numbers = |process: &Process| (process.pid, process.ppid, process.start, process.uid, process.gid);
        let users = |process: &Process| (process.euid, process.login_uid);
        self.has_same_marks(other)
            && numbers(self) == numbers(other)
            && users(self) == users(other)
            && self.capabilities() == other.capabilities()
            && self.namespaces() == other.namespaces()
            && texts(self) == texts(other)
    }

    /// Whether what changes without a new [`Process::version`] is equal.
    #[must_use]
    pub fn has_same_marks(&self, other: &Process) -> bool {
        (self.flags, self.cgroup_id, self.exact) == (other.flags, other.cgroup_id, other.exact)
    }

    /// Whether it started then, to a clock tick.
    #[must_use]
    pub fn is_about(&self, start: u64) -> bool {
        self.started(start, false)
    }

    /// Whether a process with this pid and start is this one.
    #[must_use]
    pub fn is(&self, other: &Process) -> bool {
        self.pid == other.pid && self.started(other.start, other.exact)
    }
}

impl Container {
    /// All that is held of the container in which a control group is, for another table to learn.
    #[must_use]
    pub fn state(&self, cgroup: &[u8]) -> KnownContainer<'static> {
        let text = |text: &[u8]| text.to_vec().into();
        let is_told = super::recognise(cgroup).is_none();
        KnownContainer {
            cgroup: text(if is_told { cgroup } else { b"" }),
            id: text(&self.id),
            runtime: text(&self.runtime),
            name: text(&self.name),
            image: text(&self.image),
            pod_uid: text(&self.pod_uid),
            pod: text(&self.pod),
            namespace: text(&self.namespace),
            labels: text(&self.labels),
            owner: text(&self.owner),
        }
    }

    /// Whether it says all that `other` says.
    #[must_use]
    pub fn covers(&self, other: &Container) -> bool {
        let pairs = [
            (&self.runtime, &other.runtime),
            (&self.name, &other.name),
            (&self.image, &other.image),
            (&self.pod_uid, &other.pod_uid),
            (&self.pod, &other.pod),
            (&self.namespace, &other.namespace),
            (&self.labels, &other.labels),
            (&self.owner, &other.owner),
        ];
        let covers = |own: &[u8], other: &[u8]| other.is_empty() || own == other;
        self.id == other.id && pairs.into_iter().all(|(own, other)| covers(own, other))
    }
}

fn texts(process: &Process) -> [&[u8]; 6] {
    [
        process.comm(),
        process.tty(),
        process.exe(),
        process.args(),
        process.cwd(),
        process.cgroup(),
    ]
}

//! What an event says of the processes that it is about, and whose it therefore is.
use std::sync::Arc;

use vespid_ebpf::ResourceOp;

use super::container::is_root;
use super::process::{Process, ProcessId};
use super::table::ProcessTable;
use super::{Attribution, Found};
use crate::event::{Body, Event, Exec, Fork, Subject, process_flags};

impl ProcessTable {
    /// Takes in an event and says whose it is. The answer holds until the next call.
    pub fn observe(&mut self, event: &Event<'_>) -> Attribution {
        if !std::mem::take(&mut self.is_advanced) || event.time > self.now {
            self.pass(event.time);
        }
        // Only now has nobody its image any more.
        if let Some(previous) = self.previous.take() {
            self.images.retire(previous.image);
        }
        let attribution = self.attribute(event);
        self.clock += 1;
        attribution
    }

    /// The process of an [`Attribution`] that has one before it.
    #[must_use]
    pub fn previous(&self) -> Option<&Process> {
        self.previous.as_ref()
    }

    /// Lets time pass until an event, and lets go of what is not held any more then.
    pub(super) fn pass(&mut self, time: u64) {
        self.now = self.now.max(time);
        self.containers.collect();
        self.take_heard();
        self.make_room(0);
    }

    fn attribute(&mut self, event: &Event<'_>) -> Attribution {
        let subject = &event.subject;
        if let Body::Resource(resource) = &event.body
            && resource.op == ResourceOp::Usage
        {
            return Attribution {
                container: self.container_of(resource.cgroup.as_slice()),
                ..Attribution::default()
            };
        }
        if subject.pid == 0 {
            return Attribution::default();
        }
        if let Body::Exec(exec) = &event.body
            && exec.errno == 0
        {
            return self.exec(subject, exec);
        }
        let id = self
            .find(subject.pid, subject.start)
            .unwrap_or_else(|| self.acquaint(subject));
        // What the network stack says comes with the user who opened the connection, which may be long ago.
        if !matches!(event.body, Body::Connection(_)) {
            self.set_user(id, subject);
        }
        self.set_namespaces(id, &event.namespaces);
        match &event.body {
            Body::Fork(fork) => self.fork(id, subject, fork),
            Body::Exit(_) => self.end(id, event.time),
            _ => {}
        }
        let target = match &event.body {
            Body::Privileged(call) if call.target_pid != 0 => self.find(call.target_pid, call.target_start),
            _ => None,
        };
        let container = match &event.body {
            Body::Resource(_) => self.slots[id.index()].container(),
            _ => None,
        };
        Attribution {
            process: Some(id),
            has_previous: false,
            target,
            container,
        }
    }

    /// The process with this pid that started then; 0 stands for any start. That an event names it is news of it.
    pub(super) fn find(&mut self, pid: u32, start: u64) -> Option<ProcessId> {
        let mut next = self.by_pid.get(&pid).copied();
        while let Some(id) = next {
            let process = &mut self.slots[id.index()];
            if process.started(start, true) {
                process.last_seen = self.clock;
                if start != 0 && !process.exact {
                    process.exact = true;
                    if process.start != start {
                        process.start = start;
                        self.touch(id);
                    }
                }
                return Some(id);
            }
            next = process.older;
        }
        None
    }

    fn fork(&mut self, parent: ProcessId, subject: &Subject, fork: &Fork) {
        let child = Subject {
            pid: fork.child_pid,
            tid: fork.child_pid,
            start: fork.child_start,
            cgroup: fork.child_cgroup,
            ..*subject
        };
        if child.pid == 0 {
            return;
        }
        let of = &self.slots[parent.index()];
        let moved = of.cgroup_id != 0 && child.cgroup != 0 && of.cgroup_id != child.cgroup;
        let inherited = Process {
            ppid: of.pid,
            parent: Some(parent),
            euid: of.euid,
            login_uid: of.login_uid,
            flags: of.flags & !process_flags::EXITED,
            image: Arc::clone(&of.image),
            namespaces: of.namespaces,
            group: Arc::clone(if moved { &self.no_group } else { &of.group }),
            exact: true,
            ..self.blank(&child)
        };
        match self.find(child.pid, child.start) {
            None => {
                self.insert(inherited);
            }
            // Known from a later event, or from /proc: only what that could not say is news.
            Some(id) => {
                if self.slots[id.index()].is_incomplete() {
                    let Process {
                        ppid,
                        euid,
                        login_uid,
                        flags,
                        ..
                    } = inherited;
                    self.set_group(id, inherited.group);
                    let process = &mut self.slots[id.index()];
                    let ended = process.flags & process_flags::EXITED;
                    (process.image, process.namespaces) = (inherited.image, inherited.namespaces);
                    (process.ppid, process.euid, process.login_uid) = (ppid, euid, login_uid);
                    process.flags = flags | ended;
                    self.touch(id);
                }
                self.link(id, parent);
            }
        }
    }

    fn exec(&mut self, subject: &Subject, exec: &Exec<'_>) -> Attribution {
        let image = &exec.image;
        let held = self.find(subject.pid, subject.start);
        let id = held.unwrap_or_else(|| {
            let parent = self.parent_of(image, subject.start);
            self.insert(Process {
                parent,
                ..self.blank(subject)
            })
        });
        if self.slots[id.index()].parent.is_none()
            && let Some(parent) = self.parent_of(image, subject.start)
        {
            self.link(id, parent);
        }
        let is_known = held.is_some() && !self.slots[id.index()].is_incomplete();
        if is_known {
            self.ask_for_container(id, image);
        }
        let before = &self.slots[id.index()];
        if is_known {
            self.previous = Some(before.clone());
        }
        // Where containers live in v1 hierarchies, the v2 path is the root for everybody and says nothing.
        let moved = before.cgroup_id != 0 && subject.cgroup != 0 && before.cgroup_id != subject.cgroup;
        if moved || before.container().is_none() || !is_root(image.cgroup_path.as_slice()) {
            let group = self.group(image.cgroup_path.as_slice(), Some(id));
            self.set_group(id, group);
        }
        self.set_image(id, subject, image, image.flags);
        self.adopt(id, image);
        Attribution {
            process: Some(id),
            has_previous: is_known,
            ..Attribution::default()
        }
    }

    fn set_user(&mut self, id: ProcessId, subject: &Subject) {
        let process = &mut self.slots[id.index()];
        if process.cgroup_id == 0 {
            process.cgroup_id = subject.cgroup;
        }
        if (process.uid, process.gid) != (subject.uid, subject.gid) {
            // Events carry no effective user; whoever gives up a user gives up all of it, nearly always.
            if process.uid != subject.uid {
                process.euid = subject.uid;
            }
            (process.uid, process.gid) = (subject.uid, subject.gid);
            self.touch(id);
            self.name_user(id);
        }
    }

    /// Takes in where an event says that its thread is, so far as it says so. A recording restates the process, as its
    /// events do not say it.
    fn set_namespaces(&mut self, id: ProcessId, told: &[u32; 8]) {
        let process = &mut self.slots[id.index()];
        let known = process.namespaces;
        for (inode, told) in process.namespaces.iter_mut().zip(told) {
            if *told != 0 {
                *inode = *told;
            }
        }
        if process.namespaces != known {
            self.touch(id);
            if self.options.keep_found
                && let Some(state) = self.state(id)
            {
                self.keep(Found::Process(state));
            }
        }
    }
}

//! What the events did not tell: processes and containers learnt from elsewhere, and when to ask for them.
//!
//! The table asks at once, while the process is likely to be there, and applies what it hears before the event at hand.
//! A recording keeps that order, so a replay, which hears the same before the same event, ends in the same state.
use std::sync::Arc;

use super::Found;
use super::container::is_root;
use super::containers::ContainerId;
use super::process::{Group, Process, ProcessId, TICK_NS};
use super::table::{MAX_DEPTH, ProcessTable};
use crate::event::{self, Known, KnownContainer, Subject, process_flags};

/// The inode number of the mount namespace, in [`vespid_ebpf::NAMESPACES`].
const MNT: usize = 2;

impl ProcessTable {
    /// Takes in a process that is known from elsewhere: from `/proc` at start, or from a recording.
    pub fn learn(&mut self, known: &Known<'_>) {
        self.containers.collect();
        // What a live table learns during an event may exceed its bounds until the next; a replay does alike.
        self.make_room(MAX_DEPTH + 2);
        self.take_in(known);
    }

    /// Takes in a container that is known from elsewhere: from its runtime, or from a recording.
    pub fn learn_container(&mut self, known: &KnownContainer<'_>) {
        self.containers.collect();
        self.containers.tell(known);
    }

    /// A process that an event names and the table does not hold: asks the source for it and for its ancestors.
    pub(super) fn acquaint(&mut self, subject: &Subject) -> ProcessId {
        let mut unknown = Vec::new();
        let mut pid = subject.pid;
        while pid != 0 && unknown.len() < MAX_DEPTH && (pid == subject.pid || self.latest(pid).is_none()) {
            let Some(known) = self.source.look_up(pid) else { break };
            let is_other =
                pid == subject.pid && subject.start != 0 && known.subject.start.abs_diff(subject.start) > TICK_NS;
            if is_other || known.subject.pid != pid {
                break;
            }
            pid = known.image.ppid;
            unknown.push(known);
        }
        while let Some(known) = unknown.pop() {
            self.take_in(&known);
            self.keep(Found::Process(known));
        }
        self.find(subject.pid, subject.start).unwrap_or_else(|| {
            let flags = process_flags::INCOMPLETE;
            self.insert(Process {
                flags,
                euid: subject.uid,
                exact: subject.start != 0,
                ..self.blank(subject)
            })
        })
    }

    pub(super) fn take_in(&mut self, known: &Known<'_>) {
        let (subject, image) = (&known.subject, &known.image);
        if subject.pid == 0 {
            return;
        }
        if let Some(restated) = &known.restated {
            return self.restate(subject, image, restated);
        }
        let held = self.find_about(subject.pid, subject.start);
        if image.flags & process_flags::EXITED != 0 {
            if let Some(id) = held {
                self.end(id, self.now);
            }
            return;
        }
        let group = self.group(image.cgroup_path.as_slice(), held);
        let id = match held {
            Some(id) if !self.slots[id.index()].is_incomplete() => {
                if group.container.is_some() {
                    self.set_group(id, group);
                }
                return;
            }
            Some(id) => id,
            None => {
                let parent = self.find_parent(image, subject.start);
                self.insert(Process {
                    parent,
                    ..self.blank(subject)
                })
            }
        };
        self.set_group(id, group);
        self.set_image(id, subject, image, image.flags | process_flags::FROM_PROC);
        self.adopt(id, image);
    }

    /// Asks the source where the path of the v2 control group says nothing, and a mount namespace unlike the
    /// parent's hints at a container.
    pub(super) fn ask_for_container(&mut self, id: ProcessId, image: &event::Image<'_>) {
        let process = &self.slots[id.index()];
        let home = process
            .parent
            .map_or(0, |parent| self.slots[parent.index()].namespaces()[MNT]);
        let away = home != 0 && image.namespaces[MNT] != 0 && home != image.namespaces[MNT];
        if process.container().is_some() || !away || !is_root(image.cgroup_path.as_slice()) {
            return;
        }
        let (pid, start) = (process.pid, process.start);
        let Some(known) = self.source.look_up(pid) else { return };
        if known.subject.start.abs_diff(start) > TICK_NS {
            return;
        }
        // Only the control group is news: the image is that of the event at hand.
        let group = self.group(known.image.cgroup_path.as_slice(), Some(id));
        if group.container.is_some() {
            self.set_group(id, group);
            self.keep(Found::Process(known));
        }
    }

    /// The parent that an exec event names, made known if need be.
    pub(super) fn parent_of(&mut self, image: &event::Image<'_>, start: u64) -> Option<ProcessId> {
        if image.ppid == 0 {
            return None;
        }
        if let Some(parent) = self.find_parent(image, start) {
            return Some(parent);
        }
        if image.parent_start == 0 {
            return None;
        }
        let (uid, gid) = (u32::MAX, u32::MAX);
        let parent = Subject {
            pid: image.ppid,
            tid: image.ppid,
            start: image.parent_start,
            uid,
            gid,
            cgroup: 0,
        };
        Some(self.acquaint(&parent))
    }

    pub(super) fn find_parent(&self, image: &event::Image<'_>, start: u64) -> Option<ProcessId> {
        if image.parent_start != 0 {
            return self.find_about(image.ppid, image.parent_start);
        }
        let parent = self.latest(image.ppid)?;
        let process = &self.slots[parent.index()];
        let is_older = start == 0 || process.start <= start.saturating_add(TICK_NS);
        (is_older && !process.has_ended()).then_some(parent)
    }

    /// The control group with this path; shared with the process that is there already.
    pub(super) fn group(&mut self, path: &[u8], of: Option<ProcessId>) -> Arc<Group> {
        if let Some(id) = of {
            let group = &self.slots[id.index()].group;
            if &*group.path == path {
                return Arc::clone(group);
            }
        }
        let mut container = self.containers.of_cgroup(path);
        if container.is_none()
            && !is_root(path)
            && let Some(known) = self.source.container_of(path)
        {
            self.containers.tell(&known);
            self.keep(Found::Container(known));
            container = self.containers.of_cgroup(path);
        }
        if let Some(unknown) = container.and_then(|id| self.containers.unasked(id))
            && let Some(known) = self.source.describe(unknown)
        {
            self.containers.tell(&known);
            self.keep(Found::Container(known));
        }
        Arc::new(Group::new(path, container))
    }

    /// The container of a control group of which no process is at hand. If there is none in the table either, the
    /// container is held no longer than for the event at hand.
    pub(super) fn container_of(&mut self, path: &[u8]) -> Option<ContainerId> {
        let container = self.group(path, None).container;
        self.containers.retain(container);
        self.containers.release(container);
        container
    }

    /// Takes in what was heard of containers since they were met. Those that are gone stay forgotten.
    pub(super) fn take_heard(&mut self) {
        while let Some(known) = self.source.heard() {
            if self.containers.by_id(known.id.as_slice()).is_some() {
                self.containers.tell(&known);
                self.keep(Found::Container(known));
            }
        }
    }

    /// Fills in the parent of a process that was met without one.
    pub(super) fn adopt(&mut self, id: ProcessId, image: &event::Image<'_>) {
        let process = &mut self.slots[id.index()];
        if process.ppid == 0 {
            process.ppid = image.ppid;
        }
        if process.parent.is_none() {
            let start = process.start;
            if let Some(parent) = self.find_parent(image, start) {
                self.link(id, parent);
            }
        }
    }
}

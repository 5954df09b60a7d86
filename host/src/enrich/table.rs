//! The processes of the node, as the events so far have left them.
//!
//! A process is named by its pid and its start, so a pid used again is another process. Parents never form a loop:
//! a parent is set once, and only to a process that does not descend from the child.
use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use vespid_ebpf::ResourceOp;

use super::container::is_root;
use super::containers::ContainerTable;
use super::images::Images;
use super::names::Names;
use super::process::{Group, Image, Process, ProcessId};
use super::{Attribution, Found, Source};
use crate::event::{self, Body, Event, Exec, Fork, Known, KnownContainer, Subject, process_flags};

/// Deepest tree of processes that is kept as it is; below it, children hang from the deepest ancestor that fits. So
/// processes that fork and end without end can neither fill the table with their ancestors nor push the first of
/// them out of sight.
pub(super) const MAX_DEPTH: usize = 64;

/// Bounds of the table.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Processes held. One event may exceed it by those it makes known.
    pub capacity: usize,
    /// Bytes of names and arguments held.
    pub text_capacity: usize,
    /// How long, in nanoseconds, an ended process is held for what is still said of it.
    pub grace_ns: u64,
    /// Whether to keep what the source told for [`ProcessTable::take_found`].
    pub keep_found: bool,
    /// The node's own namespaces: see [`super::namespaces::of_the_node`].
    pub node_namespaces: [u32; 8],
}

impl Default for Options {
    fn default() -> Self {
        Options {
            capacity: 32_768,
            text_capacity: 64 << 20,
            grace_ns: 30_000_000_000,
            keep_found: false,
            node_namespaces: super::namespaces::FIXED,
        }
    }
}

/// How many processes the table let go of, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// Ended, and nothing asked for them any more.
    pub expired: u64,
    /// Ended, and let go before their time because the table was full.
    pub ended: u64,
    /// Running, without children, and unheard of for the longest, when the table was full.
    pub running: u64,
    /// Not let go of, but their arguments cut short, when the table held too much text.
    pub trimmed: u64,
}

impl Evictions {
    /// Processes let go of for want of room.
    #[must_use]
    pub fn for_room(&self) -> u64 {
        self.ended + self.running
    }
}

/// The table.
pub struct ProcessTable {
    pub(super) options: Options,
    pub(super) source: Box<dyn Source + Send>,
    pub(super) slots: Vec<Process>,
    pub(super) free: Vec<ProcessId>,
    /// The latest process of each pid.
    pub(super) by_pid: HashMap<u32, ProcessId, RandomState>,
    /// Ended processes, in order of their end.
    pub(super) ended: VecDeque<ProcessId>,
    pub(super) containers: ContainerTable,
    pub(super) names: Names,
    found: Vec<Found>,
    /// A process before the exec that was observed last.
    previous: Option<Process>,
    pub(super) images: Images,
    no_image: Arc<Image>,
    no_group: Arc<Group>,
    /// Event time, in Unix nanoseconds.
    pub(super) now: u64,
    /// Counts events.
    pub(super) clock: u64,
    pub(super) version: u64,
    pub(super) evictions: Evictions,
    pub(super) swept: usize,
    /// Time has passed until the next event already.
    pub(super) is_advanced: bool,
}

impl ProcessTable {
    /// Most processes that it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.options.capacity
    }

    /// An empty table.
    #[must_use]
    pub fn new(options: Options, source: Box<dyn Source + Send>) -> ProcessTable {
        let mut images = Images::default();
        ProcessTable {
            options,
            source,
            slots: Vec::new(),
            free: Vec::new(),
            by_pid: HashMap::default(),
            ended: VecDeque::new(),
            containers: ContainerTable::default(),
            names: Names::default(),
            found: Vec::new(),
            previous: None,
            no_image: images.make(&event::Image::default()),
            no_group: Arc::new(Group::new(b"", None)),
            images,
            now: 0,
            clock: 0,
            version: 0,
            evictions: Evictions::default(),
            swept: 0,
            is_advanced: false,
        }
    }

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

    /// The node's own namespaces, in the order of [`vespid_ebpf::NAMESPACES`]; 0 for not known.
    #[must_use]
    pub fn node_namespaces(&self) -> &[u32; 8] {
        &self.options.node_namespaces
    }

    /// What the source told since the last call. Empty unless [`Options::keep_found`].
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// All processes, those that have ended too.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.slots.iter().filter(|process| process.pid != 0)
    }

    /// A process, if the table holds it.
    #[must_use]
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.slots.get(id.index()).filter(|process| process.pid != 0)
    }

    /// The latest process with this pid.
    #[must_use]
    pub fn latest(&self, pid: u32) -> Option<ProcessId> {
        self.by_pid.get(&pid).copied()
    }

    /// The containers that the processes run in.
    #[must_use]
    pub fn containers(&self) -> &ContainerTable {
        &self.containers
    }

    /// How many processes are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was let go of.
    #[must_use]
    pub fn evictions(&self) -> Evictions {
        self.evictions
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

    /// The process with this pid that started then; 0 stands for any start.
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

    /// As [`Self::find`], for a start known to a clock tick.
    pub(super) fn find_about(&self, pid: u32, start: u64) -> Option<ProcessId> {
        let mut next = self.latest(pid);
        while let Some(id) = next.filter(|id| !self.slots[id.index()].started(start, false)) {
            next = self.slots[id.index()].older;
        }
        next
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

    pub(super) fn set_group(&mut self, id: ProcessId, group: Arc<Group>) {
        let old = self.slots[id.index()].container();
        self.containers.retain(group.container);
        self.containers.release(old);
        self.slots[id.index()].group = group;
        self.touch(id);
    }

    pub(super) fn set_image(&mut self, id: ProcessId, subject: &Subject, image: &event::Image<'_>, flags: u32) {
        let fresh = self.images.make(image);
        let process = &mut self.slots[id.index()];
        self.images.retire(std::mem::replace(&mut process.image, fresh));
        (process.uid, process.gid, process.euid) = (subject.uid, subject.gid, image.euid);
        process.login_uid = image.login_uid;
        process.namespaces = image.namespaces;
        process.flags = flags | (process.flags & process_flags::EXITED);
        if subject.cgroup != 0 {
            process.cgroup_id = subject.cgroup;
        }
        self.touch(id);
        self.name_user(id);
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

    pub(super) fn end(&mut self, id: ProcessId, time: u64) {
        let process = &mut self.slots[id.index()];
        if !process.has_ended() {
            process.flags |= process_flags::EXITED;
            process.ended = time;
            process.queued = true;
            // Nearly always the last one; not where a recording restates what was.
            let slots = &self.slots;
            let later = self.ended.iter().rev();
            let later = later.take_while(|other| slots[other.index()].ended > time).count();
            self.ended.insert(self.ended.len() - later, id);
        }
    }

    pub(super) fn keep(&mut self, found: Found) {
        if self.options.keep_found {
            self.found.push(found);
        }
    }

    pub(super) fn touch(&mut self, id: ProcessId) {
        self.version += 1;
        self.slots[id.index()].version = self.version;
    }

    pub(super) fn blank(&self, subject: &Subject) -> Process {
        Process {
            pid: subject.pid,
            ppid: 0,
            start: subject.start,
            parent: None,
            uid: subject.uid,
            gid: subject.gid,
            euid: u32::MAX,
            login_uid: u32::MAX,
            flags: 0,
            version: 0,
            image: Arc::clone(&self.no_image),
            namespaces: [0; 8],
            group: Arc::clone(&self.no_group),
            cgroup_id: subject.cgroup,
            exact: false,
            queued: false,
            ended: 0,
            children: 0,
            older: None,
            last_seen: self.clock,
        }
    }
}

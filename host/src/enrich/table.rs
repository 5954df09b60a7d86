//! The processes of the node, as the events so far have left them.
//!
//! A process is named by its pid and its start, so a pid used again is another process. Parents never form a loop:
//! a parent is set once, and only to a process that does not descend from the child.
use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::containers::ContainerTable;
use super::images::Images;
use super::names::Names;
use super::process::{Group, Image, Process, ProcessId};
use super::{Found, Source};
use crate::event::{self, Subject};

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
    pub(super) previous: Option<Process>,
    pub(super) images: Images,
    no_image: Arc<Image>,
    pub(super) no_group: Arc<Group>,
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

    /// The node's own namespaces, in the order of [`vespid_ebpf::NAMESPACES`]; 0 for not known.
    #[must_use]
    pub fn node_namespaces(&self) -> &[u32; 8] {
        &self.options.node_namespaces
    }

    /// What the source told since the last call. Empty unless [`Options::keep_found`].
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// Something that the source told, for [`Self::take_found`].
    pub(super) fn keep(&mut self, found: Found) {
        if self.options.keep_found {
            self.found.push(found);
        }
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

    /// The process with this pid that started then, to a clock tick; 0 stands for any start.
    pub(super) fn find_about(&self, pid: u32, start: u64) -> Option<ProcessId> {
        let mut next = self.latest(pid);
        while let Some(id) = next.filter(|id| !self.slots[id.index()].started(start, false)) {
            next = self.slots[id.index()].older;
        }
        next
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

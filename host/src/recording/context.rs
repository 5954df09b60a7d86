//! What a reader of a slice has to be told so that every kept event has the same process as in the whole recording.
//!
//! Two process tables: one observes the whole recording, the other what the reader is given. Before a kept event,
//! whatever the reader would hold otherwise of its process and ancestors is restated. So nothing here has to know what
//! an event does to a process, and the reader hears only of processes that it needs.
use std::collections::VecDeque;

use super::Line;
use crate::enrich::{Attribution, Nothing, Options, Process, ProcessId, ProcessTable};
use crate::event::{Body, Event, Image, Known, KnownContainer, Restated, process_flags};

pub(super) struct Context {
    whole: ProcessTable,
    told: ProcessTable,
    /// By the whole table's slots.
    same: Vec<Same>,
}

/// Versions at which a process, and its container, were found to be the same in both tables.
#[derive(Clone, Copy, Default)]
struct Same {
    whole: (u64, u64),
    told: (u64, u64),
    id: Option<ProcessId>,
}

impl Context {
    pub(super) fn new() -> Context {
        let table = || ProcessTable::new(Options::default(), Box::new(Nothing));
        Context {
            whole: table(),
            told: table(),
            same: Vec::new(),
        }
    }

    pub(super) fn whole(&self) -> &ProcessTable {
        &self.whole
    }

    /// Takes in a process of the recording.
    pub(super) fn learn(&mut self, known: &Known<'_>, out: &mut VecDeque<Line<'static>>) {
        self.whole.learn(known);
        if known.image.flags & process_flags::EXITED != 0 {
            self.tell_end(known.subject.pid, known.subject.start, out);
        }
    }

    pub(super) fn learn_container(&mut self, known: &KnownContainer<'_>) {
        self.whole.learn_container(known);
    }

    /// Time passes until this event; then it can be asked what has to be told before it.
    pub(super) fn advance(&mut self, event: &Event<'_>) {
        self.whole.advance(event.time);
    }

    /// The process of an event, as far as it is known before it.
    pub(super) fn subject(&self, event: &Event<'_>) -> Option<ProcessId> {
        self.whole.held(event.subject.pid, event.subject.start, true)
    }

    /// What the reader has to be told before an event.
    pub(super) fn untold(&mut self, event: &Event<'_>) -> Vec<Line<'static>> {
        let mut out = Vec::new();
        let (pid, start) = (event.subject.pid, event.subject.start);
        // What the reader lets go of at this event does not help it.
        self.told.advance(event.time);
        if let Body::Resource(resource) = &event.body {
            self.tell_container(resource.cgroup.as_slice(), &mut out);
        }
        if pid == 0 {
            return out;
        }
        let mut met = Vec::new();
        match self.whole.held(pid, start, true) {
            Some(id) => self.tell_lineage(id, &mut met, &mut out),
            // The whole recording forgot it, or never knew it: so must the reader.
            None if self.told.held(pid, start, true).is_some() => out.push(Line::Known(forgotten(event))),
            None => {}
        }
        let other = match &event.body {
            Body::Fork(fork) => self.whole.held(fork.child_pid, fork.child_start, true),
            // Of a parent that is not held it matters whether another process has its pid by now: then it has ended.
            Body::Exec(exec) if exec.image.ppid != 0 => {
                let parent = self.whole.held_parent(&exec.image, start);
                parent.or_else(|| self.whole.held(exec.image.ppid, 0, true))
            }
            Body::Privileged(call) if call.target_pid != 0 => self.whole.held(call.target_pid, call.target_start, true),
            _ => None,
        };
        if let Some(id) = other {
            self.tell_lineage(id, &mut met, &mut out);
        }
        if let Body::Exec(exec) = &event.body {
            self.tell_container(exec.image.cgroup_path.as_slice(), &mut out);
        }
        out
    }

    /// The event goes to the reader, after these lines.
    pub(super) fn keep(&mut self, event: &Event<'_>, untold: Vec<Line<'static>>, out: &mut VecDeque<Line<'static>>) {
        for line in &untold {
            match line {
                Line::Known(known) => self.told.learn(known),
                Line::Container(known) => self.told.learn_container(known),
                Line::Event(_) | Line::Lost(_) | Line::End(_) => {}
            }
        }
        out.extend(untold);
        self.told.observe(event);
    }

    pub(super) fn observe(&mut self, event: &Event<'_>) -> Attribution {
        self.whole.observe(event)
    }

    /// The event does not go to the reader. It hears of ends at least, lest it holds all processes for ever.
    pub(super) fn leave_out(&mut self, event: &Event<'_>, out: &mut VecDeque<Line<'static>>) {
        if let Body::Exit(_) = event.body {
            self.tell_end(event.subject.pid, event.subject.start, out);
        }
    }

    fn tell_end(&mut self, pid: u32, start: u64, out: &mut VecDeque<Line<'static>>) {
        let told = self.told.held(pid, start, true).and_then(|id| self.told.get(id));
        if told.is_none_or(Process::has_ended) {
            return;
        }
        // With the time of its end, for the reader's clock is behind.
        let state = self.whole.held(pid, start, true).and_then(|id| self.whole.state(id));
        if let Some(known) = state {
            self.told.learn(&known);
            out.push_back(Line::Known(known));
        }
    }

    fn tell_lineage(&mut self, id: ProcessId, met: &mut Vec<ProcessId>, out: &mut Vec<Line<'static>>) {
        let mut next = Some(id);
        let mut lineage = Vec::new();
        while let Some(id) = next.filter(|id| !met.contains(id)) {
            lineage.push(id);
            met.push(id);
            next = self.whole.get(id).and_then(|process| process.parent);
        }
        // Ancestors first, for a child names its parent.
        for id in lineage.into_iter().rev() {
            if !self.is_told(id) {
                self.tell(id, out);
            }
        }
    }

    fn is_told(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.whole.get(id) else { return true };
        if self.same.len() <= id.index() {
            self.same.resize(id.index() + 1, Same::default());
        }
        let before = self.same[id.index()];
        let versions = |table: &ProcessTable, process: &Process| {
            let container = process
                .container()
                .and_then(|container| table.containers().get(container));
            (process.version, container.map_or(0, |container| container.version))
        };
        let whole = versions(&self.whole, process);
        if let Some(told) = before.id.and_then(|id| self.told.get(id))
            && before.whole == whole
            && before.told == versions(&self.told, told)
            && process.has_same_marks(told)
        {
            return true;
        }
        let Some(told_id) = self.told.held(process.pid, process.start, true) else {
            return false;
        };
        let Some(told) = self.told.get(told_id) else {
            return false;
        };
        let parent = process.parent.and_then(|parent| self.whole.get(parent));
        let told_parent = told.parent.and_then(|parent| self.told.get(parent));
        let hangs_alike = match (parent, told_parent) {
            (Some(parent), Some(told)) => parent.is(told),
            (None, None) => true,
            _ => false,
        };
        let container = process.container().and_then(|id| self.whole.containers().get(id));
        let told_container = told.container().and_then(|id| self.told.containers().get(id));
        let is_contained_alike =
            container.is_none_or(|container| told_container.is_some_and(|told| told.covers(container)));
        let is_same = hangs_alike && is_contained_alike && process.is_like(told);
        if is_same {
            self.same[id.index()] = Same {
                whole,
                told: versions(&self.told, told),
                id: Some(told_id),
            };
        }
        is_same
    }

    fn tell(&self, id: ProcessId, out: &mut Vec<Line<'static>>) {
        let (Some(known), Some(process)) = (self.whole.state(id), self.whole.get(id)) else {
            return;
        };
        self.tell_container(process.cgroup(), out);
        out.push(Line::Known(known));
    }

    fn tell_container(&self, cgroup: &[u8], out: &mut Vec<Line<'static>>) {
        let Some(container) = self.whole.containers().by_cgroup(cgroup) else {
            return;
        };
        let told = self.told.containers().by_cgroup(cgroup);
        // The lines before may take its last process from it, and so itself.
        if !out.is_empty() || !told.is_some_and(|told| told.covers(container)) {
            out.push(Line::Container(container.state(cgroup)));
        }
    }
}

fn forgotten(event: &Event<'_>) -> Known<'static> {
    let exact = event.subject.start != 0;
    Known {
        subject: event.subject,
        image: Image {
            euid: event.subject.uid,
            login_uid: u32::MAX,
            flags: process_flags::INCOMPLETE,
            ..Image::default()
        },
        restated: Some(Restated {
            exact,
            ..Restated::default()
        }),
    }
}

//! What a reader of a slice has to be told so that every kept event has the same process as in the whole recording.
//!
//! Two process tables: one observes the whole recording, the other what the reader is given. Before a kept event,
//! whatever the reader would hold otherwise of its process and ancestors is restated. So nothing here has to know what
//! an event does to a process, and the reader hears only of processes that it needs.
use std::collections::VecDeque;

use super::Line;
use crate::enrich::{Attribution, Nothing, Options, Process, ProcessId, ProcessTable};
use crate::event::{Body, Event, Image, Known, KnownContainer, Restated, Subject, process_flags};

pub(super) struct Context {
    whole: ProcessTable,
    told: ProcessTable,
    /// By the whole table's slots.
    same: Vec<Same>,
}

/// What is said before an event.
#[derive(Default)]
struct Telling {
    /// The event's time.
    at: u64,
    lines: Vec<Line<'static>>,
    /// Processes of the whole that have been looked at.
    met: Vec<ProcessId>,
    /// Processes that the reader is to forget.
    gone: Vec<ProcessId>,
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
        // What the reader lets go of at this event does not help it.
        self.told.advance(event.time);
        let mut telling = Telling {
            at: event.time,
            ..Telling::default()
        };
        if let Body::Resource(resource) = &event.body {
            self.tell_container(resource.cgroup.as_slice(), &mut telling.lines);
        }
        if event.subject.pid == 0 {
            return telling.lines;
        }
        let names = names(event);
        for name in &names {
            self.tell_gone(name, &mut telling);
        }
        for name in &names {
            if let Some(id) = name.of(&self.whole).or_else(|| self.whole.latest(name.pid)) {
                self.tell_lineage(id, &mut telling);
            }
        }
        if let Body::Exec(exec) = &event.body {
            self.tell_container(exec.image.cgroup_path.as_slice(), &mut telling.lines);
        }
        telling.lines
    }

    /// The event goes to the reader, after these lines.
    pub(super) fn keep(&mut self, event: &Event<'_>, untold: Vec<Line<'static>>, out: &mut VecDeque<Line<'static>>) {
        for line in &untold {
            match line {
                Line::Known(known) => self.told.learn(known),
                Line::Container(known) => self.told.learn_container(known),
                Line::Account(_) | Line::Event(_) | Line::Lost(_) | Line::End(_) => {}
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

    /// Has the reader forget whatever it would take for the one that is named, or for another that has its pid by now,
    /// and is not.
    fn tell_gone(&self, name: &Name, telling: &mut Telling) {
        let meant = name.of(&self.whole);
        // Whoever is not held is made known by the event, and taken for ended if the pid was used again.
        let is_held = meant.is_some();
        let by_pid = !is_held || name.start == 0;
        let (start, exact) = if by_pid { (0, true) } else { (name.start, name.exact) };
        let meant = meant.or_else(|| self.whole.latest(name.pid));
        let meant = meant.and_then(|id| self.whole.get(id));
        for id in self.told.all_held(name.pid, start, exact) {
            let Some(told) = self.told.get(id) else { continue };
            let is_wrong = match meant {
                None => true,
                // The first one that will do is taken.
                Some(meant) if told.start == meant.start && is_held => return,
                Some(meant) if told.start == meant.start => false,
                // Of those that had the pid, the one that started last comes first.
                Some(meant) => told.start > meant.start || (name.start != 0 && told.started(name.start, name.exact)),
            };
            if is_wrong && !telling.gone.contains(&id) {
                telling.gone.push(id);
                telling.lines.push(Line::Known(gone(told, telling.at)));
            }
        }
    }

    fn tell_lineage(&mut self, id: ProcessId, telling: &mut Telling) {
        let mut next = Some(id);
        let mut lineage = Vec::new();
        while let Some(id) = next.filter(|id| !telling.met.contains(id)) {
            lineage.push(id);
            telling.met.push(id);
            next = self.whole.get(id).and_then(|process| process.parent);
        }
        // Ancestors first, for a child names its parent.
        for id in lineage.into_iter().rev() {
            if !self.is_told(id, &telling.gone) {
                self.tell(id, telling);
            }
        }
    }

    fn is_told(&mut self, id: ProcessId, gone: &[ProcessId]) -> bool {
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
        if let Some(told_id) = before.id
            && let Some(told) = self.told.get(told_id)
            && before.whole == whole
            && before.told == versions(&self.told, told)
            && process.has_same_marks(told)
            && !gone.contains(&told_id)
        {
            return true;
        }
        let counterpart = |process: &Process| {
            let id = self.told.counterpart(process.pid, process.start, process.is_exact());
            id.filter(|id| !gone.contains(id))
        };
        let Some(told_id) = counterpart(process) else {
            return false;
        };
        let Some(told) = self.told.get(told_id) else {
            return false;
        };
        let parent = process.parent.and_then(|parent| self.whole.get(parent));
        let hangs_alike = parent.and_then(counterpart) == told.parent && parent.is_some() == told.parent.is_some();
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

    fn tell(&self, id: ProcessId, telling: &mut Telling) {
        let (Some(mut known), Some(process)) = (self.whole.state(id), self.whole.get(id)) else {
            return;
        };
        if let Some(restated) = &mut known.restated {
            restated.at = telling.at;
        }
        self.tell_container(process.cgroup(), &mut telling.lines);
        telling.lines.push(Line::Known(known));
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

/// A process that an event names.
struct Name {
    pid: u32,
    start: u64,
    exact: bool,
}

impl Name {
    /// Whom a table that holds it takes it for.
    fn of(&self, table: &ProcessTable) -> Option<ProcessId> {
        table.held(self.pid, self.start, self.exact)
    }
}

/// Whom an event names, itself first.
fn names(event: &Event<'_>) -> Vec<Name> {
    let name = |pid, start, exact| Name { pid, start, exact };
    let other = match &event.body {
        Body::Fork(fork) => name(fork.child_pid, fork.child_start, true),
        // Without a start it is whoever has the pid by now: if he has ended, it is nobody.
        Body::Exec(exec) => name(exec.image.ppid, exec.image.parent_start, false),
        Body::Privileged(call) => name(call.target_pid, call.target_start, true),
        _ => name(0, 0, true),
    };
    let own = name(event.subject.pid, event.subject.start, true);
    let mut names = vec![own];
    names.extend(Some(other).filter(|other| other.pid != 0));
    names
}

fn gone(process: &Process, at: u64) -> Known<'static> {
    Known {
        subject: Subject {
            pid: process.pid,
            tid: process.pid,
            start: process.start,
            uid: process.uid,
            gid: process.gid,
            cgroup: 0,
        },
        image: Image::default(),
        restated: Some(Restated {
            exact: process.is_exact(),
            at,
            gone: true,
            ..Restated::default()
        }),
    }
}

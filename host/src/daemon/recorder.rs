//! Live events to a recording: the collector's loop with files in place of the plugins.
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use vespid_ebpf::{Kind, Outcome};

use super::usage::Usage;
use super::{procfs, runtimes};
use crate::clock;
use crate::decode::{Clock, Scratch, decode, kind_of};
use crate::enrich::runtimes::Settings as RuntimeSettings;
use crate::enrich::{Container, Node, Options, Process, ProcessTable, Source, recognise};
use crate::event::{Accounts, Body, Event, Known, KnownAccount, KnownContainer};
use crate::kernel::{Counters, Kernel};
use crate::recording::{Header, RecordingError, Segments, Tape, TapeBooks, WhenFull};

const NAP: Duration = Duration::from_millis(10);
const SWEEP: usize = 65_536;

/// A recording in the making.
pub struct Recorder {
    kernel: Kernel,
    table: ProcessTable,
    clock: Clock,
    scratch: Scratch,
    tape: Tape,
    books: TapeBooks,
    writer: JoinHandle<Result<(), RecordingError>>,
    kinds: u32,
    counters: Counters,
    only: Option<Tree>,
    usage: Usage,
    lost: u64,
}

/// A process and its descendants, by process id. Those that have ended stay until their id is used again: a connection
/// may close after the process that had it.
#[derive(Clone)]
struct Tree(Arc<Mutex<Members>>);

struct Members {
    pids: HashSet<u32>,
    /// The v2 control group in which all began: others are in it, too.
    home: u64,
    /// Those that they entered since.
    cgroups: HashSet<u64>,
}

impl Tree {
    fn of(pid: u32) -> Tree {
        Tree(Arc::new(Mutex::new(Members {
            pids: [pid].into(),
            home: 0,
            cgroups: HashSet::new(),
        })))
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contains(&self, pid: u32) -> bool {
        self.members().pids.contains(&pid)
    }

    /// Whether a control group is one that they entered.
    fn used(&self, cgroup: u64) -> bool {
        self.members().cgroups.contains(&cgroup)
    }

    /// Whether an event is theirs.
    fn has(&self, event: &Event<'_>) -> bool {
        let mut members = self.members();
        let Members { pids, home, cgroups } = &mut *members;
        let (pid, cgroup) = (event.subject.pid, event.subject.cgroup);
        let is_theirs = pids.contains(&pid);
        if is_theirs && cgroup != 0 {
            if *home == 0 {
                *home = cgroup;
            } else if cgroup != *home {
                cgroups.insert(cgroup);
            }
        }
        if let Body::Fork(fork) = &event.body {
            if is_theirs {
                pids.insert(fork.child_pid);
            } else {
                pids.remove(&fork.child_pid);
            }
        }
        is_theirs
    }
}

/// The node as far as a tree of processes goes: what the rest of it is like does not belong in a recording of theirs.
struct Within {
    tree: Tree,
    node: Node,
}

impl Source for Within {
    /// Only what tells a container: all else is told by the events, of which none of theirs is missing.
    fn look_up(&mut self, pid: u32) -> Option<Known<'static>> {
        if !self.tree.contains(pid) {
            return None;
        }
        let known = self.node.look_up(pid)?;
        let cgroup = known.image.cgroup_path.as_slice();
        let is_contained = recognise(cgroup).is_some() || self.node.container_of(cgroup).is_some();
        is_contained.then_some(known)
    }

    fn container_of(&mut self, cgroup: &[u8]) -> Option<KnownContainer<'static>> {
        self.node.container_of(cgroup)
    }

    fn describe(&mut self, container: &Container) -> Option<KnownContainer<'static>> {
        self.node.describe(container)
    }

    fn account(
        &mut self,
        process: &Process,
        container: Option<&Container>,
        of: Accounts,
        id: u32,
    ) -> Option<KnownAccount<'static>> {
        self.node.account(process, container, of, id)
    }

    fn heard(&mut self) -> Option<KnownContainer<'static>> {
        self.node.heard()
    }
}

/// What is recorded, and where.
pub struct Assignment {
    /// What the files begin with, but for their time.
    pub header: Header,
    /// The kinds of records that the kernel is asked for.
    pub kinds: u32,
    /// Where it goes.
    pub segments: Segments,
    /// Most processes to be remembered.
    pub processes: usize,
    /// Which container runtimes are asked.
    pub runtimes: RuntimeSettings,
    /// How long intervals of usage last.
    pub interval: Duration,
}

impl Recorder {
    /// Records everything, beginning with the processes that run already.
    ///
    /// # Errors
    /// If /proc cannot be read.
    pub fn of_all(kernel: Kernel, assignment: Assignment) -> anyhow::Result<Recorder> {
        let mut recorder = Recorder::new(kernel, assignment, None)?;
        for process in procfs(&recorder.clock).processes().context("cannot read /proc")? {
            recorder.table.learn(&process);
        }
        // The first file begins with all of these.
        drop(recorder.table.take_found());
        Ok(recorder)
    }

    /// Records what a process that was just started does, and its descendants.
    ///
    /// # Errors
    /// If there can be no thread that writes.
    pub fn of_descendants(kernel: Kernel, assignment: Assignment, pid: u32) -> anyhow::Result<Recorder> {
        Recorder::new(kernel, assignment, Some(Tree::of(pid)))
    }

    fn new(kernel: Kernel, assignment: Assignment, only: Option<Tree>) -> anyhow::Result<Recorder> {
        let Assignment {
            header,
            kinds,
            segments,
            processes,
            runtimes: settings,
            interval,
        } = assignment;
        let clock = Clock::now();
        let options = Options {
            capacity: processes,
            keep_found: true,
            ..Options::default()
        };
        let node = Node::new(procfs(&clock), runtimes(settings)?);
        let source: Box<dyn Source + Send> = match only.clone() {
            None => Box::new(node),
            Some(tree) => Box::new(Within { tree, node }),
        };
        let table = ProcessTable::new(options, source);
        let (scratch, counters) = (Scratch::default(), Counters::default());
        let (tape, reel) = Tape::new(header, "recorder", WhenFull::Wait);
        Ok(Recorder {
            kernel,
            table,
            clock,
            scratch,
            books: tape.books(),
            tape,
            writer: reel.start(segments).context("cannot start the thread that writes")?,
            kinds,
            counters,
            only,
            usage: Usage::new(interval),
            lost: 0,
        })
    }

    /// Waits a moment, then takes what there is.
    ///
    /// # Errors
    /// If the kernel can no longer be waited for.
    pub fn round(&mut self) -> anyhow::Result<()> {
        self.kernel.wait(NAP)?;
        self.take();
        Ok(())
    }

    fn take(&mut self) -> usize {
        let Recorder {
            kernel,
            table,
            clock,
            scratch,
            tape,
            kinds,
            only,
            usage,
            lost,
            ..
        } = self;
        tape.pass_time(clock::now(), table, *kinds);
        let taken = kernel.drain(SWEEP, |record| {
            let Ok(event) = decode(record, clock, scratch) else {
                *lost += 1;
                return tape.lose("decode", kind_of(record), 1);
            };
            usage.learn(&event);
            if only.as_ref().is_some_and(|tree| !tree.has(&event)) {
                return;
            }
            table.observe(&event);
            tape.take(&event, table.take_found());
        });
        self.take_usage(false);
        self.take_losses();
        taken
    }

    /// Takes what control groups used, if an interval is over. At last, the probes are detached.
    fn take_usage(&mut self, is_last: bool) {
        let Recorder {
            kernel,
            table,
            clock,
            tape,
            only,
            usage,
            ..
        } = self;
        let take = |event: &Event<'_>| {
            if only.as_ref().is_none_or(|tree| tree.used(event.subject.cgroup)) {
                table.observe(event);
                tape.take(event, table.take_found());
            }
        };
        if is_last {
            usage.finish(kernel, clock, take);
        } else {
            usage.read(kernel, clock, take);
        }
    }

    fn take_losses(&mut self) {
        let counters = self.kernel.records();
        let given_up = |counters: &Counters, kind| counters.produced(kind) - counters.get(kind, Outcome::Written);
        for kind in Kind::ALL {
            let count = given_up(&counters, kind) - given_up(&self.counters, kind);
            self.lost += count;
            self.tape.lose("kernel", Some(kind), count);
        }
        self.counters = counters;
    }

    /// Events written so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.books.stage().left.iter().sum()
    }

    /// Detaches the probes, writes what they had produced, and completes the file. Returns events written and lost.
    ///
    /// # Errors
    /// If the file cannot be completed; what was written of it can be read.
    pub fn finish(mut self) -> anyhow::Result<(u64, u64)> {
        self.take_usage(true);
        while self.take() > 0 {}
        self.tape.end(clock::now(), &self.table, self.kinds);
        match self.writer.join() {
            Ok(written) => written?,
            Err(_) => anyhow::bail!("the thread that writes panicked"),
        }
        let stage = self.books.stage();
        Ok((stage.left.iter().sum(), self.lost + stage.total_dropped()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Exit, Fork, Subject};

    fn event(pid: u32, body: Body<'static>) -> Event<'static> {
        let subject = Subject {
            pid,
            tid: pid,
            start: 0,
            uid: 0,
            gid: 0,
            cgroup: 0,
        };
        Event {
            time: 0,
            subject,
            body,
            namespaces: [0; 8],
        }
    }

    fn fork(child_pid: u32) -> Body<'static> {
        Body::Fork(Fork {
            child_pid,
            child_start: 0,
            child_cgroup: 0,
        })
    }

    const EXIT: Body<'static> = Body::Exit(Exit { code: 0, signal: 0 });

    #[test]
    fn what_ended_is_of_the_tree_until_somebody_else_gets_its_id() {
        let tree = Tree::of(10);
        assert!(tree.has(&event(10, fork(11))) && tree.has(&event(11, fork(12))));
        assert!(!tree.has(&event(9, EXIT)));
        assert!(tree.has(&event(12, EXIT)) && tree.has(&event(12, EXIT)));
        assert!(!tree.has(&event(1, fork(12))) && !tree.contains(12));
        assert!(tree.contains(11));
    }
}

//! Live events to a recording: the collector's loop with a file in place of the plugins.
use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use vespid_ebpf::{Kind, Outcome};

use super::procfs;
use crate::decode::{Clock, Scratch, decode};
use crate::enrich::{Found, Nothing, Options, ProcessTable, Source};
use crate::event::{Body, Event};
use crate::kernel::{Counters, Kernel};
use crate::recording::{Line, Loss, RecordingError, Writer};

const NAP: Duration = Duration::from_millis(10);
const SWEEP: usize = 65_536;

/// A recording in the making.
pub struct Recorder {
    kernel: Kernel,
    table: ProcessTable,
    clock: Clock,
    scratch: Scratch,
    writer: Writer,
    counters: Counters,
    only: Option<Tree>,
    events: u64,
    lost: u64,
}

/// A process and its descendants, by process id, as far as they live.
struct Tree(HashSet<u32>);

impl Tree {
    /// Whether an event is theirs.
    fn has(&mut self, event: &Event<'_>) -> bool {
        let pid = event.subject.pid;
        match &event.body {
            Body::Fork(fork) if self.0.contains(&pid) => self.0.insert(fork.child_pid),
            Body::Exit(_) => self.0.remove(&pid),
            _ => self.0.contains(&pid),
        }
    }
}

impl Recorder {
    /// Records everything, beginning with the processes that run already.
    ///
    /// # Errors
    /// If /proc cannot be read, or the file not written.
    pub fn of_all(kernel: Kernel, writer: Writer, processes: usize) -> anyhow::Result<Recorder> {
        let mut recorder = Recorder::new(kernel, writer, processes, None);
        for process in procfs(&recorder.clock).processes().context("cannot read /proc")? {
            recorder.table.learn(&process);
            write_found(&mut recorder.table, &mut recorder.writer)?;
            recorder.writer.write(&Line::Known(process))?;
        }
        Ok(recorder)
    }

    /// Records what a process that was just started does, and its descendants.
    #[must_use]
    pub fn of_descendants(kernel: Kernel, writer: Writer, processes: usize, pid: u32) -> Recorder {
        Recorder::new(kernel, writer, processes, Some(Tree([pid].into())))
    }

    fn new(kernel: Kernel, writer: Writer, processes: usize, only: Option<Tree>) -> Recorder {
        let clock = Clock::now();
        let options = Options {
            capacity: processes,
            keep_found: only.is_none(),
            ..Options::default()
        };
        let source: Box<dyn Source + Send> = match only {
            None => Box::new(procfs(&clock)),
            // What the rest of the node is like does not belong in this recording.
            Some(_) => Box::new(Nothing),
        };
        let table = ProcessTable::new(options, source);
        let (scratch, counters) = (Scratch::default(), Counters::default());
        Recorder {
            kernel,
            table,
            clock,
            scratch,
            writer,
            counters,
            only,
            events: 0,
            lost: 0,
        }
    }

    /// Waits a moment, then writes what there is.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn round(&mut self) -> anyhow::Result<()> {
        self.kernel.wait(NAP)?;
        self.take()?;
        Ok(())
    }

    fn take(&mut self) -> anyhow::Result<usize> {
        let Recorder {
            kernel,
            table,
            clock,
            scratch,
            writer,
            only,
            ..
        } = self;
        let mut written = Ok(());
        let (mut events, mut malformed) = (0, 0);
        let taken = kernel.drain(SWEEP, |record| {
            let Ok(event) = decode(record, clock, scratch) else {
                malformed += 1;
                return;
            };
            if only.as_mut().is_some_and(|tree| !tree.has(&event)) {
                return;
            }
            table.observe(&event);
            let result = write_found(table, writer).and_then(|()| writer.write(&Line::Event(event)));
            events += 1;
            if written.is_ok() {
                written = result;
            }
        });
        written?;
        self.events += events;
        self.lost += malformed;
        self.write_losses()?;
        self.writer.flush()?;
        Ok(taken)
    }

    fn write_losses(&mut self) -> anyhow::Result<()> {
        let counters = self.kernel.counters();
        let given_up = |counters: &Counters, kind| counters.produced(kind) - counters.get(kind, Outcome::Written);
        for kind in Kind::ALL {
            let count = given_up(&counters, kind) - given_up(&self.counters, kind);
            if count > 0 {
                self.lost += count;
                let loss = Loss {
                    stage: "kernel".into(),
                    kind: Some(kind.name().into()),
                    count,
                };
                self.writer.write(&Line::Lost(loss))?;
            }
        }
        self.counters = counters;
        Ok(())
    }

    /// Events written so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Detaches the probes, writes what they had produced, and completes the file. Returns events written and lost.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<(u64, u64)> {
        self.kernel.detach();
        while self.take()? > 0 {}
        self.writer.finish()?;
        Ok((self.events, self.lost))
    }
}

fn write_found(table: &mut ProcessTable, writer: &mut Writer) -> Result<(), RecordingError> {
    for found in table.take_found() {
        writer.write(&match found {
            Found::Process(process) => Line::Known(process),
            Found::Container(container) => Line::Container(container),
        })?;
    }
    Ok(())
}

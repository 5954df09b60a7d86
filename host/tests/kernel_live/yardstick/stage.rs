//! The daemon's own way of an event, up to the batch that a plugin gets: probes, process table with what /proc and runc
//! tell, batches. Rows are read from the batches, never from what is before them.
//!
//! What does not come from the test's own children is left out at the door: this machine may be busy.
use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vespid::config::Config;
use vespid::decode::{Scratch, decode};
use vespid::enrich::procfs::Procfs;
use vespid::enrich::{Options, ProcessTable};
use vespid::event::Body;
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::interface::vespid::plugin::events::Batch;
use vespid::pipeline::{Origin, Outlet, Pipeline, Seat};
use vespid::plugin::Delivery;

use crate::harness::{Live, live};

/// Longest that a row, or a command, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most records taken between two looks at the clock.
const SWEEP: usize = 65_536;

/// Columns of a process that a verdict does not show.
const MORE: [&str; 3] = ["start", "capabilities", "container"];

pub(crate) struct Stage {
    live: Live,
    pipeline: Pipeline,
    rows: Rows,
    /// Processes whose events are taken in.
    ours: HashSet<u32>,
}

/// Every row so far: as people get to see it, with the process's columns beside it as `columns`.
#[derive(Default)]
struct Rows(Vec<Value>);

impl Outlet for Rows {
    fn deliver(&mut self, _: Seat, delivery: &Delivery) {
        let batch = &*delivery.batch;
        let columns = serde_json::to_value(batch).expect("columns");
        let lines = vespid::verdict::seen(batch).expect("lines");
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let mut row: Value = serde_json::from_slice(line).expect("JSON");
            row["columns"] = process(batch, &columns, &row["event"]["seq"]);
            self.0.push(row);
        }
    }
}

/// Columns of the process of the event with this number.
fn process(batch: &Batch, columns: &Value, seq: &Value) -> Value {
    let mut of = Value::Null;
    for (table, ..) in Kinds::TABLES {
        let seqs = columns[table]["seq"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(at) = seqs.iter().position(|here| here == seq) else {
            continue;
        };
        of["time"] = columns[table]["time"][at].clone();
        let process = columns[table]["process"][at].as_u64().unwrap_or(u64::MAX);
        let Ok(process) = usize::try_from(process) else {
            continue;
        };
        if process < batch.processes.pid.len() {
            for name in MORE {
                of[name] = columns["processes"][name][process].clone();
            }
        }
    }
    of
}

impl Stage {
    /// Sets it up for every kind; none, said aloud, where probes are not permitted.
    pub(crate) fn new() -> Option<Stage> {
        let live = live()?;
        let procfs = || Procfs::new(live.clock.boot_to_unix_ns);
        let known = procfs().processes().expect("/proc");
        let mut table = ProcessTable::new(Options::default(), Box::new(procfs()));
        let mut ours = HashSet::from([std::process::id()]);
        // Parents come before their children.
        for process in &known {
            table.learn(process);
            if ours.contains(&process.image.ppid) {
                ours.insert(process.subject.pid);
            }
        }
        let mut rows = Rows::default();
        let mut pipeline = Pipeline::new(&Config::default().batch, &Origin::default(), table);
        pipeline.subscribe(Seat(0), &Subscription::whole(Kinds::all()), &mut rows);
        Some(Stage {
            live,
            pipeline,
            rows,
            ours,
        })
    }

    /// Takes in the events of a process and its descendants.
    pub(crate) fn watch(&mut self, pid: u32) {
        self.ours.insert(pid);
    }

    /// Runs a command to its end.
    pub(crate) fn run(&mut self, command: &mut Command) -> u32 {
        let child = command.stdin(Stdio::null()).spawn().expect("a child");
        self.watch(child.id());
        self.finish(child)
    }

    /// Takes in what happens until a process has ended.
    pub(crate) fn finish(&mut self, mut child: std::process::Child) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child").is_none() {
            self.collect();
            assert!(Instant::now() < deadline, "it does not end; {}", self.tail());
        }
        child.id()
    }

    /// The first row that fits, waited for.
    pub(crate) fn row(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.collect();
            if let Some(row) = self.rows.0.iter().find(|row| fits(row)) {
                return row.clone();
            }
            assert!(Instant::now() < deadline, "{what} was not seen; {}", self.tail());
        }
    }

    /// Every row so far.
    pub(crate) fn rows(&self) -> &[Value] {
        &self.rows.0
    }

    /// Takes in what there is, and what comes within a moment.
    pub(crate) fn collect(&mut self) {
        let mut scratch = Scratch::default();
        let Stage {
            live,
            pipeline,
            rows,
            ours,
        } = self;
        live.kernel.wait(Duration::from_millis(10)).expect("a ring");
        live.kernel.drain(SWEEP, |record| {
            let event = decode(record, &live.clock, &mut scratch).expect("a good record");
            let is_ours = ours.contains(&event.subject.pid);
            if let Body::Fork(fork) = &event.body {
                if is_ours {
                    ours.insert(fork.child_pid);
                } else {
                    ours.remove(&fork.child_pid);
                }
            }
            if is_ours {
                pipeline.take(&event, rows);
            }
        });
        pipeline.flush(rows);
    }

    /// The programs and privileged calls that were seen in containers, and all that was seen of children of this test.
    fn tail(&self) -> String {
        let own = std::process::id();
        let is_ours = |row: &&Value| {
            let ancestors = row["ancestors"].as_array().into_iter().flatten();
            match &row["container"] {
                Value::Null => ancestors.take(2).any(|ancestor| ancestor["pid"] == own),
                _ => row["event"]["kind"] == "exec" || row["event"]["kind"] == "privileged",
            }
        };
        let ours = self.rows.0.iter().filter(is_ours);
        let lines = ours.map(|row| format!("{}: {}", row["process"]["exe"], row["event"]));
        lines.collect::<Vec<_>>().join("\n")
    }
}

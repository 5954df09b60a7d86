//! How cost grows: with the number of plugins, and with the processes that are known.
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use vespid::config::Config;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::{Body, Event, Image, Known, Open, Subject};
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::{Kinds, Manifest};
use vespid::interface::vespid::plugin::reports::Report;
use vespid::pipeline::{Origin, Outlet, Pipeline, Seat};
use vespid::plugin::{Delivery, Engine, Failure, Identity, Plugin, Sink, Worker};
use vespid::verdict::Cause;

use crate::dispatch::shipped;
use crate::rounds::{Plain, interleave};
use crate::table::{Cell, Table, cost};
use crate::traffic::{Traffic, events};

/// Rounds of the recorded mix for each number of plugins.
const ROUNDS: usize = 40;
/// Opens a round, each by another process.
const OPENS: u32 = 20_000;
/// Where time begins in a table that is made.
const BEGIN: u64 = 1_767_225_600_000_000_000;

/// Takes reports, and does nothing with them.
struct Nowhere;

impl Sink for Nowhere {
    fn adopt(&mut self, _: &Plugin) -> Result<(), String> {
        Ok(())
    }

    fn started(&mut self, _: &Identity, _: &Manifest) {}

    fn apply(&mut self, _: &Identity, _: u64, _: Cause<'_>, report: Report) {
        drop(black_box(report));
    }

    fn missed(&mut self, _: u64, _: u64, _: u64) {}

    fn quarantined(&mut self, _: &Identity, _: u64, _: &Failure) {}
}

/// Waits for room, so that every plugin gets every event.
struct Workers<'a>(&'a [Worker]);

impl Outlet for Workers<'_> {
    fn deliver(&mut self, seat: Seat, delivery: &Delivery) {
        let at = usize::try_from(seat.0).unwrap_or(usize::MAX);
        if let Some(worker) = self.0.get(at) {
            worker.send(delivery.clone());
        }
    }
}

/// The recorded mix through so many instances of `file-audit`, each on its own thread.
///
/// # Errors
/// If the plugin has not been built, or the fixtures cannot be read.
pub fn plugins(directory: &Path, numbers: &[u64]) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "plugins",
        "The recorded mix through instances of file-audit, each on its own thread",
        &[
            "plugins",
            "events a second",
            "CPU ns an event",
            "CPU ns an event and plugin",
        ],
    );
    let engine = Engine::new()?;
    let found = shipped(&engine, directory, "file-audit")?;
    for &number in numbers {
        let workers =
            (0..number).map(|_| Worker::spawn(found.plugin.clone(), found.config.clone(), None, Box::new(Nowhere)));
        let workers: Vec<Worker> = workers.collect::<Result<_, _>>()?;
        let known = ProcessTable::new(Options::default(), Box::new(Nothing));
        let mut pipeline = Pipeline::new(&Config::default().batch, &Origin::default(), known);
        for seat in 0..number {
            let subscription = Subscription::whole(found.plugin.tables());
            pipeline.subscribe(Seat(seat), &subscription, &mut Workers(&workers));
        }
        let mut traffic = Traffic::recorded()?;
        let mix: Vec<Event<'static>> = (0..ROUNDS).flat_map(|_| events(traffic.next_round())).collect();
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        for event in &mix {
            pipeline.take(event, &mut Workers(&workers));
        }
        pipeline.flush(&mut Workers(&workers));
        workers.iter().for_each(Worker::settle);
        let (took, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand events")]
        let (events, number) = (mix.len() as f64, number as f64);
        let each = cpu * 1e9 / events;
        table.row([
            Cell::number(number, 0),
            Cell::number(events / took, 0),
            Cell::number(each, 0),
            Cell::number(each / number, 0),
        ]);
    }
    Ok(table)
}

/// Opens by processes from all over a table of so many.
///
/// # Errors
/// None at present.
pub fn processes(sizes: &[u32], rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "processes",
        "Enriching and batching opens, each by another process of a table; batches of 4,096 rows",
        &["processes", "ns an event", "±", "allocations", "bytes"],
    );
    for &size in sizes {
        let options = Options {
            capacity: size as usize,
            text_capacity: usize::MAX,
            ..Options::default()
        };
        let mut known = ProcessTable::new(options, Box::new(Nothing));
        (1..=size).for_each(|pid| known.learn(&process(pid)));
        let mut pipeline = Pipeline::new(&Config::default().batch, &Origin::default(), known);
        let nobody = &[][..];
        pipeline.subscribe(Seat(0), &Subscription::whole(Kinds::OPENS), &mut Workers(nobody));
        let mut at = 0_u32;
        let mut courses: [Box<dyn crate::rounds::Course>; 1] = [Box::new(Plain(|| {
            for _ in 0..OPENS {
                // A step that is coprime to all sizes meets every process before it meets one again.
                at = (at + 7_919) % size;
                pipeline.take(&open(at + 1), &mut Workers(nobody));
            }
            u64::from(OPENS)
        }))];
        let costs = interleave(rounds, &mut courses);
        table.row(
            [Cell::number(f64::from(size), 0)]
                .into_iter()
                .chain(costs.iter().flat_map(cost)),
        );
    }
    Ok(table)
}

fn subject(pid: u32) -> Subject {
    Subject {
        pid,
        tid: pid,
        start: BEGIN + u64::from(pid),
        uid: 0,
        gid: 0,
        cgroup: 1,
    }
}

/// A child of process 1 that looks like many.
fn process(pid: u32) -> Known<'static> {
    let name = format!("worker-{pid}");
    let args = format!("/usr/bin/worker\0--number\0{pid}\0").into_bytes();
    Known {
        subject: subject(pid),
        image: Image {
            ppid: u32::from(pid > 1),
            parent_start: if pid > 1 { BEGIN + 1 } else { 0 },
            comm: name.into_bytes().into(),
            exe: "/usr/bin/worker".into(),
            args: args.into(),
            cwd: "/".into(),
            cgroup_path: "/system.slice/worker.service".into(),
            ..Image::default()
        },
        restated: None,
    }
}

fn open(pid: u32) -> Event<'static> {
    Event {
        time: BEGIN + 1_000_000_000,
        subject: subject(pid),
        body: Body::Open(Open {
            path: "/usr/lib/x86_64-linux-gnu/libc.so.6".into(),
            typed: "/lib/x86_64-linux-gnu/libc.so.6".into(),
            mode: 0o100_755,
            result: 3,
            ..Open::default()
        }),
    }
}

/// CPU time of this process.
#[must_use]
pub fn cpu_seconds() -> f64 {
    vespid::clock::timespec_seconds(clock_gettime(ClockId::ProcessCPUTime))
}

//! How cost grows: with the number of plugins, of subscriptions, of processes and of containers that are known.
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use vespid::config::Config;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::{Body, Event, Image, Known, KnownContainer, Open, Subject};
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::{Accesses, Filter, Kinds, Manifest, Outcomes, Pattern, Places};
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
        namespaces: [0; 8],
    }
}

/// Opens by processes of so many containers, each of which is in every batch that is long enough.
///
/// # Errors
/// None at present.
pub fn containers(sizes: &[u32], rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "containers",
        "Enriching and batching opens, each by a process of another container; batches of 4,096 rows",
        &["containers", "ns an event", "±", "allocations", "bytes"],
    );
    for &size in sizes {
        let mut known = ProcessTable::new(Options::default(), Box::new(Nothing));
        known.learn(&process(1));
        for number in 0..size {
            let mut process = process(number + 2);
            let id = format!("{number:064x}");
            process.image.cgroup_path = format!("/system.slice/docker-{id}.scope").into_bytes().into();
            known.learn(&process);
            known.learn_container(&KnownContainer {
                id: id.into_bytes().into(),
                runtime: "docker".into(),
                name: format!("web-{number}").into_bytes().into(),
                image: "registry.example/shop/web:1.2.3".into(),
                ..KnownContainer::default()
            });
        }
        let mut pipeline = Pipeline::new(&Config::default().batch, &Origin::default(), known);
        let nobody = &[][..];
        pipeline.subscribe(Seat(0), &Subscription::whole(Kinds::OPENS), &mut Workers(nobody));
        let mut at = 0_u32;
        let mut courses: [Box<dyn crate::rounds::Course>; 1] = [Box::new(Plain(|| {
            for _ in 0..OPENS {
                at = (at + 7_919) % size;
                pipeline.take(&open(at + 2), &mut Workers(nobody));
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

/// The recorded mix into the batches of so many subscriptions of which no two are the same, though all want every row.
///
/// # Errors
/// If the fixtures cannot be read.
pub fn subscriptions(numbers: &[u64], rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "subscriptions",
        "Enriching and batching the recorded mix, into one batch for each different subscription",
        &["subscriptions", "ns an event", "±", "allocations", "bytes"],
    );
    for &number in numbers {
        let known = ProcessTable::new(Options::default(), Box::new(Nothing));
        let mut pipeline = Pipeline::new(&Config::default().batch, &Origin::default(), known);
        let nobody = &[][..];
        for seat in 0..number {
            pipeline.subscribe(Seat(seat), &all_but_in_name(seat)?, &mut Workers(nobody));
        }
        let mut traffic = Traffic::recorded()?;
        let mut courses: [Box<dyn crate::rounds::Course>; 1] = [Box::new(Mixed {
            traffic: &mut traffic,
            pipeline: &mut pipeline,
            events: Vec::new(),
        })];
        let costs = interleave(rounds, &mut courses);
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        let number = number as f64;
        table.row([Cell::number(number, 0)].into_iter().chain(costs.iter().flat_map(cost)));
    }
    Ok(table)
}

/// The next round of the recorded mix.
struct Mixed<'a> {
    traffic: &'a mut Traffic,
    pipeline: &'a mut Pipeline,
    events: Vec<Event<'static>>,
}

impl crate::rounds::Course for Mixed<'_> {
    fn prepare(&mut self) {
        self.events = events(self.traffic.next_round()).collect();
    }

    fn run(&mut self) -> u64 {
        for event in &self.events {
            self.pipeline.take(event, &mut Workers(&[]));
        }
        self.events.len() as u64
    }
}

/// Every row, by a filter that no other number has.
fn all_but_in_name(number: u64) -> anyhow::Result<Subscription> {
    let tables = Kinds::EXECS | Kinds::OPENS;
    let filter = Filter {
        tables,
        never: false,
        outcomes: Outcomes::empty(),
        places: Places::empty(),
        namespaces: Vec::new(),
        users: Vec::new(),
        executables: Vec::new(),
        paths: vec![Pattern::Prefix("/".to_owned()), Pattern::Exact(format!("/{number}"))],
        accesses: Accesses::empty(),
        ops: Vec::new(),
        local_ports: Vec::new(),
        remote_ports: Vec::new(),
        remote_networks: Vec::new(),
        merge_ms: 0,
    };
    Ok(Subscription::new(&[filter], tables)?)
}

/// CPU time of this process.
#[must_use]
pub fn cpu_seconds() -> f64 {
    vespid::clock::timespec_seconds(clock_gettime(ClockId::ProcessCPUTime))
}

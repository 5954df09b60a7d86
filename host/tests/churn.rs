//! A hundred thousand short-lived containers through the daemon's pipeline: each execution is in its own, and memory does
//! not grow with their number. In a test program of its own, so that nobody else's memory is measured.
#![allow(clippy::expect_used, clippy::print_stderr, reason = "a test")]
use std::fs;

use vespid::config::Config;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::{Body, Event, Exec, Exit, Fork, Image, Subject};
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::pipeline::{Origin, Outlet, Pipeline, Seat};
use vespid::plugin::Delivery;

const CONTAINERS: u64 = 100_000;
/// From here on memory has to stay what it is.
const SETTLED: u64 = 25_000;
/// Ten times as many as a busy node starts.
const EACH_SECOND: u64 = 100;
/// More than can be remembered for as long as ended processes are.
const FLOOD: u64 = 5_000;
const SECOND: u64 = 1_000_000_000;
const BEGIN: u64 = 1_767_225_600 * SECOND;
/// Process id of who starts them.
const SHIM: u32 = 10;
/// Process ids come round again.
const PIDS: u64 = 30_000;

/// A plugin that is done with each batch at once.
struct Reader {
    rows: usize,
}

impl Outlet for Reader {
    fn deliver(&mut self, _: Seat, delivery: &Delivery) {
        self.rows += delivery.batch.rows();
    }
}

struct Node {
    pipeline: Pipeline,
    reader: Reader,
    time: u64,
    /// Containers so far.
    started: u64,
}

#[derive(Clone, Copy)]
struct Process {
    pid: u32,
    start: u64,
}

impl Node {
    fn event(&mut self, of: Process, body: Body<'_>) {
        self.time += 1_000;
        let subject = Subject {
            pid: of.pid,
            tid: of.pid,
            start: of.start,
            uid: 0,
            gid: 0,
            cgroup: 0,
        };
        let time = self.time;
        self.pipeline.take(
            &Event {
                time,
                subject,
                body,
                namespaces: [0; 8],
            },
            &mut self.reader,
        );
    }

    fn fork(&mut self, parent: Process, pid: u32) -> Process {
        let child = Process {
            pid,
            start: self.time + 500,
        };
        self.event(
            parent,
            Body::Fork(Fork {
                child_pid: child.pid,
                child_start: child.start,
                child_cgroup: 0,
            }),
        );
        child
    }

    fn exec(&mut self, of: Process, parent: Process, exe: &str, cgroup: &str, id: &str) {
        let args = format!("{exe}\0--container\0{id}\0");
        let image = Image {
            ppid: parent.pid,
            parent_start: parent.start,
            exe: exe.into(),
            comm: exe.into(),
            args: args.into_bytes().into(),
            cgroup_path: cgroup.into(),
            ..Image::default()
        };
        let filename = exe.into();
        self.event(
            of,
            Body::Exec(Exec {
                filename,
                errno: 0,
                image,
            }),
        );
    }

    fn exit(&mut self, of: Process) {
        self.event(of, Body::Exit(Exit { code: 0, signal: 0 }));
    }

    /// The id of the container that a process is in.
    fn container(&mut self, of: Process) -> Vec<u8> {
        let table = self.pipeline.table();
        let process = table.latest(of.pid).and_then(|id| table.get(id));
        let container = process.and_then(|process| table.containers().get(process.container()?));
        container.map(|container| container.id.to_vec()).unwrap_or_default()
    }
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("a size").parse().expect("a number")
}

/// Containers come and go; the most that were held at once, and what memory was in use after `SETTLED` of them.
fn churn(node: &mut Node, count: u64, each_second: u64) -> (usize, u64) {
    let shim = Process {
        pid: SHIM,
        start: BEGIN,
    };
    let begin = node.time;
    let (mut most, mut settled) = (0, 0);
    for number in 0..count {
        node.time = node.time.max(begin + number * SECOND / each_second);
        let id = format!("{:064x}", node.started);
        node.started += 1;
        let cgroup = format!("/docker/{id}");
        let pid = |offset: u64| u32::try_from(100 + (2 * number + offset) % PIDS).expect("a pid");
        let first = node.fork(shim, pid(0));
        node.exec(first, shim, "/bin/sh", &cgroup, &id);
        assert_eq!(node.container(first), id.as_bytes());
        let second = node.fork(first, pid(1));
        node.exec(second, first, "/bin/true", &cgroup, &id);
        assert_eq!(node.container(second), id.as_bytes());
        node.exit(second);
        node.exit(first);
        most = most.max(node.pipeline.table().containers().len());
        if number == SETTLED {
            settled = resident_kib();
        }
    }
    (most, settled)
}

#[test]
fn a_hundred_thousand_containers_leave_nothing_and_a_flood_is_told_apart() {
    let options = Options::default();
    let grace = options.grace_ns / SECOND;
    let capacity = options.capacity;
    let table = ProcessTable::new(options, Box::new(Nothing));
    let mut node = Node {
        pipeline: Pipeline::new(&Config::default().batch, &Origin::default(), table),
        reader: Reader { rows: 0 },
        time: BEGIN,
        started: 0,
    };
    let everything = Subscription::whole(Kinds::all());
    node.pipeline.subscribe(Seat(0), &everything, &mut node.reader);

    let (most, settled) = churn(&mut node, CONTAINERS, EACH_SECOND);
    let now = resident_kib();
    eprintln!("{settled} KiB after {SETTLED}, {now} KiB after {CONTAINERS}; at most {most} containers held");
    assert!(
        most as u64 <= EACH_SECOND * (grace + 2),
        "a container is forgotten with its last process: {most}"
    );
    assert!(now < settled + 4 * 1024, "{settled} KiB, then {now} KiB");

    let (most, _) = churn(&mut node, CONTAINERS, FLOOD);
    eprintln!("{} KiB after a flood; at most {most} containers held", resident_kib());
    assert!(most <= capacity, "not more than processes: {most}");
    node.pipeline.flush(&mut node.reader);
    assert_eq!(
        node.reader.rows as u64,
        2 * CONTAINERS * 4,
        "two execs and two ends each"
    );
}

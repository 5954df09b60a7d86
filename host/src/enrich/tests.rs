//! What a user may rely on: every event has the right process, ancestors and container, whatever was lost.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::{Body, Event, Exec, Exit, Fork, Image, Open, Subject, process_flags};

const SECOND: u64 = 1_000_000_000;
const DOCKER: &str = "/docker/3f4e9b1c7d2a8056e1f0c9b8a7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8";

/// A node for the table to ask, and a way to write down what happens on it.
struct Node {
    table: ProcessTable,
    time: u64,
}

#[derive(Default)]
struct Told {
    processes: HashMap<u32, Known<'static>>,
    containers: HashMap<Vec<u8>, &'static str>,
    /// What the runtime says at once, by id.
    descriptions: HashMap<Vec<u8>, KnownContainer<'static>>,
    /// What it says before the next event.
    late: Arc<Mutex<Vec<KnownContainer<'static>>>>,
}

impl Source for Told {
    fn look_up(&mut self, pid: u32) -> Option<Known<'static>> {
        self.processes.get(&pid).cloned()
    }

    fn container_of(&mut self, cgroup: &[u8]) -> Option<KnownContainer<'static>> {
        let id = self.containers.get(cgroup)?;
        Some(KnownContainer {
            cgroup: cgroup.to_vec().into(),
            id: (*id).into(),
            runtime: "runc".into(),
            ..KnownContainer::default()
        })
    }

    fn describe(&mut self, container: &Container) -> Option<KnownContainer<'static>> {
        self.descriptions.remove(&*container.id)
    }

    fn heard(&mut self) -> Option<KnownContainer<'static>> {
        self.late.lock().unwrap().pop()
    }
}

/// A pod's container as its runtime describes it.
fn described(id: &str) -> KnownContainer<'static> {
    KnownContainer {
        id: id.as_bytes().to_vec().into(),
        name: "shop".into(),
        image: "shop:1".into(),
        pod: "shop-0".into(),
        labels: "app=shop\0".into(),
        owner: "StatefulSet/shop".into(),
        ..KnownContainer::default()
    }
}

/// Every process of the tests starts `pid` seconds after the beginning, unless said otherwise.
fn start(pid: u32) -> u64 {
    u64::from(pid) * SECOND
}

fn subject(pid: u32) -> Subject {
    Subject {
        pid,
        tid: pid,
        start: start(pid),
        uid: 0,
        gid: 0,
        cgroup: 1,
    }
}

fn image(ppid: u32, exe: &str) -> Image<'_> {
    let parent_start = if ppid == 0 { 0 } else { start(ppid) };
    Image {
        ppid,
        parent_start,
        exe: exe.into(),
        comm: exe.into(),
        ..Image::default()
    }
}

fn known(pid: u32, ppid: u32, exe: &'static str) -> Known<'static> {
    // As /proc has it: rounded down to a clock tick.
    let subject = Subject {
        start: start(pid) - 3_000_000,
        cgroup: 0,
        ..subject(pid)
    };
    Known {
        subject,
        image: Image {
            parent_start: 0,
            ..image(ppid, exe)
        },
        restated: None,
    }
}

impl Node {
    fn new(options: Options, source: Told) -> Node {
        Node {
            table: ProcessTable::new(
                Options {
                    keep_found: true,
                    ..options
                },
                Box::new(source),
            ),
            time: 1_000 * SECOND,
        }
    }

    fn quiet() -> Node {
        Node::new(Options::default(), Told::default())
    }

    fn at(&mut self, seconds: u64) -> &mut Node {
        self.time = seconds * SECOND;
        self
    }

    fn event(&mut self, subject: Subject, body: Body<'_>) -> Attribution {
        self.time += 1;
        self.table.observe(&Event {
            time: self.time,
            subject,
            body,
            namespaces: [0; 8],
        })
    }

    fn fork(&mut self, parent: u32, child: u32) -> Attribution {
        self.fork_at(parent, child, start(child))
    }

    fn fork_at(&mut self, parent: u32, child_pid: u32, child_start: u64) -> Attribution {
        self.event(
            subject(parent),
            Body::Fork(Fork {
                child_pid,
                child_start,
                child_cgroup: 1,
            }),
        )
    }

    fn exec(&mut self, pid: u32, ppid: u32, exe: &str) -> Attribution {
        self.event(
            subject(pid),
            Body::Exec(Exec {
                filename: exe.into(),
                errno: 0,
                image: image(ppid, exe),
            }),
        )
    }

    fn exec_in(&mut self, pid: u32, ppid: u32, cgroup: &str, mnt: u32) -> Attribution {
        let mut image = Image {
            cgroup_path: cgroup.into(),
            ..image(ppid, "x")
        };
        image.namespaces[2] = mnt;
        self.event(
            subject(pid),
            Body::Exec(Exec {
                filename: "x".into(),
                errno: 0,
                image,
            }),
        )
    }

    fn exit(&mut self, pid: u32) -> Attribution {
        self.event(subject(pid), Body::Exit(Exit { code: 0, signal: 0 }))
    }

    fn open(&mut self, subject: Subject) -> Attribution {
        self.event(subject, Body::Open(Open::default()))
    }

    /// Who opens a file: executables from the process to its first ancestor, each with its pid.
    fn who(&mut self, pid: u32) -> String {
        let opened = self.open(subject(pid));
        self.line(opened.process)
    }

    fn line(&self, mut next: Option<ProcessId>) -> String {
        let mut line = Vec::new();
        while let Some(process) = next.and_then(|id| self.table.get(id)) {
            line.push(format!("{}:{}", str::from_utf8(process.exe()).unwrap(), process.pid));
            next = process.parent;
        }
        line.join(" < ")
    }

    fn container(&mut self, pid: u32) -> String {
        let id = self
            .open(subject(pid))
            .process
            .and_then(|id| self.table.get(id)?.container());
        let container = id.and_then(|id| self.table.containers().get(id));
        container.map_or_else(String::new, |found| {
            format!(
                "{} {}",
                str::from_utf8(&found.runtime).unwrap(),
                &str::from_utf8(&found.id).unwrap()[..4]
            )
        })
    }

    fn flags(&mut self, pid: u32) -> u32 {
        let id = self.open(subject(pid)).process.unwrap();
        self.table.get(id).unwrap().flags
    }
}

#[test]
fn a_process_has_its_image_and_ancestors() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    node.fork(1, 2);
    node.exec(2, 1, "nginx");
    node.fork(2, 3);
    assert_eq!(node.who(3), "nginx:3 < nginx:2 < init:1");
    let exec = node.exec(3, 2, "sh");
    assert!(exec.has_previous);
    assert_eq!(node.table.previous().unwrap().exe(), b"nginx");
    assert_eq!(node.who(3), "sh:3 < nginx:2 < init:1");
}

#[test]
fn ancestors_stay_after_their_end_as_long_as_they_are_needed() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    node.fork(1, 2);
    node.exec(2, 1, "nginx");
    node.fork(2, 3);
    node.fork(3, 4);
    node.exit(2);
    node.exit(3);
    node.at(5_000);
    assert_eq!(node.who(4), "nginx:4 < nginx:3 < nginx:2 < init:1");
    node.exit(4);
    node.at(6_000).open(subject(1));
    assert_eq!(node.table.len(), 1);
    assert_eq!(
        node.table.evictions(),
        Evictions {
            expired: 3,
            ended: 0,
            running: 0,
            trimmed: 0
        }
    );
}

#[test]
fn an_ended_process_is_known_for_a_while() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    node.exit(1);
    node.at(1_010);
    assert_eq!(node.who(1), "init:1");
    assert_eq!(node.flags(1), process_flags::EXITED);
    node.at(1_040);
    assert_eq!(node.who(1), ":1");
    assert_eq!(node.flags(1), process_flags::INCOMPLETE);
}

#[test]
fn a_pid_used_again_is_another_process() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    node.fork(1, 2);
    node.exec(2, 1, "old");
    node.fork(2, 3);
    // The end of the old one was lost.
    node.fork_at(1, 2, 900 * SECOND);
    let fresh = node.open(Subject {
        start: 900 * SECOND,
        ..subject(2)
    });
    assert_eq!(node.line(fresh.process), "init:2 < init:1");
    assert_eq!(node.who(2), "old:2 < init:1", "late news of the old one");
    assert_eq!(node.who(3), "old:3 < old:2 < init:1");
    assert_eq!(node.table.latest(2), fresh.process);
}

#[test]
fn late_news_of_a_process_unknown_so_far_does_not_replace_the_present_one() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    let present = node.fork_at(1, 2, 900 * SECOND);
    assert!(present.process.is_some());
    let present = node.table.latest(2);
    assert_eq!(node.who(2), ":2");
    assert_eq!(node.table.latest(2), present);
}

#[test]
fn a_lost_fork_is_made_up_for_by_the_exec() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    let exec = node.exec(2, 1, "sh");
    assert_eq!(node.who(2), "sh:2 < init:1");
    assert!(!exec.has_previous);
    // Nor is the parent known.
    node.exec(9, 8, "ls");
    assert_eq!(node.who(9), "ls:9 < :8");
    let parent = node.table.latest(8).and_then(|id| node.table.get(id)).unwrap();
    assert_eq!((parent.flags, parent.uid), (process_flags::INCOMPLETE, u32::MAX));
    // Its own fork, when it comes late, tells the rest.
    node.fork(1, 8);
    assert_eq!(node.who(9), "ls:9 < init:8 < init:1");
}

#[test]
fn processes_that_ran_before_are_known_and_their_start_becomes_exact() {
    let mut node = Node::quiet();
    for process in [known(1, 0, "init"), known(5, 1, "nginx"), known(6, 5, "worker")] {
        node.table.learn(&process);
    }
    assert_eq!(node.who(6), "worker:6 < nginx:5 < init:1");
    assert_eq!(node.flags(6), process_flags::FROM_PROC);
    let id = node.table.latest(6).unwrap();
    assert_eq!(node.table.get(id).unwrap().start, start(6));
    node.exec(6, 5, "sh");
    assert_eq!(node.flags(6), 0);
    // A start more than a tick away is another process.
    let other = node.open(Subject {
        start: start(5) + 30_000_000,
        ..subject(5)
    });
    assert_eq!(node.line(other.process), ":5");
}

#[test]
fn an_unknown_process_is_looked_up_with_its_ancestors_and_a_recording_replays_alike() {
    let mut source = Told::default();
    for process in [known(1, 0, "init"), known(5, 1, "sshd"), known(6, 5, "bash")] {
        source.processes.insert(process.subject.pid, process);
    }
    let mut node = Node::new(Options::default(), source);
    assert_eq!(node.who(6), "bash:6 < sshd:5 < init:1");
    let found = node.table.take_found();
    let pids: Vec<u32> = found
        .iter()
        .map(|found| {
            if let Found::Process(known) = found {
                known.subject.pid
            } else {
                0
            }
        })
        .collect();
    assert_eq!(pids, [1, 5, 6]);

    let mut replay = Node::quiet();
    for found in &found {
        if let Found::Process(known) = found {
            replay.table.learn(known);
        }
    }
    assert_eq!(replay.who(6), "bash:6 < sshd:5 < init:1");
    assert_eq!(replay.flags(6), node.flags(6));
    assert!(node.table.take_found().is_empty() && replay.table.take_found().is_empty());
}

#[test]
fn what_the_source_says_of_another_process_with_the_pid_is_not_believed() {
    let mut source = Told::default();
    source.processes.insert(6, known(6, 1, "bash"));
    let mut node = Node::new(Options::default(), source);
    let other = node.open(Subject {
        start: 700 * SECOND,
        ..subject(6)
    });
    assert_eq!(node.line(other.process), ":6");
    assert!(node.table.take_found().is_empty());
}

#[test]
fn a_container_is_inherited_and_left() {
    let mut node = Node::quiet();
    node.exec_in(1, 0, "/init.scope", 1);
    node.fork(1, 2);
    assert_eq!(node.container(2), "");
    node.exec_in(2, 1, DOCKER, 2);
    node.fork(2, 3);
    assert_eq!(
        (node.container(2), node.container(3)),
        ("docker 3f4e".into(), "docker 3f4e".into())
    );
    // The v2 path says nothing if containers live in v1 hierarchies.
    node.exec_in(3, 2, "/", 2);
    assert_eq!(node.container(3), "docker 3f4e");
    node.exec_in(3, 2, "/system.slice/x.service", 1);
    assert_eq!(node.container(3), "");
    // Nobody is left in it, nor descends from somebody who was.
    node.exit(2);
    node.exit(3);
    node.at(2_000).open(subject(1));
    node.open(subject(1));
    assert!(node.table.containers().is_empty());
}

#[test]
fn where_the_v2_path_says_nothing_the_first_process_of_a_container_is_asked_for() {
    let mut source = Told::default();
    let mut first = known(2, 1, "x");
    first.image.cgroup_path = DOCKER.into();
    source.processes.insert(2, first);
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.fork(1, 2);
    let live = node.exec_in(2, 1, "/", 2);
    let flags = |node: &Node| node.table.previous().map(|process| process.flags);
    let live_flags = flags(&node);
    assert!(live.has_previous);
    assert_eq!(node.container(2), "docker 3f4e");

    let mut replay = Node::quiet();
    replay.exec_in(1, 0, "/", 1);
    replay.fork(1, 2);
    for found in node.table.take_found() {
        if let Found::Process(known) = found {
            replay.table.learn(&known);
        }
    }
    let replayed = replay.exec_in(2, 1, "/", 2);
    assert!(replayed.has_previous);
    assert_eq!(flags(&replay), live_flags);
    assert_eq!(replay.container(2), "docker 3f4e");
}

#[test]
fn a_container_with_a_chosen_name_is_asked_for_and_found_again_in_a_replay() {
    let mut source = Told::default();
    source.containers.insert(b"/demo1".to_vec(), "demo1");
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.exec_in(2, 1, "/demo1", 2);
    assert_eq!(node.container(2), "runc demo");
    let found = node.table.take_found();
    let [Found::Container(container)] = &found[..] else {
        panic!("{found:?}")
    };

    let mut replay = Node::quiet();
    replay.exec_in(1, 0, "/", 1);
    replay.table.learn_container(container);
    replay.exec_in(2, 1, "/demo1", 2);
    assert_eq!(replay.container(2), "runc demo");
}

/// Name, image and pod of the container that a process is in.
fn about(node: &Node, pid: u32) -> [String; 3] {
    let process = node.table.get(node.table.latest(pid).unwrap()).unwrap();
    let container = node.table.containers().get(process.container().unwrap()).unwrap();
    [&container.name, &container.image, &container.pod].map(|text| String::from_utf8(text.to_vec()).unwrap())
}

#[test]
fn a_container_is_described_before_its_first_event_and_so_it_is_in_a_replay() {
    let mut source = Told::default();
    source.descriptions.insert(b"shop1".to_vec(), described("shop1"));
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.exec_in(2, 1, "/k8s.io/shop1", 2);
    node.exec_in(3, 1, "/k8s.io/shop1", 2);
    assert_eq!(about(&node, 2), ["shop", "shop:1", "shop-0"]);
    let found = node.table.take_found();
    let [Found::Container(container)] = &found[..] else {
        panic!("{found:?}")
    };

    let mut replay = Node::quiet();
    replay.exec_in(1, 0, "/", 1);
    replay.table.learn_container(container);
    replay.exec_in(2, 1, "/k8s.io/shop1", 2);
    assert_eq!(about(&replay, 2), about(&node, 2));
    assert_eq!(
        replay.container(2),
        node.container(2),
        "who made it is told by the path"
    );
}

#[test]
fn what_a_runtime_says_late_counts_from_then_on_unless_the_container_is_gone() {
    let source = Told::default();
    let late = source.late.clone();
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.exec_in(2, 1, "/k8s.io/shop1", 2);
    let version = |node: &Node| node.table.containers().by_id(b"shop1").unwrap().version;
    let before = version(&node);
    assert_eq!(about(&node, 2), ["", "", ""]);
    late.lock().unwrap().extend([described("shop1"), described("gone")]);
    node.open(subject(2));
    assert_eq!(about(&node, 2), ["shop", "shop:1", "shop-0"]);
    assert!(version(&node) > before, "a batch shows it anew");
    assert_eq!(node.table.take_found(), [Found::Container(described("shop1"))]);
    assert!(node.table.containers().by_id(b"gone").is_none());
}

#[test]
fn a_change_of_user_is_seen_without_an_exec() {
    let mut node = Node::quiet();
    node.exec(1, 0, "sshd");
    node.open(Subject {
        uid: 1000,
        gid: 100,
        ..subject(1)
    });
    let id = node.table.latest(1).unwrap();
    let process = node.table.get(id).unwrap();
    assert_eq!((process.uid, process.euid, process.gid), (1000, 1000, 100));
}

#[test]
fn a_full_table_lets_go_of_the_ended_first_then_of_the_idle() {
    let mut node = Node::new(
        Options {
            capacity: 64,
            ..Options::default()
        },
        Told::default(),
    );
    node.exec(1, 0, "init");
    for pid in 2..=60 {
        node.fork(1, pid);
    }
    for pid in 2..=10 {
        node.exit(pid);
    }
    for pid in 61..=73 {
        node.fork(1, pid);
    }
    node.open(subject(1));
    assert_eq!(
        node.table.evictions(),
        Evictions {
            expired: 0,
            ended: 9,
            running: 0,
            trimmed: 0
        }
    );
    node.open(subject(11));
    for pid in 74..=80 {
        node.fork(1, pid);
    }
    assert_eq!(node.table.evictions().ended, 9);
    assert!(node.table.evictions().running >= 6);
    assert!(node.table.latest(11).is_some(), "heard of lately");
    assert!(node.table.latest(12).is_none(), "idle for the longest");
    assert!(node.table.latest(1).is_some(), "an ancestor");
}

#[test]
fn neither_a_storm_of_forks_nor_long_arguments_exceed_the_bounds() {
    let options = Options {
        capacity: 500,
        text_capacity: 100_000,
        ..Options::default()
    };
    let mut node = Node::new(options, Told::default());
    node.exec(1, 0, "nginx");
    for pid in 2..5_000 {
        node.fork(pid - 1, pid);
        let long = Image {
            args: vec![b'x'; 4_000].into(),
            ..image(pid - 1, "sh")
        };
        node.event(
            subject(pid),
            Body::Exec(Exec {
                filename: "sh".into(),
                errno: 0,
                image: long,
            }),
        );
        node.exit(pid - 1);
        assert!(node.table.len() <= 510, "{}", node.table.len());
    }
    let line = node.who(4_999);
    assert!(line.ends_with("< nginx:1") && line.matches('<').count() < 70, "{line}");
    let held = node
        .table
        .slots
        .iter()
        .map(|process| process.args().len())
        .sum::<usize>();
    assert!(held <= 110_000, "{held}");
    assert!(node.table.evictions().trimmed > 0);
}

#[test]
fn a_lost_end_is_found_by_a_sweep_and_recorded() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    for pid in 2..=5 {
        node.fork(1, pid);
    }
    let mut swept = 0;
    for _ in 0..3 {
        swept += node.table.sweep(2, |process| process.pid != 4);
    }
    assert_eq!(swept, 1);
    assert_eq!(node.flags(4) & process_flags::EXITED, process_flags::EXITED);
    let found = node.table.take_found();
    let [Found::Process(ended)] = &found[..] else {
        panic!("{found:?}")
    };

    let mut replay = Node::quiet();
    replay.exec(1, 0, "init");
    replay.fork(1, 4);
    replay.table.learn(ended);
    assert_eq!(replay.flags(4), node.flags(4));
}

#[test]
fn parents_that_claim_each_other_make_no_loop() {
    let mut node = Node::quiet();
    let at = |pid, ppid| {
        let start = 5 * SECOND;
        let subject = Subject { start, ..subject(pid) };
        (
            subject,
            Image {
                ppid,
                parent_start: start,
                exe: "x".into(),
                ..Image::default()
            },
        )
    };
    for (pid, ppid) in [(2, 3), (3, 2), (3, 3), (2, 3)] {
        let (subject, image) = at(pid, ppid);
        node.event(
            subject,
            Body::Exec(Exec {
                filename: "x".into(),
                errno: 0,
                image,
            }),
        );
    }
    let line = node.line(node.table.latest(2));
    assert_eq!(line, "x:2 < x:3");
}

#[test]
fn an_event_without_a_process_has_none() {
    let mut node = Node::quiet();
    assert!(
        node.open(Subject {
            pid: 0,
            start: 0,
            ..subject(0)
        })
        .process
        .is_none()
    );
    // A process whose start is not known is the latest one with that pid.
    node.exec(1, 0, "init");
    let some = node.open(Subject { start: 0, ..subject(1) });
    assert_eq!(node.line(some.process), "init:1");
}

/// A process that leaves a namespace without a new image says so by what it does then; a recording says it of the process.
#[test]
fn namespaces_are_those_that_an_event_tells_and_a_replay_knows_them() {
    let away = |mnt| {
        let mut namespaces = [0; 8];
        namespaces[2] = mnt;
        namespaces
    };
    let mut node = Node::quiet();
    let mut replay = Node::quiet();
    node.exec_in(7, 0, "/", 10);
    replay.exec_in(7, 0, "/", 10);
    let mut lines = Vec::new();
    for (mnt, expected) in [(0, 10), (10, 10), (21, 21), (0, 21), (10, 10)] {
        let event = Event {
            time: 2_000 * SECOND,
            subject: subject(7),
            body: Body::Open(Open::default()),
            namespaces: away(mnt),
        };
        let id = node.table.observe(&event).process.unwrap();
        let found = node.table.take_found();
        lines.push(found.len());
        for found in found {
            let Found::Process(known) = found else {
                panic!("{found:?}")
            };
            replay.table.learn(&known);
        }
        let again = replay
            .table
            .observe(&Event {
                namespaces: [0; 8],
                ..event
            })
            .process
            .unwrap();
        let (live, replayed) = (node.table.get(id).unwrap(), replay.table.get(again).unwrap());
        assert_eq!(live.namespaces()[2], expected);
        assert!(live.is_like(replayed), "{live:?} {replayed:?}");
    }
    assert_eq!(lines, [0, 0, 1, 0, 1], "only what is news is recorded");
    node.fork(7, 8);
    let child = node.table.latest(8).unwrap();
    assert_eq!(
        node.table.get(child).unwrap().namespaces()[2],
        10,
        "a child is where its parent is"
    );
}

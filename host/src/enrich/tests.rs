//! What a user may rely on: every event has the right process, ancestors and container, whatever was lost.
//!
//! Here are the node on which it happens, and the processes.
mod bounds;
mod containers;
mod sources;

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

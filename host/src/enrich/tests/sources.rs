//! What was not told by an event is asked for, and told again in a replay.
use super::*;

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

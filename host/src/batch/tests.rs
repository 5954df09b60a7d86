use std::collections::HashSet;

use crate::filter::Subscription;
use proptest::prelude::*;
use vespid_ebpf::{ChangeOp, ConnectionOp, PrivilegedOp, ResourceOp, SocketOp};

use super::columns::Memory;
use super::view::What;
use super::*;
use crate::enrich::{Nothing, Options};
use crate::event::{
    Change, Connection, Exec, Exit, Fork, Image, KnownContainer, Open, Privileged, Resource, Socket, Subject,
};
use crate::interface::vespid::plugin::events::Containers;
use crate::interface::vespid::plugin::reports::Row;

const NO_LOSS: Lost = Lost {
    kernel: 0,
    decode: 0,
    queue: 0,
};

/// Asserts everything that the interface promises of a batch.
fn check(batch: &Batch, kinds: Kinds) {
    let strings = &batch.strings;
    assert_eq!(strings.ends[0], 0);
    assert!(strings.ends.is_sorted());
    assert_eq!(*strings.ends.last().unwrap() as usize, strings.blob.len());
    let are_strings = |columns: &[&[u32]]| {
        assert!(
            columns
                .iter()
                .all(|column| column.iter().all(|&id| (id as usize) < strings.ends.len()))
        );
    };
    let refer = |column: &[u32], rows: usize| assert!(column.iter().all(|&row| row == NONE || (row as usize) < rows));

    let processes = &batch.processes;
    let rows = processes.pid.len();
    let columns = [
        &processes.ppid,
        &processes.parent,
        &processes.uid,
        &processes.gid,
        &processes.euid,
        &processes.login_uid,
        &processes.comm,
        &processes.exe,
        &processes.args,
        &processes.cwd,
        &processes.tty,
        &processes.cgroup,
        &processes.user,
        &processes.group,
        &processes.container,
        &processes.flags,
    ];
    assert!(columns.iter().all(|column| column.len() == rows));
    assert_eq!((processes.start.len(), processes.namespaces.len()), (rows, 8 * rows));
    assert_eq!(processes.capabilities.len(), rows);
    are_strings(&columns.map(Vec::as_slice)[6..14]);
    let containers = batch.containers.as_ref();
    assert!(containers.is_none_or(|containers| !containers.id.is_empty()));
    let none = Containers::with_room(0);
    let containers = containers.unwrap_or(&none);
    refer(&processes.container, containers.id.len());
    // Parents come first, so there is no loop.
    for (row, &parent) in processes.parent.iter().enumerate() {
        assert!(parent == NONE || (parent as usize) < row);
    }

    let columns = [
        &containers.id,
        &containers.runtime,
        &containers.name,
        &containers.image,
        &containers.pod_uid,
        &containers.pod,
        &containers.namespace,
        &containers.labels,
        &containers.owner,
    ];
    assert!(columns.iter().all(|column| column.len() == containers.id.len()));
    are_strings(&columns.map(Vec::as_slice));

    let mut seqs = Vec::new();
    let mut used_in = Vec::new();
    let mut referred = Vec::new();
    let mut facts = |wanted: bool, seq: &[u64], process: &[u32], others: &[usize]| {
        assert!(wanted && !seq.is_empty());
        assert!(seq.is_sorted_by(|a, b| a < b));
        assert!(process.len() == seq.len() && others.iter().all(|&len| len == seq.len()));
        refer(process, rows);
        referred.extend_from_slice(process);
        seqs.extend_from_slice(seq);
    };
    if let Some(execs) = &batch.execs {
        let lens = [
            execs.time.len(),
            execs.previous.len(),
            execs.filename.len(),
            execs.errno.len(),
        ];
        facts(kinds.contains(Kinds::EXECS), &execs.seq, &execs.process, &lens);
        facts(true, &execs.seq, &execs.previous, &[]);
        are_strings(&[&execs.filename]);
    }
    if let Some(exits) = &batch.exits {
        let lens = [
            exits.time.len(),
            exits.code.len(),
            exits.signal.len(),
            exits.lifetime.len(),
        ];
        facts(kinds.contains(Kinds::EXITS), &exits.seq, &exits.process, &lens);
    }
    if let Some(table) = &batch.connections {
        let lens = [
            table.time.len(),
            table.op.len(),
            table.direction.len(),
            table.addresses.len() / 32,
            table.local_port.len(),
            table.remote_port.len(),
            table.cookie.len(),
            table.sent.len(),
            table.received.len(),
            table.duration.len(),
            table.srtt.len(),
            table.retransmits.len(),
            table.errno.len(),
            table.netns.len(),
            table.local_isn.len(),
            table.remote_isn.len(),
        ];
        facts(kinds.contains(Kinds::CONNECTIONS), &table.seq, &table.process, &lens);
    }
    if let Some(opens) = &batch.opens {
        let lens = [
            opens.time.len(),
            opens.path.len(),
            opens.typed.len(),
            opens.flags.len(),
            opens.mode.len(),
            opens.result.len(),
            opens.path_kind.len(),
            opens.traits.len(),
            opens.count.len(),
        ];
        facts(kinds.contains(Kinds::OPENS), &opens.seq, &opens.process, &lens);
        are_strings(&[&opens.path, &opens.typed]);
    }
    if let Some(table) = &batch.changes {
        let lens = [
            table.time.len(),
            table.op.len(),
            table.path.len(),
            table.typed.len(),
            table.target.len(),
            table.target_typed.len(),
            table.detail.len(),
            table.flags.len(),
            table.mode.len(),
            table.value.len(),
            table.result.len(),
            table.path_kind.len(),
            table.target_kind.len(),
        ];
        facts(kinds.contains(Kinds::CHANGES), &table.seq, &table.process, &lens);
        are_strings(&[
            &table.path,
            &table.typed,
            &table.target,
            &table.target_typed,
            &table.detail,
        ]);
    }
    if let Some(table) = &batch.privileged {
        let lens = [
            table.time.len(),
            table.op.len(),
            table.code.len(),
            table.argument.len(),
            table.detail.len(),
            table.result.len(),
        ];
        facts(kinds.contains(Kinds::PRIVILEGED), &table.seq, &table.process, &lens);
        facts(true, &table.seq, &table.target, &[]);
        are_strings(&[&table.detail]);
    }
    if let Some(table) = &batch.sockets {
        let lens = [
            table.time.len(),
            table.op.len(),
            table.family.len(),
            table.protocol.len(),
            table.addresses.len() / 32,
            table.local_port.len(),
            table.remote_port.len(),
            table.name.len(),
            table.code.len(),
            table.result.len(),
            table.netns.len(),
        ];
        facts(kinds.contains(Kinds::SOCKETS), &table.seq, &table.process, &lens);
        are_strings(&[&table.name]);
    }
    if let Some(table) = &batch.resources {
        let lens = [
            table.time.len(),
            table.container.len(),
            table.cgroup.len(),
            table.op.len(),
            table.interval.len(),
            table.measured.len(),
            table.cpu.len(),
            table.minor_faults.len(),
            table.major_faults.len(),
            table.voluntary_switches.len(),
            table.involuntary_switches.len(),
            table.cycles.len(),
            table.instructions.len(),
            table.cache_misses.len(),
            table.memory.len(),
        ];
        facts(kinds.contains(Kinds::RESOURCES), &table.seq, &table.process, &lens);
        are_strings(&[&table.cgroup]);
        refer(&table.container, containers.id.len());
        used_in.extend_from_slice(&table.container);
    }
    if !seqs.is_empty() {
        let range = (*seqs.iter().min().unwrap(), *seqs.iter().max().unwrap());
        assert_eq!((batch.header.first, batch.header.last), range);
    }

    // Every row is one that a fact refers to, or an ancestor of one.
    let mut reached = HashSet::new();
    for mut row in referred {
        while row != NONE && reached.insert(row) {
            row = processes.parent[row as usize];
        }
    }
    assert_eq!(reached.len(), rows);
    let used = processes.container.iter().chain(&used_in).copied();
    let used: HashSet<u32> = used.filter(|&row| row != NONE).collect();
    assert_eq!(used.len(), containers.id.len());
}

/// A table and a builder in front of it.
struct Pipeline {
    table: ProcessTable,
    builder: Builder,
    kinds: Kinds,
    seq: u64,
}

impl Pipeline {
    fn new(kinds: Kinds) -> Pipeline {
        let table = ProcessTable::new(
            Options {
                capacity: 64,
                ..Options::default()
            },
            Box::new(Nothing),
        );
        Pipeline {
            table,
            builder: Builder::new(Subscription::whole(kinds), "n1", "b"),
            kinds,
            seq: 0,
        }
    }

    fn all() -> Pipeline {
        Pipeline::new(Kinds::all())
    }

    fn push(&mut self, pid: u32, body: Body<'_>) -> bool {
        self.seq += 1;
        let subject = Subject {
            pid: pid % 100,
            tid: pid % 100,
            start: start(pid),
            uid: 0,
            gid: 0,
            cgroup: 0,
        };
        let event = Event {
            time: 1_000 + self.seq,
            subject,
            body,
            namespaces: [0; 8],
        };
        let whose = self.table.observe(&event);
        self.builder.push(&Observed::new(self.seq, &event, &whose, &self.table))
    }

    fn finish(&mut self) -> Batch {
        let batch = self.builder.finish(NO_LOSS);
        check(&batch, self.kinds);
        batch
    }
}

/// 102 is the process that has pid 2 after the process 2.
fn start(pid: u32) -> u64 {
    u64::from(pid)
}

fn fork(pid: u32) -> Body<'static> {
    Body::Fork(Fork {
        child_pid: pid % 100,
        child_start: start(pid),
        child_cgroup: 0,
    })
}

fn exec<'a>(ppid: u32, exe: &'a str, cgroup: &'a str) -> Body<'a> {
    let image = Image {
        ppid: ppid % 100,
        parent_start: start(ppid),
        exe: exe.into(),
        cgroup_path: cgroup.into(),
        ..Image::default()
    };
    Body::Exec(Exec {
        filename: exe.into(),
        errno: 0,
        image,
    })
}

fn open<'a>(path: &'a str, typed: &'a str) -> Body<'a> {
    Body::Open(Open {
        path: path.into(),
        typed: typed.into(),
        result: -13,
        ..Open::default()
    })
}

fn change(path: &str) -> Body<'_> {
    Body::Change(Change {
        op: ChangeOp::Unlink,
        path: path.into(),
        typed: path.into(),
        target: "".into(),
        target_typed: "".into(),
        detail: "".into(),
        flags: 1,
        mode: 2,
        value: 3,
        result: -4,
        path_kind: 1,
        target_kind: 0,
    })
}

fn privileged(target_pid: u32, detail: &str) -> Body<'_> {
    Body::Privileged(Privileged {
        op: PrivilegedOp::Ptrace,
        code: 16,
        argument: 5,
        target_pid,
        target_start: 0,
        detail: detail.into(),
        result: -1,
    })
}

fn socket(name: &str) -> Body<'_> {
    Body::Socket(Socket {
        op: SocketOp::DnsQuestion,
        family: 10,
        protocol: 17,
        local: None,
        remote: "[2001:db8::1]:53".parse().ok(),
        name: name.into(),
        code: 28,
        result: 40,
        netns: 7,
    })
}

fn usage(cgroup: &str) -> Body<'_> {
    Body::Resource(Resource {
        cgroup: cgroup.into(),
        interval: 1_000,
        measured: 1,
        cpu: 500,
        ..Resource::of(ResourceOp::Usage)
    })
}

const EXIT: Body<'static> = Body::Exit(Exit { code: 3, signal: 0 });

/// The executable of a row and of its ancestors.
fn lineage(batch: &Batch, row: u32) -> String {
    let process = view::process(batch, row);
    let line = process.into_iter().chain(view::ancestors(batch, row));
    line.map(|process| str::from_utf8(process.exe).unwrap())
        .collect::<Vec<_>>()
        .join(" < ")
}

#[test]
fn an_event_is_found_again_with_its_process_ancestors_and_container() {
    let mut pipeline = Pipeline::all();
    let cgroup = format!("/docker/{}", "3".repeat(64));
    pipeline.push(1, exec(0, "init", "/"));
    pipeline.push(1, fork(2));
    pipeline.table.learn_container(&KnownContainer {
        id: "3".repeat(64).into_bytes().into(),
        labels: "app=web\0tier=front\0".into(),
        owner: "Deployment/web".into(),
        ..KnownContainer::default()
    });
    pipeline.push(2, exec(1, "nginx", &cgroup));
    pipeline.push(2, open("/etc/shadow", "../etc/shadow"));
    let batch = pipeline.finish();
    let fact = view::fact(&batch, Row::Open(0)).unwrap();
    assert_eq!((fact.seq, fact.time), (4, 1_004));
    let What::Open(open) = &fact.what else {
        panic!("{fact:?}")
    };
    assert_eq!(
        (open.path.as_slice(), open.typed.as_slice()),
        (&b"/etc/shadow"[..], &b"../etc/shadow"[..])
    );
    assert_eq!(open.result, -13);
    assert_eq!(lineage(&batch, fact.process), "nginx < init");
    let process = view::process(&batch, fact.process).unwrap();
    let container = view::container(&batch, process.container).unwrap();
    assert_eq!((container.runtime, container.id.len()), (&b"docker"[..], 64));
    assert_eq!(
        (container.labels, container.owner),
        (&b"app=web\0tier=front\0"[..], &b"Deployment/web"[..])
    );
    assert_eq!(view::fact(&batch, Row::Open(1)), None);
    assert_eq!(view::fact(&batch, Row::Exit(0)), None);
}

#[test]
fn a_process_has_one_row_for_each_image_and_an_exec_names_both() {
    let mut pipeline = Pipeline::all();
    pipeline.push(1, exec(0, "init", "/"));
    pipeline.push(1, fork(2));
    pipeline.push(2, open("/a", "/a"));
    pipeline.push(2, exec(1, "sh", "/"));
    pipeline.push(2, open("/b", "/b"));
    pipeline.push(2, exec(1, "ls", "/"));
    pipeline.push(2, open("/c", "/c"));
    pipeline.push(2, EXIT);
    let batch = pipeline.finish();
    let opens = &batch.opens.as_ref().unwrap().process;
    assert_eq!(
        [0, 1, 2].map(|at: usize| lineage(&batch, opens[at])),
        ["init < init", "sh < init", "ls < init"]
    );
    let execs = batch.execs.as_ref().unwrap();
    assert_eq!(execs.previous, [NONE, opens[0], opens[1]]);
    assert_eq!(execs.process[1..], opens[1..]);
    assert_eq!(batch.processes.pid.len(), 4);
    assert_eq!(batch.processes.flags[opens[2] as usize], process_flags::EXITED);
    let exits = batch.exits.as_ref().unwrap();
    assert_eq!(
        (exits.process[0], exits.code[0], exits.lifetime[0]),
        (opens[2], 3, 1_008 - 2)
    );
}

#[test]
fn the_image_before_is_there_even_if_nothing_else_refers_to_it() {
    let mut pipeline = Pipeline::new(Kinds::EXECS);
    pipeline.push(1, exec(0, "init", "/"));
    pipeline.push(1, fork(2));
    pipeline.push(2, exec(1, "sh", "/"));
    pipeline.finish();
    pipeline.push(2, exec(1, "ls", "/"));
    let batch = pipeline.finish();
    let execs = batch.execs.as_ref().unwrap();
    assert_eq!(lineage(&batch, execs.previous[0]), "sh < init");
    assert_eq!(lineage(&batch, execs.process[0]), "ls < init");
}

#[test]
fn only_what_was_subscribed_to_leaves_a_trace() {
    let mut pipeline = Pipeline::new(Kinds::OPENS);
    pipeline.push(1, exec(0, "init", "/"));
    pipeline.push(1, fork(2));
    pipeline.push(2, exec(1, "unseen", "/"));
    assert!(!pipeline.push(2, EXIT));
    assert!(pipeline.push(1, open("/a", "/a")));
    assert_eq!(
        (pipeline.builder.len(), pipeline.builder.oldest_time()),
        (1, Some(1_005))
    );
    let batch = pipeline.finish();
    assert!(batch.execs.is_none() && batch.exits.is_none() && batch.connections.is_none());
    assert_eq!(batch.processes.pid, [1]);
    assert!(!batch.strings.blob.windows(6).any(|text| text == b"unseen"));
    assert!(pipeline.builder.is_empty());
}

#[test]
fn an_equal_typed_path_is_stored_once() {
    let mut pipeline = Pipeline::new(Kinds::OPENS);
    pipeline.push(1, open("/etc/passwd", "/etc/passwd"));
    pipeline.push(1, open("", ""));
    let batch = pipeline.finish();
    let opens = batch.opens.as_ref().unwrap();
    assert_eq!((opens.path[0], opens.path[1]), (opens.typed[0], 0));
    assert_eq!(batch.strings.blob, b"/etc/passwd");
}

#[test]
fn what_a_child_has_from_its_parent_is_stored_once_a_batch() {
    let mut pipeline = Pipeline::all();
    pipeline.push(1, exec(0, "/bin/daemon", "/system.slice/daemon"));
    pipeline.push(1, fork(2));
    for _ in 0..2 {
        pipeline.push(1, open("/a", "/a"));
        pipeline.push(2, open("/b", "/b"));
        let batch = pipeline.finish();
        let processes = &batch.processes;
        assert_eq!(processes.pid, [1, 2]);
        assert_eq!(
            (processes.exe[0], processes.cgroup[0]),
            (processes.exe[1], processes.cgroup[1])
        );
        assert_eq!(lineage(&batch, 1), "/bin/daemon < /bin/daemon");
    }
    pipeline.push(2, exec(1, "/bin/other", "/system.slice/daemon"));
    pipeline.push(1, open("/a", "/a"));
    let batch = pipeline.finish();
    let pids = &batch.processes.pid;
    let row = |pid| u32::try_from(pids.iter().rposition(|&of| of == pid).unwrap()).unwrap();
    assert_eq!(lineage(&batch, row(2)), "/bin/other < /bin/daemon");
}

#[test]
fn a_connection_is_found_again() {
    let mut pipeline = Pipeline::all();
    let connection = Connection {
        op: ConnectionOp::Failed,
        direction: 0,
        local: "10.0.0.1:40000".parse().unwrap(),
        remote: "[2001:db8::1]:443".parse().unwrap(),
        cookie: 1,
        sent: 2,
        received: 3,
        duration: 4,
        srtt: 5,
        retransmits: 6,
        errno: 111,
        netns: 7,
        local_isn: 8,
        remote_isn: 9,
    };
    pipeline.push(0, Body::Connection(connection));
    pipeline.push(1, Body::Connection(connection));
    let batch = pipeline.finish();
    let fact = view::fact(&batch, Row::Connection(0)).unwrap();
    assert_eq!((fact.process, fact.what), (NONE, What::Connection(connection)));
    assert_eq!(view::fact(&batch, Row::Connection(1)).unwrap().process, 0);
}

#[test]
fn what_system_calls_did_is_found_again() {
    let mut pipeline = Pipeline::all();
    pipeline.push(1, fork(2));
    for body in [change("/a"), privileged(2, "d"), privileged(99, "unknown"), socket("n")] {
        assert!(pipeline.push(1, body));
    }
    let batch = pipeline.finish();
    let found = |row| view::fact(&batch, row).unwrap().what;
    assert_eq!([found(Row::Change(0))], [change("/a")].map(What::from));
    assert_eq!([found(Row::Socket(0))], [socket("n")].map(What::from));
    let What::Privileged(call, target) = found(Row::Privileged(0)) else {
        panic!("another table")
    };
    assert_eq!(
        (call.op, call.code, call.detail),
        (PrivilegedOp::Ptrace, 16, "d".into())
    );
    assert_eq!(batch.processes.pid[target as usize], 2);
    let What::Privileged(_, target) = found(Row::Privileged(1)) else {
        panic!("another table")
    };
    assert_eq!(target, NONE);
}

#[test]
fn what_a_control_group_used_is_of_its_container_and_of_no_process() {
    let id = "c".repeat(64);
    let (group, other) = (format!("/docker/{id}"), format!("/docker/{}", "d".repeat(64)));
    let mut pipeline = Pipeline::all();
    pipeline.push(1, exec(0, "/srv", &group));
    assert!(pipeline.push(0, usage(&group)));
    assert!(pipeline.push(0, usage("/system.slice/x")));
    assert!(pipeline.push(0, usage(&other)), "of which nothing is known but this");
    let killed = Resource {
        memory: 4096,
        ..Resource::of(ResourceOp::OomKill)
    };
    assert!(pipeline.push(1, Body::Resource(killed)));
    let batch = pipeline.finish();
    let table = batch.resources.as_ref().unwrap();
    assert_eq!(table.process, [NONE, NONE, NONE, 0]);
    let text = |row: usize| view::string(&batch, table.cgroup[row]);
    assert_eq!(
        [0, 1, 2, 3].map(text),
        [group.as_bytes(), b"/system.slice/x", other.as_bytes(), group.as_bytes()]
    );
    let container = |row: usize| view::container(&batch, table.container[row]).map(|container| container.id);
    let own = Some(id.as_bytes());
    assert_eq!([container(0), container(1), container(3)], [own, None, own]);
    assert_eq!(container(2), Some("d".repeat(64).as_bytes()));
    assert_eq!((table.cpu[0], table.measured[0], table.interval[0]), (500, 1, 1_000));
    assert_eq!((table.op[3], table.memory[3]), (2, 4096));
    // The container that only usage told of is held no longer than that.
    pipeline.push(1, open("/x", "/x"));
    assert_eq!(pipeline.table.containers().len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Fork(u32, u32),
    Exec(u32, u32, String),
    Fail(u32),
    Exit(u32),
    Open(u32, String, String),
    Change(u32, String),
    Privileged(u32, u32, String),
    Socket(u32, String),
    Usage(String),
    Killed(u32),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let pid = prop_oneof![0..12u32, 100..112u32];
    let group = prop_oneof![Just(String::new()), "/docker/[ab]{64}", "/system.slice/[a-c]"];
    prop_oneof![
        (pid.clone(), pid.clone()).prop_map(|(parent, child)| Step::Fork(parent, child)),
        group.clone().prop_map(Step::Usage),
        pid.clone().prop_map(Step::Killed),
        (pid.clone(), pid.clone(), group).prop_map(|(pid, ppid, group)| Step::Exec(pid, ppid, group)),
        pid.clone().prop_map(Step::Fail),
        pid.clone().prop_map(Step::Exit),
        (pid.clone(), ".{0,5}").prop_map(|(pid, path)| Step::Change(pid, path)),
        (pid.clone(), pid.clone(), ".{0,5}").prop_map(|(pid, target, detail)| Step::Privileged(pid, target, detail)),
        (pid.clone(), ".{0,5}").prop_map(|(pid, name)| Step::Socket(pid, name)),
        (pid, ".{0,5}", ".{0,5}").prop_map(|(pid, path, typed)| Step::Open(pid, path, typed)),
        Just(Step::Flush),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_batch_keeps_what_the_interface_promises(
        steps in proptest::collection::vec(step(), 0..200),
        kinds in 0..256u32,
        capacity in 1..20usize,
    ) {
        let all = [
            Kinds::EXECS,
            Kinds::EXITS,
            Kinds::CONNECTIONS,
            Kinds::OPENS,
            Kinds::CHANGES,
            Kinds::PRIVILEGED,
            Kinds::SOCKETS,
            Kinds::RESOURCES,
        ];
        let chosen = all.iter().enumerate().filter(|(at, _)| kinds & (1 << at) != 0);
        let kinds = chosen.fold(Kinds::empty(), |kinds, (_, kind)| kinds | *kind);
        let mut pipeline = Pipeline::new(kinds);
        pipeline.table = ProcessTable::new(Options { capacity, grace_ns: 20, ..Options::default() }, Box::new(Nothing));
        let mut pushed = 0;
        let mut rows = 0;
        let mut count = |batch: &Batch| {
            rows += batch.rows();
        };
        for step in &steps {
            pushed += usize::from(match step {
                Step::Fork(parent, child) => pipeline.push(*parent, fork(*child)),
                Step::Exec(pid, ppid, group) => pipeline.push(*pid, exec(*ppid, "x", group)),
                Step::Fail(pid) => {
                    pipeline.push(*pid, Body::Exec(Exec { filename: "y".into(), errno: 2, ..Exec::default() }))
                }
                Step::Exit(pid) => pipeline.push(*pid, EXIT),
                Step::Open(pid, path, typed) => pipeline.push(*pid, open(path, typed)),
                Step::Change(pid, path) => pipeline.push(*pid, change(path)),
                Step::Privileged(pid, target, detail) => pipeline.push(*pid, privileged(*target, detail)),
                Step::Socket(pid, name) => pipeline.push(*pid, socket(name)),
                Step::Usage(group) => pipeline.push(0, usage(group)),
                Step::Killed(pid) => pipeline.push(*pid, Body::Resource(Resource::of(ResourceOp::OomKill))),
                Step::Flush => {
                    count(&pipeline.finish());
                    false
                }
            });
        }
        count(&pipeline.finish());
        prop_assert_eq!(rows, pushed);
    }
}

#[test]
fn a_batchs_memory_serves_a_later_one() {
    let mut pipeline = Pipeline::all();
    let mut batch = |opens: u32, of: Option<Batch>| {
        of.into_iter().for_each(|batch| pipeline.builder.reuse(batch));
        (0..opens).for_each(|_| assert!(pipeline.push(1, open("/etc/passwd", "/etc/passwd"))));
        pipeline.finish()
    };
    let times = |batch: &Batch| batch.opens.as_ref().map(|opens| opens.time.as_ptr());
    let first = batch(1_000, None);
    let memory = (times(&first), first.strings.blob.as_ptr());
    batch(900, Some(first));
    let third = batch(1_000, None);
    assert_eq!((times(&third), third.strings.blob.as_ptr()), memory);
}

#[test]
fn a_bursts_memory_is_not_kept() {
    let mut pipeline = Pipeline::all();
    (0..20_000).for_each(|_| assert!(pipeline.push(1, open("/etc/passwd", "/etc/passwd"))));
    let burst = pipeline.finish();
    pipeline.builder.reuse(burst);
    let rooms = [(); 2].map(|()| {
        pipeline.push(1, open("/etc/passwd", "/etc/passwd"));
        pipeline.finish().opens.map_or(0, |opens| opens.time.capacity())
    });
    // What was made ready for another burst is handed out first.
    assert!(rooms[1] < 1_000, "{rooms:?}");
}

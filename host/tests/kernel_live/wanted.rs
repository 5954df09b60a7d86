//! Probes that come and go while everything else goes on.
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use vespid::daemon::privileges;
use vespid::kernel::{Kernel, Settings, State};
use vespid_ebpf::Kind;

use crate::actor::actor;
use crate::harness::{Live, live_with};
use crate::storm::{ALL, CONNECTIONS, EVERYTHING, OF_EVERYTHING, TREE, Tally, attached, come_and_go, exec_storm};

const EXECS: [&str; 4] = ["vespid_exec", "vespid_exit", "vespid_fork", "vespid_sys_exit"];
const OPENS: [&str; 6] = [
    "vespid_exec",
    "vespid_exit",
    "vespid_fork",
    "vespid_io_begin",
    "vespid_io_uring",
    "vespid_sys_exit",
];

/// The probes with nothing wanted but what always runs.
fn nothing_wanted() -> Option<Live> {
    live_with(Settings {
        kinds: 0,
        ..Settings::default()
    })
}

#[test]
fn no_exec_is_lost_while_probes_come_and_go() {
    let Some(mut live) = nothing_wanted() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut storm = exec_storm(folder.path());
    let (mut tally, watched) = (Tally::default(), storm.id());
    come_and_go(&mut live.kernel, &mut tally, watched, 50, Kernel::want);

    fs::remove_file(folder.path().join("go")).expect("a file");
    // It may be writing no more than a number.
    storm.wait().expect("its end");
    let said = io::read_to_string(storm.stdout.take().expect("its output")).expect("text");
    let count: u64 = said.trim().parse().expect("a number");
    live.kernel.detach();
    assert_eq!(attached(), [""; 0]);
    tally.take(&mut live.kernel, watched);
    assert_eq!([tally.forks, tally.execs, tally.exits], [count; 3]);
    assert!(count > 200, "{count}");
    tally.check(&live.kernel.counters());
}

/// Connections and opens are told apart by one program: it has to go on for the one when the other is given up.
#[test]
fn no_connection_is_lost_while_opens_come_and_go() {
    const COUNT: u64 = 2_000;
    let Some(mut live) = nothing_wanted() else { return };
    live.kernel.want(Kind::Connection.bit()).expect("a change");
    let mut child = actor("connect-many", COUNT.to_string(), Path::new("/"))
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let (mut tally, watched) = (Tally::default(), child.id());
    let mut rounds = 0;
    while rounds < 50 || child.try_wait().expect("a child").is_none() {
        let opens = if rounds % 2 == 0 { Kind::Open.bit() } else { 0 };
        let changed = live.kernel.want(Kind::Connection.bit() | opens).expect("a change");
        let changed: Vec<_> = changed.iter().map(|probe| probe.name).collect();
        // What calls both stays.
        assert_eq!(changed, ["vespid_open", "vespid_io_uring"], "{rounds}");
        assert_eq!(attached(), if opens == 0 { &CONNECTIONS[..] } else { &ALL }, "{rounds}");
        tally.take(&mut live.kernel, watched);
        rounds += 1;
    }
    assert!(child.wait().expect("its end").success());
    live.kernel.detach();
    tally.take(&mut live.kernel, watched);
    // Opened, accepted, and closed at both ends.
    assert_eq!(tally.connections, 4 * COUNT);
    tally.check(&live.kernel.counters());
}

#[test]
fn failed_execs_are_seen_only_if_execs_are_wanted() {
    let Some(mut live) = nothing_wanted() else { return };
    let failing = || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec /nowhere"]).stderr(Stdio::null());
        command
    };
    let failures = |live: &Live, pid| {
        live.of(pid, "exec")
            .iter()
            .filter(|event| event["exec"]["errno"] != 0)
            .count()
    };
    for (kinds, programs, seen) in [
        (0, &TREE[..], 0),
        (Kind::TREE, &EXECS[..], 1),
        (Kind::Connection.bit(), &CONNECTIONS[..], 0),
        (Kind::Open.bit(), &OPENS[..], 0),
        (Kind::Fork.bit() | Kind::Exit.bit(), &TREE[..], 0),
        (Kind::Exec.bit() | Kind::Connection.bit(), &CONNECTIONS[..], 1),
    ] {
        live.kernel.want(kinds).expect("a change");
        assert_eq!(attached(), programs, "{kinds:b}");
        let running: Vec<&str> = live
            .kernel
            .probes()
            .iter()
            .filter(|probe| probe.state == State::Attached)
            .flat_map(|probe| {
                let beside = probe.beside.iter().map(|beside| (&*beside.name, beside.link));
                std::iter::once((probe.name, probe.link)).chain(beside)
            })
            .filter(|(name, link)| *name != "vespid_opened" && link.is_some())
            .map(|(name, _)| name)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(running, programs, "{kinds:b}");
        let pid = live.run(&mut failing());
        assert_eq!(failures(&live, pid), seen, "{kinds:b}");
    }
}

/// A server's accepted connection is still its own after connections were not followed for a while.
#[test]
fn an_owner_is_remembered_while_nobody_asks() {
    use io::{BufRead, BufReader, Read, Write};

    let Some(mut live) = nothing_wanted() else { return };
    live.kernel.want(Kind::Connection.bit()).expect("a change");
    let mut server = live.start(&mut actor("serve", "127.0.0.1:0", Path::new("/")));
    let lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let mut lines = lines.map_while(Result::ok);
    let address = lines
        .find_map(|line| line.strip_prefix("listening ").map(str::to_owned))
        .expect("its address");
    let rest = std::thread::spawn(move || lines.count());
    let mut near = std::net::TcpStream::connect(address).expect("a connection");
    live.until(|events| events.iter().any(|event| event["connection"]["op"] == "accepted"));

    live.kernel.want(0).expect("a change");
    live.kernel.want(Kind::Connection.bit()).expect("a change");
    near.write_all(&[0; 1000]).expect("a request");
    near.read_to_end(&mut Vec::new()).expect("an answer");
    drop(near);
    let pid = live.finish(server);
    live.until(|events| events.iter().any(|event| event["connection"]["op"] == "closed"));
    rest.join().expect("its output");
    let ops: Vec<_> = live
        .of(pid, "connection")
        .iter()
        .map(|event| event["connection"]["op"].clone())
        .collect();
    assert_eq!(ops, [json!("accepted"), json!("closed")]);
}

#[test]
fn a_probe_that_cannot_be_attached_says_why_and_is_tried_again() {
    if nothing_wanted().is_none() {
        return;
    }
    let status = actor("want-without-descriptors", "", Path::new("/"))
        .stdout(Stdio::inherit())
        .status();
    assert!(status.expect("its end").success());
}

/// In a process of its own, as the limit is the process's.
pub(crate) fn want_without_descriptors() {
    let mut live = nothing_wanted().expect("probes");
    let variants = |live: &Live| -> Vec<_> { live.kernel.probes().iter().map(|probe| probe.variant).collect() };
    let chosen = variants(&live);
    let limit = |descriptors| {
        let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let before = limit.current;
        limit.current = descriptors;
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("a limit");
        before
    };
    let before = limit(Some(0));
    let changed = live.kernel.want(EVERYTHING).expect("a change");
    limit(before);
    assert_eq!(changed.len(), OF_EVERYTHING, "{changed:?}");
    for probe in &changed {
        let why = probe.unavailable().expect("a reason");
        assert!(why.contains("Too many open files"), "{why}");
    }
    assert_eq!(attached(), TREE);

    let changed = live.kernel.want(EVERYTHING).expect("a change");
    assert!(
        changed.iter().all(|probe| probe.state == State::Attached),
        "{changed:?}"
    );
    assert_eq!(
        (changed.len(), attached()),
        (OF_EVERYTHING, ALL.map(str::to_owned).to_vec())
    );
    assert_eq!(variants(&live), chosen, "what passes is no reason to do with less");
}

#[test]
fn nothing_can_be_wanted_after_the_end() {
    let Some(mut live) = nothing_wanted() else { return };
    live.kernel.detach();
    assert!(live.kernel.want(EVERYTHING).is_err());
    assert_eq!(attached(), [""; 0]);
    let states = live.kernel.probes().iter().map(|probe| &probe.state);
    assert!(states.into_iter().all(|state| *state == State::NotNeeded));
}

/// In a thread of its own, with fewer capabilities.
fn with<T: Send>(fewer: fn() -> anyhow::Result<()>, f: impl FnOnce() -> T + Send) -> T {
    let run = || {
        fewer().expect("fewer capabilities");
        f()
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("a thread"))
}

/// The kernel lists its links only for one who has `CAP_SYS_ADMIN`, so that is looked at from outside.
#[test]
fn the_collectors_capabilities_are_enough() {
    let Some(mut live) = nothing_wanted() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut storm = exec_storm(folder.path());
    let (mut tally, watched) = (Tally::default(), storm.id());
    let kernel = &mut live.kernel;
    come_and_go(kernel, &mut tally, watched, 5, |kernel, kinds| {
        with(privileges::keep_for_collector, || {
            let held = caps::read(None, caps::CapSet::Effective).expect("a set");
            assert!(!held.contains(&caps::Capability::CAP_SYS_ADMIN));
            kernel.want(kinds)
        })
    });
    with(privileges::keep_for_collector, || {
        tally.take(kernel, watched);
        assert!(kernel.counters().written() > 0);
    });

    // Since Linux 5.19 who holds the descriptors needs no capabilities.
    match with(privileges::drop_all, || kernel.want(EVERYTHING)) {
        Ok(_) => assert_eq!(attached(), ALL),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert_eq!(attached(), TREE);
        }
    }
    fs::remove_file(folder.path().join("go")).expect("a file");
    storm.wait().expect("its end");
}

//! What privileged calls give away.
use vespid_plugin::PrivilegedOp;
use vespid_plugin::errno::EPERM;

use super::*;

const ATTACH: u32 = 16;
const PEEK: u32 = 2;
const NEW_MOUNT: u32 = 0x2_0000;
const NEW_NET: u32 = 0x4000_0000;

/// What `exe`, below bash, takes hold of sshd for.
fn trace(exe: &str, request: u32, errno: u32) -> Vec<String> {
    judge("{}", |batch, bash| {
        let tracer = batch.process(exe).parent(bash).id();
        let target = batch.process("/usr/sbin/sshd").parent(bash).id();
        batch
            .privileged(tracer, PrivilegedOp::Ptrace)
            .code(request)
            .target(target)
            .fails(errno);
    })
}

#[test]
fn who_takes_hold_of_what_it_did_not_start_is_reported() {
    assert_eq!(
        trace("/opt/inject", ATTACH, 0),
        ["warning ptrace-attach: inject (pid 1001) took hold of sshd (pid 1002) by PTRACE_ATTACH"]
    );
    assert_eq!(
        trace("/opt/inject", ATTACH, EPERM),
        ["warning ptrace-attach: inject (pid 1001) tried to take hold of sshd (pid 1002) by PTRACE_ATTACH"]
    );
    assert_eq!(trace("/opt/inject", PEEK, 0), [""; 0]);
    assert_eq!(trace("/usr/bin/gdb", ATTACH, 0), [""; 0]);
}

#[test]
fn what_it_has_started_itself_it_may_trace_but_not_as_another_user() {
    let of_user = |uid: u32| {
        judge("{}", |batch, bash| {
            let tracer = batch.process("/opt/supervisor").parent(bash).id();
            let shell = batch.process("/bin/sh").parent(tracer).id();
            let target = batch.process("/opt/work").parent(shell).id();
            batch.processes_mut()[tracer as usize].uid = 1000;
            batch.processes_mut()[target as usize].uid = uid;
            batch
                .privileged(tracer, PrivilegedOp::ProcessMemory)
                .code(1)
                .target(target);
        })
    };
    assert_eq!(of_user(1000), [""; 0]);
    assert_eq!(
        of_user(0),
        ["warning ptrace-attach: supervisor (pid 1001) took hold of work (pid 1003) by process_vm_writev"]
    );
}

/// A process makes the streams `onto` a connection, then its child executes `then`.
fn redirect(exe: &str, onto: &[u32], then: &str) -> Vec<String> {
    judge("{}", |batch, bash| {
        let process = batch.process(exe).parent(bash).id();
        for descriptor in onto {
            batch
                .privileged(process, PrivilegedOp::StdioSocket)
                .code(*descriptor)
                .detail("192.0.2.7:4444");
        }
        let child = batch.process(then).parent(process).id();
        batch.exec(child);
    })
}

#[test]
fn a_shell_on_a_connection_is_critical_however_it_comes_about() {
    let says = |name, pid| {
        format!("critical reverse-shell: input and output of {name} (pid {pid}) are a connection to 192.0.2.7:4444")
    };
    assert_eq!(
        redirect("/usr/bin/bash", &[1, 2, 0], "/usr/bin/id"),
        [says("bash", 1001)]
    );
    assert_eq!(redirect("/usr/bin/perl", &[0, 1, 2], "/bin/sh"), [says("sh", 1002)]);
    assert_eq!(redirect("/usr/bin/perl", &[0, 1, 2], "/usr/bin/id"), [""; 0]);
    assert_eq!(redirect("/usr/sbin/xinetd", &[0, 1, 2], "/bin/sh"), [""; 0]);
}

#[test]
fn a_shell_that_asks_whether_a_port_is_open_is_left_alone() {
    assert_eq!(redirect("/usr/bin/bash", &[1, 2], "/usr/bin/id"), [""; 0]);
    assert_eq!(redirect("/usr/bin/bash", &[0], "/usr/bin/cat"), [""; 0]);
}

#[test]
fn who_leaves_its_namespaces_in_a_container_is_reported() {
    let leave = |exe: &str, is_inside: bool, flags: u32| {
        judge("{}", |batch, bash| {
            let container = batch.container("aaaaaaaaaaaaaaaa", "a");
            let mut process = batch.process(exe).parent(bash);
            if is_inside {
                process = process.container(container);
            }
            let process = process.id();
            batch.privileged(process, PrivilegedOp::EnterNamespace).code(flags);
        })
    };
    assert_eq!(
        leave("/usr/bin/nsenter", true, NEW_MOUNT | NEW_NET),
        ["warning namespace-escape: in a container, nsenter (pid 1001) entered other namespaces: mount"]
    );
    assert_eq!(leave("/usr/bin/nsenter", true, NEW_NET), [""; 0]);
    assert_eq!(leave("/usr/bin/nsenter", false, NEW_MOUNT), [""; 0]);
    assert_eq!(leave("/usr/sbin/runc", true, NEW_MOUNT), [""; 0]);
}

#[test]
fn who_makes_itself_new_namespaces_in_a_container_is_reported() {
    let unshare = |flags: u32, errno: u32| {
        judge("{}", |batch, bash| {
            let container = batch.container("aaaaaaaaaaaaaaaa", "a");
            let process = batch.process("/opt/run").parent(bash).container(container).id();
            batch
                .privileged(process, PrivilegedOp::Unshare)
                .code(flags)
                .fails(errno);
        })
    };
    assert_eq!(
        unshare(NEW_MOUNT, 0),
        ["warning namespace-escape: in a container, run (pid 1001) made itself other namespaces: mount"]
    );
    assert_eq!(
        unshare(NEW_MOUNT, EPERM),
        ["warning namespace-escape: in a container, run (pid 1001) tried to make itself other namespaces: mount"]
    );
    assert_eq!(unshare(NEW_NET, 0), [""; 0]);
}

/// Streams of a shell become connections: at which second, which stream, to where.
fn redirect_in_turn(streams: &[(u64, u32, &str)]) -> usize {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let bash = batch.process("/usr/bin/bash").id();
    let mut verdicts = 0;
    for (second, stream, remote) in streams {
        plugin.tick(second * SECOND);
        batch.next_batch().at(second * SECOND);
        batch
            .privileged(bash, PrivilegedOp::StdioSocket)
            .code(*stream)
            .detail(remote);
        verdicts += plugin.batch(&batch).verdicts.len();
    }
    verdicts
}

#[test]
fn both_streams_are_on_one_connection_within_a_minute() {
    const HERE: &str = "192.0.2.7:4444";
    const THERE: &str = "192.0.2.8:4444";
    assert_eq!(redirect_in_turn(&[(0, 0, HERE), (59, 1, HERE)]), 1);
    assert_eq!(
        redirect_in_turn(&[(0, 0, HERE), (60, 1, HERE)]),
        0,
        "it has been forgotten"
    );
    assert_eq!(
        redirect_in_turn(&[(0, 0, HERE), (1, 1, THERE)]),
        0,
        "of two connections"
    );
    assert_eq!(redirect_in_turn(&[(0, 0, HERE), (1, 0, HERE)]), 0, "input alone");
    assert_eq!(
        redirect_in_turn(&[(0, 0, ""), (1, 1, "")]),
        0,
        "not a connection to anywhere"
    );
}

#[test]
fn memory_of_another_may_be_read_by_the_way_but_not_written() {
    for (code, count) in [(0, 0), (1, 1)] {
        let lines = judge("{}", |batch, bash| {
            let thief = batch.process("/opt/thief").parent(bash).id();
            let target = batch.process("/usr/bin/keyring").parent(bash).id();
            batch
                .privileged(thief, PrivilegedOp::ProcessMemory)
                .code(code)
                .target(target);
        });
        assert_eq!(lines.len(), count, "{lines:?}");
    }
}

//! Privileged calls, really made.
pub(crate) mod acts;
mod tools;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vespid::kernel::{Kernel, Settings, State};
use vespid_ebpf::{Kind, PrivilegedOp};

use crate::actor::actor;
use crate::harness::{Live, live, live_with, number};

/// A privileged call, without what may differ from one run to the next.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    /// The body of the event, without result and target.
    what: Value,
    pub(crate) result: i64,
    /// Process id and start.
    pub(crate) target: (u64, u64),
}

impl Call {
    fn of(event: &Value) -> Call {
        let mut what = event["privileged"].clone();
        let fields = what.as_object_mut().expect("an object");
        let mut take = |name: &str| fields.remove(name).unwrap_or_else(|| 0.into());
        Call {
            result: take("result").as_i64().expect("a number"),
            target: (number(&take("target_pid")), number(&take("target_start"))),
            what,
        }
    }
}

/// Calls of a process, in order.
pub(crate) fn calls(live: &Live, pid: u32) -> Vec<Call> {
    live.of(pid, "privileged").into_iter().map(Call::of).collect()
}

fn of_op(calls: Vec<Call>, op: PrivilegedOp) -> Vec<Call> {
    let name = json!(op.name());
    calls.into_iter().filter(|call| call.what["op"] == name).collect()
}

/// Has an act done; checks that all its calls were seen, and what came of them. Returns the process and its calls.
fn perform(live: &mut Live, act: &str, folder: &Path) -> (u32, Vec<Call>) {
    let pid = live.run(&mut actor("privileged", act, folder));
    let calls = calls(live, pid);
    let seen: Vec<i64> = calls.iter().map(|call| call.result).collect();
    assert_eq!(seen, results(folder), "{calls:#?}");
    (pid, calls)
}

/// What the calls of an act returned.
fn results(folder: &Path) -> Vec<i64> {
    let text = fs::read_to_string(folder.join("results")).expect("results");
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

fn check(act: &str, expected: Value) {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_, calls) = perform(&mut live, act, folder.path());
    let seen: Vec<Value> = calls.into_iter().map(|call| call.what).collect();
    assert_eq!(Value::from(seen), expected);
}

/// Start of a process, as its creation was reported.
fn start_of(live: &Live, pid: u64) -> u64 {
    let mut forks = live.events.iter().map(|event| &event["fork"]);
    let fork = forks.rfind(|fork| fork["child_pid"] == pid);
    number(&fork.unwrap_or_else(|| panic!("nobody created {pid}"))["child_start"])
}

#[test]
fn a_tracee_is_known_whatever_is_done_to_it() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (pid, calls) = perform(&mut live, "trace", folder.path());
    let seen: Vec<_> = calls.iter().map(|call| call.what.clone()).collect();
    let row = |code: u32| json!({ "op": "ptrace", "code": code });
    let at = |code: u32| json!({ "op": "ptrace", "code": code, "argument": 16 });
    assert_eq!(
        seen,
        [row(16), at(3), at(5), row(17), row(0x4206), row(16), row(16)],
        "attach, peek, poke, detach, seize, attach"
    );
    let tracee = calls[0].target;
    assert_ne!(tracee.0, u64::from(pid));
    assert_eq!(tracee.1, start_of(&live, tracee.0));
    assert!(calls[..5].iter().all(|call| call.target == tracee), "{calls:#?}");
    // Of a process that is not there; of oneself, which is not permitted.
    let [.., nobody, oneself] = calls.as_slice() else {
        unreachable!()
    };
    assert_eq!((nobody.result, nobody.target), (-i64::from(libc::ESRCH), (0, 0)));
    assert_eq!(
        (oneself.result, oneself.target.0),
        (-i64::from(libc::EPERM), pid.into())
    );
}

#[test]
fn who_asks_to_be_traced_is_traced_by_its_parent() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("privileged", "trace-me", folder.path()));
    let child = number(&live.of(pid, "fork").last().expect("a child")["fork"]["child_pid"]);
    let calls = calls(&live, u32::try_from(child).expect("a pid"));
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!((&call.what, call.result), (&json!({ "op": "ptrace" }), 0));
    assert_eq!(call.target.0, u64::from(pid));
}

#[test]
fn a_tracee_is_found_by_the_id_that_it_has_in_its_namespace() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("privileged", "trace-in-pid-namespace", folder.path()));
    let child = |pid: u64| {
        let forks = live.events.iter().filter(|event| event["pid"] == pid);
        let mut children = forks.filter_map(|event| event["fork"]["child_pid"].as_u64());
        children.next_back().expect("a child")
    };
    let first = child(pid.into());
    let second = child(first);
    let calls = calls(&live, u32::try_from(first).expect("a pid"));
    assert_eq!(calls.len(), 2, "{calls:#?}");
    assert_eq!(
        (calls[0].result, calls[0].target),
        (0, (second, start_of(&live, second)))
    );
    assert_eq!((calls[1].result, calls[1].target), (-i64::from(libc::ESRCH), (0, 0)));
}

#[test]
fn memory_of_processes() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (pid, calls) = perform(&mut live, "memory", folder.path());
    assert_eq!(calls[0].what, json!({ "op": "process_memory" }));
    assert_eq!((calls[0].result, calls[0].target.0), (8, pid.into()));
    assert_eq!(calls[1].what, json!({ "op": "process_memory", "code": 1 }));
    assert_eq!((calls[1].result, calls[1].target.0), (-i64::from(libc::ESRCH), 0));
}

#[test]
fn modules() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_, calls) = perform(&mut live, "modules", folder.path());
    let path = fs::canonicalize(folder.path().join("module.ko")).expect("a file");
    let seen: Vec<Value> = calls.iter().map(|call| call.what.clone()).collect();
    assert_eq!(
        seen,
        [
            json!({ "op": "load_module", "code": 1, "detail": path.to_str().expect("text") }),
            json!({ "op": "load_module", "code": 1 }),
            json!({ "op": "load_module" }),
            json!({ "op": "unload_module", "detail": "no_such_module" }),
        ]
    );
    assert!(calls.iter().all(|call| call.result < 0), "{calls:#?}");
}

#[test]
fn calls_that_reach_into_the_kernel() {
    let passwd = fs::canonicalize("/etc/passwd").expect("a file");
    check(
        "kernel",
        json!([
            { "op": "bpf" },
            { "op": "bpf", "code": 1234 },
            { "op": "perf_event", "code": 1 },
            { "op": "perf_event", "code": 1 },
            { "op": "perf_event", "code": 77 },
            { "op": "user_faults", "code": 1 },
            { "op": "user_faults", "code": 0x1000 },
            { "op": "io_uring", "code": 4 },
            { "op": "io_uring" },
            { "op": "kexec" },
            { "op": "kexec", "code": 1, "detail": passwd },
        ]),
    );
}

#[test]
fn a_file_opened_by_its_handle_has_its_path() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_, calls) = perform(&mut live, "handles", folder.path());
    let path = fs::canonicalize(folder.path().join("secret")).expect("a file");
    assert_eq!(calls[0].what, json!({ "op": "open_by_handle", "detail": path }));
    assert!(calls[0].result > 2);
    assert_eq!(calls[1].what, json!({ "op": "open_by_handle", "code": libc::O_RDWR }));
}

#[test]
fn namespaces_left_and_entered() {
    let uts = libc::CLONE_NEWUTS;
    check(
        "namespaces",
        json!([
            { "op": "unshare", "code": uts },
            { "op": "unshare", "code": libc::CLONE_NEWUSER },
            { "op": "enter_namespace", "code": uts },
            { "op": "enter_namespace", "code": uts },
            { "op": "enter_namespace", "code": libc::CLONE_NEWNET },
            { "op": "enter_namespace" },
        ]),
    );
}

#[test]
fn children_in_new_namespaces() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_, calls) = perform(&mut live, "clones", folder.path());
    let flags = libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let [first, failed, second] = calls.as_slice() else {
        panic!("{calls:#?}")
    };
    assert_eq!(first.what, json!({ "op": "clone", "code": flags }));
    assert_eq!(failed.what, json!({ "op": "clone", "code": libc::CLONE_NEWUSER }));
    assert_eq!((failed.result, failed.target), (-i64::from(libc::EINVAL), (0, 0)));
    assert_eq!(second.what, json!({ "op": "clone", "code": libc::CLONE_NEWNET }));
    for call in [first, second] {
        assert_eq!(Ok(call.target.0), u64::try_from(call.result));
        assert_eq!(call.target.1, start_of(&live, call.target.0));
    }
}

#[test]
fn ids_as_they_were_asked_for() {
    let row = |code: u32, argument: u64| {
        let mut row = json!({ "op": "set_ids", "argument": argument });
        if code != 0 {
            row["code"] = code.into();
        }
        row
    };
    let mut unchanged = row(2, 0);
    unchanged.as_object_mut().expect("an object").remove("argument");
    check(
        "ids",
        json!([
            row(5, 12),
            row(3, 13),
            row(6, 1),
            row(8, 12),
            row(1, 12),
            unchanged,
            row(4, 65_534),
            row(7, 65_534),
            row(4, 65_534),
            row(0, 1),
        ]),
    );
}

#[test]
fn capabilities_are_those_afterwards() {
    let kept = 1 << 12;
    check(
        "capabilities",
        json!([
            { "op": "set_capabilities", "argument": kept },
            { "op": "set_capabilities", "argument": kept },
        ]),
    );
}

#[test]
fn names_as_typed() {
    check(
        "names",
        json!([
            { "op": "memfd", "code": libc::MFD_CLOEXEC, "detail": "payload" },
            { "op": "memfd", "code": 0x4000, "detail": "payload" },
            { "op": "root", "detail": "root" },
            { "op": "root", "detail": "missing" },
            { "op": "root", "detail": "root" },
        ]),
    );
}

#[test]
fn keys() {
    check(
        "keys",
        json!([{ "op": "keys" }, { "op": "keys", "code": 1 }, { "op": "keys", "code": 2 | 3 << 16 }]),
    );
}

#[test]
fn sockets_that_see_packets() {
    let code = |family: i32| family | libc::SOCK_RAW << 16;
    check(
        "raw-sockets",
        json!([
            { "op": "raw_socket", "code": code(libc::AF_PACKET), "argument": 0x300 },
            { "op": "raw_socket", "code": code(libc::AF_INET), "argument": libc::IPPROTO_ICMP },
            { "op": "raw_socket", "code": code(libc::AF_INET6), "argument": libc::IPPROTO_ICMPV6 },
            { "op": "raw_socket", "code": code(libc::AF_INET), "argument": 9999 },
        ]),
    );
}

#[test]
fn a_socket_that_becomes_standard_input_has_its_remote_end() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_, calls) = perform(&mut live, "stdio", folder.path());
    let remote = |file: &str| fs::read_to_string(folder.path().join(file)).expect("an address");
    let became: Vec<(Value, Value)> = calls
        .iter()
        .map(|call| {
            assert_eq!(call.what["op"], "stdio_socket");
            assert!(number(&call.what["argument"]) > 2);
            (call.what["code"].clone(), call.what["detail"].clone())
        })
        .collect();
    let mut expected = Vec::new();
    for file in ["127.0.0.1", "v6"] {
        expected.extend([Value::Null, json!(1), json!(2), Value::Null].map(|code| (code, json!(remote(file)))));
    }
    expected.push((Value::Null, Value::Null));
    assert_eq!(became, expected);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_the_32_bit_table() {
    check(
        "int80",
        json!([
            { "op": "raw_socket", "code": libc::AF_PACKET | libc::SOCK_RAW << 16 },
            { "op": "unshare", "code": libc::CLONE_NEWUTS },
            { "op": "set_ids" },
        ]),
    );
}

#[test]
fn what_is_not_privileged_is_not_seen() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("privileged", "nothing", folder.path()));
    assert_eq!(calls(&live, pid), []);
}

#[test]
fn nothing_is_seen_unless_it_is_wanted() {
    let others = Kind::ALL.map(Kind::bit).iter().sum::<u32>() & !Kind::Privileged.bit();
    let settings = Settings {
        kinds: others,
        ..Settings::default()
    };
    let Some(mut live) = live_with(settings) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let is_attached = |kernel: &Kernel| {
        let mut probes = kernel.probes().iter();
        probes.any(|probe| probe.name == "vespid_privileged" && probe.state == State::Attached)
    };
    assert!(!is_attached(&live.kernel));
    let pid = live.run(&mut actor("privileged", "names", folder.path()));
    assert_eq!(calls(&live, pid), []);

    live.kernel.want(Kind::Privileged.bit()).expect("a change");
    assert!(is_attached(&live.kernel), "{:#?}", live.kernel.probes());
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("privileged", "names", folder.path()));
    assert_eq!(calls(&live, pid).len(), 5);

    live.kernel.want(others).expect("a change");
    assert!(!is_attached(&live.kernel));
}

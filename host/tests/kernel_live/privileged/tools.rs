//! What well-known tools do.
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vespid_ebpf::PrivilegedOp;

use super::{Call, calls, of_op};
use crate::harness::{Live, live};

/// Runs a tool to its end, and says which of its calls, and of its children, are of this kind. `None`, out loud,
/// without the tool.
fn run(live: &mut Live, command: &mut Command, op: PrivilegedOp) -> Option<Vec<Call>> {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    let Ok(mut child) = quiet.spawn() else {
        eprintln!("SKIPPED: {:?} is not installed", command.get_program());
        return None;
    };
    live.watch(child.id());
    child.wait().expect("its end");
    let pid = child.id();
    live.until(|events| {
        events
            .iter()
            .any(|event| event["pid"] == pid && event["exit"].is_object())
    });
    Some(of_op(calls(live, pid), op))
}

fn codes(calls: &[Call]) -> Vec<&Value> {
    calls.iter().map(|call| &call.what["code"]).collect()
}

fn sleeper(live: &mut Live) -> std::process::Child {
    live.start(Command::new("/bin/sleep").arg("30"))
}

fn ends(mut child: std::process::Child) {
    child.kill().expect("a child");
    child.wait().expect("its end");
}

#[test]
fn unshare_and_nsenter() {
    let Some(mut live) = live() else { return };
    let mut unshare = Command::new("unshare");
    let unshare = run(
        &mut live,
        unshare.args(["--uts", "--ipc", "/bin/true"]),
        PrivilegedOp::Unshare,
    );
    if let Some(calls) = unshare {
        assert_eq!(codes(&calls), [&json!(libc::CLONE_NEWUTS | libc::CLONE_NEWIPC)]);
        assert_eq!(calls[0].result, 0);
    }
    let target = sleeper(&mut live);
    let mut nsenter = Command::new("nsenter");
    let nsenter = nsenter.args(["--uts", "--target", &target.id().to_string(), "/bin/true"]);
    if let Some(calls) = run(&mut live, nsenter, PrivilegedOp::EnterNamespace) {
        assert!(codes(&calls).contains(&&json!(libc::CLONE_NEWUTS)), "{calls:#?}");
    }
    ends(target);
}

#[test]
fn debuggers_attach_to_the_process_they_name() {
    const ATTACH: u32 = 16;
    const SEIZE: u32 = 0x4206;

    let Some(mut live) = live() else { return };
    let target = sleeper(&mut live);
    let pid = target.id().to_string();
    let mut gdb = Command::new("gdb");
    let gdb = gdb.args(["-nx", "-batch", "-p", &pid, "-ex", "detach"]);
    let mut strace = Command::new("timeout");
    let strace = strace.args(["--foreground", "-s", "INT", "1", "strace", "-f", "-p", &pid]);
    let has_strace = Command::new("strace").arg("-V").output().is_ok();
    for (tool, request) in [(gdb, ATTACH), (strace, SEIZE)] {
        if request == SEIZE && !has_strace {
            eprintln!("SKIPPED: strace is not installed");
        } else if run(&mut live, tool, PrivilegedOp::Ptrace).is_some() {
            assert_attached(&live, target.id(), request);
        }
    }
    ends(target);
}

fn assert_attached(live: &Live, target: u32, request: u32) {
    let attaching: Vec<Call> = live
        .events
        .iter()
        .filter(|event| event["privileged"]["op"] == "ptrace" && event["privileged"]["code"] == request)
        .map(Call::of)
        .collect();
    let ours: Vec<_> = attaching
        .iter()
        .filter(|call| call.target.0 == u64::from(target))
        .collect();
    assert!(ours.iter().any(|call| call.result == 0), "{attaching:#?}");
}

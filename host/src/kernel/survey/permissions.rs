//! What this process may do.
use std::fs;

use caps::{CapSet, Capability};

use super::{Check, Topic};
use crate::enrich::namespaces::INITIAL_PID;
use crate::kernel::load::missing_capabilities;

pub(super) fn all() -> Vec<Check> {
    let mut checks = vec![bpf(), proc(), pid_namespace()];
    checks.extend(seccomp());
    checks
}

fn bpf() -> Check {
    let missing = missing_capabilities();
    if missing.is_empty() {
        return Check::good(Topic::Permissions, "capabilities", "may load BPF programs");
    }
    let remedy = "run as root, or grant them: setcap cap_bpf,cap_perfmon+ep, or AmbientCapabilities= in the unit";
    Check::bad(
        Topic::Permissions,
        "capabilities",
        format!("missing {}", missing.join(" and ")),
        "everything",
        remedy,
    )
}

/// What reading /proc of other users' processes takes.
fn proc() -> Check {
    const NAME: &str = "capabilities for /proc";
    let needed = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH];
    let is_missing = |capability: &Capability| !caps::has_cap(None, CapSet::Effective, *capability).unwrap_or(false);
    let missing: Vec<String> = needed
        .into_iter()
        .filter(is_missing)
        .map(|capability| capability.to_string())
        .collect();
    if missing.is_empty() {
        return Check::good(Topic::Permissions, NAME, "may read those of every process");
    }
    Check::bad(
        Topic::Permissions,
        NAME,
        format!("missing {}", missing.join(" and ")),
        "executable, directory and namespaces of other users' processes from before the start",
        "grant them: setcap cap_sys_ptrace,cap_dac_read_search+ep, or AmbientCapabilities= in the unit",
    )
}

fn pid_namespace() -> Check {
    const NAME: &str = "pid namespace";
    let found = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if found.as_os_str() == &*format!("pid:[{INITIAL_PID}]") {
        return Check::good(Topic::Permissions, NAME, "the node's own");
    }
    Check::bad(
        Topic::Permissions,
        NAME,
        format!("{} is not the node's own", found.display()),
        "leaving out Vespid's own activity; processes known from before the start",
        "give the container the host's: `--pid=host`, or `hostPID: true`",
    )
}

/// A container's filter of system calls is often why BPF is refused in spite of all capabilities.
fn seccomp() -> Option<Check> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?;
    Some(match mode.trim() {
        "2" => Check::note(
            Topic::Permissions,
            "seccomp",
            "a filter is in force; it may refuse `bpf` and `perf_event_open`",
            "if probes are refused: seccompProfile `Unconfined`, or `--security-opt seccomp=unconfined`",
        ),
        _ => Check::good(Topic::Permissions, "seccomp", "no filter"),
    })
}

//! Who did it: the head of every record.
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns};
use vespid_ebpf::{ABI_VERSION, Header, Kind};

use super::globals::{has, offset, self_tgid};
use super::read::{Task, direct};

/// Whether a task is the daemon's.
#[inline(always)]
pub(super) fn is_of_daemon(task: Task) -> bool {
    task.field::<u32>(offset!(task_tgid)) == self_tgid()
}

/// Whether the current task is.
#[inline(always)]
pub(super) fn is_own() -> bool {
    (bpf_get_current_pid_tgid() >> 32) as u32 == self_tgid()
}

/// Nanoseconds of `CLOCK_BOOTTIME`.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The CPU this runs on.
#[inline(always)]
pub(super) fn cpu() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// Start of a task's process.
#[inline(always)]
pub(super) fn start_ns(task: Task) -> u64 {
    let leader: *const u8 = task.follow(offset!(task_group_leader));
    // SAFETY: the verifier knows the type of `task_struct.group_leader`.
    unsafe { direct(leader, offset!(task_start)) }
}

/// Id of a task's cgroup in the v2 hierarchy, 0 without one.
#[inline(always)]
pub(super) fn cgroup_id(task: Task) -> u64 {
    if !(has!(task_cgroups) && has!(css_dfl_cgrp) && has!(cgroup_kn) && has!(kn_id)) {
        return 0;
    }
    // SAFETY: the verifier knows the type of each pointer on the way.
    unsafe {
        let css_set: *const u8 = task.follow(offset!(task_cgroups));
        let cgroup: *const u8 = direct(css_set, offset!(css_dfl_cgrp));
        let node: *const u8 = direct(cgroup, offset!(cgroup_kn));
        direct(node, offset!(kn_id))
    }
}

/// The same of the current task.
#[inline(always)]
pub(super) fn own_cgroup_id() -> u64 {
    cgroup_id(Task::current())
}

/// A header for an event of `task`, which is the current one or its process's first, that happened now.
#[inline(always)]
pub(super) fn header(kind: Kind, len: u32, task: Task) -> Header {
    let cred: *const u8 = task.follow(offset!(task_real_cred));
    Header {
        len,
        kind: kind as u8,
        abi: ABI_VERSION,
        cpu: cpu() as u16,
        time_ns: now(),
        start_ns: start_ns(task),
        cgroup: own_cgroup_id(),
        pid: task.field(offset!(task_tgid)),
        tid: task.field(offset!(task_pid)),
        // SAFETY: the verifier knows the type of `task_struct.real_cred`.
        uid: unsafe { direct(cred, offset!(cred_uid)) },
        // SAFETY: as above.
        gid: unsafe { direct(cred, offset!(cred_gid)) },
    }
}

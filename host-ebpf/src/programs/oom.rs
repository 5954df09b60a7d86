//! `mark_victim(task, uid)`, before 6.9 `mark_victim(pid)`: the kernel has chosen whom to kill for want of memory. It
//! runs in whichever task wanted memory.
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ABI_VERSION, Header, Kind, Outcome, ResourceOp, ResourceRaw};

use super::counters::count;
use super::globals::{has, offset, wanted};
use super::header::{cpu, now};
use super::output::send_fixed;
use super::pids;
use super::read::{Task, kernel_u32, kernel_u64};
use super::sieve;
use super::who::Who;

/// On the only architecture that the programs are built for.
const PAGE: u64 = 4096;
/// Places of the counters in `mm_struct.rss_stat` (include/linux/mm_types_task.h): of files, anonymous, shared. The one
/// between counts what is swapped out.
const RESIDENT: [u64; 3] = [0, 1, 3];

#[btf_tracepoint(function = "mark_victim")]
fn vespid_oom(ctx: BtfTracePointContext) -> i32 {
    if !wanted(Kind::Resource) {
        return 0;
    }
    let victim = if offset!(oom_says_task) == 1 {
        ctx.arg::<*const u8>(0) as u64
    } else {
        pids::find_in_initial(Task::current(), ctx.arg::<u32>(0))
    };
    if victim == 0 {
        count(Kind::Resource, Outcome::Unreadable);
        return 0;
    }
    let leader = kernel_u64(victim, offset!(task_group_leader));
    let cred = kernel_u64(victim, offset!(task_real_cred));
    let who = || Who {
        uid: kernel_u32(cred, offset!(cred_uid)),
        pid: kernel_u32(victim, offset!(task_tgid)),
        start_ns: kernel_u64(leader, offset!(task_start)),
    };
    if !sieve::judge_anywhere(Kind::Resource, false, ResourceOp::OomKill as u32, who).passes() {
        count(Kind::Resource, Outcome::Filtered);
        return 0;
    }
    send_fixed(Kind::Resource, cgroup(victim), |raw: *mut ResourceRaw| {
        // SAFETY: room in the ring, all of which is written here.
        unsafe {
            (&raw mut (*raw).header).write(Header {
                len: size_of::<ResourceRaw>() as u32,
                kind: Kind::Resource as u8,
                abi: ABI_VERSION,
                cpu: cpu() as u16,
                time_ns: now(),
                start_ns: kernel_u64(leader, offset!(task_start)),
                cgroup: cgroup(victim),
                pid: kernel_u32(victim, offset!(task_tgid)),
                tid: kernel_u32(victim, offset!(task_pid)),
                uid: kernel_u32(cred, offset!(cred_uid)),
                gid: kernel_u32(cred, offset!(cred_gid)),
            });
            (*raw).memory = memory(victim);
        }
    });
    0
}

/// Id of a task's cgroup in the v2 hierarchy. The task may be one that the verifier does not trust.
#[inline(always)]
fn cgroup(task: u64) -> u64 {
    let css_set = kernel_u64(task, offset!(task_cgroups));
    let node = kernel_u64(kernel_u64(css_set, offset!(css_dfl_cgrp)), offset!(cgroup_kn));
    kernel_u64(node, offset!(kn_id))
}

/// Resident memory of a task, in bytes: exact to some pages a CPU.
#[inline(always)]
fn memory(task: u64) -> u64 {
    if !(has!(rss_first) && has!(rss_stride)) {
        return 0;
    }
    let mm = kernel_u64(task, offset!(task_mm));
    let mut pages = 0;
    for place in RESIDENT {
        let counter = mm + place * u64::from(offset!(rss_stride));
        // What a CPU has not handed over yet may make a counter negative.
        pages += (kernel_u64(counter, offset!(rss_first)) as i64).max(0) as u64;
    }
    if mm == 0 { 0 } else { pages * PAGE }
}

//! `sched_process_exit(task, group_dead)`: runs in the task that ends.
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ExitRaw, Kind};

use super::globals::offset;
use super::header::{header, is_own, own_cgroup_id};
use super::output::send_fixed;
use super::read::{Task, direct};

/// `SIGNAL_GROUP_EXIT` in include/linux/sched/signal.h.
const GROUP_EXIT: u32 = 4;

#[btf_tracepoint(function = "sched_process_exit")]
fn vespid_exit(ctx: BtfTracePointContext) -> i32 {
    if is_own() {
        return 0;
    }
    let task = Task(ctx.arg(0));
    let signal: *const u8 = task.follow(offset!(task_signal));
    // Before 6.16 two last threads that end at once may both find nobody alive: then the process ends twice.
    let group_dead = if offset!(exit_says_group_dead) == 1 {
        ctx.arg::<u8>(1) != 0
    } else {
        // SAFETY: the verifier knows the type of `task_struct.signal`.
        unsafe { direct::<u32>(signal, offset!(signal_live)) == 0 }
    };
    if !group_dead {
        return 0;
    }
    // SAFETY: the verifier knows the types of both pointers.
    let status: u32 = unsafe {
        if direct::<u32>(signal, offset!(signal_flags)) & GROUP_EXIT != 0 {
            direct(signal, offset!(signal_group_exit_code))
        } else {
            let leader: *const u8 = task.follow(offset!(task_group_leader));
            direct(leader, offset!(task_exit_code))
        }
    };
    send_fixed(Kind::Exit, own_cgroup_id(), |raw: *mut ExitRaw| {
        let header = header(Kind::Exit, size_of::<ExitRaw>() as u32, task);
        // SAFETY: room in the ring.
        unsafe {
            raw.write(ExitRaw {
                header,
                status,
                reserved: 0,
            })
        };
    });
    0
}

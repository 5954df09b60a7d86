//! `sched_process_fork(parent, child)`: runs in the parent, once the child is complete.
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ForkRaw, Kind};

use super::globals::offset;
use super::header::{cgroup_id, header, is_own, own_cgroup_id, start_ns};
use super::images;
use super::output::send_fixed;
use super::read::Task;
use super::sieve;

#[btf_tracepoint(function = "sched_process_fork")]
fn vespid_fork(ctx: BtfTracePointContext) -> i32 {
    if is_own() {
        return 0;
    }
    let (parent, child) = (Task(ctx.arg(0)), Task(ctx.arg(1)));
    let child_pid: u32 = child.field(offset!(task_tgid));
    if child_pid != child.field::<u32>(offset!(task_pid)) {
        return 0;
    }
    let epoch = sieve::epoch();
    // Who is put elsewhere is not known until it has an image of its own.
    if epoch != 0 && cgroup_id(child) == cgroup_id(parent) {
        images::inherit(epoch, parent.field(offset!(task_tgid)), child_pid, start_ns(child));
    }
    send_fixed(Kind::Fork, own_cgroup_id(), |raw: *mut ForkRaw| {
        let header = header(Kind::Fork, size_of::<ForkRaw>() as u32, parent);
        let (child_start_ns, child_cgroup) = (start_ns(child), cgroup_id(child));
        // SAFETY: room in the ring.
        unsafe {
            raw.write(ForkRaw {
                header,
                child_start_ns,
                child_cgroup,
                child_pid,
                reserved: 0,
            })
        };
    });
    0
}

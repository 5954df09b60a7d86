//! Performance events, each on every CPU: whoever runs when a counter overflows is charged with a sample.
//!
//! The programs run wherever the counters count: in interrupts, non-maskable ones too, and while the scheduler holds its
//! locks. So the table is allocated beforehand, and everything here is short.
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::{map, perf_event};
use aya_ebpf::maps::{Array, HashMap};
use aya_ebpf::programs::PerfEventContext;
use vespid_ebpf::usage::{COUNTERS, Counter, GroupKey, MAX_GROUPS, Samples};
use vespid_ebpf::{Kind, Outcome};

use super::atomic::add;
use super::counters::count;
use super::globals::{has, offset};
use super::read::{Task, direct, kernel_u64};

const BPF_NOEXIST: u64 = 1;

#[map]
static USAGE: HashMap<GroupKey, Samples> = HashMap::with_max_entries(MAX_GROUPS, 0);

/// Which interval is being filled.
#[map]
static INTERVAL: Array<u32> = Array::with_max_entries(1, 0);

#[perf_event]
fn vespid_cpu(_: PerfEventContext) -> u32 {
    charge(Counter::Cpu)
}

#[perf_event]
fn vespid_minor(_: PerfEventContext) -> u32 {
    charge(Counter::MinorFaults)
}

#[perf_event]
fn vespid_major(_: PerfEventContext) -> u32 {
    charge(Counter::MajorFaults)
}

/// Runs in the task that is about to lose its processor. One that waits for something says so in its state.
#[perf_event]
fn vespid_switch(_: PerfEventContext) -> u32 {
    let state: u32 = Task::current().field(offset!(task_state));
    charge(if state == 0 {
        Counter::InvoluntarySwitches
    } else {
        Counter::VoluntarySwitches
    })
}

#[perf_event]
fn vespid_cycles(_: PerfEventContext) -> u32 {
    charge(Counter::Cycles)
}

#[perf_event]
fn vespid_instr(_: PerfEventContext) -> u32 {
    charge(Counter::Instructions)
}

#[perf_event]
fn vespid_misses(_: PerfEventContext) -> u32 {
    charge(Counter::CacheMisses)
}

/// Charges the current task's control group with a sample. Always 0: the event itself is not kept.
#[inline(always)]
fn charge(counter: Counter) -> u32 {
    // An idle processor is nobody's.
    if bpf_get_current_pid_tgid() == 0 {
        return 0;
    }
    let key = group(Task::current());
    let cell = USAGE.get_ptr_mut(key).or_else(|| {
        // Another CPU may be quicker.
        let _there_already = USAGE.insert(key, [0; COUNTERS], BPF_NOEXIST);
        USAGE.get_ptr_mut(key)
    });
    match cell {
        // SAFETY: a live map value, aligned to its type; a counter is an index.
        Some(cell) => unsafe { add(cell.cast::<u64>().add(counter.index()), 1) },
        None => count(Kind::Resource, Outcome::TableFull),
    }
    0
}

/// The cell of a task's control group. As for the paths of control groups, the v1 hierarchy counts where the task is at
/// the root of the v2 one.
#[inline(always)]
fn group(task: Task) -> GroupKey {
    // SAFETY: the verifier knows the type of each pointer on the way.
    let (css_set, node): (*const u8, *const u8) = unsafe {
        let css_set: *const u8 = task.follow(offset!(task_cgroups));
        let cgroup: *const u8 = direct(css_set, offset!(css_dfl_cgrp));
        (css_set, direct(cgroup, offset!(cgroup_kn)))
    };
    let generation = INTERVAL.get_ptr(0).map_or(0, |generation| {
        // SAFETY: a live map value, which is written as a whole.
        unsafe { generation.read_volatile() }
    });
    // SAFETY: as above.
    let (cgroup, parent): (u64, u64) = unsafe { (direct(node, offset!(kn_id)), direct(node, offset!(kn_parent))) };
    if parent == 0 && has!(css_v1) && has!(css_cgroup) {
        let state = kernel_u64(css_set as u64, offset!(css_v1));
        let node = kernel_u64(kernel_u64(state, offset!(css_cgroup)), offset!(cgroup_kn));
        return GroupKey {
            cgroup: kernel_u64(node, offset!(kn_id)),
            hierarchy: 1,
            generation,
        };
    }
    GroupKey {
        cgroup,
        hierarchy: 0,
        generation,
    }
}

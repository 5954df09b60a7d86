//! The books on what went into the ring and what did not, and why.
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use vespid_ebpf::{Kind, Outcome, counter};

use super::atomic::add;

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(vespid_ebpf::COUNTERS as u32, 0);

/// Books one event. Atomic although per CPU: a program in a softirq may interrupt one in a process.
#[inline(always)]
pub(super) fn count(kind: Kind, outcome: Outcome) {
    if let Some(cell) = COUNTERS.get_ptr_mut(counter(kind, outcome)) {
        // SAFETY: a live map value, aligned to its type.
        unsafe { add(cell, 1) };
    }
}

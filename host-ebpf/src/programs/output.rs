//! The one way out: the ring buffer, and the books on what went into it and what did not.
//!
//! The last eighth of the ring is kept for the kinds that carry the process tree, so that a flood of opens cannot cost
//! an exec. The daemon is woken once enough is pending to be worth it; otherwise it comes by itself every few
//! milliseconds.
use core::arch::asm;
use core::slice;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use vespid_ebpf::{Kind, Outcome, counter};

use super::globals::ring_bytes;
use super::scratch::Scratch;

/// Pending bytes with which the daemon is woken, and again with as many more.
const WAKE_BYTES: u64 = 64 * 1024;

#[map]
static RECORDS: RingBuf = RingBuf::with_byte_size(8 * 1024 * 1024, 0);

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(vespid_ebpf::COUNTERS as u32, 0);

/// Books one event. Atomic although per CPU: a program in a softirq may interrupt one in a process.
#[inline(always)]
pub(super) fn count(kind: Kind, outcome: Outcome) {
    if let Some(cell) = COUNTERS.get_ptr_mut(counter(kind, outcome)) {
        // The BPF target has no atomic types, only the instruction.
        // SAFETY: a live map value, aligned to its type.
        unsafe { asm!("lock *(u64 *)({cell} + 0) += {one}", cell = in(reg) cell, one = in(reg) 1_u64) };
    }
}

/// Whether a record of a kind that may be missed can still be written; if not, it is booked as given up.
#[inline(always)]
pub(super) fn has_room(kind: Kind) -> bool {
    let free = ring_bytes() - RECORDS.query(u64::from(BPF_RB_AVAIL_DATA)).min(ring_bytes());
    if free < ring_bytes() / 8 {
        count(kind, Outcome::Shed);
        return false;
    }
    true
}

/// Writes the record that a scratch holds up to its cursor. `None` if that is beyond the scratch, which would be a
/// mistake of ours. The cursor is read anew right before the check: 6.1's verifier forgets a bound that was spilled.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn send<const SIZE: usize>(kind: Kind, scratch: *mut Scratch<SIZE>) -> Option<()> {
    // SAFETY: the caller's promise.
    let flags = wakeup(unsafe { (&raw const (*scratch).walk.at).read_volatile() });
    // SAFETY: the caller's promise; the length is checked.
    let bytes = unsafe {
        let len = (&raw const (*scratch).walk.at).read_volatile();
        if len > SIZE as u64 {
            return None;
        }
        slice::from_raw_parts((&raw const (*scratch).record).cast::<u8>(), len as usize)
    };
    match RECORDS.output::<[u8]>(bytes, flags) {
        Ok(()) => count(kind, Outcome::Written),
        Err(_) => count(kind, Outcome::RingFull),
    }
    Some(())
}

/// Writes a record of fixed length, which `fill` builds where it will lie: the stack is too small for it.
#[inline(always)]
pub(super) fn send_fixed<T: 'static>(kind: Kind, fill: impl FnOnce(*mut T)) {
    match RECORDS.reserve::<T>(0) {
        Some(mut slot) => {
            fill(slot.as_mut_ptr());
            slot.submit(wakeup(size_of::<T>() as u64));
            count(kind, Outcome::Written);
        }
        None => count(kind, Outcome::RingFull),
    }
}

/// Whether to wake the daemon with this record: if with it another so many bytes are pending. A wakeup costs several
/// microseconds, so a daemon that is late anyway is not called again for each record. A call that goes amiss, because
/// records of two CPUs met at the mark, costs no more than the time after which the daemon comes by itself.
#[inline(always)]
fn wakeup(len: u64) -> u64 {
    let pending = RECORDS.query(u64::from(BPF_RB_AVAIL_DATA));
    // A power of two, as the ring's size is one.
    let step = WAKE_BYTES.min(ring_bytes() / 2);
    let flag = if (pending & (step - 1)) + len >= step {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    u64::from(flag)
}

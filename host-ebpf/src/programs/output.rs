//! The one way out: the ring buffer.
//!
//! As the ring fills, kinds are given up one after the other, and of each kind first what the noisy produce
//! ([`share`]); the last eighth is kept for the process tree. The daemon is woken once enough is pending to be worth it;
//! otherwise it comes by itself every few milliseconds.
use core::slice;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS};
use aya_ebpf::macros::map;
use aya_ebpf::maps::RingBuf;
use vespid_ebpf::share::{allowance, ceiling, shared_from, turn};
use vespid_ebpf::{Header, Kind, Outcome};

use super::counters::count;
use super::globals::{is_fair, ring_bytes};
use super::scratch::Scratch;
use super::share::{charge, give_up, give_up_inline, used};

/// Pending bytes with which the daemon is woken, and again with as many more.
const WAKE_BYTES: u64 = 64 * 1024;

#[map]
static RECORDS: RingBuf = RingBuf::with_byte_size(8 * 1024 * 1024, 0);

/// Whether a record that may be missed can still be written for a control group; if not, it is booked as given up.
#[inline(always)]
pub(super) fn has_room(kind: Kind, cgroup: impl FnOnce() -> u64) -> bool {
    let pending = pending();
    pending < shared_from(ring_bytes()) || has_share(kind, pending, cgroup())
}

/// The same of a ring that is shared out.
#[inline(never)]
fn has_share(kind: Kind, pending: u64, cgroup: u64) -> bool {
    let outcome = if pending >= ceiling(ring_bytes(), kind) {
        Outcome::Shed
    } else if is_fair() && cgroup != 0 && used(cgroup, this_turn()) >= allowance(ring_bytes(), pending, kind) {
        Outcome::Limited
    } else {
        return true;
    };
    give_up_inline(kind, outcome, cgroup);
    false
}

/// Writes the record that a scratch holds up to its cursor. `None` if that is beyond the scratch, which would be a
/// mistake of ours. The cursor is read anew right before the check: 6.1's verifier forgets a bound that was spilled.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn send<const SIZE: usize>(kind: Kind, scratch: *mut Scratch<SIZE>) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe { try_send(kind, scratch).map(|_| ()) }
}

/// Like [`send`]; also says whether the ring took it.
///
/// # Safety
/// As for [`send`].
#[inline(always)]
pub(super) unsafe fn try_send<const SIZE: usize>(kind: Kind, scratch: *mut Scratch<SIZE>) -> Option<bool> {
    let pending = pending();
    // SAFETY: the caller's promise; every record begins with a header.
    let cgroup = unsafe { (&raw const (*(&raw const (*scratch).record).cast::<Header>()).cgroup).read_volatile() };
    // SAFETY: the caller's promise; the length is checked.
    let bytes = unsafe {
        let len = (&raw const (*scratch).walk.at).read_volatile();
        if len > SIZE as u64 {
            return None;
        }
        slice::from_raw_parts((&raw const (*scratch).record).cast::<u8>(), len as usize)
    };
    match RECORDS.output::<[u8]>(bytes, wakeup(pending, bytes.len() as u64)) {
        Ok(()) => {
            written(kind, pending, cgroup, bytes.len());
            Some(true)
        }
        Err(_) => {
            give_up(kind, Outcome::RingFull, cgroup);
            Some(false)
        }
    }
}

/// Writes a record of fixed length, which `fill` builds where it will lie: the stack is too small for it.
#[inline(always)]
pub(super) fn send_fixed<T: 'static>(kind: Kind, cgroup: u64, fill: impl FnOnce(*mut T)) {
    match RECORDS.reserve::<T>(0) {
        Some(mut slot) => {
            fill(slot.as_mut_ptr());
            let pending = pending();
            slot.submit(wakeup(pending, size_of::<T>() as u64));
            written(kind, pending, cgroup, size_of::<T>());
        }
        None => give_up(kind, Outcome::RingFull, cgroup),
    }
}

/// Books a record that was written with so much in the ring before it.
#[inline(always)]
fn written(kind: Kind, pending: u64, cgroup: u64, bytes: usize) {
    count(kind, Outcome::Written);
    if pending >= shared_from(ring_bytes()) && is_fair() && cgroup != 0 {
        charge(cgroup, this_turn(), bytes as u64);
    }
}

/// Bytes that wait in the ring.
#[inline(always)]
fn pending() -> u64 {
    RECORDS.query(u64::from(BPF_RB_AVAIL_DATA))
}

/// The number of the part of a ring that is being written.
#[inline(always)]
fn this_turn() -> u64 {
    RECORDS
        .query(u64::from(BPF_RB_PROD_POS))
        .checked_div(turn(ring_bytes()))
        .unwrap_or(0)
}

/// Whether to wake the daemon with this record: if with it another so many bytes are pending. A wakeup costs several
/// microseconds, so a daemon that is late anyway is not called again for each record. A call that goes amiss, because
/// records of two CPUs met at the mark, costs no more than the time after which the daemon comes by itself.
#[inline(always)]
fn wakeup(pending: u64, len: u64) -> u64 {
    // A power of two, as the ring's size is one.
    let step = WAKE_BYTES.min(ring_bytes() / 2);
    let flag = if (pending & (step - 1)) + len >= step {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    u64::from(flag)
}

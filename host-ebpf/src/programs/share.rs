//! Gives up the noisy first when the ring fills: see [`vespid_ebpf::share`].
//!
//! All of it is off the way of a record as long as the ring is less than half full.
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use vespid_ebpf::share::{MAX_SHARES, Share};
use vespid_ebpf::{Kind, Outcome};

use super::atomic::add;
use super::counters::count;

/// By control group (its id in the v2 hierarchy), those that wrote, or would have, while the ring was shared out.
#[map]
static SHARES: LruHashMap<u64, Share> = LruHashMap::with_max_entries(MAX_SHARES as u32, 0);

const BPF_NOEXIST: u64 = 1;

/// What an entry begins as: among the read-only data, for there is no room for it on the stack.
static NONE: Share = Share::NONE;

/// Bytes that a control group has written of a turn.
#[inline(always)]
pub(super) fn used(cgroup: u64, turn: u64) -> u64 {
    // SAFETY: a live map value; another CPU may be at it, which costs at most a record more or less.
    SHARES.get_ptr(&cgroup).map_or(0, |share| unsafe {
        if (&raw const (*share).turn).read_volatile() == turn {
            (&raw const (*share).used).read_volatile()
        } else {
            0
        }
    })
}

/// Books what a control group has written of a turn.
#[inline(never)]
pub(super) fn charge(cgroup: u64, turn: u64, bytes: u64) {
    let Some(share) = of(cgroup) else { return };
    // SAFETY: as in `used`.
    unsafe {
        if (&raw const (*share).turn).read_volatile() == turn {
            add(&raw mut (*share).used, bytes);
        } else {
            (&raw mut (*share).turn).write_volatile(turn);
            (&raw mut (*share).used).write_volatile(bytes);
        }
    }
}

/// Books a record that was given up: first for its control group, then for all, so that the daemon, which reads them the
/// other way round, never finds a record that is nobody's.
#[inline(never)]
pub(super) fn give_up(kind: Kind, outcome: Outcome, cgroup: u64) {
    give_up_inline(kind, outcome, cgroup);
}

/// The same without a frame of its own: where it is called deepest, 512 bytes of stack are just enough.
#[inline(always)]
pub(super) fn give_up_inline(kind: Kind, outcome: Outcome, cgroup: u64) {
    if cgroup != 0
        && let Some(share) = of(cgroup)
    {
        // SAFETY: a live map value; a kind is an index.
        unsafe { add((&raw mut (*share).given_up).cast::<u64>().add(kind.index()), 1) };
    }
    count(kind, outcome);
}

/// The books of a control group. `None` if none can be had just now, as in a program that interrupted another at it.
#[inline(always)]
fn of(cgroup: u64) -> Option<*mut Share> {
    if let Some(share) = SHARES.get_ptr_mut(&cgroup) {
        return Some(share);
    }
    let _raced = SHARES.insert(&cgroup, &NONE, BPF_NOEXIST);
    SHARES.get_ptr_mut(&cgroup)
}

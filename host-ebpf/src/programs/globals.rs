//! What the daemon says. Before the programs are loaded: read-only, and so constants to the verifier. While they run:
//! which kinds are wanted.
use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use vespid_ebpf::{ASKED, Kind, Offsets};

/// See [`Offsets`]. Read a field of it by [`offset!`].
#[unsafe(no_mangle)]
pub(super) static OFFSETS: Offsets = Offsets::UNKNOWN;

/// The daemon's own process, whose activity is not reported.
#[unsafe(no_mangle)]
static SELF_TGID: Global<u32> = Global::new(0);

/// Mask of the kinds that this kernel can deliver. What serves another is dead code to the verifier, which would refuse
/// it for the fields that it reads.
#[unsafe(no_mangle)]
static DELIVERABLE: Global<u32> = Global::new(0);

/// Mask of the kinds that are wanted at the moment, and [`ASKED`].
#[map]
static WANTED: Array<u32> = Array::with_max_entries(1, 0);

/// Size of the ring buffer in bytes.
#[unsafe(no_mangle)]
static RING_BYTES: Global<u64> = Global::new(0);

/// 1 if control groups get no more than their share of a ring that fills.
#[unsafe(no_mangle)]
static FAIR: Global<u32> = Global::new(1);

/// The offset of a kernel field.
macro_rules! offset {
    ($field:ident) => {
        $crate::programs::globals::loaded(&$crate::programs::globals::OFFSETS.$field)
    };
}
pub(super) use offset;

/// The id of a type, or [`vespid_ebpf::ABSENT`].
macro_rules! type_id {
    ($type:ident) => {
        $crate::programs::globals::loaded(&$crate::programs::globals::OFFSETS.types.$type)
    };
}
pub(super) use type_id;

/// Whether the kernel has a field.
macro_rules! has {
    ($field:ident) => {
        $crate::programs::globals::offset!($field) != vespid_ebpf::ABSENT
    };
}
pub(super) use has;

/// A member of [`OFFSETS`]. Volatile, one at a time: the value is the loader's, not the compiler's.
#[inline(always)]
pub(super) fn loaded(member: &u32) -> u32 {
    // SAFETY: a reference.
    unsafe { core::ptr::from_ref(member).read_volatile() }
}

/// Whether somebody wants a kind now. The verifier makes a plain load of the look-up.
#[inline(always)]
pub(super) fn wanted(kind: Kind) -> bool {
    if DELIVERABLE.load() & kind.bit() == 0 {
        return false;
    }
    wanted_mask() & kind.bit() != 0
}

/// Whether it is noted what is opened: there are kernels that let nobody see.
#[inline(always)]
pub(super) fn is_asked() -> bool {
    wanted_mask() & ASKED != 0
}

#[inline(always)]
fn wanted_mask() -> u32 {
    // SAFETY: a live map value, which is written as a whole.
    WANTED.get_ptr(0).map_or(0, |mask| unsafe { mask.read_volatile() })
}

#[inline(always)]
pub(super) fn self_tgid() -> u32 {
    SELF_TGID.load()
}

#[inline(always)]
pub(super) fn is_fair() -> bool {
    FAIR.load() != 0
}

#[inline(always)]
pub(super) fn ring_bytes() -> u64 {
    RING_BYTES.load()
}

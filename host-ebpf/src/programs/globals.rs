//! What the daemon says before the programs are loaded: read-only, and so constants to the verifier.
use aya_ebpf::Global;
use vespid_ebpf::{Kind, Offsets};

/// See [`Offsets`]. Read a field of it by [`offset!`].
#[unsafe(no_mangle)]
pub(super) static OFFSETS: Offsets = Offsets::UNKNOWN;

/// The daemon's own process, whose activity is not reported.
#[unsafe(no_mangle)]
static SELF_TGID: Global<u32> = Global::new(0);

/// Mask of the kinds that are asked for.
#[unsafe(no_mangle)]
static WANTED: Global<u32> = Global::new(0);

/// Size of the ring buffer in bytes.
#[unsafe(no_mangle)]
static RING_BYTES: Global<u64> = Global::new(0);

/// The offset of a kernel field.
macro_rules! offset {
    ($field:ident) => {
        $crate::programs::globals::loaded(&$crate::programs::globals::OFFSETS.$field)
    };
}
pub(super) use offset;

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

#[inline(always)]
pub(super) fn wanted(kind: Kind) -> bool {
    WANTED.load() & kind.bit() != 0
}

#[inline(always)]
pub(super) fn self_tgid() -> u32 {
    SELF_TGID.load()
}

#[inline(always)]
pub(super) fn ring_bytes() -> u64 {
    RING_BYTES.load()
}

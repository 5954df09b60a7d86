//! Where records of variable length are put together, and where the loops keep their state.
//!
//! One scratch a hook: a program that is interrupted by another must find its own as it left it. (A program cannot
//! interrupt itself on one CPU: the kernel does not run it then, and counts that as a miss.)
use core::ptr::read_volatile;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray};
use vespid_ebpf::sieve::{Mask, NameKey};
use vespid_ebpf::{ChangeRaw, ExecRaw, MAX_ARGS, MAX_PATH, MAX_TYPED, OpenRaw, PrivilegedRaw, SocketRaw, TOLD_BYTES};

use super::header::cpu;
use super::who::Who;

/// Longest name of one path component, with its NUL.
pub(super) const MAX_NAME: usize = 256;
/// Longest path of a cgroup that is carried.
pub(super) const MAX_CGROUP: usize = 4096;

/// Room for an exec record: filename, arguments, executable, working directory, cgroup.
pub(super) const EXEC_SIZE: usize = size_of::<ExecRaw>() + MAX_TYPED + MAX_ARGS + 2 * MAX_PATH + MAX_CGROUP + MAX_NAME;
/// Room for a record made when a system call returns.
pub(super) const CALL_SIZE: usize = size_of::<OpenRaw>() + MAX_PATH + MAX_NAME + MAX_TYPED + TOLD_BYTES;
/// Room for a record on a privileged call.
pub(super) const PRIVILEGED_SIZE: usize = size_of::<PrivilegedRaw>() + MAX_PATH + MAX_NAME + TOLD_BYTES;

/// Room for a record on a changed file: two paths with their texts, and a detail.
pub(super) const CHANGE_SIZE: usize =
    size_of::<ChangeRaw>() + 2 * (MAX_PATH + MAX_NAME + MAX_TYPED) + MAX_NAME + TOLD_BYTES;
/// Room for a record on a socket. Its tail is at most half of that, so that the verifier is content with a mask.
pub(super) const SOCKET_SIZE: usize = size_of::<SocketRaw>() + 1024;

/// A record in the making.
#[repr(C, align(8))]
pub(super) struct Scratch<const SIZE: usize> {
    /// The record's bytes.
    pub(super) record: [u8; SIZE],
    /// State of the loop that appends to it.
    pub(super) walk: Walk,
}

/// State of a walk along a path ([`super::walk`]). Addresses never leave the kernel: only `record` is sent.
#[repr(C)]
pub(super) struct Walk {
    /// Where the next name goes, in bytes from the start of the record.
    pub(super) at: u64,
    /// Where this path began.
    pub(super) from: u64,
    /// The directory entry, or kernfs node, to name next.
    pub(super) node: u64,
    /// The mount that it is in.
    pub(super) vfsmount: u64,
    /// That mount's root.
    pub(super) mount_root: u64,
    /// The task's root directory.
    pub(super) root_dentry: u64,
    /// The task's root mount.
    pub(super) root_vfsmount: u64,
    /// A [`vespid_ebpf::PathEnd`].
    pub(super) end: u64,
    /// Of all names of a path, from the hashes that the kernel has of them, each salted with its folder.
    pub(super) names: u64,
    /// What the sieve looks for, when it walks.
    pub(super) search: Search,
}

/// What a path or a text is looked through for: part of the state of a walk ([`super::names`]).
#[repr(C)]
pub(super) struct Search {
    /// How many names of a path have been seen.
    pub(super) depth: u64,
    /// Where the present name of a text began, and where the text ends.
    pub(super) name: u64,
    pub(super) end: u64,
    /// Whose names they are.
    pub(super) filters: Mask,
    pub(super) generation: u32,
    pub(super) verdict: u32,
    /// Of [`super::names::keep`].
    pub(super) tells: u32,
    /// What the call asks for: an index of the sieve's likenesses.
    pub(super) class: u32,
    /// Not 0: of [`super::names::judge_late`].
    pub(super) is_late: u64,
    pub(super) who: Who,
    /// The key is taken for words, too.
    pub(super) key: NameKey,
}

/// An array with an element a CPU, as the value is larger than a per-CPU map takes. The daemon sets its length.
#[map]
static EXEC_SCRATCH: Array<Scratch<EXEC_SIZE>> = Array::with_max_entries(1, 0);

#[map]
static CALL_SCRATCH: PerCpuArray<Scratch<CALL_SIZE>> = PerCpuArray::with_max_entries(1, 0);

#[map]
static PRIVILEGED_SCRATCH: PerCpuArray<Scratch<PRIVILEGED_SIZE>> = PerCpuArray::with_max_entries(1, 0);

#[map]
static CHANGE_SCRATCH: PerCpuArray<Scratch<CHANGE_SIZE>> = PerCpuArray::with_max_entries(1, 0);

#[map]
static SOCKET_SCRATCH: PerCpuArray<Scratch<SOCKET_SIZE>> = PerCpuArray::with_max_entries(1, 0);

/// The scratch of the exec hook.
#[inline(always)]
pub(super) fn of_exec() -> Option<*mut Scratch<EXEC_SIZE>> {
    EXEC_SCRATCH.get_ptr_mut(cpu())
}

/// The scratch of the system call hook.
#[inline(always)]
pub(super) fn of_call() -> Option<*mut Scratch<CALL_SIZE>> {
    CALL_SCRATCH.get_ptr_mut(0)
}

/// The scratch of the program on privileged calls.
#[inline(always)]
pub(super) fn of_privileged() -> Option<*mut Scratch<PRIVILEGED_SIZE>> {
    PRIVILEGED_SCRATCH.get_ptr_mut(0)
}

/// The scratch of the program on changed files.
#[inline(always)]
pub(super) fn of_change() -> Option<*mut Scratch<CHANGE_SIZE>> {
    CHANGE_SCRATCH.get_ptr_mut(0)
}

/// The scratch of the program on sockets.
#[inline(always)]
pub(super) fn of_socket() -> Option<*mut Scratch<SOCKET_SIZE>> {
    SOCKET_SCRATCH.get_ptr_mut(0)
}

/// Where the next part goes, if at least `room` bytes are left there. Read anew from the map, so that neither the
/// compiler nor the verifier knows more about it than the check says.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn place<const SIZE: usize>(scratch: *mut Scratch<SIZE>, room: usize) -> Option<(u64, *mut u8)> {
    // SAFETY: the caller's promise; the offset is checked below.
    unsafe {
        let at = read_volatile(&raw const (*scratch).walk.at);
        if at > (SIZE - room) as u64 {
            return None;
        }
        Some((at, (&raw mut (*scratch).record).cast::<u8>().add(at as usize)))
    }
}

/// Whether the record ends with namespaces: of [`super::names::keep`].
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn tells<const SIZE: usize>(scratch: *const Scratch<SIZE>) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (&raw const (*scratch).walk.search.tells).read_volatile() != 0 }
}
